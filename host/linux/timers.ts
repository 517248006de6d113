// Timers (Linux kernel/time/hrtimer.c and those who use it): alarm and setitimer, timer_create, timerfd. Each knows when it is due;
// the timer interrupt (kernel.ts) has those that are do their work.
// An interval timer that signals stands still from its expiry until the signal is taken, and is then set forward to the next
// multiple of its interval: whoever is slow gets one signal and a count, not a flood.

import type { Kernel } from "./kernel";
import type { SignalInfo, SignalSource } from "./siginfo";
import type { Task } from "./task";
import type { Timespec } from "./uapi-stat";
import { SIGALRM, SIGPROF, SIGVTALRM, SI_KERNEL, SI_TIMER } from "./uapi-signal";

export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;
const itimerSignals = [SIGALRM, SIGVTALRM, SIGPROF];

/** The overrun count that user space may see: Linux DELAYTIMER_MAX. */
const DELAYTIMER_MAX = 0x7fffffff;

/** What a timer counts by: CLOCK_MONOTONIC, or the CPU time of the process, which stands still while it sleeps. */
export type TimerBase = "monotonic" | "cpu";

/** How timer_settime and its kin show a timer, in nanoseconds. `valueNs` 0: it is not armed. */
export interface TimerSetting {
  valueNs: number;
  intervalNs: number;
}

export abstract class Timer {
  /** By the timer's base; Infinity when it is not armed. */
  protected dueNs = Infinity;
  intervalNs = 0;
  /** When it was last due: what intervals are counted from. */
  protected lastDueNs = 0;
  /** The CLOCK_REALTIME moment that an absolute timer waits for: a step of that clock moves it. */
  private realtime: Timespec | null = null;

  constructor(
    protected readonly kernel: Kernel,
    readonly base: TimerBase,
  ) {}

  /** It was due, and is not armed any more. */
  protected abstract expired(): void;

  get armed(): boolean {
    return this.dueNs < Infinity;
  }

  protected now(): number {
    return this.base === "cpu" ? this.kernel.clock.processNs() : this.kernel.clock.monotonicNs();
  }

  /** Due at `dueNs` of its base; `realtime` is the same moment for a timer set by the wall clock. */
  arm(dueNs: number, realtime: Timespec | null = null): void {
    this.dueNs = dueNs;
    this.realtime = realtime;
    this.kernel.timers.changed(this);
  }

  disarm(): void {
    this.dueNs = Infinity;
    this.realtime = null;
    this.kernel.timers.changed(this);
  }

  /** Nanoseconds until it is due; at least 1 while it is armed, though it may be due already. */
  left(): number {
    return this.armed ? Math.max(1, this.dueNs - this.now()) : 0;
  }

  /** When it is due by CLOCK_MONOTONIC. A CPU clock only moves on while the process runs. */
  dueMonotonicNs(running: boolean): number {
    if (this.base === "monotonic" || !this.armed) return this.dueNs;
    return running ? this.kernel.clock.monotonicNs() + Math.max(0, this.dueNs - this.now()) : Infinity;
  }

  expireIfDue(): void {
    if (this.dueNs > this.now()) return;
    this.lastDueNs = this.dueNs;
    this.disarm();
    this.expired();
  }

  /**
   * Arms it for the next multiple of its interval that is still to come, and answers how many have passed, the last expiry
   * included (Linux hrtimer_forward).
   */
  protected forward(): number {
    const passed = Math.max(1, Math.floor((this.now() - this.lastDueNs) / this.intervalNs) + 1);
    this.arm(this.lastDueNs + passed * this.intervalNs);
    return passed;
  }

  /** CLOCK_REALTIME has been set. */
  clockWasSet(): void {
    if (this.realtime === null || !this.armed) return;
    this.arm(this.kernel.clock.monotonicOfRealtime(this.realtime.sec, this.realtime.nsec), this.realtime);
  }
}

/** alarm and setitimer. */
export class IntervalTimer extends Timer {
  constructor(
    kernel: Kernel,
    private readonly task: Task,
    readonly which: number,
  ) {
    super(kernel, which === ITIMER_REAL ? "monotonic" : "cpu");
  }

  set({ valueNs, intervalNs }: TimerSetting): void {
    this.intervalNs = valueNs === 0 ? 0 : intervalNs;
    if (valueNs === 0) this.disarm();
    else this.arm(this.now() + valueNs);
  }

  get(): TimerSetting {
    // One that is due but not yet seen shows a microsecond: a timeval of 0 would say that it is not armed.
    return { valueNs: this.armed ? Math.max(1000, this.left()) : 0, intervalNs: this.intervalNs };
  }

  protected expired(): void {
    this.kernel.signals.raise(this.task, itimerSignals[this.which]!, { code: SI_KERNEL });
    if (this.which !== ITIMER_REAL && this.intervalNs > 0) this.forward();
  }

  /** SIGALRM has been taken off the queue, whoever sent it (Linux dequeue_signal). */
  signalTaken(): void {
    if (!this.armed && this.intervalNs > 0) this.forward();
  }
}

