// Flags, RCX and R11, segment registers and their bases over every way into the kernel and back, and what single-stepping sees there:
// guest-programs/kept-state.c, held against this computer's own Linux and against tests/golden/kept-state.txt, which is what Linux 6.1
// and the SDM make of it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run, type RunOptions } from "../../host/index";
import { execute, root, skip } from "../command";

const golden = readFileSync(join(root, "tests/golden/kept-state.txt"), "utf8").trimEnd().split("\n");
const program = readFileSync(join(root, "guest-programs/kept-state"));
/** Lines in which a processor, or what stands in its place, has a part. */
const HARDWARE = "hardware: ";
const NO_FSGSBASE = "hardware: no FSGSBASE";
const usesFsgsbase = (line: string) => /WR[FG]SBASE|no FSGSBASE/.test(line);

async function lines(options: RunOptions): Promise<string[]> {
  const { stdout } = await run(program, { seed: 1, stdin: "", timeoutMs: 20_000, onNotice: () => {}, ...options });
  return Buffer.from(stdout).toString().trimEnd().split("\n");
}

test("flags, selectors and bases are kept over every door, signals, the timer and page faults; steps stand where they should", async () => {
  for (const options of [{}, { clock: "virtual" as const, pti: false }, { pcid: false }, { vendor: "amd" as const }]) {
    assert.equal(await lines(options), golden, JSON.stringify(options));
  }
});

test("also without FSGSBASE, where paranoid entry goes by the sign of the GS base", async () => {
  for (const pti of [true, false]) {
    const found = await lines({ fsgsbase: false, smap: false, pti });
    assert.equal(found.filter((line) => !usesFsgsbase(line)), golden.filter((line) => !usesFsgsbase(line)));
    assert.ok(found.includes(NO_FSGSBASE));
  }
});

test("and the same by this computer's Linux", () => {
  if (process.platform !== "linux" || process.arch !== "x64") return skip("kept state natively", "not x86-64 Linux");
  const natively = execute(join(root, "guest-programs/kept-state"), []).text.trimEnd().split("\n");
  const ofKernel = (all: string[]) => all.filter((line) => !line.startsWith(HARDWARE));
  assert.equal(ofKernel(natively), ofKernel(golden));
  const missing = natively.find((line) => /^hardware: no 32-bit/.test(line));
  if (missing !== undefined) return skip("state that the processor keeps, natively", missing.slice(HARDWARE.length));
  assert.equal(natively.filter((line) => !usesFsgsbase(line)), golden.filter((line) => !usesFsgsbase(line)));
});

test.run();
