// The vDSO in running programs: what it answers, that it makes no system call for it, that time never steps back in it, and how its
// mapping behaves.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Kernel, Machine, run, vdsoImage, type RunOptions } from "../../host/index";
import { execve } from "../../host/linux/exec";
import { TSC_HZ } from "../../host/linux/clock";
import { sysMmap, sysMprotect, sysMremap, sysMunmap } from "../../host/linux/syscalls/memory";
import { Errno } from "../../host/linux/errno";
import type { Task } from "../../host/linux/task";
import { sysvHash } from "../../host/linux/vdso-image";
import { execute, hasProgram, root, scratchFolder, skip } from "../command";
import { DATA_ADDRESS, tinyElf } from "../fuzz/tiny-elf";
import { assemble } from "../ring0/crossing-guest";
import { LoadedVdso } from "./vdso-lookup";

const vdso = new LoadedVdso(vdsoImage());
const offsetOf = (name: string): number => vdso.bySysvHash(name, sysvHash(name), 2);

/** At `_start`: rbx = address of the vDSO, from the auxiliary vector. */
const FIND_VDSO = `
    movq    (%rsp), %rcx
    leaq    16(%rsp,%rcx,8), %rsi
skip_environment:
    addq    $8, %rsi
    cmpq    $0, -8(%rsi)
    jne     skip_environment
find_sysinfo:
    movq    (%rsi), %rax
    movq    8(%rsi), %rbx
    addq    $16, %rsi
    cmpq    $33, %rax
    jne     find_sysinfo
`;

/** Leaves the address of a function of the vDSO in `register`. */
const address = (name: string, register: string): string => `leaq ${offsetOf(name)}(%rbx), ${register}\n`;
const exit = (status: string): string => `movl ${status}, %edi\nmovl $231, %eax\nsyscall\n`;

/** Sixteen-byte results at DATA_ADDRESS + 16 * n, written to standard output at the end. */
const writeResults = (count: number): string =>
  `movl $1, %edi\nmovl $${DATA_ADDRESS}, %esi\nmovl $${16 * count}, %edx\nmovl $1, %eax\nsyscall\n`;

function guest(text: string): Uint8Array {
  return tinyElf(assemble(text), new Uint8Array(4096));
}

interface Ran {
  status: number;
  signal: string | null;
  calls: string[];
  /** The 64-bit words that it wrote. */
  words: bigint[];
}

async function runGuest(text: string, options: RunOptions = {}): Promise<Ran> {
  const calls: string[] = [];
  const result = await run(guest(text), { seed: 1, clock: "virtual", onSyscall: (event) => calls.push(event.name), ...options });
  // Those that every program has.
  const own = calls.filter((name) => name !== "execve" && name !== "exit_group");
  const { stdout } = result;
  const words = [...new BigUint64Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + (stdout.length & ~7)))];
  return { status: result.status, signal: result.signal, calls: own, words };
}

const CLOCKS = { REALTIME: 0, MONOTONIC: 1, MONOTONIC_RAW: 4, REALTIME_COARSE: 5, MONOTONIC_COARSE: 6, BOOTTIME: 7, TAI: 11 };
const COARSE = new Set([5, 6]);

test("each clock that Linux serves is read without a system call, and agrees with it", async () => {
  for (const clock of ["host", "virtual"] as const) {
    for (const [name, id] of Object.entries(CLOCKS)) {
      const { words, calls } = await runGuest(
        `${FIND_VDSO}
        ${address("__vdso_clock_gettime", "%rbp")}
        movl $${id}, %edi
        movl $${DATA_ADDRESS}, %esi
        call *%rbp
        movl $${id}, %edi
        movl $${DATA_ADDRESS + 16}, %esi
        movl $228, %eax
        syscall
        movl $${id}, %edi
        movl $${DATA_ADDRESS + 32}, %esi
        call *%rbp
        ${writeResults(3)}${exit("$0")}`,
        { clock },
      );
      assert.equal(calls.filter((call) => call.startsWith("clock")), ["clock_gettime"], name);
      const [before, call, after] = [0, 1, 2].map((n) => words[2 * n]! * 1_000_000_000n + words[2 * n + 1]!) as [bigint, bigint, bigint];
      assert.ok(before <= call, `${name}: ${before} by the vDSO, then ${call} by the call`);
      assert.ok(call <= after, `${name}: ${call} by the call, then ${after} by the vDSO`);
      // Under the virtual clock a nanosecond is an instruction; a tick may lie between two readings.
      if (clock === "virtual") assert.ok(after - before <= (COARSE.has(id) ? 4_000_000n : 1000n), `${name}: ${after - before} ns between`);
      for (const word of [1, 3, 5]) assert.ok(words[word]! < 1_000_000_000n);
    }
  }
});

