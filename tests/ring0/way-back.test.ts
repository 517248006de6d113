// The ways back to CPL 3: when SYSRET may be used, the IRETQ to a 16-bit stack and its faults, and what becomes of the flags.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { CODE, guestProgram, STACK_TOP, STACK_TOP_32, type Guest, type GuestOptions } from "./crossing-guest";
import { codeOrDataDescriptor } from "../../host/ring0/descriptors";
import { SUSPEND } from "../../host/ring0/hypercall";
import { CEA_GDT, CPU_ENTRY_AREA, describeStack, ESPFIX_BASE, PHYS_CPU_ENTRY_AREA } from "../../host/ring0/layout";
import { PT_CX, PT_FLAGS, PT_IP, PT_R11, PT_SP, type PtRegs } from "../../host/ring0/pt-regs";
import { __USER32_CS } from "../../host/ring0/segments";
import { EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import { CPL, GS_BASE, KERNEL_GS_BASE, R11, RAX, RCX, RDI, RFLAGS, RIP, RSP, SEG, SEG_ATTRIBUTES, SEG_BASE, SEG_LDTR, SEG_LIMIT, SEG_SS } from "../../kernel/abi/state";
import { VECTOR_GP } from "../../kernel/abi/vectors";

const variants: GuestOptions[] = [
  { pti: true, pcid: true },
  { pti: true, pcid: false },
  { pti: false, pcid: false },
  { pti: true, pcid: true, fsgsbase: false, smap: false },
  { pti: true, pcid: true, vendor: "amd" },
];

/** Behind the GDT, in its page. */
const LDT_OFFSET = 0x800;
const STACK_16 = 0x0f;
const CODE_16 = 0x17;

/** An LDT with a 16-bit data segment and a 16-bit code segment, which LLDT would have loaded. */
function loadLdt(guest: Guest): void {
  const { machine } = guest;
  const gdtPage = PHYS_CPU_ENTRY_AREA + (CEA_GDT - CPU_ENTRY_AREA);
  machine.phys.write(gdtPage + LDT_OFFSET + (STACK_16 & ~7), codeOrDataDescriptor(0, 0xffff, 0x00f3));
  machine.phys.write(gdtPage + LDT_OFFSET + (CODE_16 & ~7), codeOrDataDescriptor(CODE, 0xffff, 0x00fb));
  const at = SEG + 8 * SEG_LDTR;
  machine.registers.u16[at >>> 1] = 0x50;
  machine.registers.u16[(at + SEG_ATTRIBUTES) >>> 1] = 0x82;
  machine.registers.setWord(at + SEG_LIMIT, 0x17);
  machine.registers.set(SEG_BASE + 8 * SEG_LDTR, CEA_GDT + LDT_OFFSET);
}

/** Steps to CPL 3 and RIP `until`, or until a hook says SUSPEND; the labels and stacks passed on the way. */
function passed(guest: Guest, until: number): { labels: string[]; stacks: string[] } {
  const { registers } = guest.machine;
  const labels: string[] = [];
  const stacks: string[] = [];
  for (let steps = 0; steps < 3000; steps++) {
    const rip = registers.getLinear(RIP);
    const name = guest.ring0.text.symbolize(rip)?.replace(/\+.*/, "");
    if (name !== undefined && name !== labels.at(-1)) labels.push(name);
    if (registers.getWord(CPL) === 3 && rip === until) return { labels, stacks };
    if (guest.machine.run(1) === EXIT_HYPERCALL && guest.ring0.hypercall(guest.hooks) === SUSPEND) return { labels, stacks };
    const stack = describeStack(registers.getLinear(RSP));
    if (registers.getWord(CPL) === 0 && stack !== stacks.at(-1)) stacks.push(stack);
  }
  throw new Error(`never got to ${until.toString(16)}: ${labels.join(" ")}`);
}

for (const options of variants) {
  const where = JSON.stringify(options);

  test(`${where}: the IRETQ to a 16-bit stack runs on the espfix stack, and shows no bit of the kernel's RSP`, async () => {
    for (const high of [0x0000, 0x1234, 0xffff]) {
      const guest = await guestProgram("nop\nnop\nint $0x80\nnop\n", { ...options, bits: 32 });
      loadLdt(guest);
      const { regs } = guest.ring0.current!;
      regs.ss = STACK_16;
      regs.sp = high * 0x10000 + 0x5678;
      regs.ax = 0x11;
      regs.di = 0x22;
      const { labels, stacks } = passed(guest, CODE + 1);
      const { registers } = guest.machine;
      assert.ok(labels.includes("native_irq_return_ldt"));
      assert.ok(stacks.includes("espfix stack"));
      assert.equal([registers.get(RSP), registers.get(RAX), registers.get(RDI)], [high * 0x10000 + 0x5678, 0x11, 0x22]);
      assert.is(registers.u16[(SEG + 8 * SEG_SS) >>> 1], STACK_16);
      assert.is(registers.getLinear(GS_BASE), 0);
      assert.ok(registers.getLinear(KERNEL_GS_BASE) < 0);
      // And an entry from there has all of it in pt_regs.
      guest.answer = (arrival, after) => {
        assert.equal([arrival.kind, after.ss, after.sp], ["int80", STACK_16, high * 0x10000 + 0x5678]);
        return SUSPEND;
      };
      passed(guest, 0);
      assert.is(guest.arrivals.length, 1);
    }
  });

  test(`${where}: a fault of that IRETQ is #DF, and from it becomes #GP of user code with the frame it had`, async () => {
    const guest = await guestProgram("nop\n", { ...options, bits: 32 });
    loadLdt(guest);
    const { regs } = guest.ring0.current!;
    regs.ss = STACK_16;
    regs.cs = CODE_16;
    regs.ip = 0x12345; // past the segment's limit
    regs.sp = 0xabcd5678;
    regs.flags = 0x202;
    guest.answer = () => SUSPEND;
    const { labels, stacks } = passed(guest, 0);
    assert.ok(labels.includes("asm_exc_double_fault"));
    assert.ok(stacks.includes("IST #DF"));
    assert.equal(guest.arrivals.map(({ kind, number, errorCode, ip, userMode }) => [kind, number, errorCode, ip, userMode]), [["exception", VECTOR_GP, 0, 0x12345, true]]);
    assert.equal([regs.cs, regs.ss, regs.sp, regs.flags & 0x10202], [CODE_16, STACK_16, 0xabcd5678, 0x202]);
    assert.is(guest.machine.registers.getLinear(RSP), guest.ring0.current!.regsLinear);
    assert.ok(guest.machine.registers.getLinear(GS_BASE) < 0);
  });

  test(`${where}: SYSRET is used if and only if pt_regs asks for just what it can do`, async () => {
    const cases: [string, (regs: PtRegs) => void, boolean][] = [
      ["nothing changed", () => {}, true],
      ["another result", (regs) => (regs.ax = 77), true],
      ["RCX", (regs) => (regs.cx = 1), false],
      ["RIP", (regs) => (regs.ip += 1), false],
      ["RIP and RCX", (regs) => (regs.cx = regs.ip += 1), true],
      ["R11", (regs) => (regs.r11 = 0x246), false],
      ["flags", (regs) => (regs.flags ^= 1), false],
      ["flags and R11", (regs) => (regs.r11 = regs.flags ^= 1), true],
      ["RF", (regs) => (regs.r11 = regs.flags |= 0x10000), false],
      ["TF", (regs) => (regs.r11 = regs.flags |= 0x100), false],
      ["CS", (regs) => (regs.cs = __USER32_CS), false],
      ["SS", (regs) => (regs.ss = STACK_16), false],
      ["RSP", (regs) => (regs.sp -= 64), true],
      ["non-canonical RIP and RCX", (regs) => [PT_IP, PT_CX].forEach((at) => regs.setBig(at, 1n << 47n)), false],
      ["RIP in the kernel's half", (regs) => [PT_IP, PT_CX].forEach((at) => regs.setBig(at, 0xffffffff81000000n)), true],
      ["non-canonical RSP", (regs) => regs.setBig(PT_SP, 1n << 63n), true],
      ["NT", (regs) => (regs.r11 = regs.flags |= 0x4000), true],
      ["AC and ID", (regs) => (regs.r11 = regs.flags |= 0x240000), true],
    ];
    for (const [name, change, sysret] of cases) {
      const guest = await guestProgram("nop\nmovl $39, %eax\nsyscall\nnop\nnop\nnop\n", options);
      loadLdt(guest);
      passed(guest, CODE + 6);
      let seen: PtRegs | undefined;
      let wanted = 0n;
      guest.answer = (arrival, regs) => {
        if (arrival.kind !== "syscall") return SUSPEND;
        change(regs);
        wanted = regs.getBig(PT_FLAGS);
        seen = regs;
      };
      const { registers } = guest.machine;
      const labels: string[] = [];
      for (let n = 0; n < 500; n++) {
        const label = guest.ring0.text.symbolize(registers.getLinear(RIP));
        if (label !== undefined && !label.includes("+")) labels.push(label);
        const from = registers.getWord(CPL);
        if (guest.machine.run(1) === EXIT_HYPERCALL && guest.ring0.hypercall(guest.hooks) === SUSPEND) break;
        if (from === 0 && registers.getWord(CPL) === 3) break;
      }
      assert.ok(seen !== undefined, name);
      assert.is(labels.includes("entry_SYSRETQ_unsafe_stack"), sysret, name);
      if (registers.getWord(CPL) === 3) {
        assert.is(registers.getBig(RFLAGS), wanted, `flags after ${name}`);
        if (sysret) assert.is(registers.getBig(R11), wanted);
      }
    }
  });

  test(`${where}: the kernel runs without NT, AC, DF, TF, RF, IOPL and ID of the user, who gets all of them back`, async () => {
    const flags = 0x244cd7; // ID AC NT DF SF ZF AF PF CF
    for (const [door, bits] of [["syscall", undefined], ["int $0x80", undefined], ["int $0x80", 32], ["ud2", undefined]] as const) {
      const guest = await guestProgram(`pushq $0x${flags.toString(16)}\npopfq\n${door}\nnop\n`, { ...options, bits });
      guest.answer = (arrival, regs) => {
        // Without SMAP, gates of the IDT leave AC as it is: at CPL 0 it means nothing then.
        const unwanted = options.smap === false && door !== "syscall" ? 0x4d00 : 0x44d00;
        assert.is(guest.machine.registers.lo(RFLAGS) & unwanted, 0, `${door}: NT, AC, DF, TF in the kernel`);
        assert.is(regs.lo(PT_FLAGS) & 0x244cd7, flags, door);
        if (arrival.kind === "exception") regs.ip += 2;
      };
      passed(guest, CODE + 6 + 2);
      assert.is(guest.machine.registers.lo(RFLAGS) & 0x244dd7, flags, `after ${door}`);
      assert.is(guest.machine.registers.get(RSP), bits === 32 ? STACK_TOP_32 : STACK_TOP);
    }
  });
}

test("IOPL of 3 lasts through every way back", async () => {
  for (const door of ["syscall", "int $0x80"]) {
    const guest = await guestProgram(`nop\n${door}\nnop\ncli\nnop\n`, variants[0]!);
    const { regs } = guest.ring0.current!;
    regs.flags |= 0x3000;
    guest.answer = (_arrival, after) => assert.is(after.lo(PT_FLAGS) & 0x3200, 0x3200);
    passed(guest, CODE + 5);
    assert.is(guest.machine.registers.lo(RFLAGS) & 0x3200, 0x3000, "CLI is allowed");
  }
});

test("RCX and R11 come back as they were from everything but SYSCALL", async () => {
  const guest = await guestProgram("movl $5, %ecx\nmovl $6, %r11d\nint $0x80\nud2\nnop\n", variants[0]!);
  guest.answer = (arrival, regs) => {
    assert.equal([regs.get(PT_CX), regs.get(PT_R11)], [5, 6]);
    if (arrival.kind === "exception") regs.ip += 2;
  };
  passed(guest, CODE + 15);
  assert.equal([guest.machine.registers.get(RCX), guest.machine.registers.get(R11)], [5, 6]);
});

test("the espfix page is the same at all 65,536 addresses, read-only, not executable and not the user's", async () => {
  for (const options of variants) {
    const { ring0, space } = await guestProgram("nop\n", options);
    const { tables } = ring0;
    const roots = [space.root, ...(options.pti ? [space.root + 0x1000] : [])];
    for (const root of roots) {
      const area = tables.ranges(root).filter((range) => range.start >= ESPFIX_BASE && range.start < ESPFIX_BASE + 2 ** 32);
      const { start, end, aliases, user, writable, executable } = area[0]!;
      assert.equal([area.length, start, end, aliases, user, writable, executable], [1, ESPFIX_BASE, ESPFIX_BASE + 4096, 65536, false, false, false]);
      for (const high of [0, 1, 0x1fff, 0x8000, 0xffff]) {
        assert.is(tables.phys.u32[tables.pte(root, ESPFIX_BASE + high * 0x10000)]! & ~0xfff, area[0]!.pa);
        assert.is(tables.phys.u32[tables.pte(root, ESPFIX_BASE + high * 0x10000 + 0x1000)], 0);
      }
    }
  }
});

test.run();
