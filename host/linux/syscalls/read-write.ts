// read, write and their relatives: bytes between open files and user memory, positions, lengths.
// Entered from entry-common.ts by syscall-table.ts. The rules of the descriptor stand here, the bytes move in vfs/.
//
// A write that has to wait midway comes back as a Block; how much has gone is kept in task.progress, and the next run of
// the same call skips it.

import {
  EBADF, EFBIG, EINVAL, EISDIR, ENODEV, EOPNOTSUPP, EOVERFLOW, ESPIPE, EXDEV, Errno,
} from "../errno";
import type { Task } from "../task";
import {
  AT_FDCWD, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, MAX_RW_COUNT, O_APPEND, O_NONBLOCK, RWF_APPEND, RWF_DSYNC, RWF_HIPRI,
  RWF_NOWAIT, RWF_SYNC, UIO_MAXIOV,
} from "../uapi-fcntl";
import { IOVEC } from "../uapi-structs";
import { Block } from "../wait";
import { MAX_FILE_SIZE, type OpenFile } from "../vfs/file";
import { BufferIter, type Segment, UserIter } from "../vfs/iov-iter";
import { MAY_WRITE, getPath, lookupPath, requirePermission } from "../vfs/namei";

type Result = number | Block;

const PIECE = 65536;
/** What an offset of 32 bits can say (include/linux/fs.h). */
const MAX_NON_LFS = 0x7fffffff;

/** Bytes that earlier runs of this call have moved. */
function movedBefore(task: Task): number {
  return (task.progress as { done: number } | null)?.done ?? 0;
}

/** The one segment of read(2). A range that leaves user space is -EFAULT before anything moves (access_ok). */
function single(task: Task, address: number, count: number): Segment[] {
  task.mm.accessOk(address, count);
  return [{ address, length: Math.min(count, MAX_RW_COUNT) }];
}

function fetchIovec(task: Task, address: number, count: number): Segment[] {
  if (count < 0 || count > UIO_MAXIOV) throw new Errno(EINVAL);
  const { abi } = task;
  const entrySize = IOVEC.size(abi);
  const bytes = task.mm.copyFromUser(address, count * entrySize);
  const negative = 2 ** (abi.word * 8 - 1);
  const segments: Segment[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const { base, len: length } = IOVEC.decode(abi, new DataView(bytes.buffer, bytes.byteOffset + i * entrySize, entrySize));
    if (length >= negative) throw new Errno(EINVAL);
    task.mm.accessOk(base, length);
    const taken = Math.min(length, MAX_RW_COUNT - total);
    total += taken;
    segments.push({ address: base, length: taken });
  }
  return segments;
}

/** Reads at the file's position, or at `offset`, which leaves the position alone. */
function readInto(task: Task, file: OpenFile, segments: readonly Segment[], offset: number | null): Result {
  if (file.inode.isDirectory) throw new Errno(EISDIR);
  const position = offset ?? file.position;
  if (position > MAX_FILE_SIZE) return 0;
  const to = new UserIter(task, segments);
  if (to.remaining === 0 && file.seekable) return 0;
  const result = file.read(task, to, position);
  if (typeof result === "number" && result > 0 && offset === null && file.seekable) file.position = position + result;
  return result;
}

function writeFrom(task: Task, file: OpenFile, segments: readonly Segment[], offset: number | null, append: boolean): Result {
  const before = movedBefore(task);
  const from = new UserIter(task, segments);
  from.skip(before);
  let position = offset ?? file.position;
  if (append && file.seekable) position = file.attributes().size;
  if (position > MAX_FILE_SIZE) throw new Errno(EFBIG);
  let result: Result;
  try {
    result = file.write(task, from, position);
  } catch (error) {
    if (before > 0 && error instanceof Errno) return before;
    throw error;
  }
  if (result instanceof Block) {
    task.progress = { done: from.done };
    return from.done > 0 ? result.interruptedWith(from.done) : result;
  }
  if (result < 0) return before > 0 ? before : result;
  if (offset === null && file.seekable && result > 0) file.position = position + result;
  return before + result;
}

