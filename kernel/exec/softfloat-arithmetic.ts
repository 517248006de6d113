// Sum, product, quotient, root, comparison and conversion to integers on unpacked operands a and b (softfloat.ts), for every format.
// NaNs have been dealt with before; the results are left in z for roundAndPack.

import {
  CLASS_FINITE, CLASS_INFINITY, CLASS_QNAN, CLASS_ZERO, IE, PE, ROUND_DOWN, ROUND_NEAREST, ROUND_UP, ZE, aClass, aExp, aSig, aSign,
  bClass, bExp, bSig, bSign, denormalStops, fpFlags, fpRoundedUp, fpRounding, invalid, resultFinite, resultInfinity, resultZero,
  shiftRightSticky, zClass, zExp, zHi, zLo, zSign,
} from "./softfloat";
import { divideWide, multiplyWide, rootWide, wideHi, wideRemainder } from "./softfloat-wide";

const INTEGER_BIT: u64 = 0x8000000000000000;

/** z = a + b, or a - b with `negate` = 1. */
export function sum(negate: u32): void {
  const signB = bSign ^ negate;
  if (aClass == CLASS_INFINITY && bClass == CLASS_INFINITY && aSign != signB) {
    invalid();
    return;
  }
  if (denormalStops()) return;
  if (aClass == CLASS_INFINITY) resultInfinity(aSign);
  else if (bClass == CLASS_INFINITY) resultInfinity(signB);
  else if (aClass == CLASS_ZERO) {
    if (bClass == CLASS_ZERO) resultZero(aSign == signB ? aSign : u32(fpRounding == ROUND_DOWN));
    else resultFinite(signB, bExp, bSig, 0);
  } else if (bClass == CLASS_ZERO) resultFinite(aSign, aExp, aSig, 0);
  else sumFinite(signB);
}

function sumFinite(signB: u32): void {
  let bigSign = aSign;
  let bigExp = aExp;
  let bigSig = aSig;
  let smallExp = bExp;
  let smallSig = bSig;
  if (bExp > aExp || (bExp == aExp && bSig > aSig)) {
    bigSign = signB;
    bigExp = bExp;
    bigSig = bSig;
    smallExp = aExp;
    smallSig = aSig;
  }
  resultFinite(bigSign, bigExp, smallSig, 0);
  if (bigExp != smallExp) shiftRightSticky(bigExp - smallExp);
  if (aSign == signB) {
    zHi += bigSig;
    if (zHi < bigSig) {
      zLo = (zLo >> 1) | (zLo & 1) | (zHi << 63);
      zHi = (zHi >> 1) | INTEGER_BIT;
      zExp += 1;
    }
    return;
  }
  zHi = bigSig - zHi - u64(zLo != 0);
  zLo = -zLo;
  if ((zHi | zLo) == 0) resultZero(u32(fpRounding == ROUND_DOWN));
  else normalise();
}

/** Shifts z left until bit 63 of zHi is set; z is not zero. */
export function normalise(): void {
  if (zHi == 0) {
    zHi = zLo;
    zLo = 0;
    zExp -= 64;
  }
  const n = clz(zHi);
  if (n == 0) return;
  zHi = (zHi << n) | (zLo >> (64 - n));
  zLo <<= n;
  zExp -= i32(n);
}

export function product(): void {
  const sign = aSign ^ bSign;
  if ((aClass == CLASS_INFINITY && bClass == CLASS_ZERO) || (aClass == CLASS_ZERO && bClass == CLASS_INFINITY)) {
    invalid();
    return;
  }
  if (denormalStops()) return;
  if (aClass == CLASS_INFINITY || bClass == CLASS_INFINITY) resultInfinity(sign);
  else if (aClass == CLASS_ZERO || bClass == CLASS_ZERO) resultZero(sign);
  else {
    const lo = multiplyWide(aSig, bSig);
    resultFinite(sign, aExp + bExp + 1, wideHi, lo);
    normalise();
  }
}

/** z = a / b. */
export function quotient(): void {
  const sign = aSign ^ bSign;
  if (aClass == bClass && aClass != CLASS_FINITE) {
    invalid();
    return;
  }
  if (bClass == CLASS_ZERO && aClass == CLASS_FINITE) {
    // A denormal dividend is not reported beside it (SDM Vol. 1 4.9.2: ZE comes before DE).
    fpFlags |= ZE;
    resultInfinity(sign);
    return;
  }
  if (denormalStops()) return;
  if (aClass == CLASS_INFINITY || bClass == CLASS_ZERO) resultInfinity(sign);
  else if (bClass == CLASS_INFINITY || aClass == CLASS_ZERO) resultZero(sign);
  else quotientFinite(sign);
}

function quotientFinite(sign: u32): void {
  const exp = aExp - bExp;
  let q: u64;
  if (aSig >= bSig) {
    q = divideWide(aSig >> 1, aSig << 63, bSig);
    resultFinite(sign, exp, q, 0);
  } else {
    q = divideWide(aSig, 0, bSig);
    resultFinite(sign, exp - 1, q, 0);
  }
  const r = wideRemainder;
  const half = r >= bSig - r;
  zLo = half ? INTEGER_BIT | u64(r != bSig - r) : u64(r != 0);
}

