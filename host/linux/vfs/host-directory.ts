// A folder outside the guest, as an embedding offers it for --mount and --root. Every call is synchronous and answers at
// once. hostfs.ts makes a file system of it; host/cli/host-directory.ts implements it with Node.

import type { Attributes, FileSystemStatistics, Timespec } from "../uapi-stat";

/** What lstat tells, as the guest's own file systems keep it. */
export type HostStat = Attributes;

/**
 * Paths are relative to the folder, without a leading slash, "" being the folder itself; names are byte strings (one char
 * per byte). No path ever holds "." or "..", and every directory in it was seen as a directory: links are walked by the
 * guest's kernel, so an implementation must refuse (ELOOP) to go through one. A failed call throws an object whose `code`
 * is the errno's name ("ENOENT"), as Node's errors have it. Without the writing half, the folder can only be mounted read-only.
 */
export interface HostDirectory {
  /** lstat: never follows a link. */
  stat(path: string): HostStat;
  /** The names in a directory, "." and ".." left out. */
  readdir(path: string): string[];
  readlink(path: string): string;
  /** Opens a regular file and answers a handle; must not hang on anything that is not one. */
  open(path: string, writable: boolean): number;
  close(handle: number): void;
  statHandle(handle: number): HostStat;
  /** Bytes at `position`; fewer than `into` holds only at the end of the file, 0 there. */
  read(handle: number, into: Uint8Array, position: number): number;
  statistics?(): FileSystemStatistics;

  write?(handle: number, bytes: Uint8Array, position: number): number;
  truncate?(path: string, size: number): void;
  truncateHandle?(handle: number, size: number): void;
  sync?(handle: number): void;
  /** Makes an empty regular file; EEXIST when the name is taken. */
  create?(path: string, mode: number): void;
  mkdir?(path: string, mode: number): void;
  symlink?(target: string, path: string): void;
  link?(existing: string, path: string): void;
  unlink?(path: string): void;
  rmdir?(path: string): void;
  rename?(from: string, to: string): void;
  chmod?(path: string, mode: number): void;
  chown?(path: string, uid: number, gid: number): void;
  utimes?(path: string, atime: Timespec, mtime: Timespec): void;
}
