// Asks the decoder about bytes and executes nothing: which row of the instruction table they are, and how long. For the host's
// listings and for the comparison with another decoder. Entered from kernel/index.ts.

import { decodedRow, decodeOne } from "./decoder";
import { setOut } from "./instruction";
import { UOP_SIZE } from "./uop";

/** The host writes the bytes here: 15 at the most, as many as an instruction has. */
export const probeBytes = memory.data(16, 16);
const discarded = memory.data(<i32>UOP_SIZE * 16, 16);

/**
 * The instruction at probeBytes, of which `count` bytes are known, in the mode, at the level and with the CPUID model of the CPU block.
 * Bits 7..0: length; 0 when it has more bytes than those known. Bits 31..8: row + 1, in the order of rows.ts; 0 for none (#UD, #GP).
 */
export function probe(count: u32): u32 {
  setOut(discarded);
  const length = decodeOne(probeBytes, count, 0);
  return length ? length | (decodedRow << 8) : 0;
}
