// What the decoder plants: where bytes are not an instruction that may execute, the fault, raised when control really gets there; and
// steps of addresses that are rare.

import { CPU_BLOCK } from "../abi/layout";
import { SLOT_EA } from "../abi/state";
import { raise, raiseGP, raiseUD } from "../cpu/fault";
import { ea, sub } from "../decode/uop";
import { enterSegment, leaveSegment } from "../mmu/access";
import { VECTOR_NM } from "../abi/vectors";

export function UNDEFINED(u: usize): void {
  raiseUD();
}

/** Longer than 15 bytes, or privileged at CPL 3. */
export function PROTECTED(u: usize): void {
  raiseGP(0);
}

/** CR0.TS or CR0.EM says that the FPU is not to be used now. */
export function DEVICE_NOT_AVAILABLE(u: usize): void {
  raise(VECTOR_NM, 0);
}

/** Outside 64-bit mode: adds the base of a segment that is not plain, and has the accesses behind checked against it. */
export function SEGMENT(u: usize): void {
  store<u64>(CPU_BLOCK, ea(u) & 0xffffffff, SLOT_EA);
  enterSegment(sub(u));
}

export function SEGMENT_END(u: usize): void {
  leaveSegment();
}

/** 16-bit address arithmetic, a step before the instruction that uses it. */
export function ADDRESS16(u: usize): void {
  store<u64>(CPU_BLOCK, ea(u) & 0xffff, SLOT_EA);
}
