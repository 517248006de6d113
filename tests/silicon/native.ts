// Runs cases on the chip: builds native-runner.c with gcc when this is x86-64 Linux, and feeds it batches.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Vendor } from "../../host/machine/cpu-models";
import { type Case, type Result, packCases, unpackResults } from "./case-format";

export class NoChip extends Error {}

/** Path of the built runner. Throws NoChip with the reason where there is no chip to ask. */
export function buildNativeRunner(projectRoot: string): string {
  if (process.platform !== "linux" || process.arch !== "x64") throw new NoChip("not x86-64 Linux");
  const source = join(projectRoot, "tests/silicon/native-runner.c");
  const binary = join(projectRoot, "build/native-runner");
  if (existsSync(binary) && statSync(binary).mtimeMs > statSync(source).mtimeMs) return binary;
  mkdirSync(dirname(binary), { recursive: true });
  const fresh = `${binary}.${process.pid}`;
  try {
    execFileSync("gcc", ["-O2", "-Wall", "-static-pie", "-fno-stack-protector", "-mno-avx", "-o", fresh, source], { stdio: "pipe" });
  } catch (error) {
    throw new NoChip(`gcc cannot build the native runner: ${String(error).split("\n")[0]}`);
  }
  renameSync(fresh, binary);
  return binary;
}

/** One result a case, in order. Throws if the runner dies of a case that it should have survived. */
export function runNatively(runner: string, cases: readonly Case[]): Result[] {
  const child = spawnSync(runner, { input: packCases(cases), maxBuffer: 2 ** 31 - 1, timeout: 120_000 });
  const results = unpackResults(new Uint8Array(child.stdout));
  if (child.status !== 0 || results.length !== cases.length) {
    throw new Error(`native runner ended with ${child.signal ?? child.status} after ${results.length} of ${cases.length} cases: ${child.stderr}`);
  }
  return results;
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
