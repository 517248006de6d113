// Between 64-bit mode and compatibility mode, by the selectors that Linux has and by an LDT: far transfers, call gates, IRET, software
// interrupts, and the instructions about selectors, as 32- and 16-bit code sees them.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  CPL, CR4, GDTR_BASE, GDTR_LIMIT, IDTR_LIMIT, MODE, MODE_16, MODE_64, RAX, RBX, RCX, RDX, RFLAGS, RIP, RSP, SEG_BASE, SEG_CS, SEG_DS, SEG_ES, SEG_LDTR,
  SEG_SS,
} from "../../kernel/abi/state";
import { BareMachine, HANDLERS, KERNEL_STACK, TSS, USER_CODE, USER_DATA, USER_STACK } from "./bare-machine";

const LINUX_GDT = 0x6400;
const LDT = 0x6800;
const KERNEL_CS = 0x10;
const USER32_CS = 0x23;
const USER_DS = 0x2b;
const USER_CS = 0x33;
const GATE = 0x63;
const CODE = USER_CODE;
const COMPAT = USER_CODE + 0x400;
const UD2 = [0x0f, 0x0b];

/** An LDT selector at CPL 3. */
const ldt = (index: number) => index * 8 + 7;
const descriptor = (access: number, flags: number, base = 0, limit = 0xfffff) => BigInt(limit & 0xffff) | (BigInt(base & 0xffffff) << 16n) | (BigInt(access) << 40n)
  | (BigInt((flags << 4) | (limit >> 16)) << 48n) | (BigInt(base >>> 24) << 56n);
const LDT_ENTRIES = {
  code16: descriptor(0xfa, 0, 0x100000, 0xffff), data16: descriptor(0xf2, 0, USER_DATA, 0xffff), code32: descriptor(0xfa, 4, COMPAT, 0xfff), readOnly: descriptor(0xf0, 0xc),
  absentCode: descriptor(0x7a, 0xc), absentData: descriptor(0x72, 0xc), executeOnly: descriptor(0xf8, 0xc), conforming: descriptor(0x9e, 0xc), longWithBase: descriptor(0xfa, 0xa, 0x12345000),
  longAndBig: descriptor(0xfa, 0xe), kernelCode: descriptor(0x9a, 0xc), stack16: descriptor(0xf2, 0, 0x120000, 0xffff),
};
type Entry = keyof typeof LDT_ENTRIES;
const sel = (name: Entry) => ldt(Object.keys(LDT_ENTRIES).indexOf(name));
const le = (value: number, bytes: number) => Array.from({ length: bytes }, (_, i) => (value / 2 ** (8 * i)) & 255);

async function machine(): Promise<BareMachine> {
  const m = await BareMachine.create();
  [0n, descriptor(0x9b, 0xc), descriptor(0x9b, 0xa), descriptor(0x93, 0xc), descriptor(0xfb, 0xc), descriptor(0xf3, 0xc), descriptor(0xfb, 0xa)]
    .forEach((value, i) => m.phys.setU64(LINUX_GDT + 8 * i, value));
  m.phys.setU64(LINUX_GDT + 0x40, BigInt(0x67) | (BigInt(TSS) << 16n) | (0x89n << 40n));
  Object.values(LDT_ENTRIES).forEach((value, i) => m.phys.setU64(LDT + 8 * i, value));
  for (let vector = 0; vector < 256; vector++) m.gate(vector, HANDLERS + 16 * vector, { selector: KERNEL_CS, dpl: vector === 3 || vector === 4 ? 3 : 0 });
  return m;
}

/** At CPL 3 in 64-bit mode or, by `bits`, with Linux's 32-bit code segment. */
function user(m: BareMachine, code: number[], bits: 64 | 32 = 64): void {
  m.user(code, bits);
  m.segment(SEG_CS, bits === 64 ? USER_CS : USER32_CS, bits === 64 ? 0xafb : 0xcfb);
  for (const seg of [SEG_SS, SEG_DS, SEG_ES]) m.segment(seg, USER_DS, 0xcf3);
  tables(m);
}

