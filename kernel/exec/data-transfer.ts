// Data transfer instructions (SDM Vol. 1 5.1.1).

import { CPU_BLOCK } from "../abi/layout";
import { RAX, RBX, RCX, RDX, RSP } from "../abi/state";
import { faulted, raiseGP } from "../cpu/fault";
import { condition, flagsSub, setZf } from "../cpu/flags";
import { popOperand, pushOperand } from "../system/stack";
import { dst, ea, ismem, opsize, readRm, src, writeRm } from "../decode/uop";
import { probeWrite, readMem, writeMem } from "../mmu/access";
import { ADD } from "./arithmetic";

export function MOV<T>(b: T): T {
  return b;
}

export function MOVZX8<T>(b: u8): T {
  return <T>b;
}

export function MOVZX16<T>(b: u16): T {
  return <T>b;
}

export function MOVSX8<T>(b: u8): T {
  return <T><i64><i8>b;
}

export function MOVSX16<T>(b: u16): T {
  return <T><i64><i16>b;
}

export function MOVSXD<T>(b: u32): T {
  return <T><i64><i32>b;
}

/** LEA: the address without segment base; the decoder leaves the base out. */
export function LEA(u: usize): void {
  const address = ea(u);
  const size = opsize(u);
  if (size == 8) store<u64>(dst(u), address);
  else if (size == 4) store<u64>(dst(u), address & 0xffffffff);
  else store<u16>(dst(u), <u16>address);
}

/** CBW, CWDE, CDQE. */
export function CBW(u: usize): void {
  const size = opsize(u);
  if (size == 8) store<i64>(CPU_BLOCK, <i64>load<i32>(CPU_BLOCK, RAX), RAX);
  else if (size == 4) store<u64>(CPU_BLOCK, <u64><u32><i32>load<i16>(CPU_BLOCK, RAX), RAX);
  else store<i16>(CPU_BLOCK, <i16>load<i8>(CPU_BLOCK, RAX), RAX);
}

/** CWD, CDQ, CQO. */
export function CWD(u: usize): void {
  const size = opsize(u);
  if (size == 8) store<i64>(CPU_BLOCK, load<i64>(CPU_BLOCK, RAX) >> 63, RDX);
  else if (size == 4) store<u64>(CPU_BLOCK, <u64><u32>(load<i32>(CPU_BLOCK, RAX) >> 31), RDX);
  else store<i16>(CPU_BLOCK, <i16>(load<i16>(CPU_BLOCK, RAX) >> 15), RDX);
}

/** CMOVcc, register or memory source: the source is read (and faults) whatever the condition; a 32-bit destination is always zero-extended. */
export function CMOVCC<T>(a: T, b: T, i: u64): T {
  return condition(<u32>i) ? b : a;
}

function exchange<T>(u: usize): void {
  const r = load<T>(src(u));
  if (ismem(u) && !probeWrite(ea(u), sizeof<T>())) return;
  const m = readRm<T>(u);
  if (faulted) return;
  writeRm<T>(u, r);
  if (sizeof<T>() == 4) store<u64>(src(u), <u64>m);
  else store<T>(src(u), m);
}

/** XCHG; with memory it is locked without the prefix, which one CPU does not notice. */
export function XCHG(u: usize): void {
  switch (opsize(u)) {
    case 1: return exchange<u8>(u);
    case 2: return exchange<u16>(u);
    case 4: return exchange<u32>(u);
    default: return exchange<u64>(u);
  }
}

function exchangeAdd<T>(u: usize): void {
  const b = load<T>(src(u));
  if (ismem(u) && !probeWrite(ea(u), sizeof<T>())) return;
  const a = readRm<T>(u);
  if (faulted) return;
  const r = ADD<T>(a, b);
  // Memory first, whose address may use the source; of two registers the source, so that XADD r, r ends with the sum.
  if (ismem(u)) writeMem<T>(ea(u), r);
  if (sizeof<T>() == 4) store<u64>(src(u), <u64>a);
  else store<T>(src(u), a);
  if (!ismem(u)) writeRm<T>(u, r);
}

export function XADD(u: usize): void {
  switch (opsize(u)) {
    case 1: return exchangeAdd<u8>(u);
    case 2: return exchangeAdd<u16>(u);
    case 4: return exchangeAdd<u32>(u);
    default: return exchangeAdd<u64>(u);
  }
}

