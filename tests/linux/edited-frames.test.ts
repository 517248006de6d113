// What becomes of a program whose handler edits any field of its frame: guest-programs/edited-frames.c, whose lines are held against
// this computer's own Linux and against tests/golden/edited-frames.txt, which is what Linux 6.1 and the SDM's IRETQ make of them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run, type RunOptions } from "../../host/index";
import { execute, root, skip } from "../command";

const golden = readFileSync(join(root, "tests/golden/edited-frames.txt"), "utf8").trimEnd().split("\n");
const program = readFileSync(join(root, "guest-programs/edited-frames"));
/** Lines that depend on what IRETQ checks, not on the kernel alone. */
const HARDWARE = "hardware: ";
/** Linux 6.12 restores uc_stack before the registers, 6.1 behind them. */
const VERSION = "Linux 6.1: ";

async function lines(options: RunOptions): Promise<string[]> {
  const { stdout } = await run(program, { seed: 1, stdin: "", timeoutMs: 20_000, onNotice: () => {}, ...options });
  return Buffer.from(stdout).toString().trimEnd().split("\n");
}

test("a handler that edits any field of its frame gets what Linux gives, by every way in and out", async () => {
  for (const options of [{}, { pti: false }, { pcid: false }, { vendor: "amd" as const }, { fsgsbase: false, smap: false, smep: false }]) {
    assert.equal(await lines(options), golden, JSON.stringify(options));
  }
});

test("and what this computer's Linux gives", () => {
  if (process.platform !== "linux" || process.arch !== "x64") return skip("edited frames natively", "not x86-64 Linux");
  const natively = execute(join(root, "guest-programs/edited-frames"), []).text.trimEnd().split("\n");
  const ofKernel = (all: string[]) => all.slice(0, all.findIndex((line) => line.startsWith(VERSION)));
  assert.equal(ofKernel(natively), ofKernel(golden));
  const missing = natively.find((line) => /^hardware: no /.test(line));
  if (missing !== undefined) return skip("edited frames that IRETQ judges, natively", missing.slice(HARDWARE.length));
  const ofHardware = (all: string[]) => all.filter((line) => line.startsWith(HARDWARE));
  assert.equal(ofHardware(natively), ofHardware(golden));
});

test.run();
