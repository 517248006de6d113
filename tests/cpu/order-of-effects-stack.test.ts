// Stacks that fault, in 64-bit mode: what is reported, and that RSP stays. Those of compatibility mode are in compatibility-stack.test.ts.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from "../../kernel/abi/state";
import { ABSENT, type BareMachine, USER_DATA, USER_STACK } from "./bare-machine";
import { go, inBothPaces, load, type Outcome, type Pace } from "./both-paces";

const PT = 0x4000;
const READ_ONLY = 0x150000;
const OUTSIDE = 1n << 47n;
const GENERAL = [RAX, RCX, RDX, RBX, RBP, RSI, RDI];

/** Bytes that one instruction pushes, from the top of the stack down, or pops. */
type Row = [name: string, code: number[], bytes: number];
const PUSHES: Row[] = [
  ["push %rax", [0x50], 8], ["push %r9", [0x41, 0x51], 8], ["push %ax", [0x66, 0x50], 2], ["push $1", [0x6a, 1], 8], ["push $imm32", [0x68, 1, 2, 3, 4], 8], ["pushf", [0x9c], 8],
  ["pushfw", [0x66, 0x9c], 2], ["push %fs", [0x0f, 0xa0], 8], ["push (%rsi)", [0xff, 0x36], 8], ["call", [0xe8, 0, 0, 0, 0], 8], ["call *%rdi", [0xff, 0xd7], 8], ["call *(%rsi)", [0xff, 0x16], 8],
  ["enter $0, $0", [0xc8, 0, 0, 0], 8],
];
const POPS: Row[] = [
  ["pop %rax", [0x58], 8], ["pop %r9", [0x41, 0x59], 8], ["pop %ax", [0x66, 0x58], 2], ["popf", [0x9d], 8], ["pop %fs", [0x0f, 0xa1], 8], ["pop (%rsi)", [0x8f, 0x06], 8], ["ret", [0xc3], 8],
  ["ret $16", [0xc2, 16, 0], 8],
];

function run(m: BareMachine, pace: Pace, code: number[], registers: [number, number | bigint][]): Outcome {
  load(m, code);
  m.setReg(RSI, USER_DATA);
  for (const [at, value] of registers) m.setReg(at, value);
  return go(m, pace);
}

function unchanged(m: BareMachine, pace: Pace, [name, code]: Row, expected: { vector: number; error?: number; cr2?: number }, registers: [number, number | bigint][]): void {
  load(m, code);
  const given = new Map<number, bigint>([[RSI, BigInt(USER_DATA)], [RSP, BigInt(USER_STACK)], ...registers.map(([r, v]) => [r, BigInt(v)] as [number, bigint])]);
  const before = GENERAL.map((r) => given.get(r) ?? m.reg(r));
  const end = run(m, pace, code, registers);
  assert.equal([end.vector, end.error, end.rip, end.rsp], [expected.vector, expected.error ?? 0, 0, given.get(RSP)], name);
  if (expected.cr2 !== undefined) assert.is(end.cr2.toString(16), expected.cr2.toString(16), name);
  assert.equal(GENERAL.map((r) => m.reg(r)), before, name);
}

inBothPaces("a push into a missing page leaves RSP, and CR2 is the lowest byte of it there", (m, pace) => {
  m.phys.setU64(PT + 8 * (READ_ONLY >> 12), 0n);
  m.machine.flushTlb();
  for (const row of PUSHES) {
    const bytes = row[2];
    // All of it, its lower part, its upper part.
    unchanged(m, pace, row, { vector: 14, error: 6, cr2: READ_ONLY + 0x1000 - bytes }, [[RSP, READ_ONLY + 0x1000]]);
    if (row[0] === "push %fs") continue; // writes a part of its word
    unchanged(m, pace, row, { vector: 14, error: 6, cr2: READ_ONLY + 0x1000 - bytes + 1 }, [[RSP, READ_ONLY + 0x1001]]);
    unchanged(m, pace, row, { vector: 14, error: 6, cr2: READ_ONLY }, [[RSP, READ_ONLY + 1]]);
  }
});

