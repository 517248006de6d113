// Random system calls with random arguments, issued by a guest from a table in its memory: the host never throws or hangs.

import { test } from "uvu";
import { Random } from "../silicon/random";
import { campaign } from "./campaign";
import { guardedRun } from "./guarded-run";
import { CODE_ADDRESS, DATA_ADDRESS, tinyElf } from "./tiny-elf";

const CALLS = 64;
/** Bytes a call in the table: number, six arguments, result. */
const ENTRY = 64;
const BUFFER = DATA_ADDRESS + 0x2000;
const DATA_END = DATA_ADDRESS + 0x4000;

// Each would only end or stop the guest: pause, exit, exit_group, rt_sigsuspend.
const excluded = new Set([34, 60, 231, 130]);

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

function argument(random: Random): bigint {
  const kind = random.below(10);
  if (kind < 4) return random.pick(pointers);
  if (kind < 9) return random.pick(numbers);
  return random.u64();
}

/** Strings, small numbers, iovec-like and timespec-like words: what pointers of the table point to. */
function fillBuffer(random: Random, data: Uint8Array): void {
  const view = new DataView(data.buffer);
  const base = BUFFER - DATA_ADDRESS;
  const strings = ["/", ".", "..", "/dev/null", "/proc/self/maps", "/tmp/x", "", "/dev/", "a/b", "/proc/self/exe"];
  for (let at = base; at + 64 <= data.length; at += 64) {
    if (random.chance(0.3)) data.set(new TextEncoder().encode(`${random.pick(strings)}\0`), at);
    else for (let i = 0; i < 64; i += 8) view.setBigUint64(at + i, BigInt.asUintN(64, argument(random)), true);
  }
}

test("random system calls return, and the host never throws or hangs", async () => {
  await campaign("system-calls", async (seed) => {
    const random = new Random(seed);
    const data = new Uint8Array(DATA_END - DATA_ADDRESS);
    const view = new DataView(data.buffer);
    for (let call = 0; call < CALLS; call++) {
      let number = random.chance(0.95) ? random.below(460) : random.u32();
      // Signals to itself and sleeping are tried too, but seldom: they end the case or use its time up.
      if (excluded.has(number) || ([35, 62, 200, 230, 234, 297].includes(number) && random.chance(0.9))) number = 39;
      view.setBigUint64(ENTRY * call, BigInt(number), true);
      for (let i = 0; i < 6; i++) view.setBigUint64(ENTRY * call + 8 + 8 * i, BigInt.asUintN(64, argument(random)), true);
    }
    fillBuffer(random, data);
    await guardedRun(tinyElf(stub, data));
  });
});

test.run();
