// Software interrupts and the way back from every handler: INT n, INT3, INT1, INTO, BOUND, UD0-2, IRET.
// Entered from any code; the interrupts leave to cpu/deliver.ts, IRET to the interrupted program.

import { CPU_BLOCK } from "../abi/layout";
import {
  FLAG_AC, FLAG_DF, FLAG_ID, FLAG_IF, FLAG_IOPL, FLAG_NT, FLAG_OF, FLAG_RF, FLAG_TF, FLAGS_ARITHMETIC,
} from "../abi/bits";
import { MODE_64, NMI_BLOCKED } from "../abi/state";
import { VECTOR_BP, VECTOR_BR, VECTOR_DB, VECTOR_OF } from "../abi/vectors";
import { faulted, KIND_INT1, KIND_INT3, KIND_INT_N, raise, raiseGP, raiseSoftware, raiseUD } from "../cpu/fault";
import { arithmeticFlags } from "../cpu/flags";
import { moveStackPointer, readStackWord, stackPointer } from "../system/stack-access";
import { setCodeSegment } from "../system/segments";
import { cpl, mode, rflags, setRflags, setRip, stateChanged } from "../cpu/state";
import { dst, ea, imm, nextRip, opsize } from "../decode/uop";
import { readMem } from "../mmu/access";
import { checkReturnCode, checkReturnStack, checkTarget, returnTo } from "./far-transfer";

export function INT(u: usize): void {
  raiseSoftware(<u32>imm(u) & 0xff, KIND_INT_N, nextRip(u));
}

export function INT3(u: usize): void {
  raiseSoftware(VECTOR_BP, KIND_INT3, nextRip(u));
}

export function INT1(u: usize): void {
  raiseSoftware(VECTOR_DB, KIND_INT1, nextRip(u));
}

export function INTO(u: usize): void {
  if (arithmeticFlags() & FLAG_OF) raiseSoftware(VECTOR_OF, KIND_INT3, nextRip(u));
}

/** Signed index in a register against the two bounds in memory, both inclusive. */
export function BOUND(u: usize): void {
  const bytes = opsize(u);
  const at = ea(u);
  const lower: i32 = bytes == 2 ? <i32>readMem<i16>(at) : readMem<i32>(at);
  if (faulted) return;
  const upper: i32 = bytes == 2 ? <i32>readMem<i16>(at + 2) : readMem<i32>(at + 4);
  if (faulted) return;
  const index: i32 = bytes == 2 ? <i32>load<i16>(dst(u)) : load<i32>(dst(u));
  if (index < lower || index > upper) raise(VECTOR_BR, 0);
}

export function UD0(u: usize): void {
  raiseUD();
}

export function UD1(u: usize): void {
  raiseUD();
}

export function UD2(u: usize): void {
  raiseUD();
}

/** RFLAGS after IRET, by the level and IOPL before it (SDM Vol. 2A, IRET, RETURN-TO-SAME-PRIVILEGE-LEVEL). */
function returnedFlags(popped: u64, bytes: u32): u64 {
  const old = rflags();
  let mask: u64 = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT;
  if (bytes != 2) mask |= FLAG_RF | FLAG_AC | FLAG_ID;
  if (cpl() <= (<u32>(old & FLAG_IOPL) >> 12)) mask |= FLAG_IF;
  if (cpl() == 0) mask |= FLAG_IOPL;
  return (old & ~mask) | (popped & mask);
}

/**
 * IRET, IRETD, IRETQ in IA-32e mode: 64-bit code always pops SS:RSP, compatibility code only on a return to an outer level.
 * NMIs are unblocked even if it faults (SDM Vol. 3C 27.2.3, "NMI unblocking due to IRET").
 */
export function IRET(u: usize): void {
  store<u32>(CPU_BLOCK + NMI_BLOCKED, 0);
  stateChanged();
  if (rflags() & FLAG_NT) return raiseGP(0);
  const bytes = opsize(u);
  const pointer = stackPointer();
  const rip = readStackWord(pointer, bytes);
  if (faulted) return;
  const selector = <u32>readStackWord(pointer + bytes, bytes) & 0xffff;
  if (faulted) return;
  const popped = readStackWord(pointer + 2 * bytes, bytes);
  if (faulted) return;
  const from64 = mode() == MODE_64;
  const level = selector & 3;
  let rsp: u64 = 0;
  let stackSelector: u32 = 0;
  const withStack = from64 || level > cpl();
  if (withStack) {
    rsp = readStackWord(pointer + 3 * bytes, bytes);
    if (faulted) return;
    stackSelector = <u32>readStackWord(pointer + 4 * bytes, bytes) & 0xffff;
    if (faulted) return;
  }
  const code = checkReturnCode(selector);
  if (faulted) return;
  const stack = withStack ? checkReturnStack(stackSelector, code, level) : 0;
  if (faulted || !checkTarget(rip, code)) return;

  const flags = returnedFlags(popped, bytes);
  if (withStack) returnTo(selector, code, rip, stackSelector, stack, rsp);
  else {
    moveStackPointer(pointer + 3 * bytes);
    setCodeSegment(selector, code, level);
    setRip(rip);
  }
  setRflags(flags);
  stateChanged();
}
