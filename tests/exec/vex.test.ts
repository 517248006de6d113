// VEX prefixes and the integer instructions under them, by named cases; the breadth of operands is tests/silicon's.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { RAX, RBX, RCX, RDX, RFLAGS, RIP } from "../../kernel/abi/state";
import { VECTOR_GP, VECTOR_PF, VECTOR_UD } from "../../kernel/abi/vectors";
import { ABSENT, BareMachine } from "../cpu/bare-machine";

const HLT = 0xf4;
const NOTHING = VECTOR_GP; // the HLT at the end, at CPL 3

const CF = 1, ZF = 0x40, SF = 0x80, OF = 0x800;

interface Registers {
  rax?: bigint;
  rcx?: bigint;
  rdx?: bigint;
  rbx?: bigint;
}

/** Runs `code` at CPL 3; the vector it ended with. */
function execute(m: BareMachine, code: number[], registers: Registers = {}, bits: 64 | 32 = 64): number {
  m.user([...code, HLT], bits);
  m.setReg(RAX, registers.rax ?? 0n);
  m.setReg(RCX, registers.rcx ?? 0n);
  m.setReg(RDX, registers.rdx ?? 0n);
  m.setReg(RBX, registers.rbx ?? 0n);
  m.setReg(RFLAGS, 0x202);
  m.run();
  return m.haltedIn;
}

const flags = (m: BareMachine) => Number(m.frame(true).rflags) & (CF | ZF | SF | OF);

// ANDN eax, ecx, edx
const andn = (prefix = 0xe2, rest = 0x70) => [0xc4, prefix, rest, 0xf2, 0xc2];

test("vvvv names the first source, W the size", async () => {
  const m = await BareMachine.create();
  const registers = { rax: ~0n, rcx: 0xff00_0000_0000_0f0fn, rdx: 0x8000_0000_8000_ffffn };
  assert.is(execute(m, andn(), registers), NOTHING);
  assert.is(m.reg(RAX), 0x8000_f0f0n);
  assert.is(flags(m), SF);
  assert.is(execute(m, andn(0xe2, 0xf0), registers), NOTHING);
  assert.is(m.reg(RAX), 0x0000_0000_8000_f0f0n);
  assert.is(flags(m), 0);
});

test("LOCK, 66, F2, F3 and REX before VEX are #UD; segment and address size are not", async () => {
  const m = await BareMachine.create();
  for (const prefix of [0xf0, 0x66, 0xf2, 0xf3, 0x40, 0x48]) assert.is(execute(m, [prefix, ...andn()]), VECTOR_UD, prefix.toString(16));
  for (const prefix of [0x67, 0x2e, 0x64]) assert.is(execute(m, [prefix, ...andn()]), NOTHING, prefix.toString(16));
});

test("L where a row wants 0, a map without rows and a vvvv that names nothing are #UD", async () => {
  const m = await BareMachine.create();
  assert.is(execute(m, andn(0xe2, 0x74)), VECTOR_UD, "VEX.L1");
  for (const map of [0, 4, 5, 31]) assert.is(execute(m, andn(0xe0 | map)), VECTOR_UD, `map ${map}`);
  assert.is(execute(m, [0xc4, 0xe3, 0x7b, 0xf0, 0xc2, 4]), NOTHING, "RORX");
  assert.is(execute(m, [0xc4, 0xe3, 0x73, 0xf0, 0xc2, 4]), VECTOR_UD, "RORX with vvvv");
  assert.is(execute(m, [0xc5, 0xf0, 0xf2, 0xc2]), VECTOR_UD, "0F F2 has no row under VEX");
});

test("an instruction that is #UD under VEX is fetched whole first: its absent second page comes before", async () => {
  const m = await BareMachine.create();
  const code = [0xc4, 0xe2, 0x74, 0xf2, 0x82, 0, 0, 0, 0]; // ANDN with VEX.L1 and a displacement
  for (const [inside, vector] of [[code.length, VECTOR_UD], [code.length - 1, VECTOR_PF], [4, VECTOR_PF]] as const) {
    m.user([]);
    m.write(ABSENT - inside, code.slice(0, inside));
    m.setReg(RIP, ABSENT - inside);
    m.run();
    assert.is(m.haltedIn, vector, `${inside} bytes before the page`);
  }
});

test("after REX the second byte of VEX is enough to be #UD", async () => {
  const m = await BareMachine.create();
  for (const [code, vector] of [[[0x40, 0xc4], VECTOR_PF], [[0x48, 0xc4, 0xe2], VECTOR_UD]] as const) {
    m.user([]);
    m.write(ABSENT - code.length, code);
    m.setReg(RIP, ABSENT - code.length);
    m.run();
    assert.is(m.haltedIn, vector);
  }
});

