// Path walk (Linux fs/namei.c): from a byte string to a Path, through symbolic links, mounts and "..", with the permission
// check of each directory. Entered from every system call that takes a path; asks the inodes by lookup().

import {
  EACCES, EEXIST, EISDIR, ELOOP, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, EOPNOTSUPP, EPERM, EROFS, EXDEV, Errno,
} from "../errno";
import type { Task } from "../task";
import {
  AT_FDCWD, NAME_MAX, O_ACCMODE, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY,
  PATH_MAX, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, __O_TMPFILE,
} from "../uapi-fcntl";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFREG, S_ISGID, S_ISVTX, S_IXGRP } from "../uapi-stat";
import type { Dentry } from "./dentry";
import { Path } from "./dentry";
import { type OpenFile, PathFile } from "./file";
import type { Inode, Ownership } from "./inode";

const LINKS_MAX = 40;

export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

/** Who asks: the effective ids, or for access(2) the real ones. */
export interface Identity {
  uid: number;
  gid: number;
  groups: readonly number[];
}

export function fsIdentity(task: Task): Identity {
  const { creds } = task;
  return { uid: creds.fsuid ?? creds.euid, gid: creds.fsgid ?? creds.egid, groups: creds.groups ?? [] };
}

/** Linux generic_permission: 0 or the error. Root reads and writes everything and executes what anybody may. */
export function permission(who: Identity, inode: Inode, mask: number): number {
  const { mode } = inode;
  if (who.uid === 0) {
    return !(mask & MAY_EXEC) || inode.isDirectory || mode & 0o111 ? 0 : EACCES;
  }
  let bits = mode & 7;
  if (who.uid === inode.uid) bits = (mode >>> 6) & 7;
  else if (who.gid === inode.gid || who.groups.includes(inode.gid)) bits = (mode >>> 3) & 7;
  return (bits & mask) === mask ? 0 : EACCES;
}

/** Throws unless the task may; EROFS comes first for a write on a read-only mount (devices and FIFOs excepted). */
export function requirePermission(task: Task, path: Path, mask: number): void {
  const { inode } = path;
  const { type } = inode;
  if (mask & MAY_WRITE && path.mount.readOnly && type !== S_IFCHR && type !== S_IFBLK && type !== S_IFIFO) throw new Errno(EROFS);
  const error = permission(fsIdentity(task), inode, mask);
  if (error !== 0) throw new Errno(error);
}

/** May the task act as the owner of the inode (chmod, utimes, sticky)? */
export function isOwner(task: Task, inode: Inode): boolean {
  const { uid } = fsIdentity(task);
  return uid === 0 || uid === inode.uid;
}

export interface WalkOptions {
  /** Follow a symbolic link in the last place. */
  follow?: boolean;
  /** AT_EMPTY_PATH: "" is the directory (or file) of `dirfd` itself. */
  emptyPath?: boolean;
  /** RESOLVE_* bits of openat2. */
  resolve?: number;
}

/** The last component of a path, not looked up yet, and the directory that holds it. */
export interface LastComponent {
  parent: Path;
  name: string;
  kind: "name" | "dot" | "dotdot" | "root";
  trailingSlash: boolean;
}

/** State of one walk: links followed so far, and the borders of openat2. */
export class Walk {
  private links = 0;
  private readonly root: Path;
  private readonly resolve: number;
  private readonly who: Identity;

