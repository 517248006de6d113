// Programs that die: each of one static C program's ways to end gives the status that it has on the processor itself.
import { join } from "node:path";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import machineWasm from "../../build/machine.wasm";
import { run } from "../../host/index";
import { execute, hasProgram, ring3, scratchFolder, skip } from "../command";

/** What the program does under each name; a statement of C. */
const DEATHS: Record<string, string> = {
  int3: 'asm volatile("int3");',
  "int 3 in two bytes": 'asm volatile(".byte 0xcd, 3");',
  "int 4": 'asm volatile("int $4");',
  "int 0x81, for which there is no gate": 'asm volatile("int $0x81");',
  int1: 'asm volatile(".byte 0xf1");',
  ud2: 'asm volatile("ud2");',
  ud1: 'asm volatile("ud1 %eax, %eax");',
  "LOCK before a register form": 'asm volatile(".byte 0xf0, 0x01, 0xc0");',
  "PUSH ES, which 64-bit mode does not have": 'asm volatile(".byte 0x06");',
  "an instruction of 16 bytes": 'asm volatile(".fill 15, 1, 0x66; nop");',
  "division by zero": 'asm volatile("div %%ecx" :: "a"(1), "c"(0), "d"(0));',
  "division of the least number by -1": 'asm volatile("cqo; idiv %%rcx" :: "a"(1ul << 63), "c"(-1l) : "rdx");',
  "an unmasked SSE division by zero":
    'unsigned mxcsr = 0x1f80 & ~0x200; double one = 1, zero = 0; asm volatile("ldmxcsr %1; divsd %2, %0" : "+x"(one) : "m"(mxcsr), "x"(zero));',
  "an unmasked x87 division by zero": 'short fcw = 0x37b; asm volatile("fldcw %0; fldz; fld1; fdivp; fwait" :: "m"(fcw));',
  hlt: 'asm volatile("hlt");',
  cli: 'asm volatile("cli");',
  "in": 'asm volatile("in $0x80, %%al" ::: "rax");',
  "a read of CR0": 'asm volatile("mov %%cr0, %%rax" ::: "rax");',
  "a write to CR3": 'asm volatile("mov %%rax, %%cr3" :: "a"(0));',
  rdmsr: 'asm volatile("rdmsr" :: "c"(0xc0000080) : "rax", "rdx");',
  lgdt: 'asm volatile("lgdt %0" :: "m"(bytes));',
  ltr: 'asm volatile("ltr %%ax" :: "a"(0x40));',
  sysretq: 'asm volatile("sysretq");',
  swapgs: 'asm volatile("swapgs");',
  invlpg: 'asm volatile("invlpg %0" :: "m"(bytes));',
  wbinvd: 'asm volatile("wbinvd");',
  "IRETQ to selector 0": 'asm volatile("push $0; push $0; push $0; push $0; push $0; iretq");',
  "IRETQ to ring 0": 'asm volatile("push $0x18; push $0; push $2; push $0x10; push $0; iretq");',
  "the kernel's data selector into SS": 'asm volatile("mov %%eax, %%ss" :: "a"(0x18));',
  "a selector beyond the GDT into DS": 'asm volatile("mov %%eax, %%ds" :: "a"(0x1230));',
  "a call of a non-canonical address": "((void (*)(void))0x8000000000000000)();",
  "a return to the first non-canonical address": 'asm volatile("push %0; ret" :: "r"(1ul << 47));',
  "a jump over the end of user space": "((void (*)(void))0x7ffffffff000)();",
  "a jump to the kernel's text": "((void (*)(void))0xffffffff81000000)();",
  "a jump into the vsyscall page": "((void (*)(void))0xffffffffff600123)();",
  "a jump to address 0": "((void (*)(void))0)();",
  "a jump to data": "bytes[0] = 0xc3; ((void (*)(void))bytes)();",
  "a read of the direct map": "return *(volatile char *)0xffff888000000000;",
  "a read of cpu_entry_area, which the user's page table has": "return *(volatile char *)0xfffffe0000000000;",
  "a write to cpu_entry_area": "*(volatile char *)0xfffffe0000001000 = 1;",
  "a read of a non-canonical address": "return *(volatile char *)0x1000000000000000;",
  "a push to a non-canonical address": 'asm volatile("mov %0, %%rsp; push %%rax" :: "r"(1ul << 60));',
  "a push at address 0": 'asm volatile("mov %0, %%rsp; push %%rax" :: "r"(0l));',
  "a write to the text": "*(volatile char *)main = 1;",
  "a write to a string": '*(volatile char *)"constant" = 1;',
  "a misaligned MOVAPS": 'asm volatile("movaps 1(%0), %%xmm0" :: "r"(bytes) : "xmm0");',
  "a misaligned MOV under EFLAGS.AC": 'asm volatile("pushf; orl $0x40000, (%%rsp); popf; mov 1(%0), %%eax" :: "r"(bytes) : "rax");',
  "EFLAGS.TF": 'asm volatile("pushf; orl $0x100, (%rsp); popf; nop; nop");',
  "a read behind the end of a mapped file":
    'return *(volatile char *)mmap(0, 4096, PROT_READ, MAP_PRIVATE, open("/proc/self/exe", O_RDONLY), 1 << 30);',
  "a recursion without end": "return deeper(0);",
  abort: "abort();",
  "kill with SIGKILL": "kill(getpid(), SIGKILL);",
  "kill with SIGTERM": "kill(getpid(), SIGTERM);",
  "kill with SIGCHLD, which is ignored": "kill(getpid(), SIGCHLD);",
  "a full range of exit": "exit(0x1ff);",
};

