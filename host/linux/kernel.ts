// The kernel that the guest meets: one object that holds all of its state, and the loop that runs its tasks.
// Entered from host/index (run). Leaves to host/ring0 (dispatch), which comes back by the hooks below.

import { EXIT_BUDGET, EXIT_HALT, EXIT_SHUTDOWN } from "../../kernel/abi/exit-reasons";
import { MODE_16, MODE_32, MODE_64, RETIRED, RIP, VENDOR, VENDOR_AMD } from "../../kernel/abi/state";
import { VECTOR_MC, VECTOR_NMI, VECTOR_TIMER } from "../../kernel/abi/vectors";
import { type NamedInstruction, nameInstruction } from "../machine/instruction-text";
import type { Machine } from "../machine/machine";
import type { Ring0Hooks, Suspend } from "../ring0/hypercall";
import { kernelFault } from "../ring0/kernel-fault";
import { hexLinear } from "../ring0/layout";
import { PT_IP, type PtRegs } from "../ring0/pt-regs";
import { DISPATCH_SUSPENDED, Ring0 } from "../ring0/ring0";
import { type GetRandomValues, HostRandom, type RandomSource, SeededRandom, seedOf } from "./aslr";
import { Clock, type HostClock } from "./clock";
import { doSyscall32, doSyscall64, exitToUserMode, restartSyscall } from "./entry-common";
import { Errno } from "./errno";
import { execve } from "./exec";
import { Frames } from "./frames";
import { Limits } from "./limits";
import type { SignalInfo } from "./siginfo";
import { Signals } from "./signal";
import { CallTrace, type SyscallEvent } from "./strace";
import type { SyscallRow } from "./syscall-row";
import { TASK_DEAD, TASK_RUNNING, Task } from "./task";
import { Tick } from "./tick";
import { Timers } from "./timers";
import { doException } from "./traps";
import { SIGILL, SIGKILL, SI_KERNEL, signalName } from "./uapi-signal";
import { type HostDirectory } from "./vfs/host-directory";
import { FdTable } from "./vfs/fd-table";
import { lookupPath } from "./vfs/namei";
import type { Path } from "./vfs/dentry";
import type { InputStream, OutputStream } from "./vfs/streams";
import { Vdso } from "./vdso";
import { Vfs } from "./vfs/vfs";
import { type VsyscallMode, vsyscallNumbers } from "./vsyscall";

/** Instructions per slice: run() must come back often, or V8 never gets to optimise it (DESIGN section 7). */
const SLICE = 100_000;
/** How long the guest may keep the embedding program's event loop waiting. */
const YIELD_MS = 50;
/** setTimeout's longest delay. */
const TIMER_MAX_MS = 0x7fffffff;
const FIRST_PID = 100;

export interface KernelOptions {
  stdin?: InputStream | null;
  stdout?: OutputStream | null;
  stderr?: OutputStream | null;
  /** Files of the in-memory root, by absolute path (byte strings). */
  files?: Readonly<Record<string, Uint8Array>>;
  root?: HostDirectory;
  mounts?: readonly { directory: HostDirectory; path: string; writable?: boolean }[];
  cwd?: string;
  /** Soft limit of open files; default 1024. */
  maxOpenFiles?: number;
  /** Default: the host's cryptographic generator. */
  seed?: bigint | number | string;
  /** Stands for the host's `crypto.getRandomValues`. */
  getRandomValues?: GetRandomValues;
  /** Default true. */
  aslr?: boolean;
  /** Page-table isolation, default true. */
  pti?: boolean;
  /** Process-context identifiers in CR3, default true. */
  pcid?: boolean;
  /** The vsyscall page: executed by emulation, readable too, or not there; default "xonly". */
  vsyscall?: VsyscallMode;
  /** "virtual": time is what has been executed, so that the same seed gives the same run. Default "host". */
  clock?: "host" | "virtual";
  /** The guest's CLOCK_REALTIME at boot, milliseconds since 1970. Default: the host's; a fixed day under the virtual clock. */
  dateMs?: number;
  /** Stands for the host's clocks; the machine's `tsc` should go with them. */
  hostClock?: HostClock;
  onNotice?: (line: string) => void;
  onSyscall?: (event: SyscallEvent) => void;
  strace?: (line: string) => void;
  /** Hears of the end of each task while its memory still stands. */
  onExit?: (task: Task) => void;
}

