// Exact IEEE 754 arithmetic for SSE and the x87: the floating-point environment, unpacked numbers, and rounding.
// Wasm's own floats round to nearest only, keep no exception flags and leave NaN payloads open, so this is the reference for all of it.
//
// What an instruction does: set the environment (`fpUseMxcsr` or `fpUseControlWord`: they also clear `fpFlags`), call functions
// of softfloat-sse.ts (f32, f64) or softfloat-f80.ts on bit patterns, then look at
//   fpFlags      exceptions met, as bits of MXCSR and of the x87 status word: IE=1 DE=2 ZE=4 OE=8 UE=16 PE=32; they accumulate over lanes
//   fpMasks      the same bits, set = masked. `fpFlags & ~fpMasks` != 0: an unmasked exception, the results are not to be stored
//   fpRounding   0 nearest even, 1 down, 2 up, 3 towards zero (as MXCSR.RC and the control word's RC)
//   fpDaz fpFtz  MXCSR's denormals-are-zero and flush-to-zero; always off for the x87
//   fpPrecision  significand bits of x87 results: 24, 53 or 64
//   fpRoundedUp  the last rounding made the magnitude larger (x87 C1)
//
// An unpacked finite number is (-1)^sign * sig/2^63 * 2^exp with bit 63 of sig set; a result has 64 more bits, the last of them sticky.
//
//   bit 127                 64 63                  0
//      +----------------------+--------------------+
//      | zHi  1.fffff...fffff | zLo  the rest      |     exponent of bit 127 is zExp
//      +----------------------+--------------------+

export const IE: u32 = 1;
export const DE: u32 = 2;
export const ZE: u32 = 4;
export const OE: u32 = 8;
export const UE: u32 = 16;
export const PE: u32 = 32;

export const ROUND_NEAREST: u32 = 0;
export const ROUND_DOWN: u32 = 1;
export const ROUND_UP: u32 = 2;
export const ROUND_ZERO: u32 = 3;

export const CLASS_ZERO: u32 = 0;
export const CLASS_FINITE: u32 = 1;
export const CLASS_INFINITY: u32 = 2;
export const CLASS_QNAN: u32 = 3;
export const CLASS_SNAN: u32 = 4;
/** An 80-bit pattern that no 387 makes: unnormal, pseudo-infinity, pseudo-NaN (SDM Vol. 1 table 8-3). */
export const CLASS_UNSUPPORTED: u32 = 5;

const INTEGER_BIT: u64 = 0x8000000000000000;
const QUIET_BIT: u64 = 0x4000000000000000;

export let fpRounding: u32 = ROUND_NEAREST;
export let fpMasks: u32 = 63;
export let fpFlags: u32 = 0;
export let fpDaz: bool = false;
export let fpFtz: bool = false;
export let fpPrecision: i32 = 64;
export let fpRoundedUp: bool = false;

/** First operand, second operand. */
export let aSign: u32 = 0;
export let aExp: i32 = 0;
export let aSig: u64 = 0;
export let aClass: u32 = 0;
export let bSign: u32 = 0;
export let bExp: i32 = 0;
export let bSig: u64 = 0;
export let bClass: u32 = 0;
/** DE if an operand unpacked since `beginOperation` is denormal. */
export let denormalOperand: u32 = 0;

/** Result. */
export let zSign: u32 = 0;
export let zExp: i32 = 0;
export let zHi: u64 = 0;
export let zLo: u64 = 0;
export let zClass: u32 = 0;
let inexact: bool = false;

/** What unmasked overflow adds to the exponent and underflow takes from it (x87, SDM Vol. 1 8.5.4, 8.5.5). */
const EXPONENT_ADJUST: i32 = 24576;

/** Environment of an SSE instruction; clears `fpFlags`. */
export function fpUseMxcsr(mxcsr: u32): void {
  fpRounding = (mxcsr >> 13) & 3;
  fpMasks = (mxcsr >> 7) & 63;
  fpDaz = (mxcsr & 0x40) != 0;
  fpFtz = (mxcsr & 0x8000) != 0;
  fpFlags = 0;
}

