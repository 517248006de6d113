// Names: listing, making, removing, renaming and linking them; links' texts; working directory and root.
// Entered from entry-common.ts by syscall-table.ts; the walk and the checks of a new or dying name are in vfs/namei.ts.

import {
  EACCES, EBUSY, EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, ERANGE, EROFS, EXDEV, Errno, UserFault,
} from "../errno";
import type { Task } from "../task";
import { encodeDirent, encodeDirent32, encodeDirent64, direntType } from "../uapi-dirent";
import {
  AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, PATH_MAX, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT,
} from "../uapi-fcntl";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from "../uapi-stat";
import { bytesOf } from "../uaccess";
import type { Path } from "../vfs/dentry";
import type { DirectoryEntry } from "../vfs/inode";
import {
  type LastComponent, MAY_EXEC, MAY_WRITE, enterName, fsIdentity, getPath, lookupLast, lookupParent, lookupPath, newOwnership,
  permission, requireDeletable, requireNewName, requirePermission, requireWritableDirectory,
} from "../vfs/namei";

// --- listing

type EncodeEntry = (name: string, ino: number, off: number, type: number) => Uint8Array;

export function sysGetdents(task: Task, fd: number, buffer: number, count: number): number {
  return getdents(task, fd, buffer, count, task.abi.word === 8 ? encodeDirent : encodeDirent32);
}
export function sysGetdents64(task: Task, fd: number, buffer: number, count: number): number {
  return getdents(task, fd, buffer, count, encodeDirent64);
}

/** Whole records until the buffer is full. EINVAL when not even the first one fits. */
function getdents(task: Task, fd: number, buffer: number, count: number, encode: EncodeEntry): number {
  const file = task.files.get(fd);
  if (!file.inode.isDirectory) throw new Errno(ENOTDIR);
  if (file.path.dentry.unlinked) throw new Errno(ENOENT);
  let used = 0;
  for (const entry of withDots(task, file.path, file.position, file.entries(task))) {
    const record = encode(entry.name, entry.ino, entry.next, direntType(entry.type));
    if (used + record.length > count) {
      if (used === 0) throw new Errno(EINVAL);
      break;
    }
    try {
      task.mm.copyToUser(buffer + used, record);
    } catch (error) {
      if (used > 0 && error instanceof UserFault) break;
      throw error;
    }
    used += record.length;
    file.position = entry.next;
  }
  return used;
}

function* withDots(task: Task, path: Path, position: number, entries: Iterable<DirectoryEntry>): Iterable<DirectoryEntry> {
  if (position < 1) yield { name: ".", ino: path.inode.ino, type: S_IFDIR, next: 1 };
  if (position < 2) yield { name: "..", ino: path.up(task.fs.root).inode.ino, type: S_IFDIR, next: 2 };
  yield* entries;
}

// --- making

export function sysMkdir(task: Task, path: number, mode: number): number {
  return sysMkdirat(task, AT_FDCWD, path, mode);
}
export function sysMkdirat(task: Task, dirfd: number, path: number, mode: number): number {
  const last = lookupParent(task, dirfd, getPath(task, path));
  requireNewName(task, last, true);
  const directory = last.parent.inode;
  enterName(last, directory.create(last.name, newOwnership(task, directory, S_IFDIR | (mode & 0o1777)), 0));
  return 0;
}

export function sysMknod(task: Task, path: number, mode: number, dev: number): number {
  return sysMknodat(task, AT_FDCWD, path, mode, dev);
}
export function sysMknodat(task: Task, dirfd: number, path: number, mode: number, dev: number): number {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) throw new Errno(EPERM);
  if (type !== 0 && type !== S_IFREG && type !== S_IFCHR && type !== S_IFBLK && type !== S_IFIFO && type !== S_IFSOCK) {
    throw new Errno(EINVAL);
  }
  const last = lookupParent(task, dirfd, getPath(task, path));
  requireNewName(task, last, false);
  if ((type === S_IFCHR || type === S_IFBLK) && fsIdentity(task).uid !== 0) throw new Errno(EPERM);
  const directory = last.parent.inode;
  const owner = newOwnership(task, directory, (type === 0 ? S_IFREG : type) | (mode & 0o7777));
  enterName(last, directory.create(last.name, owner, dev >>> 0));
  return 0;
}

export function sysSymlink(task: Task, target: number, path: number): number {
  return sysSymlinkat(task, target, AT_FDCWD, path);
}
export function sysSymlinkat(task: Task, targetAddress: number, dirfd: number, path: number): number {
  const target = getPath(task, targetAddress);
  if (target === "") throw new Errno(ENOENT);
  const last = lookupParent(task, dirfd, getPath(task, path));
  requireNewName(task, last, false);
  const who = fsIdentity(task);
  const directory = last.parent.inode;
  const { gid } = newOwnership(task, directory, S_IFLNK);
  enterName(last, directory.symlink(last.name, target, { mode: S_IFLNK | 0o777, uid: who.uid, gid }));
  return 0;
}

