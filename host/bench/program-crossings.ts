// `ring3 bench --program`: runs a program with the meter of host/ring0/crossing-meter.ts on it, and tells what crossed how often, and where
// its instructions and its time went: user mode, entry code, handlers. Made into a table, JSON, CSV, Markdown, and folded stacks.
// Entered from host/cli/bench.ts.

import { type CrossingCause, CrossingMeter, type CrossingTotal, run, type RunOptions, type RunResult, syscallName, vectorLabel } from "../index";
import { aligned, markdownTable } from "./crossings-report";

/** All crossings of one cause. Nanoseconds are the host's clock, its reading included (four times a crossing). */
export interface ProgramCrossing {
  kind: CrossingCause["kind"];
  /** Of the system call, or the vector; null for the way into the program. */
  number: number | null;
  name: string;
  count: number;
  entryInstructions: number;
  exitInstructions: number;
  entryNs: number;
  exitNs: number;
  handlerNs: number;
}

export interface ProgramCrossings {
  program: string;
  status: number;
  signal: string | null;
  /** Retired in all: equal to those of user mode and of all crossings. */
  instructions: number;
  userInstructions: number;
  userNs: number;
  crossings: ProgramCrossing[];
}

function nowNs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e9 + nanoseconds;
}

/** @throws what run() throws; Error when the meter has lost an instruction, which would be a bug */
export async function measureProgram(name: string, program: Uint8Array, options: RunOptions): Promise<{ report: ProgramCrossings; result: RunResult }> {
  let meter!: CrossingMeter;
  const result = await run(program, {
    ...options,
    onBoot(kernel) {
      meter = new CrossingMeter(kernel.ring0, { nowNs });
    },
  });
  if (!result.timedOut && meter.instructions !== result.instructions) {
    throw new Error(`${meter.instructions} instructions metered of ${result.instructions}`);
  }
  const crossings = [...meter.totals.values()].map(crossingOf).sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  const { userInstructions, userNs } = meter;
  return { report: { program: name, status: result.status, signal: result.signal, instructions: meter.instructions, userInstructions, userNs, crossings }, result };
}

function crossingOf({ cause, ...total }: CrossingTotal): ProgramCrossing {
  return { kind: cause.kind, number: cause.kind === "start" ? null : "number" in cause ? cause.number : cause.vector, name: nameOf(cause), ...total };
}

function nameOf(cause: CrossingCause): string {
  switch (cause.kind) {
    case "start":
      return "ret_from_fork";
    case "syscall":
      return syscallName(cause.number) ?? `syscall_${cause.number}`;
    case "syscall32":
      return `${syscallName(cause.number, "i386") ?? `syscall_${cause.number}`} (i386)`;
    default:
      return (vectorLabel(cause.vector) ?? `vector_${cause.vector}`).replace(/^asm_/, "");
  }
}

const ms = (ns: number): string => (ns / 1e6).toFixed(3);
const HEAD = ["crossing", "number", "count", "instructions in", "out", "entry code, ms", "handlers, ms"];

function lines({ crossings, userInstructions, userNs, instructions }: ProgramCrossings): string[][] {
  const sum = (of: (crossing: ProgramCrossing) => number): number => crossings.reduce((total, crossing) => total + of(crossing), 0);
  const entryNs = sum((crossing) => crossing.entryNs + crossing.exitNs);
  const handlerNs = sum(({ handlerNs }) => handlerNs);
  const rows = crossings.map((crossing) => [
    crossing.name, crossing.number === null ? "" : String(crossing.number), String(crossing.count), String(crossing.entryInstructions), String(crossing.exitInstructions),
    ms(crossing.entryNs + crossing.exitNs), ms(crossing.handlerNs),
  ]);
  const entry = instructions - userInstructions;
  return [
    HEAD, ...rows,
    ["all crossings", "", String(sum(({ count }) => count)), String(sum(({ entryInstructions }) => entryInstructions)), String(sum(({ exitInstructions }) => exitInstructions)), ms(entryNs), ms(handlerNs)],
    ["", "", "", "", "", "", ""],
    ["where", "", "", "instructions", "%", "ms", ""],
    ["user mode", "", "", String(userInstructions), percent(userInstructions, instructions), ms(userNs), ""],
    ["entry code", "", "", String(entry), percent(entry, instructions), ms(entryNs), ""],
    ["handlers", "", "", "0", percent(0, instructions), ms(handlerNs), ""],
    ["all", "", "", String(instructions), percent(instructions, instructions), ms(userNs + entryNs + handlerNs), ""],
  ];
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "0.0" : ((100 * part) / whole).toFixed(1);
}

export function programText(report: ProgramCrossings): string {
  const ended = report.signal === null ? `status ${report.status}` : report.signal;
  return `crossings of ${report.program}, which ended with ${ended}\n\n${aligned(lines(report))}\n`;
}

export function programMarkdown(report: ProgramCrossings): string {
  const all = lines(report);
  const gap = all.findIndex((line) => line.every((cell) => cell === ""));
  return `${markdownTable(all.slice(0, gap))}\n\n${markdownTable(all.slice(gap + 1).map((line) => [line[0]!, ...line.slice(3, 6)]))}\n`;
}

export function programCsv({ crossings, userInstructions, userNs }: ProgramCrossings): string {
  const head = "kind,number,name,count,entry_instructions,exit_instructions,entry_ns,exit_ns,handler_ns";
  const rows = crossings.map((row) =>
    [row.kind, row.number ?? "", row.name, row.count, row.entryInstructions, row.exitInstructions, ...[row.entryNs, row.exitNs, row.handlerNs].map(Math.round)].join(","),
  );
  return [head, ...rows, `user,,,,${userInstructions},,${Math.round(userNs)},,`].map((line) => `${line}\r\n`).join("");
}

export function programJson(report: ProgramCrossings): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

/** A line for each stack, outermost first, with its nanoseconds: what flamegraph.pl, speedscope and inferno read. */
export function foldedStacks({ program, crossings, userNs }: ProgramCrossings): string {
  const root = program.split("/").at(-1)!.replace(/[;\s]/g, "_");
  const stacks: [string, number][] = [[`${root};user mode`, userNs]];
  for (const { kind, name, entryNs, exitNs, handlerNs } of crossings) {
    const [entry, handler] = kind === "syscall" ? ["entry_SYSCALL_64", `do_syscall_64;sys_${name}`] : kind === "start" ? [name, "schedule_tail"] : [`asm_${name}`, name];
    stacks.push([`${root};${entry};entry code`, entryNs + exitNs], [`${root};${entry};${handler}`, handlerNs]);
  }
  return stacks.filter(([, ns]) => ns >= 1).map(([stack, ns]) => `${stack} ${Math.round(ns)}\n`).join("");
}
