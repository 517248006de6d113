// The software TLB. A context holds the translations of one (PCID, view, mode): switching CR3 with NOFLUSH, or the privilege,
// selects another context and flushes nothing.
//
//  TLB entry, 32 bytes, hashed by page number:
//    0          8          16         24       28       32
//   +----------+----------+----------+--------+--------+
//   | read tag | write tag| exec tag | addend | code   |
//   +----------+----------+----------+--------+--------+
//   tag     linear page if the access may go straight through, else TAG_NONE. The page of an access's *last* byte is
//           compared, with the entry that its first byte selects: an access that crosses a page always misses,
//           because neighbouring pages never share an entry (hash below).
//   addend  host address = low 32 bits of the linear address + addend
//   code    code page (mmu/code-cache.ts) of this context's mode, 0 = not known
//
// What must not go straight through simply has no tag: pages with decoded code and clean pages have no write tag,
// physical addresses beyond RAM none at all.

import { CONTEXT_MAP, CPU_BLOCK, PAGE_FLAGS, TLB_BASE, TLB_CONTEXTS, TLB_ENTRIES } from "../abi/layout";
import { COUNT_TLB_FLUSH, COUNT_TLB_MISS, CPL, CR0, CR3, CR4, MODE, RFLAGS } from "../abi/state";
import { CR0_AM, CR4_PCIDE, FLAG_AC } from "../abi/bits";
import {
  VIEW_SUPERVISOR, VIEW_SUPERVISOR_AC, VIEW_USER, VIEW_USER_ALIGN, walk, walkDirty, walkExecutable, walkPhysical, walkReadable, walkWritable,
} from "./walk";
import { pageWatched, watching } from "./breakpoints";
import { hostAddress, inRam, pageFlags, PAGE_HAS_CODE, PAGE_WRITE_TLB, setPageFlags } from "./phys";

export const TLB_READ: usize = 0;
export const TLB_WRITE: usize = 8;
export const TLB_EXEC: usize = 16;
export const TLB_ADDEND: usize = 24;
export const TLB_CODE: usize = 28;
export const TLB_ENTRY_SIZE: usize = 32;
export const CONTEXT_SIZE: usize = TLB_ENTRIES * 32;
/** No page's address has its low bits set; all ones, so that clearing a context is one memory.fill. */
const TAG_NONE: u64 = u64.MAX_VALUE;
const PAGE_MASK: u64 = 0xfffffffffffff000;

/** Current context: of the code that runs, and of implicit supervisor accesses under the same CR3. */
export let tlb: usize = TLB_BASE;
export let view: u32 = VIEW_USER;

/** Per context: key + 1 of its owner (0 = free), and when it was last chosen. Key = PCID << 4 | mode << 2 | view. */
const owners = memory.data(TLB_CONTEXTS * 4, 8);
export const chosenAt = memory.data(TLB_CONTEXTS * 4, 8);
/** 1 once something has been filled in since the last clearing. */
const dirty = memory.data(TLB_CONTEXTS, 8);
export let clock: u32 = 0;

/** Neighbouring pages differ: going from page p to p + 1 the index grows by 1 or, at a carry, by 2. */
// @ts-ignore: decorator
@inline
export function tlbIndex(linear: u64): usize {
  return (<usize>(linear >> 12) + <usize>(linear >> 22)) & (TLB_ENTRIES - 1);
}

// @ts-ignore: decorator
@inline
export function entryOf(context: usize, linear: u64): usize {
  return context + (tlbIndex(linear) << 5);
}

// @ts-ignore: decorator
@inline
function contextBase(i: u32): usize {
  return TLB_BASE + <usize>i * CONTEXT_SIZE;
}

function clearContext(i: u32): void {
  if (!load<u8>(dirty + i)) return;
  memory.fill(contextBase(i), 0xff, CONTEXT_SIZE);
  store<u8>(dirty + i, 0);
}

export function initTlb(): void {
  memory.fill(CONTEXT_MAP, 0, 0x10000);
  for (let i: u32 = 0; i < <u32>TLB_CONTEXTS; i++) {
    store<u32>(owners + (i << 2), 0);
    store<u8>(dirty + i, 1);
    clearContext(i);
  }
}

