// Signal calls: dispositions, masks, the alternate stack, sending (Linux kernel/signal.c). Delivery is ../signal.ts.

import { EAGAIN, EINTR, EINVAL, EPERM, ERESTARTNOHAND, ESRCH, Errno } from "../errno";
import { I386_CALLS } from "../call-tables";
import { siginfoBytes, siginfoFromUser } from "../siginfo";
import { type SignalAction, type SignalInfo, signalBit } from "../signal";
import { restoreRtFrame } from "../signal-frame";
import { setAlternateStack, shownAlternateStack } from "../signal-stack";
import type { Task } from "../task";
import {
  NSIG, SA_UNSUPPORTED, SIGKILL, SIGSEGV, SIGSTOP, SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, SI_KERNEL, SI_TKILL, SI_USER, UAPI_SA_FLAGS,
} from "../uapi-signal";
import { SIGACTION, STACK_T } from "../uapi-structs";
import { getTimespecNs } from "../user-time";
import { type Block, NO_QUEUE, block } from "../wait";

/** sigset_t of the kernel: 64 signals. */
const SIGSET_SIZE = 8;
const UNBLOCKABLE = signalBit(SIGKILL) | signalBit(SIGSTOP);

/** Of sa_mask, the last of struct sigaction. */
function maskAddress({ abi }: Task, address: number): number {
  return address + SIGACTION.size(abi) - SIGSET_SIZE;
}

function fetchAction(task: Task, address: number): SignalAction {
  const { handler, flags, restorer } = SIGACTION.get(task, address);
  return { handler, flags: flags & UAPI_SA_FLAGS & ~SA_UNSUPPORTED, restorer, mask: task.mm.getBig(maskAddress(task, address)) & ~UNBLOCKABLE };
}

function storeAction(task: Task, address: number, action: SignalAction): void {
  const { handler, flags, restorer, mask } = action;
  SIGACTION.put(task, address, { handler, flags: flags >>> 0, restorer });
  task.mm.putBig(maskAddress(task, address), mask);
}

/** Linux do_sigaction: answers the action before, null for a signal that there is not or that must keep its own. */
export function changeAction(task: Task, signal: number, wanted: SignalAction | null): SignalAction | null {
  if (signal < 1 || signal > NSIG || (wanted !== null && (signal === SIGKILL || signal === SIGSTOP))) return null;
  const before = task.signals.action(signal);
  if (wanted !== null) {
    task.signals.setAction(signal, { ...wanted, ia32: task.calls === I386_CALLS });
    // POSIX: a pending signal that becomes ignored is forgotten.
    if (task.signals.isIgnored(signal)) task.signals.flush(signalBit(signal));
  }
  return before;
}

export function sysRtSigaction(task: Task, signal: number, action: number, old: number, size: number): number {
  if (size !== SIGSET_SIZE) return -EINVAL;
  const wanted = action === 0 ? null : fetchAction(task, action);
  const before = changeAction(task, signal, wanted);
  if (before === null) return -EINVAL;
  if (old !== 0) storeAction(task, old, before);
  return 0;
}

export function sysRtSigprocmask(task: Task, how: number, set: number, old: number, size: number): number {
  if (size !== SIGSET_SIZE) return -EINVAL;
  const { mm } = task;
  const { signals } = task.kernel;
  const before = task.signals.blocked;
  if (set !== 0) {
    const mask = mm.getBig(set);
    if (how === SIG_BLOCK) signals.setBlocked(task, before | mask);
    else if (how === SIG_UNBLOCK) signals.setBlocked(task, before & ~mask);
    else if (how === SIG_SETMASK) signals.setBlocked(task, mask);
    else return -EINVAL;
  }
  if (old !== 0) mm.putBig(old, before);
  return 0;
}

export function sysRtSigpending(task: Task, set: number, size: number): number {
  if (size > SIGSET_SIZE) return -EINVAL;
  const { signals } = task;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, signals.pendingMask() & signals.blocked, true);
  task.mm.copyToUser(set, bytes.subarray(0, size));
  return 0;
}

export function sysSigaltstack(task: Task, address: number, old: number): number {
  const { sp } = task.regs;
  const before = shownAlternateStack(task, sp);
  if (address !== 0) {
    const result = setAlternateStack(task, STACK_T.get(task, address), sp);
    if (result < 0) return result;
  }
  if (old !== 0) STACK_T.put(task, old, before);
  return 0;
}

/** The tasks that kill(pid) means. Throws ESRCH. */
function targets(task: Task, pid: number): Task[] {
  const all = [...task.kernel.tasks.values()];
  let found: Task[];
  if (pid > 0) found = all.filter((other) => other.tgid === pid);
  else if (pid === 0) found = all.filter((other) => other.pgid === task.pgid);
  else if (pid === -1) found = all.filter((other) => other !== task);
  else found = all.filter((other) => other.pgid === -pid);
  if (found.length === 0) throw new Errno(ESRCH);
  return found;
}

