// `npm run bench`: how fast the machine is. The benchmark guests and the null system call on ring3, on the processor
// itself and under qemu-x86_64, whichever of these is here, the same ELF files, interleaved in one run; and how long a hello takes
// to start beside an empty run of Node.
//
//   npm run bench -- [--rounds N] [--only NAME]... [--scale X] [--json]
//
// Times are wall-clock (CLOCK_MONOTONIC) of whole processes, start-up included; getppid is the slope between two loop
// counts, in which start-up cancels. Every run's output is compared: a fast wrong answer is an error.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { geometricMean, spread, type Spread } from "./statistics";

type Group = "integer" | "double";
interface Guest {
  name: string;
  group: Group;
  iterations: number;
}

/**
 * Iteration counts at which ring3 takes a second or two, of which starting and V8's compiling of the interpreter are some 0.4 s
 * of CPU in any guest. qemu-x86_64 takes some tenths of a second of the integer programs, and a second or two of the others.
 */
const GUESTS: readonly Guest[] = [
  { name: "int-loop", group: "integer", iterations: 30000 },
  { name: "sieve", group: "integer", iterations: 40 },
  { name: "sha256", group: "integer", iterations: 150 },
  { name: "quicksort", group: "integer", iterations: 30 },
  { name: "fib", group: "integer", iterations: 60 },
  { name: "strlen-memcpy", group: "integer", iterations: 120 },
  { name: "bytecode", group: "integer", iterations: 60 },
  { name: "matmul", group: "double", iterations: 240 },
  { name: "nbody", group: "double", iterations: 400 },
];
const GROUPS: readonly Group[] = ["integer", "double"];
const GETPPID = { name: "getppid", few: 50_000, many: 550_000 };
const START_UP = { name: "start-up", guest: "hello", rounds: 10 };

/** Rows of the table in the order of its columns. */
type EngineName = "native" | "qemu" | "ring3";
interface Engine {
  name: EngineName;
  command: (guest: string) => string[];
}

interface Run {
  milliseconds: number;
  stdout: string;
  stderr: string;
}

interface GuestResult {
  guest: string;
  group: Group;
  iterations: number;
  milliseconds: Partial<Record<EngineName, Spread>>;
  /** Guest instructions of one ring3 run, ring 0 included. */
  instructions: number;
  mips: number;
}

interface GetppidResult {
  calls: number;
  nanoseconds: Partial<Record<EngineName, Spread>>;
}

/** Whole processes, milliseconds. */
interface StartUpResult {
  rounds: number;
  node: Spread;
  ring3: Spread;
}

/** The folder of package.json above this file, wherever the bundler has put it. */
function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) directory = dirname(directory);
  return directory;
}

function enginesHere(root: string): Engine[] {
  const bin = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).bin;
  const cli = join(root, typeof bin === "string" ? bin : bin.ring3);
  const path = (guest: string) => join(root, "guest-programs", guest);
  const engines: Engine[] = [];
  if (process.platform === "linux" && process.arch === "x64") engines.push({ name: "native", command: (guest) => [path(guest)] });
  if (spawnSync("qemu-x86_64", ["--version"]).status === 0) engines.push({ name: "qemu", command: (guest) => ["qemu-x86_64", path(guest)] });
  engines.push({ name: "ring3", command: (guest) => [process.execPath, cli, "run", "--stats", path(guest)] });
  return engines;
}

