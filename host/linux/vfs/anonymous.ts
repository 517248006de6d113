// Inodes without a name: pipes, the standard streams, eventfds, epolls (Linux pipefs and anon_inodefs in one).

import { ENXIO, Errno } from "../errno";
import type { Task } from "../task";
import { S_IFDIR, S_IFMT } from "../uapi-stat";
import type { Attributes, FileSystemStatistics, Timespec } from "../uapi-stat";
import type { Path } from "./dentry";
import type { OpenFile } from "./file";
import { type AttributeChange, type Clock, FileSystem, Inode } from "./inode";

const PIPEFS_MAGIC = 0x50495045;

export class AnonymousFs extends FileSystem {
  readonly type = "pipefs";
  readonly root: Inode;
  private nextIno = 1;
  constructor(dev: number, readonly now: Clock) {
    super(dev);
    this.root = new AnonymousInode(this, S_IFDIR | 0o555, {}, null);
  }
  newIno(): number {
    return this.nextIno++;
  }
  statistics(): FileSystemStatistics {
    return { type: PIPEFS_MAGIC, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 255 };
  }
}

export class AnonymousInode extends Inode {
  private readonly made: Timespec;
  constructor(
    override readonly fs: AnonymousFs,
    mode: number,
    private readonly overrides: Partial<Attributes>,
    /** How /proc/self/fd/N opens it anew; null = it cannot be. */
    readonly reopen: ((task: Task, path: Path, flags: number) => OpenFile) | null,
  ) {
    super(fs, fs.newIno(), mode);
    this.made = fs.now();
  }
  override open(task: Task, path: Path, flags: number): OpenFile {
    if (this.reopen === null) throw new Errno(ENXIO);
    return this.reopen(task, path, flags);
  }
  override change(change: AttributeChange): void {
    if (change.mode !== undefined) this.mode = (this.mode & S_IFMT) | (change.mode & 0o7777);
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
  }
  attributes(): Attributes {
    return {
      dev: this.fs.dev, ino: this.ino, mode: this.mode, nlink: 1, uid: this.uid, gid: this.gid, rdev: 0, size: 0, blksize: 4096,
      blocks: 0, atime: this.made, mtime: this.made, ctime: this.made, btime: null, ...this.overrides,
    };
  }
}
