// Operands outside 64-bit mode: limit, type and null selector of the segment (SDM Vol. 3A 5.3, 5.4), and what the address is.

import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  FCW, FDP, FSW, FTW, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_SS,
} from "../../kernel/abi/state";
import { ABSENT, type BareMachine, CODE32_3, DATA_3, FREE_SELECTOR, USER_DATA, USER_STACK } from "./bare-machine";
import { go, inBothPaces, load, type Pace } from "./both-paces";

const RW = 0xcf3;
const READ_ONLY = 0xcf1;
const EXPAND_DOWN = 0xcf7;
const EXPAND_DOWN_16 = 0x8f7;
const NULL_SEGMENT = 0x8000;

interface Given {
  code: number[];
  bits?: 32 | 16;
  segments?: [seg: number, attributes: number, base: number, limit: number][];
  registers?: [number, number | bigint][];
}

function given(m: BareMachine, g: Given): void {
  load(m, g.code, g.bits ?? 32);
  for (const [seg, attributes, base, limit] of g.segments ?? []) m.segment(seg, seg === SEG_CS ? CODE32_3 : DATA_3, attributes, base, limit);
  for (const [at, value] of g.registers ?? []) m.setReg(at, value);
  x87(m, 0x37f);
}

/** All registers empty, no exception pending unless `status` says so. */
function x87(m: BareMachine, control: number, status = 0): void {
  m.machine.registers.u16[FCW / 2] = control;
  m.machine.registers.u16[FSW / 2] = status;
  m.machine.registers.u8[FTW] = 0;
}

function expectFault(m: BareMachine, pace: Pace, vector: number, g: Given): void {
  given(m, g);
  const rsp = m.reg(RSP);
  const before = [RAX, RBX, RCX, RDX, RSI, RDI, RBP].map((r) => m.reg(r));
  const memory = m.phys.read(USER_DATA, 0x1000);
  const end = go(m, pace);
  assert.equal([end.vector, end.error, end.rip], [vector, 0, 0], g.code.map((b) => b.toString(16)).join(" "));
  assert.is(end.rsp, rsp);
  assert.is(end.rflags & 0xffffn, 2n);
  assert.equal([RAX, RBX, RCX, RDX, RSI, RDI, RBP].map((r) => m.reg(r)), before);
  assert.equal(m.phys.read(USER_DATA, 0x1000), memory);
}

function expectDone(m: BareMachine, pace: Pace, g: Given): void {
  given(m, g);
  const end = go(m, pace);
  assert.equal([end.vector, end.rip], [6, g.code.length]);
}

const LOAD = [0x8b, 0x03]; // mov (%ebx), %eax
const STORE = [0x89, 0x03]; // mov %eax, (%ebx)
const LOAD_EBP = [0x8b, 0x45, 0x00]; // mov (%ebp), %eax

inBothPaces("the last byte of an operand may be the limit and no further", (m, pace) => {
  const segments: Given["segments"] = [[SEG_DS, RW, USER_DATA, 0xff]];
  m.write(USER_DATA + 0xfc, [1, 2, 3, 4]);
  expectDone(m, pace, { code: LOAD, segments, registers: [[RBX, 0xfc]] });
  assert.is(m.reg(RAX), 0x04030201n);
  for (const code of [LOAD, STORE, [0x01, 0x03], [0x0f, 0xb1, 0x0b], [0x87, 0x03], [0xdb, 0x2b], [0x0f, 0x10, 0x03]])
    expectFault(m, pace, 13, { code, segments, registers: [[RBX, 0xfd]] });
});

inBothPaces("past the limit of SS it is #SS(0), whatever the segment is by", (m, pace) => {
  const segments: Given["segments"] = [[SEG_SS, RW, 0, USER_STACK + 3]];
  expectDone(m, pace, { code: LOAD_EBP, segments, registers: [[RBP, USER_STACK]] });
  expectFault(m, pace, 12, { code: LOAD_EBP, segments, registers: [[RBP, USER_STACK + 1]] });
  expectFault(m, pace, 12, { code: [0x36, ...LOAD], segments, registers: [[RBX, USER_STACK + 1]] });
  expectFault(m, pace, 13, { code: [0x3e, ...LOAD_EBP], segments: [[SEG_DS, RW, 0, 0xff]], registers: [[RBP, 0x100]] });
});

