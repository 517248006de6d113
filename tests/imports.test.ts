// Imports point one way only (DESIGN.md section 1).

import { test } from "uvu";
import * as assert from "uvu/assert";
import { sourceFiles } from "./source-files";

const kernel = sourceFiles("kernel");
const host = sourceFiles("host");

/** Lower may not import higher. Front ends stand on the public API, the API on the guest's Linux, and so on down to the CPU's numbers. */
const hostLayers = ["kernel/abi", "host/machine", "host/ring0", "host/linux", "host/index", "host/bench", "host/cli", "host/web"];
const frontEnds = new Set(["host/cli", "host/bench", "host/web"]);
/** The one way between front ends: `ring3 bench` is a command like others, and what it does is in host/bench. */
const isCommandOfBench = (from: string, to: string | undefined) => from === "host/cli" && to === "host/bench";
const layerOf = (path: string) => hostLayers.find((layer) => path === layer || path.startsWith(`${layer}/`) || path.startsWith(`${layer}.`));

/** Inside kernel/: index -> run -> exec -> system -> decode -> mmu -> cpu -> abi, a JIT beside exec. gen/ is a build step and reads rows. */
const kernelRank: Record<string, number> = { abi: 0, cpu: 1, mmu: 2, decode: 3, system: 4, exec: 5, jit: 5, run: 6, index: 7 };
const kernelLayer = (path: string) => path.split("/")[1].replace(/\.ts$/, "");

test("the project has sources to look at", () => {
  assert.ok(kernel.length > 5 && host.length > 5);
});

test("host/ imports only downwards", () => {
  const wrong: string[] = [];
  for (const file of host) {
    const from = layerOf(file.path);
    if (!from) wrong.push(`${file.path} is in no layer of host/`);
    for (const { target, specifier } of file.imports) {
      if (!from || !target) continue;
      const to = layerOf(target);
      // Built files (the Wasm module) and package.json's version are data, not layers.
      if (!to && !target.startsWith("kernel/")) continue;
      const downwards = to && hostLayers.indexOf(to) <= hostLayers.indexOf(from);
      const acrossFrontEnds = to && frontEnds.has(to) && to !== from && !isCommandOfBench(from, to);
      if (!downwards || acrossFrontEnds) wrong.push(`${file.path} imports ${specifier}`);
    }
  }
  assert.equal(wrong, []);
});

test("front ends reach the machine through the public API only", () => {
  const wrong: string[] = [];
  for (const file of host) {
    const from = layerOf(file.path);
    if (!from || !frontEnds.has(from)) continue;
    for (const { target, specifier } of file.imports) {
      const to = target && layerOf(target);
      if (to && to !== from && to !== "host/index" && !isCommandOfBench(from, to)) wrong.push(`${file.path} imports ${specifier}`);
    }
  }
  assert.equal(wrong, []);
});

test("kernel/ imports only downwards, and nothing from outside", () => {
  const wrong: string[] = [];
  for (const file of kernel) {
    const from = kernelLayer(file.path);
    if (from === "gen") continue;
    for (const { target, specifier } of file.imports) {
      if (!target?.startsWith("kernel/")) {
        // The generated exec() is built into build/ and imported by run.
        if (!target?.startsWith("build/")) wrong.push(`${file.path} imports ${specifier}`);
        continue;
      }
      const to = kernelLayer(target);
      if (!(kernelRank[to] <= kernelRank[from])) wrong.push(`${file.path} imports ${specifier}`);
    }
  }
  assert.equal(wrong, []);
});

test("kernel/ knows no Linux", () => {
  const wrong = kernel.filter((file) => /\blinux\b/i.test(file.code)).map((file) => file.path);
  assert.equal(wrong, []);
});

test("WebAssembly appears only in host/machine", () => {
  const wrong = host.filter((file) => !file.path.startsWith("host/machine/") && /\bWebAssembly\./.test(file.code)).map((file) => file.path);
  assert.equal(wrong, []);
});

test("Node's modules appear only in the command line, the bench and the host-directory file system", () => {
  const wrong: string[] = [];
  for (const file of host) {
    // A build step runs at build time, on Node, and is in no bundle.
    if (file.path.startsWith("host/cli/") || file.path.startsWith("host/bench/") || file.path.endsWith(".build.ts")) continue;
    for (const { specifier } of file.imports) if (specifier.startsWith("node:")) wrong.push(`${file.path} imports ${specifier}`);
    if (/\b(process|Buffer|require)\b[.(]/.test(file.code.replace(/[.\w]+\.process\b/g, ""))) wrong.push(`${file.path} uses a global of Node`);
  }
  assert.equal(wrong, []);
});

test.run();
