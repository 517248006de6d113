// Operands that cross into a page they may not touch: the fault is the second page's, with its first byte in CR2, and of the instruction
// nothing has happened. Each instruction in 64-bit and, where it exists, 32-bit mode.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { FCW, FDP, FIP, FOP, FSW, FTW, GPR, MXCSR, RBX, RFLAGS, ST, XMM } from "../../kernel/abi/state";
import { ABSENT, type BareMachine, USER_STACK } from "./bare-machine";
import { go, inBothPaces, load } from "./both-paces";

const PT = 0x4000;
/** The page before ABSENT, and one that is read-only, with the one before it. */
const LAST = ABSENT - 0x1000;
const READ_ONLY = 0x150000;

interface Form {
  name: string;
  /** Memory operand is [rBX]. */
  code: number[];
  bytes: number;
  only64?: boolean;
  /** Size in 32-bit mode where it differs. */
  bytes32?: number;
  /** A store from MMX that faults has already set TOP to 0, as on Intel's chips. */
  clearsTop?: boolean;
}
const form = (name: string, bytes: number, ...code: number[]): Form => ({ name, code, bytes });
const only64 = (f: Form): Form => ({ ...f, only64: true });

const LOADS: Form[] = [
  form("mov r16", 2, 0x66, 0x8b, 0x03), form("mov r32", 4, 0x8b, 0x03), only64(form("mov r64", 8, 0x48, 0x8b, 0x03)), form("movzx", 2, 0x0f, 0xb7, 0x03),
  form("movsx", 2, 0x0f, 0xbf, 0x03), only64(form("movsxd", 4, 0x48, 0x63, 0x03)), form("add", 4, 0x03, 0x03), form("cmp", 4, 0x3b, 0x03), form("cmp to memory", 4, 0x39, 0x03),
  form("test", 4, 0x85, 0x03), form("imul", 4, 0x0f, 0xaf, 0x03), form("mul", 4, 0xf7, 0x23), form("div", 4, 0xf7, 0x33), form("bt", 4, 0x0f, 0xba, 0x23, 5),
  form("bsf", 4, 0x0f, 0xbc, 0x03), form("cmovnz", 4, 0x0f, 0x45, 0x03), form("cmovz", 4, 0x0f, 0x44, 0x03), { ...form("push", 8, 0xff, 0x33), bytes32: 4 },
  { ...form("call", 8, 0xff, 0x13), bytes32: 4 }, { ...form("jmp", 8, 0xff, 0x23), bytes32: 4 }, form("ljmp", 6, 0xff, 0x2b), form("lcall", 6, 0xff, 0x1b), form("lfs", 6, 0x0f, 0xb4, 0x03),
  form("movups", 16, 0x0f, 0x10, 0x03), form("movdqu", 16, 0xf3, 0x0f, 0x6f, 0x03), form("movq", 8, 0xf3, 0x0f, 0x7e, 0x03), form("movd", 4, 0x66, 0x0f, 0x6e, 0x03),
  form("movss", 4, 0xf3, 0x0f, 0x10, 0x03), form("movsd", 8, 0xf2, 0x0f, 0x10, 0x03), form("cvtsi2sd", 4, 0xf2, 0x0f, 0x2a, 0x03), form("addsd", 8, 0xf2, 0x0f, 0x58, 0x03),
  form("ldmxcsr", 4, 0x0f, 0xae, 0x13), form("flds", 4, 0xd9, 0x03), form("fldl", 8, 0xdd, 0x03), form("fldt", 10, 0xdb, 0x2b), form("fbld", 10, 0xdf, 0x23),
  form("filds", 2, 0xdf, 0x03), form("fildll", 8, 0xdf, 0x2b), form("faddl", 8, 0xdc, 0x03), form("fcoml", 8, 0xdc, 0x13), form("fldcw", 2, 0xd9, 0x2b), form("fldenv", 28, 0xd9, 0x23),
  form("frstor", 108, 0xdd, 0x23), form("movq mmx", 8, 0x0f, 0x6f, 0x03), form("paddb mmx", 8, 0x0f, 0xfc, 0x03),
];

