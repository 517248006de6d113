// The three calls of the vsyscall page, emulated (Linux arch/x86/entry/vsyscall/vsyscall_64.c): programs older than the vDSO call a
// fixed address, where the page may not be executed.
// Entered from traps.ts for the #PF of that fetch. Leaves with the function's RET done, too.
//
//   xonly     the page is not mapped: nothing to read there, either
//   emulate   mapped for reading (ring0/vsyscall-page.ts)
//   none      not mapped, and not answered

import { PT_IP } from "../ring0/pt-regs";
import { VSYSCALL_SLOT_SIZE } from "../ring0/vsyscall-page";
import { VSYSCALL_ADDR } from "../ring0/layout";
import { PF_FETCH, PF_PRESENT, PF_USER, PF_WRITE, VECTOR_PF } from "../../kernel/abi/vectors";
import { X86_64 } from "./abi";
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

export type VsyscallMode = "xonly" | "emulate" | "none";

interface Slot {
  /** Of the system call that the page shows there. */
  readonly number: number;
  call(task: Task): number;
  /** The two pointers, in RDI and RSI: sizes of what is written there. */
  readonly sizes: readonly [number, number];
}

const SLOTS: readonly Slot[] = [
  { number: 96, call: (task) => sysGettimeofday(task, task.regs.di, task.regs.si), sizes: [16, 8] },
  { number: 201, call: (task) => sysTime(task, task.regs.di), sizes: [8, 0] },
  { number: 309, call: (task) => sysGetcpu(task, task.regs.di, task.regs.si), sizes: [4, 4] },
];

/** What a page for reading shows, one number a slot; undefined where there is none. */
export function vsyscallNumbers(mode: VsyscallMode): number[] | undefined {
  return mode === "emulate" ? SLOTS.map(({ number }) => number) : undefined;
}

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
  const slot = SLOTS[offset / VSYSCALL_SLOT_SIZE];
  const caller = returnAddress(task);
  if (slot === undefined || caller === undefined) {
    kernel.signals.force(task, { signal: SIGSEGV, code: SI_KERNEL });
    return true;
  }
  try {
    // Both pointers are looked at before either is used, as if a real function wrote there at once (Linux write_ok_or_segv).
    task.mm.accessOk(regs.di, slot.sizes[0]);
    task.mm.accessOk(regs.si, slot.sizes[1]);
    task.abi = X86_64;
    regs.ax = slot.call(task);
  } catch (error) {
    if (!(error instanceof UserFault)) throw error;
    writeFault(task, error);
    return true;
  }
  regs.setBig(PT_IP, caller);
  regs.sp += 8;
  return true;
}

/** The signal of a write that the program had made itself, at the call: its RET is not done, and a handler may mend the pointer. */
function writeFault(task: Task, { address, earned }: UserFault): void {
  const present = earned !== undefined && task.mm.addressSpace.walk(address) !== undefined;
  task.fault.vector = VECTOR_PF;
  task.fault.errorCode = PF_USER | PF_WRITE | (present ? PF_PRESENT : 0);
  task.fault.cr2 = address;
  const { signal, code } = earned ?? { signal: SIGSEGV, code: SEGV_MAPERR };
  task.kernel.signals.force(task, { signal, code, address });
}

function returnAddress({ mm, regs }: Task): bigint | undefined {
  try {
    return mm.getBig(regs.sp);
  } catch (error) {
    if (error instanceof UserFault) return undefined;
    throw error;
  }
}
