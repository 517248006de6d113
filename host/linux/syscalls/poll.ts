// poll and select: which descriptors are ready, or sleep on all their queues until one may be.
// Entered from entry-common.ts by syscall-table.ts. The deadline of a relative timeout is fixed in the first run and kept
// in task.progress.

import { EBADF, EINTR, EINVAL, ERESTARTNOHAND, ERESTART_RESTARTBLOCK, Errno, UserFault } from "../errno";
import type { Task } from "../task";
import { POLLERR, POLLEX_SET, POLLHUP, POLLIN_SET, POLLNVAL, POLLOUT_SET, SIZEOF_POLLFD } from "../uapi-poll";
import { SIGSET_ARGUMENT } from "../uapi-structs";
import { getTimespecNs, getTimeval, putTimespec, putTimeval } from "../user-time";
import { Block, type WaitQueue, block } from "../wait";
import { openFilesLimit } from "./open";

type Result = number | Block;

/** Absolute deadline of a timeout in nanoseconds; Infinity waits for ever. */
function deadlineOf(task: Task, timeoutNs: number): number {
  const { deadlineNs } = (task.progress ?? {}) as { deadlineNs?: number };
  return deadlineNs ?? (timeoutNs === Infinity ? Infinity : task.kernel.clock.monotonicNs() + timeoutNs);
}

function wait(task: Task, queues: WaitQueue[], deadlineNs: number): Result {
  if (task.kernel.clock.monotonicNs() >= deadlineNs) return 0;
  task.progress = { deadlineNs };
  return block(queues, deadlineNs, -ERESTARTNOHAND);
}

export function sysPoll(task: Task, fds: number, count: number, timeoutMs: number): Result {
  return pollUntil(task, fds, count, deadlineOf(task, timeoutMs < 0 ? Infinity : timeoutMs * 1e6));
}

/** poll with its timeout made absolute, as restart_syscall goes on with it too. */
export function pollUntil(task: Task, fds: number, count: number, deadlineNs: number): Result {
  const result = poll(task, fds, count, deadlineNs);
  if (typeof result === "number") return result;
  task.restartBlock = { call: "poll", fds, count, deadlineNs };
  return result.interruptedWith(-ERESTART_RESTARTBLOCK);
}

/** A timeout in user memory: where, how long, and how what is left of it is stored. */
interface Timeout {
  address: number;
  ns: number;
  unit: "timeval" | "timespec";
}

function fetchTimespec(task: Task, address: number): Timeout {
  return { address, ns: address === 0 ? Infinity : getTimespecNs(task, address), unit: "timespec" };
}

/**
 * What ppoll, pselect6 and select have around their wait (Linux set_user_sigmask, poll_select_finish): the call's own signal
 * mask, which stays in force when a signal cuts it short, until that one's handler has the old mask in its frame; and
 * what is left of the timeout, stored back.
 * @param mask address of the mask, or 0
 */
function withMask(task: Task, mask: number, timeout: Timeout, body: (deadlineNs: number) => Result): Result {
  const { signals, clock } = task.kernel;
  if (mask !== 0 && task.progress === null) signals.setTemporaryMask(task, task.mm.getBig(mask));
  const deadlineNs = deadlineOf(task, timeout.ns);
  let result: Result;
  try {
    result = body(deadlineNs);
  } catch (error) {
    signals.restoreMask(task);
    throw error;
  }
  if (result instanceof Block) {
    if (!signals.hasDeliverable(task)) return result;
    result = result.interrupted;
  }
  if (result !== -ERESTARTNOHAND) signals.restoreMask(task);
  if (timeout.address === 0 || timeout.ns === 0) return result;
  const left = Math.max(0, deadlineNs - clock.monotonicNs());
  try {
    if (timeout.unit === "timeval") putTimeval(task, timeout.address, Math.floor(left / 1e9), Math.floor((left % 1e9) / 1000));
    else putTimespec(task, timeout.address, Math.floor(left / 1e9), Math.floor(left % 1e9));
  } catch (error) {
    // A timeout in read-only memory stays as it is; but then the call cannot be run again for the rest of it.
    if (!(error instanceof UserFault)) throw error;
    if (result === -ERESTARTNOHAND) return -EINTR;
  }
  return result;
}

export function sysPpoll(task: Task, fds: number, count: number, timeout: number, mask: number, maskSize: number): Result {
  const fetched = fetchTimespec(task, timeout);
  if (mask !== 0 && maskSize !== 8) throw new Errno(EINVAL);
  return withMask(task, mask, fetched, (deadlineNs) => poll(task, fds, count, deadlineNs));
}

