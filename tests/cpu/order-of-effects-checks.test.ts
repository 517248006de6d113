// Which fault comes of several, and checks that come before memory: LOCK, alignment, canonical addresses, the 15-byte limit, fetches.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { CR0, FCW, FSW, FTW, RAX, RBP, RBX, RCX, RDI, RDX, RFLAGS, RIP, RSI, RSP, SEG_DS, SEG_ES, SHADOW, VENDOR } from "../../kernel/abi/state";
import { ABSENT, type BareMachine, DATA_3, KERNEL_CODE, USER_CODE, USER_DATA, USER_STACK } from "./bare-machine";
import { go, inBothPaces, load, type Outcome, type Pace } from "./both-paces";

const PT = 0x4000;
const OUTSIDE = 1n << 47n;
const AC = 0x40000;
const CR0_AM = 0x40000n;

function run(m: BareMachine, pace: Pace, code: number[], bits: 64 | 32, registers: [number, number | bigint][], flags = 2): Outcome {
  load(m, code, bits);
  for (const [at, value] of registers) m.setReg(at, value);
  m.setReg(CR0, m.reg(CR0) | CR0_AM);
  m.setReg(RFLAGS, flags);
  m.machine.registers.u16[FCW / 2] = 0x37f;
  m.machine.registers.u16[FSW / 2] = 0x3800;
  m.machine.registers.u8[FTW] = 0x80;
  return go(m, pace);
}

const show = (code: number[]) => code.map((b) => b.toString(16)).join(" ");

inBothPaces("LOCK on what it may not stand before is #UD, before any fault of the operand", (m, pace) => {
  const forms = [
    [0x89, 0x03], [0x8b, 0x03], [0x03, 0x03], [0x39, 0x03], [0x3b, 0x03], [0x85, 0x03], [0xf7, 0x03, 0, 0, 0, 0], [0x0f, 0xa3, 0x03], [0x0f, 0xba, 0x23, 1], [0xc1, 0x23, 1], [0xd3, 0x03], [0x0f, 0xaf, 0x03],
    [0x0f, 0xa4, 0x03, 1], [0x0f, 0x90, 0x03], [0xff, 0x33], [0x8f, 0x03], [0xff, 0x13], [0xff, 0x23], [0x8d, 0x03], [0x0f, 0x10, 0x03], [0xa4], [0x90], [0x01, 0xc0], [0xff, 0xc0], [0x0f, 0xb1, 0xc1],
    [0x0f, 0xc1, 0xc1], [0x87, 0xc1], [0x80, 0x3b, 1], [0xf6, 0x23], [0x0f, 0xae, 0x03], [0xdd, 0x03],
  ];
  for (const bits of [64, 32] as const) for (const form of forms) for (const at of bits === 64 ? [BigInt(ABSENT), OUTSIDE, BigInt(USER_DATA)] : [BigInt(ABSENT)]) {
    const end = run(m, pace, [0xf0, ...form], bits, [[RBX, at], [RSI, at]]);
    assert.equal([end.vector, end.rip], [6, 0], show(form));
  }
});

inBothPaces("LOCK where it may stand changes nothing else", (m, pace) => {
  for (const form of [
    [0x01, 0x03], [0x11, 0x03], [0x29, 0x03], [0x83, 0x0b, 1], [0xfe, 0x03], [0xff, 0x0b], [0xf7, 0x13], [0xf7, 0x1b], [0x0f, 0xab, 0x03], [0x0f, 0xba, 0x33, 1], [0x0f, 0xb1, 0x0b], [0x0f, 0xc1, 0x03],
    [0x87, 0x03], [0x86, 0x03], [0x0f, 0xc7, 0x0b],
  ]) {
    const code = [0xf0, ...form];
    assert.is(run(m, pace, code, 64, [[RBX, USER_DATA], [RAX, 0]]).rip, code.length, show(code));
    const end = run(m, pace, code, 64, [[RBX, ABSENT], [RAX, 0]]);
    assert.equal([end.vector, end.error, end.rip], [14, 6, 0], show(code));
  }
});

