// The command line of `npm run fuzz`: one front for all targets. Entered from fuzz.ts.

import { parseArgs } from "node:util";
import { campaign, defaultSeed, foundText, readCase, replay } from "./campaign";
import { CannotRun } from "./target";
import { targets } from "./targets";

const widest = Math.max(...targets.map((target) => target.name.length));
const help = `usage: npm run fuzz -- <target> [--seed N] [--minutes M] [--count N] [--kinds N]
       npm run fuzz -- --replay FILE

targets, and what must hold of every case:
${targets.map(({ name, about, property }) => `  ${name.padEnd(widest)}  ${about}\n  ${"".padEnd(widest)}    ${property}`).join("\n")}

  --seed N       the cases of seed N, 0 to 2^53 (default: RING3_FUZZ_SEED, or a fresh one)
  --minutes M    how long; fractions are fine (default 1)
  --count N      at most N cases
  --kinds N      stop after N kinds of failure (default 10)
  --replay FILE  the one case of a file that a campaign has written
  --help         this text

Of each kind of failure one case is shrunk and written to build/fuzz/TARGET-SEED-N.json.
Exit status: 0 nothing found, 1 something found, 2 a mistake in the command line, 3 the target cannot run on this computer.
docs/fuzzing.md says how a found case becomes a test.
`;

class Usage extends Error {}

function numberOf(option: string, text: string, { whole, least }: { whole: boolean; least: number }): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < least || (whole && !Number.isSafeInteger(value))) {
    throw new Usage(`--${option} ${text}: ${whole ? "a whole number" : "a number"} of at least ${least} is wanted`);
  }
  return value;
}

function targetOf(name: string) {
  const target = targets.find((candidate) => candidate.name === name);
  if (!target) throw new Usage(`no target ${name}; there are ${targets.map((candidate) => candidate.name).join(", ")}`);
  return target;
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        seed: { type: "string" }, minutes: { type: "string", default: "1" }, count: { type: "string" }, kinds: { type: "string", default: "10" },
        replay: { type: "string" }, help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new Usage((error as Error).message.split("\n", 1)[0]);
  }
}

async function command(args: string[], print: (text: string) => void): Promise<number> {
  const { values, positionals } = parsed(args);
  if (values.help) {
    print(help);
    return 0;
  }
  if (values.replay !== undefined) {
    if (positionals.length) throw new Usage("--replay takes the target from the file");
    let stored;
    try {
      stored = readCase(values.replay);
    } catch (error) {
      throw new Usage((error as Error).message);
    }
    const text = await replay(targetOf(stored.target), stored.bytes);
    print(text || `${stored.target}: the property holds of this case`);
    return text ? 1 : 0;
  }
  if (positionals.length !== 1) throw new Usage(`one target is wanted: ${targets.map((target) => target.name).join(", ")}`);
  const found = await campaign(targetOf(positionals[0]!), {
    seed: values.seed === undefined ? defaultSeed() : numberOf("seed", values.seed, { whole: true, least: 0 }),
    seconds: 60 * numberOf("minutes", values.minutes, { whole: false, least: 0 }),
    count: values.count === undefined ? Infinity : numberOf("count", values.count, { whole: true, least: 1 }),
    kinds: numberOf("kinds", values.kinds, { whole: true, least: 1 }),
    print,
  });
  for (const one of found) print(`\n${foundText(one)}`);
  return found.length ? 1 : 0;
}

/** Runs the command; answers its exit status. `complain` gets a line for stderr. */
export async function front(args: string[], print: (text: string) => void, complain: (line: string) => void): Promise<number> {
  try {
    return await command(args, print);
  } catch (error) {
    if (!(error instanceof Usage || error instanceof CannotRun)) throw error;
    complain(`fuzz: ${error.message}${error instanceof Usage ? " (--help lists all)" : ""}`);
    return error instanceof Usage ? 2 : 3;
  }
}
