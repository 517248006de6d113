// Instances of every row of the instruction table on this computer's chip and on our machine. Skipped where there is no x86-64 Linux.
// 32-bit code too: on the chip, or under qemu-i386.
// Fresh ones each run; RING3_FUZZ_SEED repeats a run.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkRows, findingText } from "./check";
import { type Native, NoChip, buildNativeRunner, buildNativeRunner32 } from "./native";
import { rows } from "../../kernel/decode/rows";

let runner: Native | undefined;
try {
  runner = buildNativeRunner(process.env.RING3_ROOT ?? process.cwd());
} catch (error) {
  if (!(error instanceof NoChip)) throw error;
  console.log(`SKIP: comparison with the chip (${error.message})`);
}

const seed = Number(process.env.RING3_FUZZ_SEED ?? (process.env.CI ? 20221211 : Math.floor(Math.random() * 2 ** 31)));

if (runner) {
  const chip = runner;
  test("every instruction leaves the state that the chip leaves", async () => {
    console.log(`seed ${seed}`);
    const round = await checkRows({ rows, runner: chip, seed, count: 60_000, deadline: Date.now() + 20_000 });
    const texts = await Promise.all(round.findings.slice(0, 10).map((finding) => findingText(finding, true)));
    assert.is(round.findings.length, 0, `seed ${seed}, ${round.findings.length} kinds of difference\n${texts.join("\n\n")}`);
  });
}

let runner32: Native | undefined;
try {
  runner32 = buildNativeRunner32(process.env.RING3_ROOT ?? process.cwd());
} catch (error) {
  if (!(error instanceof NoChip)) throw error;
  console.log(`SKIP: comparison of 32-bit code (${error.message})`);
}

if (runner32) {
  const reference = runner32;
  test("32-bit code leaves the state that the chip leaves, or qemu-i386 where the kernel has no 32-bit programs", async () => {
    console.log(`seed ${seed}, 32-bit mode on ${reference.name}`);
    const round = await checkRows({ rows, runner: reference, seed, mode: 32, count: 15_000, deadline: Date.now() + 10_000 });
    const texts = await Promise.all(round.findings.slice(0, 10).map((finding) => findingText(finding, true)));
    assert.is(round.findings.length, 0, `seed ${seed}, ${round.findings.length} kinds of difference\n${texts.join("\n\n")}`);
  });
}

test.run();
