// Names of flag bits and enumerated arguments, as strace prints them: `flags:X` and `enum:X` of syscall-table.ts look here.
// Rows are built from the uapi files where those have the numbers; others are given here once.

import * as fcntl from "./uapi-fcntl";
import * as mman from "./uapi-mman";
import * as termios from "./uapi-termios";

export type Names = readonly (readonly [number, string])[];

/** The constants of a uapi file whose names begin with `prefix`, `except` some, by value as strace has them. */
function from(module: Readonly<Record<string, unknown>>, prefix: string, except: readonly string[] = []): [number, string][] {
  return Object.entries(module)
    .filter(([name, value]) => typeof value === "number" && name.startsWith(prefix) && !except.includes(name))
    .map(([name, value]): [number, string] => [value as number, name])
    .sort(([a], [b]) => a - b);
}

/** Names numbered from `first` up. */
function counted(first: number, ...names: string[]): [number, string][] {
  return names.map((name, index) => [first + index, name]);
}

function descriptorFlags(prefix: string): Names {
  return [[fcntl.O_CLOEXEC, `${prefix}CLOEXEC`], [fcntl.O_NONBLOCK, `${prefix}NONBLOCK`]];
}

/** Composite values stand before the bits that they are made of. */
const makeFlagNames: Readonly<Record<string, () => Names>> = {
  none: () => [],
  open: () => [
    [fcntl.O_TMPFILE, "O_TMPFILE"], [fcntl.O_SYNC, "O_SYNC"],
    ...from(fcntl, "O_", ["O_ACCMODE", "O_RDONLY", "O_WRONLY", "O_RDWR", "O_TMPFILE", "O_SYNC"]),
    [fcntl.FASYNC, "FASYNC"],
  ],
  // The same bits under the name that each call has for them; without an access mode.
  pipe: () => [[fcntl.O_NONBLOCK, "O_NONBLOCK"], [fcntl.O_DIRECT, "O_DIRECT"], [fcntl.O_CLOEXEC, "O_CLOEXEC"]],
  accept: () => descriptorFlags("SOCK_"),
  epoll: () => descriptorFlags("EPOLL_"),
  eventfd: () => [[1, "EFD_SEMAPHORE"], ...descriptorFlags("EFD_")],
  inotify: () => descriptorFlags("IN_"),
  signalfd: () => descriptorFlags("SFD_"),
  timerfd: () => descriptorFlags("TFD_"),
  at: () => from(fcntl, "AT_", ["AT_FDCWD", "AT_EACCESS", "AT_REMOVEDIR"]),
  unlinkat: () => [[fcntl.AT_REMOVEDIR, "AT_REMOVEDIR"]],
  access: () => [[fcntl.R_OK, "R_OK"], [fcntl.W_OK, "W_OK"], [fcntl.X_OK, "X_OK"]],
  flock: () => from(fcntl, "LOCK_"),
  renameat2: () => from(fcntl, "RENAME_"),
  fallocate: () => from(fcntl, "FALLOC_FL_"),
  rwf: () => from(fcntl, "RWF_"),
  closerange: () => from(fcntl, "CLOSE_RANGE_"),
  prot: () => from(mman, "PROT_", ["PROT_NONE"]),
  map: () => [
    [mman.MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE"],
    ...from(mman, "MAP_", ["MAP_TYPE", "MAP_SHARED_VALIDATE"]),
  ],
  mremap: () => from(mman, "MREMAP_"),
  msync: () => from(mman, "MS_"),
  mlockall: () => from(mman, "MCL_"),
  getrandom: () => [[1, "GRND_NONBLOCK"], [2, "GRND_RANDOM"], [4, "GRND_INSECURE"]],
  timer: () => [[1, "TIMER_ABSTIME"]],
  wait: () => [[1, "WNOHANG"], [2, "WUNTRACED"], [4, "WEXITED"], [8, "WCONTINUED"], [0x1000000, "WNOWAIT"]],
  socktype: () => [[1, "SOCK_STREAM"], [2, "SOCK_DGRAM"], [0o4000, "SOCK_NONBLOCK"], [0o2000000, "SOCK_CLOEXEC"]],
  xattr: () => [[1, "XATTR_CREATE"], [2, "XATTR_REPLACE"]],
  splice: () => [[1, "SPLICE_F_MOVE"], [2, "SPLICE_F_NONBLOCK"], [4, "SPLICE_F_MORE"]],
  memfd: () => [[1, "MFD_CLOEXEC"], [2, "MFD_ALLOW_SEALING"], [4, "MFD_HUGETLB"]],
  clone: () => [
    [0x100, "CLONE_VM"], [0x200, "CLONE_FS"], [0x400, "CLONE_FILES"], [0x800, "CLONE_SIGHAND"], [0x4000, "CLONE_VFORK"],
    [0x10000, "CLONE_THREAD"], [0x40000, "CLONE_SYSVSEM"], [0x80000, "CLONE_SETTLS"], [0x100000, "CLONE_PARENT_SETTID"],
    [0x200000, "CLONE_CHILD_CLEARTID"], [0x1000000, "CLONE_CHILD_SETTID"], [17, "SIGCHLD"],
  ],
  sa: () => [
    [0x04000000, "SA_RESTORER"], [0x08000000, "SA_ONSTACK"], [0x10000000, "SA_RESTART"], [0x40000000, "SA_NODEFER"],
    [0x80000000, "SA_RESETHAND"], [1, "SA_NOCLDSTOP"], [2, "SA_NOCLDWAIT"], [4, "SA_SIGINFO"],
  ],
};

/** Printed when no bit is set. */
const zeroNames: Readonly<Record<string, string>> = { prot: "PROT_NONE", access: "F_OK" };

const makeEnumNames: Readonly<Record<string, () => Names>> = {
  seek: () => counted(0, "SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA", "SEEK_HOLE"),
  sighow: () => counted(0, "SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK"),
  madvise: () => from(mman, "MADV_"),
  fcntl: () => from(fcntl, "F_", ["F_RDLCK", "F_WRLCK", "F_UNLCK"]),
  ioctl: () => from(termios, "TC").concat(from(termios, "TIO"), from(termios, "FIO")),
  itimer: () => counted(0, "ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF"),
  clock: () => [
    ...counted(
      0, "CLOCK_REALTIME", "CLOCK_MONOTONIC", "CLOCK_PROCESS_CPUTIME_ID", "CLOCK_THREAD_CPUTIME_ID", "CLOCK_MONOTONIC_RAW",
      "CLOCK_REALTIME_COARSE", "CLOCK_MONOTONIC_COARSE", "CLOCK_BOOTTIME", "CLOCK_REALTIME_ALARM", "CLOCK_BOOTTIME_ALARM",
    ),
    [11, "CLOCK_TAI"],
  ],
  rlimit: () =>
    counted(
      0, "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC", "RLIMIT_NOFILE",
      "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO",
      "RLIMIT_RTTIME",
    ),
  rusage: () => [[0, "RUSAGE_SELF"], [-1, "RUSAGE_CHILDREN"], [1, "RUSAGE_THREAD"]],
  prio: () => counted(0, "PRIO_PROCESS", "PRIO_PGRP", "PRIO_USER"),
  sched: () => [...counted(0, "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH"), [5, "SCHED_IDLE"], [6, "SCHED_DEADLINE"]],
  archprctl: () => [...counted(0x1001, "ARCH_SET_GS", "ARCH_SET_FS", "ARCH_GET_FS", "ARCH_GET_GS"), [0x1011, "ARCH_GET_CPUID"], [0x1012, "ARCH_SET_CPUID"]],
  prctl: () => [
    ...counted(1, "PR_SET_PDEATHSIG", "PR_GET_PDEATHSIG", "PR_GET_DUMPABLE", "PR_SET_DUMPABLE", "PR_GET_UNALIGN", "PR_SET_UNALIGN",
      "PR_GET_KEEPCAPS", "PR_SET_KEEPCAPS"),
    [15, "PR_SET_NAME"], [16, "PR_GET_NAME"], [21, "PR_GET_SECCOMP"], [22, "PR_SET_SECCOMP"], [23, "PR_CAPBSET_READ"],
    [24, "PR_CAPBSET_DROP"], [25, "PR_GET_TSC"], [26, "PR_SET_TSC"], [29, "PR_SET_TIMERSLACK"], [30, "PR_GET_TIMERSLACK"],
    [36, "PR_SET_CHILD_SUBREAPER"], [37, "PR_GET_CHILD_SUBREAPER"], [38, "PR_SET_NO_NEW_PRIVS"], [39, "PR_GET_NO_NEW_PRIVS"],
    [0x53564d41, "PR_SET_VMA"],
  ],
  futex: () =>
    counted(
      0, "FUTEX_WAIT", "FUTEX_WAKE", "FUTEX_FD", "FUTEX_REQUEUE", "FUTEX_CMP_REQUEUE", "FUTEX_WAKE_OP", "FUTEX_LOCK_PI", "FUTEX_UNLOCK_PI",
      "FUTEX_TRYLOCK_PI", "FUTEX_WAIT_BITSET", "FUTEX_WAKE_BITSET",
    ),
  fadvise: () =>
    counted(
      0, "POSIX_FADV_NORMAL", "POSIX_FADV_RANDOM", "POSIX_FADV_SEQUENTIAL", "POSIX_FADV_WILLNEED", "POSIX_FADV_DONTNEED",
      "POSIX_FADV_NOREUSE",
    ),
  af: () => [...counted(0, "AF_UNSPEC", "AF_UNIX", "AF_INET"), [10, "AF_INET6"], [16, "AF_NETLINK"], [17, "AF_PACKET"]],
  epollctl: () => counted(1, "EPOLL_CTL_ADD", "EPOLL_CTL_DEL", "EPOLL_CTL_MOD"),
};

/** Looks names up, each table made when first asked for: a run without strace makes none. */
export class NameTables {
  private readonly made = new Map<string, Names>();

  private table(kind: "flags" | "enum", name: string): Names {
    const key = `${kind}:${name}`;
    let names = this.made.get(key);
    if (names === undefined) {
      names = ((kind === "flags" ? makeFlagNames : makeEnumNames)[name] ?? (() => []))();
      this.made.set(key, names);
    }
    return names;
  }

  /** The values that have a name, for argument kind `flags:name` or `enum:name`; none where the kind names none. */
  values(kind: "flags" | "enum", name: string): number[] {
    return this.table(kind, name).map(([value]) => value);
  }

  /** "MAP_PRIVATE|MAP_ANONYMOUS"; bits without a name follow in hexadecimal; 0 where nothing is set. */
  flags(name: string, value: number): string {
    let left = value >>> 0;
    const parts: string[] = [];
    if (name === "open") parts.push((["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"] as const)[left & 3]!);
    if (name === "open") left = (left & ~3) >>> 0;
    for (const [bits, text] of this.table("flags", name)) {
      if (bits !== 0 && ((left & bits) >>> 0) === bits >>> 0) {
        parts.push(text);
        left = (left & ~bits) >>> 0;
      }
    }
    if (left !== 0) parts.push(`0x${left.toString(16)}`);
    return parts.length > 0 ? parts.join("|") : (zeroNames[name] ?? "0");
  }

  enumerated(name: string, value: number): string {
    const known = this.table("enum", name).find(([number]) => number === value);
    if (known !== undefined) return known[1];
    return name === "ioctl" || value > 0xffff ? `0x${(value >>> 0).toString(16)}` : String(value);
  }

  futexOperation(value: number): string {
    const flags = (value & 128 ? "_PRIVATE" : "") + (value & 256 ? "|FUTEX_CLOCK_REALTIME" : "");
    return this.enumerated("futex", value & ~(128 | 256)) + flags;
  }
}
