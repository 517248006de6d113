// RCPPS, RCPSS, RSQRTPS, RSQRTSS (SDM Vol. 1 5.5.1.2). The SDM asks for a relative error of 1.5 * 2^-12 and leaves the bits
// to the chip. These are Intel's bits: the operand is cut to 11 (RSQRT: 10) fraction bits, the function is taken in the
// middle of that interval and rounded to 13 significant bits; compared with a Xeon over all exponents and table entries.
// No flag of MXCSR is read or set: denormals are zeros, a result that would be denormal is zero.

const F32_SIGN: u32 = 0x80000000;
const F32_INFINITY: u32 = 0x7f800000;
const F32_QUIET: u32 = 0x400000;
const F32_INDEFINITE: u32 = 0xffc00000;

/** y to 13 significant bits, halves up. */
function rounded(y: f64): f64 {
  return reinterpret<f64>((reinterpret<u64>(y) + ((<u64>1) << 39)) & ~(((<u64>1) << 40) - 1));
}

function reciprocal(x: u32): u32 {
  const sign = x & F32_SIGN;
  const size = x & ~F32_SIGN;
  if (size > F32_INFINITY) return x | F32_QUIET;
  if (size == F32_INFINITY) return sign;
  if (size < 0x800000) return sign | F32_INFINITY;
  const y = rounded(1 / <f64>reinterpret<f32>((size & 0xfffff000) | 0x800));
  return y < 1.1754943508222875e-38 ? sign : sign | reinterpret<u32>(<f32>y);
}

function reciprocalRoot(x: u32): u32 {
  const size = x & ~F32_SIGN;
  if (size > F32_INFINITY) return x | F32_QUIET;
  if (size < 0x800000) return (x & F32_SIGN) | F32_INFINITY;
  if (x & F32_SIGN) return F32_INDEFINITE;
  if (size == F32_INFINITY) return 0;
  return reinterpret<u32>(<f32>rounded(1 / sqrt<f64>(<f64>reinterpret<f32>((size & 0xffffe000) | 0x1000))));
}

export function RCPSS(b: f32): f32 {
  return reinterpret<f32>(reciprocal(reinterpret<u32>(b)));
}

export function RSQRTSS(b: f32): f32 {
  return reinterpret<f32>(reciprocalRoot(reinterpret<u32>(b)));
}

export function RCPPS(b: v128): v128 {
  let r = i32x4.splat(reciprocal(i32x4.extract_lane(b, 0)));
  r = i32x4.replace_lane(r, 1, reciprocal(i32x4.extract_lane(b, 1)));
  r = i32x4.replace_lane(r, 2, reciprocal(i32x4.extract_lane(b, 2)));
  return i32x4.replace_lane(r, 3, reciprocal(i32x4.extract_lane(b, 3)));
}

export function RSQRTPS(b: v128): v128 {
  let r = i32x4.splat(reciprocalRoot(i32x4.extract_lane(b, 0)));
  r = i32x4.replace_lane(r, 1, reciprocalRoot(i32x4.extract_lane(b, 1)));
  r = i32x4.replace_lane(r, 2, reciprocalRoot(i32x4.extract_lane(b, 2)));
  return i32x4.replace_lane(r, 3, reciprocalRoot(i32x4.extract_lane(b, 3)));
}
