// The standard streams of a run: they stream, they block the guest and not us, and they end as a shell expects.
import { once } from "node:events";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hasProgram, ring3, scratchFolder, shell, skip, startRing3 } from "../command";

test("standard input from a pipe reaches the guest byte for byte", () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7 + (i >> 8)) & 255));
  const ended = ring3(["run", "cat"], { input: bytes });
  assert.is(ended.status, 0);
  assert.ok(ended.stdout.equals(bytes));
});

test("a guest that waits for input answers each line as it comes", async () => {
  const child = startRing3(["run", "cat"]);
  for (const line of ["one\n", "two\n"]) {
    child.stdin.write(line);
    const [answer] = await once(child.stdout, "data");
    assert.is(String(answer), line);
  }
  child.stdin.end();
  const [status] = await once(child, "close");
  assert.is(status, 0);
});

test("--timeout ends a guest that waits for input", async () => {
  const child = startRing3(["run", "--timeout", "0.3", "cat"]);
  const [status] = await once(child, "close");
  assert.is(status, 124);
  child.stdin.destroy();
});

test("a guest that does not read leaves standard input to the next program", () => {
  if (!hasProgram("bash")) return skip("standard input shared with other programs", "no bash");
  assert.is(shell("printf 'left over' | { $RING3 run hello; cat; }").text, "Hello, world!\nleft over");
  const file = join(scratchFolder(), "input");
  writeFileSync(file, "left over");
  assert.is(shell(`{ $RING3 run hello; cat; } < ${file}`).text, "Hello, world!\nleft over");
});

test("20 MB stream through without being kept", () => {
  if (!hasProgram("bash")) return skip("20 MB through cat", "no bash");
  const ended = shell("head -c 20000000 /dev/zero | $RING3 run --stats cat | wc -c");
  assert.is(ended.text.trim(), "20000000");
  const resident = Number(/(\d+) MB resident/.exec(ended.stderr)?.[1]);
  assert.ok(resident < 150, ended.stderr);
});

test("a writer whose reader has gone ends with SIGPIPE and without a word", () => {
  if (!hasProgram("bash")) return skip("SIGPIPE", "no bash");
  const ended = shell("$RING3 run cat < /dev/zero | head -c 5 | od -An -tx1; echo ${PIPESTATUS[0]}");
  assert.is(ended.text, " 00 00 00 00 00\n141\n");
  assert.is(ended.stderr, "");
});

test("a full device is ENOSPC to the guest", () => {
  if (!hasProgram("bash")) return skip("/dev/full", "no bash");
  const ended = shell("$RING3 run echo x > /dev/full; echo $?");
  assert.match(ended.text, /^1\n$/);
});

test("closed standard streams are no fault of ours", () => {
  if (!hasProgram("bash")) return skip("closed standard streams", "no bash");
  assert.is(shell("$RING3 run cat <&-; echo $?").text, "0\n");
  assert.not.match(shell("$RING3 run hello >&-").stderr, /internal error|    at /);
  assert.is(shell("$RING3 run hello 2>&-").text, "Hello, world!\n");
});

test("a hello in 256 MiB keeps the process under 150 MB resident", () => {
  const { stderr } = ring3(["run", "--stats", "hello"]);
  const resident = Number(/(\d+) MB resident/.exec(stderr)?.[1]);
  assert.ok(resident > 10 && resident < 150, stderr);
});

test.run();
