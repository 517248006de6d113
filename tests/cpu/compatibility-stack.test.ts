// The stack outside 64-bit mode: SP or ESP by SS.B, the limit of SS, words of 2 and 4 bytes (SDM Vol. 1 6.2.3, Vol. 3A 5.3).

import { test } from "uvu";
import * as assert from "uvu/assert";
import { RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, SEG_SS } from "../../kernel/abi/state";
import { ABSENT, type BareMachine, CODE32_3, DATA_3, USER_DATA } from "./bare-machine";
import { go, inBothPaces, load, type Outcome, type Pace } from "./both-paces";

const BIG = 0xcf3;
const SMALL = 0x8f3;
const EXPAND_DOWN = 0xcf7;

interface Stack {
  attributes?: number;
  base?: number;
  limit?: number;
  rsp: number | bigint;
}

function run(m: BareMachine, pace: Pace, code: number[], stack: Stack, registers: [number, number | bigint][] = [], bits: 32 | 16 = 32): Outcome {
  load(m, code, bits);
  m.segment(SEG_SS, DATA_3, stack.attributes ?? BIG, stack.base ?? USER_DATA, stack.limit ?? 0xffffffff);
  m.setReg(RSP, stack.rsp);
  for (const [at, value] of registers) m.setReg(at, value);
  return go(m, pace);
}

/** Each of them with what it moves: pushes of so many bytes, or pops. */
const PUSHES: [string, number[], number][] = [
  ["push %eax", [0x50], 4], ["push %ax", [0x66, 0x50], 2], ["push $1", [0x6a, 1], 4], ["push %ds", [0x1e], 4], ["pushf", [0x9c], 4], ["pusha", [0x60], 32],
  ["pushaw", [0x66, 0x60], 16], ["call", [0xe8, 0, 0, 0, 0], 4], ["call *%edi", [0xff, 0xd7], 4], ["lcall", [0x9a, 0, 0, 16, 0, CODE32_3, 0], 8],
  ["enter $8, $0", [0xc8, 8, 0, 0], 12], ["enter $8, $2", [0xc8, 8, 0, 2], 20],
];
const POPS: [string, number[], number][] = [
  ["pop %eax", [0x58], 4], ["pop %ax", [0x66, 0x58], 2], ["popf", [0x9d], 4], ["popa", [0x61], 32], ["popaw", [0x66, 0x61], 16], ["pop %ds", [0x1f], 4], ["ret", [0xc3], 4],
  ["ret $8", [0xc2, 8, 0], 4], ["lret", [0xcb], 8], ["iret", [0xcf], 12],
];
const GENERAL = [RAX, RCX, RDX, RBX, RBP, RSI, RDI];

function unchanged(m: BareMachine, pace: Pace, name: string, vector: number, code: number[], stack: Stack, registers: [number, number][] = []): void {
  load(m, code);
  const before = GENERAL.map((r) => registers.find(([at]) => at === r)?.[1] ?? Number(m.reg(r)));
  const end = run(m, pace, code, stack, registers);
  assert.equal([end.vector, end.error, end.rip], [vector, vector === 14 ? end.error : 0, 0], name);
  assert.is(end.rsp, BigInt(stack.rsp), name);
  assert.equal(GENERAL.map((r) => Number(m.reg(r))), before, name);
}

inBothPaces("what pushes below the limit of an expand-down stack is #SS(0) and moves nothing", (m, pace) => {
  for (const [name, code, bytes] of PUSHES) {
    const stack = { attributes: EXPAND_DOWN, base: USER_DATA, limit: 0xfff };
    unchanged(m, pace, name, 12, code, { ...stack, rsp: 0x1000 + bytes - 1 }, [[RBP, 0x1800]]);
    if (name === "call *%edi" || name === "lcall") continue;
    assert.is(run(m, pace, code, { ...stack, rsp: 0x1000 + bytes }, [[RBP, 0x1800]]).vector, 6, name);
  }
});

inBothPaces("what pops past the limit is #SS(0) and moves nothing", (m, pace) => {
  for (const [name, code, bytes] of POPS) unchanged(m, pace, name, 12, code, { limit: 0xfff, rsp: 0x1000 - bytes + 1 });
});

inBothPaces("a push onto a missing page, and a pop from one, move nothing", (m, pace) => {
  for (const [name, code] of PUSHES) unchanged(m, pace, name, 14, code, { base: 0, rsp: ABSENT + 4 + 0x1000 }, [[RBP, USER_DATA + 0x800]]);
  for (const [name, code] of POPS) unchanged(m, pace, name, 14, code, { base: 0, rsp: ABSENT });
});

