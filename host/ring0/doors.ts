// The doors from user code into the kernel, one row each, as a tracer needs them: how to stop in front of a door at full speed, what
// the hardware does at it, and where each field of pt_regs comes from.
// Called from crossing.ts.
//
// A door is found by closing it: SYSCALL without EFER.SCE is #UD, INT 0x80 through a gate of DPL 0 and SYSENTER with a null CS are #GP.
// The hypercall of that fault shows the call before anything of it has happened; the door is opened, and the frame goes back to the
// same instruction. Exceptions are found the same way, without closing anything: the instruction will fault again. Interrupts and
// NMIs need not be looked for, they can be raised anywhere.

import type { Registers } from "../machine/registers";
import type { PhysMemory } from "../machine/phys-memory";
import { VECTORS } from "./idtentry.asm";
import { CEA_IDT, CPU_ENTRY_AREA, PHYS_CPU_ENTRY_AREA } from "./layout";
import type { PtRegs } from "./pt-regs";
import { __KERNEL_CS, __USER32_CS, __USER_CS } from "./segments";
import { EFER_SCE } from "../../kernel/abi/bits";
import { EFER, PENDING_INTERRUPT, PENDING_NMI, SYSENTER_CS } from "../../kernel/abi/state";
import { VECTOR_BP, VECTOR_DB, VECTOR_GP, VECTOR_NMI, VECTOR_OF, VECTOR_TIMER, VECTOR_UD } from "../../kernel/abi/vectors";

interface ClosedBy {
  vector: number;
  errorCode: number;
  /** The door's instruction. */
  code: readonly [number, number];
  /** Code segment of those who come by it, if not any. */
  cs?: number;
}

export interface Door {
  name: string;
  /** What a crossing by it is called. */
  title: string;
  /** The C function that the entry code calls. */
  calls: string;
  /** What has happened when the first instruction at ring 0 is about to run. */
  arrival: string;
  /** Where the way back leads, if the call has not changed it. */
  back: string;
  /** Who put a field of pt_regs there. */
  notes: Readonly<Record<string, string>>;
  /** Opens or closes it. */
  open?(machine: { registers: Registers; phys: PhysMemory }, open: boolean): void;
  /** The fault that a closed door gives. */
  closedBy?: ClosedBy;
  /** For an exception: its vector. */
  vector?: number;
  /** Raises the event, between two instructions of user code. */
  raise?(registers: Registers): void;
}

const HARDWARE_FRAME = { ss: "pushed by the hardware", sp: "pushed by the hardware", flags: "pushed by the hardware", cs: "pushed by the hardware" };
const NATIVE_ARGUMENTS = {
  di: "argument 1", si: "argument 2", dx: "argument 3", r10: "argument 4 (RCX is taken)", r8: "argument 5", r9: "argument 6",
  ax: "-ENOSYS until the handler's result replaces it",
};
const COMPAT_ARGUMENTS = {
  bx: "argument 1", cx: "argument 2", dx: "argument 3", si: "argument 4", di: "argument 5", bp: "argument 6",
  ax: "-ENOSYS until the handler's result replaces it",
};
const NUMBER = "RAX: the number of the call";

function allowSyscall({ registers }: { registers: Registers }, open: boolean): void {
  const efer = registers.lo(EFER);
  registers.setHalves(EFER, open ? efer | EFER_SCE : efer & ~EFER_SCE, registers.hi(EFER));
}

const DPL_3 = 0x6000;

/** The DPL of the gate of INT 0x80. */
function allowInt80({ phys }: { phys: PhysMemory }, open: boolean): void {
  const at = (PHYS_CPU_ENTRY_AREA + (CEA_IDT - CPU_ENTRY_AREA) + 0x80 * 16 + 4) >>> 2;
  phys.u32[at] = open ? phys.u32[at]! | DPL_3 : phys.u32[at]! & ~DPL_3;
}

