// Debug registers on the bare machine: what is met, when the #DB comes, what DR6 says of it.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { DR0, DR6, DR7, PENDING_DEBUG, RAX, RBX, RCX, RDI, RFLAGS, RIP, RSP, SEG_SS } from "../../kernel/abi/state";
import { EXIT_HALT } from "../../kernel/abi/exit-reasons";
import { BareMachine, DATA_0, DATA_3, HANDLERS, KERNEL_CODE, USER_CODE, USER_DATA, USER_STACK } from "./bare-machine";

const DB = 1;
const EXECUTE = 0;
const WRITE = 1;
const ACCESS = 3;
const LENGTH: Record<number, number> = { 1: 0, 2: 1, 4: 3, 8: 2 };

/** Arms DRi for `bytes` at `address`. */
function arm(m: BareMachine, i: number, kind: number, address: number, bytes = 1): void {
  m.setReg(DR0 + 8 * i, address);
  m.setReg(DR7, m.reg(DR7) | 0x400n | (1n << BigInt(2 * i)) | (BigInt(kind | (LENGTH[bytes]! << 2)) << BigInt(16 + 4 * i)));
}

async function machine(): Promise<BareMachine> {
  const m = await BareMachine.create();
  m.setReg(DR6, 0xffff0ff0);
  m.setReg(DR7, 0x400);
  return m;
}

const conditions = (m: BareMachine) => Number(m.reg(DR6) & 0xe00fn);

test("an execution breakpoint is a fault: before its instruction, RF clear in the image", async () => {
  const m = await machine();
  m.user([0xff, 0xc0, 0xff, 0xc0, 0xff, 0xc0]); // inc %eax, three times
  m.setReg(RAX, 0);
  arm(m, 2, EXECUTE, USER_CODE + 2);
  assert.is(m.run(), EXIT_HALT);
  assert.is(m.haltedIn, DB);
  assert.equal([m.reg(RAX), m.frame(false).rip, m.frame(false).rflags & 0x10000n, conditions(m)], [1n, BigInt(USER_CODE + 2), 0n, 4]);
});

test("RF set by IRETQ lets one instruction pass, and the next breakpoint is met again", async () => {
  const m = await machine();
  m.write(HANDLERS + 16 * DB, [0x0f, 0xba, 0x6c, 0x24, 0x10, 0x10, 0xff, 0xc3, 0x48, 0xcf]); // btsl $16,16(%rsp); inc %ebx; iretq
  m.user([0xff, 0xc0, 0xff, 0xc0, 0xeb, 0xfa]); // 1: inc %eax; inc %eax; jmp 1b
  m.setReg(RAX, 0);
  m.setReg(RBX, 0);
  arm(m, 0, EXECUTE, USER_CODE);
  arm(m, 1, EXECUTE, USER_CODE + 2);
  m.run(3 * (2 * 3 + 3));
  assert.equal([m.reg(RAX), m.reg(RBX), m.reg(RIP)], [6n, 6n, BigInt(USER_CODE)]);
});

/** inc %eax; ret -- and a loop that has called it 50 times, so that every block of both is known and linked. */
async function warmCalls(): Promise<BareMachine> {
  const m = await machine();
  m.user([0xe8, 0x05, 0, 0, 0, 0xff, 0xc9, 0x75, 0xf7, 0x90, 0xff, 0xc0, 0xc3]); // 1: call 2f; dec %ecx; jnz 1b; nop; 2: inc %eax; ret
  m.setReg(RAX, 0);
  m.setReg(RCX, 1000);
  m.setReg(RSP, USER_STACK);
  m.run(5 * 50);
  assert.equal([m.reg(RAX), m.reg(RIP)], [50n, BigInt(USER_CODE)]);
  return m;
}

test("a breakpoint behind a RET into code that has run before is met", async () => {
  const m = await warmCalls();
  arm(m, 0, EXECUTE, USER_CODE + 7);
  m.run();
  assert.equal([m.haltedIn, m.reg(RAX), m.frame(false).rip], [DB, 51n, BigInt(USER_CODE + 7)]);
});

