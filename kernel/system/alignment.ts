// Alignment checks of operands that are not one access of their own size (SDM Vol. 3A table 6-7): the x87's 80-bit numbers and
// environments, and the stack words of ENTER. Plain accesses are checked in mmu/access.ts.

import { raiseAC } from "../cpu/fault";
import { isCanonical } from "../cpu/state";
import { view } from "../mmu/tlb";
import { VIEW_USER_ALIGN } from "../mmu/walk";

/**
 * False with #AC raised if alignment is checked now and `linear` is not a multiple of `alignment` (a power of two). A word of that
 * size that is not canonical from its first byte to its last passes: the access behind this raises what comes before #AC.
 */
export function alignedOrFault(linear: u64, alignment: u32): bool {
  if (view != VIEW_USER_ALIGN || (linear & (alignment - 1)) == 0 || !isCanonical(linear) || !isCanonical(linear + alignment - 1)) return true;
  raiseAC();
  return false;
}
