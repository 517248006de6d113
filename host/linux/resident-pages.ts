// Which pages of one address space are resident: virtual page number -> physical frame and what the page tables let the
// CPU do with it. It answers for uaccess.ts without a page walk, and knows a page whose protection is PROT_NONE, which
// the hardware tables cannot hold. Only mm.ts and fault.ts change it, always together with the page tables.
//
//   one entry, u32: frames lie below 4 GiB, so the low 12 bits of the frame address are free
//    31                          12 11                 2   1   0
//   +------------------------------+--------------------+---+---+
//   | physical frame               | zero               | W | R |     R: mapped readable, W: mapped writable
//   +------------------------------+--------------------+---+---+     0 = not resident

export const RESIDENT_R = 1;
export const RESIDENT_W = 2;
/** Marks an entry as used, so that frame 0 with no rights is not "not resident". */
const RESIDENT = 4;
const FRAME = 0xfffff000;

/** 512 pages a leaf, as a page table has: 2 MiB of addresses. */
const LEAF_SHIFT = 9;
const LEAF_PAGES = 1 << LEAF_SHIFT;

export class ResidentPages {
  private readonly leaves = new Map<number, Uint32Array>();
  private lastLeaf = -1;
  private last: Uint32Array | undefined;
  count = 0;

  private leaf(page: number): Uint32Array | undefined {
    const index = Math.floor(page / LEAF_PAGES);
    if (index !== this.lastLeaf) {
      this.lastLeaf = index;
      this.last = this.leaves.get(index);
    }
    return this.last;
  }

  /** The entry of virtual page `page` (address / 4096), 0 when it is not resident. */
  get(page: number): number {
    const leaf = this.leaf(page);
    return leaf === undefined ? 0 : leaf[page % LEAF_PAGES]!;
  }

  set(page: number, frame: number, rights: number): void {
    let leaf = this.leaf(page);
    if (leaf === undefined) {
      leaf = new Uint32Array(LEAF_PAGES);
      this.leaves.set(this.lastLeaf, leaf);
      this.last = leaf;
    }
    const slot = page % LEAF_PAGES;
    if (leaf[slot] === 0) this.count++;
    leaf[slot] = frame | rights | RESIDENT;
  }

  delete(page: number): void {
    const leaf = this.leaf(page);
    const slot = page % LEAF_PAGES;
    if (leaf === undefined || leaf[slot] === 0) return;
    leaf[slot] = 0;
    this.count--;
  }

  /**
   * The resident pages of [first, end), ascending within a leaf. Cost: the leaves that exist, however large the range is.
   * The visitor may delete or set the page that it is given.
   */
  forEach(first: number, end: number, visit: (page: number, entry: number) => void): void {
    if (this.count === 0 || first >= end) return;
    const firstLeaf = Math.floor(first / LEAF_PAGES);
    const endLeaf = Math.ceil(end / LEAF_PAGES);
    const within = endLeaf - firstLeaf <= this.leaves.size;
    const indices = within
      ? Array.from({ length: endLeaf - firstLeaf }, (_, i) => firstLeaf + i)
      : [...this.leaves.keys()].filter((index) => index >= firstLeaf && index < endLeaf);
    for (const index of indices) {
      const leaf = this.leaves.get(index);
      if (leaf === undefined) continue;
      const base = index * LEAF_PAGES;
      const from = Math.max(0, first - base);
      const to = Math.min(LEAF_PAGES, end - base);
      for (let slot = from; slot < to; slot++) {
        if (leaf[slot] !== 0) visit(base + slot, leaf[slot]!);
      }
      if (from === 0 && to === LEAF_PAGES && leaf.every((entry) => entry === 0)) {
        this.leaves.delete(index);
        this.lastLeaf = -1;
      }
    }
  }

  clear(): void {
    this.leaves.clear();
    this.lastLeaf = -1;
    this.count = 0;
  }
}

/** Physical address of an entry's frame. */
export function frameOf(entry: number): number {
  return (entry & FRAME) >>> 0;
}