inBothPaces("a push onto a read-only page is a write fault of a present page", (m, pace) => {
  m.phys.setU64(PT + 8 * (READ_ONLY >> 12), BigInt(READ_ONLY | 5));
  m.machine.flushTlb();
  m.phys.fill(READ_ONLY, 0x1000, 0x5a);
  for (const row of PUSHES) unchanged(m, pace, row, { vector: 14, error: 7, cr2: READ_ONLY + 0x800 - row[2] }, [[RSP, READ_ONLY + 0x800]]);
  assert.ok(m.phys.read(READ_ONLY, 0x1000).every((b) => b === 0x5a));
});

inBothPaces("a pop from a missing page leaves RSP", (m, pace) => {
  for (const row of POPS) {
    unchanged(m, pace, row, { vector: 14, error: 4, cr2: ABSENT }, [[RSP, ABSENT]]);
    unchanged(m, pace, row, { vector: 14, error: 4, cr2: ABSENT }, [[RSP, ABSENT - 1]]);
  }
});

inBothPaces("a stack that is not canonical is #SS(0), at its last byte too", (m, pace) => {
  for (const row of PUSHES) unchanged(m, pace, row, { vector: 12 }, [[RSP, OUTSIDE + BigInt(row[2])]]);
  for (const row of PUSHES) if (row[0] !== "push %fs") unchanged(m, pace, row, { vector: 12 }, [[RSP, OUTSIDE + 1n]]);
  for (const row of POPS) unchanged(m, pace, row, { vector: 12 }, [[RSP, OUTSIDE]]);
  for (const row of POPS) unchanged(m, pace, row, { vector: 12 }, [[RSP, OUTSIDE - 1n]]);
  unchanged(m, pace, ["leave", [0xc9], 8], { vector: 12 }, [[RBP, OUTSIDE]]);
  unchanged(m, pace, ["iretq", [0x48, 0xcf], 40], { vector: 12 }, [[RSP, OUTSIDE]]);
  unchanged(m, pace, ["lretq", [0x48, 0xcb], 16], { vector: 12 }, [[RSP, OUTSIDE]]);
});

inBothPaces("an operand by RSP or RBP that is not canonical is #SS(0), of POP as well", (m, pace) => {
  unchanged(m, pace, ["mov (%rbp)", [0x8b, 0x45, 0], 8], { vector: 12 }, [[RBP, OUTSIDE]]);
  unchanged(m, pace, ["add (%rbp)", [0x01, 0x45, 0], 8], { vector: 12 }, [[RBP, OUTSIDE]]);
  unchanged(m, pace, ["mov %fs:(%rbp)", [0x64, 0x8b, 0x45, 0], 8], { vector: 13 }, [[RBP, OUTSIDE]]);
  unchanged(m, pace, ["mov (%rsi,%rbp)", [0x8b, 0x04, 0x2e], 8], { vector: 13 }, [[RBP, OUTSIDE], [RSI, 0]]);
  unchanged(m, pace, ["pop (%rsp,%rcx)", [0x8f, 0x04, 0x0c], 8], { vector: 12 }, [[RCX, OUTSIDE], [RSP, USER_DATA]]);
  unchanged(m, pace, ["pop (%rsi)", [0x8f, 0x06], 8], { vector: 13 }, [[RSI, OUTSIDE]]);
});

inBothPaces("PUSH and CALL of memory read it before they push, POP pops before it writes", (m, pace) => {
  unchanged(m, pace, ["push (%rsi)", [0xff, 0x36], 8], { vector: 14, error: 4, cr2: ABSENT + 0x10 }, [[RSI, ABSENT + 0x10], [RSP, ABSENT + 0x1000]]);
  unchanged(m, pace, ["call *(%rsi)", [0xff, 0x16], 8], { vector: 14, error: 4, cr2: ABSENT + 0x10 }, [[RSI, ABSENT + 0x10], [RSP, ABSENT + 0x1000]]);
  unchanged(m, pace, ["pop (%rsi)", [0x8f, 0x06], 8], { vector: 14, error: 4, cr2: ABSENT + 0x1000 }, [[RSI, ABSENT + 0x10], [RSP, ABSENT + 0x1000]]);
  unchanged(m, pace, ["pop (%rsi)", [0x8f, 0x06], 8], { vector: 14, error: 6, cr2: ABSENT + 0x10 }, [[RSI, ABSENT + 0x10], [RSP, USER_DATA]]);
});