test("gettimeofday, time, getcpu and clock_getres answer what the system calls answer", async () => {
  const { words, calls, status } = await runGuest(
    `${FIND_VDSO}
    ${address("__vdso_gettimeofday", "%rbp")}
    movl $${DATA_ADDRESS}, %edi
    movl $${DATA_ADDRESS + 16}, %esi
    movq $-1, (%rsi)
    call *%rbp
    ${address("__vdso_time", "%rbp")}
    movl $${DATA_ADDRESS + 32}, %edi
    call *%rbp
    movq %rax, ${DATA_ADDRESS + 40}
    ${address("__vdso_getcpu", "%rbp")}
    movl $${DATA_ADDRESS + 48}, %edi
    movl $${DATA_ADDRESS + 52}, %esi
    movq $-1, (%rdi)
    call *%rbp
    ${address("__vdso_clock_getres", "%rbp")}
    movl $1, %edi
    movl $${DATA_ADDRESS + 64}, %esi
    call *%rbp
    movl $6, %edi
    movl $${DATA_ADDRESS + 80}, %esi
    call *%rbp
    xorl %edi, %edi
    xorl %esi, %esi
    call *%rbp                      # a null pointer: only asks whether there is such a clock
    movl %eax, %r12d
    ${writeResults(6)}${exit("%r12d")}`,
    { dateMs: Date.UTC(2024, 1, 29, 12, 30) + 0.25 },
  );
  const second = BigInt(Date.UTC(2024, 1, 29, 12, 30)) / 1000n;
  assert.equal(calls, ["write"]);
  assert.is(status, 0);
  assert.is(words[0], second);
  assert.ok(words[1]! >= 250n && words[1]! < 260n, `${words[1]} us`);
  assert.equal(words.slice(2, 3).concat(words.slice(4, 7)), [0n, second, second, 0n]);
  assert.equal(words.slice(8), [0n, 1n, 0n, 4_000_000n]);
});

test("what the vDSO does not serve goes by the system call: CPU clocks, unknown clocks", async () => {
  for (const [id, result] of [[2, 0], [3, 0], [10, 234], [12, 234], [15, 234], [16, 234], [-1, 234], [0x10001, 234]] as const) {
    for (const name of ["clock_gettime", "clock_getres"]) {
      const { calls, status } = await runGuest(
        `${FIND_VDSO}${address(name, "%rbp")}movl $${id}, %edi\nmovl $${DATA_ADDRESS}, %esi\ncall *%rbp\nmovl %eax, %r12d\n${exit("%r12d")}`,
      );
      assert.equal(calls.slice(0, 1), [name], `${name}(${id})`);
      assert.is(status, result, `${name}(${id})`); // 234: -EINVAL as an exit status
    }
  }
});

test("a bad pointer is a SIGSEGV in the vDSO, -EFAULT from the system call", async () => {
  const vdsoCall = await runGuest(`${FIND_VDSO}${address("clock_gettime", "%rbp")}movl $1, %edi\nxorl %esi, %esi\ncall *%rbp\n${exit("$0")}`);
  assert.is(vdsoCall.signal, "SIGSEGV");
  const call = await runGuest(`movl $228, %eax\nmovl $1, %edi\nxorl %esi, %esi\nsyscall\nnegl %eax\nmovl %eax, %r12d\n${exit("%r12d")}`);
  assert.equal([call.status, call.signal], [14, null]);
});

