// The table of system calls: every number of Linux 6.1 once, in order, with argument kinds that strace knows.
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NR_SYSCALLS, sysCallTable, syscallByName, syscallRows } from "../../host/linux/syscall-table";

test("numbers are ascending, 0 to 334 and 424 to 450, and names are unique", () => {
  const numbers = syscallRows.map((row) => row.number);
  const expected = [...Array.from({ length: 335 }, (_, i) => i), ...Array.from({ length: 27 }, (_, i) => 424 + i)];
  assert.equal(numbers, expected);
  assert.is(new Set(syscallRows.map((row) => row.name)).size, syscallRows.length);
  assert.is(sysCallTable.length, NR_SYSCALLS);
});

test("names and numbers are those of this computer's <asm/unistd_64.h>", () => {
  let header: string;
  try {
    header = readFileSync("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "latin1");
  } catch {
    console.log("SKIP: system call numbers against <asm/unistd_64.h> (no such header here)");
    return;
  }
  for (const row of syscallRows) assert.match(header, new RegExp(`__NR_${row.name} ${row.number}\n`), row.name);
});

test("a row has at most six arguments, and a length refers to one of them", () => {
  for (const row of syscallRows) {
    assert.ok(row.kinds.length <= 6, row.name);
    for (const kind of row.kinds) {
      const index = /(?:buf:\w+|iov:\w+|pollfd|mode\?|fcntlarg|str|ptr\?):?(\d)/.exec(kind)?.[1];
      if (index !== undefined) assert.ok(Number(index) < row.kinds.length, `${row.name}: ${kind}`);
    }
  }
});

test("kinds decide the conversion: descriptors are signed, flags unsigned, offsets 64 bits", () => {
  assert.equal([...syscallByName("pread64")!.conversions], [1, 0, 0, 3]);
  assert.equal([...syscallByName("openat")!.conversions], [1, 0, 2, 2]);
});

test.run();
