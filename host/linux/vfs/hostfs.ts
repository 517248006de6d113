// The file system over a HostDirectory: each look-up asks the host afresh, nothing of the contents is kept.
// Reached from namei.ts and the handlers like any other; leaves by the HostDirectory's calls.

import * as errno from "../errno";
import { EIO, ENXIO, EOPNOTSUPP, EPERM, Errno } from "../errno";
import type { MappableFile } from "../page-cache";
import type { Task } from "../task";
import { O_ACCMODE, O_RDONLY } from "../uapi-fcntl";
import { S_IFCHR, S_IFDIR, S_IFMT, S_IFREG } from "../uapi-stat";
import type { Attributes, FileSystemStatistics } from "../uapi-stat";
import type { Path } from "./dentry";
import { openDevice } from "./devices";
import { DirectoryFile, OpenFile } from "./file";
import type { HostDirectory, HostStat } from "./host-directory";
import { type AttributeChange, type DirectoryEntry, FileSystem, Inode, type Ownership } from "./inode";
import type { IovIter } from "./iov-iter";

const V9FS_MAGIC = 0x01021997;
const PIECE = 65536;
/** Inodes remembered per directory, by which names keep their identity between look-ups. */
const REMEMBERED_MAX = 8192;

export class HostFs extends FileSystem {
  readonly type: string = "9p";
  readonly root: HostInode;
  readonly piece = new Uint8Array(PIECE);
  /** Handles of mapped files, which no descriptor closes. */
  readonly mapHandles: number[] = [];

  /** Throws Errno when the folder itself cannot be read. */
  constructor(
    dev: number,
    readonly host: HostDirectory,
  ) {
    super(dev);
    const stat = attempt(() => host.stat(""));
    this.root = new HostInode(this, null, "", stat);
  }
  /** Closes what mappings kept open. */
  shutdown(): void {
    for (const handle of this.mapHandles.splice(0)) attempt(() => this.host.close(handle));
  }
  statistics(): FileSystemStatistics {
    if (this.host.statistics !== undefined) return attempt(() => this.host.statistics!());
    return { type: V9FS_MAGIC, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 255 };
  }
}

/** Runs a call of the embedding's; its error becomes the Errno of the same name. */
function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Errno) throw error;
    const code = (error as { code?: unknown } | null)?.code;
    const number = typeof code === "string" ? (errno as Record<string, unknown>)[code] : undefined;
    throw new Errno(typeof number === "number" ? number : EIO);
  }
}

/** The writing half's method, or EPERM from a host that has none. */
function able<F>(method: F | undefined): F {
  if (method === undefined) throw new Errno(EPERM);
  return method;
}

export class HostInode extends Inode {
  private stat: HostStat;
  private readonly children = new Map<string, HostInode>();
  private mapHandle = -1;
  /** Names that the embedding has put here without touching the host: mount points and files of its own. */
  private planted: Map<string, Inode> | null = null;

  constructor(
    override readonly fs: HostFs,
    private parent: HostInode | null,
    private name: string,
    stat: HostStat,
  ) {
    super(fs, stat.ino, stat.mode);
    this.stat = stat;
    this.refresh(stat);
  }

  get hostPath(): string {
    if (this.parent === null) return this.name;
    const above = this.parent.hostPath;
    return above === "" ? this.name : `${above}/${this.name}`;
  }
  private below(name: string): string {
    const here = this.hostPath;
    return here === "" ? name : `${here}/${name}`;
  }
  refresh(stat: HostStat): void {
    this.stat = stat;
    this.mode = stat.mode;
    this.uid = stat.uid;
    this.gid = stat.gid;
  }

  override attributes(): Attributes {
    // Unlinked by the guest or outside: what was known last is better than ENOENT from fstat.
    try {
      this.refresh(this.fs.host.stat(this.hostPath));
    } catch {
      return { ...this.stat };
    }
    return { ...this.stat };
  }

  plant(name: string, inode: Inode): void {
    this.planted ??= new Map();
    this.planted.set(name, inode);
  }

