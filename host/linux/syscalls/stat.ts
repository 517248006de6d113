// What files are, and changing it: stat, statx, statfs, access, times, modes, owners, umask.
// Entered from entry-common.ts by syscall-table.ts; layouts in uapi-stat.ts.

import { EFAULT, EINVAL, EPERM, EROFS, Errno } from "../errno";
import type { Task } from "../task";
import {
  AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_STATX_DONT_SYNC, AT_STATX_FORCE_SYNC,
  AT_SYMLINK_NOFOLLOW,
} from "../uapi-fcntl";
import {
  STATX__RESERVED, S_IFBLK, S_IFCHR, S_IFIFO, S_ISGID, S_ISUID, S_IXGRP, UTIME_NOW, UTIME_OMIT, encodeStatx,
} from "../uapi-stat";
import { statOf, statfsOf } from "../stat-values";
import type { Attributes, Timespec } from "../uapi-stat";
import { STAT, STATFS, UTIMBUF } from "../uapi-structs";
import { afterTimespec, afterTimeval, getTimespec, getTimeval } from "../user-time";
import type { Path } from "../vfs/dentry";
import type { AttributeChange, Inode } from "../vfs/inode";
import { MAY_WRITE, type Identity, fsIdentity, getPath, isOwner, lookupPath, permission, requirePermission } from "../vfs/namei";

export function sysStat(task: Task, path: number, buffer: number): number {
  return putStat(task, buffer, lookupPath(task, AT_FDCWD, getPath(task, path)).inode.attributes());
}
export function sysLstat(task: Task, path: number, buffer: number): number {
  return putStat(task, buffer, lookupPath(task, AT_FDCWD, getPath(task, path), { follow: false }).inode.attributes());
}
export function sysFstat(task: Task, fd: number, buffer: number): number {
  return putStat(task, buffer, task.files.getRaw(fd).attributes());
}
export function sysNewfstatat(task: Task, dirfd: number, path: number, buffer: number, flags: number): number {
  return putStat(task, buffer, attributesOf(task, dirfd, path, flags));
}

/** Of the file at a path in user memory (Linux vfs_fstatat). */
export function attributesOf(task: Task, dirfd: number, path: number, flags: number): Attributes {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) throw new Errno(EINVAL);
  return attributesAt(task, dirfd, getPath(task, path), flags).attributes;
}

function putStat(task: Task, buffer: number, attributes: Attributes): number {
  STAT.put(task, buffer, statOf(attributes, task.abi));
  return 0;
}

/** An open descriptor answers for itself: an unlinked file still has attributes. */
function attributesAt(task: Task, dirfd: number, name: string, flags: number): { attributes: Attributes; path: Path } {
  if (name === "" && flags & AT_EMPTY_PATH && dirfd !== AT_FDCWD) {
    const file = task.files.getRaw(dirfd);
    return { attributes: file.attributes(), path: file.path };
  }
  const path = placeAt(task, dirfd, name, flags);
  return { attributes: path.inode.attributes(), path };
}

function placeAt(task: Task, dirfd: number, name: string, flags: number): Path {
  return lookupPath(task, dirfd, name, {
    follow: (flags & AT_SYMLINK_NOFOLLOW) === 0,
    emptyPath: (flags & AT_EMPTY_PATH) !== 0,
  });
}

/** `mask` asks for fields; Linux's file systems, and this one, give the basic ones and those they have at no cost. */
export function sysStatx(task: Task, dirfd: number, path: number, flags: number, mask: number, buffer: number): number {
  const sync = AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC;
  if (mask & STATX__RESERVED) throw new Errno(EINVAL);
  if ((flags & sync) === sync) throw new Errno(EINVAL);
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | sync)) throw new Errno(EINVAL);
  const { attributes, path: place } = attributesAt(task, dirfd, getPath(task, path), flags);
  task.mm.copyToUser(buffer, encodeStatx(attributes, place.mount.id, place.dentry === place.mount.root));
  return 0;
}

