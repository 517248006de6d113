// Clocks, sleeps and interval timers (Linux kernel/time/posix-timers.c, hrtimer.c, itimer.c).

import { EINVAL, EOPNOTSUPP, EPERM, ERESTARTNOHAND, ERESTART_RESTARTBLOCK, Errno } from "../errno";
import {
  CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_REALTIME, CLOCK_REALTIME_ALARM, CLOCK_REALTIME_COARSE, CLOCK_TAI, CLOCK_THREAD_CPUTIME_ID, TICK_NS, timespec,
} from "../clock";
import type { Abi } from "../abi";
import { putWord } from "../struct-layout";
import type { Task } from "../task";
import type { Timespec } from "../uapi-stat";
import { TMS } from "../uapi-structs";
import { getItimerval, getTimespec, getTimespecNs, getTimeval, putItimerval, putTimespec, putTimeval } from "../user-time";
import { ITIMER_PROF, ITIMER_REAL } from "../timers";
import { type Block, NO_QUEUE, block } from "../wait";

const TIMER_ABSTIME = 1;
const USER_HZ = 100;
const SECONDS_MAX = 2 ** 63 / 1e9;

/** A clock id of the kernel's own, or one that names a process's CPU clock (negative: ~pid << 3 | kind). */
function now(task: Task, clock: number): Timespec {
  const shown = task.kernel.clock.now(clock);
  if (shown !== null) return shown;
  if (clock < 0) {
    const pid = ~(clock >> 3);
    if ((clock & 3) !== 3 && (pid === 0 || pid === task.pid)) return timespec(task.kernel.clock.processNs());
  }
  throw new Errno(EINVAL);
}

export function sysClockGettime(task: Task, clock: number, address: number): number {
  const { sec, nsec } = now(task, clock);
  putTimespec(task, address, sec, nsec);
  return 0;
}

export function sysClockGetres(task: Task, clock: number, address: number): number {
  now(task, clock);
  const coarse = clock === CLOCK_REALTIME_COARSE || clock === CLOCK_MONOTONIC_COARSE;
  if (address !== 0) putTimespec(task, address, 0, coarse ? TICK_NS : 1);
  return 0;
}

export function sysClockSettime(task: Task, clock: number, address: number): number {
  if (clock !== CLOCK_REALTIME) return -EINVAL;
  const { sec, nsec } = getTimespec(task, address);
  if (sec < 0 || nsec < 0 || nsec > 999_999_999 || sec > SECONDS_MAX) return -EINVAL;
  if (task.creds.euid !== 0) return -EPERM;
  task.kernel.clock.setRealtime({ sec, nsec });
  task.kernel.timers.clockWasSet();
  return 0;
}

export function sysGettimeofday(task: Task, time: number, zone: number): number {
  const { sec, nsec } = task.kernel.clock.realtime();
  if (time !== 0) putTimeval(task, time, sec, Math.floor(nsec / 1000));
  if (zone !== 0) task.mm.putBig(zone, 0n);
  return 0;
}

export function sysSettimeofday(task: Task, time: number, zone: number): number {
  if (time === 0) return zone === 0 ? 0 : -EINVAL;
  const { sec, usec } = getTimeval(task, time);
  if (sec < 0 || usec < 0 || usec > 999_999 || sec > SECONDS_MAX) return -EINVAL;
  if (task.creds.euid !== 0) return -EPERM;
  task.kernel.clock.setRealtime({ sec, nsec: usec * 1000 });
  task.kernel.timers.clockWasSet();
  return 0;
}

export function sysTime(task: Task, address: number): number {
  // The second of the last tick, as Linux and the vDSO have it.
  const { sec } = task.kernel.clock.now(CLOCK_REALTIME_COARSE)!;
  if (address !== 0) putWord(task, address, sec);
  return sec;
}

/** In units of 1/100 s. */
export function sysTimes(task: Task, address: number): number {
  const { clock } = task.kernel;
  if (address !== 0) {
    const ticks = Math.floor((clock.processNs() * USER_HZ) / 1e9);
    TMS.put(task, address, { tms_utime: ticks, tms_stime: 0, tms_cutime: 0, tms_cstime: 0 });
  }
  return Math.floor((clock.monotonicNs() * USER_HZ) / 1e9);
}

