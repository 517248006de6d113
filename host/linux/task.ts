// A task: one thread of the guest with all that the kernel keeps about it (Linux struct task_struct).
// kernel.ts schedules it, entry-common.ts serves its calls, exec.ts gives it a program.

import type { KernelStack } from "../ring0/kernel-stack";
import type { PtRegs } from "../ring0/pt-regs";
import { type Abi, X86_64 } from "./abi";
import { type CallTable, NATIVE_CALLS } from "./call-tables";
import type { Kernel } from "./kernel";
import type { Limits } from "./limits";
import type { Mm } from "./mm";
import { SignalState } from "./signal";
import type { Path } from "./vfs/dentry";
import type { FdTable } from "./vfs/fd-table";
import type { OpenFile } from "./vfs/file";
import type { PosixTimer } from "./timers";
import type { Block, WaitQueue } from "./wait";

export const TASK_RUNNING = 0;
export const TASK_SLEEPING = 1;
export const TASK_DEAD = 2;

export interface Credentials {
  uid: number;
  euid: number;
  suid: number;
  fsuid: number;
  gid: number;
  egid: number;
  sgid: number;
  fsgid: number;
  groups: number[];
}

/** A call that a signal cut short and restart_syscall goes on with, by the end of its timeout (Linux struct restart_block). */
export type RestartBlock =
  | { readonly call: "nanosleep"; readonly deadlineNs: number; readonly remaining: number; readonly abi: Abi }
  | { readonly call: "poll"; readonly fds: number; readonly count: number; readonly deadlineNs: number }
  | { readonly call: "futex"; readonly address: number; readonly value: number; readonly deadlineNs: number };

export class Task {
  readonly tgid: number;
  pgid: number;
  sid: number;
  comm = "";
  /** The program as execve was given it. */
  exePath = "";
  exeFile: OpenFile | null = null;
  state: typeof TASK_RUNNING | typeof TASK_SLEEPING | typeof TASK_DEAD = TASK_RUNNING;
  /** How it ended: exit code, or the signal that killed it. */
  exitCode = 0;
  exitSignal = 0;
  readonly signals = new SignalState();
  /** Of the door that the task came in by last (Linux TS_COMPAT). */
  calls: CallTable = NATIVE_CALLS;
  /** Layouts of the system call being served, or of the last one. */
  abi: Abi = X86_64;
  /** What a call that slept keeps until it is run again, in a form of its own; null at the start of every call. */
  progress: unknown = null;
  /** A system call that slept is to be run again from pt_regs before the task goes on. */
  callPending = false;
  /** Does exit to user mode have work: signals, restart codes, the end of the task? */
  exitWork = false;
  /** Stopped by a signal: only SIGCONT and SIGKILL get it going. */
  stopped = false;
  restartBlock: RestartBlock | null = null;
  /** The last exception of user code that earned a signal, as frames show it; cr2 is signed (Linux thread_struct). */
  readonly fault = { vector: 0, errorCode: 0, cr2: 0 };
  /** timer_create's timers by id; ids are not used again. */
  readonly posixTimers = new Map<number, PosixTimer>();
  nextTimerId = 0;
  personality = 0;
  nice = 0;
  dumpable = 1;
  noNewPrivs = false;
  keepCapabilities = false;
  /** prctl(PR_SET_TSC, PR_TSC_SIGSEGV); outlives execve. */
  tscDisabled = false;
  parentDeathSignal = 0;
  childSubreaper = 0;
  timerSlackNs = 50_000;
  clearChildTid = 0;
  robustList = 0;
  rseq: { address: number; length: number; signature: number } | null = null;
  private queues: readonly WaitQueue[] = [];
  /** CLOCK_MONOTONIC nanoseconds at which a sleep ends by itself. */
  deadlineNs = Infinity;

  constructor(
    readonly kernel: Kernel,
    readonly pid: number,
    readonly ppid: number,
    readonly stack: KernelStack,
    public mm: Mm,
    readonly files: FdTable,
    readonly fs: { root: Path; cwd: Path; umask: number },
    readonly creds: Credentials,
    readonly limits: Limits,
  ) {
    this.tgid = pid;
    this.pgid = pid;
    this.sid = pid;
  }

  /** The user's registers as the last entry pushed them. */
  get regs(): PtRegs {
    return this.stack.regs;
  }

  /** Sleeps until a queue is woken or the deadline has passed. */
  sleep(block: Block): void {
    this.state = TASK_SLEEPING;
    this.queues = block.queues;
    this.deadlineNs = block.deadlineNs;
    for (const queue of block.queues) queue.add(this);
  }

  /** It sleeps until the host has something for it. */
  get awaitsHost(): boolean {
    return this.queues.some(({ byHost }) => byHost);
  }

  /** Makes a sleeping task runnable; a host callback may call it at any time. */
  wakeUp(): void {
    if (this.state !== TASK_SLEEPING || this.stopped) return;
    this.state = TASK_RUNNING;
    for (const queue of this.queues) queue.remove(this);
    this.queues = [];
    this.deadlineNs = Infinity;
    this.kernel.taskWoken();
  }

  /** Stops until resume(). */
  stop(): void {
    this.stopped = true;
    this.state = TASK_SLEEPING;
    this.deadlineNs = Infinity;
  }

  resume(): void {
    this.stopped = false;
    this.wakeUp();
  }

  /** The end: whatever the current hook does, the task does not return to user mode. */
  die(exitCode: number, exitSignal: number): void {
    if (this.state === TASK_DEAD) return;
    this.resume();
    this.state = TASK_DEAD;
    this.exitCode = exitCode;
    this.exitSignal = exitSignal;
  }
}
