// futex (Linux kernel/futex): with one thread a wait that nobody can wake ends by its timeout, by a signal, or never.

import { EAGAIN, EINVAL, ENOSYS, ERESTART_RESTARTBLOCK, ETIMEDOUT } from "../errno";
import type { Task } from "../task";
import { getTimespec, getTimespecNs } from "../user-time";
import { NO_QUEUE, block, type Block } from "../wait";

const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const FUTEX_REQUEUE = 3;
const FUTEX_CMP_REQUEUE = 4;
const FUTEX_WAKE_OP = 5;
const FUTEX_WAIT_BITSET = 9;
const FUTEX_WAKE_BITSET = 10;
const FUTEX_PRIVATE_FLAG = 128;
const FUTEX_CLOCK_REALTIME = 256;

/** A wait that went to sleep; being run again before the deadline means that it was woken. */
interface Sleeping {
  deadlineNs: number;
}

function isSleeping(progress: unknown): progress is Sleeping {
  return typeof progress === "object" && progress !== null && "deadlineNs" in progress;
}

export function sysFutex(
  task: Task, address: number, operation: number, value: number, timeout: number, address2: number, value3: number,
): number | Block {
  const command = operation & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
  const realtime = (operation & FUTEX_CLOCK_REALTIME) !== 0;
  if (realtime && command !== FUTEX_WAIT && command !== FUTEX_WAIT_BITSET) return -ENOSYS;
  if (address % 4 !== 0) return -EINVAL;
  switch (command) {
    case FUTEX_WAIT:
      return wait(task, address, value, timeout, false, realtime);
    case FUTEX_WAIT_BITSET:
      if (value3 === 0) return -EINVAL;
      return wait(task, address, value, timeout, true, realtime);
    case FUTEX_WAKE_BITSET:
      if (value3 === 0) return -EINVAL;
      return wake(task, address);
    case FUTEX_WAKE:
      return wake(task, address);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
      if (command === FUTEX_CMP_REQUEUE && task.mm.getU32(address) !== value3) return -EAGAIN;
      task.mm.accessOk(address2, 4);
      return 0; // nobody waits anywhere
    case FUTEX_WAKE_OP:
      break;
  }
  task.kernel.noticeOnce(`futex operation ${command} is not built, -ENOSYS`);
  return -ENOSYS;
}

function wait(task: Task, address: number, value: number, timeout: number, absolute: boolean, realtime: boolean): number | Block {
  const { clock } = task.kernel;
  if (isSleeping(task.progress)) return sleep(task, address, value, task.progress.deadlineNs);
  let deadlineNs = Infinity;
  if (timeout !== 0) {
    const ns = getTimespecNs(task, timeout);
    if (!absolute) deadlineNs = clock.monotonicNs() + ns;
    else {
      const { sec, nsec } = getTimespec(task, timeout);
      deadlineNs = realtime ? clock.monotonicOfRealtime(sec, nsec) : ns;
    }
  }
  return waitUntil(task, address, value, deadlineNs);
}

/** FUTEX_WAIT with its timeout made absolute, as restart_syscall goes on with it too. */
export function waitUntil(task: Task, address: number, value: number, deadlineNs: number): number | Block {
  if (isSleeping(task.progress)) return sleep(task, address, value, task.progress.deadlineNs);
  if (task.mm.getU32(address) !== value) return -EAGAIN;
  if (deadlineNs === Infinity && task.kernel.timers.next(false) === Infinity) {
    task.kernel.noticeOnce("futex: the only thread waits for another one to wake it: a deadlock of the guest");
  }
  return sleep(task, address, value, deadlineNs);
}

function sleep(task: Task, address: number, value: number, deadlineNs: number): number | Block {
  if (task.kernel.clock.monotonicNs() >= deadlineNs) return -ETIMEDOUT;
  const sleeping: Sleeping = { deadlineNs };
  task.progress = sleeping;
  if (deadlineNs === Infinity) return block(NO_QUEUE);
  task.restartBlock = { call: "futex", address, value, deadlineNs };
  return block(NO_QUEUE, deadlineNs, -ERESTART_RESTARTBLOCK);
}

/** The only task is awake, since it asks. */
function wake(task: Task, address: number): number {
  task.mm.getU32(address);
  return 0;
}
