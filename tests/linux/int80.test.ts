// INT 0x80 out of 64-bit code: the i386 table, 32 bits of each argument, and memory where 32 bits reach.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type RunOptions, type SyscallEvent, run } from "../../host/index";
import { DATA_ADDRESS, call, exit, guest } from "./signal-guest";

const hex = (value: number): string => `$0x${value.toString(16)}`;

/** A call by INT 0x80. */
function int80(number: number, ...operands: string[]): string {
  const registers = ["%rbx", "%rcx", "%rdx", "%rsi", "%rdi", "%rbp"];
  return [...operands.map((operand, i) => `mov ${operand}, ${registers[i]}`), `mov $${number}, %eax`, "int $0x80", ""].join("\n");
}

async function events(text: string, options: Partial<RunOptions> = {}): Promise<{ events: SyscallEvent[]; strace: string[]; status: number; output: string }> {
  const found: SyscallEvent[] = [];
  const strace: string[] = [];
  const result = await run(guest(text), { seed: 1, onSyscall: (event) => void found.push(event), strace: (line) => void strace.push(line), ...options });
  return { events: found, strace, status: result.status, output: Buffer.from(result.stdout).toString() };
}

const MODES: Partial<RunOptions>[] = [{}, { pti: false }, { pcid: false }, { vendor: "amd" }];

test("numbers and arguments are i386's, whatever the upper halves of the registers hold", async () => {
  for (const options of MODES) {
    const text = `
      movl $0x0a6968, ${hex(DATA_ADDRESS).slice(1)}
      movabs $0x7777777700000001, %rbx
      movabs $0x77777777${DATA_ADDRESS.toString(16).padStart(8, "0")}, %rcx
      movabs $0x7777777700000003, %rdx
      movabs $0x7777777700000004, %rax
      int $0x80
      ${exit("%rax")}`;
    const { output, status, events: found } = await events(text, options);
    assert.is(output, "hi\n", JSON.stringify(options));
    assert.is(status, 3);
    const write = found.find(({ name }) => name === "write")!;
    assert.equal([write.abi, write.number, write.args[1]], ["i386", 4, DATA_ADDRESS]);
    assert.is(found.at(-1)!.abi, "x86-64");
  }
});

test("a 32-bit mmap of a 64-bit program lies below 4 GiB, its own above, and MAP_32BIT's in the second GiB", async () => {
  const { events: found, strace } = await events(`
    ${int80(192, "$0", "$4096", "$3", "$0x22", "$-1", "$0")}
    mov $0x22, %r10
    ${call(9, "$0", "$4096", "$3", "$0x22")}
    ${call(9, "$0", "$4096", "$3", "$0x62")}
    ${exit("$0")}`);
  const [compat, native, low] = found.filter(({ name }) => /^mmap2?$/.test(name)).map(({ result }) => result!);
  assert.ok(compat! > 0xf0000000 && compat! < 0xffffe000, compat!.toString(16));
  assert.ok(native! > 2 ** 46, native!.toString(16));
  assert.ok(low! >= 0x40000000 && low! < 0x42000000, low!.toString(16));
  assert.ok(strace.some((line) => /^mmap2\(NULL, 4096, PROT_READ\|PROT_WRITE, MAP_PRIVATE\|MAP_ANONYMOUS, -1, 0\) += 0xf/.test(line)), strace.join("\n"));
});

test("when the room below its base is full, a 32-bit mmap of a 64-bit program goes above it, and never beyond 4 GiB", async () => {
  const base = 0xf7ffe000;
  const { events: found } = await events(`
    movabs $${base - 0x2000000}, %r12
    ${call(9, "$0x2000000", "%r12", "$0", "$0x4032")}
    ${int80(192, "$0", "$0x7000000", "$0", "$0x4022", "$-1", "$0")}
    ${int80(192, "$0", "$0x10000000", "$0", "$0x4022", "$-1", "$0")}
    ${exit("$0")}`, { aslr: false });
  assert.equal(found.filter(({ name }) => /^mmap2?$/.test(name)).map(({ result }) => result), [0x2000000, base, -12]);
});

