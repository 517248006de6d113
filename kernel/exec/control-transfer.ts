// Near control transfers (SDM Vol. 1 5.1.7): jumps, calls, returns, loops, ENTER and LEAVE. Far ones are in far-transfer.ts.
// In 64-bit mode the common ones are also cases of exec() (gen/hot-control.ts); these are what it leaves to when an access
// misses the TLB, and what compatibility mode uses.

import { CPU_BLOCK } from "../abi/layout";
import { MODE_64, RBP, RCX, RSP, SEG_CS } from "../abi/state";
import { faulted, raiseGP } from "../cpu/fault";
import { condition } from "../cpu/flags";
import { isCanonical, mode, segLimit, setRip } from "../cpu/state";
import { checkedStack, movedStack, popOperand, pushOperand, readStack, setStackPointer, stackMask, writeStack } from "../system/stack";
import { imm, nextRip, opsize, readRm, sub } from "../decode/uop";
import { ACCESS_STACK_WORD, probeRead, probeWrite, setAccessKind } from "../mmu/access";
import { alignedOrFault } from "../system/alignment";

function truncated(target: u64, size: u32): u64 {
  if (size == 2) return target & 0xffff;
  return mode() == MODE_64 ? target : target & 0xffffffff;
}

/** Canonical, or within CS outside 64-bit mode. */
function mayBranchTo(target: u64): bool {
  return mode() == MODE_64 ? isCanonical(target) : target <= <u64>segLimit(SEG_CS);
}

/** A branch target truncated by operand size; false when #GP(0) was raised for it. */
export function branchTo(target: u64, size: u32): bool {
  target = truncated(target, size);
  if (!mayBranchTo(target)) {
    raiseGP(0);
    return false;
  }
  setRip(target);
  return true;
}

/** JMP rel; the decoder has put the displacement in imm. */
export function JMP_REL(u: usize): void {
  branchTo(nextRip(u) + <u64>imm(u), opsize(u));
}

export function JCC(u: usize): void {
  if (condition(sub(u))) branchTo(nextRip(u) + <u64>imm(u), opsize(u));
  else setRip(nextRip(u));
}

function operand(u: usize): u64 {
  const size = opsize(u);
  return size == 8 ? readRm<u64>(u) : size == 4 ? <u64>readRm<u32>(u) : <u64>readRm<u16>(u);
}

export function JMP(u: usize): void {
  const target = operand(u);
  if (!faulted) branchTo(target, opsize(u));
}

export function callTo(u: usize, target: u64): void {
  const size = opsize(u);
  target = truncated(target, size);
  if (!mayBranchTo(target)) {
    // In 64-bit mode the push would come first: what is wrong with the stack is reported before what is wrong with the target. CS's
    // limit comes before the stack (SDM Vol. 2A, CALL).
    if (mode() != MODE_64 || stackWritable(movedStack(-<i64>size), size)) raiseGP(0);
    return;
  }
  pushOperand(nextRip(u), size);
  if (!faulted) setRip(target);
}

export function CALL_REL(u: usize): void {
  callTo(u, nextRip(u) + <u64>imm(u));
}

export function CALL(u: usize): void {
  const target = operand(u);
  if (!faulted) callTo(u, target);
}

export function RET(u: usize): void {
  const old = load<u64>(CPU_BLOCK, RSP);
  const target = popOperand(opsize(u));
  if (faulted) return;
  if (!branchTo(target, opsize(u))) setStackPointer(old);
}

/** RET imm16. */
export function RET_IMM(u: usize): void {
  const old = load<u64>(CPU_BLOCK, RSP);
  const target = popOperand(opsize(u));
  if (faulted) return;
  if (!branchTo(target, opsize(u))) return setStackPointer(old);
  setStackPointer(movedStack(imm(u) & 0xffff));
}

/** Count register of LOOP and JrCXZ by address size, which the decoder puts in the upper half of imm: 2, 4 or 8. */
function countMask(u: usize): u64 {
  const size = <u32>(imm(u) >> 32);
  return size == 8 ? u64.MAX_VALUE : size == 4 ? 0xffffffff : 0xffff;
}

