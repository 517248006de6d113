// From instruction bytes to micro-operations, by the tables that kernel/gen makes of the rows.
//
// An instruction becomes [address step] [load] operation [store]; the common pairs of load or store with an operation are one
// micro-operation (FORMS). Whatever depends on CPL, CR0, CR4, CPUID or the vendor is decided here: the code cache is keyed by, or
// emptied on a change of, all of them.

import { CPU_BLOCK } from "../abi/layout";
import {
  CR0, CR4, GPR, MODE_16, MODE_32, MODE_64, RAX, RBX, RCX, RDI, RDX, SEG_BASE, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS, SLOT_CODE_PAGE, SLOT_EA,
  SLOT_T0, SLOT_T1, SLOT_ZERO, ST, VENDOR, VENDOR_AMD, XMM,
} from "../abi/state";
import { CR0_EM, CR0_TS, CR4_OSFXSR } from "../abi/bits";
import { hasFeature } from "../cpu/cpuid";
import { cpl, mode } from "../cpu/state";
import {
  K_A, K_BX, K_C, K_CL, K_D, K_DI, K_DX, K_E, K_G, K_I, K_IS, K_J, K_M, K_N, K_NONE, K_O, K_ONE, K_P, K_Q, K_R, K_RAX, K_S, K_U, K_V, K_W, K_X, K_Y, K_Z,
  R1_DST_READ, R1_DST_WRITE, R1_FORCE64, R1_LOCK, R1_RAW, R1_SIZE64, R1_UNALIGNED, R2_AMD, R2_CPL0, R2_ENDS_BLOCK, R2_INTEL,
  R2_MODE32, R2_MODE64, R2_SSE, R2_X87, R3_FXSAVE, R3_MODRM, R3_SUB_IS_OPCODE, R3_SUB_IS_RM, ROW_FEATURE, ROW_FLAGS1, ROW_FLAGS2, ROW_FLAGS3, ROW_NEXT, ROW_OPERANDS,
  ROW_SIZE, ROW_SIZE_CLASS, ROW_USE, SZ_128, SZ_16, SZ_32, SZ_64, SZ_8, SZ_OTHER, SZ_V, SZ_Y, SZ_Z, USE_CALL, USE_CALL_REL, USE_CBW, USE_CMOVCC, USE_CWD,
  USE_JCC, USE_JMP, USE_JMP_REL, USE_LEA, USE_LEAVE, USE_LOOP, USE_MOVE128, USE_NOP, USE_POP, USE_PUSH, USE_RET, USE_SETCC, USE_STRING, USE_XCHG_RAX, USE_XLAT,
  USE_BT, USE_BTR, USE_BTS, USE_MOV_FROM_CR, USE_MOV_TO_CR, USE_SWAPGS,
} from "./operand-kinds";
import {
  LEN_MEM, LEN_STACK, UOP_BASE, UOP_CODE, UOP_DISP, UOP_DST, UOP_IMM, UOP_INDEX, UOP_IP, UOP_LEN, UOP_NTH, UOP_OP, UOP_SHIFT, UOP_SIZE, UOP_SRC, UOP_SUB,
} from "./uop";
import {
  COLD_ADDRESS16, COLD_DEVICE_NOT_AVAILABLE, COLD_PROTECTED, COLD_UNDEFINED, FORMS, FORM_NONE, GROUPS, OPCODES, ROW_TABLE, SUBGROUPS,
} from "../../build/kernel/tables";
import {
  CODE_BT32, CODE_BT64, CODE_BTR64, CODE_BTS64, CODE_MOV_FROM_CR3, CODE_MOV_TO_CR3, CODE_SWAPGS, CODE_CALL64, CODE_CALL_REL64, CODE_CDQ, CODE_CDQE, CODE_CMOV32, CODE_CMOV64, CODE_COLD, CODE_CQO, CODE_EA, CODE_EA32, CODE_JCC0, CODE_JMP64, CODE_JMP_FAR_PAGE,
  CODE_JMP_PAGE, CODE_LD128, CODE_LD128A, CODE_LD16, CODE_LD32, CODE_LD64, CODE_LD8, CODE_LDW16, CODE_LDW32, CODE_LDW64, CODE_LDW8, CODE_LEA32, CODE_LEA64,
  CODE_LEAVE64, CODE_MOV64_rr, CODE_MOVZX832_rr, CODE_NOP, CODE_POP64, CODE_PUSH64, CODE_RET64, CODE_SETCC_R, CODE_ST128, CODE_ST128A, CODE_ST16, CODE_ST32, CODE_ST64,
  CODE_ST8, CODE_STW16, CODE_STW32, CODE_STW64, CODE_STW8, fusedCode,
} from "../../build/kernel/codes";

