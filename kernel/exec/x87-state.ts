// The x87 register stack and the frame of every x87 operation: pending #MF, stack faults, exceptions, last-instruction pointers.
// Entered from x87-*.ts. SDM Vol. 1 ch. 8.
//
//   FSW   15 14 13 12 11 10  9  8  7  6  5  4  3  2  1  0
//         B  C3 --TOP--  C2 C1 C0 ES SF PE UE OE ZE DE IE        B repeats ES
//
// An operation reads: `if (!x87Begin()) return;`, operands, arithmetic of softfloat-*.ts, and, unless `x87Stops()`, its results, then
// `x87End(u)`. Memory is written before registers.

import { CPU_BLOCK } from "../abi/layout";
import { CR0, FCW, FDP, FIP, FOP, FSW, FTW, MODE_64, SEG_BASE, ST } from "../abi/state";
import { CR0_NE } from "../abi/bits";
import { VECTOR_MF } from "../abi/vectors";
import { clearFault, faulted, raise } from "../cpu/fault";
import { mode, segBase } from "../cpu/state";
import { ea, ismem, sub, thisRip, UOP_BASE, UOP_INDEX, UOP_SIZE } from "../decode/uop";
import { readMem } from "../mmu/access";
import { DE, IE, ZE, fpFlags, fpMasks, fpRoundedUp, fpUseControlWord } from "./softfloat";

export const FSW_SF: u32 = 0x40;
export const FSW_ES: u32 = 0x80;
export const FSW_C0: u32 = 0x100;
export const FSW_C1: u32 = 0x200;
export const FSW_C2: u32 = 0x400;
export const FSW_TOP: u32 = 0x3800;
export const FSW_C3: u32 = 0x4000;
export const FSW_B: u32 = 0x8000;

/** QNaN floating-point indefinite, the x87's answer to a masked invalid operation. */
export const INDEFINITE_SE: u32 = 0xffff;
export const INDEFINITE_SIG: u64 = 0xc000000000000000;

export function fsw(): u32 {
  return load<u16>(CPU_BLOCK, FSW);
}

export function setFsw(v: u32): void {
  store<u16>(CPU_BLOCK, v, FSW);
}

export function fcw(): u32 {
  return load<u16>(CPU_BLOCK, FCW);
}

/** i of ST(i) in a register form. */
export function sti(u: usize): u32 {
  return sub(u) & 7;
}

export function top(): u32 {
  return (fsw() >> 11) & 7;
}

export function setTop(t: u32): void {
  setFsw((fsw() & ~FSW_TOP) | ((t & 7) << 11));
}

/** Address of ST(i): u64 significand, u16 sign and exponent. */
export function st(i: u32): usize {
  return CPU_BLOCK + ST + (((top() + i) & 7) << 4);
}

export function sigOf(i: u32): u64 {
  return load<u64>(st(i));
}

export function seOf(i: u32): u32 {
  return load<u16>(st(i), 8);
}

export function isEmpty(i: u32): bool {
  return ((load<u8>(CPU_BLOCK, FTW) >> ((top() + i) & 7)) & 1) == 0;
}

export function setEmpty(i: u32): void {
  store<u8>(CPU_BLOCK, load<u8>(CPU_BLOCK, FTW) & ~<u8>(<u32>1 << ((top() + i) & 7)), FTW);
}

/** Writes ST(i) and marks it as not empty. */
export function setSt(i: u32, se: u32, sig: u64): void {
  const p = st(i);
  store<u64>(p, sig);
  store<u16>(p, se, 8);
  store<u8>(CPU_BLOCK, load<u8>(CPU_BLOCK, FTW) | <u8>(<u32>1 << ((top() + i) & 7)), FTW);
}

export function push(se: u32, sig: u64): void {
  setTop(top() - 1);
  setSt(0, se, sig);
}

export function pop(): void {
  setEmpty(0);
  setTop(top() + 1);
}

export function setConditions(c: u32): void {
  setFsw((fsw() & ~(FSW_C0 | FSW_C1 | FSW_C2 | FSW_C3)) | c);
}

/** Start of a waiting instruction: #MF if an unmasked exception is pending (false); otherwise the environment of the control word. */
export function x87Begin(): bool {
  if ((fsw() & FSW_ES) != 0 && (load<u64>(CPU_BLOCK, CR0) & CR0_NE) != 0) {
    raise(VECTOR_MF, 0);
    return false;
  }
  fpUseControlWord(fcw());
  return true;
}

