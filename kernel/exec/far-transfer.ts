// Far JMP, CALL and RET, also through 64-bit call gates and to an outer level (SDM Vol. 2A, CALL; JMP; Vol. 2B, RET), and the
// checks of a returned-to code and stack segment that IRET shares.
//
// A 64-bit call gate (SDM Vol. 3A 5.8.3.1, figure 5-11):
//
//   byte   0        2        4        5         6        8          12       16
//         +--------+--------+--------+---------+--------+----------+--------+
//         | offset | CS     | 0      | P DPL 0 | offset | offset   | type   |
//         | 15:0   | select.|        | 1100    | 31:16  | 63:32    | = 0    |
//         +--------+--------+--------+---------+--------+----------+--------+

import { CPU_BLOCK } from "../abi/layout";
import { RSP, SEG_CS, SEG_SS } from "../abi/state";
import { VECTOR_GP, VECTOR_NP } from "../abi/vectors";
import { faulted, raiseGP, raiseSelector, raiseSS } from "../cpu/fault";
import {
  ATTR_CODE, ATTR_DB, ATTR_DC, ATTR_L, ATTR_P, ATTR_S, ATTR_TYPE, attributesIn, checkStackSegment, descriptorHigh, dplIn,
  dropInnerSegments, isNull, limitIn, loadFromDescriptor, markAccessed, readDescriptor, readDescriptorHigh, setCodeSegment,
  setNullStack, TYPE_CALL_GATE,
} from "../system/segments";
import { moveStackPointer, readStackWord, stackPointer, writeStackWord } from "../system/stack-access";
import { cpl, getReg, isAmd, isCanonical, segSelector, setReg, setRip, stateChanged } from "../cpu/state";
import { tssStack } from "../system/tss";
import { ea, imm, nextRip, opsize } from "../decode/uop";
import { readMem, writeSystem } from "../mmu/access";

const CODE: u32 = ATTR_S | ATTR_CODE;

function isConforming(attributes: u32): bool {
  return (attributes & ATTR_DC) != 0;
}

/** Raises #GP(0) if `rip` can't be fetched from this code segment: not canonical in 64-bit code, past the limit in other code. */
export function checkTarget(rip: u64, code: u64): bool {
  const good = attributesIn(code) & ATTR_L ? isCanonical(rip) : rip <= <u64>limitIn(code);
  if (!good) raiseGP(0);
  return good;
}

/** Far pointer of 16, 32 or 64 bits of offset; AMD knows no 64-bit ones (APM Vol. 3, JMP far: REX.W is ignored). */
function pointerSize(u: usize): u32 {
  const bytes = opsize(u);
  return bytes == 8 && isAmd() ? 4 : bytes;
}

let farOffset: u64 = 0;
let farSelector: u32 = 0;

function readFarPointer(u: usize): void {
  const bytes = pointerSize(u);
  const at = ea(u);
  farOffset = bytes == 8 ? readMem<u64>(at) : bytes == 4 ? <u64>readMem<u32>(at) : <u64>readMem<u16>(at);
  if (faulted) return;
  farSelector = readMem<u16>(at + bytes);
}

/** The pointer in the instruction, of which the decoder makes offset | selector << 32. */
function immediateFarPointer(u: usize): void {
  farOffset = <u64>imm(u) & 0xffffffff;
  farSelector = <u32>(imm(u) >> 32) & 0xffff;
}

/** A present code segment that may not be both 64-bit and default-32; raises about `selector`. */
function checkPresentCode(selector: u32, attributes: u32): void {
  if ((attributes & ATTR_P) == 0) return raiseSelector(VECTOR_NP, selector & 0xfffc);
  if ((attributes & (ATTR_L | ATTR_DB)) == (ATTR_L | ATTR_DB)) raiseGP(selector & 0xfffc);
}

/** Checks of a direct far JMP or CALL. Not for system descriptors. Check `faulted`. */
function checkDirectCode(selector: u32, descriptor: u64): void {
  const attributes = attributesIn(descriptor);
  const dpl = dplIn(attributes);
  const allowed = isConforming(attributes) ? dpl <= cpl() : (selector & 3) <= cpl() && dpl == cpl();
  if ((attributes & CODE) != CODE || !allowed) return raiseGP(selector & 0xfffc);
  checkPresentCode(selector, attributes);
}

function jumpTo(selector: u32, descriptor: u64, rip: u64): void {
  setCodeSegment(selector, descriptor, cpl());
  setRip(rip);
  stateChanged();
}