/** What a program died of, for reports: the signal, and for a fault where and on which instruction bytes. */
export interface Death {
  signal: string;
  /** si_code */
  code: number;
  /** RIP when it died; signed, as `address` is, since only so an address of the kernel's half is exact. */
  ip: number;
  /** si_addr of a fault. */
  address: number | null;
  /** Up to 15 bytes at CS:RIP; fewer where they cannot be read. */
  bytes: Uint8Array;
  /** What CS makes of them. */
  bits: 64 | 32 | 16;
  /** Of SIGILL, the instruction by our own table; null where it has none, and for other signals. */
  instruction: NamedInstruction | null;
}

export interface ExitStatus {
  /** Exit code, or 128 + the signal's number. */
  status: number;
  /** "SIGSEGV" and the like, or null. */
  signal: string | null;
  timedOut: boolean;
  death: Death | null;
}

interface HostTimers {
  setTimeout?(callback: () => void, ms: number): unknown;
  clearTimeout?(timer: unknown): void;
}

export class Kernel implements Ring0Hooks {
  readonly machine: Machine;
  readonly ring0: Ring0;
  readonly frames: Frames;
  readonly vdso: Vdso;
  readonly clock: Clock;
  readonly rng: RandomSource;
  readonly vfs: Vfs;
  readonly signals = new Signals(this);
  readonly timers = new Timers(this);
  private readonly tick = new Tick(this);
  readonly options: { readonly aslr: boolean; readonly vsyscall: VsyscallMode };
  readonly uts = {
    sysname: "Linux", nodename: "ring3", release: "6.1.0-ring3", version: "#1 SMP PREEMPT_DYNAMIC ring3 6.1.0", machine: "x86_64",
    domainname: "(none)",
  };
  /** strace and onSyscall; null when nobody watches. */
  readonly trace: CallTrace | null;
  readonly tasks = new Map<number, Task>();
  /** System calls served, and page faults. */
  crossings = 0;
  pageFaults = 0;
  /** For reports of our own bugs. */
  lastCall: SyscallRow | null = null;
  private current: Task | null = null;
  private readonly noticed = new Set<string>();
  private nextPid = FIRST_PID;
  private death: Death | null = null;
  private exited: Task | null = null;
  private timedOut = false;
  private wakeHost: (() => void) | null = null;
  private readonly onExit: ((task: Task) => void) | undefined;
  private readonly onNotice: ((line: string) => void) | undefined;
  private readonly cwd: string;
  private readonly maxOpenFiles: number | undefined;

  /**
   * A kernel in a fresh machine. @throws Errno when the root or a file of the options cannot be had, RangeError when a mount cannot
   * or guest RAM is too small, Error when the host has no source of randomness and no seed is given
   */
  constructor(machine: Machine, options: KernelOptions = {}) {
    this.machine = machine;
    this.options = { aslr: options.aslr ?? true, vsyscall: options.vsyscall ?? "xonly" };
    this.onNotice = options.onNotice;
    this.onExit = options.onExit;
    this.cwd = options.cwd ?? "/";
    this.maxOpenFiles = options.maxOpenFiles;
    this.clock = new Clock(machine, { mode: options.clock, dateMs: options.dateMs, host: options.hostClock });
    this.rng = options.seed === undefined ? new HostRandom(options.getRandomValues) : new SeededRandom(seedOf(options.seed));
    machine.random = () => this.rng.u32();
    const { features } = machine.cpu;
    const pcid = (options.pcid ?? true) && features.has("PCID");
    this.ring0 = Ring0.boot(machine, { pti: options.pti ?? true, pcid, vsyscallNumbers: vsyscallNumbers(this.options.vsyscall), features });
    this.frames = new Frames(machine.phys);
    // SYSENTER is Intel's in all modes, SYSCALL out of 32-bit code is AMD's alone.
    const door = machine.registers.lo(VENDOR) === VENDOR_AMD ? "SYSCALL32" : "SYSENTER32";
    this.vdso = new Vdso(this.frames, machine.phys, new Set([...features, door]));
    this.clock.onUpdate = (now) => this.vdso.vvar.update(now);
    this.clock.updateVsyscall();
    this.vfs = new Vfs({
      now: () => this.clock.realtime(),
      root: options.root, mounts: options.mounts, files: options.files,
      stdin: options.stdin ?? null, stdout: options.stdout ?? null, stderr: options.stderr ?? null,
    });
    this.trace = options.strace || options.onSyscall ? new CallTrace(options.strace, options.onSyscall) : null;
  }

