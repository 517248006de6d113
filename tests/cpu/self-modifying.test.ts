// Code that is written while it is decoded: by the block that runs, through other pages and other addresses, by string instructions, and
// by remapping. What was stored must be what is executed, from the next instruction on, as on a chip that snoops its pipeline (SDM Vol. 3A
// 8.1.3 promises less).

import { test } from "uvu";
import * as assert from "uvu/assert";
import { FCW, FSW, FTW, R8, R9, RAX, RBX, RCX, RDI, RDX, RSI, ST, XMM } from "../../kernel/abi/state";
import { BareMachine, KERNEL_CODE, USER, USER_CODE, USER_DATA } from "./bare-machine";

const PT = 0x4000;
const NOP = 0x90;
const le = (value: number, bytes: number) => Array.from({ length: bytes }, (_, i) => (value / 2 ** (8 * i)) & 255);
const movEax = (value: number) => [0xb8, ...le(value, 4)];
const movbTo = (address: number, byte: number) => [0xc6, 0x04, 0x25, ...le(address, 4), byte];
const incEbx = [0xff, 0xc3];

/** Makes user page `page` mean the frame of page `frame`. */
function alias(m: BareMachine, page: number, frame: number): void {
  m.phys.setU64(PT + 8 * (page >> 12), BigInt(frame | 7));
  m.machine.flushTlb();
}

/** The budgets by which each program is run: all at once, and one instruction at a time. */
const PACES: [string, (m: BareMachine, instructions: number) => void][] = [
  ["in one run", (m, n) => void m.run(n)],
  ["step by step", (m, n) => {
    for (let i = 0; i < n; i++) m.run(1);
  }],
];

