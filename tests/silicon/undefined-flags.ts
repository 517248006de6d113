// Which arithmetic flags the SDM leaves undefined after an instance, so that a comparison with one chip must not look at them.
// The rows say which; here is what depends on the count as well.

import { FLAG_AF, FLAG_CF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF } from "../../kernel/abi/bits";
import type { Instance } from "./generate";

const bit: Record<string, number> = { CF: FLAG_CF, PF: FLAG_PF, AF: FLAG_AF, ZF: FLAG_ZF, SF: FLAG_SF, OF: FLAG_OF };

const bitsOf = (names: string) => names.split(/[ ,]+/).reduce((bits, name) => bits | (bit[name] ?? 0), 0);

/** The immediate or CL count of a shift or rotate, masked as the processor does it. */
function shiftCount(instance: Instance): number {
  const { row, operandSize } = instance;
  const last = row.operands.split(",").at(-1)!.trim();
  if (last === "1") return 1;
  const raw = last === "CL" ? Number(instance.case.gpr[1] & 255n) : instance.case.code.at(-1)!;
  return raw & (operandSize === 8 ? 63 : 31);
}

/** RFLAGS bits not to be compared after `instance`. */
export function undefinedFlags(instance: Instance): number {
  const { mnemonic, operands } = instance.row;
  const bits = operands.startsWith("Eb") ? 8 : instance.operandSize * 8;
  if (/^RO[LR]$|^RC[LR]$/.test(mnemonic)) return shiftCount(instance) === 1 ? 0 : FLAG_OF;
  if (/^(SHL|SAL|SHR|SAR)$/.test(mnemonic)) {
    const count = shiftCount(instance);
    if (count === 0) return 0;
    return FLAG_AF | (count > 1 ? FLAG_OF : 0) | (mnemonic !== "SAR" && count >= bits ? FLAG_CF : 0);
  }
  if (/^SH[LR]D$/.test(mnemonic)) {
    const count = shiftCount(instance);
    if (count === 0) return 0;
    if (count > bits) return bitsOf("CF PF AF ZF SF OF");
    return FLAG_AF | (count > 1 ? FLAG_OF : 0);
  }
  return bitsOf(instance.row.undefinedFlags ?? "");
}

/** SHLD and SHRD by more than the operand's bits leave the destination undefined too. */
export function destinationUndefined(instance: Instance): boolean {
  return /^SH[LR]D$/.test(instance.row.mnemonic) && instance.operandSize === 2 && shiftCount(instance) > 16;
}
