// All file handlers with random arguments: exact error numbers, no host exception.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as directory from "../../../host/linux/syscalls/directory";
import * as ioctl from "../../../host/linux/syscalls/ioctl";
import * as open from "../../../host/linux/syscalls/open";
import * as pipe from "../../../host/linux/syscalls/pipe";
import * as poll from "../../../host/linux/syscalls/poll";
import * as readWrite from "../../../host/linux/syscalls/read-write";
import * as stat from "../../../host/linux/syscalls/stat";
import * as xattr from "../../../host/linux/syscalls/xattr";
import { BAD, BUFFER, Block, rig } from "./rig";

const ROUNDS = 30_000;

test("random file calls with random arguments end in a number or a sleep, never in a host exception", () => {
  const seed = Number(process.env.RING3_FUZZ_SEED ?? (process.env.CI ? 20221211 : Date.now() % 1_000_000));
  console.log(`seed ${seed}`);
  let state = seed >>> 0 || 1;
  const random = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  const handlers = [directory, ioctl, open, pipe, poll, readWrite, stat, xattr].flatMap((family) =>
    Object.entries(family).filter(([name]) => name.startsWith("sys")),
  ) as [string, (...args: never[]) => unknown][];
  const paths = ["/", "a", "/tmp/b", "/tmp/b/c", ".", "..", "/proc/self/fd/3", "/proc/self/maps", "/dev/null", "/dev/full", "", "l", "/proc/self/fd", "x/", "/dev/pts", "fifo"];
  const numbers = [
    -1, -100, 0, 1, 2, 3, 4, 5, 6, 7, 8, 64, 0o644, 0o100644, 0o040755, 0o010644, 0o102, 0o1102, 0o4000, 0o2000000, 0o200000, 0o20200002, 1024, 1030, 1031, 4095,
    4096, 65536, 0x5401, 0x541b, 0x7fffffff, 0x80000000, 0xffffffff, 2 ** 32, 2 ** 47 - 1, 2 ** 53, 2 ** 63, 2 ** 64, -(2 ** 63), BUFFER,
    BUFFER + 1, BUFFER + 4096, BAD - 3, BAD, 1,
  ];
  let r = rig({ ramfsLimit: 1 << 20 });
  for (let round = 0; round < ROUNDS; round++) {
    if (round % 3000 === 0) r = rig({ ramfsLimit: 1 << 20 }, random(2) * 1000);
    if (random(4) === 0) r.memory.putU64(BUFFER + random(64) * 4, random(3) === 0 ? pick(numbers.filter((n) => n >= 0)) : random(2 ** 31));
    const [name, handler] = pick(handlers);
    const args = Array.from({ length: 6 }, () => (random(4) === 0 ? pick(paths) : pick(numbers)));
    let result: unknown;
    try {
      result = r.call(handler as never, ...args);
    } catch (error) {
      throw new Error(`seed ${seed} round ${round}: ${name}(${args.join(", ")}): ${(error as Error).stack}`);
    }
    assert.ok(result instanceof Block || Number.isFinite(result), `seed ${seed} round ${round}: ${name}(${args.join(", ")}) = ${result}`);
  }
});

test.run();
