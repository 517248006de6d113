// ioperm and iopl: the TSS's bitmaps, which ports fault, what another task may use, and CLI under iopl(3).
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Kernel, Machine, run, type RunOptions } from "../../host/index";
import { TSS_IO_MAP_BASE, TSS_LIMIT } from "../../host/ring0/descriptors";
import { PER_CPU_CPU_TSS_RW, PHYS_PER_CPU } from "../../host/ring0/layout";
import { call, exit, guest } from "./signal-guest";

const VARIANTS: RunOptions[] = [{}, { pti: false }, { pcid: false }, { vendor: "amd" }];
const IOPERM = 173;
const IOPL = 172;

const end = (text: string, options: RunOptions = {}) => run(guest(text), { clock: "virtual", seed: 1, onNotice: () => {}, ...options });
const input = (port: number, instruction: string): string => `mov $${port}, %edx\n${instruction}\n`;
const failed = (label: string): string => `test %rax, %rax\njnz ${label}\n`;

test("without ioperm every port is SIGSEGV; with it exactly the ports that were named", async () => {
  for (const options of VARIANTS) {
    assert.is((await end(input(0x80, "in %dx, %al") + exit("$0"), options)).signal, "SIGSEGV");
    const allow = call(IOPERM, "$0x378", "$3", "$1") + failed("bad");
    const bad = `bad: ${exit("$1")}`;
    for (const [port, instruction, allowed] of [
      [0x378, "in %dx, %al", true], [0x37a, "in %dx, %al", true], [0x377, "in %dx, %al", false], [0x37b, "in %dx, %al", false],
      [0x378, "in %dx, %ax", true], [0x37a, "in %dx, %ax", false], [0x378, "in %dx, %eax", false], [0x379, "out %al, %dx", true], [0xffff, "in %dx, %al", false],
    ] as const) {
      const { status, signal } = await end(allow + input(port, instruction) + exit("$0") + bad, options);
      assert.equal([status, signal], allowed ? [0, null] : [139, "SIGSEGV"], `${instruction} of 0x${port.toString(16)}`);
    }
  }
});

test("ioperm takes ports away again, and refuses ranges past the last port", async () => {
  const taken = call(IOPERM, "$0", "$65536", "$1") + failed("bad") + input(0xffff, "in %dx, %al") + call(IOPERM, "$0x100", "$1", "$0") + failed("bad")
    + input(0x101, "in %dx, %al") + input(0x100, "in %dx, %al") + exit("$0") + `bad: ${exit("$1")}`;
  assert.is((await end(taken)).signal, "SIGSEGV");
  for (const [from, count] of [[0, 65537], [65536, 1], [5, 0], [-1, 2]]) {
    assert.is((await end(call(IOPERM, `$${from}`, `$${count}`, "$1") + "neg %rax\n" + exit("%rax"))).status, 22);
  }
  assert.is((await end(call(105, "$1000") + call(IOPERM, "$0", "$1", "$1") + "neg %rax\n" + exit("%rax"))).status, 1);
});

test("iopl(3) opens every port, RFLAGS.IOPL stays 0, CLI and STI become NOPs; lower levels open nothing", async () => {
  for (const options of VARIANTS) {
    const text = call(IOPL, "$3") + failed("bad") + input(0xffff, "in %dx, %al") + "cli\nsti\npushfq\npop %rax\nand $0x3000, %eax\njnz bad\n"
      + call(IOPL, "$0") + failed("bad") + exit("$7") + `bad: ${exit("$1")}`;
    assert.is((await end(text, options)).status, 7);
    assert.is((await end(call(IOPL, "$2") + input(0x80, "in %dx, %al") + exit("$0"), options)).signal, "SIGSEGV");
    assert.is((await end(call(IOPL, "$3") + "hlt\n", options)).signal, "SIGSEGV");
  }
  assert.is((await end(call(IOPL, "$4") + "neg %rax\n" + exit("%rax"))).status, 22);
  assert.is((await end(call(105, "$1000") + call(IOPL, "$3") + "neg %rax\n" + exit("%rax"))).status, 1);
});

test("a task's bitmap is in force while it runs, and copied only if the TSS has another state", async () => {
  const machine = await Machine.create({ ramBytes: 8 * 1024 * 1024 });
  const { ring0 } = new Kernel(machine, { seed: 1 });
  const base = () => machine.phys.u16[(PHYS_PER_CPU + PER_CPU_CPU_TSS_RW + TSS_IO_MAP_BASE) >>> 1]!;
  const bitmap = PHYS_PER_CPU + PER_CPU_CPU_TSS_RW + 0x70;
  const space = ring0.createAddressSpace()!;
  const [first, second, third] = [ring0.allocKernelStack()!, ring0.allocKernelStack()!, ring0.allocKernelStack()!];
  ring0.switchTo(first, space);
  assert.is(base(), TSS_LIMIT + 1);
  ring0.setPorts(0x3f8, 8, true);
  assert.equal([base(), machine.phys.u8[bitmap + 0x7f]], [0x70, 0]);
  ring0.switchTo(second, space);
  assert.equal([base(), machine.phys.u8[bitmap + 0x7f]], [TSS_LIMIT + 1, 0], "out of force, and not cleared");
  ring0.switchTo(first, space);
  assert.is(base(), 0x70);
  ring0.switchTo(second, space);
  ring0.setPorts(8, 8, true);
  assert.equal([base(), machine.phys.u8[bitmap + 1], machine.phys.u8[bitmap + 0x7f]], [0x70, 0, 0xff]);
  ring0.switchTo(first, space);
  assert.equal([machine.phys.u8[bitmap + 1], machine.phys.u8[bitmap + 0x7f]], [0xff, 0]);
  ring0.switchTo(third, space);
  ring0.ioplLevel = 3;
  assert.is(base(), 0x2078);
  ring0.switchTo(second, space);
  third.copyUserState(first);
  ring0.switchTo(third, space);
  assert.equal([base(), machine.phys.u8[bitmap + 0x7f]], [0x70, 0], "a child has its parent's");
});

test.run();
