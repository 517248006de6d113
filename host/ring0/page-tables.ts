// The one place that reads and changes page tables. They are real ones in guest RAM, walked by the emulated MMU; a change of a
// present entry is followed by its invalidation in every TLB context, so in the kernel's and in the user's PCID.
//
// Paging-structure entry (SDM Vol. 3A figure 4-11); physical addresses here are below 2^32, so its halves are
//
//   63 62                                                                    32
//  +--+------------------------------------------------------------------------+
//  |NX|                         0                                              |  +4
//  +--+------------------------------------------------------------------------+
//   31                          12 11      9  8  7  6  5   4   3   2   1   0
//  +------------------------------+---------+--+--+--+--+----+---+---+---+-----+
//  |  address of frame or table   | ignored |G |PS| D| A|PCD |PWT|U/S|R/W|  P  |  +0
//  +------------------------------+---------+--+--+--+--+----+---+---+---+-----+

import { NO_FRAME, PAGE_SIZE, type PhysMemory } from "../machine/phys-memory";
import { PTE_A, PTE_D, PTE_G, PTE_NX_HIGH, PTE_P, PTE_PS, PTE_RW, PTE_US } from "../../kernel/abi/bits";

export type { AddressSpace } from "./address-space";

/** A mapping that PROT_NONE made inaccessible: P is clear, the frame is kept. Linux uses the G bit too (_PAGE_PROTNONE). */
export const PTE_PROTNONE = PTE_G;
/** Entry and table flags of a page table that serves user pages; of one that serves kernel pages. */
const PAGE_TABLE = PTE_P | PTE_RW | PTE_US;
const KERNPG_TABLE = PTE_P | PTE_RW;
const FRAME_MASK = 0xfffff000;
export const LARGE_PAGE_SIZE = 0x200000;
/** PML4 entries below this one are the user half of an address space. */
export const PML4_KERNEL_HALF = 256;
/** From a kernel PML4 to its user PML4 under PTI. */
export const PTI_USER_PML4_OFFSET = PAGE_SIZE;

/** What page tables need of the TLB; Machine has it. */
export interface TlbControl {
  invlpg(linear: number): void;
  flushTlb(): void;
}

/** A run of neighbouring pages with equal rights, as the MMU would find them. `pa` is that of its first page. */
export interface PageRange {
  start: number;
  /** One past the last byte. */
  end: number;
  pa: number;
  pageSize: number;
  user: boolean;
  writable: boolean;
  executable: boolean;
  global: boolean;
  /** How often the kernel has it, at equal distances from here on, if more than once: the espfix stack. */
  aliases?: number;
}

/** More invalidations than this are one flush (Linux tlb_single_page_flush_ceiling). */
const FLUSH_CEILING = 33;

export class PageTables {
  readonly phys: PhysMemory;
  readonly #tlb: TlbControl;
  /** User halves are entered in both PML4 pages of a pair. */
  readonly pti: boolean;

  constructor(phys: PhysMemory, tlb: TlbControl, pti: boolean) {
    this.phys = phys;
    this.#tlb = tlb;
    this.pti = pti;
  }

  /**
   * Index in `phys.u32` of the low half of the 4 KiB PTE for `linear`, or -1 when there is no page table for it.
   * Present 2 MiB pages have none.
   */
  pte(root: number, linear: number): number {
    const words = this.phys.u32;
    const giga = Math.floor(linear / 0x40000000);
    let entry = words[(root >>> 2) + ((giga >> 9) & 511) * 2]!;
    if ((entry & PTE_P) === 0) return -1;
    entry = words[((entry & FRAME_MASK) >>> 2) + (giga & 511) * 2]!;
    if ((entry & PTE_P) === 0) return -1;
    entry = words[((entry & FRAME_MASK) >>> 2) + ((linear >>> 21) & 511) * 2]!;
    if ((entry & (PTE_P | PTE_PS)) !== PTE_P) return -1;
    return ((entry & FRAME_MASK) >>> 2) + ((linear >>> 12) & 511) * 2;
  }

  /** As pte(), but makes missing tables. -1 = guest RAM is used up. */
  makePte(root: number, linear: number): number {
    const page = this.makePde(root, linear);
    if (page < 0) return -1;
    const table = this.#makeTable(page, linear);
    return table < 0 ? -1 : table + ((linear >>> 12) & 511) * 2;
  }

  /** Index of the PDE for `linear`, where a 2 MiB page would stand. */
  makePde(root: number, linear: number): number {
    const pointers = this.makePdptTable(root, linear);
    if (pointers < 0) return -1;
    const directory = this.#makeTable(pointers + (Math.floor(linear / 0x40000000) & 511) * 2, linear);
    return directory < 0 ? -1 : directory + ((linear >>> 21) & 511) * 2;
  }

