// The events that the injection tests bring about at an instruction boundary, one row each.

import type { Guest } from "./crossing-guest";
import { TSS_sp1 } from "../../host/ring0/descriptors";
import { CPU_TSS_RW, describeStack, EXCEPTION_STACKS } from "../../host/ring0/layout";
import { FLAG_RF } from "../../kernel/abi/bits";
import { CPL, DR0, DR7, MACHINE_CHECK_WAITS, NMI_BLOCKED, NMI_WAITS, NO_VECTOR, PENDING_DEBUG, PENDING_INTERRUPT, PENDING_NMI, RFLAGS, RIP, RSP, SHADOW } from "../../kernel/abi/state";
import { VECTOR_DB, VECTOR_MC, VECTOR_NMI, VECTOR_TIMER } from "../../kernel/abi/vectors";

export type EventName =
  | "NMI" | "#MC" | "#DB" | "#DB on the instruction" | "#DB on its data" | "timer" | "NMI in the NMI handler" | "#DB in the NMI handler and an NMI";

export interface InjectedEvent {
  name: EventName;
  /** What the kernel hears of once more. */
  vector: number;
  /** What it may hear of besides. */
  besides?: number;
  /** Arms or raises it. False: it cannot come here. */
  inject(guest: Guest): boolean;
  /** Instructions to run until it has been delivered, if nothing holds it back. */
  instructions: 0 | 1;
  /** Has it not been delivered yet? @param stub address of its entry stub */
  waits(guest: Guest, stub: number): boolean;
  /** It may find nothing to hit. */
  mayMiss?: true;
  /** If the kernel has not heard of the one before, it may hear of both at once. */
  mayMerge?: true;
}

const stackOf = (name: string) => EXCEPTION_STACKS.find((stack) => stack.name === name)!;

/** A second event of the same vector would overwrite the frame of the first, on hardware as here; but for the NMI, which can tell. */
function onStackOf(guest: Guest, name: string): boolean {
  const rsp = guest.machine.registers.getLinear(RSP);
  const { bottom, top } = stackOf(name);
  return rsp > bottom && rsp <= top;
}

/** DR1-DR3: 0 is the program's. */
function breakpoints(guest: Guest, rows: readonly (readonly [address: number, control: number])[]): boolean {
  const { registers } = guest.machine;
  if (onStackOf(guest, "#DB")) return false;
  let control = registers.lo(DR7);
  for (const [i, [address, kind]] of rows.entries()) {
    const n = i + 1;
    registers.set(DR0 + 8 * n, address);
    control |= (2 << (2 * n)) | (kind << (16 + 4 * n));
  }
  registers.set(DR7, control >>> 0);
  return true;
}

/** A breakpoint has been met if the CPU is in the first instructions of the stub. */
function notInStub(guest: Guest, stub: number): boolean {
  const offset = guest.machine.registers.getLinear(RIP) - stub;
  return offset < 0 || offset > 4;
}

const EXECUTE = 0;
/** Reading or writing of eight bytes. */
const ACCESS_8 = 0b1011;

