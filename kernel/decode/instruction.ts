// The instruction being decoded: its bytes, prefixes, ModRM, address and immediates, and the micro-operations it becomes.
// Filled by decoder.ts, lowered to micro-operations by lower.ts.

import { CPU_BLOCK } from "../abi/layout";
import {
  MODE_64, RAX, RBX, RCX, RDI, RDX, RSP, SEG_BASE, SEG_DS, SEG_FS, SEG_GS, SEG_SS, SLOT_CODE_PAGE, SLOT_EA, SLOT_T0, SLOT_T1, SLOT_ZERO, ST, XMM,
} from "../abi/state";
import { segmentIsFlat, segmentIsPlain } from "../cpu/segment-access";
import { mode } from "../cpu/state";
import {
  K_A, K_B, K_BX, K_CL, K_DI, K_DX, K_E, K_G, K_H, K_I, K_IS, K_J, K_L, K_M, K_N, K_O, K_ONE, K_P, K_Q, K_R, K_RAX, K_U, K_V, K_W, K_Z,
  ROW_OPERANDS, SZ_16, SZ_32, SZ_64, SZ_8, SZ_V, SZ_Y, SZ_Z, VEX_L0, VEX_L1, VEX_W0, VEX_W1,
} from "./operand-kinds";
import {
  UOP_BASE, UOP_CODE, UOP_DISP, UOP_DST, UOP_IMM, UOP_INDEX, UOP_IP, UOP_OP, UOP_SHIFT, UOP_SIZE, UOP_SRC, UOP_SUB,
} from "./uop";
import { COLD_ADDRESS16, COLD_SEGMENT } from "../../build/kernel/tables";
import { CODE_COLD, CODE_EA, CODE_EA32, CODE_MOV64_rr } from "../../build/kernel/codes";

/** Where the next micro-operation goes. */
export let out: usize = 0;
/** The instruction just decoded may not be followed by another one in its block. */
export let endsBlock: bool = false;

export function setOut(at: usize): void {
  out = at;
}

// The instruction being decoded
export let at: usize = 0;
export let position: u32 = 0;
export let available: u32 = 0;
export let starved: bool = false;
export let ip: u32 = 0;
export let first: usize = 0;
export let rex: u32 = 0;
export let rexSeen: bool = false;
export let opsize: u32 = 2; // log2
export let addrsize: u32 = 3;
export let segment: i32 = -1;
export let lock: bool = false;
export let repeat: u32 = 0; // 0, 0xf2, 0xf3
export let prefix66: bool = false;
export let opcode: u32 = 0;
export let modrm: u32 = 0;
export let hasMemory: bool = false;
export let stackSegment: bool = false;
export let ripRelative: bool = false;
export let eaBase: u32 = SLOT_ZERO;
export let eaIndex: u32 = SLOT_ZERO;
export let eaShift: u32 = 0;
export let eaDisp: i64 = 0;
/** Slot of the segment base that is in the address. */
export let segmentSlot: u32 = SLOT_ZERO;
/** The operand's accesses are checked: the instruction ends with a step that ends it. */
export let segmentChecked: bool = false;
export let immediate: i64 = 0;
export let immediates: u32 = 0;
/** VEX_L and VEX_W bits of the prefix: what a row may ask for. 0 without VEX. */
export let vex: u32 = 0;
/** Register number in VEX.vvvv. */
export let vvvv: u32 = 0;
/** Register number in an is4 immediate. */
export let is4: u32 = 0;

export function next8(): u32 {
  if (position >= available) {
    starved = true;
    return 0;
  }
  return load<u8>(at + position++);
}

export function next16(): u32 {
  const low = next8();
  return low | (next8() << 8);
}

export function next32(): u32 {
  const low = next16();
  return low | (next16() << 16);
}

export function next64(): u64 {
  const low = <u64>next32();
  return low | (<u64>next32() << 32);
}

/** In 64-bit mode C4 and C5 are VEX prefixes; outside it LES and LDS, unless what would be their ModRM has mod 11 (SDM Vol. 2A 2.3.5). */
export function opensVex(b: u32): bool {
  return (b == 0xc4 || b == 0xc5) && (mode() == MODE_64 || (position < available && load<u8>(at + position) >= 0xc0));
}

