// The user pages of one process: what host/linux maps, protects and removes. Each mapped frame is held by one reference.

import { NO_FRAME, PAGE_SIZE, type PhysMemory } from "../machine/phys-memory";
import {
  PTE_ACCESSED_DIRTY, PTE_FRAME_MASK, protHigh, protLow, pteProt, PTI_USER_PML4_OFFSET, type PageTables,
} from "./page-tables";
import { LocalDescriptorTable } from "./local-descriptor-table";
import { allocPml4, freePml4 } from "./pti";
import { PTI_USER_PCID_BIT } from "./calling.asm";
import { TASK_SIZE } from "./layout";
import { PTE_A, PTE_D, PTE_P, PTE_RW } from "../../kernel/abi/bits";

/** No PCID: this address space is in no slot of the TLB, so nothing of it needs invalidating. */
export const NO_ASID = -1;

const NO_WORDS = new Uint32Array(0);

/** A user page as walk() finds it. `prot` is 0 for a page that PROT_NONE hides. */
export interface UserPage {
  pa: number;
  prot: number;
  accessed: boolean;
  dirty: boolean;
}

export class AddressSpace {
  readonly #tables: PageTables;
  readonly #phys: PhysMemory;
  /** Physical address of the PML4, under PTI of the pair's kernel half. */
  readonly root: number;
  /** Slot of the TLB (Linux: ASID), or NO_ASID. Ring0.switchTo gives and takes it. */
  asid = NO_ASID;
  /** The landing pad of the 32-bit vDSO, 0 without one; Ring0.setSysenterReturn writes it. */
  sysenterReturn = 0;
  /** Are CR3 values to carry the slot's PCIDs? */
  readonly #pcid: boolean;
  #pages = 0;
  #ldt: LocalDescriptorTable | undefined;
  #destroyed = false;

  readonly #leave: (space: AddressSpace) => void;

  private constructor(tables: PageTables, root: number, pcid: boolean, leave: (space: AddressSpace) => void) {
    this.#leave = leave;
    this.#tables = tables;
    this.#phys = tables.phys;
    this.root = root;
    this.#pcid = pcid;
  }

  /**
   * An address space without user pages, or undefined when guest RAM is used up.
   * @param boot the PML4 to take the kernel half from
   * @param leave called by destroy(): takes it out of CR3 and of its TLB slot
   */
  static create(tables: PageTables, boot: number, pcid: boolean, leave: (space: AddressSpace) => void): AddressSpace | undefined {
    const root = allocPml4(tables.phys, boot, tables.pti);
    return root === NO_FRAME ? undefined : new AddressSpace(tables, root, pcid, leave);
  }

  /** The LDT, made when first asked for. */
  get ldt(): LocalDescriptorTable {
    return (this.#ldt ??= new LocalDescriptorTable(this.#tables, this.root));
  }

  /** Descriptors of the LDT, two words each; none where there is no LDT. */
  get ldtWords(): Uint32Array {
    return this.#ldt?.words ?? NO_WORDS;
  }

  /** CR3 of the kernel half, without NOFLUSH. PCID 0 stays unused, as in Linux: kernel PCID = ASID + 1. */
  get cr3Kernel(): number {
    return this.root + (this.#pcid && this.asid !== NO_ASID ? this.asid + 1 : 0);
  }

  /** CR3 that user code runs on: without PTI the same. */
  get cr3User(): number {
    if (!this.#tables.pti) return this.cr3Kernel;
    return this.cr3Kernel + PTI_USER_PML4_OFFSET + (this.#pcid ? 1 << PTI_USER_PCID_BIT : 0);
  }

  /** User pages that have a frame: what Linux counts as resident. */
  get pages(): number {
    return this.#pages;
  }

  /**
   * Maps the page at `linear` to the frame at `pa` with Linux's PROT_ bits, and takes over one reference of the caller's to that
   * frame. A page that was there before is replaced and its frame put.
   * @returns false when guest RAM is used up; nothing has changed then, and the reference is still the caller's
   */
  map(linear: number, pa: number, prot: number): boolean {
    const words = this.#phys.u32;
    const at = this.#tables.makePte(this.root, linear);
    if (at < 0) return false;
    const old = words[at]!;
    this.#tables.setPte(at, pa | protLow(prot), protHigh(prot));
    if (old === 0) {
      this.#pages++;
      return true;
    }
    this.#invalidate(linear);
    this.#phys.put(old & PTE_FRAME_MASK);
    return true;
  }

  /** Removes the pages in [linear, linear + length) and puts their frames. Answers how many there were. */
  unmap(linear: number, length: number = PAGE_SIZE): number {
    const words = this.#phys.u32;
    const gone: number[] = [];
    const frames: number[] = [];
    this.#tables.visitPtes(this.root, linear, linear + length, (at, page) => {
      gone.push(page);
      frames.push(words[at]! & PTE_FRAME_MASK);
      this.#tables.setPte(at, 0, 0);
    });
    this.#invalidateAll(gone);
    for (const frame of frames) this.#phys.put(frame);
    this.#pages -= gone.length;
    return gone.length;
  }

  /** Changes the rights of the pages that are there. @param prot Linux's PROT_ bits, 0 hides the page and keeps its frame */
  protect(linear: number, length: number, prot: number): void {
    const words = this.#phys.u32;
    const changed: number[] = [];
    this.#tables.visitPtes(this.root, linear, linear + length, (at, page) => {
      const kept = words[at]! & (PTE_FRAME_MASK | PTE_ACCESSED_DIRTY);
      this.#tables.setPte(at, kept | protLow(prot), protHigh(prot));
      changed.push(page);
    });
    this.#invalidateAll(changed);
  }

