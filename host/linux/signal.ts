// Signals: what a task does on each (sigaction), which wait and which are blocked, and which it has to act on next
// (Linux kernel/signal.c). Entered from kill and its kin, from timers and traps.ts, and from exit to user mode, where waiting
// signals take effect: default actions here, handlers by signal-frame.ts.

import type { Kernel } from "./kernel";
import { RLIMIT_SIGPENDING } from "./limits";
import type { SignalInfo } from "./siginfo";
import { SignalQueue, signalBit } from "./signal-queue";
import { TASK_DEAD, type Task } from "./task";
import {
  NSIG, SA_RESETHAND, SIGALRM, SIGCHLD, SIGCONT, SIGKILL, SIGRTMIN, SIGSEGV, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, SIG_DFL,
  SIG_IGN, SI_KERNEL, SI_USER, SS_AUTODISARM, SS_DISABLE, signalName,
} from "./uapi-signal";
import { WaitQueue } from "./wait";

export type { SignalInfo } from "./siginfo";
export { signalBit } from "./signal-queue";

//   struct sigaction as rt_sigaction takes it, 32 bytes (arch/x86/include/uapi/asm/signal.h)
//    0         8       16         24
//   +---------+-------+----------+--------+
//   | handler | flags | restorer | mask   |
//   +---------+-------+----------+--------+
export interface SignalAction {
  /** SIG_DFL, SIG_IGN or an address */
  handler: number;
  flags: number;
  restorer: number;
  mask: bigint;
  /** It was set by a 32-bit system call: its handler is 32-bit code. */
  ia32?: boolean;
}

/** A signal that has a handler to run, taken off its queue. */
export interface Delivery {
  readonly info: SignalInfo;
  readonly action: SignalAction;
}

const defaultAction: SignalAction = { handler: SIG_DFL, flags: 0, restorer: 0, mask: 0n };
const UNBLOCKABLE = signalBit(SIGKILL) | signalBit(SIGSTOP);
const STOP_SIGNALS = signalBit(SIGSTOP) | signalBit(SIGTSTP) | signalBit(SIGTTIN) | signalBit(SIGTTOU);

/** What kernel/signal.c calls on_sig_stack and sas_ss_flags works on: stack_t as the task set it. */
export interface AlternateStack {
  sp: number;
  size: number;
  flags: number;
}

/** Does `sp` lie on the alternate stack? One that disarms itself is never "in use". */
export function onAlternateStack(stack: AlternateStack, sp: number): boolean {
  return (stack.flags & SS_AUTODISARM) === 0 && withinAlternateStack(stack, sp);
}

export function withinAlternateStack({ sp: base, size }: AlternateStack, sp: number): boolean {
  return sp > base && sp - base <= size;
}

export class SignalState {
  private readonly actions = new Map<number, SignalAction>();
  /** Sent to this very task, and to its thread group as a whole. */
  readonly pending = new SignalQueue();
  readonly shared = new SignalQueue();
  /** Changed by Signals.setBlocked alone. */
  blocked = 0n;
  /** The mask that sigsuspend, ppoll and pselect have put aside, until a handler's frame or the way back restores it. */
  saved: bigint | null = null;
  alternateStack: AlternateStack = { sp: 0, size: 0, flags: SS_DISABLE };
  /** Woken when a signal becomes pending: sigtimedwait, pause. */
  readonly arrived = new WaitQueue();

  action(signal: number): SignalAction {
    return this.actions.get(signal) ?? defaultAction;
  }

  setAction(signal: number, action: SignalAction): void {
    this.actions.set(signal, action);
  }

  isBlocked(signal: number): boolean {
    return (this.blocked & signalBit(signal)) !== 0n;
  }

  isIgnored(signal: number): boolean {
    const { handler } = this.action(signal);
    return handler === SIG_IGN || (handler === SIG_DFL && defaultActionOf(signal) === "ignore");
  }

  /** sigset_t of what is pending. */
  pendingMask(): bigint {
    return this.pending.mask | this.shared.mask;
  }

  /** A signal of these is forgotten wherever it waits. */
  flush(set: bigint): void {
    this.pending.flush(set);
    this.shared.flush(set);
  }

  /** execve: handlers are gone with their code, what is ignored stays so. */
  exec(): void {
    for (const [signal, action] of this.actions) if (action.handler !== SIG_IGN) this.actions.delete(signal);
    this.alternateStack.sp = 0;
    this.alternateStack.size = 0;
  }
}

type DefaultAction = "terminate" | "ignore" | "stop";

function defaultActionOf(signal: number): DefaultAction {
  if (signal === SIGCHLD || signal === SIGCONT || signal === SIGURG || signal === SIGWINCH) return "ignore";
  // The guest's process group is orphaned: the terminal's stop signals do nothing there (Linux is_current_pgrp_orphaned).
  if (signal === SIGTSTP || signal === SIGTTIN || signal === SIGTTOU) return "ignore";
  return signal === SIGSTOP ? "stop" : "terminate";
}