/** [what, code with its operand at rBX, rSI, rDI, rSP or rBP, alignment that is checked; 1: none] */
const ALIGNED: [string, number[], number][] = [
  ["mov r8", [0x8a, 0x03], 1], ["mov r16", [0x66, 0x8b, 0x03], 2], ["mov r32", [0x8b, 0x03], 4], ["store r32", [0x89, 0x03], 4], ["add to memory", [0x01, 0x03], 4], ["xadd", [0xf0, 0x0f, 0xc1, 0x03], 4],
  ["cmpxchg8b", [0x0f, 0xc7, 0x0b], 8], ["bt", [0x0f, 0xba, 0x23, 1], 4], ["movzx", [0x0f, 0xb7, 0x03], 2], ["movsd", [0xf2, 0x0f, 0x10, 0x03], 8], ["movss", [0xf3, 0x0f, 0x10, 0x03], 4], ["movq mmx", [0x0f, 0x6f, 0x03], 8],
  ["movhps", [0x0f, 0x16, 0x03], 8], ["flds", [0xd9, 0x03], 4], ["fldl", [0xdd, 0x03], 8], ["fldt", [0xdb, 0x2b], 8], ["fstpt", [0xdb, 0x3b], 8], ["fbld", [0xdf, 0x23], 8], ["fldcw", [0xd9, 0x2b], 2], ["fnstenv", [0xd9, 0x33], 4],
  ["fnsave", [0xdd, 0x33], 4], ["frstor", [0xdd, 0x23], 4], ["stmxcsr", [0x0f, 0xae, 0x1b], 4], ["lods", [0xad], 4], ["stos", [0xab], 4], ["rep movsd", [0xf3, 0xa5], 4], ["scasw", [0x66, 0xaf], 2], ["push r16", [0x66, 0x50], 2],
  ["pop r16", [0x66, 0x58], 2], ["movups", [0x0f, 0x10, 0x03], 1], ["movdqu store", [0xf3, 0x0f, 0x7f, 0x03], 1],
];
const ALIGNED_64: [string, number[], number][] = [
  ["mov r64", [0x48, 0x8b, 0x03], 8], ["push r64", [0x50], 8], ["pop r64", [0x58], 8], ["push fused", [0x50, 0x53], 8], ["call", [0xe8, 0, 0, 0, 0], 8], ["enter", [0xc8, 0, 0, 0], 8], ["leave", [0xc9], 8], ["pushf", [0x9c], 8],
];
const ALIGNED_32: [string, number[], number][] = [
  ["push r32", [0x50], 4], ["pop r32", [0x58], 4], ["call", [0xe8, 0, 0, 0, 0], 4], ["leave", [0xc9], 4], ["pusha", [0x60], 4], ["popa", [0x61], 4], ["bound", [0x62, 0x03], 4],
];

for (const bits of [64, 32] as const) {
  inBothPaces(`with AC and AM set each operand is checked in its own size, ${bits}-bit mode`, (m, pace) => {
    for (const [name, code, alignment] of [...ALIGNED, ...(bits === 64 ? ALIGNED_64 : ALIGNED_32)]) {
      for (const offset of [0, 1, 2, 4, 8]) {
        m.phys.fill(USER_DATA, 0x400, 0);
        if (name === "bound") m.phys.setU64(USER_DATA + 0x200 + offset, 0x7fffffff80000000n);
        const at = USER_DATA + 0x200 + offset;
        const end = run(m, pace, code, bits, [[RBX, at], [RSI, at], [RDI, at], [RSP, at], [RBP, at], [RCX, 2], [RAX, 0]], 2 | AC);
        if (offset % alignment === 0) assert.equal([end.vector, end.rip], [6, code.length], `${name} + ${offset}`);
        else assert.equal([end.vector, end.error, end.rip, end.rsp, m.reg(RCX)], [17, 0, 0, BigInt(at), 2n], `${name} + ${offset}`);
      }
    }
  });
}

inBothPaces("alignment is not checked without AC, without AM, and never at CPL 0", (m, pace) => {
  assert.is(run(m, pace, [0x8b, 0x03], 64, [[RBX, USER_DATA + 1]]).vector, 6);
  load(m, [0x8b, 0x03]);
  m.setReg(CR0, m.reg(CR0) & ~CR0_AM);
  m.setReg(RBX, USER_DATA + 1);
  m.setReg(RFLAGS, 2 | AC);
  assert.is(go(m, pace).vector, 6);
  m.kernel([0x90, 0x90, 0x8b, 0x03, 0x0f, 0x0b]);
  m.setReg(CR0, m.reg(CR0) | CR0_AM);
  m.setReg(RBX, 0x30001);
  m.setReg(RFLAGS, 2 | AC);
  assert.equal([go(m, pace).vector, m.frame(false).rip], [6, BigInt(KERNEL_CODE + 4)]);
});

