// The stack as PUSH, POP, CALL and RET see it: in 64-bit mode all of RSP, else ESP or SP by SS.B (SDM Vol. 1 6.2.3).

import { CPU_BLOCK } from "../abi/layout";
import { MODE_64, RSP, SEG_SS } from "../abi/state";
import { faulted, raiseSS } from "../cpu/fault";
import { ATTR_DB, segmentIsPlain, withinLimit } from "../cpu/segment-access";
import { mode, segAttributes, segBase, segLimit } from "../cpu/state";
import { ACCESS_STACK_WORD, readMem, setAccessKind, writeMem } from "../mmu/access";

/** Bits of RSP that take part. */
export function stackMask(): u64 {
  if (mode() == MODE_64) return u64.MAX_VALUE;
  return segAttributes(SEG_SS) & ATTR_DB ? 0xffffffff : 0xffff;
}

/**
 * Linear address of `bytes` at a stack offset. Outside 64-bit mode it raises #SS(0) for those past SS's limit; in 64-bit mode the
 * access does for those that are not canonical. Check `faulted`.
 */
export function checkedStack(offset: u64, bytes: u32): u64 {
  if (mode() == MODE_64) return offset;
  const cut = <u32>(offset & stackMask());
  if (!segmentIsPlain(SEG_SS) && !withinLimit(segAttributes(SEG_SS), segLimit(SEG_SS), cut, bytes)) raiseSS(0);
  return (segBase(SEG_SS) + cut) & 0xffffffff;
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

/** Reads a word at a linear address that checkedStack() gave. */
export function readStack(linear: u64, size: u32): u64 {
  const was = setAccessKind(ACCESS_STACK_WORD);
  const v: u64 = size == 8 ? readMem<u64>(linear) : size == 4 ? <u64>readMem<u32>(linear) : <u64>readMem<u16>(linear);
  setAccessKind(was);
  return v;
}

export function writeStack(linear: u64, size: u32, v: u64): void {
  const was = setAccessKind(ACCESS_STACK_WORD);
  if (size == 8) writeMem<u64>(linear, v);
  else if (size == 4) writeMem<u32>(linear, <u32>v);
  else writeMem<u16>(linear, <u16>v);
  setAccessKind(was);
}

/** Pushes the low `size` bytes of v; on a fault RSP is unchanged. */
export function pushOperand(v: u64, size: u32): void {
  const top = movedStack(-<i64>size);
  const at = checkedStack(top, size);
  if (faulted) return;
  writeStack(at, size, v);
  if (!faulted) setStackPointer(top);
}

/** Pops `size` bytes; on a fault RSP is unchanged and the value meaningless. */
export function popOperand(size: u32): u64 {
  const at = checkedStack(load<u64>(CPU_BLOCK, RSP), size);
  if (faulted) return 0;
  const v = readStack(at, size);
  if (!faulted) setStackPointer(movedStack(size));
  return v;
}
