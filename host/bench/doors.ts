// `ring3 bench doors`: one crossing by every door into ring 0, on every machine that could make a difference to it. Answers plain data;
// doors-report.ts makes tables of it.
// Entered from host/cli/bench.ts. Leaves to crossings-counts.ts and crossings-times.ts, which count and time as for `ring3 bench`.

import { countCalls, type RowCounts, without } from "./crossings-counts";
import { callsPerBatch, timeCalls } from "./crossings-times";
import type { SharedCode } from "./crossings-guest";
import { runDoor } from "./doors-guest";
import { type DoorRow, DOORS, LOOPS, machinesFor, type Switches, switchesTitle } from "./doors-rows";
import { type Spread, spread } from "./statistics";

export interface DoorsOptions {
  seed: bigint;
  aslr: boolean;
  clock: "host" | "virtual";
  /** How often everything is timed, in turn; 0 counts only. */
  rounds: number;
  /** Switches that are not to be varied. */
  fixed: Partial<Switches>;
  /** Default: all. */
  doors?: readonly DoorRow[];
  onProgress?: (done: number, all: number, what: string) => void;
}

/** Counts are per crossing, without the loop around it; `user` has the instructions that load a call's number, and emulated RETs have none. */
export interface DoorCounts {
  user: number;
  kernel: number;
  cr3Writes: number;
  tlbMisses: number;
  walkLoads: number;
}

/** One door on one machine. */
export interface DoorResult {
  door: string;
  title: string;
  bits: 64 | 32;
  machine: Switches;
  machineTitle: string;
  /** "ok", or why there are no figures. */
  status: string;
  counts: DoorCounts | null;
  /** null where it was not timed: the counts are those of another machine. */
  nanoseconds: Spread | null;
}

export interface DoorsBench {
  seed: string;
  clock: string;
  batches: number;
  rows: DoorResult[];
}

/** In each round. */
const BATCHES = 15;
const WARM_UP_BATCHES = 40;

interface Measured {
  door: DoorRow;
  machine: Switches;
  counts: RowCounts | string;
  loop: RowCounts;
  samples: number[];
  loopSamples: number[];
}

export async function measureDoors(options: DoorsOptions): Promise<DoorsBench> {
  const { seed, aslr, clock, rounds, fixed } = options;
  const shared = { seed, aslr, code: {} as SharedCode };
  const guestOf = (door: DoorRow, machine: Switches, time: "host" | "virtual") =>
    (counts: readonly number[], listener: Parameters<typeof runDoor>[4]) => runDoor(door, machine, counts, { ...shared, clock: time }, listener);
  const plan = (options.doors ?? DOORS).flatMap((door) => machinesFor(door, fixed).map((machine) => ({ door, machine })));
  let done = 0;
  let all = plan.length;
  const progress = (what: string): void => options.onProgress?.(done++, all, what);

  const loops = new Map<string, RowCounts>();
  const loopCounts = async (bits: DoorRow["bits"], machine: Switches): Promise<RowCounts> => {
    const key = `${bits} ${JSON.stringify(machine)}`;
    const counts = loops.get(key) ?? (await countCalls("empty loop", guestOf(LOOPS[bits], machine, "virtual")));
    if (typeof counts === "string") throw new Error(`empty loop: ${counts}`);
    loops.set(key, counts);
    return counts;
  };
  const measured: Measured[] = [];
  for (const { door, machine } of plan) {
    progress(`counting ${door.title}, ${switchesTitle(machine, door)}`);
    const counts = await countCalls(door.title, guestOf(door, machine, "virtual"));
    measured.push({ door, machine, counts, loop: await loopCounts(door.bits, machine), samples: [], loopSamples: [] });
  }
  const timed = rounds === 0 ? [] : distinct(measured);
  all += timed.length * (rounds + 1);
  const time = async (door: DoorRow, { machine, counts, loop }: Measured, batches: number, more = 1): Promise<number[]> => {
    const calls = more * callsPerBatch(door.code.length === 0 && door.raise === undefined ? loop : (counts as RowCounts));
    return timeCalls(door.title, calls, batches, guestOf(door, machine, clock));
  };
  for (const entry of timed) {
    progress(`warming up ${entry.door.title}`);
    await time(entry.door, entry, 1, WARM_UP_BATCHES);
  }
  for (let round = 0; round < rounds; round++) {
    for (const entry of timed) {
      progress(`timing ${entry.door.title}, ${switchesTitle(entry.machine, entry.door)}`);
      entry.samples.push(...(await time(entry.door, entry, BATCHES)));
      entry.loopSamples.push(...(await time(LOOPS[entry.door.bits], entry, BATCHES)));
    }
  }
  return { seed: String(seed), clock, batches: BATCHES * rounds, rows: measured.map(resultOf) };
}

/** One of each door's machines that count alike: the first. */
function distinct(measured: readonly Measured[]): Measured[] {
  return measured.filter((entry, index) => {
    if (typeof entry.counts === "string") return false;
    const alike = JSON.stringify(netCounts(entry));
    return !measured.slice(0, index).some((other) => other.door === entry.door && typeof other.counts !== "string" && JSON.stringify(netCounts(other)) === alike);
  });
}

function netCounts({ counts, loop }: Measured): DoorCounts {
  const { user, kernel, cr3Writes, tlbMisses, walkLoads } = without(counts as RowCounts, loop);
  return { user, kernel, cr3Writes, tlbMisses, walkLoads };
}

function resultOf(entry: Measured): DoorResult {
  const { door, machine, counts, samples, loopSamples } = entry;
  const refused = typeof counts === "string";
  const loopNs = loopSamples.length > 0 ? spread(loopSamples).median : 0;
  return {
    door: door.name, title: door.title, bits: door.bits, machine, machineTitle: switchesTitle(machine, door),
    status: refused ? counts : "ok",
    counts: refused ? null : netCounts(entry),
    nanoseconds: samples.length === 0 ? null : spread(samples.map((ns) => ns - loopNs)),
  };
}
