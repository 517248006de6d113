// The oracle by hand: node build/tests/silicon/silicon.mjs [--seed N] [--count M] [--only MNEMONIC or opcode,...] [--show K] [--verbose] [--mode 64|32]
// --record: records the vectors whose cases have changed (--all: every one) on this chip. --coverage: how many each form passes.
// Bundled by `node tests/silicon/build.mjs`, which also starts it.

import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkRows, findingText } from "./check";
import { buildNativeRunner, buildNativeRunner32, chipVendor } from "./native";
import { VECTORS, record, replay } from "./replay";
import { rows } from "../../kernel/decode/rows";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    count: { type: "string", default: "100000" },
    only: { type: "string" },
    feature: { type: "string" },
    show: { type: "string", default: "20" },
    verbose: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
    all: { type: "boolean", default: false },
    mode: { type: "string" },
    coverage: { type: "boolean", default: false },
  },
});

const root = process.env.RING3_ROOT ?? process.cwd();
const modes: (64 | 32)[] = values.mode === undefined ? [64, 32] : values.mode === "32" ? [32] : [64];
const runnerOf = (mode: 64 | 32) => (mode === 64 ? buildNativeRunner(root) : buildNativeRunner32(root));

if (values.coverage) {
  const forms = await replay(rows, "amd", join(root, VECTORS));
  for (const { row, mode, passed, total, source, exempt, lacks } of forms) {
    const form = `${mode}-bit  ${row.opcode.padEnd(18)} ${`${row.mnemonic} ${row.operands}`.padEnd(28)}`;
    console.log(`${form} ${exempt ? "-" : `${passed} of ${total}`}  ${lacks ? `${lacks} is not on ${source}: its #UD` : source}`);
  }
  const wanting = forms.filter((form) => !form.exempt && (form.total === 0 || form.passed < form.total));
  const passed = forms.reduce((sum, form) => sum + form.passed, 0);
  console.log(`\n${forms.length} forms, ${passed} vectors passed; ${wanting.filter((form) => form.total === 0).length} forms without vectors, `
    + `${wanting.filter((form) => form.total > 0).length} failing, ${forms.filter((form) => form.exempt).length} excused by rule`);
  process.exit(wanting.length ? 1 : 0);
}
if (values.record) {
  const runners = modes.map((mode) => ({ mode, runner: runnerOf(mode) }));
  const count = record(rows, runners, chipVendor(), join(root, VECTORS), values.all);
  console.log(`${count} forms recorded on ${runners.map(({ runner }) => runner.name).join(" and ")}`);
  process.exit(0);
}

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const chosen = rows.filter((row) => (!values.only || values.only.split(",").some((only) => row.mnemonic === only || row.opcode === only))
  && (!values.feature || (row.cpuid ?? "base") === values.feature));
const mode = modes[0];
const runner = runnerOf(mode);
console.log(`seed ${seed}, ${chosen.length} rows, ${mode}-bit mode, on ${runner.name}`);
const begun = Date.now();
const round = await checkRows({ rows: chosen, runner, seed, mode, count: Number(values.count) });
const findings = round.findings.sort((a, b) => b.count - a.count);
for (const finding of findings.slice(0, Number(values.show))) console.log(`\n${await findingText(finding, values.verbose)}`);
const failing = [...round.perRow].filter(([, tally]) => tally.different > 0);
if (values.list) for (const [row, tally] of failing) console.log(`${row.opcode.padEnd(16)} ${row.mnemonic} ${row.operands}: ${tally.different} of ${tally.cases} differ`);
if (round.lacking.size) console.log(`the chip does not have: ${[...round.lacking].map((row) => `${row.mnemonic} (${row.cpuid})`).join(", ")}`);
console.log(`\n${round.cases} cases, ${findings.length} kinds of difference in ${failing.length} of ${round.perRow.size} rows, ${((Date.now() - begun) / 1000).toFixed(1)} s`);
process.exitCode = findings.length ? 1 : 0;
