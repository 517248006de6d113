// Horizontal arithmetic: SSE3 on floating point (SDM Vol. 1 5.7.4, 5.7.5), SSSE3 on integers (5.8.1, 5.8.2).
// Called from exec() with the operands fetched.

import {
  full32x4, full64x2, OPERATION_ADD, OPERATION_ADDSUB, OPERATION_SUB,
} from "./sse-float";
import { lowQuadword, pair } from "./mmx-operand";

export function ADDSUBPD(a: v128, b: v128): v128 {
  return full64x2(OPERATION_ADDSUB, a, b);
}

export function ADDSUBPS(a: v128, b: v128): v128 {
  return full32x4(OPERATION_ADDSUB, a, b);
}

function even64(a: v128, b: v128): v128 {
  return v128.shuffle<u64>(a, b, 0, 2);
}

function odd64(a: v128, b: v128): v128 {
  return v128.shuffle<u64>(a, b, 1, 3);
}

function even32(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 0, 2, 4, 6);
}

function odd32(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 1, 3, 5, 7);
}

function even16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}

function odd16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}

export function HADDPD(a: v128, b: v128): v128 {
  return full64x2(OPERATION_ADD, even64(a, b), odd64(a, b));
}

export function HADDPS(a: v128, b: v128): v128 {
  return full32x4(OPERATION_ADD, even32(a, b), odd32(a, b));
}

export function HSUBPD(a: v128, b: v128): v128 {
  return full64x2(OPERATION_SUB, even64(a, b), odd64(a, b));
}

export function HSUBPS(a: v128, b: v128): v128 {
  return full32x4(OPERATION_SUB, even32(a, b), odd32(a, b));
}

export function PHADDW(a: v128, b: v128): v128 {
  return i16x8.add(even16(a, b), odd16(a, b));
}

export function PHADDSW(a: v128, b: v128): v128 {
  return i16x8.add_sat_s(even16(a, b), odd16(a, b));
}

export function PHADDD(a: v128, b: v128): v128 {
  return i32x4.add(even32(a, b), odd32(a, b));
}

export function PHSUBW(a: v128, b: v128): v128 {
  return i16x8.sub(even16(a, b), odd16(a, b));
}

export function PHSUBSW(a: v128, b: v128): v128 {
  return i16x8.sub_sat_s(even16(a, b), odd16(a, b));
}

export function PHSUBD(a: v128, b: v128): v128 {
  return i32x4.sub(even32(a, b), odd32(a, b));
}

// MMX: both operands in one vector, so that its low half is the result.

export function PHADDW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PHADDW(pair(a, b), i64x2.splat(0)));
}

export function PHADDSW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PHADDSW(pair(a, b), i64x2.splat(0)));
}

export function PHADDD_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PHADDD(pair(a, b), i64x2.splat(0)));
}

export function PHSUBW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PHSUBW(pair(a, b), i64x2.splat(0)));
}

export function PHSUBSW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PHSUBSW(pair(a, b), i64x2.splat(0)));
}

export function PHSUBD_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PHSUBD(pair(a, b), i64x2.splat(0)));
}
