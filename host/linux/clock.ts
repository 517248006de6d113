// The kernel's timekeeping (Linux kernel/time/timekeeping.c): every clock is the time-stamp counter, scaled, plus an offset. The
// guest's vDSO reads the same counter with the same numbers, which vvar.ts shows it, so both always agree.
// Times are numbers of nanoseconds where they count from the kernel's start (exact for 104 days), seconds and nanoseconds
// apart where they count from 1970.

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

/** What CPUID leaf 15h says of the machine (kernel/cpu/cpuid.ts): a test holds the two against each other. */
export const TSC_HZ = 1_000_000_000;

/**
 * ns = (cycles * TSC_MULT) >> TSC_SHIFT, the pair that Linux chooses for this frequency (clocks_calc_mult_shift with ten minutes
 * to go without overflow). At 1 GHz it is exact, so everything here counts cycles and nanoseconds as one.
 */
export const TSC_SHIFT = 23;
export const TSC_MULT = (1e9 / TSC_HZ) * 2 ** TSC_SHIFT;

/** Where a run under the virtual clock starts unless --date says otherwise: the day of Linux 6.1. */
export const VIRTUAL_EPOCH_MS = Date.UTC(2022, 11, 11);

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

/** The counter that RDTSC reads: Machine is one. */
export interface TimeStampCounter {
  /** Its value now. */
  readTsc(): number;
  /** True: it counts retired instructions, and stands still while none is executed. */
  tscVirtual: boolean;
  /** Lets `cycles` pass at once. */
  advanceTsc(cycles: number): void;
}

/** The moment that the vDSO counts from: all clocks as they stood when the counter was `cycleLast`. */
export interface Timekeeper {
  cycleLast: number;
  /** CLOCK_MONOTONIC then. */
  monotonic: Timespec;
  /** CLOCK_REALTIME then. */
  realtime: Timespec;
}

export interface ClockOptions {
  /** "virtual": a nanosecond is a retired instruction, and sleeping takes no time of the host's. Default "host". */
  mode?: "host" | "virtual";
  /** CLOCK_REALTIME at boot, in milliseconds since 1970. Default: the host's, or VIRTUAL_EPOCH_MS. */
  dateMs?: number;
  host?: HostClock;
}

export class Clock {
  readonly virtual: boolean;
  private readonly host: HostClock;
  private readonly bootTsc: number;
  /** CLOCK_REALTIME minus CLOCK_MONOTONIC: whole seconds, and nanoseconds within one. */
  private bootSec: number;
  private bootNsec: number;
  /** CLOCK_MONOTONIC at the last tick, a multiple of TICK_NS: what the coarse clocks show. */
  private tickNs = 0;
  /** Nanoseconds that the guest has been executing or served; the scheduler adds each slice. */
  cpuNs = 0;
  /** Start of the slice that is running, or -1. */
  sliceStartNs = -1;
  /** Is told of every tick and every step of the clocks: vvar.ts. */
  onUpdate: ((now: Timekeeper) => void) | null = null;

  constructor(
    private readonly counter: TimeStampCounter,
    options: ClockOptions = {},
  ) {
    this.virtual = options.mode === "virtual";
    this.host = options.host ?? hostClock;
    counter.tscVirtual = this.virtual;
    this.bootTsc = counter.readTsc();
    const now = options.dateMs ?? (this.virtual ? VIRTUAL_EPOCH_MS : this.host.realtimeMs());
    this.bootSec = Math.floor(now / 1000);
    this.bootNsec = Math.floor((now - this.bootSec * 1000) * 1e6);
  }

  /** CLOCK_MONOTONIC in nanoseconds; 0 = the kernel's start. Deadlines of block() count by it. */
  monotonicNs(): number {
    // A host whose counter steps back stands still until it has caught up, as in the vDSO.
    return Math.max(this.tickNs, this.counter.readTsc() - this.bootTsc);
  }

  /** The host's own monotonic clock, for what must end or yield in real time whatever the guest's clock does. */
  hostNs(): number {
    return this.host.monotonicMs() * 1e6;
  }

  /**
   * The timer interrupt's part (Linux tick_do_update_jiffies64, update_wall_time): when a jiffy has passed, the coarse clocks
   * move on, and cycle_last with them. Costs a reading of the counter otherwise. Answers monotonicNs().
   */
  tick(): number {
    const now = this.monotonicNs();
    if (now - this.tickNs >= TICK_NS) {
      this.tickNs = now - (now % TICK_NS);
      this.updateVsyscall();
    }
    return now;
  }

  /** Virtual time only: nothing will happen before CLOCK_MONOTONIC shows `ns`, so let it be that time. */
  skipTo(ns: number): void {
    const left = Math.ceil(ns - this.monotonicNs());
    if (left > 0) this.counter.advanceTsc(left);
    this.tick();
  }

  /** Shows the timekeeper's state to the vDSO (Linux update_vsyscall). */
  updateVsyscall(): void {
    this.onUpdate?.({ cycleLast: this.bootTsc + this.tickNs, monotonic: timespec(this.tickNs), realtime: this.atBootPlus(this.tickNs) });
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
        this.tick();
        return this.atBootPlus(this.tickNs);
      case CLOCK_MONOTONIC:
      case CLOCK_MONOTONIC_RAW:
      case CLOCK_BOOTTIME:
      case CLOCK_BOOTTIME_ALARM:
        return timespec(this.monotonicNs());
      case CLOCK_MONOTONIC_COARSE:
        this.tick();
        return timespec(this.tickNs);
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
    this.updateVsyscall();
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

export function timespec(ns: number): Timespec {
  return { sec: Math.floor(ns / 1e9), nsec: ns % 1e9 };
}
