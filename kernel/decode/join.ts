// Sequences of micro-operations that exec() does in one case (kernel/gen/sequences.ts): the first one's code becomes that case's.
// Entered from kernel/run.ts when a block is decoded.

import { UOP_CODE, UOP_SIZE } from "./uop";
import { CODE_COLD, CODE_PUSH64_PUSH64, CODE_POP64_POP64, CODE_ZERO_ZERO, SEQUENCES, SEQUENCE_OF } from "../../build/kernel/codes";

/** Micro-operations that a case of the decoder's own pairs takes. */
function width(code: u32): usize {
  return code == CODE_PUSH64_PUSH64 || code == CODE_POP64_POP64 || code == CODE_ZERO_ZERO ? 2 : 1;
}

/** Micro-operations that the `parts` cases listed at `list` take behind each other from u on, all before `to`; 0 if others stand there. */
function matched(u: usize, to: usize, list: usize, parts: u32): usize {
  let at = u;
  for (let k: u32 = 0; k < parts; k++) {
    if (at >= to) return 0;
    const code = <u32>load<u16>(at, UOP_CODE);
    if (code != <u32>load<u16>(list + (<usize>k << 1))) return 0;
    at += width(code) * UOP_SIZE;
  }
  return at;
}

/** Joins what stands in [from, to), from left to right and each as long as it can be. */
export function join(from: usize, to: usize): void {
  let u = from;
  while (u < to) {
    const code = <u32>load<u16>(u, UOP_CODE);
    let next = u + width(code) * UOP_SIZE;
    let list: usize = load<u16>(SEQUENCE_OF + (<usize>min<u32>(code, CODE_COLD) << 1));
    if (list) {
      list += SEQUENCES;
      for (let parts = <u32>load<u16>(list); parts; parts = <u32>load<u16>(list)) {
        const end = matched(next, to, list + 4, parts);
        if (end) {
          store<u16>(u, load<u16>(list, 2), UOP_CODE);
          next = end;
          break;
        }
        list += (<usize>parts + 2) << 1;
      }
    }
    u = next;
  }
}
