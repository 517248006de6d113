// What every fuzzer does alike: prints its seed first, makes each case from a seed of its own, stops after some seconds, and says
// how to repeat the cases that failed, one of each kind. The seed of the case under way is in build/fuzz/NAME.last, for a host that hangs.
//
//   RING3_FUZZ_SEED=n     seed of the first case          RING3_FUZZ_SECONDS=s   how long (default 5)
//   RING3_FUZZ_COUNT=k    at most k cases

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../source-files";

/** Two failures are of one kind when they come from the same place. */
const kindOf = (error: unknown) => (error instanceof Error ? `${error.name} ${error.stack?.split("\n").slice(1, 3).join()}` : String(error));

export async function campaign(name: string, oneCase: (seed: number) => Promise<void> | void): Promise<void> {
  const first = Number(process.env.RING3_FUZZ_SEED ?? (process.env.CI ? 20221211 : Math.floor(Math.random() * 2 ** 31)));
  const count = Number(process.env.RING3_FUZZ_COUNT ?? Infinity);
  const seconds = Number(process.env.RING3_FUZZ_SECONDS ?? 5);
  console.log(`${name}: seed ${first}`);
  mkdirSync(join(projectRoot, "build/fuzz"), { recursive: true });
  const last = join(projectRoot, `build/fuzz/${name.replace(/\W+/g, "-")}.last`);
  const end = Date.now() + seconds * 1000;
  const kinds = new Map<string, { error: unknown; seed: number; times: number }>();
  let cases = 0;
  for (; cases < count && (cases === 0 || Date.now() < end); cases++) {
    const seed = first + cases;
    writeFileSync(last, `${seed}\n`);
    try {
      await oneCase(seed);
    } catch (error) {
      const known = kinds.get(kindOf(error));
      if (known) known.times++;
      else kinds.set(kindOf(error), { error, seed, times: 1 });
    }
  }
  console.log(`${name}: ${cases} cases`);
  if (kinds.size === 0) return;
  const texts = [...kinds.values()].map(({ error, seed, times }) => {
    const again = `RING3_FUZZ_SEED=${seed} RING3_FUZZ_COUNT=1 node tests/run.mjs fuzz/${name.split(" ")[0]}`;
    return `${times} times: ${error instanceof Error ? error.stack : error}\n  again: ${again}`;
  });
  const failure = new Error(`${kinds.size} kinds of failure in ${cases} cases\n${texts.join("\n")}`);
  failure.stack = failure.message;
  throw failure;
}