/** @throws Error when the run does not end with status 0 */
function execute(words: readonly string[]): Run {
  const begun = process.hrtime.bigint();
  const child = spawnSync(words[0]!, words.slice(1), { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
  const milliseconds = Number(process.hrtime.bigint() - begun) / 1e6;
  if (child.error) throw child.error;
  if (child.status !== 0) throw new Error(`${words.join(" ")}: ${child.signal ?? `status ${child.status}`}: ${child.stderr.trim()}`);
  return { milliseconds, stdout: child.stdout, stderr: child.stderr };
}

/** Every engine once, in turn: what slows the computer down for a while slows them all. */
function round(engines: readonly Engine[], guest: string, iterations: number): Map<EngineName, Run> {
  const runs = new Map<EngineName, Run>();
  for (const engine of engines) runs.set(engine.name, execute([...engine.command(guest), String(iterations)]));
  const answers = new Set([...runs.values()].map((run) => run.stdout));
  if (answers.size !== 1) throw new Error(`${guest}: the engines disagree: ${[...answers].map((answer) => answer.trim()).join(" | ")}`);
  return runs;
}

function instructionsOf(run: Run): number {
  const match = /(\d+) instructions/.exec(run.stderr);
  if (!match) throw new Error(`no instruction count from --stats: ${run.stderr}`);
  return Number(match[1]);
}

function measureGuest(engines: readonly Engine[], { name: guest, group, iterations }: Guest, rounds: number): GuestResult {
  const samples = new Map<EngineName, number[]>(engines.map((engine) => [engine.name, []]));
  let instructions = 0;
  for (let i = 0; i < rounds; i++) {
    const runs = round(engines, guest, iterations);
    for (const [engine, run] of runs) samples.get(engine)!.push(run.milliseconds);
    instructions = instructionsOf(runs.get("ring3")!);
  }
  const milliseconds = Object.fromEntries([...samples].map(([engine, times]) => [engine, spread(times)]));
  return { guest, group, iterations, milliseconds, instructions, mips: instructions / 1000 / spread(samples.get("ring3")!).median };
}

function measureGetppid(engines: readonly Engine[], few: number, many: number, rounds: number): GetppidResult {
  const samples = new Map<EngineName, number[]>(engines.map((engine) => [engine.name, []]));
  for (let i = 0; i < rounds; i++) {
    const short = round(engines, GETPPID.name, few);
    const long = round(engines, GETPPID.name, many);
    for (const [engine, times] of samples) {
      times.push(((long.get(engine)!.milliseconds - short.get(engine)!.milliseconds) * 1e6) / (many - few));
    }
  }
  const nanoseconds = Object.fromEntries([...samples].map(([engine, times]) => [engine, spread(times)]));
  return { calls: many - few, nanoseconds };
}

/** `ring3 run hello` and `node -e 0` in turn. */
function measureStartUp(ring3: Engine, rounds: number): StartUpResult {
  const times = { node: [] as number[], ring3: [] as number[] };
  for (let i = 0; i < rounds; i++) {
    times.node.push(execute([process.execPath, "-e", "0"]).milliseconds);
    times.ring3.push(execute(ring3.command(START_UP.guest)).milliseconds);
  }
  return { rounds, node: spread(times.node), ring3: spread(times.ring3) };
}

/** Median of ring3 over median of `other`, guest by guest. */
function ratios(results: readonly GuestResult[], other: EngineName): number[] {
  return results.map((result) => result.milliseconds.ring3!.median / result.milliseconds[other]!.median);
}

function cell(value: Spread | undefined, digits: number): string {
  if (!value) return "-";
  return `${value.median.toFixed(digits)} (${value.min.toFixed(digits)}-${value.max.toFixed(digits)})`;
}

function ratio(over: Spread | undefined, under: Spread | undefined): string {
  return over && under ? (over.median / under.median).toFixed(2) : "-";
}

function print(rows: readonly string[][]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) {
    console.log(row.map((text, column) => (column === 0 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!))).join("  "));
  }
}

