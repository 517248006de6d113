// SSE arithmetic in full: every rounding mode, flag, mask, denormal and NaN. Called by sse-arithmetic.ts and its
// neighbours when the fast path has declined; leads to softfloat-sse.ts, lane by lane.
//
// Exceptions of a packed instruction are gathered over its lanes. An unmasked one among IE, DE and ZE is found before
// anything is computed, so that OE, UE and PE of other lanes are not reported (SDM Vol. 1 11.5.3).

import { CPU_BLOCK } from "../abi/layout";
import { CR4_OSXMMEXCPT } from "../abi/bits";
import { CR4, MXCSR } from "../abi/state";
import { VECTOR_XM } from "../abi/vectors";
import { raise, raiseUD } from "../cpu/fault";
import { DE, fpFlags, fpUseMxcsr, IE, PE, ZE } from "./softfloat";
import {
  f32Add, f32Div, f32Max, f32Min, f32Mul, f32Sqrt, f32Sub, f64Add, f64Div, f64Max, f64Min, f64Mul, f64Sqrt, f64Sub,
} from "./softfloat-sse";
import {
  denormal32x4, denormal64x2, exactZero32x4, exactZero64x2, F32_MAX, F64_MAX, finite32x4, finite64x2, mxcsrChanged, normal32x4,
  normal64x2, odd32, odd64, small32, small64, sseFast, sseNative,
} from "./sse-fast-path";

export const OPERATION_ADD: u32 = 0;
export const OPERATION_SUB: u32 = 1;
export const OPERATION_MUL: u32 = 2;
export const OPERATION_DIV: u32 = 3;
/** One operand, the second one (b), as in the instruction. */
export const OPERATION_SQRT: u32 = 4;
export const OPERATION_MIN: u32 = 5;
export const OPERATION_MAX: u32 = 6;
/** Even lanes subtract, odd lanes add (ADDSUBPS); never reaches a single lane. */
export const OPERATION_ADDSUB: u32 = 7;

const BEFORE_COMPUTATION: u32 = IE | DE | ZE;

/** Sets the softfloat environment from MXCSR and clears its flags. */
export function beginSse(): void {
  fpUseMxcsr(load<u32>(CPU_BLOCK, MXCSR));
}

/** Adds what softfloat met, and `more`, to MXCSR; raises #XM (#UD without CR4.OSXMMEXCPT) if that is unmasked. */
export function endSse(more: u32): void {
  let flags = fpFlags | more;
  if (!flags) return;
  const mxcsr = load<u32>(CPU_BLOCK, MXCSR);
  const unmasked = ~(mxcsr >> 7) & 63;
  if (flags & unmasked & BEFORE_COMPUTATION) flags &= BEFORE_COMPUTATION;
  store<u32>(CPU_BLOCK, mxcsr | flags, MXCSR);
  mxcsrChanged();
  if (!(flags & unmasked)) return;
  if (load<u64>(CPU_BLOCK, CR4) & CR4_OSXMMEXCPT) raise(VECTOR_XM, 0);
  else raiseUD();
}

/** PE of lanes that Wasm computed. */
let nativeFlags: u32 = 0;

/** Whether a * b, a normal number of f64, has more than 53 significant bits. */
function productInexact(a: f64, b: f64): bool {
  const p = reinterpret<u64>(a) & 0xfffffffffffff | 0x10000000000000;
  const q = reinterpret<u64>(b) & 0xfffffffffffff | 0x10000000000000;
  const m = p >> ctz(p);
  const n = q >> ctz(q);
  // Odd numbers of j and k bits have a product of j + k - 1 or j + k bits, odd too.
  const bits = 128 - clz(m) - clz(n);
  if (bits <= 53) return false;
  return bits > 54 || m * n >= 0x20000000000000;
}

/** Whether the sum r of a and b is rounded: Knuth's two-sum finds the error exactly, if nothing overflows on the way. */
function sumInexact64(a: f64, b: f64, r: f64): bool {
  const bb = r - a;
  return (a - (r - bb)) + (b - bb) != 0;
}

