// Makes cases for the oracle from the rows of the instruction table: an encoding of the row (encode.ts), and a state in which
// its operands are mostly mapped, mostly aligned and near the edges of their formats, and sometimes not.

import type { Vendor } from "../../host/machine/cpu-models";
import type { Row } from "../../kernel/decode/row";
import { type Case, CODE_BASE, CODE_SIZE, DATA_BASE, DATA_RW_SIZE, DATA_SIZE, FX_BYTES, FX_FCW, FX_FDP, FX_FIP, FX_FSW, FX_FTW, FX_MXCSR, FX_ST,
  FX_XMM } from "./case-format";
import { type Encoding, encode, operandBytes, shapeOf } from "./encode";
import { type Random, float32Bits, float64Bits, float80, integerValue } from "./random";

export interface Instance {
  row: Row;
  case: Case;
  /** Where the row's instruction starts in the code; bytes before it are another that only sets flags. */
  preludeLength: number;
  operandSize: number;
  /** Number of the register that ModRM.rm names. */
  destination?: number;
  /** Of an operand by FS or GS: its address without the segment's base. */
  offset?: bigint;
}

const [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI] = [0, 1, 2, 3, 4, 5, 6, 7];
const MASK64 = (1n << 64n) - 1n;

/** What cannot be compared: it would leave the windows for good, or is the hypervisor's. */
const notComparable = new Set("VMMCALL MONITOR MWAIT XBEGIN XEND XABORT XTEST RDPKRU WRPKRU UMONITOR UMWAIT TPAUSE XSAVES XRSTORS".split(" "));

/** Is there anything to compare for this row in a mode at CPL 3? */
export function isComparable(row: Row, mode: 64 | 32, vendor: Vendor): boolean {
  if (row.mode !== undefined && row.mode !== String(mode)) return false;
  if (row.vendor !== undefined && row.vendor !== vendor) return false;
  return !notComparable.has(row.mnemonic);
}

const readsSelector = (row: Row) => /^(LAR|LSL|VERR|VERW)$/.test(row.mnemonic);
const loadsSelector = (row: Row) => /^(8E|0F A1|0F A9)$/.test(row.opcode);
const isFar = (row: Row) => /FAR|RETF/.test(row.fn ?? "") || /^L[SFG]S$/.test(row.mnemonic);

/**
 * Selectors that mean the same on both sides: null ones, those past the end of the table, and with `code` the 64-bit code segment. Of the
 * null ones only 0 is loaded, since the chip's DS and ES keep it for later cases.
 */
function selector(random: Random, loaded: boolean, code: boolean): number {
  if (code && random.chance(0.7)) return 0x33;
  return random.chance(0.5) ? (loaded ? 0 : random.below(4)) : 0xfff8 + random.below(4);
}

/** The nearest RSP that every chip can start a case with: IRETQ to one that is not canonical is #GP(0) on AMD. */
export const startableStack = (rsp: bigint) => BigInt.asUintN(64, BigInt.asIntN(48, rsp));

export interface Draft {
  gpr: BigUint64Array;
  patches: Map<number, Uint8Array>;
}

/** Puts bytes at a linear address, as far as they fall into the writable data window. */
export function poke(draft: Draft, address: bigint, bytes: Uint8Array): void {
  const start = Number(address - BigInt(DATA_BASE));
  for (let done = 0; done < bytes.length; done += 64) {
    const part = bytes.subarray(done, done + 64);
    const offset = start + done;
    if (offset < 0 || offset + part.length > DATA_RW_SIZE) continue;
    // Patches must not overlap: each side undoes them one by one.
    for (const [at, was] of draft.patches) if (offset < at + was.length && at < offset + part.length) return;
    draft.patches.set(offset, part.slice());
  }
}

