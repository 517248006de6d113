// What a fuzz target is. The rows are in targets.ts; campaign.ts runs them, shrinks what they find and writes it down.
//
// A case is always a string of bytes: an instruction, or the choices that a generator makes on its way to page tables, a program
// or a file (choices.ts). So every target is shrunk, stored and replayed alike.

import type { Random } from "../silicon/random";

export interface Target {
  name: string;
  /** What a case is, in a line. */
  about: string;
  /** What must hold of every case, in a line. */
  property: string;
  /** Loads what the checks need. @throws CannotRun where this computer lacks it */
  open(): Promise<Checker>;
}

export interface Checker {
  /** How many cases check() wants at a time; 1 when it is left out. */
  batch?: number;
  generate(random: Random): Uint8Array;
  /**
   * One answer a case: "" where the property holds, else what is wrong. The first line is the same for failures of one kind. What is
   * thrown is a failure too, of the whole batch.
   */
  check(cases: readonly Uint8Array[]): string[] | Promise<string[]>;
  /** The case for a reader. */
  describe?(bytes: Uint8Array): string;
}

/** The target cannot run on this computer; the message says why. */
export class CannotRun extends Error {}

/** check() for targets that take one case and complain by throwing. */
export const oneByOne = (check: (bytes: Uint8Array) => unknown) => async (cases: readonly Uint8Array[]): Promise<string[]> => {
  for (const bytes of cases) await check(bytes);
  return cases.map(() => "");
};
