// Structs that system calls take and give, one row each: layouts under x86-64 and i386, and with them what strace prints. Fields are
// named as in the headers; those that nobody here reads or writes begin with _.
// (include/uapi/linux, arch/x86/include/uapi/asm; for i386 arch/x86/include/asm/compat.h, include/linux/compat.h)

import { Struct } from "./struct-layout";

export const TIMESPEC = new Struct<"tv_sec" | "tv_nsec">("time tv_sec, subsec tv_nsec");
export const TIMEVAL = new Struct<"tv_sec" | "tv_usec">("long tv_sec, long tv_usec");
export const ITIMERSPEC = new Struct<"interval_sec" | "interval_nsec" | "value_sec" | "value_nsec">(
  "time interval_sec, subsec interval_nsec, time value_sec, subsec value_nsec",
);
export const ITIMERVAL = new Struct<"interval_sec" | "interval_usec" | "value_sec" | "value_usec">(
  "long interval_sec, long interval_usec, long value_sec, long value_usec",
);
export const UTIMBUF = new Struct<"actime" | "modtime">("long actime, long modtime");
export const TMS = new Struct<"tms_utime" | "tms_stime" | "tms_cutime" | "tms_cstime">(
  "long tms_utime, long tms_stime, long tms_cutime, long tms_cstime",
);
export const SIGEVENT = new Struct<"value" | "signo" | "notify" | "tid">(
  "ulong value, i32 signo, i32 notify, i32 tid, i32 _rest[11]", "ulong value, i32 signo, i32 notify, i32 tid, i32 _rest[12]",
);

export const IOVEC = new Struct<"base" | "len">("ulong base, ulong len");
/** The sixth argument of pselect6. */
export const SIGSET_ARGUMENT = new Struct<"mask" | "size">("ulong mask, ulong size");
/** The one argument of i386's first select and mmap (Linux sel_arg_struct, mmap_arg_struct32). */
export const SELECT_ARGUMENTS = new Struct<"n" | "inp" | "outp" | "exp" | "tvp">("ulong n, ulong inp, ulong outp, ulong exp, ulong tvp");
export const MMAP_ARGUMENTS = new Struct<"addr" | "len" | "prot" | "flags" | "fd" | "offset">(
  "ulong addr, ulong len, ulong prot, ulong flags, i32 fd, ulong offset",
);

type StatName =
  | "st_dev" | "st_ino" | "st_mode" | "st_nlink" | "st_uid" | "st_gid" | "st_rdev" | "st_size" | "st_blksize" | "st_blocks" | "st_atime"
  | "st_atime_nsec" | "st_mtime" | "st_mtime_nsec" | "st_ctime" | "st_ctime_nsec";
export const STAT = new Struct<StatName>(
  `u64 st_dev, u64 st_ino, u64 st_nlink, u32 st_mode, u32 st_uid, u32 st_gid, u32 _pad0, u64 st_rdev, i64 st_size, i64 st_blksize, i64 st_blocks,
   i64 st_atime, u64 st_atime_nsec, i64 st_mtime, u64 st_mtime_nsec, i64 st_ctime, u64 st_ctime_nsec, i64 _unused[3]`,
  `u32 st_dev, u32 st_ino, u16 st_mode, u16 st_nlink, u16 st_uid, u16 st_gid, u32 st_rdev, u32 st_size, u32 st_blksize, u32 st_blocks,
   i32 st_atime, u32 st_atime_nsec, i32 st_mtime, u32 st_mtime_nsec, i32 st_ctime, u32 st_ctime_nsec, u32 _unused[2]`,
);
/** i386 only. The number of the inode is there twice: low half, then whole. */
export const STAT64 = new Struct<StatName | "st_ino_low">(
  "",
  `u64 st_dev, u8 _pad0[4], u32 st_ino_low, u32 st_mode, u32 st_nlink, u32 st_uid, u32 st_gid, u64 st_rdev, u8 _pad3[4], i64 st_size,
   u32 st_blksize, u64 st_blocks, i32 st_atime, u32 st_atime_nsec, i32 st_mtime, u32 st_mtime_nsec, i32 st_ctime, u32 st_ctime_nsec, u64 st_ino`,
  true,
);
/** As far as strace looks; uapi-stat.ts has all of it. */
export const STATX = new Struct<"stx_mask" | "stx_mode" | "stx_size">(
  "u32 stx_mask, u32 _blksize, u64 _attributes, u32 _nlink, u32 _uid, u32 _gid, u16 stx_mode, u16 _spare, u64 _ino, u64 stx_size, u64 _rest[26]",
);
type StatfsName = "f_type" | "f_bsize" | "f_blocks" | "f_bfree" | "f_bavail" | "f_files" | "f_ffree" | "f_fsid" | "f_namelen" | "f_frsize" | "f_flags";
export const STATFS = new Struct<StatfsName>(
  `ulong f_type, ulong f_bsize, ulong f_blocks, ulong f_bfree, ulong f_bavail, ulong f_files, ulong f_ffree, u32 f_fsid, u32 _fsid1,
   ulong f_namelen, ulong f_frsize, ulong f_flags, ulong _spare[4]`,
);
/** i386 only. */
export const STATFS64 = new Struct<StatfsName>(
  "",
  `u32 f_type, u32 f_bsize, u64 f_blocks, u64 f_bfree, u64 f_bavail, u64 f_files, u64 f_ffree, u32 f_fsid, u32 _fsid1, u32 f_namelen,
   u32 f_frsize, u32 f_flags, u32 _spare[4]`,
  true,
);

