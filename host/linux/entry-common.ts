// do_syscall_64 and its 32-bit relatives: from the pt_regs that the entry code pushed to a handler and back (Linux
// arch/x86/entry/common.c). Entered from host/ring0 (hypercall) with regs.ax = -ENOSYS. Leaves to syscalls/*.ts, and back to the
// lower half of the entry code with the result in regs.ax, or with SUSPEND when the task sleeps or has died.

import { SUSPEND, type Suspend } from "../ring0/hypercall";
import { type PtRegs, PT_AX, PT_BP, PT_ORIG_AX, PT_SP } from "../ring0/pt-regs";
import { EFAULT, EINTR, ENOSYS, ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS, ERESTART_RESTARTBLOCK, Errno } from "./errno";
import type { Kernel } from "./kernel";
import { OutOfMemory } from "./page-cache";
import type { Delivery } from "./signal";
import { setupRtFrame } from "./signal-frame";
import { setupFrame32 } from "./signal-frame-32";
import { type CallTable, I386_CALLS, NATIVE_CALLS } from "./call-tables";
import { CONVERT_BIG, CONVERT_I32, CONVERT_I64, CONVERT_PAIR, CONVERT_U32, type SyscallRow } from "./syscall-row";
import { TASK_DEAD, TASK_RUNNING, type Task } from "./task";
import { SA_RESTART } from "./uapi-signal";
import { Block } from "./wait";

const TWO_32 = 0x1_0000_0000;
/** orig_ax of whatever is no system call: exceptions, interrupts, and calls that have replaced all of pt_regs. */
const NO_SYSCALL = 0xffffffff;
/** SYSCALL, SYSENTER and INT n all have two bytes. */
const SYSCALL_INSTRUCTION_BYTES = 2;

/** The hook behind `do_syscall_64`. */
export function doSyscall64(kernel: Kernel, task: Task, regs: PtRegs): void | Suspend {
  return begin(kernel, task, regs, NATIVE_CALLS);
}

/**
 * The hook behind `do_int80_syscall_32` and `do_fast_syscall_32`. INT 0x80 may come from 64-bit code too. The two fast doors come
 * from __kernel_vsyscall, which has put EBP, argument 5, on the stack, and return to the vDSO's landing pad behind an INT 0x80, by
 * which such a call is restarted too.
 */
export function doSyscall32(kernel: Kernel, task: Task, regs: PtRegs, door: "int80" | "fast"): void | Suspend {
  if (door === "fast") {
    try {
      regs.setHalves(PT_BP, task.mm.getU32(regs.lo(PT_SP)), 0);
    } catch (error) {
      if (error instanceof OutOfMemory) {
        kernel.killForMemory(task);
        return SUSPEND;
      }
      if (!(error instanceof Errno)) throw error;
      regs.ax = -EFAULT;
      regs.origAx = -1;
      return exitToUserMode(kernel, task);
    }
  }
  return begin(kernel, task, regs, I386_CALLS);
}

function begin(kernel: Kernel, task: Task, regs: PtRegs, calls: CallTable): void | Suspend {
  kernel.crossings++;
  task.progress = null;
  task.calls = calls;
  return callAndReturn(kernel, task, regs);
}

/** A call that slept is run again: all it goes by is in pt_regs and task.progress. Leaves the task running, asleep or dead. */
export function restartSyscall(kernel: Kernel, task: Task): void {
  task.callPending = false;
  callAndReturn(kernel, task, task.regs);
}

function callAndReturn(kernel: Kernel, task: Task, regs: PtRegs): void | Suspend {
  // Linux sign-extends EAX (movslq) and looks at 32 bits only: the upper half of RAX never matters. Negative numbers and
  // those with the x32 bit (0x40000000), whose ABI is not built in, are no numbers of ours: -ENOSYS.
  const number = regs.lo(PT_ORIG_AX);
  const { calls } = task;
  const row = calls.rows()[number];
  task.abi = row === undefined ? calls.abi : row.abi;
  if (row === undefined || row.handler === null) {
    finish(kernel, task, regs, row, number, -ENOSYS);
    if (number !== NO_SYSCALL) kernel.noticeMissing(row, number);
  } else {
    const args = argumentsOf(row, calls, regs);
    kernel.lastCall = row;
    if (kernel.trace !== null) kernel.trace.enter(task, row, args);
    const result = call(kernel, task, row, args);
    if (result instanceof Block) {
      // A signal that is waiting already must not be slept over.
      if (kernel.signals.hasDeliverable(task)) finish(kernel, task, regs, row, number, result.interrupted);
      else {
        task.callPending = true;
        task.sleep(result);
        return SUSPEND;
      }
    } else if (task.state === TASK_DEAD) return SUSPEND;
    else finish(kernel, task, regs, row, number, result);
  }
  return exitToUserMode(kernel, task);
}