const SYSTEM_CALLS: readonly Door[] = [
  {
    name: "syscall", title: "SYSCALL", calls: "do_syscall_64", open: allowSyscall,
    arrival: "RIP from IA32_LSTAR, CS and SS from IA32_STAR; RSP and CR3 are still the user's", back: "at the instruction behind SYSCALL",
    closedBy: { vector: VECTOR_UD, errorCode: 0, code: [0x0f, 0x05], cs: __USER_CS },
    notes: {
      ss: "__USER_DS, a constant: SYSCALL saves no SS", sp: "the user's RSP, by way of TSS.sp2", flags: "R11, where SYSCALL saved RFLAGS",
      cs: "__USER_CS, a constant", ip: "RCX, where SYSCALL saved RIP", orig_ax: NUMBER, ...NATIVE_ARGUMENTS,
    },
  },
  {
    name: "int80", title: "INT 0x80", calls: "do_int80_syscall_32", open: allowInt80,
    arrival: "through the IDT's gate 0x80, onto the stack of TSS.sp0; CR3 and GS are still the user's", back: "at the instruction behind INT 0x80",
    closedBy: { vector: VECTOR_GP, errorCode: 0x80 * 8 + 2, code: [0xcd, 0x80] },
    notes: { ...HARDWARE_FRAME, ip: "pushed by the hardware: behind INT 0x80", orig_ax: NUMBER, ...COMPAT_ARGUMENTS },
  },
  {
    name: "sysenter", title: "SYSENTER", calls: "do_SYSENTER_32",
    open: ({ registers }, open) => registers.set(SYSENTER_CS, open ? __KERNEL_CS : 0),
    arrival: "CS, RIP and RSP from IA32_SYSENTER_CS, _EIP and _ESP; the user's RIP and RSP are lost", back: "at the vDSO's landing pad",
    closedBy: { vector: VECTOR_GP, errorCode: 0, code: [0x0f, 0x34] },
    notes: {
      ss: "__USER_DS, a constant", sp: "RBP, where the vDSO has kept it", flags: "RFLAGS, with IF put back", cs: "__USER32_CS, a constant",
      ip: "the vDSO's landing pad, a constant of the program", orig_ax: NUMBER, ...COMPAT_ARGUMENTS, bp: "ESP; argument 6 lies there",
    },
  },
  {
    name: "syscall32", title: "SYSCALL from compatibility mode", calls: "do_fast_syscall_32", open: allowSyscall,
    arrival: "RIP from IA32_CSTAR, CS and SS from IA32_STAR; RSP and CR3 are still the user's", back: "at the vDSO's landing pad",
    closedBy: { vector: VECTOR_UD, errorCode: 0, code: [0x0f, 0x05], cs: __USER32_CS },
    notes: {
      ss: "__USER_DS, a constant", sp: "the user's ESP, by way of R8", flags: "R11, where SYSCALL saved RFLAGS", cs: "__USER32_CS, a constant",
      ip: "the vDSO's landing pad, a constant of the program", orig_ax: NUMBER, ...COMPAT_ARGUMENTS, cx: "argument 2: the vDSO has kept it in EBP",
      bp: "argument 6 lies on the user's stack",
    },
  },
];

const INTERRUPTS: readonly Door[] = [
  {
    name: "timer", title: "a timer interrupt", calls: "common_interrupt", back: "at the instruction that was interrupted",
    arrival: `through the IDT's gate 0x${VECTOR_TIMER.toString(16)}, onto the stack of TSS.sp0; CR3 and GS are still the user's`,
    notes: { ...HARDWARE_FRAME, ip: "pushed by the hardware", orig_ax: "-1: no system call" },
    raise: (registers) => registers.setWord(PENDING_INTERRUPT, VECTOR_TIMER),
  },
  {
    name: "nmi", title: "an NMI", calls: "exc_nmi", back: "at the instruction that was interrupted",
    arrival: "through the IDT's gate 2, onto the NMI stack; CR3 and GS are still the user's",
    notes: { ...HARDWARE_FRAME, ip: "pushed by the hardware", orig_ax: "-1: no system call" },
    raise: (registers) => registers.setWord(PENDING_NMI, 1),
  },
];

/** Exceptions that an instruction meets again when it is tried again, or (INT3, INTO) asks for. */
function exceptionDoors(): Door[] {
  const rows = VECTORS.filter(({ vector, label }) => label.startsWith("asm_exc_") && vector !== VECTOR_NMI && vector !== VECTOR_DB);
  return rows.map(({ vector, label, errorCode, ist }) => {
    const name = label.replace("asm_exc_", "");
    return {
      name, vector, title: `exception ${vector} (${name})`, calls: label.replace("asm_", ""),
      arrival: `through the IDT's gate ${vector}, onto ${ist ? "its IST stack" : "the stack of TSS.sp0"}; CR3 and GS are still the user's`,
      back: vector === VECTOR_BP || vector === VECTOR_OF ? "at the instruction behind it" : "at the same instruction, to try it again",
      notes: { ...HARDWARE_FRAME, ip: "pushed by the hardware", orig_ax: errorCode ? "-1, where the error code was" : "-1: no system call" },
    };
  });
}

export const DOORS: readonly Door[] = [...SYSTEM_CALLS, ...INTERRUPTS, ...exceptionDoors()];

/** @throws RangeError that lists the names */
export function doorNamed(name: string): Door {
  const door = DOORS.find((row) => row.name === name);
  if (door === undefined) throw new RangeError(`no door "${name}": there are ${DOORS.map((row) => row.name).join(", ")}`);
  return door;
}

/** Is an exception the fault of the closed door, and by its own users? `passes` says that it must only be let through. */
export function atDoor(door: Door, regs: PtRegs, vector: number, errorCode: number, code: Uint8Array): "no" | "passes" | "yes" {
  if (door.vector !== undefined) return vector === door.vector ? "yes" : "no";
  const { closedBy } = door;
  if (closedBy === undefined || vector !== closedBy.vector || errorCode !== closedBy.errorCode) return "no";
  if (code[0] !== closedBy.code[0] || code[1] !== closedBy.code[1]) return "no";
  return closedBy.cs === undefined || regs.cs === closedBy.cs ? "yes" : "passes";
}

/** INT3 and INTO save the address behind themselves: length of the instruction to go back over. */
export function lengthBehind(door: Door): number {
  return door.vector === VECTOR_BP || door.vector === VECTOR_OF ? 1 : 0;
}
