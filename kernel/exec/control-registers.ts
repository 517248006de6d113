// Instructions over control and debug registers: MOV CRn, MOV DRn, CLTS, LMSW, SMSW, XGETBV, XSETBV (SDM Vol. 2B; SDM Vol. 3A 2.5).

import { CPU_BLOCK } from "../abi/layout";
import {
  FEATURE_AVX, FEATURE_DE, FEATURE_FSGSBASE, FEATURE_MCE, FEATURE_PCID, FEATURE_SMAP, FEATURE_SMEP, FEATURE_UMIP, FEATURE_XGETBV1, FEATURE_XSAVE,
} from "../abi/cpuid-features";
import {
  CR0_AM, CR0_CD, CR0_EM, CR0_ET, CR0_MP, CR0_NE, CR0_NW, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR4_DE, CR4_FSGSBASE, CR4_MCE, CR4_OSFXSR,
  CR4_OSXMMEXCPT, CR4_OSXSAVE, CR4_PAE, CR4_PCE, CR4_PCIDE, CR4_PGE, CR4_PSE, CR4_SMAP, CR4_SMEP, CR4_TSD, CR4_UMIP, EFER_LMA,
  EFER_LME, XCR0_AVX, XCR0_SSE, XCR0_X87,
} from "../abi/bits";
import {
  COUNT_CR3_WRITE, CR0, CR2, CR3, CR4, CR8, DR0, DR6, DR7, EFER, MODE_64, RAX, RCX, RDX, XCR0,
} from "../abi/state";
import { hasFeature } from "../cpu/cpuid";
import { faulted, raiseDebugFault, raiseGP, raiseUD } from "../cpu/fault";
import { cpl, getReg, mode, setReg, stateChanged } from "../cpu/state";
import { ismem, opsize, readRm, rmSlot, sub, writeRm } from "../decode/uop";
import { flushAll, flushPcid } from "../mmu/tlb";
import { PHYSICAL_BITS } from "../abi/bits";
import { hiddenByUmip } from "./segment-load";
import { writeRmSized } from "./sized-operand";
import { componentsInUseWithMxcsr } from "./xsave-state";

/** CR0 bits that exist; the others read as zero, and ET as one. */
const CR0_BITS: u64 = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | <u64>CR0_PG;
/** CR3 bit 63, with CR4.PCIDE: keep what is cached for the PCID. */
const CR3_NOFLUSH: u64 = 0x8000000000000000;

/** The general register of MOV to or from CRn and DRn: 64 bits in 64-bit mode, 32 otherwise, whatever the prefixes. */
function sourceRegister(u: usize): u64 {
  return mode() == MODE_64 ? load<u64>(rmSlot(u)) : <u64>load<u32>(rmSlot(u));
}

function toRegister(u: usize, value: u64): void {
  store<u64>(rmSlot(u), mode() == MODE_64 ? value : value & 0xffffffff);
}

/** A control register that does not exist is #UD at every level, then only CPL 0 may go on. False: a fault was raised. */
function controlRegisterAllowed(n: u32): bool {
  if (n != 0 && n != 2 && n != 3 && n != 4 && n != 8) raiseUD();
  else if (cpl() != 0) raiseGP(0);
  return !faulted;
}

export function MOV_FROM_CR(u: usize): void {
  const n = sub(u);
  if (!controlRegisterAllowed(n)) return;
  switch (n) {
    case 0:
      return toRegister(u, load<u64>(CPU_BLOCK + CR0));
    case 2:
      return toRegister(u, load<u64>(CPU_BLOCK + CR2));
    case 3:
      return toRegister(u, load<u64>(CPU_BLOCK + CR3));
    case 4:
      return toRegister(u, load<u64>(CPU_BLOCK + CR4));
    case 8:
      return toRegister(u, load<u64>(CPU_BLOCK + CR8));
  }
}

export function MOV_TO_CR(u: usize): void {
  const n = sub(u);
  if (!controlRegisterAllowed(n)) return;
  const value = sourceRegister(u);
  switch (n) {
    case 0:
      return writeCr0(value);
    case 2:
      return store<u64>(CPU_BLOCK + CR2, value);
    case 3:
      return writeCr3(value);
    case 4:
      return writeCr4(value);
    case 8:
      return writeCr8(value);
  }
}

