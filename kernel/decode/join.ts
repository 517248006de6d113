// Sequences of micro-operations that exec() does in one case (kernel/gen/sequences.ts): the first one's code becomes that case's.
// Entered from kernel/run.ts when a block is decoded.

import { UOP_CODE, UOP_SIZE } from "./uop";
import { CODE_PUSH64_PUSH64, CODE_POP64_POP64, CODE_ZERO_ZERO, SEQUENCES, SEQUENCE_OF } from "../../build/kernel/codes";

/** Micro-operations that a case of the decoder's own pairs takes. */
function width(code: u32): usize {
  return code == CODE_PUSH64_PUSH64 || code == CODE_POP64_POP64 || code == CODE_ZERO_ZERO ? 2 : 1;
}

/** Case of `first` with `second` behind it, 0 if there is none. `first` may be a sequence itself. */
function joined(first: u32, second: u32): u32 {
  for (let at: usize = load<u16>(SEQUENCE_OF + (<usize>first << 1)); at; at += 4) {
    const candidate = <u32>load<u16>(SEQUENCES + at);
    if (candidate == 0xffff) return 0;
    if (candidate == second) return load<u16>(SEQUENCES + at, 2);
  }
  return 0;
}

/** Joins what stands in [from, to), from left to right and each as long as it can be. */
export function join(from: usize, to: usize): void {
  let u = from;
  while (u < to) {
    let code = <u32>load<u16>(u, UOP_CODE);
    let next = u + width(code) * UOP_SIZE;
    while (next < to) {
      const second = <u32>load<u16>(next, UOP_CODE);
      const code2 = joined(code, second);
      if (!code2) break;
      code = code2;
      next += width(second) * UOP_SIZE;
    }
    store<u16>(u, <u16>code, UOP_CODE);
    u = next;
  }
}
