// NMIs that come while the kernel runs, while another NMI is handled, and while the handler of that one has unblocked them by an
// exception of its own; and what a #DB, a #MC and a #DF find there.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { CODE, guestProgram, type Guest, type GuestOptions } from "./crossing-guest";
import { KernelFault, kernelFault } from "../../host/ring0/kernel-fault";
import { describeStack, EXCEPTION_STACKS, kernelStackTop, stackSlotOf } from "../../host/ring0/layout";
import { SUSPEND } from "../../host/ring0/hypercall";
import { PT_REGS_NAMES, type PtRegs } from "../../host/ring0/pt-regs";
import { CPL, CR3, DR0, DR6, DR7, GS_BASE, KERNEL_GS_BASE, MACHINE_CHECK_WAITS, NMI_BLOCKED, NMI_WAITS, PENDING_DEBUG, PENDING_NMI, RETIRED, RFLAGS, RIP, RSP } from "../../kernel/abi/state";
import { EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import { VECTOR_DF, VECTOR_MC, VECTOR_NMI } from "../../kernel/abi/vectors";

const variants: GuestOptions[] = [
  { pti: true, pcid: true },
  { pti: true, pcid: false },
  { pti: false, pcid: false },
  { pti: true, pcid: true, fsgsbase: false },
  { pti: false, pcid: false, smap: false, fsgsbase: false },
];

/** A loop of system calls with a value in every register. */
const LOOP = `again:
  movq $0x1111, %rdi
  movq $0x2222, %rsi
  movq $0x3333, %rdx
  movq $0x7777, %rbx
  movq $0x8888, %rbp
  movq $0xeeee, %r14
  movq $0xffff, %r15
  movl $186, %eax
  syscall
  jmp again
`;

const registersOf = (regs: PtRegs) => Object.fromEntries(PT_REGS_NAMES.map((name, index) => [name, regs.getBig(index * 8)]));

interface Rig {
  guest: Guest;
  calls: Record<string, bigint>[];
  nmis: string[];
  step(): void;
  toLoopStart(): void;
}

async function rig(options: GuestOptions): Promise<Rig> {
  const guest = await guestProgram(LOOP, options);
  const { registers } = guest.machine;
  const calls: Record<string, bigint>[] = [];
  const nmis: string[] = [];
  guest.answer = (arrival, regs) => {
    if (arrival.kind === "syscall") calls.push(registersOf(regs));
    else if (arrival.number === VECTOR_NMI) nmis.push(describeStack(registers.getLinear(RSP)));
    else throw new Error(`vector ${arrival.number}`);
  };
  const step = () => void guest.ring0.dispatch(guest.hooks, 1);
  const toLoopStart = () => {
    for (let n = 0; n < 5000; n++) {
      step();
      if (registers.get(RIP) === CODE && registers.getWord(CPL) === 3) return;
    }
    throw new Error(`lost at ${guest.ring0.text.symbolize(registers.getLinear(RIP))}`);
  };
  toLoopStart();
  return { guest, calls, nmis, step, toLoopStart };
}

/** Steps until RIP is at the label. */
function to({ guest, step }: Rig, label: string): void {
  const { registers } = guest.machine;
  for (let n = 0; n < 5000; n++) {
    if (registers.getLinear(RIP) === guest.ring0.labels.get(label)) return;
    step();
  }
  throw new Error(`never came to ${label}`);
}

for (const options of variants) {
  const where = JSON.stringify(options);

  test(`${where}: an NMI in the NMI handler, after its IRET has unblocked them, makes it run once more, wherever it comes from repeat_nmi on`, async () => {
    const r = await rig(options);
    const { guest, calls, nmis, step, toLoopStart } = r;
    const { registers } = guest.machine;
    toLoopStart();
    const expected = calls[0];
    // How many instructions an NMI in the entry of a system call takes.
    to(r, "entry_SYSCALL_64");
    registers.setWord(PENDING_NMI, 1);
    const begun = registers.get(RETIRED);
    step();
    assert.is(registers.getWord(NMI_BLOCKED), 1);
    to(r, "repeat_nmi");
    // Before, no instruction can fault, and so no NMI can come.
    const start = registers.get(RETIRED) - begun;
    to(r, "nmi_iret");
    const end = registers.get(RETIRED) - begun;
    assert.ok(end - start > 50, `${end - start} instructions`);
    assert.equal(nmis, ["IST NMI"]);

    for (let at = start; at <= end; at++) {
      toLoopStart();
      to(r, "entry_SYSCALL_64");
      nmis.length = calls.length = 0;
      registers.setWord(PENDING_NMI, 1);
      for (let n = 0; n < at; n++) step();
      const name = guest.ring0.text.symbolize(registers.getLinear(RIP))!;
      const first = nmis.length;
      // As if an exception of the handler's had come and gone.
      registers.setWord(NMI_BLOCKED, 0);
      registers.setWord(PENDING_NMI, 1);
      toLoopStart();
      assert.equal(calls, [expected], `the system call after a second NMI at ${name}`);
      assert.ok(nmis.length >= 1 && nmis.length <= 2, `${nmis.length} runs`);
      if (first > 0) assert.is(nmis.length, 2, `the second NMI at ${name} was lost`);
      assert.is(registers.getWord(NMI_BLOCKED), 0);
      assert.ok(registers.getLinear(KERNEL_GS_BASE) < 0);
      assert.is(registers.getLinear(GS_BASE), 0);
    }
  });

  test(`${where}: an NMI handler that meets a breakpoint lets the next NMI in by the IRETQ of its #DB, and both are served`, async () => {
    const r = await rig(options);
    const { guest, calls, nmis, step, toLoopStart } = r;
    const { registers } = guest.machine;
    toLoopStart();
    const expected = calls[0];
    for (const label of ["paranoid_entry", "nmi_restore", "nmi_iret", "end_repeat_nmi"]) {
      to(r, "entry_SYSCALL_64_safe_stack");
      nmis.length = calls.length = 0;
      registers.set(DR0, guest.ring0.labels.get(label)!);
      registers.set(DR7, 0x402);
      registers.setWord(PENDING_NMI, 1);
      step();
      registers.setWord(PENDING_NMI, 1);
      // paranoid_entry is the #DB's own too: Linux puts no breakpoints there.
      if (label === "paranoid_entry") registers.set(DR0, guest.ring0.labels.get("end_repeat_nmi")! + 2);
      toLoopStart();
      registers.set(DR7, 0x400);
      assert.equal([nmis.length, calls.length], [2, 1], label);
      assert.equal(calls, [expected], label);
      assert.is(registers.lo(DR6), 0xffff0ff0);
    }
  });

  test(`${where}: a breakpoint met at any instruction of a system call's entry and exit changes nothing`, async () => {
    const r = await rig(options);
    const { guest, calls, step, toLoopStart } = r;
    const { registers } = guest.machine;
    const rips = new Set<number>();
    toLoopStart();
    const expected = calls.at(-1);
    do {
      step();
      if (registers.getWord(CPL) === 0) rips.add(registers.getLinear(RIP));
    } while (registers.get(RIP) !== CODE);
    assert.ok(rips.size > 60);
    for (const rip of rips) {
      // The way of the #DB itself is left out, which would meet the breakpoint again and again.
      registers.set(DR0, rip);
      registers.set(DR7, 0x402);
      calls.length = 0;
      let db = 0;
      for (let n = 0; n < 3000 && !(calls.length > 0 && registers.get(RIP) === CODE && registers.getWord(CPL) === 3); n++) {
        if (guest.machine.run(1) === EXIT_HYPERCALL) guest.ring0.hypercall(guest.hooks);
        if (describeStack(registers.getLinear(RSP)) === "IST #DB" && registers.getLinear(RIP) === guest.ring0.labels.get("paranoid_entry")) db++;
      }
      registers.set(DR7, 0x400);
      assert.equal(calls, [expected], `a #DB at ${guest.ring0.text.symbolize(rip)}`);
      assert.is(db, 1, `at ${guest.ring0.text.symbolize(rip)}`);
      assert.is(registers.getLinear(GS_BASE), 0);
    }
  });
}

test("the kernel's stack run over its guard page is #DF on its IST stack, and a report that names the owner", async () => {
  for (const options of variants) {
    const guest = await guestProgram(LOOP, options);
    const { registers } = guest.machine;
    const { slot } = guest.ring0.current!;
    let fault: KernelFault | undefined;
    guest.hooks.exception = (regs, vector, errorCode) => {
      assert.is(describeStack(registers.getLinear(RSP)), "IST #DF");
      assert.is(registers.get(CR3), guest.space.cr3Kernel);
      fault = kernelFault(guest.ring0, regs, vector, errorCode, (n) => `task of slot ${n}`, "last system call getpid");
      throw fault;
    };
    guest.answer = () => {
      // Whatever eats the stack: the next push is below it.
      registers.set(RSP, guest.ring0.current!.top - 0x4000 + 8);
      registers.set(RIP, guest.ring0.labels.get("entry_SYSCALL_64_safe_stack")!);
    };
    assert.throws(() => guest.ring0.dispatch(guest.hooks, 1000), /^kernel stack overflow/);
    assert.match(fault!.message, new RegExp(`^kernel stack overflow \\(guard page, task of slot ${slot}'s\\); rip=ffffffff81\\w+ \\(entry_SYSCALL_64_safe_stack\\+0x2\\), rsp=ffffc900\\w+, last system call getpid$`));
    assert.match(fault!.report.join("\n"), /^vector 8 \(exc_double_fault\), error code 0x0, RSP in: guard page, task of slot \d+'s\n(.*\n)+cr2 +ffffc900/);
  }
});

test("a machine check at any instruction of a system call changes nothing", async () => {
  for (const options of variants) {
    const r = await rig(options);
    const { guest, calls, step, toLoopStart } = r;
    const { registers } = guest.machine;
    let checks: string[] = [];
    const { answer } = guest;
    guest.answer = (arrival, regs) => {
      if (arrival.number === VECTOR_MC) checks.push(describeStack(registers.getLinear(RSP)));
      else return answer(arrival, regs);
    };
    toLoopStart();
    const expected = calls.at(-1);
    const begun = registers.get(RETIRED);
    toLoopStart();
    const length = registers.get(RETIRED) - begun;
    for (let at = 0; at < length; at++) {
      for (let n = 0; n < at; n++) step();
      const user = registers.getWord(CPL) === 3;
      const name = guest.ring0.text.symbolize(registers.getLinear(RIP)) ?? "user code";
      calls.length = checks.length = 0;
      registers.setWord(PENDING_NMI, MACHINE_CHECK_WAITS);
      for (let n = 0; checks.length === 0; n++) {
        assert.ok(n < 300, name);
        step();
      }
      toLoopStart();
      if (calls.length === 0) toLoopStart();
      assert.equal(checks, [user ? "kernel stack" : "IST #MC"], name);
      assert.equal(calls.at(-1), expected, name);
      assert.is(registers.getLinear(GS_BASE), 0);
    }
  }
});

test("a stack and the guard pages below it have one slot", () => {
  for (const slot of [0, 1, 7]) {
    for (const below of [0, 8, 0x3ff8, 0x4000, 0x7ff8]) assert.is(stackSlotOf(kernelStackTop(slot) - below), slot);
  }
  assert.is(stackSlotOf(EXCEPTION_STACKS[0]!.top), undefined);
  assert.is(VECTOR_DF, 8);
});

test("a #DB of single step in the kernel, which nobody asked for, is a bug and comes to the hook", async () => {
  const guest = await guestProgram(LOOP, variants[0]!);
  const { registers } = guest.machine;
  guest.answer = (arrival) => {
    if (arrival.kind === "exception") throw new Error(`#DB user mode ${arrival.userMode}`);
    registers.set(RFLAGS, registers.get(RFLAGS) | 0x100);
  };
  assert.throws(() => guest.ring0.dispatch(guest.hooks, 1000), "#DB user mode false");
});

test("an #MC, a #DB and an NMI that come together out of user code are each delivered out of the handler of the one before", async () => {
  for (const options of variants) {
    const guest = await guestProgram("nop\nnop\n", options);
    const { registers } = guest.machine;
    while (registers.getWord(CPL) !== 3) guest.ring0.dispatch(guest.hooks, 1);
    registers.setWord(PENDING_NMI, NMI_WAITS | MACHINE_CHECK_WAITS);
    registers.setWord(PENDING_DEBUG, 1);
    guest.machine.run(0);
    assert.is(registers.getLinear(RIP), guest.ring0.labels.get("asm_exc_nmi"), JSON.stringify(options));
    guest.answer = (arrival) => (arrival.kind === "exception" && arrival.number === VECTOR_MC ? SUSPEND : undefined);
    guest.go();
    assert.equal(guest.arrivals.map(({ number, userMode }) => [number, userMode]), [[VECTOR_NMI, false], [VECTOR_MC, true]]);
    assert.equal([registers.getWord(NMI_BLOCKED), registers.lo(DR6)], [0, 0xffff0ff0]);
  }
});

test.run();
