// What `npm test` runs: bundles every tests/**/*.test.ts with esbuild and runs each as a process of its own.
// `node tests/run.mjs pattern...` runs the files whose path contains one of the patterns.
// A test that cannot run here prints `SKIP: what (why)`, behind uvu's dots or on a line of its own; the totals name and count those lines.

import { spawn } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bundles = join(root, "build/tests");
const secondsPerFile = Number(process.env.RING3_TEST_TIMEOUT ?? 300);
const patterns = process.argv.slice(2);

const files = readdirSync(join(root, "tests"), { recursive: true })
  .map(String)
  .filter((file) => file.endsWith(".test.ts"))
  .filter((file) => patterns.length === 0 || patterns.some((pattern) => `tests/${file}`.includes(pattern)))
  .sort();

/** Path of the bundle, or what esbuild had to say. */
async function bundle(file) {
  const outfile = join(bundles, file.replace(/\.ts$/, ".mjs"));
  mkdirSync(dirname(outfile), { recursive: true });
  try {
    await build({
      absWorkingDir: root,
      entryPoints: [join("tests", file)],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      packages: "external",
      loader: { ".wasm": "binary" },
      sourcemap: "inline",
      logLevel: "silent",
    });
    return { outfile };
  } catch (error) {
    return { complaint: String(error.message ?? error) };
  }
}

/** Runs one bundle; its output, exit status and uvu's totals. */
function execute(outfile) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--enable-source-maps", outfile], {
      cwd: root,
      env: { ...process.env, RING3_ROOT: root, FORCE_COLOR: "0" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let timedOut = false;
    child.stdout.on("data", (bytes) => (output += bytes));
    child.stderr.on("data", (bytes) => (output += bytes));
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, secondsPerFile * 1000);
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      if (timedOut) output += `\nstopped after ${secondsPerFile} s\n`;
      resolve({ output, status: status ?? signal });
    });
  });
}

const total = (output, name) => Number(new RegExp(`^\\s*${name}:\\s+(\\d+)`, "m").exec(output)?.[1] ?? 0);

const totals = { passed: 0, failed: 0, skipped: 0 };
const skips = [];

async function runFile(file) {
  const begun = Date.now();
  const { outfile, complaint } = await bundle(file);
  const { output, status } = outfile ? await execute(outfile) : { output: complaint, status: 1 };
  const passed = total(output, "Passed");
  const named = output.match(/(?<=^(?:[•✘] )*)SKIP: .*$/gm) ?? [];
  const skipped = total(output, "Skipped") + named.length;
  // A file that ends badly without a failed assertion (a crash, a bundle that does not build) is one failure.
  const failed = total(output, "Total") - passed || (status === 0 ? 0 : 1);
  totals.passed += passed;
  totals.failed += failed;
  totals.skipped += skipped;
  skips.push(...named.map((line) => `${line}  [tests/${file}]`));
  const seconds = ((Date.now() - begun) / 1000).toFixed(1);
  console.log(`${failed ? "FAIL" : " ok "}  tests/${file}: ${passed} passed${failed ? `, ${failed} failed` : ""}  (${seconds} s)`);
  if (failed) console.log(`${output.trimEnd()}\n  exit: ${status}\n  again: node tests/run.mjs ${relative("", `tests/${file}`)}\n`);
}

const queue = [...files];
const workers = Array.from({ length: Math.min(2, availableParallelism()) }, async () => {
  for (let file = queue.shift(); file; file = queue.shift()) await runFile(file);
});
await Promise.all(workers);

if (files.length === 0) {
  console.error(`no test file matches ${patterns.join(" ")}`);
  totals.failed = 1;
}
if (skips.length) console.log(`\nskipped:\n${skips.join("\n")}`);
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed ? 1 : 0;