/** SDM Vol. 2B, MOV - Move to/from Control Registers, "#GP(0)"; Vol. 3A 4.1.2 for the switches of PG. */
function writeCr0(value: u64): void {
  const old = load<u64>(CPU_BLOCK + CR0);
  const efer = load<u64>(CPU_BLOCK + EFER);
  const cr4 = load<u64>(CPU_BLOCK + CR4);
  if (value >> 32) return raiseGP(0);
  value = (value & CR0_BITS) | CR0_ET;
  const paging = (value & CR0_PG) != 0;
  if (paging && (value & CR0_PE) == 0) return raiseGP(0);
  if (value & CR0_NW && (value & CR0_CD) == 0) return raiseGP(0);
  const switched = (value ^ old) & CR0_PG;
  if (switched && !paging && (mode() == MODE_64 || cr4 & CR4_PCIDE)) return raiseGP(0);
  // Only 4-level paging is here: what SDM Vol. 3A 4.1.1 calls 32-bit and PAE paging can't be switched on.
  if (switched && paging && ((cr4 & CR4_PAE) == 0 || (efer & EFER_LME) == 0)) return raiseGP(0);
  if (switched) store<u64>(CPU_BLOCK + EFER, paging ? efer | EFER_LMA : efer & ~<u64>EFER_LMA);
  store<u64>(CPU_BLOCK + CR0, value);
  if ((value ^ old) & (CR0_PG | CR0_PE | CR0_WP)) flushAll();
  stateChanged();
}

/** SDM Vol. 3A 2.5 and 4.10.4.1: with PCIDE, bit 63 keeps the translations of the PCID it selects. */
function writeCr3(value: u64): void {
  const pcide = (load<u64>(CPU_BLOCK + CR4) & CR4_PCIDE) != 0;
  const keep = pcide && (value & CR3_NOFLUSH) != 0;
  if (pcide) value &= ~CR3_NOFLUSH;
  if (value >> <u64>PHYSICAL_BITS) return raiseGP(0);
  store<u64>(CPU_BLOCK + CR3, value);
  store<u64>(CPU_BLOCK + COUNT_CR3_WRITE, load<u64>(CPU_BLOCK + COUNT_CR3_WRITE) + 1);
  if (!keep) flushPcid(pcide ? <u32>value & 0xfff : 0);
  stateChanged();
}

/** Bits of CR4 that the model offers. */
function cr4Bits(): u64 {
  let bits: u64 = CR4_TSD | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
  if (hasFeature(FEATURE_DE)) bits |= CR4_DE;
  if (hasFeature(FEATURE_MCE)) bits |= CR4_MCE;
  if (hasFeature(FEATURE_UMIP)) bits |= CR4_UMIP;
  if (hasFeature(FEATURE_FSGSBASE)) bits |= CR4_FSGSBASE;
  if (hasFeature(FEATURE_PCID)) bits |= CR4_PCIDE;
  if (hasFeature(FEATURE_XSAVE)) bits |= CR4_OSXSAVE;
  if (hasFeature(FEATURE_SMEP)) bits |= CR4_SMEP;
  if (hasFeature(FEATURE_SMAP)) bits |= CR4_SMAP;
  return bits;
}

/** SDM Vol. 2B, MOV to CR4; Vol. 3A 4.10.4.1 for what is invalidated. */
function writeCr4(value: u64): void {
  const old = load<u64>(CPU_BLOCK + CR4);
  const long = (load<u64>(CPU_BLOCK + EFER) & EFER_LMA) != 0;
  if (value & ~cr4Bits()) return raiseGP(0);
  if (long && (value & CR4_PAE) == 0) return raiseGP(0);
  const pcidOn = (value & ~old & CR4_PCIDE) != 0;
  if (pcidOn && (!long || load<u64>(CPU_BLOCK + CR3) & 0xfff)) return raiseGP(0);
  store<u64>(CPU_BLOCK + CR4, value);
  if ((value ^ old) & (CR4_PGE | CR4_PSE | CR4_PAE | CR4_PCIDE | CR4_SMEP | CR4_SMAP)) flushAll();
  stateChanged();
}

function writeCr8(value: u64): void {
  if (value > 15) return raiseGP(0);
  store<u64>(CPU_BLOCK + CR8, value);
  stateChanged();
}

export function CLTS(u: usize): void {
  store<u64>(CPU_BLOCK + CR0, load<u64>(CPU_BLOCK + CR0) & ~<u64>CR0_TS);
  stateChanged();
}

