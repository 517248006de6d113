// The exact half of `ring3 bench`: what one call costs in instructions, CR3 writes, TLB misses and page-walk loads. Everything here comes
// from the virtual clock and a seed, so two runs agree to the last digit.
//
// One run of the guest makes five batches. The first warms up the TLB. Of the next two, one twice as long, the difference is free
// of everything that does not belong to the calls. The last two are executed step by step: they say at which ring each
// instruction was, and how many of the dear ones there are; and their sum has to agree with the count at full speed.

import { counters, type Counters, InstructionSteps, type StepCounts } from "../index";
import { type MarkListener, runCrossings, type SharedCode } from "./crossings-guest";
import type { Configuration, Row } from "./crossings-rows";

const WARM_UP = 32;
const CALLS = 100;
const STEPPED_CALLS = 4;

/** Per call, the loop around it included until `without` takes it out. Whole numbers, but for TLB misses that come now and then. */
export interface RowCounts extends Counters {
  user: number;
  kernel: number;
  dear: StepCounts["dear"];
}

export interface CountOptions extends Configuration {
  program: Uint8Array;
  code: SharedCode;
  seed: bigint;
  aslr: boolean;
}

/** The counts of one row, or one line that says why there are none. @throws Error when our own two ways of counting disagree */
export function countRow(row: Row, options: CountOptions): Promise<RowCounts | string> {
  return countCalls(`${row.operation} by ${row.door}`, (counts, listener) => runCrossings(row, counts, { ...options, ...listener, clock: "virtual" }));
}

/** Runs a guest that makes these batches; null, or one line that says why it did not. */
export type GuestRun = (batches: readonly number[], listener: MarkListener) => Promise<string | null>;

/** The counts of one call of what `guest` calls. @throws as countRow */
export async function countCalls(title: string, guest: GuestRun): Promise<RowCounts | string> {
  const begun: Counters[] = [];
  const spent: Counters[] = [];
  const steps: StepCounts[] = [];
  let stepper!: InstructionSteps;
  const counts = [WARM_UP, CALLS, 2 * CALLS, STEPPED_CALLS, 2 * STEPPED_CALLS];
  const refusal = await guest(counts, {
    onBoot(kernel) {
      stepper = new InstructionSteps(kernel.ring0);
    },
    onMark({ machine }, batch, begins) {
      const now = counters(machine);
      if (begins) begun.push(now);
      else spent.push(difference(now, begun[batch]!));
      // The write() that this mark came by is at its hypercall still: the way back is counted in every batch alike.
      stepper.counting = begins && counts[batch]! <= 2 * STEPPED_CALLS;
      if (begins) stepper.counts = noCounts(stepper.counts);
      else steps.push(stepper.counts);
    },
  });
  if (refusal !== null) return refusal;
  const perCall = scaled(difference(spent[2]!, spent[1]!), CALLS);
  const [few, many] = [steps[3]!, steps[4]!];
  const each = (of: (counts: StepCounts) => number) => (of(many) - of(few)) / STEPPED_CALLS;
  const dear = Object.fromEntries(Object.keys(many.dear).map((name) => [name, each((counts) => counts.dear[name as keyof RowCounts["dear"]])]));
  const result: RowCounts = { ...perCall, user: each(({ user }) => user), kernel: each(({ kernel }) => kernel), dear: dear as RowCounts["dear"] };
  if (result.user + result.kernel !== result.instructions) {
    throw new Error(`${title}: ${result.instructions} instructions, but ${result.user} + ${result.kernel} step by step`);
  }
  return result;
}

function noCounts({ dear }: StepCounts): StepCounts {
  return { user: 0, kernel: 0, dear: Object.fromEntries(Object.keys(dear).map((name) => [name, 0])) as StepCounts["dear"] };
}

function difference(now: Counters, then: Counters): Counters {
  return {
    instructions: now.instructions - then.instructions,
    cr3Writes: now.cr3Writes - then.cr3Writes,
    tlbMisses: now.tlbMisses - then.tlbMisses,
    walkLoads: now.walkLoads - then.walkLoads,
  };
}

function scaled(sum: Counters, calls: number): Counters {
  return {
    instructions: sum.instructions / calls,
    cr3Writes: sum.cr3Writes / calls,
    tlbMisses: sum.tlbMisses / calls,
    walkLoads: sum.walkLoads / calls,
  };
}

/** A row's counts without those of the loop. */
export function without(row: RowCounts, loop: RowCounts): RowCounts {
  const dear = Object.fromEntries(Object.entries(row.dear).map(([name, count]) => [name, count - loop.dear[name as keyof RowCounts["dear"]]]));
  return { ...difference(row, loop), user: row.user - loop.user, kernel: row.kernel - loop.kernel, dear: dear as RowCounts["dear"] };
}
