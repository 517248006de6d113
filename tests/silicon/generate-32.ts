// generate.ts for compatibility mode with 32-bit code and flat segments: rows of general instructions. Every address is below 4 GiB, and
// none but 16-bit ones, where nothing is mapped, lies outside the windows' surroundings: the runner itself is somewhere below 4 GiB too.

import type { Row } from "../../kernel/decode/row";
import { CODE_BASE, CODE_SIZE, DATA_BASE, FX_BYTES } from "./case-format";
import { encode32 } from "./encode-32";
import { operandBytes, shapeOf } from "./encode";
import { type Draft, type Instance, dataAddress, equalAccumulator, memoryValue, poke, pokeFlags } from "./generate";
import { type Random, integerValue } from "./random";

const [EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI] = [0, 1, 2, 3, 4, 5, 6, 7];
const MASK32 = 0xffffffffn;

/** What a case's two words for bases hold in this mode: DS ES FS GS and CS SS, all flat (native-state-32.h). */
export const FLAT_DATA_SELECTORS = 0x002b_002b_002b_002bn;
export const FLAT_STACK_AND_CODE = 0x002b_0023n;

const loadsSelector = (row: Row) => /^(8E|07|17|1F|0F A1|0F A9)$/.test(row.opcode) || /^L[DESFG]S$/.test(row.mnemonic);
/** Null, the flat ones with several RPLs, and some past the end of the table. */
const selector = (random: Random) => random.pick([0, random.below(4), 0x2b, 0x2b, 0x28 + random.below(4), 0x23, 0xfff8 + random.below(4)]);

const little = (value: bigint, bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));

/** An address that is mapped, or near the windows, or in the lowest pages. */
function address(random: Random, bytes: number, alignment: number): bigint {
  const linear = dataAddress(random, bytes, alignment);
  return linear <= MASK32 ? linear : random.pick([0n, 0x10n, 0x8000n]);
}

const codeTarget = (random: Random) => BigInt(random.chance(0.9) ? CODE_BASE + 0x900 + random.below(0x600) : random.pick([CODE_BASE + CODE_SIZE, DATA_BASE + 0x40]));