  override lookup(_task: Task | null, name: string): Inode | null {
    const planted = this.planted?.get(name);
    if (planted !== undefined) return planted;
    let stat: HostStat;
    try {
      stat = attempt(() => this.fs.host.stat(this.below(name)));
    } catch (error) {
      if (error instanceof Errno && error.code === errno.ENOENT) {
        this.children.delete(name);
        return null;
      }
      throw error;
    }
    return this.remember(name, stat);
  }
  private remember(name: string, stat: HostStat): HostInode {
    const known = this.children.get(name);
    if (known !== undefined && known.stat.ino === stat.ino && known.stat.dev === stat.dev && known.type === (stat.mode & S_IFMT)) {
      known.refresh(stat);
      return known;
    }
    const inode = new HostInode(this.fs, this, name, stat);
    if (this.children.size >= REMEMBERED_MAX) {
      for (const [other, child] of this.children) if (child.planted === null) this.children.delete(other);
    }
    this.children.set(name, inode);
    return inode;
  }

  override *entries(_task: Task, after: number): Iterable<DirectoryEntry> {
    yield* this.entriesOf(this.names(), after);
  }
  names(): string[] {
    const names = attempt(() => this.fs.host.readdir(this.hostPath));
    return this.planted === null ? names : [...new Set([...names, ...this.planted.keys()])];
  }
  *entriesOf(names: readonly string[], after: number): Iterable<DirectoryEntry> {
    for (let i = Math.max(0, after - 3); i < names.length; i++) {
      const name = names[i]!;
      const planted = this.planted?.get(name);
      if (planted !== undefined) {
        yield { name, ino: planted.ino, type: planted.type, next: i + 4 };
        continue;
      }
      let stat: HostStat;
      try {
        stat = this.fs.host.stat(this.below(name));
      } catch {
        continue; // gone since
      }
      yield { name, ino: stat.ino, type: stat.mode & S_IFMT, next: i + 4 };
    }
  }
  override readlink(): string {
    return attempt(() => this.fs.host.readlink(this.hostPath));
  }

  override open(task: Task, path: Path, flags: number): OpenFile {
    if (this.isDirectory) return new HostDirectoryFile(path, flags, this);
    if (this.type === S_IFCHR) return openDevice(task, path, flags, this.stat.rdev);
    if (!this.isRegular) throw new Errno(ENXIO);
    const writable = (flags & O_ACCMODE) !== O_RDONLY;
    return new HostFile(path, flags, this, attempt(() => this.fs.host.open(this.hostPath, writable)));
  }
  /** A handle of its own, kept for as long as the inode: mapped pages come after every descriptor is closed. */
  override mappable(): MappableFile {
    const { host } = this.fs;
    if (this.mapHandle < 0) {
      this.mapHandle = attempt(() => host.open(this.hostPath, false));
      this.fs.mapHandles.push(this.mapHandle);
    }
    const handle = this.mapHandle;
    return {
      fileSize: () => attempt(() => host.statHandle(handle)).size,
      readAt: (offset, length) => {
        const bytes = new Uint8Array(length);
        let done = 0;
        while (done < length) {
          const count = attempt(() => host.read(handle, bytes.subarray(done), offset + done));
          if (count === 0) break;
          done += count;
        }
        return bytes.subarray(0, done);
      },
      writeAt: (offset, bytes) => {
        attempt(() => {
          const writing = host.open(this.hostPath, true);
          try {
            able(host.write).call(host, writing, bytes, offset);
          } finally {
            host.close(writing);
          }
        });
      },
    };
  }

  override truncate(size: number): void {
    attempt(() => able(this.fs.host.truncate).call(this.fs.host, this.hostPath, size));
    this.pageCache?.truncated(size);
  }
  override change(change: AttributeChange): void {
    const { host } = this.fs;
    if (change.size !== undefined) this.truncate(change.size);
    attempt(() => {
      const path = this.hostPath;
      if (change.uid !== undefined || change.gid !== undefined) {
        able(host.chown).call(host, path, change.uid ?? this.uid, change.gid ?? this.gid);
      }
      if (change.mode !== undefined) able(host.chmod).call(host, path, change.mode & 0o7777);
      if (change.atime !== undefined || change.mtime !== undefined) {
        able(host.utimes).call(host, path, change.atime ?? this.stat.atime, change.mtime ?? this.stat.mtime);
      }
      this.refresh(host.stat(path));
    });
  }

