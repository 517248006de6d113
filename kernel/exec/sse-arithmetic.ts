// SSE and SSE2 floating-point arithmetic (SDM Vol. 1 5.5.1.2, 5.6.1.2). NAME is the operation in full, NAME_fast the one
// that exec() inlines: Wasm's arithmetic under the tests of sse-fast-path.ts, which leaves for NAME by bail().

import {
  bail, denormal32, denormal64, denormal32x4, denormal64x2, doubtfulProduct64x2, doubtfulSum64x2, endless32, endless64, endlessLanes32x4, endlessLanes64x2,
  exactZero32x4, exactZero64x2, extreme32, extreme64, extremeLanes32x4, extremeLanes64x2, finite32x4, finite64x2,
  normal32x4, normal64x2, odd32, odd64, plain32x4, plain64x2, productRounds64, rootless32, rootless64,
  small64, smallLanes32x4, smallLanes64x2, sseFast, sseNative, sumRounds32, sumRounds64,
} from "./sse-fast-path";
import {
  full32, full32x4, full64, full64x2, OPERATION_ADD, OPERATION_DIV, OPERATION_MAX, OPERATION_MIN, OPERATION_MUL, OPERATION_SQRT,
  OPERATION_SUB,
} from "./sse-float";

export function ADDSD(a: f64, b: f64): f64 {
  return full64(OPERATION_ADD, a, b);
}

export function ADDSD_fast(a: f64, b: f64): f64 {
  if (denormal64(a)) bail();
  if (denormal64(b)) bail();
  const r = a + b;
  if (endless64(r)) bail();
  if (!sseFast) {
    if (!sseNative || sumRounds64(a, b, r)) bail();
  }
  return r;
}

export function ADDSS(a: f32, b: f32): f32 {
  return full32(OPERATION_ADD, a, b);
}

export function ADDSS_fast(a: f32, b: f32): f32 {
  if (denormal32(a)) bail();
  if (denormal32(b)) bail();
  const r = a + b;
  if (endless32(r)) bail();
  if (!sseFast) {
    if (!sseNative || sumRounds32(a, b, r)) bail();
  }
  return r;
}

export function ADDPD(a: v128, b: v128): v128 {
  return full64x2(OPERATION_ADD, a, b);
}

export function ADDPD_fast(a: v128, b: v128): v128 {
  if (!sseFast) bail();
  const r = f64x2.add(a, b);
  if (doubtfulSum64x2(a, b, r)) {
    if (v128.any_true(v128.or(denormal64x2(a), denormal64x2(b))) || endlessLanes64x2(r)) bail();
  }
  return r;
}

export function ADDPS(a: v128, b: v128): v128 {
  return full32x4(OPERATION_ADD, a, b);
}

export function ADDPS_fast(a: v128, b: v128): v128 {
  if (!sseFast) bail();
  if (smallLanes32x4(a, b)) {
    if (v128.any_true(v128.or(denormal32x4(a), denormal32x4(b)))) bail();
  }
  const r = f32x4.add(a, b);
  if (endlessLanes32x4(r)) bail();
  return r;
}

export function SUBSD(a: f64, b: f64): f64 {
  return full64(OPERATION_SUB, a, b);
}

export function SUBSD_fast(a: f64, b: f64): f64 {
  if (denormal64(a)) bail();
  if (denormal64(b)) bail();
  const r = a - b;
  if (endless64(r)) bail();
  if (!sseFast) {
    if (!sseNative || sumRounds64(a, -b, r)) bail();
  }
  return r;
}

export function SUBSS(a: f32, b: f32): f32 {
  return full32(OPERATION_SUB, a, b);
}

export function SUBSS_fast(a: f32, b: f32): f32 {
  if (denormal32(a)) bail();
  if (denormal32(b)) bail();
  const r = a - b;
  if (endless32(r)) bail();
  if (!sseFast) {
    if (!sseNative || sumRounds32(a, -b, r)) bail();
  }
  return r;
}

export function SUBPD(a: v128, b: v128): v128 {
  return full64x2(OPERATION_SUB, a, b);
}

export function SUBPD_fast(a: v128, b: v128): v128 {
  if (!sseFast) bail();
  const r = f64x2.sub(a, b);
  if (doubtfulSum64x2(a, b, r)) {
    if (v128.any_true(v128.or(denormal64x2(a), denormal64x2(b))) || endlessLanes64x2(r)) bail();
  }
  return r;
}

