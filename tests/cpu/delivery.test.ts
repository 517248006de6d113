// Events through the 64-bit IDT: frames, error codes, stacks, nested faults, shadows.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { EXIT_BUDGET, EXIT_HALT, EXIT_SHUTDOWN } from "../../kernel/abi/exit-reasons";
import {
  CPL, CR4, CR2, EXIT_VECTOR, NMI_BLOCKED, PENDING_INTERRUPT, PENDING_NMI, RAX, RBX, RFLAGS, RIP, RSP, SEG_CS, SEG_SS,
} from "../../kernel/abi/state";
import {
  ABSENT, BareMachine, CODE64_0, CODE64_3, DATA_0, DATA_3, HANDLERS, IST1_STACK, KERNEL_CODE, KERNEL_STACK, USER_CODE, USER_DATA, USER_STACK,
} from "./bare-machine";

test("UD2 at CPL 3 pushes SS RSP RFLAGS CS RIP on RSP0, RF set in the image", async () => {
  const m = await BareMachine.create();
  m.user([0x0f, 0x0b]);
  m.setReg(RFLAGS, 0x202);
  assert.is(m.run(), EXIT_HALT);
  assert.is(m.haltedIn, 6);
  assert.is(m.reg(RSP), BigInt(KERNEL_STACK - 40));
  assert.equal(m.frame(false), {
    error: -1n, rip: BigInt(USER_CODE), cs: BigInt(CODE64_3), rflags: 0x10202n, rsp: BigInt(USER_STACK), ss: BigInt(DATA_3),
  });
  assert.is(m.word(CPL), 0);
  assert.is(m.selector(SEG_CS), CODE64_0);
  assert.is(m.selector(SEG_SS), 0);
  assert.is(m.reg(RFLAGS) & 0x200n, 0n);
});

test("a page fault at CPL 3 has its error code and CR2, and changes no register", async () => {
  const m = await BareMachine.create();
  m.user([0x48, 0x89, 0x03]); // mov %rax,(%rbx)
  m.setReg(RBX, ABSENT + 0x123);
  assert.is(m.run(), EXIT_HALT);
  assert.is(m.haltedIn, 14);
  assert.is(m.frame(true).error, 6n);
  assert.is(m.reg(CR2), BigInt(ABSENT + 0x123));
  assert.is(m.frame(true).rip, BigInt(USER_CODE));
});

test("INT n needs a gate of DPL 3 at CPL 3, and saves the RIP behind it", async () => {
  const m = await BareMachine.create();
  m.user([0xcd, 0x80]);
  m.run();
  assert.is(m.haltedIn, 13);
  assert.is(m.frame(true).error, BigInt(0x80 * 8 + 2));
  assert.is(m.frame(true).rip, BigInt(USER_CODE));
  m.gate(0x80, HANDLERS + 16 * 0x80, { dpl: 3 });
  m.user([0xcd, 0x80]);
  m.run();
  assert.is(m.haltedIn, 0x80);
  assert.is(m.frame(false).rip, BigInt(USER_CODE + 2));
  assert.is(m.frame(false).rflags, 2n);
});

test("a trap gate leaves IF, an interrupt gate clears it", async () => {
  const m = await BareMachine.create();
  m.gate(6, HANDLERS + 16 * 6, { type: 0xf });
  m.user([0x0f, 0x0b]);
  m.setReg(RFLAGS, 0x4302); // NT, TF, IF
  m.run();
  assert.is(m.haltedIn, 6);
  assert.is(m.reg(RFLAGS) & 0x4300n, 0x200n);
});

test("a gate that is not present is #NP, one of a wrong type #GP, both with EXT for an exception", async () => {
  const m = await BareMachine.create();
  m.gate(6, 0, { present: false });
  m.user([0x0f, 0x0b]);
  m.run();
  assert.is(m.haltedIn, 11);
  assert.is(m.frame(true).error, BigInt(6 * 8 + 3));
  m.gate(6, 0, { type: 0xc });
  m.user([0x0f, 0x0b]);
  m.run();
  assert.is(m.haltedIn, 13);
  assert.is(m.frame(true).error, BigInt(6 * 8 + 3));
});

test("a page fault on the pushes of a page fault is #DF on its IST stack, with the CR2 of the second", async () => {
  const m = await BareMachine.create();
  m.phys.setU64(0x8004, BigInt(ABSENT + 0x1000)); // RSP0
  m.gate(8, HANDLERS + 16 * 8, { ist: 1 });
  m.user([0x48, 0x89, 0x03]);
  m.setReg(RBX, ABSENT + 0x10);
  m.run();
  assert.is(m.haltedIn, 8);
  assert.is(m.reg(RSP), BigInt(IST1_STACK - 48));
  assert.is(m.frame(true).error, 0n);
  assert.is(m.reg(CR2), BigInt(ABSENT + 0xff8));
});

test("#UD whose delivery page-faults is a page fault, not a double fault", async () => {
  const m = await BareMachine.create();
  m.phys.setU64(0x8004, BigInt(ABSENT + 0x1000));
  m.gate(14, HANDLERS + 16 * 14, { ist: 1 });
  m.user([0x0f, 0x0b]);
  m.run();
  assert.is(m.haltedIn, 14);
  assert.is(m.frame(true).error, 2n);
  assert.is(m.frame(true).rip, BigInt(USER_CODE));
});

