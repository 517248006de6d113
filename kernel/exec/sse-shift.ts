// Packed shifts on XMM registers (SDM Vol. 1 5.6.3, 5.4.6). A count beyond the lane is not reduced: logical shifts give
// zero, arithmetic ones the sign. Called from exec() with the operands fetched; the MMX forms in mmx-shift.ts lead here too.

function shiftLeft16(a: v128, count: u64): v128 {
  return count > 15 ? i64x2.splat(0) : i16x8.shl(a, <i32>count);
}

export function shiftLeft32(a: v128, count: u64): v128 {
  return count > 31 ? i64x2.splat(0) : i32x4.shl(a, <i32>count);
}

function shiftLeft64(a: v128, count: u64): v128 {
  return count > 63 ? i64x2.splat(0) : i64x2.shl(a, <i32>count);
}

function shiftRight16(a: v128, count: u64): v128 {
  return count > 15 ? i64x2.splat(0) : i16x8.shr_u(a, <i32>count);
}

export function shiftRight32(a: v128, count: u64): v128 {
  return count > 31 ? i64x2.splat(0) : i32x4.shr_u(a, <i32>count);
}

export function shiftRight64(a: v128, count: u64): v128 {
  return count > 63 ? i64x2.splat(0) : i64x2.shr_u(a, <i32>count);
}

function shiftArithmetic16(a: v128, count: u64): v128 {
  return i16x8.shr_s(a, count > 15 ? 15 : <i32>count);
}

function shiftArithmetic32(a: v128, count: u64): v128 {
  return i32x4.shr_s(a, count > 31 ? 31 : <i32>count);
}

/** The count in a register or memory operand is its low quadword, whole. */
function countOf(b: v128): u64 {
  return i64x2.extract_lane(b, 0);
}

export function PSLLW(a: v128, b: v128): v128 {
  return shiftLeft16(a, countOf(b));
}

export function PSLLD(a: v128, b: v128): v128 {
  return shiftLeft32(a, countOf(b));
}

export function PSLLQ(a: v128, b: v128): v128 {
  return shiftLeft64(a, countOf(b));
}

export function PSRLW(a: v128, b: v128): v128 {
  return shiftRight16(a, countOf(b));
}

export function PSRLD(a: v128, b: v128): v128 {
  return shiftRight32(a, countOf(b));
}

export function PSRLQ(a: v128, b: v128): v128 {
  return shiftRight64(a, countOf(b));
}

export function PSRAW(a: v128, b: v128): v128 {
  return shiftArithmetic16(a, countOf(b));
}

export function PSRAD(a: v128, b: v128): v128 {
  return shiftArithmetic32(a, countOf(b));
}

export function PSLLW_IB(a: v128, b: u8): v128 {
  return shiftLeft16(a, b);
}

export function PSLLD_IB(a: v128, b: u8): v128 {
  return shiftLeft32(a, b);
}

export function PSLLQ_IB(a: v128, b: u8): v128 {
  return shiftLeft64(a, b);
}

export function PSRLW_IB(a: v128, b: u8): v128 {
  return shiftRight16(a, b);
}

export function PSRLD_IB(a: v128, b: u8): v128 {
  return shiftRight32(a, b);
}

export function PSRLQ_IB(a: v128, b: u8): v128 {
  return shiftRight64(a, b);
}

export function PSRAW_IB(a: v128, b: u8): v128 {
  return shiftArithmetic16(a, b);
}

export function PSRAD_IB(a: v128, b: u8): v128 {
  return shiftArithmetic32(a, b);
}

/** Selectors 0..15; swizzle gives zero for a selector outside that range, which is what these two shifts shift in. */
function byteSelectors(): v128 {
  return i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

export function PSLLDQ(a: v128, b: u8): v128 {
  return v128.swizzle(a, i8x16.sub(byteSelectors(), i8x16.splat(b > 15 ? 16 : b)));
}

export function PSRLDQ(a: v128, b: u8): v128 {
  return v128.swizzle(a, i8x16.add(byteSelectors(), i8x16.splat(b > 15 ? 16 : b)));
}
