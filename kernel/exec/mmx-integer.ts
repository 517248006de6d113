// Packed integer arithmetic, comparison and logic on MMX registers (SDM Vol. 1 5.4.3 to 5.4.5, 5.5.2, 5.6.3): the
// operation of sse-integer.ts in the low quadword of a vector. Called from exec() with the operands fetched, after the
// transition to MMX state.

import {
  PADDB, PADDW, PADDD, PADDQ, PADDSB, PADDSW, PADDUSB, PADDUSW, PSUBB, PSUBW, PSUBD, PSUBQ, PSUBSB, PSUBSW, PSUBUSB,
  PSUBUSW, PMULLW, PMULHW, PMULHUW, PMULUDQ, PMADDWD, PAVGB, PAVGW, PMINUB, PMAXUB, PMINSW, PMAXSW, PSADBW, PCMPEQB,
  PCMPEQW, PCMPEQD, PCMPGTB, PCMPGTW, PCMPGTD,
} from "./sse-integer";
import { lowQuadword } from "./mmx-operand";

export function PADDB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PADDB(i64x2.splat(a), i64x2.splat(b)));
}

export function PADDW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PADDW(i64x2.splat(a), i64x2.splat(b)));
}

export function PADDD_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PADDD(i64x2.splat(a), i64x2.splat(b)));
}

export function PADDQ_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PADDQ(i64x2.splat(a), i64x2.splat(b)));
}

export function PADDSB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PADDSB(i64x2.splat(a), i64x2.splat(b)));
}

export function PADDSW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PADDSW(i64x2.splat(a), i64x2.splat(b)));
}

export function PADDUSB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PADDUSB(i64x2.splat(a), i64x2.splat(b)));
}

export function PADDUSW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PADDUSW(i64x2.splat(a), i64x2.splat(b)));
}

export function PSUBB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSUBB(i64x2.splat(a), i64x2.splat(b)));
}

export function PSUBW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSUBW(i64x2.splat(a), i64x2.splat(b)));
}

export function PSUBD_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSUBD(i64x2.splat(a), i64x2.splat(b)));
}

export function PSUBQ_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSUBQ(i64x2.splat(a), i64x2.splat(b)));
}

export function PSUBSB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSUBSB(i64x2.splat(a), i64x2.splat(b)));
}

export function PSUBSW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSUBSW(i64x2.splat(a), i64x2.splat(b)));
}

export function PSUBUSB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSUBUSB(i64x2.splat(a), i64x2.splat(b)));
}

export function PSUBUSW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSUBUSW(i64x2.splat(a), i64x2.splat(b)));
}

export function PMULLW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PMULLW(i64x2.splat(a), i64x2.splat(b)));
}

export function PMULHW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PMULHW(i64x2.splat(a), i64x2.splat(b)));
}

export function PMULHUW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PMULHUW(i64x2.splat(a), i64x2.splat(b)));
}

export function PMULUDQ_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PMULUDQ(i64x2.splat(a), i64x2.splat(b)));
}

export function PMADDWD_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PMADDWD(i64x2.splat(a), i64x2.splat(b)));
}

export function PAVGB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PAVGB(i64x2.splat(a), i64x2.splat(b)));
}

export function PAVGW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PAVGW(i64x2.splat(a), i64x2.splat(b)));
}

export function PMINUB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PMINUB(i64x2.splat(a), i64x2.splat(b)));
}

export function PMAXUB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PMAXUB(i64x2.splat(a), i64x2.splat(b)));
}

export function PMINSW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PMINSW(i64x2.splat(a), i64x2.splat(b)));
}

export function PMAXSW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PMAXSW(i64x2.splat(a), i64x2.splat(b)));
}

export function PSADBW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PSADBW(i64x2.splat(a), i64x2.splat(b)));
}

export function PCMPEQB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PCMPEQB(i64x2.splat(a), i64x2.splat(b)));
}

export function PCMPEQW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PCMPEQW(i64x2.splat(a), i64x2.splat(b)));
}

export function PCMPEQD_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PCMPEQD(i64x2.splat(a), i64x2.splat(b)));
}

export function PCMPGTB_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PCMPGTB(i64x2.splat(a), i64x2.splat(b)));
}

export function PCMPGTW_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PCMPGTW(i64x2.splat(a), i64x2.splat(b)));
}

export function PCMPGTD_MMX(a: u64, b: u64): u64 {
  return lowQuadword(PCMPGTD(i64x2.splat(a), i64x2.splat(b)));
}

export function PAND_MMX(a: u64, b: u64): u64 {
  return a & b;
}

export function PANDN_MMX(a: u64, b: u64): u64 {
  return ~a & b;
}

export function POR_MMX(a: u64, b: u64): u64 {
  return a | b;
}

export function PXOR_MMX(a: u64, b: u64): u64 {
  return a ^ b;
}
