// Descriptors: open, close, dup, fcntl, flock and pipe's relatives in the table. Entered from entry-common.ts by
// syscall-table.ts; paths are walked by vfs/namei.ts, numbers are kept by vfs/fd-table.ts.

import { E2BIG, EAGAIN, EBADF, EINVAL, ENOTDIR, EOVERFLOW, EPERM, Errno } from "../errno";
import type { Task } from "../task";
import {
  AT_FDCWD, CLOSE_RANGE_CLOEXEC, CLOSE_RANGE_UNSHARE, FASYNC, FD_CLOEXEC, F_ADD_SEALS, F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,
  F_GETFL, F_GETLEASE, F_GETLK, F_GETOWN, F_GETOWN_EX, F_GETPIPE_SZ, F_GETSIG, F_GET_SEALS, F_OFD_GETLK, F_OFD_SETLK,
  F_OFD_SETLKW, F_RDLCK, F_SETFD, F_SETFL, F_SETLK, F_SETLKW, F_SETOWN, F_SETOWN_EX, F_SETPIPE_SZ, F_SETSIG, F_UNLCK, F_WRLCK,
  LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, O_ACCMODE, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECT, O_DIRECTORY, O_LARGEFILE, O_NOATIME,
  O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_TRUNC, O_WRONLY, RESOLVE_CACHED, SEEK_CUR, SEEK_END, SEEK_SET,
  VALID_OPEN_FLAGS, __O_TMPFILE,
} from "../uapi-fcntl";
import { FLOCK } from "../uapi-structs";
import { Block, block } from "../wait";
import { NR_OPEN } from "../vfs/fd-table";
import type { OpenFile } from "../vfs/file";
import { FileLocks, type RecordLock } from "../vfs/file-locks";
import { getPath, isOwner, openPath } from "../vfs/namei";
import { PipeFile } from "../vfs/pipe";

type Result = number | Block;

const RLIMIT_NOFILE = 7;

/** Descriptor numbers stay below it. */
export function openFilesLimit(task: Task): number {
  return Math.min(task.limits.get(RLIMIT_NOFILE).soft, NR_OPEN);
}

/** What build_open_flags makes of the flags of open(2): impossible ones are dropped, O_PATH keeps three others. */
function openAt(task: Task, dirfd: number, pathAddress: number, rawFlags: number, mode: number, resolve = 0): Result {
  let flags = rawFlags & VALID_OPEN_FLAGS;
  if (flags & O_PATH) flags &= O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
  if (flags & __O_TMPFILE && (!(flags & O_DIRECTORY) || flags & O_CREAT || (flags & O_ACCMODE) === O_RDONLY)) throw new Errno(EINVAL);
  if (flags & O_CREAT && flags & O_DIRECTORY) flags &= ~O_DIRECTORY; // 6.1 makes or opens the file, and then says ENOTDIR
  const wantsDirectory = (rawFlags & O_DIRECTORY) !== 0 && (flags & O_CREAT) !== 0;
  const limit = openFilesLimit(task);
  const { waitingOpens } = task.kernel.vfs;
  let file = waitingOpens.get(task);
  waitingOpens.delete(task);
  if (file !== undefined && task.progress === null) {
    file.put(task); // of an open that was interrupted
    file = undefined;
  }
  if (file === undefined) {
    const name = getPath(task, pathAddress);
    task.files.reserve(limit);
    file = openPath(task, dirfd, name, flags, mode, resolve);
    if (wantsDirectory && !file.inode.isDirectory) {
      file.put(task);
      throw new Errno(ENOTDIR);
    }
    if (flags & O_NOATIME && !isOwner(task, file.inode)) {
      file.put(task);
      throw new Errno(EPERM);
    }
    file.flags = (file.flags & ~O_CLOEXEC) | (flags & O_PATH ? 0 : O_LARGEFILE);
  }
  const partner = file.partner();
  if (partner !== null) {
    waitingOpens.set(task, file);
    task.progress = {};
    return block(partner);
  }
  return task.files.install(file, (flags & O_CLOEXEC) !== 0, limit);
}

