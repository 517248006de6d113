// `ring3 bench`: what a crossing costs, by which door into ring 0 (`bench doors`), or with --program what a program's crossings come to. The measuring is in host/bench/; here are the
// words of the command line, the progress line, and where the output goes.
// Entered from main.ts, and loaded only for this command.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { measureCrossings } from "../bench/crossings";
import { htmlReport } from "../bench/crossings-html";
import { csvReport, jsonReport, markdownReport, textReport } from "../bench/crossings-report";
import { CONFIGURATIONS } from "../bench/crossings-rows";
import { CYCLE_MODELS, type CycleModel } from "../bench/cycle-models";
import { measureDoors } from "../bench/doors";
import { doorsCsv, doorsJson, doorsMarkdown, doorsText } from "../bench/doors-report";
import { DEFAULT_SWITCHES, type Switches } from "../bench/doors-rows";
import { foldedStacks, measureProgram, programCsv, programJson, programMarkdown, programText } from "../bench/program-crossings";
import { bundledDirectory, ProgramNotRunnable } from "./bundled";
import { type Options, UsageError } from "./options";
import { EXIT_TIMEOUT, guestOf, runnableError } from "./run";
import { standardOutput, writeLine } from "./streams";

/** So that two runs without --seed print the same counts. */
const DEFAULT_SEED = 1n;
/**
 * V8's unit is about an executed byte of WebAssembly. start.ts has set it high, for the sake of short runs; what is measured here is the machine
 * in its optimised form, so the sooner the better.
 */
const WASM_TIERING_BUDGET = 1_000_000;

/** The option's own default, in options.ts. */
const DEFAULT_MODEL = "skylake";

/** Answers our exit status: 0, or with --program the program's. @throws UsageError */
export async function benchCommand(options: Options, rest: readonly string[], doors: boolean): Promise<number> {
  if ([options.json, options.csv, options.md].filter(Boolean).length > 1) throw new UsageError("--json, --csv and --md exclude each other");
  if (doors && options.program !== undefined) throw new UsageError("bench doors has programs of its own: what is --program for?");
  if (options.program !== undefined) return benchProgram(options.program, options, rest);
  if (rest.length > 0 && doors) throw new UsageError(`ring3 bench doors takes no program: what is "${rest[0]}"?`);
  if (rest.length > 0) throw new UsageError(`ring3 bench takes no program: is it \`ring3 bench --program ${rest[0]}\`?`);
  if (options.folded !== undefined) throw new UsageError("--folded is of a program: ring3 bench --program FILE --folded FILE");
  const ofProgram = [options.env, options.mount].some((list) => list.length > 0) || options.root !== undefined || options.timeout !== undefined || options.date !== undefined;
  if (ofProgram) throw new UsageError("--env, --mount, --root, --timeout and --date are of a program: ring3 bench --program FILE");
  if (doors) return benchDoors(options);
  const model = modelOf(options.model);
  // A file that cannot be written is better known before.
  if (options.html !== undefined) write(options.html, "");
  setFlagsFromString(`--wasm-tiering-budget=${WASM_TIERING_BUDGET}`);
  const progress = new ProgressLine(process.stderr.isTTY === true && !options.quiet);
  const programPath = bundledFile("crossings");
  const bench = await measureCrossings({
    program: readFileSync(programPath),
    programPath,
    wasiModule: readFileSync(bundledFile("wasi-clock.wasm")),
    // Both are on unless the command line says otherwise; then only what it says is measured.
    configurations: CONFIGURATIONS.filter(({ pti, pcid }) => (options.pti || !pti) && (options.pcid || !pcid)),
    model,
    seed: options.seed ?? DEFAULT_SEED,
    aslr: !options["no-aslr"],
    clock: options.clock,
    rounds: options.rounds,
    native: options.native,
    onProgress: (done, all, what) => progress.show(`${String(Math.floor((100 * done) / all)).padStart(3)} %  ${what}`),
  });
  progress.clear();
  if (options.html !== undefined) write(options.html, htmlReport(bench, model));
  if (options.json) process.stdout.write(jsonReport(bench));
  else if (options.csv) process.stdout.write(csvReport(bench));
  else if (options.md) process.stdout.write(markdownReport(bench, model));
  else process.stdout.write(textReport(bench, model));
  return 0;
}

