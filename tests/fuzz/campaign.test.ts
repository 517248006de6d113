// The mechanism that all fuzz targets share: seeds, shrinking, stored cases, and the watch over guest RAM.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../silicon/random";
import { projectRoot } from "../source-files";
import { type Campaign, campaign, readCase, replay } from "./campaign";
import { Choices } from "./choices";
import { front } from "./front";
import { guardedRun } from "./guarded-run";
import { MemoryWatch } from "./memory-watch";
import type { Target } from "./target";
import { targets } from "./targets";
import { tinyElf } from "./tiny-elf";

const options = (over: Partial<Campaign> = {}): Campaign => ({ seed: 7, seconds: 5, count: 200, kinds: 10, print: () => {}, ...over });

/** Fails where a byte above 200 stands before one above 100. */
const pairTarget: Target = {
  name: "pair-of-bytes",
  about: "",
  property: "",
  open: async () => ({
    batch: 10,
    generate: (random) => random.bytes(40),
    check: (cases) => cases.map((bytes) => {
      const high = bytes.findIndex((byte) => byte > 200);
      return high >= 0 && bytes.subarray(high + 1).some((byte) => byte > 100) ? "high before middle" : "";
    }),
  }),
};

test("a found case is shrunk, stored, and says the same when it is replayed", async () => {
  const [found, ...others] = await campaign(pairTarget, options());
  assert.equal(others, []);
  assert.equal([...found!.bytes], [201, 101]);
  const stored = readCase(join(projectRoot, found!.file));
  assert.is(stored.target, "pair-of-bytes");
  assert.equal(stored.bytes, found!.bytes);
  assert.match(await replay(pairTarget, stored.bytes), /^high before middle/);
  assert.is(await replay(pairTarget, Uint8Array.of(1, 2)), "");
});

test("the same seed makes the same cases, and the seed is the first thing printed", async () => {
  const seen = async (seed: number) => {
    const cases: string[] = [];
    const lines: string[] = [];
    const target: Target = { ...pairTarget, open: async () => ({ generate: (random) => random.bytes(4), check: ([bytes]) => (cases.push(bytes!.join()), [""]) }) };
    await campaign(target, options({ seed, count: 5, print: (line) => lines.push(line) }));
    assert.match(lines[0]!, new RegExp(`seed ${seed}$`));
    return cases;
  };
  assert.equal(await seen(3), await seen(3));
  assert.not.equal(await seen(3), await seen(4));
});

test("what a check throws is a failure of the one case that it comes from", async () => {
  const target: Target = {
    ...pairTarget,
    open: async () => ({ batch: 10, generate: (random) => random.bytes(3), check(cases) {
      if (cases.some((bytes) => bytes[0]! > 250)) throw new TypeError("too much");
      return cases.map(() => "");
    } }),
  };
  const [found] = await campaign(target, options({ count: 2000 }));
  assert.match(found!.text, /TypeError.*\nTypeError: too much/);
  assert.equal([...found!.bytes], [251]);
});

test("a file that is no stored case is refused in one line", () => {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-"));
  try {
    const file = join(folder, "case.json");
    for (const text of ["", "[]", '{"target":"elf","case":"0"}', '{"target":"elf","seed":1,"case":[1]}']) {
      writeFileSync(file, text);
      let message = "";
      try {
        readCase(file);
      } catch (error) {
        message = (error as Error).message;
      }
      assert.ok(message.startsWith(file) && !message.includes("\n"), JSON.stringify(message));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("choices read the case and are the simplest ones behind its end", () => {
  const choices = new Choices(Uint8Array.of(255, 0, 128, 1, 2, 3, 4));
  assert.is(choices.below(10), 9);
  assert.is(choices.chance(0.5), false);
  assert.is(choices.chance(0.5), true);
  assert.is(choices.u32(), 0x04030201);
  assert.is(choices.spent, true);
  assert.equal([choices.below(7), choices.chance(0.9), choices.u32(), choices.pick(["first", "second"])], [0, false, 0, "first"]);
  assert.equal(new Random(1).bytes(3).length, 3);
});

test("the watch over guest RAM sees a changed canary and a changed kernel text", async () => {
  const exit = Uint8Array.of(0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05);
  const complaintAfter = async (harm: (frames: readonly number[], u8: Uint8Array) => void) => {
    const watch = new MemoryWatch();
    await guardedRun(tinyElf(exit, new Uint8Array(8)), {
      onBoot(kernel) {
        watch.boot(kernel);
        harm(watch.canaries, kernel.machine.phys.u8);
      },
    });
    return watch.complaint();
  };
  assert.is(await complaintAfter(() => {}), "");
  assert.match(await complaintAfter(([frame], u8) => (u8[frame! + 77]! ^= 1)), /frame that is not the program's/);
  assert.match(await complaintAfter((_, u8) => (u8[0x100000 + 0x3ff0]! ^= 1)), /kernel text/);
});

/** Exit status and what the command prints. */
async function command(...args: string[]): Promise<{ status: number; out: string; complaints: string[] }> {
  const out: string[] = [];
  const complaints: string[] = [];
  const status = await front(args, (text) => out.push(text), (line) => complaints.push(line));
  return { status, out: out.join("\n"), complaints };
}

test("the front lists each target in its help", async () => {
  assert.is(new Set(targets.map((target) => target.name)).size, targets.length);
  const { status, out } = await command("--help");
  assert.is(status, 0);
  for (const { name, about, property } of targets) {
    assert.match(name, /^[a-z]+$/);
    assert.ok(out.includes(about) && out.includes(property), name);
  }
});

test("docs/fuzzing.md has a row for each target", () => {
  const documented = [...readFileSync(join(projectRoot, "docs/fuzzing.md"), "utf8").matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);
  assert.equal(documented.sort(), targets.map((target) => target.name).sort());
});

test("the front refuses a mistake in one line and with status 2", async () => {
  for (const args of [["nothing"], [], ["elf", "code"], ["elf", "--seed", "x"], ["elf", "--minutes", "-1"], ["--replay", "/no/such/file"], ["--speed"], ["elf", "--seed"]]) {
    const { status, complaints } = await command(...args);
    assert.is(status, 2, args.join(" "));
    assert.is(complaints.length, 1);
    assert.match(complaints[0]!, /^fuzz: [^\n]+ \(--help lists all\)$/);
  }
});

test("the front runs a target for as many cases as it is told, and replays a case", async () => {
  const { status, out } = await command("code", "--seed", "1", "--count", "100");
  assert.is(status, 0, out);
  assert.match(out, /^code: seed 1\ncode: 100 cases/);
  const folder = mkdtempSync(join(tmpdir(), "fuzz-"));
  try {
    const file = join(folder, "case.json");
    writeFileSync(file, JSON.stringify({ target: "code", seed: 1, case: "01020304cc" }));
    assert.is((await command("--replay", file)).out, "code: the property holds of this case");
    writeFileSync(file, JSON.stringify({ target: "coda", seed: 1, case: "" }));
    assert.is((await command("--replay", file)).status, 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
