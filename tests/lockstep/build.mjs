// Bundles by-hand.ts and starts it: node tests/lockstep/build.mjs [--steps N] program [arguments...]

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const outfile = join(root, "build/tests/lockstep/by-hand.mjs");
await build({
  absWorkingDir: root, entryPoints: ["tests/lockstep/by-hand.ts"], outfile, bundle: true, platform: "node", format: "esm", target: "node20",
  packages: "external", loader: { ".wasm": "binary" }, sourcemap: "inline", logLevel: "error",
});
const child = spawnSync(process.execPath, ["--enable-source-maps", outfile, ...process.argv.slice(2)], { stdio: "inherit", cwd: root });
process.exitCode = child.status ?? 1;
