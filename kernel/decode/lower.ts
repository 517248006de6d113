// From a decoded instruction to micro-operations: [address step] [load] operation [store], or one fused micro-operation where
// FORMS has it; stack operations and branches of 64-bit mode that exec() has cases for; compare and branch in one.
// Entered from decoder.ts.

import { CPU_BLOCK } from "../abi/layout";
import { MODE_32, MODE_64, RAX, RSP, SEG_BASE, SEG_DS, SLOT_T0, SLOT_T1 } from "../abi/state";
import { codeIsFlat } from "../cpu/segment-access";
import { cpl, mode } from "../cpu/state";
import {
  addressAfterPop, addressInto, addrsize, emit, endsBlock, finishAddress, generalSlot, hasMemory, immediate, ip, isMemoryKind, modrm, opcode,
  operandKind, operandSize, operandSlot, opsize, position, repeat, resolved, rex, segment, segmentSlot,
} from "./instruction";
import {
  K_C, K_D, K_DI, K_E, K_G, K_L, K_N, K_Q, K_R, K_U, K_W, R1_DST_READ, R1_DST_WRITE, R1_MMX, R1_RAW, R1_UNALIGNED, R3_SUB_IS_OPCODE,
  R3_SUB_IS_RM, R3_VIA,
  ROW_FLAGS3, ROW_USE, SZ_128, SZ_16, SZ_32, SZ_64, SZ_8, USE_BT, USE_BTC, USE_BTR, USE_BTS, USE_CALL, USE_CALL_REL, USE_CBW, USE_CMOVCC, USE_CWD,
  USE_JCC, USE_JMP, USE_JMP_REL, USE_LEA, USE_LEAVE, USE_LOOP, USE_MOVE128, USE_MOV_FROM_CR, USE_MOV_TO_CR, USE_NOP, USE_POP, USE_PUSH, USE_RET,
  USE_SETCC, USE_STRING, USE_SWAPGS, USE_XCHG_RAX, USE_XLAT,
} from "./operand-kinds";
import { LEN_MEM, UOP_BASE, UOP_CODE, UOP_DISP, UOP_DST, UOP_IMM, UOP_IP, UOP_LEN, UOP_OP, UOP_SRC, UOP_SUB, UOP_VIA } from "./uop";
import { COLD_MMX_ENTER, COLD_MMX_TOP, COLD_MMX_WAIT, FORMS, FORM_NONE } from "../../build/kernel/tables";
import {
  CODE_BT32, CODE_BT64, CODE_BTR64, CODE_BTS64, CODE_CALL64, CODE_CALL_PAGE, CODE_CALL_REL64, CODE_CDQ, CODE_CDQE, CODE_CMOV32, CODE_CMOV64, CODE_COLD, CODE_CQO,
  CODE_JCC0, CODE_JMP64, CODE_JMP_FAR_PAGE, CODE_JMP_PAGE, CODE_LD128, CODE_LD128A, CODE_LD16, CODE_LD32, CODE_LD64, CODE_LD8, CODE_LDW16,
  CODE_LDW32, CODE_LDW64, CODE_LDW8, CODE_LEA32, CODE_LEA64, CODE_LEAVE64, CODE_MOVZX832_rr, CODE_MOV_FROM_CR3, CODE_MOV_TO_CR3, CODE_NOP,
  CODE_POP64, CODE_PUSH64, CODE_PUSH64_PUSH64, CODE_POP64_POP64, CODE_ZERO_ZERO, CODE_XOR32_rr, CODE_BT64_MEMORY, CODE_RET64, CODE_SETCC_R, CODE_ST128, CODE_ST128A, CODE_ST16, CODE_ST32, CODE_ST64, CODE_ST8, CODE_STW16, CODE_STW32,
  CODE_STW64, CODE_STW8, CODE_SWAPGS, fusedCode,
} from "../../build/kernel/codes";

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

export function lower(row: usize, flags1: u32): void {
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
  if (use == USE_POP && hasMemory) addressAfterPop();
  if (hasMemory) finishAddress(use == USE_LEA);
  const first8 = opcode == 0x90 && use == USE_XCHG_RAX && !(rex & 1);
  if (first8) {
    emit(CODE_NOP, 0);
    return;
  }

  if (load<u16>(row, ROW_FLAGS3) & R3_VIA) {
    lowerVia(row, instance);
    return;
  }
  if (flags1 & R1_RAW) {
    if ((mode64 || hotOutside64(use)) && lowerHotControl(row, use)) return;
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
    } else if (hasMemory && (use == USE_BT || use == USE_BTS || use == USE_BTR || use == USE_BTC) && kind1 == K_G) store<i64>(u, <i64>segmentSlot | (<i64>(1 << addrsize) << 32), UOP_IMM);
    else if (use == USE_LOOP) store<i64>(u, (immediate & 0xffffffff) | (<i64>(1 << addrsize) << 32), UOP_IMM);
    else if (operandKind(row, 2) == K_DI) store<i64>(u, immediate | <i64>segmentSlot, UOP_IMM);
    store<u8>(u, <u8>sub, UOP_SUB);
    return;
  }

  if (flags1 & R1_MMX) {
    lowerMmx(row, flags1, instance);
    return;
  }
  lowerValue(row, flags1, instance);
}

/**
 * MMX, in the order of Intel's chips: a pending x87 exception, the operand's faults, TOP = 0, the tags (of a store only after its
 * faults), the operation with its #XM, and last the exponent of what was written.
 */
