// A file that is cut while it is mapped: the pages past its end leave every mapping, as on the processor's own Linux.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { execute, hasProgram, ring3, scratchFolder, skip } from "../command";

const SOURCE = `
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
int main() {
  int f = open("/tmp/ring3-truncated", O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (ftruncate(f, 12288)) return 1;
  volatile char *p = mmap(0, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
  volatile char *q = mmap(0, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
  p[8192] = 65; q[8192] = 70; p[0] = 66;
  if (ftruncate(f, 4096) || ftruncate(f, 12288)) return 1;
  printf("%d %d\\n", p[8192], q[8192]);
  p[8192] = 90;
  char c = 0;
  if (pread(f, &c, 1, 8192) != 1) return 1;
  printf("%d\\n", c);
  c = 81;
  if (pwrite(f, &c, 1, 8192) != 1) return 1;
  printf("%d %d\\n", p[8192], p[0]);
  if (ftruncate(f, 4096)) return 1;
  unlink("/tmp/ring3-truncated");
  fflush(stdout);
  p[8192] = 1;
  return 0;
}`;

test("stores past the end of a file that was cut are SIGBUS, and what was cut off stays gone", () => {
  if (!hasProgram("gcc")) return skip("a mapped file that is cut", "no gcc for x86-64 Linux");
  const folder = scratchFolder();
  const program = join(folder, "truncated");
  writeFileSync(`${program}.c`, SOURCE);
  assert.is(execute("gcc", ["-O1", "-static", `${program}.c`, "-o", program]).status, 0);
  const native = execute(program, []);
  const ours = ring3(["run", program]);
  assert.is(ours.text, native.text);
  assert.is(ours.status, native.status);
  assert.is(ours.status, 135);
});

test.run();
