// RFLAGS while run() executes: the six arithmetic flags, lazily, in three words. Everything else of RFLAGS is in the CPU block.
//
//   fres  i64   the result, sign-extended from its operand size
//   faux  i64   63: carry into the top bit (OF = this ^ CF)   16: SF is the opposite of fres's sign
//               15..8: xored into the byte whose parity is PF   4: AF
//   fcf   u32   CF, 0 or 1
//
//   ZF = fres == 0    SF = (fres < 0) ^ faux.16    PF = parity of (fres ^ faux >> 8) & 0xff    OF = (faux < 0) ^ fcf
//
// An addition leaves a ^ b ^ r in faux: bit n is the carry into bit n, for a subtraction the borrow. Bits 8..16 serve
// flag words that no result produces (POPF with ZF and SF both set).
//
// The generator copies the bodies below into exec() as text, where fres, faux and fcf are locals: keep them straight-line.

import { CPU_BLOCK } from "../abi/layout";
import { RFLAGS } from "../abi/state";
import { FLAGS_ARITHMETIC, FLAG_CF, FLAG_PF, FLAG_AF, FLAG_ZF, FLAG_SF, FLAG_OF } from "../abi/bits";

export let fres: i64 = 1;
export let faux: i64 = 0;
export let fcf: u32 = 0;

const AUX: i64 = 0x8000000000000010;

/** Sign-extends an operand of unsigned type T. */
// @ts-ignore: decorator
@inline
export function sx<T>(v: T): i64 {
  if (sizeof<T>() == 1) return <i64><i8>v;
  if (sizeof<T>() == 2) return <i64><i16>v;
  if (sizeof<T>() == 4) return <i64><i32>v;
  return <i64>v;
}

/** Top bit of an operand of type T, as 0 or 1. */
// @ts-ignore: decorator
@inline
export function msb<T>(v: T): u32 {
  return <u32>(v >> <T>(sizeof<T>() * 8 - 1));
}

export function flagsAdd<T>(a: T, b: T, r: T): void {
  fres = sx<T>(r);
  faux = sx<T>(a ^ b ^ r) & 0x8000000000000010;
  fcf = u32(r < a);
}

export function flagsAdc<T>(a: T, b: T, r: T): void {
  fres = sx<T>(r);
  faux = sx<T>(a ^ b ^ r) & 0x8000000000000010;
  fcf = msb<T>((a & b) | ((a | b) & ~r));
}

export function flagsSub<T>(a: T, b: T, r: T): void {
  fres = sx<T>(r);
  faux = sx<T>(a ^ b ^ r) & 0x8000000000000010;
  fcf = u32(a < b);
}

export function flagsSbb<T>(a: T, b: T, r: T): void {
  fres = sx<T>(r);
  faux = sx<T>(a ^ b ^ r) & 0x8000000000000010;
  fcf = msb<T>((~a & b) | ((~a | b) & r));
}

/** CF, OF and AF clear; ZF, SF and PF by the result. AF is undefined by the SDM; the chips clear it. */
export function flagsLogic<T>(r: T): void {
  fres = sx<T>(r);
  faux = 0;
  fcf = 0;
}

/** INC: CF stays, so faux.63 is set to what makes OF right beside it. */
export function flagsInc<T>(r: T): void {
  fres = sx<T>(r);
  faux = (<i64>(u32(<T>(r << 1) == 0 && r != 0) ^ fcf) << 63) | (<i64>(u32((r & 0xf) == 0)) << 4);
}

export function flagsDec<T>(a: T, r: T): void {
  fres = sx<T>(r);
  faux = (<i64>(u32(<T>(a << 1) == 0 && a != 0) ^ fcf) << 63) | (<i64>(u32((a & 0xf) == 0)) << 4);
}

/** Result flags with CF and OF given; AF clear. */
export function flagsShift<T>(r: T, carry: u32, overflow: u32): void {
  fres = sx<T>(r);
  faux = <i64>(overflow ^ carry) << 63;
  fcf = carry;
}

/** Multiplication: CF = OF = whether the upper half is needed. SF and PF follow the low half, ZF and AF are clear (undefined in the SDM). */
export function flagsMul<T>(r: T, wide: u32): void {
  fres = sx<T>(r) | (<i64>u32(r == 0) << 8);
  faux = 0;
  fcf = wide;
}

/** CF and OF given, the others kept (rotates). */
export function flagsCarryOverflow(carry: u32, overflow: u32): void {
  faux = (faux & 0x7fffffffffffffff) | (<i64>(overflow ^ carry) << 63);
  fcf = carry;
}

/** CF given, the others kept: OF is relative to CF, so faux.63 moves with it. */
export function setCf(carry: u32): void {
  faux = faux ^ (<i64>(carry ^ fcf) << 63);
  fcf = carry;
}

export function setZf(zero: u32): void {
  setArithmeticFlags((arithmeticFlags() & ~FLAG_ZF) | (zero ? FLAG_ZF : 0));
}

export function cf(): u32 {
  return fcf;
}

export function zf(): u32 {
  return u32(fres == 0);
}

export function sf(): u32 {
  return u32((fres ^ (faux << 47)) < 0);
}

export function ovf(): u32 {
  return u32(faux < 0) ^ fcf;
}

/** SF ^ OF: the signed "less". */
export function lt(): u32 {
  return u32((fres ^ (faux << 47) ^ faux) < 0) ^ fcf;
}

export function pf(): u32 {
  return ~popcnt(<u32>(fres ^ (faux >> 8)) & 0xff) & 1;
}

export function af(): u32 {
  return (<u32>faux >> 4) & 1;
}

/** Condition cc of Jcc, SETcc and CMOVcc, 0..15 (SDM Vol. 1 appendix B). */
export function condition(cc: u32): bool {
  let r: u32 = 0;
  switch (cc >> 1) {
    case 0: { r = ovf(); break; }
    case 1: { r = fcf; break; }
    case 2: { r = zf(); break; }
    case 3: { r = fcf | zf(); break; }
    case 4: { r = sf(); break; }
    case 5: { r = pf(); break; }
    case 6: { r = lt(); break; }
    case 7: { r = lt() | zf(); break; }
  }
  return ((r ^ cc) & 1) != 0;
}

/** The six arithmetic flags at their RFLAGS positions. */
export function arithmeticFlags(): u32 {
  return fcf | (pf() << 2) | (af() << 4) | (zf() << 6) | (sf() << 7) | (ovf() << 11);
}

/** Sets the six arithmetic flags from their RFLAGS positions. */
export function setArithmeticFlags(bits: u32): void {
  const c = bits & FLAG_CF;
  const zero = bits & FLAG_ZF;
  const sign = bits & FLAG_SF;
  fres = zero ? 0 : sign ? i64.MIN_VALUE : 0x100;
  let aux: i64 = <i64>(u32((bits & FLAG_OF) != 0) ^ c) << 63;
  aux |= <i64>(bits & FLAG_AF);
  if (!(bits & FLAG_PF)) aux |= 0x100;
  if (zero && sign) aux |= 0x10000;
  faux = aux;
  fcf = c;
}

/** The whole of RFLAGS, and what the CPU block shall hold when run() returns. */
export function getFlags(): u64 {
  return (load<u64>(CPU_BLOCK, RFLAGS) & ~(<u64>FLAGS_ARITHMETIC)) | <u64>arithmeticFlags();
}

/** Replaces RFLAGS, every bit as given (callers mask by privilege and force bit 1). */
export function putFlags(flags: u64): void {
  store<u64>(CPU_BLOCK, flags, RFLAGS);
  setArithmeticFlags(<u32>flags);
}
