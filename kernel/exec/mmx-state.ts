// What every MMX instruction does to the x87 state it shares (SDM Vol. 1 9.6.2): TOP = 0, all registers valid; a written
// register has its sign and exponent all ones.

import { CPU_BLOCK } from "../abi/layout";
import { FSW, FTW, ST, ST_SIGN_EXPONENT } from "../abi/state";
import { VECTOR_MF } from "../abi/vectors";
import { raise } from "../cpu/fault";

const FSW_ES: u32 = 0x80;
const FSW_TOP: u32 = 0x3800;

/** Before the operation: a pending x87 exception is #MF; sets `faulted` then. */
export function enterMmx(): void {
  const status = load<u16>(CPU_BLOCK, FSW);
  if (status & FSW_ES) return raise(VECTOR_MF, 0);
  store<u16>(CPU_BLOCK, <u16>(status & ~FSW_TOP), FSW);
  store<u8>(CPU_BLOCK, 0xff, FTW);
}

/** After a result was stored to the slot `at`, if that is an MMX register. */
export function mmxWritten(at: usize): void {
  if (at - (CPU_BLOCK + ST) < 128) store<u16>(at, 0xffff, ST_SIGN_EXPONENT);
}
