// Operands of raw operations whose size is known only from the micro-operation.

import { readRm, writeRm } from "../decode/uop";

/** Reads the r/m operand of 2, 4 or 8 bytes, zero-extended. */
export function readRmSized(u: usize, bytes: u32): u64 {
  if (bytes == 8) return readRm<u64>(u);
  if (bytes == 4) return readRm<u32>(u);
  return readRm<u16>(u);
}

export function writeRmSized(u: usize, bytes: u32, value: u64): void {
  if (bytes == 8) writeRm<u64>(u, value);
  else if (bytes == 4) writeRm<u32>(u, <u32>value);
  else writeRm<u16>(u, <u16>value);
}

/** Writes a register by the rules of 64-bit mode: 32 bits clear the upper half, 16 and 8 keep the rest (SDM Vol. 1 3.4.1.1). */
export function writeSlot(slot: usize, bytes: u32, value: u64): void {
  if (bytes == 8) store<u64>(slot, value);
  else if (bytes == 4) store<u64>(slot, value & 0xffffffff);
  else if (bytes == 2) store<u16>(slot, <u16>value);
  else store<u8>(slot, <u8>value);
}
