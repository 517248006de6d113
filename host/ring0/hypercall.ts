// Hypercalls: the calls that Linux's entry code makes into C, each a VMCALL with its number in EAX.
// Entered from VMCALL in *.asm.ts. Leaves to host/linux, which implements Ring0Hooks, and comes back after the VMCALL.
//
// RDI holds the linear address of pt_regs in every one, RSI and RDX what the row says.

import type { PtRegs } from "./pt-regs";

/** do_syscall_64(regs) */
export const HYPERCALL_DO_SYSCALL_64 = 1;
/** exc_*(regs, error code in RSI), vector in RDX. RSI is 0 for a vector without an error code. */
export const HYPERCALL_EXCEPTION = 2;
/** common_interrupt(regs), vector in RDX, on the IRQ stack */
export const HYPERCALL_INTERRUPT = 3;
/** exit_to_user_mode(regs): on the task's own stack, after an interrupt of user code, or before the first return of a new task */
export const HYPERCALL_EXIT_TO_USER_MODE = 4;
/** do_int80_syscall_32(regs): INT 0x80, from 32-bit or 64-bit code */
export const HYPERCALL_DO_INT80_SYSCALL_32 = 5;
/** do_fast_syscall_32(regs): SYSENTER, or SYSCALL from compatibility mode, by way of the vDSO's __kernel_vsyscall */
export const HYPERCALL_DO_FAST_SYSCALL_32 = 6;

/** What a hook answers when its task cannot go on now: dispatch() then returns, and the caller picks what runs next. */
export const SUSPEND = Symbol("suspend");
export type Suspend = typeof SUSPEND;

/**
 * The C side of the entry code. Each hook runs synchronously between two guest instructions; what it leaves in `regs` is what
 * the guest's registers will be. `regs` may be a view that is used again for the next entry: read it, do not keep it.
 */
export interface Ring0Hooks {
  /** A system call: number in regs.origAx, result to regs.ax. */
  syscall(regs: PtRegs): void | Suspend;
  /**
   * A system call by the 32-bit table: number in the low half of regs.origAx, arguments in the low halves of bx cx dx si di bp,
   * result to regs.ax.
   *
   * "int80" may come from 64-bit code too. "fast" is SYSENTER or SYSCALL of the 32-bit vDSO: regs.ip is already its landing pad
   * (AddressSpace.sysenterReturn), regs.sp is its stack, and regs.bp, argument 6, is still to be read from the word that regs.sp
   * points to; if it cannot be, the answer is -EFAULT.
   */
  syscall32(regs: PtRegs, door: "int80" | "fast"): void | Suspend;
  /**
   * An exception. `regs.userMode` is false when the entry code itself faulted, which is a bug of ours, or #DF, #MC, NMI and #DB
   * that came while it ran. For #PF, CR2 is in the machine's registers.
   */
  exception(regs: PtRegs, vector: number, errorCode: number): void | Suspend;
  /** A maskable interrupt, on the IRQ stack: no switching of tasks here. */
  interrupt(regs: PtRegs, vector: number): void;
  /** On the way back to CPL 3 from an interrupt: the place for signals and for switching tasks. */
  exitToUserMode?(regs: PtRegs): void | Suspend;
}
