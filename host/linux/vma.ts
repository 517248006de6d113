// Virtual memory areas and the sorted list of them that an address space keeps. mm.ts changes it, fault.ts looks pages up in it.

import type { PageCache } from "./page-cache";
import {
  MAP_GROWSDOWN, MAP_SHARED, PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, STACK_GUARD_GAP,
} from "./uapi-mman";

/** What /proc/self/maps says of a mapped file. */
export interface MappedFileName {
  readonly dev: number;
  readonly ino: number;
  /** Path as seen from the task's root, a byte string. */
  path(): string;
}

/** A mapping that the kernel made of its own accord (Linux struct vm_special_mapping). It is never split nor made longer. */
export interface SpecialMapping {
  /** What maps calls it: "[vdso]". */
  readonly name: string;
  /** The rights that mprotect may give it, PROT_* bits. */
  readonly mayProt: number;
}

/** One mapping, [start, end), both on page boundaries. All its pages have one protection and one backing. */
export class Vma {
  constructor(
    public start: number,
    public end: number,
    /** PROT_READ | PROT_WRITE | PROT_EXEC */
    public prot: number,
    /** MAP_SHARED or MAP_PRIVATE, MAP_GROWSDOWN, MAP_NORESERVE */
    public flags: number,
    /** Where pages come from; null for private anonymous memory. */
    public backing: PageCache | null,
    /** Byte offset in the backing of `start`; a multiple of the page size. */
    public offset: number,
    /** For maps and for MAP_SHARED write checks; null for anonymous memory. */
    public file: MappedFileName | null,
    /** null for what the program mapped. */
    public special: SpecialMapping | null,
    /** PROT_WRITE can be had by mprotect: false for a shared mapping of a file that was opened read-only. */
    public mayWrite: boolean,
  ) {}

  get shared(): boolean {
    return (this.flags & MAP_SHARED) !== 0;
  }
  get growsDown(): boolean {
    return (this.flags & MAP_GROWSDOWN) !== 0;
  }
  get pages(): number {
    return (this.end - this.start) / PAGE_SIZE;
  }
  /** Index in the backing of the page at `address`. */
  pageIndex(address: number): number {
    return (this.offset + (address - this.start)) / PAGE_SIZE;
  }
  /** Lowest address that a new mapping below may not touch: a stack keeps a guard gap (Linux vm_start_gap). */
  get startGap(): number {
    return this.growsDown ? Math.max(0, this.start - STACK_GUARD_GAP) : this.start;
  }

  /** Cuts off [at, end) as a Vma of its own. */
  splitAt(at: number): Vma {
    const upper = new Vma(
      at, this.end, this.prot, this.flags, this.backing, this.backing === null ? 0 : this.offset + (at - this.start),
      this.file, this.special, this.mayWrite,
    );
    this.end = at;
    if (upper.backing !== null) upper.backing.users++;
    return upper;
  }

  /** Could `next`, which starts where this ends, be the same mapping? */
  mergesWith(next: Vma): boolean {
    return (
      this.end === next.start && this.prot === next.prot && this.flags === next.flags && this.backing === next.backing &&
      this.file === next.file && this.special === null && next.special === null && this.mayWrite === next.mayWrite && !this.growsDown &&
      (this.backing === null || this.offset + (this.end - this.start) === next.offset)
    );
  }

  /** The line of /proc/self/maps (Linux fs/proc/task_mmu.c show_map_vma), name in column 73. */
  mapsLine(name: string): string {
    const hex = (value: number, width: number): string => value.toString(16).padStart(width, "0");
    const rights =
      (this.prot & PROT_READ ? "r" : "-") + (this.prot & PROT_WRITE ? "w" : "-") + (this.prot & PROT_EXEC ? "x" : "-") +
      (this.shared ? "s" : "p");
    const dev = this.file?.dev ?? 0;
    const major = (dev >>> 8) & 0xfff;
    const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
    const offset = this.file === null ? 0 : this.offset;
    const fixed =
      `${hex(this.start, 8)}-${hex(this.end, 8)} ${rights} ${hex(offset, 8)} ${hex(major, 2)}:${hex(minor, 2)} ${this.file?.ino ?? 0} `;
    return name === "" ? fixed : fixed.padEnd(73) + name;
  }
}

/** VMAs sorted by address, never overlapping. */
export class VmaList {
  readonly list: Vma[] = [];
  private recent: Vma | undefined;

  get length(): number {
    return this.list.length;
  }

  /** Index of the first VMA that ends above `address`; `length` when there is none. */
  indexAbove(address: number): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.list[middle]!.end > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The VMA that holds `address`. */
  at(address: number): Vma | undefined {
    const recent = this.recent;
    if (recent !== undefined && address >= recent.start && address < recent.end) return recent;
    const vma = this.list[this.indexAbove(address)];
    if (vma === undefined || address < vma.start) return undefined;
    this.recent = vma;
    return vma;
  }

  /** The first VMA that ends above `address` (Linux find_vma). */
  above(address: number): Vma | undefined {
    return this.list[this.indexAbove(address)];
  }

  overlaps(start: number, end: number): boolean {
    const vma = this.above(start);
    return vma !== undefined && vma.start < end;
  }

  /** The VMAs that touch [start, end), lowest first. A copy: the caller may change the list. */
  within(start: number, end: number): Vma[] {
    const from = this.indexAbove(start);
    let to = from;
    while (to < this.list.length && this.list[to]!.start < end) to++;
    return this.list.slice(from, to);
  }

  /** Inserts, and joins with neighbours that are the same mapping. Answers the VMA that holds it now. */
  insert(vma: Vma): Vma {
    const index = this.indexAbove(vma.start);
    this.list.splice(index, 0, vma);
    return this.joinAround(index);
  }

  /** Makes `address` a boundary between VMAs. */
  split(address: number): void {
    const index = this.indexAbove(address);
    const vma = this.list[index];
    if (vma === undefined || vma.start >= address) return;
    this.list.splice(index + 1, 0, vma.splitAt(address));
    this.recent = undefined;
  }

  /** Takes out the VMAs that touch [start, end); the ends must be boundaries (split). */
  remove(start: number, end: number): Vma[] {
    const from = this.indexAbove(start);
    let to = from;
    while (to < this.list.length && this.list[to]!.start < end) to++;
    this.recent = undefined;
    return this.list.splice(from, to - from);
  }

  /** Joins what has become the same mapping in and next to [start, end). */
  join(start: number, end: number): void {
    let index = Math.max(1, this.indexAbove(start - 1));
    while (index < this.list.length && this.list[index - 1]!.end <= end) {
      if (!this.joinWithNext(index - 1)) index++;
    }
  }

  private joinAround(index: number): Vma {
    this.joinWithNext(index);
    if (index > 0 && this.joinWithNext(index - 1)) return this.list[index - 1]!;
    return this.list[index]!;
  }

  private joinWithNext(index: number): boolean {
    const vma = this.list[index];
    const next = this.list[index + 1];
    if (vma === undefined || next === undefined || !vma.mergesWith(next)) return false;
    vma.end = next.end;
    if (next.backing !== null) next.backing.users--;
    this.list.splice(index + 1, 1);
    this.recent = undefined;
    return true;
  }
}
