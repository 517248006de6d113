// SGDT, SIDT, SLDT, STR and SMSW of programs: #GP under CR4.UMIP, which the kernel answers with Linux's made-up values.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { run } from "../../host/index";
import { call, DATA_ADDRESS, exit, guest, RESTORER, sigaction } from "./signal-guest";

const UMIP_MODELS = ["v1", "v2"];
const hex = (value: number): string => `0x${value.toString(16)}`;
const status = async (text: string, cpu = "v2") => (await run(guest(text), { seed: 1, stdin: "", timeoutMs: 20_000, cpu, onNotice: () => {} })).status;

/** Leaves by status 1 unless the 64-bit word at `address` is `value`. */
const word = (address: number, value: bigint): string => `movabs $${value}, %rcx\ncmp %rcx, ${hex(address)}\njne bad\n`;
const register = (value: bigint): string => `movabs $${value}, %rcx\ncmp %rcx, %rax\njne bad\n`;
const end = `${exit("$7")}\nbad: ${exit("$1")}\n`;
const ONES = "mov $-1, %rax\n";

test("in memory: limit 0 and a base where nothing is; two bytes of the others", async () => {
  const at = DATA_ADDRESS;
  const text = `
    movabs $${DATA_ADDRESS - 0x1234}, %rbx
    mov $0x234, %r9
    movq $-1, ${hex(at + 8)}
    .byte 0x42, 0x0f, 0x01, 0x84, 0x4b, 0xcc, 0x0d, 0x00, 0x00   # sgdt 0xdcc(%rbx, %r9, 2)
    ${word(at, 0xfffffffe00000000n)}
    ${word(at + 8, 0xffffffffffffffffn)}
    mov $${at + 32}, %r13
    movq $-1, ${hex(at + 40)}
    .byte 0x41, 0x0f, 0x01, 0x4d, 0x00                           # sidt 0(%r13)
    ${word(at + 32, 0xffffffff00000000n)}
    ${word(at + 40, 0xffffffffffffffffn)}
    movq $-1, ${hex(at)}
    mov $${at}, %ebx
    .byte 0x0f, 0x01, 0x23                                       # smsw (%rbx)
    ${word(at, 0xffffffffffff0033n)}
    .byte 0x0f, 0x00, 0x0b                                       # str (%rbx)
    ${word(at, 0xffffffffffff0040n)}
    .byte 0x0f, 0x00, 0x04, 0x25
    .long ${at}                                                  # sldt at
    ${word(at, 0xffffffffffff0000n)}
    ${end}`;
  for (const cpu of UMIP_MODELS) assert.is(await status(text, cpu), 7, cpu);
});

test("in a register: as many bytes as the operand has", async () => {
  const text = `
    ${ONES}.byte 0x0f, 0x01, 0xe0\n${register(0xffffffff80050033n)}
    ${ONES}.byte 0x66, 0x0f, 0x01, 0xe0\n${register(0xffffffffffff0033n)}
    ${ONES}.byte 0x48, 0x0f, 0x01, 0xe0\n${register(0x80050033n)}
    ${ONES}.byte 0x0f, 0x00, 0xc8\n${register(0xffffffff00000040n)}
    mov $-1, %r12\n.byte 0x49, 0x0f, 0x00, 0xc4\nmov %r12, %rax\n${register(0n)}
    movl $1, ${hex(DATA_ADDRESS)}
    movl $0, ${hex(DATA_ADDRESS + 4)}
    movl $0xffff, ${hex(DATA_ADDRESS + 8)}
    movl $0x51, ${hex(DATA_ADDRESS + 12)}
    ${call(154, "$1", `$${DATA_ADDRESS}`, "$16")}
    ${ONES}.byte 0x48, 0x0f, 0x00, 0xc0\n${register(0x50n)}
    ${end}`;
  assert.is(await status(text), 7);
});

test("from 32-bit code the base has four bytes", async () => {
  const text = `
    ${sigaction(4, "handler", 4)}
    movq $-1, ${hex(DATA_ADDRESS)}
    mov $0x2b, %eax
    mov %eax, %ds
    mov $${DATA_ADDRESS}, %ebx
    mov $${DATA_ADDRESS + 0x8000}, %esp
    pushq $0x23
    lea narrow(%rip), %rax
    push %rax
    .byte 0x48, 0xcb                     # lretq
narrow:
    .byte 0x0f, 0x01, 0x03               # sgdt (%ebx)
    .byte 0x0f, 0x0b
wide:
    ${word(DATA_ADDRESS, 0xfffffffe00000000n)}
    ${end}
handler:
    movw $0x33, 184(%rdx)
    lea wide(%rip), %rax
    mov %rax, 168(%rdx)
    ret
    ${RESTORER}`;
  assert.is(await status(text), 7);
});

test("a memory operand that cannot be written is SIGSEGV at it; what is no such instruction stays #GP", async () => {
  const { death } = await run(guest(`mov $0x1234, %ebx\n.byte 0x0f, 0x01, 0x03\n`), { seed: 1 });
  assert.equal([death!.signal, death!.code, death!.address], ["SIGSEGV", 1, 0x1234]);
  const other = await run(guest(`mov $${DATA_ADDRESS}, %ebx\n.byte 0x0f, 0x01, 0x13\n`), { seed: 1 });
  assert.equal([other.death!.signal, other.death!.code], ["SIGSEGV", 128]);
});

test("the notice of it is one, and says nothing that the program can write", async () => {
  const notices: string[] = [];
  const name = (letter: string): string => `movl $${letter.charCodeAt(0) | 0x1b00}, ${hex(DATA_ADDRESS)}\n${call(157, "$15", `$${DATA_ADDRESS}`)}`;
  const smsw = ".byte 0x0f, 0x01, 0xe0\n";
  await run(guest(`${name("a")}${smsw}${name("b")}${smsw}${exit("$0")}`), { seed: 1, onNotice: (line) => void notices.push(line) });
  assert.equal(notices, ["the program uses SMSW, which UMIP keeps from programs: the answer is made up, as Linux does"]);
});

test("a program that asks for a thousand system calls that there are not gets a hundred notices, and a last one", async () => {
  const notices: string[] = [];
  await run(guest(`mov $5000, %ebx\nagain:\nmov %ebx, %eax\nsyscall\ninc %ebx\ncmp $6000, %ebx\njne again\n${exit("$0")}`), {
    seed: 1, onNotice: (line) => void notices.push(line),
  });
  assert.is(notices.length, 101);
  assert.is(notices[99], "system call 5099: there is none, -ENOSYS");
  assert.is(notices[100], "no more notices of what is not as the program may expect: there have been 100");
});

test.run();
