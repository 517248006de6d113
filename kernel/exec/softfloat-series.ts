// Series in fixed point and numbers with 128-bit significands, for the transcendental operations (x87-transcendental.ts).
// z of softfloat.ts is the accumulator (zSign, zExp, zHi:zLo normalised, zHi = 0 for zero); w is the second operand. Results are truncated;
// with 128 bits throughout the error stays below 2^-110 of the result, so that the one rounding to 64 bits decides.
// f is a fraction in units of 2^-128.

import { shiftRightSticky, zExp, zHi, zLo, zSign } from "./softfloat";
import { normalise } from "./softfloat-arithmetic";
import { divideWide, multiplyWide, wideHi } from "./softfloat-wide";

const TOP_BIT: u64 = 0x8000000000000000;

export let wSign: u32 = 0;
export let wExp: i32 = 0;
export let wHi: u64 = 0;
export let wLo: u64 = 0;

export let fHi: u64 = 0;
export let fLo: u64 = 0;

export function setW(sign: u32, exp: i32, hi: u64, lo: u64): void {
  wSign = sign;
  wExp = exp;
  wHi = hi;
  wLo = lo;
}

export function setZ(sign: u32, exp: i32, hi: u64, lo: u64): void {
  zSign = sign;
  zExp = exp;
  zHi = hi;
  zLo = lo;
}

/** w = z. */
export function zToW(): void {
  setW(zSign, zExp, zHi, zLo);
}

/** f = f * (hi:lo), truncated. */
export function multiplyFraction(hi: u64, lo: u64): void {
  multiplyWide(fLo, lo);
  let carryIn = wideHi;
  let a = multiplyWide(fHi, lo);
  let aHi = wideHi;
  const b = multiplyWide(fLo, hi);
  const bHi = wideHi;
  a += carryIn;
  aHi += u64(a < carryIn);
  const middle = a + b;
  let carry = aHi + u64(middle < a);
  const c = multiplyWide(fHi, hi);
  let top = wideHi;
  let low = c + carry;
  top += u64(low < c);
  low += bHi;
  top += u64(low < bHi);
  fHi = top;
  fLo = low;
}

/** f = f / d for d below 2^32. */
function divideFraction(d: u64): void {
  let rest = fHi >> 32;
  const q3 = rest / d;
  rest = ((rest - q3 * d) << 32) | (fHi & 0xffffffff);
  const q2 = rest / d;
  rest = ((rest - q2 * d) << 32) | (fLo >> 32);
  const q1 = rest / d;
  rest = ((rest - q1 * d) << 32) | (fLo & 0xffffffff);
  fHi = (q3 << 32) | q2;
  fLo = (q1 << 32) | (rest / d);
}

/** z = z * w. */
export function multiplyByW(): void {
  zSign ^= wSign;
  if (zHi == 0 || wHi == 0) {
    zHi = 0;
    return;
  }
  fHi = zHi;
  fLo = zLo;
  multiplyFraction(wHi, wLo);
  setZ(zSign, zExp + wExp + 1, fHi, fLo);
  normalise();
}

/** z = z + w. */
export function addW(): void {
  if (wHi == 0) return;
  if (zHi == 0) {
    setZ(wSign, wExp, wHi, wLo);
    return;
  }
  let sign = wSign;
  let hi = wHi;
  let lo = wLo;
  let exp = wExp;
  const swap = zExp > wExp || (zExp == wExp && (zHi > wHi || (zHi == wHi && zLo > wLo)));
  if (swap) {
    sign = zSign;
    hi = zHi;
    lo = zLo;
    exp = zExp;
    setZ(wSign, wExp, wHi, wLo);
  }
  // z is the smaller one now.
  if (zExp != exp) shiftRightSticky(exp - zExp);
  if (sign == zSign) {
    const low = lo + zLo;
    const carry = u64(low < lo);
    const part = hi + zHi;
    const high = part + carry;
    const out = part < hi || high < part;
    setZ(sign, exp, high, low);
    if (out) setZ(sign, exp + 1, (high >> 1) | TOP_BIT, (low >> 1) | (high << 63));
    return;
  }
  setZ(sign, exp, hi - zHi - u64(lo < zLo), lo - zLo);
  if ((zHi | zLo) != 0) normalise();
}

