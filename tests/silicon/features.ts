// What CPUID offers, asked of the chip and of our machine by the same cases; names as in the rows' `cpuid`.

import * as featureIds from "../../kernel/abi/cpuid-features";
import { type Case, type Result, blankCase } from "./case-format";

/** The feature words in the order of kernel/abi/cpuid-features.ts: leaf, the register's number in GPR order, subleaf. */
const words: [number, number, number?][] = [[13, 0, 1], [1, 2], [1, 1], [7, 3], [7, 1], [0x80000001, 2], [0x80000001, 1], [7, 2]];

const names = Object.entries(featureIds).filter(([name]) => name.startsWith("FEATURE_")) as [string, number][];

export function featuresOf(run: (cases: Case[]) => Result[]): Set<string> {
  const answers = run(words.map(([leaf, , subleaf = 0]) => blankCase(Uint8Array.of(0x0f, 0xa2), [BigInt(leaf), BigInt(subleaf)])));
  const offered = new Set<string>();
  for (const [name, id] of names) {
    if ((answers[id >> 5].gpr[words[id >> 5][1]] >> BigInt(id & 31)) & 1n) offered.add(name.slice("FEATURE_".length));
  }
  return offered;
}
