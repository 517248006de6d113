// What this computer's chip makes of a byte string in 64-bit mode: whether it is an instruction and how long. The bytes are put
// before the end of a page whose follower is not mapped, one more at a time: as long as the fetch faults, the instruction goes on.

import { CODE_BASE, CODE_SIZE, type Case, blankCase } from "../silicon/case-format";
import { type Native, NoChip, buildNativeRunner, runNatively } from "../silicon/native";
import { projectRoot } from "../source-files";

export interface Verdict {
  /** Not #UD. */
  valid: boolean;
  length: number;
}

const PAGE_END = BigInt(CODE_BASE + CODE_SIZE);
const UD = 6;
const PF = 14;
const LONGEST = 15;

export class Chip {
  private constructor(readonly runner: Native) {}

  /** Null where there is no x86-64 Linux or no gcc. */
  static open(): Chip | null {
    try {
      return new Chip(buildNativeRunner(projectRoot));
    } catch (error) {
      if (error instanceof NoChip) return null;
      throw error;
    }
  }

  /** @param strings of 15 bytes each; one verdict a string */
  ask(strings: readonly Uint8Array[]): Verdict[] {
    const cases: Case[] = [];
    for (const bytes of strings) {
      for (let n = 1; n <= LONGEST; n++) {
        // Registers point to nothing that is mapped, so that an instruction that is one does no harm.
        const c = blankCase(bytes.slice(0, n), Array.from({ length: 16 }, () => 0x10n));
        c.codeOffset = CODE_SIZE - n;
        cases.push(c);
      }
    }
    const results = runNatively(this.runner, cases);
    return strings.map((_, i) => {
      for (let n = 1; n <= LONGEST; n++) {
        const result = results[i * LONGEST + n - 1]!;
        const unfinished = result.vector === PF && result.cr2 === PAGE_END && result.rip === PAGE_END - BigInt(n);
        if (!unfinished) return { valid: result.vector !== UD, length: n };
      }
      return { valid: false, length: LONGEST };
    });
  }
}