/** Numerator of the division under way, three words, the top two below the divisor. */
let n2: u64 = 0;
let n1: u64 = 0;
let n0: u64 = 0;

/** A quotient digit in base 2^64 of n2:n1:n0 / (d1:d0); the remainder moves up to n2:n1 (Knuth Vol. 2 4.3.1 D). */
function quotientDigit(d1: u64, d0: u64): u64 {
  let q: u64 = ~(0 as u64);
  if (n2 < d1) q = divideWide(n2, n1, d1);
  // n -= q * d, and back until it is not negative: at most three times.
  const low = multiplyWide(q, d0);
  const lowHi = wideHi;
  const mid = multiplyWide(q, d1);
  const midHi = wideHi;
  const p1 = mid + lowHi;
  const p2 = midHi + u64(p1 < mid);
  let r0 = n0 - low;
  const borrow0 = u64(n0 < low);
  let r1 = n1 - p1;
  let borrow1 = u64(n1 < p1);
  borrow1 += u64(r1 < borrow0);
  r1 -= borrow0;
  let r2 = n2 - p2 - borrow1;
  while ((r2 as i64) < 0) {
    q -= 1;
    const s0 = r0 + d0;
    const c0 = u64(s0 < r0);
    const s1 = r1 + d1;
    let c1 = u64(s1 < r1);
    const t1 = s1 + c0;
    c1 += u64(t1 < s1);
    r0 = s0;
    r1 = t1;
    r2 += c1;
  }
  n2 = r1;
  n1 = r0;
  n0 = 0;
  return q;
}

/** z = z / w. */
export function divideByW(): void {
  zSign ^= wSign;
  if (zHi == 0) return;
  n2 = zHi;
  n1 = zLo;
  n0 = 0;
  let exp = zExp - wExp - 1;
  if (zHi > wHi || (zHi == wHi && zLo >= wLo)) {
    n0 = zLo << 63;
    n1 = (zLo >> 1) | (zHi << 63);
    n2 = zHi >> 1;
    exp += 1;
  }
  const q1 = quotientDigit(wHi, wLo);
  const q0 = quotientDigit(wHi, wLo);
  setZ(zSign, exp, q1, q0);
}

/** f = |z|, for |z| < 1. */
export function zToFraction(): void {
  fHi = zHi;
  fLo = zLo;
  const n = -1 - zExp;
  if (n == 0) return;
  const exp = zExp;
  const hi = zHi;
  const lo = zLo;
  shiftRightSticky(n);
  fHi = zHi;
  fLo = zLo;
  setZ(zSign, exp, hi, lo);
}

/** f = f^2. */
export function squareFraction(): void {
  multiplyFraction(fHi, fLo);
}

/** Terms after which a series in f whose every term is at least `bits` bits smaller than the last is below 2^-128; at most `most`. */
function terms(most: u32): u32 {
  if (fHi == 0) return 2;
  const leading = u32(clz(fHi));
  if (leading == 0) return most;
  const n: u32 = 128 / leading + 2;
  return n < most ? n : most;
}

/**
 * f = v/d1 -+ v^2/(d1 d2) + v^3/(d1 d2 d3) ..., v = f on entry. Divisors: `kind` 0: (2k)(2k+1), sine; 1: (2k-1)(2k), cosine;
 * 2: k+1, exponential. `alternating` for - + - ....
 */
