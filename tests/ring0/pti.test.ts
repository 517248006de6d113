// What of the kernel user code could reach by its page table: a closed list.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { PAGE_SIZE } from "../../host/machine/phys-memory";
import { PROT_EXEC, PROT_READ, PROT_WRITE, type PageRange } from "../../host/ring0/page-tables";
import { USER_HALF_KERNEL_RANGES } from "../../host/ring0/pti";
import { Ring0 } from "../../host/ring0/ring0";
import { CEA_GDT, CEA_IDT, CEA_TSS, CPU_ENTRY_AREA, DIRECT_MAP, describeStack, EXCEPTION_STACKS, hexLinear, KERNEL_TEXT, LDT_BASE, LDT_SIZE, VSYSCALL_ADDR } from "../../host/ring0/layout";
import { ramOnlyMachine } from "./ram-only-machine";

/** A booted ring 0 with one process: some user pages, and running. */
function booted(pti: boolean, vsyscallNumbers?: readonly number[]) {
  const machine = ramOnlyMachine();
  const ring0 = Ring0.boot(machine, { pti, pcid: true, vsyscallNumbers });
  const space = ring0.createAddressSpace()!;
  space.map(0x401000, machine.phys.allocFrame(), PROT_READ | PROT_EXEC);
  space.map(0x7ffff7fff000, machine.phys.allocFrame(), PROT_READ | PROT_WRITE);
  ring0.enterUser(ring0.allocKernelStack()!, space, 0x401000, 0x7ffff8000000);
  const user = space.cr3User - (space.cr3User % PAGE_SIZE);
  return { machine, ring0, space, kernelRanges: ring0.tables.ranges(space.root), userRanges: ring0.tables.ranges(user) };
}

const inKernelHalf = (range: PageRange) => range.start < 0;

test("the list of kernel ranges in the user half is just these six", () => {
  const names = ["per-CPU page of cpu_tss_rw", "cpu_entry_area", "espfix stack", "LDT of the address space", "vsyscall page", "entry text"];
  assert.equal(USER_HALF_KERNEL_RANGES.map((range) => range.name), names);
});

test("the user page table maps of the kernel only cpu_entry_area, the espfix stack, the entry text and the per-CPU page of cpu_tss_rw", () => {
  const { userRanges } = booted(true);
  const kernel = userRanges.filter(inKernelHalf);
  for (const range of kernel) {
    const allowed = USER_HALF_KERNEL_RANGES.some(({ start, end }) => range.start >= start && range.end <= end);
    assert.ok(allowed, `${hexLinear(range.start)} is mapped in the user half`);
    assert.not(range.user, "a kernel page is open to CPL 3");
    assert.ok(range.global);
  }
  for (const { name, start } of USER_HALF_KERNEL_RANGES) {
    assert.is(kernel.some((range) => range.start === start), start !== LDT_BASE && start !== VSYSCALL_ADDR, name);
  }
});

test("an LDT is in both halves of its own address space, read-only and not global, and goes with it", () => {
  for (const pti of [true, false]) {
    const { machine, ring0, space } = booted(pti);
    const other = ring0.createAddressSpace()!;
    const free = machine.phys.framesFree;
    const third = ring0.createAddressSpace()!;
    assert.ok(third.ldt.set(513, 0x0000ffff, 0x00cff300));
    const user = third.cr3User - (third.cr3User % PAGE_SIZE);
    for (const root of new Set([third.root, user])) {
      const found = ring0.tables.ranges(root).filter((range) => range.start >= LDT_BASE && range.start < LDT_BASE + LDT_SIZE);
      assert.is(found.reduce((bytes, range) => bytes + range.end - range.start, 0), 2 * PAGE_SIZE);
      assert.ok(found.every((range) => !range.user && !range.writable && !range.executable && !range.global));
    }
    for (const root of [space.root, other.root]) assert.is(ring0.tables.pte(root, LDT_BASE), -1);
    ring0.destroyAddressSpace(third);
    assert.is(machine.phys.framesFree, free);
  }
});

test("a vsyscall page is mapped where it has something to show, for user code to read and not to execute", () => {
  for (const pti of [true, false]) {
    for (const numbers of [undefined, [96, 201, 309]]) {
      const { userRanges, kernelRanges } = booted(pti, numbers);
      for (const ranges of [userRanges, kernelRanges]) {
        const open = ranges.filter((range) => inKernelHalf(range) && range.user);
        assert.equal(open.map(({ start, end, writable, executable }) => [start, end, writable, executable]),
          numbers !== undefined ? [[VSYSCALL_ADDR, VSYSCALL_ADDR + PAGE_SIZE, false, false]] : []);
      }
    }
  }
});

test("every user page is in both halves, executable only in the user's", () => {
  const { userRanges, kernelRanges } = booted(true);
  const user = userRanges.filter((range) => !inKernelHalf(range));
  const kernel = kernelRanges.filter((range) => !inKernelHalf(range));
  assert.equal(user.map((range) => [range.start, range.end, range.pa, range.writable]), kernel.map((range) => [range.start, range.end, range.pa, range.writable]));
  assert.equal(user.map((range) => range.executable), [true, false]);
  assert.equal(kernel.map((range) => range.executable), [false, false]);
});

test("under PTI no kernel page is global but those of the list", () => {
  const { kernelRanges } = booted(true);
  for (const range of kernelRanges.filter((range) => inKernelHalf(range) && range.global)) {
    assert.ok(range.start >= CPU_ENTRY_AREA, hexLinear(range.start));
  }
});

test("with pti off it maps the kernel and the entry code is different", () => {
  const on = booted(true);
  const off = booted(false);
  assert.is(off.space.cr3User, off.space.cr3Kernel);
  const direct = off.userRanges.find((range) => range.start === DIRECT_MAP)!;
  assert.is(direct.end - direct.start, off.machine.phys.bytes);
  assert.ok(off.userRanges.filter(inKernelHalf).every((range) => range.global && !range.user));
  assert.not.equal(off.ring0.text.bytes, on.ring0.text.bytes);
  assert.ok(off.ring0.text.bytes.length < on.ring0.text.bytes.length);
});

test("the IDT, the GDT and the TSS's alias are read-only, and no stack has a page below it", () => {
  for (const pti of [true, false]) {
    const { ring0, kernelRanges } = booted(pti);
    const at = (linear: number) => kernelRanges.find((range) => range.start <= linear && linear < range.end);
    for (const table of [CEA_IDT, CEA_GDT, CEA_TSS]) assert.not(at(table)!.writable);
    for (const stack of EXCEPTION_STACKS) assert.is(at(stack.bottom - 1), undefined);
    const task = ring0.current!;
    assert.ok(at(task.top - 1)!.writable);
    assert.is(at(task.top - 4 * PAGE_SIZE - 1), undefined);
    assert.is(describeStack(task.top - 8), "kernel stack");
  }
});

test("nothing of the kernel is both writable and executable, and only the entry text is executable", () => {
  for (const pti of [true, false]) {
    for (const range of booted(pti).kernelRanges.filter(inKernelHalf)) {
      if (range.executable) assert.ok(range.start === KERNEL_TEXT && !range.writable);
    }
  }
});

test("stacks are told apart by RSP", () => {
  assert.is(describeStack(0x7ffff8000000), "user stack");
  assert.is(describeStack(CPU_ENTRY_AREA + 0x3000), "entry stack");
  assert.equal(EXCEPTION_STACKS.map((stack) => describeStack(stack.top - 8)), ["IST #DF", "IST NMI", "IST #DB", "IST #MC"]);
  assert.is(describeStack(DIRECT_MAP), "no stack");
});

test.run();
