// Binary arithmetic (SDM Vol. 1 5.1.2): add, subtract, compare, increment, negate, multiply, divide.

import { CPU_BLOCK } from "../abi/layout";
import { RAX, RDX } from "../abi/state";
import { VECTOR_DE } from "../abi/vectors";
import { raise, faulted } from "../cpu/fault";
import {
  flagsAdc, flagsAdd, flagsDec, flagsInc, flagsMul, flagsSbb, flagsSub, fcf, sx,
} from "../cpu/flags";
import { opsize, readRm } from "../decode/uop";

export function ADD<T>(a: T, b: T): T {
  const r: T = a + b;
  flagsAdd<T>(a, b, r);
  return r;
}

export function ADC<T>(a: T, b: T): T {
  const r: T = a + b + <T>fcf;
  flagsAdc<T>(a, b, r);
  return r;
}

export function SUB<T>(a: T, b: T): T {
  const r: T = a - b;
  flagsSub<T>(a, b, r);
  return r;
}

export function SBB<T>(a: T, b: T): T {
  const r: T = a - b - <T>fcf;
  flagsSbb<T>(a, b, r);
  return r;
}

export function CMP<T>(a: T, b: T): void {
  const r: T = a - b;
  flagsSub<T>(a, b, r);
}

export function INC<T>(a: T): T {
  const r: T = a + 1;
  flagsInc<T>(r);
  return r;
}

export function DEC<T>(a: T): T {
  const r: T = a - 1;
  flagsDec<T>(a, r);
  return r;
}

export function NEG<T>(a: T): T {
  const zero: T = 0;
  const r: T = zero - a;
  flagsSub<T>(zero, a, r);
  return r;
}

/** High half of the unsigned product. */
// @ts-ignore: decorator
@inline
export function mulHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const low = al * bl;
  const mid = ah * bl + (low >> 32);
  const mid2 = al * bh + (mid & 0xffffffff);
  return ah * bh + (mid >> 32) + (mid2 >> 32);
}

/** High half of the signed product. */
// @ts-ignore: decorator
@inline
export function mulHighSigned(a: i64, b: i64): i64 {
  return <i64>(mulHigh(<u64>a, <u64>b) - (<u64>(a >> 63) & <u64>b) - (<u64>(b >> 63) & <u64>a));
}

export function IMUL<T>(a: T, b: T): T {
  const r: T = a * b;
  let wide: u32 = 0;
  if (sizeof<T>() == 8) {
    // Operands of 32 bits, the common case, need no high half.
    if (<i64><i32>a != <i64>a || <i64><i32>b != <i64>b) wide = u32(mulHighSigned(<i64>a, <i64>b) != <i64>r >> 63);
  } else wide = u32(sx<T>(a) * sx<T>(b) != sx<T>(r));
  flagsMul<T>(r, wide);
  return r;
}

/** IMUL r, r/m, imm. */
export function IMUL3<T>(b: T, i: u64): T {
  const c = <T>i;
  const r: T = b * c;
  let wide: u32 = 0;
  if (sizeof<T>() == 8) {
    if (<i64><i32>b != <i64>b) wide = u32(mulHighSigned(<i64>b, <i64>c) != <i64>r >> 63);
  } else wide = u32(sx<T>(b) * sx<T>(c) != sx<T>(r));
  flagsMul<T>(r, wide);
  return r;
}