inBothPaces("an SSE operand that must be aligned is #GP(0) and not #AC, missing page or not", (m, pace) => {
  for (const code of [[0x0f, 0x28, 0x03], [0x0f, 0x29, 0x03], [0x66, 0x0f, 0xfc, 0x03], [0x66, 0x0f, 0xe7, 0x03], [0x48, 0x0f, 0xc7, 0x0b], [0x0f, 0xae, 0x03], [0x0f, 0xae, 0x0b]])
    for (const at of [USER_DATA + 8, ABSENT + 8, ABSENT - 8]) for (const flags of [2, 2 | AC]) {
      const end = run(m, pace, code, 64, [[RBX, at]], flags);
      assert.equal([end.vector, end.error, end.rip], [13, 0, 0], show(code));
    }
});

inBothPaces("AMD checks the alignment of unaligned vectors too, and that of FXSAVE as of a doubleword before #GP", (m, pace) => {
  for (const [code, offset, vector] of [
    [[0x0f, 0x10, 0x03], 8, 17], [[0x0f, 0x11, 0x03], 4, 17], [[0xf3, 0x0f, 0x6f, 0x03], 1, 17], [[0x0f, 0xae, 0x03], 1, 17], [[0x0f, 0xae, 0x03], 2, 17], [[0x0f, 0xae, 0x03], 4, 13], [[0x0f, 0xae, 0x03], 8, 13],
    [[0x0f, 0x28, 0x03], 1, 13],
  ] as [number[], number, number][]) {
    load(m, code);
    m.setWord(VENDOR, 1);
    m.setReg(RBX, USER_DATA + offset);
    m.setReg(CR0, m.reg(CR0) | CR0_AM);
    m.setReg(RFLAGS, 2 | AC);
    const end = go(m, pace);
    assert.equal([end.vector, end.error, end.rip], [vector, 0, 0], `${show(code)} + ${offset}`);
  }
});

inBothPaces("#AC comes before #PF, and an address that is not canonical before both", (m, pace) => {
  assert.is(run(m, pace, [0x8b, 0x03], 64, [[RBX, ABSENT + 1]], 2 | AC).vector, 17);
  assert.is(run(m, pace, [0x8b, 0x03], 64, [[RBX, ABSENT - 1]], 2 | AC).vector, 17);
  assert.is(run(m, pace, [0x8b, 0x03], 64, [[RBX, OUTSIDE + 1n]], 2 | AC).vector, 13);
  assert.is(run(m, pace, [0x8b, 0x45, 0], 64, [[RBP, OUTSIDE + 1n]], 2 | AC).vector, 12);
});

inBothPaces("the first word of a state area that reaches into the hole is #GP before #AC", (m, pace) => {
  for (const code of [[0xd9, 0x33], [0xd9, 0x23], [0xdd, 0x33], [0xdd, 0x23]]) {
    assert.is(run(m, pace, code, 64, [[RBX, OUTSIDE - 1n]], 2 | AC).vector, 13, show(code));
    assert.is(run(m, pace, code, 64, [[RBX, OUTSIDE - 7n]], 2 | AC).vector, 17, show(code));
  }
});

inBothPaces("a masked store into the hole is #GP before #AC", (m, pace) => {
  const code = [0x66, 0x0f, 0xf7, 0xc1]; // maskmovdqu %xmm1, %xmm0
  assert.is(run(m, pace, code, 64, [[RDI, OUTSIDE - 1n]], 2 | AC).vector, 13);
  assert.is(run(m, pace, code, 64, [[RDI, OUTSIDE + 1n]], 2 | AC).vector, 13);
  assert.is(run(m, pace, code, 64, [[RDI, 0x110001n]], 2 | AC).vector, 17);
});

inBothPaces("outside 64-bit mode the segment comes before alignment", (m, pace) => {
  load(m, [0x8b, 0x03], 32);
  m.segment(SEG_DS, DATA_3, 0xcf3, 0, 0xff);
  m.setReg(CR0, m.reg(CR0) | CR0_AM);
  m.setReg(RFLAGS, 2 | AC);
  m.setReg(RBX, 0x101);
  assert.is(go(m, pace).vector, 13);
});

