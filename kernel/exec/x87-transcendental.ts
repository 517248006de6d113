// FSIN FCOS FSINCOS FPTAN FPATAN F2XM1 FYL2X FYL2XP1 (SDM Vol. 1 5.2.4, 8.3.8 to 8.3.11). Called from exec().
// Computed to more than 100 bits (softfloat-series.ts) and rounded once to 64; precision control does not apply.

import {
  CLASS_FINITE, CLASS_INFINITY, CLASS_ZERO, PE, UE, ZE, aClass, aExp, aSig, aSign, bClass, bExp, bSig, bSign, beginOperation,
  denormalStops, f80SignExponent, fpFlags, invalid, nanOfOneF80, nanOfTwoF80, resultFinite, resultInfinity, resultZero, roundAndPackF80,
  unpackF80, unpackF80A, zClass, zExp, zHi, zLo, zSign,
} from "./softfloat";
import { copyOperand, normalise } from "./softfloat-arithmetic";
import {
  addW, arcTangentOfSixteenths, divideByW, fHi, fLo, factorialSeries, multiplyByW, oddSeries, oneMinusFraction, onePlusFraction, setW,
  setZ, squareFraction, wExp, wHi, wLo, wSign, zToFraction, zToW,
} from "./softfloat-series";
import {
  FSW_C2, INDEFINITE_SE, INDEFINITE_SIG, fsw, isEmpty, pop, push, seOf, setFsw, setSt, sigOf, stackOverflow, stackUnderflow, x87Begin,
  x87End, x87Stops,
} from "./x87-state";

const INTEGER_BIT: u64 = 0x8000000000000000;

// pi to 128 bits; pi/2 and pi/4 differ in the exponent only
const PI_HI: u64 = 0xc90fdaa22168c234;
const PI_LO: u64 = 0xc4c6628b80dc1cd1;
const LN2_HI: u64 = 0xb17217f7d1cf79ab;
const LN2_LO: u64 = 0xc9e3b39803f2f6af;
/** 2/ln 2, exponent 1 */
const TWO_LOG2E_HI: u64 = 0xb8aa3b295c17f0bb;
const TWO_LOG2E_LO: u64 = 0xbe87fed0691d3e89;
/** The chip's pi has 66 bits (SDM Vol. 1 8.3.8): pi/2 in units of 2^-65. */
const HALF_PI_HI: u64 = 3;
const HALF_PI_LO: u64 = 0x243f6a8885a308d3;

/** z = the finite result so far: marked as such and, being irrational, inexact. */
function finish(): u64 {
  if (zHi == 0) resultZero(zSign);
  else {
    zClass = CLASS_FINITE;
    zLo |= 1;
  }
  return roundAndPackF80(64);
}

/** z as it stands, exact or not, reported as inexact: what the chip makes of arguments so small that f(x) is x to all its bits. */
function finishTiny(): u64 {
  const tiny = zExp < -16382;
  zClass = CLASS_FINITE;
  const sig = roundAndPackF80(64);
  fpFlags |= tiny ? UE | PE : PE;
  return sig;
}

/** Exponents below which the chip returns x for sine and 1 for cosine; x for tangent and arc tangent (measured). */
const TINY_SINE: i32 = -68;
const TINY_TANGENT: i32 = -33;

// --- sine, cosine, tangent ------------------------------------------------------------------------------------------------------

/** |b| mod pi/2, moved to -pi/4..pi/4: sign, exponent, significand; and the quadrant. */
let rSign: u32 = 0;
let rExp: i32 = 0;
let rHi: u64 = 0;
let rLo: u64 = 0;
let quadrant: u32 = 0;