test("prctl(PR_SET_TSC, PR_TSC_SIGSEGV) takes RDTSC away, in the vDSO too, and the coarse clocks stay", async () => {
  const disable = "movl $157, %eax\nmovl $26, %edi\nmovl $2, %esi\nsyscall\n";
  const read = (id: number): string => `${FIND_VDSO}${disable}${address("clock_gettime", "%rbp")}movl $${id}, %edi\nmovl $${DATA_ADDRESS}, %esi\ncall *%rbp\n${exit("$7")}`;
  assert.is((await runGuest(read(1))).signal, "SIGSEGV");
  assert.is((await runGuest(read(6))).status, 7);
  assert.is((await runGuest(`${disable}rdtscp\n${exit("$7")}`)).signal, "SIGSEGV");
  assert.is((await runGuest(`${disable}movl $157, %eax\nmovl $1, %esi\nmovl $26, %edi\nsyscall\nrdtsc\n${exit("$7")}`)).status, 7);
});

test("the frequency in CPUID leaf 15h is the one that the kernel scales by", async () => {
  const { words } = await runGuest(
    `movl $0x15, %eax\nxorl %ecx, %ecx\ncpuid\nmovl %eax, ${DATA_ADDRESS}\nmovl %ebx, ${DATA_ADDRESS + 8}\nmovl %ecx, ${DATA_ADDRESS + 16}\n${writeResults(2)}${exit("$0")}`,
  );
  assert.is(Number((words[2]! * words[1]!) / words[0]!), TSC_HZ);
});

test("under the virtual clock time is instructions, the same in each run; without one it goes on by itself", async () => {
  const text = `${FIND_VDSO}${address("clock_gettime", "%rbp")}movl $1, %edi\nmovl $${DATA_ADDRESS}, %esi\ncall *%rbp\n${writeResults(1)}${exit("$0")}`;
  const [first, second] = [await runGuest(text), await runGuest(text)];
  assert.equal(first.words, second.words);
  assert.ok(first.words[1]! > 20n && first.words[1]! < 2000n);
  const [host, later] = [await runGuest(text, { clock: "host" }), await runGuest(text, { clock: "host" })];
  assert.is.not(host.words[1], later.words[1]);
});

test("clock_settime is seen by the vDSO at once, in the wall clock alone", async () => {
  const read = (id: number, at: number): string => `movl $${id}, %edi\nmovl $${DATA_ADDRESS + at}, %esi\ncall *%rbp\n`;
  const { words } = await runGuest(
    `${FIND_VDSO}${address("clock_gettime", "%rbp")}${read(1, 0)}
    movl $227, %eax                 # clock_settime(CLOCK_REALTIME, { 86400, 5 })
    xorl %edi, %edi
    movl $${DATA_ADDRESS + 64}, %esi
    movq $86400, (%rsi)
    movq $5, 8(%rsi)
    syscall
    ${read(0, 16)}${read(5, 32)}${read(1, 48)}${writeResults(4)}${exit("$0")}`,
  );
  assert.is(words[2], 86400n);
  assert.ok(words[3]! >= 5n && words[3]! < 1000n);
  assert.ok(words[4] === 86399n || words[4] === 86400n);
  assert.ok(words[7]! > words[1]! && words[7]! < words[1]! + 2000n);
});

/** Reads CLOCK_MONOTONIC by the vDSO for ever; %r15 counts the readings, and a step back goes to `stepped_back`. */
const READER = `${FIND_VDSO}
    ${address("__vdso_clock_gettime", "%rbp")}
    xorl %r12d, %r12d
    xorl %r15d, %r15d
read_again:
    movl $1, %edi
    movl $${DATA_ADDRESS}, %esi
    call *%rbp
    imulq $1000000000, ${DATA_ADDRESS}, %rax
    addq ${DATA_ADDRESS + 8}, %rax
    cmpq %r12, %rax
    jb stepped_back
    movq %rax, %r12
    incq %r15
    jmp read_again
stepped_back:
    ud2
`;

const quiet = { write: (bytes: Uint8Array): number => bytes.length, onWritable(): void {} };

async function bootGuest(text: string, options: ConstructorParameters<typeof Kernel>[1] = {}): Promise<{ machine: Machine; kernel: Kernel; task: Task }> {
  const machine = await Machine.create({ ramBytes: 16 << 20 });
  const kernel = new Kernel(machine, { seed: 1, clock: "virtual", files: { "/guest": guest(text) }, stdout: quiet, ...options });
  return { machine, kernel, task: kernel.spawn("/guest", ["guest"], []) };
}

