// `ring3 bench doors`: its counts against themselves, against `ring3 bench`, against the meter that counts crossings at full speed, and
// against docs/doors.md. With RING3_UPDATE_GOLDEN=1 the table there is made anew.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CrossingMeter, run } from "../../host/index";
import { countRow, type RowCounts, without } from "../../host/bench/crossings-counts";
import { LOOP } from "../../host/bench/crossings-rows";
import { type DoorResult, measureDoors } from "../../host/bench/doors";
import { doorGuest } from "../../host/bench/doors-guest";
import { doorsMarkdown, groupsOf } from "../../host/bench/doors-report";
import { DEFAULT_SWITCHES, DOORS, machinesFor, type Switches } from "../../host/bench/doors-rows";
import { ring3, root } from "../command";

const base = { seed: 1n, aslr: true, clock: "virtual", rounds: 0, fixed: {} } as const;
const bench = await measureDoors(base);
const measured = bench.rows;
const of = (name: string, machine: Partial<Switches> = {}): DoorResult =>
  measured.find((row) => row.door === name && Object.entries(machine).every(([key, value]) => row.machine[key as keyof Switches] === value))!;

test("every door is gone through on every machine, and costs what it cost the first time", async () => {
  assert.is(measured.length, DOORS.reduce((sum, door) => sum + machinesFor(door, {}).length, 0));
  assert.equal(measured.filter(({ status }) => status !== "ok").map(({ door, machine }) => [door, machine.vsyscall]), [["vsyscall", "none"]]);
  const { vendor: _, ...fixed } = DEFAULT_SWITCHES;
  for (const { door, machine, counts } of (await measureDoors({ ...base, fixed })).rows) assert.equal(counts, of(door, machine).counts, door);
});

test("docs/doors.md has the counts that ring3 bench doors finds", () => {
  const file = join(root, "docs/doors.md");
  const COSTS = /(?<=<!-- costs -->\n)[\s\S]*(?=<!-- \/costs -->)/;
  if (process.env.RING3_UPDATE_GOLDEN) writeFileSync(file, readFileSync(file, "utf8").replace(COSTS, () => doorsMarkdown(bench)));
  assert.is(COSTS.exec(readFileSync(file, "utf8"))![0], doorsMarkdown(bench), "npm run docs:doors makes the table anew");
});

test("under PTI a door writes CR3 twice, without it never; with PCID only what must be walked misses the TLB", () => {
  for (const { door, machine, counts } of measured) {
    if (counts === null) continue;
    assert.is(counts.cr3Writes, machine.pti ? 2 : 0, door);
    // A translation that fails is never kept.
    const faulting = door === "pf" || door === "vsyscall" ? 1 : 0;
    if (machine.pti && !machine.pcid) assert.ok(counts.tlbMisses > 5 && counts.walkLoads > counts.tlbMisses, door);
    else assert.is(counts.tlbMisses, faulting, door);
  }
});

test("SYSCALL costs here what it costs in `ring3 bench`", async () => {
  const options = { pti: true, pcid: true, program: readFileSync(join(root, "guest-programs/crossings")), code: {}, seed: 1n, aslr: true };
  const [call, loop] = [await countRow({ operation: "null", door: "syscall" }, options), await countRow(LOOP, options)];
  const { kernel, cr3Writes, tlbMisses, walkLoads } = without(call as RowCounts, loop as RowCounts);
  const { user: _, ...counts } = of("syscall").counts!;
  assert.equal(counts, { kernel, cr3Writes, tlbMisses, walkLoads });
});

test("the instructions at ring 0 are those that the meter of crossings counts", async () => {
  const TIMES = 50;
  const causes: Record<string, string> = { syscall: "syscall 110", "int80-64": "syscall32 64", "int80-32": "syscall32 64", sysenter: "syscall32 64", "syscall-32": "syscall32 64" };
  for (const door of DOORS.filter(({ name }) => name in causes)) {
    let meter!: CrossingMeter;
    const result = await run(doorGuest(door, [TIMES]), {
      clock: "virtual", seed: 1, vendor: door.vendor, memoryMiB: 8, stdout: () => {},
      onBoot: ({ ring0 }) => void (meter = new CrossingMeter(ring0, { nowNs: () => 0 })),
    });
    assert.is(result.status, 0, door.name);
    const total = meter.totals.get(causes[door.name]!)!;
    assert.is(total.count, TIMES);
    assert.is((total.entryInstructions + total.exitInstructions) / TIMES, of(door.name).counts!.kernel, door.name);
  }
});

test("a machine without the vsyscall page kills the program that calls it, and the row says so", async () => {
  const { rows } = await measureDoors({ ...base, fixed: { ...DEFAULT_SWITCHES, vsyscall: "none" }, doors: DOORS.filter(({ name }) => name === "vsyscall") });
  assert.equal(rows.map(({ status, counts }) => [status, counts]), [["the program dies of SIGSEGV", null]]);
});

test("machines on which a door costs the same are one line", () => {
  const syscall = groupsOf(measured.filter(({ door }) => door === "syscall"));
  assert.equal(syscall.map(({ first, machines }) => [first.machine.pti, first.machine.pcid, machines.length]), [[true, true, 5], [true, false, 1], [false, true, 2]]);
});

const command = (...words: string[]) => ring3(["bench", "doors", "--rounds", "1", "--pcid=off", "--pti=off", "--vendor", "intel", "--smep=off", "--smap=off", "--fsgsbase=off", "--vsyscall", "emulate", ...words]);

test("--csv and --md have as many columns in each line, and times with their spread", () => {
  const csv = command("--csv");
  assert.is(csv.status, 0, csv.stderr);
  assert.is(csv.stderr, "");
  const lines = csv.text.trimEnd().split("\r\n").map((line) => line.split(","));
  assert.is(lines.length, 1 + DOORS.filter(({ vendor }) => vendor !== "amd").length);
  assert.equal(new Set(lines.map((line) => line.length)), new Set([18]));
  for (const line of lines.slice(1)) {
    const [median, least, most] = line.slice(-3).map(Number) as [number, number, number];
    assert.ok(least <= median && median <= most && most > 0, line.join());
    assert.equal(line.slice(2, 9), ["off", "off", "off", "off", "off", "emulate", "intel"]);
  }
});

test("mistakes are one line and exit status 2", () => {
  for (const words of [["hello"], ["--html", "x"], ["--native"], ["--json", "--csv"], ["--env", "A=1"], ["--model", "zen"], ["--program", "hello"]]) {
    const ended = ring3(["bench", "doors", ...words]);
    assert.is(ended.status, 2, words.join(" "));
    assert.match(ended.stderr, /^ring3: [^\n]+\n$/);
  }
});

test.run();
