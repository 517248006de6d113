// What CPUID answers: the feature words that the host has set, and the leaves around them (SDM Vol. 2A, CPUID; AMD APM
// Vol. 3 appendix E). The decoder asks hasFeature(); CPUID never offers what does not execute.

import { CPU_BLOCK } from "../abi/layout";
import { FEATURE_APIC, FEATURE_OSXSAVE, FEATURE_SYSCALL, FEATURE_XSAVE } from "../abi/cpuid-features";
import { CR4_OSXSAVE } from "../abi/bits";
import { APIC_BASE, CR4, FEATURE_WORDS, MODE, MODE_64, VENDOR, VENDOR_AMD } from "../abi/state";
import { PHYSICAL_BITS } from "../abi/bits";

/** Bits of AMD leaf 8000_0001h EDX that repeat leaf 1 EDX (APM Vol. 3 E.4.2). */
const AMD_REPEATED: u32 = 0x0183f3ff;

function featureWord(word: u32): u32 {
  return load<u32>(CPU_BLOCK + FEATURE_WORDS + word * 4);
}

/** True if this machine offers the feature (an id of abi/cpuid-features.ts). */
export function hasFeature(id: u32): bool {
  return ((featureWord(id >> 5) >> (id & 31)) & 1) != 0;
}

export let cpuidEax: u32 = 0;
export let cpuidEbx: u32 = 0;
export let cpuidEcx: u32 = 0;
export let cpuidEdx: u32 = 0;

function answer(eax: u32, ebx: u32, ecx: u32, edx: u32): void {
  cpuidEax = eax;
  cpuidEbx = ebx;
  cpuidEcx = ecx;
  cpuidEdx = edx;
}

function isAmd(): bool {
  return load<u32>(CPU_BLOCK + VENDOR) == <u32>VENDOR_AMD;
}

const INTEL_MAX_LEAF: u32 = 0x15;
const AMD_MAX_LEAF: u32 = 0xd;
const MAX_EXTENDED_LEAF: u32 = 0x80000008;
/** Family, model, stepping: a Skylake, a Zen. */
const INTEL_SIGNATURE: u32 = 0x000506e3;
const AMD_SIGNATURE: u32 = 0x00800f12;
/** CLFLUSH line of 8 x 8 bytes in bits 15:8, one logical processor in 23:16, APIC id 0. */
const LEAF_1_EBX: u32 = 0x00010800;
const APIC_BASE_EN: u64 = 0x800;
/** The TSC counts nanoseconds (host.tsc) or retired instructions: 40/1 of a 25 MHz crystal either way. */
const CRYSTAL_HZ: u32 = 25000000;

