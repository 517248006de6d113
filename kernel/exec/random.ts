// RDRAND and RDSEED (SDM Vol. 1 7.3.17). Called from exec(). Both draw from the host's generator, which never runs dry: CF is always 1,
// and OF, SF, ZF, AF, PF are 0.

import { FLAG_CF } from "../abi/bits";
import { setArithmeticFlags } from "../cpu/flags";
import { opsize } from "../decode/uop";
import { writeRmSized } from "./sized-operand";

/** 32 random bits. */
// @ts-ignore: decorator
@external("host", "random")
declare function hostRandom(): u32;

function drawInto(u: usize): void {
  const low = <u64>hostRandom();
  writeRmSized(u, opsize(u), opsize(u) == 8 ? low | (<u64>hostRandom() << 32) : low);
  setArithmeticFlags(FLAG_CF);
}

export function RDRAND(u: usize): void {
  drawInto(u);
}

export function RDSEED(u: usize): void {
  drawInto(u);
}
