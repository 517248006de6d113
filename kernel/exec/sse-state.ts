// MXCSR, fences, prefetch and cache control (SDM Vol. 1 5.5.2, 5.5.4, 5.6.4). Called from exec().

import { CPU_BLOCK } from "../abi/layout";
import { MXCSR } from "../abi/state";
import { ea } from "../decode/uop";
import { raiseGP } from "../cpu/fault";
import { readMem } from "../mmu/access";
import { mxcsrChanged } from "./sse-fast-path";

/** Bits of MXCSR that exist, as FXSAVE reports them in MXCSR_MASK; DAZ is among them. */
export const MXCSR_MASK: u32 = 0xffff;

export function LDMXCSR(a: u32): void {
  if (a & ~MXCSR_MASK) {
    raiseGP(0);
    return;
  }
  store<u32>(CPU_BLOCK, a, MXCSR);
  mxcsrChanged();
}

export function STMXCSR(): u32 {
  return load<u32>(CPU_BLOCK, MXCSR);
}

/** Memory order is program order here, with one CPU and no store buffer. */
export function LFENCE(u: usize): void {}

export function MFENCE(u: usize): void {}

export function SFENCE(u: usize): void {}

/** A hint: the address is not even translated. */
export function PREFETCH(u: usize): void {}

/** There are no caches to flush, but faults and the accessed bit are those of a byte load (SDM Vol. 2A CLFLUSH). */
export function CLFLUSH(u: usize): void {
  readMem<u8>(ea(u));
}
