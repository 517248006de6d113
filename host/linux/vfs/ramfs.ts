// The in-memory file system: root, /tmp and whatever the embedding puts in. tmpfs in its answers, numbers and limits.
// Reached from namei.ts (Inode operations) and the handlers (RamFile).

import { EEXIST, EFBIG, EINVAL, EMLINK, ENOSPC, ENOTEMPTY, ENXIO, EOPNOTSUPP, EPERM, Errno } from "../errno";
import type { MappableFile } from "../page-cache";
import type { Task } from "../task";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from "../uapi-fcntl";
import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from "../uapi-stat";
import type { Attributes, FileSystemStatistics, Timespec } from "../uapi-stat";
import type { Path } from "./dentry";
import { openDevice } from "./devices";
import { DirectoryFile, MAX_FILE_SIZE, OpenFile } from "./file";
import { type AttributeChange, type Clock, type DirectoryEntry, FileSystem, Inode, type Ownership } from "./inode";
import { BufferIter, type IovIter } from "./iov-iter";
import { FifoFile, Pipe } from "./pipe";

const TMPFS_MAGIC = 0x01021994;
const PAGE_SIZE = 4096;
const CHUNK_SIZE = 65536;
const PAGES_PER_CHUNK = CHUNK_SIZE / PAGE_SIZE;
const INODES_MAX = 1_000_000;

export class RamFs extends FileSystem {
  readonly type: string = "tmpfs";
  readonly root: RamDirectory;
  private nextIno = 1;
  /** Pages of 4 KiB held by files. */
  pagesUsed = 0;
  inodes = 0;
  private readonly pagesMax: number;

  constructor(
    dev: number,
    readonly now: Clock,
    /** File contents in bytes that this file system holds at most: then ENOSPC. */
    limitBytes: number,
    rootMode = 0o755,
  ) {
    super(dev);
    this.pagesMax = Math.floor(limitBytes / PAGE_SIZE);
    this.root = new RamDirectory(this, this.newIno(), { mode: S_IFDIR | rootMode, uid: 0, gid: 0 });
  }

  newIno(): number {
    return this.nextIno++;
  }
  hasRoomFor(pages: number): boolean {
    return this.pagesUsed + pages <= this.pagesMax;
  }
  countInode(): void {
    if (this.inodes >= INODES_MAX) throw new Errno(ENOSPC);
    this.inodes++;
  }
  statistics(): FileSystemStatistics {
    const free = this.pagesMax - this.pagesUsed;
    return {
      type: TMPFS_MAGIC, bsize: PAGE_SIZE, blocks: this.pagesMax, bfree: free, bavail: free,
      files: INODES_MAX, ffree: INODES_MAX - this.inodes, namelen: 255,
    };
  }
}

export class RamInode extends Inode {
  nlink = 1;
  rdev = 0;
  atime: Timespec;
  mtime: Timespec;
  ctime: Timespec;
  private readonly btime: Timespec;

  constructor(
    override readonly fs: RamFs,
    ino: number,
    owner: Ownership,
  ) {
    super(fs, ino, owner.mode);
    fs.countInode();
    this.uid = owner.uid;
    this.gid = owner.gid;
    this.atime = this.mtime = this.ctime = this.btime = fs.now();
  }

  get size(): number {
    return 0;
  }
  get pages(): number {
    return 0;
  }
  attributes(): Attributes {
    return {
      dev: this.fs.dev, ino: this.ino, mode: this.mode, nlink: this.nlink, uid: this.uid, gid: this.gid, rdev: this.rdev,
      size: this.size, blksize: PAGE_SIZE, blocks: this.pages * 8,
      atime: this.atime, mtime: this.mtime, ctime: this.ctime, btime: this.btime,
    };
  }
  override change(change: AttributeChange): void {
    if (change.size !== undefined) this.truncate(change.size);
    if (change.mode !== undefined) this.mode = (this.mode & S_IFMT) | (change.mode & 0o7777);
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    if (change.atime !== undefined) this.atime = change.atime;
    if (change.mtime !== undefined) this.mtime = change.mtime;
    this.ctime = this.fs.now();
  }
  touch(): void {
    this.mtime = this.ctime = this.fs.now();
  }
  /** One name fewer. Contents go with the last name and the last open file. */
  dropLink(): void {
    this.nlink--;
    this.ctime = this.fs.now();
    if (this.nlink === 0) this.unreferenced();
  }
  protected unreferenced(): void {
    this.fs.inodes--;
  }
}