function poll(task: Task, fds: number, count: number, deadlineNs: number): Result {
  if (count > openFilesLimit(task)) throw new Errno(EINVAL);
  const bytes = task.mm.copyFromUser(fds, count * SIZEOF_POLLFD);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const queues: WaitQueue[] = [];
  let ready = 0;
  for (let i = 0; i < count; i++) {
    const at = i * SIZEOF_POLLFD;
    const fd = view.getInt32(at, true);
    let events = 0;
    if (fd >= 0) {
      const file = task.files.peek(fd);
      if (file === null || (!file.readable && !file.writable)) events = POLLNVAL;
      else {
        events = file.poll(task) & (view.getUint16(at + 4, true) | POLLERR | POLLHUP);
        queues.push(...file.queues);
      }
    }
    view.setUint16(at + 6, events, true);
    if (events !== 0) ready++;
  }
  if (ready === 0) {
    const result = wait(task, queues, deadlineNs);
    if (typeof result !== "number") return result;
  }
  for (let i = 0; i < count; i++) {
    const at = i * SIZEOF_POLLFD + 6;
    task.mm.copyToUser(fds + at, bytes.subarray(at, at + 2));
  }
  return ready;
}

export function sysSelect(task: Task, count: number, reads: number, writes: number, excepts: number, timeout: number): Result {
  let ns = Infinity;
  if (timeout !== 0) {
    const { sec, usec } = getTimeval(task, timeout);
    if (sec < 0 || usec < 0) throw new Errno(EINVAL);
    ns = sec * 1e9 + usec * 1e3;
  }
  return withMask(task, 0, { address: timeout, ns, unit: "timeval" }, (deadlineNs) => select(task, count, reads, writes, excepts, deadlineNs));
}

/** The sixth argument points to { const sigset_t *mask; size_t size }. */
export function sysPselect6(
  task: Task, count: number, reads: number, writes: number, excepts: number, timeout: number, maskPair: number,
): Result {
  const fetched = fetchTimespec(task, timeout);
  const { mask, size } = maskPair === 0 ? { mask: 0, size: 0 } : SIGSET_ARGUMENT.get(task, maskPair);
  if (mask !== 0 && size !== 8) throw new Errno(EINVAL);
  return withMask(task, mask, fetched, (deadlineNs) => select(task, count, reads, writes, excepts, deadlineNs));
}

//   fd_set: one bit per descriptor in words of the ABI, as many as `count` needs
function select(task: Task, rawCount: number, reads: number, writes: number, excepts: number, deadlineNs: number): Result {
  if (rawCount < 0) throw new Errno(EINVAL);
  const count = Math.min(rawCount, highestDescriptor(task) + 1);
  const { word } = task.abi;
  const size = Math.ceil(count / (word * 8)) * word;
  const addresses = [reads, writes, excepts];
  const wanted = addresses.map((address) => (address === 0 ? null : task.mm.copyFromUser(address, size)));
  const found = wanted.map((set) => (set === null ? null : new Uint8Array(size)));
  const masks = [POLLIN_SET, POLLOUT_SET, POLLEX_SET];
  const queues: WaitQueue[] = [];
  let ready = 0;
  for (let fd = 0; fd < count; fd++) {
    const byte = fd >>> 3;
    const bit = 1 << (fd & 7);
    if (!wanted.some((set) => set !== null && set[byte]! & bit)) continue;
    const file = task.files.peek(fd);
    if (file === null || (!file.readable && !file.writable)) throw new Errno(EBADF);
    const events = file.poll(task);
    queues.push(...file.queues);
    for (let i = 0; i < 3; i++) {
      if (wanted[i] === null || !(wanted[i]![byte]! & bit) || !(events & masks[i]!)) continue;
      found[i]![byte]! |= bit;
      ready++;
    }
  }
  if (ready === 0) {
    const result = wait(task, queues, deadlineNs);
    if (typeof result !== "number") return result;
  }
  addresses.forEach((address, i) => {
    if (found[i] !== null) task.mm.copyToUser(address, found[i]!);
  });
  return ready;
}

/** Bits past the table are not looked at (Linux clamps to max_fds, which grows by 64). */
function highestDescriptor(task: Task): number {
  return Math.max(63, (task.files.numbers().at(-1) ?? 0) | 63);
}