export function generate32(row: Row, random: Random): Instance {
  const shape = shapeOf(row);
  const { operands } = shape;
  const e = encode32(row, shape, random);
  // CMP of two registers leaves the flags to the instruction under test the way a program does.
  // Not to CMPXCHG8B: qemu-i386 7.2 loses its way when that follows a CMP.
  const before = e.bytes.length < 9 && random.chance(0.2) && row.mnemonic !== "CMPXCHG8B" ? [random.pick([0x38, 0x39]), 0xc0 | random.below(64)] : [];
  const length = before.length + e.bytes.length;
  // At the end of the page either the missing bytes come first or, emulated, a privilege or a segment register that is not there.
  const codeOffset = row.cpl !== 0 && !/S/.test(row.operands) && random.chance(0.03) ? CODE_SIZE - 1 - random.below(length) : 0x800;
  const draft: Draft = { gpr: new BigUint64Array(16), patches: new Map() };
  const { gpr } = draft;
  for (let i = 0; i < 8; i++) gpr[i] = integerValue(random) & MASK32;
  if (e.registers.G !== undefined && e.registers.E !== undefined && random.chance(0.2)) gpr[e.registers.G] = (gpr[e.registers.E] + BigInt(random.below(3)) - 1n) & MASK32;
  const wide = operands.find((o) => o.letter !== "" && "EMXYO".includes(o.letter));
  const bytes = row.mnemonic === "CMPXCHG8B" ? 8 : (wide && (wide.size === "a" ? 2 * e.operandSize : operandBytes(wide.size, e.operandSize))) || 16;

  // Implied operands first; an addressing form may overwrite them.
  if (row.mnemonic === "CMPXCHG" && e.registers.E !== undefined && random.chance(0.5)) gpr[EAX] = gpr[e.registers.E];
  if (/DIV$/.test(row.mnemonic) && random.chance(0.7)) {
    gpr[EDX] = row.mnemonic === "IDIV" && gpr[EAX] >> 31n ? MASK32 : BigInt(random.below(3));
    if (e.registers.E !== undefined && random.chance(0.5)) gpr[e.registers.E] = BigInt(random.below(200) + 1);
  }
  if (random.chance(0.5)) gpr[ECX] = (gpr[ECX] & ~0xffn) | BigInt(random.below(80));
  // Decimal digits, as programs have them where AAA and its kind stand.
  if (/^(AA|DA)/.test(row.mnemonic) && random.chance(0.5)) gpr[EAX] = (gpr[EAX] & ~0xffffn) | BigInt(random.below(10) * 256 + random.below(10) * 16 + random.below(16));
  gpr[ESP] = random.chance(0.85) ? BigInt(DATA_BASE + 0x800 + 4 * random.below(0x200)) : address(random, 4, 4);
  if (/LEAVE|ENTER/.test(row.mnemonic)) gpr[EBP] = random.chance(0.9) ? gpr[ESP] + BigInt(4 * random.below(64)) : address(random, 4, 4);
  if (row.mnemonic === "ENTER") {
    e.bytes[e.immediateAt] &= random.chance(0.9) ? 3 : 0xff;
    e.bytes[e.immediateAt - 1] = 0;
    // Not every emulator looks whether the new top can be written: tests/cpu/order-of-effects-stack.test.ts.
    gpr[ESP] = BigInt(DATA_BASE + 0x800 + random.below(0x400));
  }
  // Emulators have been seen to take the word as signed.
  if (row.mnemonic === "RET" && e.immediateAt >= 0) e.bytes[e.immediateAt + 1] &= 0x7f;
  if (row.mnemonic === "RET") poke(draft, gpr[ESP], little(codeTarget(random), 4));
  if (row.mnemonic === "POPF") pokeFlags(draft, random, gpr[ESP]);
  if (loadsSelector(row)) {
    const value = BigInt(selector(random));
    if (e.registers.E !== undefined) gpr[e.registers.E] = (gpr[e.registers.E] & ~0xffffn) | value;
    else if (!shape.hasModRM) poke(draft, gpr[ESP], little(value, 4));
  }
  if (operands.some((o) => o.letter !== "" && "XY".includes(o.letter))) {
    gpr[ESI] = address(random, 64, e.operandSize);
    gpr[EDI] = random.chance(0.1) ? gpr[ESI] + BigInt(random.below(16)) : address(random, 64, e.operandSize);
    gpr[ECX] = BigInt(random.below(random.chance(0.1) ? 300 : 20)) | (e.address16 ? BigInt(random.u32() & 0xffff0000) & MASK32 : 0n);
  }
  if (row.mnemonic === "XLAT") gpr[EBX] = (address(random, 1, 1) - (gpr[EAX] & 0xffn)) & MASK32;
  if (/^BT[SRC]?$/.test(row.mnemonic) && operands[1]?.letter === "G" && shape.hasModRM && e.memory) gpr[e.registers.G!] = BigInt.asUintN(32, BigInt(random.below(2000) - 1000));

  const { memory } = e;
  if (memory && !e.address16) {
    const target = address(random, bytes, Math.min(bytes, 16));
    if (memory.base >= 0) {
      if (memory.index >= 0 && random.chance(0.7)) gpr[memory.index] = BigInt(random.below(0x1000));
      const index = memory.index >= 0 ? gpr[memory.index] << BigInt(memory.scale) : 0n;
      gpr[memory.base] = (target - index - BigInt(memory.displacement)) & MASK32;
    } else little(target, 4).forEach((byte, i) => (e.bytes[e.displacementAt + i] = byte));
    if (/^(JMP|CALL)$/.test(row.mnemonic)) poke(draft, target, little(codeTarget(random), 4));
    else if (/^L[DESFG]S$/.test(row.mnemonic)) poke(draft, target, new Uint8Array([...little(BigInt(random.u32()), e.operandSize), ...little(BigInt(selector(random)), 2)]));
    else if (loadsSelector(row)) poke(draft, target, little(BigInt(selector(random)), 2));
    else if (bytes <= 16) poke(draft, target, memoryValue(random, row, bytes));
    if (/^CMPXCHG/.test(row.mnemonic) && random.chance(0.5)) equalAccumulator(draft, target, bytes);
  } else if (/^(JMP|CALL)$/.test(row.mnemonic) && e.registers.E !== undefined) gpr[e.registers.E] = codeTarget(random);
  if (e.offsetAt >= 0) little(address(random, bytes, 1), e.address16 ? 2 : 4).forEach((byte, i) => (e.bytes[e.offsetAt + i] = byte));
  if (e.branchBytes) {
    // Into the INT3 bytes around, never back onto itself or the NOP that machine-runner.ts puts before it.
    let displacement = e.branchBytes === 1 ? random.below(256) - 128 : random.below(0x1000) - 0x800;
    if (displacement < 0 && displacement >= -length - 1) displacement = -length - 2;
    little(BigInt.asUintN(32, BigInt(displacement)), e.branchBytes).forEach((byte, i) => (e.bytes[e.bytes.length - e.branchBytes + i] = byte));
  }
  for (let i = 0; i < 8; i++) gpr[i] &= MASK32;
  // -2^63 by -1, and -2^31 by -1 with 66, is #DE, but qemu-i386 7.2 divides by the instruction of its host and ends.
  if (row.mnemonic === "IDIV" && (gpr[EDX] === 0x80000000n || (gpr[EDX] & 0xffffn) === 0x8000n)) gpr[EAX] |= 1n;
  return {
    row, preludeLength: before.length, operandSize: e.operandSize, destination: e.registers.E,
    case: {
      mode: 32, code: Uint8Array.from([...before, ...e.bytes]).subarray(0, CODE_SIZE - codeOffset), codeOffset, gpr,
      rflags: 0x202n | (BigInt(random.u32()) & 0xcd5n), fsBase: FLAT_DATA_SELECTORS, gsBase: FLAT_STACK_AND_CODE, fx: new Uint8Array(FX_BYTES),
      patches: [...draft.patches].map(([offset, contents]) => ({ offset, bytes: contents })),
    },
  };
}
