// Signals: the bundled guest that prints all it sees of them, and guests that no C compiler would make.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run, type RunOptions, type RunResult } from "../../host/index";
import { execute, root, skip } from "../command";
import { DATA_ADDRESS, RESTORER, call, exit, guest, sigaction } from "./signal-guest";

const SA_SIGINFO = 4;
const SA_ONSTACK = 0x08000000;
const SIGUSR1 = 10;
const SIGSEGV = 11;
/** Offsets from a handler's third argument, the ucontext. */
const UC_RSP = 40 + 120;
const UC_RIP = 40 + 128;
const UC_CS = 40 + 144;
const UC_SS = 40 + 150;
const UC_FPSTATE = 40 + 184;
const UC_TRAPNO = 40 + 160;
const PIPE_GUEST_MS = 20_000;

async function output(program: Uint8Array, options: RunOptions = {}): Promise<{ text: string; result: RunResult }> {
  const parts: Buffer[] = [];
  const stdout = (bytes: Uint8Array) => void parts.push(Buffer.from(bytes));
  const result = await run(program, { seed: 1, stdin: "", timeoutMs: PIPE_GUEST_MS, ...options, stdout });
  return { text: Buffer.concat(parts).toString(), result };
}

const bundled = (name: string) => readFileSync(join(root, "guest-programs", name));
const status = async (text: string, options?: RunOptions) => (await output(guest(text), options)).result;

test("the signals guest prints the same natively, by the host's clock and by the virtual one, with and without PTI", async () => {
  const runs = await Promise.all([{}, { clock: "virtual" as const }, { pti: false }].map((options) => output(bundled("signals"), options)));
  for (const { text, result } of runs) {
    assert.is(result.status, 0);
    assert.is(text, runs[0]!.text);
  }
  if (process.platform !== "linux" || process.arch !== "x64") return skip("signals natively", "not x86-64 Linux");
  assert.is(runs[0]!.text, execute(join(root, "guest-programs/signals"), []).text);
});

test("rt_sigreturn without a frame is SIGSEGV", async () => {
  const { signal } = await status(`${call(15)} ${exit("$1")}`);
  assert.is(signal, "SIGSEGV");
});

test("a synchronous signal that is blocked or ignored kills", async () => {
  const block = `movq $-1, 0x${DATA_ADDRESS.toString(16)}\n${call(14, "$2", `$0x${DATA_ADDRESS.toString(16)}`, "$0", "$8")}`;
  const blocked = await status(`${sigaction(4, "handler", 0)} ${block} ud2\nhandler: ${exit("$1")} ${RESTORER}`);
  assert.is(blocked.signal, "SIGILL");
  const ignore = `movq $1, 0x${DATA_ADDRESS.toString(16)}\n${call(13, "$4", `$0x${DATA_ADDRESS.toString(16)}`, "$0", "$8")}`;
  assert.is((await status(`${ignore} ud2`)).signal, "SIGILL");
});

test("a handler without SA_RESTORER, or without a stack, is SIGSEGV", async () => {
  const raise = `${call(39)} mov %rax, %r15\n${call(62, "%r15", `$${SIGUSR1}`)} ${exit("$1")}`;
  const handler = `handler: ${exit("$2")} ${RESTORER}`;
  assert.is((await status(`${sigaction(SIGUSR1, "handler", 0, null)} ${raise} ${handler}`)).signal, "SIGSEGV");
  assert.is((await status(`${sigaction(SIGUSR1, "handler", 0)} mov $16, %esp\n${raise} ${handler}`)).signal, "SIGSEGV");
  assert.is((await status(`${sigaction(SIGUSR1, "handler", 0)} movabs $0x8000000000000000, %rsp\n${raise} ${handler}`)).signal, "SIGSEGV");
  assert.is((await status(`${sigaction(SIGUSR1, "handler", 0)} ${raise} ${handler}`)).status, 2);
});

test("SIGSEGV for want of a stack has a handler on the alternate one, and none when that overflows", async () => {
  const altstack = (size: number) => `
    movq $0x${(DATA_ADDRESS + 0x4000).toString(16)}, 0x${DATA_ADDRESS.toString(16)}
    movq $0, 0x${(DATA_ADDRESS + 8).toString(16)}
    movq $${size}, 0x${(DATA_ADDRESS + 16).toString(16)}
    ${call(131, `$0x${DATA_ADDRESS.toString(16)}`, "$0")}`;
  const fault = `${sigaction(SIGSEGV, "handler", SA_SIGINFO | SA_ONSTACK)} mov $16, %esp\n push %rax\nhandler: ${exit("$7")} ${RESTORER}`;
  assert.is((await status(`${altstack(4096)} ${fault}`)).status, 7);
  // The first frame fits into the smallest stack there may be, and the second one, within it, does not.
  const again = `${sigaction(SIGSEGV, "handler", SA_SIGINFO | SA_ONSTACK | 0x40000000)} handler: push 0\n ${RESTORER}`;
  assert.is((await status(`${altstack(2048)} ${again}`)).signal, "SIGSEGV");
});

