// The XSAVE family (SDM Vol. 1 ch. 13). What is expected here has been seen on a Zen 5, which follows the SDM in all of it.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { cpuModel } from "../../host/machine/cpu-models";
import { CR0, CR4, FCW, FTW, MXCSR, RAX, RCX, RDI, RDX, RIP, XCR0, XMM } from "../../kernel/abi/state";
import { VECTOR_GP, VECTOR_NM, VECTOR_UD } from "../../kernel/abi/vectors";
import { BareMachine, USER_CODE, USER_DATA } from "../cpu/bare-machine";

const XSAVE64 = [0x48, 0x0f, 0xae, 0x27]; // all with (%rdi)
const XRSTOR64 = [0x48, 0x0f, 0xae, 0x2f];
const XSAVEOPT64 = [0x48, 0x0f, 0xae, 0x37];
const XSAVEC64 = [0x48, 0x0f, 0xc7, 0x27];
const XGETBV = [0x0f, 0x01, 0xd0];
const XSETBV = [0x0f, 0x01, 0xd1];
const COMPACTED = 1n << 63n;
const CR4_OSXSAVE = 0x40000;
const DONE = -1;

interface Setting {
  mask?: number;
  at?: number;
  ecx?: number;
  cr4?: number;
  ts?: boolean;
}

/** Runs `code` at CPL 3 in initial FPU state as far as the caller has not set another. Answers the vector, or DONE. */
function run(m: BareMachine, code: number[], { mask = 3, at = USER_DATA, ecx = 0, cr4 = CR4_OSXSAVE, ts = false }: Setting = {}): number {
  m.user([...code, 0xf4]);
  m.setReg(CR4, 0x6a0 | cr4);
  if (ts) m.setReg(CR0, m.reg(CR0) | 8n);
  m.setReg(XCR0, 3);
  m.setReg(RAX, mask);
  m.setReg(RCX, ecx);
  m.setReg(RDX, 0);
  m.setReg(RDI, at);
  m.run();
  // The HLT behind is #GP at CPL 3.
  const stopped = m.haltedIn;
  const { rip } = m.frame(stopped === VECTOR_GP);
  return stopped === VECTOR_GP && rip === BigInt(USER_CODE + code.length) ? DONE : stopped;
}

function initial(m: BareMachine, mxcsr = 0x1f80): void {
  const { u8, u16 } = m.machine.registers;
  u8.fill(0, XMM, MXCSR + 8);
  u16[FCW >>> 1] = 0x37f;
  m.setWord(MXCSR, mxcsr);
}

const word = (m: BareMachine, offset: number): number => m.phys.u32[(USER_DATA + offset) >>> 2]!;
const quad = (m: BareMachine, offset: number): bigint => m.phys.getU64(USER_DATA + offset);

/** XSTATE_BV 7 of an older area, everything else 0xcc. */
function stale(m: BareMachine): void {
  m.phys.fill(USER_DATA, 1024, 0xcc);
  m.phys.fill(USER_DATA + 512, 64, 0);
  m.phys.setU64(USER_DATA + 512, 7n);
}

test("XSAVE stores what is asked for, used or not, and says in XSTATE_BV what is in use", async () => {
  const m = await BareMachine.create();
  for (const [mask, bv, fcw, mxcsr] of [[1, 6n, 0x37f, 0xcccccccc], [2, 5n, 0xcccc, 0x1fa0], [3, 4n, 0x37f, 0x1fa0]] as const) {
    stale(m);
    initial(m, 0x1fa0); // MXCSR alone does not make SSE count as in use
    assert.is(run(m, XSAVE64, { mask }), DONE);
    assert.is(quad(m, 512), bv);
    assert.is(quad(m, 520), 0n);
    assert.is(word(m, 0) & 0xffff, fcw);
    assert.is(word(m, 24), mxcsr);
    assert.is(word(m, 160), mask & 2 ? 0 : 0xcccccccc);
  }
});

test("XSAVEOPT leaves the bytes of initial components alone, but stores MXCSR", async () => {
  const m = await BareMachine.create();
  stale(m);
  initial(m, 0x1fa0);
  assert.is(run(m, XSAVEOPT64), DONE);
  assert.is(quad(m, 512), 4n);
  assert.is(word(m, 0), 0xcccccccc);
  assert.is(word(m, 24), 0x1fa0);
  assert.is(word(m, 160), 0xcccccccc);
  m.machine.registers.u8[XMM + 240] = 1; // XMM15
  assert.is(run(m, XSAVEOPT64), DONE);
  assert.is(quad(m, 512), 6n);
  assert.is(word(m, 160 + 240), 1);
});

