// Where Wasm's own f32/f64 arithmetic is the chip's: the tests that NAME_fast operations make before they use it.
//
// Wasm rounds to nearest even, keeps no exception flags, knows neither DAZ nor FTZ and leaves NaN bits open. So it serves
// when MXCSR asks for nothing else (all exceptions masked, RC = nearest, DAZ = FTZ = 0) and no flag can change: PE is set
// already or the result is exact, no operand is denormal (DE) or NaN (IE), the result is neither tiny (UE) nor infinite or
// NaN (OE, ZE, IE).
//
// A NAME_fast operation says bail() when one of these fails, before anything has changed; the generator turns that into
// leaving for the full operation NAME of sse-arithmetic.ts and its neighbours, which sets PE the first time.

import { CPU_BLOCK } from "../abi/layout";
import { MXCSR } from "../abi/state";

/** MXCSR asks for native arithmetic: all masked, nearest, no DAZ, no FTZ. PE may still have to be set. */
export let sseNative: bool = false;
/** sseNative, and PE is set already: a result need not be exact. */
export let sseFast: bool = false;

/** Derives the two words above; to be called by whatever has written MXCSR, and when run() starts. */
export function mxcsrChanged(): void {
  const mxcsr = load<u32>(CPU_BLOCK, MXCSR);
  sseNative = (mxcsr & 0xffc0) == 0x1f80;
  sseFast = (mxcsr & 0xffe0) == 0x1fa0;
}

/** Marker that the generator replaces; a NAME_fast operation is never called as it stands. */
export function bail(): void {
  unreachable();
}

export const F64_MIN_NORMAL: f64 = 2.2250738585072014e-308;
export const F64_MAX: f64 = 1.7976931348623157e308;
/** Twice the smallest normal number: nothing that large was rounded up from a tiny result. */
export const F64_NOT_TINY: f64 = 4.450147717014403e-308;
export const F32_MIN_NORMAL: f32 = 1.1754943508222875e-38;
export const F32_MAX: f32 = 3.4028234663852886e38;
export const F32_NOT_TINY: f32 = 2.350988701644575e-38;

// Tests on bits shifted left by one, which drops the sign: one comparison each, without a branch for zero. exec() is fastest
// with one `if` a test, since Binaryen makes a branchless conjunction of && and ||.

/** Denormal. */
// @ts-ignore: decorator
@inline
export function denormal64(x: f64): bool {
  return (reinterpret<u64>(x) << 1) - 1 < 0x1fffffffffffff;
}

// @ts-ignore: decorator
@inline
export function denormal32(x: f32): bool {
  return (reinterpret<u32>(x) << 1) - 1 < 0xffffff;
}

/** Neither normal nor infinite: zero, denormal or NaN. */
// @ts-ignore: decorator
@inline
export function special64(x: f64): bool {
  return (reinterpret<u64>(x) << 1) - 0x20000000000000 > 0xffc0000000000000;
}

// @ts-ignore: decorator
@inline
export function special32(x: f32): bool {
  return (reinterpret<u32>(x) << 1) - 0x1000000 > 0xfe000000;
}

/** Infinite or NaN. */
// @ts-ignore: decorator
@inline
export function endless64(r: f64): bool {
  return reinterpret<u64>(r) << 1 >= 0xffe0000000000000;
}

// @ts-ignore: decorator
@inline
export function endless32(r: f32): bool {
  return reinterpret<u32>(r) << 1 >= 0xff000000;
}

/** Zero, not surely above tiny, infinite or NaN. */
// @ts-ignore: decorator
@inline
export function extreme64(r: f64): bool {
  return (reinterpret<u64>(r) << 1) - 0x40000000000000 >= 0xffa0000000000000;
}

// @ts-ignore: decorator
@inline
export function extreme32(r: f32): bool {
  return (reinterpret<u32>(r) << 1) - 0x2000000 >= 0xfd000000;
}