/** The context of a (PCID, mode, view); takes the least recently chosen one if it has none. */
function contextFor(key: u32): usize {
  const slot = load<u8>(CONTEXT_MAP + key);
  clock++;
  if (slot) {
    store<u32>(chosenAt + (<u32>(slot - 1) << 2), clock);
    return contextBase(slot - 1);
  }
  let victim: u32 = 0;
  let oldest: u32 = u32.MAX_VALUE;
  for (let i: u32 = 0; i < <u32>TLB_CONTEXTS; i++) {
    if (!load<u32>(owners + (i << 2))) {
      victim = i;
      break;
    }
    const at = clock - load<u32>(chosenAt + (i << 2));
    if (u32.MAX_VALUE - at < oldest) {
      oldest = u32.MAX_VALUE - at;
      victim = i;
    }
  }
  const owner = load<u32>(owners + (victim << 2));
  if (owner) store<u8>(CONTEXT_MAP + owner - 1, 0);
  clearContext(victim);
  store<u32>(owners + (victim << 2), key + 1);
  store<u32>(chosenAt + (victim << 2), clock);
  store<u8>(CONTEXT_MAP + key, <u8>(victim + 1));
  return contextBase(victim);
}

function currentPcid(): u32 {
  return load<u64>(CPU_BLOCK, CR4) & CR4_PCIDE ? <u32>load<u64>(CPU_BLOCK, CR3) & 0xfff : 0;
}

/** Derives view and context from CPL, RFLAGS.AC, CR0.AM, CR3 and the mode. */
export function selectContext(): void {
  withdrawn = false;
  const ac = (load<u32>(CPU_BLOCK, RFLAGS) & FLAG_AC) != 0;
  if (load<u32>(CPU_BLOCK, CPL) == 3) view = ac && (load<u32>(CPU_BLOCK, CR0) & CR0_AM) != 0 ? VIEW_USER_ALIGN : VIEW_USER;
  else view = ac ? VIEW_SUPERVISOR_AC : VIEW_SUPERVISOR;
  tlb = contextFor((currentPcid() << 4) | (load<u32>(CPU_BLOCK, MODE) << 2) | view);
}

/** The current context is one that is always empty: every access takes the slow path, where it is checked, and none is cached. */
export let withdrawn: bool = false;

/** Until selectContext(): no access of the code that runs goes straight through. */
export function withdrawContext(): void {
  withdrawn = true;
  tlb = contextFor((currentPcid() << 4) | (load<u32>(CPU_BLOCK, MODE) << 2) | VIEW_USER_ALIGN);
}

/** Context for accesses the processor makes on its own to GDT, IDT, TSS: supervisor, SMAP in force (SDM Vol. 3A 4.6). */
export function systemContext(): usize {
  if (view == VIEW_SUPERVISOR && !withdrawn) return tlb;
  return contextFor((currentPcid() << 4) | (load<u32>(CPU_BLOCK, MODE) << 2) | VIEW_SUPERVISOR);
}

/**
 * Walks for one access and enters the page in `context`. True: filled (or not cacheable) and walkPhysical holds
 * the address; false: walkError holds the error code.
 */
export function fill(context: usize, linear: u64, access: u32, who: u32): bool {
  store<u64>(CPU_BLOCK, load<u64>(CPU_BLOCK, COUNT_TLB_MISS) + 1, COUNT_TLB_MISS);
  if (!walk(linear, access, who)) return false;
  if (who == VIEW_USER_ALIGN || !inRam(walkPhysical) || (withdrawn && context == tlb)) return true;
  const page = <u32>(walkPhysical >> 12);
  const tag = linear & PAGE_MASK;
  const e = entryOf(context, linear);
  const open = !watching || !pageWatched(linear);
  store<u64>(e, walkReadable && open ? tag : TAG_NONE, TLB_READ);
  if (walkWritable && open && walkDirty && !(pageFlags(page) & PAGE_HAS_CODE)) {
    store<u64>(e, tag, TLB_WRITE);
    setPageFlags(page, PAGE_WRITE_TLB);
  } else store<u64>(e, TAG_NONE, TLB_WRITE);
  store<u64>(e, walkExecutable ? tag : TAG_NONE, TLB_EXEC);
  store<u32>(e, <u32>hostAddress(walkPhysical & PAGE_MASK) - <u32>tag, TLB_ADDEND);
  store<u32>(e, 0, TLB_CODE);
  store<u8>(dirty + <u32>((context - TLB_BASE) / CONTEXT_SIZE), 1);
  return true;
}

