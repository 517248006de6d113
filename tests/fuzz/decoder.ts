// The decoder against Capstone, in 64-bit and 32-bit mode: is it an instruction, how long, which one. Differences that
// decoder-rules.ts does not explain are failures. A case is a byte for the mode, then the instruction's bytes, filled up with zeros.

import { Machine } from "../../host/machine/machine";
import { CR0_ET, CR0_MP, CR0_NE, CR0_PE, CR0_PG, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_OSXSAVE, CR4_PAE } from "../../kernel/abi/bits";
import * as S from "../../kernel/abi/state";
import { rows } from "../../kernel/decode/rows";
import { capstoneName, withoutPrefixes } from "./capstone-names";
import { Chip, type Verdict } from "./decoder-chip";
import { DECODER_CPU, explanation } from "./decoder-rules";
import { type Mode, type Parts, instructionBytes, partsOf } from "./instruction-bytes";
import type { Checker, Target } from "./target";

/** What a decoder says. `name` is "" where there is no instruction. */
export interface Reading {
  name: string;
  length: number;
}

/** Both readings of one byte string. */
export interface Comparison {
  parts: Parts;
  ours: Reading;
  theirs: Reading;
  /** Capstone's name is one that the row of our reading has. */
  sameName: boolean;
}

// In a variable, because the package's "exports" hide its types from the type checker.
const packageName = "capstone-wasm";
interface Disassembler {
  disasm(code: Uint8Array, options: { count: number }): { size: number; mnemonic: string; opStr: string }[];
}

export class DecoderPair {
  readonly #machine: Machine;
  readonly #capstones: Record<Mode, Disassembler>;
  readonly #names = rows.map(capstoneName);

  private constructor(machine: Machine, capstones: Record<Mode, Disassembler>) {
    this.#machine = machine;
    this.#capstones = capstones;
    const r = machine.registers;
    r.setBig(S.CR0, BigInt(CR0_PE | CR0_MP | CR0_ET | CR0_NE) | BigInt(CR0_PG));
    r.set(S.CR4, CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE);
    r.setWord(S.CPL, 0);
  }

  static async open(): Promise<DecoderPair> {
    const { Capstone, Const, loadCapstone } = await import(packageName);
    await loadCapstone();
    const open = (mode: number): Disassembler => new Capstone(Const.CS_ARCH_X86, mode);
    return new DecoderPair(await Machine.create({ ramBytes: 0x10000, cpu: DECODER_CPU }), { 64: open(Const.CS_MODE_64), 32: open(Const.CS_MODE_32) });
  }

  compare(mode: Mode, bytes: Uint8Array): Comparison {
    this.#machine.registers.setWord(S.MODE, mode === 64 ? S.MODE_64 : S.MODE_32);
    const { row, length } = this.#machine.decode(bytes);
    const theirs = this.#capstone(mode, bytes);
    const sameName = row >= 0 && this.#names[row]!.test(theirs.name);
    return { parts: partsOf(mode, bytes), ours: { name: row < 0 ? "" : rows[row]!.mnemonic.toLowerCase(), length }, theirs, sameName };
  }

  #capstone(mode: Mode, bytes: Uint8Array): Reading {
    try {
      const [instruction] = this.#capstones[mode].disasm(bytes, { count: 1 });
      return { name: withoutPrefixes(instruction!.mnemonic), length: instruction!.size };
    } catch {
      return { name: "", length: 0 }; // it throws where there is no instruction
    }
  }

  text(mode: Mode, bytes: Uint8Array): string {
    try {
      const [instruction] = this.#capstones[mode].disasm(bytes, { count: 1 });
      return `${instruction!.mnemonic} ${instruction!.opStr}`.trim();
    } catch {
      return "no instruction";
    }
  }
}

/** What the two differ in, in a line; "" where they agree. */
export function differenceOf({ ours, theirs, sameName }: Comparison): string {
  if (!ours.name && !theirs.name) return "";
  if (!theirs.name) return `only we decode: ${ours.name}`;
  if (!ours.name) return `only Capstone decodes: ${theirs.name}`;
  if (!sameName) return `names differ: ${ours.name}, Capstone ${theirs.name}`;
  return ours.length === theirs.length ? "" : `lengths differ: ${ours.name}, Capstone ${theirs.length - ours.length > 0 ? "longer" : "shorter"}`;
}

export const caseOf = (bytes: Uint8Array): { mode: Mode; code: Uint8Array } => {
  const code = new Uint8Array(15);
  code.set(bytes.subarray(1, 16));
  return { mode: (bytes[0] ?? 0) & 1 ? 32 : 64, code };
};

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** The chip agrees with our reading. */
const agrees = (ours: Reading, chip: Verdict) => (ours.name !== "") === chip.valid && (!chip.valid || ours.length === chip.length);

/** Of a rule that the chip can settle, strings of each batch that are put before it. */
const ASKED_PER_RULE = 2;

/**
 * What is wrong with each of the cases. Some of the differences that a rule explains are put before the chip, where there is one: in
 * 64-bit mode it must say what we say, unless the rule is of those that it cannot settle.
 */
function complaints(pair: DecoderPair, chip: Chip | null, cases: readonly Uint8Array[]): string[] {
  const askedOf = new Map<string, number>();
  const disputed: { index: number; code: Uint8Array; ours: Reading; rule: string }[] = [];
  const texts = cases.map((bytes, index) => {
    const { mode, code } = caseOf(bytes);
    const comparison = pair.compare(mode, code);
    const difference = differenceOf(comparison);
    if (!difference) return "";
    const rule = explanation(comparison);
    if (!rule) return `${difference} (${mode}-bit)`;
    const asked = askedOf.get(rule.name) ?? 0;
    if (mode === 64 && !rule.unsettled && asked < ASKED_PER_RULE) {
      askedOf.set(rule.name, asked + 1);
      disputed.push({ index, code, ours: comparison.ours, rule: rule.name });
    }
    return "";
  });
  if (chip && disputed.length) {
    const verdicts = chip.ask(disputed.map(({ code }) => code));
    for (const [i, { index, ours, rule }] of disputed.entries()) if (!agrees(ours, verdicts[i]!)) texts[index] = `the chip contradicts the rule "${rule}"`;
  }
  return texts;
}

async function open(): Promise<Checker> {
  const pair = await DecoderPair.open();
  const chip = Chip.open();
  return {
    batch: 4000,
    generate(random) {
      const mode: Mode = random.chance(0.5) ? 32 : 64;
      return Uint8Array.of(mode === 32 ? 1 : 0, ...instructionBytes(random, mode));
    },
    check: (cases) => complaints(pair, chip, cases),
    describe(bytes) {
      const { mode, code } = caseOf(bytes);
      const { ours } = pair.compare(mode, code);
      const [verdict] = chip && mode === 64 ? chip.ask([code]) : [];
      const chipText = verdict ? `   chip: ${verdict.valid ? `${verdict.length} bytes` : "#UD"}` : "";
      return `  ${hex(code)}\n  ours: ${ours.name ? `${ours.name}, ${ours.length} bytes` : "no instruction"}   Capstone: ${pair.text(mode, code)}${chipText}`;
    },
  };
}

export const decoderTarget: Target = {
  name: "decoder",
  about: "random, mutated and prefix-heavy byte strings in 64-bit and 32-bit mode",
  property: "our decoder and Capstone agree on validity, length and mnemonic, but for the rules of tests/fuzz/decoder-rules.ts; there the chip agrees with us",
  open,
};
