// What every MMX instruction does to the x87 state it shares (SDM Vol. 1 9.6.2): TOP = 0, all registers valid; a written
// register has its sign and exponent all ones.

import { CPU_BLOCK } from "../abi/layout";
import { FSW, FTW, ST, ST_SIGN_EXPONENT } from "../abi/state";
import { VECTOR_MF } from "../abi/vectors";
import { faulted, raise } from "../cpu/fault";
import { isAmd } from "../cpu/state";
import { dst } from "../decode/uop";

const FSW_ES: u16 = 0x80;
const FSW_TOP: u16 = 0x3800;

/** The step before an MMX instruction: a pending x87 exception is #MF. */
export function MMX_WAIT(u: usize): void {
  if (load<u16>(CPU_BLOCK, FSW) & FSW_ES) raise(VECTOR_MF, 0);
}

function clearTop(): void {
  store<u16>(CPU_BLOCK, load<u16>(CPU_BLOCK, FSW) & ~FSW_TOP, FSW);
}

/** The step before a store: TOP stays 0 when it faults; on AMD it does not. */
export function MMX_TOP(u: usize): void {
  if (!isAmd()) clearTop();
}

/** The step before any other operation, and behind all: dst is what was written, if that is a register. */
export function MMX_ENTER(u: usize): void {
  clearTop();
  store<u8>(CPU_BLOCK, 0xff, FTW);
  const written = dst(u);
  if (written - (CPU_BLOCK + ST) < 128) store<u16>(written, 0xffff, ST_SIGN_EXPONENT);
}

/** Check and transition at once, for raw operations; sets `faulted`. */
export function enterMmx(u: usize): void {
  MMX_WAIT(u);
  if (faulted) return;
  clearTop();
  store<u8>(CPU_BLOCK, 0xff, FTW);
}
