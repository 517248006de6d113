// Bytes of the tables that the CPU reads by itself: segment descriptors, interrupt gates, the TSS.

/** Little-endian bytes of 32-bit words. */
export function bytesOfHalves(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, index) => view.setUint32(index * 4, word, true));
  return bytes;
}

function high(address: number): number {
  return Math.floor(address / 0x1_0000_0000) >>> 0;
}

// Segment descriptor (SDM Vol. 3A figure 3-8)
//
//   31            24 23  22  21  20 19    16 15 14 13 12 11   8 7             0
//  +----------------+---+---+---+---+-------+--+-----+--+------+---------------+
//  |  base 31:24    | G |D/B| L |AVL|lim19:16| P| DPL |S | type |  base 23:16   |  +4
//  +----------------+---+---+---+---+-------+--+-----+--+------+---------------+
//  |         base 15:0              |               limit 15:0                 |  +0
//  +--------------------------------+------------------------------------------+

/** @param flags bits 0-7 = P DPL S type, bits 12-15 = G D/B L AVL @param limit 20 bits */
export function codeOrDataDescriptor(base: number, limit: number, flags: number): Uint8Array {
  return bytesOfHalves([
    ((base & 0xffff) << 16) | (limit & 0xffff),
    (base & 0xff000000) | ((flags & 0xf000) << 8) | (limit & 0xf0000) | ((flags & 0xff) << 8) | ((base >>> 16) & 0xff),
  ]);
}

// TSS or LDT descriptor in long mode (SDM Vol. 3A figure 7-4): the above, and
//
//  |                            0                                              | +12
//  |                       base 63:32                                          |  +8

/** @param access P DPL 0 type */
export function systemDescriptor(base: number, limit: number, access: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(codeOrDataDescriptor(base, limit, access), 0);
  bytes.set(bytesOfHalves([high(base), 0]), 8);
  return bytes;
}

// 64-bit interrupt gate (SDM Vol. 3A figure 6-8)
//
//   31                             16 15 14 13 12 11    8 7       3 2   0
//  +---------------------------------+--+-----+--+-------+---------+-----+
//  |                           reserved                                  | +12
//  |                           offset 63:32                              |  +8
//  |          offset 31:16           | P| DPL | 0| 1110  |    0    | IST |  +4
//  |        segment selector         |           offset 15:0             |  +0
//  +---------------------------------+-----------------------------------+

const TYPE_INTERRUPT_GATE = 0xe;

/** An interrupt gate (it clears IF). @param ist 0 = stay on, or switch to, the stack that the privilege level says */
export function interruptGate(offset: number, selector: number, dpl: number, ist: number): Uint8Array {
  return bytesOfHalves([
    (selector << 16) | (offset & 0xffff),
    ((offset >>> 0) & 0xffff0000) | 0x8000 | (dpl << 13) | (TYPE_INTERRUPT_GATE << 8) | ist,
    high(offset),
    0,
  ]);
}

// 64-bit TSS (SDM Vol. 3A figure 7-11)
//
//   0x00  u32  reserved
//   0x04  u64  RSP0     stack for entries from CPL 3 by interrupt or exception: top of the entry stack
//   0x0c  u64  RSP1     no ring 1 in Linux: current top of kernel stack
//   0x14  u64  RSP2     no ring 2 in Linux: scratch for the user's RSP
//   0x1c  u64  reserved
//   0x24  u64  IST1 ... 0x54 IST7
//   0x5c  u64  reserved
//   0x64  u16  reserved
//   0x66  u16  I/O map base

export const TSS_sp0 = 0x04;
export const TSS_sp1 = 0x0c;
export const TSS_sp2 = 0x14;
export const TSS_IST1 = 0x24;
export const TSS_IO_MAP_BASE = 0x66;

// Behind it the two I/O bitmaps that its base can point to (io-bitmap.ts). The processor reads two bytes at a time, so each needs a byte
// more than there are ports, which must be ones; Linux has a word.
export const IO_BITMAP_BYTES = 8192;
export const IO_BITMAP_OFFSET_VALID_MAP = 0x70;
export const IO_BITMAP_OFFSET_VALID_ALL = IO_BITMAP_OFFSET_VALID_MAP + IO_BITMAP_BYTES + 8;
/** Highest byte of the TSS. */
export const TSS_LIMIT = IO_BITMAP_OFFSET_VALID_ALL + IO_BITMAP_BYTES + 8 - 1;
export const IO_BITMAP_OFFSET_INVALID = TSS_LIMIT + 1;

/** A 64-bit TSS with its I/O bitmaps, neither of them in force. @param ists IST1 upwards, linear addresses */
export function taskStateSegment(sp0: number, ists: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(TSS_LIMIT + 1);
  bytes.fill(0xff, IO_BITMAP_OFFSET_VALID_MAP, IO_BITMAP_OFFSET_VALID_ALL);
  bytes.fill(0xff, TSS_LIMIT - 7);
  const view = new DataView(bytes.buffer);
  const putLinear = (offset: number, address: number) => {
    view.setUint32(offset, address >>> 0, true);
    view.setUint32(offset + 4, high(address), true);
  };
  putLinear(TSS_sp0, sp0);
  ists.forEach((top, index) => putLinear(TSS_IST1 + 8 * index, top));
  view.setUint16(TSS_IO_MAP_BASE, IO_BITMAP_OFFSET_INVALID, true);
  return bytes;
}
