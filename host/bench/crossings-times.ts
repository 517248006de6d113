// The other half of `ring3 bench`: nanoseconds per call, on ring3 and, for those who ask, on the processor itself and under qemu-x86_64,
// all from the same ELF file. Times are the host's clock around batches of calls; what the loop takes is subtracted.

import { spawnSync } from "node:child_process";
import type { GuestRun, RowCounts } from "./crossings-counts";
import { runCrossings, type SharedCode } from "./crossings-guest";
import type { Configuration, Row } from "./crossings-rows";

export interface TimeOptions extends Configuration {
  program: Uint8Array;
  code: SharedCode;
  seed: bigint;
  aslr: boolean;
  clock: "host" | "virtual";
  batches: number;
}

/** A batch is to take about so long: many times the clock's resolution and what the two marks cost, and much less than a scheduler's slice. */
const BATCH_NS = 5e5;
const WARM_UP_BATCHES = 80;
const NATIVE_TRIAL = 2000;
/** How long we take each of these to be, to find the length of a batch; only its order matters. */
const GUESS_INSTRUCTION_NS = 6;
const GUESS_CROSSING_NS = 500;
const GUESS_TLB_MISS_NS = 400;

function nowNs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e9 + nanoseconds;
}

/** Runs a row until V8 has had the time to optimise what it needs, the handler in TypeScript included. */
export async function warmUp(row: Row, counts: RowCounts, options: Omit<TimeOptions, "batches">): Promise<void> {
  await timeRow(row, WARM_UP_BATCHES * callsPerBatch(counts), { ...options, batches: 1 });
}

/** Calls that fill a batch. */
export function callsPerBatch(counts: RowCounts): number {
  const crossing = counts.kernel > 0 ? GUESS_CROSSING_NS : 0;
  return Math.ceil(BATCH_NS / (counts.instructions * GUESS_INSTRUCTION_NS + crossing + counts.tlbMisses * GUESS_TLB_MISS_NS));
}

/** Nanoseconds per call of each batch, the loop included. @throws Error when it does not come back from the door */
export function timeRow(row: Row, calls: number, options: TimeOptions): Promise<number[]> {
  const guest: GuestRun = (counts, listener) => runCrossings(row, counts, { ...options, ...listener });
  return timeCalls(`${row.operation} by ${row.door}`, calls, options.batches, guest);
}

/** Nanoseconds per call of what `guest` calls, of each of so many batches. @throws as timeRow */
export async function timeCalls(title: string, calls: number, batches: number, guest: GuestRun): Promise<number[]> {
  const samples: number[] = [];
  let begun = 0;
  // The first batch brings the code in.
  const counts = [Math.ceil(calls / 4), ...new Array<number>(batches).fill(calls)];
  const refusal = await guest(counts, {
    onMark(_kernel, batch, begins) {
      const now = nowNs();
      if (begins) begun = now;
      else if (batch > 0) samples.push((now - begun) / calls);
    },
  });
  if (refusal !== null) throw new Error(`${title}: ${refusal}`);
  return samples;
}

export interface Engine {
  name: "native" | "qemu";
  title: string;
  command: readonly string[];
}

/** Who else here can run the ELF file at `path`. */
export function otherEngines(path: string): Engine[] {
  const engines: Engine[] = [];
  if (process.platform === "linux" && process.arch === "x64") engines.push({ name: "native", title: "native", command: [path] });
  if (spawnSync("qemu-x86_64", ["--version"]).status === 0) engines.push({ name: "qemu", title: "qemu-x86_64", command: ["qemu-x86_64", path] });
  return engines;
}

/** Nanoseconds per call of each batch by the guest's own clock, or null when there is no such door. */
export function timeElsewhere(engine: Engine, row: Row, batches: number): number[] | null {
  const trial = runElsewhere(engine, row, [NATIVE_TRIAL]);
  if (trial === null) return null;
  const calls = Math.ceil(BATCH_NS / Math.max(trial[0]!, 0.1));
  return runElsewhere(engine, row, [Math.ceil(calls / 4), ...new Array<number>(batches).fill(calls)])?.slice(1) ?? null;
}

function runElsewhere({ command }: Engine, row: Row, counts: readonly number[]): number[] | null {
  const child = spawnSync(command[0]!, [...command.slice(1), row.operation, row.door, ...counts.map(String)], { encoding: "utf8", timeout: 20_000 });
  if (child.error && (child.error as NodeJS.ErrnoException).code !== "ETIMEDOUT") throw child.error;
  if (child.status !== 0) return null;
  const lines = child.stdout.trim().split("\n").slice(1);
  return lines.map((line) => {
    const [calls, nanoseconds] = line.split(" ").map(Number);
    return nanoseconds! / calls!;
  });
}