test("time never steps back when the page is rewritten between any two instructions of a reading", async () => {
  const { machine, kernel, task } = await bootGuest(READER);
  kernel.ring0.switchTo(task.stack, task.mm.addressSpace);
  // The loop of kernel.ts is not running: it is told whose turn it is.
  (kernel as unknown as { current: Task }).current = task;
  let seed = 12345;
  for (let step = 0; step < 60_000; step++) {
    kernel.ring0.dispatch(kernel, 1);
    assert.is(task.state, 0, "a reading stepped back");
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    // Often enough to hit every instruction, seldom enough that a reading gets through.
    if (seed >>> 26 === 0) {
      machine.advanceTsc(seed & 0x7fffff);
      kernel.clock.tick();
    }
  }
  const readings = machine.registers.get(15 * 8);
  assert.ok(readings > 300, `${readings} readings`);
});

test("a reader waits while the kernel writes, and then reads what was written", async () => {
  const { machine, kernel, task } = await bootGuest(READER);
  kernel.ring0.switchTo(task.stack, task.mm.addressSpace);
  (kernel as unknown as { current: Task }).current = task;
  const R15 = 15 * 8;
  while (machine.registers.get(R15) < 10) kernel.ring0.dispatch(kernel, 1000);
  const sequence = (task.mm.addressSpace.translate(vvarOf(task) + 0x80, false)) >>> 2;
  machine.phys.u32[sequence]!++;
  kernel.ring0.dispatch(kernel, 100);
  const stuck = machine.registers.get(R15);
  kernel.ring0.dispatch(kernel, 10_000);
  assert.is(machine.registers.get(R15), stuck);
  machine.phys.u32[sequence]!++;
  kernel.ring0.dispatch(kernel, 10_000);
  assert.ok(machine.registers.get(R15) > stuck);
});

const special = (task: Task, name: string) => task.mm.vmas.list.find((vma) => vma.special?.name === name)!;
const vvarOf = (task: Task): number => special(task, "[vvar]").start;
const vdsoOf = (task: Task): number => special(task, "[vdso]").start;

test("[vvar] stands right before [vdso], and maps shows them as Linux does", async () => {
  const { task } = await bootGuest(exit("$0"));
  const [vvar, code] = task.mm.maps().split("\n").filter((line) => /\[(vvar|vdso)\]$/.test(line)) as [string, string];
  const hex = (value: number): string => value.toString(16);
  assert.is(vvarOf(task) + 0x4000, vdsoOf(task));
  assert.is(vvar, `${`${hex(vvarOf(task))}-${hex(vdsoOf(task))} r--p 00000000 00:00 0 `.padEnd(73)}[vvar]`);
  assert.is(code, `${`${hex(vdsoOf(task))}-${hex(vdsoOf(task) + 0x1000)} r-xp 00000000 00:00 0 `.padEnd(73)}[vdso]`);
  const stack = task.mm.vmas.at(task.mm.startStack)!;
  assert.ok(vvarOf(task) >= stack.end && vdsoOf(task) < stack.end + (4 << 20));
});

test("two runs have it at two addresses; without randomisation it is where setarch -R has it", async () => {
  const places = await Promise.all([1, 2, 3].map(async (seed) => vdsoOf((await bootGuest(exit("$0"), { seed })).task)));
  assert.is(new Set(places).size, 3);
  for (const place of places) assert.match(place.toString(16), /^7ff[c-f][0-9a-f]{5}000$/);
  const { task } = await bootGuest(exit("$0"), { aslr: false });
  // Nothing fits above the stack there, so it is the highest mapping below mmap_base.
  assert.is(vdsoOf(task), 0x7ffff7ffe000);
});

test("personality(ADDR_NO_RANDOMIZE) before execve fixes it too", async () => {
  const { kernel, task } = await bootGuest(exit("$0"));
  const random = vdsoOf(task);
  task.personality = 0x0040000;
  execve(task, "/guest", ["guest"], []);
  assert.is.not(vdsoOf(task), random);
  assert.is(vdsoOf(task), 0x7ffff7ffe000);
  kernel.exitGroup(task, 0, 0);
});

function errnoOf(call: () => unknown): number {
  try {
    const result = call();
    return typeof result === "number" && result < 0 ? -result : 0;
  } catch (error) {
    if (error instanceof Errno) return error.code;
    throw error;
  }
}