  // --- tasks

  /**
   * Makes the first task and gives it the program at `path`. Nothing runs yet.
   * @throws Errno (ExecError with the reason) when it cannot be run, RangeError when the working directory is none
   */
  spawn(path: string, argv: readonly string[], envp: readonly string[]): Task {
    const stack = this.ring0.allocKernelStack();
    if (stack === undefined) throw new RangeError("guest memory is too small for a kernel stack");
    const { root } = this.vfs;
    const creds = { uid: 0, euid: 0, suid: 0, fsuid: 0, gid: 0, egid: 0, sgid: 0, fsgid: 0, groups: [0] };
    const limits = new Limits(this.maxOpenFiles);
    // execve puts the memory there; until then nothing may touch it.
    const task = new Task(this, this.nextPid++, 1, stack, null!, new FdTable(), { root, cwd: root, umask: 0o022 }, creds, limits);
    try {
      task.fs.cwd = this.workingDirectory(task);
      for (const [fd, file] of this.vfs.openStandardStreams().entries()) task.files.install(file, false, Infinity, fd);
      execve(task, path, argv, envp);
      this.trace?.spawned(task, path, argv, envp);
    } catch (error) {
      task.files.closeAll(task);
      this.ring0.freeKernelStack(stack);
      throw error;
    }
    this.ring0.startAtRetFromFork(stack);
    this.tasks.set(task.pid, task);
    return task;
  }

  /** Where the first task starts; its failure is not one of the program. */
  private workingDirectory(task: Task): Path {
    try {
      return lookupPath(task, -1, `${this.cwd}/`, { follow: true });
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      throw new RangeError(`working directory ${this.cwd}: ${error.message}`);
    }
  }

  /** exit_group: every thread of the task ends with this code, or of this signal. */
  exitGroup(task: Task, code: number, signal: number): void {
    if (task.state === TASK_DEAD) return;
    this.onExit?.(task);
    task.die(code, signal);
    this.trace?.exited(task);
  }

  /** Takes a dead task apart; every frame of its memory and stack goes back. */
  private reap(task: Task): void {
    this.tasks.delete(task.pid);
    task.files.closeAll(task);
    task.exeFile?.put(task);
    task.exeFile = null;
    this.timers.drop(task);
    task.mm.put();
    this.ring0.freeKernelStack(task.stack);
    this.exited = task;
    if (this.current === task) this.current = null;
  }

  /** Linux's OOM killer, with the only candidate there is. */
  killForMemory(task: Task): void {
    this.notice(`out of guest memory (${Math.round(this.machine.phys.bytes / 1048576)} MiB): ${printable(task.comm)} is killed; --memory gives it more`);
    this.recordDeath(task, { signal: SIGKILL, code: SI_KERNEL });
    this.exitGroup(task, 0, SIGKILL);
  }

  /** A signal from outside, Ctrl-C for one, to every task. */
  signalAll(signal: number): void {
    for (const task of this.tasks.values()) this.signals.raise(task, signal, { code: SI_KERNEL });
  }

  // --- hooks of ring 0

  syscall(regs: PtRegs): void | Suspend {
    return doSyscall64(this, this.current!, regs);
  }

  syscall32(regs: PtRegs, door: "int80" | "fast"): void | Suspend {
    return doSyscall32(this, this.current!, regs, door);
  }

  exception(regs: PtRegs, vector: number, errorCode: number): void | Suspend {
    // Dear enough as it is to look at the clock on the way: the first pages of a program come slowly.
    this.clock.tick();
    if (vector === VECTOR_NMI || vector === VECTOR_MC) {
      // No device raises either, and no model of the CPU has machine-check registers to say why (Linux unknown_nmi_error,
      // unexpected_machine_check).
      this.noticeOnce(vector === VECTOR_NMI ? "an NMI for no known reason: ignored" : "a machine check without a reason: ignored");
      return;
    }
    if (!regs.userMode) {
      const owner = (slot: number): string => {
        const task = [...this.tasks.values()].find(({ stack }) => stack.slot === slot);
        return task === undefined ? "no task" : `task ${task.pid} (${printable(task.comm)})`;
      };
      throw kernelFault(this.ring0, regs, vector, errorCode, owner, `last system call ${this.lastCall?.name ?? "none"}`);
    }
    return doException(this, this.current!, regs, vector, errorCode);
  }

