// Shifts and rotates (SDM Vol. 1 5.1.5). The count is masked to 5 bits, 6 for 64-bit operands; a masked count of 0 changes no flag.
// Where the SDM leaves OF undefined (counts above 1) it is computed as for 1, which is what the chips do.

import { fcf, flagsCarryOverflow, flagsShift, msb } from "../cpu/flags";

/** Masked count of an operand of type T. */
// @ts-ignore: decorator
@inline
export function countOf<T>(b: u8): u32 {
  return <u32>b & (sizeof<T>() == 8 ? 63 : 31);
}

export function SHL<T>(a: T, b: u8): T {
  const n: u32 = <u32>b & (sizeof<T>() == 8 ? 63 : 31);
  if (!n) return a;
  if (n > sizeof<T>() * 8) {
    flagsShift<T>(0, 0, 0);
    return 0;
  }
  const carry = <u32>(<u64>a >> <u64>(sizeof<T>() * 8 - n)) & 1;
  const r: T = n == sizeof<T>() * 8 ? 0 : <T>(<u64>a << <u64>n);
  flagsShift<T>(r, carry, msb<T>(r) ^ carry);
  return r;
}

export function SHR<T>(a: T, b: u8): T {
  const n: u32 = <u32>b & (sizeof<T>() == 8 ? 63 : 31);
  if (!n) return a;
  const carry = <u32>(<u64>a >> <u64>(n - 1)) & 1;
  const r = <T>(n == 64 ? 0 : <u64>a >> <u64>n);
  flagsShift<T>(r, carry, n == 1 ? msb<T>(a) : msb<T>(r) ^ msb<T>(<T>(r << 1)));
  return r;
}

export function SAR<T>(a: T, b: u8): T {
  const n: u32 = <u32>b & (sizeof<T>() == 8 ? 63 : 31);
  if (!n) return a;
  const wide: i64 = sizeof<T>() == 1 ? <i64><i8>a : sizeof<T>() == 2 ? <i64><i16>a : sizeof<T>() == 4 ? <i64><i32>a : <i64>a;
  const carry = <u32>(wide >> <i64>(n - 1)) & 1;
  const r = <T>(wide >> <i64>n);
  flagsShift<T>(r, carry, 0);
  return r;
}

export function ROL<T>(a: T, b: u8): T {
  const masked = countOf<T>(b);
  if (!masked) return a;
  const n = <u64>(masked & (sizeof<T>() * 8 - 1));
  const r: T = n ? <T>((<u64>a << n) | (<u64>a >> (sizeof<T>() * 8 - n))) : a;
  const carry = <u32>r & 1;
  flagsCarryOverflow(carry, msb<T>(r) ^ carry);
  return r;
}

export function ROR<T>(a: T, b: u8): T {
  const masked = countOf<T>(b);
  if (!masked) return a;
  const n = <u64>(masked & (sizeof<T>() * 8 - 1));
  const r: T = n ? <T>((<u64>a >> n) | (<u64>a << (sizeof<T>() * 8 - n))) : a;
  flagsCarryOverflow(msb<T>(r), msb<T>(r) ^ msb<T>(<T>(r << 1)));
  return r;
}

export function RCL<T>(a: T, b: u8): T {
  const bits: u32 = sizeof<T>() * 8;
  const n = sizeof<T>() >= 4 ? countOf<T>(b) : countOf<T>(b) % (bits + 1);
  if (!n) return a;
  let r = <u64>a;
  let carry = fcf;
  for (let k: u32 = 0; k < n; k++) {
    const out = <u32>(r >> <u64>(bits - 1)) & 1;
    r = (r << 1) | carry;
    carry = out;
  }
  flagsCarryOverflow(carry, msb<T>(<T>r) ^ carry);
  return <T>r;
}

export function RCR<T>(a: T, b: u8): T {
  const bits: u32 = sizeof<T>() * 8;
  const n = sizeof<T>() >= 4 ? countOf<T>(b) : countOf<T>(b) % (bits + 1);
  if (!n) return a;
  let r = <u64>a;
  let carry = fcf;
  for (let k: u32 = 0; k < n; k++) {
    const out = <u32>r & 1;
    r = (r >> 1) | (<u64>carry << <u64>(bits - 1));
    carry = out;
  }
  flagsCarryOverflow(carry, msb<T>(<T>r) ^ msb<T>(<T>(r << 1)));
  return <T>r;
}

/** SHLD r/m, r, count. Counts above 16 with 16-bit operands are undefined; as on the chips, b:a:b is shifted. */
export function SHLD<T>(a: T, b: T, i: u64): T {
  const n = i & (sizeof<T>() == 8 ? 63 : 31);
  if (!n) return a;
  let r: T = 0;
  let carry: u32 = 0;
  if (sizeof<T>() == 2) {
    const wide = (<u64>a << 32) | (<u64>b << 16) | <u64>a;
    r = <T>(wide >> (32 - n));
    carry = <u32>(wide >> (48 - n)) & 1;
  } else {
    r = <T>((<u64>a << n) | (<u64>b >> (sizeof<T>() * 8 - n)));
    carry = <u32>(<u64>a >> (sizeof<T>() * 8 - n)) & 1;
  }
  flagsShift<T>(r, carry, msb<T>(a) ^ msb<T>(r));
  return r;
}

export function SHRD<T>(a: T, b: T, i: u64): T {
  const n = i & (sizeof<T>() == 8 ? 63 : 31);
  if (!n) return a;
  let r: T = 0;
  let carry: u32 = 0;
  if (sizeof<T>() == 2) {
    const wide = (<u64>a << 32) | (<u64>b << 16) | <u64>a;
    r = <T>(wide >> n);
    carry = <u32>(wide >> (n - 1)) & 1;
  } else {
    r = <T>((<u64>a >> n) | (<u64>b << (sizeof<T>() * 8 - n)));
    carry = <u32>(<u64>a >> (n - 1)) & 1;
  }
  flagsShift<T>(r, carry, msb<T>(a) ^ msb<T>(r));
  return r;
}
