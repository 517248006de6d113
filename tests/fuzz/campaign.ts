// What every fuzzer does alike: prints its seed first, makes each case from a seed of its own, stops after some seconds, and says
// how to repeat the case that failed. The seed of the case under way is in build/fuzz/NAME.last, for a host that hangs.
//
//   RING3_FUZZ_SEED=n     seed of the first case          RING3_FUZZ_SECONDS=s   how long (default 5)
//   RING3_FUZZ_COUNT=k    at most k cases

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../source-files";

export async function campaign(name: string, oneCase: (seed: number) => Promise<void> | void): Promise<void> {
  const first = Number(process.env.RING3_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const count = Number(process.env.RING3_FUZZ_COUNT ?? Infinity);
  const seconds = Number(process.env.RING3_FUZZ_SECONDS ?? 5);
  console.log(`${name}: seed ${first}`);
  mkdirSync(join(projectRoot, "build/fuzz"), { recursive: true });
  const last = join(projectRoot, `build/fuzz/${name}.last`);
  const end = Date.now() + seconds * 1000;
  let cases = 0;
  for (; cases < count && (cases === 0 || Date.now() < end); cases++) {
    const seed = first + cases;
    writeFileSync(last, `${seed}\n`);
    try {
      await oneCase(seed);
    } catch (error) {
      const again = `RING3_FUZZ_SEED=${seed} RING3_FUZZ_COUNT=1 node tests/run.mjs fuzz/${name}`;
      throw new Error(`${error instanceof Error ? error.stack : error}\nagain: ${again}`);
    }
  }
  console.log(`${name}: ${cases} cases`);
}
