// linux-gate.so.1: a well-formed ELF32 object whose functions are found by name and version, whose door is the processor's, and through
// whose frames an unwinder gets.
import { join } from "node:path";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run } from "../../host/index";
import { vdso32Image } from "../../host/linux/vdso";
import { gnuHash, sysvHash } from "../../host/linux/vdso-image";
import { VDSO_32_SYMBOLS } from "../../build/vdso-image";
import { execute, hasProgram, scratchFolder, skip } from "../command";

const DT_HASH = 4;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_SONAME = 14;
const DT_GNU_HASH = 0x6ffffef5;
const DT_VERSYM = 0x6ffffff0;
const DT_VERDEF = 0x6ffffffc;
const PT_DYNAMIC = 2;

class Object32 {
  readonly view: DataView;
  readonly tags = new Map<number, number>();
  constructor(readonly image: Uint8Array) {
    this.view = new DataView(image.buffer, image.byteOffset, image.length);
    for (let index = 0; index < this.u16(44); index++) {
      const at = this.u32(28) + index * this.u16(42);
      if (this.u32(at) !== PT_DYNAMIC) continue;
      for (let entry = this.u32(at + 4); this.u32(entry) !== 0; entry += 8) this.tags.set(this.u32(entry), this.u32(entry + 4));
    }
  }
  u16 = (at: number) => this.view.getUint16(at, true);
  u32 = (at: number) => this.view.getUint32(at, true);
  string(offset: number): string {
    let text = "";
    for (let at = this.tags.get(DT_STRTAB)! + offset; this.image[at] !== 0; at++) text += String.fromCharCode(this.image[at]!);
    return text;
  }
  symbol(index: number) {
    const at = this.tags.get(DT_SYMTAB)! + index * 16;
    return { name: this.string(this.u32(at)), value: this.u32(at + 4), size: this.u32(at + 8), version: this.u16(this.tags.get(DT_VERSYM)! + index * 2) };
  }
  /** By DT_HASH, as glibc's setup_vdso looks functions up. */
  bySysvHash(name: string): number {
    const table = this.tags.get(DT_HASH)!;
    const buckets = this.u32(table);
    const word = (index: number) => this.u32(table + 8 + index * 4);
    for (let index = word(sysvHash(name) % buckets); index !== 0; index = word(buckets + index)) if (this.symbol(index).name === name) return index;
    return 0;
  }
  /** By DT_GNU_HASH, with its Bloom filter of 32-bit words. */
  byGnuHash(name: string): number {
    const table = this.tags.get(DT_GNU_HASH)!;
    const [buckets, first, words, shift] = [0, 4, 8, 12].map((at) => this.u32(table + at)) as [number, number, number, number];
    const hash = gnuHash(name);
    const filter = this.u32(table + 16 + ((hash >>> 5) % words) * 4);
    if (!((filter >>> (hash % 32)) & 1) || !((filter >>> ((hash >>> shift) % 32)) & 1)) return 0;
    const chains = table + 16 + words * 4 + buckets * 4;
    let index = this.u32(table + 16 + words * 4 + (hash % buckets) * 4);
    for (; index !== 0; index++) {
      const value = this.u32(chains + (index - first) * 4);
      if ((value | 1) >>> 0 === (hash | 1) >>> 0 && this.symbol(index).name === name) return index;
      if (value & 1) break;
    }
    return 0;
  }
  versionName(index: number): string {
    for (let at = this.tags.get(DT_VERDEF)!; ; at += this.u32(at + 16)) {
      if (this.u16(at + 4) === index) return this.string(this.u32(at + this.u32(at + 12)));
      if (this.u32(at + 16) === 0) return "none";
    }
  }
}

const FUNCTIONS: [string, string][] = [
  ["__kernel_vsyscall", "LINUX_2.5"], ["__kernel_sigreturn", "LINUX_2.5"], ["__kernel_rt_sigreturn", "LINUX_2.5"],
  ["__vdso_clock_gettime", "LINUX_2.6"], ["__vdso_clock_gettime64", "LINUX_2.6"], ["__vdso_gettimeofday", "LINUX_2.6"],
  ["__vdso_time", "LINUX_2.6"], ["__vdso_clock_getres", "LINUX_2.6"],
];

test("its functions are found by both hash tables, with the versions that C libraries ask for", () => {
  const object = new Object32(vdso32Image());
  assert.equal([...object.image.subarray(0, 5)], [0x7f, 0x45, 0x4c, 0x46, 1]);
  assert.is(object.u16(18), 3);
  assert.is(object.string(object.tags.get(DT_SONAME)!), "linux-gate.so.1");
  for (const [name, version] of FUNCTIONS) {
    const index = object.bySysvHash(name);
    assert.ok(index > 0 && object.byGnuHash(name) === index, name);
    const symbol = object.symbol(index);
    assert.is(object.versionName(symbol.version), version, name);
    assert.ok(symbol.size > 0 && symbol.value + symbol.size <= object.image.length);
  }
  assert.is(object.bySysvHash("clock_gettime"), 0);
  assert.is(object.byGnuHash("get_pc"), 0);
});