function tables(m: BareMachine): void {
  m.setReg(GDTR_BASE, LINUX_GDT);
  m.setWord(GDTR_LIMIT, 0x7f);
  m.segment(SEG_LDTR, 0x50, 0x82, LDT, 0x67);
}

function kernel(m: BareMachine, code: number[]): void {
  m.kernel(code);
  m.segment(SEG_CS, KERNEL_CS, 0xa9b);
  tables(m);
}

const hasError = new Set([8, 10, 11, 12, 13, 14, 17]);
function end(m: BareMachine): { vector: number; error: number; rip: number; cs: number; rsp: bigint; rflags: bigint; ss: number } {
  m.run(1000);
  const vector = m.haltedIn;
  assert.ok(vector >= 0, `RIP ${m.reg(RIP).toString(16)}`);
  const f = m.frame(hasError.has(vector));
  return { vector, error: hasError.has(vector) ? Number(f.error) : 0, rip: Number(f.rip), cs: Number(f.cs), rsp: f.rsp, rflags: f.rflags, ss: Number(f.ss) };
}

test("far RET, far JMP, far CALL and IRET go from 64-bit code to 32-bit code", async () => {
  const m = await machine();
  m.write(COMPAT, [0x40, 0x48, 0x48, ...UD2]); // inc %eax; dec; dec
  const push = (value: number) => [0x68, ...le(value, 4)];
  m.write(USER_DATA, [...le(COMPAT, 4), ...le(USER32_CS, 2)]);
  const ways: [string, number[], bigint][] = [
    ["lretq", [...push(USER32_CS), ...push(COMPAT), 0x48, 0xcb], 0n],
    ["ljmp", [0xff, 0x2c, 0x25, ...le(USER_DATA, 4)], 0n],
    ["lcall", [0xff, 0x1c, 0x25, ...le(USER_DATA, 4)], 8n],
    ["iretq", [...push(USER_DS), ...push(USER_STACK), ...push(2), ...push(USER32_CS), ...push(COMPAT), 0x48, 0xcf], 0n],
  ];
  for (const [name, code, pushed] of ways) {
    user(m, code);
    m.setReg(RAX, 0x1_0000_0000n);
    const e = end(m);
    assert.equal([e.vector, e.cs, e.rip, e.rsp], [6, USER32_CS, COMPAT + 3, BigInt(USER_STACK) - pushed], name);
    assert.is(m.reg(RAX), 0xffffffffn, name);
  }
});

test("32-bit code calls 64-bit code by a far CALL, and far RET returns", async () => {
  const m = await machine();
  m.write(COMPAT, [0x48, 0xff, 0xc0, 0x4c, 0x89, 0xc0, 0xcb]); // inc %rax; mov %r8, %rax; lretl
  user(m, [0x9a, ...le(COMPAT, 4), ...le(USER_CS, 2), 0x40, ...UD2], 32);
  m.setReg(0x40, 0x1234_5678_9abcn); // R8
  const e = end(m);
  assert.equal([e.vector, e.cs, e.rip, e.rsp], [6, USER32_CS, CODE + 8, BigInt(USER_STACK)]);
  assert.is(m.reg(RAX), 0x56789abdn);
  user(m, [0xea, ...le(COMPAT, 4), ...le(USER_CS, 2)], 32);
  m.write(COMPAT, UD2);
  assert.equal([end(m).cs], [USER_CS]);
});

test("16-bit code in the LDT: entered by far JMP, left by far RET", async () => {
  const m = await machine();
  // At 0x100000 + 0x400: mov $0x1234, %ax; push %ax; pop %bx; ljmpl back
  m.write(COMPAT, [0xb8, 0x34, 0x12, 0x50, 0x5b, 0x66, 0xea, ...le(CODE + 0x10, 4), ...le(USER32_CS, 2)]);
  user(m, [0xea, ...le(0x400, 4), ...le(sel("code16"), 2)], 32);
  m.write(CODE + 0x10, UD2);
  m.setReg(RBX, 0xaaaabbbb);
  m.setReg(RAX, 0xccccdddd);
  m.run(1);
  assert.equal([m.word(MODE), m.selector(SEG_CS), m.reg(RIP), m.reg(SEG_BASE + 8)], [MODE_16, sel("code16"), 0x400n, 0x100000n]);
  assert.is(m.phys.u8[LDT + 5]! & 1, 1); // accessed
  const e = end(m);
  assert.equal([e.vector, e.cs, e.rip, e.rsp], [6, USER32_CS, CODE + 0x10, BigInt(USER_STACK)]);
  assert.equal([m.reg(RAX), m.reg(RBX)], [0xcccc1234n, 0xaaaa1234n]);
});

