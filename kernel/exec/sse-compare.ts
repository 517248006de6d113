// SSE and SSE2 comparison (SDM Vol. 1 5.5.1.3, 5.6.1.3). MINSD and its relatives stand with the arithmetic.
// Where no operand is denormal or NaN no flag can change, whatever MXCSR says; softfloat does the rest.

import { FLAG_CF, FLAG_PF, FLAG_ZF } from "../abi/bits";
import { faux, fcf, fres, setArithmeticFlags } from "../cpu/flags";
import { faulted } from "../cpu/fault";
import { f32CompareQuiet, f32CompareSignaling, f64CompareQuiet, f64CompareSignaling } from "./softfloat-sse";
import { EQUAL, LESS, UNORDERED } from "./softfloat-arithmetic";
import { bail, odd32, odd64, special32, special64, plain32x4, plain64x2 } from "./sse-fast-path";
import { beginSse, endSse } from "./sse-float";

/** LT, LE and their negations signal a QNaN; EQ, UNORD and theirs do not (SDM Vol. 2A table 3-1, CMPPD). */
function signals(predicate: u32): bool {
  return (predicate & 3) == 1 || (predicate & 3) == 2;
}

/** Predicates 0..3 are EQ LT LE UNORD, 4..7 their negations. */
function holds(predicate: u32, relation: i32): bool {
  let r: bool;
  switch (predicate & 3) {
    case 0: { r = relation == EQUAL; break; }
    case 1: { r = relation == LESS; break; }
    case 2: { r = relation == LESS || relation == EQUAL; break; }
    default: { r = relation == UNORDERED; break; }
  }
  return (predicate & 4) != 0 ? !r : r;
}

function compareLane64(predicate: u32, a: u64, b: u64): u64 {
  return holds(predicate, signals(predicate) ? f64CompareSignaling(a, b) : f64CompareQuiet(a, b)) ? -1 : 0;
}

function compareLane32(predicate: u32, a: u32, b: u32): u32 {
  return holds(predicate, signals(predicate) ? f32CompareSignaling(a, b) : f32CompareQuiet(a, b)) ? -1 : 0;
}

function compare64x2(predicate: u32, a: v128, b: v128): v128 {
  switch (predicate & 7) {
    case 0: return f64x2.eq(a, b);
    case 1: return f64x2.lt(a, b);
    case 2: return f64x2.le(a, b);
    case 3: return i64x2.splat(0);
    case 4: return f64x2.ne(a, b);
    case 5: return f64x2.ge(a, b);
    case 6: return f64x2.gt(a, b);
    default: return i64x2.splat(-1);
  }
}

function compare32x4(predicate: u32, a: v128, b: v128): v128 {
  switch (predicate & 7) {
    case 0: return f32x4.eq(a, b);
    case 1: return f32x4.lt(a, b);
    case 2: return f32x4.le(a, b);
    case 3: return i64x2.splat(0);
    case 4: return f32x4.ne(a, b);
    case 5: return f32x4.ge(a, b);
    case 6: return f32x4.gt(a, b);
    default: return i64x2.splat(-1);
  }
}

export function CMPPD(a: v128, b: v128, i: u64): v128 {
  const predicate = <u32>i & 7;
  if (i64x2.all_true(plain64x2(a)) && i64x2.all_true(plain64x2(b))) return compare64x2(predicate, a, b);
  beginSse();
  const r0 = compareLane64(predicate, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0));
  const r1 = compareLane64(predicate, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1));
  endSse(0);
  return i64x2.replace_lane(i64x2.splat(r0), 1, r1);
}

export function CMPPS(a: v128, b: v128, i: u64): v128 {
  const predicate = <u32>i & 7;
  if (i32x4.all_true(plain32x4(a)) && i32x4.all_true(plain32x4(b))) return compare32x4(predicate, a, b);
  beginSse();
  const r0 = compareLane32(predicate, i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0));
  const r1 = compareLane32(predicate, i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1));
  const r2 = compareLane32(predicate, i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2));
  const r3 = compareLane32(predicate, i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3));
  endSse(0);
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(r0), 1, r1), 2, r2), 3, r3);
}

export function CMPSD_XMM(a: f64, b: f64, i: u64): f64 {
  beginSse();
  const r = compareLane64(<u32>i, reinterpret<u64>(a), reinterpret<u64>(b));
  endSse(0);
  return reinterpret<f64>(r);
}

export function CMPSS(a: f32, b: f32, i: u64): f32 {
  beginSse();
  const r = compareLane32(<u32>i, reinterpret<u32>(a), reinterpret<u32>(b));
  endSse(0);
  return reinterpret<f32>(r);
}

/** ZF PF CF: 111 unordered, 000 greater, 001 less, 100 equal; OF SF AF = 0. Nothing changes when #XM was raised. */
function setRelation(relation: i32): void {
  endSse(0);
  if (faulted) return;
  if (relation == UNORDERED) setArithmeticFlags(FLAG_ZF | FLAG_PF | FLAG_CF);
  else setArithmeticFlags(relation == EQUAL ? FLAG_ZF : relation == LESS ? FLAG_CF : 0);
}

// The _fast ones write the words of lazy flags themselves (cpu/flags.ts): ZF = !fres, CF = fcf, OF = faux.63 ^ fcf = 0, and
// bit 8 of faux makes PF = 0 whether fres is 0 or 0x100.

export function UCOMISD(a: f64, b: f64): void {
  beginSse();
  setRelation(f64CompareQuiet(reinterpret<u64>(a), reinterpret<u64>(b)));
}

export function UCOMISD_fast(a: f64, b: f64): void {
  if (special64(a)) {
    if (odd64(a)) bail();
  }
  if (special64(b)) {
    if (odd64(b)) bail();
  }
  fres = <i64>u32(a != b) << 8;
  faux = (<i64>u32(a < b) << 63) | 0x100;
  fcf = u32(a < b);
}

export function UCOMISS(a: f32, b: f32): void {
  beginSse();
  setRelation(f32CompareQuiet(reinterpret<u32>(a), reinterpret<u32>(b)));
}

export function UCOMISS_fast(a: f32, b: f32): void {
  if (special32(a)) {
    if (odd32(a)) bail();
  }
  if (special32(b)) {
    if (odd32(b)) bail();
  }
  fres = <i64>u32(a != b) << 8;
  faux = (<i64>u32(a < b) << 63) | 0x100;
  fcf = u32(a < b);
}

export function COMISD(a: f64, b: f64): void {
  beginSse();
  setRelation(f64CompareSignaling(reinterpret<u64>(a), reinterpret<u64>(b)));
}

export function COMISD_fast(a: f64, b: f64): void {
  if (special64(a)) {
    if (odd64(a)) bail();
  }
  if (special64(b)) {
    if (odd64(b)) bail();
  }
  fres = <i64>u32(a != b) << 8;
  faux = (<i64>u32(a < b) << 63) | 0x100;
  fcf = u32(a < b);
}

export function COMISS(a: f32, b: f32): void {
  beginSse();
  setRelation(f32CompareSignaling(reinterpret<u32>(a), reinterpret<u32>(b)));
}

export function COMISS_fast(a: f32, b: f32): void {
  if (special32(a)) {
    if (odd32(a)) bail();
  }
  if (special32(b)) {
    if (odd32(b)) bail();
  }
  fres = <i64>u32(a != b) << 8;
  faux = (<i64>u32(a < b) << 63) | 0x100;
  fcf = u32(a < b);
}