inBothPaces("of two PUSH or POP that stand behind each other the first one counts when the second faults", (m, pace) => {
  m.phys.setU64(PT + 8 * (READ_ONLY >> 12), 0n);
  m.machine.flushTlb();
  let end = run(m, pace, [0x50, 0x53], [[RSP, READ_ONLY + 0x1008], [RAX, 0x11], [RBX, 0x22]]);
  assert.equal([end.vector, end.rip, end.rsp, end.cr2], [14, 1, BigInt(READ_ONLY + 0x1000), BigInt(READ_ONLY + 0xff8)]);
  assert.is(m.phys.getU64(READ_ONLY + 0x1000), 0x11n);
  m.phys.setU64(ABSENT - 8, 0x33n);
  end = run(m, pace, [0x58, 0x5b], [[RSP, ABSENT - 8], [RAX, 1], [RBX, 2]]);
  assert.equal([end.vector, end.rip, end.rsp, end.cr2], [14, 1, BigInt(ABSENT), BigInt(ABSENT)]);
  assert.equal([m.reg(RAX), m.reg(RBX)], [0x33n, 2n]);
});

inBothPaces("ENTER that faults at any of its accesses moves neither RSP nor RBP", (m, pace) => {
  m.phys.setU64(PT + 8 * (READ_ONLY >> 12), 0n);
  m.machine.flushTlb();
  const above = READ_ONLY + 0x1000;
  const enter = (size: number, level: number): Row => ["enter", [0xc8, size & 255, size >> 8, level], 8];
  unchanged(m, pace, enter(0, 0), { vector: 14, error: 6, cr2: above - 8 }, [[RSP, above], [RBP, USER_DATA]]);
  // The second push, the frame pointer that is copied, the last push, the new top of the stack.
  unchanged(m, pace, enter(0, 2), { vector: 14, error: 6, cr2: above - 8 }, [[RSP, above + 8], [RBP, USER_DATA + 0x800]]);
  unchanged(m, pace, enter(0, 2), { vector: 14, error: 4, cr2: above - 8 }, [[RSP, USER_STACK], [RBP, above]]);
  unchanged(m, pace, enter(0, 3), { vector: 14, error: 6, cr2: above - 8 }, [[RSP, above + 24], [RBP, USER_DATA + 0x800]]);
  unchanged(m, pace, enter(0x100, 0), { vector: 14, error: 6, cr2: above - 0x100 }, [[RSP, above + 8], [RBP, USER_DATA]]);
});

inBothPaces("LEAVE that faults keeps RSP and RBP", (m, pace) => {
  unchanged(m, pace, ["leave", [0xc9], 8], { vector: 14, error: 4, cr2: ABSENT }, [[RBP, ABSENT - 4]]);
});

inBothPaces("a CALL or RET to what is not canonical has moved nothing", (m, pace) => {
  unchanged(m, pace, ["call *%rdi", [0xff, 0xd7], 8], { vector: 13 }, [[RDI, OUTSIDE]]);
  unchanged(m, pace, ["jmp *%rdi", [0xff, 0xe7], 8], { vector: 13 }, [[RDI, OUTSIDE]]);
  m.phys.setU64(USER_DATA, OUTSIDE);
  unchanged(m, pace, ["ret", [0xc3], 8], { vector: 13 }, [[RSP, USER_DATA]]);
  unchanged(m, pace, ["call *(%rsi)", [0xff, 0x16], 8], { vector: 13 }, []);
  unchanged(m, pace, ["call *%rdi", [0xff, 0xd7], 8], { vector: 14, error: 6, cr2: ABSENT + 0xff8 }, [[RDI, OUTSIDE], [RSP, ABSENT + 0x1000]]);
});

test.run();
