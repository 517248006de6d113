// Repeated string instructions that fault midway: registers show how far they came, and once the page is there they go on to the end.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { RAX, RCX, RDI, RFLAGS, RSI } from "../../kernel/abi/state";
import { ABSENT, type BareMachine, HANDLERS, USER_DATA } from "./bare-machine";
import { go, inBothPaces, load, type Pace } from "./both-paces";

const PT = 0x4000;
/** Two neighbouring pages for each operand, the second or the first of which is missing. */
const SOURCE = 0x140000;
const DESTINATION = 0x150000;
const DF = 0x400n;
const le = (value: number, bytes: number) => Array.from({ length: bytes }, (_, i) => (value / 2 ** (8 * i)) & 255);

function unmap(m: BareMachine, ...pages: number[]): void {
  for (const page of pages) m.phys.setU64(PT + 8 * (page >> 12), 0n);
  m.machine.flushTlb();
}

/** A page-fault handler that counts in R15 and maps the page at CR2: movq %cr2; PTE = page | 7; iretq. */
function mapOnFault(m: BareMachine): void {
  m.write(HANDLERS + 16 * 14, [0xe9, ...le(0xb00, 4)]); // jmp to where there is room
  m.write(HANDLERS + 16 * 14 + 5 + 0xb00, [
    0x50, 0x51, // push %rax; push %rcx
    0x49, 0xff, 0xc7, // inc %r15
    0x0f, 0x20, 0xd0, // mov %cr2, %rax
    0x48, 0xc1, 0xe8, 12, // shr $12, %rax
    0x89, 0xc1, // mov %eax, %ecx
    0xc1, 0xe0, 12, // shl $12, %eax
    0x83, 0xc8, 7, // or $7, %eax
    0x48, 0x89, 0x04, 0xcd, ...le(PT, 4), // mov %rax, PT(,%rcx,8)
    0x59, 0x58, 0x48, 0x83, 0xc4, 8, 0x48, 0xcf, // pop %rcx; pop %rax; add $8, %rsp; iretq
  ]);
}

interface Given {
  code: number[];
  rsi?: number;
  rdi?: number;
  rcx: number;
  rax?: number | bigint;
  down?: boolean;
}

function start(m: BareMachine, g: Given, bits: 64 | 32): void {
  load(m, g.code, bits);
  m.setReg(RSI, g.rsi ?? 0);
  m.setReg(RDI, g.rdi ?? 0);
  m.setReg(RCX, g.rcx);
  m.setReg(RAX, g.rax ?? 0);
  m.setReg(0x78, 0); // R15
  m.setReg(RFLAGS, 2n | (g.down ? DF : 0n));
}

const registers = (m: BareMachine) => [RSI, RDI, RCX].map((r) => Number(m.reg(r)));

function pattern(m: BareMachine, at: number, count: number): number[] {
  const bytes = Array.from({ length: count }, (_, i) => (i * 37 + 11) & 255);
  m.write(at, bytes);
  return bytes;
}

