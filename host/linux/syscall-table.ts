// Every system call of x86-64 Linux 6.1, one row each: number, name, argument kinds, handler (Linux
// arch/x86/entry/syscalls/syscall_64.tbl). Dispatch (entry-common.ts), strace and fuzzers go by these rows.
// A row without a handler answers -ENOSYS and is named in a notice.
//
// Argument kinds, as strace.ts prints them:
//   fd dirfd pid i32 sig enum:NAME                  32 bits, signed
//   u32 hex32 mode mode?N uid dev flags:NAME        32 bits, unsigned (mode?N: only if argument N has O_CREAT)
//   off i64 hexoff                                  64 bits, signed, as a number
//   ptr size path str cstr strv env buf:DIR:N iov:DIR:N pollfd:N struct:NAME:DIR ...   addresses and lengths, as a number
//   DIR is in or out, N the argument that holds a length; "-> ptr" says how the result is printed.

import type { Task } from "./task";
import type { Block } from "./wait";
import {
  sysChdir, sysChroot, sysFchdir, sysGetcwd, sysGetdents, sysGetdents64, sysLink, sysLinkat, sysMkdir, sysMkdirat, sysMknod,
  sysMknodat, sysReadlink, sysReadlinkat, sysRename, sysRenameat, sysRenameat2, sysRmdir, sysSymlink, sysSymlinkat, sysUnlink,
  sysUnlinkat,
} from "./syscalls/directory";
import { sysFutex } from "./syscalls/futex";
import {
  sysCapget, sysCapset, sysGetegid, sysGeteuid, sysGetgid, sysGetgroups, sysGetresgid, sysGetresuid, sysGetuid, sysSetfsgid,
  sysSetfsuid, sysSetgid, sysSetgroups, sysSetregid, sysSetresgid, sysSetresuid, sysSetreuid, sysSetuid,
} from "./syscalls/identity";
import { sysIoctl } from "./syscalls/ioctl";
import { sysGetrlimit, sysGetrusage, sysPrlimit64, sysSetrlimit } from "./syscalls/limits";
import {
  sysBrk, sysMadvise, sysMincore, sysMlock, sysMlock2, sysMlockall, sysMmap, sysMprotect, sysMremap, sysMsync, sysMunlock,
  sysMunlockall, sysMunmap,
} from "./syscalls/memory";
import {
  sysFsmount, sysFsopen, sysFspick, sysMount, sysMountSetattr, sysMoveMount, sysOpenTree, sysPivotRoot, sysQuotactl, sysSwapoff,
  sysSwapon, sysUmount2,
} from "./syscalls/mount";
import {
  sysTimerCreate, sysTimerDelete, sysTimerGetoverrun, sysTimerGettime, sysTimerSettime, sysTimerfdCreate, sysTimerfdGettime,
  sysTimerfdSettime,
} from "./syscalls/posix-timers";
import { sysRestartSyscall } from "./syscalls/restart";
import {
  sysClose, sysCloseRange, sysCreat, sysDup, sysDup2, sysDup3, sysFcntl, sysFlock, sysOpen, sysOpenat, sysOpenat2,
} from "./syscalls/open";
import { sysEventfd, sysEventfd2, sysPipe, sysPipe2 } from "./syscalls/pipe";
import { sysPoll, sysPpoll, sysPselect6, sysSelect } from "./syscalls/poll";
import {
  sysArchPrctl, sysExecve, sysExit, sysExitGroup, sysGetRobustList, sysGetpgid, sysGetpgrp, sysGetpid, sysGetppid, sysGetsid,
  sysGettid, sysMembarrier, sysPersonality, sysPrctl, sysRseq, sysSetRobustList, sysSetTidAddress, sysSetpgid, sysSetsid,
  sysWait4, sysWaitid,
} from "./syscalls/process";
import {
  sysCopyFileRange, sysFadvise64, sysFallocate, sysFdatasync, sysFsync, sysFtruncate, sysLseek, sysPread64, sysPreadv,
  sysPreadv2, sysPwrite64, sysPwritev, sysPwritev2, sysRead, sysReadahead, sysReadv, sysSendfile, sysSync, sysSyncFileRange,
  sysSyncfs, sysTruncate, sysWrite, sysWritev,
} from "./syscalls/read-write";
import {
  sysGetpriority, sysSchedGetPriorityMax, sysSchedGetPriorityMin, sysSchedGetaffinity, sysSchedGetparam, sysSchedGetscheduler,
  sysSchedRrGetInterval, sysSchedSetaffinity, sysSchedSetparam, sysSchedSetscheduler, sysSchedYield, sysSetpriority,
} from "./syscalls/scheduling";
import {
  sysKill, sysPause, sysRtSigaction, sysRtSigpending, sysRtSigprocmask, sysRtSigqueueinfo, sysRtSigreturn, sysRtSigsuspend,
  sysRtSigtimedwait, sysRtTgsigqueueinfo, sysSigaltstack, sysTgkill, sysTkill,
} from "./syscalls/signal";
import {
  sysAccess, sysChmod, sysChown, sysFaccessat, sysFaccessat2, sysFchmod, sysFchmodat, sysFchown, sysFchownat, sysFstat,
  sysFstatfs, sysFutimesat, sysLchown, sysLstat, sysNewfstatat, sysStat, sysStatfs, sysStatx, sysUmask, sysUtime, sysUtimensat,
  sysUtimes,
} from "./syscalls/stat";
import { sysGetcpu, sysGetrandom, sysSetdomainname, sysSethostname, sysSysinfo, sysSyslog, sysUname } from "./syscalls/system";
import {
  sysAlarm, sysClockGetres, sysClockGettime, sysClockNanosleep, sysClockSettime, sysGetitimer, sysGettimeofday, sysNanosleep,
  sysSetitimer, sysSettimeofday, sysTime, sysTimes,
} from "./syscalls/time";
import {
  sysFgetxattr, sysFlistxattr, sysFremovexattr, sysFsetxattr, sysGetxattr, sysLgetxattr, sysListxattr, sysLlistxattr,
  sysLremovexattr, sysLsetxattr, sysRemovexattr, sysSetxattr,
} from "./syscalls/xattr";

