// i386's table of system calls: its own numbers, arguments in six registers of 32 bits, handlers shared with x86-64.
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NR_I386_SYSCALLS, i386SyscallRows, i386SyscallTable } from "../../host/linux/i386-syscall-table";
import { CONVERT_I32, CONVERT_PAIR, CONVERT_U32 } from "../../host/linux/syscall-row";
import { syscallByName } from "../../host/linux/syscall-table";

const byName = (name: string) => i386SyscallRows().find((row) => row.name === name)!;

test("numbers are ascending and names unique; read is 3", () => {
  const numbers = i386SyscallRows().map((row) => row.number);
  assert.equal(numbers, [...new Set(numbers)].sort((a, b) => a - b));
  assert.is(new Set(i386SyscallRows().map((row) => row.name)).size, i386SyscallRows().length);
  assert.is(i386SyscallTable().length, NR_I386_SYSCALLS);
  assert.is(i386SyscallTable()[3]!.name, "read");
  for (const number of [222, 223, 251, 285, 387, 415]) assert.is(i386SyscallTable()[number], undefined);
});

test("names and numbers are those of this computer's <asm/unistd_32.h>", () => {
  let header: string;
  try {
    header = readFileSync("/usr/include/x86_64-linux-gnu/asm/unistd_32.h", "latin1");
  } catch {
    console.log("SKIP: i386's system call numbers against <asm/unistd_32.h> (no such header here)");
    return;
  }
  const defined = [...header.matchAll(/#define __NR_(\w+) (\d+)/g)].map(([, name, number]) => `${name} ${number}`);
  const ours = i386SyscallRows().map((row) => `${row.name} ${row.number}`);
  assert.equal(ours.filter((row) => !defined.includes(row)), []);
  const last = Math.max(...i386SyscallRows().map((row) => row.number));
  assert.equal(defined.filter((row) => Number(row.split(" ")[1]) <= last && !ours.includes(row)), []);
});

test("arguments fit into six registers, an offset of 64 bits taking two", () => {
  for (const row of i386SyscallRows()) {
    const registers = [...row.conversions].reduce((sum, conversion) => sum + (conversion === CONVERT_PAIR ? 2 : 1), 0);
    assert.ok(registers <= 6, row.name);
  }
  assert.equal([...byName("pread64").conversions], [CONVERT_I32, CONVERT_U32, CONVERT_U32, CONVERT_PAIR]);
  assert.equal([...byName("lseek").conversions], [CONVERT_I32, CONVERT_I32, CONVERT_I32]);
});

test("a call that x86-64 has is served by the same handler, its times in the row's layout", () => {
  for (const name of ["read", "write", "openat", "futex", "clock_gettime", "mremap"]) {
    assert.is(byName(name).handler, syscallByName(name)!.handler, name);
  }
  assert.is(byName("_newselect").handler, syscallByName("select")!.handler);
  assert.is(byName("clock_gettime").abi.time, 4);
  assert.is(byName("clock_gettime64").abi.time, 8);
  assert.is(byName("clock_gettime64").handler, syscallByName("clock_gettime")!.handler);
});

test.run();
