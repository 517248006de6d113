// The oracle by hand: node build/tests/silicon/silicon.mjs [--seed N] [--count M] [--only MNEMONIC or opcode] [--show K] [--verbose]
// Bundled by `node tests/silicon/build.mjs`, which also starts it.

import { parseArgs } from "node:util";
import { checkRows, findingText } from "./check";
import { buildNativeRunner, chipName } from "./native";
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
  },
});

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const chosen = rows.filter((row) => (!values.only || row.mnemonic === values.only || row.opcode === values.only)
  && (!values.feature || (row.cpuid ?? "base") === values.feature));
console.log(`seed ${seed}, ${chosen.length} rows, on ${chipName()}`);
const runner = buildNativeRunner(process.env.RING3_ROOT ?? process.cwd());
const begun = Date.now();
const round = await checkRows({ rows: chosen, runner, seed, count: Number(values.count) });
const findings = round.findings.sort((a, b) => b.count - a.count);
for (const finding of findings.slice(0, Number(values.show))) console.log(`\n${await findingText(finding, values.verbose)}`);
const failing = [...round.perRow].filter(([, tally]) => tally.different > 0);
if (values.list) for (const [row, tally] of failing) console.log(`${row.opcode.padEnd(16)} ${row.mnemonic} ${row.operands}: ${tally.different} of ${tally.cases} differ`);
if (round.lacking.size) console.log(`the chip does not have: ${[...round.lacking].map((row) => `${row.mnemonic} (${row.cpuid})`).join(", ")}`);
console.log(`\n${round.cases} cases, ${findings.length} kinds of difference in ${failing.length} of ${round.perRow.size} rows, ${((Date.now() - begun) / 1000).toFixed(1)} s`);
process.exitCode = findings.length ? 1 : 0;
