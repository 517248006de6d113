// Several words of the stack at once: address and checks of SS:rSP at any offset, rSP left alone until all was accessed.
// Entered from exec/interrupt.ts, far-transfer.ts, segment-load.ts, bcd.ts and system.ts. PUSH and POP proper are in stack.ts.

import { MODE_64, RSP, SEG_SS } from "../abi/state";
import { readMem, writeMem } from "../mmu/access";
import { faulted, raiseSS } from "../cpu/fault";
import { ATTR_DB, ATTR_DC, ATTR_UNUSABLE } from "./segments";
import { stackMask } from "./stack";
import { getReg, isCanonical, mode, segAttributes, segBase, segLimit, setReg } from "../cpu/state";

export function stackPointer(): u64 {
  return getReg(RSP) & stackMask();
}

/** Moves rSP to `pointer`; a 16-bit stack keeps the upper bits of ESP. */
export function moveStackPointer(pointer: u64): void {
  const mask = stackMask();
  const kept: u64 = mask == 0xffff ? 0xffff0000 : 0;
  setReg(RSP, (getReg(RSP) & kept) | (pointer & mask));
}

/** True if `bytes` at `offset` of a segment with these attributes and limit are inside it (SDM Vol. 3A 5.3). */
export function withinLimit(attributes: u32, limit: u32, offset: u32, bytes: u32): bool {
  if (attributes & ATTR_UNUSABLE) return false;
  const last = <u64>offset + bytes - 1;
  const expandDown = (attributes & (0x8 | ATTR_DC)) == ATTR_DC;
  if (!expandDown) return last <= <u64>limit;
  return offset > limit && last <= (attributes & ATTR_DB ? <u64>0xffffffff : <u64>0xffff);
}

/** Linear address of `bytes` at SS:pointer; raises #SS(0) for a non-canonical one or one past the limit. Check `faulted`. */
export function checkedStack(pointer: u64, bytes: u32): u64 {
  const offset = pointer & stackMask();
  if (mode() == MODE_64) {
    if (!isCanonical(offset) || !isCanonical(offset + bytes - 1)) raiseSS(0);
    return offset;
  }
  if (!withinLimit(segAttributes(SEG_SS), segLimit(SEG_SS), <u32>offset, bytes)) raiseSS(0);
  return (segBase(SEG_SS) + offset) & 0xffffffff;
}

/** Reads the word of 2, 4 or 8 bytes at SS:pointer, zero-extended. Check `faulted`. */
export function readStackWord(pointer: u64, bytes: u32): u64 {
  const linear = checkedStack(pointer, bytes);
  if (faulted) return 0;
  if (bytes == 8) return readMem<u64>(linear);
  if (bytes == 4) return readMem<u32>(linear);
  return readMem<u16>(linear);
}

/** Writes the word of 2, 4 or 8 bytes at SS:pointer. Check `faulted`. */
export function writeStackWord(pointer: u64, bytes: u32, value: u64): void {
  const linear = checkedStack(pointer, bytes);
  if (faulted) return;
  if (bytes == 8) writeMem<u64>(linear, value);
  else if (bytes == 4) writeMem<u32>(linear, <u32>value);
  else writeMem<u16>(linear, <u16>value);
}