/** Where the next micro-operation goes. */
export let out: usize = 0;
/** The instruction just decoded may not be followed by another one in its block. */
export let endsBlock: bool = false;

export function setOut(at: usize): void {
  out = at;
}

// The instruction being decoded
let at: usize = 0;
let position: u32 = 0;
let available: u32 = 0;
let starved: bool = false;
let ip: u32 = 0;
let first: usize = 0;
let rex: u32 = 0;
let opsize: u32 = 2; // log2
let addrsize: u32 = 3;
let segment: i32 = -1;
let lock: bool = false;
let repeat: u32 = 0; // 0, 0xf2, 0xf3
let opcode: u32 = 0;
let modrm: u32 = 0;
let hasMemory: bool = false;
let stackSegment: bool = false;
let ripRelative: bool = false;
let eaBase: u32 = SLOT_ZERO;
let eaIndex: u32 = SLOT_ZERO;
let eaShift: u32 = 0;
let eaDisp: i64 = 0;
let immediate: i64 = 0;
let second: i64 = 0;
let immediates: u32 = 0;

function next8(): u32 {
  if (position >= available) {
    starved = true;
    return 0;
  }
  return load<u8>(at + position++);
}

function next16(): u32 {
  const low = next8();
  return low | (next8() << 8);
}

function next32(): u32 {
  const low = next16();
  return low | (next16() << 16);
}

function next64(): u64 {
  const low = <u64>next32();
  return low | (<u64>next32() << 32);
}