export class RamSymlink extends RamInode {
  constructor(fs: RamFs, owner: Ownership, private readonly target: string) {
    super(fs, fs.newIno(), owner);
  }
  override get size(): number {
    return this.target.length;
  }
  override readlink(): string {
    return this.target;
  }
}

/** Device nodes, FIFOs and socket nodes. */
class RamSpecial extends RamInode {
  private pipe: Pipe | null = null;
  constructor(fs: RamFs, owner: Ownership, rdev: number) {
    super(fs, fs.newIno(), owner);
    this.rdev = rdev;
  }
  override open(task: Task, path: Path, flags: number): OpenFile {
    if (this.type === S_IFCHR) return openDevice(task, path, flags, this.rdev);
    if (this.type !== S_IFIFO) throw new Errno(ENXIO);
    this.pipe ??= new Pipe();
    return FifoFile.open(path, flags, this.pipe);
  }
  override truncate(): void {
    throw new Errno(EINVAL);
  }
}

export class RamDirectory extends RamInode {
  private readonly names = new Map<string, { inode: RamInode; position: number }>();
  /** 1 and 2 stand after "." and "..". */
  private nextPosition = 3;
  private removed = false;

  constructor(fs: RamFs, ino: number, owner: Ownership) {
    super(fs, ino, owner);
    this.nlink = 2;
  }
  override get size(): number {
    return this.names.size * 20 + 40; // what tmpfs answers: BOGO_DIRENT_SIZE per entry, "." and ".." included
  }
  override open(_task: Task, path: Path, flags: number): OpenFile {
    return new DirectoryFile(path, flags);
  }
  override lookup(_task: Task, name: string): Inode | null {
    return this.names.get(name)?.inode ?? null;
  }
  override *entries(_task: Task, after: number): Iterable<DirectoryEntry> {
    for (const [name, { inode, position }] of this.names) {
      if (position < after) continue;
      yield { name, ino: inode.ino, type: inode.type, next: position + 1 };
    }
  }
  override isEmpty(): boolean {
    return this.names.size === 0;
  }
  override create(name: string, owner: Ownership, rdev: number): Inode {
    const type = owner.mode & S_IFMT;
    let inode: RamInode;
    if (type === S_IFDIR) inode = new RamDirectory(this.fs, this.fs.newIno(), owner);
    else if (type === S_IFREG) inode = new RamFileInode(this.fs, owner);
    else inode = new RamSpecial(this.fs, owner, type === S_IFIFO || type === S_IFSOCK ? 0 : rdev);
    this.enter(name, inode);
    return inode;
  }
  override symlink(name: string, target: string, owner: Ownership): Inode {
    const inode = new RamSymlink(this.fs, owner, target);
    this.enter(name, inode);
    return inode;
  }
  override createUnnamed(owner: Ownership): Inode {
    const inode = new RamFileInode(this.fs, owner);
    inode.nlink = 0;
    return inode;
  }
  override link(name: string, inode: Inode): void {
    const target = inode as RamInode;
    if (target.nlink >= 0xffff_ffff) throw new Errno(EMLINK);
    if (target.nlink === 0) this.fs.inodes++;
    target.nlink++;
    target.ctime = this.fs.now();
    this.enter(name, target);
  }
  override unlink(name: string, inode: Inode): void {
    this.names.delete(name);
    this.touch();
    (inode as RamInode).dropLink();
  }
  override rmdir(name: string, inode: Inode): void {
    const directory = inode as RamDirectory;
    if (directory.names.size > 0) throw new Errno(ENOTEMPTY);
    this.names.delete(name);
    this.nlink--;
    this.touch();
    directory.die();
  }
  override rename(name: string, inode: Inode, to: Inode, newName: string, replaced: Inode | null, exchange: boolean): void {
    const moving = inode as RamInode;
    const target = to as RamDirectory;
    if (exchange) {
      const other = replaced as RamInode;
      this.names.set(name, { inode: other, position: this.nextPosition++ });
      target.names.set(newName, { inode: moving, position: target.nextPosition++ });
      if (moving.isDirectory && !other.isDirectory) this.nlink--, target.nlink++;
      if (other.isDirectory && !moving.isDirectory) this.nlink++, target.nlink--;
      other.ctime = this.fs.now();
    } else {
      if (replaced instanceof RamDirectory) {
        if (replaced.names.size > 0) throw new Errno(ENOTEMPTY);
        target.nlink--;
        replaced.die();
      } else if (replaced !== null) (replaced as RamInode).dropLink();
      this.names.delete(name);
      target.names.delete(newName);
      target.names.set(newName, { inode: moving, position: target.nextPosition++ });
      if (moving.isDirectory) this.nlink--, target.nlink++;
    }
    moving.ctime = this.fs.now();
    this.touch();
    target.touch();
  }

