// docs/isa.md from the rows: `npm run docs:isa` writes it, a test holds it.

import type { Row } from "../decode/row";

const BASE = "Base";

/** `CMOV` -> rows, the ones without a feature first, then in the order of the table. */
function byFeature(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>([[BASE, []]]);
  for (const row of rows) {
    const feature = row.cpuid ?? BASE;
    groups.set(feature, [...(groups.get(feature) ?? []), row]);
  }
  return groups;
}

const modesOf = (row: Row) => (row.mode === "64" ? "64-bit" : row.mode === "32" ? "outside 64-bit" : "all");

function remarksOf(row: Row): string {
  const remarks: string[] = [];
  if (row.cpl === 0) remarks.push("CPL 0");
  if (row.lock) remarks.push("LOCK");
  if (row.vendor) remarks.push(row.vendor === "amd" ? "AMD" : "Intel");
  if (row.unaligned) remarks.push("unaligned");
  if (row.size64) remarks.push("64 bits by default in 64-bit mode");
  if (row.force64) remarks.push("always 64 bits in 64-bit mode");
  if (row.older) remarks.push(`${row.older.replace(/_.*/, "")} if not offered`);
  if (row.note) remarks.push(row.note);
  return remarks.join("; ");
}

/** The page, as text. */
export function isaPage(rows: readonly Row[]): string {
  const groups = byFeature(rows);
  const mnemonics = new Set(rows.map((row) => row.mnemonic));
  const lines = [
    "# The instructions",
    "",
    "Made from the instruction table (`kernel/decode/opcode-*.ts`) by `npm run docs:isa`; not for editing.",
    "",
    `${rows.length} encodings of ${mnemonics.size} mnemonics. Opcodes and operands are written as in the Intel SDM (Vol. 2A 3.1.1, Vol. 2D appendix A): mandatory`,
    "prefix (NP: none), opcode, `/digit` of ModRM.reg, `mem` or `reg` where only one form is meant; `+r` and `+i` a register in the opcode.",
    "An instruction whose feature the CPU model does not offer (`--cpu`) is #UD, unless the remarks name an older meaning. Undefined",
    "flags are the ones that the SDM leaves open, in some cases for some counts only. What is left out on purpose stands in `kernel/decode/rows.ts`.",
  ];
  for (const [feature, group] of groups) {
    lines.push("", `## ${feature}`, "", "| instruction | encoding | operands | modes | undefined flags | remarks |", "|---|---|---|---|---|---|");
    for (const row of group) {
      const cells = [row.mnemonic, `\`${row.opcode}\``, row.operands.replaceAll(",", ", "), modesOf(row), row.undefinedFlags ?? "", remarksOf(row)];
      lines.push(`| ${cells.join(" | ")} |`.replace(/ +\|/g, " |"));
    }
  }
  return `${lines.join("\n")}\n`;
}
