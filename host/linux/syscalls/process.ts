// The task as such: its numbers, its end, its program, and the words that libc start-up leaves with the kernel.

import { EBUSY, ECHILD, EINVAL, ENODEV, EPERM, ESRCH, Errno } from "../errno";
import { execve } from "../exec";
import { READ_IMPLIES_EXEC } from "../personality";
import { putWord } from "../struct-layout";
import type { Task } from "../task";
import { TASK_SIZE } from "../uapi-mman";
import { NSIG } from "../uapi-signal";
import { ROBUST_LIST_HEAD } from "../uapi-structs";

export function sysExit(task: Task, code: number): number {
  task.kernel.exitGroup(task, code & 0xff, 0);
  return 0;
}
export const sysExitGroup = sysExit;

export function sysGetpid(task: Task): number {
  return task.tgid;
}
export function sysGettid(task: Task): number {
  return task.pid;
}
export function sysGetppid(task: Task): number {
  return task.ppid;
}
export function sysGetpgrp(task: Task): number {
  return task.pgid;
}

function find(task: Task, pid: number): Task {
  const found = pid === 0 ? task : task.kernel.tasks.get(pid);
  if (found === undefined) throw new Errno(ESRCH);
  return found;
}

export function sysGetpgid(task: Task, pid: number): number {
  return find(task, pid).pgid;
}
export function sysGetsid(task: Task, pid: number): number {
  return find(task, pid).sid;
}
export function sysSetpgid(task: Task, pid: number, pgid: number): number {
  if (pgid < 0) return -EINVAL;
  const target = find(task, pid);
  if (target.sid === target.pid) return -EPERM; // a session leader keeps its group
  target.pgid = pgid === 0 ? target.pid : pgid;
  return 0;
}
export function sysSetsid(task: Task): number {
  if (task.pgid === task.pid) return -EPERM; // already a group leader
  task.sid = task.pid;
  task.pgid = task.pid;
  return task.sid;
}

/** There are no children yet. */
export function sysWait4(_task: Task, _pid: number, _status: number, options: number): number {
  if (options & ~0xe000000b) return -EINVAL;
  return -ECHILD;
}
export function sysWaitid(_task: Task, which: number, _pid: number, _info: number, options: number): number {
  if (options & ~0xe100000f || (options & 0xe) === 0 || which < 0 || which > 3) return -EINVAL;
  return -ECHILD;
}

const ARG_STRINGS_MAX = 6 << 20;

export function sysExecve(task: Task, path: number, argv: number, envp: number): number {
  const name = task.mm.getCString(path);
  const { word } = task.abi;
  execve(task, name, task.mm.getStringArray(argv, word, ARG_STRINGS_MAX), task.mm.getStringArray(envp, word, ARG_STRINGS_MAX));
  return 0;
}

export function sysSetTidAddress(task: Task, address: number): number {
  task.clearChildTid = address;
  return task.pid;
}

/** Only the length of a robust_list_head is checked until threads come. */
export function sysSetRobustList(task: Task, head: number, length: number): number {
  if (length !== ROBUST_LIST_HEAD.size(task.abi)) return -EINVAL;
  task.robustList = head;
  return 0;
}
export function sysGetRobustList(task: Task, pid: number, head: number, length: number): number {
  const target = find(task, pid);
  putWord(task, length, ROBUST_LIST_HEAD.size(task.abi));
  putWord(task, head, target.robustList);
  return 0;
}

//   struct rseq, 32 bytes (include/uapi/linux/rseq.h)
//    0             4       8        16    20 .. 31
//   +-------------+-------+--------+-----+--------+
//   |cpu_id_start |cpu_id |rseq_cs |flags| 0      |
//   +-------------+-------+--------+-----+--------+
const SIZEOF_RSEQ = 32;
const RSEQ_FLAG_UNREGISTER = 1;
const RSEQ_CPU_ID_UNINITIALIZED = -1;