for (const [pace, run] of PACES) {
  test(`a store into the next instruction of the block takes effect at once (${pace})`, async () => {
    const m = await BareMachine.create();
    m.user([...movbTo(USER_CODE + 9, 7), ...movEax(1), NOP]);
    run(m, 3);
    assert.is(m.reg(RAX), 7n);
  });

  test(`a store into an instruction further on in the block (${pace})`, async () => {
    const m = await BareMachine.create();
    m.user([...movbTo(USER_CODE + 8 + 2 + 2 + 1, 7), ...incEbx, ...incEbx, ...movEax(1), NOP]);
    m.setReg(RBX, 0);
    run(m, 5);
    assert.is(m.reg(RAX), 7n);
    assert.is(m.reg(RBX), 2n);
  });

  test(`a read-modify-write of the block that runs (${pace})`, async () => {
    const m = await BareMachine.create();
    // addl $5, 1(code of mov)
    m.user([0x83, 0x04, 0x25, ...le(USER_CODE + 9, 4), 5, ...movEax(1), NOP]);
    run(m, 3);
    assert.is(m.reg(RAX), 6n);
  });

  test(`a push over the code that follows (${pace})`, async () => {
    const m = await BareMachine.create();
    // mov $USER_CODE + 24, %esp; push %rdx; jmp to where it pushed
    m.user([0xbc, ...le(USER_CODE + 24, 4), 0x52, 0xeb, 8, ...Array(16).fill(NOP)]);
    m.setReg(RDX, 0x9090900000_0007b8n);
    run(m, 4);
    assert.is(m.reg(RAX), 7n);
  });

  test(`a loop that rewrites its own body goes by the new one the next time round (${pace})`, async () => {
    const m = await BareMachine.create();
    // 1: mov $1, %eax; add %eax, %ebx; incb 1b + 1; loop 1b
    m.user([...movEax(1), 0x01, 0xc3, 0xfe, 0x04, 0x25, ...le(USER_CODE + 1, 4), 0xe2, 0xf0]);
    m.setReg(RBX, 0);
    m.setReg(RCX, 10);
    run(m, 40);
    assert.is(m.reg(RBX), 55n);
    assert.is(m.reg(RCX), 0n);
  });

  test(`a store into another page that has run before (${pace})`, async () => {
    const m = await BareMachine.create();
    const other = USER_CODE + 0x1000;
    m.write(other, [...movEax(1), 0xc3]);
    // call other; mov %eax, %r8d; movb $9, other + 1; call other
    const code = [0xe8, ...le(0x1000 - 5, 4), 0x41, 0x89, 0xc0, ...movbTo(other + 1, 9)];
    m.user([...code, 0xe8, ...le(0x1000 - code.length - 5, 4), NOP]);
    run(m, 8);
    assert.is(m.reg(R8), 1n);
    assert.is(m.reg(RAX), 9n);
  });

  test(`a store through another address of the same frame (${pace})`, async () => {
    const m = await BareMachine.create();
    alias(m, USER_DATA, USER_CODE);
    m.user([...movbTo(USER_DATA + 9, 7), ...movEax(1), NOP]);
    run(m, 3);
    assert.is(m.reg(RAX), 7n);
  });

  test(`a store through an alias into a page whose TLB entry had been writable before it had code (${pace})`, async () => {
    const m = await BareMachine.create();
    alias(m, USER_DATA, USER_CODE + 0x1000);
    m.write(USER_CODE + 0x1000, [...movEax(1), 0xc3]);
    // movb to the alias (fills the TLB), call, movb to the alias, call
    const first = [...movbTo(USER_DATA + 1, 3), 0xe8, ...le(0x1000 - 13, 4), 0x41, 0x89, 0xc0];
    const second = [...first, ...movbTo(USER_DATA + 1, 4)];
    m.user([...second, 0xe8, ...le(0x1000 - second.length - 5, 4), NOP]);
    run(m, 9);
    assert.is(m.reg(R8), 3n);
    assert.is(m.reg(RAX), 4n);
  });

  test(`a store that begins in a data page and ends in a code page (${pace})`, async () => {
    const m = await BareMachine.create();
    const page = USER_DATA + 0x1000;
    m.write(page, [...movEax(1), 0xc3]);
    // call page; mov %eax, %r8d; mov %rdx, page - 4; call page
    const start = [0xe8, ...le(page - USER_CODE - 5, 4), 0x41, 0x89, 0xc0, 0x48, 0x89, 0x14, 0x25, ...le(page - 4, 4)];
    m.user([...start, 0xe8, ...le(page - USER_CODE - start.length - 5, 4), NOP]);
    m.setReg(RDX, 0x000005b8_11111111n);
    run(m, 8);
    assert.is(m.reg(R8), 1n);
    assert.is(m.reg(RAX), 5n);
    assert.is(m.phys.getU64(page - 8) >> 32n, 0x11111111n);
  });

  test(`a store into the second page of an instruction that lies across two (${pace})`, async () => {
    const m = await BareMachine.create();
    const page = USER_DATA + 0x1000;
    m.write(page - 2, [...movEax(0x01010101), 0xc3]); // b8 01 | 01 01 01 c3
    const start = [0xe8, ...le(page - 2 - USER_CODE - 5, 4), 0x41, 0x89, 0xc0, ...movbTo(page, 2)];
    m.user([...start, 0xe8, ...le(page - 2 - USER_CODE - start.length - 5, 4), NOP]);
    run(m, 8);
    assert.is(m.reg(R8), 0x01010101n);
    assert.is(m.reg(RAX), 0x01010201n);
  });

  test(`a store into the first page of an instruction that lies across two (${pace})`, async () => {
    const m = await BareMachine.create();
    const page = USER_DATA + 0x1000;
    m.write(page - 2, [...movEax(0x01010101), 0xc3]);
    const start = [0xe8, ...le(page - 2 - USER_CODE - 5, 4), 0x41, 0x89, 0xc0, ...movbTo(page - 1, 2)];
    m.user([...start, 0xe8, ...le(page - 2 - USER_CODE - start.length - 5, 4), NOP]);
    run(m, 8);
    assert.is(m.reg(R8), 0x01010101n);
    assert.is(m.reg(RAX), 0x01010102n);
  });

  test(`REP MOVSB over a page that has run (${pace})`, async () => {
    const m = await BareMachine.create();
    const other = USER_CODE + 0x1000;
    m.write(other, [...movEax(1), 0xc3]);
    m.write(USER_DATA, [...movEax(6), 0xc3]);
    const start = [0xe8, ...le(0x1000 - 5, 4), 0x41, 0x89, 0xc0, 0xf3, 0xa4];
    m.user([...start, 0xe8, ...le(0x1000 - start.length - 5, 4), NOP]);
    m.setReg(RSI, USER_DATA);
    m.setReg(RDI, other);
    m.setReg(RCX, 6);
    run(m, 13);
    assert.is(m.reg(R8), 1n);
    assert.is(m.reg(RCX), 0n);
    assert.is(m.reg(RAX), 6n);
  });

  test(`REP STOSB over the rest of its own block (${pace})`, async () => {
    const m = await BareMachine.create();
    // rep stosb; 8 x inc %ebx, the first five of which become NOPs
    m.user([0xf3, 0xaa, ...Array.from({ length: 8 }, () => incEbx).flat(), NOP]);
    m.setReg(RDI, USER_CODE + 2);
    m.setReg(RCX, 10);
    m.setReg(RAX, NOP);
    m.setReg(RBX, 0);
    run(m, 10 + 10 + 3);
    assert.is(m.reg(RBX), 3n);
  });

  test(`REP STOSB over itself stops repeating where it is no longer itself (${pace})`, async () => {
    const m = await BareMachine.create();
    // std; rep stosb down from behind it: F3 AA becomes NOP NOP on the way, so it ends early when resumed
    m.user([0xfd, 0xf3, 0xaa, NOP, NOP, NOP, NOP]);
    m.setReg(RDI, USER_CODE + 4);
    m.setReg(RCX, 8);
    m.setReg(RAX, NOP);
    run(m, 20);
    // One instruction of one fetch, or seen anew at an iteration's boundary: either way memory is only NOPs below RDI.
    const rdi = Number(m.reg(RDI));
    assert.is(Number(m.reg(RCX)), 8 - (USER_CODE + 4 - rdi));
    assert.ok(m.phys.read(rdi + 1, USER_CODE + 4 - rdi).every((b) => b === NOP));
  });

  test(`a page remapped at CPL 0 with INVLPG runs the other frame (${pace})`, async () => {
    const m = await BareMachine.create();
    const [first, second] = [USER + 0x30000, USER + 0x31000];
    const at = 0x28000; // a kernel page
    m.write(first, [...movEax(1), 0xc3]);
    m.write(second, [...movEax(2), 0xc3]);
    m.phys.setU64(PT + 8 * (at >> 12), BigInt(first | 3));
    const call = (from: number) => [0xe8, ...le(at - KERNEL_CODE - from - 5, 4)];
    // call at; mov %eax, %r8d; movq $second | 3, PTE; call at; mov %eax, %r9d; invlpg at; call at
    const code: number[] = [...call(0), 0x41, 0x89, 0xc0, 0x48, 0xc7, 0x04, 0x25, ...le(PT + 8 * (at >> 12), 4), ...le(second | 3, 4)];
    code.push(...call(code.length), 0x41, 0x89, 0xc1, 0x0f, 0x01, 0x3c, 0x25, ...le(at, 4));
    code.push(...call(code.length), NOP);
    m.kernel(code);
    run(m, 13);
    assert.is(m.reg(R8), 1n);
    assert.ok(m.reg(R9) === 1n || m.reg(R9) === 2n, "before INVLPG either translation may be used");
    assert.is(m.reg(RAX), 2n);
  });

  test(`the page that runs remapped under itself with INVLPG goes on in the other frame (${pace})`, async () => {
    const m = await BareMachine.create();
    const other = USER + 0x30000;
    const page = KERNEL_CODE;
    // movq $other | 3, PTE; invlpg page; mov $1, %eax   and in the other frame: mov $2, %eax
    const code = [0x48, 0xc7, 0x04, 0x25, ...le(PT + 8 * (page >> 12), 4), ...le(other | 3, 4), 0x0f, 0x01, 0x3c, 0x25, ...le(page, 4)];
    m.write(other, [...Array(code.length).fill(NOP), ...movEax(2), NOP]);
    m.kernel([...code, ...movEax(1), NOP]);
    run(m, 4);
    assert.is(m.reg(RAX), 2n);
  });
}

