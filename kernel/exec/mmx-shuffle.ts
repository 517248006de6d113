// Data transfer, pack, unpack, shuffle, insert and extract on MMX registers, and EMMS (SDM Vol. 1 5.4.1, 5.4.2, 5.4.7, 5.5.2).
// Called from exec() with the operands fetched, after the transition to MMX state.

import { CPU_BLOCK } from "../abi/layout";
import { FTW } from "../abi/state";
import { faulted } from "../cpu/fault";
import { enterMmx } from "./mmx-state";
import { PACKSSDW, PACKSSWB, PACKUSWB, PUNPCKLBW, PUNPCKLWD } from "./sse-shuffle";
import { lowQuadword, pair } from "./mmx-operand";

export function MOVQ_MMX(b: u64): u64 {
  return b;
}

export function MOVD_MMX<T>(b: T): u64 {
  return <u64>b;
}

export function MOVD_MMX_STORE<T>(b: u64): T {
  return <T>b;
}

export function PMOVMSKB_MMX(b: u64): u32 {
  return i8x16.bitmask(pair(b, 0));
}

export function PACKSSWB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PACKSSWB(pair(a, b), i64x2.splat(0)));
}

export function PACKUSWB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PACKUSWB(pair(a, b), i64x2.splat(0)));
}

export function PACKSSDW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PACKSSDW(pair(a, b), i64x2.splat(0)));
}

// The low forms read 32 bits of memory only (SDM Vol. 2B PUNPCKLBW).

export function PUNPCKLBW_MMX(a: u64, b: u32): u64 {
  return lowQuadword(PUNPCKLBW(i64x2.splat(a), i32x4.splat(b)));
}

export function PUNPCKLWD_MMX(a: u64, b: u32): u64 {
  return lowQuadword(PUNPCKLWD(i64x2.splat(a), i32x4.splat(b)));
}

export function PUNPCKLDQ_MMX(a: u64, b: u32): u64 {
  return (a & 0xffffffff) | (<u64>b << 32);
}

export function PUNPCKHBW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PUNPCKLBW(i64x2.splat(a >> 32), i64x2.splat(b >> 32)));
}

export function PUNPCKHWD_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PUNPCKLWD(i64x2.splat(a >> 32), i64x2.splat(b >> 32)));
}

export function PUNPCKHDQ_MMX(a: u64, b: u64): u64 {
  return (a >> 32) | (b & 0xffffffff00000000);
}

function word(b: u64, field: u64): u64 {
  return (b >> ((field & 3) << 4)) & 0xffff;
}

export function PSHUFW_MMX(b: u64, i: u64): u64 {
  return word(b, i) | (word(b, i >> 2) << 16) | (word(b, i >> 4) << 32) | (word(b, i >> 6) << 48);
}

export function PEXTRW_MMX(b: u64, i: u64): u32 {
  return <u32>word(b, i);
}

export function PINSRW_MMX(a: u64, b: u16, i: u64): u64 {
  const place = (i & 3) << 4;
  return (a & ~(<u64>0xffff << place)) | (<u64>b << place);
}

/** All x87 registers become empty; TOP becomes 0, as with every MMX instruction, which the SDM does not say of this one. */
export function EMMS(u: usize): void {
  enterMmx(u);
  if (!faulted) store<u8>(CPU_BLOCK, 0, FTW);
}
