// Memory of the whole Node process, as the operating system counts it: bounded, and independent of how much a guest prints.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { execute, hasProgram, root, scratchFolder, shell, skip } from "../command";

const TIME = "/usr/bin/time -f '%M KB'";
const LIMIT_MB = 150;
const folder = scratchFolder();

function measurable(what: string): boolean {
  if (hasProgram("time") && hasProgram("bash")) return true;
  skip(what, "no /usr/bin/time");
  return false;
}

/** Greatest resident size of the command behind $TIME, in MB, and what the line printed. */
function resident(line: string): { megabytes: number; text: string } {
  const { text, stderr } = shell(line.replace("$TIME", TIME));
  const size = /(\d+) KB\n$/.exec(stderr)?.[1];
  assert.ok(size, stderr);
  return { megabytes: Number(size) / 1024, text };
}

test("a hello in a machine of 256 MiB keeps the process under 150 MB", () => {
  if (!measurable("resident size of hello")) return;
  const { megabytes, text } = resident("$TIME $RING3 run --memory 256 hello");
  assert.is(text, "Hello, world!\n");
  assert.ok(megabytes > 10 && megabytes < LIMIT_MB, `${megabytes} MB`);
});

test("RAM of the machine that the guest does not touch costs nothing", () => {
  if (!measurable("resident size of a large machine")) return;
  const { megabytes } = resident("$TIME $RING3 run --memory 4000 hello");
  assert.ok(megabytes < LIMIT_MB, `${megabytes} MB`);
});

test("a guest that prints 100 MB stays under 150 MB, and one that prints 300 needs no more", () => {
  if (!measurable("resident size of 100 MB of output")) return;
  if (!hasProgram("gcc")) return skip("resident size of 100 MB of output", "no gcc");
  const source = join(folder, "flood.c");
  const program = join(folder, "flood");
  writeFileSync(
    source,
    `#include <stdlib.h>
     #include <string.h>
     #include <unistd.h>
     int main(int argc, char **argv) {
       static char block[1 << 16];
       memset(block, 'x', sizeof block);
       for (long left = atol(argv[1]); left > 0;) {
         ssize_t count = write(1, block, left < (long)sizeof block ? left : (long)sizeof block);
         if (count < 0) return 1;
         left -= count;
       }
       return 0;
     }`,
  );
  assert.is(execute("gcc", ["-O1", "-static", "-o", program, source]).status, 0);
  const printing = (bytes: number, into: string) => {
    const { megabytes, text } = resident(`$TIME $RING3 run ${program} ${bytes} ${into}`);
    assert.is(text.trim(), String(bytes));
    return megabytes;
  };
  const once = printing(100_000_000, "| wc -c");
  const thrice = printing(300_000_000, "| wc -c");
  assert.ok(once < LIMIT_MB, `${once} MB`);
  assert.ok(thrice < once + 20, `${once} MB for 100 MB of output, ${thrice} MB for 300`);
  // A reader that is slower than the guest: what it has not taken stays with the guest.
  assert.ok(printing(100_000_000, "| { sleep 1; wc -c; }") < LIMIT_MB);
  const toFile = join(folder, "output");
  assert.ok(printing(100_000_000, `> ${toFile}; wc -c < ${toFile}`) < LIMIT_MB);
});

test("100 MB of input stream through as well", () => {
  if (!measurable("resident size of 100 MB of input")) return;
  const { megabytes, text } = resident("head -c 100000000 /dev/zero | $TIME $RING3 run cat | wc -c");
  assert.is(text.trim(), "100000000");
  assert.ok(megabytes < LIMIT_MB, `${megabytes} MB`);
});

test("memory that a guest maps and gives back is used again", () => {
  if (!measurable("resident size of a guest that maps and unmaps")) return;
  const { megabytes, text } = resident(`$TIME $RING3 run ${join(root, "guest-programs/page-fault")}`);
  assert.match(text, /16 page faults/);
  assert.ok(megabytes < LIMIT_MB, `${megabytes} MB`);
});

test.run();
