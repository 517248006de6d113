// Character devices by number (Linux drivers/char/mem.c and the tty driver). A device node on any file system opens here.

import { ENOSPC, ENXIO, Errno } from "../errno";
import type { Task } from "../task";
import type { Block } from "../wait";
import { makedev } from "../uapi-stat";
import type { Path } from "./dentry";
import { OpenFile } from "./file";
import type { IovIter } from "./iov-iter";
import { TtyFile } from "./tty";

const PIECE = 4096;

/** One row per device: name in /dev, number, permission bits, driver. */
interface DeviceRow {
  name: string;
  major: number;
  minor: number;
  mode: number;
  open(task: Task, path: Path, flags: number): OpenFile;
}

export const deviceRows: readonly DeviceRow[] = [
  { name: "null", major: 1, minor: 3, mode: 0o666, open: (_, path, flags) => new NullDevice(path, flags) },
  { name: "zero", major: 1, minor: 5, mode: 0o666, open: (_, path, flags) => new ZeroDevice(path, flags) },
  { name: "full", major: 1, minor: 7, mode: 0o666, open: (_, path, flags) => new FullDevice(path, flags) },
  { name: "random", major: 1, minor: 8, mode: 0o666, open: (_, path, flags) => new RandomDevice(path, flags) },
  { name: "urandom", major: 1, minor: 9, mode: 0o666, open: (_, path, flags) => new RandomDevice(path, flags) },
  { name: "tty", major: 5, minor: 0, mode: 0o666, open: openTerminal },
  { name: "console", major: 5, minor: 1, mode: 0o600, open: openTerminal },
];
/** The one terminal under its own name, which ttyname(3) looks for. */
export const PTS_RDEV = makedev(136, 0);

export function openDevice(task: Task, path: Path, flags: number, rdev: number): OpenFile {
  if (rdev === PTS_RDEV) return openTerminal(task, path, flags);
  for (const row of deviceRows) {
    if (makedev(row.major, row.minor) === rdev) return row.open(task, path, flags);
  }
  throw new Errno(ENXIO);
}

function openTerminal(task: Task, path: Path, flags: number): OpenFile {
  const { terminal } = task.kernel.vfs;
  if (terminal === null) throw new Errno(ENXIO);
  return new TtyFile(path, flags, terminal);
}

class MemoryDevice extends OpenFile {
  /** null_lseek: every seek ends at 0. */
  override seek(): number {
    this.position = 0;
    return 0;
  }
  override read(_task: Task, _to: IovIter, _position: number): number | Block {
    return 0;
  }
  override write(_task: Task, from: IovIter, _position: number): number | Block {
    return from.remaining;
  }
}

class NullDevice extends MemoryDevice {}

class FullDevice extends MemoryDevice {
  override read(_task: Task, to: IovIter): number | Block {
    return to.result(to.putZeroes(to.remaining));
  }
  override write(_task: Task, _from: IovIter, _position: number): number | Block {
    return -ENOSPC;
  }
}

class ZeroDevice extends MemoryDevice {
  override read(_task: Task, to: IovIter): number | Block {
    return to.result(to.putZeroes(to.remaining));
  }
  override get mappable(): "zeroes" {
    return "zeroes";
  }
}

class RandomDevice extends MemoryDevice {
  override read(task: Task, to: IovIter): number | Block {
    let moved = 0;
    while (to.remaining > 0 && !to.faulted) moved += to.put(task.kernel.rng.bytes(Math.min(PIECE, to.remaining)));
    return to.result(moved);
  }
}
