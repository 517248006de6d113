// Pipes and FIFOs (Linux fs/pipe.c): a ring of bytes between the two ends, with their wait queues.
// Made by syscalls/pipe.ts (pipe2) or by opening a FIFO node; the handlers reach it through the ends' read, write and poll.

import { EAGAIN, EBUSY, EINVAL, ENXIO, EPERM, EPIPE, Errno } from "../errno";
import type { Task } from "../task";
import { O_ACCMODE, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, PIPE_BUF } from "../uapi-fcntl";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../uapi-poll";
import { FIONREAD } from "../uapi-termios";
import { type Block, WaitQueue, block } from "../wait";
import { raiseBrokenPipe } from "./broken-pipe";
import type { Path } from "./dentry";
import { OpenFile } from "./file";
import type { IovIter } from "./iov-iter";

const PAGE_SIZE = 4096;
const DEFAULT_CAPACITY = 16 * PAGE_SIZE;
/** /proc/sys/fs/pipe-max-size */
export const PIPE_MAX_SIZE = 1 << 20;

export class Pipe {
  capacity = DEFAULT_CAPACITY;
  /** Allocated at the first write, so that an idle pipe costs nothing. */
  private ring = new Uint8Array(0);
  private head = 0;
  length = 0;
  readers = 0;
  writers = 0;
  /** Opens so far of each side, by which a waiting open sees a partner that has come and gone. */
  readerOpens = 0;
  writerOpens = 0;
  readonly readable = new WaitQueue();
  readonly writable = new WaitQueue();

  get free(): number {
    return this.capacity - this.length;
  }

  read(file: OpenFile, to: IovIter): number | Block {
    if (to.remaining === 0) return 0;
    if (this.length === 0) {
      if (this.writers === 0) return 0;
      if (file.flags & O_NONBLOCK) return -EAGAIN;
      return block(this.readable);
    }
    let moved = 0;
    while (this.length > 0 && to.remaining > 0) {
      const span = Math.min(this.length, this.ring.length - this.head);
      const count = to.put(this.ring.subarray(this.head, this.head + span));
      this.head = (this.head + count) % this.ring.length;
      this.length -= count;
      moved += count;
      if (count < span) break;
    }
    if (moved > 0) this.writable.wake();
    return to.result(moved);
  }

  /** Up to PIPE_BUF bytes go whole or not at all; more may go in pieces, also in between those of other writers. */
  write(task: Task, file: OpenFile, from: IovIter): number | Block {
    if (from.remaining === 0) return 0;
    if (this.readers === 0) {
      raiseBrokenPipe(task);
      return -EPIPE;
    }
    const needed = from.remaining <= PIPE_BUF ? from.remaining : 1;
    let moved = 0;
    if (this.free >= needed) {
      if (this.ring.length < this.capacity) this.resizeRing(this.capacity);
      while (this.free > 0 && from.remaining > 0) {
        const tail = (this.head + this.length) % this.ring.length;
        const span = Math.min(this.free, this.ring.length - tail);
        const wanted = Math.min(span, from.remaining);
        const count = from.take(this.ring.subarray(tail, tail + span));
        this.length += count;
        moved += count;
        if (count < wanted) break;
      }
      if (moved > 0) this.readable.wake();
    }
    if (from.remaining === 0 || from.faulted) return from.result(moved);
    if (file.flags & O_NONBLOCK) return moved > 0 ? moved : -EAGAIN;
    return block(this.writable);
  }

  poll(file: OpenFile): number {
    let events = 0;
    if (file.readable) {
      if (this.length > 0) events |= POLLIN | POLLRDNORM;
      if (this.writers === 0 && this.writerOpens > 0) events |= POLLHUP;
    }
    if (file.writable) {
      if (this.free >= PIPE_BUF) events |= POLLOUT | POLLWRNORM;
      if (this.readers === 0) events |= POLLERR;
    }
    return events;
  }

