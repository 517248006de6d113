// What CPUID answers for a model, as rows of (leaf, subleaf) -> EAX, EBX, ECX, EDX (SDM Vol. 2A, CPUID; AMD APM Vol. 3 appendix E).
// Written into the CPU block (CPUID_ROWS) when the machine is made; kernel/cpu/cpuid.ts answers from there, and puts in what depends
// on control registers: OSXSAVE, the APIC flag, the sizes that follow XCR0, SYSCALL outside 64-bit mode.
//
// Caches and topology are told twice on each vendor's processors, in an old leaf and in a new one; both are made from the same list
// here. The topology is one thread of one core.

import { LINEAR_BITS, PHYSICAL_BITS } from "../../kernel/abi/bits";
import { CPUID_ANY_SUBLEAF } from "../../kernel/abi/state";
import { type CpuModel, featureWords } from "./cpu-models";

export interface CpuidRow {
  leaf: number;
  /** CPUID_ANY_SUBLEAF: ECX does not matter. */
  subleaf: number;
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

interface Cache {
  level: 1 | 2 | 3;
  kind: "data" | "instruction" | "unified";
  kib: number;
  ways: number;
}

const LINE = 64;
const CACHES: readonly Cache[] = [
  { level: 1, kind: "data", kib: 32, ways: 8 },
  { level: 1, kind: "instruction", kib: 32, ways: 8 },
  { level: 2, kind: "unified", kib: 256, ways: 4 },
  { level: 3, kind: "unified", kib: 8192, ways: 16 },
];
const CACHE_TYPE = { data: 1, instruction: 2, unified: 3 };
/** Ways as leaf 8000_0006h codes them (APM Vol. 3, table E-4). */
const WAYS_CODE: Record<number, number> = { 4: 4, 8: 6, 16: 8 };
/** The TSC counts nanoseconds or instructions (MachineOptions.tsc): 40/1 of a 25 MHz crystal either way. */
const CRYSTAL_HZ = 25_000_000;
const TSC_RATIO = 40;
const TSC_MHZ = (CRYSTAL_HZ / 1e6) * TSC_RATIO;

/** State components of XSAVE beyond x87 and SSE: bit in XCR0, offset in the standard form, bytes (SDM Vol. 1 13.5). */
export const XSAVE_LEGACY_BYTES = 576;
const AVX_COMPONENT = { bit: 2, offset: XSAVE_LEGACY_BYTES, bytes: 256 };

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const VENDOR_NAME = { intel: "GenuineIntel", amd: "AuthenticAMD" };

export function vendorName(cpu: CpuModel): string {
  return VENDOR_NAME[cpu.vendor];
}

/** Leaf 1, EAX: family above 15 and model above 15 spill into the extended fields (SDM Vol. 2A figure 3-6). */
function signature({ family, model, stepping }: CpuModel): number {
  return ((Math.max(family - 15, 0) << 20) | ((model >> 4) << 16) | (Math.min(family, 15) << 8) | ((model & 15) << 4) | stepping) >>> 0;
}

/** Answers what each leaf holds. Leaves up to the model's last one without a row answer zeros. */
export function cpuidRows(cpu: CpuModel): CpuidRow[] {
  const amd = cpu.vendor === "amd";
  const words = featureWords(cpu.features);
  const rows: CpuidRow[] = [];
  const row = (leaf: number, subleaf: number, eax: number, ebx: number, ecx: number, edx: number): void => {
    if (leaf > (leaf >= 0x80000000 ? cpu.maxExtendedLeaf : cpu.maxLeaf)) return;
    rows.push({ leaf, subleaf, eax: eax >>> 0, ebx: ebx >>> 0, ecx: ecx >>> 0, edx: edx >>> 0 });
  };
  const any = CPUID_ANY_SUBLEAF;
  const name = new DataView(ascii(VENDOR_NAME[cpu.vendor]).buffer);
  const [b, d, c] = [0, 4, 8].map((at) => name.getUint32(at, true)) as [number, number, number];
  row(0, any, cpu.maxLeaf, b, c, d);
  // CLFLUSH line in units of 8 bytes, one logical processor, APIC id 0.
  row(1, any, signature(cpu), ((LINE / 8) << 8) | (1 << 16), words[2]!, words[1]!);
  if (!amd) {
    // Descriptor FFh sends the reader to leaf 4.
    row(2, any, 0x00feff01, 0, 0, 0);
    CACHES.forEach((cache, i) => row(4, i, ...cacheProperties(cache)));
    row(0x15, any, 1, TSC_RATIO, CRYSTAL_HZ, 0);
    row(0x16, any, TSC_MHZ, TSC_MHZ, 100, 0);
  }
  row(7, 0, 0, words[3]!, words[4]!, words[7]!);
  row(0xb, 0, 0, 1, 0x100, 0);
  row(0xb, 1, 0, 1, 0x201, 0);
  if (cpu.features.has("XSAVE")) {
    const avx = cpu.features.has("AVX");
    // EBX of both is computed: it follows XCR0.
    row(0xd, 0, avx ? 7 : 3, 0, XSAVE_LEGACY_BYTES + (avx ? AVX_COMPONENT.bytes : 0), 0);
    row(0xd, 1, words[0]!, 0, 0, 0);
    if (avx) row(0xd, AVX_COMPONENT.bit, AVX_COMPONENT.bytes, AVX_COMPONENT.offset, 0, 0);
  }

  row(0x80000000, any, cpu.maxExtendedLeaf, amd ? b : 0, amd ? c : 0, amd ? d : 0);
  // AMD repeats the signature, and in EDX what leaf 1 has there.
  row(0x80000001, any, amd ? signature(cpu) : 0, 0, words[6]!, (words[5]! | (amd ? words[1]! & AMD_REPEATED : 0)));
  const brand = new Uint8Array(48);
  brand.set(ascii(cpu.brand));
  const text = new DataView(brand.buffer);
  for (let i = 0; i < 3; i++) {
    const [w0, w1, w2, w3] = [0, 4, 8, 12].map((at) => text.getUint32(16 * i + at, true)) as [number, number, number, number];
    row(0x80000002 + i, any, w0, w1, w2, w3);
  }
  const [l1d, l1i, l2, l3] = CACHES as [Cache, Cache, Cache, Cache];
  const oldL1 = ({ kib, ways }: Cache): number => (kib << 24) | (ways << 16) | (1 << 8) | LINE;
  // The TLB halves of these two leaves are zero: ours has no size that a program could see.
  if (amd) row(0x80000005, any, 0, 0, oldL1(l1d), oldL1(l1i));
  const linesPerTag = amd ? 1 << 8 : 0;
  row(0x80000006, any, 0, 0, (l2.kib << 16) | (WAYS_CODE[l2.ways]! << 12) | linesPerTag | LINE,
    amd ? ((l3.kib / 512) << 18) | (WAYS_CODE[l3.ways]! << 12) | linesPerTag | LINE : 0);
  row(0x80000007, any, 0, 0, 0, INVARIANT_TSC);
  row(0x80000008, any, PHYSICAL_BITS | (LINEAR_BITS << 8), 0, 0, 0);
  if (amd) {
    CACHES.forEach((cache, i) => row(0x8000001d, i, ...cacheProperties(cache)));
    row(0x8000001e, any, 0, 0, 0, 0);
  }
  return rows;
}

/** Bits of AMD leaf 8000_0001h EDX that repeat leaf 1 EDX (APM Vol. 3 E.4.2). */
const AMD_REPEATED = 0x0183f3ff;
const INVARIANT_TSC = 0x100;

/** Leaf 4, and 8000_001Dh alike: type and level, ways - 1 and line - 1, sets - 1. The last level includes the others. */
function cacheProperties({ level, kind, kib, ways }: Cache): [number, number, number, number] {
  const selfInitialising = 1 << 8;
  const inclusive = level === 3 ? 2 : 0;
  return [CACHE_TYPE[kind] | (level << 5) | selfInitialising, ((ways - 1) << 22) | (LINE - 1), (kib * 1024) / (ways * LINE) - 1, inclusive];
}