  constructor(
    private readonly task: Task,
    private readonly dirfd: number,
    options: WalkOptions,
  ) {
    this.resolve = options.resolve ?? 0;
    this.who = fsIdentity(task);
    this.root = this.resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH) ? startAt(task, dirfd) : task.fs.root;
  }

  /** Where a relative path begins; an absolute one needs no valid dirfd. */
  start(name: string): Path {
    if (name.startsWith("/")) {
      if (this.resolve & RESOLVE_BENEATH) throw new Errno(EXDEV);
      if (this.resolve & RESOLVE_NO_XDEV && startAt(this.task, this.dirfd).mount !== this.root.mount) throw new Errno(EXDEV);
      return this.root;
    }
    return startAt(this.task, this.dirfd);
  }

  /** Everything but the last component. `from` is where a relative `name` begins. */
  toParent(from: Path, name: string): LastComponent {
    let at = name.startsWith("/") ? this.root : from;
    const end = name.length;
    let position = 0;
    for (;;) {
      while (position < end && name[position] === "/") position++;
      if (position === end) return { parent: at, name: "", kind: "root", trailingSlash: true };
      let stop = name.indexOf("/", position);
      if (stop < 0) stop = end;
      const component = name.slice(position, stop);
      let next = stop;
      while (next < end && name[next] === "/") next++;
      this.requireSearch(at);
      if (next === end) {
        const kind = component === "." ? "dot" : component === ".." ? "dotdot" : "name";
        if (component.length > NAME_MAX) throw new Errno(ENAMETOOLONG);
        return { parent: at, name: component, kind, trailingSlash: stop < end };
      }
      at = this.step(at, component);
      position = next;
    }
  }

  /** The whole path. */
  to(from: Path, name: string, follow: boolean): Path {
    const last = this.toParent(from, name);
    const path = this.finish(last, follow);
    if (last.trailingSlash && !path.inode.isDirectory) throw new Errno(ENOTDIR);
    return path;
  }

  /** Looks up the last component, which must exist. */
  finish(last: LastComponent, follow: boolean): Path {
    if (last.kind === "root" || last.kind === "dot") return last.parent;
    if (last.kind === "dotdot") return this.up(last.parent);
    const path = this.lookup(last.parent, last.name);
    if (path === null) throw new Errno(ENOENT);
    return path.inode.isSymlink && (follow || last.trailingSlash) ? this.followLink(last.parent, path) : path;
  }

  /** The child `name` of a directory whose search permission has been checked, through mounts; null when there is none. */
  lookup(at: Path, name: string): Path | null {
    const inode = at.inode.lookup(this.task, name);
    if (inode === null) {
      at.dentry.drop(name);
      return null;
    }
    const path = new Path(at.mount, at.dentry.child(name, inode));
    if (path.dentry.mounted === null) return path;
    if (this.resolve & RESOLVE_NO_XDEV) throw new Errno(EXDEV);
    return path.throughMounts();
  }

  /** One symbolic link, followed to its end. */
  followLink(parent: Path, link: Path): Path {
    const target = this.readTarget(link);
    return target instanceof Path ? target : this.to(parent, target, true);
  }

  /** Counts and reads a link: its text, or the place itself for a magic one. */
  readTarget(link: Path): string | Path {
    if (++this.links > LINKS_MAX || this.resolve & RESOLVE_NO_SYMLINKS) throw new Errno(ELOOP);
    const magic = link.inode.magicTarget(this.task);
    if (magic !== null) {
      if (this.resolve & RESOLVE_NO_MAGICLINKS) throw new Errno(ELOOP);
      if (this.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) throw new Errno(EXDEV);
      return magic;
    }
    const target = link.inode.readlink(this.task);
    if (target === "") throw new Errno(ENOENT);
    if (target.startsWith("/") && this.resolve & RESOLVE_BENEATH) throw new Errno(EXDEV);
    return target;
  }

  private step(at: Path, component: string): Path {
    if (component === ".") return at;
    if (component === "..") return this.up(at);
    if (component.length > NAME_MAX) throw new Errno(ENAMETOOLONG);
    const next = this.lookup(at, component);
    if (next === null) throw new Errno(ENOENT);
    const path = next.inode.isSymlink ? this.followLink(at, next) : next;
    if (!path.inode.isDirectory) throw new Errno(ENOTDIR);
    return path;
  }

  private up(at: Path): Path {
    if (this.resolve & RESOLVE_BENEATH && at.same(this.root)) throw new Errno(EXDEV);
    const above = at.up(this.root);
    if (this.resolve & RESOLVE_NO_XDEV && above.mount !== at.mount) throw new Errno(EXDEV);
    return above;
  }

  private requireSearch(at: Path): void {
    if (!at.inode.isDirectory) throw new Errno(ENOTDIR);
    const error = permission(this.who, at.inode, MAY_EXEC);
    if (error !== 0) throw new Errno(error);
  }
}