/**
 * The rest of a VEX prefix (SDM Vol. 2A 2.3.5) into rex, the mandatory prefix and vvvv. Answers the number of the opcode map as
 * the tables count, 3 + VEX.mmmmm, or 0 for a map that has no row.
 * Outside 64-bit mode there are 8 registers: B, and the top bit of a register in vvvv or is4, mean nothing; W is an opcode bit at most.
 */
export function vexPrefix(b: u32): u32 {
  const wide = mode() == MODE_64;
  let mmmmm: u32 = 1;
  let bits = next8();
  let extension = (~bits >> 5) & 4; // R
  if (b == 0xc4) {
    mmmmm = bits & 31;
    extension = (~bits >> 5) & 7;
    bits = next8();
  } else bits &= 0x7f;
  const w = bits >> 7;
  if (wide) rex = 0x40 | (w << 3) | extension;
  rexSeen = true;
  vex = (bits & 4 ? VEX_L1 : VEX_L0) | (w ? VEX_W1 : VEX_W0);
  vvvv = (~bits >> 3) & 15;
  prefix66 = (bits & 3) == 1;
  repeat = (bits & 3) == 2 ? 0xf3 : (bits & 3) == 3 ? 0xf2 : 0;
  return mmmmm >= 1 && mmmmm <= 3 ? 3 + mmmmm : 0;
}

export function emit(code: u32, op: u32): usize {
  const u = out;
  out += UOP_SIZE;
  store<u64>(u, 0);
  store<u64>(u, 0, 8);
  store<u64>(u, 0, 16);
  store<i64>(u, immediate, UOP_IMM);
  store<u16>(u, <u16>code, UOP_CODE);
  store<u16>(u, <u16>op, UOP_OP);
  store<u16>(u, <u16>ip, UOP_IP);
  store<u8>(u, SLOT_ZERO, UOP_BASE);
  store<u8>(u, SLOT_ZERO, UOP_INDEX);
  return u;
}

export function addressInto(u: usize): void {
  store<u8>(u, <u8>eaBase, UOP_BASE);
  store<u8>(u, <u8>eaIndex, UOP_INDEX);
  store<u8>(u, <u8>eaShift, UOP_SHIFT);
  store<i32>(u, <i32>eaDisp, UOP_DISP);
}

/** Plants a micro-operation that raises, in place of whatever the instruction would have been. */
export function plant(op: u32): void {
  out = first;
  emit(CODE_COLD, op);
  endsBlock = true;
}

export function modrmMemory(): void {
  const mod = modrm >> 6;
  let rm = modrm & 7;
  hasMemory = true;
  if (addrsize == 1) return modrmMemory16();
  if (rm == 4) {
    const sib = next8();
    const index = ((sib >> 3) & 7) | ((rex & 2) << 2);
    if (index != 4) {
      eaIndex = index << 3;
      eaShift = sib >> 6;
    }
    rm = sib & 7;
    if (rm == 5 && mod == 0) {
      eaDisp = <i64><i32>next32();
      return;
    }
    eaBase = (rm | ((rex & 1) << 3)) << 3;
    stackSegment = eaBase == 0x20 || eaBase == 0x28;
  } else if (rm == 5 && mod == 0) {
    eaDisp = <i64><i32>next32();
    if (mode() == MODE_64) {
      ripRelative = true;
      eaBase = SLOT_CODE_PAGE;
    }
    return;
  } else {
    eaBase = (rm | ((rex & 1) << 3)) << 3;
    stackSegment = eaBase == 0x28;
  }
  if (mod == 1) eaDisp = <i64><i8>next8();
  else if (mod == 2) eaDisp = <i64><i32>next32();
}

