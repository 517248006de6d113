// Mode bits, struct statx, and what the kernel knows of a file and a file system before stat and statfs give it a form
// (include/uapi/linux/stat.h, include/uapi/asm-generic/statfs.h). Read by syscalls/stat.ts and vfs/.

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
export const S_IXGRP = 0o010;

export const UTIME_NOW = 0x3fffffff;
export const UTIME_OMIT = 0x3ffffffe;

export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;
export const STATX_MNT_ID = 0x1000;
export const STATX__RESERVED = 0x80000000;
export const STATX_ATTR_MOUNT_ROOT = 0x2000;

/** Seconds since the epoch (may be negative) and 0..999999999 nanoseconds. */
export interface Timespec {
  readonly sec: number;
  readonly nsec: number;
}

/** What stat(2) tells about an inode. Sizes in bytes, `blocks` in units of 512 bytes, devices as makedev() numbers. */
export interface Attributes {
  dev: number;
  ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  blksize: number;
  blocks: number;
  atime: Timespec;
  mtime: Timespec;
  ctime: Timespec;
  btime: Timespec | null;
}

/** What statfs(2) tells about a file system. `bsize` in bytes, the block counts in units of it. */
export interface FileSystemStatistics {
  type: number;
  bsize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
  namelen: number;
}

const TWO_32 = 0x1_0000_0000;

/** dev_t as user space sees it: glibc's makedev, the low 32 bits of it (new_encode_dev). */
export function makedev(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}
export function major(dev: number): number {
  return (dev >>> 8) & 0xfff;
}
export function minor(dev: number): number {
  return (dev & 0xff) | ((dev >>> 12) & 0xfff00);
}

/** Stores a signed or unsigned integral number as 64 bits, two's complement. */
export function put64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setInt32(offset + 4, Math.floor(value / TWO_32), true);
}

//   struct statx, 256 bytes                     include/uapi/linux/stat.h
//    0    4    8          16   20   24   28 30   32      40      48      56
//   +----+----+----------+----+----+----+--+--+-------+-------+-------+-----------+
//   |mask|blks|attributes|nlnk|uid |gid |mo|  | ino   | size  |blocks |attrs mask |
//   +----+----+----------+----+----+----+--+--+-------+-------+-------+-----------+
//    64        80        96        112       128  132  136  140  144    152 .. 255
//   +---------+---------+---------+---------+----+----+----+----+------+----------+
//   | atime   | btime   | ctime   | mtime   |rmaj|rmin|dmaj|dmin|mnt_id| 0        |
//   +---------+---------+---------+---------+----+----+----+----+------+----------+
//   each time: s64 seconds, u32 nanoseconds, 4 bytes zero
export const SIZEOF_STATX = 256;

export function encodeStatx(a: Attributes, mountId: number, isMountRoot: boolean): Uint8Array {
  const bytes = new Uint8Array(SIZEOF_STATX);
  const view = new DataView(bytes.buffer);
  const putTime = (offset: number, t: Timespec): void => {
    put64(view, offset, t.sec);
    view.setUint32(offset + 8, t.nsec, true);
  };
  view.setUint32(0, STATX_BASIC_STATS | STATX_MNT_ID | (a.btime !== null ? STATX_BTIME : 0), true);
  view.setUint32(4, a.blksize, true);
  put64(view, 8, isMountRoot ? STATX_ATTR_MOUNT_ROOT : 0);
  view.setUint32(16, a.nlink, true);
  view.setUint32(20, a.uid, true);
  view.setUint32(24, a.gid, true);
  view.setUint16(28, a.mode, true);
  put64(view, 32, a.ino);
  put64(view, 40, a.size);
  put64(view, 48, a.blocks);
  put64(view, 56, STATX_ATTR_MOUNT_ROOT);
  putTime(64, a.atime);
  if (a.btime !== null) putTime(80, a.btime);
  putTime(96, a.ctime);
  putTime(112, a.mtime);
  view.setUint32(128, major(a.rdev), true);
  view.setUint32(132, minor(a.rdev), true);
  view.setUint32(136, major(a.dev), true);
  view.setUint32(140, minor(a.dev), true);
  put64(view, 144, mountId);
  return bytes;
}

export const ST_RDONLY = 1;
export const ST_VALID = 0x20;