export const FLOCK = new Struct<"l_type" | "l_whence" | "l_start" | "l_len" | "l_pid">(
  "i16 l_type, i16 l_whence, long l_start, long l_len, i32 l_pid",
);
/** i386 only, of fcntl64. */
export const FLOCK64 = new Struct<"l_type" | "l_whence" | "l_start" | "l_len" | "l_pid">(
  "", "i16 l_type, i16 l_whence, i64 l_start, i64 l_len, i32 l_pid", true,
);

/**
 * The signal mask follows: it has more bits than a number. The upper half of 64-bit flags is nothing. Addresses of the kernel's half are
 * negative.
 */
export const SIGACTION = new Struct<"handler" | "flags" | "restorer">(
  "long handler, u32 flags, u32 _flags, long restorer, u32 _mask[2]", "ulong handler, u32 flags, ulong restorer, u32 _mask[2]",
);
/** i386 only: sigaction(2) before there were real-time signals. */
export const OLD_SIGACTION = new Struct<"handler" | "mask" | "flags" | "restorer">("", "ulong handler, u32 mask, ulong flags, ulong restorer");
export const STACK_T = new Struct<"ss_sp" | "ss_flags" | "ss_size">("ulong ss_sp, u32 ss_flags, ulong ss_size");

export const RLIMIT = new Struct<"rlim_cur" | "rlim_max">("ulong rlim_cur, ulong rlim_max");
export const RLIMIT64 = new Struct<"rlim_cur" | "rlim_max">("u64 rlim_cur, u64 rlim_max");
export const RUSAGE = new Struct<"utime_sec" | "utime_usec" | "stime_sec" | "stime_usec" | "maxrss" | "minflt">(
  `long utime_sec, long utime_usec, long stime_sec, long stime_usec, long maxrss, long _ixrss, long _idrss, long _isrss, long minflt,
   long _majflt, long _rest[8]`,
);
export const SYSINFO = new Struct<"uptime" | "totalram" | "freeram" | "procs" | "mem_unit">(
  `long uptime, ulong _loads[3], ulong totalram, ulong freeram, ulong _sharedram, ulong _bufferram, ulong _totalswap, ulong _freeswap, u16 procs,
   u16 _pad, ulong _totalhigh, ulong _freehigh, u32 mem_unit`,
  `i32 uptime, u32 _loads[3], u32 totalram, u32 freeram, u32 _sharedram, u32 _bufferram, u32 _totalswap, u32 _freeswap, u16 procs, u16 _pad,
   u32 _totalhigh, u32 _freehigh, u32 mem_unit, u8 _f[8]`,
);
export const ROBUST_LIST_HEAD = new Struct<"list" | "futex_offset" | "pending">("ulong list, long futex_offset, ulong pending");

/** What set_thread_area and modify_ldt are given (arch/x86/include/uapi/asm/ldt.h). */
export const USER_DESC = new Struct<"entry_number" | "base_addr" | "limit" | "flags">("u32 entry_number, u32 base_addr, u32 limit, u32 flags");
/** The bits in `flags`: name, shift, mask. */
export const USER_DESC_FLAGS = [
  ["seg_32bit", 0, 1], ["contents", 1, 3], ["read_exec_only", 3, 1], ["limit_in_pages", 4, 1], ["seg_not_present", 5, 1], ["useable", 6, 1],
] as const;
