// SYSCALL and SYSRET, SYSENTER and SYSEXIT, SWAPGS, and the FS and GS base instructions: both directions of the fast doors.
// Entered from user code (SYSCALL, SYSENTER) and from ring-0 code (SYSRET, SYSEXIT). Leaves to the address in LSTAR, CSTAR,
// SYSENTER_EIP, or to the one in RCX or RDX. No memory is touched in either direction: segments are made from constants.

import { CPU_BLOCK } from "../abi/layout";
import { CR4_FSGSBASE, EFER_LMA, EFER_SCE, FLAG_IF, FLAG_RF, FLAG_TF, FLAG_VM } from "../abi/bits";
import {
  CPL, CR4, CSTAR, EFER, FMASK, FS_BASE, GS_BASE, KERNEL_GS_BASE, LSTAR, MODE_64, PENDING_DEBUG, R11, RCX, RDX, RSP, SEG_CS,
  SEG_SS, STAR, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP,
} from "../abi/state";
import { raiseGP, raiseUD, setStepSuppressed } from "../cpu/fault";
import { setFlatSegment } from "../system/segments";
import {
  cpl, getReg, isAmd, isCanonical, mode, rflags, segAttributes, segBase, segLimit, setReg, setRflags, setRip, setSegment, stateChanged,
} from "../cpu/state";
import { nextRip, opsize, rmSlot } from "../decode/uop";
import { writeSlot } from "./sized-operand";

// Attributes as SEG_ATTRIBUTES has them: accessed, S, P, G, and L or D/B.
const CODE_64_DPL0: u32 = 0xa9b;
const CODE_64_DPL3: u32 = 0xafb;
const CODE_32_DPL3: u32 = 0xcfb;
const DATA_DPL0: u32 = 0xc93;
const DATA_DPL3: u32 = 0xcf3;

/** DR6.BS: single step. */
const DR6_BS: u32 = 0x4000;

function enterLevel(level: u32, csSelector: u32, csAttributes: u32): void {
  setFlatSegment(SEG_CS, csSelector, csAttributes);
  store<u32>(CPU_BLOCK + CPL, level);
  stateChanged();
}

/** SYSCALL and SYSRET exist: long mode with SCE, and on Intel only for 64-bit code. */
function syscallEnabled(): bool {
  const needed: u64 = EFER_LMA | EFER_SCE;
  if ((load<u64>(CPU_BLOCK + EFER) & needed) != needed) return false;
  return mode() == MODE_64 || isAmd();
}

/**
 * SDM Vol. 2B, SYSCALL; AMD APM Vol. 3, SYSCALL (from compatibility mode through CSTAR).
 * Whether a single-step trap follows is told by the new TF, not by that of the program.
 */
export function SYSCALL(u: usize): void {
  if (!syscallEnabled()) return raiseUD();
  const compatibility = mode() != MODE_64;
  const flags = rflags();
  const star = load<u64>(CPU_BLOCK + STAR);
  setReg(RCX, nextRip(u));
  setReg(R11, flags & ~<u64>FLAG_RF);
  setRip(load<u64>(CPU_BLOCK + (compatibility ? CSTAR : LSTAR)));
  const entered = flags & ~load<u64>(CPU_BLOCK + FMASK) & ~<u64>FLAG_RF;
  setRflags(entered);
  if (flags & ~entered & FLAG_TF) setStepSuppressed(true);
  const selector = <u32>(star >> 32) & 0xfffc;
  enterLevel(0, selector, CODE_64_DPL0);
  setFlatSegment(SEG_SS, (<u32>(star >> 32) & 0xffff) + 8, DATA_DPL0);
}

/**
 * SDM Vol. 2B, SYSRET. Intel checks RCX here, at CPL 0, with the user's RSP already loaded; AMD lets the fetch at CPL 3
 * fail (APM Vol. 3, SYSRET), and loads only the selector of SS.
 */
