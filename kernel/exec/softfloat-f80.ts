// 80-bit operations as the x87 defines them. Operands have been unpacked into a and b (`loadF80A`, `unpackF80`, `unpackB<u32>` ... of
// softfloat.ts), so that an m32 or m64 operand keeps its denormal or signalling nature. Results are sign and exponent in
// `f80SignExponent` and the significand as value. Set the environment with `fpUseControlWord` first.

import { isAmd } from "../cpu/state";
import {
  CLASS_FINITE, CLASS_INFINITY, CLASS_ZERO, ROUND_ZERO, UE, aClass, aExp, aSig, aSign, bClass, bExp, bSig, bSign, denormalStops,
  fpMasks, fpPrecision, fpRoundedUp, fpRounding, invalid, nanOfOneF80, nanOfTwoF80, resultFinite, resultInfinity, resultZero,
  roundAndPack, roundAndPackF80,
} from "./softfloat";
import { copyOperand, normalise, product, quotient, relation, squareRoot, sum, toInteger, toIntegral } from "./softfloat-arithmetic";

/** ModRM.reg of D8, DC, DE and the integer forms. */
export const OP_ADD: u32 = 0;
export const OP_MUL: u32 = 1;
export const OP_SUB: u32 = 4;
export const OP_SUBR: u32 = 5;
export const OP_DIV: u32 = 6;
export const OP_DIVR: u32 = 7;

export function swapOperands(): void {
  const sign = aSign;
  const exp = aExp;
  const sig = aSig;
  const cls = aClass;
  aSign = bSign;
  aExp = bExp;
  aSig = bSig;
  aClass = bClass;
  bSign = sign;
  bExp = exp;
  bSig = sig;
  bClass = cls;
}

/** a op b (b op a for SUBR and DIVR), rounded to the precision control's bits. */
export function f80Arithmetic(op: u32): u64 {
  if (op == OP_SUBR || op == OP_DIVR) swapOperands();
  if (!nanOfTwoF80()) {
    if (op == OP_ADD) sum(0);
    else if (op == OP_MUL) product();
    else if (op == OP_SUB || op == OP_SUBR) sum(1);
    else quotient();
  }
  return roundAndPackF80(fpPrecision);
}

export function f80Sqrt(): u64 {
  if (!nanOfOneF80()) squareRoot();
  return roundAndPackF80(fpPrecision);
}

/** -1, 0, 1 or 2 (unordered) for a against b. */
export function f80Compare(signaling: bool): i32 {
  return relation(signaling);
}

/** b, as FLD of an m32 or m64 makes it: never rounded. An unmasked denormal is reported and loaded all the same. */
export function f80FromOperand(): u64 {
  if (!nanOfOneF80()) {
    denormalStops();
    copyOperand();
  }
  return roundAndPackF80(64);
}

/** b as f32 or f64. */
export function f80To<T>(): T {
  if (!nanOfOneF80()) copyOperand();
  return roundAndPack<T>();
}

export function f80RoundToInt(): u64 {
  if (!nanOfOneF80() && !denormalStops()) toIntegral(fpRounding);
  const up = fpRoundedUp;
  const sig = roundAndPackF80(64);
  fpRoundedUp = up;
  return sig;
}

/** FSCALE: a * 2^trunc(b). */
export function f80Scale(): u64 {
  if (!nanOfTwoF80()) scale();
  const masks = fpMasks;
  // By zero a Xeon returns even a denormal as it is, without unmasked underflow; a Zen 5 does not.
  if (bClass == CLASS_ZERO && !isAmd()) fpMasks |= UE;
  const sig = roundAndPackF80(64);
  fpMasks = masks;
  return sig;
}