/** SDM Vol. 2A table 2-1. */
export function modrmMemory16(): void {
  const mod = modrm >> 6;
  const rm = modrm & 7;
  if (rm == 6 && mod == 0) {
    eaDisp = <i64>next16();
    return;
  }
  const rbx: u32 = 0x18, rbp: u32 = 0x28, rsi: u32 = 0x30, rdi: u32 = 0x38;
  eaBase = rm == 0 || rm == 1 || rm == 7 ? rbx : rm == 2 || rm == 3 || rm == 6 ? rbp : rm == 4 ? rsi : rdi;
  if (rm == 0 || rm == 2) eaIndex = rsi;
  else if (rm == 1 || rm == 3) eaIndex = rdi;
  stackSegment = eaBase == rbp;
  if (mod == 1) eaDisp = <i64><i8>next8();
  else if (mod == 2) eaDisp = <i64><i16>next16();
}

/**
 * Emits the steps without which base + index << shift + disp is not the linear address; LEA takes no segment. Outside 64-bit mode the
 * last step adds the base of a segment that is not flat, and has the accesses behind it checked if the segment is not plain.
 */
export function finishAddress(lea: bool): void {
  if (ripRelative) eaDisp += <i64>(ip + position);
  if (addrsize != 3) eaDisp = <i64><i32>eaDisp; // the sum is cut
  if (eaDisp != <i64><i32>eaDisp) largeDisplacement();
  if (addrsize != 3) {
    const u = emit(addrsize == 2 ? CODE_EA32 : CODE_COLD, COLD_ADDRESS16);
    addressInto(u);
    plainAddress(SLOT_EA);
  }
  if (lea) return;
  const seg: u32 = segment >= 0 ? <u32>segment : stackSegment ? SEG_SS : SEG_DS;
  const slot = SEG_BASE + seg * 8;
  if (mode() == MODE_64) {
    if (seg != SEG_FS && seg != SEG_GS) return;
    stackSegment = false;
    segmentSlot = slot;
    if (eaBase == SLOT_ZERO) eaBase = slot;
    else if (eaIndex == SLOT_ZERO) {
      eaIndex = slot;
      eaShift = 0;
    } else {
      addressInto(emit(CODE_EA, 0));
      plainAddress(SLOT_EA);
      eaIndex = slot;
    }
    return;
  }
  stackSegment = seg == SEG_SS;
  if (segmentIsFlat(seg)) return;
  segmentSlot = slot;
  eaIndex = slot;
  segmentChecked = !segmentIsPlain(seg);
  const u = emit(segmentChecked ? CODE_COLD : CODE_EA32, COLD_SEGMENT);
  addressInto(u);
  store<u8>(u, <u8>seg, UOP_SUB);
  plainAddress(SLOT_EA);
}

/** A displacement that is not 32 bits, sign-extended: moffs, and those near the ends that RIP or POP has moved past them. */
function largeDisplacement(): void {
  if (eaIndex != SLOT_ZERO) {
    const displacement = eaDisp;
    eaDisp = 0;
    addressInto(emit(CODE_EA, 0));
    plainAddress(SLOT_EA);
    eaDisp = displacement;
  }
  const slot = eaBase == SLOT_EA ? SLOT_T1 : SLOT_EA;
  const u = emit(CODE_MOV64_rr, 0);
  store<u32>(u, <u32>(CPU_BLOCK + slot), UOP_DST);
  store<u32>(u, <u32>(u + UOP_IMM), UOP_SRC);
  store<i64>(u, eaDisp, UOP_IMM);
  eaDisp = 0;
  if (eaBase == SLOT_ZERO) eaBase = slot;
  else eaIndex = slot;
}

/** POP makes an address by rSP with its value after the pop (SDM Vol. 2B, POP), and has it made before. */
export function addressAfterPop(): void {
  if (eaBase == RSP) eaDisp += <i64>1 << opsize;
}

export function plainAddress(slot: u32): void {
  eaBase = slot;
  eaIndex = SLOT_ZERO;
  eaShift = 0;
  eaDisp = 0;
}

export function generalSlot(reg: u32, size: u32): u32 {
  if (size == SZ_8 && !rexSeen && reg >= 4 && reg < 8) return <u32>CPU_BLOCK + (reg - 4) * 8 + 1;
  return <u32>CPU_BLOCK + reg * 8;
}

