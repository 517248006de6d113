// The 4-level page walk of 64-bit mode (SDM Vol. 3A 4.5) in guest RAM, with accessed and dirty flags, and the access rights
// of SDM Vol. 3A 4.6. Reads CR0, CR3, CR4 and EFER from the CPU block; changes nothing but A and D flags and the counters.

import { FEATURE_PDPE1GB } from "../abi/cpuid-features";
import { hasFeature } from "../cpu/cpuid";
import { CPU_BLOCK } from "../abi/layout";
import { COUNT_WALK_LOAD, CR0, CR3, CR4, EFER } from "../abi/state";
import { CR0_PG, CR0_WP, CR4_SMAP, CR4_SMEP, EFER_NXE, PTE_A, PTE_D, PTE_P, PTE_PS, PTE_RW, PTE_US, PHYSICAL_BITS } from "../abi/bits";
import { PF_FETCH, PF_PRESENT, PF_RESERVED, PF_USER, PF_WRITE } from "../abi/vectors";
import { hostAddress, inRam } from "./phys";

export const READ: u32 = 0;
export const WRITE: u32 = 1;
export const EXECUTE: u32 = 2;

/** Who accesses: TLB contexts are kept apart by it. SUPERVISOR_AC is CPL < 3 with RFLAGS.AC, which lifts SMAP. */
export const VIEW_USER: u32 = 0;
export const VIEW_SUPERVISOR: u32 = 1;
export const VIEW_SUPERVISOR_AC: u32 = 2;
/** CPL 3 with alignment checks on: nothing is ever cached for it, so that every access meets the check. */
export const VIEW_USER_ALIGN: u32 = 3;

/** Results of the last successful walk. */
export let walkPhysical: u64 = 0;
export let walkReadable: bool = false;
export let walkWritable: bool = false;
export let walkExecutable: bool = false;
/** D is set: later writes need no walk. */
export let walkDirty: bool = false;
/** Page-fault error code of the last walk that failed. */
export let walkError: u32 = 0;

const ADDRESS_MASK: u64 = 0x000ffffffffff000;
const NX: u64 = 0x8000000000000000;
const RESERVED_ADDRESS: u64 = 0x000fffffffffffff & ~((1 << <u64>PHYSICAL_BITS) - 1);

function count(): void {
  store<u64>(CPU_BLOCK, load<u64>(CPU_BLOCK, COUNT_WALK_LOAD) + 1, COUNT_WALK_LOAD);
}

/** Translates a canonical linear address for one access; false: walkError holds the error code of the #PF. */
export function walk(linear: u64, access: u32, view: u32): bool {
  const cr0 = load<u64>(CPU_BLOCK, CR0);
  if (!(cr0 & <u64>CR0_PG)) {
    walkPhysical = linear & 0xffffffff;
    walkReadable = walkWritable = walkExecutable = walkDirty = true;
    return true;
  }
  const cr4 = load<u64>(CPU_BLOCK, CR4);
  const nxe = (load<u64>(CPU_BLOCK, EFER) & EFER_NXE) != 0;
  const user = view == VIEW_USER || view == VIEW_USER_ALIGN;
  const smep = (cr4 & CR4_SMEP) != 0;
  let error: u32 = (access == WRITE ? PF_WRITE : 0) | (user ? PF_USER : 0) | (access == EXECUTE && (nxe || smep) ? PF_FETCH : 0);

  let table = load<u64>(CPU_BLOCK, CR3) & ADDRESS_MASK;
  let rights: u64 = PTE_RW | PTE_US;
  let noExecute: u64 = 0;
  let shift: u64 = 39;
  let entryAt: usize = 0;
  let entry: u64 = 0;
  while (true) {
    const physical = table + (((linear >> shift) & 511) << 3);
    if (!inRam(physical)) {
      walkError = error;
      return false;
    }
    entryAt = hostAddress(physical);
    entry = load<u64>(entryAt);
    count();
    if (!(entry & PTE_P)) {
      walkError = error;
      return false;
    }
    let reserved = RESERVED_ADDRESS | (nxe ? 0 : NX);
    const leaf = shift == 12 || (shift < 39 && (entry & PTE_PS) != 0);
    if (shift == 39) reserved |= PTE_PS;
    else if (leaf && shift == 30) reserved |= hasFeature(FEATURE_PDPE1GB) ? 0x3fffe000 : PTE_PS;
    else if (leaf && shift == 21) reserved |= 0x1fe000;
    if (entry & reserved) {
      walkError = error | PF_PRESENT | PF_RESERVED;
      return false;
    }
    rights &= entry;
    noExecute |= entry & NX;
    if (leaf) break;
    // The flag of a table is set once it is used, whatever comes of the access (SDM Vol. 3A 4.8).
    if (!(entry & PTE_A)) store<u64>(entryAt, entry | PTE_A);
    table = entry & ADDRESS_MASK;
    shift -= 9;
  }

  const userPage = (rights & PTE_US) != 0;
  const smapHit = !user && userPage && view == VIEW_SUPERVISOR && (cr4 & CR4_SMAP) != 0;
  const readable = user ? userPage : !smapHit;
  const writable = user ? userPage && (rights & PTE_RW) != 0 : !smapHit && ((rights & PTE_RW) != 0 || !(cr0 & CR0_WP));
  const executable = (user ? userPage : !(smep && userPage)) && !(nxe && noExecute);
  if (!(access == READ ? readable : access == WRITE ? writable : executable)) {
    walkError = error | PF_PRESENT;
    return false;
  }
  const set: u64 = PTE_A | (access == WRITE ? PTE_D : 0);
  if ((entry & set) != set) {
    entry |= set;
    store<u64>(entryAt, entry);
  }
  const offsetMask: u64 = (1 << shift) - 1;
  walkPhysical = (entry & ADDRESS_MASK & ~offsetMask) | (linear & offsetMask);
  walkReadable = readable;
  walkWritable = writable;
  walkExecutable = executable;
  walkDirty = (entry & PTE_D) != 0;
  return true;
}
