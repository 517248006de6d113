// Crossings on the real CPU: SYSCALL and back by both ways, exceptions, interrupts, and an NMI between any two instructions.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { CODE, guestProgram, STACK_TOP, type Guest } from "./crossing-guest";
import { SUSPEND } from "../../host/ring0/hypercall";
import { PT_REGS_NAMES, type PtRegs } from "../../host/ring0/pt-regs";
import { USER_HALF_KERNEL_RANGES } from "../../host/ring0/pti";
import { describeStack, hexLinear, IRQ_STACK_TOP, PER_CPU_USER_PCID_FLUSH_MASK, PHYS_PER_CPU } from "../../host/ring0/layout";
import { COUNT_TLB_MISS, CPL, CR2, CR3, GS_BASE, KERNEL_GS_BASE, PENDING_INTERRUPT, PENDING_NMI, R11, RAX, RDI, RETIRED, RFLAGS, RIP, RSP } from "../../kernel/abi/state";
import { EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import { VECTOR_BP, VECTOR_DB, VECTOR_GP, VECTOR_PF, VECTOR_TIMER, VECTOR_UD } from "../../kernel/abi/vectors";

const variants = [
  { pti: true, pcid: true },
  { pti: true, pcid: false },
  { pti: false, pcid: true },
  { pti: false, pcid: false },
];

const EXIT = "movl $60, %eax\nsyscall\n";
const LOAD_ALL = `
  movq $0x1111, %rdi
  movq $0x2222, %rsi
  movq $0x3333, %rdx
  movq $0x4444, %r10
  movq $0x5555, %r8
  movq $0x6666, %r9
  movq $0x7777, %rbx
  movq $0x8888, %rbp
  movq $0x9999, %r12
  movq $0xaaaa, %r13
  movq $0xbbbb, %r14
  movq $0xcccc, %r15
  movl $186, %eax
  syscall
`;

const registersOf = (regs: PtRegs) => Object.fromEntries(PT_REGS_NAMES.map((name, index) => [name, regs.getBig(index * 8)]));

/** Steps until RIP is at `label`; the labels of the entry text passed on the way. */
function passedLabels(guest: Guest, until: (rip: number) => boolean): string[] {
  const { registers } = guest.machine;
  const names: string[] = [];
  for (let steps = 0; steps < 2000; steps++) {
    const rip = registers.getLinear(RIP);
    const name = guest.ring0.text.symbolize(rip);
    if (name !== undefined && !name.includes("+")) names.push(name);
    if (until(rip)) return names;
    if (guest.machine.run(1) === EXIT_HYPERCALL && guest.ring0.hypercall(guest.hooks) === SUSPEND) return names;
  }
  throw new Error(`never got there: ${names.join(" ")}`);
}

for (const options of variants) {
  const where = `pti=${options.pti} pcid=${options.pcid}`;

  test(`${where}: SYSCALL brings every register into pt_regs, and SYSRET brings them back`, async () => {
    const guest = await guestProgram(LOAD_ALL + EXIT, options);
    const seen: Record<string, bigint>[] = [];
    guest.answer = (arrival, regs) => {
      seen.push(registersOf(regs));
      if (arrival.number === 60) return SUSPEND;
      assert.is(regs.getSigned(0x50), -38, "pt_regs->ax is -ENOSYS until the handler says otherwise");
      assert.is(describeStack(guest.machine.registers.getLinear(RSP)), "kernel stack");
      assert.is(guest.machine.registers.get(CR3), guest.space.cr3Kernel);
      regs.ax = 4242;
    };
    guest.go();
    const [first, second] = seen as [Record<string, bigint>, Record<string, bigint>];
    assert.is(first.orig_ax, 186n);
    assert.is(first.sp, BigInt(STACK_TOP));
    assert.is(first.cs, 0x33n);
    assert.is(first.ss, 0x2bn);
    assert.is(first.ip, first.cx);
    assert.is(first.flags, first.r11);
    assert.equal([first.di, first.si, first.dx, first.r10, first.r8, first.r9], [0x1111n, 0x2222n, 0x3333n, 0x4444n, 0x5555n, 0x6666n]);
    for (const name of ["di", "si", "dx", "r10", "r8", "r9", "bx", "bp", "r12", "r13", "r14", "r15", "sp"]) assert.is(second[name], first[name], name);
    assert.is(second.orig_ax, 60n);
  });

  test(`${where}: the handler's result is in RAX behind the SYSCALL, and the way back was SYSRET`, async () => {
    const guest = await guestProgram("movl $39, %eax\nsyscall\nmovq %rax, %rdi\n" + EXIT, options);
    guest.answer = (arrival, regs) => {
      if (arrival.number === 60) {
        assert.is(regs.di, 0x123456789);
        return SUSPEND;
      }
      regs.ax = 0x123456789;
    };
    const names = passedLabels(guest, () => false);
    assert.ok(names.includes("syscall_return_via_sysret"));
    assert.is(names.filter((name) => name === "swapgs_restore_regs_and_return_to_usermode").length, 1, "only the first entry is by IRETQ");
  });

  test(`${where}: a changed pt_regs leaves by IRETQ, with RCX and R11 as pt_regs has them`, async () => {
    const guest = await guestProgram("movl $39, %eax\nsyscall\nud2\nmovl $60, %eax\nsyscall\n", options);
    guest.answer = (arrival, regs) => {
      if (arrival.number === 60) return SUSPEND;
      if (arrival.kind === "exception") throw new Error("went to the UD2");
      regs.ip += 2;
      regs.cx = 0x77;
    };
    const names = passedLabels(guest, () => false);
    assert.not(names.includes("syscall_return_via_sysret"));
  });

  test(`${where}: SYSRET with a non-canonical RCX leaves by IRETQ, whose #GP looks as if user code had made it`, async () => {
    const guest = await guestProgram("movl $39, %eax\nsyscall\n", options);
    guest.answer = (arrival, regs) => {
      if (arrival.kind === "exception") return SUSPEND;
      regs.setHalves(0x80, 0, 0x8000);
      regs.setHalves(0x58, 0, 0x8000);
    };
    guest.go();
    const fault = guest.arrivals[1]!;
    assert.equal([fault.kind, fault.number, fault.errorCode, fault.ip, fault.userMode], ["exception", VECTOR_GP, 0, 0x8000 * 2 ** 32, true]);
    assert.is(guest.ring0.current!.regs.sp, STACK_TOP);
    assert.is(guest.machine.registers.getLinear(RSP), guest.ring0.current!.regsLinear);
  });

  test(`${where}: exceptions come with vector, error code, and pt_regs of the instruction`, async () => {
    const guest = await guestProgram("ud2\nint3\nmovq 0x1234, %rax\nmovq $-1, 0x401000\nhlt\n" + EXIT, options);
    const lengths = [2, 0, 8, 12, 1];
    const cr2: number[] = [];
    guest.answer = (arrival, regs) => {
      if (arrival.kind === "syscall") return SUSPEND;
      if (arrival.number === VECTOR_PF) cr2.push(guest.machine.registers.get(CR2));
      assert.is(regs.getSigned(0x78), -1, "orig_ax");
      regs.ip += lengths[guest.arrivals.length - 1]!;
    };
    guest.go();
    const exceptions = guest.arrivals.slice(0, -1).map((arrival) => [arrival.number, arrival.errorCode, arrival.ip - CODE, arrival.userMode]);
    assert.equal(exceptions, [
      [VECTOR_UD, 0, 0, true],
      [VECTOR_BP, 0, 3, true],
      [VECTOR_PF, 4, 3, true],
      [VECTOR_PF, 7, 11, true],
      [VECTOR_GP, 0, 23, true],
    ]);
    assert.equal(cr2, [0x1234, CODE]);
  });

  test(`${where}: kernel addresses fault for user code, as pages that are not there or not the user's`, async () => {
    const guest = await guestProgram("movabs $0xfffffe0000001000, %rax\nmovq (%rax), %rbx\n" + EXIT, options);
    guest.answer = (arrival) => (arrival.kind === "exception" ? SUSPEND : undefined);
    guest.go();
    assert.is(guest.arrivals[0]!.errorCode, 5);
    const hidden = await guestProgram("movabs $0xffffc90000010000, %rax\nmovq -8(%rax), %rbx\n" + EXIT, options);
    hidden.answer = (arrival) => (arrival.kind === "exception" ? SUSPEND : undefined);
    hidden.go();
    assert.is(hidden.arrivals[0]!.errorCode, options.pti ? 4 : 5, "the kernel stack");
  });

  test(`${where}: a timer interrupt of user code is served on the IRQ stack and changes no register`, async () => {
    const guest = await guestProgram(LOAD_ALL + "loop: jmp loop\n", options);
    guest.ring0.dispatch(guest.hooks, 500);
    const { registers } = guest.machine;
    assert.is(registers.getWord(CPL), 3);
    const before = registers.u8.slice(0, 0x80);
    let stack = 0;
    guest.answer = () => {
      stack = registers.getLinear(RSP);
    };
    registers.setWord(PENDING_INTERRUPT, VECTOR_TIMER);
    guest.ring0.dispatch(guest.hooks, 1000);
    assert.is(stack, IRQ_STACK_TOP);
    assert.equal(guest.arrivals.at(-1)!.number, VECTOR_TIMER);
    assert.equal(registers.u8.slice(0, 0x80), before);
  });

  test(`${where}: an NMI between any two instructions of a crossing changes nothing`, async () => {
    const guest = await guestProgram(`again:${LOAD_ALL}jmp again\n`, options);
    const { registers } = guest.machine;
    const step = () => guest.ring0.dispatch(guest.hooks, 1);
    const toLoopStart = () => {
      do step();
      while (registers.get(RIP) !== CODE);
    };
    let calls: Record<string, bigint>[] = [];
    let nmiStack = "";
    guest.answer = (arrival, regs) => {
      if (arrival.kind === "syscall") calls.push(registersOf(regs));
      else nmiStack = describeStack(registers.getLinear(RSP));
    };
    toLoopStart();
    const begun = registers.get(RETIRED);
    toLoopStart();
    const length = registers.get(RETIRED) - begun;
    const expected = calls[0];
    assert.ok(length > 80, `only ${length} instructions in a crossing`);

    for (let at = 0; at < length; at++) {
      calls = [];
      nmiStack = "";
      for (let n = 0; n < at; n++) step();
      const rip = registers.getLinear(RIP);
      const name = guest.ring0.text.symbolize(rip) ?? "user code";
      const before = [GS_BASE, KERNEL_GS_BASE, CR3, RSP, RAX, RDI, R11, RFLAGS].map((register) => registers.getBig(register));
      registers.setWord(PENDING_NMI, 1);
      for (let n = 0; nmiStack === "" || registers.getLinear(RIP) !== rip; n++) {
        assert.ok(n < 500, `the NMI at ${name} never came back`);
        step();
      }
      assert.is(nmiStack, name === "user code" ? "kernel stack" : "IST NMI");
      const after = [GS_BASE, KERNEL_GS_BASE, CR3, RSP, RAX, RDI, R11, RFLAGS].map((register) => registers.getBig(register));
      assert.equal(after, before, `registers after an NMI at ${name}`);
      toLoopStart();
      assert.equal(calls, [expected], `pt_regs after an NMI at ${name}`);
    }
  });
}

test("with TF set every user instruction traps, the entry code never, and the way back is IRETQ", async () => {
  for (const options of variants) {
    const guest = await guestProgram("pushfq\norq $0x100, (%rsp)\npopfq\nnop\nmovl $39, %eax\nsyscall\nnop\nnop\n" + EXIT, options);
    const traps: number[] = [];
    guest.answer = (arrival, regs) => {
      if (arrival.kind === "syscall") return arrival.number === 60 ? SUSPEND : undefined;
      assert.equal([arrival.number, arrival.userMode], [VECTOR_DB, true]);
      assert.is(describeStack(guest.machine.registers.getLinear(RSP)), "kernel stack");
      traps.push(regs.ip - CODE);
    };
    const names = passedLabels(guest, () => false);
    // Behind NOP, MOV, NOP, NOP. POPFQ sets TF for the next instruction only; SYSCALL (16 to 18) does not trap, as FMASK clears TF.
    assert.equal(traps.slice(0, 4), [11, 16, 19, 20]);
    assert.not(names.includes("syscall_return_via_sysret"));
  }
});

test("a bit in user_pcid_flush_mask makes the next return flush the user PCID, once", async () => {
  const guest = await guestProgram("again: movl $39, %eax\nsyscall\njmp again\n", { pti: true, pcid: true });
  const { machine, ring0, hooks } = guest;
  ring0.dispatch(hooks, 1000);
  const mask = (PHYS_PER_CPU + PER_CPU_USER_PCID_FLUSH_MASK) >>> 2;
  const misses = () => machine.registers.get(COUNT_TLB_MISS);
  const settled = misses();
  ring0.dispatch(hooks, 1000);
  assert.is(misses(), settled, "a steady loop of system calls takes no TLB miss");
  machine.phys.u32[mask] = 1 << (guest.space.asid + 1);
  ring0.dispatch(hooks, 1000);
  assert.is(machine.phys.u32[mask], 0);
  const after = misses();
  assert.ok(after > settled);
  ring0.dispatch(hooks, 1000);
  assert.is(misses(), after);
});

test("after running, the user page table still maps nothing of the kernel but the list", async () => {
  const guest = await guestProgram(`again:${LOAD_ALL}jmp again\n`, { pti: true, pcid: true });
  guest.machine.registers.setWord(PENDING_INTERRUPT, VECTOR_TIMER);
  guest.ring0.dispatch(guest.hooks, 10_000);
  assert.ok(guest.arrivals.length > 50);
  const ranges = guest.ring0.tables.ranges(guest.space.root + 0x1000).filter((range) => range.start < 0);
  for (const range of ranges) {
    assert.ok(USER_HALF_KERNEL_RANGES.some(({ start, end }) => range.start >= start && range.end <= end), hexLinear(range.start));
    assert.not(range.user);
  }
});

test("a task that was suspended in a system call goes on behind it when it is switched to again", async () => {
  const guest = await guestProgram("movl $39, %eax\nsyscall\nmovq %rax, %rdi\n" + EXIT, { pti: true, pcid: true });
  const { ring0 } = guest;
  guest.answer = () => SUSPEND;
  guest.go();
  const first = ring0.current!;
  const other = ring0.createAddressSpace()!;
  const second = ring0.allocKernelStack()!;
  second.regs.copyFrom(first.regs);
  ring0.startAtRetFromFork(second);
  ring0.switchTo(second, other);
  guest.answer = (arrival) => (arrival.kind === "exception" ? SUSPEND : undefined);
  guest.go();
  assert.equal([guest.arrivals.at(-1)!.number, guest.arrivals.at(-1)!.ip], [VECTOR_PF, CODE + 7], "the other task has no code page");
  first.regs.ax = 99;
  ring0.freeKernelStack(second);
  ring0.switchTo(first, guest.space);
  other.destroy();
  guest.answer = () => SUSPEND;
  guest.go();
  assert.equal([guest.arrivals.at(-1)!.number, first.regs.di], [60, 99]);
});

test.run();
