// /dev: the device nodes, the links into /proc/self/fd, and the directories that programs expect there.

import { S_IFCHR, S_IFDIR, makedev } from "../uapi-stat";
import { PTS_RDEV, deviceRows } from "./devices";
import type { Clock } from "./inode";
import { RamFs } from "./ramfs";

const LIMIT_BYTES = 16 << 20;

export class DevFs extends RamFs {
  override readonly type: string = "devtmpfs";

  constructor(dev: number, now: Clock, hasTerminal: boolean) {
    super(dev, now, LIMIT_BYTES);
    const { root } = this;
    const owner = (mode: number) => ({ mode, uid: 0, gid: 0 });
    for (const row of deviceRows) root.create(row.name, owner(S_IFCHR | row.mode), makedev(row.major, row.minor));
    root.symlink("fd", "/proc/self/fd", owner(0o120777));
    root.symlink("stdin", "/proc/self/fd/0", owner(0o120777));
    root.symlink("stdout", "/proc/self/fd/1", owner(0o120777));
    root.symlink("stderr", "/proc/self/fd/2", owner(0o120777));
    root.create("shm", owner(S_IFDIR | 0o1777), 0);
    const pts = root.create("pts", owner(S_IFDIR | 0o755), 0);
    if (hasTerminal) pts.create("0", owner(S_IFCHR | 0o620), PTS_RDEV);
  }
}