function sumInexact32(a: f32, b: f32, r: f32): bool {
  const bb = r - a;
  return (a - (r - bb)) + (b - bb) != 0;
}

/** Wasm's result when it is the chip's but perhaps for PE, which goes to nativeFlags; NaN when softfloat has to do it. */
function native64(operation: u32, a: f64, b: f64): f64 {
  if (odd64(b) || odd64(a)) return NaN;
  let r: f64;
  let inexact: bool;
  switch (operation) {
    case OPERATION_ADD:
    case OPERATION_SUB: {
      if (operation == OPERATION_SUB) b = -b;
      r = a + b;
      if (!(abs(a) < F64_MAX / 4 && abs(b) < F64_MAX / 4)) return NaN;
      inexact = sumInexact64(a, b, r);
      break;
    }
    case OPERATION_MUL: {
      r = a * b;
      if (small64(r) && a != 0 && b != 0) return NaN;
      inexact = r != 0 && productInexact(a, b);
      break;
    }
    case OPERATION_DIV: {
      r = a / b;
      // A small dividend could make r * b below tiny itself.
      if ((small64(r) || small64(a)) && a != 0) return NaN;
      inexact = r != 0 && (productInexact(r, b) || r * b != a);
      break;
    }
    case OPERATION_SQRT: {
      r = sqrt(b);
      inexact = r != 0 && (productInexact(r, r) || r * r != b);
      break;
    }
    default: return NaN;
  }
  if (!(abs(r) <= F64_MAX)) return NaN;
  if (inexact) nativeFlags |= PE;
  return r;
}

function native32(operation: u32, a: f32, b: f32): f32 {
  if (odd32(b) || odd32(a)) return NaN;
  let r: f32;
  let inexact: bool;
  // Products of two f32 are exact in f64.
  switch (operation) {
    case OPERATION_ADD:
    case OPERATION_SUB: {
      if (operation == OPERATION_SUB) b = -b;
      r = a + b;
      if (!(abs(a) < F32_MAX / 4 && abs(b) < F32_MAX / 4)) return NaN;
      inexact = sumInexact32(a, b, r);
      break;
    }
    case OPERATION_MUL: {
      r = a * b;
      if (small32(r) && a != 0 && b != 0) return NaN;
      inexact = <f64>a * <f64>b != <f64>r;
      break;
    }
    case OPERATION_DIV: {
      r = a / b;
      if (small32(r) && a != 0) return NaN;
      inexact = r != 0 && <f64>r * <f64>b != <f64>a;
      break;
    }
    case OPERATION_SQRT: {
      r = sqrt<f32>(b);
      inexact = <f64>r * <f64>r != <f64>b;
      break;
    }
    default: return NaN;
  }
  if (!(abs(r) <= F32_MAX)) return NaN;
  if (inexact) nativeFlags |= PE;
  return r;
}

function soft64(operation: u32, a: u64, b: u64): u64 {
  switch (operation) {
    case OPERATION_ADD: return f64Add(a, b);
    case OPERATION_SUB: return f64Sub(a, b);
    case OPERATION_MUL: return f64Mul(a, b);
    case OPERATION_DIV: return f64Div(a, b);
    case OPERATION_SQRT: return f64Sqrt(b);
    case OPERATION_MIN: return f64Min(a, b);
    default: return f64Max(a, b);
  }
}

function soft32(operation: u32, a: u32, b: u32): u32 {
  switch (operation) {
    case OPERATION_ADD: return f32Add(a, b);
    case OPERATION_SUB: return f32Sub(a, b);
    case OPERATION_MUL: return f32Mul(a, b);
    case OPERATION_DIV: return f32Div(a, b);
    case OPERATION_SQRT: return f32Sqrt(b);
    case OPERATION_MIN: return f32Min(a, b);
    default: return f32Max(a, b);
  }
}

function lane64(operation: u32, a: u64, b: u64): u64 {
  if (sseNative) {
    const r = native64(operation, reinterpret<f64>(a), reinterpret<f64>(b));
    if (r == r) return reinterpret<u64>(r);
  }
  return soft64(operation, a, b);
}