/** Loads PE, MP, EM, TS; PE can be set but not cleared. */
export function LMSW(u: usize): void {
  const value = <u64>readRm<u16>(u) & 0xf;
  if (faulted) return;
  const old = load<u64>(CPU_BLOCK + CR0);
  store<u64>(CPU_BLOCK + CR0, (old & ~<u64>0xe) | value);
  stateChanged();
}

export function SMSW(u: usize): void {
  if (hiddenByUmip()) return;
  const value = load<u64>(CPU_BLOCK + CR0);
  if (ismem(u)) writeRm<u16>(u, <u16>value);
  else writeRmSized(u, opsize(u), value);
}

// Debug registers (SDM Vol. 3B 17.2): reserved bits of DR6 that read as one (RTM and BLD among them: neither is offered),
// and the writable bits.
const DR6_ONES: u64 = 0xffff0ff0;
const DR6_BITS: u64 = 0xe00f;
const DR7_ONES: u64 = 0x400;
const DR7_BITS: u64 = 0xffff23ff;
const DR7_GD: u64 = 0x2000;
const DR6_BD: u64 = 0x2000;

/**
 * Number of the debug register meant, DR4 and DR5 being DR6 and DR7 without CR4.DE; or -1 when a fault was raised. The chip
 * looks at the number before the level, and at CR4.DE after it.
 */
function debugRegister(u: usize): i32 {
  const n = <i32>sub(u);
  const alias = n == 4 || n == 5;
  if (n > 7) raiseUD();
  else if (cpl() != 0) raiseGP(0);
  else if (alias && load<u64>(CPU_BLOCK + CR4) & CR4_DE) raiseUD();
  if (faulted) return -1;
  if (load<u64>(CPU_BLOCK + DR7) & DR7_GD) {
    raiseDebugFault(DR6_BD);
    return -1;
  }
  return alias ? n + 2 : n;
}

/** Place of a debug register: DR0-DR3, then DR6 and DR7, stand together in the CPU block. */
function debugSlot(n: i32): usize {
  return CPU_BLOCK + (n < 4 ? DR0 + 8 * <usize>n : n == 6 ? DR6 : DR7);
}

export function MOV_FROM_DR(u: usize): void {
  const n = debugRegister(u);
  if (n < 0) return;
  let value = load<u64>(debugSlot(n));
  if (n == 6) value |= DR6_ONES;
  if (n == 7) value |= DR7_ONES;
  toRegister(u, value);
}

export function MOV_TO_DR(u: usize): void {
  const n = debugRegister(u);
  if (n < 0) return;
  let value = sourceRegister(u);
  if (n >= 6 && value >> 32) return raiseGP(0);
  if (n == 6) value = (value & DR6_BITS) | DR6_ONES;
  if (n == 7) value = (value & DR7_BITS) | DR7_ONES;
  store<u64>(debugSlot(n), value);
  stateChanged();
}

/** State components that XSETBV may enable. */
function xcr0Bits(): u64 {
  return XCR0_X87 | XCR0_SSE | (hasFeature(FEATURE_AVX) ? <u64>XCR0_AVX : 0);
}

/** XCR0, or with ECX = 1 those of its components that are in use (SDM Vol. 2D, XGETBV). */
export function XGETBV(u: usize): void {
  if ((load<u64>(CPU_BLOCK + CR4) & CR4_OSXSAVE) == 0) return raiseUD();
  const which = <u32>getReg(RCX);
  if (which > 1 || (which == 1 && !hasFeature(FEATURE_XGETBV1))) return raiseGP(0);
  let value = load<u64>(CPU_BLOCK + XCR0);
  if (which == 1) value &= componentsInUseWithMxcsr();
  setReg(RAX, value & 0xffffffff);
  setReg(RDX, value >> 32);
}

/** SDM Vol. 2D, XSETBV: x87 cannot be disabled, AVX not be enabled without SSE. The CR4.OSXSAVE check comes before that of the level. */
export function XSETBV(u: usize): void {
  if ((load<u64>(CPU_BLOCK + CR4) & CR4_OSXSAVE) == 0) return raiseUD();
  if (cpl() != 0) return raiseGP(0);
  const value = (getReg(RDX) << 32) | (getReg(RAX) & 0xffffffff);
  if (<u32>getReg(RCX) != 0 || (value & XCR0_X87) == 0 || value & ~xcr0Bits()) return raiseGP(0);
  if ((value & (XCR0_AVX | XCR0_SSE)) == XCR0_AVX) return raiseGP(0);
  store<u64>(CPU_BLOCK + XCR0, value);
  stateChanged();
}
