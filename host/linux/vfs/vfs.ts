// The mount tree of one kernel: root, /dev, /proc, /tmp and what the embedding mounts, the standard streams, and the
// unnamed files (pipes, eventfds). Made once by kernel.ts; everything path-like of the other files hangs from here.

import { EBUSY, EEXIST, EINVAL, ENOENT, ENOTDIR, EROFS, Errno } from "../errno";
import type { Task } from "../task";
import { AT_FDCWD, O_RDONLY, O_RDWR, O_WRONLY } from "../uapi-fcntl";
import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "../uapi-stat";
import type { Attributes } from "../uapi-stat";
import { AnonymousFs, AnonymousInode } from "./anonymous";
import { Mount, Path } from "./dentry";
import { PTS_RDEV } from "./devices";
import { DevFs } from "./devfs";
import type { OpenFile } from "./file";
import type { HostDirectory } from "./host-directory";
import { HostFs, HostInode } from "./hostfs";
import type { Clock, FileSystem, Inode } from "./inode";
import { BufferIter } from "./iov-iter";
import { Walk } from "./namei";
import { ProcFs } from "./procfs";
import { RamDirectory, RamFileInode, RamFs } from "./ramfs";
import { HostInput, HostOutput, type InputStream, type OutputStream, StreamFile } from "./streams";
import { Terminal, TtyFile } from "./tty";

/** Default of the bytes that all files of one in-memory file system may hold. */
const RAMFS_LIMIT = 512 << 20;

/** Before there is a task: what is looked up then depends on none. */
const NO_TASK = null as unknown as Task;

export interface VfsOptions {
  now: Clock;
  /** A host folder as read-only root; else an in-memory one. */
  root?: HostDirectory;
  mounts?: readonly { directory: HostDirectory; path: string; writable?: boolean }[];
  /** Contents by absolute path, in the tree before the first task; a host root is not touched, the names only show in it. */
  files?: Readonly<Record<string, Uint8Array>>;
  stdin?: InputStream | null;
  stdout?: OutputStream | null;
  stderr?: OutputStream | null;
  /** Bytes that the files of one in-memory file system hold at most; default 512 MiB. */
  ramfsLimit?: number;
}

export class Vfs {
  /** Mounts in the order they were made; the first is the root. */
  readonly mounts: Mount[] = [];
  readonly root: Path;
  readonly terminal: Terminal | null;
  readonly now: Clock;
  /** FIFOs that are open on their own side and wait for the other before the call returns. */
  readonly waitingOpens = new Map<Task, OpenFile>();
  private readonly anonymousMount: Mount;
  private readonly anonymous: AnonymousFs;
  private readonly streams: readonly [HostInput | null, HostOutput | null, HostOutput | null];
  /** Keeps what is planted into host folders. */
  private readonly shown: RamFs;
  private nextMinor = 20;

  /** Throws Errno when the root cannot be read or a file cannot be put, RangeError when a folder cannot be mounted where it is wanted. */
  constructor(options: VfsOptions) {
    this.now = options.now;
    const limit = options.ramfsLimit ?? RAMFS_LIMIT;
    const input = options.stdin ? new HostInput(options.stdin) : null;
    const output = options.stdout ? new HostOutput(options.stdout) : null;
    const error = options.stderr ? (options.stderr === options.stdout ? output : new HostOutput(options.stderr)) : null;
    this.streams = [input, output, error];
    const ttyOutput = [output, error].find((o) => o?.stream.isTTY) ?? null;
    const ttyInput = input?.stream.isTTY ? input : null;
    this.terminal = ttyInput !== null || ttyOutput !== null ? new Terminal(ttyInput, ttyOutput) : null;

    this.anonymous = new AnonymousFs(this.newDev(), this.now);
    this.anonymousMount = new Mount(0, this.anonymous, null, false, "none", "", true);

    this.shown = new RamFs(this.newDev(), this.now, limit);
    if (options.root !== undefined) this.root = this.addMount(new HostFs(this.newDev(), options.root), null, true, "host");
    else {
      this.root = this.addMount(new RamFs(this.newDev(), this.now, limit), null, false, "none");
    }
    this.mountAt("/dev", () => new DevFs(this.newDev(), this.now, this.terminal !== null), false, "devtmpfs", 0o755);
    this.mountAt("/proc", () => new ProcFs(this.newDev(), this.now), false, "proc", 0o555);
    // A host root shows what its own /tmp holds, read-only like the rest of it.
    if (this.find("/tmp") === null) this.mountAt("/tmp", () => new RamFs(this.newDev(), this.now, limit, 0o1777), false, "tmpfs", 0o1777);
    for (const { directory, path, writable } of options.mounts ?? []) {
      this.mountHost(path, directory, writable === true);
    }
    for (const [path, bytes] of Object.entries(options.files ?? {})) this.putFile(path, bytes);
  }

  /** A device number for a file system without a device (major 0). */
  newDev(): number {
    return this.nextMinor++;
  }

  private addMount(fs: FileSystem, at: Path | null, readOnly: boolean, source: string): Path {
    const mount = new Mount(this.mounts.length + 1, fs, at, readOnly, source, ",relatime");
    this.mounts.push(mount);
    if (at !== null) at.dentry.mounted = mount;
    return new Path(mount, mount.root);
  }

  /** Mounts at an absolute path, making directories on the way. */
  private mountAt(path: string, make: () => FileSystem, readOnly: boolean, source: string, mode: number): void {
    this.addMount(make(), this.makeDirectories(path, mode), readOnly, source);
  }

