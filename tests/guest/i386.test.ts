// 32-bit programs: what the C library asks of an i386 kernel, its signal frames, segments of a program's own, and the doors by which they
// come in. The same source as a 64-bit program, run by this processor, says what the calls should print.
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type RunOptions, run } from "../../host/index";
import { execute, hasProgram, root, scratchFolder, skip } from "../command";

const folder = scratchFolder();
const MODES: Partial<RunOptions>[] = [{}, { pti: false }, { pcid: false }, { vendor: "amd" }];
const described = (options: object): string => JSON.stringify(options).replace(/[{}"]/g, "") || "defaults";

/** Builds tests/guest/NAME.c; null, and a SKIP line, where this computer cannot. */
function built(name: string, bits: 32 | 64): string | null {
  const path = join(folder, `${name}-${bits}`);
  const flags = [`-m${bits}`, "-static", "-O1", "-w", "-fno-pie", "-no-pie"];
  if (!hasProgram("gcc")) skip(`${name} of ${bits} bits`, "no gcc");
  else {
    const made = execute("gcc", [...flags, "-o", path, join(root, `tests/guest/${name}.c`)]);
    if (made.status === 0) return path;
    skip(`${name} of ${bits} bits`, `gcc cannot build it here: ${made.stderr.split("\n")[0]}`);
  }
  return null;
}

interface Ended {
  text: string;
  status: number;
  /** As strace prints them. */
  calls: string[];
}

async function ring3(program: string, options: Partial<RunOptions> = {}): Promise<Ended> {
  const calls: string[] = [];
  const result = await run(readFileSync(program), {
    seed: 1, timeoutMs: 60_000, env: { GREETING: "hello" }, strace: (line) => calls.push(line), ...options,
  });
  return { text: Buffer.from(result.stdout).toString(), status: result.status, calls };
}

test("a 32-bit program prints what the same source prints as a 64-bit program on this processor", async () => {
  const [narrow, wide] = [built("i386-calls", 32), built("i386-calls", 64)];
  if (narrow === null || wide === null) return;
  const native = execute(wide, [join(folder, "scratch")], { env: { GREETING: "hello" } });
  for (const options of MODES) {
    const ended = await ring3(narrow, { ...options, args: ["i386-calls", "/tmp/scratch"] });
    assert.is(ended.text, native.text, described(options));
    assert.is(ended.status, native.status);
    assert.ok(ended.calls.includes(`[ Process PID=100 runs in 32 bit mode. ]`));
    // The clocks are read by the vDSO, without a call.
    assert.not(ended.calls.some((line) => /^(clock_gettime(64)?|gettimeofday|time)\(/.test(line)), described(options));
  }
});

const SIGNALS = `handler: signal 10 code 0, on the other stack 1, cs 23 ds 2b, gs kept 1
frame: trapno 0 err 0 cs 23 gs kept 1, alternate stack flags 0
fsave: cw 37f tag 3fff st0 3.14159, fxsave % 64 = 0
after: pi 3.1415926535897932, xmm6 kept 1, gs kept 1
fault: signal 11 code 1 trapno 14 err 4
a load that was skipped: 42
fault: signal 4 code 2 trapno 6 err 0
ud2 that was skipped: 42
fault: signal 8 code 1 trapno 0 err 0
a division that was skipped: 42
sigaction: 0
old frame: runs 1, handler told back 1
rt_sigaction: 0
frame without a restorer: runs 2
read that is restarted: 1 x
read that is not: -1 4
nanosleep: -1, left less than a second 1
sigprocmask: 0, sigpending 0 1
runs 5
`;

test("handlers of 32-bit code get their frames, keep what they interrupt, and return by the vDSO", async () => {
  const program = built("i386-signals", 32);
  if (program === null) return;
  for (const options of [...MODES, { clock: "virtual" as const }]) {
    const ended = await ring3(program, options);
    assert.is(ended.text, SIGNALS, described(options));
    assert.ok(ended.calls.some((line) => line.startsWith("sigreturn(")) && ended.calls.some((line) => line.startsWith("rt_sigreturn(")));
  }
});

const LDT = `read without an LDT: 0
write: 0
the third word is 33, the limit 63
behind a system call the fourth is 44
read: 32, third 0050f3000000003f without its base, fourth 0
an entry too far: -1 Invalid argument
a conforming code segment: -1 Invalid argument
cleared: 0, third 0
`;
const THREAD_AREAS = `set_thread_area: 0, entry 13
fs:0 is 22, and 33 when its descriptor has changed
get_thread_area: 0, the same: 1
the third: 0, entry 14
a fourth: -1 No such process
not a TLS entry: -1 Invalid argument
a code segment: -1 Invalid argument
`;

test("modify_ldt and set_thread_area make segments that the program can load", async () => {
  const [narrow, wide] = [built("ldt", 32), built("ldt", 64)];
  for (const options of MODES) {
    if (narrow !== null) assert.is((await ring3(narrow, options)).text, LDT + THREAD_AREAS, described(options));
    // 64-bit code loads the selector, and with FS and GS even the base. There an error has 32 bits, and is none to the C library.
    if (wide !== null) assert.is((await ring3(wide, options)).text, LDT.replaceAll("-1 Invalid argument", "-22 Success"), described(options));
  }
});

test("32-bit programs come in by INT 0x80 and by the fast door, which is another on Intel's processor than on AMD's", async () => {
  const instructions = async (guest: string, vendor: "intel" | "amd") =>
    (await run(readFileSync(join(root, "guest-programs", guest)), { seed: 1, vendor })).instructions;
  for (const guest of ["hello32", "hello32-int80", "hello32-sysenter"]) {
    for (const options of MODES) {
      const ended = await ring3(join(root, "guest-programs", guest), options);
      assert.ok(ended.text.startsWith("Hello, world!\n"), `${guest} ${described(options)}`);
      assert.is(ended.status, 0);
    }
  }
  assert.is.not(await instructions("hello32-sysenter", "intel"), await instructions("hello32-sysenter", "amd"));
  assert.is(await instructions("hello32-int80", "intel"), await instructions("hello32-int80", "amd"));
});

test("execve goes from 64 to 32 bits and back", async () => {
  const [narrow, wide] = [built("execute", 32), built("execute", 64)];
  if (narrow === null || wide === null) return;
  const hello = readFileSync(join(root, "guest-programs/hello32-sysenter"));
  for (const options of MODES) {
    const files = { "/32": readFileSync(narrow), "/64": readFileSync(wide), "/hello": hello };
    const ended = await ring3(wide, { ...options, files, args: ["execute", "/32", "/64", "/64", "/32", "/hello"] });
    assert.is(ended.text, "Hello, world!\n", described(options));
    assert.is(ended.status, 0);
  }
});

test("a 32-bit program's memory lies below 4 GiB, laid out as Linux lays it out", async () => {
  const program = built("i386-calls", 32);
  if (program === null) return;
  const layouts: string[] = [];
  for (const aslr of [false, true]) {
    let maps = "";
    await ring3(program, { aslr, args: ["i386-calls", "/tmp/scratch"], onBoot: (kernel) => void (maps = [...kernel.tasks.values()][0]!.mm.maps()) });
    layouts.push(maps);
    for (const line of maps.trim().split("\n")) assert.ok(parseInt(line.split(/[- ]/)[1]!, 16) <= 0xffffe000, line);
  }
  // setarch -R: the stack ends at TASK_SIZE; vvar and vdso are the first things that mmap was asked for.
  assert.match(layouts[0]!, /^[0-9a-f]+-ffffe000 rw-p .*\[stack\]$/m);
  assert.match(layouts[0]!, /^f7ff[0-9a-f]{4}-f7ff[0-9a-f]{4} r--p .*\[vvar\]\nf7ff[0-9a-f]{4}-f7ff[0-9a-f]{4} r-xp .*\[vdso\]$/m);
  assert.is.not(layouts[0], layouts[1]);
});

test.run();
