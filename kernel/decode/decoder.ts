// From instruction bytes to micro-operations, by the tables that kernel/gen makes of the rows.
//
// An instruction becomes [address step] [load] operation [store]; the common pairs of load or store with an operation are one
// micro-operation (FORMS). Whatever depends on CPL, CR0, CR4, CPUID or the vendor is decided here: the code cache is keyed by, or
// emptied on a change of, all of them.

import { CPU_BLOCK } from "../abi/layout";
import { CR0, CR4, MODE_16, MODE_64, SEG_FS, SEG_GS, SLOT_ZERO, XCR0 } from "../abi/state";
import { CR0_EM, CR0_TS, CR4_OSFXSR, CR4_OSXSAVE, XCR0_AVX, XCR0_SSE } from "../abi/bits";
import { hasFeature } from "../cpu/cpuid";
import { cpl, isAmd, mode } from "../cpu/state";
import {
  addrsize, at, available, emit, endsBlock, fetchOperand, first, hasMemory, immediate, immediates, ip, isMemoryKind, lock, modrm, modrmMemory,
  next8, opcode, opensVex, operandKind, operandSize, opsize, out, plainAddress, plant, position, prefix66, repeat, rex, rexSeen, ripRelative,
  segment, segmentChecked, segmentSlot, stackSegment, starved, vex, vexPrefix, vvvv,
} from "./instruction";
import { lower } from "./lower";
import {
  K_C, K_D, R1_FORCE64, R1_LOCK, R1_SIZE64, R2_AMD, R2_CPL0, R2_ENDS_BLOCK, R2_INTEL, R2_MODE32, R2_MODE64, R2_SSE, R2_X87, R3_MODRM, R3_W0, R3_W1,
  ROW_FEATURE, ROW_FLAGS1, ROW_FLAGS2, ROW_FLAGS3, ROW_NEXT, ROW_SIZE, ROW_SIZE_CLASS, ROW_VEX, SZ_64, SZ_Y, VEX_L0, VEX_L1, VEX_STATE,
  VEX_VVVV, VEX_W0, VEX_W1,
} from "./operand-kinds";
import { LEN_STACK, UOP_LEN, UOP_SIZE } from "./uop";
import {
  COLD_DEVICE_NOT_AVAILABLE, COLD_PROTECTED, COLD_SEGMENT_END, COLD_UNDEFINED, GROUPS, OPCODES, ROW_TABLE, SUBGROUPS,
} from "../../build/kernel/tables";
import { CODE_COLD } from "../../build/kernel/codes";

/** What a vector instruction under VEX needs (SDM Vol. 1 13.3). */
const XCR0_VECTORS: u32 = XCR0_SSE | XCR0_AVX;

/** Of the last instruction: its row + 1, or 0 where the encoding is #UD or too long. A row that the state of the machine forbids counts. */
export let decodedRow: u32 = 0;

/** The lookup has wanted a ModRM byte that is not known yet. */
let lookedPast: bool = false;

function lookupRow(map: u32): u32 {
  lookedPast = false;
  let cell: u32 = load<u16>(OPCODES + ((map * 256 + opcode) << 1));
  if (cell & 0x8000) {
    // A look ahead: the row fetches ModRM again if it has one. Past the last byte known, rows without ModRM (EMMS) can still match.
    lookedPast = position >= available;
    modrm = lookedPast ? 0 : load<u8>(at + position);
    // In the one-byte map only PAUSE has a column, and with REX.B its opcode is XCHG (SDM Vol. 2B, PAUSE, XCHG).
    const column: u32 = map == 0 && rex & 1 ? 0 : repeat == 0xf3 ? 2 : repeat == 0xf2 ? 3 : prefix66 ? 1 : 0;
    const index = ((cell & 0x7fff) << 6) | (column << 4) | (u32(modrm >= 0xc0) << 3) | ((modrm >> 3) & 7);
    cell = load<u16>(GROUPS + (index << 1));
    if (cell & 0x8000) cell = load<u16>(SUBGROUPS + ((((cell & 0x7fff) << 3) | (modrm & 7)) << 1));
  }
  return cell;
}

