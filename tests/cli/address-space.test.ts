// `ring3 maps`, `ring3 aslr`, --clock and --date, from the outside.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { measure, REGIONS } from "../../host/cli/aslr";
import { sideBySide } from "../../host/cli/maps";
import { parseOptions } from "../../host/cli/options";
import { ring3, scratchFolder } from "../command";

test("maps prints the runs side by side, the vDSO at another address in each", () => {
  const { text, status } = ring3(["maps", "--runs", "3", "hello"]);
  assert.is(status, 0);
  assert.match(text, /^ +run 1 +run 2 +run 3\n/);
  const [, vdso] = /^r-xp \[vdso\] +(.*)$/m.exec(text)!;
  assert.is(new Set(vdso!.split(/ +/)).size, 3);
  assert.not.match(text, "Hello");
});

test("maps of one run are Linux's own lines; without randomisation all runs are alike", () => {
  const one = ring3(["maps", "--runs=1", "--no-aslr", "hello"]).text;
  assert.match(one, /^7ffff7ffa000-7ffff7ffe000 r--p 00000000 00:00 0 {18,}\[vvar\]$/m);
  assert.match(one, /^7ffff7ffe000-7ffff7fff000 r-xp 00000000 00:00 0 {18,}\[vdso\]$/m);
  const two = ring3(["maps", "--no-aslr", "hello"]).text;
  for (const line of two.trimEnd().split("\n").slice(1)) {
    const [first, second] = line.split(/ +/).slice(-2);
    assert.is(first, second);
  }
});

test("a program that does not end shows where it stood at its timeout", () => {
  const { text, status } = ring3(["maps", "--runs=1", "--timeout", "0.2", "sieve", "1000000000"]);
  assert.is(status, 124);
  assert.match(text, /\[vdso\]$/m);
});

test("runs that do not fit side by side go into bands, and a region that a run lacks is a dash", () => {
  const region = (range: string, name: string) => ({ range, rights: "rw-p", name });
  const runs = [[region("1000-2000", "a")], [region("3000-4000", "a"), region("5000-6000", "b")], [region("7000-8000", "a")]];
  const text = sideBySide(runs, 35);
  assert.is(text, "        run 1      run 2\nrw-p a  1000-2000  3000-4000\nrw-p b  -          5000-6000\n\n        run 3\nrw-p a  7000-8000\nrw-p b  -\n");
});

test("aslr measures Linux's bits, draws them, and without randomisation finds none", () => {
  const svg = join(scratchFolder(), "aslr.svg");
  const { text, status } = ring3(["aslr", "--execs", "1500", "--seed", "7", "--svg", svg]);
  assert.is(status, 0);
  for (const [region, bits, slack] of [["program", 28, 0.2], ["mmap", 28, 0.2], ["heap, above the program", 13, 0.2], ["stack's end", 22, 0.2], ["stack pointer", 30, 0.3], ["vdso", 22, 0.3]] as const) {
    const row = new RegExp(`^${region} +[0-9a-f]+ +[0-9a-f]+ +([0-9.]+) +([0-9.]+) +${bits} `, "m").exec(text);
    assert.ok(row, `${region}\n${text}`);
    assert.ok(Math.abs(Number(row[2]) - bits) < slack, row[0]);
  }
  assert.match(readFileSync(svg, "utf8"), /^<svg [^]*<\/svg>\n$/);
  assert.is(ring3(["aslr", "--execs", "1500", "--seed", "7"]).text, text);
  const none = ring3(["aslr", "--execs", "5", "--no-aslr"]).text;
  assert.match(none, /^program +555555554000 +555555554000 +0\.0 +0\.0/m);
});

test("a region's statistics: span, entropy by bit, histogram", () => {
  const row = { ...REGIONS[0]!, step: 16 };
  const all = measure(row, Array.from({ length: 1024 }, (_, index) => 0x1000 + 16 * index));
  assert.equal([all.lowest, all.highest, all.spanBits], [0x1000, 0x1000 + 16 * 1023, 10]);
  assert.ok(Math.abs(all.entropyBits - 10) < 1e-9);
  assert.is(all.histogram.reduce((sum, count) => sum + count, 0), 1024);
  assert.is(measure(row, [5, 5, 5]).entropyBits, 0);
});

test("dates: a day, a time, a zone, seconds since 1970; nothing else", () => {
  const date = (text: string): number | undefined => parseOptions("run", ["--date", text, "x"]).options.date;
  assert.is(date("2024-02-29"), Date.UTC(2024, 1, 29));
  assert.is(date("2024-02-29T12:30"), Date.UTC(2024, 1, 29, 12, 30));
  assert.is(date("2024-02-29 12:30:15.5Z"), Date.UTC(2024, 1, 29, 12, 30, 15, 500));
  assert.is(date("2024-02-29T12:30+01:00"), Date.UTC(2024, 1, 29, 11, 30));
  assert.is(date("@86400"), 86_400_000);
  for (const text of ["2023-02-29", "2024-13-01", "yesterday", "1969-12-31", "2300-01-01", "2024", "@", "12:30"]) assert.throws(() => date(text), /--date/);
});

test("--clock=virtual makes two runs alike, to the instruction", () => {
  const statistics = (): string => /\d+ instructions/.exec(ring3(["run", "--clock=virtual", "--seed", "3", "--stats", "hello"]).stderr)![0];
  assert.is(statistics(), statistics());
  assert.is(ring3(["run", "--clock=sundial", "hello"]).status, 2);
});

test("counts and misplaced programs are usage errors of one line", () => {
  for (const words of [["maps", "--runs", "0", "hello"], ["maps", "--runs", "many", "hello"], ["maps"], ["aslr", "hello"], ["vdso", "hello"], ["vdso", "--dump", "/no/such/folder/x"]]) {
    const { status, stderr } = ring3(words);
    assert.is(status, 2, words.join(" "));
    assert.is(stderr.trimEnd().split("\n").length, 1);
  }
});

test.run();
