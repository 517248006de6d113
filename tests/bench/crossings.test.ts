// `ring3 bench`: the counts, which are exact, against `ring3 trace` and against themselves; and the shape of every output.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Bench, type BenchResult } from "../../host/bench/crossings";
import { countRow, type RowCounts, without } from "../../host/bench/crossings-counts";
import { CONFIGURATIONS, configurationTitle, LOOP, ROWS, type Row } from "../../host/bench/crossings-rows";
import { CYCLE_MODELS, modelledCycles } from "../../host/bench/cycle-models";
import { execute, hasProgram, ring3, root, scratchFolder, skip } from "../command";

const program = readFileSync(join(root, "guest-programs/crossings"));
const scratch = scratchFolder();
const code = {};

async function counted(row: Row, configuration: { pti: boolean; pcid: boolean }): Promise<RowCounts> {
  const options = { ...configuration, program, code, seed: 1n, aslr: true };
  const [counts, loop] = [await countRow(row, options), await countRow(LOOP, options)];
  assert.is.not(typeof counts, "string", String(counts));
  return without(counts as RowCounts, loop as RowCounts);
}

const columns = ({ operation, door, pti, pcid, status, ring3Instructions, ring0Instructions, cr3Writes, tlbMisses, walkLoads, modelledCycles: cycles }: BenchResult) =>
  [operation, door, pti, pcid, status, ring3Instructions, ring0Instructions, cr3Writes, tlbMisses, walkLoads, cycles];

const htmlFile = join(scratch, "bench.html");
const first = ring3(["bench", "--json", "--clock", "virtual", "--seed", "7", "--rounds", "1", "--html", htmlFile]);
const bench = JSON.parse(first.text) as Bench;

test("two runs with the same seed print the same counts", () => {
  assert.is(first.status, 0, first.stderr);
  const second = JSON.parse(ring3(["bench", "--json", "--clock", "virtual", "--seed", "7", "--rounds", "1"]).text) as Bench;
  assert.equal(second.rows.map(columns), bench.rows.map(columns));
  assert.is(bench.rows.length, CONFIGURATIONS.length * ROWS.length);
});

test("nothing is drawn on a stderr that is no terminal", () => {
  assert.is(first.stderr, "");
});

test("times come with their spread", () => {
  for (const { title, status, nanoseconds } of bench.rows) {
    if (status !== "ok") continue;
    assert.ok(nanoseconds!.min <= nanoseconds!.median && nanoseconds!.median <= nanoseconds!.max, title);
  }
  assert.ok(bench.others.some(({ door, nanoseconds }) => door === "wasi" && nanoseconds!.median > 0));
});

test("a door that a 64-bit program does not come back from says so, and has no figures; all others have them", () => {
  const absent = bench.rows.filter(({ status }) => status !== "ok");
  for (const row of absent) {
    assert.equal([row.door, row.status], ["sysenter", "ends in SIGSEGV"]);
    assert.equal([row.ring3Instructions, row.ring0Instructions, row.nanoseconds, row.modelledCycles, row.timesVdso], [null, null, null, null, null]);
  }
  assert.is(absent.length, ROWS.filter(({ door }) => door === "sysenter").length * CONFIGURATIONS.length);
});

for (const configuration of CONFIGURATIONS) {
  const title = configurationTitle(configuration);

  test(`${title}: the instructions of a null call are those that trace shows`, async () => {
    const { pti, pcid } = configuration;
    const switches = [`--pti=${pti ? "on" : "off"}`, `--pcid=${pcid ? "on" : "off"}`];
    const traced = ring3(["trace", "--json", "--syscall", "getppid", ...switches, "crossings", "null", "syscall", "1"]);
    assert.is(traced.status, 0, traced.stderr);
    const steps = traced.text.trim().split("\n").map((line) => JSON.parse(line)).filter(({ kind }) => kind === "instruction");
    const counts = await counted({ operation: "null", door: "syscall" }, configuration);
    assert.is(counts.kernel, steps.filter(({ cpl }) => cpl === 0).length);
    // The SYSCALL itself is at ring 3, and before it the number and two arguments are loaded.
    assert.is(steps.filter(({ cpl }) => cpl === 3).length, 1);
    assert.is(counts.user, 4);
    assert.is(counts.dear.writeCr3, counts.cr3Writes);
    assert.is(counts.cr3Writes, pti ? 2 : 0);
  });

  test(`${title}: a steady loop of system calls misses the TLB only where CR3 writes flush it`, async () => {
    const counts = await counted({ operation: "clock_gettime", door: "syscall" }, configuration);
    if (configuration.pti && !configuration.pcid) assert.ok(counts.tlbMisses >= 2 && counts.walkLoads > counts.tlbMisses, JSON.stringify(counts));
    else assert.equal([counts.tlbMisses, counts.walkLoads], [0, 0]);
  });

  test(`${title}: the vDSO stays at ring 3`, async () => {
    for (const operation of ["clock_gettime", "gettimeofday", "time", "getcpu"] as const) {
      const counts = await counted({ operation, door: "vdso" }, configuration);
      assert.equal([counts.kernel, counts.cr3Writes, counts.tlbMisses], [0, 0, 0], operation);
    }
  });
}

