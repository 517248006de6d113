// Wait queues: where a task sleeps until something that it waits for may have happened.
// Entered from handlers through block(); kernel.ts puts the task on the queues, wake() makes it runnable, and its call is
// run again from pt_regs: so a wake-up may be spurious, and whoever wakes need not know what was waited for.

import { ERESTARTSYS } from "./errno-numbers";
import type { Task } from "./task";

export class WaitQueue {
  private readonly sleepers = new Set<Task>();

  /** @param byHost it is woken by callbacks of the embedding side, not by the guest's own doing */
  constructor(readonly byHost = false) {}

  /** Makes every sleeping task runnable. Cheap when none sleeps, and safe to call from a host callback at any time. */
  wake(): void {
    if (this.sleepers.size === 0) return;
    for (const task of [...this.sleepers]) task.wakeUp();
  }

  /** Wakes at most `count` tasks, oldest first; answers how many. */
  wakeSome(count: number): number {
    let woken = 0;
    for (const task of [...this.sleepers]) {
      if (woken === count) break;
      task.wakeUp();
      woken++;
    }
    return woken;
  }

  add(task: Task): void {
    this.sleepers.add(task);
  }

  remove(task: Task): void {
    this.sleepers.delete(task);
  }

  get size(): number {
    return this.sleepers.size;
  }
}

/** What a handler returns instead of a result: sleep on these queues, then run the call again. */
export class Block {
  constructor(
    readonly queues: readonly WaitQueue[],
    /** CLOCK_MONOTONIC in nanoseconds, as `kernel.clock.monotonicNs()` counts; Infinity = no deadline. */
    readonly deadlineNs: number,
    /** What the call answers when a signal comes first: a restart code, or what it has got done by then. */
    readonly interrupted: number,
  ) {}

  /** The same sleep with another answer to a signal. */
  interruptedWith(result: number): Block {
    return new Block(this.queues, this.deadlineNs, result);
  }
}

/**
 * Sleep until one of the queues is woken or the deadline (CLOCK_MONOTONIC, nanoseconds, absolute) has passed. The handler
 * is then called again with the same arguments and looks afresh; what it must remember in between, such as the deadline of
 * a relative timeout or the bytes already moved, it keeps in `task.progress`. If a signal is waiting by then the call ends
 * with `interrupted` instead.
 */
export function block(queue: WaitQueue | readonly WaitQueue[], deadlineNs = Infinity, interrupted: number = -ERESTARTSYS): Block {
  return new Block(queue instanceof WaitQueue ? [queue] : queue, deadlineNs, interrupted);
}

/** A sleep that only its deadline or a signal ends. */
export const NO_QUEUE: readonly WaitQueue[] = [];
