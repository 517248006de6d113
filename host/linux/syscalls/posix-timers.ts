// timer_create and its kin (Linux kernel/time/posix-timers.c), and timerfd's three calls (fs/timerfd.c). The timers are ../timers.ts.

import {
  CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_REALTIME, CLOCK_REALTIME_ALARM, CLOCK_REALTIME_COARSE, CLOCK_TAI, CLOCK_THREAD_CPUTIME_ID,
} from "../clock";
import { EAGAIN, EINVAL, EOPNOTSUPP, Errno } from "../errno";
import { RLIMIT_SIGPENDING } from "../limits";
import type { Task } from "../task";
import { PosixTimer, type TimerBase } from "../timers";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from "../uapi-fcntl";
import { NSIG, SIGALRM, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID } from "../uapi-signal";
import type { Timespec } from "../uapi-stat";
import { SIGEVENT } from "../uapi-structs";
import { getItimerspec, putItimerspec } from "../user-time";
import { TimerFile } from "../vfs/timerfd";
import { openFilesLimit } from "./open";

const TIMER_ABSTIME = 1;
const TFD_TIMER_ABSTIME = 1;
const TFD_TIMER_CANCEL_ON_SET = 2;
const CPUCLOCK_KIND = 3;

const wallClocks = new Set([CLOCK_REALTIME, CLOCK_REALTIME_ALARM, CLOCK_TAI]);
const bootClocks = new Set([CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM]);
const clocksWithoutTimers = new Set([CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE]);

/** What a timer by `clock` counts by. Throws EINVAL for a clock that there is not, EOPNOTSUPP for one without timers. */
function baseOf(task: Task, clock: number): TimerBase {
  if (wallClocks.has(clock) || bootClocks.has(clock)) return "monotonic";
  if (clock === CLOCK_PROCESS_CPUTIME_ID || clock === CLOCK_THREAD_CPUTIME_ID) return "cpu";
  if (clocksWithoutTimers.has(clock)) throw new Errno(EOPNOTSUPP);
  const pid = ~(clock >> 3);
  if (clock < 0 && (clock & CPUCLOCK_KIND) !== CPUCLOCK_KIND && (pid === 0 || pid === task.pid)) return "cpu";
  throw new Errno(EINVAL);
}

type Wanted = ReturnType<typeof getItimerspec>;

/** When a timer set to `wanted` is due by its base, and the wall-clock moment that this is, if any. */
function dueOf(task: Task, base: TimerBase, clock: number, absolute: boolean, wanted: Wanted): [dueNs: number, realtime: Timespec | null] {
  const kernelClock = task.kernel.clock;
  if (!absolute) return [(base === "cpu" ? kernelClock.processNs() : kernelClock.monotonicNs()) + wanted.valueNs, null];
  if (!wallClocks.has(clock)) return [wanted.valueNs, null];
  return [kernelClock.monotonicOfRealtime(wanted.value.sec, wanted.value.nsec), wanted.value];
}

interface SignalEvent {
  /** 0 = none */
  signal: number;
  value: bigint;
  toTask: boolean;
}

function fetchSigevent(task: Task, address: number): SignalEvent {
  const { signo: signal, notify, tid } = SIGEVENT.get(task, address);
  const value = task.abi.word === 8 ? task.mm.getBig(address) : BigInt(task.mm.getU32(address));
  if (notify === SIGEV_NONE) return { signal: 0, value, toTask: false };
  const toTask = notify === (SIGEV_SIGNAL | SIGEV_THREAD_ID);
  if (!toTask && notify !== SIGEV_SIGNAL && notify !== SIGEV_THREAD) throw new Errno(EINVAL);
  if (toTask && tid !== task.pid) throw new Errno(EINVAL);
  if (signal < 1 || signal > NSIG) throw new Errno(EINVAL);
  return { signal, value, toTask };
}

export function sysTimerCreate(task: Task, clock: number, event: number, idAddress: number): number {
  const base = baseOf(task, clock);
  if (task.posixTimers.size >= task.limits.get(RLIMIT_SIGPENDING).soft) return -EAGAIN;
  const id = task.nextTimerId;
  const { signal, value, toTask } = event === 0 ? { signal: SIGALRM, value: BigInt(id), toTask: false } : fetchSigevent(task, event);
  task.mm.putU32(idAddress, id);
  task.nextTimerId = (id + 1) & 0x7fffffff;
  task.posixTimers.set(id, new PosixTimer(task.kernel, task, id, clock, base, signal, value, toTask));
  return 0;
}

function timerOf(task: Task, id: number): PosixTimer {
  const timer = task.posixTimers.get(id);
  if (timer === undefined) throw new Errno(EINVAL);
  return timer;
}

export function sysTimerSettime(task: Task, id: number, flags: number, address: number, old: number): number {
  if (address === 0) return -EINVAL;
  const wanted = getItimerspec(task, address);
  const timer = timerOf(task, id);
  const before = timer.get();
  if (wanted.valueNs === 0) timer.stop();
  else {
    const [dueNs, realtime] = dueOf(task, timer.base, timer.clock, (flags & TIMER_ABSTIME) !== 0, wanted);
    timer.set(dueNs, wanted.intervalNs, realtime);
  }
  if (old !== 0) putItimerspec(task, old, before);
  return 0;
}

export function sysTimerGettime(task: Task, id: number, address: number): number {
  putItimerspec(task, address, timerOf(task, id).get());
  return 0;
}

export function sysTimerGetoverrun(task: Task, id: number): number {
  return timerOf(task, id).lastOverruns;
}

export function sysTimerDelete(task: Task, id: number): number {
  timerOf(task, id).stop();
  task.posixTimers.delete(id);
  return 0;
}

export function sysTimerfdCreate(task: Task, clock: number, flags: number): number {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK)) return -EINVAL;
  if (!bootClocks.has(clock) && clock !== CLOCK_REALTIME && clock !== CLOCK_REALTIME_ALARM) return -EINVAL;
  const path = task.kernel.vfs.anonymousPath("anon_inode:[timerfd]", 0o600);
  const file = new TimerFile(path, O_RDWR | (flags & O_NONBLOCK), task.kernel, clock);
  return task.files.install(file, (flags & O_CLOEXEC) !== 0, openFilesLimit(task));
}

function timerFile(task: Task, fd: number): TimerFile {
  const file = task.files.get(fd);
  if (!(file instanceof TimerFile)) throw new Errno(EINVAL);
  return file;
}

export function sysTimerfdSettime(task: Task, fd: number, flags: number, address: number, old: number): number {
  const wanted = getItimerspec(task, address);
  if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) return -EINVAL;
  const file = timerFile(task, fd);
  const before = file.get();
  const absolute = (flags & TFD_TIMER_ABSTIME) !== 0;
  const [dueNs, realtime] = dueOf(task, "monotonic", file.clock, absolute, wanted);
  const cancelOnSet = absolute && (flags & TFD_TIMER_CANCEL_ON_SET) !== 0 && wallClocks.has(file.clock);
  file.set(wanted.valueNs === 0 ? Infinity : dueNs, wanted.intervalNs, realtime, cancelOnSet);
  if (old !== 0) putItimerspec(task, old, before);
  return 0;
}

export function sysTimerfdGettime(task: Task, fd: number, address: number): number {
  putItimerspec(task, address, timerFile(task, fd).get());
  return 0;
}