const SOURCE = `
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
static char bytes[64] __attribute__((aligned(16)));
static int deeper(volatile int depth) { volatile char frame[4096]; frame[0] = depth; return deeper(depth + 1) + frame[0]; }
int main(int argc, char **argv) {
    switch (atoi(argv[1])) {
${Object.values(DEATHS).map((statement, index) => `    case ${index}: { ${statement} break; }`).join("\n")}
    }
    return 0;
}
`;

const folder = scratchFolder();
const module = new WebAssembly.Module(machineWasm as BufferSource);
let program = "";

/** Builds the program once; false, said by name, where there is no compiler. */
function built(): boolean {
  if (!hasProgram("gcc")) {
    skip("the status of programs that die", "no gcc");
    return false;
  }
  if (program === "") {
    const source = join(folder, "deaths.c");
    writeFileSync(source, SOURCE);
    const { status, stderr } = execute("gcc", ["-w", "-O1", "-static", "-o", join(folder, "deaths"), source]);
    assert.is(status, 0, stderr);
    program = join(folder, "deaths");
  }
  return true;
}

for (const [index, name] of Object.keys(DEATHS).entries()) {
  test(`${name} ends as on the processor`, async () => {
    if (!built()) return;
    const native = execute(program, [String(index)]);
    const ours = await run(readFileSync(program), { args: [program, String(index)], module });
    assert.is(ours.status, native.status, ours.signal ?? undefined);
    if (name !== "a full range of exit") assert.is(ours.signal !== null, native.status > 128);
  });
}

/** What the command says when the program dies of the case that has this name. */
function lastWords(name: string): string {
  return ring3(["run", program, String(Object.keys(DEATHS).indexOf(name))]).stderr.replace(/^ring3: \S+: /, "");
}

test("SIGILL names the instruction with its bytes and its disassembly", () => {
  if (!built()) return;
  assert.match(lastWords("ud2"), /^SIGILL \(Illegal instruction\) at rip 0x[0-9a-f]+: 0f 0b \(ud2\)\n$/);
  assert.match(lastWords("PUSH ES, which 64-bit mode does not have"), /^SIGILL \(Illegal instruction\) at rip 0x[0-9a-f]+: 06 [0-9a-f ]+ \(no instruction\)\n$/);
});

test("SIGSEGV names the address where there is one", () => {
  if (!built()) return;
  assert.match(lastWords("a read of the direct map"), /^SIGSEGV \(Segmentation fault\) at rip 0x[0-9a-f]+, address 0xffff888000000000\n$/);
  assert.match(lastWords("a jump to address 0"), /^SIGSEGV \(Segmentation fault\) at rip 0x0, address 0x0\n$/);
  // Linux emulate_vsyscall: an address there that is no entry is warned of as "misaligned", and earns a SIGSEGV without si_addr.
  assert.match(lastWords("a jump into the vsyscall page"), /^SIGSEGV \(Segmentation fault\) at rip 0xffffffffff600123\n$/);
  assert.match(lastWords("a push at address 0"), /^SIGSEGV \(Segmentation fault\) at rip 0x[0-9a-f]+, address 0xfffffffffffffff8\n$/);
  assert.match(lastWords("hlt"), /^SIGSEGV \(Segmentation fault\) at rip 0x[0-9a-f]+\n$/);
});

test("the dead say the same with page-table isolation off", () => {
  if (!built()) return;
  for (const name of ["a jump to the kernel's text", "a read of the direct map", "a write to cpu_entry_area", "sysretq"]) {
    const index = String(Object.keys(DEATHS).indexOf(name));
    assert.is(ring3(["run", "--pti=off", program, index]).status, 139, name);
  }
});

test.run();
