// pipe, pipe2 and eventfd: files without a name. Entered from entry-common.ts by syscall-table.ts.

import { EINVAL, Errno } from "../errno";
import type { Task } from "../task";
import { O_CLOEXEC, O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../uapi-fcntl";
import { EFD_SEMAPHORE } from "../uapi-poll";
import { S_IFIFO } from "../uapi-stat";
import { EventFile } from "../vfs/eventfd";
import { Pipe, PipeFile } from "../vfs/pipe";
import { openFilesLimit } from "./open";

export function sysPipe(task: Task, fds: number): number {
  return sysPipe2(task, fds, 0);
}

/** Packet mode (O_DIRECT) is not offered: EINVAL, as from a kernel before 3.4. */
export function sysPipe2(task: Task, fds: number, flags: number): number {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT) || flags & O_DIRECT) throw new Errno(EINVAL);
  const limit = openFilesLimit(task);
  task.files.reserve(limit, 2);
  const pipe = new Pipe();
  const path = task.kernel.vfs.anonymousPath("pipe:[]", S_IFIFO | 0o600, {}, (_task, place, mode) => new PipeFile(place, mode, pipe));
  const status = flags & O_NONBLOCK;
  const closeOnExec = (flags & O_CLOEXEC) !== 0;
  const reader = task.files.install(new PipeFile(path, O_RDONLY | status, pipe), closeOnExec, limit);
  const writer = task.files.install(new PipeFile(path, O_WRONLY | status, pipe), closeOnExec, limit);
  try {
    task.mm.copyToUser(fds, new Uint8Array(Int32Array.of(reader, writer).buffer));
  } catch (error) {
    task.files.close(task, reader);
    task.files.close(task, writer);
    throw error;
  }
  return 0;
}

export function sysEventfd(task: Task, initial: number): number {
  return sysEventfd2(task, initial, 0);
}
export function sysEventfd2(task: Task, initial: number, flags: number): number {
  if (flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK)) throw new Errno(EINVAL);
  const path = task.kernel.vfs.anonymousPath("anon_inode:[eventfd]", 0o600);
  const file = new EventFile(path, O_RDWR | (flags & O_NONBLOCK), BigInt(initial >>> 0), (flags & EFD_SEMAPHORE) !== 0);
  return task.files.install(file, (flags & O_CLOEXEC) !== 0, openFilesLimit(task));
}