  /** Puts a made inode under a name; the caller has looked that the name is free. */
  enter(name: string, inode: RamInode): void {
    if (this.names.has(name)) throw new Errno(EEXIST);
    if (this.removed) throw new Errno(EPERM);
    this.names.set(name, { inode, position: this.nextPosition++ });
    if (inode.isDirectory) this.nlink++;
    this.touch();
  }
  private die(): void {
    this.removed = true;
    this.nlink = 0;
    this.unreferenced();
  }
}

/** Contents in chunks of 64 KiB, absent ones read as zeroes; the first grows with the file so that small files stay small. */
export class RamFileInode extends RamInode {
  private length = 0;
  private readonly chunks = new Map<number, { bytes: Uint8Array; /** bit per page that was written */ pages: number }>();
  private pageCount = 0;
  private opens = 0;

  constructor(fs: RamFs, owner: Ownership) {
    super(fs, fs.newIno(), owner);
  }
  override get size(): number {
    return this.length;
  }
  override get pages(): number {
    return this.pageCount;
  }
  override open(_task: Task | null, path: Path, flags: number): OpenFile {
    this.opens++;
    return new RamFile(path, flags, this);
  }
  closed(): void {
    if (--this.opens === 0 && this.nlink === 0) this.dropContents();
  }
  protected override unreferenced(): void {
    super.unreferenced();
    if (this.opens === 0) this.dropContents();
  }
  private dropContents(): void {
    this.fs.pagesUsed -= this.pageCount;
    this.pageCount = 0;
    this.chunks.clear();
    this.length = 0;
  }

  override mappable(): MappableFile {
    return {
      fileSize: () => this.length,
      readAt: (offset, length) => {
        const bytes = new Uint8Array(Math.max(0, Math.min(length, this.length - offset)));
        this.copyOut(new BufferIter(bytes), offset);
        return bytes;
      },
      writeAt: (offset, bytes) => void this.writeAt(new BufferIter(bytes), offset),
    };
  }

  readAt(to: IovIter, position: number): number {
    this.pageCache?.writeBack();
    const { sec } = this.atime;
    // relatime: the first read after a change, and once a day.
    if (sec < this.mtime.sec || (sec === this.mtime.sec && this.atime.nsec <= this.mtime.nsec) || this.fs.now().sec - sec >= 86400) {
      this.atime = this.fs.now();
    }
    return this.copyOut(to, position);
  }