const EINVAL = 22;
const ENOMEM = 12;
const EACCES = 13;
const EFAULT = 14;
const PAGE = 4096;

test("the mapping moves, goes and is mapped over whole, and is never cut or grown", async () => {
  const { kernel, task } = await bootGuest(exit("$0"));
  const { mm } = task;
  const vvar = vvarOf(task);
  const code = vdsoOf(task);
  const fixed = 0x32; // MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS
  assert.is(errnoOf(() => sysMunmap(task, vvar, PAGE)), EINVAL);
  assert.is(errnoOf(() => sysMprotect(task, vvar + PAGE, PAGE, 0)), EINVAL);
  assert.is(errnoOf(() => sysMmap(task, vvar + PAGE, PAGE, 3, fixed, -1, 0)), ENOMEM);
  assert.is(errnoOf(() => sysMremap(task, code, PAGE, 2 * PAGE, 1, 0)), EFAULT);
  assert.is(errnoOf(() => sysMprotect(task, vvar, 4 * PAGE, 3)), EACCES);
  assert.is(errnoOf(() => sysMprotect(task, vvar, 4 * PAGE, 5)), EACCES);
  // A debugger writes breakpoints into its copy of the code.
  assert.is(sysMprotect(task, code, PAGE, 7), 0);
  mm.copyToUser(code, Uint8Array.of(0xcc));
  const other = kernel.spawn("/guest", ["guest"], []);
  assert.is(other.mm.getU32(vdsoOf(other)), 0x464c457f);

  const to = 0x10000000;
  assert.is(sysMremap(task, code, PAGE, PAGE, 3, to), to);
  assert.is(vdsoOf(task), to);
  assert.is(sysMremap(task, vvar, 4 * PAGE, 4 * PAGE, 3, to - 4 * PAGE), to - 4 * PAGE);
  assert.is(mm.getU32(to - 4 * PAGE + 0x84), 1); // clock_mode
  assert.is(sysMmap(task, to, PAGE, 3, fixed, -1, 0), to);
  assert.is(mm.getU32(to), 0);
  assert.is(sysMunmap(task, to - 4 * PAGE, 4 * PAGE), 0);
  assert.not.match(mm.maps(), /vvar|vdso/);
});

test("the pages of [vvar] that this machine has no clock for are a SIGBUS, and nobody can write the first", async () => {
  for (const [offset, text, signal] of [
    [0, "movl (%rdi), %eax", null], [PAGE, "movl (%rdi), %eax", "SIGBUS"], [3 * PAGE, "movl (%rdi), %eax", "SIGBUS"],
    [0, "movl %eax, (%rdi)", "SIGSEGV"], [4 * PAGE, "movl %eax, (%rdi)", "SIGSEGV"],
  ] as const) {
    const ran = await runGuest(`${FIND_VDSO}leaq ${offset - 4 * PAGE}(%rbx), %rdi\n${text}\n${exit("$0")}`);
    assert.is(ran.signal, signal, `${text} at +${offset}`);
  }
});

test("programs share one frame of code and one of data, and give them back", async () => {
  const { machine, kernel, task } = await bootGuest(exit("$0"));
  const frameAt = (of: Task, at: number): number => of.mm.translate(at, false);
  const other = kernel.spawn("/guest", ["guest"], []);
  assert.is(frameAt(task, vdsoOf(task)), frameAt(other, vdsoOf(other)));
  assert.is(frameAt(task, vvarOf(task)), frameAt(other, vvarOf(other)));
  const { phys } = machine;
  const data = frameAt(task, vvarOf(task));
  // Two mappings, the cache, and the kernel.
  assert.is(phys.references(data), 4);
  await kernel.run();
  assert.is(phys.references(data), 2);
  const used = phys.framesInUse;
  kernel.spawn("/guest", ["guest"], []);
  await kernel.run();
  assert.is(phys.framesInUse, used);
  kernel.shutdown();
  assert.is(phys.references(data), 0);
});

