// Signal calls that only i386 has: those of the days of 32 signals, and the returns from its two frames (Linux kernel/signal.c).
// Entered from entry-common.ts by i386-syscall-table.ts.

import { EINVAL, ERESTARTNOHAND } from "../errno";
import { signalBit } from "../signal";
import { restoreRtFrame32, restoreSignalFrame32 } from "../signal-frame-32";
import type { Task } from "../task";
import {
  SA_NODEFER, SA_RESETHAND, SA_UNSUPPORTED, SIGKILL, SIGSEGV, SIGSTOP, SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, SI_KERNEL, UAPI_SA_FLAGS,
} from "../uapi-signal";
import { OLD_SIGACTION } from "../uapi-structs";
import { type Block, NO_QUEUE, block } from "../wait";
import { changeAction } from "./signal";

const UNBLOCKABLE = signalBit(SIGKILL) | signalBit(SIGSTOP);
const LOW = 0xffffffffn;

export function sysSigaction(task: Task, signal: number, address: number, old: number): number {
  const given = address === 0 ? null : OLD_SIGACTION.get(task, address);
  const wanted = given === null ? null : {
    handler: given.handler, flags: given.flags & UAPI_SA_FLAGS & ~SA_UNSUPPORTED, restorer: given.restorer, mask: BigInt(given.mask) & ~UNBLOCKABLE,
  };
  const before = changeAction(task, signal, wanted);
  if (before === null) return -EINVAL;
  if (old !== 0) {
    const { handler, flags, restorer, mask } = before;
    OLD_SIGACTION.put(task, old, { handler, mask: Number(mask & LOW), flags: flags >>> 0, restorer });
  }
  return 0;
}

/** A handler for one time, as in System V. Answers the one before. */
export function sysSignal(task: Task, signal: number, handler: number): number {
  const before = changeAction(task, signal, { handler, flags: (SA_RESETHAND | SA_NODEFER) >>> 0, restorer: 0, mask: 0n });
  return before === null ? -EINVAL : before.handler;
}

/** Changes the lower 32 signals of the mask. */
export function sysSigprocmask(task: Task, how: number, set: number, old: number): number {
  const { mm, kernel } = task;
  const before = task.signals.blocked;
  if (set !== 0) {
    const mask = BigInt(mm.getU32(set));
    if (how === SIG_BLOCK) kernel.signals.setBlocked(task, before | mask);
    else if (how === SIG_UNBLOCK) kernel.signals.setBlocked(task, before & ~mask);
    else if (how === SIG_SETMASK) kernel.signals.setBlocked(task, (before & ~LOW) | mask);
    else return -EINVAL;
  }
  if (old !== 0) mm.putU32(old, Number(before & LOW));
  return 0;
}

export function sysSigpending(task: Task, set: number): number {
  const { signals } = task;
  task.mm.putU32(set, Number(signals.pendingMask() & signals.blocked & LOW));
  return 0;
}

/** The mask is the third argument: the first two were once looked at. */
export function sysSigsuspend(task: Task, _history0: number, _history1: number, mask: number): number | Block {
  if (task.progress === null) task.kernel.signals.setTemporaryMask(task, BigInt(mask));
  task.progress = "waiting";
  return block(NO_QUEUE, Infinity, -ERESTARTNOHAND);
}

export function sysSgetmask(task: Task): number {
  return Number(task.signals.blocked & LOW);
}
export function sysSsetmask(task: Task, mask: number): number {
  const before = sysSgetmask(task);
  task.kernel.signals.setBlocked(task, BigInt(mask));
  return before;
}

/** Answers the EAX that the interrupted code had; with a bad frame the task gets SIGSEGV. */
function sigreturn(task: Task, restored: boolean): number {
  const { regs } = task;
  if (restored) return regs.axSigned;
  regs.ax = 0;
  task.kernel.signals.force(task, { signal: SIGSEGV, code: SI_KERNEL });
  return 0;
}
export function sysSigreturn32(task: Task): number {
  return sigreturn(task, restoreSignalFrame32(task, task.regs));
}
export function sysRtSigreturn32(task: Task): number {
  return sigreturn(task, restoreRtFrame32(task, task.regs));
}