inBothPaces("LEAVE reads at EBP and leaves ESP where that faults", (m, pace) => {
  unchanged(m, pace, "leave", 12, [0xc9], { limit: 0xfff, rsp: 0x800 }, [[RBP, 0xffd]]);
  unchanged(m, pace, "leave", 14, [0xc9], { base: 0, rsp: USER_DATA }, [[RBP, ABSENT]]);
  m.phys.setU64(USER_DATA + 0x40, 0x1234_5678n);
  const end = run(m, pace, [0xc9], { rsp: 0x800 }, [[RBP, 0x40]]);
  assert.equal([end.rsp, m.reg(RBP)], [0x44n, 0x12345678n]);
});

inBothPaces("with a 16-bit stack SP wraps within 64 KiB and the rest of ESP stays", (m, pace) => {
  const small = { attributes: SMALL, limit: 0xffff };
  let end = run(m, pace, [0x50], { ...small, rsp: 0xabcd0000n }, [[RAX, 0x11223344]]);
  assert.is(end.rsp, 0xabcdfffcn);
  assert.is(m.phys.getU64(USER_DATA + 0xfff8) >> 32n, 0x11223344n);
  end = run(m, pace, [0x58], { ...small, rsp: 0xabcdfffcn });
  assert.equal([end.rsp, m.reg(RAX)], [0xabcd0000n, 0x11223344n]);
  // A word may not wrap itself.
  end = run(m, pace, [0x50], { ...small, rsp: 0xabcd0002n });
  assert.equal([end.vector, end.rsp], [12, 0xabcd0002n]);
  end = run(m, pace, [0x66, 0x50], { ...small, rsp: 0xabcd0002n });
  assert.equal([end.vector, end.rsp], [6, 0xabcd0000n]);
});

inBothPaces("with a 16-bit stack CALL, RET, PUSHA, POPA, ENTER and LEAVE use SP and BP", (m, pace) => {
  const small = { attributes: SMALL, limit: 0xffff };
  const high = 0xabcd0000;
  assert.is(run(m, pace, [0xe8, 0, 0, 0, 0], { ...small, rsp: high }).rsp, 0xabcdfffcn);
  assert.is(run(m, pace, [0x60], { ...small, rsp: high + 0x10 }).rsp, 0xabcdfff0n);
  assert.is(run(m, pace, [0x61], { ...small, rsp: high + 0xfff0 }).rsp, 0xabcd0010n);
  assert.is(run(m, pace, [0xc8, 0x10, 0, 0], { ...small, rsp: high + 8 }, [[RBP, 0x77770040]]).rsp, 0xabcdfff4n);
  assert.is(m.reg(RBP) & 0xffffn, 4n);
  m.phys.setU64(USER_DATA + 0x40, 0x5566_7788n);
  assert.is(run(m, pace, [0xc9], { ...small, rsp: high }, [[RBP, 0x77770040]]).rsp, 0xabcd0044n);
  assert.is(m.reg(RBP), 0x55667788n);
  m.phys.setU64(USER_DATA + 0xfffc, 0n);
  const end = run(m, pace, [0xc2, 0x10, 0, 0x90, 0x90, 0x90, 0x0f, 0x0b], { ...small, rsp: high + 0xfff8 });
  assert.ok(end.vector >= 0);
});

inBothPaces("the stack of a plain segment with a base is where the base says", (m, pace) => {
  const end = run(m, pace, [0x68, 0x78, 0x56, 0x34, 0x12, 0x5b], { base: USER_DATA, rsp: 0x104 });
  assert.equal([end.rsp, m.reg(RBX)], [0x104n, 0x12345678n]);
  assert.is(m.phys.getU64(USER_DATA + 0x100) & 0xffffffffn, 0x12345678n);
});

inBothPaces("16-bit code pushes words, and calls save IP", (m, pace) => {
  let end = run(m, pace, [0x6a, 0xff, 0x66, 0x6a, 0xfe], { rsp: 0x100 }, [], 16); // push $-1; pushl $-2
  assert.is(end.rsp, 0xfan);
  assert.equal([...m.phys.read(USER_DATA + 0xfa, 6)], [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff]);
  end = run(m, pace, [0x66, 0xe8, 0, 0, 0, 0], { rsp: 0x100 }, [], 16); // calll
  assert.equal([end.vector, end.rsp], [6, 0xfcn]);
});

test.run();
