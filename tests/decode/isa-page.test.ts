// docs/isa.md says what the instruction table says.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { rows } from "../../kernel/decode/rows";
import { isaPage } from "../../kernel/gen/isa-page";

const root = process.env.RING3_ROOT ?? process.cwd();

test("docs/isa.md is what `npm run docs:isa` makes of the table", () => {
  assert.fixture(readFileSync(join(root, "docs/isa.md"), "utf8"), isaPage(rows));
});

test("every row of the table stands on the page once", () => {
  const lines = isaPage(rows).split("\n").filter((line) => /^\| .*`/.test(line));
  assert.is(lines.length, rows.length);
  assert.is(new Set(lines).size, rows.length, "two rows say the same");
});

test.run();