  /** F_SETPIPE_SZ: rounds up to a power of two of pages; answers the new capacity. */
  resize(bytes: number): number {
    if (bytes > 0x80000000 || bytes < 0) throw new Errno(EINVAL);
    if (bytes > PIPE_MAX_SIZE) throw new Errno(EPERM);
    let capacity = PAGE_SIZE;
    while (capacity < bytes) capacity *= 2;
    if (capacity < this.length) throw new Errno(EBUSY);
    if (this.ring.length > 0) this.resizeRing(capacity);
    this.capacity = capacity;
    this.writable.wake();
    return capacity;
  }

  private resizeRing(capacity: number): void {
    const ring = new Uint8Array(capacity);
    const first = Math.min(this.length, this.ring.length - this.head);
    ring.set(this.ring.subarray(this.head, this.head + first));
    ring.set(this.ring.subarray(0, this.length - first), first);
    this.ring = ring;
    this.head = 0;
  }

  enter(reads: boolean, writes: boolean): void {
    if (reads) this.readers++, this.readerOpens++;
    if (writes) this.writers++, this.writerOpens++;
    this.wakeBoth();
  }
  leave(reads: boolean, writes: boolean): void {
    if (reads) this.readers--;
    if (writes) this.writers--;
    if (this.readers === 0 && this.writers === 0) {
      this.ring = new Uint8Array(0);
      this.head = this.length = 0;
    }
    this.wakeBoth();
  }
  private wakeBoth(): void {
    this.readable.wake();
    this.writable.wake();
  }
}

/** One open end of a pipe, or a FIFO opened for one or both directions. */
export class PipeFile extends OpenFile {
  constructor(path: Path, flags: number, readonly pipe: Pipe) {
    super(path, flags);
    pipe.enter(this.readable, this.writable);
  }
  override get seekable(): boolean {
    return false;
  }
  override read(_task: Task, to: IovIter): number | Block {
    return this.pipe.read(this, to);
  }
  override write(task: Task, from: IovIter): number | Block {
    return this.pipe.write(task, this, from);
  }
  override poll(): number {
    return this.pipe.poll(this);
  }
  override get queues(): readonly WaitQueue[] {
    return this.readable && this.writable
      ? [this.pipe.readable, this.pipe.writable]
      : [this.readable ? this.pipe.readable : this.pipe.writable];
  }
  override ioctl(task: Task, command: number, argument: number): number | Block {
    if (command !== FIONREAD) return super.ioctl(task, command, argument);
    task.mm.putU32(argument, this.pipe.length);
    return 0;
  }
  override release(): void {
    this.pipe.leave(this.readable, this.writable);
  }
}

/**
 * A FIFO node opened (Linux fifo_open). The open counts as an end at once; when it needs a partner, sysOpenat keeps the
 * file in vfs.waitingOpens, sleeps on `partner()` and asks again.
 */
export class FifoFile extends PipeFile {
  /** Opens of the other side before this one: any later one is a partner, even if it has left again. */
  private readonly opensBefore: number;

  static open(path: Path, flags: number, pipe: Pipe): FifoFile {
    const mode = flags & O_ACCMODE;
    if (mode === O_WRONLY && flags & O_NONBLOCK && pipe.readers === 0) throw new Errno(ENXIO);
    return new FifoFile(path, flags, pipe);
  }
  constructor(path: Path, flags: number, pipe: Pipe) {
    super(path, flags, pipe);
    this.opensBefore = this.readable ? pipe.writerOpens : pipe.readerOpens;
  }
  override partner(): WaitQueue | null {
    const mode = this.flags & O_ACCMODE;
    if (mode === O_RDWR || this.flags & O_NONBLOCK) return null;
    if (mode === O_RDONLY) {
      return this.pipe.writers > 0 || this.pipe.writerOpens !== this.opensBefore ? null : this.pipe.readable;
    }
    return this.pipe.readers > 0 || this.pipe.readerOpens !== this.opensBefore ? null : this.pipe.writable;
  }
}
