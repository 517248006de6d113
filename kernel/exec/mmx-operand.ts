// MMX operands in a vector: an operation on 64 bits is one on 128 whose upper half nobody looks at.

// @ts-ignore: decorator
@inline
export function lowQuadword(v: v128): u64 {
  return i64x2.extract_lane(v, 0);
}

// @ts-ignore: decorator
@inline
export function pair(low: u64, high: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}
