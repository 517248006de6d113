// Records vectors (vectors.ts) on the chip, replays them on our machine, and counts for every encoding form of the table how many it
// passed. A form is a row in a mode; which rows have none, and why they need none, is said here by rule.

import { cpuModel, type FeatureName, type Vendor } from "../../host/machine/cpu-models";
import type { Row } from "../../kernel/decode/row";
import type { Result } from "./case-format";
import { type Difference, compare } from "./compare";
import { featuresOf } from "./features";
import { type Instance, isComparable } from "./generate";
import { MachineRunner } from "./machine-runner";
import { chipName, runNatively } from "./native";
import { type Entry, VECTORS_PER_FORM, casesOf, formKey, packResults, readAll, readEntries, unpackRecorded, vectorFile, writeEntries } from "./vectors";

/** The native runner answers so many at once. */
const FORMS_A_RUN = 50;

export const VECTORS = "tests/silicon/vectors";

export interface Replayed {
  row: Row;
  mode: 64 | 32;
  passed: number;
  total: number;
  /** The chip's name, or why there are no vectors. */
  source: string;
  /** Needs no vectors, and the manual's word on why. */
  exempt: boolean;
  lacks?: string;
  first?: { index: number; instance: Instance; differences: Difference[] };
}

/** Forms whose result depends on the computer and not on the state; each with what holds them instead. */
const exemptions: { applies(row: Row, mode: 64 | 32, vendor: Vendor): boolean; why: string }[] = [
  { applies: (row, _, vendor) => row.vendor !== undefined && row.vendor !== vendor, why: "the other vendor's meaning of the encoding (the row's `vendor`)" },
];

export function exemption(row: Row, mode: 64 | 32, vendor: Vendor): string | undefined {
  return exemptions.find((rule) => rule.applies(row, mode, vendor))?.why;
}

/** Records the forms whose cases are not those of the recording, or all of them. Answers how many. */
export function record(rows: readonly Row[], runner: string, vendor: Vendor, folder: string, all: boolean): number {
  const ofChip = featuresOf((cases) => runNatively(runner, cases));
  const files = new Map<string, Map<string, Entry>>();
  const due: { row: Row; path: string; key: string; instances: Instance[]; checksum: number }[] = [];
  for (const row of rows) {
    if (!isComparable(row, vendor)) continue;
    const path = vectorFile(folder, row, 64, vendor);
    if (!files.has(path)) files.set(path, readEntries(path));
    const key = formKey(row, 64);
    const { instances, checksum } = casesOf(row, vendor);
    if (all || files.get(path)!.get(key)?.header.checksum !== checksum) due.push({ row, path, key, instances, checksum });
  }
  const chip = chipName();
  const agree = (instance: Instance, a: Result, b: Result) => compare(instance, a, b, vendor).length === 0;
  for (let at = 0; at < due.length; at += FORMS_A_RUN) {
    const forms = due.slice(at, at + FORMS_A_RUN);
    const cases = forms.flatMap(({ instances }) => instances.map((instance) => instance.case));
    // A task switch can lose what an instruction did: of three answers, two that agree.
    const [first, second] = [0, 1].map(() => runNatively(runner, cases));
    forms.forEach(({ row, path, key, instances, checksum }, k) => {
      const results = instances.map((instance, i) => {
        const [a, b] = [first[k * VECTORS_PER_FORM + i], second[k * VECTORS_PER_FORM + i]];
        return agree(instance, a, b) || agree(instance, a, runNatively(runner, [instance.case])[0]) ? a : b;
      });
      const lacks = row.cpuid !== undefined && row.older === undefined && !ofChip.has(row.cpuid) && !results.some((r) => r.vector === 3) ? row.cpuid : undefined;
      files.get(path)!.set(key, { header: { key, chip, checksum, lacks }, body: packResults(instances, results) });
    });
  }
  const known = new Set(rows.map((row) => formKey(row, 64)));
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
      const form: Replayed = { row, mode, passed: 0, total: 0, source: "", exempt: false };
      forms.push(form);
      const why = exemption(row, mode, vendor);
      const entry = entries.get(formKey(row, mode));
      if (why !== undefined || !entry) {
        form.exempt = why !== undefined;
        form.source = why ?? (mode === 32 ? "no vectors: the recording chip's host runs no 32-bit code" : "no vectors");
        continue;
      }
      const { instances, checksum } = casesOf(row, vendor);
      form.source = entry.header.chip;
      form.total = VECTORS_PER_FORM;
      form.lacks = entry.header.lacks;
      if (checksum !== entry.header.checksum) {
        form.source = "the generator makes other cases than were recorded: node tests/silicon/build.mjs --record";
        continue;
      }
      const machine = await machineWithout(entry.header.lacks ?? "");
      const chip = unpackRecorded(instances, entry.body);
      instances.forEach((instance, index) => {
        const differences = compare(instance, chip[index], machine.run(instance.case, index & 1 ? "block" : "step", index), vendor);
        if (differences.length === 0) form.passed++;
        else form.first ??= { index, instance, differences };
      });
    }
  }
  return forms;
}