export function factorialSeries(kind: u32, alternating: bool): void {
  const vHi = fHi;
  const vLo = fLo;
  fHi = 0;
  fLo = 0;
  let k = kind == 2 ? 36 : 18;
  if (vHi >> 60 == 0) k = kind == 2 ? 22 : 13;
  for (; k > 0; k--) {
    multiplyFraction(vHi, vLo);
    if (alternating) {
      fHi = vHi - fHi - u64(vLo < fLo);
      fLo = vLo - fLo;
    } else {
      fLo += vLo;
      fHi += vHi + u64(fLo < vLo);
    }
    divideFraction(kind == 0 ? 2 * k * (2 * k + 1) : kind == 1 ? (2 * k - 1) * (2 * k) : k + 1);
  }
}

/** f = v/3 -+ v^2/5 + v^3/7 ..., v = f on entry: arc tangent (alternating) and its hyperbolic brother. */
export function oddSeries(alternating: bool): void {
  const vHi = fHi;
  const vLo = fLo;
  let k: u64 = terms(30);
  let hi: u64 = 0;
  let lo: u64 = 0;
  for (; k > 0; k--) {
    // hi:lo = 1/(2k+1) -+ v * (hi:lo)
    fHi = hi;
    fLo = lo;
    multiplyFraction(vHi, vLo);
    const pHi = fHi;
    const pLo = fLo;
    fHi = ~(0 as u64);
    fLo = ~(0 as u64);
    divideFraction(2 * k + 1);
    if (alternating) {
      hi = fHi - pHi - u64(fLo < pLo);
      lo = fLo - pLo;
    } else {
      lo = fLo + pLo;
      hi = fHi + pHi + u64(lo < pLo);
    }
  }
  fHi = hi;
  fLo = lo;
  multiplyFraction(vHi, vLo);
}

/** w = 1 - f; for f = 0 the largest number below one, so that the result stays inexact. */
export function oneMinusFraction(): void {
  if ((fHi | fLo) == 0) setW(0, -1, ~(0 as u64), ~(0 as u64));
  else setW(0, -1, -fHi - u64(fLo != 0), -fLo);
  const n = clz(wHi);
  if (n == 0) return;
  wHi = (wHi << n) | (wLo >> (64 - n));
  wLo <<= n;
  wExp -= i32(n);
}

/** w = 1 + f, not quite one for f = 0. */
export function onePlusFraction(): void {
  setW(0, 0, (fHi >> 1) | TOP_BIT, (fLo >> 1) | (fHi << 63) | 1);
}

/** atan(k/16) in units of 2^-128, k = 0..16: high word, low word. */
const ARC_TANGENTS = memory.data<u64>([
  0x0000000000000000, 0x0000000000000000,
  0x0ffaaddb967ef4e3, 0x6cb2792dc0e2e0d5,
  0x1fd5ba9aac2f6dc6, 0x5912f313e7d111df,
  0x2f72f6979cb6044d, 0x1ec2d3e207271d22,
  0x3eb6ebf25901bac5, 0x5b71e7bd7de885f9,
  0x4d89dcdc1faf2f34, 0xe2d5da4c693d7994,
  0x5bd86507937bc239, 0xc55190916e7f2242,
  0x6993bb0f308ff2db, 0x213e4af4800f389b,
  0x76b19c1586ed3da2, 0xb7f222f65e1d4682,
  0x832bf4a6d9867e2a, 0x4b6a09cb61a515c1,
  0x8f005d5ef7f59f9b, 0x5c835e1665c43748,
  0x9a2f80e671bdda20, 0x4226f8e2204ff3bd,
  0xa4bc7d1934f70924, 0x19a87f2a457dac9f,
  0xaeac4c38b4d8c080, 0x14725e2f3e52070a,
  0xb8053e2bc2319e73, 0xcb2da55210a4443d,
  0xc0ce85b8ac526640, 0x89dd62c46e92fa25,
  0xc90fdaa22168c234, 0xc4c6628b80dc1cd1,
]);

export function arcTangentOfSixteenths(k: u32): void {
  fHi = load<u64>(ARC_TANGENTS + (k << 4));
  fLo = load<u64>(ARC_TANGENTS + (k << 4), 8);
}