/** A timer of timer_create. */
export class PosixTimer extends Timer implements SignalSource {
  /** Expiries since the signal was sent that it stands for beyond the first, and those of the signal last taken. */
  private overruns = 0;
  lastOverruns = 0;

  constructor(
    kernel: Kernel,
    private readonly task: Task,
    readonly id: number,
    readonly clock: number,
    base: TimerBase,
    /** 0: it does not signal (SIGEV_NONE). */
    private readonly signal: number,
    private readonly value: bigint,
    /** SIGEV_THREAD_ID: to this task, not to its group. */
    private readonly toTask: boolean,
  ) {
    super(kernel, base);
  }

  set(dueNs: number, intervalNs: number, realtime: Timespec | null): void {
    this.releaseSignal();
    this.overruns = 0;
    this.lastOverruns = 0;
    this.intervalNs = intervalNs;
    this.arm(dueNs, realtime);
  }

  stop(): void {
    this.releaseSignal();
    this.intervalNs = 0;
    this.disarm();
  }

  /** A signal that waits is still delivered, and sets nothing forward (so before Linux 6.13). */
  private releaseSignal(): void {
    this.task.signals.pending.release(this);
    this.task.signals.shared.release(this);
  }

  get(): TimerSetting {
    // A silent one, and one whose signal waits or is ignored, is set forward by being looked at (Linux common_timer_get).
    if (!this.armed && this.intervalNs > 0) {
      const next = this.lastDueNs + (Math.floor((this.now() - this.lastDueNs) / this.intervalNs) + 1) * this.intervalNs;
      if (this.signal === 0) this.forward();
      return { valueNs: Math.max(1, next - this.now()), intervalNs: this.intervalNs };
    }
    return { valueNs: this.left(), intervalNs: this.intervalNs };
  }

  protected expired(): void {
    if (this.signal === 0) return;
    const info = { code: SI_TIMER, timer: this.id, overrun: 0, value: this.value, source: this };
    const sent = this.kernel.signals.raise(this.task, this.signal, info, this.toTask);
    // Nobody will take it, so nobody will set the timer forward.
    if (sent !== "queued" && this.intervalNs > 0) this.overruns += this.forward();
  }

  taken(info: SignalInfo): SignalInfo {
    if (this.intervalNs > 0 && !this.armed) this.overruns += this.forward() - 1;
    this.lastOverruns = Math.min(this.overruns, DELAYTIMER_MAX);
    this.overruns = 0;
    return { ...info, overrun: this.lastOverruns, source: undefined };
  }
}

/** Wants to hear of clock_settime(CLOCK_REALTIME): a timerfd with TFD_TIMER_CANCEL_ON_SET. */
export interface ClockWatcher {
  clockWasSet(): void;
}

export class Timers {
  /** Those that are armed. */
  private readonly armed = new Set<Timer>();
  readonly clockWatchers = new Set<ClockWatcher>();
  private readonly intervalTimers = new Map<Task, IntervalTimer[]>();

  constructor(private readonly kernel: Kernel) {}

  /** A timer has been armed or disarmed. */
  changed(timer: Timer): void {
    if (!timer.armed) {
      this.armed.delete(timer);
      return;
    }
    this.armed.add(timer);
    this.kernel.timerArmed();
  }

  intervalTimer(task: Task, which: number): IntervalTimer {
    let timers = this.intervalTimers.get(task);
    if (timers === undefined) {
      timers = [ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF].map((number) => new IntervalTimer(this.kernel, task, number));
      this.intervalTimers.set(task, timers);
    }
    return timers[which]!;
  }

  alarmTaken(task: Task): void {
    this.intervalTimers.get(task)?.[ITIMER_REAL]!.signalTaken();
  }

  /** The timer interrupt's part: all that are due do their work. */
  expire(): void {
    if (this.armed.size === 0) return;
    for (const timer of [...this.armed]) timer.expireIfDue();
  }

  /** CLOCK_MONOTONIC nanoseconds at which the next is due; `running`: the process is on the CPU. */
  next(running: boolean): number {
    let next = Infinity;
    for (const timer of this.armed) next = Math.min(next, timer.dueMonotonicNs(running));
    return next;
  }

  /** CLOCK_REALTIME has been set: what waits for a moment of it is due at another time now. */
  clockWasSet(): void {
    for (const timer of [...this.armed]) timer.clockWasSet();
    for (const watcher of this.clockWatchers) watcher.clockWasSet();
    for (const task of this.kernel.tasks.values()) task.wakeUp();
  }

  /** execve: timer_create's timers are gone, alarm and setitimer go on. */
  exec(task: Task): void {
    for (const timer of task.posixTimers.values()) timer.stop();
    task.posixTimers.clear();
    task.nextTimerId = 0;
  }

  drop(task: Task): void {
    this.exec(task);
    for (const timer of this.intervalTimers.get(task) ?? []) timer.disarm();
    this.intervalTimers.delete(task);
  }
}