const STORES: Form[] = [
  form("mov r16", 2, 0x66, 0x89, 0x03), form("mov r32", 4, 0x89, 0x03), only64(form("mov r64", 8, 0x48, 0x89, 0x03)), form("mov imm", 4, 0xc7, 0x03, 1, 2, 3, 4),
  { ...form("pop", 8, 0x8f, 0x03), bytes32: 4 }, form("movups", 16, 0x0f, 0x11, 0x03), form("movdqu", 16, 0xf3, 0x0f, 0x7f, 0x03), form("movq", 8, 0x66, 0x0f, 0xd6, 0x03),
  form("movd", 4, 0x66, 0x0f, 0x7e, 0x03), form("movss", 4, 0xf3, 0x0f, 0x11, 0x03), form("movsd", 8, 0xf2, 0x0f, 0x11, 0x03), form("movnti", 4, 0x0f, 0xc3, 0x03),
  form("stmxcsr", 4, 0x0f, 0xae, 0x1b), form("fsts", 4, 0xd9, 0x13), form("fstps", 4, 0xd9, 0x1b), form("fstpl", 8, 0xdd, 0x1b), form("fstpt", 10, 0xdb, 0x3b), form("fbstp", 10, 0xdf, 0x33),
  form("fists", 2, 0xdf, 0x13), form("fistpll", 8, 0xdf, 0x3b), form("fnstcw", 2, 0xd9, 0x3b), form("fnstsw", 2, 0xdd, 0x3b), form("fnstenv", 28, 0xd9, 0x33), form("fnsave", 108, 0xdd, 0x33),
  { ...form("movq mmx", 8, 0x0f, 0x7f, 0x03), clearsTop: true }, { ...form("sgdt", 10, 0x0f, 0x01, 0x03), bytes32: 6 },
];

const UPDATES: Form[] = [
  form("add", 4, 0x01, 0x03), form("add r16", 2, 0x66, 0x01, 0x03), only64(form("add r64", 8, 0x48, 0x01, 0x03)), form("adc imm", 4, 0x83, 0x13, 1), form("inc", 4, 0xff, 0x03),
  form("neg", 4, 0xf7, 0x1b), form("not", 4, 0xf7, 0x13), form("shl", 4, 0xc1, 0x23, 5), form("shl by 0", 4, 0xc1, 0x23, 0), form("rol by cl", 4, 0xd3, 0x03), form("shld", 4, 0x0f, 0xa4, 0x03, 5),
  form("xadd", 4, 0x0f, 0xc1, 0x03), form("lock xadd", 4, 0xf0, 0x0f, 0xc1, 0x03), form("cmpxchg", 4, 0x0f, 0xb1, 0x0b), form("xchg", 4, 0x87, 0x03), form("bts", 4, 0x0f, 0xba, 0x2b, 5),
  form("lock btr imm", 4, 0xf0, 0x0f, 0xba, 0x33, 5), form("cmpxchg8b", 8, 0x0f, 0xc7, 0x0b), form("lock dec", 4, 0xf0, 0xff, 0x0b),
];

function state(m: BareMachine): unknown[] {
  const { u8 } = m.machine.registers;
  return [
    ...Array.from({ length: 16 }, (_, i) => (i === 4 ? 0n : m.reg(GPR + 8 * i))),
    [...u8.slice(XMM, XMM + 256)], [...u8.slice(ST, ST + 128)], [...u8.slice(FCW, FTW + 1)], m.word(MXCSR),
  ];
}

function prepare(m: BareMachine, f: Form, bits: 64 | 32, at: number): void {
  load(m, f.code, bits);
  for (let i = 0; i < 16; i++) if (i !== 4) m.setReg(GPR + 8 * i, i < 8 ? 0x01010101n * BigInt(i + 1) : 0x0101010101010101n * BigInt(i));
  m.setReg(RBX, at);
  const { u8, u16 } = m.machine.registers;
  u8.fill(0x11, XMM, XMM + 256);
  for (let i = 0; i < 8; i++) u8.set([0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f], ST + 16 * i); // 1.0
  u16[FCW / 2] = 0x37f;
  u16[FSW / 2] = 0x2000; // TOP = 4
  u8[FTW] = 0xf0; // ST(0) to ST(3) are there
  for (const at of [FIP, FDP]) m.setReg(at, 0);
  u16[FOP / 2] = 0;
  m.setWord(MXCSR, 0x1f80);
  m.setReg(RFLAGS, 2);
}

function expectFault(m: BareMachine, pace: "block" | "step", f: Form, bits: 64 | 32, at: number, error: number, cr2: number): void {
  prepare(m, f, bits, at);
  const before = state(m);
  const memory = m.phys.read(at & ~0xfff, 0x1000);
  const end = go(m, pace);
  const what = `${f.name}, ${bits} bits, ${at.toString(16)}`;
  assert.equal([end.vector, end.error, end.cr2.toString(16), end.rip, end.rsp], [14, error, cr2.toString(16), 0, BigInt(USER_STACK)], what);
  assert.is(end.rflags, 0x10002n, what);
  if (f.clearsTop) m.machine.registers.u16[FSW / 2] = 0x2000;
  assert.equal(state(m), before, what);
  assert.equal(m.phys.read(at & ~0xfff, 0x1000), memory, what);
}

const MODES = [64, 32] as const;
const sizeIn = (f: Form, bits: 64 | 32) => (bits === 32 ? f.bytes32 ?? f.bytes : f.bytes);
const splits = (size: number) => [...new Set([1, size >> 1, size - 1])];

