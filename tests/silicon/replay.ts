// Records vectors (vectors.ts) on the chip (32-bit mode's on a named emulator where the chip's Linux has no 32-bit programs), replays them on our machine, and counts for every encoding form of the table how many it
// passed. A form is a row in a mode; which rows have none, and why they need none, is said here by rule.

import { cpuModel, type FeatureName, type Vendor } from "../../host/machine/cpu-models";
import type { Row } from "../../kernel/decode/row";
import type { Result } from "./case-format";
import { type Difference, compare } from "./compare";
import { featuresOf } from "./features";
import { type Instance, isComparable } from "./generate";
import { MachineRunner } from "./machine-runner";
import { type Native, isSoftware, runNatively } from "./native";
import { scope32 } from "./scope-32";
import { type Entry, casesOf, formKey, packResults, readAll, readEntries, unpackRecorded, vectorCount, vectorFile, writeEntries } from "./vectors";

/** The native runner answers so many at once. */
const FORMS_A_RUN = 50;

export const VECTORS = "tests/silicon/vectors";

export interface Replayed {
  row: Row;
  mode: 64 | 32;
  passed: number;
  total: number;
  /** The chip's name, the emulator's, or why there are no vectors. */
  source: string;
  /** Needs no vectors of its own; `source` says what holds it instead. */
  exempt: boolean;
  lacks?: string;
  first?: { index: number; instance: Instance; differences: Difference[] };
}

/** Forms that need no vectors whatever the mode, each with the reason; 32-bit mode's are in scope-32.ts. */
const exemptions: { applies(row: Row, mode: 64 | 32, vendor: Vendor): boolean; why: string }[] = [
  { applies: (row, _, vendor) => row.vendor !== undefined && row.vendor !== vendor, why: "the other vendor's meaning of the encoding (the row's `vendor`)" },
];

export function exemption(row: Row, mode: 64 | 32, vendor: Vendor): string | undefined {
  return exemptions.find((rule) => rule.applies(row, mode, vendor))?.why;
}

/** Records the forms whose cases are not those of the recording, or all of them, in the modes that there is a runner for. Answers how many. */
export function record(rows: readonly Row[], runners: { mode: 64 | 32; runner: Native }[], vendor: Vendor, folder: string, all: boolean): number {
  const known = new Set(rows.flatMap((row) => [formKey(row, 64), formKey(row, 32)]));
  return runners.reduce((sum, { mode, runner }) => sum + recordMode(rows, known, mode, runner, vendor, folder, all), 0);
}

function recordMode(rows: readonly Row[], known: ReadonlySet<string>, mode: 64 | 32, runner: Native, vendor: Vendor, folder: string, all: boolean): number {
  const ofChip = mode === 64 ? featuresOf((cases) => runNatively(runner, cases)) : undefined;
  const files = new Map<string, Map<string, Entry>>();
  const due: { row: Row; path: string; key: string; instances: Instance[]; checksum: number }[] = [];
  for (const row of rows) {
    if (!isComparable(row, mode, vendor) || vectorCount(row, mode) === 0) continue;
    const path = vectorFile(folder, row, mode, vendor);
    if (!files.has(path)) files.set(path, readEntries(path));
    const key = formKey(row, mode);
    const { instances, checksum } = casesOf(row, mode, vendor);
    if (all || files.get(path)!.get(key)?.header.checksum !== checksum) due.push({ row, path, key, instances, checksum });
  }
  const agree = (instance: Instance, a: Result, b: Result) => compare(instance, a, b, vendor).length === 0;
  for (let at = 0; at < due.length; at += FORMS_A_RUN) {
    const forms = due.slice(at, at + FORMS_A_RUN);
    const cases = forms.flatMap(({ instances }) => instances.map((instance) => instance.case));
    // A task switch can lose what an instruction did: of three answers, two that agree.
    const [first, second] = [0, 1].map(() => runNatively(runner, cases));
    let next = 0;
    for (const { row, path, key, instances, checksum } of forms) {
      const results = instances.map((instance) => {
        const [a, b] = [first[next], second[next]];
        next++;
        return agree(instance, a, b) || agree(instance, a, runNatively(runner, [instance.case])[0]) ? a : b;
      });
      const lacks = row.cpuid !== undefined && row.older === undefined && ofChip?.has(row.cpuid) === false && !results.some((r) => r.vector === 3) ? row.cpuid : undefined;
      files.get(path)!.set(key, { header: { key, chip: runner.name, checksum, lacks }, body: packResults(instances, results) });
    }
  }
  for (const [path, entries] of files) writeEntries(path, [...entries.values()].filter((entry) => known.has(entry.header.key)));
  return due.length;
}

export async function replay(rows: readonly Row[], vendor: Vendor, folder: string): Promise<Replayed[]> {
  const entries = readAll(folder, vendor);
  const model = { ...cpuModel("v2"), vendor };
  const machines = new Map<string, MachineRunner>();
  const machineWithout = async (feature: string) => {
    const features = new Set([...model.features].filter((name) => name !== (feature as FeatureName)));
    if (!machines.has(feature)) machines.set(feature, await MachineRunner.create({ ...model, features }));
    return machines.get(feature)!;
  };
  const forms: Replayed[] = [];
  for (const row of rows) {
    for (const mode of [64, 32] as const) {
      if (row.mode !== undefined && row.mode !== String(mode)) continue;
      const scope = mode === 32 ? scope32(row) : undefined;
      if (mode === 32 && scope === undefined) continue;
      const form: Replayed = { row, mode, passed: 0, total: 0, source: "", exempt: false };
      forms.push(form);
      const why = exemption(row, mode, vendor);
      const entry = entries.get(formKey(row, mode));
      const held = why ?? (scope && "held" in scope ? scope.held : undefined);
      if (held !== undefined) {
        form.exempt = true;
        form.source = held;
        continue;
      }
      if (scope && "shared" in scope) {
        const inLongMode = forms.at(-2)!;
        form.exempt = inLongMode.row === row && inLongMode.total > 0 && inLongMode.passed === inLongMode.total;
        form.source = scope.shared;
        continue;
      }
      if (!entry) {
        form.source = "no vectors";
        continue;
      }
      const { instances, checksum } = casesOf(row, mode, vendor);
      form.source = entry.header.chip;
      form.total = instances.length;
      form.lacks = entry.header.lacks;
      if (checksum !== entry.header.checksum) {
        form.source = "the generator makes other cases than were recorded: node tests/silicon/build.mjs --record";
        continue;
      }
      const machine = await machineWithout(entry.header.lacks ?? "");
      const chip = unpackRecorded(instances, entry.body);
      instances.forEach((instance, index) => {
        const differences = compare(instance, chip[index], machine.run(instance.case, index & 1 ? "block" : "step", index), vendor, isSoftware(entry.header.chip));
        if (differences.length === 0) form.passed++;
        else form.first ??= { index, instance, differences };
      });
    }
  }
  return forms;
}
