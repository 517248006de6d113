// Address space layout randomisation, and the generator that it and getrandom draw from. One seed: one layout, on any
// computer. Entropy and bases are Linux 6.1's for x86-64 (mm/util.c, arch/x86/mm/mmap.c, fs/binfmt_elf.c).

import { PAGE_SIZE, STACK_GUARD_GAP, TASK_SIZE, TASK_SIZE_32, pageAlign, pageFloor } from "./uapi-mman";

/** Source of all randomness that a guest can see. */
export interface RandomSource {
  /** Uniform in 0 .. 2^32-1. */
  u32(): number;
  bytes(count: number): Uint8Array;
}

/** xoshiro128** (Blackman and Vigna, public domain), its state filled from the seed by splitmix64. */
export class SeededRandom implements RandomSource {
  private readonly state = new Uint32Array(4);

  constructor(seed: bigint) {
    let at = BigInt.asUintN(64, seed);
    for (let i = 0; i < 4; i += 2) {
      at = BigInt.asUintN(64, at + 0x9e3779b97f4a7c15n);
      let z = at;
      z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
      z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
      z ^= z >> 31n;
      this.state[i] = Number(z & 0xffffffffn);
      this.state[i + 1] = Number(z >> 32n);
    }
  }

  u32(): number {
    const s = this.state;
    const result = Math.imul(rotateLeft(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const t = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotateLeft(s[3]!, 11);
    return result;
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i += 4) {
      const word = this.u32();
      for (let j = i; j < i + 4 && j < count; j++) bytes[j] = word >>> ((j - i) * 8);
    }
    return bytes;
  }
}

function rotateLeft(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

/** Fills the array, of at most 65,536 bytes, from a cryptographic generator (Web Cryptography API 10.1.1). */
export type GetRandomValues = (bytes: Uint8Array) => void;

function webCrypto(): GetRandomValues {
  const { crypto } = globalThis as { crypto?: { getRandomValues: GetRandomValues } };
  if (crypto === undefined) throw new Error("this host has no crypto.getRandomValues: give the run a seed");
  return (bytes) => crypto.getRandomValues(bytes);
}

/** The host's cryptographic generator. */
export class HostRandom implements RandomSource {
  /** @throws Error where the host has no `crypto.getRandomValues` and none is given: give a seed there */
  constructor(private readonly getRandomValues: GetRandomValues = webCrypto()) {}

  u32(): number {
    const [a, b, c, d] = this.bytes(4) as unknown as [number, number, number, number];
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i += 65536) this.getRandomValues(bytes.subarray(i, i + 65536));
    return bytes;
  }
}

/** A seed as the options take it: a number, a bigint, or any text. */
export function seedOf(seed: bigint | number | string): bigint {
  if (typeof seed === "bigint") return seed;
  if (typeof seed === "number" && Number.isInteger(seed)) return BigInt(seed);
  const text = String(seed);
  if (/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) return BigInt(text);
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  return hash;
}

/** What differs between programs of 64 and of 32 bits. */
interface Entropy {
  /** CONFIG_ARCH_MMAP_RND_BITS, CONFIG_ARCH_MMAP_RND_COMPAT_BITS */
  mmapBits: number;
  /** __STACK_RND_MASK, in pages: 16 GiB, 8 MiB. */
  stackMask: number;
  /** ELF_ET_DYN_BASE: where a PIE with an interpreter goes; two thirds up user space. */
  etDynBase: number;
}
const ENTROPY_64: Entropy = { mmapBits: 28, stackMask: 0x3fffff, etDynBase: Math.floor(TASK_SIZE / 3) * 2 };
const ENTROPY_32: Entropy = { mmapBits: 8, stackMask: 0x7ff, etDynBase: 0x400000 };

/** How far arch_randomize_brk moves the heap at most. */
const BRK_RANDOM_BYTES = 0x02000000;
const PMD_SIZE = 2 << 20;
const MIN_GAP = 128 << 20;

/** Draws the random parts of one execve's layout; with `randomize` false every one of them is zero. */
export class Layout {
  private readonly entropy: Entropy;

  /** @param taskSize end of user space: STACK_TOP too */
  constructor(
    private readonly random: RandomSource,
    readonly randomize: boolean,
    private readonly taskSize: number = TASK_SIZE,
  ) {
    this.entropy = taskSize === TASK_SIZE ? ENTROPY_64 : ENTROPY_32;
  }

  get etDynBase(): number {
    return this.entropy.etDynBase;
  }

  /** Top of the stack's VMA (randomize_stack_top). */
  stackTop(): number {
    if (!this.randomize) return this.taskSize;
    return this.taskSize - (this.random.u32() & this.entropy.stackMask) * PAGE_SIZE;
  }

  /** mmap_base: the stack's room (its limit within 128 MiB and 5/6 of memory, and its own randomness) kept free above. */
  mmapBase(stackLimit: number): number {
    return this.mmapBaseBelow(this.taskSize, this.entropy, stackLimit);
  }

  /** mmap_compat_base: the same for what 32-bit calls map, in whatever program. */
  mmapCompatBase(stackLimit: number): number {
    return this.mmapBaseBelow(TASK_SIZE_32, ENTROPY_32, stackLimit);
  }

  private mmapBaseBelow(taskSize: number, entropy: Entropy, stackLimit: number): number {
    const pad = (this.randomize ? entropy.stackMask * PAGE_SIZE : 0) + STACK_GUARD_GAP;
    const gap = Math.min(Math.max(stackLimit + pad, MIN_GAP), Math.floor(taskSize / 6) * 5);
    return pageAlign(taskSize - gap - this.mmapRandom(entropy));
  }

  /** Load bias of a PIE that has an interpreter, on `alignment`. */
  pieBase(alignment: number): number {
    const base = this.entropy.etDynBase + this.mmapRandom(this.entropy);
    return Math.floor(base / alignment) * alignment;
  }

  /** arch_align_stack: up to 8 KiB down, on 16 bytes. */
  alignStack(sp: number): number {
    const moved = this.randomize ? sp - (this.random.u32() % 8192) : sp;
    return Math.floor(moved / 16) * 16;
  }

  /** arch_randomize_brk: up to 32 MiB above `brk`, on a page. */
  brk(brk: number): number {
    if (!this.randomize) return brk;
    const start = pageAlign(brk);
    return pageFloor(start + (this.random.u32() % (BRK_RANDOM_BYTES / PAGE_SIZE)) * PAGE_SIZE);
  }

  /**
   * vdso_addr: on a page above the stack, up to the end of the 2 MiB that [vvar] and [vdso] would end in there. Where user space
   * ends before, the hint is the stack's own end, which is taken, and the mapping goes where mmap would put it.
   * @param length of both, in bytes
   */
  vdso(startStack: number, length: number): number {
    const start = pageAlign(startStack);
    const end = Math.min(TASK_SIZE, Math.ceil((start + length) / PMD_SIZE) * PMD_SIZE) - length;
    if (!this.randomize || end <= start) return start;
    return start + (this.random.u32() % ((end - start) / PAGE_SIZE + 1)) * PAGE_SIZE;
  }

  private mmapRandom({ mmapBits }: Entropy): number {
    return this.randomize ? (this.random.u32() >>> (32 - mmapBits)) * PAGE_SIZE : 0;
  }
}