inBothPaces("read-only data can be read and not be written, by a read-modify-write either", (m, pace) => {
  const segments: Given["segments"] = [[SEG_DS, READ_ONLY, 0, 0xffffffff]];
  expectDone(m, pace, { code: LOAD, segments, registers: [[RBX, USER_DATA]] });
  for (const code of [STORE, [0xff, 0x03], [0xf0, 0x0f, 0xc1, 0x03], [0x0f, 0xb1, 0x0b], [0x0f, 0xab, 0x03], [0x0f, 0x90, 0x03], [0xd9, 0x3b], [0x0f, 0xae, 0x03]])
    expectFault(m, pace, 13, { code, segments, registers: [[RBX, USER_DATA]] });
  expectDone(m, pace, { code: [0x0f, 0xa3, 0x03], segments, registers: [[RBX, USER_DATA]] });
});

inBothPaces("code can be read through CS where it is readable, and never be written", (m, pace) => {
  expectDone(m, pace, { code: [0x2e, ...LOAD], registers: [[RBX, USER_DATA]] });
  expectFault(m, pace, 13, { code: [0x2e, ...STORE], registers: [[RBX, USER_DATA]] });
  expectFault(m, pace, 13, { code: [0x2e, ...LOAD], segments: [[SEG_CS, 0xcf9, 0, 0xffffffff]], registers: [[RBX, USER_DATA]] });
  expectFault(m, pace, 13, { code: STORE, segments: [[SEG_DS, 0xcfb, 0, 0xffffffff]], registers: [[RBX, USER_DATA]] });
});

inBothPaces("a null selector may stay in a segment register until it is used", (m, pace) => {
  for (const [seg, prefix] of [[SEG_DS, 0x3e], [SEG_ES, 0x26], [SEG_FS, 0x64], [SEG_GS, 0x65]] as const)
    expectFault(m, pace, 13, { code: [prefix, ...LOAD], segments: [[seg, NULL_SEGMENT, 0, 0]], registers: [[RBX, USER_DATA]] });
  expectDone(m, pace, { code: [0x8d, 0x03], segments: [[SEG_DS, NULL_SEGMENT, 0, 0]], registers: [[RBX, USER_DATA]] });
});

inBothPaces("an expand-down segment begins behind its limit, and ends at 4 GiB or 64 KiB by its B flag", (m, pace) => {
  const big: Given["segments"] = [[SEG_DS, EXPAND_DOWN, 0, USER_DATA - 1]];
  expectDone(m, pace, { code: LOAD, segments: big, registers: [[RBX, USER_DATA]] });
  expectFault(m, pace, 13, { code: LOAD, segments: big, registers: [[RBX, USER_DATA - 1]] });
  const small: Given["segments"] = [[SEG_DS, EXPAND_DOWN_16, USER_DATA, 0xfff]];
  m.write(USER_DATA + 0xfffc, [7, 0, 0, 0]);
  expectDone(m, pace, { code: LOAD, segments: small, registers: [[RBX, 0xfffc]] });
  assert.is(m.reg(RAX), 7n);
  expectFault(m, pace, 13, { code: LOAD, segments: small, registers: [[RBX, 0xfffd]] });
  expectFault(m, pace, 13, { code: LOAD, segments: small, registers: [[RBX, 0xfff]] });
});

