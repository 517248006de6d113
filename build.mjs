// Builds everything: `node build.mjs` (release), `--debug` for a machine with assertions and source map, `--kernel` for the machine only,
// `--host` for all but the machine, `--types` for the declarations only, `--docs` for docs/isa.md only, `--profile` for build/profile.mjs
// beside what is built already: `node build/profile.mjs program [arguments]` counts which micro-operations a program executes.
//
//   kernel/gen + kernel/decode + kernel/exec  ->  build/kernel/*.ts   (generated AssemblyScript)
//   kernel/index.ts                           ->  build/machine.wasm
//   host/ring0/*.asm.ts                       ->  build/entry-images.ts
//   host/linux/vdso.asm.ts, vdso-image.ts     ->  build/vdso-image.ts
//   host/                                     ->  dist/               (library, CLI, browser bundle, types)

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { spawnSync } from "node:child_process";
import * as esbuild from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const debug = process.argv.includes("--debug");
const kernelOnly = process.argv.includes("--kernel");
const hostOnly = process.argv.includes("--host");
const profileOnly = process.argv.includes("--profile");
const typesOnly = process.argv.includes("--types");
const docsOnly = process.argv.includes("--docs");

/** Bundles one TypeScript build step and imports it. */
async function buildStep(entry, name) {
  const outfile = join(root, "build/steps", `${name}.mjs`);
  await esbuild.build({
    entryPoints: [join(root, entry)], outfile, bundle: true, platform: "node", format: "esm", packages: "external", logLevel: "warning",
  });
  return import(pathToFileURL(outfile).href);
}

function run(command, args) {
  const result = spawnSync(process.execPath, [join(root, command), ...args], { cwd: root, stdio: "inherit" });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** docs/isa.md, which is checked in. */
async function buildDocs() {
  const { writeIsaPage } = await buildStep("kernel/gen/main.ts", "generate");
  writeIsaPage(root);
}

async function buildKernel() {
  const { generate } = await buildStep("kernel/gen/main.ts", "generate");
  generate(root);
  run("node_modules/assemblyscript/bin/asc.js", ["--config", "asconfig.json", "--target", debug ? "debug" : "release"]);
  if (debug) writeFileSync(join(root, "build/machine.wasm"), readFileSync(join(root, "build/machine.debug.wasm")));
}

/** A machine that counts, and the program that prints what it has counted. The sources of the real one are put back. */
async function buildProfile() {
  const { generate } = await buildStep("kernel/gen/main.ts", "generate");
  generate(root, true);
  run("node_modules/assemblyscript/bin/asc.js", ["--config", "asconfig.json", "--target", "release", "-o", "build/machine.profile.wasm"]);
  generate(root);
  await esbuild.build({
    entryPoints: [join(root, "host/bench/profile.ts")], outfile: join(root, "build/profile.mjs"), bundle: true, format: "esm", target: "es2022",
    platform: "node", packages: "external", logLevel: "warning", absWorkingDir: root,
    plugins: [machineFile('new URL("./machine.profile.wasm", import.meta.url)')],
  });
}

/** For Node the machine stays a file beside the bundle: reading it beats parsing and decoding base64. @param path expression */
const machineFile = (path) => ({
  name: "machine-file",
  setup(build) {
    build.onLoad({ filter: /machine\.wasm$/ }, () => ({
      loader: "js",
      contents: `import { readFileSync } from "node:fs"; export default readFileSync(${path});`,
    }));
  },
});

async function buildHost() {
  const { entryImagesModule } = await buildStep("host/ring0/assemble.build.ts", "assemble");
  writeFileSync(join(root, "build/entry-images.ts"), entryImagesModule());
  const { vdsoImageModule } = await buildStep("host/linux/vdso.build.ts", "vdso");
  writeFileSync(join(root, "build/vdso-image.ts"), vdsoImageModule());
  const common = {
    bundle: true, format: "esm", target: "es2022", loader: { ".wasm": "binary" }, logLevel: "warning", absWorkingDir: root, legalComments: "none",
  };
  rmSync(join(root, "dist"), { recursive: true, force: true });
  mkdirSync(join(root, "dist"));
  copyFileSync(join(root, "build/machine.wasm"), join(root, "dist/machine.wasm"));
  const node = { ...common, platform: "node", packages: "external", outdir: "dist", minify: true };
  await esbuild.build({
    ...node, entryPoints: { index: "host/index.ts", bench: "host/bench/bench.ts" },
    plugins: [machineFile('new URL("./machine.wasm", import.meta.url)')],
  });
  await buildCommand({ ...node, format: "cjs", outExtension: { ".js": ".cjs" } });
  await esbuild.build({ ...common, platform: "browser", entryPoints: { "ring3.browser": "host/index.ts" }, outdir: "dist", minify: true });
}

/** The command line: CommonJS, compiled ahead by V8 (host/cli/start.ts says why). */
async function buildCommand(commonJs) {
  await esbuild.build({
    ...commonJs, entryPoints: { command: "host/cli/main.ts" }, plugins: [machineFile('__dirname + "/machine.wasm"')],
    banner: { js: "(function (exports, require, module, __filename, __dirname) {" }, footer: { js: "})" },
  });
  await esbuild.build({ ...commonJs, entryPoints: { main: "host/cli/start.ts" } });
  const step = join(root, "build/steps/code-cache.mjs");
  await esbuild.build({
    entryPoints: [join(root, "host/cli/code-cache.build.ts")], outfile: step, bundle: true, platform: "node", format: "esm", logLevel: "warning",
  });
  spawnSync(process.execPath, [step, join(root, "dist")], { stdio: "ignore" });
}

/** Declarations of host/index.ts. Node's resolution, which TypeScript follows for ES modules, wants file names in imports. */
function buildTypes() {
  const types = join(root, "dist/types");
  rmSync(types, { recursive: true, force: true });
  run("node_modules/typescript/bin/tsc", ["-p", "tsconfig.types.json"]);
  for (const name of readdirSync(types, { recursive: true })) {
    if (!name.endsWith(".d.ts")) continue;
    const text = readFileSync(join(types, name), "utf8");
    writeFileSync(join(types, name), text.replace(/((?:from|import)[ (]")(\.[^"]*)"/g, '$1$2.js"'));
  }
}

mkdirSync(join(root, "build"), { recursive: true });
if (typesOnly) buildTypes();
else if (docsOnly) await buildDocs();
else if (profileOnly) await buildProfile();
else {
  if (!hostOnly) await buildKernel();
  if (!kernelOnly) await buildHost();
}