  /** Moves the pages in [from, from + length) to `to` with their rights (mremap). Where it goes must be unmapped.
   * @returns false when guest RAM is used up; pages moved so far stay moved */
  move(from: number, to: number, length: number): boolean {
    const words = this.#phys.u32;
    const moved: number[] = [];
    let enough = true;
    this.#tables.visitPtes(this.root, from, from + length, (at, page) => {
      if (!enough) return;
      const target = this.#tables.makePte(this.root, to + (page - from));
      if (target < 0) {
        enough = false;
        return;
      }
      this.#tables.setPte(target, words[at]!, words[at + 1]!);
      this.#tables.setPte(at, 0, 0);
      moved.push(page);
    });
    this.#invalidateAll(moved);
    return enough;
  }

  /** The page at `linear`, or undefined when it has no frame. */
  walk(linear: number): UserPage | undefined {
    if (linear < 0 || linear >= TASK_SIZE) return undefined;
    const at = this.#tables.pte(this.root, linear);
    if (at < 0) return undefined;
    const lo = this.#phys.u32[at]!;
    if (lo === 0) return undefined;
    return {
      pa: (lo & PTE_FRAME_MASK) >>> 0,
      prot: pteProt(lo, this.#phys.u32[at + 1]!),
      accessed: (lo & PTE_A) !== 0,
      dirty: (lo & PTE_D) !== 0,
    };
  }

  /**
   * Physical address of `linear` if user code could read it now (`write`: write it), else -1. Sets A and D as the MMU does.
   * For the kernel's copies from and to user memory.
   */
  translate(linear: number, write: boolean): number {
    if (linear < 0 || linear >= TASK_SIZE) return -1;
    const at = this.#tables.pte(this.root, linear);
    if (at < 0) return -1;
    const words = this.#phys.u32;
    const lo = words[at]!;
    const need = write ? PTE_P | PTE_RW : PTE_P;
    if ((lo & need) !== need) return -1;
    words[at] = lo | (write ? PTE_A | PTE_D : PTE_A);
    return ((lo & PTE_FRAME_MASK) >>> 0) + (linear & 0xfff);
  }

  /** Calls `visit` for each page in [start, end) that has a frame, ascending (fork, /proc, counting). */
  forEachPage(start: number, end: number, visit: (linear: number, pa: number, prot: number) => void): void {
    const words = this.#phys.u32;
    this.#tables.visitPtes(this.root, start, end, (at, linear) => {
      visit(linear, (words[at]! & PTE_FRAME_MASK) >>> 0, pteProt(words[at]!, words[at + 1]!));
    });
  }

  /** Gives back every page, table and PML4. If it is the current one, the CPU is put on the boot page table. */
  destroy(): void {
    if (this.#destroyed) throw new Error("address space destroyed twice");
    this.#destroyed = true;
    this.#leave(this); // flushes the TLB
    this.#pages = 0;
    this.#ldt?.free();
    this.#tables.freeUserTables(this.root);
    freePml4(this.#phys, this.root, this.#tables.pti);
  }

  #invalidate(linear: number): void {
    if (this.asid !== NO_ASID) this.#tables.invalidatePage(linear);
  }

  #invalidateAll(linears: readonly number[]): void {
    if (this.asid !== NO_ASID) this.#tables.invalidate(linears);
  }
}
