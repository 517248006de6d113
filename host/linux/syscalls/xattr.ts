// Extended attributes: no file has any. The answers are those of a Linux 6.1 tmpfs, which keeps trusted.* and security.*
// (so "no such attribute" there) and does not know user.*. Entered from entry-common.ts by syscall-table.ts.

import { ENODATA, EOPNOTSUPP, EPERM, ERANGE, EROFS, Errno } from "../errno";
import type { Task } from "../task";
import { AT_FDCWD } from "../uapi-fcntl";
import type { Path } from "../vfs/dentry";
import { fsIdentity, getPath, lookupPath } from "../vfs/namei";

const NAME_SIZE = 256;

function placeOf(task: Task, path: number, follow: boolean): Path {
  return lookupPath(task, AT_FDCWD, getPath(task, path), { follow });
}

function attributeName(task: Task, address: number): string {
  const name = task.mm.getCString(address, NAME_SIZE, ERANGE);
  if (name === "") throw new Errno(ERANGE);
  return name;
}

function isKept(name: string): boolean {
  return name.startsWith("security.") || name.startsWith("trusted.") || name.startsWith("system.posix_acl_");
}

function get(task: Task, name: number): number {
  throw new Errno(isKept(attributeName(task, name)) ? ENODATA : EOPNOTSUPP);
}
function set(task: Task, path: Path, name: number): number {
  const text = attributeName(task, name);
  if (path.mount.readOnly) throw new Errno(EROFS);
  if (isKept(text) && fsIdentity(task).uid !== 0) throw new Errno(EPERM);
  throw new Errno(EOPNOTSUPP);
}
function remove(task: Task, path: Path, name: number): number {
  const text = attributeName(task, name);
  if (path.mount.readOnly) throw new Errno(EROFS);
  throw new Errno(isKept(text) ? ENODATA : EOPNOTSUPP);
}

export function sysGetxattr(task: Task, path: number, name: number): number {
  placeOf(task, path, true);
  return get(task, name);
}
export function sysLgetxattr(task: Task, path: number, name: number): number {
  placeOf(task, path, false);
  return get(task, name);
}
export function sysFgetxattr(task: Task, fd: number, name: number): number {
  task.files.get(fd);
  return get(task, name);
}
export function sysSetxattr(task: Task, path: number, name: number): number {
  return set(task, placeOf(task, path, true), name);
}
export function sysLsetxattr(task: Task, path: number, name: number): number {
  return set(task, placeOf(task, path, false), name);
}
export function sysFsetxattr(task: Task, fd: number, name: number): number {
  return set(task, task.files.get(fd).path, name);
}
/** An empty list is no bytes. */
export function sysListxattr(task: Task, path: number): number {
  placeOf(task, path, true);
  return 0;
}
export function sysLlistxattr(task: Task, path: number): number {
  placeOf(task, path, false);
  return 0;
}
export function sysFlistxattr(task: Task, fd: number): number {
  task.files.get(fd);
  return 0;
}
export function sysRemovexattr(task: Task, path: number, name: number): number {
  return remove(task, placeOf(task, path, true), name);
}
export function sysLremovexattr(task: Task, path: number, name: number): number {
  return remove(task, placeOf(task, path, false), name);
}
export function sysFremovexattr(task: Task, fd: number, name: number): number {
  return remove(task, task.files.get(fd).path, name);
}
