// Random system calls, issued by a guest from a table in its memory. Numbers and arguments come from the kernel's own table: for each
// kind of argument (host/linux/syscall-table.ts) values that mean something, and now and then anything at all. A case is the choices
// that make them.

import type { SyscallRow } from "../../host/linux/syscall-row";
import { syscallRows } from "../../host/linux/syscall-table";
import { AT_FDCWD } from "../../host/linux/uapi-fcntl";
import { NameTables } from "../../host/linux/uapi-names";
import type { Random } from "../silicon/random";
import { Choices } from "./choices";
import { guardedRun } from "./guarded-run";
import { MemoryWatch } from "./memory-watch";
import { type Checker, type Target, oneByOne } from "./target";
import { CODE_ADDRESS, DATA_ADDRESS, tinyElf } from "./tiny-elf";

const CALLS = 64;
/** Bytes a call in the guest's table: number, six arguments, result. */
const ENTRY = 64;
const BUFFER = DATA_ADDRESS + 0x2000;
const DATA_END = DATA_ADDRESS + 0x4000;
/** Bytes of a case: the buffer's contents and the calls. */
const CASE_BYTES = 1400;
const NEVER_CALLED = 400;
const names = new NameTables();

/** Each would only end or stop the guest. */
const excluded = new Set(["pause", "exit", "exit_group", "rt_sigsuspend"]);
/** Signals to itself and sleeping are tried too, but seldom: they end the case or use its time up. */
const seldom = new Set(["nanosleep", "clock_nanosleep", "kill", "tkill", "tgkill", "rt_tgsigqueueinfo", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigtimedwait", "select", "poll", "ppoll",
  "pselect6", "futex", "execve"]);

// mov $table, %r15d; mov $CALLS, %r14d
// again: mov (%r15),%rax; mov 8(%r15),%rdi; 16 %rsi; 24 %rdx; 32 %r10; 40 %r8; 48 %r9; syscall; mov %rax,56(%r15)
//        add $64,%r15; dec %r14d; jnz again; xor %edi,%edi; mov $231,%eax; syscall
const stub = Uint8Array.from([
  0x41, 0xbf, ...le32(DATA_ADDRESS), 0x41, 0xbe, ...le32(CALLS),
  0x49, 0x8b, 0x07, 0x49, 0x8b, 0x7f, 8, 0x49, 0x8b, 0x77, 16, 0x49, 0x8b, 0x57, 24, 0x4d, 0x8b, 0x57, 32, 0x4d, 0x8b, 0x47, 40, 0x4d, 0x8b, 0x4f, 48,
  0x0f, 0x05, 0x49, 0x89, 0x47, 56, 0x49, 0x83, 0xc7, 64, 0x41, 0xff, 0xce, 0x75, 0xd6,
  0x31, 0xff, 0xb8, ...le32(231), 0x0f, 0x05,
]);

function le32(value: number): number[] {
  return [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255];
}

const pointers = [0, 1, 8, 4096, BUFFER, BUFFER + 1, BUFFER + 0x800, DATA_END - 1, DATA_END - 8, DATA_END - 4096, DATA_END, CODE_ADDRESS, CODE_ADDRESS + 16,
  0x7ffffffff000, 0x7fffffffeff8, 0x800000000000].map(BigInt).concat([-1n, -4096n, 0xffffffff80000000n, 0x8000000000000000n, 0xffff888000000000n]);
const numbers = [0, 1, 2, 3, 4, 5, 7, 9, 16, 64, 100, 255, 256, 511, 1024, 4095, 4096, 4097, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x1002, 0x5401,
  0x5413, 0x80000].map(BigInt).concat([-1n, -2n, -100n, -4096n, 0x7fffffffffffffffn, -0x8000000000000000n]);
const strings = ["/", ".", "..", "/dev/null", "/proc/self/maps", "/tmp/x", "", "/dev/", "a/b", "/proc/self/exe", "/proc/self/fd/3", "x", "/bin/program", "/dev/zero",
  "/tmp/x/y", "/proc/1/status"];

/** Anything, whatever the kind. */
function anything(random: Random): bigint {
  const kind = random.below(10);
  if (kind < 4) return random.pick(pointers);
  if (kind < 9) return random.pick(numbers);
  return random.u64();
}

/** Slots of 64 bytes in the buffer that hold a string, and those that hold words. */
const buffered = (random: Random) => BigInt(BUFFER + 64 * random.below((DATA_END - BUFFER) / 64));