inBothPaces("an operand whose last byte is not canonical is #GP(0), although its first byte's page is missing", (m, pace) => {
  for (const [code, bytes] of [[[0x8b, 0x03], 4], [[0x89, 0x03], 4], [[0x01, 0x03], 4], [[0x0f, 0x10, 0x03], 16], [[0x0f, 0x11, 0x03], 16], [[0x48, 0x8b, 0x03], 8]] as [number[], number][]) {
    const end = run(m, pace, code, 64, [[RBX, OUTSIDE - BigInt(bytes) + 1n]]);
    assert.equal([end.vector, end.error, end.rip], [13, 0, 0], show(code));
    assert.is(run(m, pace, code, 64, [[RBX, OUTSIDE - BigInt(bytes)]]).vector, 14, show(code));
  }
});

inBothPaces("an operand of several parts faults by its first part, as a Zen 5 does", (m, pace) => {
  // In the hole: as many bytes as the first part leaves, then one more.
  for (const [code, bytes, first] of [
    [[0xdb, 0x2b], 10, 8], [[0xdb, 0x3b], 10, 8], [[0xdf, 0x23], 10, 8], [[0xdd, 0x33], 108, 4], [[0xd9, 0x33], 28, 4], [[0xd9, 0x23], 28, 4], [[0xdd, 0x23], 108, 4], [[0x0f, 0xb4, 0x03], 6, 4],
  ] as [number[], number, number][]) {
    const outside = bytes - first;
    assert.is(run(m, pace, code, 64, [[RBX, OUTSIDE - BigInt(bytes - outside)]]).vector, 14, show(code));
    assert.is(run(m, pace, code, 64, [[RBX, OUTSIDE - BigInt(bytes - outside - 1)]]).vector, 13, show(code));
  }
});

/** Code whose first byte is `before` bytes from the end of the last page that is present. */
function atEndOfPage(m: BareMachine, pace: Pace, code: number[], before: number, bits: 64 | 32 = 64): Outcome {
  const at = ABSENT - before;
  load(m, [], bits);
  m.setReg(RIP, at - 2);
  m.write(at - 2, [0x90, 0x90, ...code.slice(0, before)]);
  return go(m, pace);
}

for (const bits of [64, 32] as const) {
  inBothPaces(`an instruction that runs into a missing page faults with that page in CR2, ${bits}-bit mode`, (m, pace) => {
    for (const before of [1, 2, 4]) {
      const end = atEndOfPage(m, pace, [0xb8, 1, 2, 3, 4], before, bits);
      assert.equal([end.vector, end.error, Number(end.cr2), end.rip], [14, 0x14, ABSENT, 0]);
    }
    const end = atEndOfPage(m, pace, [0xb8, 1, 2, 3, 4], 5, bits);
    assert.equal([end.vector, end.error, Number(end.cr2), end.rip], [14, 0x14, ABSENT, 5]);
  });

  inBothPaces(`what is no instruction by its first bytes needs no second page, ${bits}-bit mode`, (m, pace) => {
    for (const code of [[0x0f, 0x0b], [0xf0, 0x90], [0x0f, 0xff, 0xc0]]) assert.equal([atEndOfPage(m, pace, code, code.length, bits).vector], [6]);
  });

  inBothPaces(`more than 15 bytes are #GP(0), but #PF where one of the 15 is missing, ${bits}-bit mode`, (m, pace) => {
    let end = atEndOfPage(m, pace, [...Array(15).fill(0x66), 0x90], 15, bits);
    assert.equal([end.vector, end.error, end.rip], [13, 0, 0]);
    end = atEndOfPage(m, pace, [...Array(14).fill(0x66), 0x0f], 15, bits);
    assert.equal([end.vector, end.error, end.rip], [13, 0, 0]);
    end = atEndOfPage(m, pace, [...Array(15).fill(0x66), 0x90], 14, bits);
    assert.equal([end.vector, end.error, Number(end.cr2), end.rip], [14, 0x14, ABSENT, 0]);
    end = atEndOfPage(m, pace, [...Array(14).fill(0x66), 0x90], 15, bits);
    assert.equal([end.vector, Number(end.cr2), end.rip], [14, ABSENT, 15]);
    load(m, [...Array(15).fill(0x66), 0x90], bits);
    end = go(m, pace);
    assert.equal([end.vector, end.error, end.rip], [13, 0, 0]);
    load(m, [...Array(10).fill(0x66), 0xb8, 1, 2], bits); // 13 bytes with its word
    assert.equal([go(m, pace).vector], [6]);
  });

  inBothPaces(`a page that may not be executed is a fetch fault of a present page, ${bits}-bit mode`, (m, pace) => {
    m.phys.setU64(PT + 8 * (USER_DATA >> 12), BigInt(USER_DATA | 7) | (1n << 63n));
    m.machine.flushTlb();
    load(m, [0xff, 0xe3], bits);
    m.setReg(RBX, USER_DATA + 0x123);
    let end = go(m, pace);
    assert.equal([end.vector, end.error, Number(end.cr2), end.rip], [14, 0x15, USER_DATA + 0x123, USER_DATA + 0x123 - USER_CODE - 2]);
    load(m, [0xff, 0xe3], bits);
    m.setReg(RBX, KERNEL_CODE);
    end = go(m, pace);
    assert.equal([end.vector, end.error, Number(end.cr2)], [14, 0x15, KERNEL_CODE]);
    // The second page of an instruction
    const at = USER_DATA - 2;
    m.write(at, [0xb8, 1, 2, 3, 4]);
    load(m, [0xff, 0xe3], bits);
    m.setReg(RBX, at);
    end = go(m, pace);
    assert.equal([end.vector, end.error, Number(end.cr2), end.rip], [14, 0x15, USER_DATA, at - USER_CODE - 2]);
  });
}