inBothPaces("base and offset are added modulo 4 GiB, and a thread pointer is used with negative offsets", (m, pace) => {
  m.write(USER_DATA - 8, [9, 0, 0, 0]);
  expectDone(m, pace, { code: [0x65, 0xa1, 0xf8, 0xff, 0xff, 0xff], segments: [[SEG_GS, RW, USER_DATA, 0xffffffff]] });
  assert.is(m.reg(RAX), 9n);
  expectDone(m, pace, { code: [0x65, 0x8b, 0x03], segments: [[SEG_GS, RW, USER_DATA, 0xffffffff]], registers: [[RBX, 0x5_ffff_fff8n]] });
  assert.is(m.reg(RAX), 9n);
});

inBothPaces("the limit comes before the page, and the x87's pending exception before the limit", (m, pace) => {
  expectFault(m, pace, 13, { code: LOAD, segments: [[SEG_DS, RW, 0, ABSENT - 1]], registers: [[RBX, ABSENT]] });
  given(m, { code: [0xdd, 0x03], segments: [[SEG_DS, RW, 0, 0xff]], registers: [[RBX, 0x100]] });
  x87(m, 0x37e, 0x8081);
  assert.is(go(m, pace).vector, 16);
});

inBothPaces("operands of several parts are checked as wide as they are", (m, pace) => {
  const segments: Given["segments"] = [[SEG_DS, RW, USER_DATA, 0xfff]];
  for (const [code, bytes] of [
    [[0xdb, 0x2b], 10], [[0xdb, 0x3b], 10], [[0xdf, 0x23], 10], [[0xdd, 0x33], 108], [[0x66, 0xdd, 0x33], 94], [[0xd9, 0x33], 28], [[0x66, 0xd9, 0x33], 14],
    [[0xc4, 0x03], 6], [[0x66, 0xc5, 0x03], 4], [[0x0f, 0xb4, 0x03], 6], [[0xff, 0x2b], 6], [[0x62, 0x03], 8], [[0x0f, 0x01, 0x03], 6], [[0x0f, 0xc7, 0x0b], 8],
    [[0x66, 0x0f, 0x6f, 0x03], 16],
  ] as const) {
    const over = 0x1000 - bytes + (bytes === 16 ? 16 : 1);
    expectFault(m, pace, 13, { code: [...code], segments, registers: [[RBX, over], [RAX, 0]] });
  }
});

inBothPaces("BT with a register offset is checked where the bit is, in the address size", (m, pace) => {
  m.write(USER_DATA + 4, [0, 1]);
  const segments: Given["segments"] = [[SEG_DS, RW, USER_DATA, 0xff]];
  expectDone(m, pace, { code: [0x0f, 0xa3, 0x0b], segments, registers: [[RBX, 0], [RCX, 40]] });
  expectDone(m, pace, { code: [0x0f, 0xab, 0x0b], segments, registers: [[RBX, 0xf0], [RCX, 40 - 0xf0 * 8]] });
  expectFault(m, pace, 13, { code: [0x0f, 0xab, 0x0b], segments, registers: [[RBX, 0], [RCX, 0x800]] });
  expectFault(m, pace, 13, { code: [0x0f, 0xab, 0x0b], segments, registers: [[RBX, 0], [RCX, -1]] });
  // With a 16-bit address the sum is cut to 16 bits: (bx) = 8, bit -128 is at FFF8h.
  m.write(USER_DATA + 0xfff8, [1]);
  given(m, { code: [0x67, 0x0f, 0xa3, 0x0f], segments: [[SEG_DS, RW, USER_DATA, 0xffff]], registers: [[RBX, 8], [RCX, -128]] });
  assert.is(go(m, pace).rflags & 1n, 1n);
});

inBothPaces("MASKMOVQ and XLAT go through DS or what overrides it", (m, pace) => {
  m.write(USER_DATA + 0x21, [0x5a]);
  expectDone(m, pace, { code: [0x26, 0xd7], segments: [[SEG_ES, RW, USER_DATA, 0xff], [SEG_DS, NULL_SEGMENT, 0, 0]], registers: [[RBX, 0x20], [RAX, 1]] });
  assert.is(m.reg(RAX), 0x5an);
  expectFault(m, pace, 13, { code: [0xd7], segments: [[SEG_DS, RW, USER_DATA, 0xff]], registers: [[RBX, 0xff], [RAX, 1]] });
  expectFault(m, pace, 13, { code: [0x0f, 0xf7, 0xc1], segments: [[SEG_DS, RW, USER_DATA, 0xff]], registers: [[RDI, 0xfa]] });
});