test("XSAVEC writes the compacted form, in which MXCSR is part of SSE", async () => {
  const m = await BareMachine.create();
  stale(m);
  initial(m);
  assert.is(run(m, XSAVEC64), DONE);
  assert.equal([quad(m, 512), quad(m, 520)], [0n, COMPACTED | 3n]);
  assert.is(word(m, 24), 0xcccccccc);
  initial(m, 0x1fa0);
  assert.is(run(m, XSAVEC64), DONE);
  assert.equal([quad(m, 512), word(m, 24), word(m, 160), word(m, 0)], [2n, 0x1fa0, 0, 0xcccccccc]);
});

test("XRSTOR loads MXCSR by the rule of each form, and faults on bits that are reserved", async () => {
  const m = await BareMachine.create();
  const UNTOUCHED = 0x1fc0;
  const rows: [string, number, bigint, bigint, bigint, number, number][] = [
    // name, mask, XSTATE_BV, XCOMP_BV, bytes 16 to 23, MXCSR in memory -> MXCSR after, or a vector
    ["standard, SSE absent", 2, 0n, 0n, 0n, 0x1fa0, 0x1fa0],
    ["standard, x87 only", 1, 0n, 0n, 0n, 0x1fa0, UNTOUCHED],
    ["standard, x87 only, bad MXCSR", 1, 1n, 0n, 0n, 0xffffffff, UNTOUCHED],
    ["standard, SSE absent, bad MXCSR", 2, 0n, 0n, 0n, 0xffffffff, VECTOR_GP],
    ["standard, component that is not enabled", 3, 1n << 40n, 0n, 0n, 0x1f80, VECTOR_GP],
    ["standard, XCOMP_BV not zero", 3, 3n, 1n, 0n, 0x1f80, VECTOR_GP],
    ["standard, byte 16 not zero", 3, 3n, 0n, 1n, 0x1f80, VECTOR_GP],
    ["compacted, SSE present", 2, 2n, COMPACTED | 3n, 0n, 0x1fa0, 0x1fa0],
    ["compacted, SSE absent", 2, 0n, COMPACTED | 3n, 0n, 0x1fa0, 0x1f80],
    ["compacted, SSE not in XCOMP_BV", 2, 0n, COMPACTED | 1n, 0n, 0x1fa0, 0x1f80],
    ["compacted, SSE absent, bad MXCSR", 2, 0n, COMPACTED | 3n, 0n, 0xffffffff, 0x1f80],
    ["compacted, XSTATE_BV beyond XCOMP_BV", 3, 3n, COMPACTED | 1n, 0n, 0x1f80, VECTOR_GP],
    ["compacted, byte 16 not zero", 3, 3n, COMPACTED | 3n, 1n, 0x1f80, VECTOR_GP],
    ["compacted, component that is not enabled", 3, 3n, COMPACTED | (1n << 40n) | 3n, 0n, 0x1f80, VECTOR_GP],
  ];
  for (const [name, mask, present, compaction, reserved, mxcsr, after] of rows) {
    m.phys.fill(USER_DATA, 1024, 0);
    m.phys.u32[(USER_DATA + 24) >>> 2] = mxcsr;
    m.phys.setU64(USER_DATA + 512, present);
    m.phys.setU64(USER_DATA + 520, compaction);
    m.phys.setU64(USER_DATA + 528, reserved);
    initial(m, UNTOUCHED);
    const vector = run(m, XRSTOR64, { mask });
    if (after === VECTOR_GP) assert.is(vector, VECTOR_GP, name);
    else assert.equal([vector, m.word(MXCSR)], [DONE, after], name);
  }
});

test("a component absent from the area is put into its initial configuration", async () => {
  const m = await BareMachine.create();
  m.phys.fill(USER_DATA, 1024, 0);
  m.phys.u32[(USER_DATA + 24) >>> 2] = 0x1f80;
  const { u8, u16 } = m.machine.registers;
  u8.fill(0x55, XMM, XMM + 256);
  u16[FCW >>> 1] = 0x27f;
  u8[FTW] = 0xff;
  assert.is(run(m, XRSTOR64, { mask: 2 }), DONE);
  assert.is(u8.subarray(XMM, XMM + 256).some((byte) => byte !== 0), false);
  assert.is(u16[FCW >>> 1], 0x27f);
  assert.is(run(m, XRSTOR64, { mask: 1 }), DONE);
  assert.equal([u16[FCW >>> 1], u8[FTW]], [0x37f, 0]);
});

