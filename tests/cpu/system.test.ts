// Control registers, MSRs, CPUID, ports and string instructions.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import { MSR_EFER, MSR_FMASK, MSR_LSTAR, MSR_MISC_ENABLE, MSR_PAT, MSR_TSC } from "../../kernel/abi/msr";
import {
  CR0, CR3, CR4, LSTAR, RAX, RBX, RCX, RDI, RDX, RFLAGS, RIP, RSI, SEG_TR, VENDOR,
} from "../../kernel/abi/state";
import { ABSENT, BareMachine, KERNEL_CODE, TSS, TSS_SELECTOR, USER_CODE, USER_DATA } from "./bare-machine";

/** Runs one instruction at CPL 0; the vector it raised, or -1. */
function tryKernel(m: BareMachine, code: number[], registers: [number, number | bigint][]): number {
  m.kernel([...code, 0xf4]);
  for (const [at, value] of registers) m.setReg(at, value);
  m.run();
  return m.haltedIn;
}

const wrmsr = (m: BareMachine, msr: number, value: bigint) =>
  tryKernel(m, [0x0f, 0x30], [[RCX, msr], [RAX, value & 0xffffffffn], [RDX, value >> 32n]]);

test("WRMSR checks its value by the register, and an unknown register is #GP", async () => {
  const m = await BareMachine.create();
  assert.is(wrmsr(m, MSR_LSTAR, 0xffffffff81000000n), -1);
  assert.is(m.reg(LSTAR), 0xffffffff81000000n);
  for (const [msr, value] of [
    [MSR_LSTAR, 1n << 47n], [MSR_FMASK, 1n << 32n], [MSR_PAT, 2n], [MSR_EFER, 0x1000n], [MSR_EFER, 0x401n], [0x1234, 0n],
  ] as const) assert.is(wrmsr(m, msr, value), 13, `${msr.toString(16)} ${value}`);
  assert.is(tryKernel(m, [0x0f, 0x32], [[RCX, 0x1234]]), 13);
  assert.is(tryKernel(m, [0x0f, 0x32], [[RCX, MSR_EFER]]), -1);
  assert.is(m.reg(RAX), 0xd01n);
});

test("MISC_ENABLE is Intel's alone", async () => {
  const m = await BareMachine.create();
  assert.is(tryKernel(m, [0x0f, 0x32], [[RCX, MSR_MISC_ENABLE]]), -1);
  m.kernel([0x0f, 0x32]);
  m.setWord(VENDOR, 1);
  m.setReg(RCX, MSR_MISC_ENABLE);
  m.run();
  assert.is(m.haltedIn, 13);
});

test("a written TSC counts on from the value", async () => {
  const m = await BareMachine.create();
  assert.is(wrmsr(m, MSR_TSC, 0x1000000000n), -1);
  assert.is(tryKernel(m, [0x0f, 0x31], []), -1);
  assert.is(m.reg(RDX), 0x10n);
  assert.ok(m.reg(RAX) < 10n);
});

test("control registers refuse reserved bits and impossible combinations", async () => {
  const m = await BareMachine.create();
  const toCr = (n: number) => [0x0f, 0x22, 0xc0 | (n << 3)];
  assert.is(tryKernel(m, toCr(0), [[RAX, 0x50033n]]), 13); // PG off in 64-bit mode
  assert.is(tryKernel(m, toCr(0), [[RAX, 0x180050033n]]), 13);
  assert.is(tryKernel(m, toCr(0), [[RAX, 0xa0050033n]]), 13); // NW without CD
  assert.is(tryKernel(m, toCr(0), [[RAX, 0x80050023n]]), -1);
  assert.is(m.reg(CR0), 0x80050033n); // ET stays
  assert.is(tryKernel(m, toCr(4), [[RAX, 0x680n]]), 13); // PAE off
  assert.is(tryKernel(m, toCr(4), [[RAX, 0x10006a0n]]), 13);
  assert.is(tryKernel(m, toCr(4), [[RAX, 0x206a0n]]), -1);
  assert.is(m.reg(CR4), 0x206a0n);
  assert.is(tryKernel(m, toCr(3), [[RAX, 1n << 50n]]), 13);
  assert.is(tryKernel(m, toCr(3), [[RAX, 0x8000000000001000n]]), 13); // NOFLUSH without PCIDE
  assert.is(tryKernel(m, toCr(1), [[RAX, 0n]]), 6);
  m.kernel([0x0f, 0x22, 0xd8]);
  m.setReg(CR4, 0x206a0n);
  m.setReg(RAX, 0x8000000000001001n);
  m.run(1);
  assert.is(m.reg(CR3), 0x1001n);
});

test("CPUID names the vendor and offers what rows execute by", async () => {
  const m = await BareMachine.create();
  const cpuid = (leaf: number) => {
    tryKernel(m, [0x0f, 0xa2], [[RAX, leaf]]);
    return [RAX, RBX, RCX, RDX].map((r) => Number(m.reg(r)));
  };
  const text = (words: number[]) => new TextDecoder().decode(new Uint8Array(Uint32Array.from(words).buffer)).replace(/\0+$/, "");
  const [max, b, c, d] = cpuid(0);
  assert.is(max, 0x16);
  assert.is(text([b!, d!, c!]), "GenuineIntel");
  assert.is(text([0x80000002, 0x80000003, 0x80000004].flatMap(cpuid)), "ring3 virtual x86-64-v2 CPU");
  assert.is(cpuid(1)[3], 0x0789abfd);
  assert.is(cpuid(0x80000008)[0], 0x302e);
});