export function SYSRET(u: usize): void {
  if (!syscallEnabled()) return raiseUD();
  if (cpl() != 0) return raiseGP(0);
  const wide = opsize(u) == 8;
  const target = wide ? getReg(RCX) : getReg(RCX) & 0xffffffff;
  const amd = isAmd();
  if (!amd && !isCanonical(target)) return raiseGP(0);
  const star = <u32>(load<u64>(CPU_BLOCK + STAR) >> 48);
  const flags = (getReg(R11) & 0x3c7fd7) | 2;
  setRip(target);
  setRflags(flags);
  if (flags & FLAG_TF) store<u32>(CPU_BLOCK + PENDING_DEBUG, load<u32>(CPU_BLOCK + PENDING_DEBUG) | DR6_BS);
  enterLevel(3, (wide ? star + 16 : star) | 3, wide ? CODE_64_DPL3 : CODE_32_DPL3);
  const ss = (star + 8) | 3;
  if (amd) setSegment(SEG_SS, ss, segAttributes(SEG_SS), segLimit(SEG_SS), segBase(SEG_SS));
  else setFlatSegment(SEG_SS, ss, DATA_DPL3);
}

/** SDM Vol. 2B, SYSENTER. On AMD #UD in long mode. */
export function SYSENTER(u: usize): void {
  const long = (load<u64>(CPU_BLOCK + EFER) & EFER_LMA) != 0;
  if (!long || isAmd()) return raiseUD();
  const selector = <u32>load<u64>(CPU_BLOCK + SYSENTER_CS) & 0xfffc;
  if (selector == 0) return raiseGP(0);
  setRflags(rflags() & ~<u64>(FLAG_VM | FLAG_IF | FLAG_RF));
  setReg(RSP, load<u64>(CPU_BLOCK + SYSENTER_ESP));
  setRip(load<u64>(CPU_BLOCK + SYSENTER_EIP));
  enterLevel(0, selector, CODE_64_DPL0);
  setFlatSegment(SEG_SS, selector + 8, DATA_DPL0);
}

/** SDM Vol. 2B, SYSEXIT. On AMD #UD in long mode. */
export function SYSEXIT(u: usize): void {
  const long = (load<u64>(CPU_BLOCK + EFER) & EFER_LMA) != 0;
  if (!long || isAmd()) return raiseUD();
  const sysenterCs = <u32>load<u64>(CPU_BLOCK + SYSENTER_CS) & 0xffff;
  if ((sysenterCs & 0xfffc) == 0 || cpl() != 0) return raiseGP(0);
  const wide = opsize(u) == 8;
  const mask: u64 = wide ? u64.MAX_VALUE : 0xffffffff;
  const target = getReg(RDX) & mask;
  const pointer = getReg(RCX) & mask;
  if (!isCanonical(target) || !isCanonical(pointer)) return raiseGP(0);
  const selector = ((sysenterCs & 0xfffc) + (wide ? 32 : 16)) | 3;
  setReg(RSP, pointer);
  setRip(target);
  enterLevel(3, selector, wide ? CODE_64_DPL3 : CODE_32_DPL3);
  setFlatSegment(SEG_SS, selector + 8, DATA_DPL3);
}

/** SDM Vol. 2B, SWAPGS. */
export function SWAPGS(u: usize): void {
  const gs = load<u64>(CPU_BLOCK + GS_BASE);
  store<u64>(CPU_BLOCK + GS_BASE, load<u64>(CPU_BLOCK + KERNEL_GS_BASE));
  store<u64>(CPU_BLOCK + KERNEL_GS_BASE, gs);
}

function baseAccess(): bool {
  return (load<u64>(CPU_BLOCK + CR4) & CR4_FSGSBASE) != 0;
}

function readBase(u: usize, base: usize): void {
  if (!baseAccess()) return raiseUD();
  writeSlot(rmSlot(u), opsize(u), load<u64>(CPU_BLOCK + base));
}

function writeBase(u: usize, base: usize): void {
  if (!baseAccess()) return raiseUD();
  const value = opsize(u) == 8 ? load<u64>(rmSlot(u)) : <u64>load<u32>(rmSlot(u));
  if (!isCanonical(value)) return raiseGP(0);
  store<u64>(CPU_BLOCK + base, value);
}

export function RDFSBASE(u: usize): void {
  readBase(u, FS_BASE);
}

export function RDGSBASE(u: usize): void {
  readBase(u, GS_BASE);
}

export function WRFSBASE(u: usize): void {
  writeBase(u, FS_BASE);
}

export function WRGSBASE(u: usize): void {
  writeBase(u, GS_BASE);
}