  /** Index of the first entry of the page-directory-pointer table for `linear`. */
  makePdptTable(root: number, linear: number): number {
    const index = Math.floor(linear / 0x8000000000) & 511;
    const words = this.phys.u32;
    const at = (root >>> 2) + index * 2;
    const isNew = words[at] === 0;
    const table = this.#makeTable(at, linear);
    if (isNew && table >= 0 && this.pti && index < PML4_KERNEL_HALF) {
      words[at + PTI_USER_PML4_OFFSET / 4] = words[at]!;
      // A return to CPL 3 on the wrong CR3 must fault at its first fetch (Linux __pti_set_user_pgtbl).
      words[at + 1] = PTE_NX_HIGH;
    }
    return table;
  }

  #makeTable(at: number, linear: number): number {
    const words = this.phys.u32;
    const entry = words[at]!;
    if ((entry & PTE_P) !== 0) return (entry & FRAME_MASK) >>> 2;
    const frame = this.phys.allocFrame();
    if (frame === NO_FRAME) return -1;
    words[at] = frame | (linear < 0 ? KERNPG_TABLE : PAGE_TABLE);
    words[at + 1] = 0;
    return frame >>> 2;
  }

  /** Writes a PTE. The caller says what became of the old one, and invalidates unless it was not present. */
  setPte(at: number, lo: number, hi: number): void {
    this.phys.u32[at] = lo;
    this.phys.u32[at + 1] = hi;
  }

  /** A kernel page. @param flags of the low half, P included @throws Error when guest RAM is used up: at boot there is no way on */
  mapKernel(root: number, linear: number, pa: number, flags: number, executable: boolean): void {
    const large = (flags & PTE_PS) !== 0;
    const at = large ? this.makePde(root, linear) : this.makePte(root, linear);
    if (at < 0) throw new Error("guest RAM is too small for the kernel's page tables");
    this.setPte(at, pa | flags, executable ? 0 : PTE_NX_HIGH);
  }

  /** Lets user code reach the kernel's page at `linear`, whose own entry has U/S: all levels above must have it, too. */
  openToUser(root: number, linear: number): void {
    const words = this.phys.u32;
    const giga = Math.floor(linear / 0x40000000);
    let table = root >>> 2;
    for (const index of [(giga >> 9) & 511, giga & 511, (linear >>> 21) & 511]) {
      words[table + 2 * index]! |= PTE_US;
      table = (words[table + 2 * index]! & FRAME_MASK) >>> 2;
    }
  }

  /** Removes a kernel page and gives its frame back. */
  unmapKernel(root: number, linear: number): void {
    const at = this.pte(root, linear);
    if (at < 0) throw new Error(`no kernel page at ${linear.toString(16)}`);
    this.phys.put(this.phys.u32[at]! & FRAME_MASK);
    this.setPte(at, 0, 0);
    this.#tlb.invlpg(linear);
  }

  /**
   * Calls `visit` with the index of each PTE that is not empty (present or PROT_NONE) in [start, end), in ascending order; gaps of
   * missing tables cost one step each.
   */
  visitPtes(root: number, start: number, end: number, visit: (at: number, linear: number) => void): void {
    const words = this.phys.u32;
    let linear = start;
    while (linear < end) {
      const at = this.pte(root, linear);
      if (at < 0) {
        linear = this.#afterGap(root, linear);
        continue;
      }
      const inTable = 512 - ((linear >>> 12) & 511);
      const stop = Math.min(end, linear + inTable * PAGE_SIZE);
      for (let pte = at; linear < stop; pte += 2, linear += PAGE_SIZE) {
        if (words[pte] !== 0) visit(pte, linear);
      }
    }
  }

  // First address past the missing table (or 2 MiB page) that covers `linear`.
  #afterGap(root: number, linear: number): number {
    const words = this.phys.u32;
    const giga = Math.floor(linear / 0x40000000);
    const pml4e = words[(root >>> 2) + ((giga >> 9) & 511) * 2]!;
    if ((pml4e & PTE_P) === 0) return (Math.floor(linear / 0x8000000000) + 1) * 0x8000000000;
    const pdpte = words[((pml4e & FRAME_MASK) >>> 2) + (giga & 511) * 2]!;
    if ((pdpte & PTE_P) === 0) return (giga + 1) * 0x40000000;
    return (Math.floor(linear / LARGE_PAGE_SIZE) + 1) * LARGE_PAGE_SIZE;
  }

  /** Invalidates pages whose entries have changed; many of them by one flush. */
  invalidate(linears: readonly number[]): void {
    if (linears.length > FLUSH_CEILING) return this.#tlb.flushTlb();
    for (const linear of linears) this.#tlb.invlpg(linear);
  }

  invalidatePage(linear: number): void {
    this.#tlb.invlpg(linear);
  }

  /** Gives back the pages of the user half and its tables, lowest level first. The caller flushes the TLB. */
  freeUserTables(root: number): void {
    for (let index = 0; index < PML4_KERNEL_HALF; index++) this.freeTable(root, index);
  }

  /** Gives back all that the PML4 entry `index` leads to. The caller flushes the TLB. */
  freeTable(root: number, index: number): void {
    const at = (root >>> 2) + index * 2;
    this.#freeTable(at, 3);
    if (this.pti) this.setPte(at + PTI_USER_PML4_OFFSET / 4, 0, 0);
  }

  #freeTable(at: number, level: number): void {
    const words = this.phys.u32;
    const entry = words[at]!;
    if ((entry & PTE_P) === 0) return;
    const frame = (entry & FRAME_MASK) >>> 0;
    for (let index = 0; index < 512; index++) {
      const below = (frame >>> 2) + index * 2;
      if (words[below] === 0) continue;
      if (level > 1) this.#freeTable(below, level - 1);
      else this.phys.put((words[below]! & FRAME_MASK) >>> 0); // PROT_NONE pages too: not present, but they have a frame
    }
    this.setPte(at, 0, 0);
    this.phys.put(frame);
  }

  /**
   * Everything that the table at `root` maps, in ascending order of unsigned address: user half first. Rights are those that
   * all levels together give.
   */
  ranges(root: number): PageRange[] {
    const found: PageRange[] = [];
    this.#collect(found, root, 4, 0, PTE_RW | PTE_US, false);
    return found;
  }

  #collect(found: PageRange[], table: number, level: number, base: number, rights: number, nx: boolean): void {
    const words = this.phys.u32;
    const span = LEVEL_SPAN[level]!;
    let table0 = 0;
    let unit: { range: PageRange; aliases: number }[] = [];
    for (let index = 0; index < 512; index++) {
      const lo = words[(table >>> 2) + index * 2]!;
      if ((lo & PTE_P) === 0) continue;
      const signed = level === 4 && index >= PML4_KERNEL_HALF ? index - 512 : index;
      const linear = base + signed * span;
      const noExecute = nx || (words[(table >>> 2) + index * 2 + 1]! & PTE_NX_HIGH) !== 0;
      const frame = (lo & FRAME_MASK) >>> 0;
      if (level > 1 && (lo & PTE_PS) === 0) {
        if (linear < 0 && lo === table0) {
          // The same table again: all that it maps is there once more.
          for (const { range, aliases } of unit) range.aliases = (range.aliases ?? 1) + aliases;
          continue;
        }
        const before = found.length;
        this.#collect(found, frame, level - 1, linear, rights & lo, noExecute);
        table0 = lo;
        unit = found.slice(before).map((range) => ({ range, aliases: range.aliases ?? 1 }));
        continue;
      }
      add(found, {
        start: linear, end: linear + span, pa: frame, pageSize: span,
        user: (rights & lo & PTE_US) !== 0, writable: (rights & lo & PTE_RW) !== 0, executable: !noExecute, global: (lo & PTE_G) !== 0,
      });
    }
  }
}