export function sysStatfs(task: Task, path: number, buffer: number): number {
  return putStatfs(task, buffer, lookupPath(task, AT_FDCWD, getPath(task, path)));
}
export function sysFstatfs(task: Task, fd: number, buffer: number): number {
  return putStatfs(task, buffer, task.files.getRaw(fd).path);
}
function putStatfs(task: Task, buffer: number, path: Path): number {
  const { fs, readOnly } = path.mount;
  STATFS.put(task, buffer, statfsOf(fs.statistics(), fs.dev, readOnly, task.abi));
  return 0;
}

export function sysAccess(task: Task, path: number, mode: number): number {
  return accessAt(task, AT_FDCWD, path, mode, 0);
}
export function sysFaccessat(task: Task, dirfd: number, path: number, mode: number): number {
  return accessAt(task, dirfd, path, mode, 0);
}
export function sysFaccessat2(task: Task, dirfd: number, path: number, mode: number, flags: number): number {
  return accessAt(task, dirfd, path, mode, flags);
}

/** Asks with the real ids, as the user who started a set-user-ID program would be answered. */
function accessAt(task: Task, dirfd: number, pathAddress: number, mode: number, flags: number): number {
  if (mode & ~7 || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) throw new Errno(EINVAL);
  const { creds } = task;
  const who: Identity = flags & AT_EACCESS ? fsIdentity(task) : { uid: creds.uid, gid: creds.gid, groups: creds.groups ?? [] };
  const path = placeAt(task, dirfd, getPath(task, pathAddress), flags);
  const { inode } = path;
  const isDevice = inode.type === S_IFCHR || inode.type === S_IFBLK || inode.type === S_IFIFO;
  const error = permission(who, inode, mode);
  if (error !== 0) throw new Errno(error);
  if (mode & MAY_WRITE && path.mount.readOnly && !isDevice) throw new Errno(EROFS);
  return 0;
}

export function sysUmask(task: Task, mask: number): number {
  const before = task.fs.umask;
  task.fs.umask = mask & 0o777;
  return before;
}

// --- modes and owners

export function sysChmod(task: Task, path: number, mode: number): number {
  return chmod(task, lookupPath(task, AT_FDCWD, getPath(task, path)), mode);
}
export function sysFchmodat(task: Task, dirfd: number, path: number, mode: number): number {
  return chmod(task, lookupPath(task, dirfd, getPath(task, path)), mode);
}
export function sysFchmod(task: Task, fd: number, mode: number): number {
  const file = task.files.get(fd);
  return chmod(task, file.path, mode, file.inode);
}
function chmod(task: Task, path: Path, mode: number, inode: Inode = path.inode): number {
  if (path.mount.readOnly) throw new Errno(EROFS);
  if (!isOwner(task, inode)) throw new Errno(EPERM);
  const who = fsIdentity(task);
  let bits = mode & 0o7777;
  if (who.uid !== 0 && who.gid !== inode.gid && !who.groups.includes(inode.gid)) bits &= ~S_ISGID;
  inode.change({ mode: bits });
  return 0;
}

export function sysChown(task: Task, path: number, uid: number, gid: number): number {
  return chown(task, lookupPath(task, AT_FDCWD, getPath(task, path)), uid, gid);
}
export function sysLchown(task: Task, path: number, uid: number, gid: number): number {
  return chown(task, lookupPath(task, AT_FDCWD, getPath(task, path), { follow: false }), uid, gid);
}
export function sysFchown(task: Task, fd: number, uid: number, gid: number): number {
  const file = task.files.get(fd);
  return chown(task, file.path, uid, gid, file.inode);
}
export function sysFchownat(task: Task, dirfd: number, path: number, uid: number, gid: number, flags: number): number {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) throw new Errno(EINVAL);
  return chown(task, placeAt(task, dirfd, getPath(task, path), flags), uid, gid);
}

/** -1 leaves an id. Set-ID bits go, except from a directory (Linux chown_common). */
function chown(task: Task, path: Path, uid: number, gid: number, inode: Inode = path.inode): number {
  if (path.mount.readOnly) throw new Errno(EROFS);
  const who = fsIdentity(task);
  const change: AttributeChange = {};
  if (uid >>> 0 !== 0xffff_ffff) change.uid = uid >>> 0;
  if (gid >>> 0 !== 0xffff_ffff) change.gid = gid >>> 0;
  if (who.uid !== 0) {
    if (change.uid !== undefined && (who.uid !== inode.uid || change.uid !== inode.uid)) throw new Errno(EPERM);
    const mine = change.gid === inode.gid || change.gid === who.gid || who.groups.includes(change.gid ?? -1);
    if (change.gid !== undefined && (who.uid !== inode.uid || !mine)) throw new Errno(EPERM);
  }
  if (!inode.isDirectory && inode.mode & (S_ISUID | S_ISGID)) {
    change.mode = inode.mode & 0o7777 & ~S_ISUID & ~(inode.mode & S_IXGRP ? S_ISGID : 0);
  }
  inode.change(change);
  return 0;
}