function farJump(): void {
  if (isNull(farSelector)) return raiseGP(0);
  const descriptor = readDescriptor(farSelector, VECTOR_GP);
  if (faulted) return;
  if ((attributesIn(descriptor) & ATTR_S) == 0) return throughCallGate(descriptor, false, 0);
  checkDirectCode(farSelector, descriptor);
  if (faulted || !checkTarget(farOffset, descriptor)) return;
  markAccessed(farSelector, descriptor);
  if (faulted) return;
  jumpTo(farSelector, descriptor, farOffset);
}

function farCall(bytes: u32, returnRip: u64): void {
  if (isNull(farSelector)) return raiseGP(0);
  const descriptor = readDescriptor(farSelector, VECTOR_GP);
  if (faulted) return;
  if ((attributesIn(descriptor) & ATTR_S) == 0) return throughCallGate(descriptor, true, returnRip);
  checkDirectCode(farSelector, descriptor);
  if (faulted || !checkTarget(farOffset, descriptor)) return;
  markAccessed(farSelector, descriptor);
  if (faulted) return;
  const pointer = stackPointer();
  writeStackWord(pointer - bytes, bytes, segSelector(SEG_CS));
  if (faulted) return;
  writeStackWord(pointer - 2 * bytes, bytes, returnRip);
  if (faulted) return;
  moveStackPointer(pointer - 2 * bytes);
  jumpTo(farSelector, descriptor, farOffset);
}

/** SDM Vol. 2A, CALL and JMP, "call gate": checks of the gate, then of the code segment it names. */
function throughCallGate(gate: u64, isCall: bool, returnRip: u64): void {
  const gateError = farSelector & 0xfffc;
  const gateAttributes = attributesIn(gate);
  if ((gateAttributes & (ATTR_S | ATTR_TYPE)) != TYPE_CALL_GATE) return raiseGP(gateError);
  const gateDpl = dplIn(gateAttributes);
  if (gateDpl < cpl() || gateDpl < (farSelector & 3)) return raiseGP(gateError);
  if ((gateAttributes & ATTR_P) == 0) return raiseSelector(VECTOR_NP, gateError);
  readDescriptorHigh(farSelector, VECTOR_GP);
  if (faulted) return;
  if ((descriptorHigh >> 40) & 0x1f) return raiseGP(gateError);
  const target = (gate & 0xffff) | ((gate >> 32) & 0xffff0000) | (descriptorHigh << 32);

  const selector = <u32>(gate >> 16) & 0xffff;
  if (isNull(selector)) return raiseGP(0);
  const code = readDescriptor(selector, VECTOR_GP);
  if (faulted) return;
  const attributes = attributesIn(code);
  const dpl = dplIn(attributes);
  const level = cpl();
  const conforming = isConforming(attributes);
  const allowed = conforming || isCall ? dpl <= level : dpl == level;
  if ((attributes & CODE) != CODE || !allowed) return raiseGP(selector & 0xfffc);
  if ((attributes & (ATTR_L | ATTR_DB)) != ATTR_L) return raiseGP(selector & 0xfffc);
  if ((attributes & ATTR_P) == 0) return raiseSelector(VECTOR_NP, selector & 0xfffc);
  if (!isCanonical(target)) return raiseGP(0);
  if (!isCall) {
    markAccessed(selector, code);
    if (faulted) return;
    return jumpTo(selector, code, target);
  }
  if (!conforming && dpl < level) return callInner(selector, code, dpl, target, returnRip);

  markAccessed(selector, code);
  if (faulted) return;
  const pointer = stackPointer();
  writeStackWord(pointer - 8, 8, segSelector(SEG_CS));
  if (faulted) return;
  writeStackWord(pointer - 16, 8, returnRip);
  if (faulted) return;
  moveStackPointer(pointer - 16);
  jumpTo(selector, code, target);
}

/** The stack comes from the TSS, SS becomes null; nothing is copied from the old stack and nothing aligned. */
function callInner(selector: u32, code: u64, level: u32, target: u64, returnRip: u64): void {
  const top = tssStack(level, 0);
  if (faulted) return;
  if (!isCanonical(top - 32) || !isCanonical(top - 1)) return raiseSS(0);
  markAccessed(selector, code);
  if (faulted) return;
  writeSystem<u64>(top - 8, segSelector(SEG_SS));
  if (faulted) return;
  writeSystem<u64>(top - 16, getReg(RSP));
  if (faulted) return;
  writeSystem<u64>(top - 24, segSelector(SEG_CS));
  if (faulted) return;
  writeSystem<u64>(top - 32, returnRip);
  if (faulted) return;
  setCodeSegment(selector, code, level);
  setNullStack(level, level);
  setReg(RSP, top - 32);
  setRip(target);
  stateChanged();
}