function startAt(task: Task, dirfd: number): Path {
  return dirfd === AT_FDCWD ? task.fs.cwd : task.files.getRaw(dirfd).path;
}

/** Fetches a path argument. ENAMETOOLONG from 4096 bytes on, the terminating zero included. */
export function getPath(task: Task, address: number): string {
  return task.mm.getCString(address, PATH_MAX);
}

/** Where `name` leads. With AT_EMPTY_PATH and "", the place of `dirfd` itself. */
export function lookupPath(task: Task, dirfd: number, name: string, options: WalkOptions = {}): Path {
  if (name === "") {
    if (!options.emptyPath) throw new Errno(ENOENT);
    return startAt(task, dirfd);
  }
  const walk = new Walk(task, dirfd, options);
  return walk.to(walk.start(name), name, options.follow ?? true);
}

/** The directory and the last name of a path that is to be made, removed or renamed. */
export function lookupParent(task: Task, dirfd: number, name: string): LastComponent {
  if (name === "") throw new Errno(ENOENT);
  const walk = new Walk(task, dirfd, {});
  return walk.toParent(walk.start(name), name);
}

/** The existing child of a parent that lookupParent answered, its last link not followed; null when there is none. */
export function lookupLast(task: Task, last: LastComponent): Path | null {
  return new Walk(task, AT_FDCWD, {}).lookup(last.parent, last.name);
}

/** Owner and permission bits of something made in `directory`: umask, and the directory's group when it is set-group-ID. */
export function newOwnership(task: Task, directory: Inode, mode: number): Ownership {
  const who = fsIdentity(task);
  let bits = (mode & ~0o7777) | (mode & 0o7777 & ~task.fs.umask);
  let { gid } = who;
  if (directory.mode & S_ISGID) {
    gid = directory.gid;
    if ((mode & 0o170000) === S_IFDIR) bits |= S_ISGID;
    else if (bits & S_ISGID && bits & S_IXGRP && who.uid !== 0 && gid !== who.gid && !who.groups.includes(gid)) bits &= ~S_ISGID;
  }
  return { mode: bits, uid: who.uid, gid };
}

/** Checks that a new name may be made where `last` points: the order of Linux filename_create and may_create. */
export function requireNewName(task: Task, last: LastComponent, isDirectory: boolean): void {
  if (last.kind !== "name") throw new Errno(EEXIST);
  const existing = lookupLast(task, last);
  if (existing !== null) throw new Errno(EEXIST);
  if (last.trailingSlash && !isDirectory) throw new Errno(ENOENT);
  if (last.parent.mount.readOnly) throw new Errno(EROFS);
  requireWritableDirectory(task, last.parent);
}

export function requireWritableDirectory(task: Task, directory: Path): void {
  if (directory.mount.readOnly) throw new Errno(EROFS);
  const error = permission(fsIdentity(task), directory.inode, MAY_WRITE | MAY_EXEC);
  if (error !== 0) throw new Errno(error);
  if (directory.dentry.unlinked) throw new Errno(ENOENT);
}

/** Linux may_delete without the type check: write permission, and in a sticky directory ownership. */
export function requireDeletable(task: Task, directory: Path, victim: Inode): void {
  requireWritableDirectory(task, directory);
  if (directory.inode.mode & S_ISVTX && !isOwner(task, directory.inode) && !isOwner(task, victim)) throw new Errno(EPERM);
}

/** A new dentry after the file system has made `inode` under `last`. */
export function enterName(last: LastComponent, inode: Inode): Dentry {
  return last.parent.dentry.child(last.name, inode);
}

