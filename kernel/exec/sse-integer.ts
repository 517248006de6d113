// Packed integer arithmetic, comparison and logic on XMM registers (SDM Vol. 1 5.6.3, 5.4.3, 5.4.4, 5.4.5).
// Called from exec() with the operands fetched; the MMX forms in mmx-integer.ts lead here too.

export function PADDB(a: v128, b: v128): v128 {
  return i8x16.add(a, b);
}

export function PADDW(a: v128, b: v128): v128 {
  return i16x8.add(a, b);
}

export function PADDD(a: v128, b: v128): v128 {
  return i32x4.add(a, b);
}

export function PADDQ(a: v128, b: v128): v128 {
  return i64x2.add(a, b);
}

export function PADDSB(a: v128, b: v128): v128 {
  return i8x16.add_sat_s(a, b);
}

export function PADDSW(a: v128, b: v128): v128 {
  return i16x8.add_sat_s(a, b);
}

export function PADDUSB(a: v128, b: v128): v128 {
  return i8x16.add_sat_u(a, b);
}

export function PADDUSW(a: v128, b: v128): v128 {
  return i16x8.add_sat_u(a, b);
}

export function PSUBB(a: v128, b: v128): v128 {
  return i8x16.sub(a, b);
}

export function PSUBW(a: v128, b: v128): v128 {
  return i16x8.sub(a, b);
}

export function PSUBD(a: v128, b: v128): v128 {
  return i32x4.sub(a, b);
}

export function PSUBQ(a: v128, b: v128): v128 {
  return i64x2.sub(a, b);
}

export function PSUBSB(a: v128, b: v128): v128 {
  return i8x16.sub_sat_s(a, b);
}

export function PSUBSW(a: v128, b: v128): v128 {
  return i16x8.sub_sat_s(a, b);
}

export function PSUBUSB(a: v128, b: v128): v128 {
  return i8x16.sub_sat_u(a, b);
}

export function PSUBUSW(a: v128, b: v128): v128 {
  return i16x8.sub_sat_u(a, b);
}

export function PMULLW(a: v128, b: v128): v128 {
  return i16x8.mul(a, b);
}

export function PMULHW(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(i32x4.extmul_low_i16x8_s(a, b), i32x4.extmul_high_i16x8_s(a, b), 1, 3, 5, 7, 9, 11, 13, 15);
}

export function PMULHUW(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(i32x4.extmul_low_i16x8_u(a, b), i32x4.extmul_high_i16x8_u(a, b), 1, 3, 5, 7, 9, 11, 13, 15);
}

export function PMULUDQ(a: v128, b: v128): v128 {
  return i64x2.extmul_low_i32x4_u(v128.shuffle<u32>(a, a, 0, 2, 0, 2), v128.shuffle<u32>(b, b, 0, 2, 0, 2));
}

export function PMADDWD(a: v128, b: v128): v128 {
  return i32x4.dot_i16x8_s(a, b);
}

export function PAVGB(a: v128, b: v128): v128 {
  return i8x16.avgr_u(a, b);
}

export function PAVGW(a: v128, b: v128): v128 {
  return i16x8.avgr_u(a, b);
}

export function PMINUB(a: v128, b: v128): v128 {
  return i8x16.min_u(a, b);
}

export function PMAXUB(a: v128, b: v128): v128 {
  return i8x16.max_u(a, b);
}

export function PMINSW(a: v128, b: v128): v128 {
  return i16x8.min_s(a, b);
}

export function PMAXSW(a: v128, b: v128): v128 {
  return i16x8.max_s(a, b);
}

export function PSADBW(a: v128, b: v128): v128 {
  const difference = v128.or(i8x16.sub_sat_u(a, b), i8x16.sub_sat_u(b, a));
  const sums = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(difference));
  return i64x2.add(v128.and(sums, i64x2.splat(0xffffffff)), i64x2.shr_u(sums, 32));
}

export function PCMPEQB(a: v128, b: v128): v128 {
  return i8x16.eq(a, b);
}

export function PCMPEQW(a: v128, b: v128): v128 {
  return i16x8.eq(a, b);
}

export function PCMPEQD(a: v128, b: v128): v128 {
  return i32x4.eq(a, b);
}

export function PCMPGTB(a: v128, b: v128): v128 {
  return i8x16.gt_s(a, b);
}

export function PCMPGTW(a: v128, b: v128): v128 {
  return i16x8.gt_s(a, b);
}

export function PCMPGTD(a: v128, b: v128): v128 {
  return i32x4.gt_s(a, b);
}

export function PAND(a: v128, b: v128): v128 {
  return v128.and(a, b);
}

export function PANDN(a: v128, b: v128): v128 {
  return v128.andnot(b, a);
}

export function POR(a: v128, b: v128): v128 {
  return v128.or(a, b);
}

export function PXOR(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}
