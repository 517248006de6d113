// struct user_desc, in which programs describe segments, and descriptors (Linux arch/x86/include/asm/desc.h fill_ldt, kernel/tls.c
// fill_user_desc). Called from syscalls/segments.ts.
//
//   u32 entry_number | u32 base_addr | u32 limit | bits: 0 seg_32bit, 2:1 contents (0 data, 1 grows down, 2 code, 3 conforming code),
//   3 read_exec_only, 4 limit_in_pages, 5 seg_not_present, 6 useable, 7 lm (64-bit code: of x86-64's struct alone)

export interface UserDesc {
  entry_number: number;
  base_addr: number;
  limit: number;
  flags: number;
}

export const CONTENTS_CODE = 2;
export const CONTENTS_CONFORMING = 3;
const SEG_32BIT = 0x01;
const CONTENTS_SHIFT = 1;
const READ_EXEC_ONLY = 0x08;
const LIMIT_IN_PAGES = 0x10;
const SEG_NOT_PRESENT = 0x20;
const USEABLE = 0x40;
const ALL_FLAGS = 0xff;

export function contentsOf({ flags }: UserDesc): number {
  return (flags >>> CONTENTS_SHIFT) & 3;
}
export function isNotPresent({ flags }: UserDesc): boolean {
  return (flags & SEG_NOT_PRESENT) !== 0;
}
export function is32Bit({ flags }: UserDesc): boolean {
  return (flags & SEG_32BIT) !== 0;
}

/** The way to say "no segment": no base, no limit, read-only, not present (LDT_empty). */
export function isEmpty({ base_addr, limit, flags }: UserDesc): boolean {
  return base_addr === 0 && limit === 0 && (flags & ALL_FLAGS) === (READ_EXEC_ONLY | SEG_NOT_PRESENT);
}
/** All zero: another (LDT_zero). */
export function isZero({ base_addr, limit, flags }: UserDesc): boolean {
  return base_addr === 0 && limit === 0 && (flags & ALL_FLAGS) === 0;
}

/**
 * The descriptor as two words: DPL 3, code or data. Its accessed bit is set, so that the CPU need not write to tables that are mapped
 * read-only.
 */
export function descriptorOf({ base_addr, limit, flags }: UserDesc): [lo: number, hi: number] {
  const type = (flags & READ_EXEC_ONLY ? 0 : 2) | (((flags >>> CONTENTS_SHIFT) & 3) << 2) | 1;
  const access = type | 0x10 | 0x60 | (flags & SEG_NOT_PRESENT ? 0 : 0x80);
  const lo = ((base_addr & 0xffff) << 16) | (limit & 0xffff);
  const hi =
    ((base_addr >>> 16) & 0xff) | (access << 8) | (limit & 0xf0000) | (flags & USEABLE ? 1 << 20 : 0) | (flags & SEG_32BIT ? 1 << 22 : 0) |
    (flags & LIMIT_IN_PAGES ? 1 << 23 : 0) | (base_addr & 0xff000000);
  return [lo >>> 0, hi >>> 0];
}

/** What get_thread_area says of a descriptor. */
export function describedBy(entry_number: number, lo: number, hi: number): UserDesc {
  const type = (hi >>> 8) & 0xf;
  const flags =
    (hi & (1 << 22) ? SEG_32BIT : 0) | ((type >>> 2) << CONTENTS_SHIFT) | (type & 2 ? 0 : READ_EXEC_ONLY) | (hi & (1 << 23) ? LIMIT_IN_PAGES : 0) |
    (hi & (1 << 15) ? 0 : SEG_NOT_PRESENT) | (hi & (1 << 20) ? USEABLE : 0);
  return {
    entry_number, flags, limit: (lo & 0xffff) | (hi & 0xf0000), base_addr: ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff000000)) >>> 0,
  };
}
