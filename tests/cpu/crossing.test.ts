// The fast doors, IRET, far transfers and segment loads.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  CPL, FMASK, GS_BASE, KERNEL_GS_BASE, LSTAR, MODE, R11, RAX, RBX, RCX, RDX, RFLAGS, RIP, RSP, SEG_CS, SEG_DS, SEG_SS, STAR, SYSENTER_CS,
  SYSENTER_EIP, SYSENTER_ESP, VENDOR,
} from "../../kernel/abi/state";
import {
  BareMachine, CODE32_3, CODE64_0, CODE64_3, DATA_0, DATA_3, FREE_SELECTOR, GDT, HANDLERS, KERNEL_CODE, TSS_SELECTOR, USER_CODE, USER_STACK,
} from "./bare-machine";

const HANDLER = 0x28000;
const star = (BigInt(0x1b) << 48n) | (BigInt(CODE64_0) << 32n);

test("SYSCALL goes to LSTAR with RCX, R11, masked RFLAGS and flat segments; RSP stays", async () => {
  const m = await BareMachine.create();
  m.user([0x0f, 0x05]);
  m.setReg(STAR, star);
  m.setReg(LSTAR, HANDLER);
  m.setReg(FMASK, 0x47700);
  m.setReg(RFLAGS, 0x246);
  m.run(1);
  assert.is(m.reg(RIP), BigInt(HANDLER));
  assert.is(m.reg(RCX), BigInt(USER_CODE + 2));
  assert.is(m.reg(R11), 0x246n);
  assert.is(m.reg(RFLAGS), 0x46n);
  assert.is(m.word(CPL), 0);
  assert.is(m.selector(SEG_CS), CODE64_0);
  assert.is(m.selector(SEG_SS), DATA_0);
  assert.is(m.reg(RSP), BigInt(USER_STACK));
});

test("SYSCALL that masks TF takes no single-step trap in the kernel", async () => {
  const m = await BareMachine.create();
  m.user([0x0f, 0x05]);
  m.setReg(STAR, star);
  m.setReg(LSTAR, HANDLER);
  m.setReg(FMASK, 0x100);
  m.setReg(RFLAGS, 0x102);
  m.write(HANDLER, [0x90, 0x90]);
  m.run(2);
  assert.is(m.reg(RIP), BigInt(HANDLER + 1));
  assert.is(m.reg(R11), 0x102n);
});

test("SYSCALL from compatibility mode is #UD on Intel", async () => {
  const m = await BareMachine.create();
  m.user([0x0f, 0x05], 32);
  m.setReg(STAR, star);
  m.run();
  assert.is(m.haltedIn, 6);
  assert.is(m.frame(false).cs, BigInt(CODE32_3));
});

test("SYSRETQ takes RIP from RCX and RFLAGS from R11, at CPL 3", async () => {
  const m = await BareMachine.create();
  m.kernel([0x48, 0x0f, 0x07]);
  m.setReg(STAR, star);
  m.setReg(RCX, USER_CODE);
  m.setReg(R11, 0x13246);
  m.run(1);
  assert.is(m.reg(RIP), BigInt(USER_CODE));
  assert.is(m.reg(RFLAGS), 0x3246n);
  assert.is(m.word(CPL), 3);
  assert.is(m.selector(SEG_CS), CODE64_3);
  assert.is(m.selector(SEG_SS), DATA_3);
});

test("SYSRETQ to a non-canonical RCX is #GP at CPL 0 on Intel, and at CPL 3 on AMD", async () => {
  const m = await BareMachine.create();
  for (const [vendor, level] of [[0, CODE64_0], [1, CODE64_3]] as const) {
    m.kernel([0x48, 0x0f, 0x07]);
    m.setWord(VENDOR, vendor);
    m.setReg(STAR, star);
    m.setReg(RCX, 1n << 47n);
    m.setReg(R11, 2);
    m.run();
    assert.is(m.haltedIn, 13);
    assert.is(m.frame(true).error, 0n);
    assert.is(m.frame(true).cs, BigInt(level));
  }
});

test("SYSRET and SWAPGS at CPL 3 are #GP", async () => {
  const m = await BareMachine.create();
  for (const code of [[0x48, 0x0f, 0x07], [0x0f, 0x01, 0xf8]]) {
    m.user(code);
    m.run();
    assert.is(m.haltedIn, 13);
  }
});

