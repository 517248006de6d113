// The CPU block as the host sees it.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Registers } from "../../host/machine/registers";
import { dumpRegisters, flagNames } from "../../host/machine/dump";
import { CPU_BLOCK_SIZE } from "../../kernel/abi/layout";
import { RAX, RIP, RSP } from "../../kernel/abi/state";

const fresh = () => new Registers(new ArrayBuffer(CPU_BLOCK_SIZE), 0);

test("a register reads the same by halves, as number, as signed number and as bigint", () => {
  const registers = fresh();
  registers.setHalves(RAX, 0x89abcdef, 0x1234);
  assert.is(registers.get(RAX), 0x123489abcdef);
  assert.is(registers.getLinear(RAX), 0x123489abcdef);
  assert.is(registers.getBig(RAX), 0x123489abcdefn);
  assert.is(registers.lo(RAX), 0x89abcdef);
  assert.is(registers.hi(RAX), 0x1234);
});

test("a kernel address survives as a signed number", () => {
  const registers = fresh();
  registers.setBig(RIP, 0xffffffff81000123n);
  const address = registers.getLinear(RIP);
  registers.set(RSP, address);
  assert.is(registers.getBig(RSP), 0xffffffff81000123n);
});

test("a negative number is stored in two's complement", () => {
  const registers = fresh();
  registers.set(RAX, -14);
  assert.is(registers.getBig(RAX), 0xfffffffffffffff2n);
});

test("the dump fits in 100 columns and names the flags", () => {
  const registers = fresh();
  registers.setBig(RIP, 0xffffffff81000123n);
  const lines = dumpRegisters(registers).split("\n");
  for (const line of lines) assert.ok(line.length <= 100, line);
  assert.match(lines.join("\n"), "rip ffffffff81000123");
  assert.is(flagNames(0x246), "IF ZF PF");
});

test.run();
