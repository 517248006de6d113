// Interval timers: alarm and setitimer(ITIMER_REAL), which raise SIGALRM when the loop of kernel.ts finds them due.

import type { Kernel } from "./kernel";
import type { Task } from "./task";
import { SIGALRM, SI_KERNEL } from "./uapi-signal";

interface IntervalTimer {
  /** CLOCK_MONOTONIC nanoseconds. */
  dueNs: number;
  /** 0 = once. */
  intervalNs: number;
}

export class IntervalTimers {
  private readonly timers = new Map<Task, IntervalTimer>();

  constructor(private readonly kernel: Kernel) {}

  /** Sets (or with `valueNs` 0 stops) the task's timer; answers what was left of the old one and its interval. */
  set(task: Task, valueNs: number, intervalNs: number): { valueNs: number; intervalNs: number } {
    const before = this.get(task);
    if (valueNs > 0) this.timers.set(task, { dueNs: this.kernel.clock.monotonicNs() + valueNs, intervalNs });
    else this.timers.delete(task);
    return before;
  }

  get(task: Task): { valueNs: number; intervalNs: number } {
    const timer = this.timers.get(task);
    if (timer === undefined) return { valueNs: 0, intervalNs: 0 };
    // A timer that is due but has not been seen yet has at least something left.
    return { valueNs: Math.max(1000, timer.dueNs - this.kernel.clock.monotonicNs()), intervalNs: timer.intervalNs };
  }

  expire(now: number): void {
    for (const [task, timer] of this.timers) {
      if (timer.dueNs > now) continue;
      if (timer.intervalNs > 0) timer.dueNs = Math.max(now, timer.dueNs + timer.intervalNs);
      else this.timers.delete(task);
      this.kernel.signals.raise(task, SIGALRM, { code: SI_KERNEL });
    }
  }

  next(): number {
    let next = Infinity;
    for (const { dueNs } of this.timers.values()) next = Math.min(next, dueNs);
    return next;
  }

  drop(task: Task): void {
    this.timers.delete(task);
  }
}
