// One round of the oracle: instances of rows on the chip and on our machine, and the differences, gathered by row and kind.

import { cpuModel } from "../../host/machine/cpu-models";
import type { Row } from "../../kernel/decode/row";
import { CODE_BASE, DATA_BASE, type Case, type Result } from "./case-format";
import { type Difference, compare, registerNames } from "./compare";
import { disassemble } from "./disassemble";
import { featuresOf } from "./features";
import { type Instance, generate, isComparable } from "./generate";
import { generate32 } from "./generate-32";
import { MachineRunner, type Path } from "./machine-runner";
import { type Native, chipVendor, isSoftware, runNatively } from "./native";
import { Random } from "./random";
import { vectorCount } from "./vectors";
import { generateSequence, sequenceRow, sequenceRows } from "./sequence";

export interface Finding {
  row: Row;
  path: Path;
  instance: Instance;
  differences: Difference[];
  /** The chip's result, and the error that our machine's run() threw, if it did. */
  chip: Result;
  error?: unknown;
  /** How many instances of this row differ in the same words. */
  count: number;
}

export interface Round {
  cases: number;
  findings: Finding[];
  /** Instances a row of the table, and those that differed. */
  perRow: Map<Row, { cases: number; different: number }>;
  /** Rows that the chip does not have: its CPUID offers no such feature, and it raised #UD. */
  lacking: Set<Row>;
}

const batchSize = 20_000;

const isOffered = (row: Row, machine: MachineRunner) => row.cpuid === undefined || machine.features.has(row.cpuid);

/** An instruction that our CPUID does not offer is #UD whatever the chip does (or what it was before it was invented). */
function compareAbsent(row: Row, ours: Result): Difference[] {
  if (row.older !== undefined || ours.vector === 6 || ours.vector === 14) return [];
  return [{ what: `${row.cpuid} is not offered`, chip: "", ours: `vector ${ours.vector}` }];
}

/** In 32-bit mode (`mode`) only rows that have vectors of their own there, and no sequences. */
export async function checkRows(options: { rows: Row[]; runner: Native; seed: number; count: number; mode?: 64 | 32; deadline?: number }): Promise<Round> {
  const vendor = chipVendor();
  const random = new Random(options.seed);
  const mode = options.mode ?? 64;
  const rows = options.rows.filter((row) => isComparable(row, mode, vendor) && vectorCount(row, mode) > 0);
  const round: Round = { cases: 0, findings: [], perRow: new Map(rows.map((row) => [row, { cases: 0, different: 0 }])), lacking: new Set() };
  if (rows.length === 0) return round;
  const forSequences = sequenceRows(rows);
  if (forSequences.length > 20 && mode === 64) {
    // As many sequences as single instructions of a tenth of the rows.
    for (let i = 0; i < rows.length / 10 + 10; i++) rows.push(sequenceRow);
    round.perRow.set(sequenceRow, { cases: 0, different: 0 });
  }
  const byKind = new Map<string, Finding>();
  let machine = await MachineRunner.create({ ...cpuModel("v2"), vendor });
  const ofChip = mode === 64 ? featuresOf((cases) => runNatively(options.runner, cases)) : undefined;
  for (let next = 0; next < options.count; ) {
    if (options.deadline !== undefined && Date.now() > options.deadline) break;
    const instances: Instance[] = [];
    for (; instances.length < batchSize && next < options.count; next++) {
      const row = rows[next % rows.length];
      instances.push(row === sequenceRow ? generateSequence(forSequences, random, vendor) : mode === 32 ? generate32(row, random) : generate(row, random, vendor));
    }
    const chip = runNatively(options.runner, instances.map((instance) => instance.case));
    const judge = (i: number, path: Path): { differences: Difference[]; error?: unknown } => {
      const { row, case: c } = instances[i];
      if (row.cpuid !== undefined && row.older === undefined && ofChip?.has(row.cpuid) === false && chip[i].vector === 6) {
        round.lacking.add(row);
        return { differences: [] };
      }
      try {
        const ours = machine.run(c, path, i);
        return { differences: isOffered(row, machine) ? compare(instances[i], chip[i], ours, vendor, isSoftware(options.runner.name)) : compareAbsent(row, ours) };
      } catch (error) {
        return { error, differences: [{ what: "our machine threw", chip: "", ours: String(error) }] };
      }
    };
    const suspects: [number, Path][] = [];
    for (let i = 0; i < instances.length; i++) {
      round.perRow.get(instances[i].row)!.cases++;
      round.cases++;
      for (const path of ["step", "block"] as const) {
        const { differences, error } = judge(i, path);
        if (error !== undefined) machine = await MachineRunner.create({ ...cpuModel("v2"), vendor });
        if (differences.length === 0) continue;
        suspects.push([i, path]);
        break;
      }
    }
    // What the chip's Linux lost at a task switch is not what the instruction did: the chip has to do it twice.
    const again = runNatively(options.runner, suspects.map(([i]) => instances[i].case));
    for (const [k, [i, path]] of suspects.entries()) {
      chip[i] = again[k];
      const { differences, error } = judge(i, path);
      if (error !== undefined) machine = await MachineRunner.create({ ...cpuModel("v2"), vendor });
      if (differences.length === 0) continue;
      const instance = instances[i];
      round.perRow.get(instance.row)!.different++;
      const kind = `${instance.row.opcode} ${instance.row.operands} ${differences.map((d) => d.what.replace(/[\d a-f]{2,}$|\d+$/, "")).join()}`;
      const known = byKind.get(kind);
      if (known) known.count++;
      else byKind.set(kind, { row: instance.row, path, instance, differences, chip: chip[i], error, count: 1 });
    }
  }
  round.findings = [...byKind.values()];
  return round;
}

