// Model-specific registers: one row each, number -> place in the CPU block and the rule that a written value must meet.
// Entered from RDMSR and WRMSR (exec/msr-access.ts). A number without a row is #GP(0) (SDM Vol. 2B, RDMSR, WRMSR).

import { CPU_BLOCK } from "../abi/layout";
import { FEATURE_NX } from "../abi/cpuid-features";
import { CR0_PG, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE } from "../abi/bits";
import {
  MSR_APIC_BASE, MSR_CSTAR, MSR_EFER, MSR_FMASK, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_LSTAR, MSR_MISC_ENABLE, MSR_PAT,
  MSR_STAR, MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP, MSR_TSC, MSR_TSC_AUX,
} from "../abi/msr";
import {
  APIC_BASE, CR0, CSTAR, EFER, FMASK, FS_BASE, GS_BASE, KERNEL_GS_BASE, LSTAR, MISC_ENABLE, MODE_64, PAT, STAR, SYSENTER_CS, SYSENTER_EIP,
  SYSENTER_ESP, TSC_AUX, TSC_OFFSET, TSC_VIRTUAL, VENDOR, VENDOR_INTEL,
} from "../abi/state";
import { flushAll } from "../mmu/tlb";
import { PHYSICAL_BITS } from "../abi/bits";
import { hasFeature } from "../cpu/cpuid";
import { raiseGP } from "../cpu/fault";
import { isCanonical, mode, retired, stateChanged } from "../cpu/state";

const ANY: u32 = 0;
const CANONICAL: u32 = 1;
/** Bits 63:32 are reserved. */
const LOW_HALF: u32 = 2;
/** Bits 63:32 are dropped (SDM Vol. 4: only 31:0 exist). */
const TRUNCATED: u32 = 3;
const RULE_EFER: u32 = 4;
const RULE_PAT: u32 = 5;
const RULE_TSC: u32 = 6;
const RULE_APIC_BASE: u32 = 7;
const RULE_MISC_ENABLE: u32 = 8;

// prettier-ignore
const ROWS: StaticArray<u32> = [
  MSR_TSC,            TSC_OFFSET,     RULE_TSC,
  MSR_APIC_BASE,      APIC_BASE,      RULE_APIC_BASE,
  MSR_SYSENTER_CS,    SYSENTER_CS,    TRUNCATED,
  MSR_SYSENTER_ESP,   SYSENTER_ESP,   CANONICAL,
  MSR_SYSENTER_EIP,   SYSENTER_EIP,   CANONICAL,
  MSR_MISC_ENABLE,    MISC_ENABLE,    RULE_MISC_ENABLE,
  MSR_PAT,            PAT,            RULE_PAT,
  MSR_EFER,           EFER,           RULE_EFER,
  MSR_STAR,           STAR,           ANY,
  MSR_LSTAR,          LSTAR,          CANONICAL,
  MSR_CSTAR,          CSTAR,          CANONICAL,
  MSR_FMASK,          FMASK,          LOW_HALF,
  MSR_FS_BASE,        FS_BASE,        CANONICAL,
  MSR_GS_BASE,        GS_BASE,        CANONICAL,
  MSR_KERNEL_GS_BASE, KERNEL_GS_BASE, CANONICAL,
  MSR_TSC_AUX,        TSC_AUX,        LOW_HALF,
];
const COLUMNS: i32 = 3;

/** Bits of IA32_MISC_ENABLE that can be written (SDM Vol. 4, 1A0H): fast strings, thermal, CPUID and XD limits. */
const MISC_ENABLE_BITS: u64 = 0x4_00c5_1889;

// @ts-ignore: decorator
@external("host", "tsc")
declare function hostTsc(): f64;

/** The time-stamp counter (SDM Vol. 3B 17.17); under the virtual clock it counts retired instructions. */
export function timeStamp(): u64 {
  const source = load<u32>(CPU_BLOCK + TSC_VIRTUAL) ? retired() : <u64>hostTsc();
  return source + load<u64>(CPU_BLOCK + TSC_OFFSET);
}

/** Index of the row of `msr`, or -1. MISC_ENABLE is Intel's. */
function rowOf(msr: u32): i32 {
  if (msr == MSR_MISC_ENABLE && load<u32>(CPU_BLOCK + VENDOR) != VENDOR_INTEL) return -1;
  for (let i = 0; i < ROWS.length; i += COLUMNS) {
    if (unchecked(ROWS[i]) == msr) return i;
  }
  return -1;
}

/** Value of an MSR; #GP(0) for an unknown one. Check `faulted`. */
export function readMsr(msr: u32): u64 {
  const at = rowOf(msr);
  if (at < 0) {
    raiseGP(0);
    return 0;
  }
  if (unchecked(ROWS[at + 2]) == RULE_TSC) return timeStamp();
  return load<u64>(CPU_BLOCK + <usize>unchecked(ROWS[at + 1]));
}

/** Writes an MSR; #GP(0) for an unknown one, a non-canonical address, a reserved bit or value, and then nothing changes. */
export function writeMsr(msr: u32, value: u64): void {
  const at = rowOf(msr);
  if (at < 0) return raiseGP(0);
  const slot = CPU_BLOCK + <usize>unchecked(ROWS[at + 1]);
  switch (unchecked(ROWS[at + 2])) {
    case CANONICAL:
      if (!isCanonical(value)) return raiseGP(0);
      break;
    case LOW_HALF:
      if (value >> 32) return raiseGP(0);
      break;
    case TRUNCATED:
      value &= 0xffffffff;
      break;
    case RULE_EFER:
      return writeEfer(value);
    case RULE_PAT:
      if (!patTypesValid(value)) return raiseGP(0);
      break;
    case RULE_TSC:
      store<u64>(slot, 0);
      value -= timeStamp();
      break;
    case RULE_APIC_BASE:
      if (value & (0x6ff | ~((<u64>1 << PHYSICAL_BITS) - 1))) return raiseGP(0);
      break;
    case RULE_MISC_ENABLE:
      if (value & ~MISC_ENABLE_BITS) return raiseGP(0);
      break;
  }
  store<u64>(slot, value);
  // Outside 64-bit mode code is decoded for segments with or without a base.
  if (mode() != MODE_64) stateChanged();
}

/** SDM Vol. 3A 2.2.1 and 4.1.1: LME can't change while paging is on; LMA is the processor's. */
function writeEfer(value: u64): void {
  const old = load<u64>(CPU_BLOCK + EFER);
  const known: u64 = EFER_SCE | EFER_LME | EFER_LMA | (hasFeature(FEATURE_NX) ? EFER_NXE : 0);
  if (value & ~known) return raiseGP(0);
  if (load<u64>(CPU_BLOCK + CR0) & CR0_PG && (value ^ old) & EFER_LME) return raiseGP(0);
  store<u64>(CPU_BLOCK + EFER, (value & ~<u64>EFER_LMA) | (old & EFER_LMA));
  if ((value ^ old) & EFER_NXE) flushAll();
  stateChanged();
}

/** Each of the eight fields holds UC, WC, WT, WP, WB or UC- (SDM Vol. 3A table 11-10). */
function patTypesValid(value: u64): bool {
  for (let i = 0; i < 8; i++) {
    const type = <u32>(value >> (8 * i)) & 0xff;
    if (type > 7 || type == 2 || type == 3) return false;
  }
  return true;
}