const LEVEL_SPAN = [0, PAGE_SIZE, LARGE_PAGE_SIZE, 0x40000000, 0x8000000000];

function add(found: PageRange[], page: PageRange): void {
  const last = found[found.length - 1];
  const joins =
    last !== undefined && last.end === page.start && last.pa + (last.end - last.start) === page.pa && last.pageSize === page.pageSize &&
    last.user === page.user && last.writable === page.writable && last.executable === page.executable && last.global === page.global;
  const alias = last !== undefined && page.start < 0 && last.pa === page.pa && last.end - last.start === page.pageSize && last.end < page.start;
  if (joins) last.end = page.end;
  else if (alias) last.aliases = (last.aliases ?? 1) + 1;
  else found.push(page);
}

// --- user pages

/** Linux PROT_READ, PROT_WRITE, PROT_EXEC. */
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;

/** Low half of a user PTE with these rights; x86 has no page that can be written or executed and not read. */
export function protLow(prot: number): number {
  if (prot === 0) return PTE_PROTNONE | PTE_US;
  return PTE_P | PTE_US | ((prot & PROT_WRITE) !== 0 ? PTE_RW : 0);
}

export function protHigh(prot: number): number {
  return (prot & PROT_EXEC) !== 0 ? 0 : PTE_NX_HIGH;
}

/** Rights of a user PTE. */
export function pteProt(lo: number, hi: number): number {
  if ((lo & PTE_P) === 0) return 0;
  return PROT_READ | ((lo & PTE_RW) !== 0 ? PROT_WRITE : 0) | ((hi & PTE_NX_HIGH) === 0 ? PROT_EXEC : 0);
}

/** The frame's address in the low half of a PTE. */
export const PTE_FRAME_MASK = FRAME_MASK;
export const PTE_ACCESSED_DIRTY = PTE_A | PTE_D;
