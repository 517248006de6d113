// Bit, byte and scan instructions (SDM Vol. 1 5.1.6), SETcc, and the counts that came with BMI1, LZCNT and POPCNT.

import { faulted } from "../cpu/fault";
import { arithmeticFlags, condition, flagsLogic, setArithmeticFlags, setCf } from "../cpu/flags";
import { dst, ea, eaPlus, ismem, opsize, src, sub, writeRm } from "../decode/uop";
import { probeWrite, readMem, writeMem } from "../mmu/access";

const TEST_ONLY: u32 = 0;
const SET: u32 = 1;
const RESET: u32 = 2;
const COMPLEMENT: u32 = 3;

/** Linear address of the operand that holds bit `offset`. */
function bitAddress<T>(u: usize, offset: u64): u64 {
  const signed: i64 = sizeof<T>() == 8 ? <i64>offset : sizeof<T>() == 4 ? <i64><i32>offset : <i64><i16>offset;
  const distance = <u64>((signed >> (sizeof<T>() == 8 ? 6 : sizeof<T>() == 4 ? 5 : 4)) * sizeof<T>());
  return eaPlus(u, distance);
}

/**
 * BT, BTS, BTR, BTC. A register bit offset reaches beyond a memory operand: the operand accessed is the one that holds
 * the bit (SDM Vol. 2A "BT"); an immediate offset stays inside.
 */
function bitTest<T>(u: usize, action: u32, immediate: bool): void {
  const bits = <u64>(sizeof<T>() * 8);
  const offset = load<u64>(src(u));
  const bit = <T>(<u64>1 << (offset & (bits - 1)));
  let linear: u64 = 0;
  if (ismem(u)) {
    linear = immediate ? ea(u) : bitAddress<T>(u, offset);
    if (action != TEST_ONLY && !probeWrite(linear, sizeof<T>())) return;
  }
  const value = ismem(u) ? readMem<T>(linear) : load<T>(dst(u));
  if (faulted) return;
  if (action != TEST_ONLY) {
    const out: T = action == SET ? value | bit : action == RESET ? value & ~bit : value ^ bit;
    if (ismem(u)) writeMem<T>(linear, out);
    else if (sizeof<T>() == 4) store<u64>(dst(u), <u64>out);
    else store<T>(dst(u), out);
  }
  setCf(u32((value & bit) != 0));
}

function bitTestSized(u: usize, action: u32, immediate: bool): void {
  const size = opsize(u);
  if (size == 8) bitTest<u64>(u, action, immediate);
  else if (size == 4) bitTest<u32>(u, action, immediate);
  else bitTest<u16>(u, action, immediate);
}

export function BT(u: usize): void {
  bitTestSized(u, TEST_ONLY, false);
}

export function BT_IMM(u: usize): void {
  bitTestSized(u, TEST_ONLY, true);
}

export function BTS(u: usize): void {
  bitTestSized(u, SET, false);
}

export function BTS_IMM(u: usize): void {
  bitTestSized(u, SET, true);
}

export function BTR(u: usize): void {
  bitTestSized(u, RESET, false);
}

export function BTR_IMM(u: usize): void {
  bitTestSized(u, RESET, true);
}

export function BTC(u: usize): void {
  bitTestSized(u, COMPLEMENT, false);
}

export function BTC_IMM(u: usize): void {
  bitTestSized(u, COMPLEMENT, true);
}

/** ZF by the source, the other flags as the chips leave them: CF, OF, SF, AF clear, PF of the result. */
function flagsScan(zero: bool, index: u32): void {
  flagsLogic<u64>(index);
  setArithmeticFlags((arithmeticFlags() & ~0x40) | (zero ? 0x40 : 0));
}

/** A source of 0 leaves all of the destination as it is: AMD documents it, Intel's chips do it. */
function scan<T>(u: usize, reverse: bool): void {
  const b = ismem(u) ? readMem<T>(ea(u)) : load<T>(src(u));
  if (faulted) return;
  if (!b) return setArithmeticFlags((arithmeticFlags() & ~0x895) | 0x44);
  const r = reverse ? 63 - clz<u64>(<u64>b) : ctz<u64>(<u64>b);
  flagsScan(false, <u32>r);
  if (sizeof<T>() == 4) store<u64>(dst(u), r);
  else store<T>(dst(u), <T>r);
}

function scanSized(u: usize, reverse: bool): void {
  const size = opsize(u);
  if (size == 8) scan<u64>(u, reverse);
  else if (size == 4) scan<u32>(u, reverse);
  else scan<u16>(u, reverse);
}

export function BSF(u: usize): void {
  scanSized(u, false);
}

export function BSR(u: usize): void {
  scanSized(u, true);
}

export function TZCNT<T>(b: T): T {
  const r: u64 = b ? ctz<u64>(<u64>b) : sizeof<T>() * 8;
  setArithmeticFlags((b ? 0 : 1) | (r ? 0 : 0x40));
  return <T>r;
}

export function LZCNT<T>(b: T): T {
  const r: u64 = clz<u64>(<u64>b) - (64 - sizeof<T>() * 8);
  setArithmeticFlags((b ? 0 : 1) | (r ? 0 : 0x40));
  return <T>r;
}

export function POPCNT<T>(b: T): T {
  setArithmeticFlags(b ? 0 : 0x40);
  return <T>popcnt<u64>(<u64>b);
}

export function BSWAP<T>(a: T): T {
  if (sizeof<T>() == 2) return 0; // Undefined in the SDM; the chips clear the word.
  return bswap<T>(a);
}

export function MOVBE<T>(b: T): T {
  return bswap<T>(b);
}

/** SETcc r/m8; the condition is in `sub`. */
export function SETCC(u: usize): void {
  writeRm<u8>(u, condition(sub(u)) ? 1 : 0);
}