test("a far transfer to what is no fit code segment raises about its selector", async () => {
  const m = await machine();
  const cases: [string, number, number, number][] = [
    ["null", 3, 13, 0], ["beyond the GDT", 0x83, 13, 0x80], ["beyond the LDT", ldt(13), 13, ldt(13) & ~3], ["data", USER_DS, 13, USER_DS & ~3], ["LDT data", sel("data16"), 13, sel("data16") & ~3],
    ["absent", sel("absentCode"), 11, sel("absentCode") & ~3], ["L and D", sel("longAndBig"), 13, sel("longAndBig") & ~3], ["DPL 0", sel("kernelCode"), 13, sel("kernelCode") & ~3], ["TSS", 0x43, 13, 0x40],
  ];
  for (const [name, selector, vector, error] of cases) {
    for (const bits of [64, 32] as const) {
      m.write(USER_DATA, [...le(COMPAT, 4), ...le(selector, 2)]);
      const operand = bits === 64 ? [0x25] : [];
      for (const code of [[0xff, bits === 64 ? 0x2c : 0x2d, ...operand, ...le(USER_DATA, 4)], [0xff, bits === 64 ? 0x1c : 0x1d, ...operand, ...le(USER_DATA, 4)], [...(bits === 64 ? [0x66, 0x66] : []), 0xcb]]) {
        if (code.at(-1) === 0xcb && selector === 0x43) continue;
        user(m, code.filter((b) => b !== 0x66 || bits === 32), bits);
        m.setReg(RSP, USER_STACK - 8);
        m.write(USER_STACK - 8, [...le(COMPAT, 4), ...le(selector, 4)]);
        const e = end(m);
        assert.equal([e.vector, e.error, e.rip, e.rsp], [vector, error, CODE, BigInt(USER_STACK - 8)], `${name}, ${bits} bits, ${code}`);
      }
    }
  }
  // Conforming code of DPL 0 may be entered by a jump and keeps CPL 3; execute-only code too.
  for (const name of ["conforming", "executeOnly"] as const) {
    m.write(COMPAT, UD2);
    user(m, [0xea, ...le(COMPAT, 4), ...le(sel(name), 2)], 32);
    assert.equal([end(m).cs], [sel(name)]);
  }
  // An offset past the limit of the target
  user(m, [0xea, ...le(0x1000, 4), ...le(sel("code32"), 2)], 32);
  assert.equal([end(m).vector, m.frame(true).error], [13, 0n]);
});

test("64-bit code has base 0 whatever its descriptor says, and segment limits count for nothing in it", async () => {
  const m = await machine();
  m.write(COMPAT, [0x8e, 0xd9, 0x8b, 0x04, 0x25, ...le(USER_DATA + 0x10000, 4), ...UD2]); // mov %ecx, %ds; mov data, %eax
  user(m, [0xea, ...le(COMPAT, 4), ...le(sel("longWithBase"), 2)], 32);
  m.setReg(RCX, sel("data16"));
  m.write(USER_DATA + 0x10000, [1, 2, 3, 4]);
  const e = end(m);
  assert.equal([e.vector, e.cs, e.rip, m.reg(RAX)], [6, sel("longWithBase"), COMPAT + 9, 0x04030201n]);
});

function callGate(m: BareMachine, o: { selector?: number; target?: number; access?: number }): void {
  const target = o.target ?? 0x28000;
  m.phys.setU64(LINUX_GDT + (GATE & ~7), BigInt(target & 0xffff) | (BigInt(o.selector ?? KERNEL_CS) << 16n) | (BigInt(o.access ?? 0xec) << 40n) | (BigInt(target >>> 16) << 48n));
  m.phys.setU64(LINUX_GDT + (GATE & ~7) + 8, 0n);
}