const C = `
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/time.h>
#include <sys/auxv.h>
#include <time.h>
int main(void) {
    struct timespec last = {0, 0}, now;
    struct timeval tv;
    int back = 0;
    for (int i = 0; i < 2000; i++) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        back += now.tv_sec < last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec);
        last = now;
    }
    gettimeofday(&tv, 0);
    printf("%d %d %d\\n", back, getauxval(AT_SYSINFO_EHDR) != 0, tv.tv_sec == time(0) || tv.tv_sec == time(0) + 1);
}
`;

test("static glibc and musl programs read clocks without a crossing", async () => {
  const folder = scratchFolder();
  writeFileSync(join(folder, "clocks.c"), C);
  for (const compiler of ["gcc", "musl-gcc"]) {
    if (!hasProgram(compiler)) {
      skip(`clock reads of a static program by ${compiler}`, "it is not installed");
      continue;
    }
    const program = join(folder, compiler);
    const built = execute(compiler, ["-static", "-O1", "-o", program, join(folder, "clocks.c")]);
    assert.is(built.status, 0, built.stderr);
    const calls: string[] = [];
    const result = await run(readFileSync(program), { onSyscall: (event) => calls.push(event.name) });
    assert.is(Buffer.from(result.stdout).toString(), "0 1 1\n");
    assert.equal(calls.filter((name) => /clock|time/.test(name)), [], compiler);
    assert.ok(result.crossings < 100, `${result.crossings} crossings`);
  }
});

const ALARMS = `
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile long alarms, back;
static struct timespec last;
static int before(struct timespec a, struct timespec b) { return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec); }
static void onAlarm(int signal) {
    struct timespec now;
    alarms++;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (before(now, last)) back++;
}
int main(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct itimerspec every = {{0, 700}, {0, 700}};
    signal(SIGALRM, onAlarm);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &every, 0)) return 2;
    for (long i = 0; i < 20000; i++) {
        struct timespec now;
        if (i & 1) syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
        else clock_gettime(CLOCK_MONOTONIC, &now);
        if (before(now, last)) back++;
        last = now;
    }
    printf("%ld %s\\n", back, alarms > 1000 ? "often" : "seldom");
}
`;

test("read by vDSO and by system call in turn, with SIGALRM every few hundred instructions, time does not step back", async () => {
  if (!hasProgram("gcc")) return skip("SIGALRM in the middle of clock readings", "no gcc here");
  const folder = scratchFolder();
  writeFileSync(join(folder, "alarms.c"), ALARMS);
  const built = execute("gcc", ["-static", "-O1", "-o", join(folder, "alarms"), join(folder, "alarms.c")]);
  assert.is(built.status, 0, built.stderr);
  const { stdout } = await run(readFileSync(join(folder, "alarms")), { seed: 1, clock: "virtual" });
  assert.is(Buffer.from(stdout).toString(), "0 often\n");
});

test("the walk through a reading in docs/vdso.md reads the page as the guest does", async () => {
  const page = readFileSync(join(root, "docs/vdso.md"), "utf8");
  const code = /```js\n([^]*?)```/.exec(page)![1]!;
  const readClock = new Function(`${code}\nreturn readClock;`)() as (vvar: DataView, clock: number, rdtsc: () => bigint) => { sec: bigint; nsec: bigint };
  const { machine, kernel, task } = await bootGuest(exit("$0"), { dateMs: Date.UTC(2030, 0, 1) + 123.456 });
  const bytes = task.mm.copyFromUser(vvarOf(task), PAGE);
  for (const advance of [0, 1, 999_999_999, 3_500_000_000, 40 * 60 * 1e9]) {
    machine.advanceTsc(advance);
    // The page is as old as its last tick; a reading bridges the time since.
    const old = new DataView(bytes.slice().buffer);
    const fresh = new DataView((kernel.clock.tick(), task.mm.copyFromUser(vvarOf(task), PAGE).slice().buffer));
    for (const clock of [0, 1, 4, 7, 11]) {
      const wanted = kernel.clock.now(clock)!;
      for (const vvar of [old, fresh]) {
        if (vvar === old && advance > 35 * 60 * 1e9) continue; // the product overflows: the kernel ticks long before
        const { sec, nsec } = readClock(vvar, clock, () => BigInt(machine.readTsc()));
        assert.equal([Number(sec), Number(nsec)], [wanted.sec, Math.floor(wanted.nsec)]);
      }
    }
  }
});

test.run();