test("what XSAVEC has written XRSTOR reads back", async () => {
  const m = await BareMachine.create();
  const { u8 } = m.machine.registers;
  initial(m, 0x1fa0);
  for (let i = 0; i < 256; i++) u8[XMM + i] = i * 7;
  const before = u8.slice(XMM, XMM + 256);
  assert.is(run(m, XSAVEC64), DONE);
  initial(m);
  assert.is(run(m, XRSTOR64), DONE);
  assert.equal(u8.slice(XMM, XMM + 256), before);
  assert.is(m.word(MXCSR), 0x1fa0);
});

test("#UD without CR4.OSXSAVE, #NM with CR0.TS, #GP off a multiple of 64", async () => {
  const m = await BareMachine.create();
  for (const code of [XSAVE64, XSAVEOPT64, XSAVEC64, XRSTOR64]) {
    m.phys.fill(USER_DATA, 1024, 0);
    m.phys.u32[(USER_DATA + 24) >>> 2] = 0x1f80;
    assert.is(run(m, code, { cr4: 0, ts: true, at: USER_DATA + 16 }), VECTOR_UD);
    assert.is(run(m, code, { ts: true, at: USER_DATA + 16 }), VECTOR_NM);
    assert.is(run(m, code, { at: USER_DATA + 16 }), VECTOR_GP);
    assert.is(run(m, [0xf0, ...code]), VECTOR_UD, "LOCK");
    if (code !== XSAVEOPT64) assert.is(run(m, [0x66, ...code.slice(1)]), VECTOR_UD, "66"); // that one is CLWB then
  }
});

test("XGETBV reads XCR0, with ECX = 1 what of it is in use; XSETBV wants CPL 0", async () => {
  const m = await BareMachine.create();
  initial(m);
  assert.is(run(m, XGETBV), DONE);
  assert.equal([m.reg(RAX), m.reg(RDX)], [3n, 0n]);
  assert.is(run(m, XGETBV, { ecx: 1 }), DONE);
  assert.is(m.reg(RAX), 0n);
  m.machine.registers.u8[XMM] = 1;
  assert.is(run(m, XGETBV, { ecx: 1 }), DONE);
  assert.is(m.reg(RAX), 2n);
  // MXCSR alone makes SSE be in use here, as a Zen 5 does it.
  m.machine.registers.u8[XMM] = 0;
  m.machine.registers.setWord(MXCSR, 0x1fa0);
  assert.is(run(m, XGETBV, { ecx: 1 }), DONE);
  assert.is(m.reg(RAX), 2n);
  m.machine.registers.setWord(MXCSR, 0x1f80);
  assert.is(run(m, XGETBV, { ecx: 2 }), VECTOR_GP);
  assert.is(run(m, [0x66, ...XGETBV]), VECTOR_UD);
  assert.is(run(m, [0xf3, ...XGETBV]), VECTOR_UD);
  assert.is(run(m, XGETBV, { cr4: 0 }), VECTOR_UD);
  assert.is(run(m, XSETBV), VECTOR_GP);
  assert.is(run(m, XSETBV, { cr4: 0 }), VECTOR_UD);
  for (const [value, good] of [[3, true], [1, true], [2, false], [7, false]] as const) {
    m.kernel([...XSETBV, 0xf4]);
    m.setReg(CR4, 0x6a0 | CR4_OSXSAVE);
    m.setReg(RAX, value);
    m.setReg(RCX, 0);
    m.setReg(RDX, 0);
    m.run();
    assert.is(m.haltedIn, good ? -1 : VECTOR_GP, `XCR0 = ${value}`);
    if (good) assert.is(m.reg(XCR0), BigInt(value));
  }
  assert.ok(m.reg(RIP) !== 0n);
});

test("CPUID leaf 0D tells the size of what XCR0 enables, and OSXSAVE what CR4 has", async () => {
  const m = await BareMachine.create();
  const cpuid = (leaf: number, subleaf: number, cr4 = CR4_OSXSAVE): bigint[] => {
    assert.is(run(m, [0x0f, 0xa2], { mask: leaf, ecx: subleaf, cr4 }), DONE);
    return [m.reg(RAX), m.reg(RCX)];
  };
  assert.equal(cpuid(0xd, 0), [3n, 576n]);
  assert.equal(cpuid(0xd, 1)[0], 7n);
  assert.equal(cpuid(0xd, 2), [0n, 0n]);
  assert.is((cpuid(1, 0)[1]! >> 27n) & 1n, 1n);
  assert.is((cpuid(1, 0, 0)[1]! >> 27n) & 1n, 0n);
  m.machine.cpu = cpuModel("v1");
  assert.equal(cpuid(0xd, 0, 0), [0n, 0n]);
});

test.run();
