// The x87 on the machine itself: facts that a chip (Xeon, Cascade Lake) showed and the SDM leaves open or says in passing.
// The breadth of operands is tests/silicon's; these are the named cases.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { CR0, FCW, FDP, FIP, FOP, FSW, FTW, HALTED, MXCSR, RAX, RDI, RFLAGS, RSI, ST } from "../../kernel/abi/state";
import { VECTOR_GP, VECTOR_MF, VECTOR_NM } from "../../kernel/abi/vectors";
import { cpuModel, underVendor } from "../../host/machine/cpu-models";
import { BareMachine, USER_CODE, USER_DATA } from "../cpu/bare-machine";

const FWAIT = 0x9b;
const NOTHING = VECTOR_GP; // the HLT at the end, at CPL 3

interface State {
  fcw?: number;
  fsw?: number;
  /** ST(0), ST(1) ... as "sign-exponent:significand" in hexadecimal; the others are empty. */
  st?: string[];
  memory?: number[];
  flags?: number;
}

/** Runs `code` with RDI at USER_DATA; the vector it ended with. */
function execute(m: BareMachine, code: number[], state: State = {}): number {
  m.user([...code, 0xf4]);
  m.setWord(HALTED, 0);
  const { u8, u16 } = m.machine.registers;
  const top = ((state.fsw ?? 0) >> 11) & 7;
  u16[FCW / 2] = state.fcw ?? 0x37f;
  u16[FSW / 2] = state.fsw ?? 0;
  u16[FOP / 2] = 0;
  m.setReg(FIP, 0);
  m.setReg(FDP, 0);
  m.setReg(RFLAGS, 0x202 | (state.flags ?? 0));
  u8[FTW] = 0;
  (state.st ?? []).forEach((text, i) => {
    const [se, sig] = text.split(":");
    const r = (top + i) & 7;
    m.setReg(ST + 16 * r, BigInt(`0x${sig}`));
    u16[(ST + 16 * r + 8) / 2] = parseInt(se!, 16);
    u8[FTW]! |= 1 << r;
  });
  m.setReg(RDI, USER_DATA);
  m.write(USER_DATA, state.memory ?? new Array(32).fill(0));
  m.run();
  return m.haltedIn;
}

const fsw = (m: BareMachine) => m.machine.registers.u16[FSW / 2]!;
const tags = (m: BareMachine) => m.machine.registers.u8[FTW]!;
const top = (m: BareMachine) => (fsw(m) >> 11) & 7;
const hex = (value: number | bigint, digits: number) => value.toString(16).padStart(digits, "0");
const st = (m: BareMachine, i: number) => {
  const at = ST + 16 * ((top(m) + i) & 7);
  return `${hex(m.machine.registers.u16[(at + 8) / 2]!, 4)}:${hex(m.reg(at), 16)}`;
};

const ONE = "3fff:8000000000000000";
const TWO = "4000:8000000000000000";
const THREE = "4000:c000000000000000";
const SNAN = "7fff:8000000000000001";
const INDEFINITE = "ffff:c000000000000000";

test("a third has 64 significant bits, rounded as the control word says", async () => {
  const m = await BareMachine.create();
  for (const [fcw, third, c1] of [
    [0x37f, "3ffd:aaaaaaaaaaaaaaab", 1], [0x77f, "3ffd:aaaaaaaaaaaaaaaa", 0], [0xb7f, "3ffd:aaaaaaaaaaaaaaab", 1],
    [0x27f, "3ffd:aaaaaaaaaaaaa800", 0], [0x07f, "3ffd:aaaaab0000000000", 1],
  ] as const) {
    assert.is(execute(m, [0xd8, 0xf1], { fcw, st: [ONE, THREE] }), NOTHING);
    assert.is(st(m, 0), third);
    assert.is((fsw(m) >> 9) & 1, c1);
    assert.is(fsw(m) & 0x3f, 0x20);
  }
});

test("an unmasked exception is raised by the next waiting instruction, at its address", async () => {
  const m = await BareMachine.create();
  const fdivp = [0xde, 0xf9];
  assert.is(execute(m, [...fdivp, 0x90, FWAIT], { fcw: 0x37b, st: ["0000:0000000000000000", ONE] }), VECTOR_MF);
  assert.is(m.frame(false).rip, BigInt(USER_CODE + 3));
  assert.is(fsw(m), 0x8084);
  assert.is(tags(m), 3);
  assert.is(st(m, 1), ONE);
  assert.is(m.machine.registers.u16[FOP / 2], 0x6f9);
  assert.is(execute(m, [...fdivp, 0xdf, 0xe0], { fcw: 0x37b, st: ["0000:0000000000000000", ONE] }), NOTHING);
  assert.is(m.reg(RAX) & 0xffffn, 0x8084n);
});

