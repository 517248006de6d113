// struct stat, struct statx, struct statfs and the mode bits (arch/x86/include/uapi/asm/stat.h,
// include/uapi/linux/stat.h, include/uapi/asm-generic/statfs.h). Written by syscalls/stat.ts through uaccess.

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

//   struct stat, 144 bytes                      arch/x86/include/uapi/asm/stat.h
//    0       8       16      24  28  32  36  40      48      56      64
//   +-------+-------+-------+---+---+---+---+-------+-------+-------+-------+
//   | dev   | ino   | nlink |mod|uid|gid| 0 | rdev  | size  |blksize|blocks |
//   +-------+-------+-------+---+---+---+---+-------+-------+-------+-------+
//    72      80      88      96      104     112     120 .. 143
//   +-------+-------+-------+-------+-------+-------+--------------------+
//   |atime s|    ns |mtime s|    ns |ctime s|    ns | reserved, zero     |
//   +-------+-------+-------+-------+-------+-------+--------------------+
export const SIZEOF_STAT = 144;

/** Field table of struct stat for strace: name, offset, bytes. */
export const STAT_FIELDS: readonly (readonly [string, number, number])[] = [
  ["st_dev", 0, 8], ["st_ino", 8, 8], ["st_nlink", 16, 8], ["st_mode", 24, 4], ["st_uid", 28, 4], ["st_gid", 32, 4],
  ["st_rdev", 40, 8], ["st_size", 48, 8], ["st_blksize", 56, 8], ["st_blocks", 64, 8],
  ["st_atime", 72, 8], ["st_atime_nsec", 80, 8], ["st_mtime", 88, 8], ["st_mtime_nsec", 96, 8],
  ["st_ctime", 104, 8], ["st_ctime_nsec", 112, 8],
];

export function encodeStat(a: Attributes): Uint8Array {
  const bytes = new Uint8Array(SIZEOF_STAT);
  const view = new DataView(bytes.buffer);
  put64(view, 0, a.dev);
  put64(view, 8, a.ino);
  put64(view, 16, a.nlink);
  view.setUint32(24, a.mode, true);
  view.setUint32(28, a.uid, true);
  view.setUint32(32, a.gid, true);
  put64(view, 40, a.rdev);
  put64(view, 48, a.size);
  put64(view, 56, a.blksize);
  put64(view, 64, a.blocks);
  put64(view, 72, a.atime.sec);
  put64(view, 80, a.atime.nsec);
  put64(view, 88, a.mtime.sec);
  put64(view, 96, a.mtime.nsec);
  put64(view, 104, a.ctime.sec);
  put64(view, 112, a.ctime.nsec);
  return bytes;
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

//   struct statfs, 120 bytes                    include/uapi/asm-generic/statfs.h
//    0       8       16      24      32      40      48      56   60   64      72      80      88 .. 119
//   +-------+-------+-------+-------+-------+-------+-------+----+----+-------+-------+-------+-----+
//   | type  | bsize |blocks | bfree |bavail | files | ffree | fsid:2  |namelen|frsize | flags | 0   |
//   +-------+-------+-------+-------+-------+-------+-------+----+----+-------+-------+-------+-----+
export const SIZEOF_STATFS = 120;
export const ST_RDONLY = 1;
export const ST_VALID = 0x20;

export function encodeStatfs(s: FileSystemStatistics, dev: number, readOnly: boolean): Uint8Array {
  const bytes = new Uint8Array(SIZEOF_STATFS);
  const view = new DataView(bytes.buffer);
  put64(view, 0, s.type);
  put64(view, 8, s.bsize);
  put64(view, 16, s.blocks);
  put64(view, 24, s.bfree);
  put64(view, 32, s.bavail);
  put64(view, 40, s.files);
  put64(view, 48, s.ffree);
  view.setUint32(56, dev, true);
  put64(view, 64, s.namelen);
  put64(view, 72, s.bsize);
  put64(view, 80, ST_VALID | (readOnly ? ST_RDONLY : 0));
  return bytes;
}
