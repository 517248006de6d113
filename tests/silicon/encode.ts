// Turns a row of the instruction table into bytes: prefixes, REX or VEX, opcode, ModRM, SIB, displacement, immediates.
// Which registers, sizes and addressing forms are used is drawn at random; what was drawn is answered beside the bytes.

import type { Row } from "../../kernel/decode/row";
import { type VexWord, vexOf } from "../../kernel/gen/encodings";
import type { Random } from "./random";

/** Where ModRM points when it points to memory. A register number of -1 is none. */
export interface MemoryForm {
  base: number;
  index: number;
  scale: number;
  displacement: number;
  ripRelative: boolean;
  /** 67: effective address modulo 2^32. */
  address32: boolean;
  /** 4 = FS, 5 = GS, otherwise no base. */
  segment: number;
}

export interface Encoding {
  bytes: number[];
  memory: MemoryForm | null;
  /** Where a displacement that depends on the length is to be put: RIP-relative ones. */
  displacementAt: number;
  /** moffs operand. */
  offsetAt: number;
  /** Bytes of a relative branch displacement, at the end; 0 = no branch. */
  branchBytes: number;
  operandSize: number;
  /** Register numbers of the operands by letter: G, E (register form), Z, B (VEX.vvvv). */
  registers: Partial<Record<"G" | "E" | "Z" | "B", number>>;
  immediateAt: number;
}

export interface RowShape {
  mandatory: string;
  opcode: number[];
  /** The opcode's last byte has a register in its low bits. */
  registerInOpcode: boolean;
  digit: number;
  form: "mem" | "reg" | "";
  rexW: number;
  hasModRM: boolean;
  /** The row is under a VEX prefix. */
  vex: VexWord | undefined;
  operands: { letter: string; size: string; text: string }[];
}

export function shapeOf(row: Row): RowShape {
  const shape: RowShape = { mandatory: "", opcode: [], registerInOpcode: false, digit: -1, form: "", rexW: -1, hasModRM: false, vex: vexOf(row), operands: [] };
  for (const token of row.opcode.split(" ")) {
    if (token.startsWith("VEX.")) continue;
    else if (/^(NP|66|F2|F3)$/.test(token) && !shape.vex && shape.opcode.length === 0) shape.mandatory += token;
    else if (/^(REX\.?)?W1?$/.test(token)) shape.rexW = 1;
    else if (token === "W0") shape.rexW = 0;
    else if (/^\/[0-7]$/.test(token)) shape.digit = Number(token[1]);
    else if (token === "/r") shape.hasModRM = true;
    else if (token === "mem" || token === "reg") shape.form = token;
    else if (/^[0-9A-F]{2}\+[ri]$/.test(token)) {
      shape.opcode.push(parseInt(token, 16));
      shape.registerInOpcode = true;
    } else if (/^[0-9A-F]{2}$/.test(token)) shape.opcode.push(parseInt(token, 16));
    else throw new Error(`row ${row.opcode} ${row.mnemonic}: what is "${token}"?`);
  }
  for (const text of row.operands.split(",").map((operand) => operand.trim()).filter(Boolean)) {
    const match = /^([EGMRIJOXYSCDVWUPQNBHLZA])([a-z/]*\d*[a-z]*)$/.exec(text);
    shape.operands.push(match ? { letter: match[1], size: match[2], text } : { letter: "", size: "", text });
  }
  // x87 rows with a byte range name the whole ModRM byte themselves.
  if (shape.digit >= 0 || shape.form || shape.operands.some((o) => "EGMRVWUPQNSCD".includes(o.letter) && o.letter)) shape.hasModRM = true;
  return shape;
}

const sizedWithoutOperands = new Set(["CBW", "CWD", "PUSHF", "POPF", "PUSHFQ", "POPFQ", "LEAVE", "ENTER", "IRET", "CMPXCHG8B", "RET", "FXSAVE", "FXRSTOR",
  "WRFSBASE", "WRGSBASE", "RDFSBASE", "RDGSBASE"]);

const bytesOfSize: Record<string, number> = { b: 1, bs: 1, bss: 1, w: 2, d: 4, q: 8, dq: 16, ps: 16, pd: 16, ss: 4, sd: 8, x: 16, t: 10, pi: 8, qq: 32 };

/** Bytes of an operand whose size letters may depend on the operand size. */
export function operandBytes(size: string, operandSize: number): number {
  if (size === "v") return operandSize;
  if (size === "z") return operandSize === 2 ? 2 : 4;
  if (size === "y") return operandSize === 8 ? 8 : 4;
  if (size === "p") return operandSize + 2;
  return bytesOfSize[size] ?? 0;
}

