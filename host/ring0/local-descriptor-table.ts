// The LDT of an address space, which modify_ldt fills (Linux arch/x86/kernel/ldt.c). It stands at LDT_BASE, in a PML4 entry that each
// address space has for itself, read-only: the CPU has nothing to write there, since every descriptor is marked accessed.
// Called from address-space.ts and ring0.ts.

import { NO_FRAME, PAGE_SIZE } from "../machine/phys-memory";
import { PTE_NX_HIGH, PTE_P } from "../../kernel/abi/bits";
import { LDT_BASE } from "./layout";
import { PML4_KERNEL_HALF, PTI_USER_PML4_OFFSET, type PageTables } from "./page-tables";

export const LDT_ENTRIES = 8192;
const ENTRY_BYTES = 8;
const NO_WORDS = new Uint32Array(0);

export class LocalDescriptorTable {
  #words: Uint32Array = NO_WORDS;
  readonly #frames: number[] = [];

  constructor(
    private readonly tables: PageTables,
    private readonly root: number,
  ) {}

  /** Its descriptors, two words each; their number is the greatest that was ever set. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** Sets an entry below LDT_ENTRIES. @returns false when guest RAM is used up; nothing has changed then */
  set(index: number, lo: number, hi: number): boolean {
    const bytes = (index + 1) * ENTRY_BYTES;
    while (this.#frames.length * PAGE_SIZE < bytes) if (!this.#grow()) return false;
    if (this.#words.length < (index + 1) * 2) {
      const words = new Uint32Array((index + 1) * 2);
      words.set(this.#words);
      this.#words = words;
    }
    this.#words[index * 2] = lo;
    this.#words[index * 2 + 1] = hi;
    const pa = this.#frames[Math.floor((index * ENTRY_BYTES) / PAGE_SIZE)]! + ((index * ENTRY_BYTES) % PAGE_SIZE);
    this.tables.phys.u32[pa >>> 2] = lo;
    this.tables.phys.u32[(pa >>> 2) + 1] = hi;
    return true;
  }

  #grow(): boolean {
    const { tables, root } = this;
    const { phys, pti } = tables;
    const frame = phys.allocFrame();
    if (frame === NO_FRAME) return false;
    const at = tables.makePte(root, LDT_BASE + this.#frames.length * PAGE_SIZE);
    if (at < 0) {
      phys.put(frame);
      return false;
    }
    tables.setPte(at, frame | PTE_P, PTE_NX_HIGH);
    if (pti) {
      const pml4e = (root >>> 2) + LDT_PML4_INDEX * 2;
      tables.setPte(pml4e + PTI_USER_PML4_OFFSET / 4, phys.u32[pml4e]!, phys.u32[pml4e + 1]!);
    }
    this.#frames.push(frame);
    return true;
  }

  /** Gives back its pages and page tables. The caller flushes the TLB. */
  free(): void {
    this.#frames.length = 0;
    this.#words = NO_WORDS;
    this.tables.freeTable(this.root, LDT_PML4_INDEX);
  }
}

const LDT_PML4_INDEX = PML4_KERNEL_HALF + 16;
