// Inodes and file systems: what ramfs, devfs, procfs and hostfs each implement, and what namei.ts, file.ts and the system
// calls see. An operation that a kind of inode does not have fails with the errno that Linux gives for it.

import { EINVAL, ENODEV, ENOTDIR, ENXIO, EPERM, EROFS, Errno } from "../errno";
import type { MappableFile, PageCache } from "../page-cache";
import type { Task } from "../task";
import type { Attributes, FileSystemStatistics, Timespec } from "../uapi-stat";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../uapi-stat";
import type { Path } from "./dentry";
import type { OpenFile } from "./file";
import type { FileLocks } from "./file-locks";

/** The wall clock as the file systems stamp it. */
export type Clock = () => Timespec;

/** A change to an inode's attributes; what is absent stays. The inode's ctime moves with every change. */
export interface AttributeChange {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  atime?: Timespec;
  mtime?: Timespec;
}

/** Who makes a new inode and with which permission bits (umask already applied). */
export interface Ownership {
  mode: number;
  uid: number;
  gid: number;
}

export interface DirectoryEntry {
  name: string;
  ino: number;
  /** S_IFMT bits */
  type: number;
  /** Position after this entry: 3 or more (1 and 2 follow "." and ".."), growing, stable while the directory is open. */
  next: number;
}

export abstract class FileSystem {
  abstract readonly type: string;
  /** Does it need no block device: "nodev" in /proc/filesystems. */
  readonly nodev: boolean = true;
  abstract readonly root: Inode;
  constructor(readonly dev: number) {}
  abstract statistics(): FileSystemStatistics;
}

export abstract class Inode {
  /** Type and permission bits, owner: what the permission check reads. hostfs refreshes them at each lookup. */
  mode: number;
  uid = 0;
  gid = 0;
  /** Pages of this file in guest RAM, made by mm.ts at the first mapping and told here of writes and truncation. */
  pageCache: PageCache | null = null;
  /** Record and flock locks, made at the first one (file-locks.ts). */
  locks: FileLocks | null = null;

  constructor(
    readonly fs: FileSystem,
    readonly ino: number,
    mode: number,
  ) {
    this.mode = mode;
  }

  get type(): number {
    return this.mode & S_IFMT;
  }
  get isDirectory(): boolean {
    return this.type === S_IFDIR;
  }
  get isSymlink(): boolean {
    return this.type === S_IFLNK;
  }
  get isRegular(): boolean {
    return this.type === S_IFREG;
  }

  abstract attributes(): Attributes;

  change(_change: AttributeChange): void {
    throw new Errno(EPERM);
  }

  /** Opens the inode; access has been checked. Device nodes without a driver: ENXIO. */
  open(_task: Task, _path: Path, _flags: number): OpenFile {
    throw new Errno(ENXIO);
  }

  /** The bytes as mmap's page cache reads and writes them; it outlives every open file. ENODEV: cannot be mapped. */
  mappable(): MappableFile {
    throw new Errno(ENODEV);
  }

  /** Run by namei when O_TRUNC or truncate(2) asks; a device ignores it. */
  truncate(_size: number): void {
    throw new Errno(EINVAL);
  }

  // Directories. Names are single components, neither "." nor "..".

  lookup(_task: Task, _name: string): Inode | null {
    throw new Errno(ENOTDIR);
  }
  /** Entries whose `next` is above `after`, in order. Robust against changes made while it runs. */
  entries(_task: Task, _after: number): Iterable<DirectoryEntry> {
    throw new Errno(ENOTDIR);
  }
  /** Makes a regular file, device node, FIFO, socket node or directory by the type bits in `owner.mode`. */
  create(_name: string, _owner: Ownership, _rdev: number): Inode {
    throw new Errno(EPERM);
  }
  symlink(_name: string, _target: string, _owner: Ownership): Inode {
    throw new Errno(EPERM);
  }
  link(_name: string, _inode: Inode): void {
    throw new Errno(EPERM);
  }
  /** Takes away a name that is not a directory. */
  unlink(_name: string, _inode: Inode): void {
    throw new Errno(EPERM);
  }
  rmdir(_name: string, _inode: Inode): void {
    throw new Errno(EPERM);
  }
  /** Types, emptiness of a replaced directory and loops are checked by the caller or the file system; `exchange` swaps. */
  rename(_name: string, _inode: Inode, _to: Inode, _newName: string, _replaced: Inode | null, _exchange: boolean): void {
    throw new Errno(EPERM);
  }
  /** O_TMPFILE: a regular file without a name. */
  createUnnamed(_owner: Ownership): Inode {
    throw new Errno(this.isDirectory ? EROFS : ENODEV);
  }
  isEmpty(task: Task): boolean {
    for (const _ of this.entries(task, 2)) return false;
    return true;
  }

  // Symbolic links.

  readlink(_task: Task): string {
    throw new Errno(EINVAL);
  }
  /** Where a /proc magic link leads, without walking its text; null for an ordinary link. */
  magicTarget(_task: Task): Path | null {
    return null;
  }
}
