// An instruction's bytes as text, by the instruction table: mnemonic, operands in Intel's order, and the CPUID feature that offers it.
// Called for reports; the decoder of the machine says which row the bytes are (Machine.decode).

import { INSTRUCTION_TABLE } from "../../build/instruction-table";
import { MODE_16, MODE_64 } from "../../kernel/abi/state";
import { FEATURE_IDS, type FeatureName } from "./cpu-models";
import type { Machine } from "./machine";

export interface NamedInstruction {
  /** Bytes it has. */
  length: number;
  /** `aesenc xmm0, xmm1` */
  text: string;
  /** What of CPUID offers it and this machine's model does not; null when that is not why it is #UD. */
  missing: FeatureName | null;
}

interface TableRow {
  opcode: string;
  mnemonic: string;
  operands: string[];
  feature: FeatureName | null;
}

function tableRow(index: number): TableRow {
  const [opcode, mnemonic, operands, feature] = INSTRUCTION_TABLE.split("\n")[index]!.split("|") as [string, string, string, string];
  return { opcode, mnemonic, operands: operands === "" ? [] : operands.split(","), feature: feature === "" ? null : (feature as FeatureName) };
}

/** The instruction that `bytes` begin with, whether this machine's model offers it or not; null when the table has none. */
export function nameInstruction(machine: Machine, bytes: Uint8Array, mode: number): NamedInstruction | null {
  const { row, length } = machine.decode(bytes, { mode, everyFeature: true });
  if (row < 0) return null;
  const { mnemonic, feature, ...encoding } = tableRow(row);
  const operands = new Operands(bytes.subarray(0, length), encoding, mode).text();
  const missing = feature !== null && !machine.cpu.features.has(feature) && FEATURE_IDS[feature] !== undefined ? feature : null;
  return { length, text: `${mnemonic.toLowerCase()} ${operands}`.trim(), missing };
}