/** Not a positive normal number: zero, denormal, negative, infinite or NaN. */
// @ts-ignore: decorator
@inline
export function rootless64(x: f64): bool {
  return reinterpret<u64>(x) - 0x10000000000000 >= 0x7fe0000000000000;
}

// @ts-ignore: decorator
@inline
export function rootless32(x: f32): bool {
  return reinterpret<u32>(x) - 0x800000 >= 0x7f000000;
}

/** A lane of a or b that is zero or denormal; lanes that are NaN are for the result's test. */
// @ts-ignore: decorator
@inline
export function smallLanes64x2(a: v128, b: v128): bool {
  return i64x2.bitmask(f64x2.lt(f64x2.pmin(f64x2.abs(a), f64x2.abs(b)), f64x2.splat(F64_MIN_NORMAL))) != 0;
}

// @ts-ignore: decorator
@inline
export function smallLanes32x4(a: v128, b: v128): bool {
  return i32x4.bitmask(f32x4.lt(f32x4.pmin(f32x4.abs(a), f32x4.abs(b)), f32x4.splat(F32_MIN_NORMAL))) != 0;
}

// The first halves of the packed tests: one comparison. r - r is zero of a finite r, else NaN, with which no comparison is true.

/** A lane of a or b that is zero, denormal or NaN, or one of r = a + b or a - b that is infinite or NaN. */
// @ts-ignore: decorator
@inline
export function doubtfulSum64x2(a: v128, b: v128, r: v128): bool {
  const least = f64x2.add(f64x2.sub(r, r), f64x2.splat(F64_MIN_NORMAL));
  return i64x2.bitmask(f64x2.ge(f64x2.pmin(f64x2.abs(a), f64x2.abs(b)), least)) != 3;
}

/** A lane of a, b or r = a * b that is zero, not surely above tiny or NaN, or one of r that is infinite. */
// @ts-ignore: decorator
@inline
export function doubtfulProduct64x2(a: v128, b: v128, r: v128): bool {
  const least = f64x2.add(f64x2.sub(r, r), f64x2.splat(F64_NOT_TINY));
  return i64x2.bitmask(f64x2.ge(f64x2.pmin(f64x2.pmin(f64x2.abs(a), f64x2.abs(b)), f64x2.abs(r)), least)) != 3;
}

/** A lane that is infinite or NaN. */
// @ts-ignore: decorator
@inline
export function endlessLanes64x2(r: v128): bool {
  return i64x2.bitmask(finite64x2(r)) != 3;
}

// @ts-ignore: decorator
@inline
export function endlessLanes32x4(r: v128): bool {
  return i32x4.bitmask(finite32x4(r)) != 15;
}

/** A lane that is zero, not surely above tiny, infinite or NaN. */
// @ts-ignore: decorator
@inline
export function extremeLanes64x2(r: v128): bool {
  return i64x2.bitmask(v128.and(f64x2.ge(f64x2.abs(r), f64x2.splat(F64_NOT_TINY)), finite64x2(r))) != 3;
}

// @ts-ignore: decorator
@inline
export function extremeLanes32x4(r: v128): bool {
  return i32x4.bitmask(v128.and(f32x4.ge(f32x4.abs(r), f32x4.splat(F32_NOT_TINY)), finite32x4(r))) != 15;
}

/** Denormal or NaN. */
// @ts-ignore: decorator
@inline
export function odd64(x: f64): bool {
  return !(abs<f64>(x) >= F64_MIN_NORMAL) && x != 0;
}

// @ts-ignore: decorator
@inline
export function odd32(x: f32): bool {
  return !(abs<f32>(x) >= F32_MIN_NORMAL) && x != 0;
}

/** Infinite or NaN. */
// @ts-ignore: decorator
@inline
export function unbounded32(r: f32): bool {
  return !(abs<f32>(r) <= F32_MAX);
}

/** Too small to be sure that it is not tiny, zero included. */
// @ts-ignore: decorator
@inline
export function small64(r: f64): bool {
  return abs<f64>(r) < F64_NOT_TINY;
}

