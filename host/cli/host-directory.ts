// A HostDirectory over node:fs: what --mount and --root hand to the guest's kernel.
// Every path is checked against the real one before use, so that a link swapped in behind the guest's back cannot lead
// outside; anything that is not a regular file is refused instead of opened, since a FIFO or device could hang us.

import * as fs from "node:fs";
import type { HostDirectory, HostStat } from "../linux/vfs/host-directory";

const { O_RDONLY, O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_NOCTTY = 0 } = fs.constants;

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Throws Node's error when `folder` is not a directory that can be read. `writable` adds the writing half. */
export function hostDirectory(folder: string, writable = false): HostDirectory {
  const root = fs.realpathSync.native(folder, "latin1" as BufferEncoding) as string;
  if (!fs.statSync(bytes(root)).isDirectory()) throw failure("ENOTDIR");
  return writable ? new WritableNodeDirectory(root) : new NodeDirectory(root);
}

function bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

class NodeDirectory implements HostDirectory {
  constructor(protected readonly root: string) {}

  /** The host path of `path`, whose parent directories are no links now. */
  protected at(path: string): Buffer {
    const base = this.root === "/" ? "" : this.root;
    if (path === "") return bytes(this.root);
    const slash = path.lastIndexOf("/");
    if (slash >= 0) {
      const parent = `${base}/${path.slice(0, slash)}`;
      if (fs.realpathSync.native(bytes(parent), "latin1" as BufferEncoding) !== parent) throw failure("ELOOP");
    }
    return bytes(`${base}/${path}`);
  }

  stat(path: string): HostStat {
    return convert(fs.lstatSync(this.at(path), { bigint: true }));
  }
  readdir(path: string): string[] {
    return fs.readdirSync(this.at(path), { encoding: "latin1" });
  }
  readlink(path: string): string {
    return fs.readlinkSync(this.at(path), { encoding: "latin1" });
  }
  open(path: string, writable: boolean): number {
    const at = this.at(path);
    if (!fs.lstatSync(at).isFile()) throw failure("ENXIO");
    const fd = fs.openSync(at, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fs.fstatSync(fd).isFile()) return fd;
    fs.closeSync(fd);
    throw failure("ENXIO");
  }
  close(handle: number): void {
    fs.closeSync(handle);
  }
  statHandle(handle: number): HostStat {
    return convert(fs.fstatSync(handle, { bigint: true }));
  }
  read(handle: number, into: Uint8Array, position: number): number {
    return fs.readSync(handle, into, 0, into.length, position);
  }
  statistics() {
    const s = fs.statfsSync(bytes(this.root));
    return {
      type: s.type, bsize: s.bsize, blocks: s.blocks, bfree: s.bfree, bavail: s.bavail, files: s.files, ffree: s.ffree, namelen: 255,
    };
  }
}

class WritableNodeDirectory extends NodeDirectory {
  write(handle: number, data: Uint8Array, position: number): number {
    return fs.writeSync(handle, data, 0, data.length, position);
  }
  truncate(path: string, size: number): void {
    const handle = this.open(path, true);
    try {
      fs.ftruncateSync(handle, size);
    } finally {
      fs.closeSync(handle);
    }
  }
  truncateHandle(handle: number, size: number): void {
    fs.ftruncateSync(handle, size);
  }
  sync(handle: number): void {
    fs.fsyncSync(handle);
  }
  create(path: string, mode: number): void {
    fs.closeSync(fs.openSync(this.at(path), "wx", mode));
  }
  mkdir(path: string, mode: number): void {
    fs.mkdirSync(this.at(path), { mode });
  }
  symlink(target: string, path: string): void {
    fs.symlinkSync(bytes(target), this.at(path));
  }
  link(existing: string, path: string): void {
    fs.linkSync(this.at(existing), this.at(path));
  }
  unlink(path: string): void {
    fs.unlinkSync(this.at(path));
  }
  rmdir(path: string): void {
    fs.rmdirSync(this.at(path));
  }
  rename(from: string, to: string): void {
    fs.renameSync(this.at(from), this.at(to));
  }
  /** Not for links: node:fs has no lchmod on Linux, nor has the guest. */
  chmod(path: string, mode: number): void {
    const at = this.at(path);
    if (fs.lstatSync(at).isSymbolicLink()) throw failure("EOPNOTSUPP");
    fs.chmodSync(at, mode);
  }
  chown(path: string, uid: number, gid: number): void {
    fs.lchownSync(this.at(path), uid, gid);
  }
  utimes(path: string, atime: { sec: number; nsec: number }, mtime: { sec: number; nsec: number }): void {
    fs.lutimesSync(this.at(path), atime.sec + atime.nsec / 1e9, mtime.sec + mtime.nsec / 1e9);
  }
}

function convert(s: fs.BigIntStats): HostStat {
  const time = (ns: bigint) => {
    const rest = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    return { sec: Number((ns - rest) / 1_000_000_000n), nsec: Number(rest) };
  };
  return {
    dev: Number(s.dev), ino: Number(s.ino), mode: Number(s.mode), nlink: Number(s.nlink), uid: Number(s.uid), gid: Number(s.gid),
    rdev: Number(s.rdev), size: Number(s.size), blksize: Number(s.blksize), blocks: Number(s.blocks),
    atime: time(s.atimeNs), mtime: time(s.mtimeNs), ctime: time(s.ctimeNs), btime: time(s.birthtimeNs),
  };
}
