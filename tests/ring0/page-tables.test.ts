// Page tables in guest RAM: mapping, rights, invalidation, and that every frame comes back.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { PAGE_SIZE } from "../../host/machine/phys-memory";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../../host/ring0/page-tables";
import { Ring0 } from "../../host/ring0/ring0";
import { TASK_SIZE } from "../../host/ring0/layout";
import { ramOnlyMachine } from "./ram-only-machine";

const RW = PROT_READ | PROT_WRITE;

for (const pti of [true, false]) {
  const boot = () => {
    const machine = ramOnlyMachine();
    return { machine, ring0: Ring0.boot(machine, { pti, pcid: true }) };
  };
  const when = pti ? "with PTI" : "without PTI";

  test(`${when}, an address space gives back every frame it took`, () => {
    const { machine, ring0 } = boot();
    const before = machine.phys.framesInUse;
    const space = ring0.createAddressSpace()!;
    for (const linear of [0x1000, 0x400000, 0x7ffff7ff0000, TASK_SIZE - PAGE_SIZE]) {
      assert.ok(space.map(linear, machine.phys.allocFrame(), RW));
    }
    assert.is(space.pages, 4);
    space.destroy();
    assert.is(machine.phys.framesInUse, before);
  });

  test(`${when}, kernel stacks give back every frame, and a slot is used again`, () => {
    const { machine, ring0 } = boot();
    ring0.freeKernelStack(ring0.allocKernelStack()!);
    const before = machine.phys.framesInUse;
    const stacks = [1, 2, 3].map(() => ring0.allocKernelStack()!);
    const tops = stacks.map((stack) => stack.top);
    for (const stack of stacks) ring0.freeKernelStack(stack);
    assert.is(machine.phys.framesInUse, before);
    assert.ok(tops.includes(ring0.allocKernelStack()!.top));
  });

  test(`${when}, a page is found with the rights it was given`, () => {
    const { machine, ring0 } = boot();
    const space = ring0.createAddressSpace()!;
    const frame = machine.phys.allocFrame();
    space.map(0x401000, frame, PROT_READ | PROT_EXEC);
    assert.equal(space.walk(0x401abc), { pa: frame, prot: PROT_READ | PROT_EXEC, accessed: false, dirty: false });
    assert.is(space.translate(0x401abc, false), frame + 0xabc);
    assert.is(space.translate(0x401abc, true), -1);
    space.protect(0x401000, PAGE_SIZE, RW);
    assert.is(space.translate(0x401abc, true), frame + 0xabc);
    assert.ok(space.walk(0x401000)!.dirty);
  });

  test(`${when}, PROT_NONE hides a page and keeps its frame`, () => {
    const { machine, ring0 } = boot();
    const space = ring0.createAddressSpace()!;
    const frame = machine.phys.allocFrame();
    space.map(0x5000, frame, RW);
    space.protect(0x5000, PAGE_SIZE, 0);
    assert.is(space.translate(0x5000, false), -1);
    assert.is(space.walk(0x5000)!.pa, frame);
    assert.is(machine.phys.references(frame), 1);
    assert.is(ring0.tables.ranges(space.root).filter((range) => range.start === 0x5000).length, 0);
    space.protect(0x5000, PAGE_SIZE, PROT_READ);
    assert.is(space.translate(0x5000, false), frame);
  });

  test(`${when}, replacing a page puts the frame that was there`, () => {
    const { machine, ring0 } = boot();
    const space = ring0.createAddressSpace()!;
    const shared = machine.phys.allocFrame();
    machine.phys.get(shared);
    space.map(0x5000, shared, PROT_READ);
    space.map(0x5000, machine.phys.allocFrame(), RW);
    assert.is(machine.phys.references(shared), 1);
    assert.is(space.pages, 1);
  });

  test(`${when}, move carries pages and rights across page-table borders`, () => {
    const { machine, ring0 } = boot();
    const space = ring0.createAddressSpace()!;
    const frames = [0, 1, 2, 3].map(() => machine.phys.allocFrame());
    frames.forEach((frame, index) => space.map(0x10000 + index * PAGE_SIZE, frame, index === 1 ? PROT_READ : RW));
    assert.ok(space.move(0x10000, 0x3ffffe000, 4 * PAGE_SIZE));
    assert.is(space.walk(0x10000), undefined);
    assert.equal(frames.map((_, index) => space.walk(0x3ffffe000 + index * PAGE_SIZE)!.pa), frames);
    assert.is(space.walk(0x3ffffe000 + PAGE_SIZE)!.prot, PROT_READ);
  });
}

test("only changes of present entries of an address space in the TLB are invalidated", () => {
  const machine = ramOnlyMachine();
  const ring0 = Ring0.boot(machine, { pti: true, pcid: true });
  const space = ring0.createAddressSpace()!;
  machine.invalidated.length = 0;
  space.map(0x1000, machine.phys.allocFrame(), RW);
  space.unmap(0x1000);
  assert.equal(machine.invalidated, []);
  ring0.switchTo(ring0.allocKernelStack()!, space);
  space.map(0x1000, machine.phys.allocFrame(), RW);
  assert.equal(machine.invalidated, []);
  space.protect(0x1000, PAGE_SIZE, PROT_READ);
  space.unmap(0x1000);
  assert.equal(machine.invalidated, [0x1000, 0x1000]);
});

test("when guest RAM is used up, mapping says so and the frame stays the caller's", () => {
  const machine = ramOnlyMachine(4 * 1024 * 1024);
  const ring0 = Ring0.boot(machine, { pti: true, pcid: true });
  const space = ring0.createAddressSpace()!;
  const frame = machine.phys.allocFrame();
  while (machine.phys.allocFrame() >= 0);
  assert.not(space.map(0x1000, frame, RW));
  assert.is(machine.phys.references(frame), 1);
  assert.is(ring0.createAddressSpace(), undefined);
  assert.is(ring0.allocKernelStack(), undefined);
});

test("a seventh address space takes the TLB slot of the first", () => {
  const machine = ramOnlyMachine();
  const ring0 = Ring0.boot(machine, { pti: true, pcid: true });
  const stack = ring0.allocKernelStack()!;
  const spaces = [1, 2, 3, 4, 5, 6, 7].map(() => ring0.createAddressSpace()!);
  machine.invalidated.length = 0;
  for (const space of spaces.slice(0, 6)) ring0.switchTo(stack, space);
  assert.equal(machine.invalidated, []);
  ring0.switchTo(stack, spaces[6]!);
  assert.equal(machine.invalidated, ["all"]);
  assert.is(spaces[0]!.asid, -1);
  assert.is(spaces[6]!.cr3User, spaces[6]!.root + 0x1801);
});

test.run();