test("outside 64-bit mode C4 is LES unless a ModRM of mod 11 would follow, and VEX has 8 registers", async () => {
  const m = await BareMachine.create();
  const registers = { rcx: 0x0fn, rdx: 0xffn };
  assert.is(execute(m, andn(), registers, 32), NOTHING);
  assert.is(m.reg(RAX), 0xf0n);
  assert.is(execute(m, andn(0xc2), registers, 32), NOTHING, "B is ignored");
  assert.is(m.reg(RAX), 0xf0n);
  assert.is(execute(m, andn(0xe2, 0xf0), registers, 32), NOTHING, "W is ignored");
  assert.is(m.reg(RAX), 0xf0n);
  assert.is(execute(m, andn(0xe2, 0x30), registers, 32), NOTHING, "so is the top bit of a register in vvvv");
  assert.is(m.reg(RAX), 0xf0n);
  assert.is(execute(m, [0xc4, 0xe3, 0x3b, 0xf0, 0xc2, 4], registers, 32), VECTOR_UD, "but not where vvvv names nothing");
  // LES ECX, [EAX]
  m.write(0x110000, [0x44, 0x33, 0x22, 0x11, 0x23, 0]);
  assert.is(execute(m, [0xc4, 0x08, 0x90, 0x90, 0x90], { rax: 0x110000n }, 32), NOTHING);
  assert.is(m.reg(RCX), 0x11223344n);
});

test("MULX into one register keeps the high half", async () => {
  const m = await BareMachine.create();
  // MULX rax, rcx, rbx; MULX rax, rax, rbx
  assert.is(execute(m, [0xc4, 0xe2, 0xf3, 0xf6, 0xc3], { rdx: ~0n, rbx: ~0n }), NOTHING);
  assert.is(m.reg(RAX), 0xffff_ffff_ffff_fffen);
  assert.is(m.reg(RCX), 1n);
  assert.is(execute(m, [0xc4, 0xe2, 0xfb, 0xf6, 0xc3], { rdx: ~0n, rbx: ~0n }), NOTHING);
  assert.is(m.reg(RAX), 0xffff_ffff_ffff_fffen);
});

test("PDEP spreads and PEXT gathers what PDEP spread", async () => {
  const m = await BareMachine.create();
  const mask = 0x8100_ff00_0ff0_1235n;
  assert.is(execute(m, [0xc4, 0xe2, 0xf3, 0xf5, 0xc2], { rcx: 0xaaaaaan, rdx: mask }), NOTHING); // PDEP rax, rcx, rdx
  const spread = m.reg(RAX);
  assert.is(spread & ~mask, 0n);
  assert.is(execute(m, [0xc4, 0xe2, 0xf2, 0xf5, 0xc2], { rcx: spread, rdx: mask }), NOTHING); // PEXT rax, rcx, rdx
  assert.is(m.reg(RAX), 0xaaaaaan);
});

test("BEXTR beyond the operand gives zero, BZHI beyond it everything and CF", async () => {
  const m = await BareMachine.create();
  const bextr = [0xc4, 0xe2, 0x70, 0xf7, 0xc2]; // BEXTR eax, edx, ecx
  assert.is(execute(m, bextr, { rdx: 0x12345678n, rcx: 0x0c08n }), NOTHING);
  assert.is(m.reg(RAX), 0x456n);
  assert.is(execute(m, bextr, { rdx: 0x12345678n, rcx: 0x0c20n }), NOTHING);
  assert.is(m.reg(RAX), 0n);
  const bzhi = [0xc4, 0xe2, 0x70, 0xf5, 0xc2]; // BZHI eax, edx, ecx
  assert.is(execute(m, bzhi, { rdx: 0x12345678n, rcx: 0x120n }), NOTHING);
  assert.is(m.reg(RAX), 0x12345678n);
  assert.is(flags(m), CF);
  assert.is(execute(m, bzhi, { rdx: 0x12345678n, rcx: 8n }), NOTHING);
  assert.is(m.reg(RAX), 0x78n);
  assert.is(flags(m), 0);
});

test("ADCX carries in CF alone, ADOX in OF alone: two chains at once", async () => {
  const m = await BareMachine.create();
  // ADCX rax, rbx; ADOX rcx, rbx; ADCX rdx, rdx
  assert.is(execute(m, [0x66, 0x48, 0x0f, 0x38, 0xf6, 0xc3, 0xf3, 0x48, 0x0f, 0x38, 0xf6, 0xcb, 0x66, 0x48, 0x0f, 0x38, 0xf6, 0xd2],
    { rax: 1n, rbx: ~0n, rcx: 2n }), NOTHING);
  assert.is(m.reg(RAX), 0n);
  assert.is(m.reg(RCX), 1n);
  assert.is(m.reg(RDX), 1n);
  assert.is(flags(m), OF);
});

test.run();
