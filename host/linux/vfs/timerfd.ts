// timerfd: a timer behind a descriptor, which counts its expiries until they are read (Linux fs/timerfd.c).
// Made by syscalls/posix-timers.ts.

import { EAGAIN, ECANCELED, EINVAL } from "../errno";
import type { Kernel } from "../kernel";
import type { Task } from "../task";
import { type ClockWatcher, Timer, type TimerSetting } from "../timers";
import { O_NONBLOCK } from "../uapi-fcntl";
import { POLLIN } from "../uapi-poll";
import type { Timespec } from "../uapi-stat";
import { type Block, WaitQueue, block } from "../wait";
import type { Path } from "./dentry";
import { OpenFile } from "./file";
import type { IovIter } from "./iov-iter";

class FileTimer extends Timer {
  readonly queue = new WaitQueue();
  /** Expiries that have not been read. An interval timer stands still after the first, and is set forward when it is read. */
  ticks = 0;

  protected expired(): void {
    this.ticks++;
    this.queue.wake();
  }

  set(dueNs: number, intervalNs: number, realtime: Timespec | null): void {
    this.ticks = 0;
    this.intervalNs = intervalNs;
    if (dueNs === Infinity) this.disarm();
    else this.arm(dueNs, realtime);
  }

  catchUp(): void {
    if (this.ticks > 0 && !this.armed && this.intervalNs > 0) this.ticks += this.forward() - 1;
  }

  /** All expiries up to now, which are then no more. */
  take(): bigint {
    this.expireIfDue();
    this.catchUp();
    const { ticks } = this;
    this.ticks = 0;
    return BigInt(ticks);
  }
}

export class TimerFile extends OpenFile implements ClockWatcher {
  private readonly timer: FileTimer;
  /** TFD_TIMER_CANCEL_ON_SET: CLOCK_REALTIME has been set since. */
  private canceled = false;

  constructor(path: Path, flags: number, private readonly kernel: Kernel, readonly clock: number) {
    super(path, flags);
    this.timer = new FileTimer(kernel, "monotonic");
  }

  override get seekable(): boolean {
    return false;
  }

  /** `dueNs` Infinity stops it. */
  set(dueNs: number, intervalNs: number, realtime: Timespec | null, cancelOnSet: boolean): void {
    if (cancelOnSet) this.kernel.timers.clockWatchers.add(this);
    else this.kernel.timers.clockWatchers.delete(this);
    this.canceled = false;
    this.timer.set(dueNs, intervalNs, realtime);
  }

  get(): TimerSetting {
    this.timer.expireIfDue();
    this.timer.catchUp();
    return { valueNs: this.timer.left(), intervalNs: this.timer.intervalNs };
  }

  /** CLOCK_REALTIME has been set. */
  clockWasSet(): void {
    this.canceled = true;
    this.timer.queue.wake();
  }

  override read(_task: Task, to: IovIter): number | Block {
    if (to.remaining < 8) return -EINVAL;
    if (this.canceled) {
      this.canceled = false;
      return -ECANCELED;
    }
    const ticks = this.timer.take();
    if (ticks === 0n) return this.flags & O_NONBLOCK ? -EAGAIN : block(this.timer.queue);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, ticks, true);
    return to.result(to.put(bytes) === 8 ? 8 : 0);
  }

  override poll(): number {
    this.timer.expireIfDue();
    return this.timer.ticks > 0 || this.canceled ? POLLIN : 0;
  }

  override get queues(): readonly WaitQueue[] {
    return [this.timer.queue];
  }

  override release(): void {
    this.timer.disarm();
    this.kernel.timers.clockWatchers.delete(this);
  }
}
