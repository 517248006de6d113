// The mount tree of one kernel: root, /dev, /proc, /tmp and what the embedding mounts, the standard streams, and the
// unnamed files (pipes, eventfds). Made once by kernel.ts; everything path-like of the other files hangs from here.

import { EEXIST, EINVAL, ENOENT, ENOTDIR, EROFS, Errno } from "../errno";
import type { Task } from "../task";
import { O_RDONLY, O_RDWR, O_WRONLY } from "../uapi-fcntl";
import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "../uapi-stat";
import type { Attributes } from "../uapi-stat";
import { AnonymousFs, AnonymousInode } from "./anonymous";
import { Mount, Path } from "./dentry";
import { PTS_RDEV } from "./devices";
import { DevFs } from "./devfs";
import type { OpenFile } from "./file";
import type { HostDirectory } from "./host-directory";
import { HostFs } from "./hostfs";
import type { Clock, FileSystem } from "./inode";
import { BufferIter } from "./iov-iter";
import { ProcFs } from "./procfs";
import { RamFileInode, RamFs } from "./ramfs";
import { HostInput, HostOutput, type InputStream, type OutputStream, StreamFile } from "./streams";
import { Terminal, TtyFile } from "./tty";

/** Default of the bytes that all files of one in-memory file system may hold. */
const RAMFS_LIMIT = 512 << 20;

export interface VfsOptions {
  now: Clock;
  /** A host folder as read-only root; else an in-memory one. */
  root?: HostDirectory;
  mounts?: readonly { directory: HostDirectory; path: string; writable?: boolean }[];
  /** Contents put into the in-memory root (or over it: a path under a host root must lie in /tmp) before the first task. */
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
  private nextMinor = 20;

  /** Throws Errno when a folder cannot be read or a mount point cannot be made. */
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

    let ram: RamFs | null = null;
    if (options.root !== undefined) this.root = this.addMount(new HostFs(this.newDev(), options.root), null, true, "host");
    else {
      ram = new RamFs(this.newDev(), this.now, limit);
      this.root = this.addMount(ram, null, false, "none");
    }
    // A bare host root may lack a mount point: then that piece of the tree is left out rather than made on the host.
    this.mountAt("/dev", () => new DevFs(this.newDev(), this.now, this.terminal !== null), false, "devtmpfs", 0o755);
    this.mountAt("/proc", () => new ProcFs(this.newDev(), this.now), false, "proc", 0o555);
    this.mountAt("/tmp", () => new RamFs(this.newDev(), this.now, limit, 0o1777), false, "tmpfs", 0o1777);
    for (const { directory, path, writable } of options.mounts ?? []) {
      const made = this.mountAt(path, () => new HostFs(this.newDev(), directory), writable !== true, "host", 0o755);
      if (!made) throw new Errno(EROFS);
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

  /** Mounts at an absolute path, making directories where the file system below can. False when there is no such place. */
  private mountAt(path: string, make: () => FileSystem, readOnly: boolean, source: string, mode: number): boolean {
    const at = this.makeDirectories(path, mode);
    if (at === null) return false;
    this.addMount(make(), at, readOnly, source);
    return true;
  }

  /** The directory at an absolute path, without following links; missing ones are made. Null where that is impossible. */
  private makeDirectories(path: string, mode = 0o755): Path | null {
    let at = this.root;
    for (const name of path.split("/")) {
      if (name === "" || name === ".") continue;
      if (name === "..") throw new Errno(EINVAL);
      let inode = at.inode.isDirectory ? at.inode.lookup(null as unknown as Task, name) : null;
      if (inode === null) {
        if (!(at.inode.fs instanceof RamFs)) return null;
        inode = at.inode.create(name, { mode: S_IFDIR | mode, uid: 0, gid: 0 }, 0);
      }
      if (!inode.isDirectory) throw new Errno(ENOTDIR);
      at = new Path(at.mount, at.dentry.child(name, inode)).throughMounts();
    }
    return at;
  }

  /**
   * Puts a file into the in-memory part of the tree, replacing one, with its directories.
   * Throws EROFS below a host folder, ENOTDIR and the like for an impossible path.
   */
  putFile(path: string, bytes: Uint8Array, mode = 0o755): void {
    const slash = path.lastIndexOf("/");
    const name = path.slice(slash + 1);
    if (name === "" || name === "." || name === "..") throw new Errno(EINVAL);
    const directory = this.makeDirectories(path.slice(0, Math.max(0, slash)));
    if (directory === null) throw new Errno(EROFS);
    if (!(directory.inode.fs instanceof RamFs)) throw new Errno(EROFS);
    const existing = directory.inode.lookup(null as unknown as Task, name);
    if (existing !== null && !(existing instanceof RamFileInode)) throw new Errno(EEXIST);
    const inode = existing ?? directory.inode.create(name, { mode: S_IFREG | mode, uid: 0, gid: 0 }, 0);
    if (!(inode instanceof RamFileInode)) throw new Errno(EINVAL);
    inode.truncate(0);
    inode.writeAt(new BufferIter(bytes), 0);
  }
  makeDirectory(path: string, mode = 0o755): void {
    if (this.makeDirectories(path, mode) === null) throw new Errno(EROFS);
  }
  makeSymlink(path: string, target: string): void {
    const slash = path.lastIndexOf("/");
    const directory = this.makeDirectories(path.slice(0, Math.max(0, slash)));
    if (directory === null) throw new Errno(EROFS);
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
      const inode = at.inode.isDirectory ? at.inode.lookup(null as unknown as Task, name) : null;
      if (inode === null) return null;
      at = new Path(at.mount, at.dentry.child(name, inode)).throughMounts();
    }
    return at;
  }
}