const hex = (value: bigint | number) => value.toString(16);

function stateText(c: Case): string {
  const lines: string[] = [];
  for (let i = 0; i < 16; i += 4) lines.push(registerNames.slice(i, i + 4).map((name, j) => `${name}=${hex(c.gpr[i + j])}`).join(" "));
  lines.push(`flags=${hex(c.rflags)} fs=${hex(c.fsBase)} gs=${hex(c.gsBase)}`);
  for (const p of c.patches) lines.push(`[${hex(DATA_BASE + p.offset)}] = ${Buffer.from(p.bytes).toString("hex")}`);
  return lines.map((line) => `    ${line}`).join("\n");
}

function floatingText(c: Case): string {
  const fx = Buffer.from(c.fx.buffer, c.fx.byteOffset, c.fx.byteLength);
  const lines = [`fcw=${hex(fx.readUInt16LE(0))} fsw=${hex(fx.readUInt16LE(2))} ftw=${hex(fx[4])} mxcsr=${hex(fx.readUInt32LE(24))}`];
  for (let i = 0; i < 8; i += 4) {
    lines.push([0, 1, 2, 3].map((j) => `st${i + j}=${hex(fx.readUInt16LE(40 + 16 * (i + j)))}:${hex(fx.readBigUInt64LE(32 + 16 * (i + j))).padStart(16, "0")}`).join(" "));
  }
  for (let i = 0; i < 16; i += 2) {
    lines.push([i, i + 1].map((j) => `xmm${j}=${hex(fx.readBigUInt64LE(168 + 16 * j)).padStart(16, "0")}_${hex(fx.readBigUInt64LE(160 + 16 * j)).padStart(16, "0")}`).join(" "));
  }
  return lines.map((line) => `    ${line}`).join("\n");
}

/** What differs in one finding, with everything needed to see why. */
export async function findingText(finding: Finding, verbose: boolean): Promise<string> {
  const { instance, row } = finding;
  const c = instance.case;
  const lines = [`${row.opcode}  ${row.mnemonic} ${row.operands}   ${finding.count} like this (${finding.path})`];
  lines.push(`  ${Buffer.from(c.code).toString("hex")}  ${await disassemble(c.code, CODE_BASE + c.codeOffset)}`);
  for (const d of finding.differences.slice(0, 8)) lines.push(`  ${d.what}:  chip ${d.chip}   ours ${d.ours}`);
  if (finding.differences.length > 8) lines.push(`  and ${finding.differences.length - 8} more`);
  if (verbose) {
    lines.push("  before:", stateText(c));
    if (row.cpuid && /FPU|MMX|SSE|FXSR/.test(row.cpuid)) lines.push(floatingText(c));
    if (finding.error instanceof Error) lines.push(String(finding.error.stack));
  }
  return lines.join("\n");
}