for (const bits of MODES) {
  inBothPaces(`a load that ends in a missing page reports that page, ${bits}-bit mode`, (m, pace) => {
    for (const f of LOADS) {
      if (bits === 32 && f.only64) continue;
      for (const k of splits(sizeIn(f, bits))) expectFault(m, pace, f, bits, ABSENT - k, 4, ABSENT);
      expectFault(m, pace, f, bits, ABSENT, 4, ABSENT);
    }
  });

  inBothPaces(`a load that begins in a missing page reports its own first byte, ${bits}-bit mode`, (m, pace) => {
    m.phys.setU64(PT + 8 * (READ_ONLY >> 12), 0n);
    m.machine.flushTlb();
    for (const f of LOADS) if (bits === 64 || !f.only64) expectFault(m, pace, f, bits, READ_ONLY + 0xffe, 4, READ_ONLY + 0xffe);
  });

  inBothPaces(`a store or an update that ends in a missing page has written nothing, ${bits}-bit mode`, (m, pace) => {
    for (const f of [...STORES, ...UPDATES]) {
      if (bits === 32 && f.only64) continue;
      for (const k of splits(sizeIn(f, bits))) expectFault(m, pace, f, bits, ABSENT - k, 6, ABSENT);
      expectFault(m, pace, f, bits, ABSENT, 6, ABSENT);
    }
  });

  inBothPaces(`a store or an update that ends in a read-only page is a write fault of a present page, ${bits}-bit mode`, (m, pace) => {
    m.phys.setU64(PT + 8 * (READ_ONLY >> 12), BigInt(READ_ONLY | 5));
    m.machine.flushTlb();
    for (const f of [...STORES, ...UPDATES]) {
      if (bits === 32 && f.only64) continue;
      for (const k of splits(sizeIn(f, bits))) expectFault(m, pace, f, bits, READ_ONLY - k, 7, READ_ONLY);
      expectFault(m, pace, f, bits, READ_ONLY, 7, READ_ONLY);
      expectFault(m, pace, f, bits, READ_ONLY + 0x800, 7, READ_ONLY + 0x800);
    }
  });

  inBothPaces(`loads may cross into a read-only page, and across two frames that are not neighbours, ${bits}-bit mode`, (m, pace) => {
    m.phys.setU64(PT + 8 * (READ_ONLY >> 12), BigInt(0x160000 | 5));
    m.machine.flushTlb();
    m.write(READ_ONLY - 4, [1, 2, 3, 4]);
    m.write(0x160000, [5, 6, 7, 8]);
    for (const k of [1, 2, 3]) {
      prepare(m, LOADS[1], bits, READ_ONLY - k);
      assert.is(go(m, pace).vector, 6);
      const all = [1, 2, 3, 4, 5, 6, 7, 8].slice(4 - k, 8 - k);
      assert.is(m.reg(0), BigInt(all[0] + all[1] * 256 + all[2] * 65536 + all[3] * 16777216));
    }
  });

  inBothPaces(`a store across two frames writes each its part, ${bits}-bit mode`, (m, pace) => {
    m.phys.setU64(PT + 8 * (READ_ONLY >> 12), BigInt(0x160000 | 7));
    m.machine.flushTlb();
    for (const f of [...STORES, ...UPDATES]) {
      if (bits === 32 && f.only64) continue;
      const size = sizeIn(f, bits);
      // What it stores inside one page, with the same words below it
      m.phys.fill(LAST, 0x1000, 0x11);
      prepare(m, f, bits, LAST + 0x100);
      assert.is(go(m, pace).vector, 6, f.name);
      const expected = [...m.phys.read(LAST + 0x100 - 4, size + 8)];
      m.phys.fill(READ_ONLY - 0x1000, 0x1000, 0x11);
      m.phys.fill(0x160000, 0x1000, 0x11);
      m.phys.fill(READ_ONLY, 0x1000, 0x22);
      const head = size >> 1;
      prepare(m, f, bits, READ_ONLY - head);
      assert.is(go(m, pace).vector, 6, f.name);
      assert.equal([...m.phys.read(READ_ONLY - head - 4, head + 4), ...m.phys.read(0x160000, size - head + 4)], expected, f.name);
      assert.ok(m.phys.read(READ_ONLY, 0x1000).every((b) => b === 0x22), f.name);
    }
  });
}

inBothPaces("of two missing pages the first is reported", (m, pace) => {
  for (const f of [...LOADS, ...STORES, ...UPDATES]) {
    const error = LOADS.includes(f) ? 4 : 6;
    expectFault(m, pace, f, 64, ABSENT + 0xfff, error, ABSENT + 0xfff);
  }
});

inBothPaces("a load of a page whose bytes the machine does not have gives ones", (m, pace) => {
  m.phys.setU64(PT + 8 * (READ_ONLY >> 12), 0x40000007n);
  m.machine.flushTlb();
  prepare(m, LOADS[1], 64, READ_ONLY - 2);
  m.write(READ_ONLY - 2, [1, 2]);
  assert.is(go(m, pace).vector, 6);
  assert.is(m.reg(0), 0xffff0201n);
});

test.run();