/** Stack underflow: an operand is empty (SDM Vol. 1 8.5.1.1). C1 = 0. */
export function stackUnderflow(): void {
  fpFlags |= IE | FSW_SF;
  fpRoundedUp = false;
}

/** Stack overflow: the register to be pushed into is not empty. C1 = 1. */
export function stackOverflow(): void {
  fpFlags |= IE | FSW_SF;
  fpRoundedUp = true;
}

/** An unmasked exception of the operands: no result is stored, nothing pushed or popped. */
export function x87Stops(): bool {
  return (fpFlags & ~fpMasks & (IE | DE | ZE)) != 0;
}

/** Any unmasked exception: what a store to memory stops at. */
export function x87StopsStore(): bool {
  return (fpFlags & ~fpMasks & 0x1f) != 0;
}

/** End of an operation that did not fault: flags and C1 go to the status word, pointers are kept. */
export function x87End(u: usize): void {
  let w = fsw() & ~FSW_C1;
  w |= fpFlags;
  if (fpRoundedUp) w |= FSW_C1;
  x87EndKeepingC1(u, w);
}

/** As x87End for the operations that leave C1 alone unless the stack faults (FCMOVcc, FCOMI, FNOP; the chip's behaviour). */
export function x87EndSparingC1(u: usize): void {
  if ((fpFlags & FSW_SF) != 0) x87End(u);
  else x87EndKeepingC1(u, fsw() | fpFlags);
}

export function x87EndWithConditions(u: usize, conditions: u32): void {
  setConditions(conditions);
  x87EndKeepingC1(u, fsw() | fpFlags);
}

/**
 * FDP and FOP are only kept for unmasked exceptions, FCS and FDS never
 * (CPUID.7.0:EBX bits 6 and 13; SDM Vol. 1 8.1.8 and 8.1.9).
 */
function x87EndKeepingC1(u: usize, w: u32): void {
  store<u64>(CPU_BLOCK, thisRip(u), FIP);
  if ((fpFlags & ~fpMasks & 63) != 0) {
    w |= FSW_ES | FSW_B;
    store<u16>(CPU_BLOCK, opcodeAt(segBase(1) + thisRip(u)), FOP);
    if (ismem(u)) store<u64>(CPU_BLOCK, operandOffset(u), FDP);
  }
  setFsw(w);
}

/**
 * The memory operand's offset in its segment. The decoder has put the slot of a segment base in place of the micro-operation's base or
 * index; outside 64-bit mode, of those of the address step before it.
 */
function operandOffset(u: usize): u64 {
  const wide = mode() == MODE_64;
  const step = wide ? u : u - UOP_SIZE;
  const base = load<u8>(step, UOP_BASE);
  const index = load<u8>(step, UOP_INDEX);
  const offset = ea(u) - (isSegmentBase(base) ? load<u64>(CPU_BLOCK + base) : isSegmentBase(index) ? load<u64>(CPU_BLOCK + index) : 0);
  return wide ? offset : offset & 0xffffffff;
}

function isSegmentBase(slot: u32): bool {
  return slot >= <u32>SEG_BASE && slot < <u32>(SEG_BASE + 8 * 6);
}

/** Summary bits follow from flags and masks whenever either was loaded. */
export function summarise(): void {
  let w = fsw() & ~(FSW_ES | FSW_B);
  if ((w & ~fcw() & 63) != 0) w |= FSW_ES | FSW_B;
  setFsw(w);
}

/** The 11 bits of FOP, from the instruction's bytes: low three of D8..DF, then ModRM. */
function opcodeAt(linear: u64): u32 {
  for (let n: u64 = 0; n < 14; n++) {
    const byte = readMem<u8>(linear + n) as u32;
    if (faulted) break;
    if (byte >= 0xd8 && byte <= 0xdf) {
      const modrm = readMem<u8>(linear + n + 1) as u32;
      if (faulted) break;
      return ((byte & 7) << 8) | modrm;
    }
  }
  // Execute-only by protection keys or SMAP: the code can run and not be read. FOP stays unknown.
  clearFault();
  return 0;
}
