// /proc: directories, files and links whose contents are made when they are read (Linux fs/proc). What the files say is in
// proc-task.ts and proc-system.ts; this file is only the tree. Reached from namei.ts like any other file system.

import { EIO, ENOENT, Errno } from "../errno";
import type { Task } from "../task";
import { latin1 } from "../uaccess";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../uapi-stat";
import type { Attributes, FileSystemStatistics, Timespec } from "../uapi-stat";
import type { Block } from "../wait";
import { Path } from "./dentry";
import { DirectoryFile, OpenFile } from "./file";
import { type AttributeChange, type Clock, type DirectoryEntry, FileSystem, Inode } from "./inode";
import type { IovIter } from "./iov-iter";
import { systemFiles } from "./proc-system";
import { taskFiles } from "./proc-task";

const PROC_SUPER_MAGIC = 0x9fa0;
const WRITE_MAX = 4096;

/** One row per file under a /proc directory. A name may hold slashes: the directories on the way come by themselves. */
export interface ProcRow {
  name: string;
  /** Permission bits; 0444 unless said. */
  mode?: number;
  /** The contents, a byte string. Throws Errno. */
  read(task: Task): string;
  /** Takes what a write brings, at most 4096 bytes of it; absent = EIO. */
  write?(task: Task, text: string): void;
}

export class ProcFs extends FileSystem {
  readonly type = "proc";
  readonly root: Inode;
  private nextIno = 1;
  readonly made: Timespec;

  constructor(dev: number, readonly now: Clock) {
    super(dev);
    this.made = now();
    const root = new ProcDirectory(this, 0o555);
    for (const row of systemFiles) root.plant(row.name.split("/"), row);
    root.add("self", new ProcLink(this, (task) => String(task.pid)));
    root.add("thread-self", new ProcLink(this, (task) => `${task.pid}/task/${task.pid}`));
    root.add("mounts", new ProcLink(this, () => "self/mounts"));
    root.taskDirectory = new ProcTaskDirectory(this, true);
    this.root = root;
  }
  newIno(): number {
    return 0xf000_0000 + this.nextIno++;
  }
  statistics(): FileSystemStatistics {
    return { type: PROC_SUPER_MAGIC, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 255 };
  }
}

class ProcInode extends Inode {
  constructor(override readonly fs: ProcFs, mode: number) {
    super(fs, fs.newIno(), mode);
  }
  /** As on Linux, attributes can be set until the inode is forgotten. */
  override change(change: AttributeChange): void {
    if (change.mode !== undefined) this.mode = this.type | (change.mode & 0o7777);
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
  }
  attributes(): Attributes {
    const time = this.fs.made;
    return {
      dev: this.fs.dev, ino: this.ino, mode: this.mode, nlink: this.isDirectory ? 2 : 1, uid: this.uid, gid: this.gid, rdev: 0,
      size: 0, blksize: 1024, blocks: 0, atime: time, mtime: time, ctime: time, btime: null,
    };
  }
}

class ProcDirectory extends ProcInode {
  protected readonly names = new Map<string, ProcInode>();
  /** In the root only: the directory of the one process, found under its number. */
  taskDirectory: ProcDirectory | null = null;

  constructor(fs: ProcFs, permissions: number) {
    super(fs, S_IFDIR | permissions);
  }
  add(name: string, inode: ProcInode): void {
    this.names.set(name, inode);
  }
  plant(path: readonly string[], row: ProcRow): void {
    const [first, ...rest] = path as [string, ...string[]];
    if (rest.length === 0) {
      this.add(first, new ProcFile(this.fs, row));
      return;
    }
    let below = this.names.get(first);
    if (!(below instanceof ProcDirectory)) this.add(first, (below = new ProcDirectory(this.fs, 0o555)));
    (below as ProcDirectory).plant(rest, row);
  }
  override open(_task: Task, path: Path, flags: number): OpenFile {
    return new DirectoryFile(path, flags);
  }
  override lookup(task: Task | null, name: string): Inode | null {
    const inode = this.names.get(name);
    if (inode !== undefined) return inode;
    if (this.taskDirectory !== null && task !== null && name === String(task.pid)) return this.taskDirectory;
    // Not "no such name yet": making one is ENOENT too (Linux proc_lookup answers the error itself).
    throw new Errno(ENOENT);
  }
  override *entries(task: Task, after: number): Iterable<DirectoryEntry> {
    let position = 3;
    for (const [name, inode] of this.names) {
      if (position >= after) yield { name, ino: inode.ino, type: inode.type, next: position + 1 };
      position++;
    }
    if (this.taskDirectory !== null && position >= after) {
      yield { name: String(task.pid), ino: this.taskDirectory.ino, type: S_IFDIR, next: position + 1 };
    }
  }
}