test("a modelled call costs its instructions at their prices", async () => {
  const counts = await counted({ operation: "null", door: "syscall" }, CONFIGURATIONS[0]!);
  for (const model of CYCLE_MODELS) {
    const price = (name: keyof RowCounts["dear"]) => model.dear[name][0];
    const dear = price("syscall") + price("sysret") + 2 * (price("swapgs") + price("readCr3") + price("writeCr3")) + price("hypercall");
    assert.is(modelledCycles(model, counts), dear + (counts.instructions - 9) * model.ordinary[0], model.name);
  }
});

test("--csv is a table of as many columns in each line", () => {
  const { text } = ring3(["bench", "--csv", "--rounds", "1", "--pti=off", "--pcid=off"]);
  const lines = text.trimEnd().split("\r\n").map((line) => line.split(","));
  assert.is(lines[0]!.length, 16);
  assert.equal(lines.filter((line) => line.length !== 16), []);
  assert.is(lines.length, 1 + ROWS.length + 1);
});

test("--md is tables of as many columns in each line", () => {
  const { text } = ring3(["bench", "--md", "--rounds", "1", "--pti=off", "--pcid=off"]);
  const lines = text.split("\n").filter((line) => line.startsWith("|"));
  assert.ok(lines.length > 10);
  assert.is(new Set(lines.map((line) => line.split("|").length)).size, 1);
  assert.match(text, /^### PTI off, PCID off$/m);
});

test("--html is one file that needs no other, and its marks match", () => {
  const html = readFileSync(htmlFile, "utf8");
  assert.not.match(html, /<script|<link|<img|@import|url\(|(?:src|href)=/);
  assert.is(html.match(/<svg /g)?.length, 3);
  assert.not.match(html, /NaN|undefined|Infinity/);
  const open: string[] = [];
  for (const [, closing, name, selfClosing] of html.replace(/<!DOCTYPE html>|<style>[\s\S]*?<\/style>/g, "").matchAll(/<(\/?)([a-zA-Z0-9]+)[^>]*?(\/?)>/g)) {
    if (closing) assert.is(open.pop(), name);
    else if (!selfClosing && name !== "meta") open.push(name!);
  }
  assert.equal(open, []);
  for (const [, width] of html.matchAll(/<rect [^>]*width="([^"]*)"/g)) assert.ok(Number(width) >= 0 && Number(width) <= 960, width);
});

test("mistakes are one line and exit status 2", () => {
  for (const words of [["--json", "--csv"], ["hello"], ["--model", "z80"], ["--folded", "x"], ["--env", "A=1"], ["--html", join(scratch, "no/such/folder")]]) {
    const ended = ring3(["bench", ...words]);
    assert.is(ended.status, 2, words.join(" "));
    assert.match(ended.stderr, /^ring3: [^\n]+\n$/);
  }
});

test("the same ELF file goes through the same doors on the processor itself", () => {
  if (!hasProgram("sh")) return skip("crossings natively", "not x86-64 Linux");
  for (const row of ROWS.filter(({ door }) => door === "syscall" || door === "vdso" || door === "loop")) {
    const ended = execute(join(root, "guest-programs/crossings"), [row.operation, row.door, "10", "20"]);
    assert.is(ended.status, 0, `${row.operation} ${row.door}: ${ended.stderr}`);
    assert.match(ended.text, /^\.{4}\n10 \d+\n20 \d+\n$/);
  }
});

test.run();