test("SYSENTER and SYSEXIT cross by their MSRs", async () => {
  const m = await BareMachine.create();
  m.user([0x0f, 0x34], 32);
  m.setReg(SYSENTER_CS, CODE64_0);
  m.setReg(SYSENTER_ESP, 0x30000);
  m.setReg(SYSENTER_EIP, HANDLER);
  m.setReg(RFLAGS, 0x202);
  m.write(HANDLER, [0x0f, 0x35]); // sysexit
  m.run(1);
  assert.is(m.reg(RIP), BigInt(HANDLER));
  assert.is(m.reg(RSP), 0x30000n);
  assert.is(m.reg(RFLAGS), 2n);
  m.setReg(RDX, USER_CODE + 16);
  m.setReg(RCX, USER_STACK);
  m.run(1);
  assert.is(m.reg(RIP), BigInt(USER_CODE + 16));
  assert.is(m.selector(SEG_CS), CODE64_0 + 16 + 3);
  assert.is(m.word(MODE), 1);
});

test("SWAPGS exchanges the two GS bases", async () => {
  const m = await BareMachine.create();
  m.kernel([0x0f, 0x01, 0xf8]);
  m.setReg(GS_BASE, 1n);
  m.setReg(KERNEL_GS_BASE, 0xffff888000000000n);
  m.run(1);
  assert.is(m.reg(GS_BASE), 0xffff888000000000n);
  assert.is(m.reg(KERNEL_GS_BASE), 1n);
});

const push = (m: BareMachine, words: (number | bigint)[]) => {
  words.forEach((word, i) => m.phys.setU64(0x30000 + 8 * i, BigInt(word)));
  m.setReg(RSP, 0x30000);
};

test("IRETQ goes to compatibility mode, and INT 0x80 comes back from there", async () => {
  const m = await BareMachine.create();
  m.gate(0x80, HANDLERS + 16 * 0x80, { dpl: 3 });
  m.kernel([0x48, 0xcf]);
  push(m, [USER_CODE, CODE32_3, 0x202, USER_STACK, DATA_3]);
  m.write(USER_CODE, [0x40, 0xcd, 0x80]); // inc %eax; int $0x80
  m.setReg(RAX, 0xffffffffn);
  m.run();
  assert.is(m.haltedIn, 0x80);
  assert.is(m.frame(false).cs, BigInt(CODE32_3));
  assert.is(m.frame(false).rip, BigInt(USER_CODE + 3));
  assert.is(m.reg(RAX), 0n);
});

test("IRETQ clears segment registers that CPL 3 may not have, and selectors that are null", async () => {
  const m = await BareMachine.create();
  m.kernel([0x48, 0xcf]);
  push(m, [USER_CODE, CODE64_3, 0x202, USER_STACK, DATA_3]);
  m.segment(4, 3, 0x8000, 0x1234);
  m.run(1);
  assert.is(m.selector(SEG_DS), 0);
  assert.is(m.selector(4), 0);
  assert.is(m.reg(0xe0), 0x1234n);
});

test("IRETQ to a non-canonical RIP, a null CS, a null SS at CPL 3, or with NT is #GP", async () => {
  const m = await BareMachine.create();
  const frames: [(number | bigint)[], number, bigint][] = [
    [[1n << 47n, CODE64_3, 2, USER_STACK, DATA_3], 2, 0n],
    [[USER_CODE, 3, 2, USER_STACK, DATA_3], 2, 0n],
    [[USER_CODE, CODE64_3, 2, USER_STACK, 3], 2, 0n],
    [[USER_CODE, CODE64_3, 2, USER_STACK, DATA_3], 0x4002, 0n],
    [[USER_CODE, CODE64_3, 2, USER_STACK, CODE64_3], 2, BigInt(CODE64_3 & ~3)],
    [[USER_CODE, 0xf8 | 3, 2, USER_STACK, DATA_3], 2, 0xf8n],
  ];
  for (const [words, flags, error] of frames) {
    m.kernel([0x48, 0xcf]);
    push(m, words);
    m.setReg(RFLAGS, flags);
    m.run();
    assert.is(m.haltedIn, 13);
    assert.is(m.frame(true).error, error);
    assert.is(m.frame(true).rip, BigInt(KERNEL_CODE));
    assert.is(m.frame(true).rsp, 0x30000n);
  }
});