inBothPaces("string instructions check DS and ES element by element, and keep their progress", (m, pace) => {
  given(m, {
    code: [0xf3, 0xa5], segments: [[SEG_DS, RW, USER_DATA, 0xfff], [SEG_ES, RW, USER_DATA + 0x2000, 11]], registers: [[RSI, 0], [RDI, 0], [RCX, 10]],
  });
  m.write(USER_DATA, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
  const end = go(m, pace);
  assert.equal([end.vector, end.error, end.rip], [13, 0, 0]);
  assert.equal([m.reg(RCX), m.reg(RSI), m.reg(RDI)], [7n, 12n, 12n]);
  assert.equal([...m.phys.read(USER_DATA + 0x2000, 14)], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0]);
  expectFault(m, pace, 13, { code: [0xaa], segments: [[SEG_ES, READ_ONLY, 0, 0xffffffff]], registers: [[RDI, USER_DATA]] });
  expectFault(m, pace, 13, { code: [0x3e, 0xab], segments: [[SEG_ES, NULL_SEGMENT, 0, 0]], registers: [[RDI, USER_DATA]] });
  expectFault(m, pace, 12, { code: [0x36, 0xac], segments: [[SEG_SS, RW, 0, 0xff]], registers: [[RSI, 0x100]] });
  expectDone(m, pace, { code: [0xae], segments: [[SEG_DS, NULL_SEGMENT, 0, 0]], registers: [[RDI, USER_DATA]] });
  expectFault(m, pace, 13, { code: [0xa6], segments: [[SEG_DS, RW, 0, 0xff]], registers: [[RSI, 0x100], [RDI, USER_DATA]] });
});

inBothPaces("string instructions with 16-bit addresses wrap their index registers", (m, pace) => {
  m.phys.setU64(USER_DATA + 0xfff8, 0x1122334455667788n);
  m.phys.setU64(USER_DATA, 0x99aabbccddeeff00n);
  given(m, {
    code: [0x67, 0xf3, 0xa5], segments: [[SEG_DS, RW, USER_DATA, 0xffff], [SEG_ES, RW, USER_DATA + 0x8000, 0xffff]],
    registers: [[RSI, 0xaaaafffcn], [RDI, 0xbbbb0010n], [RCX, 0xcccc0002n]],
  });
  assert.is(go(m, pace).vector, 6);
  assert.is(m.phys.getU64(USER_DATA + 0x8010), 0xddeeff0011223344n);
  assert.equal([m.reg(RSI), m.reg(RDI), m.reg(RCX)], [0xaaaa0004n, 0xbbbb0018n, 0xcccc0000n]);
});

inBothPaces("PUSH, POP and CALL of an operand check its segment for it and SS for the stack", (m, pace) => {
  const segments: Given["segments"] = [[SEG_DS, RW, USER_DATA, 0xf], [SEG_SS, RW, USER_STACK, 0xfff]];
  m.phys.setU64(USER_DATA + 8, 0x55667788n);
  given(m, { code: [0xff, 0x33], segments, registers: [[RBX, 8], [RSP, 0x800]] }); // push (%ebx)
  assert.is(go(m, pace).rsp, 0x7fcn);
  assert.is(m.phys.getU64(USER_STACK + 0x7fc) & 0xffffffffn, 0x55667788n);
  expectFault(m, pace, 13, { code: [0xff, 0x33], segments, registers: [[RBX, 0x10], [RSP, 0x800]] });
  expectFault(m, pace, 12, { code: [0xff, 0x33], segments, registers: [[RBX, 8], [RSP, 0x1004]] });
  given(m, { code: [0x8f, 0x03], segments, registers: [[RBX, 4], [RSP, 0x7fc]] }); // pop (%ebx)
  assert.is(go(m, pace).rsp, 0x800n);
  assert.is(m.phys.getU64(USER_DATA + 4) & 0xffffffffn, 0x55667788n);
  expectFault(m, pace, 13, { code: [0x8f, 0x03], segments, registers: [[RBX, 0xd], [RSP, 0x7fc]] });
});