export function sysOpen(task: Task, path: number, flags: number, mode: number): Result {
  return openAt(task, AT_FDCWD, path, flags, mode);
}
export function sysOpenat(task: Task, dirfd: number, path: number, flags: number, mode: number): Result {
  return openAt(task, dirfd, path, flags, mode);
}
export function sysCreat(task: Task, path: number, mode: number): Result {
  return openAt(task, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

//   struct open_how, 24 bytes: u64 flags, u64 mode, u64 resolve           include/uapi/linux/openat2.h
export function sysOpenat2(task: Task, dirfd: number, path: number, how: number, size: number): Result {
  if (size < 24) throw new Errno(EINVAL);
  if (size > 4096) throw new Errno(E2BIG);
  for (let at = 24; at < size; at++) if (task.mm.getU8(how + at) !== 0) throw new Errno(E2BIG);
  const flags = task.mm.getU64(how);
  const mode = task.mm.getU64(how + 8);
  const resolve = task.mm.getU64(how + 16);
  if (flags > 0xffff_ffff || flags & ~VALID_OPEN_FLAGS || resolve & ~0x3f || resolve > 0x3f) throw new Errno(EINVAL);
  if (mode > 0o7777 || (mode !== 0 && !(flags & (O_CREAT | __O_TMPFILE)))) throw new Errno(EINVAL);
  if (flags & O_PATH && flags & ~(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)) throw new Errno(EINVAL);
  if ((resolve & 0x18) === 0x18) throw new Errno(EINVAL); // RESOLVE_BENEATH with RESOLVE_IN_ROOT
  if (resolve & RESOLVE_CACHED) throw new Errno(EAGAIN); // allowed at any time: nothing is cached
  return openAt(task, dirfd, path, flags, mode, resolve);
}

export function sysClose(task: Task, fd: number): number {
  task.files.close(task, fd);
  return 0;
}

export function sysCloseRange(task: Task, first: number, last: number, flags: number): number {
  if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last) throw new Errno(EINVAL);
  task.files.closeRange(task, first, last, (flags & CLOSE_RANGE_CLOEXEC) !== 0);
  return 0;
}

export function sysDup(task: Task, fd: number): number {
  const file = task.files.getRaw(fd);
  const made = task.files.install(file, false, openFilesLimit(task));
  file.hold();
  return made;
}

export function sysDup2(task: Task, from: number, to: number): number {
  if (from === to) {
    task.files.getRaw(from);
    return to;
  }
  return dupTo(task, from, to, false);
}

export function sysDup3(task: Task, from: number, to: number, flags: number): number {
  if (flags & ~O_CLOEXEC || from === to) throw new Errno(EINVAL);
  return dupTo(task, from, to, (flags & O_CLOEXEC) !== 0);
}

function dupTo(task: Task, from: number, to: number, closeOnExec: boolean): number {
  if (to < 0 || to >= openFilesLimit(task)) throw new Errno(EBADF);
  task.files.replace(task, to, task.files.getRaw(from).hold(), closeOnExec);
  return to;
}

/** Status flags that F_SETFL moves; others in its argument count for nothing. */
const SETFL_MASK = O_APPEND | O_NONBLOCK | FASYNC | O_DIRECT | O_NOATIME;

const MAX_NON_LFS = 0x7fffffff;

export function sysFcntl(task: Task, fd: number, command: number, argument: number): Result {
  return fcntl(task, fd, command, argument, FLOCK, task.abi.word === 8 ? Infinity : MAX_NON_LFS);
}

/** fcntl, its locks in `layout`, whose offsets reach up to `most`. */
export function fcntl(task: Task, fd: number, command: number, argument: number, layout: typeof FLOCK, most: number): Result {
  const file = task.files.getRaw(fd);
  // 32 bits of the argument register are what the integer commands look at.
  const small = argument % 0x1_0000_0000;
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: {
      if (small >= openFilesLimit(task)) throw new Errno(EINVAL);
      const made = task.files.install(file, command === F_DUPFD_CLOEXEC, openFilesLimit(task), small);
      file.hold();
      return made;
    }
    case F_GETFD:
      return task.files.isCloseOnExec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      task.files.setCloseOnExec(fd, (small & FD_CLOEXEC) !== 0);
      return 0;
    case F_GETFL:
      return file.flags;
  }
  if (file.flags & O_PATH) throw new Errno(EBADF);
  switch (command) {
    case F_SETFL:
      if (small & O_NOATIME && !(file.flags & O_NOATIME) && !isOwner(task, file.inode)) throw new Errno(EPERM);
      file.flags = (file.flags & ~SETFL_MASK) | (small & SETFL_MASK);
      return 0;
    case F_GETLK:
    case F_OFD_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return recordLock(task, file, command, argument, layout, most);
    case F_SETOWN:
      file.signalOwner = small | 0;
      return 0;
    case F_GETOWN:
      return file.signalOwner;
    case F_SETOWN_EX: // struct f_owner_ex: s32 type, s32 pid
      if (task.mm.getU32(argument) > 2) throw new Errno(EINVAL);
      file.signalOwner = task.mm.getI32(argument + 4);
      return 0;
    case F_GETOWN_EX:
      task.mm.putU32(argument, 1);
      task.mm.putU32(argument + 4, file.signalOwner);
      return 0;
    case F_SETSIG:
      if (small > 64) throw new Errno(EINVAL);
      file.signalNumber = small;
      return 0;
    case F_GETSIG:
      return file.signalNumber;
    case F_GETLEASE:
      return F_UNLCK;
    case F_GETPIPE_SZ:
      if (!(file instanceof PipeFile)) throw new Errno(EBADF);
      return file.pipe.capacity;
    case F_SETPIPE_SZ:
      if (!(file instanceof PipeFile)) throw new Errno(EBADF);
      return file.pipe.resize(small);
    case F_GET_SEALS:
    case F_ADD_SEALS: // files that were not made by memfd_create
    default:
      throw new Errno(EINVAL);
  }
}

