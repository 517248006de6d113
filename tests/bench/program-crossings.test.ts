// `ring3 bench --program`: every instruction and every call of a program is somewhere in the table, and only once.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ProgramCrossings } from "../../host/bench/program-crossings";
import { ring3, scratchFolder } from "../command";

const scratch = scratchFolder();
const fixed = ["--clock", "virtual", "--seed", "3"];

function measured(...words: string[]): ProgramCrossings {
  const ended = ring3(["bench", "--json", ...words]);
  return JSON.parse(ended.text) as ProgramCrossings;
}

const total = (report: ProgramCrossings, of: (row: ProgramCrossings["crossings"][number]) => number) => report.crossings.reduce((sum, row) => sum + of(row), 0);

for (const [pti, pcid] of [["on", "on"], ["on", "off"], ["off", "off"]] as const) {
  test(`PTI ${pti}, PCID ${pcid}: user mode and crossings add up to what an unmetered run retires`, () => {
    for (const [name, ...args] of [["hello"], ["page-fault"], ["fib", "3"], ["getppid", "500"]] as const) {
      const report = measured(...fixed, `--pti=${pti}`, `--pcid=${pcid}`, "--program", name, ...args);
      const plain = ring3(["run", "--stats", ...fixed, `--pti=${pti}`, `--pcid=${pcid}`, name, ...args]);
      assert.is(report.instructions, Number(/(\d+) instructions/.exec(plain.stderr)![1]), name);
      const kernel = total(report, ({ entryInstructions, exitInstructions }) => entryInstructions + exitInstructions);
      assert.is(report.userInstructions + kernel, report.instructions, name);
    }
  });
}

test("calls are counted by number and name, as strace lists them", () => {
  const report = measured(...fixed, "--program", "hello");
  const traced = ring3(["run", "--strace", ...fixed, "hello"]).stderr.split("\n").slice(1);
  for (const { kind, name, count } of report.crossings) {
    if (kind === "syscall") assert.is(traced.filter((line) => line.startsWith(`${name}(`)).length, count, name);
  }
  const writev = report.crossings.find(({ name }) => name === "writev")!;
  assert.is(writev.number, 20);
});

test("a call in a loop costs each time what it costs in ring3 bench", () => {
  const report = measured(...fixed, "--program", "getppid", "1000");
  const { count, entryInstructions, exitInstructions } = report.crossings.find(({ name }) => name === "getppid")!;
  assert.is(count, 1001, "one before the loop");
  assert.is(entryInstructions % count, 0);
  assert.is((entryInstructions + exitInstructions) / count, 93);
});

test("page faults, timer interrupts and signals are crossings too", () => {
  const faults = measured(...fixed, "--program", "page-fault");
  assert.ok(faults.crossings.find(({ name }) => name === "exc_page_fault")!.count >= 16);
  const timers = measured(...fixed, "--program", "timers");
  assert.is(timers.status, 0);
  assert.ok(timers.crossings.some(({ name, count }) => name === "sysvec_apic_timer_interrupt" && count > 1));
  assert.ok(timers.crossings.some(({ name }) => name === "rt_sigreturn"));
});

test("the report alone is on standard output, and the program's status is ours", () => {
  const ended = ring3(["bench", "--program", "segv"]);
  assert.is(ended.status, 139);
  assert.match(ended.stderr, /segv: writing to address 0/);
  assert.match(ended.text, /^crossings of segv, which ended with SIGSEGV\n/);
  assert.is(ring3(["bench", "--program", "no-such-program"]).status, 127);
});

test("--folded is a stack and a weight a line, and adds up to the table's times", () => {
  const file = join(scratch, "hello.folded");
  const report = measured("--program", "hello", "--folded", file);
  let sum = 0;
  for (const line of readFileSync(file, "utf8").trimEnd().split("\n")) {
    const match = /^hello(;[^;]+)+ (\d+)$/.exec(line);
    assert.ok(match, line);
    sum += Number(match[2]);
  }
  const ns = report.userNs + total(report, (row) => row.entryNs + row.exitNs + row.handlerNs);
  assert.ok(Math.abs(sum - ns) <= 3 * report.crossings.length + 1, `${sum} of ${ns}`);
});

test("--csv and --md hold the same counts", () => {
  const csv = ring3(["bench", ...fixed, "--csv", "--program", "hello"]).text.trimEnd().split("\r\n");
  assert.equal(csv.filter((line) => line.split(",").length !== 9), []);
  const md = ring3(["bench", ...fixed, "--md", "--program", "hello"]).text;
  for (const line of csv.slice(1, -1)) {
    const [, number, name, count, entry] = line.split(",");
    assert.ok(md.includes(`| ${name} | ${number} | ${count} | ${entry} |`), name);
  }
});

test.run();
