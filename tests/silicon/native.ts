// Runs cases on the chip: builds native-runner.c with gcc when this is x86-64 Linux, and feeds it batches.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Vendor } from "../../host/machine/cpu-models";
import { type Case, type Result, packCases, unpackResults } from "./case-format";

export class NoChip extends Error {}

/** How cases are run: the runner's command line, and who it is that executes them. */
export interface Native {
  command: string[];
  /** The chip's name, or the emulator's and that it is software. */
  name: string;
}

const sources = ["native-runner.c", "native-state-32.h", "native-state-64.h"];

function build(projectRoot: string, name: string, options: string[]): string {
  if (process.platform !== "linux" || process.arch !== "x64") throw new NoChip("not x86-64 Linux");
  const folder = join(projectRoot, "tests/silicon");
  const binary = join(projectRoot, "build", name);
  if (existsSync(binary) && sources.every((source) => statSync(binary).mtimeMs > statSync(join(folder, source)).mtimeMs)) return binary;
  mkdirSync(dirname(binary), { recursive: true });
  const fresh = `${binary}.${process.pid}`;
  try {
    execFileSync("gcc", ["-O2", "-Wall", ...options, "-fno-stack-protector", "-mno-avx", "-o", fresh, join(folder, sources[0])], { stdio: "pipe" });
  } catch (error) {
    throw new NoChip(`gcc cannot build the native runner: ${String(error).split("\n")[0]}`);
  }
  renameSync(fresh, binary);
  return binary;
}

/** The runner of 64-bit mode's cases. Throws NoChip with the reason where there is no chip to ask. */
export function buildNativeRunner(projectRoot: string): Native {
  return { command: [build(projectRoot, "native-runner", ["-static-pie"])], name: chipName() };
}

/**
 * The runner of 32-bit mode's cases: on the chip where the kernel executes i386 programs, else under qemu-i386, which is a reference in
 * software and is named as one. Throws NoChip where there is neither.
 */
export function buildNativeRunner32(projectRoot: string): Native {
  const binary = build(projectRoot, "native-runner-32", ["-m32", "-static"]);
  if (spawnSync(binary, { input: packCases([]) }).status === 0) return { command: [binary], name: chipName() };
  const version = spawnSync("qemu-i386", ["--version"], { encoding: "utf8" });
  if (version.status !== 0) throw new NoChip("the kernel executes no i386 programs, and there is no qemu-i386");
  return { command: ["qemu-i386", "-cpu", "max", binary], name: `qemu-i386 ${/version (\S+)/.exec(version.stdout)?.[1] ?? "of unknown version"}, software` };
}

export const isSoftware = (name: string) => name.endsWith(", software");

/** One result a case, in order. Throws if the runner dies of a case that it should have survived. */
export function runNatively(runner: Native, cases: readonly Case[]): Result[] {
  const child = spawnSync(runner.command[0], runner.command.slice(1), { input: packCases(cases), maxBuffer: 2 ** 31 - 1, timeout: 120_000 });
  const results = unpackResults(new Uint8Array(child.stdout));
  if (child.status !== 0 || results.length !== cases.length) {
    throw new Error(`native runner ended with ${child.signal ?? child.status} after ${results.length} of ${cases.length} cases: ${child.stderr}`);
  }
  return isSoftware(runner.name) ? results.map((r) => ({ ...r, vector: vectorOf(r.signal, r.signalCode) })) : results;
}

/** The vector that a signal of Linux comes from, where the frame has no trap number: qemu-i386's has none. All that is SI_KERNEL counts as #GP. */
function vectorOf(signal: number, code: number): number {
  if (signal === 11) return code === 1 || code === 2 ? 14 : 13; // SEGV_MAPERR, SEGV_ACCERR
  return { 4: 6, 5: 3, 7: 17, 8: 0 }[signal] ?? signal;
}

const cpuinfo = (field: string) => new RegExp(`^${field}\\s*:\\s*(.*)`, "m").exec(readFileSync("/proc/cpuinfo", "latin1"))?.[1] ?? "unknown";

/** CPUID's brand string, with family, model and stepping: virtual machines shorten the former. */
export function chipName(): string {
  return `${cpuinfo("model name")} (family ${cpuinfo("cpu family")} model ${cpuinfo("model")} stepping ${cpuinfo("stepping")})`;
}

/** Whose architecture the chip has; Hygon's is AMD's. */
export function chipVendor(): Vendor {
  return /AMD|Hygon/.test(cpuinfo("vendor_id")) ? "amd" : "intel";
}
