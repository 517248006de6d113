// Scheduling as a task sees it: one CPU, the ordinary policy (Linux kernel/sched/core.c).

import { EACCES, EINVAL, EPERM, ESRCH, Errno } from "../errno";
import type { Task } from "../task";
import { putTimespec } from "../user-time";

const SCHED_OTHER = 0;
const SCHED_FIFO = 1;
const SCHED_RR = 2;
const SCHED_BATCH = 3;
const SCHED_IDLE = 5;
const SCHED_RESET_ON_FORK = 0x40000000;

function find(task: Task, pid: number): Task {
  if (pid < 0) throw new Errno(EINVAL);
  const found = pid === 0 ? task : task.kernel.tasks.get(pid);
  if (found === undefined) throw new Errno(ESRCH);
  return found;
}

/** Nobody else wants the CPU. */
export function sysSchedYield(_task: Task): number {
  return 0;
}

/** Bytes of the mask that were written, at most one u64: of CPU 0. */
export function sysSchedGetaffinity(task: Task, pid: number, length: number, mask: number): number {
  const { word } = task.abi;
  if (length < word || length % word !== 0) return -EINVAL;
  find(task, pid);
  const bytes = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0).subarray(0, length);
  task.mm.copyToUser(mask, bytes);
  return bytes.length;
}

export function sysSchedSetaffinity(task: Task, pid: number, length: number, mask: number): number {
  const wanted = length === 0 ? 0 : task.mm.getU8(mask);
  find(task, pid);
  return wanted & 1 ? 0 : -EINVAL;
}

export function sysSchedGetscheduler(task: Task, pid: number): number {
  find(task, pid);
  return SCHED_OTHER;
}

export function sysSchedGetparam(task: Task, pid: number, address: number): number {
  if (address === 0) return -EINVAL;
  find(task, pid);
  task.mm.putU32(address, 0);
  return 0;
}

export function sysSchedSetscheduler(task: Task, pid: number, policy: number, parameter: number): number {
  if (parameter === 0 || policy < 0) return -EINVAL;
  const priority = task.mm.getI32(parameter);
  find(task, pid);
  const kind = policy & ~SCHED_RESET_ON_FORK;
  if (kind === SCHED_OTHER) return priority === 0 ? 0 : -EINVAL;
  const realTime = kind === SCHED_FIFO || kind === SCHED_RR;
  if (!realTime && kind !== SCHED_BATCH && kind !== SCHED_IDLE) return -EINVAL;
  if (realTime ? priority < 1 || priority > 99 : priority !== 0) return -EINVAL;
  // There is one task: ahead of whom it runs makes no difference, but what it asked for would have to be remembered.
  task.kernel.noticeOnce("sched_setscheduler: no policy but SCHED_OTHER is built, -EPERM");
  return -EPERM;
}

export function sysSchedSetparam(task: Task, pid: number, address: number): number {
  if (address === 0 || pid < 0) return -EINVAL;
  find(task, pid);
  return task.mm.getI32(address) === 0 ? 0 : -EINVAL;
}

function priorities(policy: number, realTime: number): number {
  if (policy === SCHED_FIFO || policy === SCHED_RR) return realTime;
  return policy === SCHED_OTHER || policy === SCHED_BATCH || policy === SCHED_IDLE || policy === 6 ? 0 : -EINVAL;
}
export function sysSchedGetPriorityMax(_task: Task, policy: number): number {
  return priorities(policy, 99);
}
export function sysSchedGetPriorityMin(_task: Task, policy: number): number {
  return priorities(policy, 1);
}

/** SCHED_OTHER has no quantum of its own to tell; Linux shows a slice of the fair scheduler. */
export function sysSchedRrGetInterval(task: Task, pid: number, address: number): number {
  find(task, pid);
  putTimespec(task, address, 0, 4_000_000);
  return 0;
}

const PRIO_PROCESS = 0;
const PRIO_USER = 2;

/** 20 - nice, so that no answer is negative. */
export function sysGetpriority(task: Task, which: number, who: number): number {
  if (which < PRIO_PROCESS || which > PRIO_USER) return -EINVAL;
  return 20 - (which === PRIO_PROCESS ? find(task, who) : task).nice;
}

export function sysSetpriority(task: Task, which: number, who: number, nice: number): number {
  if (which < PRIO_PROCESS || which > PRIO_USER) return -EINVAL;
  const target = which === PRIO_PROCESS ? find(task, who) : task;
  const wanted = Math.max(-20, Math.min(19, nice));
  if (wanted < target.nice && task.creds.euid !== 0) return -EACCES;
  target.nice = wanted;
  return 0;
}