test("a hint below what may be mapped stands for the least that may, and one in the first page for none", async () => {
  const { events: found } = await events(`
    ${call(9, "$1", "$4096", "$3", "$0x62")}
    ${call(9, "$0x1000", "$4096", "$3", "$0x62")}
    ${call(9, "$0xffff", "$4096", "$3", "$0x22")}
    ${call(11, "$0x10000", "$4096")}
    ${call(9, "$0x2fff", "$4096", "$3", "$0x22")}
    ${exit("$0")}`);
  const results = found.filter(({ name }) => name === "mmap").map(({ result }) => result!);
  assert.ok(results[0]! >= 0x40000000 && results[0]! < 0x42000000, results[0]!.toString(16));
  assert.is(results[1], 0x10000);
  assert.ok(results[2]! > 2 ** 46, "taken already");
  assert.is(results[3], 0x10000);
});

test("an unknown number is -ENOSYS in all 64 bits of RAX, and all other registers come back", async () => {
  const { status } = await events(`
    mov $0x1122, %r8
    mov $0x3344, %r11
    ${int80(400_000)}
    cmp $-38, %rax
    jne bad
    cmp $0x1122, %r8
    jne bad
    cmp $0x3344, %r11
    jne bad
    ${exit("$0")}
bad:
    ${exit("$1")}`);
  assert.is(status, 0);
});

test("times have the width of the call: 32 bits, 64 bits, and the native", async () => {
  const at = (slot: number) => hex(DATA_ADDRESS + slot * 32);
  const { status, strace } = await events(`
    ${int80(265, "$0", at(0))}
    ${int80(403, "$0", at(1))}
    ${call(228, "$0", at(2))}
    mov ${at(0).slice(1)}, %eax
    mov ${at(1).slice(1)}, %rdx
    mov ${at(2).slice(1)}, %rcx
    sub %rdx, %rcx
    cmp $1, %rcx
    ja bad
    sub %eax, %edx
    cmp $1, %edx
    ja bad
    cmpl $0, ${hex(DATA_ADDRESS + 8).slice(1)}
    jne bad
    ${exit("$0")}
bad:
    ${exit("$1")}`, { clock: "virtual" });
  assert.is(status, 0);
  for (const name of ["clock_gettime", "clock_gettime64"]) {
    assert.ok(strace.some((line) => line.startsWith(`${name}(CLOCK_REALTIME, {tv_sec=`)), strace.join("\n"));
  }
});

test("strace says RLIM_INFINITY for the 32 bits of an i386 call, and for no number of 64 bits", async () => {
  const { strace } = await events(`
    movl $-1, ${hex(DATA_ADDRESS).slice(1)}
    movl $0, ${hex(DATA_ADDRESS + 4).slice(1)}
    movq $-1, ${hex(DATA_ADDRESS + 8).slice(1)}
    ${call(160, "$9", hex(DATA_ADDRESS))}
    ${int80(191, "$9", hex(DATA_ADDRESS))}
    ${call(97, "$9", hex(DATA_ADDRESS))}
    ${exit("$0")}`);
  const shown = strace.filter((line) => line.includes("RLIMIT_AS")).map((line) => /\{.*\}/.exec(line)![0]);
  assert.equal(shown, [
    "{rlim_cur=4294967295, rlim_max=RLIM64_INFINITY}", "{rlim_cur=RLIM_INFINITY, rlim_max=RLIM_INFINITY}", "{rlim_cur=4294967295, rlim_max=RLIM64_INFINITY}",
  ]);
});

test("a handler that a 32-bit call has set is 32-bit code: 64-bit code sees it enter with CS 0x23", async () => {
  // It leaves with its CS for the exit status: INT 0x80 twice, getpid and exit.
  const { strace } = await events(`
    lea handler(%rip), %rax
    mov %eax, ${hex(DATA_ADDRESS).slice(1)}
    ${int80(67, "$10", hex(DATA_ADDRESS), "$0")}
    mov $${DATA_ADDRESS + 0x8000}, %rsp
    ${int80(20)}
    mov %rax, %rbx
    mov $10, %ecx
    mov $37, %eax
    int $0x80
    ${exit("$1")}
handler:
    mov $20, %eax
    int $0x80
    mov %cs, %eax
    mov %eax, %ebx
    mov $1, %eax
    int $0x80`);
  assert.ok(strace.some((line) => line.startsWith("sigaction(SIGUSR1, {sa_handler=0x")), strace.join("\n"));
  assert.ok(strace.includes("+++ exited with 35 +++"), strace.join("\n"));
});

test.run();
