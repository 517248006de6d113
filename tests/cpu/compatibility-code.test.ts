// Fetches and branches outside 64-bit mode: the limit and base of CS, 16-bit operand and address sizes (SDM Vol. 3A 5.3; Vol. 2A, Jcc, JMP).

import { test } from "uvu";
import * as assert from "uvu/assert";
import { RAX, RBP, RBX, RCX, RDI, RIP, RSI, RSP, SEG_CS, SEG_DS } from "../../kernel/abi/state";
import { type BareMachine, CODE32_3, DATA_3, HANDLERS, USER_CODE, USER_DATA, USER_STACK } from "./bare-machine";
import { go, inBothPaces, load, type Pace } from "./both-paces";

const CODE32 = 0xcfb;
const CODE16 = 0x8fb;
const UD2 = [0x0f, 0x0b];
const NOP = 0x90;

interface End {
  vector: number;
  error: bigint;
  eip: bigint;
}

/** Code at EIP `eip` of a code segment; what it ended in. */
function run(m: BareMachine, pace: Pace, code: number[], o: { base: number; limit: number; eip: number; attributes?: number; at?: number }): End {
  load(m, [], 32);
  m.segment(SEG_CS, CODE32_3, o.attributes ?? CODE32, o.base, o.limit);
  m.setReg(RIP, o.eip);
  m.write((o.at ?? o.base + o.eip) % 2 ** 32, code);
  go(m, pace);
  const vector = m.haltedIn;
  const frame = m.frame(vector === 13 || vector === 14);
  return { vector, error: frame.error, eip: frame.rip };
}

inBothPaces("an instruction may end at the limit of CS and not behind it", (m, pace) => {
  const page = USER_CODE;
  // nop; mov $1, %eax at 0xff0 and on
  let end = run(m, pace, [NOP, 0xb8, 1, 0, 0, 0, ...UD2], { base: page, limit: 0xff7, eip: 0xff0 });
  assert.equal([end.vector, end.eip], [6, 0xff6n]);
  for (const limit of [0xff4, 0xff3, 0xff1]) {
    end = run(m, pace, [NOP, 0xb8, 1, 0, 0, 0, ...UD2], { base: page, limit, eip: 0xff0 });
    assert.equal([end.vector, end.error, end.eip], [13, 0n, 0xff1n], `${limit}`);
  }
  end = run(m, pace, [NOP, 0xb8, 1, 0, 0, 0, ...UD2], { base: page, limit: 0xff0, eip: 0xff0 });
  assert.equal([end.vector, end.error, end.eip], [13, 0n, 0xff1n]);
});

inBothPaces("the limit counts in the second page of an instruction, and before that page's presence", (m, pace) => {
  const last = 0x17f000;
  const code = [0xb8, 1, 0, 0, 0];
  let end = run(m, pace, code, { base: last - 0x1000, limit: 0x1fff, eip: 0x1ffd });
  assert.equal([end.vector, end.eip], [13, 0x1ffdn]);
  end = run(m, pace, code, { base: last - 0x1000, limit: 0x2000, eip: 0x1ffd });
  assert.equal([end.vector, end.error, end.eip], [14, 0x14n, 0x1ffdn]);
  end = run(m, pace, [...code, ...UD2], { base: USER_CODE, limit: 0x1003, eip: 0xffd });
  assert.equal([end.vector, end.eip], [6, 0x1002n]);
  end = run(m, pace, [...code, ...UD2], { base: USER_CODE, limit: 0x1000, eip: 0xffd });
  assert.equal([end.vector, end.eip], [13, 0xffdn]);
});

inBothPaces("running off the end of CS faults at the first byte behind it", (m, pace) => {
  const end = run(m, pace, Array(16).fill(NOP), { base: USER_CODE, limit: 0xfff, eip: 0xff0 });
  assert.equal([end.vector, end.error, end.eip], [13, 0n, 0x1000n]);
});

inBothPaces("a branch past the limit faults at the branch, taken ones only", (m, pace) => {
  for (const [code, vector] of [
    [[0xe9, 0, 0x10, 0, 0], 13], [[0xeb, 0x7f], 13], [[0x74, 0x7f, ...UD2], 6], [[0x75, 0x7f, ...UD2], 13], [[0xe8, 0, 0x10, 0, 0], 13], [[0xff, 0xe3], 13], [[0xff, 0xd3], 13],
    [[0xe2, 0x7f], 13], [[0x68, 0, 0x20, 0, 0, 0xc3], 13],
  ] as [number[], number][]) {
    load(m, [], 32);
    m.segment(SEG_CS, CODE32_3, CODE32, USER_CODE, 0x7f);
    m.setReg(RIP, 0x40);
    m.setReg(RBX, 0x80);
    m.setReg(RCX, 5);
    m.write(USER_CODE + 0x40, code);
    go(m, pace);
    assert.is(m.haltedIn, vector, code.map((b) => b.toString(16)).join(" "));
    const { rip } = m.frame(vector === 13);
    assert.is(rip, vector === 6 ? 0x42n : code[0] === 0x68 ? 0x45n : 0x40n);
    if (vector === 13) assert.is(m.frame(true).rsp, BigInt(USER_STACK) - (code[0] === 0x68 ? 4n : 0n));
    assert.is(m.reg(RCX), 5n);
  }
});