test("TF traps behind each instruction of code that has run before: a CALL, a RET, a branch", async () => {
  const m = await warmCalls();
  const seen: bigint[] = [];
  m.write(HANDLERS + 16 * DB, [0x48, 0xcf]); // iretq
  m.setReg(RFLAGS, 0x102);
  for (let i = 0; i < 12; i++) {
    m.run(1);
    const rip = m.reg(RIP);
    if (rip >= BigInt(USER_CODE)) seen.push(rip - BigInt(USER_CODE));
  }
  const steps: bigint[] = [10n, 12n, 5n, 7n, 0n];
  assert.equal(seen.filter((rip, i) => rip !== seen[i - 1]).slice(0, 5), steps);
  // In one run() the trap comes as often as instruction by instruction.
  m.setReg(RAX, 0);
  m.setReg(RBX, 0);
  m.write(HANDLERS + 16 * DB, [0xff, 0xc3, 0x48, 0xcf]); // inc %ebx; iretq
  m.run(300);
  assert.is(m.reg(RBX) >= 99n, true, `${m.reg(RBX)} traps`);
});

test("an execution breakpoint on a REP instruction is met once, before its first iteration", async () => {
  for (const pieces of [1, 3, 100]) {
    const m = await machine();
    m.write(HANDLERS + 16 * DB, [0x0f, 0xba, 0x6c, 0x24, 0x10, 0x10, 0xff, 0xc3, 0x48, 0xcf]); // btsl $16,16(%rsp); inc %ebx; iretq
    m.user([0xf3, 0xaa, 0x0f, 0x0b]); // rep stosb; ud2
    m.setReg(RCX, 20);
    m.setReg(RDI, USER_DATA);
    m.setReg(RBX, 0);
    arm(m, 0, EXECUTE, USER_CODE);
    for (let i = 0; i < 60 && m.haltedIn !== 6; i++) m.run(pieces);
    assert.equal([m.haltedIn, m.reg(RBX), m.reg(RCX)], [6, 1n, 0n], `run(${pieces})`);
  }
});

test("a data breakpoint is a trap: behind its instruction, which has happened", async () => {
  for (const [kind, code, met] of [
    [WRITE, [0x89, 0x03], true], // mov %eax,(%rbx)
    [WRITE, [0x8b, 0x0b], false], // mov (%rbx),%ecx
    [ACCESS, [0x8b, 0x0b], true],
    [ACCESS, [0x89, 0x03], true],
    [ACCESS, [0x01, 0x03], true], // add %eax,(%rbx)
    [WRITE, [0x01, 0x03], true],
    [WRITE, [0x50], false], // push %rax
    [2, [0x89, 0x03], false], // I/O: there is no CR4.DE
  ] as const) {
    const m = await machine();
    m.user([...code, 0x90, 0x0f, 0x0b]);
    m.setReg(RAX, 0x1234);
    m.setReg(RBX, USER_DATA);
    arm(m, 1, kind, USER_DATA, 4);
    m.run();
    assert.is(m.haltedIn, met ? DB : 6, `${kind} ${code}`);
    if (!met) continue;
    assert.equal([m.frame(false).rip, conditions(m)], [BigInt(USER_CODE + code.length), 2]);
    if (code[0] !== 0x8b) assert.is(m.phys.u32[USER_DATA >>> 2], 0x1234);
  }
});

test("a data breakpoint is met by each byte of its length and by no other, across pages as well", async () => {
  for (const [bytes, at, size, met] of [
    [1, 0, 1, true], [1, 1, 1, false], [2, 1, 1, true], [2, 2, 1, false], [4, 3, 1, true], [8, 7, 1, true], [8, 8, 1, false], [8, -1, 1, false],
    [1, -3, 4, true], [1, -4, 4, false],
  ] as const) {
    const watched = USER_DATA + 0x1000;
    const m = await machine();
    m.user([...(size === 1 ? [0x88, 0x03] : [0x89, 0x03]), 0x90, 0x0f, 0x0b]);
    m.setReg(RBX, watched + at);
    arm(m, 0, WRITE, watched, bytes);
    m.run();
    assert.is(m.haltedIn, met ? DB : 6, `${bytes} bytes watched, ${size} written at ${at}`);
  }
});

test("pushes, calls and returns meet data breakpoints too", async () => {
  for (const code of [[0x50], [0xe8, 0, 0, 0, 0], [0x6a, 1], [0x9c]]) {
    const m = await machine();
    m.user([...code, 0x90, 0x0f, 0x0b]);
    arm(m, 3, WRITE, USER_STACK - 8, 8);
    m.run();
    assert.equal([m.haltedIn, conditions(m), m.frame(false).rip], [DB, 8, BigInt(USER_CODE + code.length)]);
  }
});

test("a repeated string instruction traps behind the iteration that meets the breakpoint", async () => {
  const m = await machine();
  m.user([0xf3, 0xaa, 0x0f, 0x0b]); // rep stosb
  m.setReg(RDI, USER_DATA);
  m.setReg(RCX, 100);
  arm(m, 0, WRITE, USER_DATA + 40);
  m.run();
  assert.equal([m.haltedIn, m.reg(RCX), m.frame(false).rip], [DB, 59n, BigInt(USER_CODE)]);
});

