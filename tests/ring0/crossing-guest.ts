// A booted machine with one tiny program in it, for tests of the crossings on the real CPU.

import { AssemblyState } from "@defasm/core";
import { cpuModel, DEFAULT_CPU, type Vendor } from "../../host/machine/cpu-models";
import { dumpRegisters } from "../../host/machine/dump";
import { Machine } from "../../host/machine/machine";
import { PAGE_SIZE } from "../../host/machine/phys-memory";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../../host/ring0/page-tables";
import type { AddressSpace } from "../../host/ring0/address-space";
import { DISPATCH_SUSPENDED, Ring0 } from "../../host/ring0/ring0";
import type { Ring0Options } from "../../host/ring0/boot";
import type { EntryText } from "../../host/ring0/entry-symbols";
import { SUSPEND, type Ring0Hooks, type Suspend } from "../../host/ring0/hypercall";
import type { PtRegs } from "../../host/ring0/pt-regs";
import { __USER32_CS } from "../../host/ring0/segments";

export const CODE = 0x401000;
export const STACK_TOP = 0x7ffff8000000;
/** Of a program that starts in compatibility mode. */
export const STACK_TOP_32 = 0x600000;
/** A crossing that takes more instructions than this hangs. */
const PATIENCE = 100_000;

export function assemble(text: string): Uint8Array {
  const state = new AssemblyState();
  state.compile(text);
  if (state.errors.length > 0) throw new Error(state.errors.map((error: { message: string }) => error.message).join("; "));
  return new Uint8Array(state.head.dump());
}

/** What came in from the guest, in order. */
export interface Arrival {
  kind: "syscall" | "int80" | "fast" | "exception" | "interrupt";
  /** System-call number, or vector. */
  number: number;
  errorCode: number;
  ip: number;
  userMode: boolean;
}

export interface Guest {
  machine: Machine;
  ring0: Ring0;
  space: AddressSpace;
  arrivals: Arrival[];
  hooks: Ring0Hooks;
  /** Lets a test answer: called after the arrival is noted; SUSPEND ends go(). */
  answer: (arrival: Arrival, regs: PtRegs) => void | Suspend;
  /** Runs until `answer` says SUSPEND. */
  go(): void;
}

export interface GuestOptions extends Ring0Options {
  bits?: 32;
  vendor?: Vendor;
  /** Does the CPU offer it? Default true. */
  smap?: boolean;
  fsgsbase?: boolean;
  /** Other entry code than the build's. */
  text?: EntryText;
}

/** What V8 has compiled and optimised of the machine is shared by all guests. */
let module: WebAssembly.Module | undefined;

/**
 * `text` at CODE, executable; one writable page below STACK_TOP. By default system call 60 ends go(). With `bits` 32 it starts in
 * compatibility mode, with its stack at STACK_TOP_32; the assembler makes 64-bit code, so `text` must be what means the same there.
 */
export async function guestProgram(text: string, options: GuestOptions): Promise<Guest> {
  const model = cpuModel(DEFAULT_CPU);
  const features = new Set(model.features);
  if (options.smap === false) features.delete("SMAP");
  if (options.fsgsbase === false) features.delete("FSGSBASE");
  const cpu = { ...model, features, vendor: options.vendor ?? "intel" };
  const machine = await Machine.create({ ramBytes: 8 * 1024 * 1024, cpu, module });
  module = machine.module;
  const ring0 = Ring0.boot(machine, { pti: options.pti, pcid: options.pcid, features }, options.text);
  const space = ring0.createAddressSpace()!;
  const code = machine.phys.allocFrame();
  machine.phys.write(code, assemble(text));
  space.map(CODE, code, PROT_READ | PROT_EXEC);
  const stackTop = options.bits === 32 ? STACK_TOP_32 : STACK_TOP;
  space.map(stackTop - PAGE_SIZE, machine.phys.allocFrame(), PROT_READ | PROT_WRITE);
  const stack = ring0.allocKernelStack()!;
  ring0.enterUser(stack, space, CODE, stackTop);
  if (options.bits === 32) stack.regs.cs = __USER32_CS;

  const arrivals: Arrival[] = [];
  const arrive = (kind: Arrival["kind"], number: number, errorCode: number, regs: PtRegs) => {
    const arrival = { kind, number, errorCode, ip: regs.ip, userMode: regs.userMode };
    arrivals.push(arrival);
    return guest.answer(arrival, regs);
  };
  const guest: Guest = {
    machine, ring0, space, arrivals,
    hooks: {
      syscall: (regs) => arrive("syscall", regs.origAx, 0, regs),
      syscall32: (regs, door) => arrive(door, regs.origAx, 0, regs),
      exception: (regs, vector, errorCode) => arrive("exception", vector, errorCode, regs),
      interrupt: (regs, vector) => void arrive("interrupt", vector, 0, regs),
    },
    answer: (arrival) => (arrival.kind === "syscall" && arrival.number === 60 ? SUSPEND : undefined),
    go() {
      const reason = ring0.dispatch(guest.hooks, PATIENCE);
      if (reason !== DISPATCH_SUSPENDED) throw new Error(`dispatch ended with ${reason}\n${dumpRegisters(machine.registers)}`);
    },
  };
  return guest;
}