  private mountHost(path: string, directory: HostDirectory, writable: boolean): void {
    try {
      // Paths start at the root that was there first: what is mounted over it would not be seen.
      if (/^\/*$/.test(path)) throw new Errno(EBUSY);
      this.mountAt(path, () => new HostFs(this.newDev(), directory), !writable, "host", 0o755);
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      throw new RangeError(`mount at ${path}: ${error.message}`);
    }
  }

  /** The directory at an absolute path, through links; missing ones are made, in a host folder only for show. */
  private makeDirectories(path: string, mode = 0o755): Path {
    let at = this.root;
    for (const name of path.split("/")) {
      if (name === "" || name === ".") continue;
      if (name === "..") throw new Errno(EINVAL);
      if (!at.inode.isDirectory) throw new Errno(ENOTDIR);
      const inode = at.inode.lookup(NO_TASK, name) ?? this.make(at.inode, name, S_IFDIR | mode);
      const next = new Path(at.mount, at.dentry.child(name, inode)).throughMounts();
      at = inode.isSymlink ? new Walk(this.firstTask(), AT_FDCWD, {}).followLink(at, next) : next;
    }
    if (!at.inode.isDirectory) throw new Errno(ENOTDIR);
    return at;
  }

  /** As much of a task as a path walk asks for, before there is one: root at the root. */
  private firstTask(): Task {
    return { fs: { root: this.root, cwd: this.root }, creds: { fsuid: 0, fsgid: 0, groups: [] } } as unknown as Task;
  }

  private make(directory: Inode, name: string, mode: number): Inode {
    const owner = { mode, uid: 0, gid: 0 };
    if (directory instanceof RamDirectory) return directory.create(name, owner, 0);
    if (!(directory instanceof HostInode)) throw new Errno(EROFS);
    const inode = this.shown.root.create(`${this.shown.inodes}`, owner, 0);
    directory.plant(name, inode);
    return inode;
  }

  /**
   * Puts a file into the tree, replacing one of its own kind, with its directories.
   * @throws Errno ENOTDIR and the like for an impossible path, EEXIST when the host has such a file
   */
  putFile(path: string, bytes: Uint8Array, mode = 0o755): void {
    const slash = path.lastIndexOf("/");
    const name = path.slice(slash + 1);
    if (name === "" || name === "." || name === "..") throw new Errno(EINVAL);
    const directory = this.makeDirectories(path.slice(0, Math.max(0, slash)));
    const inode = directory.inode.lookup(NO_TASK, name) ?? this.make(directory.inode, name, S_IFREG | mode);
    if (!(inode instanceof RamFileInode)) throw new Errno(EEXIST);
    inode.truncate(0);
    inode.writeAt(new BufferIter(bytes), 0);
  }
  makeDirectory(path: string, mode = 0o755): void {
    this.makeDirectories(path, mode);
  }
  makeSymlink(path: string, target: string): void {
    const slash = path.lastIndexOf("/");
    const directory = this.makeDirectories(path.slice(0, Math.max(0, slash)));
    directory.inode.symlink(path.slice(slash + 1), target, { mode: S_IFLNK | 0o777, uid: 0, gid: 0 });
  }

  /** A file without a name in the tree: `name` is how /proc/self/fd prints it, "pipe:[7]" from "pipe:[]". */
  anonymousPath(name: string, mode: number, attributes?: Partial<Attributes>, open?: AnonymousInode["reopen"]): Path {
    const inode = new AnonymousInode(this.anonymous, mode, attributes ?? {}, open ?? null);
    const printed = name.replace("[]", `[${inode.ino}]`);
    return new Path(this.anonymousMount, this.anonymousMount.root.unnamed(printed, inode));
  }

  /** The first task's descriptors 0, 1 and 2, in order; a stream that was not given is /dev/null. */
  openStandardStreams(): OpenFile[] {
    const [input, output, error] = this.streams;
    return [
      this.openStream(input, null),
      this.openStream(null, output),
      this.openStream(null, error),
    ];
  }
  private openStream(input: HostInput | null, output: HostOutput | null): OpenFile {
    const stream = input?.stream ?? output?.stream;
    if (stream === undefined) {
      const path = this.find("/dev/null");
      if (path === null) throw new Errno(ENOENT);
      return path.inode.open({ kernel: { vfs: this } } as unknown as Task, path, input === null && output === null ? O_RDWR : O_RDONLY);
    }
    if (stream.isTTY && this.terminal !== null) {
      const path = this.find("/dev/pts/0") ?? this.anonymousPath("/dev/pts/0", S_IFCHR | 0o620, { rdev: PTS_RDEV });
      return new TtyFile(path, O_RDWR, this.terminal);
    }
    const reopen = (_task: Task, path: Path, flags: number): OpenFile => new StreamFile(path, flags, input, output);
    const path = this.anonymousPath("pipe:[]", S_IFIFO | 0o600, {}, reopen);
    return new StreamFile(path, input !== null ? O_RDONLY : O_WRONLY, input, output);
  }
  /** After the last task: closes what the embedding's folders hold open for us. */
  shutdown(): void {
    for (const { fs } of this.mounts) if (fs instanceof HostFs) fs.shutdown();
  }
  private find(path: string): Path | null {
    let at = this.root;
    for (const name of path.split("/")) {
      if (name === "") continue;
      const inode = at.inode.isDirectory ? at.inode.lookup(NO_TASK, name) : null;
      if (inode === null) return null;
      at = new Path(at.mount, at.dentry.child(name, inode)).throughMounts();
    }
    return at;
  }
}
