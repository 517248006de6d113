// The results of `ring3 bench` as text: an aligned table, Markdown, CSV, JSON. Each is made from the same columns.
// Entered from host/cli/bench.ts with the data that crossings.ts answered.

import type { Bench, BenchResult, OtherResult } from "./crossings";
import { configurationTitle, DOOR_TITLES, type Door } from "./crossings-rows";
import type { CycleModel } from "./cycle-models";
import type { Spread } from "./statistics";

interface Column {
  /** In CSV. */
  name: string;
  /** In tables. */
  title: string;
  of(row: BenchResult): string;
}

const ABSENT = "-";

/** Counts are whole, but for what happens only now and then; cycles and times say no more than they know. */
function count(value: number | null): string {
  if (value === null) return ABSENT;
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}

export function time(ns: number): string {
  return ns.toFixed(Math.abs(ns) < 100 ? 1 : 0);
}

export function spreadText(times: Spread | null): string {
  return times === null ? ABSENT : `${time(times.median)} (${time(times.min)}-${time(times.max)})`;
}

const COLUMNS: readonly Column[] = [
  { name: "ring3_instructions", title: "ring 3", of: (row) => count(row.ring3Instructions) },
  { name: "ring0_instructions", title: "ring 0", of: (row) => count(row.ring0Instructions) },
  { name: "cr3_writes", title: "CR3 writes", of: (row) => count(row.cr3Writes) },
  { name: "tlb_misses", title: "TLB misses", of: (row) => count(row.tlbMisses) },
  { name: "walk_loads", title: "walk loads", of: (row) => count(row.walkLoads) },
  { name: "modelled_cycles", title: "cycles", of: (row) => (row.modelledCycles === null ? ABSENT : row.modelledCycles.toFixed(0)) },
  { name: "ns", title: "ns per call (min-max)", of: (row) => spreadText(row.nanoseconds) },
  { name: "times_vdso", title: "x vDSO", of: (row) => (row.timesVdso === null ? ABSENT : row.timesVdso.toFixed(2)) },
];

/** Title, and one line of cells for each row; a door that is nowhere built is one line for all operations. */
function cells(rows: readonly BenchResult[], others: readonly OtherResult[]): string[][] {
  const engines = [...new Set(others.filter(({ door }) => door !== "wasi").map(({ engine }) => engine))];
  const lines = [["", ...COLUMNS.map(({ title }) => title), ...engines.map((engine) => `${engine}, ns`)]];
  const elsewhere = (row: BenchResult): string[] =>
    engines.map((engine) => {
      const other = others.find((candidate) => candidate.engine === engine && candidate.operation === row.operation && candidate.door === row.door);
      return other?.nanoseconds ? spreadText(other.nanoseconds) : ABSENT;
    });
  const said = new Set<string>();
  for (const row of rows) {
    const nowhere = rows.filter(({ door }) => door === row.door).every(({ status }) => status !== "ok");
    const alike = nowhere && !others.some(({ door, status }) => door === row.door && status === "ok");
    if (alike) {
      if (!said.has(row.door)) lines.push([`${DOOR_TITLES[row.door as Door]}: ${row.status}`, ...COLUMNS.map(() => ABSENT), ...engines.map(() => ABSENT)]);
      said.add(row.door);
      continue;
    }
    const title = row.status === "ok" ? row.title : `${row.title}: ${row.status}`;
    lines.push([title, ...COLUMNS.map((column) => column.of(row)), ...elsewhere(row)]);
  }
  return lines;
}

function groups(bench: Bench): { title: string; rows: BenchResult[] }[] {
  const titles = [...new Set(bench.rows.map(configurationTitle))];
  return titles.map((title) => ({ title, rows: bench.rows.filter((row) => configurationTitle(row) === title) }));
}

/** Left-aligned titles, right-aligned figures. */
export function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) => line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  ").trimEnd()).join("\n");
}

export function markdownTable(lines: readonly (readonly string[])[]): string {
  const row = (line: readonly string[]): string => `| ${line.join(" | ")} |`;
  return [row(lines[0]!), row(lines[0]!.map((_, column) => (column === 0 ? "---" : "---:"))), ...lines.slice(1).map(row)].join("\n");
}

function wasiLine({ title, engine, status, nanoseconds }: OtherResult): string {
  return `${title} (${engine}): ${nanoseconds === null ? status : `${spreadText(nanoseconds)} ns`}`;
}

/** What the figures are, in words; the same in every output that is read by people. */
export function footnotes(bench: Bench, model: CycleModel): string[] {
  return [
    `Per call, without the loop around it. Instructions and the three counts behind them are exact (virtual clock, seed ${bench.seed}).`,
    `Cycles: modelled for ${model.title}, entry code and user code, without the handler. ns: median and range of ${bench.batches} batches, ${bench.clock} clock, handler included.`,
    "x vDSO: median over that of the vDSO for the same operation; the null call over clock_gettime's.",
  ];
}

export function textReport(bench: Bench, model: CycleModel): string {
  const parts = groups(bench).map(({ title, rows }) => `${title}\n\n${aligned(cells(rows, bench.others))}\n`);
  const wasi = bench.others.filter(({ door }) => door === "wasi").map(wasiLine);
  return `${parts.join("\n")}\n${[...wasi, "", ...footnotes(bench, model)].join("\n")}\n`;
}

export function markdownReport(bench: Bench, model: CycleModel): string {
  const parts = groups(bench).map(({ title, rows }) => `### ${title}\n\n${markdownTable(cells(rows, bench.others))}\n`);
  const wasi = bench.others.filter(({ door }) => door === "wasi").map(wasiLine);
  return `${parts.join("\n")}\n${[...wasi, ...footnotes(bench, model)].join("\n\n")}\n`;
}

/** RFC 4180, one row a line, empty where there is no figure. */
export function csvReport(bench: Bench): string {
  const figure = (value: number | null | undefined): string => (value === null || value === undefined ? "" : String(Math.round(value * 1000) / 1000));
  const text = (value: string): string => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const head = [
    "engine", "operation", "door", "pti", "pcid", "status", "ring3_instructions", "ring0_instructions", "cr3_writes", "tlb_misses", "walk_loads",
    "modelled_cycles", "ns_median", "ns_min", "ns_max", "times_vdso",
  ];
  const times = (spread: Spread | null): string[] => [figure(spread?.median), figure(spread?.min), figure(spread?.max)];
  const lines = bench.rows.map((row) => [
    "ring3", row.operation, row.door, row.pti ? "on" : "off", row.pcid ? "on" : "off", text(row.status), figure(row.ring3Instructions),
    figure(row.ring0Instructions), figure(row.cr3Writes), figure(row.tlbMisses), figure(row.walkLoads), figure(row.modelledCycles), ...times(row.nanoseconds),
    figure(row.timesVdso),
  ]);
  const others = bench.others.map((row) => [text(row.engine), row.operation, row.door, "", "", text(row.status), "", "", "", "", "", "", ...times(row.nanoseconds), ""]);
  return [head, ...lines, ...others].map((line) => `${line.join(",")}\r\n`).join("");
}

export function jsonReport(bench: Bench): string {
  return `${JSON.stringify(bench, null, 2)}\n`;
}