test("VMCALL leaves at CPL 0 with RIP behind it, and is #UD at CPL 3", async () => {
  const m = await BareMachine.create();
  m.kernel([0x0f, 0x01, 0xc1]);
  assert.is(m.run(), EXIT_HYPERCALL);
  assert.is(m.reg(RIP), BigInt(KERNEL_CODE + 3));
  m.user([0x0f, 0x01, 0xc1]);
  m.run();
  assert.is(m.haltedIn, 6);
});

test("privileged instructions at CPL 3 are #GP(0)", async () => {
  const m = await BareMachine.create();
  for (const code of [[0xf4], [0x0f, 0x22, 0xc0], [0x0f, 0x20, 0xc0], [0x0f, 0x30], [0x0f, 0x32], [0xfa], [0xfb], [0x0f, 0x01, 0x10], [0x0f, 0x06], [0x0f, 0x23, 0xf8]]) {
    m.user(code);
    m.run();
    assert.is(m.haltedIn, 13, code.map((b) => b.toString(16)).join(" "));
    assert.is(m.frame(true).error, 0n);
  }
});

test("a port at CPL 3 needs IOPL or the TSS bitmap, and nobody answers", async () => {
  const m = await BareMachine.create();
  m.user([0xec]);
  m.run();
  assert.is(m.haltedIn, 13);
  m.user([0xec]);
  m.setReg(RFLAGS, 0x3002);
  m.setReg(RAX, 0);
  m.run(1);
  assert.is(m.reg(RAX), 0xffn);
  m.user([0xec]);
  m.segment(SEG_TR, TSS_SELECTOR, 0x8b, TSS, 0x70);
  m.phys.u8[TSS + 0x66] = 0x68;
  m.phys.u8[TSS + 0x68] = 0xfe;
  m.setReg(RDX, 0);
  m.run(1);
  assert.is(m.reg(RIP), BigInt(USER_CODE + 1));
  m.user([0xed]);
  m.segment(SEG_TR, TSS_SELECTOR, 0x8b, TSS, 0x70);
  m.setReg(RDX, 0);
  m.run();
  assert.is(m.haltedIn, 13);
});

test("REP MOVSB forward over itself repeats the pattern, by host address as one by one", async () => {
  const m = await BareMachine.create();
  m.write(USER_DATA, [1, 2, 3]);
  m.user([0xf3, 0xa4]);
  m.setReg(RSI, USER_DATA);
  m.setReg(RDI, USER_DATA + 3);
  m.setReg(RCX, 5000);
  m.run(10000);
  assert.equal([...m.phys.read(USER_DATA + 4998, 6)], [1, 2, 3, 1, 2, 0].map((v, i) => (i < 5 ? ((4998 + i) % 3) + 1 : v)));
});

test("REP MOVSQ that runs into a missing page stops before the element that faults", async () => {
  const m = await BareMachine.create();
  m.user([0xf3, 0x48, 0xa5]);
  m.setReg(RSI, USER_DATA);
  m.setReg(RDI, ABSENT - 20);
  m.setReg(RCX, 10);
  m.run();
  assert.is(m.haltedIn, 14);
  assert.is(m.reg(RCX), 8n);
  assert.is(m.reg(RDI), BigInt(ABSENT - 4));
  assert.is(m.reg(RSI), BigInt(USER_DATA + 16));
});

test("REPNE SCASB finds a zero across pages; REPE CMPSB stops at the difference; DF goes down", async () => {
  const m = await BareMachine.create();
  m.phys.fill(USER_DATA, 0x2000, 0x41);
  m.write(USER_DATA + 0x1800, [0]);
  m.user([0xf2, 0xae]);
  m.setReg(RDI, USER_DATA);
  m.setReg(RCX, -1n);
  m.setReg(RAX, 0);
  m.run(0x1801);
  assert.is(m.reg(RIP), BigInt(USER_CODE + 2));
  assert.is(m.reg(RDI), BigInt(USER_DATA + 0x1801));
  assert.is(m.reg(RFLAGS) & 0x40n, 0x40n);
  m.user([0xf3, 0xa6]);
  m.setReg(RFLAGS, 0x402);
  m.setReg(RSI, USER_DATA + 0x1801);
  m.setReg(RDI, USER_DATA + 0x17f1);
  m.setReg(RCX, 100);
  m.run(2);
  assert.is(m.reg(RSI), BigInt(USER_DATA + 0x17ff));
  assert.is(m.reg(RCX), 98n);
  assert.is(m.reg(RFLAGS) & 0x41n, 1n);
});

test("a repeated string instruction with a zero count does nothing at all", async () => {
  const m = await BareMachine.create();
  m.user([0xf3, 0xa6]);
  m.setReg(RFLAGS, 0xad7);
  m.setReg(RSI, ABSENT);
  m.setReg(RCX, 0);
  m.run(1);
  assert.is(m.reg(RIP), BigInt(USER_CODE + 2));
  assert.is(m.reg(RFLAGS), 0xad7n);
});

test("DAA, AAM and PUSHA work outside 64-bit mode and are #UD in it", async () => {
  const m = await BareMachine.create();
  m.user([0x04, 0x28, 0x27, 0x60, 0x61, 0xd4, 0x0a], 32); // add $0x28,%al; daa; pusha; popa; aam
  m.setReg(RAX, 0x35);
  m.run(2);
  assert.is(m.reg(RAX), 0x63n);
  m.run(3);
  assert.is(m.reg(RAX), 0x909n);
  for (const code of [[0x27], [0x60], [0xd4, 0x0a], [0x06], [0xce], [0xd6]]) {
    m.user(code);
    m.run();
    assert.is(m.haltedIn, 6);
  }
});

test.run();
