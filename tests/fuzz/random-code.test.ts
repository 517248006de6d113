// Random bytes executed at CPL 3: on the bare machine, many; and as a program under the guest's Linux, where faults become signals.

import { test } from "uvu";
import { CODE_BASE, DATA_BASE } from "../silicon/case-format";
import { generate, isComparable } from "../silicon/generate";
import { MachineRunner } from "../silicon/machine-runner";
import { Random, integerValue } from "../silicon/random";
import { rows } from "../../kernel/decode/rows";
import { campaign } from "./campaign";
import { guardedRun } from "./guarded-run";
import { CODE_ADDRESS, DATA_ADDRESS, tinyElf } from "./tiny-elf";

const comparable = rows.filter(isComparable);

/** Pure noise now and then; mostly instructions of the table, whole or with a bit turned over, so that a run gets further than a few bytes. */
function randomCode(random: Random, length: number): Uint8Array {
  const code = new Uint8Array(length);
  const noise = random.chance(0.3);
  for (let at = 0; at < length; ) {
    const piece = noise || random.chance(0.1) ? random.bytes(1 + random.below(8)) : generate(random.pick(comparable), random).case.code.slice();
    if (random.chance(0.1)) piece[random.below(piece.length)] ^= 1 << random.below(8);
    code.set(piece.subarray(0, length - at), at);
    at += piece.length;
  }
  return code;
}

test("random bytes at CPL 3 end in an exception or go on, and the machine never throws", async () => {
  let runner = await MachineRunner.create();
  await campaign("random-code (machine)", (seed) => {
    const random = new Random(seed);
    for (let i = 0; i < 50; i++) {
      const instance = generate(random.pick(comparable), random).case;
      instance.codeOffset = 0x400;
      instance.code = randomCode(random, 64);
      for (let r = 0; r < 16; r++) {
        instance.gpr[r] = random.chance(0.5) ? BigInt(DATA_BASE + random.below(0x3000)) : random.chance(0.2) ? BigInt(CODE_BASE + random.below(0x1000)) : integerValue(random);
      }
      try {
        runner.run(instance, random.chance(0.2) ? "step" : "block");
      } catch (error) {
        // A loop without end is not the machine's fault.
        if (!/run\(\) answered 0 /.test(String(error))) throw error;
      }
    }
  });
});

test("a program of random bytes dies of a signal or of its time limit, and the host never throws", async () => {
  await campaign("random-code (program)", async (seed) => {
    const random = new Random(seed);
    const prologue: number[] = [];
    for (let r = 0; r < 16; r++) {
      if (r === 4) continue;
      const value = random.chance(0.4) ? BigInt(DATA_ADDRESS + random.below(0x1000)) : random.chance(0.2) ? BigInt(CODE_ADDRESS + random.below(0x1000)) : integerValue(random);
      prologue.push(r > 7 ? 0x49 : 0x48, 0xb8 | (r & 7)); // movabs $value, r
      for (let i = 0; i < 8; i++) prologue.push(Number((value >> BigInt(8 * i)) & 255n));
    }
    const code = Uint8Array.from([...prologue, ...randomCode(random, 4096 - prologue.length)]);
    await guardedRun(tinyElf(code, random.bytes(4096)));
  });
});

test.run();
