// The ELF loader with mutated files: headers, program headers, sizes, the interpreter, cut files, flipped bits. A case is the choices
// of the mutation: which program, what is changed in it.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../silicon/random";
import { projectRoot } from "../source-files";
import { Choices } from "./choices";
import { guardedRun } from "./guarded-run";
import { type Checker, type Target, oneByOne } from "./target";
import { tinyElf } from "./tiny-elf";

const folder = join(projectRoot, "guest-programs");
const originals: Uint8Array[] = readdirSync(folder)
  .map((name) => join(folder, name))
  .filter((path) => !/\.[a-z]+$/.test(path))
  .map((path): Uint8Array => new Uint8Array(readFileSync(path)))
  .filter((bytes) => bytes[0] === 0x7f && bytes[1] === 0x45);
// mov $60, %eax; xor %edi, %edi; syscall
originals.push(tinyElf(Uint8Array.of(0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05), new Uint8Array(64)));

const edges = [0n, 1n, 7n, 0xfffn, 0x1000n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n, 0x7ffffffff000n, 0x7fffffffffffn, 0x800000000000n,
  0x7fffffffffffffffn, 0x8000000000000000n, 0xffffffff80000000n, 0xfffffffffffff000n, 0xffffffffffffffffn];

/** Fields of the ELF header and of each program header: [offset, bytes] (ELF-64 Object File Format, figures 3 and 6). */
const headerFields: [number, number][] = [[4, 1], [5, 1], [6, 1], [7, 1], [16, 2], [18, 2], [20, 4], [24, 8], [32, 8], [40, 8], [48, 4], [52, 2], [54, 2],
  [56, 2], [58, 2], [60, 2], [62, 2]];
const segmentFields: [number, number][] = [[0, 4], [4, 4], [8, 8], [16, 8], [24, 8], [32, 8], [40, 8], [48, 8]];

function put(bytes: Uint8Array, at: number, value: bigint, count: number): void {
  for (let i = 0; i < count && at + i < bytes.length; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 255n);
}

function mutate(random: Random, original: Uint8Array): Uint8Array {
  let bytes: Uint8Array = original.slice();
  const view = new DataView(bytes.buffer);
  const segments = view.getUint16(56, true);
  const value = () => (random.chance(0.6) ? random.pick(edges) : random.chance(0.5) ? BigInt(random.below(0x10000)) : random.u64());
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const kind = random.below(10);
    if (kind < 2) {
      const [at, count] = random.pick(headerFields);
      put(bytes, at, value(), count);
    } else if (kind < 6 && segments > 0) {
      const [at, count] = random.pick(segmentFields);
      put(bytes, 64 + 56 * random.below(segments) + at, count === 4 && at === 0 ? BigInt(random.below(8)) : value(), count);
    } else if (kind === 6) bytes = bytes.slice(0, random.below(random.chance(0.5) ? 200 : bytes.length));
    else if (kind === 7 && segments > 1) {
      // One segment laid over another.
      const [from, to] = [random.below(segments), random.below(segments)];
      bytes.copyWithin(64 + 56 * to, 64 + 56 * from, 64 + 56 * from + 56);
    } else for (let flips = 1 + random.below(20); flips > 0 && bytes.length > 0; flips--) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
  }
  return bytes;
}

async function open(): Promise<Checker> {
  return {
    generate: (random) => random.bytes(64),
    check: oneByOne(async (bytes) => {
      const choices = new Choices(bytes);
      await guardedRun(mutate(choices, choices.pick(originals)));
    }),
  };
}

export const elfTarget: Target = {
  name: "elf",
  about: "mutated ELF files: headers, segments, sizes, interpreter, cut and flipped bytes",
  property: "the file runs, dies of a signal, or is refused in one line; the host neither throws nor hangs",
  open,
};