function mayKill(task: Task, target: Task): boolean {
  const { euid, uid } = task.creds;
  return euid === 0 || [target.creds.uid, target.creds.suid].some((id) => id === euid || id === uid);
}

export function sysKill(task: Task, pid: number, signal: number): number {
  const found = targets(task, pid);
  if (signal < 0 || signal > NSIG) return -EINVAL;
  const allowed = found.filter((target) => mayKill(task, target));
  if (allowed.length === 0) return -EPERM;
  if (signal === 0) return 0;
  for (const target of allowed) task.kernel.signals.raise(target, signal, { code: SI_USER, pid: task.pid, uid: task.creds.uid });
  return 0;
}

export function sysTkill(task: Task, tid: number, signal: number): number {
  if (tid <= 0) return -EINVAL;
  return send(task, task.kernel.tasks.get(tid), signal);
}

export function sysTgkill(task: Task, tgid: number, tid: number, signal: number): number {
  if (tid <= 0 || tgid <= 0) return -EINVAL;
  const target = task.kernel.tasks.get(tid);
  return send(task, target?.tgid === tgid ? target : undefined, signal);
}

function send(task: Task, target: Task | undefined, signal: number): number {
  if (target === undefined) return -ESRCH;
  if (signal < 0 || signal > NSIG) return -EINVAL;
  if (!mayKill(task, target)) return -EPERM;
  if (signal !== 0) task.kernel.signals.raise(target, signal, { code: SI_TKILL, pid: task.pid, uid: task.creds.uid }, true);
  return 0;
}

/** A siginfo that claims to come from kill, or from the kernel, may only go to the sender's own process. */
function fetchSiginfo(task: Task, address: number, signal: number, pid: number): SignalInfo {
  const info = siginfoFromUser(task, address, signal);
  if ((info.code >= 0 || info.code === SI_TKILL) && pid !== task.pid) throw new Errno(EPERM);
  return info;
}

function queue(task: Task, target: Task | undefined, signal: number, info: SignalInfo, toTask: boolean): number {
  if (target === undefined) return -ESRCH;
  if (signal < 0 || signal > NSIG) return -EINVAL;
  if (info.code <= SI_USER && !mayKill(task, target)) return -EPERM;
  if (signal === 0) return 0;
  return task.kernel.signals.raise(target, signal, info, toTask) === "too many" ? -EAGAIN : 0;
}

export function sysRtSigqueueinfo(task: Task, pid: number, signal: number, address: number): number {
  const info = fetchSiginfo(task, address, signal, pid);
  const target = [...task.kernel.tasks.values()].find(({ tgid }) => tgid === pid);
  return queue(task, target, signal, info, false);
}

export function sysRtTgsigqueueinfo(task: Task, tgid: number, tid: number, signal: number, address: number): number {
  const info = fetchSiginfo(task, address, signal, tid);
  if (tid <= 0 || tgid <= 0) return -EINVAL;
  const target = task.kernel.tasks.get(tid);
  return queue(task, target?.tgid === tgid ? target : undefined, signal, info, true);
}

/** Until a signal has run a handler, or ended the guest. */
export function sysPause(): Block {
  return block(NO_QUEUE, Infinity, -ERESTARTNOHAND);
}

export function sysRtSigsuspend(task: Task, set: number, size: number): number | Block {
  if (size !== SIGSET_SIZE) return -EINVAL;
  // In force until the handler's frame has taken up the old one; run again after a wake-up, it has been set already.
  if (task.progress === null) task.kernel.signals.setTemporaryMask(task, task.mm.getBig(set));
  task.progress = "waiting";
  return block(NO_QUEUE, Infinity, -ERESTARTNOHAND);
}

export function sysRtSigtimedwait(task: Task, set: number, address: number, timeout: number, size: number): number | Block {
  if (size !== SIGSET_SIZE) return -EINVAL;
  const { mm, kernel } = task;
  const wanted = mm.getBig(set) & ~UNBLOCKABLE;
  let deadline = Infinity;
  if (typeof task.progress === "number") deadline = task.progress;
  else if (timeout !== 0) deadline = kernel.clock.monotonicNs() + getTimespecNs(task, timeout);
  task.progress = deadline;
  const info = kernel.signals.dequeue(task, ~wanted);
  if (info !== undefined) {
    if (address !== 0) mm.copyToUser(address, siginfoBytes(info, task.abi));
    return info.signal;
  }
  return kernel.clock.monotonicNs() >= deadline ? -EAGAIN : block(task.signals.arrived, deadline, -EINTR);
}

/** Answers the RAX that the interrupted code had; with a bad frame the task gets SIGSEGV. */
export function sysRtSigreturn(task: Task): number {
  const { regs } = task;
  if (restoreRtFrame(task, regs)) return regs.axSigned;
  regs.ax = 0;
  task.kernel.signals.force(task, { signal: SIGSEGV, code: SI_KERNEL });
  return 0;
}
