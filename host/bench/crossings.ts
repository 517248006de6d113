// `ring3 bench`: every operation by every door in every configuration, counted and timed. Answers plain data; crossings-report.ts and
// crossings-html.ts make tables and pictures of it.
// Entered from host/cli/bench.ts. Leaves to crossings-counts.ts, crossings-times.ts and wasi-clock.ts.

import { countRow, type RowCounts, without } from "./crossings-counts";
import {
  type Configuration, configurationTitle, LOOP, ROWS, type Row, rowTitle, sameRow, vdsoRow,
} from "./crossings-rows";
import { callsPerBatch, type Engine, otherEngines, timeElsewhere, timeRow, warmUp } from "./crossings-times";
import { type CycleModel, modelledCycles } from "./cycle-models";
import { type Spread, spread } from "./statistics";

export interface BenchOptions {
  /** guest-programs/crossings: its bytes, and for other engines its path. */
  program: Uint8Array;
  programPath: string;
  /** guest-programs/wasi-clock.wasm */
  wasiModule: Uint8Array;
  configurations: readonly Configuration[];
  model: CycleModel;
  seed: bigint;
  aslr: boolean;
  clock: "host" | "virtual";
  /** How often everything is timed, in turn; what disturbs the computer for a while then disturbs all rows alike. */
  rounds: number;
  /** Time the ELF file on the processor itself too, and under qemu-x86_64. */
  native: boolean;
  /** Hears what is being done, and how much of it all is. */
  onProgress?: (done: number, all: number, what: string) => void;
}

/** One row in one configuration. All counts are per call, without the loop around it (but for the row that is the loop). */
export interface BenchResult {
  operation: string;
  door: string;
  title: string;
  pti: boolean;
  pcid: boolean;
  /** "ok", or why there are no figures. */
  status: string;
  ring3Instructions: number | null;
  ring0Instructions: number | null;
  cr3Writes: number | null;
  tlbMisses: number | null;
  walkLoads: number | null;
  /** By the price list of the model that was asked for. */
  modelledCycles: number | null;
  nanoseconds: Spread | null;
  /** Median over the vDSO's of the same operation and configuration; over clock_gettime's for a null call. */
  timesVdso: number | null;
}

/** A row that no configuration of our machine changes: another engine's, or WASI's. */
export interface OtherResult {
  engine: string;
  operation: string;
  door: string;
  title: string;
  status: string;
  nanoseconds: Spread | null;
}

export interface Bench {
  model: string;
  seed: string;
  clock: string;
  rounds: number;
  /** Of each row: what median, least and most are taken from. */
  batches: number;
  rows: BenchResult[];
  others: OtherResult[];
}

/** In each round. */
const BATCHES = 15;

interface Measured {
  row: Row;
  configuration: Configuration;
  counts: RowCounts | string;
  samples: number[];
}

export async function measureCrossings(bench: BenchOptions): Promise<Bench> {
  const options = { ...bench, code: {} };
  const { configurations, rounds, onProgress } = options;
  const engines = options.native ? otherEngines(options.programPath) : [];
  const all = configurations.length * ROWS.length * (rounds + 1) + 1 + engines.length * ROWS.length;
  let done = 0;
  const progress = (what: string): void => onProgress?.(done++, all, what);

  const measured: Measured[] = [];
  for (const configuration of configurations) {
    for (const row of ROWS) {
      progress(`counting ${rowTitle(row)}, ${configurationTitle(configuration)}`);
      measured.push({ row, configuration, counts: await countRow(row, { ...options, ...configuration }), samples: [] });
    }
  }
  for (const { row, configuration, counts } of measured) {
    if (configuration === configurations[0] && typeof counts !== "string") await warmUp(row, counts, { ...options, ...configuration });
  }
  for (let round = 0; round < rounds; round++) {
    for (const entry of measured) {
      progress(`timing ${rowTitle(entry.row)}, ${configurationTitle(entry.configuration)}`);
      if (typeof entry.counts === "string") continue;
      const calls = callsPerBatch(entry.counts);
      entry.samples.push(...(await timeRow(entry.row, calls, { ...options, ...entry.configuration, batches: BATCHES })));
    }
  }
  const others: OtherResult[] = [];
  progress("timing a WASI host call");
  others.push(await wasiResult(options.wasiModule, BATCHES * rounds));
  for (const engine of engines) others.push(...timeEngine(engine, BATCHES * rounds, progress));
  return {
    model: options.model.name, seed: String(options.seed), clock: options.clock, rounds, batches: BATCHES * rounds,
    rows: configurations.flatMap((configuration) => results(measured.filter((entry) => entry.configuration === configuration), options.model)),
    others,
  };
}

/** The rows of one configuration, with the loop subtracted and the vDSO divided by. */
function results(entries: readonly Measured[], model: CycleModel): BenchResult[] {
  const loop = entries.find(({ row }) => sameRow(row, LOOP))!;
  const loopNs = spread(loop.samples).median;
  const rows = entries.map((entry) => resultOf(entry, loop, loopNs, model));
  for (const [index, { row }] of entries.entries()) {
    const vdso = rows[entries.findIndex((other) => sameRow(other.row, vdsoRow(row)))];
    const result = rows[index]!;
    if (result.nanoseconds && vdso?.nanoseconds && row !== LOOP) result.timesVdso = result.nanoseconds.median / vdso.nanoseconds.median;
  }
  return rows;
}

function resultOf({ row, configuration, counts, samples }: Measured, loop: Measured, loopNs: number, model: CycleModel): BenchResult {
  const named = { ...row, title: rowTitle(row), ...configuration };
  if (typeof counts === "string") {
    const none = { ring3Instructions: null, ring0Instructions: null, cr3Writes: null, tlbMisses: null, walkLoads: null };
    return { ...named, status: counts, ...none, modelledCycles: null, nanoseconds: null, timesVdso: null };
  }
  const isLoop = row === loop.row;
  const net = isLoop ? counts : without(counts, loop.counts as RowCounts);
  return {
    ...named, status: "ok",
    ring3Instructions: net.user, ring0Instructions: net.kernel,
    cr3Writes: net.cr3Writes, tlbMisses: net.tlbMisses, walkLoads: net.walkLoads,
    modelledCycles: modelledCycles(model, net),
    nanoseconds: spread(isLoop ? samples : samples.map((ns) => ns - loopNs)),
    timesVdso: null,
  };
}

async function wasiResult(module: Uint8Array, batches: number): Promise<OtherResult> {
  const named = { engine: "@wasmer/wasi", operation: "clock_gettime", door: "wasi", title: "clock_time_get by WASI host call" };
  try {
    const { timeWasiCall } = await import("./wasi-clock");
    return { ...named, status: "ok", nanoseconds: spread(await timeWasiCall(module, batches)) };
  } catch (error) {
    if (!/MODULE_NOT_FOUND/.test((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return { ...named, status: "@wasmer/wasi is not installed", nanoseconds: null };
  }
}

function timeEngine(engine: Engine, batches: number, progress: (what: string) => void): OtherResult[] {
  let loopNs = 0;
  return ROWS.map((row) => {
    progress(`timing ${rowTitle(row)}, ${engine.title}`);
    const samples = timeElsewhere(engine, row, batches);
    const named = { engine: engine.title, ...row, title: rowTitle(row) };
    if (samples === null) return { ...named, status: "not there", nanoseconds: null };
    if (row === LOOP) loopNs = spread(samples).median;
    return { ...named, status: "ok", nanoseconds: spread(row === LOOP ? samples : samples.map((ns) => ns - loopNs)) };
  });
}