inBothPaces("CALL checks its target before it touches the stack", (m, pace) => {
  const segment = { base: USER_CODE, limit: 0xfff, eip: 0xf00 };
  const below = USER_STACK - 4;
  for (const code of [[0xe8, 0, 0x10, 0, 0], [0xff, 0xd3]]) { // call .+0x1005; call *%ebx
    m.write(below, [1, 2, 3, 4]);
    m.setReg(RBX, 0x1000);
    const end = run(m, pace, code, segment);
    assert.equal([end.vector, end.error, end.eip, [...m.phys.u8.subarray(below, below + 4)]], [13, 0n, 0xf00n, [1, 2, 3, 4]]);
  }
});

inBothPaces("EIP and base are added modulo 4 GiB", (m, pace) => {
  // base 0x80000000 + eip 0x80100000 = USER_CODE
  const end = run(m, pace, [NOP, 0x05, 1, 0, 0, 0, 0xe8, 0, 0, 0, 0, ...UD2], { base: 0x80000000, limit: 0xffffffff, eip: 0x80000000 + USER_CODE, at: USER_CODE });
  assert.equal([end.vector, end.eip], [6, BigInt(0x80000000 + USER_CODE + 11)]);
  assert.is(m.phys.getU64(USER_STACK - 4) & 0xffffffffn, BigInt(0x80000000 + USER_CODE + 11));
});

inBothPaces("a base that is not page-aligned, with loops over page boundaries", (m, pace) => {
  // mov $3, %ecx; 1: inc %eax; jmp over the boundary; ...; loop 1b
  load(m, [], 32);
  m.segment(SEG_CS, CODE32_3, CODE32, USER_CODE + 0x123, 0x7fff);
  const eip = 0xed0; // linear ...ff3
  m.setReg(RIP, eip);
  m.setReg(RAX, 0);
  m.write(USER_CODE + 0x123 + eip, [0xb9, 3, 0, 0, 0, 0x40, 0xeb, 4, NOP, NOP, NOP, NOP, 0x40, 0xe2, 0xf6, ...UD2]);
  const end = go(m, pace);
  assert.is(m.haltedIn, 6);
  assert.is(end.vector, 6);
  assert.is(m.frame(false).rip, BigInt(eip + 15));
  assert.is(m.reg(RAX), 6n);
});

inBothPaces("branches of flat code that have run are checked anew where CS has a limit or a base", (m, pace) => {
  // 1: inc %eax; cmp %ecx, %eax; jne 1b; setz %bl; jmp to the next page
  const code = [0x40, 0x39, 0xc8, 0x75, 0xfb, 0x0f, 0x94, 0xc3, 0xe9, 0xfb, 0x0f, 0, 0];
  const there = 0x1000 + code.length - 5;
  const at = (base: number, limit: number) => {
    load(m, [], 32);
    m.write(USER_CODE, code);
    m.write(USER_CODE + there, UD2);
    m.segment(SEG_CS, CODE32_3, CODE32, base, limit);
    m.setReg(RIP, USER_CODE - base);
    m.setReg(RAX, 0);
    m.setReg(RBX, 0);
    m.setReg(RCX, 20);
    go(m, pace);
    assert.equal([m.reg(RAX), m.reg(RBX)], [20n, 1n]);
    return [m.haltedIn, Number(m.frame(m.haltedIn === 13).rip)];
  };
  for (let i = 0; i < 2; i++) {
    assert.equal(at(0, 0xffffffff), [6, USER_CODE + there]);
    assert.equal(at(0, USER_CODE + 0xfff), [13, USER_CODE + 8]);
    assert.equal(at(USER_CODE, there - 1), [13, 8]);
    assert.equal(at(USER_CODE, there + 1), [6, there]);
    assert.equal(at(USER_CODE - 0x10, 0xffffffff), [6, there + 0x10]);
  }
});

