// The processors this machine can be, one row each: who made it, how it calls itself, and what it offers. CPUID, what the decoder
// accepts, /proc/cpuinfo and AT_HWCAP all follow from the row. Nothing stands in a row that does not execute.

import * as ids from "../../kernel/abi/cpuid-features";
import { FEATURE_WORD_COUNT } from "../../kernel/abi/state";

/** A feature's name as in kernel/abi/cpuid-features.ts and in the `cpuid` of the instruction table's rows. */
export type FeatureName = keyof typeof ids extends infer K ? (K extends `FEATURE_${infer N}` ? N : never) : never;
export type Vendor = "intel" | "amd";

export interface CpuModel {
  name: string;
  /** Its rules where the two differ, and its way to tell caches and topology. */
  vendor: Vendor;
  /** As /proc/cpuinfo has them: extended family and model are in the numbers. */
  family: number;
  model: number;
  stepping: number;
  /** At most 47 characters of ASCII. */
  brand: string;
  features: ReadonlySet<FeatureName>;
  /** One line for people. */
  about: string;
}

/** Every x86-64 processor has these (System V ABI AMD64 supplement, table 3.1, x86-64-v1), and the system side of them. */
const BASELINE: readonly FeatureName[] = [
  "FPU", "DE", "PSE", "TSC", "MSR", "PAE", "CX8", "APIC", "SEP", "PGE", "CMOV", "PAT", "CLFSH", "MMX", "FXSR", "SSE", "SSE2", "SYSCALL",
  "NX", "LM",
];
/** What a kernel of today likes to have beyond it; nothing of it is of use to a program but RDTSCP and the FS and GS base instructions. */
const FOR_KERNELS: readonly FeatureName[] = ["PCID", "INVPCID", "FSGSBASE", "SMEP", "SMAP", "UMIP", "PDPE1GB", "RDTSCP"];
/** What x86-64-v2 adds. */
const V2: readonly FeatureName[] = ["CX16", "LAHF", "POPCNT", "SSE3", "SSSE3", "SSE4_1", "SSE4_2"];

const ROWS = [
  {
    name: "v1", vendor: "intel", family: 6, model: 94, stepping: 3, brand: "ring3 virtual x86-64-v1 CPU",
    features: [...BASELINE, ...FOR_KERNELS],
    about: "the x86-64 baseline, with what a kernel needs",
  },
  {
    name: "v2", vendor: "intel", family: 6, model: 94, stepping: 3, brand: "ring3 virtual x86-64-v2 CPU",
    features: [...BASELINE, ...FOR_KERNELS, ...V2, "ERMS", "MOVBE", "LZCNT", "BMI1", "BMI2", "ADX", "AES", "PCLMULQDQ", "SHA"],
    about: "x86-64-v2, and everything else that is built and needs no AVX",
  },
] as const satisfies readonly (Omit<CpuModel, "features"> & { features: readonly FeatureName[] })[];

export const cpuModels: readonly CpuModel[] = ROWS.map((row) => ({ ...row, features: new Set<FeatureName>(row.features) }));

export const DEFAULT_CPU = "v2";

/** @throws RangeError that lists the names */
export function cpuModel(name: string): CpuModel {
  const found = cpuModels.find((row) => row.name === name);
  if (!found) throw new RangeError(`no CPU model "${name}": there are ${cpuModels.map((row) => row.name).join(", ")}`);
  return found;
}

/** The feature words of kernel/abi/cpuid-features.ts. */
export function featureWords(features: Iterable<FeatureName>): Uint32Array {
  const words = new Uint32Array(FEATURE_WORD_COUNT);
  for (const name of features) {
    const id = ids[`FEATURE_${name}`];
    words[id >>> 5]! |= 1 << (id & 31);
  }
  return words;
}
