// Random bytes executed at CPL 3: on the bare machine, in any state; and as a program under the guest's Linux, where faults become
// signals. A case is a seed of four bytes for registers and data, then the code.

import { rows } from "../../kernel/decode/rows";
import { CODE_BASE, DATA_BASE } from "../silicon/case-format";
import { generate, isComparable } from "../silicon/generate";
import { MachineRunner } from "../silicon/machine-runner";
import { Random, integerValue } from "../silicon/random";
import { guardedRun } from "./guarded-run";
import { type Checker, type Target, oneByOne } from "./target";
import { CODE_ADDRESS, DATA_ADDRESS, tinyElf } from "./tiny-elf";

const SEED_BYTES = 4;
const comparable = rows.filter((row) => isComparable(row, 64, "intel"));

/** Pure noise now and then; mostly instructions of the table, whole or with a bit turned over, so that a run gets further than a few bytes. */
function randomCode(random: Random, length: number): Uint8Array {
  const code = new Uint8Array(length);
  const noise = random.chance(0.3);
  for (let at = 0; at < length; ) {
    const piece = noise || random.chance(0.1) ? random.bytes(1 + random.below(8)) : generate(random.pick(comparable), random, "intel").case.code.slice();
    if (random.chance(0.1)) piece[random.below(piece.length)] ^= 1 << random.below(8);
    code.set(piece.subarray(0, length - at), at);
    at += piece.length;
  }
  return code;
}

const caseOf = (length: number) => (random: Random) => Uint8Array.of(...random.bytes(SEED_BYTES), ...randomCode(random, length));

/** The code of a case, and the generator of the state it runs in. */
function partsOf(bytes: Uint8Array): { random: Random; code: Uint8Array } {
  let seed = 0;
  for (let i = 0; i < SEED_BYTES; i++) seed |= (bytes[i] ?? 0) << (8 * i);
  return { random: new Random(seed), code: bytes.slice(SEED_BYTES) };
}

async function openMachine(): Promise<Checker> {
  let runner = await MachineRunner.create();
  return {
    batch: 100,
    generate: caseOf(64),
    check: oneByOne(async (bytes) => {
      const { random, code } = partsOf(bytes);
      const instance = generate(comparable[0]!, random, "intel").case;
      instance.codeOffset = 0x400;
      instance.code = code;
      for (let r = 0; r < 16; r++) {
        instance.gpr[r] = random.chance(0.5) ? BigInt(DATA_BASE + random.below(0x3000)) : random.chance(0.2) ? BigInt(CODE_BASE + random.below(0x1000)) : integerValue(random);
      }
      try {
        runner.run(instance, random.chance(0.2) ? "step" : "block");
      } catch (error) {
        // A loop without end is not the machine's fault.
        if (/run\(\) answered 0 /.test(String(error))) return;
        runner = await MachineRunner.create();
        throw error;
      }
    }),
  };
}

async function openProgram(): Promise<Checker> {
  return {
    generate: caseOf(512),
    check: oneByOne(async (bytes) => {
      const { random, code } = partsOf(bytes);
      const prologue: number[] = [];
      for (let r = 0; r < 16; r++) {
        if (r === 4) continue;
        const value = random.chance(0.4) ? BigInt(DATA_ADDRESS + random.below(0x1000)) : random.chance(0.2) ? BigInt(CODE_ADDRESS + random.below(0x1000)) : integerValue(random);
        prologue.push(r > 7 ? 0x49 : 0x48, 0xb8 | (r & 7)); // movabs $value, r
        for (let i = 0; i < 8; i++) prologue.push(Number((value >> BigInt(8 * i)) & 255n));
      }
      await guardedRun(tinyElf(Uint8Array.of(...prologue, ...code), random.bytes(4096)));
    }),
  };
}

export const codeTarget: Target = {
  name: "code",
  about: "random code at CPL 3 on the bare machine",
  property: "it ends in an exception or goes on; the machine never throws",
  open: openMachine,
};

export const programTarget: Target = {
  name: "program",
  about: "programs of random code under the guest's Linux",
  property: "the program ends, dies of a signal or of its time limit; the host neither throws nor hangs",
  open: openProgram,
};
