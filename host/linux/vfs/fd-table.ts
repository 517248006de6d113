// The descriptor table of a task (Linux struct files_struct): lowest free number first, close-on-exec apart from the file.

import { EBADF, EMFILE, Errno } from "../errno";
import type { Task } from "../task";
import { O_PATH } from "../uapi-fcntl";
import type { OpenFile } from "./file";

/** /proc/sys/fs/nr_open: no descriptor number reaches it, whatever RLIMIT_NOFILE says. */
export const NR_OPEN = 1_048_576;

export class FdTable {
  private readonly files = new Map<number, OpenFile>();
  private readonly closeOnExec = new Set<number>();
  /** No free number is below this one. */
  private lowestFree = 0;

  /** The file behind `fd` for moving bytes or asking the device. EBADF also for one opened by O_PATH. */
  get(fd: number): OpenFile {
    const file = this.files.get(fd);
    if (file === undefined || file.flags & O_PATH) throw new Errno(EBADF);
    return file;
  }
  /** The file behind `fd`, an O_PATH one too: fstat, the *at calls, dup, close. */
  getRaw(fd: number): OpenFile {
    const file = this.files.get(fd);
    if (file === undefined) throw new Errno(EBADF);
    return file;
  }
  has(fd: number): boolean {
    return this.files.has(fd);
  }
  peek(fd: number): OpenFile | null {
    return this.files.get(fd) ?? null;
  }

  /** Takes over the caller's reference; EMFILE (the reference stays with the caller) from `limit` on. */
  install(file: OpenFile, closeOnExec: boolean, limit: number, from = 0): number {
    let fd = Math.max(from, this.lowestFree);
    while (this.files.has(fd)) fd++;
    if (fd >= Math.min(limit, NR_OPEN)) throw new Errno(EMFILE);
    if (from <= this.lowestFree) this.lowestFree = fd + 1;
    this.set(fd, file, closeOnExec);
    return fd;
  }
  /** Would install() find a number? Asked before a file is made whose opening has effects. */
  reserve(limit: number, count = 1): void {
    if (this.files.size + count <= Math.min(limit, NR_OPEN)) {
      let fd = this.lowestFree;
      let found = 0;
      while (found < count && fd < limit) if (!this.files.has(fd++)) found++;
      if (found === count) return;
    }
    throw new Errno(EMFILE);
  }
  /** dup2: takes over the reference, closes what was there. */
  replace(task: Task, fd: number, file: OpenFile, closeOnExec: boolean): void {
    const before = this.files.get(fd);
    this.set(fd, file, closeOnExec);
    if (before !== undefined) this.drop(task, before);
  }
  close(task: Task, fd: number): void {
    const file = this.getRaw(fd);
    this.files.delete(fd);
    this.closeOnExec.delete(fd);
    if (fd < this.lowestFree) this.lowestFree = fd;
    this.drop(task, file);
  }
  /** Closes (or marks) every descriptor in [first, last]. */
  closeRange(task: Task, first: number, last: number, markOnly: boolean): void {
    for (const fd of [...this.files.keys()]) {
      if (fd < first || fd > last) continue;
      if (markOnly) this.closeOnExec.add(fd);
      else this.close(task, fd);
    }
  }
  isCloseOnExec(fd: number): boolean {
    return this.closeOnExec.has(fd);
  }
  setCloseOnExec(fd: number, on: boolean): void {
    if (on) this.closeOnExec.add(fd);
    else this.closeOnExec.delete(fd);
  }
  /** execve: the marked descriptors go. */
  exec(task: Task): void {
    for (const fd of [...this.closeOnExec]) this.close(task, fd);
  }
  /** fork: the same files under the same numbers. */
  clone(): FdTable {
    const copy = new FdTable();
    for (const [fd, file] of this.files) copy.set(fd, file.hold(), this.closeOnExec.has(fd));
    copy.lowestFree = this.lowestFree;
    return copy;
  }
  /** The end of the task. */
  closeAll(task: Task): void {
    for (const fd of [...this.files.keys()]) this.close(task, fd);
  }
  /** Open descriptors in ascending order. */
  numbers(): number[] {
    return [...this.files.keys()].sort((a, b) => a - b);
  }

  private set(fd: number, file: OpenFile, closeOnExec: boolean): void {
    this.files.set(fd, file);
    this.setCloseOnExec(fd, closeOnExec);
  }
  private drop(task: Task, file: OpenFile): void {
    // POSIX: closing any descriptor of a file gives up all of the process's record locks on it.
    file.inode.locks?.releaseOwner(this);
    file.put(task);
  }
}
