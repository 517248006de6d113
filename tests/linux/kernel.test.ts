// Whole runs of small programs on a kernel: frames all come back, calls are traced as strace would, deaths are Linux's.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Kernel, Machine, run } from "../../host/index";
import { errnoName } from "../../host/linux/errno";

const guest = (name: string): Uint8Array => readFileSync(join(process.env.RING3_ROOT ?? ".", "guest-programs", name));

/**
 * An ET_EXEC of one rwx page at 0x400000 whose entry point holds `code`; `data` follows at 0x400800.
 */
function program(code: number[], data: number[] = []): Uint8Array {
  const bytes = new Uint8Array(0x1000);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(24, 0x400200, true);
  view.setUint32(32, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setUint32(68, 7, true);
  view.setUint32(64 + 16, 0x400000, true);
  view.setUint32(64 + 32, 0x1000, true);
  view.setUint32(64 + 40, 0x1000, true);
  view.setUint32(64 + 48, 0x1000, true);
  bytes.set(code, 0x200);
  bytes.set(data, 0x800);
  return bytes;
}

const u32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
/** mov $number,%eax; mov arguments into rdi, rsi, rdx; syscall */
function call(number: number, ...args: number[]): number[] {
  const registers = [[0x48, 0xc7, 0xc7], [0x48, 0xc7, 0xc6], [0x48, 0xc7, 0xc2]];
  return [0xb8, ...u32(number), ...args.flatMap((value, index) => [...registers[index]!, ...u32(value)]), 0x0f, 0x05];
}
const exitWithAx = [0x89, 0xc7, 0xf7, 0xdf, ...call(231)]; // exit_group(-eax): the errno as status

test("every frame that a program used is given back at its end", async () => {
  const machine = await Machine.create({ ramBytes: 64 << 20 });
  const kernel = new Kernel(machine, { seed: 1, files: { "/hello": guest("hello") }, stdout: { write: (b) => b.length, onWritable() {} } });
  const boot = machine.phys.framesInUse;
  const used: number[] = [];
  for (let i = 0; i < 3; i++) {
    kernel.spawn("/hello", ["hello"], []);
    assert.ok(machine.phys.framesInUse > (used[0] ?? boot));
    await kernel.run();
    used.push(machine.phys.framesInUse);
  }
  // The first run leaves the page cache of the program's file and the page tables of the kernel's stacks, the others nothing.
  assert.equal(used, [used[0], used[0], used[0]]);
  kernel.shutdown();
  assert.ok(machine.phys.framesInUse <= boot + 2, `${machine.phys.framesInUse} frames in use, ${boot} after boot`);
});

test("a program that cannot be run leaves no frame behind", async () => {
  const machine = await Machine.create({ ramBytes: 64 << 20 });
  const kernel = new Kernel(machine, { seed: 1, files: { "/bad": new Uint8Array(100) } });
  assert.throws(() => kernel.spawn("/bad", ["bad"], []));
  const first = machine.phys.framesInUse;
  for (let i = 0; i < 5; i++) assert.throws(() => kernel.spawn("/bad", ["bad"], []));
  assert.is(machine.phys.framesInUse, first);
});

test("the number is 32 bits of RAX, and none of ours is -ENOSYS, named once", async () => {
  for (const number of [0x1ff, 400, 0x40000001, -2, 451, 57]) {
    const notices: string[] = [];
    const { status } = await run(program([...call(number), ...call(number), ...exitWithAx]), { seed: 1, onNotice: (line) => notices.push(line) });
    assert.is(errnoName(status), "ENOSYS", String(number));
    assert.is(notices.length, 1, notices.join("; "));
    assert.match(notices[0]!, number === 57 ? /fork \(57\)/ : /system call/);
  }
});

test("the upper half of RAX does not matter", async () => {
  const movabs = [0x48, 0xb8, 39, 0, 0, 0, 1, 2, 3, 4];
  const { status } = await run(program([...movabs, 0x0f, 0x05, 0x89, 0xc7, ...call(231)]), { seed: 1 });
  assert.is(status, 100);
});

test("a bad address is -EFAULT, wherever it lies", async () => {
  for (const address of [1, 0x1000, -1, -4096, 0x7fffffff]) {
    const { status } = await run(program([...call(1, 1, address, 100), ...exitWithAx]), { seed: 1 });
    assert.is(errnoName(status), "EFAULT", String(address));
  }
});

test("a trace reads as strace's does", async () => {
  const lines: string[] = [];
  const text = [..."Hi, \"you\"\n"].map((char) => char.charCodeAt(0));
  await run(program([...call(1, 1, 0x400800, 10), ...call(3, 99), ...call(60, 5)], text), { seed: 1, strace: (line) => lines.push(line) });
  assert.match(lines[0]!, /^execve\("\/bin\/program", \["\/bin\/program"\], 0x7ff[0-9a-f]+ \/\* 2 vars \*\/\) = 0$/);
  assert.is(lines[1], 'write(1, "Hi, \\"you\\"\\n", 10)           = 10');
  assert.is(lines[2], "close(99)                               = -1 EBADF (Bad file descriptor)");
  assert.is(lines[3], "exit(5)                                 = ?");
  assert.is(lines[4], "+++ exited with 5 +++");
});

test("flags of a new descriptor have the name of their call, and no access mode", async () => {
  const lines: string[] = [];
  await run(program([...call(292, 0, 9, 0x80000), ...call(290, 1, 0x80801), ...call(283, 1, 0x800), ...call(293, 0, 0), ...call(60, 0)]), {
    seed: 1, strace: (line) => lines.push(line),
  });
  const calls = lines.map((line) => line.split(" = ")[0]!.trimEnd());
  for (const text of ["dup3(0, 9, O_CLOEXEC)", "eventfd2(1, EFD_SEMAPHORE|EFD_CLOEXEC|EFD_NONBLOCK)", "timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)", "pipe2(NULL, 0)"]) {
    assert.ok(calls.includes(text), `${text}: ${calls.join("; ")}`);
  }
});

test("deaths are those that Linux deals out", async () => {
  const rows: [string, number[], string, number][] = [
    ["null pointer", [0x8b, 0x04, 0x25, 0, 0, 0, 0], "SIGSEGV", 1],
    ["kernel address", [0x48, 0xc7, 0xc0, 0, 0, 0, 0x81, 0xff, 0xe0], "SIGSEGV", 1],
    ["non-canonical address", [0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0xe0], "SIGSEGV", 0x80],
    ["HLT", [0xf4], "SIGSEGV", 0x80],
    ["UD2", [0x0f, 0x0b], "SIGILL", 2],
    ["INT3", [0xcc], "SIGTRAP", 0x80],
    ["division by zero", [0x31, 0xc9, 0xf7, 0xf1], "SIGFPE", 1],
    ["stack overrun", [0x50, 0xeb, 0xfd], "SIGSEGV", 1],
  ];
  for (const [what, code, signal, siCode] of rows) {
    const result = await run(program(code), { seed: 1 });
    assert.is(result.signal, signal, what);
    assert.is(result.death?.code, siCode, what);
  }
});

test("memory that runs out kills the guest as Linux would, with a notice", async () => {
  const notices: string[] = [];
  const grow = [
    ...call(12, 0), 0x48, 0x89, 0xc3, // brk(0) -> rbx
    0x48, 0x8d, 0xbb, ...u32(32 << 20), 0xb8, ...u32(12), 0x0f, 0x05, // brk(rbx + 32 MiB)
    0xc6, 0x03, 1, 0x48, 0x81, 0xc3, ...u32(4096), 0xeb, 0xf4, // a byte a page, for ever
  ];
  const result = await run(program(grow), { seed: 1, memoryMiB: 32, onNotice: (line) => notices.push(line) });
  assert.is(result.signal, "SIGKILL");
  assert.match(notices.join(), /out of guest memory \(32 MiB\)/);
});

test("the time limit ends a loop and a sleep alike", async () => {
  for (const code of [[0xeb, 0xfe], call(34)]) {
    const result = await run(program(code), { seed: 1, timeoutMs: 60 });
    assert.ok(result.timedOut);
    assert.is(result.signal, "SIGKILL");
  }
});

test("one seed gives one run", async () => {
  const counts = await Promise.all([1, 1].map((seed) => run(guest("hello"), { seed })));
  assert.is(counts[0]!.instructions, counts[1]!.instructions);
});

test.run();
