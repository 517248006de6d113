// SSE and SSE2 conversion (SDM Vol. 1 5.5.1.6, 5.6.1.6). NAME is the operation in full, NAME_fast what exec() inlines
// under the tests of sse-fast-path.ts. An integer that does not fit is IE and the integer indefinite, 1 and zeros.

import { f32FromI32, f32FromI64, f32ToF64, f32ToI32, f32ToI64, f64FromI64, f64ToF32, f64ToI32, f64ToI64 } from "./softfloat-sse";
import { bail, F32_MAX, F32_NOT_TINY, odd32, small32, sseFast, sseNative, unbounded32 } from "./sse-fast-path";
import { beginSse, endSse } from "./sse-float";

// --- integer to scalar

export function CVTSI2SD<T>(b: T): f64 {
  if (sizeof<T>() == 4) return <f64><i32>b;
  beginSse();
  const r = f64FromI64(<i64>b);
  endSse(0);
  return reinterpret<f64>(r);
}

export function CVTSI2SD_fast<T>(b: T): f64 {
  if (sizeof<T>() == 8) {
    if (!sseFast) {
      if (!sseNative || <u64>b + 0x20000000000000 > 0x40000000000000) bail();
    }
  }
  return sizeof<T>() == 4 ? <f64><i32>b : <f64><i64>b;
}

export function CVTSI2SS<T>(b: T): f32 {
  beginSse();
  const r = sizeof<T>() == 4 ? f32FromI32(<i32>b) : f32FromI64(<i64>b);
  endSse(0);
  return reinterpret<f32>(r);
}

export function CVTSI2SS_fast<T>(b: T): f32 {
  if (!sseFast) bail();
  return sizeof<T>() == 4 ? <f32><i32>b : <f32><i64>b;
}

// --- scalar to integer

function integer64<T>(b: f64, truncate: bool): T {
  beginSse();
  const bits = reinterpret<u64>(b);
  const r = sizeof<T>() == 4 ? <T>f64ToI32(bits, truncate) : <T>f64ToI64(bits, truncate);
  endSse(0);
  return r;
}

function integer32<T>(b: f32, truncate: bool): T {
  beginSse();
  const bits = reinterpret<u32>(b);
  const r = sizeof<T>() == 4 ? <T>f32ToI32(bits, truncate) : <T>f32ToI64(bits, truncate);
  endSse(0);
  return r;
}

export function CVTSD2SI<T>(b: f64): T {
  return integer64<T>(b, false);
}

export function CVTSD2SI_fast<T>(b: f64): T {
  const r = nearest<f64>(b);
  if (!sseFast || !(abs<f64>(r) < (sizeof<T>() == 4 ? 2147483648.0 : 9223372036854775808.0))) bail();
  return sizeof<T>() == 4 ? <T><i32>r : <T><i64>r;
}

export function CVTTSD2SI<T>(b: f64): T {
  return integer64<T>(b, true);
}

export function CVTTSD2SI_fast<T>(b: f64): T {
  if (!(abs<f64>(b) < (sizeof<T>() == 4 ? 2147483648.0 : 9223372036854775808.0))) bail();
  if (!sseFast) {
    if (!sseNative || trunc<f64>(b) != b) bail();
  }
  return sizeof<T>() == 4 ? <T><i32>b : <T><i64>b;
}

export function CVTSS2SI<T>(b: f32): T {
  return integer32<T>(b, false);
}

export function CVTSS2SI_fast<T>(b: f32): T {
  const r = nearest<f32>(b);
  if (!sseFast || !(abs<f32>(r) < (sizeof<T>() == 4 ? <f32>2147483648.0 : <f32>9223372036854775808.0))) bail();
  return sizeof<T>() == 4 ? <T><i32>r : <T><i64>r;
}

export function CVTTSS2SI<T>(b: f32): T {
  return integer32<T>(b, true);
}

export function CVTTSS2SI_fast<T>(b: f32): T {
  if (!sseFast || !(abs<f32>(b) < (sizeof<T>() == 4 ? <f32>2147483648.0 : <f32>9223372036854775808.0))) bail();
  return sizeof<T>() == 4 ? <T><i32>b : <T><i64>b;
}

// --- between the two formats

export function CVTSS2SD(b: f32): f64 {
  beginSse();
  const r = f32ToF64(reinterpret<u32>(b));
  endSse(0);
  return reinterpret<f64>(r);
}

/** Exact, so that only a denormal or NaN can change a flag, and MXCSR need not be asked. */
export function CVTSS2SD_fast(b: f32): f64 {
  if (odd32(b)) bail();
  return <f64>b;
}

export function CVTSD2SS(b: f64): f32 {
  beginSse();
  const r = f64ToF32(reinterpret<u64>(b));
  endSse(0);
  return reinterpret<f32>(r);
}

export function CVTSD2SS_fast(b: f64): f32 {
  const r = <f32>b;
  if (unbounded32(r) || (small32(r) && b != 0) || (!sseFast && (!sseNative || <f64>r != b))) bail();
  return r;
}

function pack32x4(r0: u32, r1: u32, r2: u32, r3: u32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(r0), 1, r1), 2, r2), 3, r3);
}

export function CVTPS2PD(b: u64): v128 {
  beginSse();
  const r0 = f32ToF64(<u32>b);
  const r1 = f32ToF64(<u32>(b >> 32));
  endSse(0);
  return i64x2.replace_lane(i64x2.splat(r0), 1, r1);
}