/** What became of a signal that was sent. */
export type Sent = "queued" | "ignored" | "waiting already" | "too many";

export class Signals {
  constructor(private readonly kernel: Kernel) {}

  /**
   * Makes `signal` pending for the task's thread group, or for the task alone, unless it would be ignored (Linux
   * send_signal_locked).
   */
  raise(task: Task, signal: number, info: Omit<SignalInfo, "signal"> = { code: SI_KERNEL }, toTask = false): Sent {
    if (signal < 1 || signal > NSIG || task.state === TASK_DEAD) return "ignored";
    const { signals } = task;
    if (signal === SIGCONT) signals.flush(STOP_SIGNALS);
    else if ((STOP_SIGNALS & signalBit(signal)) !== 0n) signals.flush(signalBit(SIGCONT));
    if (task.stopped && (signal === SIGCONT || signal === SIGKILL)) task.resume();
    if (signals.isIgnored(signal) && !signals.isBlocked(signal)) return "ignored";
    const queue = toTask ? signals.pending : signals.shared;
    if (signal >= SIGRTMIN && info.source === undefined && queue.length >= task.limits.get(RLIMIT_SIGPENDING).soft) {
      // Past the limit kill(2) still gets its signal through once, without siginfo; what carries a value does not.
      if (info.code !== SI_USER && info.code !== SI_KERNEL) return "too many";
      if (queue.has(signal)) return "waiting already";
    }
    if (!queue.add({ signal, ...info })) return "waiting already";
    signals.arrived.wake();
    if (!signals.isBlocked(signal)) this.notify(task);
    return "queued";
  }

  /** A fault of the task itself: neither blocking nor ignoring helps (Linux force_sig_info). `fatal`: nor does a handler. */
  force(task: Task, info: SignalInfo, fatal = false): void {
    const { signals } = task;
    const { signal } = info;
    const action = signals.action(signal);
    if (fatal || signals.isBlocked(signal) || action.handler === SIG_IGN) {
      signals.setAction(signal, { ...action, handler: SIG_DFL });
      this.setBlocked(task, signals.blocked & ~signalBit(signal));
    }
    signals.pending.add(info);
    this.notify(task);
  }

  /** A frame for `signal` could not be written (Linux force_sigsegv). */
  forceSegv(task: Task, signal: number): void {
    this.force(task, { signal: SIGSEGV, code: SI_KERNEL }, signal === SIGSEGV);
  }

  private notify(task: Task): void {
    task.exitWork = true;
    task.wakeUp();
  }

  /** Linux set_current_blocked: what the new mask lets through takes effect on the way to user mode. */
  setBlocked(task: Task, mask: bigint): void {
    task.signals.blocked = BigInt.asUintN(64, mask) & ~UNBLOCKABLE;
    if (this.hasDeliverable(task)) task.exitWork = true;
  }

  /** A call's own mask while it sleeps; the one it had comes back by restoreMask, or out of a handler's frame. */
  setTemporaryMask(task: Task, mask: bigint): void {
    task.signals.saved ??= task.signals.blocked;
    this.setBlocked(task, mask);
  }

  restoreMask(task: Task): void {
    const { saved } = task.signals;
    if (saved === null) return;
    task.signals.saved = null;
    this.setBlocked(task, saved);
  }

  /** A signal that the task would act on now (Linux signal_pending). */
  hasDeliverable(task: Task): boolean {
    const { signals } = task;
    return (signals.pendingMask() & ~signals.blocked) !== 0n;
  }

  /** Takes the next signal outside `blocked` (Linux dequeue_signal). */
  dequeue(task: Task, blocked: bigint): SignalInfo | undefined {
    const { signals } = task;
    const info = signals.pending.takeNext(blocked) ?? signals.shared.takeNext(blocked);
    if (info?.signal === SIGALRM) this.kernel.timers.alarmTaken(task);
    return info?.source === undefined ? info : info.source.taken(info);
  }

  /**
   * On the way to user mode: takes waiting signals until one has a handler, which it answers; null when none is left, or the
   * task has stopped or died of one (Linux get_signal).
   */
  next(task: Task): Delivery | null {
    const { signals } = task;
    while (true) {
      const info = signals.pending.takeSynchronous(signals.blocked) ?? this.dequeue(task, signals.blocked);
      if (info === undefined) return null;
      const { signal } = info;
      const action = signals.action(signal);
      this.kernel.traceSignal(task, info);
      if (action.handler === SIG_IGN) continue;
      if (action.handler !== SIG_DFL) {
        if (action.flags & SA_RESETHAND) signals.setAction(signal, { ...action, handler: SIG_DFL });
        return { info, action };
      }
      const effect = defaultActionOf(signal);
      if (effect === "ignore") continue;
      if (effect === "stop") {
        this.kernel.notice(`${signalName(signal)} stops the guest, and nobody is there to continue it`);
        task.stop();
        return null;
      }
      this.kernel.recordDeath(task, info);
      this.kernel.exitGroup(task, 0, signal);
      return null;
    }
  }
}
