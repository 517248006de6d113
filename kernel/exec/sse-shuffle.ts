// Shuffle, unpack, pack, insert and extract on XMM registers (SDM Vol. 1 5.5.1.4, 5.6.1.4, 5.6.3, 5.4.2).
// Called from exec() with the operands fetched.

export function PUNPCKLBW(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

export function PUNPCKLWD(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** Also UNPCKLPS. */
export function PUNPCKLDQ(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 0, 4, 1, 5);
}

/** Also UNPCKLPD. */
export function PUNPCKLQDQ(a: v128, b: v128): v128 {
  return v128.shuffle<u64>(a, b, 0, 2);
}

export function PUNPCKHBW(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

export function PUNPCKHWD(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** Also UNPCKHPS. */
export function PUNPCKHDQ(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 2, 6, 3, 7);
}

/** Also UNPCKHPD. */
export function PUNPCKHQDQ(a: v128, b: v128): v128 {
  return v128.shuffle<u64>(a, b, 1, 3);
}

export function PACKSSWB(a: v128, b: v128): v128 {
  return i8x16.narrow_i16x8_s(a, b);
}

export function PACKUSWB(a: v128, b: v128): v128 {
  return i8x16.narrow_i16x8_u(a, b);
}

export function PACKSSDW(a: v128, b: v128): v128 {
  return i16x8.narrow_i32x4_s(a, b);
}

/** The four 2-bit fields of a shuffle immediate, one to a byte. */
function fields(i: u64): u32 {
  let x = <u32>i & 0xff;
  x = (x | (x << 12)) & 0x000f000f;
  return (x | (x << 6)) & 0x03030303;
}

/** Byte selectors that move doubleword field(k) of `i` to place k. */
export function doublewordSelectors(i: u64): v128 {
  const each = v128.swizzle(i32x4.splat(fields(i)), i8x16(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
  return i8x16.add(i32x4.shl(each, 2), i32x4.splat(0x03020100));
}

/** Byte selectors that move word field(k) of `i` to place k, in the low quadword; the high one is the same. */
function wordSelectors(i: u64): v128 {
  const each = v128.swizzle(i32x4.splat(fields(i)), i8x16(0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1, 2, 2, 3, 3));
  return i8x16.add(i32x4.shl(each, 1), i16x8.splat(0x0100));
}

export function PSHUFD(b: v128, i: u64): v128 {
  return v128.swizzle(b, doublewordSelectors(i));
}

export function PSHUFLW(b: v128, i: u64): v128 {
  return v128.shuffle<u64>(v128.swizzle(b, wordSelectors(i)), b, 0, 3);
}

export function PSHUFHW(b: v128, i: u64): v128 {
  return v128.shuffle<u64>(b, v128.swizzle(b, i8x16.add(wordSelectors(i), i8x16.splat(8))), 0, 3);
}

export function SHUFPS(a: v128, b: v128, i: u64): v128 {
  const selectors = doublewordSelectors(i);
  return v128.shuffle<u64>(v128.swizzle(a, selectors), v128.swizzle(b, selectors), 0, 3);
}

export function SHUFPD(a: v128, b: v128, i: u64): v128 {
  const low = i & 1 ? i64x2.extract_lane(a, 1) : i64x2.extract_lane(a, 0);
  const high = i & 2 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0);
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

export function PEXTRW(b: v128, i: u64): u32 {
  const selector = (<u32>i & 7) << 1;
  return i16x8.extract_lane_u(v128.swizzle(b, i16x8.splat(<i16>(selector | ((selector + 1) << 8)))), 0);
}

export function PINSRW(a: v128, b: u16, i: u64): v128 {
  const place = i16x8.eq(i16x8(0, 1, 2, 3, 4, 5, 6, 7), i16x8.splat(<i16>(i & 7)));
  return v128.bitselect(i16x8.splat(<i16>b), a, place);
}
