// The results of `ring3 bench doors` as text: an aligned table, Markdown, CSV, JSON. For people, machines on which a door costs the same
// are one line; for programs each has its own.
// Entered from host/cli/bench.ts with the data that doors.ts answered.

import { aligned, markdownTable, spreadText } from "./crossings-report";
import type { DoorCounts, DoorResult, DoorsBench } from "./doors";
import { DEFAULT_SWITCHES, sameSwitches, type Switches } from "./doors-rows";

const COLUMNS: readonly { name: string; title: string; of: (counts: DoorCounts) => number }[] = [
  { name: "ring3_instructions", title: "ring 3", of: ({ user }) => user },
  { name: "ring0_instructions", title: "ring 0", of: ({ kernel }) => kernel },
  { name: "cr3_writes", title: "CR3 writes", of: ({ cr3Writes }) => cr3Writes },
  { name: "tlb_misses", title: "TLB misses", of: ({ tlbMisses }) => tlbMisses },
  { name: "walk_loads", title: "walk loads", of: ({ walkLoads }) => walkLoads },
];

const ABSENT = "-";
const figure = (value: number): string => String(Math.round(value * 100) / 100);

interface Group {
  first: DoorResult;
  machines: DoorResult[];
}

/** Rows of one door with the same counts, or the same reason for having none. */
export function groupsOf(rows: readonly DoorResult[]): Group[] {
  const groups: Group[] = [];
  for (const row of rows) {
    const alike = groups.find(({ first }) => first.door === row.door && first.status === row.status && JSON.stringify(first.counts) === JSON.stringify(row.counts));
    if (alike) alike.machines.push(row);
    else groups.push({ first: row, machines: [row] });
  }
  return groups;
}

const SWITCH_NAMES = Object.keys(DEFAULT_SWITCHES) as (keyof Switches)[];

/**
 * Which machines a group is. A machine with a switch thrown goes without saying where it is in the same group as the one without: what a
 * reader has to know is where it differs.
 */
function machinesText({ machines }: Group, door: readonly DoorResult[]): string {
  const plain = new Set(machines.map((row) => plainOf(row, door)));
  if (plain.size === new Set(door.map((row) => plainOf(row, door))).size && machines.length === door.length) return "all";
  const titles = machines.filter((row) => plainOf(row, door) === row || !machines.includes(plainOf(row, door))).map(({ machineTitle }) => machineTitle);
  // Without two CR3 values there is nothing for PCID to tell apart.
  return titles.join("; ").replace("no PTI, PCID; no PTI, no PCID", "no PTI");
}

/** The machine with the same PTI and PCID and all else as the first of the door's has it. */
function plainOf({ machine }: DoorResult, door: readonly DoorResult[]): DoorResult {
  const base = { ...door[0]!.machine, pti: machine.pti, pcid: machine.pcid };
  return door.find((row) => sameSwitches(row.machine, base))!;
}

function cells({ rows }: DoorsBench): string[][] {
  const timed = rows.some(({ nanoseconds }) => nanoseconds !== null);
  const lines = [["", "from", "machines", ...COLUMNS.map(({ title }) => title), ...(timed ? ["ns (min-max)"] : [])]];
  for (const group of groupsOf(rows)) {
    const { first } = group;
    const door = rows.filter((row) => row.door === first.door);
    const title = first.status === "ok" ? first.title : `${first.title}: ${first.status}`;
    const times = group.machines.find(({ nanoseconds }) => nanoseconds !== null)?.nanoseconds ?? null;
    lines.push([
      title, `${first.bits}-bit`, machinesText(group, door), ...COLUMNS.map(({ of }) => (first.counts === null ? ABSENT : figure(of(first.counts)))),
      ...(timed ? [spreadText(times)] : []),
    ]);
  }
  return lines;
}

function footnotes({ seed, batches, clock, rows }: DoorsBench): string[] {
  const machines =
    "Machines: PTI and PCID on and off; with both on, SMAP, SMEP and FSGSBASE off, the other vendor and the modes of the vsyscall page, one at a time. What is not named counts the same.";
  return [
    `Per crossing, there and back, without the loop around it. Counts are exact (virtual clock, seed ${seed}).`,
    machines,
    "Exceptions, interrupts and NMIs are answered at once, by no signal and no handler of the program; system calls are getppid, the vsyscall page's is time.",
    ...(rows.some(({ nanoseconds }) => nanoseconds !== null) ? [`ns: median and range of ${batches} batches, ${clock} clock, answer included.`] : []),
  ];
}

export function doorsText(bench: DoorsBench): string {
  // The machines' names are words, and read better from the left.
  const lines = cells(bench);
  const words = 3;
  const widths = Array.from({ length: words }, (_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const joined = lines.map((line) => [line.slice(0, words).map((cell, column) => cell.padEnd(widths[column]!)).join("  "), ...line.slice(words)]);
  return `${aligned(joined)}\n\n${footnotes(bench).join("\n")}\n`;
}

export function doorsMarkdown(bench: DoorsBench): string {
  return `${markdownTable(cells(bench))}\n\n${footnotes(bench).join("\n\n")}\n`;
}

/** RFC 4180, one door on one machine a line, empty where there is no figure. */
export function doorsCsv({ rows }: DoorsBench): string {
  const text = (value: string): string => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const switchText = (value: boolean | string): string => (typeof value === "string" ? value : value ? "on" : "off");
  const head = ["door", "bits", ...SWITCH_NAMES, "status", ...COLUMNS.map(({ name }) => name), "ns_median", "ns_min", "ns_max"];
  const lines = rows.map(({ door, bits, machine, status, counts, nanoseconds }) => [
    door, String(bits), ...SWITCH_NAMES.map((name) => switchText(machine[name])), text(status),
    ...COLUMNS.map(({ of }) => (counts === null ? "" : figure(of(counts)))),
    ...(nanoseconds === null ? ["", "", ""] : [nanoseconds.median, nanoseconds.min, nanoseconds.max].map((ns) => String(Math.round(ns * 1000) / 1000))),
  ]);
  return [head, ...lines].map((line) => `${line.join(",")}\r\n`).join("");
}

export function doorsJson(bench: DoorsBench): string {
  return `${JSON.stringify(bench, null, 2)}\n`;
}