  override create(name: string, owner: Ownership, _rdev: number): Inode {
    const { host } = this.fs;
    const path = this.below(name);
    const type = owner.mode & S_IFMT;
    if (type === S_IFREG) attempt(() => able(host.create).call(host, path, owner.mode & 0o7777));
    else if (type === S_IFDIR) attempt(() => able(host.mkdir).call(host, path, owner.mode & 0o7777));
    else throw new Errno(EPERM);
    return this.remember(name, attempt(() => host.stat(path)));
  }
  override symlink(name: string, target: string): Inode {
    const { host } = this.fs;
    attempt(() => able(host.symlink).call(host, target, this.below(name)));
    return this.remember(name, attempt(() => host.stat(this.below(name))));
  }
  override link(name: string, inode: Inode): void {
    const { host } = this.fs;
    attempt(() => able(host.link).call(host, (inode as HostInode).hostPath, this.below(name)));
  }
  override unlink(name: string): void {
    const { host } = this.fs;
    attempt(() => able(host.unlink).call(host, this.below(name)));
    this.children.delete(name);
  }
  override rmdir(name: string): void {
    const { host } = this.fs;
    attempt(() => able(host.rmdir).call(host, this.below(name)));
    this.children.delete(name);
  }
  override rename(name: string, inode: Inode, to: Inode, newName: string, _replaced: Inode | null, exchange: boolean): void {
    const { host } = this.fs;
    const target = to as HostInode;
    const moving = inode as HostInode;
    if (exchange) throw new Errno(errno.EINVAL); // as a file system without RENAME_EXCHANGE
    attempt(() => able(host.rename).call(host, this.below(name), target.below(newName)));
    this.children.delete(name);
    moving.parent = target;
    moving.name = newName;
    target.children.set(newName, moving);
  }
}

class HostDirectoryFile extends DirectoryFile {
  /** One snapshot from rewind to rewind: entries keep their positions while names come and go. */
  private names: string[] | null = null;
  constructor(path: Path, flags: number, private readonly host: HostInode) {
    super(path, flags);
  }
  override entries(): Iterable<DirectoryEntry> {
    if (this.position <= 2 || this.names === null) this.names = this.host.names();
    return this.host.entriesOf(this.names, this.position);
  }
}

class HostFile extends OpenFile {
  constructor(path: Path, flags: number, private readonly host: HostInode, private readonly handle: number) {
    super(path, flags);
  }
  // An unlinked or renamed file answers through its handle.
  private get directory(): HostDirectory {
    return this.host.fs.host;
  }
  override read(_task: Task, to: IovIter, position: number): number {
    this.host.pageCache?.writeBack();
    const { piece } = this.host.fs;
    let moved = 0;
    while (to.remaining > 0 && !to.faulted) {
      const into = piece.subarray(0, Math.min(PIECE, to.remaining));
      const count = attempt(() => this.directory.read(this.handle, into, position + moved));
      if (count === 0) break;
      moved += to.put(piece.subarray(0, count));
    }
    return to.result(moved);
  }
  override write(_task: Task, from: IovIter, position: number): number {
    const { piece } = this.host.fs;
    const write = able(this.directory.write);
    let moved = 0;
    while (from.remaining > 0 && !from.faulted) {
      const count = from.take(piece.subarray(0, Math.min(PIECE, from.remaining)));
      if (count === 0) break;
      const bytes = piece.subarray(0, count);
      let written: number;
      try {
        written = attempt(() => write.call(this.directory, this.handle, bytes, position + moved));
      } catch (error) {
        if (moved > 0) return moved;
        throw error;
      }
      this.host.pageCache?.wrote(position + moved, bytes.subarray(0, written));
      moved += written;
      if (written < count) break;
    }
    return from.result(moved);
  }
  override attributes(): Attributes {
    const stat = attempt(() => this.directory.statHandle(this.handle));
    this.host.refresh(stat);
    return { ...stat };
  }
  override truncate(size: number): void {
    attempt(() => able(this.directory.truncateHandle).call(this.directory, this.handle, size));
    this.host.pageCache?.truncated(size);
  }
  override allocate(): void {
    throw new Errno(EOPNOTSUPP);
  }
  override sync(): void {
    this.host.pageCache?.writeBack();
    if (this.writable) attempt(() => this.directory.sync?.(this.handle));
  }
  override get mappable(): "bytes" {
    return "bytes";
  }
  protected override seekData(offset: number, hole: boolean): number {
    const { size } = this.attributes();
    if (offset < 0 || offset >= size) throw new Errno(ENXIO);
    return hole ? size : offset;
  }
  override release(): void {
    attempt(() => this.directory.close(this.handle));
  }
}