function printResults(results: readonly GuestResult[], getppid: GetppidResult | undefined, rounds: number, engines: readonly Engine[]): void {
  if (results.length) console.log(`median (min-max) of ${rounds} rounds, milliseconds of wall time, whole processes\n`);
  const rows = [["guest", "native", "qemu-x86_64", "ring3", "ring3/qemu", "ring3/native", "M instr/s"]];
  const has = (name: EngineName) => engines.some((engine) => engine.name === name);
  for (const group of GROUPS) {
    const members = results.filter((result) => result.group === group);
    for (const { guest, milliseconds, mips } of members) {
      rows.push([
        guest,
        cell(milliseconds.native, 0),
        cell(milliseconds.qemu, 0),
        cell(milliseconds.ring3, 0),
        ratio(milliseconds.ring3, milliseconds.qemu),
        ratio(milliseconds.ring3, milliseconds.native),
        mips.toFixed(0),
      ]);
    }
    if (members.length < 2) continue;
    const mean = (name: EngineName) => (has(name) ? geometricMean(ratios(members, name)).toFixed(2) : "-");
    rows.push([`geometric mean, ${group}`, "", "", "", mean("qemu"), mean("native"), geometricMean(members.map((result) => result.mips)).toFixed(0)]);
  }
  if (results.length) print(rows);
  if (!getppid) return;
  const { nanoseconds, calls } = getppid;
  console.log(`\nnanoseconds per getppid through the whole entry path (PTI, PCID), slope over ${calls} calls\n`);
  print([
    ["", "native", "qemu-x86_64", "ring3", "ring3/qemu", "ring3/native"],
    [
      "getppid",
      cell(nanoseconds.native, 0),
      cell(nanoseconds.qemu, 0),
      cell(nanoseconds.ring3, 0),
      ratio(nanoseconds.ring3, nanoseconds.qemu),
      ratio(nanoseconds.ring3, nanoseconds.native),
    ],
  ]);
}

function printStartUp({ rounds, node, ring3 }: StartUpResult): void {
  console.log(`\nstart-up: median (min-max) of ${rounds} rounds, milliseconds of wall time, whole processes\n`);
  print([
    ["", "node -e 0", "ring3 run hello", "ring3/node", "of the least"],
    ["start-up", cell(node, 0), cell(ring3, 0), ratio(ring3, node), (ring3.min / node.min).toFixed(2)],
  ]);
}

function main(): void {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      only: { type: "string", multiple: true },
      scale: { type: "string", default: "1" },
      json: { type: "boolean", default: false },
    },
  });
  const rounds = Math.max(1, Number(values.rounds) || 1);
  const scale = Number(values.scale) || 1;
  const wanted = (name: string) => !values.only || values.only.includes(name);
  const engines = enginesHere(packageRoot());
  const results: GuestResult[] = [];
  for (const guest of GUESTS.filter((guest) => wanted(guest.name))) {
    process.stderr.write(`${guest.name} ... `);
    results.push(measureGuest(engines, { ...guest, iterations: Math.max(1, Math.round(guest.iterations * scale)) }, rounds));
  }
  let getppid: GetppidResult | undefined;
  if (wanted(GETPPID.name)) {
    process.stderr.write(`${GETPPID.name} ... `);
    getppid = measureGetppid(engines, Math.round(GETPPID.few * scale), Math.round(GETPPID.many * scale), rounds);
  }
  let startUp: StartUpResult | undefined;
  if (wanted(START_UP.name)) {
    process.stderr.write(`${START_UP.name} ... `);
    startUp = measureStartUp(engines.find((engine) => engine.name === "ring3")!, Math.max(rounds, START_UP.rounds));
  }
  process.stderr.write("\n");
  if (values.json) {
    const qemu = engines.some((engine) => engine.name === "qemu");
    const mean = (members: readonly GuestResult[]) => (qemu && members.length ? geometricMean(ratios(members, "qemu")) : null);
    const ratioToQemu = Object.fromEntries(GROUPS.map((group) => [group, mean(results.filter((result) => result.group === group))]));
    console.log(JSON.stringify({ rounds, guests: results, ratioToQemu, getppid, startUp }, null, 2));
    return;
  }
  printResults(results, getppid, rounds, engines);
  if (startUp) printStartUp(startUp);
}

try {
  main();
} catch (error) {
  console.error(`\nbench: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