test("a fault in the delivery of #DF shuts the machine down", async () => {
  const m = await BareMachine.create();
  m.phys.setU64(0x8004, BigInt(ABSENT + 0x1000));
  m.user([0x48, 0x89, 0x03]);
  m.setReg(RBX, ABSENT);
  assert.is(m.run(), EXIT_SHUTDOWN);
  assert.is(m.word(EXIT_VECTOR), 14);
  assert.is(m.reg(RIP), BigInt(USER_CODE));
  assert.is(m.word(CPL), 3);
});

test("delivery at CPL 0 keeps the stack, aligns it to 16 bytes and leaves SS", async () => {
  const m = await BareMachine.create();
  m.kernel([0x0f, 0x0b]);
  m.setReg(RSP, 0x30004);
  m.run();
  assert.is(m.haltedIn, 6);
  assert.is(m.reg(RSP), BigInt(0x30000 - 40));
  assert.is(m.frame(false).rsp, 0x30004n);
  assert.is(m.selector(SEG_SS), DATA_0);
});

test("an interrupt waits for IF and for the instruction after STI", async () => {
  const m = await BareMachine.create();
  m.kernel([0x90, 0xfb, 0x90, 0x90]); // nop; sti; nop; nop
  m.setWord(PENDING_INTERRUPT, 0x20);
  m.run();
  assert.is(m.haltedIn, 0x20);
  assert.is(m.frame(false).rip, BigInt(KERNEL_CODE + 3));
});

test("after MOV SS not even an NMI is taken before the next instruction has ended", async () => {
  const m = await BareMachine.create();
  m.kernel([0x8e, 0xd0, 0x90, 0x90]); // mov %eax,%ss; nop
  m.setReg(RAX, DATA_0);
  assert.is(m.run(1), EXIT_BUDGET);
  m.setWord(PENDING_NMI, 1);
  m.run();
  assert.is(m.haltedIn, 2);
  assert.is(m.frame(false).rip, BigInt(KERNEL_CODE + 3));
});

test("a second NMI waits for IRET", async () => {
  const m = await BareMachine.create();
  m.kernel([0x90, 0x90, 0x90]);
  m.write(HANDLERS + 32, [0x90, 0x48, 0xcf]); // nop; iretq
  m.setWord(PENDING_NMI, 1);
  m.run(1);
  assert.is(m.word(NMI_BLOCKED), 1);
  assert.is(m.reg(RIP), BigInt(HANDLERS + 33));
  m.setWord(PENDING_NMI, 1);
  m.run(1);
  assert.is(m.reg(RIP), BigInt(HANDLERS + 32));
  assert.is(m.frame(false).rip, BigInt(KERNEL_CODE));
  m.run(2);
  assert.is(m.word(NMI_BLOCKED), 0);
  assert.is(m.reg(RIP), BigInt(KERNEL_CODE));
});

test("a machine check is taken at once, NMIs blocked or not and behind MOV SS too; without CR4.MCE it is a shutdown", async () => {
  const m = await BareMachine.create();
  m.kernel([0x90, 0x90]);
  m.setReg(CR4, m.reg(CR4) | 0x40n);
  m.setWord(NMI_BLOCKED, 1);
  m.setWord(PENDING_NMI, 3);
  m.run();
  assert.equal([m.haltedIn, m.word(PENDING_NMI), m.frame(false).rip], [18, 1, BigInt(KERNEL_CODE)]);
  m.setWord(NMI_BLOCKED, 0);
  m.setWord(PENDING_NMI, 0);
  m.kernel([0x8e, 0xd0, 0x90, 0x90]);
  m.setReg(RAX, DATA_0);
  m.setReg(CR4, m.reg(CR4) | 0x40n);
  assert.is(m.run(1), EXIT_BUDGET);
  m.setWord(PENDING_NMI, 2);
  m.run();
  assert.equal([m.haltedIn, m.frame(false).rip], [18, BigInt(KERNEL_CODE + 2)]);
  m.kernel([0x90]);
  m.setWord(PENDING_NMI, 2);
  assert.is(m.run(), EXIT_SHUTDOWN);
  assert.is(m.word(EXIT_VECTOR), 18);
  m.setWord(PENDING_NMI, 0);
});

test("TF traps after each instruction, with DR6.BS", async () => {
  const m = await BareMachine.create();
  m.user([0x90, 0x90]);
  m.setReg(RFLAGS, 0x102);
  m.run();
  assert.is(m.haltedIn, 1);
  assert.is(m.frame(false).rip, BigInt(USER_CODE + 1));
  assert.is(m.frame(false).rflags, 0x102n);
});

test("a repeated string instruction that an interrupt stops midway is resumed, RF set in the image", async () => {
  const m = await BareMachine.create();
  m.kernel([0xf3, 0xaa, 0x90]); // rep stosb
  m.setReg(RFLAGS, 0x202);
  m.setReg(0x38, USER_DATA);
  m.setReg(0x08, 100);
  m.setReg(RAX, 0x55);
  assert.is(m.run(10), EXIT_BUDGET);
  assert.is(m.reg(0x08), 90n);
  assert.is(m.reg(RIP), BigInt(KERNEL_CODE));
  m.setWord(PENDING_INTERRUPT, 0x20);
  m.write(HANDLERS + 0x200, [0x48, 0xcf]);
  m.run(1);
  assert.is(m.phys.getU64(Number(0x30000 - 24)) & 0x10000n, 0x10000n);
  m.run(91);
  assert.is(m.reg(0x08), 0n);
  assert.equal([...m.phys.read(USER_DATA + 98, 4)], [0x55, 0x55, 0, 0]);
});

test.run();
