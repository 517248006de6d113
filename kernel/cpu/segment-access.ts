// What stands outside 64-bit mode between the offset of an access and memory: the segment's limit, its type, and whether it is null
// (SDM Vol. 3A 5.3, 5.4, 5.4.1). In 64-bit mode none of it exists.
// Entered from mmu/access.ts for operands, from system/stack.ts for the stack, from run.ts for the code cache's key.

import { SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS } from "../abi/state";
import { raiseGP, raiseSS } from "./fault";
import { segAttributes, segBase, segLimit } from "./state";

// Bits of SEG_ATTRIBUTES, which are those of the descriptor's byte 5 and of the high half of its byte 6.
/** Data: writable. Code: readable. */
export const ATTR_RW: u32 = 0x0002;
/** Data: expand down. Code: conforming. */
export const ATTR_DC: u32 = 0x0004;
export const ATTR_CODE: u32 = 0x0008;
/** Code or data, not a system descriptor. */
export const ATTR_S: u32 = 0x0010;
export const ATTR_DB: u32 = 0x0400;
export const ATTR_UNUSABLE: u32 = 0x8000;

/** True if `bytes` at `offset` of a segment with these attributes and limit are inside it (SDM Vol. 3A 5.3). */
export function withinLimit(attributes: u32, limit: u32, offset: u32, bytes: u32): bool {
  if (attributes & ATTR_UNUSABLE) return false;
  const last = <u64>offset + bytes - 1;
  const expandDown = (attributes & (ATTR_CODE | ATTR_DC)) == ATTR_DC;
  if (!expandDown) return last <= <u64>limit;
  return offset > limit && last <= (attributes & ATTR_DB ? <u64>0xffffffff : <u64>0xffff);
}

/** May `bytes` at the linear address be read, or written, as an operand in this segment? False: #GP(0) was raised, or for SS #SS(0). */
export function allowedInSegment(seg: u32, linear: u64, bytes: u32, write: bool): bool {
  const attributes = segAttributes(seg);
  const code = (attributes & ATTR_CODE) != 0;
  const permission = (attributes & ATTR_RW) != 0;
  const typeAllows = write ? !code && permission : !code || permission;
  if (typeAllows && withinLimit(attributes, segLimit(seg), <u32>(linear - segBase(seg)), bytes)) return true;
  if (seg == SEG_SS) raiseSS(0);
  else raiseGP(0);
  return false;
}

/** A data segment through which every access of 32 bits is allowed: such operands are not checked. */
function isPlain(seg: u32): bool {
  const attributes = segAttributes(seg);
  return (attributes & (ATTR_UNUSABLE | ATTR_S | ATTR_CODE | ATTR_DC | ATTR_RW)) == (ATTR_S | ATTR_RW) && segLimit(seg) == u32.MAX_VALUE;
}

// What the decoder may take for granted about the segments outside 64-bit mode; part of the code cache's key.
const BASE_ZERO_SHIFT: u32 = 6;
const CODE_FLAT: u32 = 1 << 12;

/** Bit i: segment i is plain; bit 6 + i: its base is 0 as well; bit 12: CS has base 0 and no limit. */
export let segmentFlags: u32 = 0;

function flagsOf(seg: u32): u32 {
  if (!isPlain(seg)) return 0;
  return (1 << seg) | (segBase(seg) ? 0 : 1 << (seg + BASE_ZERO_SHIFT));
}

/** Derives segmentFlags from the segment registers. */
export function deriveSegments(): void {
  const flat = segBase(SEG_CS) == 0 && segLimit(SEG_CS) == u32.MAX_VALUE;
  segmentFlags = flagsOf(SEG_ES) | flagsOf(SEG_SS) | flagsOf(SEG_DS) | flagsOf(SEG_FS) | flagsOf(SEG_GS) | (flat ? CODE_FLAT : 0);
}

export function segmentIsPlain(seg: u32): bool {
  return ((segmentFlags >> seg) & 1) != 0;
}

export function segmentIsFlat(seg: u32): bool {
  return ((segmentFlags >> (seg + BASE_ZERO_SHIFT)) & 1) != 0;
}

export function codeIsFlat(): bool {
  return (segmentFlags & CODE_FLAT) != 0;
}
