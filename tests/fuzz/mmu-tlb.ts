// What a TLB may still hold, by SDM Vol. 3A 4.10: translations that accesses have used, by PCID, until an instruction invalidates
// them. An MMU may use them or forget them as it likes; one that answers with anything else is wrong.

import type { Translation } from "./mmu-walk";

interface Cached {
  linearPage: bigint;
  pcid: number;
  translation: Translation;
}

const PAGE = 12n;

export class PossibleTlb {
  #entries: Cached[] = [];

  add(linear: bigint, pcid: number, translation: Translation): void {
    const linearPage = linear >> PAGE;
    const same = (e: Cached) => e.linearPage === linearPage && e.pcid === pcid && sameTranslation(e.translation, translation);
    if (!this.#entries.some(same)) this.#entries.push({ linearPage, pcid, translation });
  }

  /** Translations that an access may use beside a fresh walk: those of its PCID, and global ones (4.10.2.4). */
  candidates(linear: bigint, pcid: number): Translation[] {
    const linearPage = linear >> PAGE;
    return this.#entries.filter((e) => e.linearPage === linearPage && (e.pcid === pcid || e.translation.global)).map((e) => e.translation);
  }

  #drop(goes: (e: Cached) => boolean): void {
    this.#entries = this.#entries.filter((e) => !goes(e));
  }

  /** INVLPG: of the current PCID, and global ones of any; of a large page every part of it (4.10.4.1). */
  invlpg(linear: bigint, pcid: number): void {
    this.#drop((e) => {
      const bits = BigInt(Math.log2(e.translation.bytes));
      return (e.pcid === pcid || e.translation.global) && e.linearPage >> (bits - PAGE) === linear >> bits;
    });
  }

  /** MOV to CR3 without bit 63, INVPCID of a single context, MOV to CR4 with SMEP going to 1: all of the PCID that is not global. */
  flushPcid(pcid: number): void {
    this.#drop((e) => e.pcid === pcid && !e.translation.global);
  }

  /** INVPCID of an individual address: that page of that PCID, global translations excepted. */
  invpcidAddress(linear: bigint, pcid: number): void {
    this.#drop((e) => {
      const bits = BigInt(Math.log2(e.translation.bytes));
      return e.pcid === pcid && !e.translation.global && e.linearPage >> (bits - PAGE) === linear >> bits;
    });
  }

  flushNonGlobal(): void {
    this.#drop((e) => !e.translation.global);
  }

  flushAll(): void {
    this.#entries = [];
  }
}

function sameTranslation(a: Translation, b: Translation): boolean {
  return a.page === b.page && a.writable === b.writable && a.user === b.user && a.noExecute === b.noExecute && a.dirty === b.dirty && a.global === b.global
    && a.bytes === b.bytes;
}