/** One CPU, one task: no critical section is ever interrupted by migration or preemption, so registering is all there is. */
export function sysRseq(task: Task, address: number, length: number, flags: number, signature: number): number {
  const { mm, rseq } = task;
  if (flags & RSEQ_FLAG_UNREGISTER) {
    if (flags & ~RSEQ_FLAG_UNREGISTER || rseq === null || rseq.address !== address || rseq.length !== length) return -EINVAL;
    if (rseq.signature !== signature) return -EPERM;
    mm.putU32(address, 0);
    mm.putU32(address + 4, RSEQ_CPU_ID_UNINITIALIZED);
    task.rseq = null;
    return 0;
  }
  if (flags !== 0) return -EINVAL;
  if (rseq !== null) {
    if (rseq.address !== address || rseq.length !== length) return -EINVAL;
    return rseq.signature !== signature ? -EPERM : -EBUSY;
  }
  if (address % SIZEOF_RSEQ !== 0 || length !== SIZEOF_RSEQ) return -EINVAL;
  mm.accessOk(address, length);
  mm.putU32(address, 0);
  mm.putU32(address + 4, 0);
  task.rseq = { address, length, signature };
  return 0;
}

const ARCH_SET_GS = 0x1001;
const ARCH_SET_FS = 0x1002;
const ARCH_GET_FS = 0x1003;
const ARCH_GET_GS = 0x1004;
const ARCH_GET_CPUID = 0x1011;
const ARCH_SET_CPUID = 0x1012;

export function sysArchPrctl(task: Task, option: number, address: number): number {
  const { ring0 } = task.kernel;
  switch (option) {
    case ARCH_SET_FS:
      if (!(address < TASK_SIZE)) return -EPERM;
      ring0.userFsBase = address;
      return 0;
    case ARCH_SET_GS:
      if (!(address < TASK_SIZE)) return -EPERM;
      ring0.userGsBase = address;
      return 0;
    case ARCH_GET_FS:
      task.mm.putU64(address, ring0.userFsBase);
      return 0;
    case ARCH_GET_GS:
      task.mm.putU64(address, ring0.userGsBase);
      return 0;
    case ARCH_GET_CPUID:
      return 1;
    case ARCH_SET_CPUID:
      return -ENODEV; // this CPU has no CPUID faulting
  }
  return -EINVAL;
}

const PR_SET_PDEATHSIG = 1;
const PR_GET_PDEATHSIG = 2;
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_GET_KEEPCAPS = 7;
const PR_SET_KEEPCAPS = 8;
const PR_GET_TIMING = 13;
const PR_SET_TIMING = 14;
const PR_SET_NAME = 15;
const PR_GET_NAME = 16;
const PR_GET_SECCOMP = 21;
const PR_CAPBSET_READ = 23;
const PR_GET_TSC = 25;
const PR_GET_SECUREBITS = 27;
const PR_SET_TIMERSLACK = 29;
const PR_GET_TIMERSLACK = 30;
const PR_SET_CHILD_SUBREAPER = 36;
const PR_GET_CHILD_SUBREAPER = 37;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_GET_NO_NEW_PRIVS = 39;
const PR_GET_TID_ADDRESS = 40;
const PR_SET_TSC = 26;
const PR_TSC_ENABLE = 1;
const PR_TSC_SIGSEGV = 2;
const CAP_LAST_CAP = 40;
const TASK_COMM_LEN = 16;
const DEFAULT_TIMER_SLACK_NS = 50_000;

