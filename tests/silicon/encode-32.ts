// encode.ts for compatibility mode with 32-bit code: no REX, eight registers, operand and address size of 32 bits that 66 and 67 make 16,
// 16-bit addressing forms, 4-byte absolute addresses.
//
// Left out, since an emulator that is the reference does not check them: LOCK where it is #UD (held by
// tests/cpu/order-of-effects-checks.test.ts) and an override by CS, which cannot be written (tests/cpu/segment-operands.test.ts).

import type { Row } from "../../kernel/decode/row";
import { type Encoding, type MemoryForm, type RowShape, operandBytes } from "./encode";
import type { Random } from "./random";

export interface Encoding32 extends Encoding {
  /** A 16-bit effective address: nothing is mapped there. */
  address16: boolean;
}

const sizedWithoutOperands = /^(CBW|CWD|PUSHF|POPF|PUSHA|POPA|PUSH|POP|LEAVE|ENTER|RET)$/;
const countsByAddressSize = /^(LOOP|LOOPE|LOOPNE|JRCXZ)$/;
const segmentPrefixes = [0x26, 0x36, 0x3e, 0x64, 0x65];

/** ModRM, SIB and displacement of a memory operand; the displacement starts at `displacementAt` of them. */
function memoryOperand(reg: number, address16: boolean, random: Random): { tail: number[]; memory: MemoryForm; displacementAt: number } {
  const memory: MemoryForm = { base: -1, index: -1, scale: 0, displacement: 0, ripRelative: false, address32: true, segment: -1 };
  const tail: number[] = [];
  let bytes: number;
  if (address16) {
    const mod = random.below(3);
    const rm = random.below(8);
    bytes = mod === 0 ? (rm === 6 ? 2 : 0) : mod;
    tail.push((mod << 6) | (reg << 3) | rm);
  } else if (random.chance(0.12)) {
    bytes = 4;
    tail.push(...(random.chance(0.5) ? [(reg << 3) | 5] : [(reg << 3) | 4, 0x25]));
  } else {
    memory.base = random.below(8);
    if (random.chance(0.4)) {
      memory.index = random.below(8);
      if (memory.index === 4 || memory.index === memory.base) memory.index = -1;
      else memory.scale = random.below(4);
    }
    bytes = random.pick(memory.base === 5 ? [1, 1, 4] : [0, 1, 1, 4]);
    const mod = bytes === 4 ? 2 : bytes;
    const sib = memory.index >= 0 || memory.base === 4 || random.chance(0.05);
    tail.push((mod << 6) | (reg << 3) | (sib ? 4 : memory.base));
    if (sib) tail.push((memory.scale << 6) | ((memory.index < 0 ? 4 : memory.index) << 3) | memory.base);
  }
  const displacementAt = tail.length;
  memory.displacement = bytes === 1 ? random.below(256) - 128 : bytes === 0 ? 0 : random.u32() | 0;
  for (let i = 0; i < bytes; i++) tail.push((memory.displacement >> (8 * i)) & 255);
  return { tail, memory, displacementAt };
}

export function encode32(row: Row, shape: RowShape, random: Random): Encoding32 {
  const { operands } = shape;
  const has = (letters: string) => operands.some((o) => o.letter !== "" && letters.includes(o.letter));
  const vector = operands.some((o) => o.size === "v");
  const sized = operands.some((o) => /^[vzyp]/.test(o.size) || /^[er]AX$/.test(o.text)) || sizedWithoutOperands.test(row.mnemonic) || has("J");
  // BSWAP of 16 bits is undefined (SDM Vol. 2A, BSWAP).
  const size66 = row.mnemonic !== "BSWAP" && (shape.mandatory === "" || (/^F[23]$/.test(shape.mandatory) && vector)) && random.chance(sized ? 0.3 : 0.02);
  const operandSize = size66 || (shape.mandatory === "66" && vector) ? 2 : 4;
  const rm = !shape.hasModRM ? "" : shape.form === "mem" || has("M") ? "mem" : shape.form === "reg" || has("R") || random.chance(0.5) ? "reg" : "mem";
  const hasMemory = rm === "mem" || has("OXY") || row.mnemonic === "XLAT";
  const address16 = random.chance(hasMemory ? 0.1 : countsByAddressSize.test(row.mnemonic) ? 0.3 : 0.02);
  const prefixes: number[] = [];
  if (size66) prefixes.push(0x66);
  if (address16) prefixes.push(0x67);
  if (hasMemory && random.chance(0.12)) prefixes.push(random.pick(segmentPrefixes));
  if (row.lock && rm === "mem" && random.chance(0.15)) prefixes.push(0xf0);
  if (has("XY") && shape.mandatory === "" && random.chance(0.6)) prefixes.push(random.pick([0xf2, 0xf3]));
  for (let i = prefixes.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [prefixes[i], prefixes[j]] = [prefixes[j], prefixes[i]];
  }
  for (const p of shape.mandatory.match(/66|F2|F3/g) ?? []) prefixes.push(parseInt(p, 16));

  const registers: Encoding["registers"] = {};
  const opcode = [...shape.opcode];
  if (shape.registerInOpcode) {
    registers.Z = random.below(8);
    opcode[opcode.length - 1] += registers.Z;
  }
  let tail: number[] = [];
  let memory: MemoryForm | null = null;
  let displacementAt = -1;
  if (shape.hasModRM) {
    const reg = shape.digit >= 0 ? shape.digit : random.below(8);
    if (shape.digit < 0) registers.G = reg;
    if (rm === "reg") {
      registers.E = random.below(8);
      tail.push(0xc0 | (reg << 3) | registers.E);
    } else ({ tail, memory, displacementAt } = memoryOperand(reg, address16, random));
  }
  const bytes = [...prefixes, ...opcode];
  if (displacementAt >= 0) displacementAt += bytes.length;
  bytes.push(...tail);
  const encoding: Encoding32 = { bytes, memory, displacementAt, offsetAt: -1, branchBytes: 0, operandSize, registers, immediateAt: -1, address16 };
  for (const { letter, size } of operands) {
    const push = (count: number, value: () => number) => {
      for (let i = 0; i < count; i++) bytes.push(value());
    };
    if (letter === "O") {
      encoding.offsetAt = bytes.length;
      push(address16 ? 2 : 4, () => 0);
    } else if (letter === "I") {
      encoding.immediateAt = bytes.length;
      push(operandBytes(size, operandSize) || 1, () => (random.chance(0.5) ? random.pick([0, 1, 2, 7, 8, 10, 15, 16, 31, 32, 33, 0x7f, 0x80, 0xff]) : random.below(256)));
    } else if (letter === "J") {
      encoding.branchBytes = size === "b" ? 1 : operandSize;
      push(encoding.branchBytes, () => 0);
    }
  }
  return encoding;
}