/** Arguments come converted by their kinds. Answers a result >= 0, -errno, or a Block. */
export type Handler = (task: Task, ...args: any[]) => number | Block;

export const CONVERT_ADDRESS = 0;
export const CONVERT_I32 = 1;
export const CONVERT_U32 = 2;
export const CONVERT_I64 = 3;
export const CONVERT_BIG = 4;

const i32Kinds = new Set(["fd", "dirfd", "pid", "i32", "sig", "enum"]);
const u32Kinds = new Set(["u32", "hex32", "mode", "uid", "dev", "flags"]);
const i64Kinds = new Set(["off", "i64", "hexoff"]);

function conversionOf(kind: string): number {
  let end = 0;
  while (end < kind.length && kind[end] !== ":" && kind[end] !== "?") end++;
  const base = kind.slice(0, end);
  if (i32Kinds.has(base)) return CONVERT_I32;
  if (u32Kinds.has(base)) return CONVERT_U32;
  if (i64Kinds.has(base)) return CONVERT_I64;
  return base === "u64" ? CONVERT_BIG : CONVERT_ADDRESS;
}

export class SyscallRow {
  private parsed: readonly string[] | undefined;
  private converted: Uint8Array | undefined;

  constructor(
    readonly number: number,
    readonly name: string,
    private readonly signature: string,
    readonly handler: Handler | null,
    /** What of the call is not there, for the compatibility page. */
    readonly note: string,
  ) {}

  // Both are made when first asked for: a short run makes a handful of calls.

  /** Argument kinds, in order. */
  get kinds(): readonly string[] {
    return (this.parsed ??= this.signature.split("->")[0]!.split(" ").filter((kind) => kind !== ""));
  }

  /** CONVERT_* of each argument. */
  get conversions(): Uint8Array {
    return (this.converted ??= Uint8Array.from(this.kinds, conversionOf));
  }

  /** How the result is printed: "ptr", "mode", "hex" or "" for decimal. */
  get resultKind(): string {
    return (this.signature.split("->")[1] ?? "").trim();
  }
}

function sys(number: number, name: string, signature: string, handler: Handler | null, note = ""): SyscallRow {
  return new SyscallRow(number, name, signature, handler, note);
}

/** x86-64's table ends here; 335 to 423 and what is above have never been numbers. */
export const NR_SYSCALLS = 451;