test("__kernel_vsyscall enters by the processor's door, and its landing pad stands behind an INT 0x80", () => {
  const doorOf = (features: string[]) => {
    const image = vdso32Image(new Set(features));
    return [...image.subarray(VDSO_32_SYMBOLS.__kernel_vsyscall, VDSO_32_SYMBOLS.int80_landing_pad + 4)];
  };
  const pushed = [0x51, 0x52, 0x55];
  const popped = [0x5d, 0x5a, 0x59, 0xc3];
  assert.equal(doorOf(["SYSENTER32"]), [...pushed, 0x89, 0xe5, 0x0f, 0x34, 0xcd, 0x80, ...popped]); // mov %esp, %ebp; sysenter
  assert.equal(doorOf(["SYSCALL32"]), [...pushed, 0x89, 0xcd, 0x0f, 0x05, 0xcd, 0x80, ...popped]); // mov %ecx, %ebp; syscall
  assert.equal(doorOf([]), [...pushed, 0x90, 0x90, 0x90, 0x90, 0xcd, 0x80, ...popped]);
});

test("readelf finds nothing to complain of, and decodes its unwind data", () => {
  if (!hasProgram("readelf")) return skip("linux-gate.so.1 by readelf", "no readelf");
  const path = join(scratchFolder(), "linux-gate.so.1");
  writeFileSync(path, vdso32Image(new Set(["SYSENTER32"])));
  const { text, stderr } = execute("readelf", ["-aW", "--debug-dump=frames-interp", path]);
  assert.is(stderr, "");
  for (const [name, version] of FUNCTIONS) assert.match(text, new RegExp(`FUNC +GLOBAL DEFAULT +\\d+ ${name}@@${version.replace(".", "\\.")}`));
  // In the body of __kernel_vsyscall three registers are pushed; at its RET none.
  assert.match(text, /esp\+16\s+c-8\s+c-12\s+c-16/);
});

const CLOCKS = `
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
struct wide { long long sec, nsec; };
/* through the C library, which asks the vDSO, and by the system calls of both widths */
int main(void) {
    int bad = 0;
    for (int clock = 0; clock < 12; clock++) {
        if (clock == 2 || clock == 3 || clock == 10) continue;
        struct timespec library;
        struct { int sec, nsec; } narrow;
        struct wide wide;
        if (clock_gettime(clock, &library)) bad |= 1 << clock;
        syscall(SYS_clock_gettime, clock, &narrow);
        syscall(SYS_clock_gettime64, clock, &wide);
        long long a = library.tv_sec * 1000000000ll + library.tv_nsec, b = narrow.sec * 1000000000ll + narrow.nsec, c = wide.sec * 1000000000ll + wide.nsec;
        if (a > b || b > c || c - a > 1000000000) bad |= 1 << clock;
    }
    for (int i = 0; i < 2000; i++) {
        struct timespec first, second;
        clock_gettime(CLOCK_MONOTONIC, &first);
        clock_gettime(CLOCK_MONOTONIC, &second);
        if (second.tv_sec < first.tv_sec || (second.tv_sec == first.tv_sec && second.tv_nsec < first.tv_nsec) || first.tv_nsec > 999999999) bad |= 1 << 30;
    }
    printf("%x\\n", bad);
    return 0;
}
`;

function built(name: string, source: string): string | null {
  const folder = scratchFolder();
  const [from, to] = [join(folder, `${name}.c`), join(folder, name)];
  writeFileSync(from, source);
  const made = hasProgram("gcc") ? execute("gcc", ["-m32", "-static", "-O1", "-w", "-fno-omit-frame-pointer", "-o", to, from]) : null;
  if (made?.status === 0) return to;
  skip(name, made === null ? "no gcc" : `gcc cannot build it here: ${made.stderr.split("\n")[0]}`);
  return null;
}

test("its clocks are those of the system calls, on both vendors' processors and by both clocks", async () => {
  const program = built("clocks of the 32-bit vDSO", CLOCKS);
  if (program === null) return;
  for (const options of [{}, { vendor: "amd" as const }, { clock: "virtual" as const }, { pti: false }]) {
    const calls: string[] = [];
    const result = await run(readFileSync(program), { ...options, seed: 1, onSyscall: ({ name }) => void calls.push(name) });
    assert.is(Buffer.from(result.stdout).toString(), "0\n", JSON.stringify(options));
    // One call of each width for each clock, and the library's for the two alarm clocks: its other readings, thousands of them, made none.
    assert.is(calls.filter((name) => name === "clock_gettime").length, 9);
    assert.is(calls.filter((name) => name === "clock_gettime64").length, 11);
  }
});

const BACKTRACE = `
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static void handler(int signal);
static volatile int where;
__attribute__((noinline)) static void interrupted(void) { where = 1; syscall(SYS_kill, getpid(), SIGUSR1); where = 2; }
static void handler(int signal) {
    void *frames[32];
    int count = backtrace(frames, 32), found = 0;
    for (int i = 0; i < count; i++) if ((char *)frames[i] > (char *)interrupted && (char *)frames[i] < (char *)interrupted + 64) found = 1;
    printf("the interrupted function is among the callers: %d\\n", found);
}
int main(void) {
    struct { void *handler; unsigned long flags; void *restorer; unsigned long long mask; } rt = {handler, 4, 0, 0};
    struct { void *handler; unsigned long mask, flags; void *restorer; } old = {handler, 0, 0, 0};
    syscall(SYS_rt_sigaction, SIGUSR1, &rt, 0, 8);
    interrupted();
    syscall(SYS_sigaction, SIGUSR1, &old, 0);
    interrupted();
    return 0;
}
`;

test("an unwinder gets from a handler through both sigreturns to the code that was interrupted in __kernel_vsyscall", async () => {
  const program = built("backtrace through the 32-bit vDSO", BACKTRACE);
  if (program === null) return;
  for (const vendor of ["intel", "amd"] as const) {
    const result = await run(readFileSync(program), { seed: 1, vendor });
    assert.is(Buffer.from(result.stdout).toString(), "the interrupted function is among the callers: 1\n".repeat(2), vendor);
  }
});

test.run();
