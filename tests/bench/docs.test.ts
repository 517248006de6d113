// The figures in docs/bench.md: their counts are those of the machine as it is. With RING3_UPDATE_GOLDEN=1 the whole table is made anew.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Bench } from "../../host/bench/crossings";
import { configurationTitle } from "../../host/bench/crossings-rows";
import { ring3, root } from "../command";

const file = join(root, "docs/bench.md");
const FIGURES = /(?<=<!-- figures -->\n)[\s\S]*(?=<!-- \/figures -->)/;

test("docs/bench.md has the counts that ring3 bench finds", () => {
  if (process.env.RING3_UPDATE_GOLDEN) writeFileSync(file, readFileSync(file, "utf8").replace(FIGURES, () => ring3(["bench", "--md", "--native"]).text));
  const figures = FIGURES.exec(readFileSync(file, "utf8"))![0];
  const bench = JSON.parse(ring3(["bench", "--json", "--rounds", "1"]).text) as Bench;
  let configuration = "";
  const written = new Map<string, string[]>();
  for (const line of figures.split("\n")) {
    if (line.startsWith("### ")) configuration = line.slice(4);
    const cells = line.split("|").map((cell) => cell.trim());
    if (cells.length > 8) written.set(`${configuration}: ${cells[1]}`, cells.slice(2, 8));
  }
  for (const row of bench.rows) {
    if (row.status !== "ok") continue;
    const counts = [row.ring3Instructions, row.ring0Instructions, row.cr3Writes, row.tlbMisses, row.walkLoads].map(String);
    const name = `${configurationTitle(row)}: ${row.title}`;
    assert.equal(written.get(name), [...counts, row.modelledCycles!.toFixed(0)], `${name}: RING3_UPDATE_GOLDEN=1 node tests/run.mjs bench/docs makes the table anew`);
  }
});

test.run();