test("FIP follows every operation, FDP and FOP only an unmasked exception", async () => {
  const m = await BareMachine.create();
  const faddM32 = [0x90, 0xd8, 0x07];
  const memory = [0x01, 0x00, 0x80, 0x7f]; // an SNaN
  execute(m, faddM32, { st: [ONE], memory });
  assert.is(st(m, 0), "7fff:c000010000000000");
  assert.is(m.reg(FIP), BigInt(USER_CODE + 1));
  assert.is(m.reg(FDP), 0n);
  assert.is(m.machine.registers.u16[FOP / 2], 0);
  execute(m, faddM32, { fcw: 0x37e, st: [ONE], memory });
  assert.is(st(m, 0), ONE);
  assert.is(m.reg(FDP), BigInt(USER_DATA));
  assert.is(m.machine.registers.u16[FOP / 2], 0x007);
});

test("stack overflow sets C1, underflow clears it, both give the indefinite", async () => {
  const m = await BareMachine.create();
  execute(m, [0xd9, 0xe8], { st: Array(8).fill(TWO) });
  assert.is(st(m, 0), INDEFINITE);
  assert.is(fsw(m), 0x3a41);
  execute(m, [0xd9, 0xfa], { fsw: 0x200 });
  assert.is(st(m, 0), INDEFINITE);
  assert.is(fsw(m), 0x41);
});

test("an unmasked denormal operand stops FADD and not FLD", async () => {
  const m = await BareMachine.create();
  const memory = [1, 0, 0, 0];
  execute(m, [0xd9, 0x07], { fcw: 0x37d, memory });
  assert.is(st(m, 0), "3f6a:8000000000000000");
  assert.is(fsw(m), 0xb882);
  execute(m, [0xd8, 0x07], { fcw: 0x37d, st: [ONE], memory });
  assert.is(st(m, 0), ONE);
});

test("a store that overflows unmasked writes nothing and reports no rounding", async () => {
  const m = await BareMachine.create();
  execute(m, [0xd9, 0x1f], { fcw: 0x377, st: ["43ff:ffffffffffffffff"], memory: [1, 2, 3, 4] });
  assert.is(fsw(m), 0x8088);
  assert.equal([...m.phys.read(USER_DATA, 4)], [1, 2, 3, 4]);
  assert.is(tags(m), 1);
});

test("of two NaNs the larger significand wins, and an SNaN loses against a QNaN", async () => {
  const m = await BareMachine.create();
  execute(m, [0xd8, 0xc1], { st: ["7fff:c000000000000001", "ffff:c000000000000002"] });
  assert.is(st(m, 0), "ffff:c000000000000002");
  execute(m, [0xd8, 0xc1], { st: ["7fff:bfffffffffffffff", "ffff:c000000000000000"] });
  assert.is(st(m, 0), INDEFINITE);
  assert.is(fsw(m) & 1, 1);
});

test("FCOMI sets ZF PF CF and leaves C1 alone", async () => {
  const m = await BareMachine.create();
  execute(m, [0xdb, 0xf1], { fsw: 0x200, st: [ONE, TWO], flags: 0x8d5 });
  assert.is(Number(m.frame(true).rflags) & 0x8d5, 0x001);
  assert.is(fsw(m), 0x200);
  execute(m, [0xdb, 0xe9], { st: [SNAN, TWO] });
  assert.is(Number(m.frame(true).rflags) & 0x8d5, 0x045);
  assert.is(fsw(m) & 1, 1);
});

test("FXAM names the class of ST(0), of an empty register too", async () => {
  const m = await BareMachine.create();
  for (const [value, conditions] of [
    [ONE, 0x400], ["8000:0000000000000000", 0x4200], ["7fff:8000000000000000", 0x500], [SNAN, 0x100], ["0000:0000000000000001", 0x4400],
    ["3fff:0000000000000001", 0],
  ] as const) {
    execute(m, [0xd9, 0xe5], { st: [value] });
    assert.is(fsw(m), conditions, value);
  }
  execute(m, [0xd9, 0xe5]);
  assert.is(fsw(m) & 0x4500, 0x4100);
});

test("FPREM reduces by at most 63 bits and says so in C2", async () => {
  const m = await BareMachine.create();
  execute(m, [0xd9, 0xf8], { st: ["4063:8000000000000001", THREE] });
  assert.is(fsw(m) & 0x400, 0x400);
  execute(m, [0xd9, 0xf8], { st: ["4001:e000000000000000", THREE] }); // 7 mod 3, quotient 2
  assert.is(st(m, 0), ONE);
  assert.is(fsw(m) & 0x4700, 0x4000);
});

