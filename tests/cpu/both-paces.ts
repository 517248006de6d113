// One instruction, or a few, on a bare machine, brought before the CPU in two ways: in the middle of a block in one run(), and one instruction
// a run(). What happens must not depend on it.

import { test } from "uvu";
import { EXIT_BUDGET } from "../../kernel/abi/exit-reasons";
import { CR2, RFLAGS, RIP, RSP, SEG_CS } from "../../kernel/abi/state";
import { BareMachine, CODE32_3 } from "./bare-machine";

export type Pace = "block" | "step";
const NOP = 0x90;
const withErrorCode = new Set([8, 10, 11, 12, 13, 14, 17, 21]);
const MOST_INSTRUCTIONS = 4000;

/** Where a run ended. Offsets of `rip` are from the first byte of the code under test. */
export interface Outcome {
  vector: number;
  error: number;
  rip: number;
  rsp: bigint;
  rflags: bigint;
  cr2: bigint;
}

/** Puts `code` at USER_CODE, behind NOPs and before UD2, for CPL 3: 64-bit code, or compatibility mode. */
export function load(m: BareMachine, code: ArrayLike<number>, bits: 64 | 32 | 16 = 64): void {
  m.user([NOP, NOP, ...Array.from(code), 0x0f, 0x0b], bits === 64 ? 64 : 32);
  if (bits === 16) m.segment(SEG_CS, CODE32_3, 0x8fb);
}

/** Runs until a handler halts, an instruction a run() or all in one. The vector is 6 where all of `code` was executed. */
export function go(m: BareMachine, pace: Pace): Outcome {
  const start = Number(m.reg(RIP));
  if (pace === "block") m.run(MOST_INSTRUCTIONS);
  else for (let n = 0; n < MOST_INSTRUCTIONS && m.run(1) === EXIT_BUDGET; n++);
  const vector = m.haltedIn;
  if (vector < 0) throw new Error(`not in a handler: RIP ${m.reg(RIP).toString(16)}, RSP ${m.reg(RSP).toString(16)}, RFLAGS ${m.reg(RFLAGS).toString(16)}`);
  const frame = m.frame(withErrorCode.has(vector));
  return {
    vector, error: withErrorCode.has(vector) ? Number(frame.error) : 0, rip: Number(frame.rip) - start - 2, rsp: frame.rsp,
    rflags: frame.rflags, cr2: m.reg(CR2),
  };
}

/** A test of each pace. */
export function inBothPaces(name: string, body: (m: BareMachine, pace: Pace) => void): void {
  for (const pace of ["block", "step"] as const) {
    test(`${name} (${pace})`, async () => body(await BareMachine.create(), pace));
  }
}