/** A linear address for an operand of `bytes` bytes; mostly inside the window and aligned. */
export function dataAddress(random: Random, bytes: number, alignment: number): bigint {
  const kind = random.below(64);
  const inside = DATA_BASE + 0x100 + random.below(DATA_RW_SIZE - 0x400);
  const aligned = inside - (inside % Math.max(alignment, 1));
  if (kind < 44) return BigInt(aligned);
  if (kind < 51) return BigInt(inside);
  if (kind < 53) return BigInt(DATA_BASE + 0x1000 - random.below(bytes + 1)); // crosses into the second page
  if (kind < 55) return BigInt(DATA_BASE + DATA_RW_SIZE - random.below(bytes + 1)); // ... into the read-only one
  if (kind === 55) return BigInt(DATA_BASE + DATA_RW_SIZE + random.below(0xf00)); // read-only
  if (kind === 56) return BigInt(DATA_BASE + DATA_SIZE - random.below(bytes + 1)); // off the end
  if (kind === 57) return BigInt(DATA_BASE - random.below(bytes + 1)); // off the start
  if (kind === 58) return BigInt(CODE_BASE + random.below(0x500)); // readable code, away from the instruction
  if (kind === 59) return random.pick([0x0000_8000_0000_0000n, 0x0000_7fff_ffff_ffffn, 0xffff_7fff_ffff_ffffn, 0x1234_5678_9abc_def0n]); // not canonical, or nearly
  return BigInt(aligned);
}

function vectorBytes(random: Random): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  const kind = random.below(5);
  if (kind === 0) for (let i = 0; i < 4; i++) view.setUint32(4 * i, float32Bits(random), true);
  else if (kind < 3) for (let i = 0; i < 2; i++) view.setBigUint64(8 * i, float64Bits(random), true);
  else if (kind === 3) for (let i = 0; i < 2; i++) view.setBigUint64(8 * i, integerValue(random), true);
  else for (let i = 0; i < 8; i++) view.setUint16(2 * i, random.chance(0.5) ? random.pick([0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7f80, 0x8180]) : random.u32(), true);
  return bytes;
}

/** Contents of a memory operand. */
export function memoryValue(random: Random, row: Row, bytes: number): Uint8Array {
  const value = new Uint8Array(Math.max(bytes, 16));
  const view = new DataView(value.buffer);
  if (bytes === 10 && row.mnemonic.startsWith("FB")) {
    // Packed BCD, sometimes with digits that are none.
    for (let i = 0; i < 9; i++) value[i] = random.chance(0.05) ? random.below(256) : random.below(10) * 16 + random.below(10);
    value[9] = random.pick([0, 0x80, 0x7f, 0xff]);
  } else if (bytes === 10) {
    const [significand, top] = float80(random);
    view.setBigUint64(0, significand, true);
    view.setUint16(8, top, true);
  } else if (bytes === 4 && row.mnemonic.startsWith("F") && !row.mnemonic.startsWith("FI")) view.setUint32(0, float32Bits(random), true);
  else if (bytes === 8 && row.mnemonic.startsWith("F") && !row.mnemonic.startsWith("FI")) view.setBigUint64(0, float64Bits(random), true);
  else if (row.cpuid?.match(/SSE|MMX/) && random.chance(0.8)) return vectorBytes(random);
  else for (let i = 0; i < 16; i += 8) view.setBigUint64(i, integerValue(random), true);
  return value;
}

function floatingState(random: Random, row: Row): Uint8Array {
  const bytes = new Uint8Array(FX_BYTES);
  const fx = new DataView(bytes.buffer);
  const isX87 = row.cpuid === "FPU" || row.mnemonic.startsWith("F") || row.cpuid === "MMX" || /[PQN]/.test(row.operands);
  let control = 0x037f;
  let status = 0;
  let tags = 0;
  if (isX87 || random.chance(0.05)) {
    if (random.chance(0.6)) control = (control & ~0xf00) | (random.pick([0, 2, 3, 3]) << 8) | (random.below(4) << 10);
    if (random.chance(0.15)) control &= ~random.below(64);
    status = (random.below(8) << 11) | (random.chance(0.3) ? random.below(16) & 7 : 0) << 8 | (random.chance(0.3) ? 0x4000 : 0);
    if (random.chance(0.2)) status |= random.below(128);
    tags = random.chance(0.75) ? 0xff : random.chance(0.3) ? 0 : random.below(256);
    if (status & ~control & 0x3f) {
      // An unmasked exception that is pending sets ES and B.
      if (random.chance(0.2)) status |= 0x8080;
      else status &= ~0x3f | control;
    }
  }
  fx.setUint16(FX_FCW, control, true);
  fx.setUint16(FX_FSW, status, true);
  fx.setUint8(FX_FTW, tags);
  fx.setBigUint64(FX_FIP, 0x0000_1111_2222_3333n, true);
  fx.setBigUint64(FX_FDP, 0x0000_4444_5555_6666n, true);
  for (let i = 0; i < 8; i++) {
    const [significand, top] = float80(random);
    fx.setBigUint64(FX_ST + 16 * i, significand, true);
    // An MMX register is a significand under an exponent of ones.
    fx.setUint16(FX_ST + 16 * i + 8, row.cpuid === "MMX" && random.chance(0.5) ? 0xffff : top, true);
  }
  let mxcsr = 0x1f80;
  if (random.chance(0.5)) mxcsr |= random.below(4) << 13;
  if (random.chance(0.15)) mxcsr |= 0x8000;
  if (random.chance(0.15)) mxcsr |= 0x40;
  if (random.chance(0.2)) mxcsr |= random.below(64);
  if (random.chance(0.12)) mxcsr &= ~(random.below(64) << 7);
  fx.setUint32(FX_MXCSR, mxcsr, true);
  for (let i = 0; i < 16; i++) bytes.set(vectorBytes(random), FX_XMM + 16 * i);
  return bytes;
}

