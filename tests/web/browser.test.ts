// The library where there is no Node: bundled as for a browser, and run in a context with a browser's globals alone.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";
import { build } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type * as Ring3 from "../../host/index";
import { root } from "../command";

const guest = (name: string) => new Uint8Array(readFileSync(join(root, "guest-programs", name)));
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

let bundle: Promise<string> | undefined;

/** host/index.ts as one classic script that leaves the library in the global `ring3`. */
function bundled(): Promise<string> {
  bundle ??= build({
    absWorkingDir: root, entryPoints: ["host/index.ts"], loader: { ".wasm": "binary" }, bundle: true, write: false, logLevel: "silent",
    platform: "browser", target: "es2022", format: "iife", globalName: "ring3",
  }).then((result) => result.outputFiles[0]!.text);
  return bundle;
}

/** Globals of a browser that are Node's too. The language's own a context has by itself, WebAssembly included. */
const BROWSER = {
  TextEncoder, TextDecoder, performance, setTimeout, clearTimeout, queueMicrotask, MessageChannel, atob, btoa, console,
  crypto: globalThis.crypto,
};

async function library(globals: object = BROWSER): Promise<typeof Ring3> {
  const context = vm.createContext({ ...globals });
  for (const name of ["process", "require", "Buffer", "module", "setImmediate", "global"]) {
    assert.is(vm.runInContext(`typeof ${name}`, context), "undefined", name);
  }
  return vm.runInContext(`${await bundled()}; ring3`, context);
}

/** Input that arrives when the test says so. */
class Feed {
  private readonly pieces: Uint8Array[] = [];
  private ended = false;
  private callback: () => void = () => {};
  /** Called when a read has found nothing. */
  onStarved: () => void = () => {};

  read(max: number): Uint8Array | null | undefined {
    const piece = this.pieces.shift();
    if (piece === undefined) {
      if (this.ended) return null;
      queueMicrotask(this.onStarved);
      return undefined;
    }
    if (piece.length > max) this.pieces.unshift(piece.subarray(max));
    return piece.subarray(0, max);
  }
  onReadable(callback: () => void): void {
    this.callback = callback;
  }
  push(piece: string): void {
    this.pieces.push(new Uint8Array(Buffer.from(piece)));
    this.callback();
  }
  end(): void {
    this.ended = true;
    this.callback();
  }
}

test("hello runs in a context without process, require and Buffer", async () => {
  const { run } = await library();
  const result = await run(guest("hello"));
  assert.is(text(result.stdout), "Hello, world!\n");
  assert.is(result.status, 0);
  assert.is(result.signal, null);
  assert.ok(result.instructions > 0 && result.crossings > 0);
});

test("a host with nothing but the language and atob runs hello from a seed", async () => {
  const { run } = await library({ atob });
  assert.is(text((await run(guest("hello"), { seed: 1 })).stdout), "Hello, world!\n");
});

test("a host without a source of randomness is told so when no seed is given", async () => {
  const { run } = await library({ atob });
  const error = await run(guest("hello")).then(() => null, (error: Error) => error);
  assert.match(error!.message, /random|seed/);
});

test("a blocked read of standard input lets the host go on, and ends when the input comes", async () => {
  const { run } = await library();
  const feed = new Feed();
  const starved = new Promise<void>((resolve) => (feed.onStarved = resolve));
  const seen: string[] = [];
  const ended = run(guest("cat"), { stdin: feed, stdout: (bytes) => seen.push(text(bytes)) });
  await starved;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(seen, []);
  const starvedAgain = new Promise<void>((resolve) => (feed.onStarved = resolve));
  feed.push("first\n");
  await starvedAgain;
  assert.equal(seen, ["first\n"]);
  feed.push("second\n");
  feed.end();
  const result = await ended;
  assert.equal(seen, ["first\n", "second\n"]);
  assert.is(result.status, 0);
});

test("a blocked read ends at the time limit", async () => {
  const { run } = await library();
  const result = await run(guest("cat"), { stdin: new Feed(), timeoutMs: 30 });
  assert.ok(result.timedOut);
  assert.is(result.signal, "SIGKILL");
});

test("two kernels at once take turns and know nothing of each other", async () => {
  const { run } = await library();
  const feeds = [new Feed(), new Feed()];
  const seen: string[] = [];
  const runs = feeds.map((feed, i) => run(guest("cat"), { stdin: feed, stdout: (bytes) => seen.push(`${i}: ${text(bytes)}`), seed: i }));
  for (const turn of ["a", "b", "c"]) {
    for (const feed of feeds) {
      const starved = new Promise<void>((resolve) => (feed.onStarved = resolve));
      feed.push(turn);
      await starved;
    }
  }
  feeds[1]!.end();
  assert.is((await runs[1]!).status, 0);
  feeds[0]!.push("last");
  feeds[0]!.end();
  assert.is((await runs[0]!).status, 0);
  assert.equal(seen, ["0: a", "1: a", "0: b", "1: b", "0: c", "1: c", "0: last"]);
});

test("a guest that computes lets another kernel's guest run meanwhile", async () => {
  const { run } = await library();
  const order: string[] = [];
  const busy = run(guest("int-loop"), { args: ["int-loop", "3000"] }).then((result) => {
    order.push("int-loop");
    return result;
  });
  const short = run(guest("hello")).then((result) => {
    order.push("hello");
    return result;
  });
  const results = await Promise.all([busy, short]);
  assert.equal(order, ["hello", "int-loop"]);
  assert.is(text(results[1].stdout), "Hello, world!\n");
  assert.match(text(results[0].stdout), /^int-loop 3000: [0-9a-f]{16}\n$/);
});

test("the same seed gives the same run, call by call", async () => {
  const { run } = await library();
  const trace = async (seed: string) => {
    const lines: string[] = [];
    await run(guest("hello"), { seed, strace: (line) => lines.push(line) });
    return lines.join("\n");
  };
  assert.is(await trace("a lecture"), await trace("a lecture"));
});

test("what cannot be run is a ProgramError of one line", async () => {
  const { run, ProgramError } = await library();
  const error = await run(new Uint8Array([1, 2, 3])).then(() => null, (error: unknown) => error);
  assert.ok(error instanceof ProgramError);
  assert.is(error.exitStatus, 126);
  assert.match(error.message, /^[^\n]+$/);
});

test("the built browser bundle names none of Node's modules", () => {
  const built = readFileSync(join(root, "dist/ring3.browser.js"), "utf8");
  assert.not.match(built, /from\s*"node:|require\(|\bprocess\.|\bBuffer\./);
});

test.run();