inBothPaces("code that was decoded for flat segments is not used for others, nor the other way round", (m, pace) => {
  for (let i = 0; i < 3; i++) {
    expectDone(m, pace, { code: LOAD, registers: [[RBX, USER_DATA]] });
    expectFault(m, pace, 13, { code: LOAD, segments: [[SEG_DS, RW, 0, 0xff]], registers: [[RBX, USER_DATA]] });
    expectDone(m, pace, { code: LOAD, segments: [[SEG_DS, RW, 0x1000, 0xffffffff]], registers: [[RBX, USER_DATA - 0x1000]] });
  }
});

inBothPaces("a segment loaded in a block counts from the next instruction on", (m, pace) => {
  // A data segment of 256 bytes at USER_DATA
  m.gdt(FREE_SELECTOR, 0xffn | (BigInt(USER_DATA) << 16n) | (0xf3n << 40n) | (4n << 52n));
  m.write(USER_DATA + 0x40, [1, 2, 3, 4]);
  given(m, { code: [0x8e, 0xd8, ...LOAD, 0x8b, 0x0a], registers: [[RAX, FREE_SELECTOR | 3], [RBX, 0x40], [RDX, 0xfd]] });
  const end = go(m, pace);
  assert.equal([end.vector, end.error, end.rip], [13, 0, 4]);
  assert.is(m.reg(RAX), 0x04030201n);
  assert.is(m.selector(SEG_DS), FREE_SELECTOR | 3);
});

inBothPaces("POP to memory by ESP uses the new ESP, by every way of making the address", (m, pace) => {
  for (const [code, bits] of [
    [[0x8f, 0x44, 0x24, 0x08], 32], [[0x64, 0x8f, 0x44, 0x24, 0x08], 32], [[0x67, 0x8f, 0x44, 0x24, 0x08], 64], [[0x64, 0x8f, 0x44, 0x0c, 0x08], 64],
    [[0x8f, 0x44, 0x24, 0x08], 64],
  ] as [number[], 32 | 64][]) {
    load(m, code, bits);
    m.segment(SEG_FS, DATA_3, RW, 0x10);
    m.setReg(RSP, USER_DATA + 0x100);
    m.setReg(RCX, 0);
    m.phys.fill(USER_DATA, 0x200, 0);
    m.phys.setU64(USER_DATA + 0x100, 0x77n);
    const size = bits === 64 ? 8 : 4;
    const end = go(m, pace);
    assert.is(end.rsp, BigInt(USER_DATA + 0x100 + size));
    assert.is(m.phys.u8[USER_DATA + 0x108 + size + (code[0] === 0x64 ? 0x10 : 0)], 0x77, code.join(" "));
  }
});

inBothPaces("FDP is the offset in the segment", (m, pace) => {
  for (const [segments, expected] of [
    [[], USER_DATA], [[[SEG_DS, RW, USER_DATA, 0xffffffff]], 0], [[[SEG_DS, RW, USER_DATA, 0xffff]], 0],
  ] as [Given["segments"], number][]) {
    given(m, { code: [0xd9, 0x43, 0x10], segments, registers: [[RBX, expected]] }); // flds 0x10(%ebx): a denormal, unmasked
    m.write(USER_DATA + 0x10, [1, 0, 0, 0]);
    x87(m, 0x37d);
    assert.is(go(m, pace).vector, 6);
    assert.is(m.reg(FDP), BigInt(expected + 0x10));
  }
});


test.run();