function lowerMmx(row: usize, flags1: u32, instance: u32): void {
  emit(CODE_COLD, COLD_MMX_WAIT);
  lowerValue(row, flags1, instance);
  const u = emit(CODE_COLD, COLD_MMX_ENTER);
  store<u32>(u, flags1 & R1_DST_WRITE && !(hasMemory && isMemoryKind(operandKind(row, 0))) ? operandSlot(operandKind(row, 0), operandSize(row, 0)) : 0, UOP_DST);
}

/**
 * The first source is not the destination (VEX). Operands in the row's order: destination, first source (`via`), second source.
 * Only sources can be memory. An is4 register's slot stands in the lower half of imm.
 */
function lowerVia(row: usize, instance: u32): void {
  const t1 = <u32>(CPU_BLOCK + SLOT_T1);
  for (let k: u32 = 1; k < 3; k++) {
    if (hasMemory && isMemoryKind(operandKind(row, k))) memoryStep(loadCode(resolved(operandSize(row, k)), false), t1);
  }
  const u = emit(CODE_COLD, instance);
  store<u32>(u, operandSlot(operandKind(row, 0), operandSize(row, 0)), UOP_DST);
  const slot1 = operandSlot(operandKind(row, 1), operandSize(row, 1));
  const slot2 = operandSlot(operandKind(row, 2), operandSize(row, 2));
  store<u32>(u, hasMemory && isMemoryKind(operandKind(row, 1)) ? t1 : slot1, UOP_VIA);
  store<u32>(u, hasMemory && isMemoryKind(operandKind(row, 2)) ? t1 : slot2, UOP_SRC);
  if (operandKind(row, 3) == K_L) store<u32>(u, operandSlot(K_L, SZ_128), UOP_IMM);
  store<u8>(u, <u8>(opcode & 15), UOP_SUB);
}

function lowerValue(row: usize, flags1: u32, instance: u32): void {
  const use = load<u16>(row, ROW_USE);
  const kind0 = operandKind(row, 0);
  const kind1 = operandKind(row, 1);
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
  if (flags1 & R1_MMX) emit(CODE_COLD, memory0 ? COLD_MMX_TOP : COLD_MMX_ENTER);
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

/** The cases of exec() for these are right outside 64-bit mode as well: in flat code a branch of 32 bits needs no check. */
function hotOutside64(use: u32): bool {
  if (use == USE_SETCC) return true;
  return mode() == MODE_32 && opsize == 2 && codeIsFlat() && (use == USE_JCC || use == USE_JMP_REL || use == USE_CWD);
}

/** Stack operations and branches that have cases of their own, those of 64-bit mode but for hotOutside64(); false: emit the raw operation. */
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
      if (opsize != 3) return false;
      emit(CODE_RET64, instanceOf(row));
      return true;
    }
    case USE_JCC: {
      if (opsize == 1) return false;
      const u = emit(CODE_JCC0 + (opcode & 15), 0);
      store<u8>(u, <u8>(opcode & 15), UOP_SUB);
      store<i32>(u, <i32>immediate, UOP_DISP);
      store<i64>(u, 0, UOP_IMM);
      return true;
    }
    case USE_JMP_REL: {
      if (opsize == 1) return false;
      const u = emit(CODE_JMP_PAGE, 0);
      store<i32>(u, <i32>immediate, UOP_DISP);
      store<i64>(u, 0, UOP_IMM);
      return true;
    }
    case USE_CALL_REL: {
      if (opsize != 3) return false;
      const target = <i64>(ip + position) + immediate;
      const u = emit(target >= 0 && target <= 0xfff ? CODE_CALL_PAGE : CODE_CALL_REL64, instanceOf(row));
      if (load<u16>(u, UOP_CODE) == CODE_CALL_PAGE) {
        store<i32>(u, <i32>immediate, UOP_DISP);
        store<i64>(u, 0, UOP_IMM);
      }
      return true;
    }
    case USE_CALL:
    case USE_JMP: {
      if (opsize != 3) return false;
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
      // The code cache tells CPL 3 from the rest, so the level can be checked here.
      if (cpl() != 0 || ((modrm >> 3) & 7) != 3 || rex & 4) return false;
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
      if (hasMemory && use == USE_BT && opsize == 3 && addrsize == 3 && operandKind(row, 1) == K_G) {
        const u = emit(CODE_BT64_MEMORY, instanceOf(row));
        addressInto(u);
        store<u8>(u, LEN_MEM, UOP_LEN);
        store<u32>(u, operandSlot(K_G, SZ_64), UOP_SRC);
        store<i64>(u, <i64>8 << 32, UOP_IMM);
        return true;
      }
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

/** Fuses two PUSH, two POP or two zeroing XOR that stand behind each other. RSP as an operand is left alone. */
export function pair(first: usize, second: usize): bool {
  const code = <u32>load<u16>(first, UOP_CODE);
  if (code != <u32>load<u16>(second, UOP_CODE)) return false;
  const a = load<u32>(first, UOP_DST);
  const b = load<u32>(second, UOP_DST);
  if (code == CODE_XOR32_rr) {
    if (a != load<u32>(first, UOP_SRC) || b != load<u32>(second, UOP_SRC)) return false;
    store<u16>(first, <u16>CODE_ZERO_ZERO, UOP_CODE);
    return true;
  }
  if (code != CODE_PUSH64 && code != CODE_POP64) return false;
  const rsp = <u32>(CPU_BLOCK + RSP);
  if (a == rsp || b == rsp) return false;
  store<u16>(first, <u16>(code == CODE_PUSH64 ? CODE_PUSH64_PUSH64 : CODE_POP64_POP64), UOP_CODE);
  return true;
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