test("a call gate from 32-bit code pushes SS, RSP, CS and RIP of 8 bytes on the inner stack, and far RET goes back", async () => {
  const m = await machine();
  callGate(m, {});
  m.write(0x28000, [0x48, 0xcb]); // lretq
  user(m, [0x9a, 0, 0, 0, 0, ...le(GATE, 2), 0x40, ...UD2], 32);
  m.setReg(RAX, 0);
  m.run(1);
  assert.equal([m.word(CPL), m.word(MODE), m.reg(RIP), m.reg(RSP)], [0, MODE_64, 0x28000n, BigInt(KERNEL_STACK - 32)]);
  assert.equal([0, 8, 16, 24].map((i) => m.phys.getU64(KERNEL_STACK - 32 + i)), [CODE + 7, USER32_CS, USER_STACK, USER_DS].map(BigInt));
  assert.is(m.selector(SEG_SS), 0);
  const e = end(m);
  assert.equal([e.vector, e.cs, e.rip, e.rsp, m.reg(RAX)], [6, USER32_CS, CODE + 8, BigInt(USER_STACK), 1n]);
});

test("a call gate is refused by its DPL, by being absent, by its target", async () => {
  const m = await machine();
  const cases: [Parameters<typeof callGate>[1], number, number][] = [
    [{ access: 0x8c }, 13, 0x60], [{ access: 0x6c }, 11, 0x60], [{ selector: 8 }, 13, 8], [{ selector: 0x18 }, 13, 0x18], [{ selector: 0 }, 13, 0], [{ access: 0xe4 }, 13, 0x60], [{ access: 0xee }, 13, 0x60],
  ];
  for (const [gate, vector, error] of cases) for (const bits of [64, 32] as const) {
    callGate(m, gate);
    m.write(USER_DATA, [0, 0, 0, 0, ...le(GATE, 2)]);
    user(m, bits === 64 ? [0xff, 0x1c, 0x25, ...le(USER_DATA, 4)] : [0x9a, 0, 0, 0, 0, ...le(GATE, 2)], bits);
    const e = end(m);
    assert.equal([e.vector, e.error, e.rip, e.rsp], [vector, error, CODE, BigInt(USER_STACK)], JSON.stringify(gate));
  }
  // JMP through a gate may not go inwards.
  callGate(m, {});
  user(m, [0xea, 0, 0, 0, 0, ...le(GATE, 2)], 32);
  assert.equal([end(m).vector, m.frame(true).error], [13, BigInt(KERNEL_CS)]);
});

test("INTO, BOUND, INT3 and INT n from 32-bit code", async () => {
  const m = await machine();
  user(m, [0xce, ...UD2], 32);
  m.setReg(RFLAGS, 0x802);
  let e = end(m);
  assert.equal([e.vector, e.rip, e.cs, e.rflags], [4, CODE + 1, USER32_CS, 0x802n]);
  user(m, [0xce, ...UD2], 32);
  assert.equal([end(m).vector], [6]);
  user(m, [0xcc], 32);
  e = end(m);
  assert.equal([e.vector, e.rip], [3, CODE + 1]);
  user(m, [0xcd, 0x40], 32);
  e = end(m);
  assert.equal([e.vector, e.error, e.rip], [13, 0x40 * 8 + 2, CODE]);
  m.gate(4, HANDLERS + 16 * 4, { selector: KERNEL_CS });
  user(m, [0xce], 32);
  m.setReg(RFLAGS, 0x802);
  e = end(m);
  assert.equal([e.vector, e.error, e.rip], [13, 4 * 8 + 2, CODE]);
  // BOUND: signed, both ends inclusive, in the operand size
  for (const [value, code, vector] of [[5, [0x62, 0x03], 6], [9, [0x62, 0x03], 6], [10, [0x62, 0x03], 5], [0xfffffffe, [0x62, 0x03], 6], [0xfffffffd, [0x62, 0x03], 5]] as [number, number[], number][]) {
    user(m, [...code, ...UD2], 32);
    m.write(USER_DATA, [...le(0xfffffffe, 4), ...le(9, 4)]);
    m.setReg(RBX, USER_DATA);
    m.setReg(RAX, value);
    e = end(m);
    assert.equal([e.vector, e.rip], [vector, vector === 5 ? CODE : CODE + 2], `${value}`);
  }
  user(m, [0x66, 0x62, 0x03], 32);
  m.write(USER_DATA, [...le(0xfffe, 2), ...le(9, 2)]);
  m.setReg(RBX, USER_DATA);
  m.setReg(RAX, 0x1000a);
  assert.is(end(m).vector, 5);
});

