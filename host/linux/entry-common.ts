// do_syscall_64: from the pt_regs that entry_SYSCALL_64 pushed to a handler and back (Linux arch/x86/entry/common.c).
// Entered from host/ring0 (hypercall) with regs.ax = -ENOSYS. Leaves to syscalls/*.ts, and back to the lower half of
// entry_SYSCALL_64 with the result in regs.ax, or with SUSPEND when the task sleeps or has died.

import { SUSPEND, type Suspend } from "../ring0/hypercall";
import { type PtRegs, PT_DI, PT_DX, PT_ORIG_AX, PT_R10, PT_R8, PT_R9, PT_SI } from "../ring0/pt-regs";
import {
  EINTR, ENOSYS, ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS, ERESTART_RESTARTBLOCK, Errno,
} from "./errno";
import type { Kernel } from "./kernel";
import { OutOfMemory } from "./page-cache";
import { CONVERT_BIG, CONVERT_I32, CONVERT_I64, CONVERT_U32, NR_SYSCALLS, type SyscallRow, sysCallTable } from "./syscall-table";
import { TASK_DEAD, TASK_RUNNING, type Task } from "./task";
import { Block } from "./wait";

const TWO_32 = 0x1_0000_0000;
/** Registers of arguments 0 to 5. R10 stands in for RCX, which SYSCALL has overwritten. */
const ARGUMENT_REGISTERS = [PT_DI, PT_SI, PT_DX, PT_R10, PT_R8, PT_R9] as const;

/** The hook behind `do_syscall_64`. */
export function doSyscall64(kernel: Kernel, task: Task, regs: PtRegs): void | Suspend {
  kernel.crossings++;
  task.progress = null;
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
  const row = number < NR_SYSCALLS ? sysCallTable[number] : undefined;
  if (row === undefined || row.handler === null) {
    finish(kernel, task, regs, row, number, -ENOSYS);
    if (number !== 0xffffffff) kernel.noticeMissing(row, number);
  } else {
    const args = argumentsOf(row, regs);
    kernel.lastCall = row;
    if (kernel.trace !== null) kernel.trace.enter(task, row, args);
    const result = call(kernel, task, row, args);
    if (result instanceof Block) {
      // A signal that is waiting already must not be slept over.
      if (kernel.signals.hasDeliverable(task)) finish(kernel, task, regs, row, number, -EINTR);
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

function finish(kernel: Kernel, task: Task, regs: PtRegs, row: SyscallRow | undefined, number: number, result: number): void {
  // Restart codes are between handler and here only. No handler of the guest's ever runs yet, so a call that a signal cut
  // short is never seen again by the guest: the signal was fatal.
  const shown =
    result === -ERESTARTSYS || result === -ERESTARTNOINTR || result === -ERESTARTNOHAND || result === -ERESTART_RESTARTBLOCK
      ? -EINTR
      : result;
  regs.ax = shown;
  if (kernel.trace !== null) kernel.trace.exit(task, row, number, shown, regs);
}

/** Work before user mode: signals, and the end of the task. */
export function exitToUserMode(kernel: Kernel, task: Task): void | Suspend {
  if (task.exitWork && task.state === TASK_RUNNING) kernel.signals.deliver(task);
  return task.state === TASK_RUNNING ? undefined : SUSPEND;
}

function argumentsOf(row: SyscallRow, regs: PtRegs): (number | bigint)[] {
  const { conversions } = row;
  const args: (number | bigint)[] = [];
  for (let index = 0; index < conversions.length; index++) {
    const register = ARGUMENT_REGISTERS[index]!;
    const lo = regs.lo(register);
    switch (conversions[index]) {
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