/** A row that fits mode, vendor, CPUID, REX.W, VEX.L and VEX.W, or 0. */
function fitting(cell: u32): usize {
  while (cell) {
    const row = ROW_TABLE + <usize>(cell - 1) * ROW_SIZE;
    const flags = load<u8>(row, ROW_FLAGS2);
    const feature = load<u8>(row, ROW_FEATURE);
    const wide = mode() == MODE_64;
    const amd = isAmd();
    const unwanted = rex & 8 ? R3_W0 : R3_W1;
    if (!(flags & R2_MODE64 && !wide) && !(flags & R2_MODE32 && wide) && !(flags & R2_INTEL && amd) && !(flags & R2_AMD && !amd)
      && !(load<u16>(row, ROW_FLAGS3) & unwanted) && (feature == 0xff || hasFeature(feature))
      && !(load<u8>(row, ROW_VEX) & (VEX_L0 | VEX_L1 | VEX_W0 | VEX_W1) & ~vex)) return row;
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
  decodedRow = 0;
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
  decodedRow = 0;
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
  segmentSlot = SLOT_ZERO;
  segmentChecked = false;
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
  vex = 0;
  let forbidden = false;
  if (opensVex(b)) {
    // #UD (SDM Vol. 2A 2.3.2 to 2.3.4): after REX with the second byte, after 66, F2, F3 and LOCK when all of the instruction is fetched, as an AMD Zen 5 does.
    if (rexSeen) {
      next8();
      if (!starved) plant(COLD_UNDEFINED);
      return;
    }
    forbidden = lock || prefix66 || repeat != 0;
    map = vexPrefix(b);
    b = next8();
    if (!starved && !map) return plant(COLD_UNDEFINED);
  } else if (b == 0x0f) {
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
  if (!row && map >= 2) fetchUnknown(map);
  if (!row && map < 2 && lookedPast) starved = true;
  if (starved) return;
  if (!row) return plant(COLD_UNDEFINED);
  const flags1 = load<u8>(row, ROW_FLAGS1);
  const flags3 = load<u16>(row, ROW_FLAGS3);

  if (prefix66 && !vex) opsize = defaultSize == 1 ? 2 : 1;
  if (mode64) {
    // AMD's near branches obey 66 (APM Vol. 3 1.2.2, 1.2.7 "near branches"), Intel's ignore it (SDM Vol. 2, JMP).
    if (rex & 8 || (flags1 & R1_FORCE64 && !(prefix66 && isAmd()))) opsize = 3;
    else if (flags1 & R1_SIZE64) opsize = prefix66 ? 1 : 3;
  }

  if (flags3 & R3_MODRM) {
    modrm = next8();
    const registersOnly = operandKind(row, 0) == K_C || operandKind(row, 0) == K_D || operandKind(row, 1) == K_C || operandKind(row, 1) == K_D;
    if (modrm < 0xc0 && !registersOnly) modrmMemory();
  }
  for (let k: u32 = 0; k < 4; k++) fetchOperand(operandKind(row, k), operandSize(row, k));
  if (starved) return;

  const memoryFirst = hasMemory && isMemoryKind(operandKind(row, 0));
  if (lock && !(flags1 & R1_LOCK && memoryFirst)) return plant(COLD_UNDEFINED);
  if (vex && (forbidden || (vvvv && !(load<u8>(row, ROW_VEX) & VEX_VVVV)))) return plant(COLD_UNDEFINED);
  decodedRow = <u32>(row - ROW_TABLE) / <u32>ROW_SIZE + 1;
  if (!permitted(row)) return;

  const sizeClass = load<u8>(row, ROW_SIZE_CLASS);
  if (sizeClass == SZ_Y) opsize = opsize == 3 ? 3 : 2;
  else if (sizeClass <= <u8>SZ_64) opsize = sizeClass;
  if (load<u8>(row, ROW_FLAGS2) & R2_ENDS_BLOCK) endsBlock = true;
  lower(row, flags1);
  if (segmentChecked) emit(CODE_COLD, COLD_SEGMENT_END);
}

/** In maps 0F38 and 0F3A, and under VEX, the map gives the length: all of an instruction is fetched before it is #UD, as a Zen 5 does. */
function fetchUnknown(map: u32): void {
  const vzeroupper: u32 = 0x77; // the one under VEX without ModRM
  if (map == 4 && opcode == vzeroupper) return;
  modrm = next8();
  if (modrm < 0xc0) modrmMemory();
  if (map == 3 || map == 6) next8(); // every instruction of 0F3A has an immediate byte
}

/** Plants #UD, #NM or #GP where the state of the machine forbids the instruction; false if it did. */
function permitted(row: usize): bool {
  const flags = load<u8>(row, ROW_FLAGS2);
  const cr0 = load<u32>(CPU_BLOCK, CR0);
  if (load<u8>(row, ROW_VEX) & VEX_STATE) {
    const enabled = load<u32>(CPU_BLOCK, CR4) & CR4_OSXSAVE && (load<u32>(CPU_BLOCK, XCR0) & XCR0_VECTORS) == XCR0_VECTORS;
    if (!enabled || cr0 & CR0_TS) {
      plant(enabled ? COLD_DEVICE_NOT_AVAILABLE : COLD_UNDEFINED);
      return false;
    }
  } else if (flags & R2_SSE) {
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