test("PUSHF and POPF of 32-bit code move IF by IOPL, and never IOPL or VM at CPL 3", async () => {
  const m = await machine();
  const popf = (value: number, before: number, words = false) => {
    user(m, [0x68, ...le(value, 4), ...(words ? [0x66] : []), 0x9d], 32);
    m.setReg(RFLAGS, before);
    m.run(2);
    return m.reg(RFLAGS);
  };
  assert.is(popf(0x3f7fd7 & ~0x100, 2), 0x244cd7n);
  assert.is(popf(0x3f7fd7 & ~0x100, 0x3202), 0x247ed7n);
  assert.is(popf(2, 0x3202), 0x3002n);
  assert.is(popf(2, 0x202), 0x202n);
  assert.is(popf(0xffff0ad7, 0x40002, true), 0x408d7n);
  user(m, [0x9c, 0x66, 0x9c], 32);
  m.setReg(RFLAGS, 0x253ad7);
  m.run(2);
  assert.is(m.reg(RSP), BigInt(USER_STACK - 6));
  assert.is(m.phys.getU64(USER_STACK - 8) >> 16n, 0x243ad73ad7n);
  for (const [iopl, vector] of [[0, 13], [3, -1]] as const) for (const code of [[0xfa], [0xfb], [0xec]]) {
    user(m, [...code, ...UD2], 32);
    m.setReg(RFLAGS, 2 | (iopl << 12));
    assert.is(end(m).vector, vector < 0 ? 6 : vector);
  }
});

test("IRETQ to a 16-bit stack loads SP alone: the rest of ESP is the kernel's", async () => {
  const m = await machine();
  kernel(m, [0x48, 0xcf]);
  [COMPAT, USER32_CS, 2, 0x12345678, sel("stack16")].forEach((word, i) => m.phys.setU64(0x30000 + 8 * i, BigInt(word)));
  m.write(COMPAT, [0x89, 0xe0, 0x50, 0x66, 0xb8, 1, 0, 0x58, ...UD2]); // mov %esp, %eax; push %eax; ...; pop %eax
  m.setReg(RSP, 0x30000);
  const e = end(m);
  assert.equal([e.vector, e.ss, m.reg(RAX), e.rsp], [6, sel("stack16"), 0x35678n, 0x35678n]);
  // To 64-bit code all of RSP is loaded.
  kernel(m, [0x48, 0xcf]);
  [COMPAT, USER_CS, 2, 0x12345678, sel("stack16")].forEach((word, i) => m.phys.setU64(0x30000 + 8 * i, BigInt(word)));
  m.setReg(RSP, 0x30000);
  m.run(1);
  assert.is(m.reg(RSP), 0x12345678n);
});

test("IRETD of 32-bit code pops three words at its own level, and IRET with NT is #GP(0)", async () => {
  const m = await machine();
  user(m, [0xcf], 32);
  m.setReg(RSP, USER_STACK - 12);
  m.write(USER_STACK - 12, [...le(COMPAT, 4), ...le(USER32_CS, 4), ...le(0x8d7, 4)]);
  m.write(COMPAT, UD2);
  let e = end(m);
  assert.equal([e.vector, e.rip, e.rsp, e.rflags], [6, COMPAT, BigInt(USER_STACK), 0x108d7n]);
  user(m, [0x66, 0xcf], 32);
  m.setReg(RSP, USER_STACK - 6);
  m.write(USER_STACK - 6, [...le(0x500, 2), ...le(sel("code16"), 2), ...le(0x8d7, 2)]);
  m.write(0x100500, UD2);
  e = end(m);
  assert.equal([e.vector, e.rip, e.cs, e.rsp], [6, 0x500, sel("code16"), BigInt(USER_STACK)]);
  user(m, [0xcf], 32);
  m.setReg(RFLAGS, 0x4002);
  e = end(m);
  assert.equal([e.vector, e.error, e.rip], [13, 0, CODE]);
});