function reduceArgument(): void {
  quadrant = 0;
  setZ(0, bExp, bSig, 0);
  if (bExp >= -1) {
    let hi: u64 = 0;
    let lo = bSig;
    for (let i = bExp + 2; i > 0; i--) {
      hi = (hi << 1) | (lo >> 63);
      lo <<= 1;
      quadrant <<= 1;
      if (hi > HALF_PI_HI || (hi == HALF_PI_HI && lo >= HALF_PI_LO)) {
        hi -= HALF_PI_HI + u64(lo < HALF_PI_LO);
        lo -= HALF_PI_LO;
        quadrant += 1;
      }
    }
    const twiceHi = (hi << 1) | (lo >> 63);
    const twiceLo = lo << 1;
    if (twiceHi > HALF_PI_HI || (twiceHi == HALF_PI_HI && twiceLo > HALF_PI_LO)) {
      hi = HALF_PI_HI - hi - u64(HALF_PI_LO < lo);
      lo = HALF_PI_LO - lo;
      quadrant += 1;
      zSign = 1;
    }
    setZ(zSign, 62, hi, lo);
    normalise();
  }
  rSign = zSign;
  rExp = zExp;
  rHi = zHi;
  rLo = zLo;
}

/** z = sin r. */
function sineOfReduced(): void {
  setZ(0, rExp, rHi, rLo);
  zToFraction();
  squareFraction();
  factorialSeries(0, true);
  oneMinusFraction();
  setZ(rSign, rExp, rHi, rLo);
  multiplyByW();
}

/** z = cos r. */
function cosineOfReduced(): void {
  setZ(0, rExp, rHi, rLo);
  zToFraction();
  squareFraction();
  factorialSeries(1, true);
  oneMinusFraction();
  setZ(0, wExp, wHi, wLo);
}

/** Sine of b (`turn` = 0) or cosine (`turn` = 1), from the reduced argument. */
function packSine(turn: u32): u64 {
  if (rExp < TINY_SINE) {
    if (turn == 0) setZ(bSign, bExp, bSig, 0);
    else setZ(0, 0, INTEGER_BIT, 0);
    return finishTiny();
  }
  const q = (quadrant + turn) & 3;
  if ((q & 1) != 0) cosineOfReduced();
  else sineOfReduced();
  if (q > 1) zSign ^= 1;
  if (turn == 0) zSign ^= bSign;
  return finish();
}

function packTangent(): u64 {
  if (rExp < TINY_TANGENT && quadrant == 0) {
    setZ(bSign, bExp, bSig, 0);
    return finishTiny();
  }
  cosineOfReduced();
  const cHi = zHi;
  const cLo = zLo;
  const cExp = zExp;
  sineOfReduced();
  if ((quadrant & 1) != 0) {
    zToW();
    setZ(1, cExp, cHi, cLo);
  } else setW(0, cExp, cHi, cLo);
  divideByW();
  zSign ^= bSign;
  return finish();
}

function setC2(on: bool): void {
  setFsw(on ? fsw() | FSW_C2 : fsw() & ~FSW_C2);
}

/** |ST(0)| >= 2^63: nothing happens but C2 = 1. */
function outOfRange(u: usize): bool {
  if (bClass != CLASS_FINITE || bExp < 63) return false;
  setC2(true);
  x87End(u);
  return true;
}

const SINE: u32 = 0;
const COSINE: u32 = 1;
const BOTH: u32 = 2;
const TANGENT: u32 = 3;

function trigonometric(u: usize, what: u32): void {
  if (!x87Begin()) return;
  setC2(false);
  const pushes = what >= BOTH;
  if (isEmpty(0) || (pushes && !isEmpty(7))) {
    if (isEmpty(0)) stackUnderflow();
    else stackOverflow();
    endBoth(u, INDEFINITE_SE, INDEFINITE_SIG, INDEFINITE_SE, INDEFINITE_SIG, pushes);
    return;
  }
  beginOperation();
  unpackF80(seOf(0), sigOf(0));
  if (outOfRange(u)) return;
  let special = true;
  if (!nanOfOneF80()) {
    if (bClass == CLASS_INFINITY) invalid();
    else special = false;
  }
  if (special) {
    const sig = roundAndPackF80(64);
    endBoth(u, f80SignExponent, sig, f80SignExponent, sig, pushes);
    return;
  }
  if (bClass == CLASS_ZERO) {
    const se = bSign << 15;
    if (what == COSINE) endBoth(u, 0x3fff, INTEGER_BIT, 0, 0, false);
    else endBoth(u, se, 0, 0x3fff, INTEGER_BIT, pushes);
    return;
  }
  if (denormalStops()) {
    x87End(u);
    return;
  }
  reduceArgument();
  if (what == COSINE || what == SINE) {
    const sig = packSine(what);
    endBoth(u, f80SignExponent, sig, 0, 0, false);
  } else if (what == TANGENT) {
    const sig = packTangent();
    endBoth(u, f80SignExponent, sig, 0x3fff, INTEGER_BIT, true);
  } else {
    const cosine = packSine(1);
    const cosineSe = f80SignExponent;
    const sine = packSine(0);
    endBoth(u, f80SignExponent, sine, cosineSe, cosine, true);
  }
}