/** Environment of an x87 instruction; clears `fpFlags`. PC = 01 is reserved and means 64 bits on the chip. */
export function fpUseControlWord(fcw: u32): void {
  fpRounding = (fcw >> 10) & 3;
  fpMasks = fcw & 63;
  fpDaz = false;
  fpFtz = false;
  const pc = (fcw >> 8) & 3;
  fpPrecision = pc == 0 ? 24 : pc == 2 ? 53 : 64;
  fpFlags = 0;
  fpRoundedUp = false;
}

/** Raises the denormal exception if an operand asks for it; true if it is unmasked and nothing is to be computed. */
export function denormalStops(): bool {
  fpFlags |= denormalOperand;
  if ((denormalOperand & ~fpMasks) == 0) return false;
  zClass = CLASS_ZERO;
  return true;
}

export function beginOperation(): void {
  denormalOperand = 0;
  zLo = 0;
}

// --- unpacking -------------------------------------------------------------------------------------------------------------

export function unpackA<T>(v: T): void {
  unpackB<T>(v);
  aSign = bSign;
  aExp = bExp;
  aSig = bSig;
  aClass = bClass;
}

export function unpackB<T>(v: T): void {
  let biased: u32, fraction: u64;
  if (sizeof<T>() == 8) {
    bSign = u32((v as u64) >> 63);
    biased = u32((v as u64) >> 52) & 0x7ff;
    fraction = (v as u64) << 12;
  } else {
    bSign = (v as u32) >> 31;
    biased = ((v as u32) >> 23) & 0xff;
    fraction = ((v as u32) as u64) << 41;
  }
  const top: u32 = sizeof<T>() == 8 ? 0x7ff : 0xff;
  const bias: i32 = sizeof<T>() == 8 ? 1023 : 127;
  if (biased == 0) {
    if (fraction == 0 || fpDaz) {
      bClass = CLASS_ZERO;
      return;
    }
    denormalOperand = DE;
    const n = i32(clz(fraction));
    bClass = CLASS_FINITE;
    bSig = fraction << n;
    bExp = -bias - n;
    return;
  }
  bSig = INTEGER_BIT | (fraction >> 1);
  if (biased == top) {
    bClass = fraction == 0 ? CLASS_INFINITY : (bSig & QUIET_BIT) != 0 ? CLASS_QNAN : CLASS_SNAN;
    return;
  }
  bClass = CLASS_FINITE;
  bExp = i32(biased) - bias;
}

/** An 80-bit operand; `se` is sign and exponent, its last two bytes. */
export function unpackF80(se: u32, sig: u64): void {
  bSign = (se >> 15) & 1;
  bSig = sig;
  const biased = se & 0x7fff;
  if (biased == 0) {
    if (sig == 0) {
      bClass = CLASS_ZERO;
      return;
    }
    denormalOperand = DE;
    const n = i32(clz(sig));
    bClass = CLASS_FINITE;
    bSig = sig << n;
    bExp = -16382 - n;
    return;
  }
  if ((sig & INTEGER_BIT) == 0) {
    bClass = CLASS_UNSUPPORTED;
    return;
  }
  if (biased == 0x7fff) {
    bClass = sig == INTEGER_BIT ? CLASS_INFINITY : (sig & QUIET_BIT) != 0 ? CLASS_QNAN : CLASS_SNAN;
    return;
  }
  bClass = CLASS_FINITE;
  bExp = i32(biased) - 16383;
}

export function unpackF80A(se: u32, sig: u64): void {
  unpackF80(se, sig);
  aSign = bSign;
  aExp = bExp;
  aSig = bSig;
  aClass = bClass;
}

// --- results that need no arithmetic ----------------------------------------------------------------------------------------

/** Invalid operation: the result is the default NaN ("QNaN floating-point indefinite", negative). */
export function invalid(): void {
  fpFlags |= IE;
  resultNaN(1, 0xc000000000000000);
}

export function resultNaN(sign: u32, sig: u64): void {
  zClass = CLASS_QNAN;
  zSign = sign;
  zHi = sig | QUIET_BIT;
}

export function resultZero(sign: u32): void {
  zClass = CLASS_ZERO;
  zSign = sign;
}