test("LAR, LSL, VERR and VERW answer by ZF in 32-bit code", async () => {
  const m = await machine();
  m.phys.setU64(LINUX_GDT + 0x50, BigInt(0x67) | (BigInt(LDT) << 16n) | (0xe2n << 40n));
  callGate(m, {});
  // [selector, LAR, LSL, VERR, VERW]
  const rows: [string, number, number | undefined, number | undefined, boolean, boolean][] = [
    ["user code", USER32_CS, 0xcffb00, 0xffffffff, true, false], ["user data", USER_DS, 0xcff300, 0xffffffff, true, true], ["kernel data", 0x18, undefined, undefined, false, false],
    ["16-bit data", sel("data16"), 0xf200, 0xffff, true, true], ["execute-only", sel("executeOnly"), 0xcff800, 0xffffffff, false, false], ["conforming", sel("conforming"), 0xcf9e00, 0xffffffff, true, false],
    ["read-only", sel("readOnly"), 0xcff000, 0xffffffff, true, false], ["absent", sel("absentData"), 0xcf7200, 0xffffffff, true, true], ["LDT", 0x53, 0xe200, 0x67, false, false],
    ["gate", GATE, 0x2ec00, undefined, false, false], ["null", 3, undefined, undefined, false, false], ["beyond", 0xff3, undefined, undefined, false, false],
  ];
  for (const [name, selector, lar, lsl, verr, verw] of rows) {
    user(m, [0x0f, 0x02, 0xd8, 0x9c, 0x0f, 0x03, 0xc8, 0x9c, 0x0f, 0x00, 0xe0, 0x9c, 0x0f, 0x00, 0xe8, 0x9c, ...UD2], 32); // lar %eax, %ebx; lsl %eax, %ecx; verr; verw
    m.setReg(RAX, selector);
    m.setReg(RBX, 0x7777);
    m.setReg(RCX, 0x7777);
    const e = end(m);
    const zf = [4, 8, 12, 16].map((below) => (m.phys.u8[USER_STACK - below]! & 0x40) !== 0);
    assert.equal([e.vector, ...zf], [6, lar !== undefined, lsl !== undefined, verr, verw], name);
    assert.is(m.reg(RBX), BigInt(lar ?? 0x7777), name);
    assert.is(m.reg(RCX), BigInt(lsl ?? 0x7777), name);
  }
});

test("ARPL raises the RPL of its operand, in a register or in memory", async () => {
  const m = await machine();
  user(m, [0x63, 0xc8, 0x9c, 0x63, 0x13, ...UD2], 32); // arpl %cx, %ax; pushf; arpl %dx, (%ebx)
  m.setReg(RAX, 0xaaaa0010);
  m.setReg(RCX, 3);
  m.setReg(RDX, 1);
  m.setReg(RBX, USER_DATA);
  m.write(USER_DATA, [0x22, 0x11]);
  const e = end(m);
  assert.equal([m.reg(RAX), (m.phys.u8[USER_STACK - 4]! & 0x40) !== 0], [0xaaaa0013n, true]);
  assert.equal([e.rflags & 0x40n, m.phys.u8[USER_DATA]], [0n, 0x22]);
});

test("UMIP hides SGDT, SIDT, SLDT, STR and SMSW from CPL 3; without it SGDT of 32-bit code writes 6 bytes", async () => {
  const m = await machine();
  for (const bits of [64, 32] as const) for (const code of [[0x0f, 0x01, 0x03], [0x0f, 0x01, 0x0b], [0x0f, 0x00, 0xc0], [0x0f, 0x00, 0xc8], [0x0f, 0x01, 0xe0], [0x0f, 0x00, 0x03], [0x0f, 0x01, 0x23]]) {
    user(m, code, bits);
    m.setReg(CR4, m.reg(CR4) | 0x800n);
    m.setReg(RBX, USER_DATA);
    const e = end(m);
    assert.equal([e.vector, e.error, e.rip], [13, 0, CODE]);
    user(m, [...code, ...UD2], bits);
    m.setReg(RBX, USER_DATA);
    assert.is(end(m).vector, 6);
  }
  m.phys.fill(USER_DATA, 16, 0x5a);
  user(m, [0x0f, 0x01, 0x03, 0x0f, 0x01, 0x4b, 6, ...UD2], 32);
  m.setReg(RBX, USER_DATA);
  end(m);
  assert.equal([...m.phys.read(USER_DATA, 14)], [0x7f, 0, ...le(LINUX_GDT, 4), ...le(m.word(IDTR_LIMIT), 2), ...le(0x7000, 4), 0x5a, 0x5a]);
  user(m, [0x0f, 0x01, 0xe0, ...UD2], 32);
  end(m);
  assert.is(m.reg(RAX), 0x80050033n);
});