  interrupt(regs: PtRegs, vector: number): void {
    if (vector !== VECTOR_TIMER) throw this.bug(`interrupt ${vector}, which nothing raises`, regs);
    this.tick.service();
  }

  exitToUserMode(): void | Suspend {
    return exitToUserMode(this, this.current!);
  }

  /** An assertion of ours: what the report of a bug needs. */
  private bug(what: string, regs?: PtRegs): Error {
    const rip = hexLinear(this.machine.registers.getLinear(RIP));
    const user = regs === undefined ? "" : `, pt_regs ip=${hexLinear(regs.getSigned(PT_IP))} cs=${regs.cs.toString(16)}`;
    return new Error(`${what}; rip=${rip}${user}, last system call ${this.lastCall?.name ?? "none"}`);
  }

  // --- the loop

  /**
   * Runs the tasks until the first one has ended, or `timeoutMs` of the host's time have passed. When every task sleeps it
   * waits for the host's events, and in between lets the event loop turn.
   */
  async run(timeoutMs = Infinity): Promise<ExitStatus> {
    const { clock } = this;
    const end = clock.hostNs() + timeoutMs * 1e6;
    let nextYield = clock.hostNs() + YIELD_MS * 1e6;
    while (this.tasks.size > 0) {
      const hostNow = clock.hostNs();
      if (hostNow >= end) {
        this.timedOut = true;
        for (const task of [...this.tasks.values()]) {
          this.exitGroup(task, 0, SIGKILL);
          this.reap(task);
        }
        break;
      }
      if (hostNow >= nextYield) {
        await this.hostTurn(0);
        nextYield = clock.hostNs() + YIELD_MS * 1e6;
      }
      const task = this.nextRunnable();
      if (task === null) {
        await this.idle(end - hostNow);
        continue;
      }
      this.slice(task);
      if ((task.state as number) === TASK_DEAD) this.reap(task);
    }
    return this.exitStatus();
  }

  /** Every task sleeps: waits for the next event of the clock, or `hostNs` nanoseconds of the host's, or a task to be woken. */
  private async idle(hostNs: number): Promise<void> {
    const { clock, tick } = this;
    tick.service();
    if (this.nextRunnable() !== null) return;
    const next = tick.nextNs(false);
    if (!clock.virtual || next === Infinity) return this.hostTurn(Math.min(hostNs, next - clock.monotonicNs()) / 1e6);
    // Virtual time is about to jump. What the host has ready for a task that waits for it counts as having come before.
    for (const task of this.tasks.values()) if (task.awaitsHost) await this.hostTurn(0);
    if (this.nextRunnable() === null) clock.skipTo(next);
  }

  /** A timer has been armed: it may be due before the slice ends. */
  timerArmed(): void {
    this.tick.reprogram();
  }

  /** Gives one task the CPU for at most SLICE instructions. */
  private slice(task: Task): void {
    this.clock.sliceStartNs = this.clock.monotonicNs();
    this.ring0.switchTo(task.stack, task.mm.addressSpace);
    this.ring0.userTscDisabled = task.tscDisabled;
    this.current = task;
    if (task.callPending) restartSyscall(this, task);
    else if (task.exitWork) exitToUserMode(this, task);
    if (task.state === TASK_RUNNING) {
      const reason = this.ring0.dispatch(this, this.tick.begin(SLICE));
      if (reason === EXIT_SHUTDOWN) throw this.bug("triple fault");
      if (reason === EXIT_HALT) throw this.bug("HLT in the entry code");
      if (reason !== EXIT_BUDGET && reason !== DISPATCH_SUSPENDED) throw this.bug(`the machine stopped for reason ${reason}`);
    }
    this.clock.cpuNs = this.clock.processNs();
    this.clock.sliceStartNs = -1;
  }

  private nextRunnable(): Task | null {
    let first: Task | null = null;
    let after = false;
    for (const task of this.tasks.values()) {
      if (task.state === TASK_RUNNING) {
        if (after) return task;
        first ??= task;
      }
      if (task === this.current) after = true;
    }
    return first;
  }