inBothPaces("an operand faults before the fetch of the next instruction, and a branch is done before its target is fetched", (m, pace) => {
  load(m, []);
  m.setReg(RIP, ABSENT - 4);
  m.setReg(RBX, USER_DATA - 0x200000);
  m.write(ABSENT - 4, [0x90, 0x90, 0x8b, 0x03]);
  let end = go(m, pace);
  assert.equal([end.vector, end.error, end.rip], [14, 4, 0]);
  load(m, [0xff, 0xd3]); // call *%rbx
  m.setReg(RBX, ABSENT + 0x777);
  end = go(m, pace);
  assert.equal([end.error, Number(end.cr2), end.rip, end.rsp], [0x14, ABSENT + 0x777, ABSENT + 0x777 - USER_CODE - 2, BigInt(USER_STACK - 8)]);
});

inBothPaces("a CMPXCHG that fails writes what was there, and needs the right to", (m, pace) => {
  m.phys.setU64(PT + 8 * (USER_DATA >> 12), BigInt(USER_DATA | 5));
  m.machine.flushTlb();
  for (const code of [[0x0f, 0xb0, 0x0b], [0x0f, 0xb1, 0x0b], [0x48, 0x0f, 0xb1, 0x0b], [0x0f, 0xc7, 0x0b], [0x48, 0x0f, 0xc7, 0x0b]]) {
    const end = run(m, pace, code, 64, [[RBX, USER_DATA], [RAX, 0x55], [RDX, 0x66]]);
    assert.equal([end.vector, end.error, Number(end.cr2), m.reg(RAX), m.reg(RDX)], [14, 7, USER_DATA, 0x55n, 0x66n], show(code));
    assert.is(end.rflags, 0x10002n);
  }
});

inBothPaces("a fault in the shadow of MOV SS is delivered, and the shadow is over", (m, pace) => {
  load(m, [0x8e, 0xd0, 0x8b, 0x03]); // mov %eax, %ss; mov (%rbx), %eax
  m.setReg(RAX, DATA_3);
  m.setReg(RBX, ABSENT);
  const end = go(m, pace);
  assert.equal([end.vector, end.rip, m.word(SHADOW)], [14, 2, 0]);
});

inBothPaces("a segment load that faults changes no register, whatever it has read", (m, pace) => {
  for (const [code, vector] of [[[0x0f, 0xb4, 0x03], 13], [[0x48, 0x0f, 0xb2, 0x03], 13], [[0x8e, 0x03], 13]] as [number[], number][]) {
    m.write(USER_DATA, [0xf8, 0xff, 0xf8, 0xff, 0xf8, 0xff, 0xf8, 0xff, 0xf8, 0xff]); // selector FFF8h: beyond the GDT
    const end = run(m, pace, code, 64, [[RBX, USER_DATA], [RAX, 0x1234]]);
    assert.equal([end.vector, end.error, end.rip, m.reg(RAX), m.selector(SEG_ES)], [vector, 0xfff8, 0, 0x1234n, DATA_3], show(code));
  }
});

test.run();
