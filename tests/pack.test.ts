// The package: what `npm pack` puts into the tarball, and that it works unpacked in an empty folder, as a command and as a
// library with types. Dependencies are linked from here instead of installed.
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { execute, root, scratchFolder } from "./command";

interface Manifest {
  name: string;
  version: string;
  license: string;
  engines: { node: string };
  bin: Record<string, string>;
  exports: Record<string, string | Record<string, string>>;
  dependencies: Record<string, string>;
}

const folder = scratchFolder();
const installed = join(folder, "node_modules/ring3");
const readManifest = () => JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as Manifest;
let files: { path: string; size: number; mode: number }[] = [];
let packedBytes = 0;

function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}

test.before(() => {
  if (!existsSync(join(root, "dist/types"))) assert.is(execute(process.execPath, [join(root, "build.mjs"), "--types"]).status, 0);
  const packed = execute("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], { cwd: root });
  assert.is(packed.status, 0, packed.stderr);
  const [tarball] = JSON.parse(packed.text) as [{ filename: string; files: typeof files; size: number }];
  files = tarball.files;
  packedBytes = tarball.size;
  mkdirSync(installed, { recursive: true });
  assert.is(execute("tar", ["-xzf", join(folder, tarball.filename), "-C", installed, "--strip-components=1"]).status, 0);
  const { bin, dependencies } = readManifest();
  for (const name of Object.keys(dependencies)) link(join(root, "node_modules", name), join(folder, "node_modules", name));
  // npm makes a bin executable when it installs it.
  chmodSync(join(installed, bin.ring3!), 0o755);
  link(join("../ring3", bin.ring3!), join(folder, "node_modules/.bin/ring3"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }\n');
  copyFileSync(join(root, "guest-programs/hello"), join(folder, "a.out"));
});

test("the tarball has what is built, the guests, the documents and the licence, and nothing else", () => {
  const paths = files.map(({ path }) => path);
  for (const path of ["LICENSE", "README.md", "package.json", "dist/index.js", "dist/machine.wasm", "dist/ring3.browser.js", "guest-programs/hello", "guest-programs/hello.c"]) {
    assert.ok(paths.includes(path), path);
  }
  for (const path of paths) assert.match(path, /^(dist|guest-programs|docs)\/|^(LICENSE|README\.md|package\.json)$/);
  for (const path of paths) assert.not.match(path, /\.test\.|\.map$|(^|\/)(tests|build\/steps|node_modules)\/|^dist\/.*\.wat$|(?<!\.d)\.ts$/);
  assert.ok(packedBytes < 2_000_000, `${packedBytes} bytes`);
});

test("what package.json names is in the tarball", () => {
  const manifest = readManifest();
  assert.is(manifest.name, "ring3");
  assert.is(manifest.license, "MIT");
  assert.is(manifest.engines.node, ">=20");
  const named = [...Object.values(manifest.bin), ...Object.values(manifest.exports).flatMap((entry) => (typeof entry === "string" ? entry : Object.values(entry)))];
  for (const path of named) assert.ok(existsSync(join(installed, path)), path);
  assert.match(readFileSync(join(installed, "LICENSE"), "utf8"), /^MIT License\n\nCopyright \(c\) \d+ the ring3 authors\n/);
});

test("npx ring3 run ./a.out works in the folder that has it installed", () => {
  const ended = execute("npx", ["--no-install", "ring3", "run", "./a.out"], { cwd: folder });
  assert.is(ended.text, "Hello, world!\n", ended.stderr);
  assert.is(ended.status, 0);
});

test("the installed command has its guests, its version, and a disassembler for trace", () => {
  const command = join(folder, "node_modules/.bin/ring3");
  assert.is(execute(command, ["run", "echo", "installed"], { cwd: folder }).text, "installed\n");
  assert.is(execute(command, ["--version"], { cwd: folder }).text, `ring3 ${readManifest().version}\n`);
  const trace = execute(command, ["trace", "./a.out"], { cwd: folder });
  assert.is(trace.status, 0, trace.stderr);
  assert.match(trace.text, /swapgs/);
});

test("the installed library runs a program", () => {
  const script = `
    import { readFileSync } from "node:fs";
    import { run, Machine, Kernel } from "ring3";
    const result = await run(readFileSync("a.out"), { seed: 1 });
    console.log(result.status, new TextDecoder().decode(result.stdout), typeof Machine.create, typeof Kernel);
  `;
  const ended = execute(process.execPath, ["--input-type=module", "-e", script], { cwd: folder });
  assert.is(ended.text, "0 Hello, world!\n function function\n", ended.stderr);
});

const CONSUMER = `
import { run, Machine, Kernel, ProgramError, type InputStream, type RunOptions, type RunResult, type SyscallEvent } from "ring3";
const names: string[] = [];
const stdin: InputStream = { read: () => null, onReadable: () => {} };
const options: RunOptions = { args: ["a"], env: { K: "V" }, stdin, stdout: (bytes: Uint8Array) => void bytes.length, seed: 1n, memoryMiB: 64 };
const result: RunResult = await run(new Uint8Array(4), { ...options, onSyscall: (event: SyscallEvent) => names.push(event.name) });
const status: number = result.status;
const kernel: Kernel = new Kernel(await Machine.create({ ramBytes: 1 << 24 }), { aslr: false });
// @ts-expect-error: there is no such option
await run(new Uint8Array(4), { colour: "red" });
// @ts-expect-error: a status is a number
const wrong: string = result.status;
// @ts-expect-error: RAM is counted in bytes
await Machine.create({ ramBytes: "16M" });
export { status, kernel, wrong, ProgramError };
`;

for (const [module, resolution] of [["nodenext", "nodenext"], ["esnext", "bundler"]] as const) {
  test(`a project with ${resolution} resolution type-checks against the package`, () => {
    writeFileSync(join(folder, "consumer.ts"), CONSUMER);
    const flags = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--types", ""];
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const ended = execute(process.execPath, [compiler, ...flags, "--module", module, "--moduleResolution", resolution, "consumer.ts"], { cwd: folder });
    assert.is(ended.text, "");
    assert.is(ended.status, 0, ended.stderr);
  });
}

test("relative imports of the declarations name files that are there", () => {
  for (const { path } of files.filter(({ path }) => path.endsWith(".d.ts"))) {
    const text = readFileSync(join(installed, path), "utf8");
    for (const [, target] of text.matchAll(/(?:from|import)[ (]"(\.[^"]*)"/g)) {
      assert.match(target!, /\.js$/, `${path}: ${target}`);
      assert.ok(existsSync(join(installed, dirname(path), target!.replace(/\.js$/, ".d.ts"))), `${path}: ${target}`);
    }
  }
});

test.run();