function readableFile(task: Task, fd: number): OpenFile {
  const file = task.files.get(fd);
  if (!file.readable) throw new Errno(EBADF);
  return file;
}
function writableFile(task: Task, fd: number): OpenFile {
  const file = task.files.get(fd);
  if (!file.writable) throw new Errno(EBADF);
  return file;
}
/** The descriptor of a call with an offset: EINVAL for a negative one comes before EBADF, ESPIPE after it. */
function positioned(task: Task, fd: number, offset: number): OpenFile {
  if (offset < 0) throw new Errno(EINVAL);
  const file = task.files.get(fd);
  if (!file.seekable) throw new Errno(ESPIPE);
  return file;
}

export function sysRead(task: Task, fd: number, buffer: number, count: number): Result {
  const file = readableFile(task, fd);
  return readInto(task, file, single(task, buffer, count), null);
}

export function sysWrite(task: Task, fd: number, buffer: number, count: number): Result {
  const file = writableFile(task, fd);
  return writeFrom(task, file, single(task, buffer, count), null, file.append);
}

export function sysPread64(task: Task, fd: number, buffer: number, count: number, offset: number): Result {
  const file = positioned(task, fd, offset);
  if (!file.readable) throw new Errno(EBADF);
  return readInto(task, file, single(task, buffer, count), offset);
}

/** With O_APPEND the bytes go to the end whatever the offset says, as on Linux (BUGS in pwrite(2)). */
export function sysPwrite64(task: Task, fd: number, buffer: number, count: number, offset: number): Result {
  const file = positioned(task, fd, offset);
  if (!file.writable) throw new Errno(EBADF);
  return writeFrom(task, file, single(task, buffer, count), offset, file.append);
}

export function sysReadv(task: Task, fd: number, vector: number, count: number): Result {
  const file = readableFile(task, fd);
  return readInto(task, file, fetchIovec(task, vector, count), null);
}

export function sysWritev(task: Task, fd: number, vector: number, count: number): Result {
  const file = writableFile(task, fd);
  return writeFrom(task, file, fetchIovec(task, vector, count), null, file.append);
}

export function sysPreadv(task: Task, fd: number, vector: number, count: number, offset: number): Result {
  const file = positioned(task, fd, offset);
  if (!file.readable) throw new Errno(EBADF);
  return readInto(task, file, fetchIovec(task, vector, count), offset);
}

export function sysPwritev(task: Task, fd: number, vector: number, count: number, offset: number): Result {
  const file = positioned(task, fd, offset);
  if (!file.writable) throw new Errno(EBADF);
  return writeFrom(task, file, fetchIovec(task, vector, count), offset, file.append);
}

/** Offset -1 is the file's own position; the fifth argument (high half of the offset) counts for nothing on x86-64. */
export function sysPreadv2(
  task: Task, fd: number, vector: number, count: number, offset: number, _high: number, flags: number,
): Result {
  if (flags & ~(RWF_HIPRI | RWF_NOWAIT)) throw new Errno(EOPNOTSUPP);
  return offset === -1 ? sysReadv(task, fd, vector, count) : sysPreadv(task, fd, vector, count, offset);
}

export function sysPwritev2(
  task: Task, fd: number, vector: number, count: number, offset: number, _high: number, flags: number,
): Result {
  if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND)) throw new Errno(EOPNOTSUPP);
  const file = offset === -1 ? writableFile(task, fd) : positioned(task, fd, offset);
  if (!file.writable) throw new Errno(EBADF);
  const append = file.append || (flags & RWF_APPEND) !== 0;
  return writeFrom(task, file, fetchIovec(task, vector, count), offset === -1 ? null : offset, append);
}

export function sysLseek(task: Task, fd: number, offset: number, whence: number): number {
  const file = task.files.get(fd);
  if (whence < 0 || whence > 4) throw new Errno(EINVAL);
  return file.seek(task, offset, whence);
}