function scale(): void {
  if (bClass == CLASS_INFINITY) {
    if ((aClass == CLASS_ZERO && bSign == 0) || (aClass == CLASS_INFINITY && bSign != 0)) {
      invalid();
      return;
    }
    if (denormalStops()) return;
    if (bSign != 0) resultZero(aSign);
    else resultInfinity(aSign);
    return;
  }
  if (denormalStops()) return;
  if (aClass == CLASS_ZERO) {
    resultZero(aSign);
    return;
  }
  if (aClass == CLASS_INFINITY) {
    resultInfinity(aSign);
    return;
  }
  let n: i32 = 0;
  if (bClass == CLASS_FINITE && bExp >= 0) n = bExp > 16 ? 0x20000 : i32(bSig >> (63 - bExp));
  resultFinite(aSign, bSign != 0 ? aExp - n : aExp + n, aSig, 0);
}

/** Low three bits of the quotient of the last f80Remainder, and whether the reduction is incomplete. */
export let remainderQuotient: u32 = 0;
export let remainderPartial: bool = false;
/** False if there was no division: NaN or invalid operands. */
export let remainderDone: bool = false;

/** FPREM (`nearest` = false) and FPREM1: remainder of a by b, at most 63 quotient bits at a time. */
export function f80Remainder(nearest: bool): u64 {
  remainderQuotient = 0;
  remainderPartial = false;
  remainderDone = false;
  if (!nanOfTwoF80()) remainder(nearest);
  return roundAndPackF80(64);
}

function remainder(nearest: bool): void {
  if (aClass == CLASS_INFINITY || bClass == CLASS_ZERO) {
    invalid();
    return;
  }
  if (denormalStops()) return;
  remainderDone = true;
  if (aClass == CLASS_ZERO) {
    resultZero(aSign);
    return;
  }
  resultFinite(aSign, aExp, aSig, 0);
  if (bClass == CLASS_INFINITY) return;
  const distance = aExp - bExp;
  if (distance < -1 || (distance < 0 && !nearest)) return;
  let steps = distance;
  if (distance >= 64) {
    // The chip takes off 32 + (D mod 32) bits of quotient at a time.
    remainderPartial = true;
    steps = (distance & 31) | 32;
  }
  reduce(steps, nearest && !remainderPartial);
}

/** Long division of aSig by bSig: steps+1 quotient bits. */
function reduce(steps: i32, nearest: bool): void {
  let rest = aSig;
  let q: u64 = 0;
  let exp = aExp;
  if (steps < 0) {
    // FPREM1 of a value between b/2 and b.
    nearestOfSmall();
    return;
  }
  if (rest >= bSig) {
    rest -= bSig;
    q = 1;
  }
  for (let i = 0; i < steps; i++) {
    const carry = rest >> 63;
    rest <<= 1;
    q <<= 1;
    exp -= 1;
    if (carry != 0 || rest >= bSig) {
      rest -= bSig;
      q |= 1;
    }
  }
  let sign = aSign;
  if (nearest) {
    // rest is in units of bSig here; away if it is more than half of b, or half and q odd.
    const other = bSig - rest;
    if (rest > other || (rest == other && (q & 1) != 0)) {
      rest = other;
      sign ^= 1;
      q += 1;
    }
  }
  remainderQuotient = u32(q & 7);
  finishRemainder(sign, exp, rest);
}

function nearestOfSmall(): void {
  // a < b: quotient 0 or 1. Here aExp = bExp - 1, so a > b/2 is aSig > bSig.
  if (aSig <= bSig) return;
  remainderQuotient = 1;
  // b - a in units of a's last bit: 2*bSig - aSig, which is below 2^64 because aSig > bSig.
  finishRemainder(aSign ^ 1, aExp, (bSig << 1) - aSig);
}

function finishRemainder(sign: u32, exp: i32, rest: u64): void {
  if (rest == 0) {
    resultZero(aSign);
    return;
  }
  resultFinite(sign, exp, rest, 0);
  normalise();
}

/** b as a signed integer of `bits` bits; IE and the integer indefinite if it does not fit. */
export function f80ToInteger(bits: i32, truncate: bool): i64 {
  return toInteger(bits, truncate ? ROUND_ZERO : fpRounding);
}