export const EVENTS: readonly InjectedEvent[] = [
  {
    name: "NMI", vector: VECTOR_NMI, instructions: 0,
    inject({ machine }) {
      machine.registers.setWord(PENDING_NMI, machine.registers.getWord(PENDING_NMI) | NMI_WAITS);
      return true;
    },
    waits: ({ machine }) => (machine.registers.getWord(PENDING_NMI) & NMI_WAITS) !== 0,
  },
  {
    name: "#MC", vector: VECTOR_MC, instructions: 0,
    inject(guest) {
      const { registers } = guest.machine;
      // Behind MOV SS it would let the #DB that waits there come before the door, and not in it.
      if (onStackOf(guest, "#MC") || registers.getWord(SHADOW)) return false;
      registers.setWord(PENDING_NMI, registers.getWord(PENDING_NMI) | MACHINE_CHECK_WAITS);
      return true;
    },
    waits: ({ machine }) => (machine.registers.getWord(PENDING_NMI) & MACHINE_CHECK_WAITS) !== 0,
  },
  {
    // As a data breakpoint of the instruction before leaves it, at once or behind MOV SS.
    name: "#DB", vector: VECTOR_DB, instructions: 0,
    inject(guest) {
      const { registers } = guest.machine;
      if (onStackOf(guest, "#DB")) return false;
      registers.setWord(PENDING_DEBUG, registers.getWord(PENDING_DEBUG) | 2);
      return true;
    },
    waits: ({ machine }) => (machine.registers.getWord(PENDING_DEBUG) & 2) !== 0,
  },
  {
    name: "#DB on the instruction", vector: VECTOR_DB, instructions: 1,
    inject(guest) {
      const { registers } = guest.machine;
      if (registers.lo(RFLAGS) & FLAG_RF || registers.getWord(SHADOW)) return false;
      return breakpoints(guest, [[registers.getLinear(RIP), EXECUTE]]);
    },
    waits: notInStub,
  },
  {
    name: "#DB on its data", vector: VECTOR_DB, instructions: 1, mayMiss: true,
    inject(guest) {
      const rsp = guest.machine.registers.getLinear(RSP);
      const rows = [CPU_TSS_RW + TSS_sp1 - 4, CPU_TSS_RW + TSS_sp1 + 4, rsp, rsp - 8];
      return breakpoints(guest, (rsp < 0 ? [rows[0]!, rows[2]!, rows[3]!] : rows.slice(0, 2)).map((address) => [address, ACCESS_8]));
    },
    waits: notInStub,
  },
  {
    name: "timer", vector: VECTOR_TIMER, instructions: 0,
    inject({ machine }) {
      const { registers } = machine;
      if (registers.getWord(PENDING_INTERRUPT) !== NO_VECTOR) return false;
      registers.setWord(PENDING_INTERRUPT, VECTOR_TIMER);
      return true;
    },
    waits: ({ machine }) => machine.registers.getWord(PENDING_INTERRUPT) !== NO_VECTOR,
  },
];

export function eventNamed(name: EventName): InjectedEvent {
  return EVENTS.find((event) => event.name === name)!;
}

const NMI = eventNamed("NMI");
const BREAKPOINT = eventNamed("#DB on the instruction");

/**
 * Is the CPU in the handler of an NMI, where an exception is allowed to let the next one in? Not before the hardware's frame has been
 * copied out of its way: there Linux has no breakpoints, and nothing else can fault.
 */
function inNmiHandler(guest: Guest): boolean {
  const { registers } = guest.machine;
  if (registers.getWord(NMI_BLOCKED) === 0 || registers.getWord(CPL) !== 0) return false;
  if (!onStackOf(guest, "NMI")) return describeStack(registers.getLinear(RSP)) === "kernel stack";
  const rip = registers.getLinear(RIP);
  const from = (label: string) => rip >= guest.ring0.labels.get(label)!;
  return from("repeat_nmi") || (from("paranoid_entry") && !from("paranoid_exit"));
}

/** NMIs are blocked until an IRET, and that of an exception in the handler of one is enough (SDM Vol. 3A 6.7.1). */
export const NESTED_EVENTS: readonly InjectedEvent[] = [
  {
    name: "NMI in the NMI handler", vector: VECTOR_NMI, instructions: 0, mayMerge: true,
    inject(guest) {
      if (!inNmiHandler(guest)) return false;
      guest.machine.registers.setWord(NMI_BLOCKED, 0);
      return NMI.inject(guest);
    },
    waits: NMI.waits,
  },
  {
    name: "#DB in the NMI handler and an NMI", vector: VECTOR_NMI, besides: VECTOR_DB, instructions: 1, mayMerge: true,
    inject: (guest) => inNmiHandler(guest) && BREAKPOINT.inject(guest) && NMI.inject(guest),
    waits: NMI.waits,
  },
];
