// The doors that the injection tests go through, one row each: what the program does, and what the kernel answers.

import { assemble, CODE, type Arrival, type Guest } from "./crossing-guest";
import type { EventName } from "./injection-events";
import { codeOrDataDescriptor } from "../../host/ring0/descriptors";
import { EXCEPTION_STACKS, PER_CPU_USER_PCID_FLUSH_MASK, PHYS_PER_CPU } from "../../host/ring0/layout";
import { PT_CX, PT_FLAGS, PT_IP, type PtRegs } from "../../host/ring0/pt-regs";
import { __USER32_CS, __USER_DS } from "../../host/ring0/segments";
import type { Vendor } from "../../host/machine/cpu-models";
import { FLAG_AC, FLAG_NT, FLAG_RF, FLAG_TF } from "../../kernel/abi/bits";
import { DR0, DR7 } from "../../kernel/abi/state";
import { VECTOR_DB, VECTOR_GP } from "../../kernel/abi/vectors";

export interface Door {
  name: string;
  /** What the program does first, in AT&T syntax. */
  code: string;
  bits?: 32;
  /** Where the other vendor's processors have no such door. */
  vendor?: Vendor;
  /** The program's RFLAGS, RSP and the like, before it starts. */
  start?(guest: Guest, regs: PtRegs): void;
  /** When it has started. */
  ready?(guest: Guest): void;
  /** The kernel's answer, in pt_regs, to all but NMI, #MC and interrupts. */
  answer?(arrival: Arrival, regs: PtRegs): void;
  /** An event that comes before the program's first instruction, or when the CPU is at a label on the way. */
  event?: EventName;
  at?: string;
  /** In the handler of that event, which is an NMI, the next one comes here: as if an exception had let it in. */
  nestedAt?: string;
  /** A long way, over the same instructions again and again: every so many of them will do. */
  stride?: number;
}

const after = (code: string) => CODE + assemble(code).length;
/** Goes on behind the instruction that faults. */
const skip = (code: string) => (arrival: Arrival, regs: PtRegs) => {
  if (arrival.number !== VECTOR_DB) regs.ip = after(code);
};
const NMI_STACK = EXCEPTION_STACKS.find((stack) => stack.name === "NMI")!;

const STACK_16 = 0x0f;

/** An LDT whose entry 1 is a 16-bit stack. */
function withLdt(guest: Guest): void {
  const descriptor = new DataView(codeOrDataDescriptor(0, 0xffff, 0x00f3).buffer);
  guest.space.ldt.set(1, descriptor.getUint32(0, true), descriptor.getUint32(4, true));
  guest.ring0.reloadLdt();
}

function toStack16(arrival: Arrival, regs: PtRegs): void {
  if (arrival.kind !== "int80") return;
  regs.ss = STACK_16;
  regs.sp = 0x12345678;
}

const toLandingPad = (code: string) => (guest: Guest) => guest.ring0.setSysenterReturn(guest.space, after(code));

/** MOV SS from a word with a data breakpoint on it: the #DB waits until the door's own instruction is done. */
const movSs = (code: string): Pick<Door, "code" | "start"> => ({
  code: `movw -64(%rsp), %ss\n${code}`,
  start(guest, regs) {
    const { registers, phys } = guest.machine;
    phys.u32[(guest.space.walk(regs.sp - 64)!.pa + ((regs.sp - 64) & 0xfff)) >>> 2] = __USER_DS;
    registers.set(DR0, regs.sp - 64);
    registers.set(DR7, 0x70402); // DR0: reading or writing of two bytes
    guest.ring0.setSysenterReturn(guest.space, after(`movw -64(%rsp), %ss\n${code}`));
  },
});

/** As after a change of the page tables: the next switch to the user PCID must not keep its translations. */
function flushDue({ machine }: Guest): void {
  machine.phys.u32[(PHYS_PER_CPU + PER_CPU_USER_PCID_FLUSH_MASK) >>> 2] = 0xfe;
}