test("FBSTP writes eighteen digits and a sign", async () => {
  const m = await BareMachine.create();
  execute(m, [0xdf, 0x37], { st: ["c009:9a50000000000000"] }); // -1234.5
  assert.equal([...m.phys.read(USER_DATA, 10)], [0x34, 0x12, 0, 0, 0, 0, 0, 0, 0, 0x80]);
  assert.is(tags(m), 0);
});

test("FSIN leaves its operand and sets C2 from 2^63 on, and uses a pi of 66 bits", async () => {
  const m = await BareMachine.create();
  execute(m, [0xd9, 0xfe], { st: ["403e:8000000000000000"] });
  assert.is(fsw(m), 0x400);
  execute(m, [0xd9, 0xfe], { st: ["4000:c90fdaa22168c235"] }); // pi rounded to 64 bits
  assert.is(st(m, 0), "bfbf:8000000000000000");
});

test("D9 D8+i pops an empty register without an exception", async () => {
  const m = await BareMachine.create();
  execute(m, [0xd9, 0xd9]);
  assert.is(fsw(m), 0x0800);
  execute(m, [0xdd, 0xd9]);
  assert.is(fsw(m) & 0x41, 0x41);
});

test("CR0.TS raises #NM for all but WAIT, and for WAIT with MP", async () => {
  const m = await BareMachine.create();
  const withTs = (code: number[], mp: boolean) => {
    m.user([...code, 0xf4]);
    m.setWord(HALTED, 0);
    m.setReg(CR0, 0x80050039 | (mp ? 2 : 0));
    m.run();
    return m.haltedIn;
  };
  assert.is(withTs([0xd9, 0xe8], false), VECTOR_NM);
  assert.is(withTs([FWAIT], false), NOTHING);
  assert.is(withTs([FWAIT], true), VECTOR_NM);
});

test("FXRSTOR wants 16-byte alignment and no reserved bit of MXCSR, and gives FXSAVE its image back", async () => {
  const m = await BareMachine.create();
  const image = Uint8Array.from({ length: 512 }, (_, i) => (i < 32 ? 0 : (i * 37) & 0xff));
  image.set([0x7f, 0x03, 0x00, 0x38, 0x81], 0);
  image.set([0x80, 0x1f], 24);
  for (let r = 0; r < 8; r++) image.fill(0, 32 + 16 * r + 10, 48 + 16 * r);
  const fxrstor = (at: number, mxcsr: number) => {
    m.user([0x48, 0x0f, 0xae, 0x0f, 0x48, 0x0f, 0xae, 0x86, 0, 4, 0, 0, 0xf4]); // fxrstor64 (%rdi); fxsave64 0x400(%rsi)
    m.setWord(HALTED, 0);
    image.set([mxcsr & 0xff, (mxcsr >> 8) & 0xff, mxcsr >>> 16], 24);
    m.write(USER_DATA, image);
    m.setReg(RDI, USER_DATA + at);
    m.setReg(RSI, USER_DATA);
    m.run();
    return [m.haltedIn, Number(m.frame(true).rip) - USER_CODE];
  };
  assert.equal(fxrstor(8, 0x1f80), [VECTOR_GP, 0]);
  assert.equal(fxrstor(0, 0x11f80), [VECTOR_GP, 0]);
  assert.equal(fxrstor(0, 0x9fc0), [VECTOR_GP, 12]);
  assert.is(m.word(MXCSR), 0x9fc0);
  const back = m.phys.read(USER_DATA + 0x400, 416);
  assert.equal([...back.subarray(0, 28)], [...image.subarray(0, 28)]);
  assert.equal([...back.subarray(28, 32)], [0xff, 0xff, 0, 0]);
  assert.equal([...back.subarray(32)], [...image.subarray(32, 416)]);
});

test("FSCALE of a denormal by zero is an unmasked underflow on AMD, and nothing on Intel", async () => {
  const m = await BareMachine.create();
  const state = { fcw: 0x36f, st: ["8000:057b55e532d59906", "8000:0000000000000000"] }; // UM clear
  for (const [vendor, expected, flags] of [["intel", "8000:057b55e532d59906", 0x02], ["amd", "dffc:af6abca65ab320c0", 0x8092]] as const) {
    m.machine.cpu = underVendor(cpuModel("v2"), vendor);
    execute(m, [0xd9, 0xfd], state);
    assert.equal([st(m, 0), fsw(m) & 0x80ff], [expected, flags], vendor);
  }
});

test.run();
