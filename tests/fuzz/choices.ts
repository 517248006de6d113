// The choices of a generator, read from the bytes of a case instead of drawn: so the same generator makes random cases, replays
// them and lets them be shrunk as bytes. Where the bytes end every choice is the first one.

import { Random } from "../silicon/random";

export class Choices extends Random {
  readonly #case: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    super(0);
    this.#case = bytes;
  }

  #byte(): number {
    return this.#case[this.#at++] ?? 0;
  }

  /** No choice is left: what follows is the simplest there is. */
  get spent(): boolean {
    return this.#at >= this.#case.length;
  }

  override u32(): number {
    return (this.#byte() | (this.#byte() << 8) | (this.#byte() << 16) | (this.#byte() << 24)) >>> 0;
  }

  /** A small choice takes one byte, so that a changed byte changes one choice. */
  override below(n: number): number {
    if (n <= 1) return 0;
    return n <= 256 ? (this.#byte() * n) >> 8 : super.below(n);
  }

  override chance(probability: number): boolean {
    return this.#byte() >= 256 * (1 - probability);
  }

  override bytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.#byte());
  }
}
