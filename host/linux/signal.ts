// Signals: what a task does on each (sigaction), which wait and which are blocked, and what their default actions do.
// Entered from kill and its kin, from traps.ts for faults, and from exit to user mode, where a waiting signal takes effect.
// Handlers do not run yet: a signal that has one ends the guest, and the notice says so by name.

import type { Kernel } from "./kernel";
import { TASK_DEAD, type Task } from "./task";
import {
  NSIG, SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, SIG_DFL, SIG_IGN, SI_KERNEL,
  SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, signalName,
} from "./uapi-signal";
import { WaitQueue } from "./wait";

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
}

export interface SignalInfo {
  signal: number;
  code: number;
  /** si_addr of a fault. */
  address?: number;
  pid?: number;
  uid?: number;
}

const defaultAction: SignalAction = { handler: SIG_DFL, flags: 0, restorer: 0, mask: 0n };

/** Bit of `signal` in a sigset_t. */
export function signalBit(signal: number): bigint {
  return 1n << BigInt(signal - 1);
}
const UNBLOCKABLE = signalBit(SIGKILL) | signalBit(SIGSTOP);

export class SignalState {
  private readonly actions = new Map<number, SignalAction>();
  readonly pending = new Map<number, SignalInfo>();
  blocked = 0n;
  alternateStack = { sp: 0, size: 0, flags: 2 /* SS_DISABLE */ };
  /** Woken when a signal becomes pending: sigtimedwait, pause. */
  readonly arrived = new WaitQueue();

  action(signal: number): SignalAction {
    return this.actions.get(signal) ?? defaultAction;
  }

  setAction(signal: number, action: SignalAction): void {
    this.actions.set(signal, action);
  }

  setBlocked(mask: bigint): void {
    this.blocked = BigInt.asUintN(64, mask) & ~UNBLOCKABLE;
  }

  isBlocked(signal: number): boolean {
    return (this.blocked & signalBit(signal)) !== 0n;
  }

  /** sigset_t of what is pending. */
  pendingMask(): bigint {
    let mask = 0n;
    for (const signal of this.pending.keys()) mask |= signalBit(signal);
    return mask;
  }

  /** execve: handlers are gone with their code, what is ignored stays so. */
  exec(): void {
    for (const [signal, action] of this.actions) if (action.handler !== SIG_IGN) this.actions.delete(signal);
    this.alternateStack = { sp: 0, size: 0, flags: 2 };
  }
}

type DefaultAction = "terminate" | "ignore" | "stop";

function defaultActionOf(signal: number): DefaultAction {
  if (signal === SIGCHLD || signal === SIGCONT || signal === SIGURG || signal === SIGWINCH) return "ignore";
  // The guest's process group is orphaned: the terminal's stop signals do nothing there (Linux is_current_pgrp_orphaned).
  if (signal === SIGTSTP || signal === SIGTTIN || signal === SIGTTOU) return "ignore";
  return signal === SIGSTOP ? "stop" : "terminate";
}

/** Linux SYNCHRONOUS_MASK: faults of the instruction itself go first. */
const synchronous = [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS];

export class Signals {
  constructor(private readonly kernel: Kernel) {}

  /** Makes `signal` pending for the task, unless it would be ignored (Linux send_signal). */
  raise(task: Task, signal: number, info: Omit<SignalInfo, "signal"> = { code: SI_KERNEL }): void {
    if (signal < 1 || signal > NSIG || task.state === TASK_DEAD) return;
    const { signals } = task;
    const { handler } = signals.action(signal);
    const ignored = handler === SIG_IGN || (handler === SIG_DFL && defaultActionOf(signal) === "ignore");
    if (ignored && !signals.isBlocked(signal)) return;
    if (!signals.pending.has(signal)) signals.pending.set(signal, { signal, ...info });
    signals.arrived.wake();
    if (signals.isBlocked(signal)) return;
    task.exitWork = true;
    task.wakeUp();
  }

  /** A fault of the task itself: neither blocking nor ignoring helps (Linux force_sig_info). */
  force(task: Task, info: SignalInfo): void {
    const { signals } = task;
    const { signal } = info;
    if (signals.isBlocked(signal) || signals.action(signal).handler === SIG_IGN) {
      signals.setAction(signal, defaultAction);
      signals.setBlocked(signals.blocked & ~signalBit(signal));
    }
    signals.pending.set(signal, info);
    task.exitWork = true;
    task.wakeUp();
  }

  /** A signal that the task would act on now. */
  hasDeliverable(task: Task): boolean {
    for (const signal of task.signals.pending.keys()) if (!task.signals.isBlocked(signal)) return true;
    return false;
  }

  /** Takes the next signal that is not blocked off the pending ones (Linux dequeue_signal). */
  private next(task: Task): SignalInfo | undefined {
    const { signals } = task;
    const ready = [...signals.pending.keys()].filter((signal) => !signals.isBlocked(signal)).sort((a, b) => a - b);
    const signal = synchronous.find((number) => ready.includes(number)) ?? ready[0];
    if (signal === undefined) return undefined;
    const info = signals.pending.get(signal)!;
    signals.pending.delete(signal);
    return info;
  }

  /** On the way to user mode: each waiting signal takes effect (Linux get_signal). */
  deliver(task: Task): void {
    task.exitWork = false;
    for (let info = this.next(task); info !== undefined; info = this.next(task)) {
      const { signal } = info;
      const { handler } = task.signals.action(signal);
      this.kernel.traceSignal(task, info);
      if (handler === SIG_IGN) continue;
      if (handler !== SIG_DFL) {
        this.kernel.notice(
          `${signalName(signal)} has a handler at 0x${handler.toString(16)}, and delivering signals to handlers is not built yet: the guest ends`,
        );
      } else {
        const action = defaultActionOf(signal);
        if (action === "ignore") continue;
        if (action === "stop") {
          this.kernel.notice(`${signalName(signal)} stops the guest, and nobody is there to continue it`);
          task.sleep({ queues: [], deadlineNs: Infinity });
          return;
        }
      }
      this.kernel.recordDeath(task, info);
      this.kernel.exitGroup(task, 0, signal);
      return;
    }
  }
}

