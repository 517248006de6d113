// Packed shifts on MMX registers (SDM Vol. 1 5.4.6): the operation of sse-shift.ts in the low quadword of a vector.
// Called from exec() with the operands fetched, after the transition to MMX state.

import {
  PSLLW, PSLLD, PSLLQ, PSRLW, PSRLD, PSRLQ, PSRAW, PSRAD, PSLLW_IB, PSLLD_IB, PSLLQ_IB, PSRLW_IB, PSRLD_IB,
  PSRLQ_IB, PSRAW_IB, PSRAD_IB,
} from "./sse-shift";
import { lowQuadword } from "./mmx-operand";

export function PSLLW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSLLW(i64x2.splat(a), i64x2.splat(b)));
}

export function PSLLD_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSLLD(i64x2.splat(a), i64x2.splat(b)));
}

export function PSLLQ_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSLLQ(i64x2.splat(a), i64x2.splat(b)));
}

export function PSRLW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSRLW(i64x2.splat(a), i64x2.splat(b)));
}

export function PSRLD_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSRLD(i64x2.splat(a), i64x2.splat(b)));
}

export function PSRLQ_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSRLQ(i64x2.splat(a), i64x2.splat(b)));
}

export function PSRAW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSRAW(i64x2.splat(a), i64x2.splat(b)));
}

export function PSRAD_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSRAD(i64x2.splat(a), i64x2.splat(b)));
}

export function PSLLW_MMX_IB(a: u64, b: u8): u64 {
  return lowQuadword(PSLLW_IB(i64x2.splat(a), b));
}

export function PSLLD_MMX_IB(a: u64, b: u8): u64 {
  return lowQuadword(PSLLD_IB(i64x2.splat(a), b));
}

export function PSLLQ_MMX_IB(a: u64, b: u8): u64 {
  return lowQuadword(PSLLQ_IB(i64x2.splat(a), b));
}

export function PSRLW_MMX_IB(a: u64, b: u8): u64 {
  return lowQuadword(PSRLW_IB(i64x2.splat(a), b));
}

export function PSRLD_MMX_IB(a: u64, b: u8): u64 {
  return lowQuadword(PSRLD_IB(i64x2.splat(a), b));
}

export function PSRLQ_MMX_IB(a: u64, b: u8): u64 {
  return lowQuadword(PSRLQ_IB(i64x2.splat(a), b));
}

export function PSRAW_MMX_IB(a: u64, b: u8): u64 {
  return lowQuadword(PSRAW_IB(i64x2.splat(a), b));
}

export function PSRAD_MMX_IB(a: u64, b: u8): u64 {
  return lowQuadword(PSRAD_IB(i64x2.splat(a), b));
}