/** Moves up to `count` bytes from one file to another through a buffer of the kernel's. */
function transfer(task: Task, input: OpenFile, at: number, output: OpenFile, to: number | null, count: number): Result {
  let sent = movedBefore(task);
  const total = Math.min(count, MAX_RW_COUNT);
  const piece = new Uint8Array(Math.min(PIECE, Math.max(0, total - sent)));
  while (sent < total) {
    const want = Math.min(piece.length, total - sent);
    const got = input.readBytes(task, piece.subarray(0, want), at + sent);
    if (got === 0) break;
    const from = new BufferIter(piece.subarray(0, got));
    let result: Result;
    try {
      result = output.write(task, from, to === null ? output.position : to + sent);
    } catch (error) {
      if (sent > 0 && error instanceof Errno) break;
      throw error;
    }
    if (result instanceof Block) {
      sent += from.done;
      if (to === null && output.seekable) output.position += from.done;
      task.progress = { done: sent };
      if (sent > 0 && task.kernel.signals.hasDeliverable(task)) break;
      return result;
    }
    if (result < 0) return sent > 0 ? sent : result;
    if (to === null && output.seekable) output.position += result;
    sent += result;
    if (result < got && output.flags & O_NONBLOCK) break;
  }
  return sent;
}

/** sendfile(2): from a regular file to anything that takes bytes. The offset in memory is a long. */
export function sysSendfile(task: Task, outFd: number, inFd: number, offsetAddress: number, count: number): Result {
  const { mm, abi } = task;
  if (abi.word === 8) return sysSendfile64(task, outFd, inFd, offsetAddress, count);
  const at = { get: () => mm.getI32(offsetAddress), put: (offset: number) => mm.putU32(offsetAddress, offset) };
  return sendfile(task, outFd, inFd, offsetAddress === 0 ? null : at, count, MAX_NON_LFS);
}

/** The same with an offset of 64 bits. */
export function sysSendfile64(task: Task, outFd: number, inFd: number, offsetAddress: number, count: number): Result {
  const { mm } = task;
  const at = { get: () => mm.getI64(offsetAddress), put: (offset: number) => mm.putU64(offsetAddress, offset) };
  return sendfile(task, outFd, inFd, offsetAddress === 0 ? null : at, count, Infinity);
}

/** @param offset where the position is kept, null for the file's own @param most no offset may get past it */
function sendfile(
  task: Task, outFd: number, inFd: number, offset: { get(): number; put(offset: number): void } | null, count: number, most: number,
): Result {
  const from = offset?.get();
  const input = readableFile(task, inFd);
  const output = writableFile(task, outFd);
  if (from !== undefined && !input.seekable) throw new Errno(ESPIPE);
  if (from !== undefined && from < 0) throw new Errno(EINVAL);
  if (!input.inode.isRegular || output.flags & O_APPEND) throw new Errno(EINVAL);
  if (count >= 2 ** 63) throw new Errno(EINVAL);
  const start = from ?? input.position;
  if (start >= most) throw new Errno(EOVERFLOW);
  const sent = transfer(task, input, start, output, null, Math.min(count, most - start));
  if (typeof sent === "number" && sent > 0) {
    if (offset === null) input.position = start + sent;
    else offset.put(start + sent);
  }
  return sent;
}