export function resultInfinity(sign: u32): void {
  zClass = CLASS_INFINITY;
  zSign = sign;
}

export function resultFinite(sign: u32, exp: i32, hi: u64, lo: u64): void {
  zClass = CLASS_FINITE;
  zSign = sign;
  zExp = exp;
  zHi = hi;
  zLo = lo;
}

/** SSE: the first operand if it is a NaN, else the second (SDM Vol. 1 table 4-7). True if there was one. */
export function nanOfTwo(): bool {
  if (aClass < CLASS_QNAN && bClass < CLASS_QNAN) return false;
  if (aClass == CLASS_SNAN || bClass == CLASS_SNAN) fpFlags |= IE;
  if (aClass >= CLASS_QNAN) resultNaN(aSign, aSig);
  else resultNaN(bSign, bSig);
  return true;
}

export function nanOfOne(): bool {
  if (bClass < CLASS_QNAN) return false;
  if (bClass == CLASS_SNAN) fpFlags |= IE;
  resultNaN(bSign, bSig);
  return true;
}

/**
 * x87: a QNaN before an SNaN, then the larger significand, then the positive one (SDM Vol. 1 table 4-7);
 * an unsupported format is invalid before all else.
 */
export function nanOfTwoF80(): bool {
  if (aClass < CLASS_QNAN && bClass < CLASS_QNAN) return false;
  if (aClass == CLASS_UNSUPPORTED || bClass == CLASS_UNSUPPORTED) {
    invalid();
    return true;
  }
  if (aClass == CLASS_SNAN || bClass == CLASS_SNAN) fpFlags |= IE;
  let first = bClass < CLASS_QNAN;
  if (aClass >= CLASS_QNAN && bClass >= CLASS_QNAN) {
    if (aClass != bClass) first = aClass == CLASS_QNAN;
    else first = aSig > bSig || (aSig == bSig && aSign <= bSign);
  }
  if (first) resultNaN(aSign, aSig);
  else resultNaN(bSign, bSig);
  return true;
}

export function nanOfOneF80(): bool {
  if (bClass < CLASS_QNAN) return false;
  if (bClass == CLASS_UNSUPPORTED) {
    invalid();
    return true;
  }
  return nanOfOne();
}

// --- rounding ---------------------------------------------------------------------------------------------------------------

/** Bits below the last of `p` kept ones, left-aligned, the last sticky. */
// @ts-ignore: decorator
@inline
function remainderBits(p: i32): u64 {
  return p == 64 ? zLo : (zHi << p) | u64(zLo != 0);
}

/** Whether rounding z to `p` bits goes away from zero. */
function roundsAway(p: i32): bool {
  const rest = remainderBits(p);
  if (rest == 0) return false;
  if (fpRounding == ROUND_NEAREST) return rest > INTEGER_BIT || (rest == INTEGER_BIT && ((zHi >> (64 - p)) & 1) != 0);
  if (fpRounding == ROUND_ZERO) return false;
  return (fpRounding == ROUND_DOWN) == (zSign != 0);
}

/** Rounds the significand to `p` bits and leaves `inexact` and `fpRoundedUp`. */
export function roundSignificand(p: i32): void {
  const away = roundsAway(p);
  inexact = remainderBits(p) != 0;
  fpRoundedUp = away;
  zLo = 0;
  if (p < 64) zHi = (zHi >> (64 - p)) << (64 - p);
  if (!away) return;
  zHi += (1 as u64) << (64 - p);
  if (zHi < (1 as u64) << (64 - p)) {
    zHi = INTEGER_BIT;
    zExp += 1;
  }
}

/** Shifts z right by n > 0, the bits lost staying sticky. */
export function shiftRightSticky(n: i32): void {
  if (n >= 128) {
    zLo = u64((zHi | zLo) != 0);
    zHi = 0;
  } else if (n >= 64) {
    const lost = n == 64 ? zLo : zLo | (zHi << (128 - n));
    zLo = (zHi >> (n - 64)) | u64(lost != 0);
    zHi = 0;
  } else {
    const lost = zLo << (64 - n);
    zLo = (zLo >> n) | (zHi << (64 - n)) | u64(lost != 0);
    zHi >>= n;
  }
}