/** Replaces ST(0), and pushes a second result. */
function endBoth(u: usize, se: u32, sig: u64, pushedSe: u32, pushedSig: u64, pushes: bool): void {
  if (!x87Stops()) {
    setSt(0, se, sig);
    if (pushes) push(pushedSe, pushedSig);
  }
  x87End(u);
}

export function FSIN(u: usize): void { trigonometric(u, SINE); }
export function FCOS(u: usize): void { trigonometric(u, COSINE); }
export function FSINCOS(u: usize): void { trigonometric(u, BOTH); }
export function FPTAN(u: usize): void { trigonometric(u, TANGENT); }

// --- two operands: ST(1) = f(ST(1), ST(0)), pop ------------------------------------------------------------------------------------

/** False, dealt with, if either is empty; otherwise a = ST(0), b = ST(1). */
function takesTwo(u: usize): bool {
  if (isEmpty(0) || isEmpty(1)) {
    stackUnderflow();
    endTwo(u, INDEFINITE_SE, INDEFINITE_SIG);
    return false;
  }
  beginOperation();
  unpackF80A(seOf(0), sigOf(0));
  unpackF80(seOf(1), sigOf(1));
  return true;
}

function endTwo(u: usize, se: u32, sig: u64): void {
  if (!x87Stops()) {
    setSt(1, se, sig);
    pop();
  }
  x87End(u);
}

/** arctan(b/a), with a's sign choosing the half plane. */
export function FPATAN(u: usize): void {
  if (!x87Begin() || !takesTwo(u)) return;
  let sig: u64;
  if (nanOfTwoF80()) sig = roundAndPackF80(64);
  else if (denormalStops()) sig = 0;
  else sig = arcTangent();
  endTwo(u, f80SignExponent, sig);
}

/** z = n * pi/4 for n = 1, 2, 3, 4. */
function quarterPi(n: u32): void {
  if (n == 3) setZ(0, 1, 0x96cbe3f9990e91a7, 0x9394c9e8a0a5159d);
  else setZ(0, n == 1 ? -1 : n == 2 ? 0 : 1, PI_HI, PI_LO);
}

function arcTangent(): u64 {
  if (bClass == CLASS_ZERO || (aClass == CLASS_INFINITY && bClass != CLASS_INFINITY)) {
    if (aSign == 0) {
      resultZero(bSign);
      return roundAndPackF80(64);
    }
    quarterPi(4);
  } else if (bClass == CLASS_INFINITY) quarterPi(aClass != CLASS_INFINITY ? 2 : aSign != 0 ? 3 : 1);
  else if (aClass == CLASS_ZERO) quarterPi(2);
  else return arcTangentFinite();
  zSign = bSign;
  return finish();
}

function arcTangentFinite(): u64 {
  const steep = bExp > aExp || (bExp == aExp && bSig > aSig);
  if (steep) {
    setZ(0, aExp, aSig, 0);
    setW(0, bExp, bSig, 0);
  } else {
    setZ(0, bExp, bSig, 0);
    setW(0, aExp, aSig, 0);
  }
  divideByW();
  if (!steep && aSign == 0 && zExp < TINY_TANGENT) {
    zSign = bSign;
    return finishTiny();
  }
  arcTangentOfRatio();
  if (steep) {
    // pi/2 - z, or pi/2 + z in the left half plane
    zToW();
    wSign = aSign ^ 1;
    quarterPi(2);
    addW();
  } else if (aSign != 0) {
    zToW();
    wSign = 1;
    quarterPi(4);
    addW();
  }
  zSign = bSign;
  return finish();
}

