// `ring3 run`: a program, its options, our streams; then the guest's exit status is ours.
// Entered from main.ts. Leaves to host/index (run), which returns when the guest has ended.

import * as fs from "node:fs";
import { isAbsolute } from "node:path";
import { type CpuModel, cpuModel, cpuModels, type Death, type FeatureName, ProgramError, run, type RunOptions, type RunResult } from "../index";
import { accountFiles } from "./accounts";
import { findProgram, ProgramNotRunnable } from "./bundled";
import { hostDirectory } from "./host-directory";
import { nodeClock, nodeRandom } from "./node-host";
import { UsageError, type Options } from "./options";
import { standardInput, standardOutput, writeLine } from "./streams";

export const EXIT_TIMEOUT = 124;
export const EXIT_BUG = 70;

/** What every command that runs a guest hands to host/index, and the program's bytes. */
export interface Guest {
  program: Uint8Array;
  options: RunOptions;
}

/**
 * The guest that the command line describes, with our standard streams.
 * @throws UsageError, ProgramNotRunnable
 */
export function guestOf(options: Omit<Options, "strace" | "stats" | "syscall" | "door" | "json">, rest: readonly string[]): Guest {
  const word = rest[0];
  if (word === undefined) throw new UsageError("no program given: `ring3 run <program> [args...]`, for example `ring3 run hello`");
  const root = options.root === undefined ? undefined : folder("root", options.root);
  const mounts = options.mount.map(parseMount);
  if (!options.cwd.startsWith("/")) throw new UsageError(`--cwd is an absolute path of the guest, not "${options.cwd}"`);
  const program = findProgram(word, root);
  return {
    program: program.bytes,
    options: {
      args: rest.map(byteString),
      env: environment(options.env),
      programPath: byteString(program.guestPath),
      mounts: mounts.map(({ host, guest, writable }) => ({ directory: hostDirectory(host, writable), path: byteString(guest), writable })),
      root: root === undefined ? undefined : hostDirectory(root, false),
      files: root !== undefined || mounts.some(({ guest }) => /^\/(etc)?(\/|$)/.test(guest)) ? undefined : accountFiles(mounts.length > 0),
      cwd: byteString(options.cwd),
      stdin: standardInput(),
      stdout: standardOutput(1),
      stderr: standardOutput(2),
      memoryMiB: options.memory,
      timeoutMs: options.timeout,
      seed: options.seed,
      getRandomValues: options.seed === undefined ? nodeRandom() : undefined,
      hostClock: nodeClock,
      aslr: !options["no-aslr"],
      cpu: modelNamed(options.cpu),
      vendor: options.vendor,
      pti: options.pti,
      pcid: options.pcid,
      smap: options.smap,
      smep: options.smep,
      fsgsbase: options.fsgsbase,
      vsyscall: options.vsyscall,
      clock: options.clock,
      dateMs: options.date,
      onNotice: options.quiet ? undefined : (line) => writeLine(`ring3: ${line}`),
    },
  };
}

/** Runs the guest of this command line. Answers our exit status. */
export async function runCommand(options: Options, rest: readonly string[]): Promise<number> {
  if (options.cpu === "help") {
    for (const { name, vendor, about } of cpuModels) process.stdout.write(`${name.padEnd(10)}${vendor.padEnd(7)}${about}\n`);
    return 0;
  }
  const guest = guestOf(options, rest);
  const name = rest[0]!;
  if (options.strace) guest.options.strace = writeLine;
  const begun = nodeClock.monotonicMs();
  let result: RunResult;
  try {
    result = await run(guest.program, guest.options);
  } catch (error) {
    throw runnableError(name, error);
  }
  if (options.stats) writeStatistics(result, nodeClock.monotonicMs() - begun);
  if (result.timedOut) {
    writeLine(`ring3: ${name}: timed out after ${options.timeout! / 1000} s`);
    return EXIT_TIMEOUT;
  }
  if (result.signal !== null) {
    // A writer whose reader has gone (`yes | head`) ends without a word, as in a shell.
    if (result.signal !== "SIGPIPE") writeLine(`ring3: ${name}: ${await describeDeath(result, options)}`);
  }
  return result.status;
}

/** What run() threw, as main.ts wants it: an error of the program or of an option's value, else as it is. */
export function runnableError(name: string, error: unknown): unknown {
  if (error instanceof ProgramError) return new ProgramNotRunnable(`${name}: ${error.message}`, error.exitStatus);
  if (error instanceof RangeError && /memory|RAM/i.test(error.message)) return new UsageError(`--memory: ${error.message}`);
  for (const [option, prefix] of [["cwd", "working directory "], ["mount", "mount at "]] as const) {
    if (error instanceof RangeError && error.message.startsWith(prefix)) return new UsageError(`--${option}: ${error.message.slice(prefix.length)}`);
  }
  return error;
}

/** strsignal() of the signals that end a program by default. */
const SIGNAL_TEXTS: Record<string, string> = {
  SIGHUP: "Hangup",
  SIGINT: "Interrupt",
  SIGQUIT: "Quit",
  SIGILL: "Illegal instruction",
  SIGTRAP: "Trace/breakpoint trap",
  SIGABRT: "Aborted",
  SIGBUS: "Bus error",
  SIGFPE: "Floating point exception",
  SIGKILL: "Killed",
  SIGUSR1: "User defined signal 1",
  SIGSEGV: "Segmentation fault",
  SIGUSR2: "User defined signal 2",
  SIGPIPE: "Broken pipe",
  SIGALRM: "Alarm clock",
  SIGTERM: "Terminated",
  SIGSTKFLT: "Stack fault",
  SIGXCPU: "CPU time limit exceeded",
  SIGXFSZ: "File size limit exceeded",
  SIGVTALRM: "Virtual timer expired",
  SIGPROF: "Profiling timer expired",
  SIGIO: "I/O possible",
  SIGPWR: "Power failure",
  SIGSYS: "Bad system call",
};

