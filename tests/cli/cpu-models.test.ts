// --cpu and --vendor: what the guest sees of them, and what is said when a program needs more than its model has.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cpuModels } from "../../host/machine/cpu-models";
import { ring3, scratchFolder } from "../command";
import { CODE_ADDRESS, DATA_ADDRESS, tinyElf } from "../fuzz/tiny-elf";
import { guest, call, exit, RESTORER, sigaction } from "../linux/signal-guest";

const folder = scratchFolder();
let programs = 0;

function program(elf: Uint8Array): string {
  const path = join(folder, `program-${programs++}`);
  writeFileSync(path, elf, { mode: 0o755 });
  return path;
}

const dies = (bytes: number[], ...options: string[]): string => {
  const { status, stderr } = ring3(["run", ...options, program(tinyElf(Uint8Array.from([0x90, ...bytes, 0xf4]), new Uint8Array(16)))]);
  assert.is(status, 128 + 4);
  return stderr.replace(/^.*?: /, "").replace(/^.*?: /, "").trim();
};

test("a program that dies of an instruction outside its model is told bytes, mnemonic and the missing feature", () => {
  const at = "SIGILL (Illegal instruction) at rip 0x400001";
  assert.is(dies([0x66, 0x0f, 0x38, 0xdc, 0xc1], "--cpu", "v1"), `${at}: 66 0f 38 dc c1 (aesenc xmm0, xmm1) needs AES, which --cpu v1 does not offer`);
  assert.is(dies([0xf2, 0x4c, 0x0f, 0x38, 0xf1, 0x4c, 0x88, 0x10], "--cpu=k8"),
    `${at}: f2 4c 0f 38 f1 4c 88 10 (crc32 r9d, [rax+rcx*4+0x10]) needs SSE4.2, which --cpu k8 does not offer`);
  assert.is(dies([0x48, 0x0f, 0xc7, 0x08], "--cpu=v1"), `${at}: 48 0f c7 08 (cmpxchg16b [rax]) needs CX16, which --cpu v1 does not offer`);
  assert.is(dies([0xc4, 0xe2, 0x60, 0xf2, 0x07], "--cpu=goldmont"), `${at}: c4 e2 60 f2 07 (andn eax, ebx, [rdi]) needs BMI1, which --cpu goldmont does not offer`);
  assert.is(dies([0x0f, 0xc7, 0xf0], "--cpu=nehalem"), `${at}: 0f c7 f0 (rdrand eax) needs RDRAND, which --cpu nehalem does not offer`);
});

test("what is no instruction of any model is told as such", () => {
  const at = "SIGILL (Illegal instruction) at rip 0x400001";
  assert.is(dies([0x0f, 0x0b]), `${at}: 0f 0b (ud2)`);
  assert.match(dies([0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1]), /^SIGILL .*: 62 f1 7c 48 58 c1 \(vaddps .*\), which no --cpu offers$/);
});

test("a feature that a switch has taken away is told by the switch, unless the model has not got it", () => {
  const at = "SIGILL (Illegal instruction) at rip 0x400001: f3 0f ae c0 (rdfsbase eax) needs FSGSBASE, which";
  const rdfsbase = [0xf3, 0x0f, 0xae, 0xc0];
  assert.is(dies(rdfsbase, "--fsgsbase=off"), `${at} --fsgsbase=off takes away`);
  assert.is(dies(rdfsbase, "--fsgsbase=off", "--cpu=k8"), `${at} --cpu k8 does not offer`);
});