/** A handler of SIGUSR1 that does `edit` to its frame (ucontext in RDX), and one of SIGSEGV that exits with its trapno. */
async function edited(edit: string): Promise<RunResult> {
  return status(`
    ${sigaction(SIGUSR1, "edit", SA_SIGINFO)}
    ${sigaction(SIGSEGV, "segv", SA_SIGINFO)}
    ${sigaction(7, "segv", SA_SIGINFO)}
    ${call(39)}
    mov %rax, %r15
    ${call(62, "%r15", `$${SIGUSR1}`)}
    ${exit("$99")}
edit:
    ${edit}
    ret
segv:
    mov %rdi, %rbx
    shl $5, %ebx
    add ${UC_TRAPNO}(%rdx), %rbx
    ${exit("%rbx")}
    ${RESTORER}`);
}

test("a handler may edit any field of its frame and gets what Linux gives", async () => {
  const GP = (11 << 5) + 13;
  assert.is((await edited("")).status, 99);
  assert.is((await edited(`movabs $0x800000000000, %rax\n mov %rax, ${UC_RIP}(%rdx)`)).status, GP & 255, "RIP not canonical");
  assert.is((await edited(`movw $0x10, ${UC_CS}(%rdx)`)).status, GP & 255, "CS of the kernel");
  assert.is((await edited(`movw $0, ${UC_CS}(%rdx)`)).status, GP & 255, "CS null");
  assert.is((await edited(`movw $0x18, ${UC_SS}(%rdx)`)).status, GP & 255, "SS of the kernel");
  assert.is((await edited(`movq $0, ${UC_RSP}(%rdx)`)).status, 99, "RSP does not matter to the code behind it");
  // Bad FPU state: SIGSEGV with the trapno that was there before, none.
  assert.is((await edited(`movq $8, ${UC_FPSTATE}(%rdx)`)).status, (11 << 5) & 255, "fpstate nowhere");
  assert.is((await edited(`mov ${UC_FPSTATE}(%rdx), %rax\n movl $-1, 24(%rax)`)).status, (11 << 5) & 255, "MXCSR that does not exist");
  assert.is((await edited(`movq $0, ${UC_FPSTATE}(%rdx)`)).status, 99, "no FPU state");
  assert.is((await edited("movq $0, (%rdx)\n movw $0, 190(%rdx)")).status, 99, "without UC_STRICT_RESTORE_SS a bad SS is put right");
});

test("a handler may be said to be anywhere: the fetch faults there, or IRETQ where no address is", async () => {
  const at = async (handler: string) => {
    const text = `
      ${sigaction(SIGUSR1, "handler", 0)}
      movabs $${handler}, %rax
      mov %rax, 0x${(DATA_ADDRESS + 0x10000 - 64).toString(16)}
      ${call(13, `$${SIGUSR1}`, `$0x${(DATA_ADDRESS + 0x10000 - 64).toString(16)}`, "$0", "$8")}
      ${call(13, `$${SIGUSR1}`, "$0", `$0x${DATA_ADDRESS.toString(16)}`, "$8")}
      movabs $${handler}, %rax
      cmp %rax, 0x${DATA_ADDRESS.toString(16)}
      jne handler
      ${call(39)}
      mov %rax, %r15
      ${call(62, "%r15", `$${SIGUSR1}`)}
    handler:
      ${exit("$1")}
      ${RESTORER}`;
    const { death } = await status(text);
    return death && [death.signal, death.code, death.address];
  };
  assert.equal(await at("0xffffffffffffffff"), ["SIGSEGV", 1, -1]);
  assert.equal(await at("0xfffffffffffffff7"), ["SIGSEGV", 1, -9]);
  assert.equal(await at("0x7ffffffff000"), ["SIGSEGV", 1, 0x7ffffffff000]);
  assert.equal((await at("0x800000000000"))!.slice(0, 2), ["SIGSEGV", 128]);
});

test("a trace shows what a signal did to a call, as strace does", async () => {
  const lines: string[] = [];
  const text = `
    ${sigaction(14, "handler", 0)}
    movq $0, 0x${DATA_ADDRESS.toString(16)}
    movq $0, 0x${(DATA_ADDRESS + 8).toString(16)}
    movq $0, 0x${(DATA_ADDRESS + 16).toString(16)}
    movq $5000, 0x${(DATA_ADDRESS + 24).toString(16)}
    ${call(38, "$0", `$0x${DATA_ADDRESS.toString(16)}`, "$0")}
    ${call(34)}
    ${exit("$0")}
handler:
    ret
    ${RESTORER}`;
  await output(guest(text), { clock: "virtual", strace: (line) => lines.push(line) });
  const from = lines.findIndex((line) => line.startsWith("pause"));
  assert.equal(lines.slice(from, from + 4), [
    "pause()                                 = ? ERESTARTNOHAND (To be restarted if no handler)",
    "--- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---",
    "rt_sigreturn()                          = -1 EINTR (Interrupted system call)",
    "exit_group(0)                           = ?",
  ]);
});

test("a stack that runs out of guest memory in a handler's frame kills as Linux would", async () => {
  const notices: string[] = [];
  const text = `
    ${sigaction(SIGUSR1, "handler", 0x40000000)}
    ${call(39)}
    mov %rax, %r15
handler:
    sub $0x8000, %rsp
    ${call(62, "%r15", `$${SIGUSR1}`)}
    jmp handler
    ${RESTORER}`;
  const { result } = await output(guest(text), { memoryMiB: 8, onNotice: (line) => notices.push(line) });
  assert.ok(result.signal === "SIGKILL" || result.signal === "SIGSEGV", String(result.signal));
});

test.run();
