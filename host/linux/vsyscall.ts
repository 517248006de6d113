// The three calls of the vsyscall page, emulated (Linux arch/x86/entry/vsyscall/vsyscall_64.c): programs older than the vDSO call a
// fixed address, where the page may not be executed.
// Entered from traps.ts for the #PF of that fetch. Leaves with the function's RET done, too.

import { PT_IP } from "../ring0/pt-regs";
import { VSYSCALL_SLOT_SIZE } from "../ring0/vsyscall-page";
import { VSYSCALL_ADDR } from "../ring0/layout";
import { PF_FETCH, PF_USER, PF_WRITE, VECTOR_PF } from "../../kernel/abi/vectors";
import { UserFault } from "./errno";
import { sysGetcpu } from "./syscalls/system";
import { sysGettimeofday, sysTime } from "./syscalls/time";
import type { Task } from "./task";
import { PAGE_SIZE } from "./uapi-mman";
import { SEGV_MAPERR, SIGSEGV, SI_KERNEL } from "./uapi-signal";

/** @param address signed, as CR2 is read */
export function isVsyscallAddress(address: number): boolean {
  return address >= VSYSCALL_ADDR && address < VSYSCALL_ADDR + PAGE_SIZE;
}

const HANDLERS: readonly ((task: Task) => number)[] = [
  (task) => sysGettimeofday(task, task.regs.di, task.regs.si),
  (task) => sysTime(task, task.regs.di),
  (task) => sysGetcpu(task, task.regs.di, task.regs.si),
];

/**
 * Answers a #PF in the vsyscall page. False: it is a fault like any other at a kernel address. A call between the slots or with a
 * stack that faults is SIGSEGV from the kernel, one with a pointer that faults SIGSEGV at that pointer.
 */
export function emulateVsyscall(task: Task, errorCode: number): boolean {
  const { kernel, regs } = task;
  const mode = kernel.options.vsyscall;
  if ((errorCode & (PF_WRITE | PF_USER)) !== PF_USER || (errorCode & PF_FETCH) === 0) return false;
  if (mode === "none") {
    kernel.noticeOnce("the program calls the vsyscall page, which --vsyscall=none takes away");
    return false;
  }
  const offset = regs.getSigned(PT_IP) - VSYSCALL_ADDR;
  const handler = HANDLERS[offset / VSYSCALL_SLOT_SIZE];
  const caller = returnAddress(task);
  if (handler === undefined || caller === undefined) {
    kernel.signals.force(task, { signal: SIGSEGV, code: SI_KERNEL });
    return true;
  }
  try {
    regs.ax = handler(task);
  } catch (error) {
    if (!(error instanceof UserFault)) throw error;
    task.fault.vector = VECTOR_PF;
    task.fault.errorCode = PF_USER | PF_WRITE;
    task.fault.cr2 = error.address;
    kernel.signals.force(task, { signal: SIGSEGV, code: SEGV_MAPERR, address: error.address });
    return true;
  }
  regs.setBig(PT_IP, caller);
  regs.sp += 8;
  return true;
}

function returnAddress({ mm, regs }: Task): bigint | undefined {
  try {
    return mm.getBig(regs.sp);
  } catch (error) {
    if (error instanceof UserFault) return undefined;
    throw error;
  }
}