/** open(2) from the path on: looks up or makes the last component, checks the type and the permissions, opens. */
export function openPath(task: Task, dirfd: number, name: string, flags: number, mode: number, resolve = 0): OpenFile {
  if (name === "") throw new Errno(ENOENT);
  const walk = new Walk(task, dirfd, { resolve });
  if ((flags & __O_TMPFILE) !== 0) {
    const directory = walk.to(walk.start(name), name, (flags & O_NOFOLLOW) === 0);
    return openUnnamed(task, directory, flags, mode);
  }
  const follow = (flags & O_NOFOLLOW) === 0;
  let path: Path;
  if (flags & O_CREAT) {
    const made = findOrCreate(task, walk, name, flags, mode);
    if (made.created) return openChecked(task, made.path, flags & ~O_TRUNC);
    path = made.path;
    if (flags & O_EXCL) throw new Errno(EEXIST);
    if (path.inode.isDirectory) throw new Errno(EISDIR);
  } else {
    path = walk.to(walk.start(name), name, follow);
  }
  if (flags & O_DIRECTORY && !path.inode.isDirectory) throw new Errno(ENOTDIR);
  if (path.inode.isSymlink && !(flags & O_PATH)) throw new Errno(ELOOP);
  if (flags & O_PATH) return new PathFile(path, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW));
  requireAccessMode(task, path, flags);
  return openChecked(task, path, flags);
}

function findOrCreate(task: Task, walk: Walk, name: string, flags: number, mode: number): { path: Path; created: boolean } {
  let from = walk.start(name);
  for (let text = name; ; ) {
    const last = walk.toParent(from, text);
    if (last.kind !== "name") {
      if (flags & O_EXCL) throw new Errno(EEXIST);
      return { path: walk.finish(last, true), created: false };
    }
    if (last.trailingSlash) throw new Errno(EISDIR);
    const existing = walk.lookup(last.parent, last.name);
    if (existing === null) {
      requireWritableDirectory(task, last.parent);
      const inode = last.parent.inode.create(last.name, newOwnership(task, last.parent.inode, S_IFREG | (mode & 0o7777)), 0);
      return { path: new Path(last.parent.mount, enterName(last, inode)), created: true };
    }
    if (!existing.inode.isSymlink || flags & (O_EXCL | O_NOFOLLOW)) return { path: existing, created: false };
    const target = walk.readTarget(existing);
    if (target instanceof Path) return { path: target, created: false };
    from = last.parent;
    text = target;
  }
}

/** Permission for O_RDONLY, O_WRONLY, O_RDWR; access mode 3 needs both and then moves no bytes (Linux ACC_MODE). */
function requireAccessMode(task: Task, path: Path, flags: number): void {
  const access = flags & O_ACCMODE;
  let mask = access === O_RDONLY ? MAY_READ : access === O_WRONLY ? MAY_WRITE : MAY_READ | MAY_WRITE;
  if (flags & O_TRUNC) mask |= MAY_WRITE;
  if (mask & MAY_WRITE && path.inode.isDirectory) throw new Errno(EISDIR);
  requirePermission(task, path, mask);
}

function openChecked(task: Task, path: Path, flags: number): OpenFile {
  if (flags & O_TRUNC && path.inode.isRegular) path.inode.truncate(0);
  return path.inode.open(task, path, flags & ~(O_CREAT | O_EXCL | O_TRUNC | 0o400));
}

function openUnnamed(task: Task, directory: Path, flags: number, mode: number): OpenFile {
  const access = flags & O_ACCMODE;
  if (access !== O_WRONLY && access !== O_RDWR) throw new Errno(EINVAL);
  if (!directory.inode.isDirectory) throw new Errno(ENOTDIR);
  requireWritableDirectory(task, directory);
  const inode = directory.inode.createUnnamed(newOwnership(task, directory.inode, S_IFREG | (mode & 0o7777)));
  const dentry = directory.dentry.unnamed(`#${inode.ino}`, inode);
  if (inode.fs !== directory.mount.fs) throw new Errno(EOPNOTSUPP);
  return inode.open(task, new Path(directory.mount, dentry), flags & ~(O_CREAT | O_EXCL | O_TRUNC));
}