test("code of 32 and 16 bits is read as such, in a segment of the program's own too", () => {
  const popcnt = [0xf3, 0x0f, 0xb8, 0x40, 0x05].map((byte) => `.byte ${byte}`).join("\n");
  const far = (selector: number, base: number): string => `
    pushq $${selector}
    lea narrow(%rip), %rax
    sub $${base}, %rax
    push %rax
    .byte 0x48, 0xcb                     # lretq
narrow:
    ${popcnt}`;
  /** Flags as in struct user_desc: a code segment of pages, of 32 bits if bit 0 is set. */
  const local = (flags: number, base: number): string => `
    movl $0, 0x${DATA_ADDRESS.toString(16)}
    movl $${base}, 0x${(DATA_ADDRESS + 4).toString(16)}
    movl $0xfffff, 0x${(DATA_ADDRESS + 8).toString(16)}
    movl $${flags}, 0x${(DATA_ADDRESS + 12).toString(16)}
    ${call(154, "$1", `$${DATA_ADDRESS}`, "$16")}
    ${far(7, base)}`;
  const text = (source: string): string => ring3(["run", "--cpu=v1", program(guest(source))]).stderr.replace(/^[^(]*\(Illegal instruction\) at rip 0x[0-9a-f]*: /, "").trim();
  const needs = "needs POPCNT, which --cpu v1 does not offer";
  assert.is(text(far(0x23, 0)), `f3 0f b8 40 05 (popcnt eax, [eax+0x5]) ${needs}`);
  assert.is(text(local(0x55, 0)), `f3 0f b8 40 05 (popcnt eax, [eax+0x5]) ${needs}`);
  assert.is(text(local(0x55, CODE_ADDRESS)), `f3 0f b8 40 05 (popcnt eax, [eax+0x5]) ${needs}`);
  assert.is(text(local(0x54, CODE_ADDRESS)), `f3 0f b8 40 05 (popcnt ax, [bx+si+0x5]) ${needs}`);
});

test("the handler of such a SIGILL has the instruction's address in si_addr and ILL_ILLOPN", () => {
  const hex = (n: number): string => `0x${n.toString(16)}`;
  const text = `
    ${sigaction(4, "handler", 4)}
    lea here(%rip), %rbx
here:
    popcnt %rax, %rax
    ${exit("$1")}
handler:
    cmp 16(%rsi), %rbx
    jne wrong
    cmpl $2, 8(%rsi)
    jne wrong
    mov %rbx, ${hex(DATA_ADDRESS)}
    ${exit("$42")}
wrong:
    ${exit("$2")}
    ${RESTORER}`;
  const path = program(guest(text));
  assert.is(ring3(["run", "--cpu=v1", path]).status, 42);
  assert.is(ring3(["run", "--cpu=v2", path]).status, 1);
});

test("every model runs a program under both vendors, and CPUID and /proc/cpuinfo agree", () => {
  // CPUID leaf 0 to standard output.
  const text = `
    xor %eax, %eax
    cpuid
    mov %ebx, ${`0x${DATA_ADDRESS.toString(16)}`}
    mov %edx, ${`0x${(DATA_ADDRESS + 4).toString(16)}`}
    mov %ecx, ${`0x${(DATA_ADDRESS + 8).toString(16)}`}
    ${call(1, "$1", `$0x${DATA_ADDRESS.toString(16)}`, "$12")}
    ${exit("$0")}`;
  const path = program(guest(text));
  const names = { intel: "GenuineIntel", amd: "AuthenticAMD" };
  for (const model of cpuModels) {
    assert.is(ring3(["run", "--cpu", model.name, path]).text, names[model.vendor]);
    for (const vendor of ["intel", "amd"] as const) {
      const options = ["run", "--cpu", model.name, "--vendor", vendor];
      assert.is(ring3([...options, path]).text, names[vendor]);
      const info = ring3([...options, "cat", "/proc/cpuinfo"]).text;
      assert.match(info, `vendor_id\t: ${names[vendor]}\n`);
      assert.match(info, `model name\t: ${model.brand}\n`);
    }
  }
});

test("--cpu help lists the models; a name that is none is one line and status 2", () => {
  const { status, text } = ring3(["run", "--cpu", "help"]);
  assert.is(status, 0);
  assert.equal(text.trim().split("\n").map((line) => line.split(" ")[0]), cpuModels.map((model) => model.name));
  const wrong = ring3(["run", "--cpu", "pentium", "hello"]);
  assert.is(wrong.status, 2);
  assert.is(wrong.stderr, `ring3: --cpu: no CPU model "pentium": there are ${cpuModels.map((model) => model.name).join(", ")}\n`);
  assert.is(ring3(["run", "--vendor", "cyrix", "hello"]).stderr, 'ring3: --vendor is intel or amd, not "cyrix"\n');
});

test.run();
