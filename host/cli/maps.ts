// `ring3 maps`: the address space of a program at its end, in several runs side by side, as the lecture shows two processes' [vdso].
// Entered from main.ts, loaded only for this command.

import { run } from "../index";
import type { Options } from "./options";
import { EXIT_TIMEOUT, guestOf, runnableError } from "./run";
import { writeLine } from "./streams";

/** What `ring3 maps` prints is the maps alone. */
const discard = { write: (bytes: Uint8Array): number => bytes.length, onWritable(): void {} };
const nothing = { read: (): null => null, onReadable(): void {} };

/** One line of /proc/self/maps. */
interface Region {
  range: string;
  rights: string;
  name: string;
}

/** Answers our exit status: that of --timeout when a run was ended by it, whose maps are as good as another's. */
export async function mapsCommand(options: Options, rest: readonly string[]): Promise<number> {
  const runs: string[] = [];
  let status = 0;
  for (let i = 0; i < options.runs; i++) {
    const guest = guestOf(options, rest);
    // One seed gives one layout: the runs of a seeded comparison have seeds that follow one another.
    if (options.seed !== undefined) guest.options.seed = BigInt.asUintN(64, options.seed + BigInt(i));
    let maps = "";
    try {
      const result = await run(guest.program, {
        ...guest.options, stdin: nothing, stdout: discard, stderr: discard, onExit: (task) => (maps = task.mm.maps()),
      });
      if (result.timedOut) {
        writeLine(`ring3: ${rest[0]}: timed out after ${options.timeout! / 1000} s`);
        status = EXIT_TIMEOUT;
      }
    } catch (error) {
      throw runnableError(rest[0]!, error);
    }
    runs.push(maps);
  }
  const width = process.stdout.isTTY ? (process.stdout.columns ?? 80) : Infinity;
  process.stdout.write(runs.length === 1 ? runs[0]! : sideBySide(runs.map(regionsOf), width));
  return status;
}

function regionsOf(maps: string): Region[] {
  return maps
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [range, rights] = line.split(" ") as [string, string];
      return { range, rights, name: line.slice(73) };
    });
}

/** The runs in columns, one region a row, as many columns at a time as fit into `width`. */
export function sideBySide(runs: readonly (readonly Region[])[], width: number): string {
  const rows = rowsOf(runs);
  const nameWidth = Math.max(...rows.map(({ label }) => label.length)) + 2;
  const columnWidth = Math.max(...rows.flatMap(({ ranges }) => ranges.map((range) => range.length))) + 2;
  const columns = Math.max(1, Math.floor((width - nameWidth) / columnWidth));
  let text = "";
  for (let first = 0; first < runs.length; first += columns) {
    const shown = runs.slice(first, first + columns);
    const line = (label: string, cells: readonly string[]): string => `${label.padEnd(nameWidth)}${cells.map((cell) => cell.padEnd(columnWidth)).join("")}`.trimEnd();
    if (first > 0) text += "\n";
    text += `${line("", shown.map((_, index) => `run ${first + index + 1}`))}\n`;
    for (const { label, ranges } of rows) text += `${line(label, ranges.slice(first, first + columns))}\n`;
  }
  return text;
}

/**
 * One row for each region, in the order of the first run that has it. Regions of one name and one set of rights are told apart
 * by their order.
 */
function rowsOf(runs: readonly (readonly Region[])[]): { label: string; ranges: string[] }[] {
  const rows = new Map<string, { label: string; ranges: string[] }>();
  runs.forEach((regions, run) => {
    const seen = new Map<string, number>();
    for (const { range, rights, name } of regions) {
      const label = `${rights} ${name}`.trimEnd();
      const nth = (seen.get(label) ?? 0) + 1;
      seen.set(label, nth);
      const key = `${label} ${nth}`;
      let row = rows.get(key);
      if (row === undefined) rows.set(key, (row = { label, ranges: runs.map(() => "-") }));
      row.ranges[run] = range;
    }
  });
  return [...rows.values()];
}
