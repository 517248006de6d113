// The doors of 32-bit system calls on the real CPU: INT 0x80 from both modes, SYSENTER on Intel, SYSCALL on AMD, and the ways back.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { CODE, guestProgram, STACK_TOP, STACK_TOP_32, type Guest } from "./crossing-guest";
import { SUSPEND } from "../../host/ring0/hypercall";
import { describeStack } from "../../host/ring0/layout";
import { PT_FLAGS, PT_REGS_NAMES, type PtRegs } from "../../host/ring0/pt-regs";
import { __USER32_CS, __USER_CS, __USER_DS } from "../../host/ring0/segments";
import { EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import {
  CPL, CR3, GS_BASE, KERNEL_GS_BASE, MODE, MODE_32, MODE_64, R10, R11, R12, R15, R8, R9, RAX, RBP, RCX, RDX, RFLAGS, RIP, RSP, SEG, SEG_ATTRIBUTES, SEG_CS, SEG_SS,
} from "../../kernel/abi/state";
import { VECTOR_BP, VECTOR_BR, VECTOR_DB, VECTOR_GP, VECTOR_OF, VECTOR_UD } from "../../kernel/abi/vectors";

const variants = [
  { pti: true, pcid: true },
  { pti: true, pcid: false },
  { pti: false, pcid: false },
];
const FLAG_TF = 0x100;
const FLAG_NT = 0x4000;
const FLAG_AC = 0x40000;

const registersOf = (regs: PtRegs) => Object.fromEntries(PT_REGS_NAMES.map((name, index) => [name, regs.getBig(index * 8)]));

/** 32-bit code in the form of the vDSO's __kernel_vsyscall; `fast` is the door's instruction. The landing pad is the INT 0x80's end. */
function vsyscall(fast: "sysenter" | "syscall"): string {
  return `
  pushq %rcx
  pushq %rdx
  pushq %rbp
  movl ${fast === "sysenter" ? "%esp, %ebp" : "%ecx, %ebp"}
  ${fast}
  int $0x80
landing:
  popq %rbp
  popq %rdx
  popq %rcx
  nop
`;
}

/** Steps until RIP is at `until`; the labels of the entry text passed on the way. */
function passedLabels(guest: Guest, until: number): string[] {
  const { registers } = guest.machine;
  const names: string[] = [];
  for (let steps = 0; steps < 3000; steps++) {
    const rip = registers.getLinear(RIP);
    const name = guest.ring0.text.symbolize(rip)?.replace(/\+.*/, "");
    if (name !== undefined && name !== names.at(-1)) names.push(name);
    if (rip === until && registers.getWord(CPL) === 3) return names;
    if (guest.machine.run(1) === EXIT_HYPERCALL && guest.ring0.hypercall(guest.hooks) === SUSPEND) return names;
  }
  throw new Error(`never got to ${until.toString(16)}: ${names.join(" ")}`);
}

const selector = (guest: Guest, segment: number) => guest.machine.registers.u16[(SEG + 8 * segment) >>> 1]!;

for (const options of variants) {
  const where = `pti=${options.pti} pcid=${options.pcid}`;

  test(`${where}: INT 0x80 of 64-bit code brings every register into pt_regs and back, EAX zero-extended as the number`, async () => {
    const guest = await guestProgram(`
      movabs $0x1122334455667788, %rbx
      movabs $0x1111, %r8
      movabs $0xffffffff00000014, %rax
      movabs $0x8888888888888888, %r15
      movq $0x77, %rcx
      movq $0x99, %r11
      int $0x80
      ud2
    `, options);
    let seen: Record<string, bigint> = {};
    guest.answer = (arrival, regs) => {
      if (arrival.kind === "exception") return SUSPEND;
      assert.is(arrival.kind, "int80");
      seen = registersOf(regs);
      assert.is(regs.getSigned(0x50), -38, "pt_regs->ax is -ENOSYS until the handler says otherwise");
      assert.is(describeStack(guest.machine.registers.getLinear(RSP)), "kernel stack");
      assert.is(guest.machine.registers.get(CR3), guest.space.cr3Kernel);
      assert.is(guest.machine.registers.getWord(MODE), MODE_64);
      regs.ax = 4242;
    };
    guest.go();
    assert.is(seen.orig_ax, 0x14n);
    assert.equal([seen.cs, seen.ss, seen.sp], [BigInt(__USER_CS), BigInt(__USER_DS), BigInt(STACK_TOP)]);
    assert.equal([seen.bx, seen.r8, seen.r15, seen.cx, seen.r11], [0x1122334455667788n, 0x1111n, 0x8888888888888888n, 0x77n, 0x99n]);
    const after = registersOf(guest.ring0.current!.regs);
    for (const name of ["bx", "cx", "dx", "si", "di", "bp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "sp"]) assert.is(after[name], seen[name], name);
    assert.is(after.ax, 4242n);
    assert.is(after.ip, seen.ip);
  });

  test(`${where}: INT 0x80 of 32-bit code comes with CS 0x23 and goes back to it by IRETQ`, async () => {
    const guest = await guestProgram("movl $20, %eax\nmovl $7, %ecx\nint $0x80\nnop\n", { ...options, bits: 32 });
    guest.answer = (arrival, regs) => {
      assert.equal([arrival.kind, arrival.number, arrival.ip], ["int80", 20, CODE + 12]);
      assert.equal([regs.cs, regs.ss, regs.sp], [__USER32_CS, __USER_DS, STACK_TOP_32]);
      regs.ax = 99;
    };
    const names = passedLabels(guest, CODE + 12);
    const { registers } = guest.machine;
    assert.equal([registers.get(RAX), registers.get(RCX), registers.getWord(MODE)], [99, 7, MODE_32]);
    assert.ok(names.includes("entry_INT80_compat"), names.join(" "));
    assert.ok(names.lastIndexOf("swapgs_restore_regs_and_return_to_usermode") > names.indexOf("entry_INT80_compat"));
    assert.equal([selector(guest, SEG_CS), selector(guest, SEG_SS)], [__USER32_CS, __USER_DS]);
    assert.is(registers.getLinear(GS_BASE), 0);
    assert.ok(registers.getLinear(KERNEL_GS_BASE) < 0);
  });

  test(`${where}: SYSENTER comes with the stack in EBP and leaves by SYSRETL to the landing pad`, async () => {
    const guest = await guestProgram(`movl $20, %eax\nmovl $1, %ecx\nmovl $2, %edx\nmovl $3, %ebp\n${vsyscall("sysenter")}`, { ...options, bits: 32 });
    const landing = CODE + 20 + 3 + 2 + 2 + 2;
    guest.ring0.setSysenterReturn(guest.space, landing);
    guest.answer = (arrival, regs) => {
      assert.equal([arrival.kind, arrival.number, arrival.ip], ["fast", 20, landing]);
      assert.equal([regs.cs, regs.ss, regs.sp, regs.cx, regs.dx], [__USER32_CS, __USER_DS, STACK_TOP_32 - 12, 1, 2]);
      assert.is(regs.flags & 0x200, 0x200, "IF");
      assert.is(describeStack(guest.machine.registers.getLinear(RSP)), "kernel stack");
      regs.bp = 3;
      regs.ax = 99;
    };
    const names = passedLabels(guest, landing);
    assert.ok(names.includes("entry_SYSENTER_compat"));
    assert.is(names.at(-1), "entry_SYSRETL_compat_unsafe_stack");
    const { registers } = guest.machine;
    assert.equal([RAX, RCX, R8, R9, R10, R12, R15, RBP, RSP].map((register) => registers.get(register)), [99, landing, 0, 0, 0, 0, 0, 3, STACK_TOP_32 - 12]);
    assert.is(registers.get(R11), registers.get(RFLAGS));
    assert.equal([registers.getWord(MODE), selector(guest, SEG_CS), selector(guest, SEG_SS)], [MODE_32, __USER32_CS, __USER_DS]);
    passedLabels(guest, landing + 3);
    assert.equal([RCX, RDX, RBP, RSP].map((register) => registers.get(register)), [1, 2, 3, STACK_TOP_32]);
  });

  test(`${where}: SYSCALL of 32-bit code on AMD comes with argument 2 in EBP and leaves by SYSRETL to the landing pad`, async () => {
    const guest = await guestProgram(`movl $20, %eax\nmovl $1, %ecx\nmovl $2, %edx\nmovl $3, %ebp\n${vsyscall("syscall")}`, { ...options, bits: 32, vendor: "amd" });
    const landing = CODE + 20 + 3 + 2 + 2 + 2;
    guest.ring0.setSysenterReturn(guest.space, landing);
    guest.answer = (arrival, regs) => {
      assert.equal([arrival.kind, arrival.number, arrival.ip], ["fast", 20, landing]);
      assert.equal([regs.cs, regs.ss, regs.sp, regs.cx, regs.dx], [__USER32_CS, __USER_DS, STACK_TOP_32 - 12, 1, 2]);
      regs.bp = 3;
      regs.ax = 99;
    };
    const names = passedLabels(guest, landing);
    assert.ok(names.includes("entry_SYSCALL_compat"));
    assert.is(names.at(-1), "entry_SYSRETL_compat_unsafe_stack");
    passedLabels(guest, landing + 3);
    const { registers } = guest.machine;
    assert.equal([RAX, RCX, RDX, RBP, RSP].map((register) => registers.get(register)), [99, 1, 2, 3, STACK_TOP_32]);
  });

  test(`${where}: a changed CS, SS or RIP, TF and RF leave a fast 32-bit call by IRETQ`, async () => {
    const changes: [string, (regs: PtRegs) => void][] = [
      ["cs", (regs) => (regs.cs = __USER_CS)],
      ["ip", (regs) => (regs.ip = CODE)],
      ["rf", (regs) => (regs.flags |= 0x10000)],
      ["tf", (regs) => (regs.flags |= FLAG_TF)],
    ];
    for (const [name, change] of changes) {
      const guest = await guestProgram(`nop\nnop\nnop\nnop\n${vsyscall("sysenter")}`, { ...options, bits: 32 });
      guest.ring0.setSysenterReturn(guest.space, CODE + 4 + 9);
      guest.answer = (arrival, regs) => {
        if (arrival.kind !== "fast") return SUSPEND;
        change(regs);
      };
      const names = passedLabels(guest, name === "ip" ? CODE + 1 : CODE + 4 + 10);
      assert.not(names.includes("entry_SYSRETL_compat_unsafe_stack"), name);
    }
  });

  test(`${where}: SYSENTER with NT, AC and TF set single-steps through the entry unnoticed and gives the flags back`, async () => {
    const flags = FLAG_NT | FLAG_AC | FLAG_TF;
    const guest = await guestProgram(`pushq $0x${(flags | 2).toString(16)}\npopfq\n${vsyscall("sysenter")}nop\nud2\n`, { ...options, bits: 32 });
    const landing = CODE + 6 + 9;
    guest.ring0.setSysenterReturn(guest.space, landing);
    const traps: number[] = [];
    guest.answer = (arrival, regs) => {
      if (arrival.kind === "fast") {
        assert.is(regs.flags & (flags | 0x200), flags | 0x200);
        assert.is(guest.machine.registers.lo(RFLAGS) & flags, 0, "the kernel runs without them");
        return;
      }
      assert.equal([arrival.kind, arrival.userMode], ["exception", true]);
      if (arrival.number !== VECTOR_DB) return SUSPEND;
      traps.push(regs.ip);
      if (regs.ip > landing) regs.setHalves(PT_FLAGS, regs.lo(PT_FLAGS) & ~FLAG_TF, 0);
    };
    guest.go();
    assert.equal(traps, [CODE + 7, CODE + 8, CODE + 9, CODE + 11, landing + 1]);
    assert.is(guest.arrivals.at(-1)!.number, VECTOR_UD);
    assert.is(guest.ring0.current!.regs.flags & flags, FLAG_NT | FLAG_AC);
  });
}

test("on AMD a task that runs after an interrupted one comes back to 32-bit code by SYSRETL with a usable stack", async () => {
  const guest = await guestProgram(`movl $20, %eax\n${vsyscall("syscall")}ud2\n`, { pti: true, pcid: true, bits: 32, vendor: "amd" });
  const { ring0, machine } = guest;
  ring0.setSysenterReturn(guest.space, CODE + 5 + 3 + 2 + 2 + 2);
  const first = ring0.current!;
  const second = ring0.allocKernelStack()!;
  guest.answer = (arrival, regs) => {
    if (arrival.kind !== "fast") return SUSPEND;
    regs.bp = 0;
    ring0.switchTo(second, guest.space);
    // The other task is interrupted: delivery from CPL 3 makes SS null.
    machine.registers.u16[(SEG + 8 * SEG_SS) >>> 1] = 0;
    machine.registers.u16[(SEG + 8 * SEG_SS + SEG_ATTRIBUTES) >>> 1] = 0x8000;
    ring0.switchTo(first, guest.space);
  };
  guest.go();
  assert.equal(guest.arrivals.map(({ kind, number }) => [kind, number]), [["fast", 20], ["exception", VECTOR_UD]]);
});

test("INTO, INT3 and INT1 are traps, BOUND is a fault, each by its own vector and on the task's stack", async () => {
  for (const options of variants) {
    // mov $0x7fffffff,%eax; inc %eax (sets OF), then the instruction; EBX points at the bounds 1 and 2.
    const overflow = "movl $0x2b, %eax\nmov %eax, %ds\nmovl $0x401100, %ebx\nmovl $0x7fffffff, %eax\naddl $1, %eax\n";
    const at = CODE + 20;
    for (const [bytes, vector, ip] of [["0xce", VECTOR_OF, at + 1], ["0xcc", VECTOR_BP, at + 1], ["0xf1", VECTOR_DB, at + 1], ["0x62, 0x03", VECTOR_BR, at]] as const) {
      const guest = await guestProgram(`${overflow}.byte ${bytes}\nud2\n`, { ...options, bits: 32 });
      guest.answer = () => {
        assert.is(describeStack(guest.machine.registers.getLinear(RSP)), "kernel stack");
        return SUSPEND;
      };
      guest.go();
      assert.equal(guest.arrivals, [{ kind: "exception", number: vector, errorCode: 0, ip, userMode: true }], bytes);
    }
  }
});

test("SYSCALL of 32-bit code is #UD on Intel, SYSENTER of any code is #UD on AMD", async () => {
  for (const [door, vendor, bits] of [["syscall", "intel", 32], ["sysenter", "amd", 32], ["sysenter", "amd", undefined]] as const) {
    const guest = await guestProgram(`${door}\n`, { pti: true, pcid: true, vendor, bits });
    guest.answer = () => SUSPEND;
    guest.go();
    assert.equal(guest.arrivals.map(({ kind, number, ip }) => [kind, number, ip]), [["exception", VECTOR_UD, CODE]]);
  }
});

test("SYSEXIT at CPL 3 is #GP on Intel and #UD on AMD", async () => {
  for (const [vendor, vector] of [["intel", VECTOR_GP], ["amd", VECTOR_UD]] as const) {
    const guest = await guestProgram("sysexit\n", { pti: true, pcid: true, vendor });
    guest.answer = () => SUSPEND;
    guest.go();
    assert.is(guest.arrivals[0]!.number, vector);
  }
});

test("SYSENTER of 64-bit code returns to compatibility mode at the landing pad: its RIP and RSP are lost", async () => {
  const guest = await guestProgram("movl $0x401100, %ebp\nsysenter\n", { pti: true, pcid: true });
  guest.ring0.setSysenterReturn(guest.space, CODE);
  guest.answer = (arrival) => (arrival.kind === "fast" ? undefined : SUSPEND);
  passedLabels(guest, CODE + 5);
  passedLabels(guest, CODE);
  assert.equal([guest.machine.registers.getWord(MODE), guest.machine.registers.get(RSP)], [MODE_32, 0x401100]);
});

test.run();