/** z = sqrt(b). */
export function squareRoot(): void {
  if (bClass != CLASS_ZERO && bSign != 0) {
    invalid();
    return;
  }
  if (denormalStops()) return;
  if (bClass == CLASS_ZERO) {
    resultZero(bSign);
    return;
  }
  if (bClass == CLASS_INFINITY) {
    resultInfinity(0);
    return;
  }
  // Radicand in [2^126, 2^128) with an even exponent, so that the root has 64 bits.
  const odd = bExp & 1;
  const hi = odd != 0 ? bSig : bSig >> 1;
  const lo: u64 = odd != 0 ? 0 : bSig << 63;
  const root = rootWide(hi, lo);
  const low = multiplyWide(root, root);
  const restHi = hi - wideHi - u64(lo < low);
  const rest = lo - low;
  let lower: u64 = u64((rest | restHi) != 0);
  if (restHi != 0 || rest > root) lower |= INTEGER_BIT;
  resultFinite(0, (bExp - odd) >> 1, root, lower);
}

export const LESS: i32 = -1;
export const EQUAL: i32 = 0;
export const GREATER: i32 = 1;
export const UNORDERED: i32 = 2;

/** LESS, EQUAL, GREATER or UNORDERED for a against b; `signaling`: a QNaN is invalid too. */
export function relation(signaling: bool): i32 {
  if (aClass >= CLASS_QNAN || bClass >= CLASS_QNAN) {
    if (signaling || aClass > CLASS_QNAN || bClass > CLASS_QNAN) fpFlags |= IE;
    return UNORDERED;
  }
  denormalStops();
  if (aClass == CLASS_ZERO && bClass == CLASS_ZERO) return EQUAL;
  const signA = aClass == CLASS_ZERO ? bSign ^ 1 : aSign;
  const signB = bClass == CLASS_ZERO ? aSign ^ 1 : bSign;
  if (signA != signB) return signA != 0 ? LESS : GREATER;
  const larger: i32 = signA != 0 ? LESS : GREATER;
  if (aClass != bClass) return aClass > bClass ? larger : -larger;
  if (aClass == CLASS_INFINITY) return EQUAL;
  if (aExp != bExp) return aExp > bExp ? larger : -larger;
  if (aSig != bSig) return aSig > bSig ? larger : -larger;
  return EQUAL;
}

/**
 * b as an integer of `bits` bits (two's complement), rounded by `rounding`. Out of range or not a number is invalid and gives
 * the integer indefinite, 1 << (bits-1). Inexact raises PE.
 */
export function toInteger(bits: i32, rounding: u32): i64 {
  const indefinite = (-1 as i64) << (bits - 1);
  if (bClass == CLASS_ZERO) return 0;
  if (bClass != CLASS_FINITE || bExp >= bits) {
    fpFlags |= IE;
    return indefinite;
  }
  resultFinite(bSign, 63, bSig, 0);
  if (bExp < 63) shiftRightSticky(63 - bExp);
  const away = integerRoundsAway(rounding);
  const magnitude = zHi + u64(away);
  const limit: u64 = (1 as u64) << (bits - 1);
  if (magnitude < zHi || magnitude > limit || (magnitude == limit && bSign == 0)) {
    fpFlags |= IE;
    return indefinite;
  }
  if (zLo != 0) {
    fpFlags |= PE;
    fpRoundedUp = away;
  }
  return bSign != 0 ? -(magnitude as i64) : (magnitude as i64);
}

/** Whether rounding zHi.zLo to the integer zHi goes away from zero. */
function integerRoundsAway(rounding: u32): bool {
  if (zLo == 0) return false;
  if (rounding == ROUND_NEAREST) return zLo > INTEGER_BIT || (zLo == INTEGER_BIT && (zHi & 1) != 0);
  return (rounding == ROUND_DOWN && zSign != 0) || (rounding == ROUND_UP && zSign == 0);
}

/** z = b rounded to an integer in floating point; raises PE if that changes it. b is not a NaN. */
export function toIntegral(rounding: u32): void {
  if (bClass == CLASS_INFINITY) {
    resultInfinity(bSign);
    return;
  }
  if (bClass == CLASS_ZERO) {
    resultZero(bSign);
    return;
  }
  resultFinite(bSign, 63, bSig, 0);
  if (bExp >= 63) {
    zExp = bExp;
    return;
  }
  shiftRightSticky(63 - bExp);
  const changed = zLo != 0;
  const away = integerRoundsAway(rounding);
  if (changed) {
    fpFlags |= PE;
    fpRoundedUp = away;
  }
  zLo = 0;
  zHi += u64(away);
  if (zHi == 0) zClass = CLASS_ZERO;
  else normalise();
}

/** z = v, exactly. */
export function fromInteger(v: i64): void {
  if (v == 0) {
    resultZero(0);
    return;
  }
  const sign = u32(v < 0);
  const magnitude = (v < 0 ? -v : v) as u64;
  const n = clz(magnitude);
  resultFinite(sign, 63 - i32(n), magnitude << n, 0);
}

/** z = b, for a conversion between formats. b is not a NaN. */
export function copyOperand(): void {
  if (bClass == CLASS_FINITE) resultFinite(bSign, bExp, bSig, 0);
  else if (bClass == CLASS_ZERO) resultZero(bSign);
  else resultInfinity(bSign);
}