/** 48 bytes, padded with zeros. */
const BRAND: StaticArray<u8> = [
  // "ring3 virtual x86-64 CPU"
  0x72, 0x69, 0x6e, 0x67, 0x33, 0x20, 0x76, 0x69, 0x72, 0x74, 0x75, 0x61, 0x6c, 0x20, 0x78, 0x38, 0x36, 0x2d, 0x36, 0x34, 0x20, 0x43,
  0x50, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/** Answers a leaf in cpuidEax..cpuidEdx. */
export function cpuid(leaf: u32, subleaf: u32): void {
  const extended = leaf >= 0x80000000;
  const max = extended ? MAX_EXTENDED_LEAF : isAmd() ? AMD_MAX_LEAF : INTEL_MAX_LEAF;
  if (leaf > max) {
    // Beyond the end Intel answers with its highest basic leaf, AMD with zeros.
    if (isAmd()) return answer(0, 0, 0, 0);
    leaf = INTEL_MAX_LEAF;
  }
  if (leaf >= 0x80000000) return extendedLeaf(leaf);
  switch (leaf) {
    case 0:
      if (isAmd()) return answer(AMD_MAX_LEAF, 0x68747541, 0x444d4163, 0x69746e65);
      return answer(INTEL_MAX_LEAF, 0x756e6547, 0x6c65746e, 0x49656e69);
    case 1:
      return answer(isAmd() ? AMD_SIGNATURE : INTEL_SIGNATURE, LEAF_1_EBX, leaf1Ecx(), leaf1Edx());
    case 2:
      // Descriptor FFh sends the reader to leaf 4.
      return isAmd() ? answer(0, 0, 0, 0) : answer(0x00feff01, 0, 0, 0);
    case 4:
      return isAmd() ? answer(0, 0, 0, 0) : cacheLeaf(subleaf);
    case 7:
      if (subleaf != 0) return answer(0, 0, 0, 0);
      return answer(0, featureWord(3), featureWord(4), featureWord(7));
    case 0xb:
      return topologyLeaf(subleaf);
    case 0x15:
      return answer(1, 40, CRYSTAL_HZ, 0);
  }
  answer(0, 0, 0, 0);
}

/** OSXSAVE mirrors CR4 (SDM Vol. 2A table 3-10). */
function leaf1Ecx(): u32 {
  const word = featureWord(2);
  const enabled = hasFeature(FEATURE_XSAVE) && (load<u64>(CPU_BLOCK + CR4) & CR4_OSXSAVE) != 0;
  return enabled ? word | (1 << (FEATURE_OSXSAVE & 31)) : word;
}

/** The APIC flag mirrors IA32_APIC_BASE.EN (SDM Vol. 3A 10.4.3). */
function leaf1Edx(): u32 {
  const word = featureWord(1);
  return load<u64>(CPU_BLOCK + APIC_BASE) & APIC_BASE_EN ? word : word & ~(<u32>1 << (FEATURE_APIC & 31));
}

/** Deterministic cache parameters: L1D 32K, L1I 32K, L2 256K, L3 8M, 64-byte lines. EBX is ways - 1, line - 1; ECX is sets - 1. */
function cacheLeaf(subleaf: u32): void {
  switch (subleaf) {
    case 0:
      return answer(0x121, (7 << 22) | 63, 63, 0);
    case 1:
      return answer(0x122, (7 << 22) | 63, 63, 0);
    case 2:
      return answer(0x143, (3 << 22) | 63, 1023, 0);
    case 3:
      return answer(0x163, (15 << 22) | 63, 8191, 2);
  }
  answer(0, 0, 0, 0);
}

/** One thread of one core. */
function topologyLeaf(subleaf: u32): void {
  if (subleaf == 0) return answer(0, 1, 0x100, 0);
  if (subleaf == 1) return answer(0, 1, 0x201, 0);
  answer(0, 0, subleaf & 0xff, 0);
}

function extendedLeaf(leaf: u32): void {
  switch (leaf) {
    case 0x80000000:
      if (isAmd()) return answer(MAX_EXTENDED_LEAF, 0x68747541, 0x444d4163, 0x69746e65);
      return answer(MAX_EXTENDED_LEAF, 0, 0, 0);
    case 0x80000001:
      return answer(isAmd() ? AMD_SIGNATURE : 0, 0, featureWord(6), extendedEdx());
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: {
      const at = changetype<usize>(BRAND) + <usize>(leaf - 0x80000002) * 16;
      return answer(load<u32>(at), load<u32>(at, 4), load<u32>(at, 8), load<u32>(at, 12));
    }
    case 0x80000005:
      // AMD: L1D and L1I 32K, 8 ways, 64-byte lines; TLB fields as ours has no architectural size.
      return isAmd() ? answer(0, 0, 0x20080140, 0x20080140) : answer(0, 0, 0, 0);
    case 0x80000006:
      // L2 256K, 4 ways (AMD and Intel alike); AMD also L3 8M, 16 ways, in units of 512K.
      return answer(0, 0, 0x01004040 | (isAmd() ? 0x100 : 0), isAmd() ? (16 << 18) | 0x8140 : 0);
    case 0x80000007:
      // Invariant TSC.
      return answer(0, 0, 0, 0x100);
    case 0x80000008:
      return answer(PHYSICAL_BITS | (48 << 8), 0, 0, 0);
  }
  answer(0, 0, 0, 0);
}

/** Intel shows SYSCALL only to 64-bit code; AMD always, and repeats leaf 1. */
function extendedEdx(): u32 {
  const word = featureWord(5);
  if (isAmd()) return word | (leaf1Edx() & AMD_REPEATED);
  return load<u32>(CPU_BLOCK + MODE) == <u32>MODE_64 ? word : word & ~(<u32>1 << (FEATURE_SYSCALL & 31));
}