export function sysLink(task: Task, from: number, to: number): number {
  return sysLinkat(task, AT_FDCWD, from, AT_FDCWD, to, 0);
}
export function sysLinkat(task: Task, fromFd: number, from: number, toFd: number, to: number, flags: number): number {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) throw new Errno(EINVAL);
  if (flags & AT_EMPTY_PATH && fsIdentity(task).uid !== 0) throw new Errno(ENOENT);
  const source = lookupPath(task, fromFd, getPath(task, from), {
    follow: (flags & AT_SYMLINK_FOLLOW) !== 0,
    emptyPath: (flags & AT_EMPTY_PATH) !== 0,
  });
  const last = lookupParent(task, toFd, getPath(task, to));
  requireNewName(task, last, false);
  if (last.parent.mount !== source.mount) throw new Errno(EXDEV);
  const { inode } = source;
  if (inode.isDirectory) throw new Errno(EPERM);
  // A file whose last name is gone comes back only when it was opened by O_TMPFILE.
  if (inode.attributes().nlink === 0 && !source.dentry.name.startsWith("#")) throw new Errno(ENOENT);
  last.parent.inode.link(last.name, inode);
  enterName(last, inode);
  return 0;
}

// --- removing

export function sysUnlink(task: Task, path: number): number {
  return unlinkAt(task, AT_FDCWD, path);
}
export function sysRmdir(task: Task, path: number): number {
  return rmdirAt(task, AT_FDCWD, path);
}
export function sysUnlinkat(task: Task, dirfd: number, path: number, flags: number): number {
  if (flags & ~AT_REMOVEDIR) throw new Errno(EINVAL);
  return flags & AT_REMOVEDIR ? rmdirAt(task, dirfd, path) : unlinkAt(task, dirfd, path);
}

function unlinkAt(task: Task, dirfd: number, pathAddress: number): number {
  const last = lookupParent(task, dirfd, getPath(task, pathAddress));
  if (last.kind !== "name") throw new Errno(EISDIR);
  const victim = existing(task, last);
  if (last.trailingSlash) throw new Errno(victim.inode.isDirectory ? EISDIR : ENOTDIR);
  requireDeletable(task, last.parent, victim.inode);
  if (victim.inode.isDirectory) throw new Errno(EISDIR);
  last.parent.inode.unlink(last.name, victim.inode);
  last.parent.dentry.drop(last.name);
  return 0;
}

function rmdirAt(task: Task, dirfd: number, pathAddress: number): number {
  const last = lookupParent(task, dirfd, getPath(task, pathAddress));
  if (last.kind === "dot") throw new Errno(EINVAL);
  if (last.kind === "dotdot") throw new Errno(ENOTEMPTY);
  if (last.kind === "root") throw new Errno(EBUSY);
  const victim = existing(task, last);
  requireDeletable(task, last.parent, victim.inode);
  if (!victim.inode.isDirectory) throw new Errno(ENOTDIR);
  if (isBusy(task, last, victim)) throw new Errno(EBUSY);
  last.parent.inode.rmdir(last.name, victim.inode);
  last.parent.dentry.drop(last.name);
  return 0;
}

/** The child that must be there. EROFS, as on Linux, only after ENOENT. */
function existing(task: Task, last: LastComponent): Path {
  const found = lookupLast(task, last);
  if (found === null) throw new Errno(ENOENT);
  if (last.parent.mount.readOnly) throw new Errno(EROFS);
  return found;
}

/** A mount point, or what something is mounted on. */
function isBusy(_task: Task, last: LastComponent, child: Path): boolean {
  return child.mount !== last.parent.mount || child.dentry === child.mount.root;
}

// --- renaming

export function sysRename(task: Task, from: number, to: number): number {
  return sysRenameat2(task, AT_FDCWD, from, AT_FDCWD, to, 0);
}
export function sysRenameat(task: Task, fromFd: number, from: number, toFd: number, to: number): number {
  return sysRenameat2(task, fromFd, from, toFd, to, 0);
}