/** What the command line sets to other than the default is not varied; a vendor has no default, so that one that is named is not. */
async function benchDoors(options: Options): Promise<number> {
  if (options.html !== undefined || options.native) throw new UsageError(`--${options.native ? "native" : "html"} is not of bench doors`);
  if (modelOf(options.model) !== modelOf(DEFAULT_MODEL)) throw new UsageError("bench doors counts and times, and puts no model's cycles to it: --model is not of it");
  setFlagsFromString(`--wasm-tiering-budget=${WASM_TIERING_BUDGET}`);
  const progress = new ProgressLine(process.stderr.isTTY === true && !options.quiet);
  const { pti, pcid, smap, smep, fsgsbase, vsyscall, vendor } = options;
  const asked: Partial<Switches> = { pti, pcid, smap, smep, fsgsbase, vsyscall, vendor };
  const names = Object.keys(DEFAULT_SWITCHES) as (keyof Switches)[];
  const bench = await measureDoors({
    seed: options.seed ?? DEFAULT_SEED,
    aslr: !options["no-aslr"],
    clock: options.clock,
    rounds: options.rounds,
    fixed: Object.fromEntries(names.filter((name) => asked[name] !== undefined && (name === "vendor" || asked[name] !== DEFAULT_SWITCHES[name])).map((name) => [name, asked[name]])),
    onProgress: (done, all, what) => progress.show(`${String(Math.floor((100 * done) / all)).padStart(3)} %  ${what}`),
  });
  progress.clear();
  if (options.json) process.stdout.write(doorsJson(bench));
  else if (options.csv) process.stdout.write(doorsCsv(bench));
  else if (options.md) process.stdout.write(doorsMarkdown(bench));
  else process.stdout.write(doorsText(bench));
  return 0;
}

/** The program's own output goes to standard error, all of it, so that standard output holds the report alone. */
async function benchProgram(word: string, options: Options, rest: readonly string[]): Promise<number> {
  if (options.html !== undefined || options.native) throw new UsageError(`--${options.native ? "native" : "html"} is not of --program`);
  const guest = guestOf(options, [word, ...rest]);
  guest.options.stdout = standardOutput(2);
  const measured = await measureProgram(word, guest.program, guest.options).catch((error) => {
    throw runnableError(word, error);
  });
  const { report, result } = measured;
  if (options.folded !== undefined) write(options.folded, foldedStacks(report));
  if (options.json) process.stdout.write(programJson(report));
  else if (options.csv) process.stdout.write(programCsv(report));
  else if (options.md) process.stdout.write(programMarkdown(report));
  else process.stdout.write(programText(report));
  if (!result.timedOut) return result.status;
  writeLine(`ring3: ${word}: timed out after ${options.timeout! / 1000} s`);
  return EXIT_TIMEOUT;
}

function modelOf(name: string): CycleModel {
  const model = CYCLE_MODELS.find((row) => row.name === name);
  if (model === undefined) throw new UsageError(`--model is one of ${CYCLE_MODELS.map((row) => row.name).join(", ")}, not "${name}"`);
  return model;
}

function bundledFile(name: string): string {
  const directory = bundledDirectory();
  if (directory === undefined) throw new ProgramNotRunnable("guest-programs/ is not where this package should have it", 127);
  return join(directory, name);
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new UsageError(`${path}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** One line that overwrites itself, on a terminal only. */
class ProgressLine {
  private width = 0;

  constructor(private readonly on: boolean) {}

  show(text: string): void {
    if (!this.on) return;
    process.stderr.write(`\r${text.padEnd(this.width)}`);
    this.width = text.length;
  }

  clear(): void {
    if (this.on) process.stderr.write(`\r${" ".repeat(this.width)}\r`);
  }
}
