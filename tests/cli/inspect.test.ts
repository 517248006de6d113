// `ring3 inspect` from the outside: what it shows at each point, as text and as JSON.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ring3 } from "../command";

interface Shown {
  cpu: { cpl: number; symbol: string | null; stack: string; pageTable: string };
  gdt: { name: string; selector: string }[];
  idt: { vector: number; stub: string; dpl: number; ist: number }[];
  tss: { name: string; value: string }[];
  msrs: { name: string; value: string; what: string | null }[];
  pageTables: { name: string; ranges: { start: string; what: string; user: boolean; writable: boolean; executable: boolean }[] }[];
  stacks: { name: string; owner: string; live: boolean; top: string }[];
}

function shown(...words: string[]): Shown {
  const { text, status, stderr } = ring3(["inspect", "--json", "--seed", "1", ...words, "hello"]);
  assert.equal([status, stderr], [0, ""]);
  return JSON.parse(text) as Shown;
}

test("each point shows ring, page table and stack as the lecture has them, and whose stack is live", () => {
  for (const [at, symbol, stack, pageTable, live] of [
    ["boot", null, "user stack", "kernel", []],
    ["entry", "entry_SYSCALL_64", "user stack", "user", []],
    ["handler", "entry_SYSCALL_64_after_call", "kernel stack", "kernel", ["task 100 (hello)"]],
    ["exit", "entry_SYSRETQ_unsafe_stack", "user stack", "user", []],
    ["exception", "asm_exc_page_fault", "kernel stack", "kernel", ["task 100 (hello)"]],
  ] as const) {
    const { cpu, stacks } = shown("--at", at);
    assert.equal([cpu.cpl, cpu.symbol?.replace(/\+.*/, "") ?? null, cpu.stack, cpu.pageTable], [0, symbol, stack, pageTable], at);
    assert.equal(stacks.filter((row) => row.live).map((row) => row.owner), live, at);
  }
});

test("the tables, MSRs and page tables are those of the machine", () => {
  const { gdt, idt, tss, msrs, pageTables, stacks } = shown();
  assert.equal(gdt.slice(0, 6).map(({ name }) => name), ["__KERNEL32_CS", "__KERNEL_CS", "__KERNEL_DS", "__USER32_CS", "__USER_DS", "__USER_CS"]);
  assert.equal(idt.filter(({ dpl }) => dpl === 3).map(({ vector }) => vector), [3, 4, 0x80]);
  assert.equal(idt.filter(({ ist }) => ist > 0).map(({ vector, ist }) => [vector, ist]), [[1, 3], [2, 2], [8, 1], [18, 4]]);
  const sp1 = tss.find(({ name }) => name === "RSP1")!.value;
  assert.is(stacks.find(({ name }) => name === "kernel stack")!.top, sp1);
  assert.is(msrs.find(({ name }) => name === "IA32_LSTAR")!.what, "entry_SYSCALL_64");
  assert.equal(pageTables.map(({ name }) => name), ["kernel", "user"]);
  const [kernel, user] = pageTables as [Shown["pageTables"][0], Shown["pageTables"][0]];
  assert.ok(kernel.ranges.some(({ what }) => what === "direct map of RAM"));
  assert.not(user.ranges.some(({ what }) => /direct map|kernel stack|IRQ/.test(what)));
  for (const range of [...kernel.ranges, ...user.ranges]) assert.not(range.writable && range.executable);
});

test("without PTI there is one page table, and emulate mode shows the vsyscall page", () => {
  const { cpu, pageTables } = shown("--pti=off", "--vsyscall=emulate");
  assert.is(cpu.pageTable, "the only one");
  assert.equal(pageTables.map(({ name }) => name), ["kernel"]);
  assert.equal(pageTables[0]!.ranges.filter(({ what }) => what === "vsyscall page").map(({ user, executable }) => [user, executable]), [[true, false]]);
});

test("as text it is sections with columns; points that never come and unknown ones are said so", () => {
  const { text } = ring3(["inspect", "--seed=1", "hello"]);
  for (const pattern of [
    /^At entry: CPL 0, rip ffffffff81000000 \(entry_SYSCALL_64\)/, /^ {2}80 +3 +- +entry_INT80_compat$/m, /^ {2}20-7f +0 +- +irq_entry_20 \.\.\. irq_entry_7f$/m,
    /^ {2}IST2 +fffffe[0-9a-f]+ +stack of NMI$/m, /^ {2}IA32_LSTAR +c0000082 +ffffffff81000000 +entry_SYSCALL_64$/m,
    /^ {2}ffffff0000000000-ffffff0000001000 +-r--g +4K +[0-9a-f]+ +espfix stack, 65536 times$/m, /^Page table of the user/m, /kernel stack +ffffc9.* task 100 \(hello\)$/m,
  ]) assert.match(text, pattern);
  assert.is(ring3(["inspect", "--at", "noon", "hello"]).status, 2);
});

test.run();