export function sysPrctl(task: Task, option: number, arg2: number, arg3: number, arg4: number, arg5: number): number {
  const { mm } = task;
  switch (option) {
    case PR_SET_PDEATHSIG:
      if (arg2 > NSIG) return -EINVAL;
      task.parentDeathSignal = arg2;
      return 0;
    case PR_GET_PDEATHSIG:
      mm.putU32(arg2, task.parentDeathSignal);
      return 0;
    case PR_GET_DUMPABLE:
      return task.dumpable;
    case PR_SET_DUMPABLE:
      if (arg2 !== 0 && arg2 !== 1) return -EINVAL;
      task.dumpable = arg2;
      return 0;
    case PR_GET_KEEPCAPS:
      return task.keepCapabilities ? 1 : 0;
    case PR_SET_KEEPCAPS:
      if (arg2 > 1) return -EINVAL;
      task.keepCapabilities = arg2 === 1;
      return 0;
    case PR_GET_TIMING:
      return 0; // PR_TIMING_STATISTICAL
    case PR_SET_TIMING:
      return arg2 === 0 ? 0 : -EINVAL;
    case PR_SET_NAME:
      task.comm = commOf(task, arg2);
      return 0;
    case PR_GET_NAME: {
      const bytes = new Uint8Array(TASK_COMM_LEN);
      for (let i = 0; i < task.comm.length; i++) bytes[i] = task.comm.charCodeAt(i);
      mm.copyToUser(arg2, bytes);
      return 0;
    }
    case PR_GET_SECCOMP:
      return 0;
    case PR_CAPBSET_READ:
      return arg2 > CAP_LAST_CAP ? -EINVAL : 1;
    case PR_GET_TSC:
      mm.putU32(arg2, task.tscDisabled ? PR_TSC_SIGSEGV : PR_TSC_ENABLE);
      return 0;
    case PR_SET_TSC:
      if (arg2 !== PR_TSC_ENABLE && arg2 !== PR_TSC_SIGSEGV) return -EINVAL;
      task.tscDisabled = arg2 === PR_TSC_SIGSEGV;
      task.kernel.ring0.userTscDisabled = task.tscDisabled;
      return 0;
    case PR_GET_SECUREBITS:
      return 0;
    case PR_SET_TIMERSLACK:
      task.timerSlackNs = arg2 === 0 ? DEFAULT_TIMER_SLACK_NS : arg2;
      return 0;
    case PR_GET_TIMERSLACK:
      return task.timerSlackNs;
    case PR_SET_CHILD_SUBREAPER:
      task.childSubreaper = arg2 === 0 ? 0 : 1;
      return 0;
    case PR_GET_CHILD_SUBREAPER:
      mm.putU32(arg2, task.childSubreaper);
      return 0;
    case PR_SET_NO_NEW_PRIVS:
      if (arg2 !== 1 || arg3 !== 0 || arg4 !== 0 || arg5 !== 0) return -EINVAL;
      task.noNewPrivs = true;
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      if (arg2 !== 0 || arg3 !== 0 || arg4 !== 0 || arg5 !== 0) return -EINVAL;
      return task.noNewPrivs ? 1 : 0;
    case PR_GET_TID_ADDRESS:
      mm.putU64(arg2, task.clearChildTid);
      return 0;
  }
  task.kernel.noticeOnce(`prctl option ${option} is not built, -EINVAL`);
  return -EINVAL;
}

/** At most 15 bytes up to a zero (Linux strncpy_from_user into comm). */
function commOf(task: Task, address: number): string {
  let name = "";
  for (let i = 0; i < TASK_COMM_LEN - 1; i++) {
    const byte = task.mm.getU8(address + i);
    if (byte === 0) break;
    name += String.fromCharCode(byte);
  }
  return name;
}

const PER_GET = 0xffffffff;

export function sysPersonality(task: Task, persona: number): number {
  const before = task.personality;
  if (persona !== PER_GET) {
    task.personality = persona;
    task.mm.readImpliesExec = (persona & READ_IMPLIES_EXEC) !== 0;
  }
  return before;
}

const MEMBARRIER_CMD_QUERY = 0;
const MEMBARRIER_CMD_GLOBAL = 1;
/** GLOBAL, GLOBAL_EXPEDITED, PRIVATE_EXPEDITED and SYNC_CORE with their registrations. */
const MEMBARRIER_SUPPORTED = 0x7f;

/** With one CPU every instruction already sees all earlier ones. */
export function sysMembarrier(_task: Task, command: number, flags: number): number {
  if (flags !== 0) return -EINVAL;
  if (command === MEMBARRIER_CMD_QUERY) return MEMBARRIER_SUPPORTED;
  if (command < MEMBARRIER_CMD_GLOBAL || (command & (command - 1)) !== 0 || command > MEMBARRIER_SUPPORTED) return -EINVAL;
  return 0;
}