/** CMP of two registers and perhaps CMC, to leave the flags to the instruction under test the way a program does. */
function prelude(random: Random): number[] {
  const rex = 0x40 | (random.below(2) << 3) | (random.below(2) << 2) | random.below(2);
  const modrm = 0xc0 | random.below(64);
  const compare = random.pick([[rex, 0x39, modrm], [rex, 0x38, modrm], [0x66, 0x39, modrm]]);
  return random.chance(0.3) ? [...compare, random.pick([0xf5, 0xf8, 0xf9])] : compare;
}

/** @param vendor of the chip that the case is for */
export function generate(row: Row, random: Random, vendor: Vendor): Instance {
  const shape = shapeOf(row);
  const { operands } = shape;
  const e = encode(row, shape, random, random.chance(0.5), vendor === "amd");
  const before = e.bytes.length < 9 && random.chance(0.2) ? prelude(random) : [];
  const draft: Draft = { gpr: new BigUint64Array(16), patches: new Map() };
  const { gpr } = draft;
  for (let i = 0; i < 16; i++) gpr[i] = integerValue(random);
  // Two operands are more telling when they are related.
  if (e.registers.G !== undefined && e.registers.E !== undefined && random.chance(0.2)) {
    gpr[e.registers.G] = (gpr[e.registers.E] + BigInt(random.below(3)) - 1n) & MASK64;
  }
  const codeOffset = random.chance(0.03) ? CODE_SIZE - 1 - random.below(before.length + e.bytes.length) : 0x800;
  const start = CODE_BASE + codeOffset;
  const length = before.length + e.bytes.length;
  const end = start + length;
  const codeTarget = () => BigInt(random.chance(0.9) ? CODE_BASE + 0x900 + random.below(0x600) : random.pick([CODE_BASE + CODE_SIZE, DATA_BASE + 0x40, 0x0000_8000_0000_0000]));

  const wide = operands.find((o) => "EMWQXYO".includes(o.letter) && o.letter);
  let bytes = wide ? operandBytes(wide.size, e.operandSize) : 0;
  if (row.fn === "CMPXCHG8B" || row.mnemonic === "CMPXCHG8B") bytes = e.operandSize === 8 ? 16 : 8;
  if (bytes === 0) bytes = /^XSAVE|^XRSTOR/.test(row.mnemonic) ? 576 : /^FX/.test(row.mnemonic) ? 512 : /FN?SAVE|FRSTOR/.test(row.mnemonic) ? 108 : /FN?STENV|FLDENV/.test(row.mnemonic) ? 28 : 16;

  // Implied operands first; an addressing form may overwrite them.
  if (row.mnemonic === "CMPXCHG" && e.registers.E !== undefined && random.chance(0.5)) gpr[RAX] = gpr[e.registers.E];
  if (/DIV$/.test(row.mnemonic) && random.chance(0.7)) {
    gpr[RDX] = row.mnemonic === "IDIV" && gpr[RAX] >> 63n ? MASK64 : BigInt(random.below(3));
    if (e.registers.E !== undefined && random.chance(0.5)) gpr[e.registers.E] = BigInt(random.below(200) + 1);
  }
  if (random.chance(0.5)) gpr[RCX] = (gpr[RCX] & ~0xffn) | BigInt(random.below(80));
  // BEXTR: where to begin and how many bits; the shifts and BZHI take a count.
  if (e.registers.B !== undefined && random.chance(0.6)) {
    gpr[e.registers.B] = BigInt(random.below(72) | (random.below(72) << 8)) | (random.chance(0.5) ? random.u64() & ~0xffffn : 0n);
  }
  let stack = random.chance(0.85) ? BigInt(DATA_BASE + 0x800 + 8 * random.below(0x100)) : dataAddress(random, 8, 8);
  gpr[RSP] = stack;
  if (/LEAVE|ENTER/.test(row.mnemonic)) gpr[RBP] = random.chance(0.9) ? stack + BigInt(8 * random.below(32)) : dataAddress(random, 8, 8);
  if (row.mnemonic === "ENTER") {
    e.bytes[e.immediateAt] &= random.chance(0.9) ? 3 : 0xff;
    if (random.chance(0.9)) e.bytes[e.immediateAt - 1] = 0;
  }
  if (/^RET/.test(row.mnemonic)) {
    const target = new Uint8Array(8);
    new DataView(target.buffer).setBigUint64(0, codeTarget(), true);
    poke(draft, stack, target);
  }
  const words = (address: bigint, size: number, ...values: bigint[]) => {
    const list = new Uint8Array(size * values.length);
    values.forEach((value, i) => {
      for (let k = 0; k < size; k++) list[i * size + k] = Number((value >> BigInt(8 * k)) & 255n);
    });
    poke(draft, address, list);
  };
  if (/RETF/.test(row.fn ?? "") || row.mnemonic === "IRET") {
    draft.patches.clear();
    const frame = [codeTarget(), BigInt(selector(random, false, true))];
    if (row.mnemonic === "IRET") frame.push(BigInt((random.u32() & 0x200cd5) | 0x202), random.chance(0.9) ? BigInt(DATA_BASE + 0x900) : dataAddress(random, 8, 8), random.chance(0.9) ? 0x2bn : 0n);
    words(stack, e.operandSize, ...frame);
  }
  if (readsSelector(row) || loadsSelector(row)) {
    const value = BigInt(selector(random, loadsSelector(row), false));
    if (e.registers.E !== undefined) gpr[e.registers.E] = (gpr[e.registers.E] & ~0xffffn) | value;
    else if (!e.memory) words(stack, 8, value);
  }
  // Only x87 and SSE: which components there are besides is the computer's.
  if (/^XSAVE|^XRSTOR/.test(row.mnemonic)) {
    gpr[RAX] = (gpr[RAX] & ~0xffffffffn) | BigInt(random.below(4));
    gpr[RDX] &= ~0xffffffffn;
  }
  if (row.mnemonic === "XGETBV" || row.mnemonic === "CPUID") gpr[RCX] = BigInt(random.below(3));
  if (row.mnemonic === "INT" && row.opcode === "CD") {
    // 80h is the chip's Linux's, and 10h to 1Fh have been seen to be a para-virtual host's.
    const vector = e.bytes[e.immediateAt];
    if (vector === 0x80 || vector >> 4 === 1) e.bytes[e.immediateAt] = 0x81;
  }
  let repeats = 0;
  if (operands.some((o) => "XY".includes(o.letter) && o.letter)) {
    gpr[RSI] = dataAddress(random, 64, e.operandSize);
    gpr[RDI] = random.chance(0.1) ? gpr[RSI] + BigInt(random.below(16)) : dataAddress(random, 64, e.operandSize);
    repeats = random.below(random.chance(0.1) ? 300 : 20);
    gpr[RCX] = BigInt(repeats);
    if (e.memory?.address32) gpr[RCX] |= BigInt(random.u32()) << 32n;
  }
  if (row.mnemonic.startsWith("MASKMOV")) gpr[RDI] = dataAddress(random, 16, 1);
  let fsBase = random.chance(0.5) ? 0n : BigInt(random.below(0x10000));
  let gsBase = random.chance(0.5) ? 0n : BigInt(DATA_BASE + random.below(0x1000));
  if (row.mnemonic === "XLAT") {
    gpr[RBX] = (dataAddress(random, 1, 1) - (gpr[RAX] & 0xffn) - (e.memory?.segment === 4 ? fsBase : e.memory?.segment === 5 ? gsBase : 0n)) & MASK64;
  }

  const isBitString = /^BT[SRC]?$/.test(row.mnemonic) && operands[1]?.letter === "G";
  if (isBitString && e.memory && random.chance(0.8)) gpr[e.registers.G!] = BigInt.asUintN(64, BigInt(random.below(2000) - 1000));

  const { memory } = e;
  if (memory && (shape.hasModRM || e.offsetAt >= 0)) {
    const alignment = /FX(SAVE|RSTOR)/.test(row.mnemonic) ? 16 : Math.min(bytes, 16);
    let target = dataAddress(random, bytes, alignment);
    const segmentBase = memory.segment === 4 ? fsBase : memory.segment === 5 ? gsBase : 0n;
    let ea = (target - segmentBase) & MASK64;
    if (memory.address32) ea &= 0xffffffffn;
    const put = (at: number, value: bigint, count: number) => {
      for (let i = 0; i < count; i++) e.bytes[at + i] = Number((value >> BigInt(8 * i)) & 255n);
    };
    if (e.offsetAt >= 0) put(e.offsetAt, ea, memory.address32 ? 4 : 8);
    else if (memory.ripRelative) put(e.displacementAt, ea - BigInt(end), 4);
    else if (memory.base < 0) put(e.displacementAt, ea, 4);
    else {
      if (memory.index >= 0 && random.chance(0.7)) gpr[memory.index] = BigInt(random.below(0x1000));
      const index = memory.index >= 0 ? gpr[memory.index] << BigInt(memory.scale) : 0n;
      gpr[memory.base] = (ea - index - BigInt(memory.displacement)) & MASK64;
      if (memory.address32) gpr[memory.base] = (gpr[memory.base] & 0xffffffffn) | (BigInt(random.u32()) << 32n);
    }
    // 16-byte and smaller operands; a full FXRSTOR image below.
    if (bytes <= 16) poke(draft, target, memoryValue(random, row, bytes));
    if (/^(JMP|CALL)$/.test(row.mnemonic) && random.chance(0.85)) {
      draft.patches.clear();
      const value = new Uint8Array(8);
      new DataView(value.buffer).setBigUint64(0, codeTarget(), true);
      poke(draft, target, value);
    }
    if (row.mnemonic === "LDMXCSR") {
      draft.patches.clear();
      const value = new Uint8Array(4);
      new DataView(value.buffer).setUint32(0, random.chance(0.8) ? random.u32() & 0xffff : random.u32() & 0x1ffff, true);
      poke(draft, target, value);
    }
    if (readsSelector(row) || loadsSelector(row) || isFar(row)) {
      draft.patches.clear();
      const value = BigInt(selector(random, !readsSelector(row), isFar(row) && !/^L.S$/.test(row.mnemonic)));
      if (isFar(row)) words(target, 1, ...Array.from({ length: e.operandSize }, (_, i) => (codeTarget() >> BigInt(8 * i)) & 255n), value & 255n, value >> 8n);
      else words(target, 2, value);
    }
    if (/^XSAVE|^XRSTOR/.test(row.mnemonic)) {
      // The header: XSTATE_BV, XCOMP_BV, zeros.
      draft.patches.clear();
      poke(draft, target + 512n, Uint8Array.from({ length: 64 }, (_, i) => (i === 0 ? random.below(4) : i === 1 && random.chance(0.03) ? 0x20 : 0)));
      if (row.mnemonic === "XRSTOR") poke(draft, target, new Uint8Array([...floatingState(random, { ...row, cpuid: "FPU" }), ...new Uint8Array(32)]));
    }
    if (row.mnemonic === "FXRSTOR") {
      const image = new Uint8Array(512);
      image.set(floatingState(random, { ...row, cpuid: "FPU" }));
      if (random.chance(0.1)) image[FX_MXCSR + 2] = 1;
      poke(draft, target, image);
    }
    if (row.mnemonic === "FLDENV" || row.mnemonic === "FRSTOR") poke(draft, target, x87Environment(random, bytes));
    if (/^CMPXCHG/.test(row.mnemonic) && random.chance(0.5)) equalAccumulator(draft, target, bytes);
  } else if (/^(JMP|CALL)$/.test(row.mnemonic) && e.registers.E !== undefined && random.chance(0.85)) gpr[e.registers.E] = codeTarget();
  if (e.branchBytes) {
    // Into the INT3 bytes around, rarely out of the page; never back onto itself or the NOP that machine-runner.ts puts before it.
    let displacement = e.branchBytes === 1 ? random.below(256) - 128 : e.branchBytes === 2 ? random.below(0x1000) - 0x800 : random.chance(0.9) ? random.below(0x1000) - 0x800 : random.u32() | 0;
    if (displacement < 0 && displacement >= -length - 1) displacement = -length - 2;
    for (let i = 0; i < e.branchBytes; i++) e.bytes[e.bytes.length - e.branchBytes + i] = (displacement >> (8 * i)) & 255;
  }
  if (/^WR[FG]SBASE$/.test(row.mnemonic) && random.chance(0.6)) gpr[e.registers.E ?? 0] = BigInt(random.u32());
  if (/^(JMP|CALL)$/.test(row.mnemonic) && memory) stack = gpr[RSP];

  let rflags = 0x202n | (BigInt(random.u32()) & 0xcd5n);
  if (random.chance(0.02)) rflags |= 0x40000n; // AC
  if (row.mnemonic === "POPF" || row.mnemonic === "POPFQ") pokeFlags(draft, random, gpr[RSP]);
  const patches = [...draft.patches].map(([offset, bytes]) => ({ offset, bytes }));
  const code = Uint8Array.from([...before, ...e.bytes]).subarray(0, CODE_SIZE - codeOffset);
  return {
    row, preludeLength: before.length, operandSize: e.operandSize, offset: segmentOffset(row, e, gpr), destination: e.registers.E,
    case: { code, codeOffset, gpr, rflags, fsBase, gsBase, fx: floatingState(random, row), patches },
  };
}

