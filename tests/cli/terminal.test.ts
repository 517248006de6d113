// The command on a terminal: a pseudo-terminal made by script(1), which stands between the test and the guest.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hasProgram, root, skip } from "../command";

const COMMAND = `${process.execPath} ${join(root, "dist/main.cjs")}`;
const BUSYBOX = "/usr/bin/busybox";
const HANG_MS = 20_000;

/** A command line on a terminal of its own. */
class Session {
  output = "";
  readonly ended: Promise<number | null>;
  private readonly child;
  private changed: () => void = () => {};

  constructor(line: string) {
    this.child = spawn("script", ["-qec", line, "/dev/null"], { stdio: ["pipe", "pipe", "ignore"] });
    const timer = setTimeout(() => this.child.kill("SIGKILL"), HANG_MS);
    this.child.stdout.on("data", (bytes) => {
      this.output += bytes;
      this.changed();
    });
    this.ended = new Promise((resolve) =>
      this.child.on("close", (status) => {
        clearTimeout(timer);
        this.changed();
        resolve(status);
      }),
    );
  }

  type(keys: string): void {
    this.child.stdin.write(keys);
  }

  /** Waits until the terminal shows `text`. */
  async shows(text: string): Promise<void> {
    const end = Date.now() + HANG_MS;
    while (!this.output.includes(text)) {
      assert.ok(Date.now() < end, `the terminal shows ${JSON.stringify(this.output)}, not ${text}`);
      await new Promise<void>((resolve) => {
        this.changed = resolve;
        setTimeout(resolve, 100);
      });
    }
  }
}

function terminal(what: string): boolean {
  if (hasProgram("script")) return true;
  skip(what, "no script");
  return false;
}

test("output to a terminal arrives", async () => {
  if (!terminal("output to a terminal")) return;
  const session = new Session(`${COMMAND} run echo on a terminal`);
  assert.is(await session.ended, 0);
  assert.is(session.output, "on a terminal\r\n");
});

test("input from a terminal comes line by line, and Ctrl-D ends it", async () => {
  if (!terminal("input from a terminal")) return;
  const session = new Session(`stty -echo; echo ready; ${COMMAND} run cat`);
  await session.shows("ready");
  session.type("first\n");
  await session.shows("first\r\n");
  session.type("second\n");
  await session.shows("second\r\n");
  session.type("\x04");
  assert.is(await session.ended, 0);
  assert.is(session.output, "ready\r\nfirst\r\nsecond\r\n");
});

test("Ctrl-C ends a guest that waits, and one that computes", async () => {
  if (!terminal("Ctrl-C")) return;
  for (const guest of ["cat", "int-loop 100000000"]) {
    const session = new Session(`echo ready; ${COMMAND} run ${guest}`);
    await session.shows("ready");
    await new Promise((resolve) => setTimeout(resolve, 700));
    session.type("\x03");
    assert.is(await session.ended, 130, guest);
  }
});

test("--timeout ends a guest that waits for a terminal", async () => {
  if (!terminal("--timeout on a terminal")) return;
  const session = new Session(`${COMMAND} run --timeout 0.5 cat`);
  assert.is(await session.ended, 124);
});

test("the guest sees a terminal, and none when it is a pipe", async () => {
  if (!terminal("isatty of the guest")) return;
  if (!existsSync(BUSYBOX)) return skip("isatty of the guest", "no busybox");
  const session = new Session(`${COMMAND} run ${BUSYBOX} tty`);
  assert.is(await session.ended, 0);
  assert.match(session.output, /^\/dev\/\S+\r\n$/);
  const piped = new Session(`true | ${COMMAND} run ${BUSYBOX} tty`);
  assert.is(await piped.ended, 1);
  assert.is(piped.output, "not a tty\r\n");
});

test("the terminal's size is the guest's", async () => {
  if (!terminal("window size")) return;
  if (!existsSync(BUSYBOX)) return skip("window size", "no busybox");
  const session = new Session(`stty rows 33 columns 77; ${COMMAND} run ${BUSYBOX} stty size`);
  assert.is(await session.ended, 0);
  assert.is(session.output, "33 77\r\n");
});

test.run();
