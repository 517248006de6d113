// The comparison by hand: node tests/lockstep/build.mjs [--steps N] program [arguments...], with a static program.

import { parseArgs } from "node:util";
import { buildTracer, NativeSide } from "./native-side";
import { lockstep } from "./lockstep";
import { chipName } from "../silicon/native";
import { disassemble } from "../silicon/disassemble";

const { values, positionals } = parseArgs({ options: { steps: { type: "string", default: "1000000" } }, allowPositionals: true });
if (!positionals.length) {
  console.error("usage: node tests/lockstep/build.mjs [--steps N] program [arguments...]");
  process.exit(2);
}
const native = new NativeSide(buildTracer(process.env.RING3_ROOT ?? process.cwd()), positionals);
const { steps, ended, difference } = await lockstep(native, Number(values.steps), /AMD/.test(chipName()));
native.close();
if (difference) {
  console.log(`after ${steps} instructions, at ${difference.rip.toString(16)}: ${(await disassemble(difference.bytes, Number(difference.rip))).split(";")[0]}`);
  if (difference.vector !== undefined) console.log(`  vector ${difference.vector} on our machine`);
  for (const [name, ours, theirs] of difference.registers) console.log(`  ${name.padEnd(7)} ${ours.toString(16)}, on the chip ${theirs.toString(16)}`);
  process.exitCode = 1;
} else console.log(`${steps} instructions alike${ended ? ", to the program's end" : ""}`);