/** What says which instructions there are. */
type Offered = Pick<Options, "cpu" | "smap" | "smep" | "fsgsbase">;

/** `SIGSEGV (Segmentation fault) at rip 0x401234, address 0x0`; for SIGILL the instruction: bytes, text, and what of CPUID it needs. */
async function describeDeath(result: RunResult, options: Offered): Promise<string> {
  const text = SIGNAL_TEXTS[result.signal!];
  const name = text === undefined ? result.signal! : `${result.signal} (${text})`;
  const { death } = result;
  // Signals that somebody sent have no place in the program.
  if (!death || death.signal !== result.signal || death.code <= 0 || !FAULT_SIGNALS.has(death.signal)) return name;
  const where = `${name} at rip ${hexAddress(death.ip)}`;
  if (death.signal === "SIGILL" && death.bytes.length > 0) return `${where}: ${await describeInstruction(death, options)}`;
  // A general protection fault has no address to tell.
  return death.address === null || death.code === SI_KERNEL ? where : `${where}, address ${hexAddress(death.address)}`;
}

/** A signed address as the processor has it. */
function hexAddress(address: number): string {
  return `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;
}

/** si_code of a signal that the kernel sends on its own account. */
const SI_KERNEL = 0x80;

/** Sent by the processor's faults, and then si_code is above 0. */
const FAULT_SIGNALS = new Set(["SIGILL", "SIGTRAP", "SIGBUS", "SIGFPE", "SIGSEGV"]);

/** By the instruction table; what that does not have, Capstone may know. */
async function describeInstruction({ bytes, ip, bits, instruction }: Death, options: Offered): Promise<string> {
  const hex = (length: number): string => [...bytes.subarray(0, length)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  if (instruction !== null) {
    const { missing } = instruction;
    const why = missing === null ? "" : ` needs ${missing.replaceAll("_", ".")}, which ${whyMissing(missing, options)}`;
    return `${hex(instruction.length)} (${instruction.text})${why}`;
  }
  const { disassembler } = await import("./trace-listing");
  const { text, length } = (await disassembler(() => undefined))(bytes, ip, bits);
  return length > 0 ? `${hex(length)} (${text}), which no --cpu offers` : `${hex(bytes.length)} (no instruction)`;
}

function whyMissing(missing: FeatureName, options: Offered): string {
  const name = missing.toLowerCase();
  const switchedOff = (name === "smap" || name === "smep" || name === "fsgsbase") && !options[name];
  return switchedOff && cpuModel(options.cpu).features.has(missing) ? `--${name}=off takes away` : `--cpu ${options.cpu} does not offer`;
}

function writeStatistics(result: RunResult, milliseconds: number): void {
  const resident = process.resourceUsage().maxRSS / 1024;
  writeLine(
    `ring3: ${result.instructions} instructions, ${result.crossings} crossings, ${milliseconds.toFixed(1)} ms, ${resident.toFixed(0)} MB resident`,
  );
}

function modelNamed(name: string): CpuModel {
  try {
    return cpuModel(name);
  } catch (error) {
    throw new UsageError(`--cpu: ${(error as Error).message}`);
  }
}

/** HOST:GUEST[:ro|:rw], the guest path absolute. A host path may itself contain colons. */
function parseMount(text: string): { host: string; guest: string; writable: boolean } {
  const mode = /:(ro|rw)$/.exec(text);
  const pair = mode ? text.slice(0, mode.index) : text;
  const colon = pair.lastIndexOf(":");
  const guest = pair.slice(colon + 1);
  if (colon <= 0 || !guest.startsWith("/")) throw new UsageError(`--mount is HOST:GUEST[:rw] with GUEST absolute, not "${text}"`);
  if (/^\/+$/.test(guest)) throw new UsageError("--mount cannot replace the guest's root: --root DIR does");
  return { host: folder("mount", pair.slice(0, colon)), guest, writable: mode?.[1] === "rw" };
}

function folder(option: string, path: string): string {
  let stat: fs.Stats;
  try {
    stat = fs.statSync(path);
  } catch {
    throw new UsageError(`--${option}: ${path}: not found`);
  }
  if (!stat.isDirectory()) throw new UsageError(`--${option}: ${path}: not a folder`);
  return isAbsolute(path) ? path : fs.realpathSync(path);
}

/**
 * The guest's environment: a small one of our own, since the host's may hold secrets, then what --env says.
 * `--env K` passes the host's K on.
 */
function environment(settings: readonly string[]): Record<string, string> {
  const env: Record<string, string> = { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", HOME: "/" };
  if (process.env.TERM !== undefined) env.TERM = process.env.TERM;
  for (const setting of settings) {
    const equals = setting.indexOf("=");
    const name = equals < 0 ? setting : setting.slice(0, equals);
    if (name === "") throw new UsageError(`--env is K=V or K, not "${setting}"`);
    const value = equals < 0 ? process.env[name] : setting.slice(equals + 1);
    if (value !== undefined) env[byteString(name)] = byteString(value);
  }
  return env;
}

/** The kernel's strings have one character a byte; ours are Unicode. */
export function byteString(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