for (const [pace, run] of PACES) {
  test(`a store of each kind over a function that has run (${pace})`, async () => {
    const m = await BareMachine.create();
    const other = USER_CODE + 0x1000;
    // 8 bytes: mov $7, %eax; ret; nop; nop
    const fresh = 0x9090_c300_0000_07b8n;
    const kinds: [string, number[]][] = [
      ["mov", [0x48, 0x89, 0x16]], ["movnti", [0x48, 0x0f, 0xc3, 0x16]], ["xchg", [0x48, 0x87, 0x16]], ["cmpxchg", [0x48, 0x0f, 0xb1, 0x16]], ["movups", [0x0f, 0x11, 0x06]], ["movaps", [0x0f, 0x29, 0x06]],
      ["movlps", [0x0f, 0x13, 0x06]], ["movq mmx", [0x0f, 0x7f, 0x06]], ["fistpll", [0xdf, 0x3e]], ["cmpxchg8b", [0x0f, 0xc7, 0x0e]], ["movsq", [0x48, 0xa5]], ["stosq", [0x48, 0xab]], ["push", [0x48, 0x8d, 0x66, 8, 0x52, 0x48, 0x89, 0xec]],
      ["pop", [0x52, 0x8f, 0x06]], ["maskmovdqu", [0x66, 0x0f, 0xf7, 0xc1]], ["maskmovq", [0x0f, 0xf7, 0xc1]],
    ];
    for (const [name, store] of kinds) {
      m.write(other, [...movEax(1), 0xc3, NOP, NOP]);
      m.phys.setU64(USER_DATA, fresh);
      const old = m.phys.getU64(other);
      // call other; mov %eax, %r8d; lea other, %rsi and %rdi; registers; store; call other
      const code = [0xe8, ...le(0x1000 - 5, 4), 0x41, 0x89, 0xc0, 0x48, 0xc7, 0xc6, ...le(name === "movsq" ? USER_DATA : other, 4), 0x48, 0xc7, 0xc7, ...le(other, 4)];
      code.push(0x48, 0x8b, 0x14, 0x25, ...le(USER_DATA, 4), 0x48, 0x89, 0xe5, 0x48, 0xb8, ...Array.from({ length: 8 }, (_, i) => Number((old >> BigInt(8 * i)) & 255n)));
      if (name === "stosq") code.push(0x48, 0x89, 0xd0);
      if (name === "cmpxchg8b") code.push(0x48, 0x89, 0xd3, 0x48, 0x89, 0xd1, 0x48, 0xc1, 0xe9, 32, 0x48, 0x89, 0xc2, 0x48, 0xc1, 0xea, 32); // ecx:ebx = fresh, edx:eax = old
      code.push(...store, 0xe8);
      code.push(...le(0x1000 - code.length - 4, 4), NOP);
      m.user(code);
      const { u8, u16 } = m.machine.registers;
      const bytes = Array.from({ length: 8 }, (_, i) => Number((fresh >> BigInt(8 * i)) & 255n));
      u8.set([...bytes, ...bytes], XMM);
      u8.fill(0xff, XMM + 16, XMM + 32); // the mask
      u16[FCW / 2] = 0x37f;
      u16[FSW / 2] = 0;
      u8[FTW] = 3;
      u8.fill(0xff, ST + 16, ST + 26);
      // As MM0 the bytes; as ST(0), for FISTP, minus that integer's distance to 2^64.
      if (name === "fistpll") {
        const magnitude = (1n << 64n) - fresh;
        const shift = 64 - magnitude.toString(2).length;
        const significand = magnitude << BigInt(shift);
        u8.set([...Array.from({ length: 8 }, (_, i) => Number((significand >> BigInt(8 * i)) & 255n)), (0x3fff + 63 - shift) & 255, 0x80 | ((0x3fff + 63 - shift) >> 8)], ST);
      } else u8.set([...bytes, 0xff, 0xff], ST);
      run(m, 40);
      assert.is(m.reg(R8), 1n, name);
      assert.is(m.phys.getU64(other), fresh, name);
      assert.is(m.reg(RAX), 7n, name);
    }
  });

  test(`a page decoded in 64-bit and in compatibility mode is dropped for both (${pace})`, async () => {
    const m = await BareMachine.create();
    const other = USER_CODE + 0x1000;
    m.write(other, [...movEax(1), 0xc3]);
    const call = [0xe8, ...le(0x1000 - 5, 4)];
    const goes = (bits: 64 | 32) => {
      m.user([...call, NOP], bits);
      run(m, 3);
      return m.reg(RAX);
    };
    assert.equal([goes(64), goes(32), goes(64)], [1n, 1n, 1n]);
    m.user([...movbTo(other + 1, 2), NOP]);
    run(m, 1);
    assert.equal([goes(32), goes(64)], [2n, 2n]);
    m.user([0xc6, 0x05, ...le(other + 1, 4), 3], 32);
    run(m, 1);
    assert.equal([goes(64), goes(32)], [3n, 3n]);
  });

  test(`a page that takes turns at being writable and executable runs what was written last (${pace})`, async () => {
    const m = await BareMachine.create();
    const other = USER_CODE + 0x1000;
    const pte = PT + 8 * (other >> 12);
    const NX = 1n << 63n;
    m.write(other, [...movEax(1), 0xc3]);
    for (let value = 2; value < 6; value++) {
      m.phys.setU64(pte, BigInt(other | 5));
      m.machine.flushTlb();
      m.user([0xe8, ...le(0x1000 - 5, 4), NOP]);
      run(m, 3);
      assert.is(m.reg(RAX), BigInt(value - 1));
      m.user(movbTo(other + 1, value));
      run(m, 2);
      assert.is(m.haltedIn, 14);
      m.phys.setU64(pte, BigInt(other | 7) | NX);
      m.machine.flushTlb();
      m.user([...movbTo(other + 1, value), 0xe8, ...le(0x1000 - 13, 4)]);
      run(m, 4);
      assert.equal([m.haltedIn, m.frame(true).error], [14, 0x15n]);
    }
  });

  test(`a store through a segment with a base and a limit (${pace})`, async () => {
    const m = await BareMachine.create();
    // movb $7, %gs:1; mov $1, %eax, with GS at the mov
    m.user([0x65, 0xc6, 0x05, 1, 0, 0, 0, 7, ...movEax(1), NOP], 32);
    m.segment(5, 0x23, 0x4f3, USER_CODE + 8, 0xff);
    run(m, 3);
    assert.is(m.reg(RAX), 7n);
  });
}

test("a block that has run stays dropped when the host writes into its page", async () => {
  const m = await BareMachine.create();
  m.user([...movEax(1), 0xeb, 0xf9]); // mov $1, %eax; jmp back
  m.run(9);
  assert.is(m.reg(RAX), 1n);
  m.write(USER_CODE + 1, [2]);
  m.run(2);
  assert.is(m.reg(RAX), 2n);
});

test("a store that faults on its second page drops no byte of code", async () => {
  const m = await BareMachine.create();
  const last = 0x17f000; // the page behind it is not present
  m.write(last + 0xff8, [...movEax(1), 0xc3, NOP, NOP]);
  // call last + ff8; mov %rdx, last + ffc: faults
  m.user([0xe8, ...le(last + 0xff8 - USER_CODE - 5, 4), 0x48, 0x89, 0x14, 0x25, ...le(last + 0xffc, 4)]);
  m.setReg(RDX, -1n);
  m.run();
  assert.is(m.haltedIn, 14);
  assert.equal([...m.phys.read(last + 0xff8, 8)], [...movEax(1), 0xc3, NOP, NOP]);
});

test.run();
