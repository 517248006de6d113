// Demand paging: brings in the page that an access needs, or says which signal the access earns
// (Linux arch/x86/mm/fault.c do_user_addr_fault, mm/memory.c handle_pte_fault).
// Entered from traps.ts for #PF and from uaccess.ts for a system call's own accesses. Leaves with the page mapped.

import { Errno } from "./errno";
import type { Mm } from "./mm";
import { OutOfMemory } from "./page-cache";
import { BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGSEGV } from "./uapi-signal";
import { PAGE_SIZE, PROT_EXEC, PROT_WRITE, TASK_SIZE, pageFloor, withoutWrite } from "./uapi-mman";
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

/** What one read fault of a file maps, around it and aligned: Linux fault_around_bytes. */
const FAULT_AROUND = 65536;

/**
 * Makes the page of `address` accessible. null: done, the access may be tried again. Otherwise the signal it earns.
 * Throws OutOfMemory when there is no frame left.
 */
export function faultIn(mm: Mm, address: number, access: Access): MemoryFault | null {
  if (!(address >= 0 && address < TASK_SIZE)) return noMapping;
  const vma = mm.vmas.at(address) ?? mm.growStack(address);
  if (vma === undefined) return noMapping;
  if (!allows(vma, access)) return notAllowed;

  const linear = pageFloor(address);
  const write = access === ACCESS_WRITE;
  const frame = mm.addressSpace.walk(linear)?.pa;
  if (frame !== undefined) {
    if (write && !vma.shared) copyOnWrite(mm, vma, linear, frame);
    else {
      if (write) vma.backing?.markDirty(vma.pageIndex(linear));
      mm.addressSpace.protect(linear, PAGE_SIZE, write ? vma.prot : withoutWrite(vma.prot));
    }
    return null;
  }
  if (vma.backing === null) {
    if (write) mm.install(linear, mm.frames.alloc(), vma.prot);
    else mm.installShared(linear, mm.frames.zero, withoutWrite(vma.prot));
    return null;
  }
  return fileFault(mm, vma, linear, write);
}

function allows(vma: Vma, access: Access): boolean {
  if (access === ACCESS_WRITE) return (vma.prot & PROT_WRITE) !== 0;
  if (access === ACCESS_EXEC) return (vma.prot & PROT_EXEC) !== 0;
  // Paging has no "write only" nor "execute only" page: any right is the right to read.
  return vma.prot !== 0;
}

/** A write to a page of a private mapping that is resident: the only owner keeps it, any other gets its own copy. */
function copyOnWrite(mm: Mm, vma: Vma, linear: number, frame: number): void {
  const { phys } = mm.frames;
  if (phys.references(frame) === 1) {
    mm.addressSpace.protect(linear, PAGE_SIZE, vma.prot);
    return;
  }
  const copy = mm.frames.alloc();
  if (frame !== mm.frames.zero) phys.copyFrame(copy, frame);
  mm.install(linear, copy, vma.prot);
}

function fileFault(mm: Mm, vma: Vma, linear: number, write: boolean): MemoryFault | null {
  const backing = vma.backing!;
  const index = vma.pageIndex(linear);
  if (backing.pastEnd(index)) return pastEndOfFile;
  try {
    if (!write) {
      faultAround(mm, vma, linear);
      if (mm.addressSpace.translate(linear, false) >= 0) return null;
    }
    const frame = backing.frame(index);
    if (write && !vma.shared) {
      const copy = mm.frames.alloc();
      mm.frames.phys.copyFrame(copy, frame);
      mm.install(linear, copy, vma.prot);
      return null;
    }
    if (write) backing.markDirty(index);
    mm.installShared(linear, frame, write ? vma.prot : withoutWrite(vma.prot));
  } catch (error) {
    if (error instanceof Errno) return pastEndOfFile;
    throw error;
  }
  return null;
}

/** Maps the neighbours of a file page too, read-only: most programs touch them next, and each fault costs a crossing. */
function faultAround(mm: Mm, vma: Vma, linear: number): void {
  const backing = vma.backing!;
  if (backing.file === null) return;
  const window = Math.floor(linear / FAULT_AROUND) * FAULT_AROUND;
  const start = Math.max(window, vma.start);
  const end = Math.min(window + FAULT_AROUND, vma.end);
  try {
    backing.readAhead(vma.pageIndex(start), (end - start) / PAGE_SIZE);
    for (let at = start; at < end; at += PAGE_SIZE) {
      const frame = backing.peek(vma.pageIndex(at));
      if (frame >= 0 && mm.addressSpace.walk(at) === undefined) mm.installShared(at, frame, withoutWrite(vma.prot));
    }
  } catch (error) {
    // The page itself is perhaps still to be had.
    if (!(error instanceof OutOfMemory)) throw error;
  }
}