function compareExchange<T>(u: usize): void {
  if (ismem(u) && !probeWrite(ea(u), sizeof<T>())) return; // The destination is written even if the comparison fails.
  const a = readRm<T>(u);
  if (faulted) return;
  const accumulator = load<T>(CPU_BLOCK, RAX);
  const r: T = accumulator - a;
  const b = load<T>(src(u));
  flagsSub<T>(accumulator, a, r);
  if (accumulator == a) {
    writeRm<T>(u, b);
    return;
  }
  // A failed comparison rewrites memory with its own value; of a 32-bit register destination the upper half stays.
  if (ismem(u)) writeMem<T>(ea(u), a);
  if (sizeof<T>() == 4) store<u64>(CPU_BLOCK, <u64>a, RAX);
  else store<T>(CPU_BLOCK, a, RAX);
}

export function CMPXCHG(u: usize): void {
  switch (opsize(u)) {
    case 1: return compareExchange<u8>(u);
    case 2: return compareExchange<u16>(u);
    case 4: return compareExchange<u32>(u);
    default: return compareExchange<u64>(u);
  }
}

/** CMPXCHG8B; with REX.W CMPXCHG16B, whose operand must be aligned. */
export function CMPXCHG8B(u: usize): void {
  const at = ea(u);
  if (opsize(u) == 8) {
    if (at & 15) return raiseGP(0);
    if (!probeWrite(at, 16)) return;
    const low = readMem<u64>(at);
    const high = readMem<u64>(at + 8);
    if (low == load<u64>(CPU_BLOCK, RAX) && high == load<u64>(CPU_BLOCK, RDX)) {
      writeMem<u64>(at, load<u64>(CPU_BLOCK, RBX));
      writeMem<u64>(at + 8, load<u64>(CPU_BLOCK, RCX));
      setZf(1);
      return;
    }
    writeMem<u64>(at, low);
    writeMem<u64>(at + 8, high);
    store<u64>(CPU_BLOCK, low, RAX);
    store<u64>(CPU_BLOCK, high, RDX);
    setZf(0);
    return;
  }
  if (!probeWrite(at, 8)) return;
  const m = readMem<u64>(at);
  if (faulted) return;
  if (m == (load<u64>(CPU_BLOCK, RDX) << 32 | <u64>load<u32>(CPU_BLOCK, RAX))) {
    writeMem<u64>(at, load<u64>(CPU_BLOCK, RCX) << 32 | <u64>load<u32>(CPU_BLOCK, RBX));
    setZf(1);
    return;
  }
  writeMem<u64>(at, m);
  store<u64>(CPU_BLOCK, m & 0xffffffff, RAX);
  store<u64>(CPU_BLOCK, m >> 32, RDX);
  setZf(0);
}

/** XLAT: AL = [rBX + AL]; the decoder gives rBX with its segment as the address. */
export function XLAT(u: usize): void {
  const v = readMem<u8>(ea(u));
  if (!faulted) store<u8>(CPU_BLOCK, v, RAX);
}

/** PUSH r/m, r, imm: the operand's slot or memory. */
export function PUSH(u: usize): void {
  const size = opsize(u);
  let v: u64 = 0;
  if (ismem(u)) v = size == 8 ? readMem<u64>(ea(u)) : size == 4 ? <u64>readMem<u32>(ea(u)) : <u64>readMem<u16>(ea(u));
  else v = load<u64>(dst(u));
  if (faulted) return;
  pushOperand(v, size);
}

/** POP r/m: into an address by rSP the decoder has put its value after the pop. */
export function POP(u: usize): void {
  const size = opsize(u);
  const old = load<u64>(CPU_BLOCK, RSP);
  const at = ismem(u) ? ea(u) : 0;
  const v = popOperand(size);
  if (faulted) return;
  if (!ismem(u)) {
    if (size == 8) store<u64>(dst(u), v);
    else if (size == 4) store<u64>(dst(u), v & 0xffffffff);
    else store<u16>(dst(u), <u16>v);
    return;
  }
  if (size == 8) writeMem<u64>(at, v);
  else if (size == 4) writeMem<u32>(at, <u32>v);
  else writeMem<u16>(at, <u16>v);
  if (faulted) store<u64>(CPU_BLOCK, old, RSP);
}

/** NOP, and everything that hints and does nothing here: PAUSE, ENDBR64, the hint space 0F 18-1F. */
export function NOP(u: usize): void {}