/** /proc/<pid>, and /proc/<pid>/task/<tid> which lacks only "task". */
class ProcTaskDirectory extends ProcDirectory {
  constructor(fs: ProcFs, isProcess: boolean) {
    super(fs, 0o555);
    for (const row of taskFiles) this.plant(row.name.split("/"), row);
    this.add("exe", new ProcLink(fs, (task) => printPath(task, executable(task)), executable));
    this.add("cwd", new ProcLink(fs, (task) => printPath(task, task.fs.cwd), (task) => task.fs.cwd));
    this.add("root", new ProcLink(fs, (task) => printPath(task, task.fs.root), (task) => task.fs.root));
    this.add("fd", new ProcFdDirectory(fs, false));
    this.add("fdinfo", new ProcFdDirectory(fs, true));
    if (isProcess) {
      const threads = new ProcDirectory(fs, 0o555);
      threads.taskDirectory = new ProcTaskDirectory(fs, false);
      this.add("task", threads);
    }
  }
}

function executable(task: Task): Path {
  const file = task.exeFile;
  if (file === null || file === undefined) throw new Errno(ENOENT);
  return file.path;
}

export function printPath(task: Task, path: Path): string {
  return path.print(task.fs.root).text;
}

/** /proc/<pid>/fd and fdinfo. Inodes are kept per number, so that look-ups agree. */
class ProcFdDirectory extends ProcDirectory {
  constructor(fs: ProcFs, private readonly info: boolean) {
    super(fs, info ? 0o555 : 0o500);
  }
  override lookup(task: Task, name: string): Inode | null {
    if (!/^(0|[1-9][0-9]{0,9})$/.test(name) || !task.files.has(Number(name))) throw new Errno(ENOENT);
    return this.inodeOf(task, name);
  }
  override *entries(task: Task, after: number): Iterable<DirectoryEntry> {
    for (const fd of task.files.numbers()) {
      if (fd + 3 < after) continue;
      const inode = this.inodeOf(task, String(fd));
      yield { name: String(fd), ino: inode.ino, type: inode.type, next: fd + 4 };
    }
  }
  private inodeOf(task: Task, name: string): ProcInode {
    let inode = this.names.get(name);
    const fd = Number(name);
    if (inode === undefined) {
      inode = this.info
        ? new ProcFile(this.fs, { name, read: (reader) => fdInfo(reader, fd) })
        : new ProcLink(this.fs, (reader) => printPath(reader, reader.files.getRaw(fd).path), (reader) => reader.files.getRaw(fd).path);
      this.names.set(name, inode);
    }
    const file = task.files.peek(fd);
    // The link's permission bits say how the file is open: lr-x------, l-wx------.
    if (!this.info && file !== null) inode.mode = S_IFLNK | (file.readable ? 0o500 : 0) | (file.writable ? 0o300 : 0);
    return inode;
  }
}

function fdInfo(task: Task, fd: number): string {
  const file = task.files.getRaw(fd);
  const flags = file.flags | (task.files.isCloseOnExec(fd) ? 0o2000000 : 0);
  return `pos:\t${file.position}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${file.path.mount.id}\nino:\t${file.path.inode.ino}\n`;
}

class ProcLink extends ProcInode {
  constructor(
    fs: ProcFs,
    private readonly text: (task: Task) => string,
    private readonly target: ((task: Task) => Path) | null = null,
  ) {
    super(fs, S_IFLNK | 0o777);
  }
  override readlink(task: Task): string {
    return this.text(task);
  }
  override magicTarget(task: Task): Path | null {
    return this.target?.(task) ?? null;
  }
}

class ProcFile extends ProcInode {
  constructor(fs: ProcFs, readonly row: ProcRow) {
    super(fs, S_IFREG | (row.mode ?? 0o444));
  }
  override open(_task: Task, path: Path, flags: number): OpenFile {
    return new ProcOpenFile(path, flags, this.row);
  }
  override truncate(): void {
    // As Linux: O_TRUNC on a /proc file opens it.
  }
}

/** Contents are made anew at each read from position 0, so that one pass through the file is consistent. */
class ProcOpenFile extends OpenFile {
  private contents: Uint8Array | null = null;
  constructor(path: Path, flags: number, private readonly row: ProcRow) {
    super(path, flags);
  }
  override read(task: Task, to: IovIter, position: number): number | Block {
    if (this.contents === null || position === 0) {
      const text = this.row.read(task);
      const bytes = new Uint8Array(text.length);
      for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
      this.contents = bytes;
    }
    return to.result(position < this.contents.length ? to.put(this.contents.subarray(position)) : 0);
  }
  override write(task: Task, from: IovIter): number | Block {
    if (this.row.write === undefined) return -EIO;
    const bytes = new Uint8Array(Math.min(from.remaining, WRITE_MAX));
    const total = from.remaining;
    const count = from.take(bytes);
    if (count === 0) return from.result(0);
    this.row.write(task, latin1(bytes.subarray(0, count)));
    return total;
  }
}