inBothPaces("a branch with a 16-bit operand size cuts EIP to 16 bits", (m, pace) => {
  for (const [code, eip] of [[[0x66, 0xe9, 0, 0], 0x10ff0], [[0x66, 0xeb, 0x10], 0x1fff0], [[0x66, 0x75, 0x10], 0x1fff0], [[0x66, 0xff, 0xe3], 0x12340]] as [number[], number][]) {
    const target = code[1] === 0xff ? 0x230 : (eip + code.length + code[2]) & 0xffff;
    m.write(USER_CODE + target, UD2);
    load(m, [], 32);
    m.write(USER_CODE + target, UD2);
    m.segment(SEG_CS, CODE32_3, CODE32, USER_CODE, 0xfffff);
    m.setReg(RIP, eip);
    m.setReg(RBX, 0x5_0230);
    m.write(USER_CODE + eip, code);
    go(m, pace);
    assert.equal([m.haltedIn, m.frame(false).rip], [6, BigInt(target)], code.map((b) => b.toString(16)).join(" "));
  }
});

inBothPaces("16-bit code: words by default, 16-bit addresses, 66 and 67 turn both round", (m, pace) => {
  load(m, [
    0xb8, 0x34, 0x12, // mov $0x1234, %ax
    0x66, 0xbb, 0x78, 0x56, 0x34, 0x12, // mov $0x12345678, %ebx
    0x8b, 0x0e, 0x10, 0x00, // mov 0x10, %cx
    0x8b, 0x7a, 0xff, // mov -1(%bp,%si), %di
    0x67, 0x8b, 0x33, // mov (%ebx), %si
  ], 16);
  m.segment(SEG_DS, DATA_3, 0xcf3, USER_DATA, 0xffffffff);
  m.segment(2, DATA_3, 0xcf3, USER_DATA, 0xffffffff);
  m.setReg(RAX, 0xaaaabbbb);
  m.setReg(RCX, 0xccccdddd);
  m.setReg(RDI, 0xeeeeffff);
  m.setReg(RBP, 0x1_0009);
  m.setReg(RSI, 0x5_0008);
  m.setReg(RSP, 0x800);
  m.write(USER_DATA + 0x10, [1, 2]);
  const end = go(m, pace);
  assert.is(end.vector, 14);
  assert.equal([m.reg(RAX), m.reg(RBX), m.reg(RCX), m.reg(RDI)], [0xaaaa1234n, 0x12345678n, 0xcccc0201n, 0xeeee0201n]);
  assert.is(end.cr2, BigInt(0x12345678 + USER_DATA));
});

inBothPaces("LOOP and JCXZ count by the address size", (m, pace) => {
  load(m, [0x67, 0xe2, 2, ...UD2, NOP, 0x67, 0xe3, 2, ...UD2, NOP], 32); // loopw; jcxz
  m.setReg(RCX, 0xabcd0001);
  let end = go(m, pace);
  assert.equal([end.rip, m.reg(RCX)], [3, 0xabcd0000n]);
  load(m, [0x67, 0xe3, 3, ...UD2, NOP], 32);
  m.setReg(RCX, 0xabcd0000);
  end = go(m, pace);
  assert.is(end.rip, 6);
  load(m, [0xe2, 3, ...UD2, NOP], 16);
  m.setReg(RCX, 0xabcd0001);
  end = go(m, pace);
  assert.equal([end.rip, m.reg(RCX)], [2, 0xabcd0000n]);
  load(m, [0x66, 0x67, 0xe2, 2, ...UD2], 16);
  m.setReg(RCX, 0x10000);
  end = go(m, pace);
  assert.equal([end.rip, m.reg(RCX)], [6, 0xffffn]);
});

inBothPaces("with 67 in 32-bit code the offset is cut to 16 bits", (m, pace) => {
  m.write(USER_DATA + 0xfffe, [0x11, 0x22, 0x33, 0x44]);
  load(m, [0x67, 0x8b, 0x40, 0x7f, 0x67, 0xa1, 0xfe, 0xff], 32); // mov 0x7f(%bx,%si), %eax; mov 0xfffe, %eax
  m.segment(SEG_DS, DATA_3, 0xcf3, USER_DATA, 0xffffffff);
  m.setReg(RBX, 0x77778000);
  m.setReg(RSI, 0x66667f7f);
  assert.is(go(m, pace).vector, 6);
  assert.is(m.reg(RAX), 0x44332211n);
});

inBothPaces("handlers run in 64-bit mode whatever the program's segments are", (m, pace) => {
  m.write(HANDLERS + 16 * 6, [0x8b, 0x04, 0x25, USER_DATA & 255, (USER_DATA >> 8) & 255, USER_DATA >> 16, 0, 0xf4]);
  m.write(USER_DATA, [1, 2, 3, 4]);
  load(m, [], 32);
  m.segment(SEG_DS, 0, 0x8000, 0, 0);
  m.segment(SEG_CS, CODE32_3, CODE16, 0, 0x10ffff);
  if (pace === "block") m.run(100);
  else for (let n = 0; n < 100; n++) m.run(1);
  assert.is(m.reg(RAX), 0x04030201n);
});

test.run();
