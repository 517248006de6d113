// SSSE3 other than the horizontal operations (SDM Vol. 1 5.8.3 to 5.8.8), XMM and MMX forms.
// Called from exec() with the operands fetched.

import { lowQuadword } from "./mmx-operand";

export function PABSB(b: v128): v128 {
  return i8x16.abs(b);
}

export function PABSW(b: v128): v128 {
  return i16x8.abs(b);
}

export function PABSD(b: v128): v128 {
  return i32x4.abs(b);
}

// PSIGN: a negated where b is negative, zero where b is zero.

export function PSIGNB(a: v128, b: v128): v128 {
  const negative = i8x16.shr_s(b, 7);
  return v128.andnot(i8x16.sub(v128.xor(a, negative), negative), i8x16.eq(b, i64x2.splat(0)));
}

export function PSIGNW(a: v128, b: v128): v128 {
  const negative = i16x8.shr_s(b, 15);
  return v128.andnot(i16x8.sub(v128.xor(a, negative), negative), i16x8.eq(b, i64x2.splat(0)));
}

export function PSIGND(a: v128, b: v128): v128 {
  const negative = i32x4.shr_s(b, 31);
  return v128.andnot(i32x4.sub(v128.xor(a, negative), negative), i32x4.eq(b, i64x2.splat(0)));
}

/** A selector's bits 6..4 mean nothing; bit 7 gives zero, as any selector above 15 does to swizzle. */
export function PSHUFB(a: v128, b: v128): v128 {
  return v128.swizzle(a, v128.and(b, i8x16.splat(<i8>0x8f)));
}

export function PSHUFB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(v128.swizzle(i64x2.splat(a), v128.and(i64x2.splat(b), i8x16.splat(<i8>0x87))));
}

/** Wasm saturates -1 * -1 to 0x7fff where the chip wraps to 0x8000. */
export function PMULHRSW(a: v128, b: v128): v128 {
  const least = i16x8.splat(-0x8000);
  return v128.xor(i16x8.q15mulr_sat_s(a, b), v128.and(i16x8.eq(a, least), i16x8.eq(b, least)));
}

/** Unsigned bytes of a by signed bytes of b; the sum of each pair saturates. */
export function PMADDUBSW(a: v128, b: v128): v128 {
  const even = i16x8.mul(v128.and(a, i16x8.splat(0xff)), i16x8.shr_s(i16x8.shl(b, 8), 8));
  const odd = i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8));
  return i16x8.add_sat_s(even, odd);
}

/** Bytes i..i+15 of a:b. */
export function PALIGNR(a: v128, b: v128, i: u64): v128 {
  const count = <u32>i & 0xff;
  const shift = i8x16.splat(<i8>(count > 31 ? 32 : count));
  const selectors = i8x16.add(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), shift);
  return v128.or(v128.swizzle(b, selectors), v128.swizzle(a, i8x16.sub(selectors, i8x16.splat(16))));
}

export function PALIGNR_MMX(a: u64, b: u64, i: u64): u64 {
  const count = (i & 0xff) << 3;
  if (count >= 128) return 0;
  if (count >= 64) return a >> (count - 64);
  return count == 0 ? b : (b >> count) | (a << (64 - count));
}

export function PABSB_MMX(b: u64): u64 {
  return lowQuadword(PABSB(i64x2.splat(b)));
}

export function PABSW_MMX(b: u64): u64 {
  return lowQuadword(PABSW(i64x2.splat(b)));
}

export function PABSD_MMX(b: u64): u64 {
  return lowQuadword(PABSD(i64x2.splat(b)));
}

export function PSIGNB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSIGNB(i64x2.splat(a), i64x2.splat(b)));
}

export function PSIGNW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSIGNW(i64x2.splat(a), i64x2.splat(b)));
}

export function PSIGND_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSIGND(i64x2.splat(a), i64x2.splat(b)));
}

export function PMULHRSW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PMULHRSW(i64x2.splat(a), i64x2.splat(b)));
}

export function PMADDUBSW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PMADDUBSW(i64x2.splat(a), i64x2.splat(b)));
}
