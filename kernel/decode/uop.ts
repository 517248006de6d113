// A micro-operation: what the decoder makes of an instruction, or of a step of one, and exec() executes.
//
//    0   2   4       8       12  13  14  15  16      20   22  23  24              32
//   +---+---+-------+-------+---+---+---+---+-------+----+---+---+---------------+
//   |code|op|  dst  |  src  |bas|idx|shf|sub| disp  | ip |len|nth|      imm      |
//   +---+---+-------+-------+---+---+---+---+-------+----+---+---+---------------+
//
//   code  case number in exec(); CODE_COLD and above are left to slow.ts    op  number of the cold operation
//   dst, src  host addresses of the operands' slots (registers, temporaries, or this record's own imm)
//   imm   immediate, or other facts; where the first source is not the destination (VEX) the upper half is `via`, its slot
//   bas, idx  byte offsets of slots in the CPU block; effective address = [bas] + ([idx] << shf) + disp
//   sub   ModRM.reg, segment number, condition ...          ip   offset of the instruction in its page
//   len   3..0 length, 5..4 log2 operand size, 6 has a memory operand, 7 SS is its segment
//   nth   instructions of the block before this one

import { CPU_BLOCK } from "../abi/layout";
import { SEG_BASE, SLOT_CODE_PAGE } from "../abi/state";
import { addressMask } from "../cpu/state";
import { readMem, writeMem } from "../mmu/access";

export const UOP_SIZE: usize = 32;
export const UOP_CODE: usize = 0;
export const UOP_OP: usize = 2;
export const UOP_DST: usize = 4;
export const UOP_SRC: usize = 8;
export const UOP_BASE: usize = 12;
export const UOP_INDEX: usize = 13;
export const UOP_SHIFT: usize = 14;
export const UOP_SUB: usize = 15;
export const UOP_DISP: usize = 16;
export const UOP_IP: usize = 20;
export const UOP_LEN: usize = 22;
export const UOP_NTH: usize = 23;
export const UOP_IMM: usize = 24;
export const UOP_VIA: usize = 28;

export const LEN_MEM: u32 = 0x40;
export const LEN_STACK: u32 = 0x80;

// @ts-ignore: decorator
@inline
export function dst(u: usize): usize {
  return load<u32>(u, UOP_DST);
}

// @ts-ignore: decorator
@inline
export function src(u: usize): usize {
  return load<u32>(u, UOP_SRC);
}

// @ts-ignore: decorator
@inline
export function via(u: usize): usize {
  return load<u32>(u, UOP_VIA);
}

// @ts-ignore: decorator
@inline
export function imm(u: usize): i64 {
  return load<i64>(u, UOP_IMM);
}

// @ts-ignore: decorator
@inline
export function sub(u: usize): u32 {
  return load<u8>(u, UOP_SUB);
}

/** Operand size in bytes: 1, 2, 4 or 8. */
// @ts-ignore: decorator
@inline
export function opsize(u: usize): u32 {
  return 1 << ((load<u8>(u, UOP_LEN) >> 4) & 3);
}

// @ts-ignore: decorator
@inline
export function ismem(u: usize): bool {
  return (load<u8>(u, UOP_LEN) & LEN_MEM) != 0;
}

/** Linear address of the memory operand: segment base added, truncated by the address size; not checked. */
// @ts-ignore: decorator
@inline
export function ea(u: usize): u64 {
  return load<u64>(CPU_BLOCK + <usize>load<u8>(u, UOP_BASE))
    + (load<u64>(CPU_BLOCK + <usize>load<u8>(u, UOP_INDEX)) << <u64>load<u8>(u, UOP_SHIFT))
    + <u64>load<i32>(u, UOP_DISP);
}

/**
 * Linear address `distance` bytes behind the operand, where the sum is cut to the address size: bit strings, MASKMOVDQU. The decoder has
 * put the slot of the segment's base into the low half of imm and the address size (2, 4 or 8) into the upper one.
 */
export function eaPlus(u: usize, distance: u64): u64 {
  const bytes = <u32>(imm(u) >> 32);
  if (bytes == 8) return ea(u) + distance;
  const base = load<u64>(CPU_BLOCK + <usize>(<u32>imm(u)));
  const offset = ea(u) - base + distance;
  return ((offset & (bytes == 4 ? 0xffffffff : 0xffff)) + base) & addressMask;
}

/** Architectural RIP of the instruction u belongs to. */
export function thisRip(u: usize): u64 {
  return (load<u64>(CPU_BLOCK, SLOT_CODE_PAGE) + load<u16>(u, UOP_IP) - load<u64>(CPU_BLOCK, SEG_BASE + 8)) & addressMask;
}

/** Architectural RIP of the instruction after it. */
export function nextRip(u: usize): u64 {
  return (thisRip(u) + (load<u8>(u, UOP_LEN) & 15)) & addressMask;
}

/** Slot of the r/m operand of a raw operation when it is a register: of a register form, `bas` says 1 for src, 0 for dst. */
// @ts-ignore: decorator
@inline
export function rmSlot(u: usize): usize {
  return load<u8>(u, UOP_BASE) == 1 ? src(u) : dst(u);
}

/** The r/m operand of a raw operation; sets `faulted` if it can't be read. */
export function readRm<T>(u: usize): T {
  return ismem(u) ? readMem<T>(ea(u)) : load<T>(rmSlot(u));
}

/** Writes the r/m operand of a raw operation; a 32-bit register write clears the upper half. */
export function writeRm<T>(u: usize, v: T): void {
  if (ismem(u)) writeMem<T>(ea(u), v);
  else if (sizeof<T>() == 4) store<u64>(rmSlot(u), <u64>v);
  else store<T>(rmSlot(u), v);
}