  private copyOut(to: IovIter, position: number): number {
    const end = Math.min(this.length, position + to.remaining);
    let at = position;
    while (at < end) {
      const offset = at % CHUNK_SIZE;
      const count = Math.min(CHUNK_SIZE - offset, end - at);
      const chunk = this.chunks.get((at - offset) / CHUNK_SIZE);
      const held = chunk === undefined ? 0 : Math.max(0, Math.min(count, chunk.bytes.length - offset));
      let moved = held > 0 ? to.put(chunk!.bytes.subarray(offset, offset + held)) : 0;
      if (moved === held && held < count) moved += to.putZeroes(count - held);
      at += moved;
      if (moved < count) break;
    }
    return to.result(at - position);
  }

  /** Fails with ENOSPC only when nothing could be written; a partial write answers its count. */
  writeAt(from: IovIter, position: number): number {
    if (from.remaining === 0) return 0;
    if (position >= MAX_FILE_SIZE) throw new Errno(EFBIG);
    const end = Math.min(MAX_FILE_SIZE, position + from.remaining);
    let at = position;
    let full = false;
    while (at < end) {
      const offset = at % CHUNK_SIZE;
      const index = (at - offset) / CHUNK_SIZE;
      let count = Math.min(CHUNK_SIZE - offset, end - at);
      if (!this.reserve(index, offset, count)) {
        // The file system is nearly full: fill to the end of this page, then give up.
        count = Math.min(count, PAGE_SIZE - (offset % PAGE_SIZE));
        if (!this.reserve(index, offset, count)) {
          full = true;
          break;
        }
      }
      const moved = from.take(this.chunks.get(index)!.bytes.subarray(offset, offset + count));
      this.pageCache?.wrote(at, this.chunks.get(index)!.bytes.subarray(offset, offset + moved));
      at += moved;
      if (at > this.length) this.length = at;
      if (moved < count) break;
    }
    if (at > position) this.touch();
    else if (full) throw new Errno(ENOSPC);
    return from.result(at - position);
  }

  /** Makes the bytes of a chunk writable and counts their pages. False when the file system has no room. */
  private reserve(index: number, offset: number, count: number): boolean {
    let chunk = this.chunks.get(index);
    const first = Math.floor(offset / PAGE_SIZE);
    const last = Math.floor((offset + count - 1) / PAGE_SIZE);
    const wanted = (1 << (last + 1)) - (1 << first);
    const fresh = popCount(wanted & ~(chunk?.pages ?? 0));
    if (fresh > 0 && !this.fs.hasRoomFor(fresh)) return false;
    if (chunk === undefined) {
      chunk = { bytes: new Uint8Array(capacityFor(index, offset + count)), pages: 0 };
      this.chunks.set(index, chunk);
    } else if (chunk.bytes.length < offset + count) {
      const grown = new Uint8Array(capacityFor(index, offset + count));
      grown.set(chunk.bytes);
      chunk.bytes = grown;
    }
    chunk.pages |= wanted;
    this.pageCount += fresh;
    this.fs.pagesUsed += fresh;
    return true;
  }

  override truncate(size: number): void {
    this.pageCache?.writeBack();
    if (size > MAX_FILE_SIZE) throw new Errno(EFBIG);
    if (size < this.length) {
      for (const index of [...this.chunks.keys()]) if (index * CHUNK_SIZE >= size) this.zeroPages(index, 0, CHUNK_SIZE);
      const offset = size % CHUNK_SIZE;
      if (offset > 0) this.zeroPages((size - offset) / CHUNK_SIZE, offset, CHUNK_SIZE);
    }
    this.length = size;
    this.pageCache?.truncated(size);
    this.touch();
  }

  /** Zeroes [from, to) of a chunk and gives whole pages back. */
  private zeroPages(index: number, from: number, to: number): void {
    const chunk = this.chunks.get(index);
    if (chunk === undefined) return;
    chunk.bytes.fill(0, Math.min(from, chunk.bytes.length), Math.min(to, chunk.bytes.length));
    const first = Math.ceil(from / PAGE_SIZE);
    const end = Math.floor(to / PAGE_SIZE);
    if (end <= first) return;
    const gone = chunk.pages & ((1 << end) - (1 << first));
    const count = popCount(gone);
    chunk.pages &= ~gone;
    this.pageCount -= count;
    this.fs.pagesUsed -= count;
    if (chunk.pages === 0) this.chunks.delete(index);
  }

