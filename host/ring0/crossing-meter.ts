// Tells apart what the CPU executes at ring 3, in the entry code on the way in, and in the entry code on the way back: exactly, at
// nearly full speed, for a whole program. Stands, like Crossing, between Ring0.dispatch() and Machine.run().
//
// Every way into the entry text from user mode begins with an instruction of three bytes that can be spared: SWAPGS after SYSCALL, CLAC
// after a gate of the IDT. Every way out has a SWAPGS just before its SYSRET or IRETQ. VMCALL has three bytes too. So the meter
// puts a VMCALL in their place, does the instruction itself when the CPU stops there, and reads the count of retired instructions. The
// VMCALL counts as the one that it stands for, so all counts are those of the unmetered program.

import { FLAG_AC } from "../../kernel/abi/bits";
import { EXIT_BUDGET, EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import { GS_BASE, KERNEL_GS_BASE, RAX, RDI, RDX, RETIRED, RFLAGS, RIP } from "../../kernel/abi/state";
import type { Machine } from "../machine/machine";
import {
  HYPERCALL_DO_FAST_SYSCALL_32, HYPERCALL_DO_INT80_SYSCALL_32, HYPERCALL_DO_SYSCALL_64, HYPERCALL_EXCEPTION, HYPERCALL_INTERRUPT,
} from "./hypercall";
import { KERNEL_TEXT, PHYS_KERNEL_TEXT } from "./layout";
import { PT_ORIG_AX } from "./pt-regs";
import type { Ring0 } from "./ring0";

const VMCALL = [0x0f, 0x01, 0xc1];
const SWAPGS = [0x0f, 0x01, 0xf8];
const CLAC = [0x0f, 0x01, 0xca];
/** In its place without SMAP. */
const NOP = [0x0f, 0x1f, 0x00];

/** Why the CPU left user mode. `start` is the way into a program that has not run yet. */
export type CrossingCause = { kind: "syscall" | "syscall32"; number: number } | { kind: "exception" | "interrupt"; vector: number } | { kind: "start" };

/** All crossings of one cause. Instructions are guest instructions; nanoseconds are the host's. */
export interface CrossingTotal {
  cause: CrossingCause;
  count: number;
  /** From the first instruction at ring 0 to the hypercall, that included. */
  entryInstructions: number;
  entryNs: number;
  /** Behind the hypercall to SYSRET or IRETQ, that included; 0 for a crossing that never comes back. */
  exitInstructions: number;
  exitNs: number;
  /** The handler, in the host: time alone, for it executes no guest instruction. */
  handlerNs: number;
}

export interface MeterOptions {
  /** The host's monotonic clock. */
  nowNs: () => number;
}

interface Probe {
  kind: "enter" | "leave";
  /** Instructions at ring 0 before the probe ("enter"), or to come behind it ("leave"). */
  beside: number;
  emulate: "SWAPGS" | "CLAC" | "NOP";
}

export class CrossingMeter {
  readonly totals = new Map<string, CrossingTotal>();
  userInstructions = 0;
  userNs = 0;
  readonly #ring0: Ring0;
  readonly #machine: Machine;
  readonly #nowNs: () => number;
  readonly #probes = new Map<number, Probe>();
  #phase: "user" | "entry" | "exit" = "exit";
  /** Where the count and the clock stood when the phase began. */
  #retired: number;
  #since = 0;
  /** Of the crossing that is under way, until its cause is known. */
  #entry = { instructions: 0, ns: 0 };
  #total: CrossingTotal;

  /** Attaches to a machine that has not run yet. @throws Error when the entry text is not as expected */
  constructor(ring0: Ring0, options: MeterOptions) {
    this.#ring0 = ring0;
    this.#machine = ring0.machine as Machine;
    this.#nowNs = options.nowNs;
    this.#placeProbes();
    this.#total = this.#totalOf({ kind: "start" });
    this.#total.count = 1;
    this.#retired = this.#machine.registers.get(RETIRED);
    const run = this.#machine.run.bind(this.#machine);
    this.#machine.run = (budget) => this.#run(run, budget);
    const hypercall = ring0.hypercall.bind(ring0);
    ring0.hypercall = (hooks) => {
      const begun = this.#nowNs();
      const answer = hypercall(hooks);
      this.#total.handlerNs += this.#nowNs() - begun;
      return answer;
    };
  }

  #placeProbes(): void {
    const { labels, options } = this.#ring0;
    const smap = options.features?.has("SMAP") ?? true;
    const clac = smap ? CLAC : NOP;
    const emulate = smap ? "CLAC" : "NOP";
    for (const [label, address] of labels) {
      // An interrupt's stub has pushed its vector and jumped before.
      if (label.startsWith("asm_exc_") && !label.endsWith("_from_usermode")) this.#probe(address, clac, { kind: "enter", beside: 0, emulate });
      if (label === "asm_common_interrupt") this.#probe(address, clac, { kind: "enter", beside: 2, emulate });
    }
    this.#probe(labels.get("entry_SYSCALL_64")!, SWAPGS, { kind: "enter", beside: 0, emulate: "SWAPGS" });
    this.#probe(labels.get("entry_INT80_compat")!, clac, { kind: "enter", beside: 0, emulate });
    for (const door of ["entry_SYSENTER_compat", "entry_SYSCALL_compat"]) {
      this.#probe(labels.get(door)!, SWAPGS, { kind: "enter", beside: 0, emulate: "SWAPGS" });
    }
    // SYSRET follows, or JMP and IRETQ.
    for (const exit of ["entry_SYSRETQ_unsafe_stack", "entry_SYSRETL_compat_unsafe_stack"]) {
      this.#probe(labels.get(exit)!, SWAPGS, { kind: "leave", beside: 1, emulate: "SWAPGS" });
    }
    // Behind the first of these, and a switch of stacks, follows the second where the stack has 16 bits.
    const iret = this.#find(SWAPGS, labels.get("swapgs_restore_regs_and_return_to_usermode")!, labels.get("restore_regs_and_return_to_kernel")!);
    this.#probe(iret, SWAPGS, { kind: "leave", beside: 4, emulate: "SWAPGS" });
    this.#probe(labels.get("native_irq_return_ldt_swapgs")!, SWAPGS, { kind: "leave", beside: 5, emulate: "SWAPGS" });
  }

  #probe(address: number, expected: readonly number[], probe: Probe): void {
    if (this.#find(expected, address, address + expected.length) !== address) throw new Error(`no ${probe.emulate} at ${this.#ring0.text.symbolize(address)}`);
    this.#machine.phys.write(PHYS_KERNEL_TEXT + (address - KERNEL_TEXT), Uint8Array.from(VMCALL));
    this.#probes.set(address + VMCALL.length, probe);
  }

  /** The only place of `bytes` between two addresses of the entry text. */
  #find(bytes: readonly number[], from: number, to: number): number {
    const { text } = this.#ring0;
    const found: number[] = [];
    for (let address = from; address + bytes.length <= to; address++) {
      if (bytes.every((byte, i) => text.bytes[address - text.base + i] === byte)) found.push(address);
    }
    if (found.length !== 1) throw new Error(`${found.length} places for a probe behind ${this.#ring0.text.symbolize(from)}`);
    return found[0]!;
  }

  #run(run: (budget: number) => number, budget: number): number {
    const { registers } = this.#machine;
    const end = registers.get(RETIRED) + budget;
    // The time between two runs is the handler's or the scheduler's.
    this.#since = this.#nowNs();
    for (;;) {
      const reason = run(end - registers.get(RETIRED));
      const now = this.#nowNs();
      const ns = now - this.#since;
      this.#since = now;
      const probe = reason === EXIT_HYPERCALL ? this.#probes.get(registers.getLinear(RIP)) : undefined;
      if (probe === undefined) {
        this.#stopped(reason, ns);
        return reason;
      }
      this.#emulate(probe);
      this.#passed(probe, ns);
      if (registers.get(RETIRED) >= end) return EXIT_BUDGET;
    }
  }

  #emulate(probe: Probe): void {
    if (probe.emulate === "NOP") return;
    const { registers } = this.#machine;
    if (probe.emulate === "CLAC") {
      registers.setHalves(RFLAGS, registers.lo(RFLAGS) & ~FLAG_AC, registers.hi(RFLAGS));
      return;
    }
    const user = [registers.lo(GS_BASE), registers.hi(GS_BASE)] as const;
    registers.setHalves(GS_BASE, registers.lo(KERNEL_GS_BASE), registers.hi(KERNEL_GS_BASE));
    registers.setHalves(KERNEL_GS_BASE, ...user);
  }

  #passed(probe: Probe, ns: number): void {
    const retired = this.#machine.registers.get(RETIRED);
    if (probe.kind === "leave") {
      this.#total.exitInstructions += retired + probe.beside - this.#retired;
      this.#total.exitNs += ns;
      this.#phase = "user";
      this.#retired = retired + probe.beside;
      return;
    }
    if (this.#phase !== "user") {
      // An exception inside the entry code belongs to the crossing that it happened in.
      this.#addTime(ns);
      return;
    }
    const begun = retired - 1 - probe.beside;
    this.userInstructions += begun - this.#retired;
    this.userNs += ns;
    this.#phase = "entry";
    this.#retired = begun;
    this.#entry = { instructions: 0, ns: 0 };
  }

  /** run() has returned for another reason than a probe. */
  #stopped(reason: number, ns: number): void {
    this.#addTime(ns);
    if (reason !== EXIT_HYPERCALL) return;
    const retired = this.#machine.registers.get(RETIRED);
    const instructions = retired - this.#retired;
    this.#retired = retired;
    if (this.#phase === "entry") {
      this.#total = this.#totalOf(this.#cause());
      this.#total.count++;
      this.#total.entryInstructions += this.#entry.instructions + instructions;
      this.#total.entryNs += this.#entry.ns;
      this.#phase = "exit";
    } else this.#total.exitInstructions += instructions;
  }

  #addTime(ns: number): void {
    if (this.#phase === "user") this.userNs += ns;
    else if (this.#phase === "entry") this.#entry.ns += ns;
    else this.#total.exitNs += ns;
  }

  /** What the hypercall that run() has returned with says (hypercall.ts). */
  #cause(): CrossingCause {
    const { registers } = this.#machine;
    switch (registers.lo(RAX)) {
      case HYPERCALL_DO_SYSCALL_64:
      case HYPERCALL_DO_INT80_SYSCALL_32:
      case HYPERCALL_DO_FAST_SYSCALL_32: {
        const current = this.#ring0.current;
        if (current === undefined || current.regsLinear !== registers.getLinear(RDI)) throw new Error("a system call on no task's stack");
        return { kind: registers.lo(RAX) === HYPERCALL_DO_SYSCALL_64 ? "syscall" : "syscall32", number: current.regs.lo(PT_ORIG_AX) };
      }
      case HYPERCALL_EXCEPTION:
        return { kind: "exception", vector: registers.lo(RDX) };
      case HYPERCALL_INTERRUPT:
        return { kind: "interrupt", vector: registers.lo(RDX) };
    }
    throw new Error(`a crossing that begins with hypercall ${registers.lo(RAX)}`);
  }

  #totalOf(cause: CrossingCause): CrossingTotal {
    const key = cause.kind === "start" ? "start" : `${cause.kind} ${"number" in cause ? cause.number : cause.vector}`;
    let total = this.totals.get(key);
    if (total === undefined) {
      total = { cause, count: 0, entryInstructions: 0, entryNs: 0, exitInstructions: 0, exitNs: 0, handlerNs: 0 };
      this.totals.set(key, total);
    }
    return total;
  }

  /** All instructions that have been told apart: every one that was retired, when the program has ended by a crossing. */
  get instructions(): number {
    let sum = this.userInstructions;
    for (const total of this.totals.values()) sum += total.entryInstructions + total.exitInstructions;
    return sum;
  }
}