/**
 * Rounds a finite z to `p` bits with exponents emin..emax, with the masked responses (or, unmasked, the x87's adjusted exponent).
 * Tininess is detected after rounding, as on all x86. A denormal leaves with bit 63 of zHi clear and zExp = emin.
 */
export function roundFinite(p: i32, emin: i32, emax: i32): void {
  if (zExp < emin && (zExp < emin - 1 || !carriesOut(p))) {
    roundTiny(p, emin);
    return;
  }
  roundSignificand(p);
  if (inexact) fpFlags |= PE;
  if (zExp > emax) overflow(p, emax);
}

function carriesOut(p: i32): bool {
  return zHi >> (64 - p) == (~(0 as u64)) >> (64 - p) && roundsAway(p);
}

function roundTiny(p: i32, emin: i32): void {
  if ((fpMasks & UE) == 0) {
    fpFlags |= UE;
    roundSignificand(p);
    if (inexact) fpFlags |= PE;
    zExp += EXPONENT_ADJUST;
    if (zExp < emin) {
      // FSCALE alone gets here.
      fpFlags |= PE;
      zClass = CLASS_ZERO;
    }
    return;
  }
  if (fpFtz) {
    fpFlags |= UE | PE;
    zClass = CLASS_ZERO;
    return;
  }
  shiftRightSticky(emin - zExp);
  zExp = emin;
  roundSignificand(p);
  if (inexact) fpFlags |= UE | PE;
  if (zHi == 0) zClass = CLASS_ZERO;
}

function overflow(p: i32, emax: i32): void {
  fpFlags |= OE;
  if ((fpMasks & OE) == 0) {
    zExp -= EXPONENT_ADJUST;
    if (zExp > emax) {
      fpFlags |= PE;
      fpRoundedUp = true;
      zClass = CLASS_INFINITY;
    }
    return;
  }
  fpFlags |= PE;
  fpRoundedUp = fpRounding == ROUND_NEAREST || (fpRounding != ROUND_ZERO && (fpRounding == ROUND_DOWN) == (zSign != 0));
  if (fpRoundedUp) {
    zClass = CLASS_INFINITY;
    return;
  }
  zExp = emax;
  zHi = ~(0 as u64) << (64 - p);
}

/** Rounds and packs z as f32 or f64. */
export function roundAndPack<T>(): T {
  if (zClass == CLASS_FINITE) {
    if (sizeof<T>() == 8) roundFinite(53, -1022, 1023);
    else roundFinite(24, -126, 127);
  }
  const top: u64 = sizeof<T>() == 8 ? 0x7ff : 0xff;
  let biased: u64 = 0;
  let sig: u64 = 0;
  if (zClass == CLASS_FINITE) {
    sig = zHi;
    if ((sig & INTEGER_BIT) != 0) biased = u64(zExp + (sizeof<T>() == 8 ? 1023 : 127)) & top;
  } else if (zClass != CLASS_ZERO) {
    biased = top;
    if (zClass == CLASS_QNAN) sig = zHi;
  }
  if (sizeof<T>() == 8) return ((u64(zSign) << 63) | (biased << 52) | ((sig << 1) >> 12)) as T;
  return ((zSign << 31) | u32(biased << 23) | u32((sig << 1) >> 41)) as T;
}

/** Sign and exponent of the last 80-bit result; its significand is the function's value. */
export let f80SignExponent: u32 = 0;

/** Packs z as f80 after rounding to `p` bits. */
export function roundAndPackF80(p: i32): u64 {
  const sign = zSign << 15;
  if (zClass == CLASS_FINITE) {
    roundFinite(p, -16382, 16383);
    if (zClass == CLASS_FINITE) {
      f80SignExponent = (zHi & INTEGER_BIT) != 0 ? sign | (u32(zExp + 16383) & 0x7fff) : sign;
      return zHi;
    }
  }
  f80SignExponent = zClass == CLASS_ZERO ? sign : sign | 0x7fff;
  if (zClass == CLASS_ZERO) return 0;
  return zClass == CLASS_INFINITY ? INTEGER_BIT : zHi;
}