function call(kernel: Kernel, task: Task, row: SyscallRow, args: readonly (number | bigint)[]): number | Block {
  try {
    return (row.handler as (task: Task, ...args: readonly (number | bigint)[]) => number | Block)(task, ...args);
  } catch (error) {
    if (error instanceof Errno) return -error.code;
    if (error instanceof OutOfMemory) {
      kernel.killForMemory(task);
      return 0;
    }
    throw error;
  }
}

function isRestart(result: number): boolean {
  return result === -ERESTARTSYS || result === -ERESTARTNOINTR || result === -ERESTARTNOHAND || result === -ERESTART_RESTARTBLOCK;
}

function finish(kernel: Kernel, task: Task, regs: PtRegs, row: SyscallRow | undefined, number: number, result: number): void {
  // execve and rt_sigreturn have made new registers, RAX among them.
  if (regs.lo(PT_ORIG_AX) !== NO_SYSCALL) regs.ax = result;
  // A restart code never reaches user mode: the way there makes EINTR or another run of the call of it.
  if (isRestart(result)) task.exitWork = true;
  if (kernel.trace !== null) kernel.trace.exit(task, row, number, result, regs);
}

/** Work before user mode, until there is none left (Linux exit_to_user_mode_loop): signals, restarts, the end of the task. */
export function exitToUserMode(kernel: Kernel, task: Task): void | Suspend {
  while (task.exitWork && task.state === TASK_RUNNING) {
    task.exitWork = false;
    try {
      signalOrRestart(kernel, task, task.regs);
    } catch (error) {
      if (!(error instanceof OutOfMemory)) throw error;
      kernel.killForMemory(task);
    }
  }
  return task.state === TASK_RUNNING ? undefined : SUSPEND;
}

/** Linux arch_do_signal_or_restart. The call that was cut short runs again from its own SYSCALL instruction, or is -EINTR. */
function signalOrRestart(kernel: Kernel, task: Task, regs: PtRegs): void {
  const delivery = kernel.signals.next(task);
  if (task.state !== TASK_RUNNING) {
    // Stopped: what is left to do waits for SIGCONT.
    task.exitWork = true;
    return;
  }
  const cutShort = regs.lo(PT_ORIG_AX) === NO_SYSCALL ? 0 : regs.axSigned;
  if (delivery !== null) {
    if (isRestart(cutShort)) {
      if (restartsUnder(cutShort, delivery)) restart(regs, regs.lo(PT_ORIG_AX), regs.hi(PT_ORIG_AX));
      else regs.ax = -EINTR;
    }
    setupFrame(task, regs, delivery);
    // The handler's own mask may let another one through, on top of it.
    task.exitWork ||= kernel.signals.hasDeliverable(task);
    return;
  }
  if (cutShort === -ERESTART_RESTARTBLOCK) restart(regs, task.calls.restartSyscall, 0);
  else if (isRestart(cutShort)) restart(regs, regs.lo(PT_ORIG_AX), regs.hi(PT_ORIG_AX));
  kernel.signals.restoreMask(task);
}

/** A handler that was set by a 32-bit call gets a 32-bit frame (Linux setup_rt_frame, SA_IA32_ABI). */
function setupFrame(task: Task, regs: PtRegs, delivery: Delivery): void {
  if (delivery.action.ia32 !== true) setupRtFrame(task, regs, delivery);
  else setupFrame32(task, regs, delivery);
}

function restartsUnder(code: number, { action }: Delivery): boolean {
  return code === -ERESTARTNOINTR || (code === -ERESTARTSYS && (action.flags & SA_RESTART) !== 0);
}

function restart(regs: PtRegs, numberLo: number, numberHi: number): void {
  regs.setHalves(PT_AX, numberLo, numberHi);
  regs.ip -= SYSCALL_INSTRUCTION_BYTES;
}

function argumentsOf(row: SyscallRow, calls: CallTable, regs: PtRegs): (number | bigint)[] {
  const { conversions } = row;
  const args: (number | bigint)[] = [];
  let next = 0;
  for (let index = 0; index < conversions.length; index++) {
    const register = calls.arguments[next++]!;
    const lo = regs.lo(register);
    switch (conversions[index]) {
      case CONVERT_PAIR:
        args.push((regs.lo(calls.arguments[next++]!) | 0) * TWO_32 + lo);
        break;
      case CONVERT_I32:
        args.push(lo | 0);
        break;
      case CONVERT_U32:
        args.push(lo);
        break;
      case CONVERT_I64:
        args.push((regs.hi(register) | 0) * TWO_32 + lo);
        break;
      case CONVERT_BIG:
        args.push(regs.getBig(register));
        break;
      default:
        args.push(regs.hi(register) * TWO_32 + lo);
    }
  }
  return args;
}
