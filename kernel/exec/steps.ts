// Slow twins of exec()'s memory steps and branches: the same, through mmu/access.

import { CPU_BLOCK } from "../abi/layout";
import { SLOT_EA, SLOT_RMW } from "../abi/state";
import { faulted, raiseGP } from "../cpu/fault";
import { condition } from "../cpu/flags";
import { dst, ea, nextRip, src, sub, thisRip, UOP_CODE, UOP_DISP, UOP_IMM, UOP_OP, writeRm } from "../decode/uop";
import { CMP } from "./arithmetic";
import { branchTo, callTo } from "./control-transfer";
import { TEST } from "./logic";
import { probeWrite, readMem, writeMem } from "../mmu/access";
import { CODE_JMP_PAGE } from "../../build/kernel/codes";

/** Where the run loop enters the block that the branch just done leads to, if it is in the same page; 0 = nowhere. */
export let linkSlot: usize = 0;

export function clearLink(): void {
  linkSlot = 0;
}

export function loadStep<T>(u: usize): void {
  const v = readMem<T>(ea(u));
  if (faulted) return;
  if (sizeof<T>() == 16) store<T>(dst(u), v);
  else store<u64>(dst(u), <u64>v);
}

/** 16 bytes that must be aligned: #GP(0) before anything else (SDM Vol. 1 10.4.1.1... "aligned on 16-byte boundary"). */
export function loadAligned(u: usize): void {
  if (ea(u) & 15) return raiseGP(0);
  const v = readMem<v128>(ea(u));
  if (!faulted) store<v128>(dst(u), v);
}

export function storeStep<T>(u: usize): void {
  writeMem<T>(ea(u), load<T>(src(u)));
}

export function storeAligned(u: usize): void {
  if (ea(u) & 15) return raiseGP(0);
  writeMem<v128>(ea(u), load<v128>(src(u)));
}

export function loadForUpdate<T>(u: usize): void {
  const linear = ea(u);
  if (!probeWrite(linear, sizeof<T>())) return;
  const v = readMem<T>(linear);
  if (faulted) return;
  store<u64>(CPU_BLOCK, linear, SLOT_EA);
  store<u64>(CPU_BLOCK, 0, SLOT_RMW);
  store<u64>(dst(u), <u64>v);
}

export function storeUpdated<T>(u: usize): void {
  const direct = <usize>load<u64>(CPU_BLOCK, SLOT_RMW);
  if (direct) store<T>(direct, load<T>(src(u)));
  else writeMem<T>(load<u64>(CPU_BLOCK, SLOT_EA), load<T>(src(u)));
}

export function addressStep(u: usize): void {
  store<u64>(CPU_BLOCK, ea(u), SLOT_EA);
}

export function addressStep32(u: usize): void {
  store<u64>(CPU_BLOCK, ea(u) & 0xffffffff, SLOT_EA);
}

/** Jcc and JMP inside a page whose target block is not linked yet, and the end of a block that runs on. */
export function branchStep(u: usize): void {
  const taken = load<u16>(u, UOP_CODE) == CODE_JMP_PAGE || condition(sub(u));
  if (branchTo(nextRip(u) + (taken ? <u64>load<i32>(u, UOP_DISP) : 0), 8)) linkSlot = u + (taken ? UOP_IMM : UOP_IMM + 4);
}

/** CALL inside a page whose target block is not linked yet, or whose push needs the long way. */
export function callStep(u: usize): void {
  callTo(u, nextRip(u) + <u64>load<i32>(u, UOP_DISP));
  if (!faulted) linkSlot = u + UOP_IMM;
}

/** CMP or TEST with the Jcc behind it. */
export function fusedStep<T>(u: usize, cc: u32, test: bool): void {
  const a = load<T>(dst(u));
  const b = load<T>(src(u));
  if (test) TEST<T>(a, b);
  else CMP<T>(a, b);
  const taken = condition(cc);
  if (branchTo(nextRip(u) + (taken ? <u64><i64>load<i16>(u, UOP_OP) : 0), 8)) linkSlot = u + (taken ? UOP_IMM : UOP_IMM + 4);
}

/** A jump to another page; imm is the target's distance from this code page. */
export function farPageStep(u: usize): void {
  branchTo(thisRip(u) - (thisRip(u) & 0xfff) + load<u64>(u, UOP_IMM), 8);
}

export function setByte(u: usize): void {
  writeRm<u8>(u, condition(sub(u)) ? 1 : 0);
}

export function moveIf<T>(u: usize): void {
  store<u64>(dst(u), <u64>load<T>(condition(sub(u)) ? src(u) : dst(u)));
}

/** Set by unfuse(): the run loop starts the same micro-operation again. */
export let again: bool = false;

export function clearAgain(): void {
  again = false;
}

/** Takes the fusion of two micro-operations back; each is then done on its own. */
export function unfuse(u: usize, code: u32): void {
  store<u16>(u, <u16>code, UOP_CODE);
  again = true;
}
