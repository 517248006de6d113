// Several words of the stack at once: address and checks of SS:rSP at any offset, rSP left alone until all was accessed.
// Entered from exec/interrupt.ts, far-transfer.ts, segment-load.ts, bcd.ts and system.ts. PUSH and POP proper are in stack.ts.

import { RSP } from "../abi/state";
import { faulted } from "../cpu/fault";
import { getReg, setReg } from "../cpu/state";
import { checkedStack, readStack, stackMask, writeStack } from "./stack";

export function stackPointer(): u64 {
  return getReg(RSP) & stackMask();
}

/** Moves rSP to `pointer`; a 16-bit stack keeps the upper bits of ESP. */
export function moveStackPointer(pointer: u64): void {
  const mask = stackMask();
  const kept: u64 = mask == 0xffff ? 0xffff0000 : 0;
  setReg(RSP, (getReg(RSP) & kept) | (pointer & mask));
}

/** Reads the word of 2, 4 or 8 bytes at SS:pointer, zero-extended. Check `faulted`. */
export function readStackWord(pointer: u64, bytes: u32): u64 {
  const linear = checkedStack(pointer, bytes);
  return faulted ? 0 : readStack(linear, bytes);
}

/** Writes the word of 2, 4 or 8 bytes at SS:pointer. Check `faulted`. */
export function writeStackWord(pointer: u64, bytes: u32, value: u64): void {
  const linear = checkedStack(pointer, bytes);
  if (!faulted) writeStack(linear, bytes, value);
}