test("LES, LDS, LSS, LFS and LGS load both or nothing", async () => {
  const m = await machine();
  const opcodes: [number[], number][] = [[[0xc4], SEG_ES], [[0xc5], SEG_DS], [[0x0f, 0xb2], SEG_SS], [[0x0f, 0xb4], 4], [[0x0f, 0xb5], 5]];
  for (const [opcode, seg] of opcodes) {
    const attempt = (selector: number, prefix: number[] = []) => {
      user(m, [...prefix, ...opcode, 0x03, ...UD2], 32);
      m.write(USER_DATA, [...le(0x11223344, prefix.length ? 2 : 4), ...le(selector, 2)]);
      m.setReg(RBX, USER_DATA);
      m.setReg(RAX, 0x99999999);
      return end(m);
    };
    let e = attempt(sel("data16"));
    assert.equal([e.vector, m.reg(RAX)], [6, 0x11223344n]);
    assert.is(seg === SEG_SS ? e.ss : m.selector(seg), sel("data16"));
    assert.is(attempt(sel("data16"), [0x66]).vector, 6);
    assert.is(m.reg(RAX), 0x99993344n);
    const refused: [number, number, number][] = [
      [sel("executeOnly"), 13, sel("executeOnly") & ~3], [0x18, 13, 0x18], [0x83, 13, 0x80], [sel("absentData"), seg === SEG_SS ? 12 : 11, sel("absentData") & ~3], [0x43, 13, 0x40],
    ];
    if (seg === SEG_SS) refused.push([3, 13, 0], [0, 13, 0], [sel("readOnly"), 13, sel("readOnly") & ~3], [USER_DS & ~3, 13, USER_DS & ~3], [USER32_CS, 13, USER32_CS & ~3]);
    for (const [selector, vector, error] of refused) {
      e = attempt(selector);
      assert.equal([e.vector, e.error, e.rip, m.reg(RAX), e.ss], [vector, error, CODE, 0x99999999n, USER_DS], `${opcode} ${selector.toString(16)}`);
      if (seg !== SEG_SS && seg < 4) assert.is(m.selector(seg), USER_DS);
    }
    if (seg !== SEG_SS) assert.is(attempt(0).vector, 6);
  }
});

test("MOV SS changes the stack's size at once, POP SS moves the old stack's pointer", async () => {
  const m = await machine();
  user(m, [0x8e, 0xd0, 0x50, ...UD2], 32); // mov %eax, %ss; push %eax
  m.setReg(RAX, sel("data16"));
  m.setReg(RSP, 0xabcd0000n);
  let e = end(m);
  assert.equal([e.vector, e.rsp], [6, 0xabcdfffcn]);
  assert.is(m.phys.getU64(USER_DATA + 0xfff8) >> 32n, BigInt(sel("data16")));
  user(m, [0x17, ...UD2], 32);
  m.setReg(RSP, USER_STACK - 4);
  m.write(USER_STACK - 4, le(sel("data16"), 4));
  e = end(m);
  assert.equal([e.vector, e.rsp, e.ss], [6, BigInt(USER_STACK), sel("data16")]);
  user(m, [0x17], 32);
  m.setReg(RSP, USER_STACK - 4);
  m.write(USER_STACK - 4, le(sel("readOnly"), 4));
  e = end(m);
  assert.equal([e.vector, e.error, e.rsp, e.ss], [13, sel("readOnly") & ~3, BigInt(USER_STACK - 4), USER_DS]);
});

test.run();