/** @param layout of the struct at `address` @param most the greatest offset that it can say */
function recordLock(task: Task, file: OpenFile, command: number, address: number, layout: typeof FLOCK, most: number): Result {
  const wanted = layout.get(task, address);
  const { l_type: type, l_whence: whence, l_len: length, l_pid: pid } = wanted;
  let start = wanted.l_start;
  if (whence === SEEK_CUR) start += file.position;
  else if (whence === SEEK_END) start += file.attributes().size;
  else if (whence !== SEEK_SET) throw new Errno(EINVAL);
  let end = length === 0 ? Infinity : start + length;
  if (length < 0) [start, end] = [start + length, start];
  if (start < 0) throw new Errno(EINVAL);
  const isOfd = command === F_OFD_GETLK || command === F_OFD_SETLK || command === F_OFD_SETLKW;
  if (isOfd && pid !== 0) throw new Errno(EINVAL);
  if (type !== F_RDLCK && type !== F_WRLCK && type !== F_UNLCK) throw new Errno(EINVAL);
  const locks = (file.inode.locks ??= new FileLocks());
  const lock: RecordLock = { owner: isOfd ? file : task.files, pid: isOfd ? -1 : task.pid, exclusive: type === F_WRLCK, start, end };

  if (command === F_GETLK || command === F_OFD_GETLK) {
    if (type === F_UNLCK && command === F_GETLK) throw new Errno(EINVAL);
    const other = locks.conflict(lock);
    if (other === null) {
      task.mm.putU16(address, F_UNLCK);
      return 0;
    }
    const otherLength = other.end === Infinity ? 0 : other.end - other.start;
    if (other.start > most) throw new Errno(EOVERFLOW);
    layout.put(task, address, {
      l_type: other.exclusive ? F_WRLCK : F_RDLCK, l_whence: SEEK_SET, l_start: other.start, l_len: Math.min(otherLength, most), l_pid: other.pid,
    });
    return 0;
  }
  if (type === F_RDLCK && !file.readable) throw new Errno(EBADF);
  if (type === F_WRLCK && !file.writable) throw new Errno(EBADF);
  if (type === F_UNLCK) {
    locks.set(lock, false);
    return 0;
  }
  if (locks.conflict(lock) !== null) {
    if (command === F_SETLK || command === F_OFD_SETLK) return -EAGAIN;
    return block(locks.queue);
  }
  locks.set(lock, true);
  return 0;
}

export function sysFlock(task: Task, fd: number, operation: number): Result {
  const file = task.files.get(fd);
  const kind = operation & ~LOCK_NB;
  if (kind !== LOCK_SH && kind !== LOCK_EX && kind !== LOCK_UN) throw new Errno(EINVAL);
  const locks = (file.inode.locks ??= new FileLocks());
  if (kind === LOCK_UN) {
    locks.releaseWhole(file);
    return 0;
  }
  if (locks.tryWhole(file, kind === LOCK_EX)) return 0;
  return operation & LOCK_NB ? -EAGAIN : block(locks.queue);
}
