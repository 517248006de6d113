// The processors this machine can be, one row each: who made it, how it calls itself, and what it offers. CPUID, what the decoder
// accepts, /proc/cpuinfo and AT_HWCAP all follow from the row. Nothing stands in a row that does not execute.

import * as ids from "../../kernel/abi/cpuid-features";
import { FEATURE_WORD_COUNT } from "../../kernel/abi/state";

/** A feature's name as in kernel/abi/cpuid-features.ts and in the `cpuid` of the instruction table's rows. */
export type FeatureName = keyof typeof ids extends infer K ? (K extends `FEATURE_${infer N}` ? N : never) : never;
/** 32 * word + bit of each. */
export const FEATURE_IDS = Object.fromEntries(
  Object.entries(ids).map(([name, id]) => [name.slice("FEATURE_".length), id]),
) as Record<FeatureName, number>;
export type Vendor = "intel" | "amd";

/** What CPUID says a processor is. Extended family and model are in the numbers, as /proc/cpuinfo has them. */
interface Identity {
  family: number;
  model: number;
  stepping: number;
  /** Last leaves of CPUID's two ranges. */
  maxLeaf: number;
  maxExtendedLeaf: number;
}

export interface CpuModel extends Identity {
  name: string;
  /** By whose rules it goes where the two differ, and whose way it has to tell caches and topology. */
  vendor: Vendor;
  /** At most 47 characters of ASCII. */
  brand: string;
  features: ReadonlySet<FeatureName>;
  /** One line for people. */
  about: string;
}

/** The numbers of a Skylake and of a Zen: of models that are no real processor, and of real ones under the other vendor. */
const IDENTITY: Record<Vendor, Identity> = {
  intel: { family: 6, model: 94, stepping: 3, maxLeaf: 0x16, maxExtendedLeaf: 0x80000008 },
  amd: { family: 23, model: 1, stepping: 2, maxLeaf: 0xd, maxExtendedLeaf: 0x8000001e },
};

/** Every x86-64 processor has these (System V ABI AMD64 supplement, table 3.1, x86-64-v1), and the system side of them. */
const BASELINE: readonly FeatureName[] = [
  "FPU", "DE", "PSE", "TSC", "MSR", "PAE", "CX8", "APIC", "SEP", "PGE", "CMOV", "PAT", "CLFSH", "MMX", "FXSR", "SSE", "SSE2", "SYSCALL",
  "NX", "LM",
];
/**
 * How this machine's x87 goes, whatever the model: FDP is of unmasked exceptions only, FCS and FDS are zero (SDM Vol. 1 8.1.8). Models
 * whose CPUID ends before leaf 7 cannot say so.
 */
const X87_POINTERS: readonly FeatureName[] = ["FDP_EXCPTN_ONLY", "FCS_FDS_DEPRECATED"];
/** What a kernel of today likes to have beyond it; nothing of it is of use to a program but RDTSCP and the FS and GS base instructions. */
const FOR_KERNELS: readonly FeatureName[] = ["MCE", "PCID", "INVPCID", "FSGSBASE", "SMEP", "SMAP", "UMIP", "PDPE1GB", "RDTSCP"];
/** What x86-64-v2 adds. */
const V2: readonly FeatureName[] = ["CX16", "LAHF", "POPCNT", "SSE3", "SSSE3", "SSE4_1", "SSE4_2"];

const XSAVE: readonly FeatureName[] = ["XSAVE", "XSAVEOPT", "XSAVEC", "XGETBV1"];
const CRYPTOGRAPHY: readonly FeatureName[] = ["AES", "PCLMULQDQ", "SHA"];

interface Row extends Partial<Identity> {
  name: string;
  vendor: Vendor;
  brand: string;
  features: readonly FeatureName[];
  about: string;
}

const ROWS: readonly Row[] = [
  {
    name: "v1", vendor: "intel", brand: "ring3 virtual x86-64-v1 CPU",
    features: [...BASELINE, ...FOR_KERNELS, ...X87_POINTERS],
    about: "the x86-64 baseline, with what a kernel needs",
  },
  {
    name: "v2", vendor: "intel", brand: "ring3 virtual x86-64-v2 CPU",
    features: [
      ...BASELINE, ...FOR_KERNELS, ...X87_POINTERS, ...V2, ...XSAVE, ...CRYPTOGRAPHY, "ERMS", "MOVBE", "LZCNT", "BMI1", "BMI2", "ADX",
      "RDRAND", "RDSEED", "RDPID", "CLFLUSHOPT", "CLWB", "PREFETCHW", "SERIALIZE",
    ],
    about: "x86-64-v2, and everything else that is built and needs no AVX",
  },
  {
    name: "k8", vendor: "amd", family: 15, model: 5, stepping: 10, maxLeaf: 1, maxExtendedLeaf: 0x80000008,
    brand: "AMD Opteron(tm) Processor 246",
    features: BASELINE,
    about: "the first x86-64 processor, AMD 2003: SSE2, and nothing against the kernel's reaching into user memory",
  },
  {
    name: "nehalem", vendor: "intel", family: 6, model: 26, stepping: 5, maxLeaf: 0xb, maxExtendedLeaf: 0x80000008,
    brand: "Intel(R) Xeon(R) CPU X5550",
    features: [...BASELINE, ...X87_POINTERS, ...V2, "RDTSCP"],
    about: "Intel 2008: the x86-64-v2 of the ABI, without PCID, SMEP and SMAP",
  },
  {
    name: "goldmont", vendor: "intel", family: 6, model: 92, stepping: 9, maxLeaf: 0x15, maxExtendedLeaf: 0x80000008,
    brand: "Intel(R) Celeron(R) CPU J3355",
    features: [
      ...BASELINE, ...X87_POINTERS, ...V2, ...XSAVE, ...CRYPTOGRAPHY, "RDTSCP", "PDPE1GB", "FSGSBASE", "SMEP", "SMAP", "ERMS", "MOVBE", "RDRAND",
      "RDSEED", "CLFLUSHOPT", "PREFETCHW",
    ],
    about: "Intel 2016, an Atom: AES and SHA instructions, but no AVX and no BMI",
  },
];

export const cpuModels: readonly CpuModel[] = ROWS.map((row) => ({ ...IDENTITY[row.vendor], ...row, features: new Set<FeatureName>(row.features) }));

export const DEFAULT_CPU = "v2";

/** @throws RangeError that lists the names */
export function cpuModel(name: string): CpuModel {
  const found = cpuModels.find((row) => row.name === name);
  if (!found) throw new RangeError(`no CPU model "${name}": there are ${cpuModels.map((row) => row.name).join(", ")}`);
  return found;
}

/** The model under the rules of `vendor`: a real processor is none any more then, and has the numbers of that vendor's. */
export function underVendor(model: CpuModel, vendor: Vendor): CpuModel {
  return vendor === model.vendor ? model : { ...model, ...IDENTITY[vendor], vendor };
}

/** The feature words of kernel/abi/cpuid-features.ts. */
export function featureWords(features: Iterable<FeatureName>): Uint32Array {
  const words = new Uint32Array(FEATURE_WORD_COUNT);
  for (const name of features) {
    const id = FEATURE_IDS[name];
    words[id >>> 5]! |= 1 << (id & 31);
  }
  return words;
}