function lane32(operation: u32, a: u32, b: u32): u32 {
  if (sseNative) {
    const r = native32(operation, reinterpret<f32>(a), reinterpret<f32>(b));
    if (r == r) return reinterpret<u32>(r);
  }
  return soft32(operation, a, b);
}

/** One f64: a op b, with all its effects on MXCSR; the result is meaningless when it has raised #XM. */
export function full64(operation: u32, a: f64, b: f64): f64 {
  beginSse();
  nativeFlags = 0;
  const r = lane64(operation, reinterpret<u64>(a), reinterpret<u64>(b));
  endSse(nativeFlags);
  return reinterpret<f64>(r);
}

export function full32(operation: u32, a: f32, b: f32): f32 {
  beginSse();
  nativeFlags = 0;
  const r = lane32(operation, reinterpret<u32>(a), reinterpret<u32>(b));
  endSse(nativeFlags);
  return reinterpret<f32>(r);
}

/** Set by wide64x2 and wide32x4: all lanes are what the chip computes, and no flag changes. */
let wideServes: bool = false;

function wide64x2(operation: u32, a: v128, b: v128): v128 {
  let r = b;
  let good = b;
  switch (operation) {
    case OPERATION_ADD: { r = f64x2.add(a, b); good = finite64x2(r); break; }
    case OPERATION_SUB: { r = f64x2.sub(a, b); good = finite64x2(r); break; }
    case OPERATION_MUL: { r = f64x2.mul(a, b); good = normal64x2(r, exactZero64x2(a, b, r)); break; }
    case OPERATION_DIV: { r = f64x2.div(a, b); good = normal64x2(r, exactZero64x2(a, a, r)); break; }
    case OPERATION_SQRT: { r = f64x2.sqrt(b); good = finite64x2(r); break; }
    default: { good = i64x2.splat(0); break; }
  }
  wideServes = i64x2.all_true(good) && !v128.any_true(v128.or(denormal64x2(a), denormal64x2(b)));
  return r;
}

function wide32x4(operation: u32, a: v128, b: v128): v128 {
  let r = b;
  let good = b;
  switch (operation) {
    case OPERATION_ADD: { r = f32x4.add(a, b); good = finite32x4(r); break; }
    case OPERATION_SUB: { r = f32x4.sub(a, b); good = finite32x4(r); break; }
    case OPERATION_MUL: { r = f32x4.mul(a, b); good = normal32x4(r, exactZero32x4(a, b, r)); break; }
    case OPERATION_DIV: { r = f32x4.div(a, b); good = normal32x4(r, exactZero32x4(a, a, r)); break; }
    case OPERATION_SQRT: { r = f32x4.sqrt(b); good = finite32x4(r); break; }
    default: { good = i64x2.splat(0); break; }
  }
  wideServes = i32x4.all_true(good) && !v128.any_true(v128.or(denormal32x4(a), denormal32x4(b)));
  return r;
}

export function full64x2(operation: u32, a: v128, b: v128): v128 {
  if (sseFast) {
    const r = wide64x2(operation, a, b);
    if (wideServes) return r;
  }
  beginSse();
  nativeFlags = 0;
  const even = operation == OPERATION_ADDSUB ? OPERATION_SUB : operation;
  const odd = operation == OPERATION_ADDSUB ? OPERATION_ADD : operation;
  const r0 = lane64(even, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0));
  const r1 = lane64(odd, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1));
  endSse(nativeFlags);
  return i64x2.replace_lane(i64x2.splat(r0), 1, r1);
}

export function full32x4(operation: u32, a: v128, b: v128): v128 {
  if (sseFast) {
    const r = wide32x4(operation, a, b);
    if (wideServes) return r;
  }
  beginSse();
  nativeFlags = 0;
  const even = operation == OPERATION_ADDSUB ? OPERATION_SUB : operation;
  const odd = operation == OPERATION_ADDSUB ? OPERATION_ADD : operation;
  const r0 = lane32(even, i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0));
  const r1 = lane32(odd, i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1));
  const r2 = lane32(even, i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2));
  const r3 = lane32(odd, i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3));
  endSse(nativeFlags);
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(r0), 1, r1), 2, r2), 3, r3);
}
