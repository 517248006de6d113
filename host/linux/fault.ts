// Demand paging: brings in the page that an access needs, or says which signal the access earns
// (Linux arch/x86/mm/fault.c do_user_addr_fault, mm/memory.c handle_pte_fault).
// Entered from traps.ts for #PF and from uaccess.ts for a system call's own accesses. Leaves with the page mapped.

import { Errno } from "./errno";
import type { Mm } from "./mm";
import { OutOfMemory } from "./page-cache";
import { frameOf } from "./resident-pages";
import { BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGSEGV } from "./uapi-signal";
import { PAGE_SIZE, PROT_EXEC, PROT_WRITE, TASK_SIZE } from "./uapi-mman";
import type { Vma } from "./vma";

export const ACCESS_READ = 0;
export const ACCESS_WRITE = 1;
export const ACCESS_EXEC = 2;
export type Access = typeof ACCESS_READ | typeof ACCESS_WRITE | typeof ACCESS_EXEC;

/** The signal that an access earns, with its si_code; si_addr is the address of the access. */
export interface MemoryFault {
  readonly signal: number;
  readonly code: number;
}

const noMapping: MemoryFault = { signal: SIGSEGV, code: SEGV_MAPERR };
const notAllowed: MemoryFault = { signal: SIGSEGV, code: SEGV_ACCERR };
const pastEndOfFile: MemoryFault = { signal: SIGBUS, code: BUS_ADRERR };

/** Pages of a file mapped by one read fault, around it and aligned (Linux fault_around_bytes, 64 KiB). */
const FAULT_AROUND = 16;

/**
 * Makes the page of `address` accessible. null: done, the access may be tried again. Otherwise the signal it earns.
 * Throws OutOfMemory when there is no frame left.
 */
export function faultIn(mm: Mm, address: number, access: Access): MemoryFault | null {
  if (!(address >= 0 && address < TASK_SIZE)) return noMapping;
  const vma = mm.vmas.at(address) ?? mm.growStack(address);
  if (vma === undefined) return noMapping;
  if (!allows(vma, access)) return notAllowed;

  const page = Math.floor(address / PAGE_SIZE);
  const write = access === ACCESS_WRITE;
  const entry = mm.resident.get(page);
  if (entry !== 0) {
    if (write && !vma.shared) copyOnWrite(mm, vma, page, frameOf(entry));
    else {
      if (write) vma.backing?.markDirty(vma.pageIndex(page * PAGE_SIZE));
      mm.install(page, frameOf(entry), vma.prot, write);
    }
    return null;
  }
  if (vma.backing === null) {
    if (write) mm.install(page, mm.frames.alloc(), vma.prot, true);
    else mm.installShared(page, mm.frames.zero, vma.prot);
    return null;
  }
  return fileFault(mm, vma, page, write);
}

function allows(vma: Vma, access: Access): boolean {
  if (access === ACCESS_WRITE) return (vma.prot & PROT_WRITE) !== 0;
  if (access === ACCESS_EXEC) return (vma.prot & PROT_EXEC) !== 0;
  // Paging has no "write only" nor "execute only" page: any right is the right to read.
  return vma.prot !== 0;
}

/** A write to a page of a private mapping that is resident: the only owner keeps it, any other gets its own copy. */
function copyOnWrite(mm: Mm, vma: Vma, page: number, frame: number): void {
  const { phys } = mm.frames;
  if (phys.references(frame) === 1) {
    mm.install(page, frame, vma.prot, true);
    return;
  }
  const copy = mm.frames.alloc();
  if (frame !== mm.frames.zero) phys.copyFrame(copy, frame);
  mm.install(page, copy, vma.prot, true);
  phys.put(frame);
}

function fileFault(mm: Mm, vma: Vma, page: number, write: boolean): MemoryFault | null {
  const backing = vma.backing!;
  const index = vma.pageIndex(page * PAGE_SIZE);
  if (backing.pastEnd(index)) return pastEndOfFile;
  try {
    if (!write) faultAround(mm, vma, page);
    const frame = backing.frame(index);
    if (write && !vma.shared) {
      const copy = mm.frames.alloc();
      mm.frames.phys.copyFrame(copy, frame);
      mm.install(page, copy, vma.prot, true);
      return null;
    }
    if (write) backing.markDirty(index);
    if (mm.resident.get(page) === 0) mm.installShared(page, frame, vma.prot);
    if (write) mm.install(page, frame, vma.prot, true);
  } catch (error) {
    if (error instanceof Errno) return pastEndOfFile;
    throw error;
  }
  return null;
}

/** Maps the neighbours of a file page too, read-only: most programs touch them next, and each fault costs a crossing. */
function faultAround(mm: Mm, vma: Vma, page: number): void {
  const backing = vma.backing!;
  if (backing.file === null) return;
  const window = Math.floor(page / FAULT_AROUND) * FAULT_AROUND;
  const first = Math.max(window, vma.start / PAGE_SIZE);
  const end = Math.min(window + FAULT_AROUND, vma.end / PAGE_SIZE);
  try {
    backing.readAhead(vma.pageIndex(first * PAGE_SIZE), end - first);
  } catch (error) {
    // The page itself is still to be had, perhaps.
    if (error instanceof OutOfMemory) return;
    throw error;
  }
  for (let neighbour = first; neighbour < end; neighbour++) {
    if (mm.resident.get(neighbour) !== 0) continue;
    const frame = backing.peek(vma.pageIndex(neighbour * PAGE_SIZE));
    if (frame >= 0) mm.installShared(neighbour, frame, vma.prot);
  }
}