for (const bits of [64, 32] as const) {
  inBothPaces(`REP MOVS stops before the element whose page is missing, ${bits}-bit mode`, (m, pace) => {
    pattern(m, SOURCE, 0x2000);
    unmap(m, DESTINATION + 0x1000);
    for (const [code, size] of [[[0xf3, 0xa4], 1], [[0x66, 0xf3, 0xa5], 2], [[0xf3, 0xa5], 4]] as [number[], number][]) {
      for (const room of [0, size, 3 * size, 3 * size + size / 2 | 0]) {
        m.phys.fill(DESTINATION, 0x1000, 0);
        const rdi = DESTINATION + 0x1000 - room;
        start(m, { code, rsi: SOURCE + 0x10, rdi, rcx: 100 }, bits);
        const end = go(m, pace);
        const done = Math.floor(room / size);
        assert.equal([end.vector, end.error, Number(end.cr2), end.rip], [14, 6, DESTINATION + 0x1000, 0], `${size} ${room}`);
        assert.equal(registers(m), [SOURCE + 0x10 + done * size, rdi + done * size, 100 - done]);
        assert.equal(m.phys.read(rdi, room), Uint8Array.from([...m.phys.read(SOURCE + 0x10, done * size), ...Array(room - done * size).fill(0)]));
      }
    }
  });

  inBothPaces(`REP MOVS whose source is missing, down, ${bits}-bit mode`, (m, pace) => {
    unmap(m, SOURCE);
    start(m, { code: [0xf3, 0xa5], rsi: SOURCE + 0x1008, rdi: DESTINATION + 0x800, rcx: 9, down: true }, bits);
    const end = go(m, pace);
    assert.equal([end.vector, end.error, Number(end.cr2), end.rip], [14, 4, SOURCE + 0xffc, 0]);
    assert.equal(registers(m), [SOURCE + 0xffc, DESTINATION + 0x7f4, 6]);
  });

  inBothPaces(`REP MOVS, STOS and LODS go on where they were when the page is there, ${bits}-bit mode`, (m, pace) => {
    mapOnFault(m);
    for (const down of [false, true]) {
      for (const [size, code] of [[1, [0xf3, 0xa4]], [4, [0xf3, 0xa5]]] as [number, number[]][]) {
        const bytes = pattern(m, SOURCE, 0x2000);
        m.phys.fill(DESTINATION, 0x2000, 0);
        unmap(m, SOURCE + 0x1000, DESTINATION, DESTINATION + 0x1000);
        const count = 300;
        // Misaligned by one: elements lie across the boundaries.
        const [from, to] = [SOURCE + 0x1000 - 151, DESTINATION + 0x1000 - 203];
        const last = (count - 1) * size;
        start(m, { code, rsi: from + (down ? last : 0), rdi: to + (down ? last : 0), rcx: count, down }, bits);
        const end = go(m, pace);
        assert.is(end.vector, 6);
        assert.is(m.reg(RCX), 0n);
        if (bits === 64) assert.is(m.reg(0x78), 3n);
        assert.equal(m.phys.read(to, count * size), Uint8Array.from(bytes.slice(from - SOURCE, from - SOURCE + count * size)));
      }
    }
    m.phys.fill(DESTINATION, 0x2000, 0);
    unmap(m, DESTINATION + 0x1000);
    start(m, { code: [0xf3, 0xab], rdi: DESTINATION + 0x1000 - 10, rcx: 6, rax: 0x44332211 }, bits);
    assert.is(go(m, pace).vector, 6);
    assert.equal([...m.phys.read(DESTINATION + 0x1000 - 11, 26)], [0, ...Array(6).fill([0x11, 0x22, 0x33, 0x44]).flat(), 0]);
    unmap(m, SOURCE + 0x1000);
    m.write(SOURCE + 0x1008, [1, 2, 3, 4]);
    start(m, { code: [0xf3, 0xad], rsi: SOURCE + 0x1000 - 4, rcx: 4 }, bits);
    assert.is(go(m, pace).vector, 6);
    assert.is(m.reg(RAX), 0x04030201n);
  });

  inBothPaces(`REPNE SCAS and REPE CMPS go on where they were, with the flags of the last comparison, ${bits}-bit mode`, (m, pace) => {
    mapOnFault(m);
    m.phys.fill(DESTINATION, 0x2000, 0x41);
    m.write(DESTINATION + 0x1010, [0]);
    unmap(m, DESTINATION + 0x1000);
    start(m, { code: [0xf2, 0xae], rdi: DESTINATION + 0xff0, rcx: 1000 }, bits);
    let end = go(m, pace);
    assert.equal([end.vector, end.rflags & 0x8d5n, registers(m)[1], registers(m)[2]], [6, 0x44n, DESTINATION + 0x1011, 1000 - 33]);
    m.phys.fill(SOURCE, 0x2000, 0x41);
    m.write(SOURCE + 0x1020, [0x42]);
    unmap(m, SOURCE + 0x1000, DESTINATION + 0x1000);
    m.phys.fill(DESTINATION, 0x2000, 0x41);
    start(m, { code: [0xf3, 0xa6], rsi: SOURCE + 0xff0, rdi: DESTINATION + 0xfe8, rcx: 1000 }, bits);
    end = go(m, pace);
    assert.equal([end.vector, end.rflags & 0x8d5n], [6, 0n]);
    assert.equal(registers(m), [SOURCE + 0x1021, DESTINATION + 0x1019, 1000 - 49]);
  });
}

inBothPaces("a repeated comparison that faults has the flags from before it, as Intel's chips do", (m, pace: Pace) => {
  if (pace === "step") return; // an iteration a run() is an interrupt after each
  m.phys.fill(ABSENT - 0x100, 0x100, 0x41);
  start(m, { code: [0xf2, 0xae], rdi: ABSENT - 3, rcx: 10 }, 64);
  m.setReg(RFLAGS, 0x8d7);
  const end = go(m, pace);
  assert.equal([end.vector, end.rflags], [14, 0x108d7n]);
  assert.equal([m.reg(RCX), m.reg(RDI)], [7n, BigInt(ABSENT)]);
});

inBothPaces("an interrupt stops REP between two elements, and it goes on to the same end", (m, pace) => {
  const bytes = pattern(m, USER_DATA, 64);
  start(m, { code: [0xf3, 0xa4], rsi: USER_DATA, rdi: DESTINATION, rcx: 64 }, 64);
  for (const budget of [2 + 7, 1, 20]) m.run(budget);
  assert.is(m.reg(RCX), 64n - 28n);
  assert.is(go(m, pace).vector, 6);
  assert.equal([...m.phys.read(DESTINATION, 64)], bytes);
});

test.run();
