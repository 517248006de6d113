// The public API: run a Linux program from its bytes, or hold the parts in hand. Works wherever WebAssembly does; nothing here
// needs Node.

import { ExecError } from "./linux/exec";
import { type Death, Kernel, type KernelOptions } from "./linux/kernel";
import { EACCES, ENOENT, ENOTDIR, Errno } from "./linux/errno";
import type { HostClock } from "./linux/clock";
import { i386SyscallTable } from "./linux/i386-syscall-table";
import { sysCallTable, syscallRows } from "./linux/syscall-table";
import { VECTORS } from "./ring0/idtentry.asm";
import type { InputStream, OutputStream } from "./linux/vfs/streams";
import { cpuModel, DEFAULT_CPU, type CpuModel, type Vendor } from "./machine/cpu-models";
import { Machine, type MachineOptions } from "./machine/machine";

export { Kernel, type KernelOptions, type Death, type ExitStatus } from "./linux/kernel";
export type { NamedInstruction } from "./machine/instruction-text";
export { Machine, type MachineOptions } from "./machine/machine";
export { type CpuModel, cpuModel, cpuModels, type FeatureName, type Vendor } from "./machine/cpu-models";
export type { SyscallEvent } from "./linux/strace";
export type { InputStream, OutputStream } from "./linux/vfs/streams";
export type { HostDirectory, HostStat } from "./linux/vfs/host-directory";
export type { FileSystemStatistics, Timespec } from "./linux/uapi-stat";
export type { HostClock } from "./linux/clock";
export { Crossing, type CrossingFrame, type CrossingListener, type CrossingState, type CrossingStep } from "./ring0/crossing";

export { CrossingMeter, type CrossingCause, type CrossingTotal } from "./ring0/crossing-meter";
export { ImmediateAnswers } from "./ring0/immediate-answers";
export { type DearInstruction, InstructionSteps, type StepCounts } from "./ring0/instruction-steps";
export { compileModule, counters, type Counters } from "./machine/counters";

export { type Door, doorNamed, DOORS } from "./ring0/doors";
export { hexLinear } from "./ring0/layout";
export { idtRows, inspect, type Inspection } from "./ring0/inspect";
export { addressLayouts, type AddressLayout } from "./linux/address-layout";
export { vdsoImage } from "./linux/vdso";

/** Label of the IDT stub of a vector, asm_exc_page_fault for 14; undefined when nothing can be delivered through it. */
export function vectorLabel(vector: number): string | undefined {
  return VECTORS.find((row) => row.vector === vector)?.label;
}

/** Name of a system call that this kernel answers, undefined for -ENOSYS. @param table its number is of: i386 has its own */
export function syscallName(number: number, table: "x86-64" | "i386" = "x86-64"): string | undefined {
  const row = (table === "x86-64" ? sysCallTable : i386SyscallTable())[number];
  return row?.handler ? row.name : undefined;
}

/** Number of a system call by its name, undefined when x86-64 Linux has none of that name. */
export function syscallNumber(name: string): number | undefined {
  return syscallRows.find((row) => row.name === name)?.number;
}

/**
 * Texts that the guest sees (args, env, paths) are byte strings: one char a byte. For other than ASCII encode as UTF-8 first.
 */
