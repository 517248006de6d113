// kernel/abi is compiled twice, by AssemblyScript for the CPU and by TypeScript for the host: both must read the same numbers.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as bits from "../kernel/abi/bits";
import * as cpuidFeatures from "../kernel/abi/cpuid-features";
import * as exitReasons from "../kernel/abi/exit-reasons";
import * as layout from "../kernel/abi/layout";
import * as msr from "../kernel/abi/msr";
import * as state from "../kernel/abi/state";
import * as vectors from "../kernel/abi/vectors";
import { projectRoot } from "./source-files";

const modules: Record<string, Record<string, unknown>> = { bits, "cpuid-features": cpuidFeatures, "exit-reasons": exitReasons, layout, msr, state, vectors };

test("every file of kernel/abi is looked at", () => {
  const names = readdirSync(join(projectRoot, "kernel/abi")).map((file) => basename(file, ".ts"));
  assert.equal(names.sort(), Object.keys(modules).sort());
});

test("each constant is a plain number below 2^32", () => {
  for (const [file, constants] of Object.entries(modules)) {
    for (const [name, value] of Object.entries(constants)) {
      assert.ok(Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32, `${file}: ${name}`);
    }
  }
});

test("AssemblyScript reads the same constants", () => {
  const folder = join(projectRoot, "build/tests");
  mkdirSync(folder, { recursive: true });
  const lines: string[] = [];
  const expected: [string, number][] = [];
  Object.entries(modules).forEach(([file, constants], i) => {
    lines.push(`import * as m${i} from "../../kernel/abi/${file}";`);
    for (const [name, value] of Object.entries(constants)) {
      lines.push(`export function _${expected.length}(): f64 { return <f64>m${i}.${name}; }`);
      expected.push([`${file}: ${name}`, value as number]);
    }
  });
  const entry = join(folder, "abi-entry.ts");
  const wasm = join(folder, "abi.wasm");
  writeFileSync(entry, `${lines.join("\n")}\n`);
  const asc = join(projectRoot, "node_modules/assemblyscript/bin/asc.js");
  // Started where no asconfig.json adds the whole CPU to the entry.
  const done = spawnSync(process.execPath, [asc, "abi-entry.ts", "--runtime", "stub", "-o", "abi.wasm"], { cwd: folder, encoding: "utf8" });
  assert.is(done.status, 0, done.stderr.slice(0, 2000));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(wasm)), { env: { abort() {} } });
  expected.forEach(([name, value], i) => assert.is((exports[`_${i}`] as () => number)(), value, name));
});

test.run();