export const DOORS: readonly Door[] = [
  { name: "SYSCALL and SYSRET", code: "syscall" },
  { name: "SYSCALL and IRETQ", code: "syscall", answer: (arrival, regs) => void (arrival.kind === "syscall" && (regs.cx = 0x77)) },
  { name: "SYSCALL and SYSRET with a flush due", code: "syscall", ready: flushDue },
  { name: "INT 0x80 with a flush due", code: "int $0x80", ready: flushDue },
  { name: "SYSENTER and SYSRETL with a flush due", code: "sysenter", bits: 32, vendor: "intel", start: toLandingPad("sysenter"), ready: flushDue },
  { name: "SYSCALL of 32-bit code and SYSRETL with a flush due", code: "syscall", bits: 32, vendor: "amd", start: toLandingPad("syscall"), ready: flushDue },
  { name: "INT 0x80 and back to a 16-bit stack with a flush due", code: "int $0x80", bits: 32, start: withLdt, ready: flushDue, answer: toStack16 },
  { name: "SYSCALL with RSP on the NMI stack", code: "syscall", start: (_, regs) => void (regs.sp = NMI_STACK.top - 0x100) },
  { name: "SYSCALL with RSP of no page", code: "syscall", start: (_, regs) => void (regs.sp = 16) },
  {
    name: "SYSCALL and back to a RIP that is not canonical", code: "syscall",
    answer(arrival, regs) {
      if (arrival.kind === "syscall") {
        regs.setHalves(PT_IP, 0, 0x8000);
        regs.setHalves(PT_CX, 0, 0x8000);
      } else if (arrival.number === VECTOR_GP) regs.ip = after("syscall");
    },
  },
  {
    name: "IRETQ to a bad CS", code: "int $0x80",
    answer(arrival, regs) {
      if (arrival.kind === "int80") regs.cs = 0x1b;
      else if (arrival.number === VECTOR_GP) regs.cs = 0x33;
    },
  },
  { name: "INT 0x80", code: "int $0x80" },
  { name: "INT 0x80 of 32-bit code", code: "int $0x80", bits: 32 },
  { name: "SYSENTER and SYSRETL", code: "sysenter", bits: 32, vendor: "intel", start: toLandingPad("sysenter") },
  { name: "SYSENTER and IRETQ", code: "sysenter", bits: 32, vendor: "intel", start: toLandingPad("sysenter"), answer: (arrival, regs) => void (arrival.kind === "fast" && (regs.flags |= FLAG_RF)) },
  {
    name: "SYSENTER with NT and AC", code: "sysenter", bits: 32, vendor: "intel",
    start(guest, regs) {
      toLandingPad("sysenter")(guest);
      regs.flags |= FLAG_NT | FLAG_AC;
    },
  },
  {
    name: "SYSENTER with NT, AC and TF", code: "sysenter", bits: 32, vendor: "intel", stride: 29,
    start(guest, regs) {
      toLandingPad("sysenter")(guest);
      regs.flags |= FLAG_NT | FLAG_AC | FLAG_TF;
    },
    answer(arrival, regs) {
      if (arrival.kind === "exception" && arrival.ip > after("sysenter")) regs.setHalves(PT_FLAGS, regs.lo(PT_FLAGS) & ~FLAG_TF, 0);
    },
  },
  { name: "SYSCALL of 32-bit code and SYSRETL", code: "syscall", bits: 32, vendor: "amd", start: toLandingPad("syscall") },
  {
    name: "INT 0x80 and back to a 16-bit stack", code: "int $0x80", bits: 32,
    start: withLdt, answer: toStack16,
  },
  {
    name: "a frame for a 16-bit stack that IRETQ refuses", code: "int $0x80", bits: 32,
    start: withLdt,
    answer(arrival, regs) {
      if (arrival.kind === "int80") {
        regs.ss = STACK_16;
        regs.sp = 0x12345678;
        regs.cs = 0x1b;
      } else if (arrival.number === VECTOR_GP) {
        regs.cs = __USER32_CS;
        regs.ss = __USER_DS;
      }
    },
  },
  { name: "UD2", code: "ud2", answer: skip("ud2") },
  { name: "UD2 of 32-bit code", code: "ud2", bits: 32, answer: skip("ud2") },
  { name: "INT3", code: "int3" },
  { name: "INT1", code: "int1" },
  { name: "#GP", code: "hlt", answer: skip("hlt") },
  { name: "#PF of user code", code: "movq 0x1234, %rax", answer: skip("movq 0x1234, %rax") },
  { name: "#PF behind MOV SS", ...movSs("movq 0x1234, %rax"), answer: skip("movw -64(%rsp), %ss\nmovq 0x1234, %rax") },
  { name: "SYSCALL behind MOV SS", ...movSs("syscall") },
  { name: "INT 0x80 behind MOV SS", ...movSs("int $0x80") },
  { name: "INT 0x80 of 32-bit code behind MOV SS", bits: 32, ...movSs("int $0x80") },
  { name: "SYSENTER behind MOV SS", bits: 32, vendor: "intel", ...movSs("sysenter") },
  { name: "SYSCALL of 32-bit code behind MOV SS", bits: 32, vendor: "amd", ...movSs("syscall") },
  { name: "INT3 behind MOV SS", ...movSs("int3") },
  { name: "UD2 behind MOV SS", ...movSs("ud2"), answer: skip("movw -64(%rsp), %ss\nud2") },
  { name: "a new task's first way out", code: "nop", at: "ret_from_fork" },
  { name: "a timer interrupt", code: "nop", event: "timer" },
  { name: "a timer interrupt of 32-bit code", code: "nop", bits: 32, event: "timer" },
  { name: "an NMI of user code", code: "nop", event: "NMI" },
  { name: "an #MC of user code", code: "nop", event: "#MC" },
  ...(["NMI", "#MC", "#DB"] as const).flatMap((event) =>
    ["entry_SYSCALL_64", "entry_SYSCALL_64_safe_stack", "entry_SYSRETQ_unsafe_stack"].map((at): Door => ({ name: `${event} at ${at}`, code: "syscall", event, at })),
  ),
  ...(["NMI", "#MC"] as const).map((event): Door => ({ name: `${event} at entry_SYSCALL_64 with a flush due`, code: "syscall", event, at: "entry_SYSCALL_64", ready: flushDue })),
  ...["repeat_nmi", "end_repeat_nmi", "nmi_restore", "nmi_iret"].map((nestedAt): Door => ({
    name: `an NMI at ${nestedAt} of an NMI`, code: "syscall", event: "NMI", at: "entry_SYSCALL_64", nestedAt,
  })),
  ...(["NMI", "#MC", "#DB"] as const).map((event): Door => ({ name: `${event} at native_irq_return_iret`, code: "int $0x80", event, at: "native_irq_return_iret" })),
];