/** MUL r/m: rDX:rAX = rAX * r/m, AX = AL * r/m8. */
export function MUL(u: usize): void {
  switch (opsize(u)) {
    case 1: {
      const b = readRm<u8>(u);
      if (faulted) return;
      const r = <u32>load<u8>(CPU_BLOCK, RAX) * <u32>b;
      store<u16>(CPU_BLOCK, <u16>r, RAX);
      flagsMul<u8>(<u8>r, u32(r > 0xff));
      return;
    }
    case 2: {
      const b = readRm<u16>(u);
      if (faulted) return;
      const r = <u32>load<u16>(CPU_BLOCK, RAX) * <u32>b;
      store<u16>(CPU_BLOCK, <u16>r, RAX);
      store<u16>(CPU_BLOCK, <u16>(r >> 16), RDX);
      flagsMul<u16>(<u16>r, u32(r > 0xffff));
      return;
    }
    case 4: {
      const b = readRm<u32>(u);
      if (faulted) return;
      const r = <u64>load<u32>(CPU_BLOCK, RAX) * <u64>b;
      store<u64>(CPU_BLOCK, r & 0xffffffff, RAX);
      store<u64>(CPU_BLOCK, r >> 32, RDX);
      flagsMul<u32>(<u32>r, u32(r > 0xffffffff));
      return;
    }
    default: {
      const b = readRm<u64>(u);
      if (faulted) return;
      const a = load<u64>(CPU_BLOCK, RAX);
      const high = mulHigh(a, b);
      store<u64>(CPU_BLOCK, a * b, RAX);
      store<u64>(CPU_BLOCK, high, RDX);
      flagsMul<u64>(a * b, u32(high != 0));
    }
  }
}

/** IMUL r/m, one operand. */
export function IMUL1(u: usize): void {
  switch (opsize(u)) {
    case 1: {
      const b = readRm<u8>(u);
      if (faulted) return;
      const r = <i32>load<i8>(CPU_BLOCK, RAX) * <i32><i8>b;
      store<u16>(CPU_BLOCK, <u16>r, RAX);
      flagsMul<u8>(<u8>r, u32(r != <i32><i8>r));
      return;
    }
    case 2: {
      const b = readRm<u16>(u);
      if (faulted) return;
      const r = <i32>load<i16>(CPU_BLOCK, RAX) * <i32><i16>b;
      store<u16>(CPU_BLOCK, <u16>r, RAX);
      store<u16>(CPU_BLOCK, <u16>(r >> 16), RDX);
      flagsMul<u16>(<u16>r, u32(r != <i32><i16>r));
      return;
    }
    case 4: {
      const b = readRm<u32>(u);
      if (faulted) return;
      const r = <i64>load<i32>(CPU_BLOCK, RAX) * <i64><i32>b;
      store<u64>(CPU_BLOCK, <u64>r & 0xffffffff, RAX);
      store<u64>(CPU_BLOCK, <u64>r >> 32, RDX);
      flagsMul<u32>(<u32>r, u32(r != <i64><i32>r));
      return;
    }
    default: {
      const b = readRm<u64>(u);
      if (faulted) return;
      const a = load<i64>(CPU_BLOCK, RAX);
      const high = mulHighSigned(a, <i64>b);
      const low = a * <i64>b;
      store<i64>(CPU_BLOCK, low, RAX);
      store<i64>(CPU_BLOCK, high, RDX);
      flagsMul<u64>(<u64>low, u32(high != low >> 63));
    }
  }
}

let quotient: u64 = 0;
let remainder: u64 = 0;

/** high:low / divisor by shift and subtract; needs high < divisor. */
function divideWide(high: u64, low: u64, divisor: u64): void {
  if (!high) {
    quotient = low / divisor;
    remainder = low % divisor;
    return;
  }
  let rest = high;
  let q: u64 = 0;
  for (let i = 63; i >= 0; i--) {
    const top = rest >> 63;
    rest = (rest << 1) | ((low >> <u64>i) & 1);
    if (top || rest >= divisor) {
      rest -= divisor;
      q |= <u64>1 << <u64>i;
    }
  }
  quotient = q;
  remainder = rest;
}

