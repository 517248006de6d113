// PCLMULQDQ (SDM Vol. 1 5.13): multiplication of polynomials over GF(2).

/**
 * 32 by 32 bits. Integer products of operands with ones only in every fourth bit have at most 8 ones to add in a column: the sum
 * stays below the next column, and its lowest bit is what a sum without carry has there.
 */
function carryLess32(a: u64, b: u64): u64 {
  const a0 = a & 0x11111111;
  const a1 = a & 0x22222222;
  const a2 = a & 0x44444444;
  const a3 = a & 0x88888888;
  const b0 = b & 0x11111111;
  const b1 = b & 0x22222222;
  const b2 = b & 0x44444444;
  const b3 = b & 0x88888888;
  return (((a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1)) & 0x1111111111111111)
    | (((a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2)) & 0x2222222222222222)
    | (((a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3)) & 0x4444444444444444)
    | (((a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0)) & 0x8888888888888888);
}

/** Quadword i[0] of a by quadword i[4] of b, from three products of halves (Karatsuba). */
export function PCLMULQDQ(a: v128, b: v128, i: u64): v128 {
  const x = i & 1 ? i64x2.extract_lane(a, 1) : i64x2.extract_lane(a, 0);
  const y = i & 16 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0);
  const xl = <u64>x & 0xffffffff;
  const xh = <u64>x >> 32;
  const yl = <u64>y & 0xffffffff;
  const yh = <u64>y >> 32;
  const low = carryLess32(xl, yl);
  const high = carryLess32(xh, yh);
  const middle = carryLess32(xl ^ xh, yl ^ yh) ^ low ^ high;
  return i64x2.replace_lane(i64x2.splat(low ^ (middle << 32)), 1, high ^ (middle >> 32));
}
