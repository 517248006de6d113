// Runs a target for some time: prints its seed first, makes cases from it, and of every kind of failure shrinks one case (fast-check)
// and writes it to build/fuzz, from where it can be replayed. The case under way stands in build/fuzz/NAME.last.json, for a host that hangs.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import fc from "fast-check";
import { Random } from "../silicon/random";
import { projectRoot } from "../source-files";
import { CannotRun, type Checker, type Target } from "./target";

export interface Campaign {
  seed: number;
  seconds: number;
  /** Cases at the most. */
  count: number;
  /** Kinds of failure after which it stops. */
  kinds: number;
  print: (line: string) => void;
}

export interface Found {
  /** First line of what the check said. */
  kind: string;
  text: string;
  /** How often, before shrinking. */
  times: number;
  bytes: Uint8Array;
  file: string;
}

/** A found case as it is stored. */
interface StoredCase {
  target: string;
  seed: number;
  /** Hexadecimal. */
  case: string;
}

/** Longest that shrinking one case may take. */
const SHRINK_MS = 15_000;
/** A long campaign says this often how far it is. */
const PROGRESS_MS = 60_000;
const folder = join(projectRoot, "build/fuzz");

/** The seed of RING3_FUZZ_SEED; a fixed one in CI, which must not fail by chance; else a fresh one. */
export function defaultSeed(): number {
  return Number(process.env.RING3_FUZZ_SEED ?? (process.env.CI ? 20221211 : Math.floor(Math.random() * 2 ** 31)));
}

const kindOf = (text: string) => text.split("\n", 1)[0]!;

/** A thrown error is of the kind of the place that it comes from. */
function thrownText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = error.stack?.split("\n").find((line) => /^\s+at /.test(line))?.trim() ?? "";
  return `${error.name} ${place}\n${error.stack}`;
}

async function answers(checker: Checker, cases: readonly Uint8Array[]): Promise<string[]> {
  try {
    return await checker.check(cases);
  } catch (error) {
    if (cases.length === 1) return [thrownText(error)];
    const each: string[] = [];
    for (const bytes of cases) each.push(...(await answers(checker, [bytes])));
    return each;
  }
}

/** The smallest case of the same kind that fast-check finds in the time. */
async function shrink(checker: Checker, bytes: Uint8Array, kind: string): Promise<Uint8Array> {
  const holds = async (candidate: Uint8Array) => kindOf((await answers(checker, [candidate]))[0]!) !== kind;
  const details = await fc.check(fc.asyncProperty(fc.uint8Array({ maxLength: bytes.length }), holds), {
    examples: [[bytes]], numRuns: 1, interruptAfterTimeLimit: SHRINK_MS,
  });
  return details.counterexample?.[0] ?? bytes;
}

function writeCase(file: string, target: Target, seed: number, bytes: Uint8Array): void {
  const stored: StoredCase = { target: target.name, seed, case: Buffer.from(bytes).toString("hex") };
  writeFileSync(file, `${JSON.stringify(stored)}\n`);
}

/** @throws Error in a line when the file is not a stored case */
export function readCase(file: string): { target: string; bytes: Uint8Array } {
  let stored: Partial<StoredCase>;
  try {
    stored = JSON.parse(readFileSync(file, "utf8")) as Partial<StoredCase>;
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`);
  }
  if (typeof stored.target !== "string" || typeof stored.case !== "string" || !/^([0-9a-f]{2})*$/i.test(stored.case)) {
    throw new Error(`${file}: not a stored case: it wants "target", "seed" and "case" (hexadecimal bytes)`);
  }
  return { target: stored.target, bytes: new Uint8Array(Buffer.from(stored.case, "hex")) };
}

/** Answers what the check says of one case, "" if nothing. */
export async function replay(target: Target, bytes: Uint8Array): Promise<string> {
  const checker = await target.open();
  const [text] = await answers(checker, [bytes]);
  return text ? `${text}\n${checker.describe?.(bytes) ?? ""}` : "";
}

/** Runs the campaign and answers what it found, one of each kind. */
export async function campaign(target: Target, options: Campaign): Promise<Found[]> {
  const { seed, print } = options;
  print(`${target.name}: seed ${seed}`);
  const checker = await target.open();
  const batch = checker.batch ?? 1;
  const random = new Random(seed);
  mkdirSync(folder, { recursive: true });
  const last = join(folder, `${target.name}.last.json`);
  const found = new Map<string, Found>();
  const begun = Date.now();
  const end = begun + options.seconds * 1000;
  let done = 0;
  let shrinking = 0;
  let told = begun;
  while (done < options.count && (done === 0 || Date.now() < end + shrinking) && found.size < options.kinds) {
    const cases = Array.from({ length: Math.min(batch, options.count - done) }, () => checker.generate(random));
    if (batch === 1) writeCase(last, target, seed, cases[0]!);
    const texts = await answers(checker, cases);
    done += cases.length;
    if (Date.now() - told > PROGRESS_MS) {
      told = Date.now();
      print(`${target.name}: ${done} cases so far, ${found.size} kinds of failure`);
    }
    for (const [i, text] of texts.entries()) {
      if (!text || found.size >= options.kinds) continue;
      const kind = kindOf(text);
      const known = found.get(kind);
      if (known) {
        known.times++;
        continue;
      }
      const before = Date.now();
      const bytes = await shrink(checker, cases[i]!, kind);
      const file = join(folder, `${target.name}-${seed}-${found.size + 1}.json`);
      writeCase(file, target, seed, bytes);
      const [small] = await answers(checker, [bytes]);
      found.set(kind, { kind, text: `${small || text}\n${checker.describe?.(bytes) ?? ""}`.trimEnd(), times: 1, bytes, file: relative(projectRoot, file) });
      shrinking += Date.now() - before;
    }
  }
  const seconds = Math.max(0.001, (Date.now() - begun - shrinking) / 1000);
  print(`${target.name}: ${done} cases in ${seconds.toFixed(1)} s, ${Math.round(done / seconds)} a second`);
  return [...found.values()];
}

/** What the tests do: some seconds of a target; RING3_FUZZ_SEED, RING3_FUZZ_SECONDS and RING3_FUZZ_COUNT change them. */
export async function testCampaign(target: Target, seconds = 4): Promise<void> {
  let found: Found[];
  try {
    found = await campaign(target, {
      seed: defaultSeed(),
      seconds: Number(process.env.RING3_FUZZ_SECONDS ?? seconds),
      count: Number(process.env.RING3_FUZZ_COUNT ?? Infinity),
      kinds: 5,
      print: console.log,
    });
  } catch (error) {
    if (!(error instanceof CannotRun)) throw error;
    console.log(`SKIP: ${target.name} (${error.message})`);
    return;
  }
  if (found.length === 0) return;
  const failure = new Error(found.map(foundText).join("\n\n"));
  failure.stack = failure.message;
  throw failure;
}

export function foundText(found: Found): string {
  return `${found.text}\n  ${found.times} of this kind; again: npm run fuzz -- --replay ${found.file}`;
}