/** DIV r/m. Flags are undefined and stay. */
export function DIV(u: usize): void {
  switch (opsize(u)) {
    case 1: {
      const b = <u32>readRm<u8>(u);
      if (faulted) return;
      const a = <u32>load<u16>(CPU_BLOCK, RAX);
      if (!b || a / b > 0xff) return raise(VECTOR_DE, 0);
      store<u16>(CPU_BLOCK, <u16>((a / b) | ((a % b) << 8)), RAX);
      return;
    }
    case 2: {
      const b = <u32>readRm<u16>(u);
      if (faulted) return;
      const a = <u32>load<u16>(CPU_BLOCK, RAX) | (<u32>load<u16>(CPU_BLOCK, RDX) << 16);
      if (!b || a / b > 0xffff) return raise(VECTOR_DE, 0);
      store<u16>(CPU_BLOCK, <u16>(a / b), RAX);
      store<u16>(CPU_BLOCK, <u16>(a % b), RDX);
      return;
    }
    case 4: {
      const b = <u64>readRm<u32>(u);
      if (faulted) return;
      const a = <u64>load<u32>(CPU_BLOCK, RAX) | (<u64>load<u32>(CPU_BLOCK, RDX) << 32);
      if (!b || a / b > 0xffffffff) return raise(VECTOR_DE, 0);
      store<u64>(CPU_BLOCK, a / b, RAX);
      store<u64>(CPU_BLOCK, a % b, RDX);
      return;
    }
    default: {
      const b = readRm<u64>(u);
      if (faulted) return;
      const high = load<u64>(CPU_BLOCK, RDX);
      if (high >= b) return raise(VECTOR_DE, 0);
      divideWide(high, load<u64>(CPU_BLOCK, RAX), b);
      store<u64>(CPU_BLOCK, quotient, RAX);
      store<u64>(CPU_BLOCK, remainder, RDX);
    }
  }
}

/** IDIV r/m: truncates towards zero, the remainder has the dividend's sign. */
export function IDIV(u: usize): void {
  switch (opsize(u)) {
    case 1: {
      const b = <i32><i8>readRm<u8>(u);
      if (faulted) return;
      const a = <i32>load<i16>(CPU_BLOCK, RAX);
      if (!b || a / b != <i32><i8>(a / b)) return raise(VECTOR_DE, 0);
      store<u16>(CPU_BLOCK, <u16>(((a / b) & 0xff) | ((a % b) << 8)), RAX);
      return;
    }
    case 2: {
      const b = <i64><i16>readRm<u16>(u);
      if (faulted) return;
      const a = <i64><i32>(<u32>load<u16>(CPU_BLOCK, RAX) | (<u32>load<u16>(CPU_BLOCK, RDX) << 16));
      if (!b || a / b != <i64><i16>(a / b)) return raise(VECTOR_DE, 0);
      store<u16>(CPU_BLOCK, <u16>(a / b), RAX);
      store<u16>(CPU_BLOCK, <u16>(a % b), RDX);
      return;
    }
    case 4: {
      const b = <i64><i32>readRm<u32>(u);
      if (faulted) return;
      const a = <i64>(<u64>load<u32>(CPU_BLOCK, RAX) | (<u64>load<u32>(CPU_BLOCK, RDX) << 32));
      if (!b || (b == -1 && a == i64.MIN_VALUE) || a / b != <i64><i32>(a / b)) return raise(VECTOR_DE, 0);
      store<u64>(CPU_BLOCK, <u64>(a / b) & 0xffffffff, RAX);
      store<u64>(CPU_BLOCK, <u64>(a % b) & 0xffffffff, RDX);
      return;
    }
    default: {
      const b = <i64>readRm<u64>(u);
      if (faulted) return;
      let low = load<u64>(CPU_BLOCK, RAX);
      let high = load<u64>(CPU_BLOCK, RDX);
      const negative = <i64>high < 0;
      if (negative) {
        low = 0 - low;
        high = ~high + u64(low == 0);
      }
      const divisor = b < 0 ? <u64>(0 - b) : <u64>b;
      if (high >= divisor) return raise(VECTOR_DE, 0);
      divideWide(high, low, divisor);
      const negate = negative != (b < 0);
      if (quotient > (negate ? <u64>1 << 63 : <u64>i64.MAX_VALUE)) return raise(VECTOR_DE, 0);
      store<u64>(CPU_BLOCK, negate ? 0 - quotient : quotient, RAX);
      store<u64>(CPU_BLOCK, negative ? 0 - remainder : remainder, RDX);
    }
  }
}