/**
 * The VEX prefix, which holds `rex` inverted. Sometimes one that is #UD: with a prefix before it that it forbids, an operand in vvvv
 * that the row does not have, or the wrong L.
 */
function vexBytes(shape: RowShape, rex: number, registers: Encoding["registers"], random: Random): number[] {
  const { map, prefix, l, w } = shape.vex!;
  const bytes = random.chance(0.01) ? [random.pick([0x66, 0xf2, 0xf3, 0x40, 0x48, 0xf0])] : [];
  const named = shape.operands.some((o) => o.letter === "B" || o.letter === "H");
  const vvvv = named || random.chance(0.01) ? random.below(16) : 0;
  if (shape.operands.some((o) => o.letter === "B")) registers.B = vvvv;
  let long = l ?? random.below(2);
  if (l === 0 && random.chance(0.01)) long = 1;
  const wide = w ?? rex >> 3;
  const rest = ((15 - vvvv) << 3) | (long << 2) | ["NP", "66", "F3", "F2"].indexOf(prefix);
  if (map === 4 && (rex & 3) === 0 && wide === 0 && random.chance(0.8)) return [...bytes, 0xc5, ((~rex & 4) << 5) | rest];
  return [...bytes, 0xc4, ((~rex & 7) << 5) | (map - 3), (wide << 7) | rest];
}