const WIDE = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
const HIGH_BYTES = ["al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];
const SEGMENT_PREFIXES: Record<number, string> = { 0x26: "es", 0x2e: "cs", 0x36: "ss", 0x3e: "ds", 0x64: "fs", 0x65: "gs" };

function generalRegister(n: number, bytes: number, rex: boolean): string {
  const wide = WIDE[n]!;
  if (bytes === 8) return wide;
  if (n > 7) return wide + { 4: "d", 2: "w", 1: "b" }[bytes as 4 | 2 | 1];
  if (bytes === 4) return `e${wide.slice(1)}`;
  if (bytes === 2) return wide.slice(1);
  if (!rex) return HIGH_BYTES[n]!;
  return n < 4 ? `${wide[1]}l` : `${wide.slice(1)}l`;
}

/** Reads prefixes, ModRM and what follows of one instruction (SDM Vol. 2A ch. 2), for the operand letters of Vol. 2D appendix A. */
class Operands {
  private at = 0;
  private rex = 0;
  private rexSeen = false;
  private readonly wide: boolean;
  /** Operands of 16 bits; an address size that is not the mode's own, of 16 bits in the narrow modes. */
  private operand16: boolean;
  private address67: boolean;
  private segment = "";
  private vvvv = 0;
  private vectorBytes = 16;
  private modrm = -1;
  private memory = "";

  constructor(
    private readonly bytes: Uint8Array,
    private readonly row: { opcode: string; operands: string[] },
    private readonly mode: number,
  ) {
    this.wide = mode === MODE_64;
    this.operand16 = this.address67 = mode === MODE_16;
    this.prefixes();
    if (this.hasModrm()) {
      this.modrm = this.next();
      if (this.modrm < 0xc0) this.memory = this.address();
    }
  }

  text(): string {
    // DI and BX stand for memory that the instruction does not name.
    return this.row.operands.filter((operand) => operand !== "DI" && operand !== "BX").map((operand) => this.operand(operand)).join(", ");
  }

  private next(): number {
    return this.bytes[this.at++] ?? 0;
  }

  private signed(bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value += this.next() * 2 ** (8 * i);
    return value >= 2 ** (8 * bytes - 1) ? value - 2 ** (8 * bytes) : value;
  }

  private prefixes(): void {
    for (;;) {
      const byte = this.next();
      if (byte === 0x66) this.operand16 = this.mode !== MODE_16;
      else if (byte === 0x67) this.address67 = this.mode !== MODE_16;
      else if (SEGMENT_PREFIXES[byte] !== undefined) this.segment = `${SEGMENT_PREFIXES[byte]}:`;
      else if (this.wide && (byte & 0xf0) === 0x40) {
        this.rex = byte;
        this.rexSeen = true;
        continue;
      } else if (byte !== 0xf0 && byte !== 0xf2 && byte !== 0xf3) {
        if (this.row.opcode.startsWith("VEX")) this.vexPrefix(byte);
        else if (byte === 0x0f && / 38 | 3A /.test(` ${this.row.opcode} `) && (this.bytes[this.at] === 0x38 || this.bytes[this.at] === 0x3a)) this.at += 2;
        else if (byte === 0x0f) this.at++;
        return;
      }
      // A REX that another prefix follows is ignored.
      this.rex = 0;
      this.rexSeen = false;
    }
  }

  /** SDM Vol. 2A 2.3.5: R, X, B and vvvv stand inverted. */
  private vexPrefix(first: number): void {
    let last = this.next();
    this.rex = ~last & 0x80 ? 4 : 0;
    if (first === 0xc4) {
      this.rex |= (~last & 0x40 ? 2 : 0) | (~last & 0x20 ? 1 : 0);
      last = this.next();
      this.rex |= last & 0x80 ? 8 : 0;
    }
    this.vvvv = (~last >> 3) & 15;
    this.vectorBytes = last & 4 ? 32 : 16;
    this.at++;
  }

  private hasModrm(): boolean {
    return / \/[0-7r]| mem| reg/.test(this.row.opcode) || this.row.operands.some((operand) => /^[EGMRSCDVWUPQNBH]([a-z]|$)/.test(operand));
  }

  private address(): string {
    const mod = this.modrm >> 6;
    const rm = this.modrm & 7;
    const size = this.wide ? (this.address67 ? 4 : 8) : 4;
    if (!this.wide && this.address67) return this.address16(mod, rm);
    const parts: string[] = [];
    let base = rm;
    if (rm === 4) {
      const sib = this.next();
      const index = ((sib >> 3) & 7) | (this.rex & 2 ? 8 : 0);
      base = sib & 7;
      if (base !== 5 || mod !== 0) parts.push(generalRegister(base | (this.rex & 1 ? 8 : 0), size, true));
      if (index !== 4) parts.push(`${generalRegister(index, size, true)}*${1 << (sib >> 6)}`);
    } else if (rm === 5 && mod === 0) {
      if (this.wide) parts.push(size === 8 ? "rip" : "eip");
    } else parts.push(generalRegister(rm | (this.rex & 1 ? 8 : 0), size, true));
    const displacement = mod === 1 ? this.signed(1) : mod === 2 || (mod === 0 && base === 5) ? this.signed(4) : 0;
    return bracketed(parts, displacement, this.wide ? 64 : 32);
  }

  /** SDM Vol. 2A table 2-1. */
  private address16(mod: number, rm: number): string {
    if (mod === 0 && rm === 6) return bracketed([], this.signed(2), 16);
    const parts = [["bx", "si"], ["bx", "di"], ["bp", "si"], ["bp", "di"], ["si"], ["di"], ["bp"], ["bx"]][rm]!;
    return bracketed(parts, mod === 1 ? this.signed(1) : mod === 2 ? this.signed(2) : 0, 16);
  }

  private bytesOf(size: string): number {
    if (size === "v") return this.rex & 8 ? 8 : this.operand16 ? 2 : 4;
    if (size === "y") return this.rex & 8 ? 8 : 4;
    if (size === "z") return this.operand16 ? 2 : 4;
    return { b: 1, bs: 1, w: 2, d: 4, q: 8 }[size] ?? (this.wide ? 8 : 4);
  }

  private vector(n: number, size: string): string {
    return `${this.vectorBytes === 32 && /^(x|ps|pd|qq)$/.test(size) ? "y" : "x"}mm${n}`;
  }

  private operand(operand: string): string {
    const match = /^([EGMRBVWUHLPQNSCDIJOXYZ])([a-z]*)$/.exec(operand);
    if (!match) return operand.replace(/^[er]AX$/, () => generalRegister(0, this.bytesOf("v"), true)).toLowerCase();
    const [, letter, size] = match as unknown as [string, string, string];
    const reg = ((this.modrm >> 3) & 7) | (this.rex & 4 ? 8 : 0);
    const rm = (this.modrm & 7) | (this.rex & 1 ? 8 : 0);
    const inMemory = this.memory !== "";
    switch (letter) {
      case "E": case "M": case "R": return inMemory ? this.segment + this.memory : generalRegister(rm, this.bytesOf(size), this.rexSeen);
      case "G": return generalRegister(reg, this.bytesOf(size), this.rexSeen);
      case "B": return generalRegister(this.vvvv, this.bytesOf(size), true);
      case "V": return this.vector(reg, size);
      case "H": return this.vector(this.vvvv, size);
      case "W": case "U": return inMemory ? this.segment + this.memory : this.vector(rm, size);
      case "P": return `mm${reg & 7}`;
      case "Q": case "N": return inMemory ? this.segment + this.memory : `mm${rm & 7}`;
      case "S": return SEGMENTS[reg & 7] ?? "?";
      case "C": return `cr${reg}`;
      case "D": return `dr${reg}`;
      case "L": return this.vector(this.next() >> 4, size);
      case "I": return size === "b" ? hex(this.next()) : hex(this.signed(this.bytesOf(size)));
      default: return operand;
    }
  }
}

/** An address without registers is an absolute one of `bits`. */
function bracketed(parts: readonly string[], displacement: number, bits: number): string {
  const sum = parts.join("+");
  if (sum === "") return `[0x${BigInt.asUintN(bits, BigInt(displacement)).toString(16)}]`;
  return `[${sum}${displacement === 0 ? "" : `${displacement < 0 ? "-" : "+"}${hex(Math.abs(displacement))}`}]`;
}

function hex(value: number): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}
