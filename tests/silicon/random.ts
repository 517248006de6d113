// The generators' random numbers: seeded, the same on every computer; and values near the edges of every format.

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    // SplitMix32 fills the state of xoshiro128**.
    const next = () => {
      seed = (seed + 0x9e3779b9) | 0;
      let z = seed;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) | 0;
    };
    [this.#a, this.#b, this.#c, this.#d] = [next(), next(), next(), next()];
  }

  u32(): number {
    const r = Math.imul(this.#b, 5);
    const result = Math.imul((r << 7) | (r >>> 25), 9);
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result >>> 0;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** 0 <= answer < n */
  below(n: number): number {
    return Math.floor((this.u32() / 4294967296) * n);
  }

  chance(probability: number): boolean {
    return this.u32() < probability * 4294967296;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }

  bytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.u32() & 255);
  }
}

const integerEdges = [0n, 1n, 2n, 3n, 0x0fn, 0x10n, 0x7fn, 0x80n, 0x81n, 0xffn, 0x100n, 0x7fffn, 0x8000n, 0xffffn, 0x10000n, 0x7fffffffn, 0x80000000n,
  0x80000001n, 0xffffffffn, 0x100000000n, 0x7fffffffffffffffn, 0x8000000000000000n, 0x8000000000000001n, 0xfffffffffffffffen, 0xffffffffffffffffn,
  0xffffffff80000000n, 0xffffffff7fffffffn, 0xffffffffffff8000n, 0xffffffffffffff80n, 0x5555555555555555n, 0xaaaaaaaaaaaaaaaan];

/** A 64-bit integer, mostly at an edge of one of the operand sizes. */
export function integerValue(random: Random): bigint {
  const kind = random.below(8);
  if (kind < 3) return random.pick(integerEdges);
  if (kind === 3) return BigInt(random.below(65));
  if (kind === 4) return 1n << BigInt(random.below(64));
  if (kind === 5) return BigInt.asUintN(64, -BigInt(random.below(256)));
  if (kind === 6) return BigInt(random.u32());
  return random.u64();
}

const f32Edges = [0, 0x80000000, 1, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0x7fa12345,
  0xffb00000, 0x3f800000, 0xbf800000, 0x3f000000, 0x3fc00000, 0x40200000, 0x4b000000, 0x4b000001, 0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001,
  0x5effffff, 0x5f000000, 0xdf000000, 0x3f7fffff, 0x3f800001, 0x20000000, 0x1f800000];

export function float32Bits(random: Random): number {
  const kind = random.below(8);
  if (kind < 3) return random.pick(f32Edges);
  // Near 1, so that sums and products of two of them round and cancel.
  if (kind < 6) return ((random.u32() & 0x807fffff) | ((120 + random.below(16)) << 23)) >>> 0;
  if (kind === 6) return ((random.u32() & 0x807fffff) | (random.pick([0, 1, 2, 253, 254, 255]) << 23)) >>> 0;
  return random.u32();
}

const f64Edges = [0n, 0x8000000000000000n, 1n, 0x000fffffffffffffn, 0x0010000000000000n, 0x7fefffffffffffffn, 0xffefffffffffffffn, 0x7ff0000000000000n,
  0xfff0000000000000n, 0x7ff8000000000000n, 0xfff8000000000000n, 0x7ff0000000000001n, 0x7ff4123456789abcn, 0xfff4000000000000n, 0x3ff0000000000000n,
  0xbff0000000000000n, 0x3fe0000000000000n, 0x3ff8000000000000n, 0x4004000000000000n, 0x4330000000000000n, 0x4330000000000001n, 0x41dfffffffc00000n,
  0x41dfffffffe00000n, 0x41e0000000000000n, 0xc1e0000000000000n, 0xc1e0000000200000n, 0x43e0000000000000n, 0xc3e0000000000000n, 0x43dfffffffffffffn,
  0x47efffffe0000000n, 0x47effffff0000000n, 0x3810000000000000n, 0x380fffffffffffffn, 0x36a0000000000000n, 0x3690000000000000n, 0x3fefffffffffffffn];

export function float64Bits(random: Random): bigint {
  const kind = random.below(8);
  if (kind < 3) return random.pick(f64Edges);
  if (kind < 6) return (random.u64() & 0x800fffffffffffffn) | (BigInt(1016 + random.below(16)) << 52n);
  if (kind === 6) return (random.u64() & 0x800fffffffffffffn) | (BigInt(random.pick([0, 1, 2, 895, 896, 897, 1150, 2045, 2046, 2047])) << 52n);
  return random.u64();
}

/** An 80-bit number: [significand, sign and exponent]. Unnormals and the other forms that the 387 rejects are among them. */
export function float80(random: Random): [bigint, number] {
  const sign = random.u32() & 0x8000;
  const kind = random.below(16);
  if (kind < 2) return [0n, sign];
  if (kind === 2) return [0x8000000000000000n, sign | 0x7fff];
  if (kind === 3) return [random.pick([0xc000000000000000n, 0xc000000000000001n, 0x8000000000000001n, 0xa000000000000000n, 0xe123456789abcdefn]), sign | 0x7fff];
  if (kind === 4) return [random.pick([1n, 0x7fffffffffffffffn, 0x4000000000000000n, random.u64() >> 1n]), sign];
  if (kind === 5) return [random.pick([0x8000000000000000n, 0xffffffffffffffffn]), sign];
  if (kind === 6) return [random.pick([0n, 1n, 0x7fffffffffffffffn, random.u64() >> 1n]), sign | random.pick([1, 0x3fff, 0x7ffe, 0x7fff])];
  if (kind === 7) return [random.u64() | (1n << 63n), sign | random.pick([1, 2, 0x7ffd, 0x7ffe])];
  if (kind === 8) return [(BigInt(random.u32()) << 32n) | (1n << 63n), sign | (0x3fff + random.below(64))];
  if (kind < 13) return [random.u64() | (1n << 63n), sign | (0x3ff7 + random.below(16))];
  if (kind === 13) return [random.pick([0x8000000000000000n, 0xffffffffffffffffn, 0xc000000000000000n, 0x8000000000000001n]), sign | (0x3ffd + random.below(5))];
  if (kind === 14) return [random.u64() | (1n << 63n), sign | random.pick([0x3f81, 0x3f80, 0x3f6a, 0x407e, 0x407f, 0x3c01, 0x3c00, 0x3bcd, 0x43fe, 0x43ff, 0x403e, 0x403d, 0x401e, 0x400e])];
  return [random.u64() | (1n << 63n), sign | random.below(0x8000)];
}