// @ts-ignore: decorator
@inline
export function small32(r: f32): bool {
  return abs<f32>(r) < F32_NOT_TINY;
}

/** All-ones lanes where x is denormal. */
// @ts-ignore: decorator
@inline
export function denormal64x2(x: v128): v128 {
  return v128.and(f64x2.lt(f64x2.abs(x), f64x2.splat(F64_MIN_NORMAL)), f64x2.ne(x, f64x2.splat(0)));
}

// @ts-ignore: decorator
@inline
export function denormal32x4(x: v128): v128 {
  return v128.and(f32x4.lt(f32x4.abs(x), f32x4.splat(F32_MIN_NORMAL)), f32x4.ne(x, f32x4.splat(0)));
}

/** All-ones lanes where x is neither denormal nor NaN. */
// @ts-ignore: decorator
@inline
export function plain64x2(x: v128): v128 {
  return v128.or(f64x2.ge(f64x2.abs(x), f64x2.splat(F64_MIN_NORMAL)), f64x2.eq(x, f64x2.splat(0)));
}

// @ts-ignore: decorator
@inline
export function plain32x4(x: v128): v128 {
  return v128.or(f32x4.ge(f32x4.abs(x), f32x4.splat(F32_MIN_NORMAL)), f32x4.eq(x, f32x4.splat(0)));
}

/** All-ones lanes where r is finite. */
// @ts-ignore: decorator
@inline
export function finite64x2(r: v128): v128 {
  return f64x2.le(f64x2.abs(r), f64x2.splat(F64_MAX));
}

// @ts-ignore: decorator
@inline
export function finite32x4(r: v128): v128 {
  return f32x4.le(f32x4.abs(r), f32x4.splat(F32_MAX));
}

/** All-ones lanes where r is finite and surely not tiny, or `zero` has ones: an exact zero. */
// @ts-ignore: decorator
@inline
export function normal64x2(r: v128, zero: v128): v128 {
  const size = f64x2.abs(r);
  return v128.or(zero, v128.and(f64x2.ge(size, f64x2.splat(F64_NOT_TINY)), f64x2.le(size, f64x2.splat(F64_MAX))));
}

// @ts-ignore: decorator
@inline
export function normal32x4(r: v128, zero: v128): v128 {
  const size = f32x4.abs(r);
  return v128.or(zero, v128.and(f32x4.ge(size, f32x4.splat(F32_NOT_TINY)), f32x4.le(size, f32x4.splat(F32_MAX))));
}

/** All-ones lanes where r is zero because a factor is. */
// @ts-ignore: decorator
@inline
export function exactZero64x2(a: v128, b: v128, r: v128): v128 {
  const zero = f64x2.splat(0);
  return v128.and(f64x2.eq(r, zero), v128.or(f64x2.eq(a, zero), f64x2.eq(b, zero)));
}

// @ts-ignore: decorator
@inline
export function exactZero32x4(a: v128, b: v128, r: v128): v128 {
  const zero = f32x4.splat(0);
  return v128.and(f32x4.eq(r, zero), v128.or(f32x4.eq(a, zero), f32x4.eq(b, zero)));
}

// Whether a finite result r is rounded; "yes" in doubt, where an intermediate value overflows or the proof is not cheap.

/** Knuth's two-sum: the error of r = a + b, exactly. */
// @ts-ignore: decorator
@inline
export function sumRounds64(a: f64, b: f64, r: f64): bool {
  const bb = r - a;
  return (a - (r - bb)) + (b - bb) != 0;
}

// @ts-ignore: decorator
@inline
export function sumRounds32(a: f32, b: f32, r: f32): bool {
  const bb = r - a;
  return (a - (r - bb)) + (b - bb) != 0;
}

/** Factors of j and k significant bits have a product of at most j + k. */
// @ts-ignore: decorator
@inline
export function productRounds64(a: f64, b: f64): bool {
  return ctz(reinterpret<u64>(a) | 0x10000000000000) + ctz(reinterpret<u64>(b) | 0x10000000000000) < 53;
}