function segmentOffset(row: Row, e: Encoding, gpr: BigUint64Array): bigint | undefined {
  if (!e.memory || e.memory.segment < 4 || e.memory.address32) return undefined;
  const { base, index, scale, displacement } = e.memory;
  if (base < 0) return gpr[row.mnemonic.startsWith("MASKMOV") ? RDI : RSI]; // what is absolute is within 32 bits, or a string
  return (gpr[base] + (index >= 0 ? gpr[index] << BigInt(scale) : 0n) + BigInt(displacement)) & MASK64;
}

/** RFLAGS on the stack; neither TF, which traps, nor NT and ID, which the chip's Linux keeps for itself. */
export function pokeFlags(draft: Draft, random: Random, stack: bigint): void {
  const value = new Uint8Array(8);
  const bits = (random.u32() & ~0x4100) | (random.chance(0.5) ? 0x200000 : 0);
  new DataView(value.buffer).setUint32(0, bits, true);
  poke(draft, stack, value);
}

/** Makes CMPXCHG succeed: the accumulator is what memory holds. */
export function equalAccumulator(draft: Draft, target: bigint, bytes: number): void {
  const patch = draft.patches.get(Number(target - BigInt(DATA_BASE)));
  if (!patch) return;
  const view = new DataView(patch.buffer, patch.byteOffset, patch.byteLength);
  if (bytes < 8) {
    draft.gpr[RAX] = (draft.gpr[RAX] & ~0xffffffffn) | BigInt(view.getUint32(0, true));
  } else {
    draft.gpr[RAX] = view.getBigUint64(0, true);
    if (bytes === 16) draft.gpr[RDX] = view.getBigUint64(8, true);
    // CMPXCHG8B compares EDX:EAX.
    if (patch.length >= 8) draft.gpr[RDX] = bytes === 16 ? draft.gpr[RDX] : BigInt(view.getUint32(4, true));
  }
}

/** What FLDENV and FRSTOR read (SDM Vol. 1 figure 8-9): 28 bytes, then ST(0)..ST(7) of 10 bytes. */
function x87Environment(random: Random, bytes: number): Uint8Array {
  const image = new Uint8Array(bytes === 108 ? 108 : 28);
  const view = new DataView(image.buffer);
  view.setUint16(0, 0x037f & ~(random.chance(0.2) ? random.below(64) : 0), true);
  view.setUint16(4, random.u32() & 0x7fff, true);
  view.setUint16(8, random.u32() & 0xffff, true);
  view.setUint32(12, random.u32(), true);
  view.setUint32(20, random.u32(), true);
  for (let i = 0; 28 + 10 * i < image.length; i++) {
    const [significand, top] = float80(random);
    view.setBigUint64(28 + 10 * i, significand, true);
    view.setUint16(36 + 10 * i, top, true);
  }
  return image;
}