/** A physical page now has decoded code: no entry of any context may let writes to it through. */
export function revokeWrites(page: u32): void {
  if (!(pageFlags(page) & PAGE_WRITE_TLB)) return;
  const host = <u32>hostAddress(<u64>page << 12);
  for (let i: u32 = 0; i < <u32>TLB_CONTEXTS; i++) {
    if (!load<u8>(dirty + i)) continue;
    const base = contextBase(i);
    for (let e = base; e < base + CONTEXT_SIZE; e += TLB_ENTRY_SIZE) {
      const tag = load<u64>(e, TLB_WRITE);
      if (tag != TAG_NONE && <u32>tag + load<u32>(e, TLB_ADDEND) == host) store<u64>(e, TAG_NONE, TLB_WRITE);
    }
  }
  store<u8>(PAGE_FLAGS + page, <u8>(pageFlags(page) & ~PAGE_WRITE_TLB));
}

export function flushAll(): void {
  store<u64>(CPU_BLOCK, load<u64>(CPU_BLOCK, COUNT_TLB_FLUSH) + 1, COUNT_TLB_FLUSH);
  for (let i: u32 = 0; i < <u32>TLB_CONTEXTS; i++) clearContext(i);
}

/** Drops what is cached under one PCID. Global pages go too: the SDM allows more to be dropped than asked (4.10.4.1). */
export function flushPcid(pcid: u32): void {
  store<u64>(CPU_BLOCK, load<u64>(CPU_BLOCK, COUNT_TLB_FLUSH) + 1, COUNT_TLB_FLUSH);
  for (let i: u32 = 0; i < <u32>TLB_CONTEXTS; i++) {
    const owner = load<u32>(owners + (i << 2));
    if (owner && (owner - 1) >> 4 == pcid) clearContext(i);
  }
}

/** Drops one page under every PCID: INVLPG must reach global pages, which live in every context here. */
export function invalidatePage(linear: u64): void {
  for (let i: u32 = 0; i < <u32>TLB_CONTEXTS; i++) {
    const e = entryOf(contextBase(i), linear);
    store<u64>(e, TAG_NONE, TLB_READ);
    store<u64>(e, TAG_NONE, TLB_WRITE);
    store<u64>(e, TAG_NONE, TLB_EXEC);
  }
}

/**
 * INVLPG: all that a page of up to 1 GiB at this address can have left in the TLB, which keeps large pages in pieces of 4 KiB
 * (SDM Vol. 3A 4.10.4.1: all of them must go; more may).
 */
export function invalidateRegion(linear: u64): void {
  for (let i: u32 = 0; i < <u32>TLB_CONTEXTS; i++) {
    if (!load<u8>(dirty + i)) continue;
    const base = contextBase(i);
    for (let e = base; e < base + CONTEXT_SIZE; e += TLB_ENTRY_SIZE) {
      dropIfNear(e + TLB_READ, linear);
      dropIfNear(e + TLB_WRITE, linear);
      dropIfNear(e + TLB_EXEC, linear);
    }
  }
}

function dropIfNear(at: usize, linear: u64): void {
  if ((load<u64>(at) ^ linear) >> 30 == 0) store<u64>(at, TAG_NONE);
}

/** Forgets the code pages noted in TLB entries (the code arena has been emptied). */
export function forgetCodePages(): void {
  for (let i: u32 = 0; i < <u32>TLB_CONTEXTS; i++) {
    const base = contextBase(i);
    for (let e = base; e < base + CONTEXT_SIZE; e += TLB_ENTRY_SIZE) store<u32>(e, 0, TLB_CODE);
  }
}
