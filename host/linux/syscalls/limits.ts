// Resource limits and usage (Linux kernel/sys.c).

import { EINVAL, EPERM, ESRCH, Errno } from "../errno";
import { RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIM_INFINITY, RLIM_NLIMITS, type Limit } from "../limits";
import type { Task } from "../task";
import { RUSAGE } from "../uapi-structs";
import { NR_OPEN } from "../vfs/fd-table";

/** Limits that are remembered and told, and hold nobody back: said by name when one is set. */
const NOT_ENFORCED = new Map([[RLIMIT_CPU, "RLIMIT_CPU"], [RLIMIT_FSIZE, "RLIMIT_FSIZE"]]);

const INFINITY_BITS = 2n ** 64n - 1n;
const INFINITY_32 = 0xffffffff;
/** Of i386's first getrlimit. */
const OLD_INFINITY_32 = 0x7fffffff;

//   struct rlimit64: u64 soft, u64 hard; all ones = no limit
function fetchLimit64(task: Task, address: number): Limit {
  const value = (at: number): number => {
    const bits = task.mm.getBig(at);
    return bits === INFINITY_BITS ? RLIM_INFINITY : Number(bits);
  };
  return { soft: value(address), hard: value(address + 8) };
}

function storeLimit64(task: Task, address: number, { soft, hard }: Limit): void {
  const bits = (value: number): bigint => (value >= RLIM_INFINITY ? INFINITY_BITS : BigInt(value));
  task.mm.putBig(address, bits(soft));
  task.mm.putBig(address + 8, bits(hard));
}

//   struct rlimit: ulong soft, ulong hard; all ones = no limit
function fetchLimit(task: Task, address: number): Limit {
  const { mm, abi } = task;
  if (abi.word === 8) return fetchLimit64(task, address);
  const value = (bits: number): number => (bits === INFINITY_32 ? RLIM_INFINITY : bits);
  return { soft: value(mm.getU32(address)), hard: value(mm.getU32(address + 4)) };
}

function storeLimit(task: Task, address: number, limit: Limit): void {
  if (task.abi.word === 8) storeLimit64(task, address, limit);
  else storeLimit32(task, address, limit, INFINITY_32);
}

/** @param infinity what stands for no limit, and for one that 32 bits cannot say */
function storeLimit32(task: Task, address: number, { soft, hard }: Limit, infinity: number): void {
  task.mm.putU32(address, Math.min(soft, infinity));
  task.mm.putU32(address + 4, Math.min(hard, infinity));
}

function change(task: Task, resource: number, limit: Limit): void {
  if (limit.soft > limit.hard) throw new Errno(EINVAL);
  const { hard } = task.limits.get(resource);
  if (resource === RLIMIT_NOFILE && limit.hard > NR_OPEN) throw new Errno(EPERM);
  if (limit.hard > hard && task.creds.euid !== 0) throw new Errno(EPERM);
  task.limits.set(resource, limit);
  const name = NOT_ENFORCED.get(resource);
  if (name !== undefined && limit.soft !== RLIM_INFINITY) task.kernel.noticeOnce(`${name} is kept but not enforced yet`);
}

export function sysGetrlimit(task: Task, resource: number, address: number): number {
  if (resource < 0 || resource >= RLIM_NLIMITS) return -EINVAL;
  storeLimit(task, address, task.limits.get(resource));
  return 0;
}

/** i386 76: no limit is the greatest signed number. */
export function sysOldGetrlimit(task: Task, resource: number, address: number): number {
  if (resource < 0 || resource >= RLIM_NLIMITS) return -EINVAL;
  storeLimit32(task, address, task.limits.get(resource), OLD_INFINITY_32);
  return 0;
}

export function sysSetrlimit(task: Task, resource: number, address: number): number {
  const limit = fetchLimit(task, address);
  if (resource < 0 || resource >= RLIM_NLIMITS) return -EINVAL;
  change(task, resource, limit);
  return 0;
}

export function sysPrlimit64(task: Task, pid: number, resource: number, wanted: number, old: number): number {
  if (resource < 0 || resource >= RLIM_NLIMITS) return -EINVAL;
  const limit = wanted === 0 ? null : fetchLimit64(task, wanted);
  const target = pid === 0 ? task : task.kernel.tasks.get(pid);
  if (target === undefined) return -ESRCH;
  const before = { ...target.limits.get(resource) };
  if (limit !== null) change(target, resource, limit);
  if (old !== 0) storeLimit64(task, old, before);
  return 0;
}

const RUSAGE_SELF = 0;
const RUSAGE_CHILDREN = -1;
const RUSAGE_THREAD = 1;

export function sysGetrusage(task: Task, who: number, address: number): number {
  if (who !== RUSAGE_SELF && who !== RUSAGE_CHILDREN && who !== RUSAGE_THREAD) return -EINVAL;
  // There are no children.
  const own = who !== RUSAGE_CHILDREN;
  const ns = own ? task.kernel.clock.processNs() : 0;
  RUSAGE.put(task, address, {
    utime_sec: Math.floor(ns / 1e9), utime_usec: Math.floor((ns % 1e9) / 1000), stime_sec: 0, stime_usec: 0,
    maxrss: own ? task.mm.peakResident * 4 : 0, minflt: own ? task.kernel.pageFaults : 0,
  });
  return 0;
}
