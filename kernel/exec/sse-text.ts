// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM: string and text comparison (SDM Vol. 1 5.11.1, Vol. 2B 4.1).
// Called from exec() with the operands fetched; lengths and results are in fixed registers.
//
// Immediate:  1..0 element: u8 u16 i8 i16     3..2 how: equal any, ranges, equal each, equal ordered
//             5..4 negate: bit 0 = negate, bit 1 = only where the second string is valid     6 last index, or elements of the mask

import { CPU_BLOCK } from "../abi/layout";
import { FLAG_CF, FLAG_OF, FLAG_SF, FLAG_ZF } from "../abi/bits";
import { RAX, RCX, RDX, XMM } from "../abi/state";
import { setArithmeticFlags } from "../cpu/flags";

const operands = memory.data(32, 16);

/** Element k of the first (which = 0) or second string. */
function element(which: u32, k: u32, i: u32): i32 {
  const p = operands + which * 16;
  switch (i & 3) {
    case 0: return load<u8>(p + k);
    case 1: return load<u16>(p + k * 2);
    case 2: return load<i8>(p + k);
    default: return load<i16>(p + k * 2);
  }
}

/** Elements before the first zero. */
function implicitLength(which: u32, i: u32): u32 {
  const most: u32 = i & 1 ? 8 : 16;
  for (let k: u32 = 0; k < most; k++) if (!element(which, k, i)) return k;
  return most;
}

/** The absolute value of EAX, EDX (RAX, RDX with REX.W), at most the number of elements. */
function explicitLength<T>(register: i32, i: u32): u32 {
  const value: i64 = sizeof<T>() == 8 ? load<i64>(CPU_BLOCK + register) : <i64>load<i32>(CPU_BLOCK + register);
  const most: u64 = i & 1 ? 8 : 16;
  const size = <u64>(value < 0 ? -value : value);
  return <u32>min<u64>(size, most);
}

/** IntRes1: bit j for element j of the second string (for "equal ordered": the first string begins there). */
function aggregate(i: u32, length1: u32, length2: u32): u32 {
  const most: u32 = i & 1 ? 8 : 16;
  let result: u32 = 0;
  for (let j: u32 = 0; j < most; j++) {
    let hit = false;
    switch ((i >> 2) & 3) {
      case 0: {
        for (let k: u32 = 0; k < length1 && j < length2; k++) if (element(0, k, i) == element(1, j, i)) hit = true;
        break;
      }
      case 1: {
        for (let k: u32 = 0; k + 1 < length1 && j < length2; k += 2) {
          const x = element(1, j, i);
          if (x >= element(0, k, i) && x <= element(0, k + 1, i)) hit = true;
        }
        break;
      }
      case 2: {
        hit = j < length1 && j < length2 ? element(0, j, i) == element(1, j, i) : j >= length1 && j >= length2;
        break;
      }
      default: {
        hit = true;
        for (let k: u32 = 0; k < length1 && j + k < most; k++) {
          if (j + k >= length2 || element(0, k, i) != element(1, j + k, i)) hit = false;
        }
        break;
      }
    }
    if (hit) result |= 1 << j;
  }
  return result;
}

/** IntRes2, and the flags that all four instructions set. */
function compare(i: u32, length1: u32, length2: u32): u32 {
  const most: u32 = i & 1 ? 8 : 16;
  const all: u32 = (1 << most) - 1;
  let result = aggregate(i, length1, length2);
  if (i & 0x10) result ^= i & 0x20 ? (1 << length2) - 1 : all;
  let flags: u32 = 0;
  if (result) flags |= FLAG_CF;
  if (length2 < most) flags |= FLAG_ZF;
  if (length1 < most) flags |= FLAG_SF;
  if (result & 1) flags |= FLAG_OF;
  setArithmeticFlags(flags);
  return result;
}

function storeIndex(i: u32, result: u32): void {
  const most: u32 = i & 1 ? 8 : 16;
  let index = most;
  if (result) index = i & 0x40 ? 31 - clz(result) : ctz(result);
  store<u64>(CPU_BLOCK, index, RCX);
}

function storeMask(i: u32, result: u32): void {
  let r = i64x2.replace_lane(i64x2.splat(0), 0, <u64>result);
  if (i & 0x40) {
    if (i & 1) {
      const bits = i16x8(1, 2, 4, 8, 16, 32, 64, 128);
      r = i16x8.eq(v128.and(i16x8.splat(<i16>result), bits), bits);
    } else {
      const bits = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
      const each = v128.swizzle(i16x8.splat(<i16>result), i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
      r = i8x16.eq(v128.and(each, bits), bits);
    }
  }
  v128.store(CPU_BLOCK, r, XMM);
}

function explicitResult<T>(a: v128, b: v128, i: u32): u32 {
  v128.store(operands, a);
  v128.store(operands + 16, b);
  return compare(i, explicitLength<T>(RAX, i), explicitLength<T>(RDX, i));
}

function implicitResult(a: v128, b: v128, i: u32): u32 {
  v128.store(operands, a);
  v128.store(operands + 16, b);
  return compare(i, implicitLength(0, i), implicitLength(1, i));
}

export function PCMPESTRI<T>(a: v128, b: v128, i: u64): void {
  storeIndex(<u32>i, explicitResult<T>(a, b, <u32>i));
}

export function PCMPESTRM<T>(a: v128, b: v128, i: u64): void {
  storeMask(<u32>i, explicitResult<T>(a, b, <u32>i));
}

export function PCMPISTRI(a: v128, b: v128, i: u64): void {
  storeIndex(<u32>i, implicitResult(a, b, <u32>i));
}

export function PCMPISTRM(a: v128, b: v128, i: u64): void {
  storeMask(<u32>i, implicitResult(a, b, <u32>i));
}
