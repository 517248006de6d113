// XSAVE, XSAVEOPT, XSAVEC and XRSTOR (SDM Vol. 1 ch. 13, Vol. 2D). Called from exec(). XSAVES and XRSTORS are not offered.
//
//      0  legacy region, as FXSAVE has it (x87-fxsave.ts)
//    512  header: u64 XSTATE_BV, u64 XCOMP_BV (bit 63: compacted form), 48 bytes of zeros
//    576  AVX: 16 x 16 bytes, upper halves of YMM
//
// AVX is the only component behind the header, so it stands at 576 in the compacted form too. The "modified" optimisation of XSAVEOPT
// is one a processor may leave out (SDM Vol. 1 13.5.4): it is.

import { CPU_BLOCK } from "../abi/layout";
import { CR0, CR4, MXCSR, RAX, RDX, XCR0 } from "../abi/state";
import { CR0_TS, CR4_OSXSAVE, XCR0_AVX, XCR0_SSE, XCR0_X87 } from "../abi/bits";
import { FEATURE_XSAVEC } from "../abi/cpuid-features";
import { hasFeature } from "../cpu/cpuid";
import { faulted, raiseGP, raiseNM, raiseUD } from "../cpu/fault";
import { getReg, isCanonical } from "../cpu/state";
import { ea, opsize } from "../decode/uop";
import { probeRead, probeWrite, readMem, writeMem } from "../mmu/access";
import { mxcsrChanged } from "./sse-fast-path";
import { MXCSR_MASK } from "./sse-state";
import { loadX87, storeX87 } from "./x87-fxsave";
import { componentsInUse, componentsInUseWithMxcsr, MXCSR_INITIAL, initialiseAvx, initialiseX87, initialiseXmm, loadAvx, loadXmm, storeAvx, storeXmm } from "./xsave-state";

const AT_MXCSR: u64 = 24;
const AT_MXCSR_MASK: u64 = 28;
const AT_XSTATE_BV: u64 = 512;
const AT_XCOMP_BV: u64 = 520;
const HEADER_END: u64 = 576;
const AREA_END: u64 = 832;
const COMPACTED: u64 = 0x8000000000000000;

/** #UD without CR4.OSXSAVE, #NM with CR0.TS, #GP(0) off a multiple of 64; a non-canonical address is left to the probe. */
function mayStart(at: u64): bool {
  if ((load<u64>(CPU_BLOCK + CR4) & CR4_OSXSAVE) == 0) raiseUD();
  else if (load<u64>(CPU_BLOCK + CR0) & CR0_TS) raiseNM();
  else if ((at & 63) != 0 && isCanonical(at)) raiseGP(0);
  return !faulted;
}

/** RFBM: what the instruction is asked for, of what XCR0 has enabled. */
function requested(): u64 {
  return load<u64>(CPU_BLOCK + XCR0) & ((getReg(RDX) << 32) | (getReg(RAX) & 0xffffffff));
}

function areaBytes(components: u64): u32 {
  return <u32>(components & XCR0_AVX ? AREA_END : HEADER_END);
}

function storeComponents(u: usize, at: u64, components: u64): void {
  if (components & XCR0_X87) storeX87(at, opsize(u) == 8);
  if (components & XCR0_SSE) storeXmm(at);
  if (components & XCR0_AVX) storeAvx(at);
}

/** MXCSR belongs to SSE and AVX alike in the standard form. */
function storeMxcsr(at: u64): void {
  writeMem<u32>(at + AT_MXCSR, load<u32>(CPU_BLOCK, MXCSR));
  writeMem<u32>(at + AT_MXCSR_MASK, MXCSR_MASK);
}

/** @param optimised leave out the bytes of components that are in their initial configuration */
function saveStandard(u: usize, optimised: bool): void {
  const at = ea(u);
  if (!mayStart(at)) return;
  const asked = requested();
  const used = componentsInUse();
  if (!probeWrite(at, areaBytes(asked))) return;
  const before = readMem<u64>(at + AT_XSTATE_BV);
  storeComponents(u, at, optimised ? asked & used : asked);
  if (asked & (XCR0_SSE | XCR0_AVX)) storeMxcsr(at);
  writeMem<u64>(at + AT_XSTATE_BV, (before & ~asked) | (asked & used));
}

export function XSAVE(u: usize): void {
  saveStandard(u, false);
}

export function XSAVEOPT(u: usize): void {
  saveStandard(u, true);
}

export function XSAVEC(u: usize): void {
  const at = ea(u);
  if (!mayStart(at)) return;
  const asked = requested();
  const saved = asked & componentsInUseWithMxcsr();
  if (!probeWrite(at, areaBytes(asked))) return;
  storeComponents(u, at, saved);
  if (saved & XCR0_SSE) storeMxcsr(at);
  writeMem<u64>(at + AT_XSTATE_BV, saved);
  writeMem<u64>(at + AT_XCOMP_BV, asked | COMPACTED);
}

/** SDM Vol. 1 13.8.1 and 13.8.2, the #GP conditions of the header. */
function headerValid(at: u64, present: u64, compaction: u64): bool {
  const enabled = load<u64>(CPU_BLOCK + XCR0);
  if ((compaction & COMPACTED) == 0) return (present & ~enabled) == 0 && compaction == 0 && readMem<u64>(at + AT_XCOMP_BV + 8) == 0;
  if (!hasFeature(FEATURE_XSAVEC) || compaction & ~(enabled | COMPACTED) || present & ~(compaction & ~COMPACTED)) return false;
  for (let reserved = at + AT_XCOMP_BV + 8; reserved < at + HEADER_END; reserved += 8) if (readMem<u64>(reserved)) return false;
  return true;
}

export function XRSTOR(u: usize): void {
  const at = ea(u);
  if (!mayStart(at)) return;
  const asked = requested();
  if (!probeRead(at, areaBytes(asked))) return;
  const present = readMem<u64>(at + AT_XSTATE_BV);
  const compaction = readMem<u64>(at + AT_XCOMP_BV);
  if (!headerValid(at, present, compaction)) return raiseGP(0);
  const compacted = (compaction & COMPACTED) != 0;
  // In the standard form MXCSR comes from memory whatever XSTATE_BV says of SSE, in the compacted one it is part of SSE.
  const mxcsrFromMemory = compacted ? (asked & present & XCR0_SSE) != 0 : (asked & (XCR0_SSE | XCR0_AVX)) != 0;
  const mxcsr = mxcsrFromMemory ? readMem<u32>(at + AT_MXCSR) : MXCSR_INITIAL;
  if (mxcsr & ~MXCSR_MASK) return raiseGP(0);
  if (mxcsrFromMemory || asked & XCR0_SSE) {
    store<u32>(CPU_BLOCK, mxcsr, MXCSR);
    mxcsrChanged();
  }
  if (asked & XCR0_X87) {
    if (present & XCR0_X87) loadX87(at, opsize(u) == 8);
    else initialiseX87();
  }
  if (asked & XCR0_SSE) {
    if (present & XCR0_SSE) loadXmm(at);
    else initialiseXmm();
  }
  if (asked & XCR0_AVX) {
    if (present & XCR0_AVX) loadAvx(at);
    else initialiseAvx();
  }
}
