// What CPUID answers (SDM Vol. 2A, CPUID; AMD APM Vol. 3 appendix E): the rows that the host has put into the CPU block for its model
// (host/machine/cpuid-leaves.ts), and in them what follows the state of the machine. The decoder asks hasFeature().

import { CPU_BLOCK } from "../abi/layout";
import { FEATURE_APIC, FEATURE_OSXSAVE, FEATURE_SYSCALL, FEATURE_XSAVE, FEATURE_XSAVEC } from "../abi/cpuid-features";
import { CR4_OSXSAVE, XCR0_AVX } from "../abi/bits";
import {
  APIC_BASE, CPUID_ANY_SUBLEAF, CPUID_ROW_BYTES, CPUID_ROW_COUNT, CPUID_ROWS, CR4, FEATURE_WORDS, MODE, MODE_64, XCR0,
} from "../abi/state";
import { isAmd } from "./state";

/** True if this machine offers the feature (an id of abi/cpuid-features.ts). */
export function hasFeature(id: u32): bool {
  return ((load<u32>(CPU_BLOCK + FEATURE_WORDS + (id >> 5) * 4) >> (id & 31)) & 1) != 0;
}

export let cpuidEax: u32 = 0;
export let cpuidEbx: u32 = 0;
export let cpuidEcx: u32 = 0;
export let cpuidEdx: u32 = 0;

const APIC_BASE_EN: u64 = 0x800;

/** Row of a leaf, or 0: it answers zeros. */
function rowOf(leaf: u32, subleaf: u32): usize {
  const end: usize = CPU_BLOCK + CPUID_ROWS + <usize>load<u32>(CPU_BLOCK + CPUID_ROW_COUNT) * CPUID_ROW_BYTES;
  for (let row: usize = CPU_BLOCK + CPUID_ROWS; row < end; row += CPUID_ROW_BYTES) {
    const its = load<u32>(row, 4);
    if (load<u32>(row) == leaf && (its == subleaf || its == CPUID_ANY_SUBLEAF)) return row;
  }
  return 0;
}

function lastLeaf(range: u32): u32 {
  const row = rowOf(range, 0);
  return row ? load<u32>(row, 8) : range;
}

/** Answers a leaf in cpuidEax..cpuidEdx. */
export function cpuid(leaf: u32, subleaf: u32): void {
  cpuidEax = cpuidEbx = cpuidEcx = cpuidEdx = 0;
  if (leaf > lastLeaf(leaf & 0x80000000)) {
    // Beyond the end Intel answers with its highest basic leaf (SDM Vol. 2A, CPUID, "INPUT EAX"), AMD with zeros (APM Vol. 3, CPUID).
    if (isAmd()) return;
    leaf = lastLeaf(0);
  }
  const row = rowOf(leaf, subleaf);
  if (row) {
    cpuidEax = load<u32>(row, 8);
    cpuidEbx = load<u32>(row, 12);
    cpuidEcx = load<u32>(row, 16);
    cpuidEdx = load<u32>(row, 20);
  }
  switch (leaf) {
    case 1:
      // OSXSAVE mirrors CR4 (SDM Vol. 2A table 3-10).
      if (hasFeature(FEATURE_XSAVE) && load<u64>(CPU_BLOCK + CR4) & CR4_OSXSAVE) cpuidEcx |= 1 << (FEATURE_OSXSAVE & 31);
      cpuidEdx = mirrorApic(cpuidEdx);
      break;
    case 0xb:
      // A level that does not exist still tells which one was asked for.
      cpuidEcx |= subleaf & 0xff;
      break;
    case 0xd:
      if (hasFeature(FEATURE_XSAVE)) {
        if (subleaf == 0) cpuidEbx = xsaveBytes(load<u64>(CPU_BLOCK + XCR0));
        else if (subleaf == 1 && hasFeature(FEATURE_XSAVEC)) cpuidEbx = xsaveBytes(load<u64>(CPU_BLOCK + XCR0));
      }
      break;
    case 0x80000001:
      // Intel shows SYSCALL only to 64-bit code (SDM Vol. 2A, CPUID); AMD always, and repeats leaf 1 (APM Vol. 3 E.4.2).
      if (isAmd()) cpuidEdx = mirrorApic(cpuidEdx);
      else if (load<u32>(CPU_BLOCK + MODE) != <u32>MODE_64) cpuidEdx &= ~(<u32>1 << (FEATURE_SYSCALL & 31));
      break;
  }
}

/** The APIC flag mirrors IA32_APIC_BASE.EN (SDM Vol. 3A 10.4.3). */
function mirrorApic(edx: u32): u32 {
  return load<u64>(CPU_BLOCK + APIC_BASE) & APIC_BASE_EN ? edx : edx & ~(<u32>1 << (FEATURE_APIC & 31));
}

/** Of an area for these state components: legacy region, header, AVX. Standard and compacted form are of one size as long as that is all. */
function xsaveBytes(components: u64): u32 {
  return components & XCR0_AVX ? 832 : 576;
}
