// File calls that only i386 has: 64-bit offsets and sizes beside the 32-bit ones of its first calls (Linux fs/stat.c, fs/statfs.c,
// fs/fcntl.c, fs/read_write.c; arch/x86/kernel/sys_ia32.c). Entered from entry-common.ts by i386-syscall-table.ts.

import { EINVAL, Errno } from "../errno";
import { wideStatOf, wideStatfsOf } from "../stat-values";
import type { Task } from "../task";
import {
  AT_FDCWD, AT_SYMLINK_NOFOLLOW, F_GETLK, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_SETLK, F_SETLKW,
} from "../uapi-fcntl";
import type { Attributes } from "../uapi-stat";
import { FLOCK64, SELECT_ARGUMENTS, STAT64, STATFS64 } from "../uapi-structs";
import type { Path } from "../vfs/dentry";
import { getPath, lookupPath } from "../vfs/namei";
import type { Block } from "../wait";
import { fcntl, sysFcntl } from "./open";
import { sysSelect } from "./poll";
import { sysLseek, sysPreadv2, sysPwritev2 } from "./read-write";
import { attributesOf } from "./stat";

type Result = number | Block;

const TWO_32 = 0x1_0000_0000;

function putStat64(task: Task, buffer: number, attributes: Attributes): number {
  STAT64.put(task, buffer, { ...wideStatOf(attributes), st_ino_low: attributes.ino % TWO_32 });
  return 0;
}

export function sysStat64(task: Task, path: number, buffer: number): number {
  return putStat64(task, buffer, attributesOf(task, AT_FDCWD, path, 0));
}
export function sysLstat64(task: Task, path: number, buffer: number): number {
  return putStat64(task, buffer, attributesOf(task, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW));
}
export function sysFstat64(task: Task, fd: number, buffer: number): number {
  return putStat64(task, buffer, task.files.getRaw(fd).attributes());
}
export function sysFstatat64(task: Task, dirfd: number, path: number, buffer: number, flags: number): number {
  return putStat64(task, buffer, attributesOf(task, dirfd, path, flags));
}

/** The caller says how large its struct is. */
function putStatfs64(task: Task, size: number, buffer: number, path: () => Path): number {
  if (size !== STATFS64.size(task.abi)) throw new Errno(EINVAL);
  const { fs, readOnly } = path().mount;
  STATFS64.put(task, buffer, wideStatfsOf(fs.statistics(), fs.dev, readOnly));
  return 0;
}
export function sysStatfs64(task: Task, path: number, size: number, buffer: number): number {
  return putStatfs64(task, size, buffer, () => lookupPath(task, AT_FDCWD, getPath(task, path)));
}
export function sysFstatfs64(task: Task, fd: number, size: number, buffer: number): number {
  return putStatfs64(task, size, buffer, () => task.files.getRaw(fd).path);
}

// Commands of fcntl64 that take a flock64.
const F_GETLK64 = 12;
const F_SETLK64 = 13;
const F_SETLKW64 = 14;
const lock64Commands = new Map([
  [F_GETLK64, F_GETLK], [F_SETLK64, F_SETLK], [F_SETLKW64, F_SETLKW], [F_OFD_GETLK, F_OFD_GETLK], [F_OFD_SETLK, F_OFD_SETLK],
  [F_OFD_SETLKW, F_OFD_SETLKW],
]);

export function sysFcntl32(task: Task, fd: number, command: number, argument: number): Result {
  if (lock64Commands.has(command)) throw new Errno(EINVAL);
  return sysFcntl(task, fd, command, argument);
}
export function sysFcntl64(task: Task, fd: number, command: number, argument: number): Result {
  const wide = lock64Commands.get(command);
  return wide === undefined ? sysFcntl(task, fd, command, argument) : fcntl(task, fd, wide, argument, FLOCK64, Infinity);
}

/** The new position goes to memory. */
export function sysLlseek(task: Task, fd: number, high: number, low: number, result: number, whence: number): number {
  const position = sysLseek(task, fd, (high | 0) * TWO_32 + low, whence);
  if (position < 0) return position;
  task.mm.putU64(result, position);
  return 0;
}

export function sysPreadv2Compat(task: Task, fd: number, vector: number, count: number, offset: number, flags: number): Result {
  return sysPreadv2(task, fd, vector, count, offset, 0, flags);
}
export function sysPwritev2Compat(task: Task, fd: number, vector: number, count: number, offset: number, flags: number): Result {
  return sysPwritev2(task, fd, vector, count, offset, 0, flags);
}

/** select as it was when a call could have few arguments: one, that points to the five. */
export function sysOldSelect(task: Task, address: number): Result {
  const { n, inp, outp, exp, tvp } = SELECT_ARGUMENTS.get(task, address);
  return sysSelect(task, n | 0, inp, outp, exp, tvp);
}
