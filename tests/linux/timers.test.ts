// Timers: by the host's clock prompt and asleep in between, by the virtual one exact to the instruction.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run, type RunOptions, type RunResult } from "../../host/index";
import { execute, root, skip } from "../command";
import { DATA_ADDRESS, call, exit, guest } from "./signal-guest";

const timers = readFileSync(join(root, "guest-programs/timers"));

async function output(program: Uint8Array, options: RunOptions = {}): Promise<{ text: string; result: RunResult }> {
  const parts: Buffer[] = [];
  const stdout = (bytes: Uint8Array) => void parts.push(Buffer.from(bytes));
  const result = await run(program, { seed: 1, stdin: "", timeoutMs: 30_000, ...options, stdout });
  return { text: Buffer.concat(parts).toString(), result };
}

const natively = process.platform === "linux" && process.arch === "x64";

test("the timers guest prints the same natively, by the host's clock and by the virtual one", async () => {
  const byHost = await output(timers);
  const byVirtual = await output(timers, { clock: "virtual" });
  assert.is(byHost.result.status, 0);
  assert.is(byVirtual.text, byHost.text);
  if (!natively) return skip("timers natively", "not x86-64 Linux");
  assert.is(byHost.text, execute(join(root, "guest-programs/timers"), []).text);
});

test("a computing loop in virtual time is interrupted at the same instructions in every run, and computes the same as without", async () => {
  for (const interval of [1, 7, 50, 1000]) {
    const options: RunOptions = { clock: "virtual", args: ["timers", "count", String(interval)] };
    const [first, second] = [await output(timers, options), await output(timers, options)];
    assert.is(first.text, second.text);
    assert.is(first.result.instructions, second.result.instructions);
    const [, hash, rang] = /^hash (\w+), rang (\d+) times\n$/.exec(first.text)!;
    assert.is(hash, "b8c86133");
    // An instruction is a nanosecond. What comes before and after the loop is less than two intervals, or 20,000 instructions.
    const due = first.result.instructions / (interval * 1000);
    assert.ok(Math.abs(Number(rang) - due) <= 2 + 20 / interval, `${rang} times in ${first.result.instructions} instructions of ${interval} us`);
  }
});

const hex = (value: number) => `0x${value.toString(16)}`;
/** nanosleep of `seconds` and `nanoseconds`, then exit. */
const sleeper = (seconds: number, nanoseconds: number) =>
  guest(`
    movq $${seconds}, ${hex(DATA_ADDRESS)}
    movq $${nanoseconds}, ${hex(DATA_ADDRESS + 8)}
    ${call(35, `$${hex(DATA_ADDRESS)}`, "$0")}
    ${exit("$0")}`);

test("a sleeping guest is woken promptly and uses no CPU meanwhile", async () => {
  await output(sleeper(0, 1));
  const begun = performance.now();
  const cpu = process.cpuUsage();
  const { result } = await output(sleeper(0, 500_000_000));
  const took = performance.now() - begun;
  const used = process.cpuUsage(cpu);
  assert.is(result.status, 0);
  assert.ok(took >= 500 && took < 800, `${took} ms`);
  assert.ok((used.user + used.system) / 1000 < 250, `${(used.user + used.system) / 1000} ms of CPU`);
});

test("in virtual time a year of sleep takes no time", async () => {
  const begun = performance.now();
  const { result } = await output(sleeper(365 * 86400, 0), { clock: "virtual" });
  assert.is(result.status, 0);
  assert.ok(performance.now() - begun < 5000);
});

test("input that the host has ready comes before a timeout in virtual time", async () => {
  const pollfd = hex(DATA_ADDRESS);
  const text = `
    movq $${hex(0x100000000)}, %rax
    mov %rax, ${pollfd}
    ${call(7, `$${pollfd}`, "$1", "$1000")}
    ${exit("%rax")}`;
  let waiting: (() => void) | undefined;
  let ready = false;
  const stdin = {
    read: () => (ready ? new Uint8Array([65]) : undefined),
    onReadable(callback: () => void) {
      waiting = callback;
      setTimeout(() => {
        ready = true;
        waiting?.();
      }, 0);
    },
  };
  const { result } = await output(guest(text.replace("movq $0x100000000", "movabs $0x100000000")), { clock: "virtual", stdin });
  assert.is(result.status, 1);
});

test.run();