  /** Lets the host's event loop turn, until a task is woken or `ms` have passed. */
  private hostTurn(ms: number): Promise<void> {
    const host = globalThis as HostTimers;
    return new Promise((resolve) => {
      let timer: unknown;
      const done = (): void => {
        this.wakeHost = null;
        if (timer !== undefined) host.clearTimeout?.(timer);
        resolve();
      };
      // A wake-up between two turns has to end this one; with ms = 0 the turn itself is what is wanted.
      if (ms > 0) this.wakeHost = done;
      if (host.setTimeout !== undefined) timer = host.setTimeout(done, Math.max(0, Math.min(Math.ceil(ms), TIMER_MAX_MS)));
      else if (ms <= 0) void Promise.resolve().then(done);
    });
  }

  /** A task has become runnable; called from its wait queue. */
  taskWoken(): void {
    this.wakeHost?.();
  }

  private exitStatus(): ExitStatus {
    const task = this.exited;
    const signal = task?.exitSignal ?? 0;
    return {
      status: signal === 0 ? (task?.exitCode ?? 0) : 128 + signal,
      signal: signal === 0 ? null : signalName(signal),
      timedOut: this.timedOut,
      death: this.death,
    };
  }

  /** Gives back what the kernel itself holds of guest RAM; only after run() has returned. */
  shutdown(): void {
    this.vdso.release();
    this.frames.release();
  }

  // --- reports

  /** A line for the user about something that the guest's Linux would not have done. */
  notice(line: string): void {
    this.onNotice?.(line);
  }

  /** A notice that is said the first time only. The program has a hand in the numbers in it: after NOTICES_MAX there are no more. */
  noticeOnce(line: string): void {
    if (this.noticed.size > NOTICES_MAX || this.noticed.has(line)) return;
    this.noticed.add(line);
    this.notice(this.noticed.size <= NOTICES_MAX ? line : `no more notices of what is not as the program may expect: there have been ${NOTICES_MAX}`);
  }

  /** Once per call: the guest gets -ENOSYS for something that Linux has, or that nobody has. */
  noticeMissing(row: SyscallRow | undefined, number: number): void {
    this.noticeOnce(row === undefined ? `system call ${number | 0}: there is none, -ENOSYS` : `system call ${row.name} (${number}) is not built yet, -ENOSYS`);
  }

  traceSignal(task: Task, info: SignalInfo): void {
    this.trace?.signal(task, info);
  }

  /** Remembers what the task is about to die of. */
  recordDeath(task: Task, info: SignalInfo): void {
    const ip = task.regs.getSigned(PT_IP);
    const { base, bits } = this.ring0.codeSegment(task.regs.cs);
    const bytes = bytesAt(task, base + ip);
    const instruction = info.signal === SIGILL && info.code > 0 ? nameInstruction(this.machine, bytes, MODES[bits]) : null;
    this.death = { signal: signalName(info.signal), code: info.code, ip, address: info.address ?? null, bytes, bits, instruction };
  }

  /** Instructions retired since the machine's reset, entry code included. */
  get instructions(): number {
    return this.machine.registers.get(RETIRED);
  }

  /** /proc/meminfo */
  memory(): { totalBytes: number; freeBytes: number } {
    const { phys } = this.machine;
    return { totalBytes: phys.bytes, freeBytes: phys.framesFree * 4096 };
  }
}

/** Of different lines that noticeOnce says. */
const NOTICES_MAX = 100;
const MODES = { 64: MODE_64, 32: MODE_32, 16: MODE_16 } as const;
const INSTRUCTION_MAX = 15;

/** A name that the program has chosen, for a terminal. */
function printable(name: string): string {
  return name.replace(/[^ -~]/g, "?");
}

/** The bytes of the instruction at the linear address `ip`, as far as they are mapped. */
function bytesAt(task: Task, ip: number): Uint8Array {
  const bytes: number[] = [];
  for (let at = ip; at < ip + INSTRUCTION_MAX; at++) {
    const pa = task.mm.addressSpace.translate(at, false);
    if (pa < 0) break;
    bytes.push(task.kernel.machine.phys.u8[pa]!);
  }
  return Uint8Array.from(bytes);
}