  allocate(mode: number, offset: number, length: number): void {
    const end = offset + length;
    if (end > MAX_FILE_SIZE) throw new Errno(EFBIG);
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) throw new Errno(EOPNOTSUPP);
    if (mode & FALLOC_FL_PUNCH_HOLE) {
      for (const index of [...this.chunks.keys()]) {
        const start = index * CHUNK_SIZE;
        if (start < end && start + CHUNK_SIZE > offset) {
          const from = Math.max(0, offset - start);
          const to = Math.min(CHUNK_SIZE, end - start);
          this.zeroPages(index, from, to);
          this.pageCache?.wrote(start + from, new Uint8Array(to - from));
        }
      }
      this.touch();
      return;
    }
    if (!this.fs.hasRoomFor(Math.ceil(length / PAGE_SIZE))) throw new Errno(ENOSPC);
    for (let at = offset; at < end; ) {
      const inChunk = at % CHUNK_SIZE;
      const count = Math.min(CHUNK_SIZE - inChunk, end - at);
      if (!this.reserve((at - inChunk) / CHUNK_SIZE, inChunk, count)) throw new Errno(ENOSPC);
      at += count;
    }
    if (!(mode & FALLOC_FL_KEEP_SIZE) && end > this.length) this.length = end;
    this.ctime = this.fs.now();
  }

  /** Next written page at or after `offset`, or the next hole. */
  nextData(offset: number, hole: boolean): number {
    if (offset < 0 || offset >= this.length) throw new Errno(ENXIO);
    const isData = (page: number): boolean => {
      const chunk = this.chunks.get(Math.floor(page / PAGES_PER_CHUNK));
      return chunk !== undefined && (chunk.pages & (1 << (page % PAGES_PER_CHUNK))) !== 0;
    };
    const first = Math.floor(offset / PAGE_SIZE);
    if (isData(first) !== hole) return offset;
    if (hole) {
      let page = first;
      while (isData(page)) page++;
      return Math.min(page * PAGE_SIZE, this.length);
    }
    // Chunks are sparse, so look among those that exist instead of at every page up to the end.
    let best = Infinity;
    for (const [index, chunk] of this.chunks) {
      for (let bit = 0; bit < PAGES_PER_CHUNK; bit++) {
        const page = index * PAGES_PER_CHUNK + bit;
        if (page >= first && page < best && chunk.pages & (1 << bit)) best = page;
      }
    }
    if (best * PAGE_SIZE >= this.length) throw new Errno(ENXIO);
    return best * PAGE_SIZE;
  }
}

export class RamFile extends OpenFile {
  constructor(path: Path, flags: number, private readonly contents: RamFileInode) {
    super(path, flags);
  }
  override get inode(): Inode {
    return this.contents;
  }
  override read(_task: Task | null, to: IovIter, position: number): number {
    return this.contents.readAt(to, position);
  }
  override write(_task: Task | null, from: IovIter, position: number): number {
    return this.contents.writeAt(from, position);
  }
  override truncate(size: number): void {
    this.contents.truncate(size);
  }
  override allocate(mode: number, offset: number, length: number): void {
    this.contents.allocate(mode, offset, length);
  }
  override sync(): void {}
  override get mappable(): "bytes" {
    return "bytes";
  }
  protected override seekData(offset: number, hole: boolean): number {
    return this.contents.nextData(offset, hole);
  }
  override release(): void {
    this.contents.closed();
  }
}

function capacityFor(index: number, needed: number): number {
  if (index > 0) return CHUNK_SIZE;
  let capacity = 256;
  while (capacity < needed) capacity *= 2;
  return capacity;
}

function popCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