export const syscallRows: readonly SyscallRow[] = [
  sys(0, "read", "fd buf:out:2 size", sysRead),
  sys(1, "write", "fd buf:in:2 size", sysWrite),
  sys(2, "open", "path flags:open mode?1", sysOpen),
  sys(3, "close", "fd", sysClose),
  sys(4, "stat", "path struct:stat:out", sysStat),
  sys(5, "fstat", "fd struct:stat:out", sysFstat),
  sys(6, "lstat", "path struct:stat:out", sysLstat),
  sys(7, "poll", "pollfd:1 u32 i32", sysPoll),
  sys(8, "lseek", "fd off enum:seek", sysLseek),
  sys(9, "mmap", "ptr size flags:prot flags:map fd hexoff -> ptr", sysMmap),
  sys(10, "mprotect", "ptr size flags:prot", sysMprotect),
  sys(11, "munmap", "ptr size", sysMunmap),
  sys(12, "brk", "ptr -> ptr", sysBrk),
  sys(13, "rt_sigaction", "sig sigaction:in sigaction:out size", sysRtSigaction),
  sys(14, "rt_sigprocmask", "enum:sighow sigset:in sigset:out size", sysRtSigprocmask),
  sys(15, "rt_sigreturn", "", sysRtSigreturn),
  sys(16, "ioctl", "fd enum:ioctl ptr", sysIoctl),
  sys(17, "pread64", "fd buf:out:2 size off", sysPread64),
  sys(18, "pwrite64", "fd buf:in:2 size off", sysPwrite64),
  sys(19, "readv", "fd iov:out:2 i32", sysReadv),
  sys(20, "writev", "fd iov:in:2 i32", sysWritev),
  sys(21, "access", "path flags:access", sysAccess),
  sys(22, "pipe", "fds:out", sysPipe),
  sys(23, "select", "i32 ptr ptr ptr struct:timeval:in", sysSelect),
  sys(24, "sched_yield", "", sysSchedYield),
  sys(25, "mremap", "ptr size size flags:mremap ptr?3:2 -> ptr", sysMremap),
  sys(26, "msync", "ptr size flags:msync", sysMsync),
  sys(27, "mincore", "ptr size ptr", sysMincore),
  sys(28, "madvise", "ptr size enum:madvise", sysMadvise),
  sys(29, "shmget", "i32 size flags:none", null),
  sys(30, "shmat", "i32 ptr i32 -> ptr", null),
  sys(31, "shmctl", "i32 i32 ptr", null),
  sys(32, "dup", "fd", sysDup),
  sys(33, "dup2", "fd fd", sysDup2),
  sys(34, "pause", "", sysPause),
  sys(35, "nanosleep", "struct:timespec:in struct:timespec:none", sysNanosleep),
  sys(36, "getitimer", "enum:itimer struct:itimerval:out", sysGetitimer),
  sys(37, "alarm", "u32", sysAlarm),
  sys(38, "setitimer", "enum:itimer struct:itimerval:in struct:itimerval:out", sysSetitimer, "ITIMER_VIRTUAL counts system time too"),
  sys(39, "getpid", "", sysGetpid),
  sys(40, "sendfile", "fd fd ptr size", sysSendfile),
  sys(41, "socket", "enum:af flags:socktype i32", null),
  sys(42, "connect", "fd ptr i32", null),
  sys(43, "accept", "fd ptr ptr", null),
  sys(44, "sendto", "fd buf:in:2 size flags:none ptr i32", null),
  sys(45, "recvfrom", "fd ptr size flags:none ptr ptr", null),
  sys(46, "sendmsg", "fd ptr flags:none", null),
  sys(47, "recvmsg", "fd ptr flags:none", null),
  sys(48, "shutdown", "fd i32", null),
  sys(49, "bind", "fd ptr i32", null),
  sys(50, "listen", "fd i32", null),
  sys(51, "getsockname", "fd ptr ptr", null),
  sys(52, "getpeername", "fd ptr ptr", null),
  sys(53, "socketpair", "enum:af flags:socktype i32 ptr", null),
  sys(54, "setsockopt", "fd i32 i32 ptr i32", null),
  sys(55, "getsockopt", "fd i32 i32 ptr ptr", null),
  sys(56, "clone", "flags:clone ptr ptr ptr ptr", null, "processes and threads are a later issue"),
  sys(57, "fork", "", null, "processes are a later issue"),
  sys(58, "vfork", "", null, "processes are a later issue"),
  sys(59, "execve", "path strv env", sysExecve),
  sys(60, "exit", "i32", sysExit),
  sys(61, "wait4", "pid ptr flags:wait ptr", sysWait4, "there are no children: -ECHILD"),
  sys(62, "kill", "pid sig", sysKill),
  sys(63, "uname", "struct:utsname:out", sysUname),
  sys(64, "semget", "i32 i32 flags:none", null),
  sys(65, "semop", "i32 ptr size", null),
  sys(66, "semctl", "i32 i32 i32 ptr", null),
  sys(67, "shmdt", "ptr", null),
  sys(68, "msgget", "i32 flags:none", null),
  sys(69, "msgsnd", "i32 ptr size flags:none", null),
  sys(70, "msgrcv", "i32 ptr size i64 flags:none", null),
  sys(71, "msgctl", "i32 i32 ptr", null),
  sys(72, "fcntl", "fd enum:fcntl fcntlarg:1", sysFcntl),
  sys(73, "flock", "fd flags:flock", sysFlock),
  sys(74, "fsync", "fd", sysFsync),
  sys(75, "fdatasync", "fd", sysFdatasync),
  sys(76, "truncate", "path off", sysTruncate),
  sys(77, "ftruncate", "fd off", sysFtruncate),
  sys(78, "getdents", "fd ptr u32", sysGetdents),
  sys(79, "getcwd", "cstr:out size", sysGetcwd),
  sys(80, "chdir", "path", sysChdir),
  sys(81, "fchdir", "fd", sysFchdir),
  sys(82, "rename", "path path", sysRename),
  sys(83, "mkdir", "path mode", sysMkdir),
  sys(84, "rmdir", "path", sysRmdir),
  sys(85, "creat", "path mode", sysCreat),
  sys(86, "link", "path path", sysLink),
  sys(87, "unlink", "path", sysUnlink),
  sys(88, "symlink", "path path", sysSymlink),
  sys(89, "readlink", "path buf:out:2 size", sysReadlink),
  sys(90, "chmod", "path mode", sysChmod),
  sys(91, "fchmod", "fd mode", sysFchmod),
  sys(92, "chown", "path uid uid", sysChown),
  sys(93, "fchown", "fd uid uid", sysFchown),
  sys(94, "lchown", "path uid uid", sysLchown),
  sys(95, "umask", "mode -> mode", sysUmask),
  sys(96, "gettimeofday", "struct:timeval:out ptr", sysGettimeofday),
  sys(97, "getrlimit", "enum:rlimit struct:rlimit:out", sysGetrlimit),
  sys(98, "getrusage", "enum:rusage struct:rusage:out", sysGetrusage),
  sys(99, "sysinfo", "struct:sysinfo:out", sysSysinfo),
  sys(100, "times", "struct:tms:out", sysTimes),
  sys(101, "ptrace", "i64 pid ptr ptr", null),
  sys(102, "getuid", "", sysGetuid),
  sys(103, "syslog", "i32 ptr i32", sysSyslog),
  sys(104, "getgid", "", sysGetgid),
  sys(105, "setuid", "uid", sysSetuid),
  sys(106, "setgid", "uid", sysSetgid),
  sys(107, "geteuid", "", sysGeteuid),
  sys(108, "getegid", "", sysGetegid),
  sys(109, "setpgid", "pid pid", sysSetpgid),
  sys(110, "getppid", "", sysGetppid),
  sys(111, "getpgrp", "", sysGetpgrp),
  sys(112, "setsid", "", sysSetsid),
  sys(113, "setreuid", "uid uid", sysSetreuid),
  sys(114, "setregid", "uid uid", sysSetregid),
  sys(115, "getgroups", "i32 uids:out", sysGetgroups),
  sys(116, "setgroups", "i32 uids:in:0", sysSetgroups),
  sys(117, "setresuid", "uid uid uid", sysSetresuid),
  sys(118, "getresuid", "u32ptr:out u32ptr:out u32ptr:out", sysGetresuid),
  sys(119, "setresgid", "uid uid uid", sysSetresgid),
  sys(120, "getresgid", "u32ptr:out u32ptr:out u32ptr:out", sysGetresgid),
  sys(121, "getpgid", "pid", sysGetpgid),
  sys(122, "setfsuid", "uid", sysSetfsuid),
  sys(123, "setfsgid", "uid", sysSetfsgid),
  sys(124, "getsid", "pid", sysGetsid),
  sys(125, "capget", "ptr ptr", sysCapget),
  sys(126, "capset", "ptr ptr", sysCapset, "only what changes nothing"),
  sys(127, "rt_sigpending", "sigset:out size", sysRtSigpending),
  sys(128, "rt_sigtimedwait", "sigset:in ptr struct:timespec:in size", sysRtSigtimedwait),
  sys(129, "rt_sigqueueinfo", "pid sig ptr", sysRtSigqueueinfo),
  sys(130, "rt_sigsuspend", "sigset:in size", sysRtSigsuspend),
  sys(131, "sigaltstack", "struct:stack_t:in struct:stack_t:out", sysSigaltstack),
  sys(132, "utime", "path ptr", sysUtime),
  sys(133, "mknod", "path mode dev", sysMknod),
  sys(134, "uselib", "ptr ptr ptr ptr ptr ptr", null),
  sys(135, "personality", "hex32 -> hex", sysPersonality),
  sys(136, "ustat", "ptr ptr ptr ptr ptr ptr", null),
  sys(137, "statfs", "path struct:statfs:out", sysStatfs),
  sys(138, "fstatfs", "fd struct:statfs:out", sysFstatfs),
  sys(139, "sysfs", "ptr ptr ptr ptr ptr ptr", null),
  sys(140, "getpriority", "enum:prio i32", sysGetpriority),
  sys(141, "setpriority", "enum:prio i32 i32", sysSetpriority),
  sys(142, "sched_setparam", "pid ptr", sysSchedSetparam),
  sys(143, "sched_getparam", "pid ptr", sysSchedGetparam),
  sys(144, "sched_setscheduler", "pid enum:sched ptr", sysSchedSetscheduler, "not the real-time policies"),
  sys(145, "sched_getscheduler", "pid -> sched", sysSchedGetscheduler),
  sys(146, "sched_get_priority_max", "enum:sched", sysSchedGetPriorityMax),
  sys(147, "sched_get_priority_min", "enum:sched", sysSchedGetPriorityMin),
  sys(148, "sched_rr_get_interval", "pid struct:timespec:out", sysSchedRrGetInterval),
  sys(149, "mlock", "ptr size", sysMlock),
  sys(150, "munlock", "ptr size", sysMunlock),
  sys(151, "mlockall", "flags:mlockall", sysMlockall),
  sys(152, "munlockall", "", sysMunlockall),
  sys(153, "vhangup", "ptr ptr ptr ptr ptr ptr", null),
  sys(154, "modify_ldt", "ptr ptr ptr ptr ptr ptr", null),
  sys(155, "pivot_root", "ptr ptr ptr ptr ptr ptr", sysPivotRoot),
  sys(156, "_sysctl", "ptr ptr ptr ptr ptr ptr", null),
  sys(157, "prctl", "enum:prctl ptr ptr ptr ptr", sysPrctl),
  sys(158, "arch_prctl", "enum:archprctl ptr", sysArchPrctl),
  sys(159, "adjtimex", "ptr ptr ptr ptr ptr ptr", null),
  sys(160, "setrlimit", "enum:rlimit struct:rlimit:in", sysSetrlimit),
  sys(161, "chroot", "path", sysChroot),
  sys(162, "sync", "", sysSync),
  sys(163, "acct", "path", null),
  sys(164, "settimeofday", "struct:timeval:in ptr", sysSettimeofday),
  sys(165, "mount", "path path path flags:none ptr", sysMount),
  sys(166, "umount2", "path flags:none", sysUmount2),
  sys(167, "swapon", "ptr ptr ptr ptr ptr ptr", sysSwapon),
  sys(168, "swapoff", "ptr ptr ptr ptr ptr ptr", sysSwapoff),
  sys(169, "reboot", "ptr ptr ptr ptr ptr ptr", null),
  sys(170, "sethostname", "str:1 i32", sysSethostname),
  sys(171, "setdomainname", "str:1 i32", sysSetdomainname),
  sys(172, "iopl", "ptr ptr ptr ptr ptr ptr", null),
  sys(173, "ioperm", "ptr ptr ptr ptr ptr ptr", null),
  sys(174, "create_module", "ptr ptr ptr ptr ptr ptr", null),
  sys(175, "init_module", "ptr ptr ptr ptr ptr ptr", null),
  sys(176, "delete_module", "ptr ptr ptr ptr ptr ptr", null),
  sys(177, "get_kernel_syms", "ptr ptr ptr ptr ptr ptr", null),
  sys(178, "query_module", "ptr ptr ptr ptr ptr ptr", null),
  sys(179, "quotactl", "ptr ptr ptr ptr ptr ptr", sysQuotactl),
  sys(180, "nfsservctl", "ptr ptr ptr ptr ptr ptr", null),
  sys(181, "getpmsg", "ptr ptr ptr ptr ptr ptr", null),
  sys(182, "putpmsg", "ptr ptr ptr ptr ptr ptr", null),
  sys(183, "afs_syscall", "ptr ptr ptr ptr ptr ptr", null),
  sys(184, "tuxcall", "ptr ptr ptr ptr ptr ptr", null),
  sys(185, "security", "ptr ptr ptr ptr ptr ptr", null),
  sys(186, "gettid", "", sysGettid),
  sys(187, "readahead", "fd off size", sysReadahead),
  sys(188, "setxattr", "path str buf:in:3 size flags:xattr", sysSetxattr),
  sys(189, "lsetxattr", "path str buf:in:3 size flags:xattr", sysLsetxattr),
  sys(190, "fsetxattr", "fd str buf:in:3 size flags:xattr", sysFsetxattr),
  sys(191, "getxattr", "path str buf:out:3 size", sysGetxattr),
  sys(192, "lgetxattr", "path str buf:out:3 size", sysLgetxattr),
  sys(193, "fgetxattr", "fd str buf:out:3 size", sysFgetxattr),
  sys(194, "listxattr", "path buf:out:2 size", sysListxattr),
  sys(195, "llistxattr", "path buf:out:2 size", sysLlistxattr),
  sys(196, "flistxattr", "fd buf:out:2 size", sysFlistxattr),
  sys(197, "removexattr", "path str", sysRemovexattr),
  sys(198, "lremovexattr", "path str", sysLremovexattr),
  sys(199, "fremovexattr", "fd str", sysFremovexattr),
  sys(200, "tkill", "pid sig", sysTkill),
  sys(201, "time", "ptr", sysTime),
  sys(202, "futex", "ptr enum:futex u32 struct:timespec:futex ptr u32", sysFutex, "WAIT, WAKE and their BITSET forms, for one thread"),
  sys(203, "sched_setaffinity", "pid u32 ptr", sysSchedSetaffinity),
  sys(204, "sched_getaffinity", "pid u32 cpuset:out", sysSchedGetaffinity),
  sys(205, "set_thread_area", "ptr ptr ptr ptr ptr ptr", null),
  sys(206, "io_setup", "ptr ptr ptr ptr ptr ptr", null),
  sys(207, "io_destroy", "ptr ptr ptr ptr ptr ptr", null),
  sys(208, "io_getevents", "ptr ptr ptr ptr ptr ptr", null),
  sys(209, "io_submit", "ptr ptr ptr ptr ptr ptr", null),
  sys(210, "io_cancel", "ptr ptr ptr ptr ptr ptr", null),
  sys(211, "get_thread_area", "ptr ptr ptr ptr ptr ptr", null),
  sys(212, "lookup_dcookie", "ptr ptr ptr ptr ptr ptr", null),
  sys(213, "epoll_create", "i32", null),
  sys(214, "epoll_ctl_old", "ptr ptr ptr ptr ptr ptr", null),
  sys(215, "epoll_wait_old", "ptr ptr ptr ptr ptr ptr", null),
  sys(216, "remap_file_pages", "ptr ptr ptr ptr ptr ptr", null),
  sys(217, "getdents64", "fd ptr u32", sysGetdents64),
  sys(218, "set_tid_address", "ptr", sysSetTidAddress),
  sys(219, "restart_syscall", "", sysRestartSyscall),
  sys(220, "semtimedop", "ptr ptr ptr ptr ptr ptr", null),
  sys(221, "fadvise64", "fd off size enum:fadvise", sysFadvise64),
  sys(222, "timer_create", "enum:clock ptr u32ptr:out", sysTimerCreate),
  sys(223, "timer_settime", "i32 flags:timer struct:itimerspec:in struct:itimerspec:out", sysTimerSettime),
  sys(224, "timer_gettime", "i32 struct:itimerspec:out", sysTimerGettime),
  sys(225, "timer_getoverrun", "i32", sysTimerGetoverrun),
  sys(226, "timer_delete", "i32", sysTimerDelete),
  sys(227, "clock_settime", "enum:clock struct:timespec:in", sysClockSettime),
  sys(228, "clock_gettime", "enum:clock struct:timespec:out", sysClockGettime),
  sys(229, "clock_getres", "enum:clock struct:timespec:out", sysClockGetres),
  sys(230, "clock_nanosleep", "enum:clock flags:timer struct:timespec:in struct:timespec:none", sysClockNanosleep),
  sys(231, "exit_group", "i32", sysExitGroup),
  sys(232, "epoll_wait", "fd ptr i32 i32", null),
  sys(233, "epoll_ctl", "fd enum:epollctl fd ptr", null),
  sys(234, "tgkill", "pid pid sig", sysTgkill),
  sys(235, "utimes", "path ptr", sysUtimes),
  sys(236, "vserver", "ptr ptr ptr ptr ptr ptr", null),
  sys(237, "mbind", "ptr ptr ptr ptr ptr ptr", null),
  sys(238, "set_mempolicy", "ptr ptr ptr ptr ptr ptr", null),
  sys(239, "get_mempolicy", "ptr ptr ptr ptr ptr ptr", null),
  sys(240, "mq_open", "ptr ptr ptr ptr ptr ptr", null),
  sys(241, "mq_unlink", "ptr ptr ptr ptr ptr ptr", null),
  sys(242, "mq_timedsend", "ptr ptr ptr ptr ptr ptr", null),
  sys(243, "mq_timedreceive", "ptr ptr ptr ptr ptr ptr", null),
  sys(244, "mq_notify", "ptr ptr ptr ptr ptr ptr", null),
  sys(245, "mq_getsetattr", "ptr ptr ptr ptr ptr ptr", null),
  sys(246, "kexec_load", "ptr ptr ptr ptr ptr ptr", null),
  sys(247, "waitid", "i32 pid ptr flags:wait ptr", sysWaitid, "there are no children: -ECHILD"),
  sys(248, "add_key", "ptr ptr ptr ptr ptr ptr", null),
  sys(249, "request_key", "ptr ptr ptr ptr ptr ptr", null),
  sys(250, "keyctl", "ptr ptr ptr ptr ptr ptr", null),
  sys(251, "ioprio_set", "ptr ptr ptr ptr ptr ptr", null),
  sys(252, "ioprio_get", "ptr ptr ptr ptr ptr ptr", null),
  sys(253, "inotify_init", "", null),
  sys(254, "inotify_add_watch", "fd path flags:none", null),
  sys(255, "inotify_rm_watch", "fd i32", null),
  sys(256, "migrate_pages", "ptr ptr ptr ptr ptr ptr", null),
  sys(257, "openat", "dirfd path flags:open mode?2", sysOpenat),
  sys(258, "mkdirat", "dirfd path mode", sysMkdirat),
  sys(259, "mknodat", "dirfd path mode dev", sysMknodat),
  sys(260, "fchownat", "dirfd path uid uid flags:at", sysFchownat),
  sys(261, "futimesat", "dirfd path ptr", sysFutimesat),
  sys(262, "newfstatat", "dirfd path struct:stat:out flags:at", sysNewfstatat),
  sys(263, "unlinkat", "dirfd path flags:unlinkat", sysUnlinkat),
  sys(264, "renameat", "dirfd path dirfd path", sysRenameat),
  sys(265, "linkat", "dirfd path dirfd path flags:at", sysLinkat),
  sys(266, "symlinkat", "path dirfd path", sysSymlinkat),
  sys(267, "readlinkat", "dirfd path buf:out:3 size", sysReadlinkat),
  sys(268, "fchmodat", "dirfd path mode", sysFchmodat),
  sys(269, "faccessat", "dirfd path flags:access", sysFaccessat),
  sys(270, "pselect6", "i32 ptr ptr ptr struct:timespec:in ptr", sysPselect6),
  sys(271, "ppoll", "pollfd:1 u32 struct:timespec:in sigset:in size", sysPpoll),
  sys(272, "unshare", "ptr ptr ptr ptr ptr ptr", null),
  sys(273, "set_robust_list", "ptr size", sysSetRobustList),
  sys(274, "get_robust_list", "pid ptr ptr", sysGetRobustList),
  sys(275, "splice", "fd ptr fd ptr size flags:splice", null),
  sys(276, "tee", "fd fd size flags:splice", null),
  sys(277, "sync_file_range", "fd off off flags:none", sysSyncFileRange),
  sys(278, "vmsplice", "fd iov:in:2 size flags:splice", null),
  sys(279, "move_pages", "ptr ptr ptr ptr ptr ptr", null),
  sys(280, "utimensat", "dirfd path times flags:at", sysUtimensat),
  sys(281, "epoll_pwait", "fd ptr i32 i32 sigset:in size", null),
  sys(282, "signalfd", "fd sigset:in size", null),
  sys(283, "timerfd_create", "enum:clock flags:timerfd", sysTimerfdCreate),
  sys(284, "eventfd", "u32", sysEventfd),
  sys(285, "fallocate", "fd flags:fallocate off off", sysFallocate),
  sys(286, "timerfd_settime", "fd i32 struct:itimerspec:in struct:itimerspec:out", sysTimerfdSettime),
  sys(287, "timerfd_gettime", "fd struct:itimerspec:out", sysTimerfdGettime),
  sys(288, "accept4", "fd ptr ptr flags:accept", null),
  sys(289, "signalfd4", "fd sigset:in size flags:signalfd", null),
  sys(290, "eventfd2", "u32 flags:eventfd", sysEventfd2),
  sys(291, "epoll_create1", "flags:epoll", null),
  sys(292, "dup3", "fd fd flags:pipe", sysDup3),
  sys(293, "pipe2", "fds:out flags:pipe", sysPipe2),
  sys(294, "inotify_init1", "flags:inotify", null),
  sys(295, "preadv", "fd iov:out:2 i32 off", sysPreadv),
  sys(296, "pwritev", "fd iov:in:2 i32 off", sysPwritev),
  sys(297, "rt_tgsigqueueinfo", "pid pid sig ptr", sysRtTgsigqueueinfo),
  sys(298, "perf_event_open", "ptr ptr ptr ptr ptr ptr", null),
  sys(299, "recvmmsg", "ptr ptr ptr ptr ptr ptr", null),
  sys(300, "fanotify_init", "ptr ptr ptr ptr ptr ptr", null),
  sys(301, "fanotify_mark", "ptr ptr ptr ptr ptr ptr", null),
  sys(302, "prlimit64", "pid enum:rlimit struct:rlimit:in struct:rlimit:out", sysPrlimit64),
  sys(303, "name_to_handle_at", "ptr ptr ptr ptr ptr ptr", null),
  sys(304, "open_by_handle_at", "ptr ptr ptr ptr ptr ptr", null),
  sys(305, "clock_adjtime", "ptr ptr ptr ptr ptr ptr", null),
  sys(306, "syncfs", "fd", sysSyncfs),
  sys(307, "sendmmsg", "ptr ptr ptr ptr ptr ptr", null),
  sys(308, "setns", "ptr ptr ptr ptr ptr ptr", null),
  sys(309, "getcpu", "u32ptr:out u32ptr:out ptr", sysGetcpu),
  sys(310, "process_vm_readv", "ptr ptr ptr ptr ptr ptr", null),
  sys(311, "process_vm_writev", "ptr ptr ptr ptr ptr ptr", null),
  sys(312, "kcmp", "ptr ptr ptr ptr ptr ptr", null),
  sys(313, "finit_module", "ptr ptr ptr ptr ptr ptr", null),
  sys(314, "sched_setattr", "ptr ptr ptr ptr ptr ptr", null),
  sys(315, "sched_getattr", "ptr ptr ptr ptr ptr ptr", null),
  sys(316, "renameat2", "dirfd path dirfd path flags:renameat2", sysRenameat2),
  sys(317, "seccomp", "u32 flags:none ptr", null),
  sys(318, "getrandom", "random size flags:getrandom", sysGetrandom),
  sys(319, "memfd_create", "str flags:memfd", null),
  sys(320, "kexec_file_load", "ptr ptr ptr ptr ptr ptr", null),
  sys(321, "bpf", "ptr ptr ptr ptr ptr ptr", null),
  sys(322, "execveat", "dirfd path strv env flags:at", null),
  sys(323, "userfaultfd", "ptr ptr ptr ptr ptr ptr", null),
  sys(324, "membarrier", "i32 flags:none i32", sysMembarrier),
  sys(325, "mlock2", "ptr size flags:none", sysMlock2),
  sys(326, "copy_file_range", "fd ptr fd ptr size flags:none", sysCopyFileRange),
  sys(327, "preadv2", "fd iov:out:2 i32 off i32 flags:rwf", sysPreadv2),
  sys(328, "pwritev2", "fd iov:in:2 i32 off i32 flags:rwf", sysPwritev2),
  sys(329, "pkey_mprotect", "ptr size flags:prot i32", null),
  sys(330, "pkey_alloc", "flags:none u32", null),
  sys(331, "pkey_free", "i32", null),
  sys(332, "statx", "dirfd path flags:at hex32 struct:statx:out", sysStatx),
  sys(333, "io_pgetevents", "ptr ptr ptr ptr ptr ptr", null),
  sys(334, "rseq", "ptr hex32 flags:none hex32", sysRseq),
  sys(424, "pidfd_send_signal", "ptr ptr ptr ptr ptr ptr", null),
  sys(425, "io_uring_setup", "ptr ptr ptr ptr ptr ptr", null),
  sys(426, "io_uring_enter", "ptr ptr ptr ptr ptr ptr", null),
  sys(427, "io_uring_register", "ptr ptr ptr ptr ptr ptr", null),
  sys(428, "open_tree", "ptr ptr ptr ptr ptr ptr", sysOpenTree),
  sys(429, "move_mount", "ptr ptr ptr ptr ptr ptr", sysMoveMount),
  sys(430, "fsopen", "ptr ptr ptr ptr ptr ptr", sysFsopen),
  sys(431, "fsconfig", "ptr ptr ptr ptr ptr ptr", null),
  sys(432, "fsmount", "ptr ptr ptr ptr ptr ptr", sysFsmount),
  sys(433, "fspick", "ptr ptr ptr ptr ptr ptr", sysFspick),
  sys(434, "pidfd_open", "pid flags:open", null),
  sys(435, "clone3", "ptr size", null, "processes and threads are a later issue"),
  sys(436, "close_range", "u32 u32 flags:closerange", sysCloseRange),
  sys(437, "openat2", "dirfd path ptr size", sysOpenat2),
  sys(438, "pidfd_getfd", "ptr ptr ptr ptr ptr ptr", null),
  sys(439, "faccessat2", "dirfd path flags:access flags:at", sysFaccessat2),
  sys(440, "process_madvise", "fd ptr size enum:madvise flags:none", null),
  sys(441, "epoll_pwait2", "fd ptr i32 struct:timespec:in sigset:in size", null),
  sys(442, "mount_setattr", "ptr ptr ptr ptr ptr ptr", sysMountSetattr),
  sys(443, "quotactl_fd", "ptr ptr ptr ptr ptr ptr", null),
  sys(444, "landlock_create_ruleset", "ptr ptr ptr ptr ptr ptr", null),
  sys(445, "landlock_add_rule", "ptr ptr ptr ptr ptr ptr", null),
  sys(446, "landlock_restrict_self", "ptr ptr ptr ptr ptr ptr", null),
  sys(447, "memfd_secret", "ptr ptr ptr ptr ptr ptr", null),
  sys(448, "process_mrelease", "ptr ptr ptr ptr ptr ptr", null),
  sys(449, "futex_waitv", "ptr ptr ptr ptr ptr ptr", null),
  sys(450, "set_mempolicy_home_node", "ptr ptr ptr ptr ptr ptr", null),
];

/** By number; undefined where there is no call. */
export const sysCallTable: readonly (SyscallRow | undefined)[] = (() => {
  const table = new Array<SyscallRow | undefined>(NR_SYSCALLS).fill(undefined);
  for (const row of syscallRows) table[row.number] = row;
  return table;
})();

/** The row of a call by its name. */
export function syscallByName(name: string): SyscallRow | undefined {
  return syscallRows.find((row) => row.name === name);
}
