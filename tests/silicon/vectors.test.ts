// The recorded vectors (vectors.ts) on our machine, on any computer, under the vendor of the chip that recorded them; 32-bit mode's may be an
// emulator's, which they name.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { readFileSync } from "node:fs";
import { rows } from "../../kernel/decode/rows";
import { join } from "node:path";
import { projectRoot } from "../source-files";
import { disassemble } from "./disassemble";
import { VECTORS, replay } from "./replay";
import { heldByTests } from "./scope-32";

test("every recorded vector leaves the state that the chip, or the named emulator, left", async () => {
  const all = await replay(rows, "amd", join(projectRoot, VECTORS));
  // A row whose opcode or operands have changed has another key: its vectors must not be lost in silence.
  const without = all.filter((form) => form.total === 0 && !form.exempt).map(({ row, mode }) => `${mode}-bit ${row.opcode} ${row.mnemonic}`);
  assert.equal(without, [], "forms without vectors: node tests/silicon/build.mjs --record");
  const forms = all.filter((form) => form.total > 0);
  const wrong: string[] = [];
  for (const { row, mode, passed, total, source, first } of forms) {
    if (passed === total) continue;
    const lines = [`${mode}-bit ${row.opcode} ${row.mnemonic} ${row.operands}: ${passed} of ${total}, ${source}`];
    if (first) {
      lines.push(`  vector ${first.index}: ${await disassemble(first.instance.case.code, 0)}`);
      for (const d of first.differences.slice(0, 4)) lines.push(`  ${d.what}: chip ${d.chip}, ours ${d.ours}`);
    }
    wrong.push(lines.join("\n"));
  }
  assert.is(wrong.length, 0, `${wrong.length} forms fail\n${wrong.slice(0, 10).join("\n")}`);
});

test("what the oracle's 32-bit mode leaves to other tests, they have", () => {
  for (const { file, test: name } of heldByTests) assert.ok(readFileSync(join(projectRoot, file), "utf8").includes(JSON.stringify(name)), `${file}: ${name}`);
});

test.run();
