// What each exception tells the handler of its signal, from 64-bit and from 32-bit code: guest-programs/exceptions.c, held against this
// computer and against tests/golden/exceptions.txt, which is what Linux 6.1 makes of the exceptions of the SDM.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run } from "../../host/index";
import { execute, root, skip } from "../command";

const golden = readFileSync(join(root, "tests/golden/exceptions.txt"), "utf8").trimEnd().split("\n");
const program = readFileSync(join(root, "guest-programs/exceptions"));
/** Lines in which a processor, or what stands in its place, has a part. */
const HARDWARE = "hardware: ";

test("each exception of 64-bit and of 32-bit code has its signal, si_code, si_addr, trapno and err", async () => {
  for (const options of [{}, { pti: false }, { vendor: "amd" as const, fsgsbase: false }]) {
    const { stdout } = await run(program, { seed: 1, stdin: "", timeoutMs: 20_000, onNotice: () => {}, ...options });
    assert.equal(Buffer.from(stdout).toString().trimEnd().split("\n"), golden, JSON.stringify(options));
  }
});

test("and the same by this computer's Linux", () => {
  if (process.platform !== "linux" || process.arch !== "x64") return skip("exceptions natively", "not x86-64 Linux");
  const natively = execute(join(root, "guest-programs/exceptions"), []).text.trimEnd().split("\n");
  const ofKernel = (all: string[]) => all.filter((line) => !line.startsWith(HARDWARE));
  assert.equal(ofKernel(natively), ofKernel(golden));
  const missing = natively.find((line) => /^hardware: no /.test(line));
  if (missing !== undefined) return skip("exceptions of 32-bit code natively", missing.slice(HARDWARE.length));
  assert.equal(natively, golden);
});

test.run();
