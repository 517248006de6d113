// The corner cases on our machine against what a chip did: tests/golden/corner-cases-*.txt, one a vendor, recorded by
// RING3_RECORD=1 on x86-64 Linux. Where there is a chip, the recording of its vendor is held against it too.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Vendor, cpuModel } from "../../host/machine/cpu-models";
import { projectRoot } from "../source-files";
import { type Case, FX_FCW, FX_FDP, FX_FIP, FX_ST, type Result } from "./case-format";
import { canStart, registerNames } from "./compare";
import { type CornerCase, caseOf, cornerCases } from "./corner-cases";
import { MachineRunner, type Path } from "./machine-runner";
import { type Native, NoChip, buildNativeRunner, chipName, chipVendor, runNatively } from "./native";

const recordingOf = (vendor: Vendor) => join(projectRoot, `tests/golden/corner-cases-${vendor}.txt`);
const cases = cornerCases.map(caseOf);
const hex = (value: bigint | number) => value.toString(16);

/** What an instruction did, in one line: how it ended and what it changed. */
function outcome(corner: CornerCase, before: Case, after: Result, path?: string): string {
  const words: string[] = [];
  if (after.vector === 3) words.push(`done rip=${hex(after.rip - 1n)}`);
  else {
    words.push(`vector ${after.vector} error ${hex(after.vector === 14 && after.cr2 >> 47n ? after.error | 1n : after.error)} rip=${hex(after.rip)}`);
    if (after.vector === 14) words.push(`cr2=${hex(after.cr2)}`);
  }
  for (let i = 0; i < 16; i++) if (before.gpr[i] !== after.gpr[i]) words.push(`${registerNames[i]}=${hex(after.gpr[i])}`);
  // Stepping ends run() after each iteration of REP, as an interrupt would: then the flags are those of the iteration, which Intel's chips do not show after a fault.
  const shown = path === "intel, step" && corner.flagsByIteration ? before.rflags | 0x10000n : after.rflags;
  words.push(`flags=${hex(shown & ~BigInt(corner.undefinedFlags ?? 0))}`);
  if (before.fsBase !== after.fsBase) words.push(`fs=${hex(after.fsBase)}`);
  if (before.gsBase !== after.gsBase) words.push(`gs=${hex(after.gsBase)}`);
  for (const [offset, value] of corner.ignoreMemory ? [] : after.differences) words.push(`[${hex(0x20000000 + offset)}]=${hex(value)}`);
  // FCW FSW FTW FOP, FIP and FDP by their values.
  const image = (c: { fx: Uint8Array }) => new DataView(c.fx.buffer, c.fx.byteOffset, c.fx.byteLength);
  for (const at of [FX_FCW, FX_FIP, FX_FDP]) {
    const value = image(after).getBigUint64(at, true);
    if (image(before).getBigUint64(at, true) !== value) words.push(`fx+${at}=${hex(value)}`);
  }
  for (let at = FX_ST; at < after.fx.length; at += 8) {
    if (before.fx.subarray(at, at + 8).some((byte, i) => byte !== after.fx[at + i])) words.push(`fx+${at}`);
  }
  return words.join(" ");
}

let runner: Native | undefined;
try {
  runner = buildNativeRunner(projectRoot);
} catch (error) {
  if (!(error instanceof NoChip)) throw error;
  console.log(`SKIP: recording of the corner cases against the chip (${error.message})`);
}

if (runner && process.env.RING3_RECORD) {
  const results = runNatively(runner, cases);
  const lines = cornerCases.map((corner, i) => `${corner.name}: ${outcome(corner, cases[i], results[i])}`).filter((_, i) => canStart(cases[i], chipVendor()));
  writeFileSync(recordingOf(chipVendor()), `Recorded on ${chipName()}\n${lines.join("\n")}\n`);
}

/** A recording says nothing of the cases that were written after it, on a computer of another vendor. */
function recorded(vendor: Vendor): Map<string, string> {
  const lines = readFileSync(recordingOf(vendor), "utf8").trimEnd().split("\n").slice(1);
  return new Map(lines.map((line) => line.split(/: (?=done|vector)/) as [string, string]));
}

const recordings = { intel: recorded("intel"), amd: recorded("amd") };

test("every case is in a recording, once, and no recording has others", () => {
  const names = cornerCases.map((corner) => corner.name);
  assert.is(new Set(names).size, names.length);
  assert.equal(names.filter((name) => !recordings.intel.has(name) && !recordings.amd.has(name)), []);
  for (const recording of Object.values(recordings)) assert.equal([...recording.keys()].filter((name) => !names.includes(name)), []);
});

if (runner) {
  const chip = runner;
  test("the chip does what is recorded", () => {
    const results = runNatively(chip, cases);
    const recording = recordings[chipVendor()];
    cornerCases.forEach((corner, i) => !canStart(cases[i], chipVendor()) || assert.is(outcome(corner, cases[i], results[i]), recording.get(corner.name) ?? "not recorded", corner.name));
  });
}

for (const vendor of ["intel", "amd"] as Vendor[]) {
  const machine = await MachineRunner.create({ ...cpuModel("v2"), vendor });
  for (const path of ["step", "block"] as Path[]) {
    cornerCases.forEach((corner, i) => {
      const expected = recordings[vendor].get(corner.name);
      if (expected === undefined) return;
      test(`${corner.name} (${vendor}, ${path})`, () => {
        assert.is(outcome(corner, cases[i], machine.run(cases[i], path), `${vendor}, ${path}`), expected);
      });
    });
  }
}

test.run();
