// What stat and statfs tell, as the fields of their structs, cut to size for the callers that have less room (Linux fs/stat.c
// cp_new_stat, cp_compat_stat; fs/statfs.c put_compat_statfs). Called from syscalls/stat.ts and syscalls/compat-files.ts.

import type { Abi } from "./abi";
import { EOVERFLOW, Errno } from "./errno";
import { type Attributes, type FileSystemStatistics, ST_RDONLY, ST_VALID } from "./uapi-stat";

type StatValues = Record<
  | "st_dev" | "st_ino" | "st_mode" | "st_nlink" | "st_uid" | "st_gid" | "st_rdev" | "st_size" | "st_blksize" | "st_blocks" | "st_atime"
  | "st_atime_nsec" | "st_mtime" | "st_mtime_nsec" | "st_ctime" | "st_ctime_nsec",
  number
>;
type StatfsValues = Record<
  "f_type" | "f_bsize" | "f_blocks" | "f_bfree" | "f_bavail" | "f_files" | "f_ffree" | "f_fsid" | "f_namelen" | "f_frsize" | "f_flags", number
>;

const TWO_32 = 0x1_0000_0000;
const MAX_NON_LFS = 0x7fffffff;
/** What an owner is called whose number does not fit into 16 bits (Linux DEFAULT_OVERFLOWUID). */
const OVERFLOW_ID = 65534;

/** A user or group number for those who keep 16 bits of it. */
export function id16(id: number): number {
  return id > 0xffff ? OVERFLOW_ID : id;
}

/** All fields as they are: struct stat of x86-64, stat64 of i386. */
export function wideStatOf(a: Attributes): StatValues {
  return {
    st_dev: a.dev, st_ino: a.ino, st_mode: a.mode, st_nlink: a.nlink, st_uid: a.uid, st_gid: a.gid, st_rdev: a.rdev, st_size: a.size,
    st_blksize: a.blksize, st_blocks: a.blocks, st_atime: a.atime.sec, st_atime_nsec: a.atime.nsec, st_mtime: a.mtime.sec,
    st_mtime_nsec: a.mtime.nsec, st_ctime: a.ctime.sec, st_ctime_nsec: a.ctime.nsec,
  };
}

/** For struct stat of `abi`. Throws EOVERFLOW for what i386's cannot say. */
export function statOf(a: Attributes, abi: Abi): StatValues {
  const values = wideStatOf(a);
  if (abi.word === 8) return values;
  if (a.ino >= TWO_32 || a.nlink > 0xffff || a.size > MAX_NON_LFS) throw new Errno(EOVERFLOW);
  return { ...values, st_uid: id16(a.uid), st_gid: id16(a.gid) };
}

/** All fields as they are: struct statfs of x86-64, statfs64 of i386. */
export function wideStatfsOf(s: FileSystemStatistics, dev: number, readOnly: boolean): StatfsValues {
  return {
    f_type: s.type, f_bsize: s.bsize, f_blocks: s.blocks, f_bfree: s.bfree, f_bavail: s.bavail, f_files: s.files, f_ffree: s.ffree, f_fsid: dev,
    f_namelen: s.namelen, f_frsize: s.bsize, f_flags: ST_VALID | (readOnly ? ST_RDONLY : 0),
  };
}

/** For struct statfs of `abi`. Throws EOVERFLOW where i386's has no room for the counts. */
export function statfsOf(s: FileSystemStatistics, dev: number, readOnly: boolean, abi: Abi): StatfsValues {
  if (abi.word === 4 && [s.blocks, s.bfree, s.bavail, s.bsize, s.files, s.ffree].some((count) => count >= TWO_32)) throw new Errno(EOVERFLOW);
  return wideStatfsOf(s, dev, readOnly);
}