export function SUBPS(a: v128, b: v128): v128 {
  return full32x4(OPERATION_SUB, a, b);
}

export function SUBPS_fast(a: v128, b: v128): v128 {
  if (!sseFast) bail();
  if (smallLanes32x4(a, b)) {
    if (v128.any_true(v128.or(denormal32x4(a), denormal32x4(b)))) bail();
  }
  const r = f32x4.sub(a, b);
  if (endlessLanes32x4(r)) bail();
  return r;
}

export function MULSD(a: f64, b: f64): f64 {
  return full64(OPERATION_MUL, a, b);
}

export function MULSD_fast(a: f64, b: f64): f64 {
  if (denormal64(a)) bail();
  if (denormal64(b)) bail();
  const r = a * b;
  if (extreme64(r)) {
    if (r != 0 || (a != 0 && b != 0)) bail();
  }
  if (!sseFast) {
    if (!sseNative || productRounds64(a, b)) bail();
  }
  return r;
}

export function MULSS(a: f32, b: f32): f32 {
  return full32(OPERATION_MUL, a, b);
}

export function MULSS_fast(a: f32, b: f32): f32 {
  if (denormal32(a)) bail();
  if (denormal32(b)) bail();
  const r = a * b;
  if (extreme32(r)) {
    if (r != 0 || (a != 0 && b != 0)) bail();
  }
  if (!sseFast) {
    if (!sseNative || <f64>a * <f64>b != <f64>r) bail();
  }
  return r;
}

export function MULPD(a: v128, b: v128): v128 {
  return full64x2(OPERATION_MUL, a, b);
}

export function MULPD_fast(a: v128, b: v128): v128 {
  if (!sseFast) bail();
  const r = f64x2.mul(a, b);
  if (doubtfulProduct64x2(a, b, r)) {
    if (v128.any_true(v128.or(denormal64x2(a), denormal64x2(b))) || !i64x2.all_true(normal64x2(r, exactZero64x2(a, b, r)))) bail();
  }
  return r;
}

export function MULPS(a: v128, b: v128): v128 {
  return full32x4(OPERATION_MUL, a, b);
}

export function MULPS_fast(a: v128, b: v128): v128 {
  if (!sseFast) bail();
  if (smallLanes32x4(a, b)) {
    if (v128.any_true(v128.or(denormal32x4(a), denormal32x4(b)))) bail();
  }
  const r = f32x4.mul(a, b);
  if (extremeLanes32x4(r)) {
    if (!i32x4.all_true(normal32x4(r, exactZero32x4(a, b, r)))) bail();
  }
  return r;
}

export function DIVSD(a: f64, b: f64): f64 {
  return full64(OPERATION_DIV, a, b);
}

export function DIVSD_fast(a: f64, b: f64): f64 {
  if (denormal64(a)) bail();
  if (denormal64(b)) bail();
  const r = a / b;
  if (extreme64(r)) {
    if (r != 0 || a != 0) bail();
  }
  if (!sseFast) {
    // With a small dividend r * b could be rounded up to it from below the normal range.
    if (!sseNative || small64(a) || productRounds64(r, b) || r * b != a) bail();
  }
  return r;
}

export function DIVSS(a: f32, b: f32): f32 {
  return full32(OPERATION_DIV, a, b);
}

export function DIVSS_fast(a: f32, b: f32): f32 {
  if (denormal32(a)) bail();
  if (denormal32(b)) bail();
  const r = a / b;
  if (extreme32(r)) {
    if (r != 0 || a != 0) bail();
  }
  if (!sseFast) {
    if (!sseNative || <f64>r * <f64>b != <f64>a) bail();
  }
  return r;
}

export function DIVPD(a: v128, b: v128): v128 {
  return full64x2(OPERATION_DIV, a, b);
}

export function DIVPD_fast(a: v128, b: v128): v128 {
  if (!sseFast) bail();
  if (smallLanes64x2(a, b)) {
    if (v128.any_true(v128.or(denormal64x2(a), denormal64x2(b)))) bail();
  }
  const r = f64x2.div(a, b);
  if (extremeLanes64x2(r)) {
    if (!i64x2.all_true(normal64x2(r, exactZero64x2(a, a, r)))) bail();
  }
  return r;
}

export function DIVPS(a: v128, b: v128): v128 {
  return full32x4(OPERATION_DIV, a, b);
}

