// SSE and SSE2 data transfer (SDM Vol. 1 5.5.1.1, 5.6.1.1, 5.6.3): moves between XMM registers, memory and general registers.
// Called from exec() with the operands fetched. Values travel as raw bits or through f32/f64 loads and stores, which keep
// every NaN as it is; no arithmetic touches them here.

import { faulted } from "../cpu/fault";
import { isAmd } from "../cpu/state";
import { dst, ea, eaPlus, src } from "../decode/uop";
import { probeWrite, writeMem } from "../mmu/access";
import { alignedOrFault } from "../system/alignment";
import { enterMmx } from "./mmx-state";

/** Every whole-register move, aligned or not: the row says which. */
export function MOVDQA(b: v128): v128 {
  return b;
}

/** Register form and store: the low lane alone. */
export function MOVSS_XMM(b: f32): f32 {
  return b;
}

/** Load form: bits 127..32 become zero. */
export function MOVSS_LOAD(b: u32): v128 {
  return i32x4.replace_lane(i64x2.splat(0), 0, b);
}

export function MOVSD_XMM(b: f64): f64 {
  return b;
}

/** MOVQ into an XMM register, and MOVSD's load form: bits 127..64 become zero. */
export function MOVQ_XMM(b: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(0), 0, b);
}

export function MOVQ_STORE(b: u64): u64 {
  return b;
}

export function MOVD_XMM<T>(b: T): v128 {
  return i64x2.replace_lane(i64x2.splat(0), 0, <u64>b);
}

export function MOVD_STORE<T>(b: u64): T {
  return <T>b;
}

export function MOVHPS(a: v128, b: u64): v128 {
  return i64x2.replace_lane(a, 1, b);
}

export function MOVHPS_STORE(b: v128): u64 {
  return i64x2.extract_lane(b, 1);
}

export function MOVHLPS(a: v128, b: v128): v128 {
  return v128.shuffle<u64>(a, b, 3, 1);
}

export function MOVLHPS(a: v128, b: v128): v128 {
  return v128.shuffle<u64>(a, b, 0, 2);
}

export function MOVMSKPS(b: v128): u32 {
  return i32x4.bitmask(b);
}

export function MOVMSKPD(b: v128): u32 {
  return i64x2.bitmask(b);
}

export function PMOVMSKB(b: v128): u32 {
  return i8x16.bitmask(b);
}

export function MOVQ2DQ(b: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(0), 0, b);
}

export function MOVDQ2Q(b: u64): u64 {
  return b;
}

/** The non-temporal store of a general register. */
export function MOVNTI<T>(b: T): T {
  return b;
}

/**
 * Can the masked store of 8 or 16 bytes be done? Which faults a byte that is not selected can cause is the chip's choice (SDM Vol. 2B
 * MASKMOVDQU); a Xeon reports those of the whole operand, even for a mask of zeros, those of the higher quadword first.
 */
function canStore(u: usize, bytes: u32): bool {
  if (!alignedOrFault(ea(u), 8)) return false;
  if (isAmd()) return probeWrite(ea(u), bytes); // the lower quadword's first
  if (bytes == 16 && !probeWrite(eaPlus(u, 8), 8)) return false;
  return probeWrite(ea(u), 8);
}

/** Byte k of the data goes to memory where the top bit of byte k of the mask is set. */
function storeSelected(u: usize, bytes: u32): void {
  for (let k: u32 = 0; k < bytes; k++) {
    if (load<i8>(src(u) + k) < 0) writeMem<u8>(eaPlus(u, k), load<u8>(dst(u) + k));
  }
}

/** Memory operand is DS:rDI, which the decoder has put into the effective address. */
export function MASKMOVDQU(u: usize): void {
  if (canStore(u, 16)) storeSelected(u, 16);
}

/** The transition to MMX state stays when the store then faults, as on a Xeon. */
export function MASKMOVQ(u: usize): void {
  enterMmx(u);
  if (!faulted && canStore(u, 8)) storeSelected(u, 8);
}

// SSE3 (SDM Vol. 1 5.7)

export function MOVDDUP(b: u64): v128 {
  return i64x2.splat(b);
}

export function MOVSLDUP(b: v128): v128 {
  return v128.shuffle<u32>(b, b, 0, 0, 2, 2);
}

export function MOVSHDUP(b: v128): v128 {
  return v128.shuffle<u32>(b, b, 1, 1, 3, 3);
}
