// Open files (Linux struct file): what a descriptor points to, shared by dup and fork. Each kind of inode answers open()
// with its own subclass; the handlers in syscalls/ do descriptors, flags and positions, the subclass moves the bytes.

import { EINVAL, ENODEV, ENOTDIR, ENOTTY, EOPNOTSUPP, ESPIPE, Errno } from "../errno";
import type { Task } from "../task";
import { O_ACCMODE, O_APPEND, O_PATH, O_RDONLY, O_WRONLY, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET } from "../uapi-fcntl";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../uapi-poll";
import type { Attributes } from "../uapi-stat";
import type { Block, WaitQueue } from "../wait";
import type { Path } from "./dentry";
import type { AttributeChange, DirectoryEntry, Inode } from "./inode";
import { BufferIter, type IovIter } from "./iov-iter";

/** Largest file position: offsets are numbers, exact up to here. */
export const MAX_FILE_SIZE = Number.MAX_SAFE_INTEGER;

export abstract class OpenFile {
  /** Descriptors (and mappings, and a running executable) that hold it. */
  references = 1;
  /** File position; meaningless where `seekable` is false. */
  position = 0;
  /** F_SETOWN's and F_SETSIG's numbers, only remembered. */
  signalOwner = 0;
  signalNumber = 0;

  constructor(
    readonly path: Path,
    /** Access mode and status flags; fcntl changes the latter. */
    public flags: number,
  ) {}

  get inode(): Inode {
    return this.path.inode;
  }
  get readable(): boolean {
    return (this.flags & O_PATH) === 0 && (this.flags & O_ACCMODE) !== O_WRONLY;
  }
  get writable(): boolean {
    return (this.flags & O_PATH) === 0 && (this.flags & O_ACCMODE) !== O_RDONLY;
  }
  get append(): boolean {
    return (this.flags & O_APPEND) !== 0;
  }

  /** Has a position: pread, pwrite and lseek work (a pipe or terminal answers ESPIPE). */
  get seekable(): boolean {
    return true;
  }

  /** Moves bytes at `position` into `to`; answers how many, 0 at the end, -errno, or a Block when there is nothing yet. */
  read(_task: Task, _to: IovIter, _position: number): number | Block {
    throw new Errno(EINVAL);
  }
  /**
   * Moves bytes of `from` to `position`. A Block may come after bytes were taken (`from.done` tells): the caller keeps
   * count in task.progress and calls again for the rest.
   */
  write(_task: Task, _from: IovIter, _position: number): number | Block {
    throw new Errno(EINVAL);
  }
  /** POLL* events that hold now. */
  poll(_task: Task): number {
    return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  }
  /** Queues that wake when poll() may have changed; none for a file that is always ready. */
  get queues(): readonly WaitQueue[] {
    return [];
  }
  /** Can epoll watch it? Regular files and directories: no (EPERM). */
  get pollable(): boolean {
    return this.queues.length > 0;
  }
  /** What an open has to sleep on before it may return: a FIFO without its other side. Asked again after each wake-up. */
  partner(): WaitQueue | null {
    return null;
  }
  /** Device commands. FIOCLEX and the like, which every file has, are done by syscalls/ioctl.ts. */
  ioctl(_task: Task, _command: number, _argument: number): number | Block {
    throw new Errno(ENOTTY);
  }
  attributes(): Attributes {
    return this.inode.attributes();
  }
  change(change: AttributeChange): void {
    this.inode.change(change);
  }
  truncate(_size: number): void {
    throw new Errno(EINVAL);
  }
  allocate(_mode: number, _offset: number, _length: number): void {
    throw new Errno(this.inode.isRegular ? EOPNOTSUPP : ENODEV);
  }
  sync(): void {
    throw new Errno(EINVAL);
  }
  /** How mmap backs pages with it: its bytes, fresh zeroes (/dev/zero), or not at all (ENODEV). */
  get mappable(): "bytes" | "zeroes" | null {
    return null;
  }
  /** Directories: the entries after the current position. */
  entries(_task: Task): Iterable<DirectoryEntry> {
    throw new Errno(ENOTDIR);
  }
  /** The last reference is gone. */
  release(_task: Task | null): void {}

  /** New position after lseek. `size` is asked for only when whence needs it. */
  seek(_task: Task, offset: number, whence: number): number {
    if (!this.seekable) throw new Errno(ESPIPE);
    let position: number;
    if (whence === SEEK_SET) position = offset;
    else if (whence === SEEK_CUR) position = this.position + offset;
    else if (whence === SEEK_END) position = this.attributes().size + offset;
    else if (whence === SEEK_DATA || whence === SEEK_HOLE) position = this.seekData(offset, whence === SEEK_HOLE);
    else throw new Errno(EINVAL);
    if (position < 0 || position > MAX_FILE_SIZE) throw new Errno(EINVAL);
    this.position = position;
    return position;
  }
  /** The next data (or hole) at or after `offset`. A file that keeps no map is data to its end. */
  protected seekData(_offset: number, _hole: boolean): number {
    throw new Errno(EINVAL);
  }

  /** Bytes at `position` into a buffer of the kernel's (exec). Short only at the end of the file. */
  readBytes(task: Task, into: Uint8Array, position: number): number {
    let total = 0;
    while (total < into.length) {
      const count = this.read(task, new BufferIter(into.subarray(total)), position + total);
      if (typeof count !== "number") throw new Errno(EINVAL);
      if (count < 0) throw new Errno(-count);
      if (count === 0) break;
      total += count;
    }
    return total;
  }
  hold(): this {
    this.references++;
    return this;
  }
  put(task: Task | null): void {
    if (--this.references > 0) return;
    this.inode.locks?.releaseWhole(this);
    this.inode.locks?.releaseOwner(this);
    this.release(task);
  }
}

/** Open by O_PATH: names a place, moves no bytes. */
export class PathFile extends OpenFile {
  override get seekable(): boolean {
    return false;
  }
}

/** An open directory; positions are those of DirectoryEntry.next, with "." and ".." at 0 and 1. */
export class DirectoryFile extends OpenFile {
  override entries(task: Task): Iterable<DirectoryEntry> {
    return this.inode.entries(task, this.position);
  }
  override seek(task: Task, offset: number, whence: number): number {
    if (whence !== SEEK_SET && whence !== SEEK_CUR) throw new Errno(EINVAL);
    return super.seek(task, offset, whence);
  }
  override sync(): void {}
}