export function DIVPS_fast(a: v128, b: v128): v128 {
  if (!sseFast) bail();
  if (smallLanes32x4(a, b)) {
    if (v128.any_true(v128.or(denormal32x4(a), denormal32x4(b)))) bail();
  }
  const r = f32x4.div(a, b);
  if (extremeLanes32x4(r)) {
    if (!i32x4.all_true(normal32x4(r, exactZero32x4(a, a, r)))) bail();
  }
  return r;
}

export function SQRTSD(b: f64): f64 {
  return full64(OPERATION_SQRT, 0, b);
}

export function SQRTSD_fast(b: f64): f64 {
  const r = sqrt<f64>(b);
  if (rootless64(b)) {
    if (b != 0) bail();
  }
  if (!sseFast) {
    if (!sseNative || productRounds64(r, r) || r * r != b) bail();
  }
  return r;
}

export function SQRTSS(b: f32): f32 {
  return full32(OPERATION_SQRT, 0, b);
}

export function SQRTSS_fast(b: f32): f32 {
  if (!sseFast) bail();
  if (rootless32(b)) {
    if (b != 0) bail();
  }
  return sqrt<f32>(b);
}

export function SQRTPD(b: v128): v128 {
  return full64x2(OPERATION_SQRT, i64x2.splat(0), b);
}

export function SQRTPD_fast(b: v128): v128 {
  if (!sseFast || v128.any_true(denormal64x2(b))) bail();
  const r = f64x2.sqrt(b);
  if (!i64x2.all_true(finite64x2(r))) bail();
  return r;
}

export function SQRTPS(b: v128): v128 {
  return full32x4(OPERATION_SQRT, i64x2.splat(0), b);
}

export function SQRTPS_fast(b: v128): v128 {
  if (!sseFast || v128.any_true(denormal32x4(b))) bail();
  const r = f32x4.sqrt(b);
  if (!i32x4.all_true(finite32x4(r))) bail();
  return r;
}

export function MINSD(a: f64, b: f64): f64 {
  return full64(OPERATION_MIN, a, b);
}

export function MINSD_fast(a: f64, b: f64): f64 {
  if (odd64(a) || odd64(b)) bail();
  return a < b ? a : b;
}

export function MINSS(a: f32, b: f32): f32 {
  return full32(OPERATION_MIN, a, b);
}

export function MINSS_fast(a: f32, b: f32): f32 {
  if (odd32(a) || odd32(b)) bail();
  return a < b ? a : b;
}

export function MINPD(a: v128, b: v128): v128 {
  return full64x2(OPERATION_MIN, a, b);
}

export function MINPD_fast(a: v128, b: v128): v128 {
  if (!i64x2.all_true(plain64x2(a)) || !i64x2.all_true(plain64x2(b))) bail();
  return v128.bitselect(a, b, f64x2.gt(b, a));
}

export function MINPS(a: v128, b: v128): v128 {
  return full32x4(OPERATION_MIN, a, b);
}

export function MINPS_fast(a: v128, b: v128): v128 {
  if (!i32x4.all_true(plain32x4(a)) || !i32x4.all_true(plain32x4(b))) bail();
  return v128.bitselect(a, b, f32x4.gt(b, a));
}

export function MAXSD(a: f64, b: f64): f64 {
  return full64(OPERATION_MAX, a, b);
}

export function MAXSD_fast(a: f64, b: f64): f64 {
  if (odd64(a) || odd64(b)) bail();
  return a > b ? a : b;
}

export function MAXSS(a: f32, b: f32): f32 {
  return full32(OPERATION_MAX, a, b);
}

export function MAXSS_fast(a: f32, b: f32): f32 {
  if (odd32(a) || odd32(b)) bail();
  return a > b ? a : b;
}

export function MAXPD(a: v128, b: v128): v128 {
  return full64x2(OPERATION_MAX, a, b);
}

export function MAXPD_fast(a: v128, b: v128): v128 {
  if (!i64x2.all_true(plain64x2(a)) || !i64x2.all_true(plain64x2(b))) bail();
  return v128.bitselect(a, b, f64x2.gt(a, b));
}

export function MAXPS(a: v128, b: v128): v128 {
  return full32x4(OPERATION_MAX, a, b);
}

export function MAXPS_fast(a: v128, b: v128): v128 {
  if (!i32x4.all_true(plain32x4(a)) || !i32x4.all_true(plain32x4(b))) bail();
  return v128.bitselect(a, b, f32x4.gt(a, b));
}