/** @param amd AMD's near branches obey 66 in 64-bit mode: their displacement has 16 bits then */
export function encode(row: Row, shape: RowShape, random: Random, wantMemory: boolean, amd: boolean): Encoding {
  const { operands } = shape;
  const isBranch = operands.some((o) => o.letter === "J");
  const sized = operands.some((o) => /^[vzyp]/.test(o.size)) || sizedWithoutOperands.has(row.mnemonic) || operands.some((o) => /^[er]AX$/.test(o.text));
  let rexW = shape.rexW >= 0 ? shape.rexW : sized && random.chance(0.4) ? 1 : random.chance(0.02) ? 1 : 0;
  const prefixes: number[] = [];
  // F2 and F3 rows of operand size v have a word form: the mandatory prefix and 66 together.
  const wordForm = /^F[23]$/.test(shape.mandatory) && operands.some((o) => o.size === "v");
  let size66 = (shape.mandatory === "" || wordForm) && !shape.vex && (sized && !isBranch ? random.chance(0.25) : random.chance(0.02));
  if (shape.mandatory === "NP") size66 = false;
  const word = size66 || (shape.mandatory === "66" && operands.some((o) => o.size === "v"));
  let operandSize = rexW ? 8 : word ? 2 : row.size64 || row.force64 ? 8 : 4;
  if (row.force64) operandSize = amd && size66 && !rexW ? 2 : 8;

  const rm = shape.hasModRM ? (shape.form === "mem" || operands.some((o) => o.letter === "M") ? "mem"
    : shape.form === "reg" || operands.some((o) => "RUN".includes(o.letter) && o.letter) ? "reg" : wantMemory ? "mem" : "reg") : "";
  const hasMemory = rm === "mem" || operands.some((o) => "OXY".includes(o.letter) && o.letter) || row.mnemonic === "XLAT" || row.mnemonic.startsWith("MASKMOV");
  let memory: MemoryForm | null = null;
  let segment = -1;
  let address32 = false;
  if (hasMemory) {
    if (random.chance(0.1)) segment = 4 + random.below(2);
    else if (random.chance(0.03)) segment = random.below(4);
    address32 = random.chance(0.06);
  }
  if (size66) prefixes.push(0x66);
  if (address32) prefixes.push(0x67);
  if (segment >= 0) prefixes.push([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65][segment]);
  // LOCK is #UD on a register destination and on what is not lockable.
  if (row.lock && rm === "mem" ? random.chance(0.15) : random.chance(0.004)) prefixes.push(0xf0);
  const isString = operands.some((o) => "XY".includes(o.letter) && o.letter);
  if (isString && shape.mandatory === "" && random.chance(0.6)) prefixes.push(random.pick([0xf2, 0xf3]));
  // The order of legacy prefixes is free.
  for (let i = prefixes.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [prefixes[i], prefixes[j]] = [prefixes[j], prefixes[i]];
  }
  if (/^(66|F2|F3)/.test(shape.mandatory)) for (const p of shape.mandatory.match(/66|F2|F3/g)!) prefixes.push(parseInt(p, 16));

  const registers: Encoding["registers"] = {};
  let rex = rexW << 3;
  let rexNeeded = rexW !== 0 || random.chance(0.15);
  const opcode = [...shape.opcode];
  if (shape.registerInOpcode) {
    const x87 = (opcode[0] & 0xf8) === 0xd8 && opcode.length === 2;
    const number = random.below(x87 ? 8 : 16);
    opcode[opcode.length - 1] += number & 7;
    if (number > 7) rex |= 1;
    if (!x87) registers.Z = number;
  }
  const tail: number[] = [];
  let displacementAt = -1;
  if (shape.hasModRM) {
    let reg = shape.digit >= 0 ? shape.digit : random.below(operands.some((o) => "PS".includes(o.letter) && o.letter) ? 8 : 16);
    if (reg > 7) rex |= 4;
    if (shape.digit < 0) registers.G = reg;
    reg &= 7;
    if (rm === "reg") {
      const number = random.below(operands.some((o) => "QN".includes(o.letter) && o.letter) ? 8 : 16);
      if (number > 7) rex |= 1;
      registers.E = number;
      tail.push(0xc0 | (reg << 3) | (number & 7));
    } else {
      memory = { base: -1, index: -1, scale: 0, displacement: 0, ripRelative: false, address32, segment };
      const kind = random.below(10);
      let displacementBytes = random.pick([0, 1, 1, 4]);
      if (kind === 0) {
        memory.ripRelative = true;
        displacementBytes = 4;
        tail.push((reg << 3) | 5);
      } else if (kind === 1) {
        // Absolute: SIB without base and index.
        displacementBytes = 4;
        tail.push((reg << 3) | 4, 0x25);
      } else {
        memory.base = random.below(16);
        if (kind > 5) {
          memory.index = random.below(16);
          if (memory.index === 4 || memory.index === memory.base) memory.index = -1;
          else memory.scale = random.below(4);
        }
        if ((memory.base & 7) === 5 && displacementBytes === 0) displacementBytes = 1;
        const mod = displacementBytes === 0 ? 0 : displacementBytes === 1 ? 1 : 2;
        const needsSib = memory.index >= 0 || (memory.base & 7) === 4 || random.chance(0.05);
        if (memory.base > 7) rex |= 1;
        if (memory.index > 7) rex |= 2;
        tail.push((mod << 6) | (reg << 3) | (needsSib ? 4 : memory.base & 7));
        if (needsSib) tail.push((memory.scale << 6) | ((memory.index < 0 ? 4 : memory.index & 7) << 3) | (memory.base & 7));
      }
      displacementAt = tail.length;
      if (displacementBytes === 1) memory.displacement = random.below(256) - 128;
      if (displacementBytes === 4) memory.displacement = random.chance(0.5) ? random.below(0x2000) - 0x1000 : random.u32() | 0;
      const bits = memory.displacement;
      for (let i = 0; i < displacementBytes; i++) tail.push((bits >> (8 * i)) & 255);
    }
  } else if (hasMemory) memory = { base: -1, index: -1, scale: 0, displacement: 0, ripRelative: false, address32, segment };

  if (rex !== 0) rexNeeded = true;
  const bytes = [...prefixes];
  if (shape.vex) bytes.push(...vexBytes(shape, rex, registers, random));
  else if (rexNeeded) bytes.push(0x40 | rex);
  bytes.push(...opcode);
  if (displacementAt >= 0) displacementAt += bytes.length;
  bytes.push(...tail);
  const encoding: Encoding = { bytes, memory, displacementAt, offsetAt: -1, branchBytes: 0, operandSize, registers, immediateAt: -1 };
  for (const { letter, size } of operands) {
    if (letter === "O") {
      encoding.offsetAt = bytes.length;
      for (let i = 0; i < (address32 ? 4 : 8); i++) bytes.push(0);
    } else if (letter === "I") {
      encoding.immediateAt = bytes.length;
      const count = operandBytes(size, operandSize) || 1;
      const edge = random.pick([0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 65, 127, 128, 255]);
      const random8 = () => (random.chance(0.5) ? random.pick([0, 0xff, 0x7f, 0x80]) : random.below(256));
      for (let i = 0; i < count; i++) bytes.push(count === 1 && random.chance(0.5) ? edge : random8());
    } else if (letter === "J") {
      encoding.branchBytes = size === "b" ? 1 : operandSize === 2 ? 2 : 4;
      for (let i = 0; i < encoding.branchBytes; i++) bytes.push(0);
    }
  }
  return encoding;
}