test("an access of an instruction that faults is not met", async () => {
  const m = await machine();
  m.user([0xff, 0x33]); // push (%rbx), onto a page that is not there
  m.setReg(RBX, USER_DATA);
  m.setReg(RSP, 0x180008);
  m.write(HANDLERS + 16 * 14, [0x90, 0xf4]);
  arm(m, 0, ACCESS, USER_DATA);
  m.run();
  assert.is(Number(m.reg(RIP)), HANDLERS + 16 * 14 + 2);
  assert.equal([conditions(m), m.word(PENDING_DEBUG)], [0, 0]);
});

test("a breakpoint met by MOV SS waits for the end of the next instruction: even if that is INT n into the kernel", async () => {
  const m = await machine();
  m.user([0x8e, 0x13, 0xcd, 0x80]); // mov (%rbx),%ss; int $0x80
  m.gate(0x80, HANDLERS + 16 * 0x80, { dpl: 3 });
  m.setReg(RBX, USER_DATA);
  m.write(USER_DATA, [DATA_3, 0]);
  arm(m, 0, ACCESS, USER_DATA, 2);
  m.run();
  assert.equal([m.haltedIn, m.frame(false).rip, conditions(m)], [DB, BigInt(HANDLERS + 16 * 0x80), 1]);
  assert.is(m.selector(SEG_SS), 0);
});

test("an execution breakpoint right behind MOV SS is not met", async () => {
  const m = await machine();
  m.kernel([0x8e, 0xd0, 0x90, 0x0f, 0x0b]);
  m.setReg(RAX, DATA_0);
  arm(m, 0, EXECUTE, KERNEL_CODE + 2);
  m.run();
  assert.is(m.haltedIn, 6);
});

test("single step and a data breakpoint come as one trap", async () => {
  const m = await machine();
  m.user([0x89, 0x03, 0x90]);
  m.setReg(RBX, USER_DATA);
  m.setReg(RFLAGS, 0x102);
  arm(m, 0, WRITE, USER_DATA);
  m.run();
  assert.equal([m.haltedIn, conditions(m)], [DB, 0x4001]);
});

test("MOV DR with GD set is a #DB fault, which clears GD; one that arms a breakpoint takes effect", async () => {
  const m = await machine();
  m.kernel([0x0f, 0x23, 0xc0]); // mov %rax,%db0
  m.setReg(DR7, 0x2400);
  m.run();
  assert.equal([m.haltedIn, conditions(m), m.reg(DR7), m.frame(false).rip], [DB, 0x2000, 0x400n, BigInt(KERNEL_CODE)]);

  m.kernel([0x0f, 0x23, 0xc0, 0x0f, 0x23, 0xf9, 0x90, 0x90, 0xf4]); // mov %rax,%db0; mov %rcx,%db7; nop; nop
  m.setReg(DR6, 0xffff0ff0);
  m.setReg(RAX, KERNEL_CODE + 7);
  m.setReg(RCX, 0x402);
  m.run();
  assert.equal([m.haltedIn, conditions(m), m.frame(false).rip], [DB, 1, BigInt(KERNEL_CODE + 7)]);
});

test("what was in the TLB before a breakpoint was armed does not hide it, nor slow the machine when it is gone", async () => {
  const m = await machine();
  m.user([0x89, 0x03, 0xeb, 0xfc]); // 1: mov %eax,(%rbx); jmp 1b
  m.setReg(RBX, USER_DATA);
  m.run(100);
  arm(m, 0, WRITE, USER_DATA);
  m.run(10);
  assert.is(m.haltedIn, DB);
  m.user([0x89, 0x03, 0xeb, 0xfc]);
  m.setReg(DR7, 0x400);
  m.setReg(DR6, 0xffff0ff0);
  m.run(100);
  assert.is(conditions(m), 0);
});

test("INT n, INT3 and INT1 count as retired instructions, a fault does not", async () => {
  const m = await machine();
  m.gate(0x80, HANDLERS + 16 * 0x80, { dpl: 3 });
  for (const [code, handler] of [[[0xcd, 0x80], 0x80], [[0xcc], 3], [[0xf1], 1]] as const) {
    m.gate(3, HANDLERS + 16 * 3, { dpl: 3 });
    m.user(code);
    m.run(1);
    assert.is(Number(m.reg(RIP)), HANDLERS + 16 * handler);
  }
  m.user([0x0f, 0x0b]);
  m.run(1);
  assert.is(m.haltedIn, 6);
});

test.run();