/** z = arctan z for 0 < z <= 1: arctan z = arctan c + arctan((z - c)/(1 + z c)), c the nearest k/16. */
function arcTangentOfRatio(): void {
  let k: u32 = 0;
  if (zExp == 0) k = 16;
  else if (zExp >= -5) k = u32(((zHi >> (-zExp)) + 0x0400000000000000) >> 59);
  if (k != 0) {
    const hi = zHi;
    const lo = zLo;
    const exp = zExp;
    // c = k/16
    const n = clz(u64(k));
    const cSig = u64(k) << n;
    const cExp = 59 - i32(n);
    setW(0, cExp, cSig, 0);
    multiplyByW();
    setW(0, 0, INTEGER_BIT, 0);
    addW();
    const dHi = zHi;
    const dLo = zLo;
    const dExp = zExp;
    setZ(0, exp, hi, lo);
    setW(1, cExp, cSig, 0);
    addW();
    setW(0, dExp, dHi, dLo);
    divideByW();
  }
  if (zHi != 0) {
    const sign = zSign;
    const exp = zExp;
    const hi = zHi;
    const lo = zLo;
    zToFraction();
    squareFraction();
    oddSeries(true);
    oneMinusFraction();
    setZ(sign, exp, hi, lo);
    multiplyByW();
  }
  if (k != 0) {
    zToW();
    arcTangentOfSixteenths(k);
    setZ(0, -1, fHi, fLo);
    normalise();
    addW();
  }
}

/** z = log2((1 + s) / (1 - s)) for z = s, |s| < 0.18. */
function logarithmOfRatio(): void {
  if (zHi == 0) return;
  const sign = zSign;
  const exp = zExp;
  const hi = zHi;
  const lo = zLo;
  zToFraction();
  squareFraction();
  oddSeries(false);
  onePlusFraction();
  setZ(sign, exp, hi, lo);
  multiplyByW();
  setW(0, 1, TWO_LOG2E_HI, TWO_LOG2E_LO);
  multiplyByW();
}

/** z = log2 z for z > 0. */
function logarithm(): void {
  let n = zExp;
  if (zHi > 0xb504f333f9de6484) n += 1;
  setZ(0, zExp - n, zHi, zLo);
  const exp = zExp;
  const hi = zHi;
  const lo = zLo;
  setW(0, 0, INTEGER_BIT, 0);
  addW();
  const dExp = zExp;
  const dHi = zHi;
  const dLo = zLo;
  setZ(0, exp, hi, lo);
  setW(1, 0, INTEGER_BIT, 0);
  addW();
  setW(0, dExp, dHi, dLo);
  divideByW();
  logarithmOfRatio();
  if (n == 0) return;
  const magnitude = u64(n < 0 ? -n : n);
  const shift = clz(magnitude);
  setW(u32(n < 0), 63 - i32(shift), magnitude << shift, 0);
  addW();
}

/** z = z * b, the finite end of both logarithms; `exact` when the logarithm is an integer. The chip reports even that as inexact. */
function timesB(exact: bool): u64 {
  if (zHi == 0) resultZero(zSign ^ bSign);
  else {
    setW(bSign, bExp, bSig, 0);
    multiplyByW();
    zClass = CLASS_FINITE;
    if (!exact) zLo |= 1;
  }
  const sig = roundAndPackF80(64);
  if (exact) fpFlags |= (f80SignExponent & 0x7fff) == 0 && sig != 0 ? UE | PE : PE;
  return sig;
}

/** b * log2 a. */
export function FYL2X(u: usize): void {
  if (!x87Begin() || !takesTwo(u)) return;
  let sig: u64;
  if (nanOfTwoF80()) sig = roundAndPackF80(64);
  else sig = yLog2X();
  endTwo(u, f80SignExponent, sig);
}

function yLog2X(): u64 {
  const isOne = aClass == CLASS_FINITE && aSign == 0 && aExp == 0 && aSig == INTEGER_BIT;
  const belowOne = aClass == CLASS_ZERO || (aClass == CLASS_FINITE && aExp < 0);
  if (aClass == CLASS_ZERO) {
    if (bClass == CLASS_ZERO) invalid();
    else {
      if (bClass == CLASS_FINITE) fpFlags |= ZE;
      else denormalStops();
      resultInfinity(bSign ^ 1);
    }
    return roundAndPackF80(64);
  }
  if (aSign != 0 || (aClass == CLASS_INFINITY && bClass == CLASS_ZERO) || (isOne && bClass == CLASS_INFINITY)) {
    invalid();
    return roundAndPackF80(64);
  }
  if (denormalStops()) return roundAndPackF80(64);
  if (aClass == CLASS_INFINITY || bClass == CLASS_INFINITY) {
    resultInfinity(bSign ^ u32(belowOne));
    return roundAndPackF80(64);
  }
  if (bClass == CLASS_ZERO || isOne) {
    resultZero(bSign ^ u32(belowOne));
    return roundAndPackF80(64);
  }
  setZ(0, aExp, aSig, 0);
  logarithm();
  return timesB(aSig == INTEGER_BIT);
}

