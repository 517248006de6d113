// f32 and f64 operations as SSE defines them, on bit patterns: u32 and u64 in, u32 and u64 out. Set the environment with
// `fpUseMxcsr(mxcsr)` first and look at `fpFlags` after (softfloat.ts has the list). With an unmasked IE, DE or ZE the value returned is
// meaningless. Names: f64Add, f64Sub, f64Mul, f64Div, f64Sqrt, f64Min, f64Max, f64CompareQuiet, f64CompareSignaling, f64RoundToInt, f64ToF32,
// f64ToI32, f64ToI64, f64FromI32, f64FromI64; the same for f32 and f32ToF64.

import {
  CLASS_QNAN, CLASS_ZERO, PE, ROUND_ZERO, aClass, aSign, bClass, bSign, beginOperation, denormalStops, fpFlags, fpRounding, nanOfOne,
  nanOfTwo, roundAndPack, unpackA, unpackB,
} from "./softfloat";
import {
  GREATER, LESS, copyOperand, fromInteger, product, quotient, relation, squareRoot, sum, toInteger, toIntegral,
} from "./softfloat-arithmetic";

function add<T>(a: T, b: T, negate: u32): T {
  beginOperation();
  unpackA<T>(a);
  unpackB<T>(b);
  if (!nanOfTwo()) sum(negate);
  return roundAndPack<T>();
}

function mul<T>(a: T, b: T): T {
  beginOperation();
  unpackA<T>(a);
  unpackB<T>(b);
  if (!nanOfTwo()) product();
  return roundAndPack<T>();
}

function div<T>(a: T, b: T): T {
  beginOperation();
  unpackA<T>(a);
  unpackB<T>(b);
  if (!nanOfTwo()) quotient();
  return roundAndPack<T>();
}

function root<T>(a: T): T {
  beginOperation();
  unpackB<T>(a);
  if (!nanOfOne()) squareRoot();
  return roundAndPack<T>();
}

function compare<T>(a: T, b: T, signaling: bool): i32 {
  beginOperation();
  unpackA<T>(a);
  unpackB<T>(b);
  return relation(signaling);
}

/** MINPS and relatives: the second operand if either is a NaN or both are zeros (SDM Vol. 2, MINPS). */
function extreme<T>(a: T, b: T, wanted: i32): T {
  beginOperation();
  unpackA<T>(a);
  unpackB<T>(b);
  const first = relation(true) == wanted;
  if (bClass < CLASS_QNAN && (first ? aClass : bClass) == CLASS_ZERO) {
    // Denormals-are-zero shows in the result.
    const sign = first ? aSign : bSign;
    return (sizeof<T>() == 8 ? u64(sign) << 63 : u64(sign << 31)) as T;
  }
  return first ? a : b;
}

function integral<T>(a: T, rounding: u32, quietInexact: bool): T {
  beginOperation();
  unpackB<T>(a);
  const before = fpFlags;
  if (!nanOfOne()) toIntegral(rounding);
  const r = roundAndPack<T>();
  if (quietInexact) fpFlags = (fpFlags & ~PE) | (before & PE);
  return r;
}

function integer<T>(a: T, bits: i32, truncate: bool): i64 {
  beginOperation();
  unpackB<T>(a);
  return toInteger(bits, truncate ? ROUND_ZERO : fpRounding);
}

function fromI64<T>(v: i64): T {
  fromInteger(v);
  return roundAndPack<T>();
}

export function f64Add(a: u64, b: u64): u64 { return add<u64>(a, b, 0); }
export function f64Sub(a: u64, b: u64): u64 { return add<u64>(a, b, 1); }
export function f64Mul(a: u64, b: u64): u64 { return mul<u64>(a, b); }
export function f64Div(a: u64, b: u64): u64 { return div<u64>(a, b); }
export function f64Sqrt(a: u64): u64 { return root<u64>(a); }
export function f64Min(a: u64, b: u64): u64 { return extreme<u64>(a, b, LESS); }
export function f64Max(a: u64, b: u64): u64 { return extreme<u64>(a, b, GREATER); }
/** -1 less, 0 equal, 1 greater, 2 unordered. Quiet: only an SNaN is invalid (UCOMISD, CMPEQPD). */
export function f64CompareQuiet(a: u64, b: u64): i32 { return compare<u64>(a, b, false); }
/** As f64CompareQuiet; any NaN is invalid (COMISD, CMPLTPD). */
export function f64CompareSignaling(a: u64, b: u64): i32 { return compare<u64>(a, b, true); }
/** ROUNDSD: `rounding` as fpRounding; `quietInexact` is the immediate's bit 3. */
export function f64RoundToInt(a: u64, rounding: u32, quietInexact: bool): u64 { return integral<u64>(a, rounding, quietInexact); }
export function f64ToI32(a: u64, truncate: bool): i32 { return integer<u64>(a, 32, truncate) as i32; }
export function f64ToI64(a: u64, truncate: bool): i64 { return integer<u64>(a, 64, truncate); }
export function f64FromI32(v: i32): u64 { return fromI64<u64>(v); }
export function f64FromI64(v: i64): u64 { return fromI64<u64>(v); }
export function f64ToF32(a: u64): u32 {
  beginOperation();
  unpackB<u64>(a);
  if (!nanOfOne() && !denormalStops()) copyOperand();
  return roundAndPack<u32>();
}

export function f32Add(a: u32, b: u32): u32 { return add<u32>(a, b, 0); }
export function f32Sub(a: u32, b: u32): u32 { return add<u32>(a, b, 1); }
export function f32Mul(a: u32, b: u32): u32 { return mul<u32>(a, b); }
export function f32Div(a: u32, b: u32): u32 { return div<u32>(a, b); }
export function f32Sqrt(a: u32): u32 { return root<u32>(a); }
export function f32Min(a: u32, b: u32): u32 { return extreme<u32>(a, b, LESS); }
export function f32Max(a: u32, b: u32): u32 { return extreme<u32>(a, b, GREATER); }
export function f32CompareQuiet(a: u32, b: u32): i32 { return compare<u32>(a, b, false); }
export function f32CompareSignaling(a: u32, b: u32): i32 { return compare<u32>(a, b, true); }
export function f32RoundToInt(a: u32, rounding: u32, quietInexact: bool): u32 { return integral<u32>(a, rounding, quietInexact); }
export function f32ToI32(a: u32, truncate: bool): i32 { return integer<u32>(a, 32, truncate) as i32; }
export function f32ToI64(a: u32, truncate: bool): i64 { return integer<u32>(a, 64, truncate); }
export function f32FromI32(v: i32): u32 { return fromI64<u32>(v); }
export function f32FromI64(v: i64): u32 { return fromI64<u32>(v); }
export function f32ToF64(a: u32): u64 {
  beginOperation();
  unpackB<u32>(a);
  if (!nanOfOne() && !denormalStops()) copyOperand();
  return roundAndPack<u64>();
}
