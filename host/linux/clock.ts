// The kernel's clocks, over the host's. Times are numbers of nanoseconds where they count from the kernel's start (exact for
// 104 days), seconds and nanoseconds apart where they count from 1970.

import type { Timespec } from "./uapi-stat";

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME_ID = 2;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const CLOCK_MONOTONIC_RAW = 4;
export const CLOCK_REALTIME_COARSE = 5;
export const CLOCK_MONOTONIC_COARSE = 6;
export const CLOCK_BOOTTIME = 7;
export const CLOCK_REALTIME_ALARM = 8;
export const CLOCK_BOOTTIME_ALARM = 9;
export const CLOCK_TAI = 11;

/** A jiffy at CONFIG_HZ=250: the resolution of the coarse clocks. */
export const TICK_NS = 4_000_000;

/** What the kernel needs of the host: two clocks in milliseconds, fractions included. */
export interface HostClock {
  /** Never steps; any origin. */
  monotonicMs(): number;
  /** Since 1970. */
  realtimeMs(): number;
}

export const hostClock: HostClock = {
  monotonicMs: () => (typeof performance === "undefined" ? Date.now() : performance.now()),
  realtimeMs: () => Date.now(),
};

export class Clock {
  private readonly startMs: number;
  /** CLOCK_REALTIME minus CLOCK_MONOTONIC: whole seconds, and nanoseconds within one. */
  private bootSec: number;
  private bootNsec: number;
  /** Nanoseconds that the guest has been executing or served; the scheduler adds each slice. */
  cpuNs = 0;
  /** Start of the slice that is running, or -1. */
  sliceStartNs = -1;

  constructor(private readonly host: HostClock = hostClock) {
    this.startMs = host.monotonicMs();
    const now = host.realtimeMs();
    this.bootSec = Math.floor(now / 1000);
    this.bootNsec = Math.floor((now - this.bootSec * 1000) * 1e6);
  }

  /** CLOCK_MONOTONIC in nanoseconds; 0 = the kernel's start. Deadlines of block() count by it. */
  monotonicNs(): number {
    return Math.round((this.host.monotonicMs() - this.startMs) * 1e6);
  }

  /** CPU time of the guest's one process. */
  processNs(): number {
    return this.cpuNs + (this.sliceStartNs < 0 ? 0 : Math.max(0, this.monotonicNs() - this.sliceStartNs));
  }

  realtime(): Timespec {
    return this.atBootPlus(this.monotonicNs());
  }

  /** What `clockId` shows, or null for a clock that there is not. */
  now(clockId: number): Timespec | null {
    switch (clockId) {
      case CLOCK_REALTIME:
      case CLOCK_REALTIME_ALARM:
      case CLOCK_TAI:
        return this.realtime();
      case CLOCK_REALTIME_COARSE:
        return this.atBootPlus(coarse(this.monotonicNs()));
      case CLOCK_MONOTONIC:
      case CLOCK_MONOTONIC_RAW:
      case CLOCK_BOOTTIME:
      case CLOCK_BOOTTIME_ALARM:
        return timespec(this.monotonicNs());
      case CLOCK_MONOTONIC_COARSE:
        return timespec(coarse(this.monotonicNs()));
      case CLOCK_PROCESS_CPUTIME_ID:
      case CLOCK_THREAD_CPUTIME_ID:
        return timespec(this.processNs());
    }
    return null;
  }

  /** clock_settime(CLOCK_REALTIME): moves the guest's wall clock, never the host's. */
  setRealtime(time: Timespec): void {
    const monotonic = timespec(this.monotonicNs());
    this.bootSec = time.sec - monotonic.sec;
    this.bootNsec = time.nsec - monotonic.nsec;
    if (this.bootNsec < 0) {
      this.bootNsec += 1e9;
      this.bootSec--;
    }
  }

  /** The CLOCK_MONOTONIC moment, in nanoseconds, at which CLOCK_REALTIME shows `ns` of `sec`. */
  monotonicOfRealtime(sec: number, nsec: number): number {
    return (sec - this.bootSec) * 1e9 + nsec - this.bootNsec;
  }

  private atBootPlus(ns: number): Timespec {
    const total = this.bootNsec + ns;
    return { sec: this.bootSec + Math.floor(total / 1e9), nsec: total % 1e9 };
  }
}

function coarse(ns: number): number {
  return ns - (ns % TICK_NS);
}

export function timespec(ns: number): Timespec {
  return { sec: Math.floor(ns / 1e9), nsec: ns % 1e9 };
}