export function JMP_FAR(u: usize): void {
  readFarPointer(u);
  if (faulted) return;
  farJump();
}

/** JMP ptr16:16/32. */
export function JMP_PTR(u: usize): void {
  immediateFarPointer(u);
  farJump();
}

export function CALL_FAR(u: usize): void {
  readFarPointer(u);
  if (faulted) return;
  farCall(pointerSize(u), nextRip(u));
}

/** CALL ptr16:16/32. */
export function CALL_PTR(u: usize): void {
  immediateFarPointer(u);
  farCall(opsize(u), nextRip(u));
}

/** The code segment that RET and IRET return to, accessed bit written. Its RPL is the new level. Check `faulted`. */
export function checkReturnCode(selector: u32): u64 {
  if (isNull(selector)) {
    raiseGP(0);
    return 0;
  }
  const descriptor = readDescriptor(selector, VECTOR_GP);
  if (faulted) return 0;
  const attributes = attributesIn(descriptor);
  const rpl = selector & 3;
  const dpl = dplIn(attributes);
  const allowed = rpl >= cpl() && (isConforming(attributes) ? dpl <= rpl : dpl == rpl);
  if ((attributes & CODE) != CODE || !allowed) {
    raiseGP(selector & 0xfffc);
    return 0;
  }
  checkPresentCode(selector, attributes);
  if (faulted) return 0;
  markAccessed(selector, descriptor);
  return descriptor;
}

/** The stack segment that goes with it: null is for 64-bit code at a level below 3. Returns 0 for null. Check `faulted`. */
export function checkReturnStack(selector: u32, code: u64, level: u32): u64 {
  if (!isNull(selector)) return checkStackSegment(selector, level, VECTOR_GP);
  if ((attributesIn(code) & ATTR_L) == 0 || level == 3 || (selector & 3) != level) raiseGP(0);
  return 0;
}

/** Loads CS:RIP and SS:RSP once every check is passed. A 16-bit stack takes only SP, and keeps the rest of the inner ESP. */
export function returnTo(selector: u32, code: u64, rip: u64, stackSelector: u32, stack: u64, rsp: u64): void {
  const level = selector & 3;
  const outer = level > cpl();
  setCodeSegment(selector, code, level);
  if (isNull(stackSelector)) setNullStack(stackSelector, level);
  else loadFromDescriptor(SEG_SS, stackSelector, stack);
  if (attributesIn(code) & ATTR_L) setReg(RSP, rsp);
  else if (attributesIn(stack) & ATTR_DB) setReg(RSP, rsp & 0xffffffff);
  else setReg(RSP, (getReg(RSP) & 0xffff0000) | (rsp & 0xffff));
  if (outer) dropInnerSegments(level);
  setRip(rip);
  stateChanged();
}

function farReturn(u: usize, release: u64): void {
  const bytes = opsize(u);
  const pointer = stackPointer();
  const rip = readStackWord(pointer, bytes);
  if (faulted) return;
  const selector = <u32>readStackWord(pointer + bytes, bytes) & 0xffff;
  if (faulted) return;
  const code = checkReturnCode(selector);
  if (faulted) return;
  const level = selector & 3;
  if (level == cpl()) {
    if (!checkTarget(rip, code)) return;
    moveStackPointer(pointer + 2 * bytes + release);
    return jumpTo(selector, code, rip);
  }
  const outerAt = pointer + 2 * bytes + release;
  const rsp = readStackWord(outerAt, bytes);
  if (faulted) return;
  const stackSelector = <u32>readStackWord(outerAt + bytes, bytes) & 0xffff;
  if (faulted) return;
  const stack = checkReturnStack(stackSelector, code, level);
  if (faulted || !checkTarget(rip, code)) return;
  returnTo(selector, code, rip, stackSelector, stack, rsp + release);
}

export function RETF(u: usize): void {
  farReturn(u, 0);
}

export function RETF_IMM(u: usize): void {
  farReturn(u, <u64>imm(u) & 0xffff);
}
