// Makes build/kernel/*.ts from the instruction table (kernel/decode/opcode-*.ts) and the group files (kernel/exec/*.ts), and docs/isa.md
// from the table.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "../decode/row";
import { rows } from "../decode/rows";
import { flagMacros, Hot } from "./exec";
import { isaPage } from "./isa-page";
import { namesOf, readOperations } from "./operations";
import { Tables } from "./tables";

/** Feature names and numbers: `export const FEATURE_SSE2: u32 = 7` of kernel/abi/cpuid-features.ts. */
function featuresOf(source: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const m of source.matchAll(/export const FEATURE_(\w+)(?:: u32)? = (\d+)/g)) found.set(m[1], Number(m[2]));
  return found;
}

export function writeIsaPage(root: string): void {
  writeFileSync(join(root, "docs/isa.md"), isaPage(rows));
}

/** The rows as reports need them, one a line: `INSTRUCTION_TABLE`, read by host/machine/instruction-text.ts. */
function instructionTable(all: readonly Row[]): string {
  const lines = all.map((row) => [row.opcode, row.mnemonic, row.operands.replace(/ /g, ""), row.cpuid ?? ""].join("|"));
  return `// Made by kernel/gen from the instruction table; not for editing.\nexport const INSTRUCTION_TABLE = ${JSON.stringify(lines.join("\n"))};\n`;
}

/** @param profile with counters (abi/layout.ts PROFILE_*) in the hot loop, and a list of what they count in build/kernel/profile.json */
export function generate(root: string, profile = false): void {
  const read = (path: string) => readFileSync(join(root, path), "utf8");
  const operations = readOperations(join(root, "kernel/exec"));
  const tables = new Tables(rows, operations, featuresOf(read("kernel/abi/cpuid-features.ts")));
  const hot = new Hot(operations, flagMacros(read("kernel/cpu/flags.ts")), (file) => namesOf(read(join("kernel/exec", file))), profile);
  const missing = [...new Set([...tables.missing, ...hot.missing])];
  if (missing.length) throw new Error(`rows without an operation: ${missing.join(" ")}`);
  mkdirSync(join(root, "build/kernel"), { recursive: true });
  const write = (name: string, text: string) => writeFileSync(join(root, "build/kernel", name), text);
  writeFileSync(join(root, "build/instruction-table.ts"), instructionTable(rows));
  write("tables.ts", tables.source((i) => hot.formsOf(i), 0xffff));
  write("codes.ts", hot.codes());
  write("exec.ts", hot.exec());
  write("slow.ts", hot.slow(tables.instances));
  if (profile) write("profile.json", JSON.stringify(hot.counters(tables.instances)));
}