/** b * log2(1 + a). */
export function FYL2XP1(u: usize): void {
  if (!x87Begin() || !takesTwo(u)) return;
  let sig: u64;
  if (nanOfTwoF80()) sig = roundAndPackF80(64);
  else sig = yLog2XPlus1();
  endTwo(u, f80SignExponent, sig);
}

function yLog2XPlus1(): u64 {
  if ((aClass == CLASS_INFINITY && aSign != 0) || (aClass == CLASS_INFINITY && bClass == CLASS_ZERO) || (aClass == CLASS_ZERO && bClass == CLASS_INFINITY)) {
    invalid();
    return roundAndPackF80(64);
  }
  if (denormalStops()) return roundAndPackF80(64);
  const sign = aSign ^ bSign;
  if (aClass == CLASS_INFINITY || bClass == CLASS_INFINITY) {
    resultInfinity(sign);
    return roundAndPackF80(64);
  }
  if (aClass == CLASS_ZERO || bClass == CLASS_ZERO) {
    resultZero(sign);
    return roundAndPackF80(64);
  }
  if (aSign != 0 && aExp >= 0) {
    // No logarithm. The SDM leaves the result open; the chip returns ST(0) as inexact.
    fpFlags |= PE;
    resultFinite(aSign, aExp, aSig, 0);
    return roundAndPackF80(64);
  }
  if (aExp < -2) {
    // s = a / (2 + a)
    setZ(aSign, aExp, aSig, 0);
    setW(0, 1, INTEGER_BIT, 0);
    addW();
    zToW();
    setZ(aSign, aExp, aSig, 0);
    divideByW();
    logarithmOfRatio();
  } else {
    setZ(aSign, aExp, aSig, 0);
    setW(0, 0, INTEGER_BIT, 0);
    addW();
    logarithm();
  }
  return timesB(false);
}

// --- 2^x - 1 ------------------------------------------------------------------------------------------------------------------------

export function F2XM1(u: usize): void {
  if (!x87Begin()) return;
  let sig = INDEFINITE_SIG;
  f80SignExponent = INDEFINITE_SE;
  if (isEmpty(0)) stackUnderflow();
  else {
    beginOperation();
    unpackF80(seOf(0), sigOf(0));
    if (nanOfOneF80()) sig = roundAndPackF80(64);
    else if (!denormalStops()) sig = powerOfTwoMinus1();
  }
  if (!x87Stops()) setSt(0, f80SignExponent, sig);
  x87End(u);
}

function powerOfTwoMinus1(): u64 {
  const minusOne = bSign != 0 && bClass == CLASS_FINITE && bExp == 0 && bSig == INTEGER_BIT;
  if (bClass == CLASS_INFINITY && bSign != 0) resultFinite(1, 0, INTEGER_BIT, 0);
  else if (bClass != CLASS_FINITE) copyOperand();
  else if (bExp >= 0) {
    // 1 gives 1. Beyond, the SDM leaves the result open; the chip returns the operand as inexact.
    if (minusOne) resultFinite(1, -1, INTEGER_BIT, 0);
    else copyOperand();
    fpFlags |= PE;
  } else {
    setZ(bSign, bExp, bSig, 0);
    setW(0, -1, LN2_HI, LN2_LO);
    multiplyByW();
    const exp = zExp;
    const hi = zHi;
    const lo = zLo;
    zToFraction();
    factorialSeries(2, bSign != 0);
    if (bSign != 0) oneMinusFraction();
    else onePlusFraction();
    setZ(bSign, exp, hi, lo);
    multiplyByW();
    return finish();
  }
  return roundAndPackF80(64);
}
