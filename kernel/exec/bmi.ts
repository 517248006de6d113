// BMI1, BMI2 and ADX (SDM Vol. 1 5.1.16, and 5.1.2 for ADCX and ADOX). Where a row names three operands, `a` is the second and `b` the
// third. Flags that the SDM leaves undefined come out as for a shift: AF clear, SF and PF by the result.

import { CPU_BLOCK } from "../abi/layout";
import { RDX } from "../abi/state";
import { fcf, flagsCarryOverflow, flagsLogic, flagsShift, ovf, setCf } from "../cpu/flags";
import { dst, opsize, src, via } from "../decode/uop";
import { mulHigh } from "./arithmetic";

/** The low `count` bits, all of them from 64 on. */
// @ts-ignore: decorator
@inline
function lowBits(count: u64): u64 {
  return count < 64 ? (<u64>1 << count) - 1 : ~(<u64>0);
}

export function ANDN<T>(a: T, b: T): T {
  const r: T = ~a & b;
  flagsLogic<T>(r);
  return r;
}

export function BLSR<T>(b: T): T {
  const r: T = b & (b - 1);
  flagsShift<T>(r, u32(b == 0), 0);
  return r;
}

export function BLSMSK<T>(b: T): T {
  const r: T = b ^ (b - 1);
  flagsShift<T>(r, u32(b == 0), 0);
  return r;
}

export function BLSI<T>(b: T): T {
  const zero: T = 0;
  const r: T = b & (zero - b);
  flagsShift<T>(r, u32(b != 0), 0);
  return r;
}

/** Bits 7..0 of b: where to begin, 15..8: how many. */
export function BEXTR<T>(a: T, b: T): T {
  const start = <u64>b & 0xff;
  const field: u64 = start < sizeof<T>() * 8 ? <u64>a >> start : 0;
  const r = <T>(field & lowBits((<u64>b >> 8) & 0xff));
  flagsLogic<T>(r);
  return r;
}

export function BZHI<T>(a: T, b: T): T {
  const index = <u64>b & 0xff;
  const r = <T>(<u64>a & lowBits(index));
  flagsShift<T>(r, u32(index >= sizeof<T>() * 8), 0);
  return r;
}

/** Run by run of the mask's ones. */
export function PEXT<T>(a: T, b: T): T {
  let mask = <u64>b;
  let r: u64 = 0;
  let filled: u64 = 0;
  while (mask) {
    const start = ctz<u64>(mask);
    const count = ctz<u64>(~(mask >> start));
    r |= ((<u64>a >> start) & lowBits(count)) << filled;
    filled += count;
    mask &= ~(lowBits(count) << start);
  }
  return <T>r;
}

export function PDEP<T>(a: T, b: T): T {
  let mask = <u64>b;
  let rest = <u64>a;
  let r: u64 = 0;
  while (mask) {
    const start = ctz<u64>(mask);
    const count = ctz<u64>(~(mask >> start));
    r |= (rest & lowBits(count)) << start;
    rest = count < 64 ? rest >> count : 0;
    mask &= ~(lowBits(count) << start);
  }
  return <T>r;
}

/** The low half first: where both destinations are one register, it keeps the high half. */
export function MULX(u: usize): void {
  if (opsize(u) == 8) {
    const a = load<u64>(CPU_BLOCK, RDX);
    const b = load<u64>(src(u));
    store<u64>(via(u), a * b);
    store<u64>(dst(u), mulHigh(a, b));
  } else {
    const product = <u64>load<u32>(CPU_BLOCK, RDX) * <u64>load<u32>(src(u));
    store<u64>(via(u), product & 0xffffffff);
    store<u64>(dst(u), product >> 32);
  }
}

export function SHLX<T>(a: T, b: T): T {
  return a << (b & <T>(sizeof<T>() * 8 - 1));
}

export function SHRX<T>(a: T, b: T): T {
  return a >> (b & <T>(sizeof<T>() * 8 - 1));
}

export function SARX<T>(a: T, b: T): T {
  const count = <i64>b & (sizeof<T>() * 8 - 1);
  return <T>((sizeof<T>() == 8 ? <i64>a : <i64><i32>a) >> count);
}

export function RORX<T>(b: T, i: u64): T {
  return rotr<T>(b, <T>(i & (sizeof<T>() * 8 - 1)));
}

/** ADD with carry in CF alone, the other flags kept. */
export function ADCX<T>(a: T, b: T): T {
  const r: T = a + b + <T>fcf;
  setCf(u32(fcf ? r <= a : r < a));
  return r;
}

/** ADD with carry in OF alone. */
export function ADOX<T>(a: T, b: T): T {
  const carry = ovf();
  const r: T = a + b + <T>carry;
  flagsCarryOverflow(fcf, u32(carry ? r <= a : r < a));
  return r;
}