test("POPFQ at CPL 3 keeps IF and IOPL", async () => {
  const m = await BareMachine.create();
  m.user([0x68, 0xd5, 0x4c, 0x04, 0x00, 0x9d]); // push $0x44cd5; popfq
  m.setReg(RFLAGS, 0x202);
  m.run(2);
  assert.is(m.reg(RFLAGS), 0x44ed7n);
});

test("RETFQ to an outer level takes SS:RSP from the stack", async () => {
  const m = await BareMachine.create();
  m.kernel([0x48, 0xcb]);
  push(m, [USER_CODE, CODE64_3, USER_STACK, DATA_3]);
  m.run(1);
  assert.is(m.word(CPL), 3);
  assert.is(m.reg(RIP), BigInt(USER_CODE));
  assert.is(m.reg(RSP), BigInt(USER_STACK));
});

test("a call gate takes the stack from the TSS and pushes SS RSP CS RIP", async () => {
  const m = await BareMachine.create();
  m.gdt(FREE_SELECTOR, BigInt(HANDLER & 0xffff) | (BigInt(CODE64_0) << 16n) | (0xecn << 40n) | (BigInt(HANDLER >>> 16) << 48n));
  m.user([0xff, 0x1b]); // lcall *(%rbx)
  m.setReg(RBX, 0x110000);
  m.write(0x110000, [0, 0, 0, 0, FREE_SELECTOR | 3, 0]);
  m.run(1);
  assert.is(m.reg(RIP), BigInt(HANDLER));
  assert.is(m.word(CPL), 0);
  assert.is(m.reg(RSP), 0xd000n - 32n);
  assert.equal([0, 8, 16, 24].map((i) => m.phys.getU64(0xd000 - 32 + i)), [USER_CODE + 2, CODE64_3, USER_STACK, DATA_3].map(BigInt));
});

test("MOV DS: null is fine, beyond the GDT and too privileged are #GP(selector)", async () => {
  const m = await BareMachine.create();
  for (const [selector, error] of [[2, -1], [0xfff0, 0xfff0], [DATA_0, DATA_0], [CODE64_3, -1]] as const) {
    m.user([0x8e, 0xd8, 0x0f, 0x0b]);
    m.setReg(RAX, selector);
    m.run();
    assert.is(m.haltedIn, error < 0 ? 6 : 13);
    if (error >= 0) assert.is(m.frame(true).error, BigInt(error));
    else assert.is(m.selector(SEG_DS), selector);
  }
});

test("LTR marks the TSS busy, and a busy one is #GP(selector)", async () => {
  const m = await BareMachine.create();
  m.kernel([0x0f, 0x00, 0xd8, 0x0f, 0x00, 0xd8]);
  m.setReg(RAX, TSS_SELECTOR);
  m.run();
  assert.is(m.phys.u8[GDT + TSS_SELECTOR + 5], 0x8b);
  assert.is(m.haltedIn, 13);
  assert.is(m.frame(true).error, BigInt(TSS_SELECTOR));
  assert.is(m.frame(true).rip, BigInt(KERNEL_CODE + 3));
});

test("LAR, LSL and VERR answer by ZF and never fault on a selector", async () => {
  const m = await BareMachine.create();
  m.user([0x0f, 0x02, 0xd8, 0x0f, 0x03, 0xc8]); // lar %eax,%ebx; lsl %eax,%ecx
  m.setReg(RAX, DATA_3);
  m.run(2);
  assert.is(m.reg(RBX), 0xcff300n);
  assert.is(m.reg(RCX), 0xffffffffn);
  assert.is(m.reg(RFLAGS) & 0x40n, 0x40n);
  m.user([0x0f, 0x02, 0xd8]);
  m.setReg(RAX, DATA_0);
  m.setReg(RBX, 7);
  m.run(1);
  assert.is(m.reg(RBX), 7n);
  assert.is(m.reg(RFLAGS) & 0x40n, 0n);
});

test.run();
