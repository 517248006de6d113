// The Wasm instance: what it refuses, that instances are apart, and that a host write to running code is seen.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Machine } from "../../host/machine/machine";
import { assemble, CODE, guestProgram } from "../ring0/crossing-guest";
import { RAM_MAX } from "../../kernel/abi/layout";
import { MODE, MODE_32, MODE_64, RAX, RETIRED, RIP } from "../../kernel/abi/state";
import { rows } from "../../kernel/decode/rows";
import { EXIT_BUDGET } from "../../kernel/abi/exit-reasons";

const options = { pti: true, pcid: true };

for (const ramBytes of [0, -65536, 1000, 1.5, NaN, RAM_MAX + 65536]) {
  test(`guest RAM of ${ramBytes} bytes is refused`, async () => {
    let error: unknown;
    try {
      await Machine.create({ ramBytes });
    } catch (thrown) {
      error = thrown;
    }
    assert.instance(error, RangeError);
  });
}

test("the budget is exact", async () => {
  const { machine } = await guestProgram("again: incq %rax\nincq %rbx\njmp again\n", options);
  for (const budget of [1, 2, 3, 5, 1000, 99_999]) {
    const before = machine.registers.get(RETIRED);
    let left = budget;
    while (left > 0) {
      const start = machine.registers.get(RETIRED);
      machine.run(left);
      left -= machine.registers.get(RETIRED) - start;
    }
    assert.is(machine.registers.get(RETIRED) - before, budget);
  }
});

test("two machines run side by side", async () => {
  const first = await guestProgram("again: addq $1, %rax\njmp again\n", options);
  const second = await guestProgram("again: addq $2, %rax\njmp again\n", options);
  for (let round = 0; round < 5; round++) {
    first.ring0.dispatch(first.hooks, 1000);
    second.ring0.dispatch(second.hooks, 1000);
  }
  const counts = [first, second].map(({ machine }) => machine.registers.get(RAX));
  assert.ok(counts[0]! > 1000 && Math.abs(counts[1]! - 2 * counts[0]!) <= 2, counts.join());
});

test("the host's write to a page whose code has run is executed", async () => {
  const guest = await guestProgram("again: movl $1, %eax\njmp again\n", options);
  const { machine, ring0, space } = guest;
  ring0.dispatch(guest.hooks, 1000);
  assert.is(machine.registers.get(RAX), 1);
  machine.phys.write(space.walk(CODE)!.pa, assemble("again: movl $2, %eax\njmp again\n"));
  assert.is(ring0.dispatch(guest.hooks, 1000), EXIT_BUDGET);
  assert.is(machine.registers.get(RAX), 2);
});

test("decode answers row and length of bytes and leaves the machine as it was", async () => {
  const { machine, ring0, hooks } = await guestProgram("again: incq %rax\njmp again\n", options);
  const decoded = (mode: number, ...bytes: number[]) => {
    machine.registers.setWord(MODE, mode);
    const { row, length } = machine.decode(Uint8Array.from(bytes));
    return [row < 0 ? "none" : rows[row]!.mnemonic, length];
  };
  ring0.dispatch(hooks, 1000);
  const before = [machine.registers.getBig(RAX), machine.registers.getBig(RIP), machine.registers.getBig(RETIRED)];
  assert.equal(decoded(MODE_64, 0x48, 0x8b, 0x05, 1, 2, 3, 4), ["MOV", 7]);
  assert.equal(decoded(MODE_64, 0x48, 0x8b, 0x05, 1, 2), ["none", 0]); // more bytes are needed
  assert.equal(decoded(MODE_32, 0x48), ["DEC", 1]);
  assert.equal(decoded(MODE_64, 0xf0, 0x01, 0xc0), ["none", 3]); // LOCK without memory
  assert.equal(decoded(MODE_64, ...new Array<number>(15).fill(0x66)), ["none", 15]);
  assert.equal(decoded(MODE_64, 0x0f, 0x30), ["WRMSR", 2]); // what the privilege level forbids is an instruction all the same
  machine.registers.setWord(MODE, MODE_64);
  assert.equal([machine.registers.getBig(RAX), machine.registers.getBig(RIP), machine.registers.getBig(RETIRED)], before);
  ring0.dispatch(hooks, 100);
  assert.is(machine.registers.getBig(RAX) - before[0]!, 50n);
});

test("reset clears the registers and keeps guest RAM", async () => {
  const { machine, space } = await guestProgram("again: movl $1, %eax\njmp again\n", options);
  const pa = space.walk(CODE)!.pa;
  const before = machine.phys.read(pa, 8);
  machine.run(100);
  machine.reset();
  assert.is(machine.registers.get(RIP), 0);
  assert.is(machine.registers.get(RETIRED), 0);
  assert.equal(machine.phys.read(pa, 8), before);
});

test.run();
