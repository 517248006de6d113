// An instruction's bytes taken apart without either decoder: prefixes, escape and opcode (SDM Vol. 2A 2.1, 2.3), for the rules of
// decoder-rules.ts; and strings of such parts, for the generator.

import { rows } from "../../kernel/decode/rows";
import { encodingsOf, type Encoding } from "../../kernel/gen/encodings";
import type { Random } from "../silicon/random";

export type Mode = 64 | 32;

export interface Parts {
  mode: Mode;
  bytes: Uint8Array;
  has66: boolean;
  has67: boolean;
  lock: boolean;
  /** The last of F2 and F3, or 0. */
  repeat: number;
  /** Any of each, last or not. */
  hasF2: boolean;
  hasF3: boolean;
  segments: number;
  /** Of the REX that counts: the one right before the opcode. */
  rex: number;
  /** A REX that counts not, because a prefix follows it. */
  deadRex: boolean;
  /** Legacy prefixes and REX. */
  prefixes: number;
  /**
   * 0 one-byte, 1 0F, 2 0F 38, 3 0F 3A, 4 to 6 the same three by VEX (as kernel/gen/encodings.ts numbers them); "vex" for other VEX maps,
   * "evex" for 62, "xop" for 8F where they are no instruction of their own.
   */
  map: 0 | 1 | 2 | 3 | 4 | 5 | 6 | "vex" | "evex" | "xop";
  /** VEX.pp: 0 none, 1 66, 2 F3, 3 F2; VEX.L and VEX.W; ~VEX.vvvv. */
  pp: number;
  vexL: number;
  vexW: number;
  vvvv: number;
  opcode: number;
  /** The byte behind the opcode, ModRM or not. */
  modrm: number;
}

const SEGMENTS = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]);

/** @param bytes 15 of them */
export function partsOf(mode: Mode, bytes: Uint8Array): Parts {
  const parts: Parts = {
    mode, bytes, has66: false, has67: false, lock: false, repeat: 0, hasF2: false, hasF3: false, segments: 0, rex: 0, deadRex: false, prefixes: 0,
    map: 0, pp: 0, vexL: 0, vexW: 0, vvvv: 0, opcode: 0, modrm: 0,
  };
  let at = 0;
  for (; at < bytes.length; at++) {
    const b = bytes[at]!;
    if (b === 0x66) parts.has66 = true;
    else if (b === 0x67) parts.has67 = true;
    else if (b === 0xf0) parts.lock = true;
    else if (b === 0xf2 || b === 0xf3) {
      parts.repeat = b;
      if (b === 0xf2) parts.hasF2 = true;
      else parts.hasF3 = true;
    } else if (SEGMENTS.has(b)) parts.segments++;
    else if (mode === 64 && (b & 0xf0) === 0x40) {
      if (parts.rex) parts.deadRex = true;
      parts.rex = b;
      continue;
    } else break;
    if (parts.rex) parts.deadRex = true;
    parts.rex = 0;
  }
  parts.prefixes = at;
  const next = (i: number) => bytes[at + i] ?? 0;
  const b = next(0);
  const registers = next(1) >= 0xc0 || mode === 64;
  let skip = 0;
  if ((b === 0xc4 || b === 0xc5) && registers) {
    // SDM Vol. 2A 2.3.5: C5 [RvvvvLpp], C4 [RXBmmmmm] [WvvvvLpp]
    const last = next(b === 0xc4 ? 2 : 1);
    const map = b === 0xc5 ? 1 : next(1) & 0x1f;
    parts.map = map >= 1 && map <= 3 ? ((map + 3) as 4 | 5 | 6) : "vex";
    parts.pp = last & 3;
    parts.vexL = (last >> 2) & 1;
    parts.vexW = b === 0xc4 ? last >> 7 : 0;
    parts.vvvv = (~last >> 3) & 15;
    skip = b === 0xc5 ? 2 : 3;
  } else if (b === 0x62 && registers) parts.map = "evex";
  else if (b === 0x8f && (next(1) & 0x1f) >= 8) parts.map = "xop";
  else if (b === 0x0f) parts.map = next(1) === 0x38 ? 2 : next(1) === 0x3a ? 3 : 1;
  if (parts.map === 1) skip = 1;
  else if (parts.map === 2 || parts.map === 3) skip = 2;
  parts.opcode = next(skip);
  parts.modrm = next(skip + 1);
  return parts;
}

const encodings: Encoding[] = rows.flatMap(encodingsOf);
const PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0xf2, 0xf3];

/** An instruction of the table: its bytes up to ModRM; what follows is the caller's. */
function tableBytes(random: Random, mode: Mode): number[] {
  const e = random.pick(encodings);
  const bytes: number[] = [];
  if (random.chance(e.map < 4 ? 0.2 : 0.05)) bytes.push(random.pick(PREFIXES));
  if (e.map >= 4) return [...bytes, ...vexBytes(random, e), ...modrmBytes(random, e)];
  if (e.prefix !== "any" && e.prefix !== "NP") bytes.push(parseInt(e.prefix, 16));
  if (mode === 64 && random.chance(0.3)) bytes.push(0x40 | random.below(16));
  if (e.map !== 0) bytes.push(0x0f);
  if (e.map === 2) bytes.push(0x38);
  if (e.map === 3) bytes.push(0x3a);
  bytes.push(e.opcode, ...modrmBytes(random, e));
  return bytes;
}

function modrmBytes(random: Random, e: Encoding): number[] {
  if (!e.hasModrm) return [];
  const mod = e.mod === "reg" ? 3 : e.mod === "mem" ? random.below(3) : random.below(4);
  return [(mod << 6) | ((e.reg ?? random.below(8)) << 3) | (e.rm ?? random.below(8))];
}

/** VEX prefix and opcode: the row's map and pp; mostly L = 0 and, now and then, no vvvv. */
function vexBytes(random: Random, e: Encoding): number[] {
  const low = ((random.chance(0.3) ? 15 : random.below(16)) << 3) | (random.chance(0.2) ? 4 : 0) | ["NP", "66", "F3", "F2"].indexOf(e.prefix);
  const top = random.below(2) << 7;
  if (e.map === 4 && random.chance(0.5)) return [0xc5, top | low, e.opcode];
  return [0xc4, (random.below(8) << 5) | (e.map - 3), top | low, e.opcode];
}

/** 15 bytes: noise, an instruction of the table, one with a bit turned over, or many prefixes before either. */
export function instructionBytes(random: Random, mode: Mode): Uint8Array {
  const bytes = random.bytes(15);
  const kind = random.below(8);
  if (kind < 2) return bytes;
  let head = kind === 2 ? [] : tableBytes(random, mode);
  if (kind === 2 || kind === 3) {
    const many = Array.from({ length: 1 + random.below(random.chance(0.1) ? 14 : 5) }, () =>
      mode === 64 && random.chance(0.25) ? 0x40 | random.below(16) : random.pick(PREFIXES));
    if (kind === 2 && random.chance(0.5)) many.push(0x0f);
    head = [...many, ...head];
  }
  bytes.set(head.slice(0, 15));
  if (kind === 4) bytes[random.below(Math.min(15, head.length + 1))]! ^= 1 << random.below(8);
  return bytes;
}
