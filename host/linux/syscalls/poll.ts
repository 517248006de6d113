// poll and select: which descriptors are ready, or sleep on all their queues until one may be.
// Entered from entry-common.ts by syscall-table.ts. The deadline of a relative timeout is fixed in the first run and kept
// in task.progress.

import { EBADF, EINVAL, Errno } from "../errno";
import type { Task } from "../task";
import { POLLERR, POLLEX_SET, POLLHUP, POLLIN_SET, POLLNVAL, POLLOUT_SET, SIZEOF_POLLFD } from "../uapi-poll";
import { type Block, type WaitQueue, block } from "../wait";
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
  return block(queues, deadlineNs);
}

export function sysPoll(task: Task, fds: number, count: number, timeoutMs: number): Result {
  return poll(task, fds, count, timeoutMs < 0 ? Infinity : timeoutMs * 1e6, 0);
}

export function sysPpoll(task: Task, fds: number, count: number, timeout: number, mask: number, maskSize: number): Result {
  const timeoutNs = timeout === 0 ? Infinity : task.mm.getTimespecNs(timeout);
  if (mask !== 0 && maskSize !== 8) throw new Errno(EINVAL);
  checkMask(task, mask);
  return poll(task, fds, count, timeoutNs, timeout);
}

/** What the call's signal mask would let in while it sleeps can only matter once handlers are delivered: checked, not used. */
function checkMask(task: Task, mask: number): void {
  if (mask !== 0) task.mm.getBig(mask);
}

function poll(task: Task, fds: number, count: number, timeoutNs: number, remaining: number): Result {
  if (count > openFilesLimit(task)) throw new Errno(EINVAL);
  const bytes = task.mm.copyFromUser(fds, count * SIZEOF_POLLFD);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const deadlineNs = deadlineOf(task, timeoutNs);
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
  putRemaining(task, remaining, deadlineNs);
  return ready;
}

/** ppoll and pselect6 write back how much of the timeout was left. */
function putRemaining(task: Task, address: number, deadlineNs: number): void {
  if (address === 0) return;
  const left = Math.max(0, deadlineNs - task.kernel.clock.monotonicNs());
  task.mm.putTimespec(address, Math.floor(left / 1e9), Math.floor(left % 1e9));
}

export function sysSelect(task: Task, count: number, reads: number, writes: number, excepts: number, timeout: number): Result {
  let timeoutNs = Infinity;
  if (timeout !== 0) {
    const sec = task.mm.getI64(timeout);
    const usec = task.mm.getI64(timeout + 8);
    if (sec < 0 || usec < 0) throw new Errno(EINVAL);
    timeoutNs = sec * 1e9 + usec * 1e3;
  }
  const { result, deadlineNs } = select(task, count, reads, writes, excepts, timeoutNs);
  if (typeof result === "number" && timeout !== 0) {
    const left = Math.max(0, deadlineNs - task.kernel.clock.monotonicNs());
    task.mm.putU64(timeout, Math.floor(left / 1e9));
    task.mm.putU64(timeout + 8, Math.floor((left % 1e9) / 1e3));
  }
  return result;
}

/** The sixth argument points to { const sigset_t *mask; size_t size }. */
export function sysPselect6(
  task: Task, count: number, reads: number, writes: number, excepts: number, timeout: number, maskPair: number,
): Result {
  const timeoutNs = timeout === 0 ? Infinity : task.mm.getTimespecNs(timeout);
  const mask = maskPair === 0 ? 0 : task.mm.getU64(maskPair);
  if (mask !== 0 && task.mm.getU64(maskPair + 8) !== 8) throw new Errno(EINVAL);
  checkMask(task, mask);
  const { result, deadlineNs } = select(task, count, reads, writes, excepts, timeoutNs);
  if (typeof result === "number") putRemaining(task, timeout, deadlineNs);
  return result;
}

//   fd_set: one bit per descriptor in u64 words, as many as `count` needs
function select(
  task: Task, rawCount: number, reads: number, writes: number, excepts: number, timeoutNs: number,
): { result: Result; deadlineNs: number } {
  if (rawCount < 0) throw new Errno(EINVAL);
  const count = Math.min(rawCount, highestDescriptor(task) + 1);
  const size = Math.ceil(count / 64) * 8;
  const addresses = [reads, writes, excepts];
  const wanted = addresses.map((address) => (address === 0 ? null : task.mm.copyFromUser(address, size)));
  const found = wanted.map((set) => (set === null ? null : new Uint8Array(size)));
  const masks = [POLLIN_SET, POLLOUT_SET, POLLEX_SET];
  const deadlineNs = deadlineOf(task, timeoutNs);
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
    if (typeof result !== "number") return { result, deadlineNs };
  }
  addresses.forEach((address, i) => {
    if (found[i] !== null) task.mm.copyToUser(address, found[i]!);
  });
  return { result: ready, deadlineNs };
}

/** Bits past the table are not looked at (Linux clamps to max_fds, which grows by 64). */
function highestDescriptor(task: Task): number {
  return Math.max(63, (task.files.numbers().at(-1) ?? 0) | 63);
}