function emit(code: u32, op: u32): usize {
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

function addressInto(u: usize): void {
  store<u8>(u, <u8>eaBase, UOP_BASE);
  store<u8>(u, <u8>eaIndex, UOP_INDEX);
  store<u8>(u, <u8>eaShift, UOP_SHIFT);
  store<i32>(u, <i32>eaDisp, UOP_DISP);
}

/** Plants a micro-operation that raises, in place of whatever the instruction would have been. */
function plant(op: u32): void {
  out = first;
  emit(CODE_COLD, op);
  endsBlock = true;
}

function modrmMemory(): void {
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
function modrmMemory16(): void {
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

/** Emits the steps without which base + index << shift + disp is not the linear address; LEA takes no segment. */
function finishAddress(lea: bool): void {
  if (ripRelative) eaDisp += <i64>(ip + position);
  if (eaDisp != <i64><i32>eaDisp) {
    const u = emit(CODE_MOV64_rr, 0);
    store<u32>(u, <u32>(CPU_BLOCK + SLOT_EA), UOP_DST);
    store<u32>(u, <u32>(u + UOP_IMM), UOP_SRC);
    store<i64>(u, eaDisp, UOP_IMM);
    eaDisp = 0;
    if (eaBase == SLOT_ZERO) eaBase = SLOT_EA;
    else eaIndex = SLOT_EA; // RIP-relative: no index
  }
  if (addrsize != 3) {
    const u = emit(addrsize == 2 ? CODE_EA32 : CODE_COLD, COLD_ADDRESS16);
    addressInto(u);
    plainAddress(SLOT_EA);
  }
  if (lea) return;
  const seg: i32 = segment >= 0 ? segment : stackSegment ? SEG_SS : SEG_DS;
  if (mode() == MODE_64) {
    if (seg != SEG_FS && seg != SEG_GS) return;
    stackSegment = false;
    const slot = SEG_BASE + <u32>seg * 8;
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
  eaIndex = SEG_BASE + <u32>seg * 8;
  eaShift = 0;
  addressInto(emit(CODE_EA32, 0));
  plainAddress(SLOT_EA);
}

function plainAddress(slot: u32): void {
  eaBase = slot;
  eaIndex = SLOT_ZERO;
  eaShift = 0;
  eaDisp = 0;
}

function generalSlot(reg: u32, size: u32): u32 {
  if (size == SZ_8 && !rexSeen && reg >= 4 && reg < 8) return <u32>CPU_BLOCK + (reg - 4) * 8 + 1;
  return <u32>CPU_BLOCK + reg * 8;
}
let rexSeen: bool = false;

function resolved(size: u32): u32 {
  if (size == SZ_V) return opsize;
  if (size == SZ_Y) return opsize == 3 ? SZ_64 : SZ_32;
  if (size == SZ_Z) return opsize == 1 ? SZ_16 : SZ_32;
  return size;
}

/** Slot of an operand that is not memory, by its place; immediates stand in the micro-operation itself (0). */
function operandSlot(kind: u32, size: u32): u32 {
  const r = resolved(size);
  const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
  const rm = (modrm & 7) | ((rex & 1) << 3);
  switch (kind) {
    case K_E: case K_M: case K_R: return generalSlot(rm, r);
    case K_G: return generalSlot(reg, r);
    case K_Z: return generalSlot((opcode & 7) | ((rex & 1) << 3), r);
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

function isMemoryKind(kind: u32): bool {
  return kind == K_E || kind == K_M || kind == K_W || kind == K_Q || kind == K_O || kind == K_BX;
}

function addImmediate(value: i64, bits: u32): void {
  if (immediates == 0) immediate = value;
  else immediate |= value << bits;
  immediates++;
}

function fetchOperand(kind: u32, size: u32): void {
  switch (kind) {
    case K_I: {
      const r = resolved(size);
      if (r == SZ_8) addImmediate(<i64>next8(), 16);
      else if (r == SZ_16) addImmediate(<i64>next16(), 16);
      else if (r == SZ_64) addImmediate(<i64>next64(), 0);
      else addImmediate(<i64><i32>next32(), 0);
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

// @ts-ignore: decorator
@inline
function rowFlags1(row: usize): u32 {
  return load<u8>(row, ROW_FLAGS1);
}

function lookupRow(map: u32): u32 {
  let cell: u32 = load<u16>(OPCODES + ((map * 256 + opcode) << 1));
  if (cell & 0x8000) {
    modrm = next8();
    position--; // the row fetches it again
    const column: u32 = repeat == 0xf3 ? 2 : repeat == 0xf2 ? 3 : prefix66 ? 1 : 0;
    const index = ((cell & 0x7fff) << 6) | (column << 4) | (u32(modrm >= 0xc0) << 3) | ((modrm >> 3) & 7);
    cell = load<u16>(GROUPS + (index << 1));
    if (cell & 0x8000) cell = load<u16>(SUBGROUPS + ((((cell & 0x7fff) << 3) | (modrm & 7)) << 1));
  }
  return cell;
}
let prefix66: bool = false;

/** A row that fits mode, vendor and CPUID, or 0. */
function fitting(cell: u32): usize {
  while (cell) {
    const row = ROW_TABLE + <usize>(cell - 1) * ROW_SIZE;
    const flags = load<u8>(row, ROW_FLAGS2);
    const feature = load<u8>(row, ROW_FEATURE);
    const wide = mode() == MODE_64;
    const amd = load<u32>(CPU_BLOCK, VENDOR) == VENDOR_AMD;
    if (!(flags & R2_MODE64 && !wide) && !(flags & R2_MODE32 && wide) && !(flags & R2_INTEL && amd) && !(flags & R2_AMD && !amd)
      && (feature == 0xff || hasFeature(feature))) return row;
    const following = load<u16>(row, ROW_NEXT);
    if (following == 0xffff) return 0;
    cell = <u32>following + 1;
  }
  return 0;
}

/**
 * Decodes the instruction whose bytes stand at `bytes`, `count` of them known, at offset `pageOffset` of its page.
 * Returns its length, or 0 when more bytes are needed. Micro-operations go to `out`.
 */
export function decodeOne(bytes: usize, count: u32, pageOffset: u32): u32 {
  at = bytes;
  available = count < 15 ? count : 15;
  position = 0;
  starved = false;
  first = out;
  ip = pageOffset;
  endsBlock = false;
  decode();
  if (!starved) {
    finish();
    return position;
  }
  if (count < 15) {
    out = first;
    return 0;
  }
  // More than 15 bytes: #GP(0) (SDM Vol. 2A 2.3.11).
  position = 15;
  plant(COLD_PROTECTED);
  finish();
  return 15;
}

/** Length, operand size and flags go into every micro-operation of the instruction. */
function finish(): void {
  for (let u = first; u < out; u += UOP_SIZE) {
    store<u8>(u, <u8>(load<u8>(u, UOP_LEN) | position | (opsize << 4) | (stackSegment ? LEN_STACK : 0)), UOP_LEN);
  }
}

function decode(): void {
  const mode64 = mode() == MODE_64;
  const defaultSize: u32 = mode() == MODE_16 ? 1 : 2;
  rex = 0;
  rexSeen = false;
  prefix66 = false;
  lock = false;
  repeat = 0;
  segment = -1;
  let prefix67 = false;
  hasMemory = false;
  stackSegment = false;
  ripRelative = false;
  plainAddress(SLOT_ZERO);
  immediate = 0;
  immediates = 0;
  modrm = 0;
  opsize = defaultSize;
  let b = next8();
  while (!starved) {
    if (b == 0x66) prefix66 = true;
    else if (b == 0x67) prefix67 = true;
    else if (b == 0xf0) lock = true;
    else if (b == 0xf2 || b == 0xf3) repeat = b;
    else if (b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e) {
      // ES, CS, SS, DS: ignored in 64-bit mode, where they don't undo FS or GS either.
      if (!mode64) segment = <i32>((b >> 3) & 3);
    } else if (b == 0x64) segment = SEG_FS;
    else if (b == 0x65) segment = SEG_GS;
    else if (mode64 && (b & 0xf0) == 0x40) {
      rex = b;
      rexSeen = true;
      b = next8();
      if (b == 0x66 || b == 0x67 || b == 0xf0 || b == 0xf2 || b == 0xf3 || (b & 0xe7) == 0x26 || b == 0x64 || b == 0x65 || (b & 0xf0) == 0x40) {
        rex = 0; // A REX that something follows but the opcode is ignored.
        rexSeen = false;
        continue;
      }
      break;
    } else break;
    b = next8();
  }
  if (starved) return;
  let map: u32 = 0;
  if (b == 0x0f) {
    b = next8();
    map = 1;
    if (b == 0x38 || b == 0x3a) {
      map = b == 0x38 ? 2 : 3;
      b = next8();
    }
  }
  opcode = b;
  addrsize = mode64 ? (prefix67 ? 2 : 3) : (mode() == MODE_16) == prefix67 ? 2 : 1;
  const row = fitting(lookupRow(map));
  if (starved) return;
  if (!row) return plant(COLD_UNDEFINED);
  const flags1 = rowFlags1(row);
  const flags3 = load<u16>(row, ROW_FLAGS3);

  if (prefix66) opsize = defaultSize == 1 ? 2 : 1;
  if (mode64) {
    if (flags1 & R1_FORCE64 || rex & 8) opsize = 3;
    else if (flags1 & R1_SIZE64) opsize = prefix66 ? 1 : 3;
  }

  if (flags3 & R3_MODRM) {
    modrm = next8();
    const registersOnly = operandKind(row, 0) == K_C || operandKind(row, 0) == K_D || operandKind(row, 1) == K_C || operandKind(row, 1) == K_D;
    if (modrm < 0xc0 && !registersOnly) modrmMemory();
  }
  for (let k: u32 = 0; k < 3; k++) fetchOperand(operandKind(row, k), operandSize(row, k));
  if (starved) return;

  const memoryFirst = hasMemory && isMemoryKind(operandKind(row, 0));
  if (lock && !(flags1 & R1_LOCK && memoryFirst)) return plant(COLD_UNDEFINED);
  if (!permitted(row, flags3)) return;

  const sizeClass = load<u8>(row, ROW_SIZE_CLASS);
  if (sizeClass == SZ_Y) opsize = opsize == 3 ? 3 : 2;
  else if (sizeClass <= <u8>SZ_64) opsize = sizeClass;
  if (load<u8>(row, ROW_FLAGS2) & R2_ENDS_BLOCK) endsBlock = true;
  lower(row, flags1);
}

function operandKind(row: usize, k: u32): u32 {
  return load<u8>(row + k * 2, ROW_OPERANDS);
}

function operandSize(row: usize, k: u32): u32 {
  return load<u8>(row + k * 2, ROW_OPERANDS + 1);
}

/** Plants #UD, #NM or #GP where the state of the machine forbids the instruction; false if it did. */
function permitted(row: usize, flags3: u32): bool {
  const flags = load<u8>(row, ROW_FLAGS2);
  const cr0 = load<u32>(CPU_BLOCK, CR0);
  if (flags & R2_SSE) {
    if (cr0 & CR0_EM || !(load<u32>(CPU_BLOCK, CR4) & CR4_OSFXSR)) {
      plant(COLD_UNDEFINED);
      return false;
    }
    if (cr0 & CR0_TS) {
      plant(COLD_DEVICE_NOT_AVAILABLE);
      return false;
    }
  } else if (flags & R2_X87) {
    if (cr0 & CR0_EM && load<u8>(row, ROW_FLAGS1) & 0x80) {
      plant(COLD_UNDEFINED);
      return false;
    }
    if (cr0 & (CR0_EM | CR0_TS)) {
      plant(COLD_DEVICE_NOT_AVAILABLE);
      return false;
    }
  }
  if (flags & R2_CPL0 && cpl() != 0) {
    plant(COLD_PROTECTED);
    return false;
  }
  return true;
}

function instanceOf(row: usize): u32 {
  return load<u16>(row + (opsize << 1));
}

function form(instance: u32, which: u32): u32 {
  return load<u16>(FORMS + (<usize>instance << 3) + (which << 1));
}
const FORM_RR: u32 = 0;
const FORM_RM: u32 = 1;
const FORM_MD: u32 = 2;
const FORM_MS: u32 = 3;

function loadCode(size: u32, aligned: bool): u32 {
  switch (size) {
    case SZ_8: return CODE_LD8;
    case SZ_16: return CODE_LD16;
    case SZ_32: return CODE_LD32;
    case SZ_64: return CODE_LD64;
    default: return aligned ? CODE_LD128A : CODE_LD128;
  }
}

function storeCode(size: u32, aligned: bool): u32 {
  switch (size) {
    case SZ_8: return CODE_ST8;
    case SZ_16: return CODE_ST16;
    case SZ_32: return CODE_ST32;
    case SZ_64: return CODE_ST64;
    default: return aligned ? CODE_ST128A : CODE_ST128;
  }
}

function memoryStep(code: u32, slot: u32): usize {
  const u = emit(code, 0);
  addressInto(u);
  store<u32>(u, slot, UOP_DST);
  store<u32>(u, slot, UOP_SRC);
  return u;
}

function lower(row: usize, flags1: u32): void {
  const use = load<u16>(row, ROW_USE);
  const mode64 = mode() == MODE_64;
  const kind0 = operandKind(row, 0);
  const kind1 = operandKind(row, 1);
  const instance = instanceOf(row);

  if (use == USE_NOP) {
    emit(CODE_NOP, 0);
    return;
  }
  if (use == USE_XLAT) {
    const u = emit(CODE_MOVZX832_rr, 0); // AL is the index
    store<u32>(u, <u32>(CPU_BLOCK + SLOT_T0), UOP_DST);
    store<u32>(u, <u32>(CPU_BLOCK + RAX), UOP_SRC);
  }
  if (hasMemory) finishAddress(use == USE_LEA);
  const first8 = opcode == 0x90 && use == USE_XCHG_RAX && !(rex & 1);
  if (first8) {
    emit(CODE_NOP, 0);
    return;
  }

  if (flags1 & R1_RAW) {
    if (mode64 && lowerHotControl(row, use)) return;
    const u = emit(CODE_COLD, instance);
    if (hasMemory) {
      addressInto(u);
      store<u8>(u, LEN_MEM, UOP_LEN);
      if (use == USE_LEA && mode64 && opsize >= 2 && addrsize == 3) store<u16>(u, <u16>(opsize == 3 ? CODE_LEA64 : CODE_LEA32), UOP_CODE);
    } else store<u8>(u, u8(kind1 == K_E || kind1 == K_R || kind1 == K_W || kind1 == K_U || kind1 == K_Q || kind1 == K_N), UOP_BASE);
    const slot0 = operandSlot(kind0, operandSize(row, 0));
    const slot1 = operandSlot(kind1, operandSize(row, 1));
    store<u32>(u, slot0 ? slot0 : <u32>(u + UOP_IMM), UOP_DST);
    store<u32>(u, slot1 ? slot1 : <u32>(u + UOP_IMM), UOP_SRC);
    const flags3 = load<u16>(row, ROW_FLAGS3);
    let sub: u32 = flags3 & R3_SUB_IS_OPCODE ? opcode & 15 : flags3 & R3_SUB_IS_RM ? modrm & 7 : (modrm >> 3) & 7;
    if (kind0 == K_C || kind1 == K_C || kind0 == K_D || kind1 == K_D) sub |= (rex & 4) << 1;
    if (use == USE_STRING) {
      sub = repeat == 0xf3 ? 1 : repeat == 0xf2 ? 2 : 0;
      store<i64>(u, <i64>(SEG_BASE + (segment >= 0 ? <u32>segment : SEG_DS) * 8) | (<i64>(1 << addrsize) << 32), UOP_IMM);
    } else if (use == USE_LOOP) store<i64>(u, (immediate & 0xffffffff) | (<i64>(1 << addrsize) << 32), UOP_IMM);
    store<u8>(u, <u8>sub, UOP_SUB);
    return;
  }

  const size0 = resolved(operandSize(row, 0));
  const size1 = resolved(operandSize(row, 1));
  const aligned = !(flags1 & R1_UNALIGNED);
  const memory0 = hasMemory && isMemoryKind(kind0);
  const memory1 = hasMemory && !memory0;
  if (use == USE_MOVE128 && hasMemory) {
    memoryStep(memory0 ? storeCode(SZ_128, aligned) : loadCode(SZ_128, aligned), operandSlot(memory0 ? kind1 : kind0, SZ_128));
    return;
  }
  if (use == USE_CMOVCC) {
    if (memory1) memoryStep(loadCode(size1, false), <u32>(CPU_BLOCK + SLOT_T0));
    const u = emit(opsize == 1 ? CODE_COLD : opsize == 2 ? CODE_CMOV32 : CODE_CMOV64, instance);
    store<u32>(u, operandSlot(kind0, operandSize(row, 0)), UOP_DST);
    store<u32>(u, memory1 ? <u32>(CPU_BLOCK + SLOT_T0) : operandSlot(kind1, operandSize(row, 1)), UOP_SRC);
    store<u8>(u, <u8>(opcode & 15), UOP_SUB);
    return;
  }

  const t0 = <u32>(CPU_BLOCK + SLOT_T0);
  const t1 = <u32>(CPU_BLOCK + SLOT_T1);
  let code = form(instance, FORM_RR);
  let fused = false;
  let storeAfter: u32 = 0;
  if (memory0) {
    const reads = (flags1 & R1_DST_READ) != 0;
    const writes = (flags1 & R1_DST_WRITE) != 0;
    const fusedCode = form(instance, reads ? FORM_MD : FORM_MS);
    if (fusedCode != FORM_NONE) {
      code = fusedCode;
      fused = true;
    } else if (reads && writes) {
      memoryStep(size0 == SZ_8 ? CODE_LDW8 : size0 == SZ_16 ? CODE_LDW16 : size0 == SZ_32 ? CODE_LDW32 : CODE_LDW64, t0);
      storeAfter = size0 == SZ_8 ? CODE_STW8 : size0 == SZ_16 ? CODE_STW16 : size0 == SZ_32 ? CODE_STW32 : CODE_STW64;
    } else if (reads) memoryStep(loadCode(size0, aligned), t0);
    else storeAfter = storeCode(size0, aligned);
  } else if (memory1) {
    const fusedCode = form(instance, FORM_RM);
    if (fusedCode != FORM_NONE && size1 < <u32>SZ_128) {
      code = fusedCode;
      fused = true;
    } else memoryStep(loadCode(size1, aligned), t1);
  }
  const u = emit(code, instance);
  if (fused) {
    addressInto(u);
    store<u8>(u, LEN_MEM, UOP_LEN);
  }
  const slot0 = operandSlot(kind0, operandSize(row, 0));
  const slot1 = operandSlot(kind1, operandSize(row, 1));
  store<u32>(u, memory0 ? t0 : slot0 ? slot0 : <u32>(u + UOP_IMM), UOP_DST);
  store<u32>(u, memory1 ? t1 : slot1 ? slot1 : <u32>(u + UOP_IMM), UOP_SRC);
  store<u8>(u, <u8>(opcode & 15), UOP_SUB);
  if (storeAfter) memoryStep(storeAfter, t0);
}

/** Stack operations and branches of 64-bit mode that have cases of their own; false: emit the raw operation. */
function lowerHotControl(row: usize, use: u32): bool {
  const kind0 = operandKind(row, 0);
  switch (use) {
    case USE_PUSH: {
      if (opsize != 3) return false;
      let slot = hasMemory ? <u32>(CPU_BLOCK + SLOT_T0) : operandSlot(kind0, operandSize(row, 0));
      if (hasMemory) memoryStep(CODE_LD64, slot);
      const u = emit(CODE_PUSH64, instanceOf(row));
      store<u32>(u, slot ? slot : <u32>(u + UOP_IMM), UOP_DST);
      return true;
    }
    case USE_POP: {
      if (opsize != 3 || hasMemory) return false;
      store<u32>(emit(CODE_POP64, instanceOf(row)), operandSlot(kind0, operandSize(row, 0)), UOP_DST);
      return true;
    }
    case USE_LEAVE: {
      if (opsize != 3) return false;
      emit(CODE_LEAVE64, instanceOf(row));
      return true;
    }
    case USE_RET: {
      emit(CODE_RET64, instanceOf(row));
      return true;
    }
    case USE_JCC: {
      const u = emit(CODE_JCC0 + (opcode & 15), 0);
      store<u8>(u, <u8>(opcode & 15), UOP_SUB);
      store<i32>(u, <i32>immediate, UOP_DISP);
      store<i64>(u, 0, UOP_IMM);
      return true;
    }
    case USE_JMP_REL: {
      const u = emit(CODE_JMP_PAGE, 0);
      store<i32>(u, <i32>immediate, UOP_DISP);
      store<i64>(u, 0, UOP_IMM);
      return true;
    }
    case USE_CALL_REL: {
      emit(CODE_CALL_REL64, instanceOf(row));
      return true;
    }
    case USE_CALL:
    case USE_JMP: {
      let slot = hasMemory ? <u32>(CPU_BLOCK + SLOT_T0) : operandSlot(kind0, operandSize(row, 0));
      if (hasMemory) memoryStep(CODE_LD64, slot);
      store<u32>(emit(use == USE_CALL ? CODE_CALL64 : CODE_JMP64, instanceOf(row)), slot, UOP_DST);
      return true;
    }
    case USE_SETCC: {
      const u = emit(CODE_SETCC_R, 0);
      store<u8>(u, <u8>(opcode & 15), UOP_SUB);
      store<u32>(u, hasMemory ? <u32>(CPU_BLOCK + SLOT_T0) : operandSlot(kind0, SZ_8), UOP_DST);
      if (hasMemory) memoryStep(CODE_ST8, <u32>(CPU_BLOCK + SLOT_T0));
      return true;
    }
    case USE_SWAPGS: {
      emit(CODE_SWAPGS, instanceOf(row));
      return true;
    }
    case USE_MOV_FROM_CR:
    case USE_MOV_TO_CR: {
      if (((modrm >> 3) & 7) != 3 || rex & 4) return false;
      const u = emit(use == USE_MOV_TO_CR ? CODE_MOV_TO_CR3 : CODE_MOV_FROM_CR3, instanceOf(row));
      store<u32>(u, generalSlot((modrm & 7) | ((rex & 1) << 3), SZ_64), UOP_DST);
      store<u32>(u, generalSlot((modrm & 7) | ((rex & 1) << 3), SZ_64), UOP_SRC);
      store<u8>(u, 3, UOP_SUB);
      endsBlock = use == USE_MOV_TO_CR;
      return true;
    }
    case USE_BT:
    case USE_BTS:
    case USE_BTR: {
      if (hasMemory || opsize == 1 || (use != USE_BT && opsize != 3)) return false;
      const u = emit(use == USE_BTS ? CODE_BTS64 : use == USE_BTR ? CODE_BTR64 : opsize == 3 ? CODE_BT64 : CODE_BT32, instanceOf(row));
      store<u32>(u, operandSlot(kind0, operandSize(row, 0)), UOP_DST);
      const from = operandSlot(operandKind(row, 1), operandSize(row, 1));
      store<u32>(u, from ? from : <u32>(u + UOP_IMM), UOP_SRC);
      return true;
    }
    case USE_CBW: {
      if (opsize != 3) return false;
      emit(CODE_CDQE, 0);
      return true;
    }
    case USE_CWD: {
      if (opsize == 1) return false;
      emit(opsize == 3 ? CODE_CQO : CODE_CDQ, 0);
      return true;
    }
  }
  return false;
}

/** The end of a block that runs on: not an instruction, it enters the block at page offset `pageOffset`. */
export function emitFallThrough(pageOffset: u32): void {
  ip = pageOffset;
  immediate = 0;
  const u = emit(CODE_JMP_PAGE, 0);
  store<u8>(u, 0, UOP_LEN);
}

/** A block of no instruction that goes to another page: what a branch in this page is linked to. */
export function emitFarPage(distance: i64, pageOffset: u32): void {
  ip = pageOffset;
  immediate = distance;
  store<u8>(emit(CODE_JMP_FAR_PAGE, 0), 0, UOP_LEN);
}

/**
 * Makes one micro-operation of a CMP or TEST between slots and the Jcc behind it, if the branch stays in the page.
 * The two count as two instructions: `left` becomes theirs in decodeBlock. False: left as they were.
 */
export function fuse(compare: usize, jcc: usize): bool {
  const cc = <u32>load<u16>(jcc, UOP_CODE) - CODE_JCC0;
  if (cc > 15) return false;
  const code = fusedCode(load<u16>(compare, UOP_CODE), cc);
  if (!code) return false;
  const length = (load<u8>(compare, UOP_LEN) & 15) + (load<u8>(jcc, UOP_LEN) & 15);
  const distance = load<i32>(jcc, UOP_DISP);
  const target = <i32>load<u16>(compare, UOP_IP) + <i32>length + distance;
  if (length > 15 || distance != <i32><i16>distance || target < 0 || target > 0xfff) return false;
  store<u16>(compare, <u16>code, UOP_CODE);
  store<i16>(compare, <i16>distance, UOP_OP);
  store<u8>(compare, <u8>((load<u8>(compare, UOP_LEN) & 0xf0) | length), UOP_LEN);
  if (load<u32>(compare, UOP_SRC) == <u32>(compare + UOP_IMM)) {
    store<i64>(compare, load<i64>(compare, UOP_IMM), UOP_BASE);
    store<u32>(compare, <u32>(compare + UOP_BASE), UOP_SRC);
  }
  store<i64>(compare, 0, UOP_IMM);
  return true;
}
