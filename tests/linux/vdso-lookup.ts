// Finds functions in a vDSO as its users do, each in their own way: over the bytes of the image as they stand in memory.

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_HASH = 4;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_GNU_HASH = 0x6ffffef5;
const DT_VERSYM = 0x6ffffff0;
const DT_VERDEF = 0x6ffffffc;
const VER_FLG_BASE = 1;
const STT_FUNC = 2;

/** An ELF image in memory, its tables found by the dynamic section alone. */
export class LoadedVdso {
  readonly view: DataView;
  /** What has to be added to a symbol's value to have its offset in the image. */
  readonly bias: number;
  readonly tags = new Map<number, number>();

  constructor(readonly image: Uint8Array) {
    this.view = new DataView(image.buffer, image.byteOffset, image.length);
    let bias: number | undefined;
    let dynamic: number | undefined;
    for (let index = 0; index < this.u16(56); index++) {
      const at = this.u64(32) + index * this.u16(54);
      const [type, offset, vaddr] = [this.u32(at), this.u64(at + 8), this.u64(at + 16)];
      if (type === PT_LOAD && bias === undefined) bias = offset - vaddr;
      else if (type === PT_DYNAMIC) dynamic = offset;
    }
    if (bias === undefined || dynamic === undefined) throw new Error("no PT_LOAD or no PT_DYNAMIC");
    this.bias = bias;
    for (let at = dynamic; this.u64(at) !== 0; at += 16) this.tags.set(this.u64(at), this.u64(at + 8));
  }

  u16(at: number): number {
    return this.view.getUint16(at, true);
  }
  u32(at: number): number {
    return this.view.getUint32(at, true);
  }
  u64(at: number): number {
    return Number(this.view.getBigUint64(at, true));
  }
  table(tag: number): number {
    const address = this.tags.get(tag);
    if (address === undefined) throw new Error(`no dynamic tag ${tag}`);
    return address + this.bias;
  }
  text(at: number): string {
    let end = at;
    while (this.image[end] !== 0) end++;
    return String.fromCharCode(...this.image.subarray(at, end));
  }
  string(offset: number): string {
    return this.text(this.table(DT_STRTAB) + offset);
  }
  symbol(index: number): { name: string; type: number; bind: number; section: number; value: number; size: number } {
    const at = this.table(DT_SYMTAB) + index * 24;
    const info = this.image[at + 4]!;
    return {
      name: this.string(this.u32(at)), type: info & 15, bind: info >> 4, section: this.u16(at + 6), value: this.u64(at + 8), size: this.u64(at + 16),
    };
  }

  /** vd_ndx of the version, through its definitions; 0 when it has none of that name. */
  versionIndex(name: string, hash: number): number {
    for (let at = this.table(DT_VERDEF); ; ) {
      const [flags, index, verHash] = [this.u16(at + 2), this.u16(at + 4), this.u32(at + 8)];
      if (!(flags & VER_FLG_BASE) && verHash === hash && this.string(this.u32(at + this.u32(at + 12))) === name) return index & 0x7fff;
      const next = this.u32(at + 16);
      if (next === 0) return 0;
      at += next;
    }
  }

  private isFunction(index: number, name: string, version: number): boolean {
    const symbol = this.symbol(index);
    return (
      symbol.name === name && symbol.type === STT_FUNC && (symbol.bind === 1 || symbol.bind === 2) && symbol.section !== 0 &&
      (this.u16(this.table(DT_VERSYM) + index * 2) & 0x7fff) === version
    );
  }

  /** By the System V hash table, as the kernel's documentation of the vDSO has a program do it. Offset in the image, or -1. */
  bySysvHash(name: string, hash: number, version: number): number {
    const table = this.table(DT_HASH);
    const buckets = this.u32(table);
    const chains = table + 8 + buckets * 4;
    for (let index = this.u32(table + 8 + (hash % buckets) * 4); index !== 0; index = this.u32(chains + index * 4)) {
      if (this.isFunction(index, name, version)) return this.symbol(index).value + this.bias;
    }
    return -1;
  }

  /** By the GNU hash table, as Go's runtime and glibc do it. */
  byGnuHash(name: string, hash: number, version: number): number {
    const table = this.table(DT_GNU_HASH);
    const [buckets, first, words, shift] = [this.u32(table), this.u32(table + 4), this.u32(table + 8), this.u32(table + 12)];
    const word = this.view.getBigUint64(table + 16 + ((hash >>> 6) % words) * 8, true);
    const wanted = (1n << BigInt(hash & 63)) | (1n << BigInt((hash >>> shift) & 63));
    if ((word & wanted) !== wanted) return -1;
    const bucketTable = table + 16 + words * 8;
    let index = this.u32(bucketTable + (hash % buckets) * 4);
    if (index < first) return -1;
    for (; ; index++) {
      const entry = this.u32(bucketTable + buckets * 4 + (index - first) * 4);
      if ((entry | 1) >>> 0 === (hash | 1) >>> 0 && this.isFunction(index, name, version)) return this.symbol(index).value + this.bias;
      if (entry & 1) return -1;
    }
  }
}