export function sysCopyFileRange(
  task: Task, inFd: number, inAddress: number, outFd: number, outAddress: number, count: number, flags: number,
): Result {
  const input = task.files.get(inFd);
  const output = task.files.get(outFd);
  const from = inAddress === 0 ? input.position : task.mm.getI64(inAddress);
  const to = outAddress === 0 ? output.position : task.mm.getI64(outAddress);
  if (flags !== 0) throw new Errno(EINVAL);
  if (input.inode.isDirectory || output.inode.isDirectory) throw new Errno(EISDIR);
  if (!input.inode.isRegular || !output.inode.isRegular) throw new Errno(EINVAL);
  if (!input.readable || !output.writable || output.append) throw new Errno(EBADF);
  if (from < 0 || to < 0) throw new Errno(EINVAL);
  if (from + count >= 2 ** 63 || to + count >= 2 ** 63) throw new Errno(EOVERFLOW);
  if (input.inode.fs !== output.inode.fs) throw new Errno(EXDEV);
  if (input.inode === output.inode && from < to + count && to < from + count) throw new Errno(EINVAL);
  const moved = transfer(task, input, from, output, to, count);
  if (typeof moved === "number" && moved > 0) {
    if (inAddress === 0) input.position = from + moved;
    else task.mm.putU64(inAddress, from + moved);
    if (outAddress === 0) output.position = to + moved;
    else task.mm.putU64(outAddress, to + moved);
  }
  return moved;
}

export function sysTruncate(task: Task, pathAddress: number, length: number): number {
  if (length < 0) throw new Errno(EINVAL);
  const path = lookupPath(task, AT_FDCWD, getPath(task, pathAddress));
  if (path.inode.isDirectory) throw new Errno(EISDIR);
  if (!path.inode.isRegular) throw new Errno(EINVAL);
  requirePermission(task, path, MAY_WRITE);
  if (length > MAX_FILE_SIZE) throw new Errno(EFBIG);
  path.inode.truncate(length);
  return 0;
}

export function sysFtruncate(task: Task, fd: number, length: number): number {
  if (length < 0) throw new Errno(EINVAL);
  const file = task.files.get(fd);
  if (!file.inode.isRegular || !file.writable) throw new Errno(EINVAL);
  if (length > MAX_FILE_SIZE) throw new Errno(EFBIG);
  file.truncate(length);
  return 0;
}

export function sysFallocate(task: Task, fd: number, mode: number, offset: number, length: number): number {
  const file = task.files.get(fd);
  if (offset < 0 || length <= 0) throw new Errno(EINVAL);
  if (mode & ~0x7f) throw new Errno(EOPNOTSUPP);
  if (mode & FALLOC_FL_PUNCH_HOLE && !(mode & FALLOC_FL_KEEP_SIZE)) throw new Errno(EOPNOTSUPP);
  if (!file.writable) throw new Errno(EBADF);
  if (!file.seekable) throw new Errno(ESPIPE);
  if (file.inode.isDirectory) throw new Errno(EISDIR);
  if (!file.inode.isRegular) throw new Errno(ENODEV);
  if (offset + length > MAX_FILE_SIZE) throw new Errno(EFBIG);
  file.allocate(mode, offset, length);
  return 0;
}

export function sysFsync(task: Task, fd: number): number {
  task.files.get(fd).sync();
  return 0;
}
export const sysFdatasync = sysFsync;

/** Nothing is held back between the guest and its files. */
export function sysSync(_task: Task): number {
  return 0;
}
export function sysSyncfs(task: Task, fd: number): number {
  task.files.get(fd);
  return 0;
}
export function sysSyncFileRange(task: Task, fd: number, offset: number, length: number, flags: number): number {
  const file = task.files.get(fd);
  if (flags & ~7 || offset < 0 || length < 0) throw new Errno(EINVAL);
  if (!file.inode.isRegular && !file.inode.isDirectory && !file.inode.isSymlink) throw new Errno(ESPIPE);
  return 0;
}

/** Advice, and there is no cache to advise: only the arguments are judged. */
export function sysFadvise64(task: Task, fd: number, _offset: number, length: number, advice: number): number {
  const file = task.files.get(fd);
  if (!file.seekable) throw new Errno(ESPIPE);
  if (length < 0 || advice < 0 || advice > 5) throw new Errno(EINVAL);
  return 0;
}
export function sysReadahead(task: Task, fd: number, _offset: number, _count: number): number {
  const file = readableFile(task, fd);
  if (!file.inode.isRegular) throw new Errno(EINVAL);
  return 0;
}