// --- times

export function sysUtimensat(task: Task, dirfd: number, pathAddress: number, times: number, flags: number): number {
  const [atime, mtime] = times === 0 ? [UTIME_NOW, UTIME_NOW] : [fetchTime(task, times), fetchTime(task, afterTimespec(task, times))];
  if (atime === UTIME_OMIT && mtime === UTIME_OMIT) return 0;
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) throw new Errno(EINVAL);
  if (pathAddress === 0 && dirfd !== AT_FDCWD) {
    if (flags & AT_SYMLINK_NOFOLLOW) throw new Errno(EINVAL);
    const file = task.files.get(dirfd);
    return setTimes(task, file.path, file.inode, atime, mtime);
  }
  if (pathAddress === 0) throw new Errno(EFAULT);
  const path = placeAt(task, dirfd, getPath(task, pathAddress), flags);
  return setTimes(task, path, path.inode, atime, mtime);
}

/** UTIME_NOW, UTIME_OMIT or a time. */
type TimeArgument = Timespec | number;

function fetchTime(task: Task, address: number): TimeArgument {
  const { sec, nsec } = getTimespec(task, address);
  if (nsec === UTIME_NOW || nsec === UTIME_OMIT) return nsec;
  if (nsec < 0 || nsec > 999_999_999) throw new Errno(EINVAL);
  return { sec, nsec };
}

/** struct timeval, microseconds. */
function fetchTimeval(task: Task, address: number): Timespec {
  const { sec, usec } = getTimeval(task, address);
  if (usec < 0 || usec > 999_999) throw new Errno(EINVAL);
  return { sec, nsec: usec * 1000 };
}

/** "Now" for both is free to whoever may write; any other time takes ownership (Linux vfs_utimes). */
function setTimes(task: Task, path: Path, inode: Inode, atime: TimeArgument, mtime: TimeArgument): number {
  if (path.mount.readOnly) throw new Errno(EROFS);
  if (!isOwner(task, inode)) {
    if (atime !== UTIME_NOW || mtime !== UTIME_NOW) throw new Errno(EPERM);
    requirePermission(task, path, MAY_WRITE);
  }
  const now = task.kernel.vfs.now();
  const change: AttributeChange = {};
  if (atime !== UTIME_OMIT) change.atime = typeof atime === "number" ? now : atime;
  if (mtime !== UTIME_OMIT) change.mtime = typeof mtime === "number" ? now : mtime;
  inode.change(change);
  return 0;
}

export function sysUtimes(task: Task, path: number, times: number): number {
  return sysFutimesat(task, AT_FDCWD, path, times);
}
export function sysFutimesat(task: Task, dirfd: number, pathAddress: number, times: number): number {
  const atime = times === 0 ? UTIME_NOW : fetchTimeval(task, times);
  const mtime = times === 0 ? UTIME_NOW : fetchTimeval(task, afterTimeval(task, times));
  if (pathAddress === 0 && dirfd !== AT_FDCWD) {
    const file = task.files.get(dirfd);
    return setTimes(task, file.path, file.inode, atime, mtime);
  }
  const path = lookupPath(task, dirfd, getPath(task, pathAddress));
  return setTimes(task, path, path.inode, atime, mtime);
}
export function sysUtime(task: Task, pathAddress: number, times: number): number {
  const wanted = times === 0 ? null : UTIMBUF.get(task, times);
  const atime = wanted === null ? UTIME_NOW : { sec: wanted.actime, nsec: 0 };
  const mtime = wanted === null ? UTIME_NOW : { sec: wanted.modtime, nsec: 0 };
  const path = lookupPath(task, AT_FDCWD, getPath(task, pathAddress));
  return setTimes(task, path, path.inode, atime, mtime);
}