export function CVTPS2PD_fast(b: u64): v128 {
  if (odd32(reinterpret<f32>(<u32>b)) || odd32(reinterpret<f32>(<u32>(b >> 32)))) bail();
  return f64x2.promote_low_f32x4(i64x2.splat(b));
}

export function CVTPD2PS(b: v128): v128 {
  beginSse();
  const r0 = f64ToF32(i64x2.extract_lane(b, 0));
  const r1 = f64ToF32(i64x2.extract_lane(b, 1));
  endSse(0);
  return pack32x4(r0, r1, 0, 0);
}

/** Zeros take the full way: they look like underflow in the result. */
export function CVTPD2PS_fast(b: v128): v128 {
  const r = f32x4.demote_f64x2_zero(b);
  const size = f32x4.abs(r);
  const normal = v128.and(f32x4.ge(size, f32x4.splat(F32_NOT_TINY)), f32x4.le(size, f32x4.splat(F32_MAX)));
  if (!sseFast || i32x4.bitmask(normal) != 3) bail();
  return r;
}

// --- packed integers

export function CVTDQ2PD(b: u64): v128 {
  return f64x2.convert_low_i32x4_s(i64x2.splat(b));
}

export function CVTDQ2PS(b: v128): v128 {
  beginSse();
  const r0 = f32FromI32(i32x4.extract_lane(b, 0));
  const r1 = f32FromI32(i32x4.extract_lane(b, 1));
  const r2 = f32FromI32(i32x4.extract_lane(b, 2));
  const r3 = f32FromI32(i32x4.extract_lane(b, 3));
  endSse(0);
  return pack32x4(r0, r1, r2, r3);
}

export function CVTDQ2PS_fast(b: v128): v128 {
  if (!sseFast) bail();
  return f32x4.convert_i32x4_s(b);
}

function integers32x4(b: v128, truncate: bool): v128 {
  beginSse();
  const r0 = f32ToI32(i32x4.extract_lane(b, 0), truncate);
  const r1 = f32ToI32(i32x4.extract_lane(b, 1), truncate);
  const r2 = f32ToI32(i32x4.extract_lane(b, 2), truncate);
  const r3 = f32ToI32(i32x4.extract_lane(b, 3), truncate);
  endSse(0);
  return pack32x4(r0, r1, r2, r3);
}

/** Two doublewords in the low quadword. */
function integers64x2(b: v128, truncate: bool): u64 {
  beginSse();
  const r0 = f64ToI32(i64x2.extract_lane(b, 0), truncate);
  const r1 = f64ToI32(i64x2.extract_lane(b, 1), truncate);
  endSse(0);
  return <u64><u32>r0 | (<u64><u32>r1 << 32);
}

function integers32x2(b: u64, truncate: bool): u64 {
  beginSse();
  const r0 = f32ToI32(<u32>b, truncate);
  const r1 = f32ToI32(<u32>(b >> 32), truncate);
  endSse(0);
  return <u64><u32>r0 | (<u64><u32>r1 << 32);
}

export function CVTPS2DQ(b: v128): v128 {
  return integers32x4(b, false);
}

export function CVTPS2DQ_fast(b: v128): v128 {
  const r = f32x4.nearest(b);
  if (!sseFast || !i32x4.all_true(f32x4.gt(f32x4.splat(2147483648.0), f32x4.abs(r)))) bail();
  return i32x4.trunc_sat_f32x4_s(r);
}

export function CVTTPS2DQ(b: v128): v128 {
  return integers32x4(b, true);
}

export function CVTTPS2DQ_fast(b: v128): v128 {
  if (!sseFast || !i32x4.all_true(f32x4.gt(f32x4.splat(2147483648.0), f32x4.abs(b)))) bail();
  return i32x4.trunc_sat_f32x4_s(b);
}

export function CVTPD2DQ(b: v128): v128 {
  return i64x2.replace_lane(i64x2.splat(0), 0, integers64x2(b, false));
}

export function CVTPD2DQ_fast(b: v128): v128 {
  const r = f64x2.nearest(b);
  if (!sseFast || !i64x2.all_true(f64x2.gt(f64x2.splat(2147483648.0), f64x2.abs(r)))) bail();
  return i32x4.trunc_sat_f64x2_s_zero(r);
}

export function CVTTPD2DQ(b: v128): v128 {
  return i64x2.replace_lane(i64x2.splat(0), 0, integers64x2(b, true));
}

export function CVTTPD2DQ_fast(b: v128): v128 {
  if (!sseFast || !i64x2.all_true(f64x2.gt(f64x2.splat(2147483648.0), f64x2.abs(b)))) bail();
  return i32x4.trunc_sat_f64x2_s_zero(b);
}

// --- with MMX registers

export function CVTPI2PS(a: v128, b: u64): v128 {
  beginSse();
  const r0 = f32FromI32(<i32>b);
  const r1 = f32FromI32(<i32>(b >> 32));
  endSse(0);
  return i64x2.replace_lane(a, 0, <u64>r0 | (<u64>r1 << 32));
}

export function CVTPI2PD(b: u64): v128 {
  return f64x2.convert_low_i32x4_s(i64x2.splat(b));
}

export function CVTPS2PI(b: u64): u64 {
  return integers32x2(b, false);
}

export function CVTTPS2PI(b: u64): u64 {
  return integers32x2(b, true);
}

export function CVTPD2PI(b: v128): u64 {
  return integers64x2(b, false);
}

export function CVTTPD2PI(b: v128): u64 {
  return integers64x2(b, true);
}
