// Signal calls: dispositions, masks, the alternate stack, sending (Linux kernel/signal.c). Delivery is ../signal.ts.

import { EAGAIN, EINTR, EINVAL, ENOMEM, EPERM, ESRCH, Errno } from "../errno";
import { type SignalAction, signalBit } from "../signal";
import type { Task } from "../task";
import {
  NSIG, SA_UNSUPPORTED, SIGKILL, SIGSEGV, SIGSTOP, SIG_BLOCK, SIG_IGN, SIG_SETMASK, SIG_UNBLOCK, SI_KERNEL, SI_TKILL, SI_USER,
  SS_AUTODISARM, SS_DISABLE, SS_ONSTACK, UAPI_SA_FLAGS,
} from "../uapi-signal";
import { type Block, WaitQueue, block } from "../wait";

/** sigset_t of the kernel: 64 signals. */
const SIGSET_SIZE = 8;

function fetchAction(task: Task, address: number): SignalAction {
  const { mm } = task;
  return {
    handler: mm.getU64(address),
    flags: mm.getU32(address + 8) & UAPI_SA_FLAGS & ~SA_UNSUPPORTED,
    restorer: mm.getU64(address + 16),
    mask: mm.getBig(address + 24) & ~(signalBit(SIGKILL) | signalBit(SIGSTOP)),
  };
}

function storeAction(task: Task, address: number, action: SignalAction): void {
  const { mm } = task;
  mm.putU64(address, action.handler);
  mm.putU64(address + 8, action.flags >>> 0);
  mm.putU64(address + 16, action.restorer);
  mm.putBig(address + 24, action.mask);
}

export function sysRtSigaction(task: Task, signal: number, action: number, old: number, size: number): number {
  if (size !== SIGSET_SIZE) return -EINVAL;
  const wanted = action === 0 ? null : fetchAction(task, action);
  if (signal < 1 || signal > NSIG || (wanted !== null && (signal === SIGKILL || signal === SIGSTOP))) return -EINVAL;
  const before = task.signals.action(signal);
  if (wanted !== null) {
    task.signals.setAction(signal, wanted);
    // POSIX: a pending signal that becomes ignored is forgotten.
    if (wanted.handler === SIG_IGN) task.signals.pending.delete(signal);
  }
  if (old !== 0) storeAction(task, old, before);
  return 0;
}

export function sysRtSigprocmask(task: Task, how: number, set: number, old: number, size: number): number {
  if (size !== SIGSET_SIZE) return -EINVAL;
  const { signals, mm } = task;
  const before = signals.blocked;
  if (set !== 0) {
    const mask = mm.getBig(set);
    if (how === SIG_BLOCK) signals.setBlocked(before | mask);
    else if (how === SIG_UNBLOCK) signals.setBlocked(before & ~mask);
    else if (how === SIG_SETMASK) signals.setBlocked(mask);
    else return -EINVAL;
    if (task.kernel.signals.hasDeliverable(task)) task.exitWork = true;
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

//   stack_t, 24 bytes: u64 sp, i32 flags, 4 bytes, u64 size
export function sysSigaltstack(task: Task, address: number, old: number): number {
  const { mm, signals } = task;
  const before = { ...signals.alternateStack };
  if (address !== 0) {
    const sp = mm.getU64(address);
    const flags = mm.getU32(address + 8);
    const size = mm.getU64(address + 16);
    const mode = (flags & ~SS_AUTODISARM) >>> 0;
    if (mode !== 0 && mode !== SS_ONSTACK && mode !== SS_DISABLE) return -EINVAL;
    if (mode !== SS_DISABLE && size < 2048) return -ENOMEM; // MINSIGSTKSZ
    signals.alternateStack = mode === SS_DISABLE ? { sp: 0, size: 0, flags } : { sp, size, flags };
  }
  if (old !== 0) {
    const bytes = new Uint8Array(24);
    mm.copyToUser(old, bytes);
    mm.putU64(old, before.sp);
    mm.putU32(old + 8, before.size === 0 ? (before.flags & SS_AUTODISARM) | SS_DISABLE : (before.flags & SS_AUTODISARM) >>> 0);
    mm.putU64(old + 16, before.size);
  }
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
  if (signal !== 0) task.kernel.signals.raise(target, signal, { code: SI_TKILL, pid: task.pid, uid: task.creds.uid });
  return 0;
}

/** Until a signal ends it, and that ends the guest as yet. */
export function sysPause(task: Task): number | Block {
  return task.kernel.signals.hasDeliverable(task) ? -EINTR : block(new WaitQueue());
}

export function sysRtSigsuspend(task: Task, set: number, size: number): number | Block {
  if (size !== SIGSET_SIZE) return -EINVAL;
  task.signals.setBlocked(task.mm.getBig(set));
  if (!task.kernel.signals.hasDeliverable(task)) return block(task.signals.arrived);
  task.exitWork = true;
  return -EINTR;
}

export function sysRtSigtimedwait(task: Task, set: number, info: number, timeout: number, size: number): number | Block {
  if (size !== SIGSET_SIZE) return -EINVAL;
  const { mm, signals } = task;
  const wanted = mm.getBig(set);
  let deadline = Infinity;
  if (typeof task.progress === "number") deadline = task.progress;
  else if (timeout !== 0) deadline = task.kernel.clock.monotonicNs() + mm.getTimespecNs(timeout);
  task.progress = deadline;
  for (const [signal, pending] of signals.pending) {
    if ((wanted & signalBit(signal)) === 0n) continue;
    signals.pending.delete(signal);
    if (info !== 0) putSiginfo(task, info, pending);
    return signal;
  }
  return task.kernel.clock.monotonicNs() >= deadline ? -EAGAIN : block(signals.arrived, deadline);
}

//   siginfo_t, 128 bytes: i32 signo, errno, code, 4 bytes; then pid, uid of the sender, or the address of a fault
function putSiginfo(task: Task, address: number, info: { signal: number; code: number; pid?: number; uid?: number }): void {
  const bytes = new Uint8Array(128);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, info.signal, true);
  view.setInt32(8, info.code, true);
  view.setInt32(16, info.pid ?? 0, true);
  view.setUint32(20, info.uid ?? 0, true);
  task.mm.copyToUser(address, bytes);
}

/** There is never a frame to return to: no handler has run. What Linux does with a bad frame is SIGSEGV. */
export function sysRtSigreturn(task: Task): number {
  task.kernel.signals.force(task, { signal: SIGSEGV, code: SI_KERNEL, address: 0 });
  return 0;
}