const generators: Record<string, (random: Random, name: string) => bigint> = {
  fd: (random) => BigInt(random.chance(0.9) ? random.below(12) : random.pick([-1, 1023, 1024, 0x7fffffff])),
  dirfd: (random) => BigInt(random.chance(0.7) ? AT_FDCWD : random.below(12)),
  pid: (random) => BigInt(random.pick([0, 1, -1, 1000, 2, -2, 0x7fffffff])),
  uid: (random) => BigInt(random.pick([0, 1, 1000, -1, 65534])),
  sig: (random) => BigInt(random.below(66)),
  mode: (random) => BigInt(random.below(0o10000)),
  size: (random) => random.pick(numbers),
  flags: (random, name) => {
    let bits = 0;
    for (const value of names.values("flags", name)) if (random.chance(0.2)) bits |= value;
    return BigInt(bits >>> 0);
  },
  enum: (random, name) => {
    const values = names.values("enum", name);
    return BigInt(values.length ? random.pick(values) : random.below(16));
  },
  off: (random) => random.pick(numbers),
  hexoff: (random) => BigInt(random.below(8) * 4096),
  i32: (random) => random.pick(numbers),
  u32: (random) => random.pick(numbers),
  i64: (random) => random.pick(numbers),
};

function argument(random: Random, kind: string): bigint {
  if (random.chance(0.1)) return anything(random);
  const [base, name = ""] = kind.split(/[:?]/);
  const generator = generators[base!];
  if (generator) return generator(random, name);
  // What is left are pointers: structures, strings, buffers, vectors.
  return random.chance(0.8) ? buffered(random) : random.pick(pointers);
}

function number(random: Random): SyscallRow | number {
  if (random.chance(0.03)) return random.chance(0.5) ? NEVER_CALLED : random.u32();
  const row = random.pick(syscallRows);
  return excluded.has(row.name) || (seldom.has(row.name) && random.chance(0.9)) ? NEVER_CALLED : row;
}

/** Strings, small numbers, iovec-like and timespec-like words: what pointers of the table point to. */
function fillBuffer(random: Random, data: Uint8Array): void {
  const view = new DataView(data.buffer);
  for (let at = BUFFER - DATA_ADDRESS; at + 64 <= data.length; at += 64) {
    if (random.chance(0.5)) data.set(new TextEncoder().encode(`${random.pick(strings)}\0`), at);
    else if (random.chance(0.3)) for (let i = 0; i < 64; i += 8) view.setBigUint64(at + i, BigInt.asUintN(64, anything(random)), true);
  }
}

/** The guest's data: its table of calls and the buffer. Calls that the choices do not reach are getpid. */
function dataOf(bytes: Uint8Array): Uint8Array {
  const choices = new Choices(bytes);
  const data = new Uint8Array(DATA_END - DATA_ADDRESS);
  const view = new DataView(data.buffer);
  fillBuffer(choices, data);
  for (let call = 0; call < CALLS; call++) {
    const chosen = choices.spent ? 39 : number(choices);
    const row = typeof chosen === "number" ? null : chosen;
    view.setBigUint64(ENTRY * call, BigInt(row?.number ?? (chosen as number)), true);
    const kinds = row?.kinds ?? [];
    for (let i = 0; i < kinds.length && i < 6; i++) view.setBigUint64(ENTRY * call + 8 + 8 * i, BigInt.asUintN(64, argument(choices, kinds[i]!)), true);
  }
  return data;
}

/** Runs the calls; the frames that are in use afterwards. */
async function runCalls(data: Uint8Array, strace?: (line: string) => void): Promise<number> {
  const watch = new MemoryWatch();
  let events = 0;
  await guardedRun(tinyElf(stub, data), {
    onBoot: (kernel) => watch.boot(kernel),
    onExit: (task) => watch.taskEnds(task),
    onSyscall: () => {
      if (events++ % 4 === 0) watch.plant();
    },
    strace,
  });
  const complaint = watch.complaint();
  if (complaint) throw new Error(complaint);
  return watch.framesInUse;
}

async function open(): Promise<Checker> {
  const after = await runCalls(dataOf(new Uint8Array(0)));
  return {
    generate: (random) => random.bytes(CASE_BYTES),
    check: oneByOne(async (bytes) => {
      const frames = await runCalls(dataOf(bytes));
      if (frames !== after) throw new Error(`${frames - after} frames more in use than after a program that does nothing`);
    }),
    describe(bytes) {
      const view = new DataView(dataOf(bytes).buffer);
      const lines: string[] = [];
      for (let call = 0; call < CALLS; call++) {
        const n = Number(view.getBigUint64(ENTRY * call, true));
        if (n === 39) continue;
        const row = syscallRows.find((candidate) => candidate.number === n);
        const values = (row?.kinds ?? []).slice(0, 6).map((_, i) => `0x${view.getBigUint64(ENTRY * call + 8 + 8 * i, true).toString(16)}`);
        lines.push(`  ${row?.name ?? n}(${values.join(", ")})`);
      }
      return lines.join("\n");
    },
  };
}

export const syscallsTarget: Target = {
  name: "syscalls",
  about: "64 random system calls a case, arguments drawn by the kinds of the table",
  property: "the host neither throws nor hangs; no memory but the program's is touched; areas, descriptors and frames are in order after",
  open,
};
