// The plain slow page walk that the MMU is held against: SDM Vol. 3A 4.5 (4-level paging), 4.6 (access rights), 4.7 (error codes),
// written from the manual and without any cache.

export type Kind = "read" | "write" | "execute";

export interface Access {
  kind: Kind;
  /** CPL 3. */
  user: boolean;
}

/** The bits of CR0, CR4, EFER and RFLAGS that decide. */
export interface Controls {
  wp: boolean;
  smep: boolean;
  smap: boolean;
  nxe: boolean;
  ac: boolean;
}

/** A page's translation with the rights that all its entries together give. */
export interface Translation {
  /** Physical address of the 4 KiB page in which the linear address lies. */
  page: number;
  writable: boolean;
  user: boolean;
  noExecute: boolean;
  dirty: boolean;
  global: boolean;
  /** Of the page in the tables: 4 KiB, 2 MiB, 1 GiB. */
  bytes: number;
}

export interface Walk {
  /** Entries that were read, from the PML4E down: physical address and value. */
  entries: { at: number; value: bigint }[];
  translation?: Translation;
  /** Where there is none: was it a reserved bit (else P = 0)? */
  reserved?: boolean;
}

const P = 1n;
const RW = 2n;
const US = 4n;
export const ACCESSED = 0x20n;
export const DIRTY = 0x40n;
const PS = 0x80n;
const GLOBAL = 0x100n;
const NX = 1n << 63n;
const MAXPHYADDR = 46n;
/** Bits 51 to MAXPHYADDR of every entry. */
const BEYOND = ((1n << 52n) - 1n) & ~((1n << MAXPHYADDR) - 1n);
const ADDRESS = ((1n << 52n) - 1n) & ~0xfffn;

/** Reserved bits of an entry at a level: 4 PML4E, 3 PDPTE, 2 PDE, 1 PTE (figure 4-11). */
function reservedBits(level: number, entry: bigint, nxe: boolean): bigint {
  let bits = BEYOND | (nxe ? 0n : NX);
  if (level === 4) bits |= PS;
  else if (level === 3 && entry & PS) bits |= 0x3fffe000n;
  else if (level === 2 && entry & PS) bits |= 0x1fe000n;
  return bits;
}

/** @param load 8 bytes at a physical address @param cr3 with or without its low bits @param linear canonical, in 64 bits */
export function walkTables(load: (physical: number) => bigint, cr3: bigint, linear: bigint, nxe: boolean): Walk {
  const walk: Walk = { entries: [] };
  let table = cr3 & ADDRESS;
  let writable = true;
  let user = true;
  let noExecute = false;
  for (let level = 4; ; level--) {
    const shift = BigInt(12 + 9 * (level - 1));
    const at = Number(table | (((linear >> shift) & 511n) << 3n));
    const entry = load(at);
    walk.entries.push({ at, value: entry });
    if (!(entry & P)) return { ...walk, reserved: false };
    if (entry & reservedBits(level, entry, nxe)) return { ...walk, reserved: true };
    writable &&= (entry & RW) !== 0n;
    user &&= (entry & US) !== 0n;
    noExecute ||= (entry & NX) !== 0n;
    if (level > 1 && !(level < 4 && entry & PS)) {
      table = entry & ADDRESS;
      continue;
    }
    const inPage = (1n << shift) - 1n;
    walk.translation = {
      page: Number((entry & ADDRESS & ~inPage) | (linear & inPage & ~0xfffn)), writable, user, noExecute, dirty: (entry & DIRTY) !== 0n,
      global: (entry & GLOBAL) !== 0n, bytes: Number(inPage) + 1,
    };
    return walk;
  }
}

/** 4.6.1: may the access use this translation? */
export function permitted(t: Translation, { kind, user }: Access, c: Controls): boolean {
  const executable = !(c.nxe && t.noExecute);
  if (user) return t.user && (kind === "read" || (kind === "write" ? t.writable : executable));
  if (kind === "execute") return executable && !(c.smep && t.user);
  if (t.user && c.smap && !c.ac) return false;
  return kind === "read" || t.writable || !c.wp;
}

/** 4.7, figure 4-12. `present`: rights were the reason; `reserved`: a reserved bit was. */
export function errorCode({ kind, user }: Access, c: Controls, present: boolean, reserved: boolean): number {
  return (present || reserved ? 1 : 0) | (kind === "write" ? 2 : 0) | (user ? 4 : 0) | (reserved ? 8 : 0) | (kind === "execute" && (c.nxe || c.smep) ? 16 : 0);
}