export interface RunOptions {
  /** argv, argv[0] included. Default: the program's path. */
  args?: readonly string[];
  /** Default: PATH and HOME. */
  env?: Readonly<Record<string, string>>;
  /** Where the guest finds the program. Default "/bin/program". Under a host root an existing file there is used. */
  programPath?: string;
  /** Files of the guest's in-memory root, by absolute path; texts as UTF-8. */
  files?: Readonly<Record<string, Uint8Array | string>>;
  /** Folders of the embedding program, at absolute paths of the guest; read-only unless `writable`. */
  mounts?: KernelOptions["mounts"];
  /** A folder as the guest's read-only root instead of the in-memory one. */
  root?: KernelOptions["root"];
  /** Working directory, default "/". */
  cwd?: string;
  /** Default: at its end from the start. */
  stdin?: InputStream | Uint8Array | string;
  /** Default: collected into the result. A function is called with each piece, which it may keep. */
  stdout?: OutputStream | ((bytes: Uint8Array) => void);
  stderr?: OutputStream | ((bytes: Uint8Array) => void);
  /** Guest RAM, default 256. */
  memoryMiB?: number;
  /** Of the host's time; default none. */
  timeoutMs?: number;
  /** Default 1024. */
  maxOpenFiles?: number;
  /** Of the address space layout and of all randomness; default the host's cryptographic generator. */
  seed?: bigint | number | string;
  /** Default true. */
  aslr?: boolean;
  /** Which processor the machine is: a model of `cpuModels` or its name. Default "v2". */
  cpu?: string | CpuModel;
  /** By whose rules it goes, in behaviour and in CPUID, if not its model's vendor. */
  vendor?: Vendor;
  /** Page-table isolation, default true. */
  pti?: boolean;
  /** Process-context identifiers, default true. */
  pcid?: boolean;
  /** Does the processor keep the kernel from touching user pages unasked (CR4.SMAP, CLAC at the doors)? Default true. */
  smap?: boolean;
  /** Does it keep the kernel from executing them (CR4.SMEP)? Default true. */
  smep?: boolean;
  /** May user code write its FS and GS bases (CR4.FSGSBASE)? It changes paranoid entry as well. Default true. */
  fsgsbase?: boolean;
  /** The vsyscall page; default "xonly". */
  vsyscall?: KernelOptions["vsyscall"];
  /** Hears of each system call when it has ended, before the guest goes on. */
  onSyscall?: KernelOptions["onSyscall"];
  /** Hears once of each thing that Linux would have done and this kernel does not. */
  onNotice?: (line: string) => void;
  /** Each system call as a line of strace's. */
  strace?: (line: string) => void;
  /** Hears of the end of each task while its memory still stands. */
  onExit?: KernelOptions["onExit"];
  /** Is given the kernel when the program is loaded and nothing of it has run: for tracers (Crossing). */
  onBoot?: (kernel: Kernel) => void;
  /** The compiled machine, for an embedder that keeps it elsewhere than in the bundle. */
  module?: MachineOptions["module"];
  /** "virtual": time is what has been executed, so that the same seed gives the same run. Default "host". */
  clock?: KernelOptions["clock"];
  /** The guest's wall clock at boot, milliseconds since 1970. Default: the host's; a fixed day under the virtual clock. */
  dateMs?: number;
  /** Stands for the host's `crypto.getRandomValues`. */
  getRandomValues?: KernelOptions["getRandomValues"];
  /** Stands for the host's clocks, the time-stamp counter included. */
  hostClock?: HostClock;
}

export interface RunResult {
  /** Exit code, or 128 + the signal's number. */
  status: number;
  /** "SIGSEGV" and the like when a signal ended the program, else null. */
  signal: string | null;
  /** `timeoutMs` was over: the program was ended by SIGKILL. */
  timedOut: boolean;
  /** What the program died of, when a signal ended it. */
  death: Death | null;
  /** Instructions retired, those of the entry code included. */
  instructions: number;
  /** System calls made, and page faults served. */
  crossings: number;
  pageFaults: number;
  /** What was written to streams that were not given. */
  stdout: Uint8Array;
  stderr: Uint8Array;
}

/** The program cannot be run: `message` is one line that does not name it. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
  constructor(
    message: string,
    /** As a shell answers: 127 not found, 126 found but not runnable. */
    readonly exitStatus: 126 | 127,
  ) {
    super(message);
  }
}

