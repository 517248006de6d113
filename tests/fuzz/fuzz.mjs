// What `npm run fuzz` runs: bundles fuzz.ts and starts it with the options given.

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const outfile = join(root, "build/tests/fuzz/fuzz.mjs");
await build({
  absWorkingDir: root, entryPoints: ["tests/fuzz/fuzz.ts"], outfile, bundle: true, platform: "node", format: "esm", target: "node20",
  packages: "external", loader: { ".wasm": "binary" }, sourcemap: "inline", logLevel: "error",
});
const child = spawnSync(process.execPath, ["--enable-source-maps", outfile, ...process.argv.slice(2)], {
  stdio: "inherit", env: { ...process.env, RING3_ROOT: root },
});
process.exitCode = child.status ?? 1;
