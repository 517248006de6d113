// Times in user memory, in the layout of the call that asks: timespec, timeval, and the pairs of them that timers have.
// Called from syscalls/*.ts.

import { EINVAL, Errno } from "./errno";
import type { UserView } from "./struct-layout";
import type { TimerSetting } from "./timers";
import type { Timespec } from "./uapi-stat";
import { ITIMERSPEC, ITIMERVAL, TIMESPEC, TIMEVAL } from "./uapi-structs";

/** What ktime_t counts at most: a time past its 292 years is that many years. */
const KTIME_MAX = 2 ** 63;

function split(ns: number): Timespec {
  return { sec: Math.floor(ns / 1e9), nsec: Math.floor(ns % 1e9) };
}

/** struct timespec as it stands there. */
export function getTimespec(user: UserView, address: number): Timespec {
  if (user.abi.time === 8 && user.abi.word === 8) return { sec: user.mm.getI64(address), nsec: user.mm.getI64(address + 8) };
  const { tv_sec, tv_nsec } = TIMESPEC.get(user, address);
  return { sec: tv_sec, nsec: tv_nsec };
}

/** struct timespec as nanoseconds. Throws EINVAL for a negative time or nanoseconds outside 0..999999999. */
export function getTimespecNs(user: UserView, address: number): number {
  const { sec, nsec } = getTimespec(user, address);
  if (sec < 0 || nsec < 0 || nsec > 999_999_999) throw new Errno(EINVAL);
  return Math.min(sec * 1e9 + nsec, KTIME_MAX);
}

export function putTimespec(user: UserView, address: number, sec: number, nsec: number): void {
  // 64 bits each, the common case, without a record for it.
  if (user.abi.time === 8) user.mm.putTimespec(address, sec, nsec);
  else TIMESPEC.put(user, address, { tv_sec: sec, tv_nsec: nsec });
}

/** struct timeval as it stands there. */
export function getTimeval(user: UserView, address: number): { sec: number; usec: number } {
  const { tv_sec, tv_usec } = TIMEVAL.get(user, address);
  return { sec: tv_sec, usec: tv_usec };
}

/** What follows the timeval at `address`. */
export function afterTimeval(user: UserView, address: number): number {
  return address + TIMEVAL.size(user.abi);
}

export function afterTimespec(user: UserView, address: number): number {
  return address + TIMESPEC.size(user.abi);
}

export function putTimeval(user: UserView, address: number, sec: number, usec: number): void {
  if (user.abi.word === 8) user.mm.putTimespec(address, sec, usec);
  else TIMEVAL.put(user, address, { tv_sec: sec, tv_usec: usec });
}

/** struct itimerspec, and the wall-clock moment that its value is if it is one. Throws EINVAL as getTimespecNs does. */
export function getItimerspec(user: UserView, address: number): TimerSetting & { value: Timespec } {
  const { interval_sec, interval_nsec, value_sec, value_nsec } = ITIMERSPEC.get(user, address);
  const ns = (sec: number, nsec: number): number => {
    if (sec < 0 || nsec < 0 || nsec > 999_999_999) throw new Errno(EINVAL);
    return Math.min(sec * 1e9 + nsec, KTIME_MAX);
  };
  return {
    intervalNs: ns(interval_sec, interval_nsec), valueNs: ns(value_sec, value_nsec), value: { sec: value_sec, nsec: value_nsec },
  };
}

export function putItimerspec(user: UserView, address: number, { valueNs, intervalNs }: TimerSetting): void {
  const [interval, value] = [split(intervalNs), split(valueNs)];
  ITIMERSPEC.put(user, address, {
    interval_sec: interval.sec, interval_nsec: interval.nsec, value_sec: value.sec, value_nsec: value.nsec,
  });
}

/** struct itimerval. Throws EINVAL for a negative time or microseconds outside 0..999999. */
export function getItimerval(user: UserView, address: number): TimerSetting {
  const { interval_sec, interval_usec, value_sec, value_usec } = ITIMERVAL.get(user, address);
  const ns = (sec: number, usec: number): number => {
    if (sec < 0 || usec < 0 || usec > 999_999) throw new Errno(EINVAL);
    return sec * 1e9 + usec * 1000;
  };
  return { intervalNs: ns(interval_sec, interval_usec), valueNs: ns(value_sec, value_usec) };
}

export function putItimerval(user: UserView, address: number, { valueNs, intervalNs }: TimerSetting): void {
  const [interval, value] = [split(intervalNs), split(valueNs)];
  const usec = (nsec: number): number => Math.floor(nsec / 1000);
  ITIMERVAL.put(user, address, {
    interval_sec: interval.sec, interval_usec: usec(interval.nsec), value_sec: value.sec, value_usec: usec(value.nsec),
  });
}