export function resolved(size: u32): u32 {
  if (size == SZ_V) return opsize;
  if (size == SZ_Y) return opsize == 3 ? SZ_64 : SZ_32;
  if (size == SZ_Z) return opsize == 1 ? SZ_16 : SZ_32;
  return size;
}

/** Mask of a register number in vvvv or is4. */
// @ts-ignore: decorator
@inline
function registers(): u32 {
  return mode() == MODE_64 ? 15 : 7;
}

/** Slot of an operand that is not memory, by its place; immediates stand in the micro-operation itself (0). */
export function operandSlot(kind: u32, size: u32): u32 {
  const r = resolved(size);
  const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
  const rm = (modrm & 7) | ((rex & 1) << 3);
  switch (kind) {
    case K_E: case K_M: case K_R: return generalSlot(rm, r);
    case K_G: return generalSlot(reg, r);
    case K_Z: return generalSlot((opcode & 7) | ((rex & 1) << 3), r);
    case K_B: return generalSlot(vvvv & registers(), r);
    case K_H: return <u32>(CPU_BLOCK + XMM) + (vvvv & registers()) * 16;
    case K_L: return <u32>(CPU_BLOCK + XMM) + (is4 & registers()) * 16;
    case K_RAX: return <u32>(CPU_BLOCK + RAX);
    case K_CL: return <u32>(CPU_BLOCK + RCX);
    case K_DX: return <u32>(CPU_BLOCK + RDX);
    case K_V: return <u32>(CPU_BLOCK + XMM) + reg * 16;
    case K_W: case K_U: return <u32>(CPU_BLOCK + XMM) + rm * 16;
    case K_P: return <u32>(CPU_BLOCK + ST) + (reg & 7) * 16;
    case K_Q: case K_N: return <u32>(CPU_BLOCK + ST) + (rm & 7) * 16;
    default: return 0;
  }
}

export function isMemoryKind(kind: u32): bool {
  return kind == K_E || kind == K_M || kind == K_W || kind == K_Q || kind == K_O || kind == K_BX;
}

export function addImmediate(value: i64, bits: u32): void {
  if (immediates == 0) immediate = value;
  else immediate |= value << bits;
  immediates++;
}

export function fetchOperand(kind: u32, size: u32): void {
  switch (kind) {
    case K_I: {
      const r = resolved(size);
      if (r == SZ_8) addImmediate(<i64>next8(), 16);
      else if (r == SZ_16) addImmediate(<i64>next16(), 16);
      else if (r == SZ_64) addImmediate(<i64>next64(), 0);
      else addImmediate(<i64><i32>next32(), 0);
      return;
    }
    case K_L: {
      is4 = next8() >> 4;
      return;
    }
    case K_IS: return addImmediate(<i64><i8>next8(), 0);
    case K_ONE: return addImmediate(1, 0);
    case K_J: {
      if (size == SZ_8) addImmediate(<i64><i8>next8(), 0);
      else if (opsize == 1) addImmediate(<i64><i16>next16(), 0);
      else addImmediate(<i64><i32>next32(), 0);
      return;
    }
    case K_O: {
      hasMemory = true;
      eaDisp = addrsize == 3 ? <i64>next64() : addrsize == 2 ? <i64>next32() : <i64>next16();
      return;
    }
    case K_BX: {
      hasMemory = true;
      eaBase = RBX;
      eaIndex = SLOT_T0;
      return;
    }
    case K_DI: {
      hasMemory = true;
      eaBase = RDI;
      immediate = <i64>(1 << addrsize) << 32;
      return;
    }
    case K_A: {
      immediate = opsize == 1 ? <i64>next16() : <i64>next32();
      immediate |= <i64>next16() << 32;
      immediates++;
      return;
    }
  }
}

export function operandKind(row: usize, k: u32): u32 {
  return load<u8>(row + k * 2, ROW_OPERANDS);
}

export function operandSize(row: usize, k: u32): u32 {
  return load<u8>(row + k * 2, ROW_OPERANDS + 1);
}