/** The order of checks is that of Linux do_renameat2 and vfs_rename. */
export function sysRenameat2(task: Task, fromFd: number, from: number, toFd: number, to: number, flags: number): number {
  if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) throw new Errno(EINVAL);
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if (exchange && flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) throw new Errno(EINVAL);
  const source = lookupParent(task, fromFd, getPath(task, from));
  const target = lookupParent(task, toFd, getPath(task, to));
  if (source.parent.mount !== target.parent.mount) throw new Errno(EXDEV);
  if (source.kind !== "name") throw new Errno(EBUSY);
  if (target.kind !== "name") throw new Errno(flags & RENAME_NOREPLACE ? EEXIST : EBUSY);
  if (source.parent.mount.readOnly) throw new Errno(EROFS);
  const moving = lookupLast(task, source);
  if (moving === null) throw new Errno(ENOENT);
  const replaced = lookupLast(task, target);
  if (replaced !== null && flags & RENAME_NOREPLACE) throw new Errno(EEXIST);
  if (exchange && replaced === null) throw new Errno(ENOENT);
  if (!moving.inode.isDirectory && (source.trailingSlash || (!exchange && target.trailingSlash))) throw new Errno(ENOTDIR);
  if (exchange && target.trailingSlash && !replaced!.inode.isDirectory) throw new Errno(ENOTDIR);
  // Into itself, or over one of its own ancestors.
  if (target.parent.dentry.isWithin(moving.dentry)) throw new Errno(EINVAL);
  if (replaced !== null && source.parent.dentry.isWithin(replaced.dentry)) throw new Errno(exchange ? EINVAL : ENOTEMPTY);
  if (replaced !== null && replaced.inode === moving.inode) return 0;
  requireDeletable(task, source.parent, moving.inode);
  if (replaced === null) requireWritableDirectory(task, target.parent);
  else {
    requireDeletable(task, target.parent, replaced.inode);
    if (!exchange) {
      if (moving.inode.isDirectory && !replaced.inode.isDirectory) throw new Errno(ENOTDIR);
      if (!moving.inode.isDirectory && replaced.inode.isDirectory) throw new Errno(EISDIR);
    }
  }
  if (source.parent.inode !== target.parent.inode) {
    // A directory that moves elsewhere gets another "..".
    for (const moved of exchange ? [moving, replaced!] : [moving]) {
      if (moved.inode.isDirectory && permission(fsIdentity(task), moved.inode, MAY_WRITE) !== 0) throw new Errno(EACCES);
    }
  }
  if (isBusy(task, source, moving) || (replaced !== null && isBusy(task, target, replaced))) throw new Errno(EBUSY);
  if (flags & RENAME_WHITEOUT) throw new Errno(EINVAL); // needs an overlay's character device 0:0
  source.parent.inode.rename(source.name, moving.inode, target.parent.inode, target.name, replaced?.inode ?? null, exchange);
  if (exchange) {
    const { dentry } = replaced!;
    moving.dentry.moveTo(target.parent.dentry, target.name);
    dentry.parent = source.parent.dentry;
    dentry.name = source.name;
    source.parent.dentry.adopt(dentry);
  } else {
    target.parent.dentry.drop(target.name);
    moving.dentry.moveTo(target.parent.dentry, target.name);
  }
  return 0;
}

// --- links' texts

export function sysReadlink(task: Task, path: number, buffer: number, size: number): number {
  return sysReadlinkat(task, AT_FDCWD, path, buffer, size);
}
export function sysReadlinkat(task: Task, dirfd: number, path: number, buffer: number, size: number): number {
  if (size <= 0) throw new Errno(EINVAL);
  const name = getPath(task, path);
  const place = lookupPath(task, dirfd, name, { follow: false, emptyPath: true });
  if (!place.inode.isSymlink) throw new Errno(name === "" ? ENOENT : EINVAL);
  const text = place.inode.readlink(task);
  const count = Math.min(text.length, size);
  task.mm.copyToUser(buffer, bytesOf(text.slice(0, count)));
  return count;
}

// --- where the task stands

export function sysChdir(task: Task, path: number): number {
  task.fs.cwd = searchable(task, lookupPath(task, AT_FDCWD, getPath(task, path)));
  return 0;
}
export function sysFchdir(task: Task, fd: number): number {
  task.fs.cwd = searchable(task, task.files.getRaw(fd).path);
  return 0;
}
export function sysChroot(task: Task, path: number): number {
  const place = searchable(task, lookupPath(task, AT_FDCWD, getPath(task, path)));
  if (fsIdentity(task).uid !== 0) throw new Errno(EPERM);
  task.fs.root = place;
  return 0;
}
function searchable(task: Task, path: Path): Path {
  if (!path.inode.isDirectory) throw new Errno(ENOTDIR);
  requirePermission(task, path, MAY_EXEC);
  return path;
}

/** Answers the length with its terminating zero. A place outside the root is printed as "(unreachable)/...". */
export function sysGetcwd(task: Task, buffer: number, size: number): number {
  const { text, reachable, deleted } = task.fs.cwd.print(task.fs.root);
  if (deleted) throw new Errno(ENOENT);
  const bytes = bytesOf(`${reachable ? "" : "(unreachable)"}${text}\0`);
  if (bytes.length > PATH_MAX) throw new Errno(ENAMETOOLONG);
  if (bytes.length > size) throw new Errno(ERANGE);
  task.mm.copyToUser(buffer, bytes);
  return bytes.length;
}
