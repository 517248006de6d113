// Page-table isolation (Linux arch/x86/mm/pti.c): an address space is a pair of PML4 pages.
//
//   cr3Kernel -> +0x0000  +----------------------------+
//                         | user half: the same entries, NX  |
//                         | kernel half: everything          |
//   cr3User   -> +0x1000  +----------------------------+     (bit 12 of CR3 tells them apart, hence the 8 KiB alignment)
//                         | user half                        |
//                         | kernel half: USER_HALF_KERNEL_RANGES |
//                         +----------------------------+
//
// The kernel halves are the same in every pair: their PDPTs are made once, by boot, and only ever pointed to.

import { NO_FRAME, PAGE_SIZE, type PhysMemory } from "../machine/phys-memory";
import { PML4_KERNEL_HALF, PTI_USER_PML4_OFFSET, type PageTables } from "./page-tables";
import {
  CPU_ENTRY_AREA, CPU_ENTRY_AREA_END, CPU_TSS_RW, ESPFIX_BASE, ESPFIX_END, KERNEL_TEXT, KERNEL_TEXT_SIZE, LDT_BASE, LDT_SIZE, PHYS_KERNEL_TEXT,
  PHYS_PER_CPU, PER_CPU_CPU_TSS_RW, VSYSCALL_ADDR,
} from "./layout";
import { PTE_G, PTE_P, PTE_RW } from "../../kernel/abi/bits";

/**
 * All of the kernel that the user half maps, each because the CPU or the entry code touches it while the user CR3 is live; but for
 * the vsyscall page, which is there only where user code may read it (vsyscall-page.ts).
 * A closed list: what is added here is what a Meltdown could read. Only these pages are Global under PTI, but for the LDT, which is
 * there only where a program has made one (modify_ldt).
 */
export const USER_HALF_KERNEL_RANGES: readonly { name: string; start: number; end: number }[] = [
  { name: "per-CPU page of cpu_tss_rw", start: CPU_TSS_RW, end: CPU_TSS_RW + PAGE_SIZE },
  { name: "cpu_entry_area", start: CPU_ENTRY_AREA, end: CPU_ENTRY_AREA_END },
  { name: "espfix stack", start: ESPFIX_BASE, end: ESPFIX_END },
  { name: "LDT of the address space", start: LDT_BASE, end: LDT_BASE + LDT_SIZE },
  { name: "vsyscall page", start: VSYSCALL_ADDR, end: VSYSCALL_ADDR + PAGE_SIZE },
  { name: "entry text", start: KERNEL_TEXT, end: KERNEL_TEXT + KERNEL_TEXT_SIZE },
];

/** Frames of one address space's root: a pair under PTI. */
export function pml4Pages(pti: boolean): number {
  return pti ? 2 : 1;
}

/**
 * Fills the user PML4 of the boot pair with the closed list. cpu_entry_area and the espfix area are there for both halves and share
 * their tables; the two others are single pages out of regions that must stay hidden, and get tables of their own.
 */
export function mapUserHalfKernelRanges(tables: PageTables, kernelRoot: number, textPages: number): void {
  const userRoot = kernelRoot + PTI_USER_PML4_OFFSET;
  sharePml4Entry(tables.phys, kernelRoot, userRoot, CPU_ENTRY_AREA);
  sharePml4Entry(tables.phys, kernelRoot, userRoot, ESPFIX_BASE);
  tables.mapKernel(userRoot, CPU_TSS_RW, PHYS_PER_CPU + PER_CPU_CPU_TSS_RW, PTE_P | PTE_RW | PTE_G, false);
  for (let page = 0; page < textPages; page++) {
    const offset = page * PAGE_SIZE;
    tables.mapKernel(userRoot, KERNEL_TEXT + offset, PHYS_KERNEL_TEXT + offset, PTE_P | PTE_G, true);
  }
}

function sharePml4Entry(phys: PhysMemory, from: number, to: number, linear: number): void {
  const index = Math.floor(linear / 0x8000000000) & 511;
  phys.u32[(to >>> 2) + index * 2] = phys.u32[(from >>> 2) + index * 2]!;
  phys.u32[(to >>> 2) + index * 2 + 1] = phys.u32[(from >>> 2) + index * 2 + 1]!;
}

/** A new pair (without PTI: a single PML4) whose kernel halves are those of `boot`. Its physical address, or NO_FRAME. */
export function allocPml4(phys: PhysMemory, boot: number, pti: boolean): number {
  const root = phys.allocFrames(pml4Pages(pti));
  if (root === NO_FRAME) return NO_FRAME;
  const half = PML4_KERNEL_HALF * 8;
  for (let page = 0; page < pml4Pages(pti); page++) {
    const offset = page * PAGE_SIZE + half;
    phys.u8.copyWithin(root + offset, boot + offset, boot + offset + half);
  }
  return root;
}

export function freePml4(phys: PhysMemory, root: number, pti: boolean): void {
  for (let page = 0; page < pml4Pages(pti); page++) phys.put(root + page * PAGE_SIZE);
}