const DEFAULT_PATH = "/bin/program";
const DEFAULT_ENV = { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", HOME: "/" };
const MIB = 1 << 20;

/**
 * Runs a Linux x86-64 program to its end on a machine of its own.
 * @param program the ELF file (or a #! script whose interpreter is in the guest's root)
 * @throws ProgramError when it cannot be run, RangeError for a CPU model, memory size, mount or working directory that cannot be had; what goes wrong inside the
 * guest is never thrown: it is in the result
 */
export async function run(program: Uint8Array, options: RunOptions = {}): Promise<RunResult> {
  const path = options.programPath ?? DEFAULT_PATH;
  const collected = { stdout: new Collector(), stderr: new Collector() };
  const { hostClock } = options;
  const tsc = hostClock === undefined ? undefined : () => hostClock.monotonicMs() * 1e6;
  const { module, vendor } = options;
  const cpu = withoutFeatures(options);
  const machine = await Machine.create({ ramBytes: (options.memoryMiB ?? 256) * MIB, module, tsc, cpu, vendor });
  let kernel: Kernel;
  try {
    kernel = new Kernel(machine, {
      ...options,
      files: Object.fromEntries(Object.entries(options.files ?? {}).map(([name, bytes]) => [name, bytesOf(bytes)])),
      stdin: inputOf(options.stdin),
      stdout: outputOf(options.stdout, collected.stdout),
      stderr: outputOf(options.stderr, collected.stderr),
    });
    placeProgram(kernel, path, program);
    const env = Object.entries(options.env ?? DEFAULT_ENV).map(([name, value]) => `${name}=${value}`);
    kernel.spawn(path, options.args ?? [path], env);
  } catch (error) {
    if (error instanceof Errno) throw programError(error);
    throw error;
  }
  options.onBoot?.(kernel);
  const status = await kernel.run(options.timeoutMs);
  kernel.shutdown();
  return {
    ...status,
    instructions: kernel.instructions,
    crossings: kernel.crossings,
    pageFaults: kernel.pageFaults,
    stdout: collected.stdout.bytes(),
    stderr: collected.stderr.bytes(),
  };
}

/** The program's bytes at its path; where that is a host folder's, the file that stands there. */
function placeProgram(kernel: Kernel, path: string, program: Uint8Array): void {
  try {
    kernel.vfs.putFile(path, program);
  } catch (error) {
    // A folder of the host cannot be written to: what is run is the file that it has there.
    if (!(error instanceof Errno)) throw error;
  }
}

function programError(error: Errno): ProgramError {
  const missing = (error.code === ENOENT || error.code === ENOTDIR) && !(error instanceof ExecError);
  if (missing) return new ProgramError("not found", 127);
  if (error.code === EACCES && !(error instanceof ExecError)) return new ProgramError("not executable", 126);
  return new ProgramError(error.message, 126);
}

/** One write to an OutputStream that takes everything. */
class Collector implements OutputStream {
  private readonly pieces: Uint8Array[] = [];
  private length = 0;

  write(bytes: Uint8Array): number {
    this.pieces.push(bytes.slice());
    this.length += bytes.length;
    return bytes.length;
  }
  onWritable(): void {}

  bytes(): Uint8Array {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const piece of this.pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}

/** The processor without what the options switch off: it does not offer it, so the kernel does not use it. */
function withoutFeatures({ cpu = DEFAULT_CPU, smap, smep, fsgsbase }: RunOptions): CpuModel {
  const model = typeof cpu === "string" ? cpuModel(cpu) : cpu;
  const features = new Set(model.features);
  if (smap === false) features.delete("SMAP");
  if (smep === false) features.delete("SMEP");
  if (fsgsbase === false) features.delete("FSGSBASE");
  return { ...model, features };
}

function outputOf(stream: RunOptions["stdout"], collector: Collector): OutputStream {
  if (stream === undefined) return collector;
  if (typeof stream !== "function") return stream;
  return {
    write(bytes) {
      stream(bytes.slice());
      return bytes.length;
    },
    onWritable() {},
  };
}

function inputOf(stream: RunOptions["stdin"]): InputStream {
  if (typeof stream === "object" && stream !== null && "read" in stream) return stream;
  let rest = stream === undefined || stream === null ? new Uint8Array(0) : bytesOf(stream);
  return {
    read(max) {
      if (rest.length === 0) return null;
      const piece = rest.subarray(0, max);
      rest = rest.subarray(piece.length);
      return piece;
    },
    onReadable() {},
  };
}

/** UTF-8; written out, since a host without TextEncoder is a host too. */
function bytesOf(text: Uint8Array | string): Uint8Array {
  if (typeof text !== "string") return text;
  const bytes: number[] = [];
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 0x3f), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
  }
  return Uint8Array.from(bytes);
}