/** Sleeps until `deadlineNs`. `remaining`: where a signal leaves what was left, unless it is 0, in the layout of `abi`. */
export function sleepUntil(task: Task, deadlineNs: number, remaining: number, abi: Abi = task.abi): number | Block {
  const left = deadlineNs - task.kernel.clock.monotonicNs();
  task.progress = deadlineNs;
  if (left <= 0) return 0;
  if (!task.kernel.signals.hasDeliverable(task)) return block(NO_QUEUE, deadlineNs);
  task.restartBlock = { call: "nanosleep", deadlineNs, remaining, abi };
  if (remaining !== 0) putTimespec({ mm: task.mm, abi }, remaining, Math.floor(left / 1e9), Math.floor(left % 1e9));
  return -ERESTART_RESTARTBLOCK;
}

/** An absolute sleep goes by the same arguments when it is run again: there is nothing to remember. */
function sleepUntilAbsolute(task: Task, deadlineNs: number): number | Block {
  return task.kernel.clock.monotonicNs() >= deadlineNs ? 0 : block(NO_QUEUE, deadlineNs, -ERESTARTNOHAND);
}

export function sysNanosleep(task: Task, request: number, remaining: number): number | Block {
  if (typeof task.progress === "number") return sleepUntil(task, task.progress, remaining);
  return sleepUntil(task, task.kernel.clock.monotonicNs() + getTimespecNs(task, request), remaining);
}

const sleepable = new Set([
  CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM, CLOCK_PROCESS_CPUTIME_ID,
]);
const withoutSleep = new Set([CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE]);

export function sysClockNanosleep(task: Task, clock: number, flags: number, request: number, remaining: number): number | Block {
  if (withoutSleep.has(clock)) return -EOPNOTSUPP;
  if (clock === CLOCK_THREAD_CPUTIME_ID || !sleepable.has(clock)) return -EINVAL;
  if (typeof task.progress === "number") return sleepUntil(task, task.progress, remaining);
  const wanted = getTimespecNs(task, request);
  const kernelClock = task.kernel.clock;
  // A CPU clock stands still while its only thread sleeps: relative to it, any sleep is for ever.
  if (clock === CLOCK_PROCESS_CPUTIME_ID) return wanted === 0 ? 0 : block(NO_QUEUE, Infinity, -ERESTARTNOHAND);
  if ((flags & TIMER_ABSTIME) === 0) return sleepUntil(task, kernelClock.monotonicNs() + wanted, remaining);
  if (clock === CLOCK_MONOTONIC || clock === CLOCK_BOOTTIME || clock === CLOCK_BOOTTIME_ALARM) return sleepUntilAbsolute(task, wanted);
  const { sec, nsec } = getTimespec(task, request);
  return sleepUntilAbsolute(task, kernelClock.monotonicOfRealtime(sec, nsec));
}

export function sysGetitimer(task: Task, which: number, address: number): number {
  if (which < ITIMER_REAL || which > ITIMER_PROF) return -EINVAL;
  putItimerval(task, address, task.kernel.timers.intervalTimer(task, which).get());
  return 0;
}

export function sysSetitimer(task: Task, which: number, value: number, old: number): number {
  if (which < ITIMER_REAL || which > ITIMER_PROF) return -EINVAL;
  const wanted = value === 0 ? { valueNs: 0, intervalNs: 0 } : getItimerval(task, value);
  const timer = task.kernel.timers.intervalTimer(task, which);
  const before = timer.get();
  timer.set(wanted);
  if (old !== 0) putItimerval(task, old, before);
  return 0;
}

/** Answers the seconds that were left, rounded to the nearest but never to zero. */
export function sysAlarm(task: Task, seconds: number): number {
  const timer = task.kernel.timers.intervalTimer(task, ITIMER_REAL);
  const { valueNs } = timer.get();
  timer.set({ valueNs: seconds * 1e9, intervalNs: 0 });
  return valueNs === 0 ? 0 : Math.max(1, Math.round(valueNs / 1e9));
}
