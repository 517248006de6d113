// The bytes of the tables that the CPU reads, held against values that Linux's own have on a real machine.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Ring0 } from "../../host/ring0/ring0";
import { buildGdt, STAR_HIGH, __KERNEL_CS, __KERNEL_DS, __USER32_CS, __USER_CS, __USER_DS } from "../../host/ring0/segments";
import { buildIdt } from "../../host/ring0/cpu-entry-area";
import { SYSCALL_MASK } from "../../host/ring0/boot";
import { PHYS_KERNEL_TEXT, PHYS_PER_CPU, PER_CPU_CPU_TSS_RW, CEA_ENTRY_STACK_TOP, EXCEPTION_STACKS } from "../../host/ring0/layout";
import { TSS_IO_MAP_BASE, TSS_LIMIT, TSS_IST1, TSS_sp0, TSS_sp1 } from "../../host/ring0/descriptors";
import { CR0, CR4, EFER, FMASK, LSTAR, STAR, XCR0 } from "../../kernel/abi/state";
import { ramOnlyMachine } from "./ram-only-machine";

const quad = (bytes: Uint8Array, offset: number) => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(offset, true);

test("the GDT has Linux's descriptors in Linux's order", () => {
  const gdt = buildGdt();
  const expected = [0n, 0x00cf9b000000ffffn, 0x00af9b000000ffffn, 0x00cf93000000ffffn, 0x00cffb000000ffffn, 0x00cff3000000ffffn, 0x00affb000000ffffn];
  expected.forEach((descriptor, index) => assert.is(quad(gdt, index * 8), descriptor));
  assert.is(quad(gdt, 8 * 8), 0x00008b003000407fn);
  assert.is(quad(gdt, 9 * 8), 0xfffffe00n);
  assert.is(quad(gdt, 15 * 8), 0x0040f50000000000n);
});

test("SYSCALL's and SYSRET's arithmetic on STAR gives the selectors", () => {
  assert.is(STAR_HIGH & 0xffff, __KERNEL_CS);
  assert.is((STAR_HIGH & 0xffff) + 8, __KERNEL_DS);
  assert.is(STAR_HIGH >>> 16, __USER32_CS);
  assert.is((STAR_HIGH >>> 16) + 8, __USER_DS);
  assert.is((STAR_HIGH >>> 16) + 16, __USER_CS);
});

test("the IDT has gates of DPL 3 for INT3, INTO and INT 0x80 only, and stacks of their own for #DB, NMI, #DF and #MC", () => {
  const { text } = Ring0.boot(ramOnlyMachine(), { pti: true, pcid: true });
  const idt = buildIdt(text.labels);
  const gates = Array.from({ length: 256 }, (_, vector) => {
    const lo = quad(idt, vector * 16);
    const offset = BigInt.asIntN(64, (quad(idt, vector * 16 + 8) << 32n) | ((lo >> 32n) & 0xffff0000n) | (lo & 0xffffn));
    return { vector, selector: Number((lo >> 16n) & 0xffffn), ist: Number((lo >> 32n) & 7n), type: Number((lo >> 40n) & 0x1fn), dpl: Number((lo >> 45n) & 3n), present: (lo >> 47n) & 1n, offset };
  });
  assert.equal(gates.filter((gate) => gate.dpl === 3).map((gate) => gate.vector), [3, 4, 0x80]);
  assert.equal(gates.filter((gate) => gate.ist !== 0).map((gate) => [gate.vector, gate.ist]), [[1, 3], [2, 2], [8, 1], [18, 4]]);
  for (const gate of gates.filter((gate) => gate.present === 1n)) {
    assert.is(gate.type, 0xe);
    assert.is(gate.selector, __KERNEL_CS);
    assert.ok(text.symbolize(Number(gate.offset))!.match(/^(asm_|irq_entry_)[a-z_0-9]+$|^entry_INT80_compat$/), `vector ${gate.vector}`);
  }
  assert.is(Number(gates[14]!.offset), text.labels.get("asm_exc_page_fault"));
});

test("the TSS names the entry stack, the exception stacks, and no I/O map, and its limit has room for one", () => {
  const { phys } = (() => {
    const machine = ramOnlyMachine();
    Ring0.boot(machine, { pti: true, pcid: true });
    return machine;
  })();
  const tss = PHYS_PER_CPU + PER_CPU_CPU_TSS_RW;
  // Fields of the TSS are not aligned to their size.
  const linear = (field: number) => Number(BigInt.asIntN(64, phys.getU64(tss + field)));
  assert.is(linear(TSS_sp0), CEA_ENTRY_STACK_TOP);
  assert.equal(EXCEPTION_STACKS.map((_, index) => linear(TSS_IST1 + 8 * index)), EXCEPTION_STACKS.map((stack) => stack.top));
  assert.is(phys.u16[(tss + TSS_IO_MAP_BASE) >>> 1], TSS_LIMIT + 1);
  assert.equal([phys.u8[tss + 0x70], phys.u8[tss + 0x70 + 8192], phys.u8[tss + 0x2078], phys.u8[tss + 0x2078 + 8192]], [0xff, 0xff, 0, 0xff]);
});

test("switching to a task puts the top of its kernel stack into TSS.sp1", () => {
  const machine = ramOnlyMachine();
  const ring0 = Ring0.boot(machine, { pti: true, pcid: true });
  const stack = ring0.allocKernelStack()!;
  ring0.switchTo(stack, ring0.createAddressSpace()!);
  const tss = PHYS_PER_CPU + PER_CPU_CPU_TSS_RW;
  assert.is(Number(BigInt.asIntN(64, machine.phys.getU64(tss + TSS_sp1))), stack.top);
});

test("the registers after boot are those of Linux 6.1", () => {
  const machine = ramOnlyMachine();
  const ring0 = Ring0.boot(machine, { pti: true, pcid: true });
  const { registers } = machine;
  assert.is(SYSCALL_MASK, 0x257fd5);
  assert.is(registers.get(FMASK), 0x257fd5);
  assert.is(registers.getBig(STAR), 0x0023001000000000n);
  assert.is(registers.getLinear(LSTAR), ring0.labels.get("entry_SYSCALL_64"));
  assert.is(registers.get(EFER), 0xd01);
  assert.is(registers.get(CR0), 0x80050033);
  assert.is(registers.get(CR4), 0x370ee0);
  assert.is(registers.get(XCR0), 3);
  assert.equal(machine.phys.read(PHYS_KERNEL_TEXT, 3), new Uint8Array([0x0f, 0x01, 0xf8]));
});

test.run();
