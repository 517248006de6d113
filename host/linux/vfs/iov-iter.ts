// Where the bytes of one read or write come from or go to: user segments (read, readv) or a buffer of the kernel (sendfile,
// exec, mmap). The file's operation sits in between and moves as much as it has; a bad user page ends the transfer short.

import { EFAULT, UserFault } from "../errno";
import type { Task } from "../task";

const PAGE_SIZE = 4096;

export interface Segment {
  address: number;
  length: number;
}

export abstract class IovIter {
  /** Bytes still to be moved. */
  remaining = 0;
  /** Bytes moved so far. */
  done = 0;
  /** A user address could not be reached; nothing moves any more. */
  faulted = false;

  /** Hands `bytes` to the reader; answers how many went, fewer than offered at the end of the buffer or at a bad page. */
  abstract put(bytes: Uint8Array): number;
  /** Fills the front of `bytes` from the writer; answers how many came. */
  abstract take(bytes: Uint8Array): number;
  /** Hands out zeroes. */
  abstract putZeroes(count: number): number;
  /** Undoes the last `count` bytes taken: the file did not accept them. Never across more than the last take. */
  abstract untake(count: number): void;

  /** What the operation answers at its end: bytes moved in this call, or -EFAULT when the very first one was bad. */
  result(moved: number): number {
    return moved === 0 && this.faulted ? -EFAULT : moved;
  }
}

const zeroes = new Uint8Array(PAGE_SIZE);

/** Segments of user memory. Bytes move page by page, so that a fault midway leaves an exact count. */
export class UserIter extends IovIter {
  private index = 0;
  private offset = 0;
  private markIndex = 0;
  private markOffset = 0;
  private markDone = 0;

  constructor(
    private readonly task: Task,
    private readonly segments: readonly Segment[],
  ) {
    super();
    for (const segment of segments) this.remaining += segment.length;
  }

  put(bytes: Uint8Array): number {
    const want = Math.min(bytes.length, this.remaining);
    let moved = 0;
    while (moved < want && !this.faulted) {
      const at = this.address();
      const count = Math.min(want - moved, this.spanLength(at));
      try {
        this.task.mm.copyToUser(at, bytes.subarray(moved, moved + count));
      } catch (error) {
        this.fault(error);
        break;
      }
      this.advance(count);
      moved += count;
    }
    return moved;
  }

  take(bytes: Uint8Array): number {
    const want = Math.min(bytes.length, this.remaining);
    let moved = 0;
    this.markIndex = this.index;
    this.markOffset = this.offset;
    this.markDone = this.done;
    while (moved < want && !this.faulted) {
      const at = this.address();
      const count = Math.min(want - moved, this.spanLength(at));
      try {
        bytes.set(this.task.mm.copyFromUser(at, count), moved);
      } catch (error) {
        this.fault(error);
        break;
      }
      this.advance(count);
      moved += count;
    }
    return moved;
  }

  putZeroes(count: number): number {
    let moved = 0;
    while (moved < count && this.remaining > 0 && !this.faulted) {
      moved += this.put(zeroes.subarray(0, Math.min(count - moved, PAGE_SIZE)));
    }
    return moved;
  }

  untake(count: number): void {
    const keep = this.done - this.markDone - count;
    this.remaining += this.done - this.markDone;
    this.done = this.markDone;
    this.index = this.markIndex;
    this.offset = this.markOffset;
    this.skip(keep);
  }

  /** Skips bytes that an earlier run of the same, restarted call has moved. */
  skip(count: number): void {
    let left = Math.min(count, this.remaining);
    while (left > 0) {
      this.skipEmpty();
      const step = Math.min(left, this.segments[this.index]!.length - this.offset);
      this.advance(step);
      left -= step;
    }
  }

  private address(): number {
    this.skipEmpty();
    return this.segments[this.index]!.address + this.offset;
  }

  private spanLength(at: number): number {
    return Math.min(PAGE_SIZE - (at % PAGE_SIZE), this.segments[this.index]!.length - this.offset);
  }

  private advance(count: number): void {
    this.offset += count;
    this.remaining -= count;
    this.done += count;
  }

  private skipEmpty(): void {
    while (this.index < this.segments.length && this.offset >= this.segments[this.index]!.length) {
      this.index++;
      this.offset = 0;
    }
  }

  private fault(error: unknown): void {
    if (!(error instanceof UserFault)) throw error;
    this.faulted = true;
  }
}

/** A buffer of the kernel's own. */
export class BufferIter extends IovIter {
  constructor(private readonly buffer: Uint8Array) {
    super();
    this.remaining = buffer.length;
  }
  put(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.remaining);
    this.buffer.set(count === bytes.length ? bytes : bytes.subarray(0, count), this.done);
    this.advance(count);
    return count;
  }
  take(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.remaining);
    bytes.set(this.buffer.subarray(this.done, this.done + count));
    this.advance(count);
    return count;
  }
  putZeroes(count: number): number {
    const n = Math.min(count, this.remaining);
    this.buffer.fill(0, this.done, this.done + n);
    this.advance(n);
    return n;
  }
  untake(count: number): void {
    this.advance(-count);
  }
  private advance(count: number): void {
    this.done += count;
    this.remaining -= count;
  }
}