function shortBranch(u: usize, taken: bool): void {
  if (taken) branchTo(nextRip(u) + <u64><i64><i32>imm(u), opsize(u));
  else setRip(nextRip(u));
}

function loopIf(u: usize, also: bool): void {
  const mask = countMask(u);
  const old = load<u64>(CPU_BLOCK, RCX);
  const count = (old - 1) & mask;
  shortBranch(u, count != 0 && also);
  if (faulted) return;
  store<u64>(CPU_BLOCK, mask == 0xffff ? (old & ~mask) | count : count, RCX);
}

export function LOOP(u: usize): void {
  loopIf(u, true);
}

export function LOOPE(u: usize): void {
  loopIf(u, condition(4));
}

export function LOOPNE(u: usize): void {
  loopIf(u, condition(5));
}

export function JRCXZ(u: usize): void {
  shortBranch(u, (load<u64>(CPU_BLOCK, RCX) & countMask(u)) == 0);
}

/** LEAVE: rSP = rBP, pop rBP. */
export function LEAVE(u: usize): void {
  const size = opsize(u);
  const mask = stackMask();
  const frame = load<u64>(CPU_BLOCK, RBP);
  const at = checkedStack(frame, size);
  if (faulted) return;
  const v = readStack(at, size);
  if (faulted) return;
  const old = load<u64>(CPU_BLOCK, RSP);
  setStackPointer((old & ~mask) | ((frame + size) & mask));
  if (size == 2) store<u16>(CPU_BLOCK, <u16>v, RBP);
  else store<u64>(CPU_BLOCK, v, RBP);
}

/** Whether a push of `size` bytes to this stack offset would succeed; false with the fault raised. */
function stackWritable(offset: u64, size: u32): bool {
  const linear = checkedStack(offset, size);
  if (faulted || !alignedOrFault(linear, size)) return false;
  const was = setAccessKind(ACCESS_STACK_WORD);
  const writable = probeWrite(linear, size);
  setAccessKind(was);
  return writable;
}

function stackReadable(offset: u64, size: u32): bool {
  const linear = checkedStack(offset, size);
  if (faulted || !alignedOrFault(linear, size)) return false;
  const was = setAccessKind(ACCESS_STACK_WORD);
  const readable = probeRead(linear, size);
  setAccessKind(was);
  return readable;
}

/** ENTER imm16, imm8 (SDM Vol. 2A): imm holds the size in bits 15..0, the nesting level in 23..16. */
export function ENTER(u: usize): void {
  const size = opsize(u);
  const level = <u32>(imm(u) >> 16) & 31;
  const mask = stackMask();
  const old = load<u64>(CPU_BLOCK, RSP);
  const frame = load<u64>(CPU_BLOCK, RBP);
  const pushes: u64 = level ? level + 1 : 1;
  const end = (old & ~mask) | ((old - pushes * size - (<u64>imm(u) & 0xffff)) & mask);
  if (!enterAllowed(size, level, old, frame, end)) return;
  const newFrame = old - size;
  writeStack(checkedStack(newFrame, size), size, frame);
  // One at a time: the frame pointers copied may be among those just pushed.
  for (let k: u32 = 1; k < level; k++) {
    const pointer = readStack(checkedStack(frame - <u64>(k * size), size), size);
    writeStack(checkedStack(newFrame - <u64>(k * size), size), size, pointer);
  }
  if (level) writeStack(checkedStack(newFrame - <u64>(level * size), size), size, newFrame);
  setStackPointer(end);
  if (size == 2) store<u16>(CPU_BLOCK, <u16>newFrame, RBP);
  else if (mode() == MODE_64) store<u64>(CPU_BLOCK, newFrame, RBP);
  else store<u64>(CPU_BLOCK, newFrame & 0xffffffff, RBP);
}

/** All that ENTER will access, in its order, and last the new top of the stack, which it only probes: so that a fault midway leaves all untouched. */
function enterAllowed(size: u32, level: u32, old: u64, frame: u64, end: u64): bool {
  if (!stackWritable(old - size, size)) return false;
  for (let k: u32 = 1; k <= level; k++) {
    if (k < level && !stackReadable(frame - <u64>(k * size), size)) return false;
    if (!stackWritable(old - size - <u64>(k * size), size)) return false;
  }
  return stackWritable(end, size);
}
