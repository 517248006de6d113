// A folder of this computer as the HostDirectory that --mount and --root give the guest.
// Entered from host/linux/vfs/hostfs.ts. Leaves to Node's synchronous file calls, whose errors carry the errno's name.
//
// The guest must not get out of the folder. Paths come without "." and ".." and the kernel walks links itself; so the one
// way out is a link put where a directory was, and every call checks that the real path of the parent is the path it asked for.

import * as fs from "node:fs";
import type { FileSystemStatistics, HostDirectory, HostStat, Timespec } from "../index";

const { O_RDONLY, O_RDWR, O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
// Neither exists on Windows.
const O_NOFOLLOW = fs.constants.O_NOFOLLOW ?? 0;
const O_NONBLOCK = fs.constants.O_NONBLOCK ?? 0;

const NANOSECONDS = 1_000_000_000n;
/** Longest name of the file systems in use (statfs f_namelen, which Node does not tell). */
const NAME_MAX = 255;

/** What hostfs makes an errno of: cheaper than an Error, since a missing file is an everyday answer. */
function failure(code: string): { code: string } {
  return { code };
}

/**
 * @param path an existing folder
 * @param writable with the writing half, or without
 */
export function hostDirectory(path: string, writable: boolean): HostDirectory {
  const root = fs.realpathSync.native(path);
  return writable ? new WritableFolder(root) : new Folder(root);
}

class Folder implements HostDirectory {
  /** Real path as a byte string, "" for /. */
  readonly #root: string;

  constructor(root: string) {
    this.#root = Buffer.from(root === "/" ? "" : root).toString("latin1");
  }

  /** The host path as bytes, its parent verified. */
  protected host(path: string): Buffer {
    if (path === "") return Buffer.from(this.#root || "/", "latin1");
    const slash = path.lastIndexOf("/");
    if (slash > 0) {
      const parent = `${this.#root}/${path.slice(0, slash)}`;
      const real = fs.realpathSync.native(Buffer.from(parent, "latin1"), "latin1");
      if (real !== parent && process.platform !== "win32") throw failure("ELOOP");
    }
    return Buffer.from(`${this.#root}/${path}`, "latin1");
  }

  stat(path: string): HostStat {
    const stat = fs.lstatSync(this.host(path), { bigint: true, throwIfNoEntry: false });
    if (!stat) throw failure("ENOENT");
    return hostStat(stat);
  }

  /** In the order of the file system, as Linux's getdents has it; readdirSync would sort. */
  readdir(path: string): string[] {
    // Node's types know no latin1 for names, Node does.
    const directory = fs.opendirSync(this.host(path) as unknown as string, { encoding: "latin1" as BufferEncoding, bufferSize: 256 });
    try {
      const names: string[] = [];
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) names.push(entry.name);
      return names;
    } finally {
      directory.closeSync();
    }
  }

  readlink(path: string): string {
    return fs.readlinkSync(this.host(path), "latin1");
  }

  open(path: string, writable: boolean): number {
    const host = this.host(path);
    if (!fs.lstatSync(host).isFile()) throw failure("ENXIO");
    return fs.openSync(host, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK);
  }

  close(handle: number): void {
    fs.closeSync(handle);
  }

  statHandle(handle: number): HostStat {
    return hostStat(fs.fstatSync(handle, { bigint: true }));
  }

  read(handle: number, into: Uint8Array, position: number): number {
    return fs.readSync(handle, into, 0, into.length, position);
  }

  statistics(): FileSystemStatistics {
    const { type, bsize, blocks, bfree, bavail, files, ffree } = fs.statfsSync(this.host(""));
    return { type, bsize, blocks, bfree, bavail, files, ffree, namelen: NAME_MAX };
  }
}

class WritableFolder extends Folder {
  write(handle: number, bytes: Uint8Array, position: number): number {
    return fs.writeSync(handle, bytes, 0, bytes.length, position);
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

  /** The guest's umask has been applied to `mode`; fchmod undoes what ours would take away. */
  create(path: string, mode: number): void {
    const handle = fs.openSync(this.host(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    try {
      fs.fchmodSync(handle, mode);
    } finally {
      fs.closeSync(handle);
    }
  }

  mkdir(path: string, mode: number): void {
    const host = this.host(path);
    fs.mkdirSync(host, { mode });
    fs.chmodSync(host, mode);
  }

  symlink(target: string, path: string): void {
    fs.symlinkSync(Buffer.from(target, "latin1"), this.host(path));
  }

  link(existing: string, path: string): void {
    fs.linkSync(this.host(existing), this.host(path));
  }

  unlink(path: string): void {
    fs.unlinkSync(this.host(path));
  }

  rmdir(path: string): void {
    fs.rmdirSync(this.host(path));
  }

  rename(from: string, to: string): void {
    fs.renameSync(this.host(from), this.host(to));
  }

  /** Node has no lchmod on Linux, and there a link has no mode of its own. */
  chmod(path: string, mode: number): void {
    const host = this.host(path);
    if (fs.lstatSync(host).isSymbolicLink()) throw failure("EOPNOTSUPP");
    fs.chmodSync(host, mode);
  }

  chown(path: string, uid: number, gid: number): void {
    fs.lchownSync(this.host(path), uid, gid);
  }

  /** Node takes seconds as a double: times of this century keep their microseconds. */
  utimes(path: string, atime: Timespec, mtime: Timespec): void {
    fs.lutimesSync(this.host(path), atime.sec + atime.nsec / 1e9, mtime.sec + mtime.nsec / 1e9);
  }
}

function hostStat(stat: fs.BigIntStats): HostStat {
  return {
    dev: Number(stat.dev),
    ino: Number(stat.ino),
    mode: Number(stat.mode),
    nlink: Number(stat.nlink),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    rdev: Number(stat.rdev),
    size: Number(stat.size),
    blksize: Number(stat.blksize),
    blocks: Number(stat.blocks),
    atime: timespec(stat.atimeNs),
    mtime: timespec(stat.mtimeNs),
    ctime: timespec(stat.ctimeNs),
    btime: stat.birthtimeNs === 0n ? null : timespec(stat.birthtimeNs),
  };
}

/** Rounds down, so that nsec is never negative. */
function timespec(nanoseconds: bigint): Timespec {
  const nsec = ((nanoseconds % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  return { sec: Number((nanoseconds - nsec) / NANOSECONDS), nsec: Number(nsec) };
}
