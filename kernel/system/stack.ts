// The stack as PUSH, POP, CALL and RET see it: in 64-bit mode all of RSP, else ESP or SP by SS.B (SDM Vol. 1 6.2.3).

import { CPU_BLOCK } from "../abi/layout";
import { MODE_64, RSP, SEG_SS } from "../abi/state";
import { faulted } from "../cpu/fault";
import { mode, segAttributes, segBase } from "../cpu/state";
import { readMem, setStackAccess, writeMem } from "../mmu/access";

const ATTRIBUTE_B: u32 = 0x400;

/** Bits of RSP that take part. */
export function stackMask(): u64 {
  if (mode() == MODE_64) return u64.MAX_VALUE;
  return segAttributes(SEG_SS) & ATTRIBUTE_B ? 0xffffffff : 0xffff;
}

/** Linear address of a stack offset. */
export function stackLinear(offset: u64): u64 {
  if (mode() == MODE_64) return offset;
  return (segBase(SEG_SS) + (offset & stackMask())) & 0xffffffff;
}

/** RSP moved by `delta`, keeping the bits that take no part. */
export function movedStack(delta: i64): u64 {
  const mask = stackMask();
  const old = load<u64>(CPU_BLOCK, RSP);
  return (old & ~mask) | ((old + <u64>delta) & mask);
}

export function setStackPointer(value: u64): void {
  store<u64>(CPU_BLOCK, value, RSP);
}

/** Pushes the low `size` bytes of v; on a fault RSP is unchanged. */
export function pushOperand(v: u64, size: u32): void {
  const top = movedStack(-<i64>size);
  const at = stackLinear(top);
  setStackAccess(true);
  if (size == 8) writeMem<u64>(at, v);
  else if (size == 4) writeMem<u32>(at, <u32>v);
  else writeMem<u16>(at, <u16>v);
  setStackAccess(false);
  if (!faulted) setStackPointer(top);
}

/** Pops `size` bytes; on a fault RSP is unchanged and the value meaningless. */
export function popOperand(size: u32): u64 {
  const at = stackLinear(load<u64>(CPU_BLOCK, RSP));
  setStackAccess(true);
  const v: u64 = size == 8 ? readMem<u64>(at) : size == 4 ? <u64>readMem<u32>(at) : <u64>readMem<u16>(at);
  setStackAccess(false);
  if (!faulted) setStackPointer(movedStack(size));
  return v;
}
