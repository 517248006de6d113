// What the interpreter executes: micro-operations by their case in exec(), pairs of them, cold operations, and the cases that left
// for their slow twin. For whoever decides what gets a case: `node build.mjs --profile`, then
//
//   node build/profile.mjs [--top N] program [arguments]
//
// `program` is a path or a name in guest-programs/.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Kernel, run } from "../index";

/** build/kernel/profile.json: what the counters stand for, and where they are in the machine's memory. */
interface Profile {
  cases: string[];
  cold: string[];
  at: Record<"cases" | "left" | "cold" | "pairs", number>;
}

interface Count {
  name: string;
  count: number;
}

function largest(counts: Count[], total: number, top: number, title: string): void {
  const shown = counts.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count).slice(0, top);
  if (!shown.length) return;
  console.log(`\n${title}`);
  for (const { name, count } of shown) console.log(`${((100 * count) / total).toFixed(2).padStart(7)} %  ${String(count).padStart(12)}  ${name}`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { top: { type: "string", default: "40" } }, allowPositionals: true });
  const [program, ...args] = positionals;
  if (!program) throw new Error("usage: node build/profile.mjs [--top N] program [arguments]");
  const bundled = join(import.meta.dirname, "../guest-programs", program);
  const bytes = readFileSync(existsSync(program) ? program : bundled);
  const names: Profile = JSON.parse(readFileSync(join(import.meta.dirname, "kernel/profile.json"), "utf8"));
  let kernel!: Kernel;
  const result = await run(bytes, { args: [program, ...args], stdout() {}, onBoot: (booted) => (kernel = booted) });

  const { buffer } = kernel.machine.memory;
  const counts = (at: number, of: string[]): Count[] => [...new BigUint64Array(buffer, at, of.length)].map((count, i) => ({ name: of[i]!, count: Number(count) }));
  const cases = counts(names.at.cases, names.cases);
  const executed = cases.reduce((sum, { count }) => sum + count, 0);
  const pairs = [...new Uint32Array(buffer, names.at.pairs, names.cases.length ** 2)].map((count, i) => ({
    name: `${names.cases[Math.floor(i / names.cases.length)]}, ${names.cases[i % names.cases.length]}`, count,
  }));
  const top = Number(values.top);
  console.log(`${result.instructions} instructions, ${executed} micro-operations`);
  largest(cases, executed, top, "cases");
  largest(pairs, executed, top, "pairs");
  largest(counts(names.at.cold, names.cold), executed, top, "cold operations");
  largest(counts(names.at.left, names.cases), executed, top, "left for the slow twin");
}

await main();
