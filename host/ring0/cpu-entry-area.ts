// cpu_entry_area (Linux arch/x86/mm/cpu_entry_area.c): the tables and stacks that the CPU itself reaches for, on either CR3.
// Built once by boot. layout.ts has the map.

import { PAGE_SIZE } from "../machine/phys-memory";
import type { PageTables } from "./page-tables";
import {
  CEA_ENTRY_STACK, CEA_ENTRY_STACK_TOP, CEA_GDT, CEA_IDT, CEA_TSS, CPU_ENTRY_AREA, EXCEPTION_STACKS, EXCEPTION_STACK_SIZE,
  PHYS_CPU_ENTRY_AREA, PHYS_PER_CPU, PER_CPU_CPU_TSS_RW, TSS_PAGES,
} from "./layout";
import { interruptGate, taskStateSegment } from "./descriptors";
import { buildGdt, __KERNEL_CS } from "./segments";
import { VECTORS } from "./idtentry.asm";
import { PTE_G, PTE_P, PTE_RW } from "../../kernel/abi/bits";

export const IDT_LIMIT = 256 * 16 - 1;

/** The IDT, 4096 bytes; vectors without a row have no gate. @param labels linear address of each stub */
export function buildIdt(labels: ReadonlyMap<string, number>): Uint8Array {
  const idt = new Uint8Array(IDT_LIMIT + 1);
  for (const row of VECTORS) {
    const stub = labels.get(row.label);
    if (stub === undefined) throw new Error(`the entry text has no label ${row.label}`);
    idt.set(interruptGate(stub, __KERNEL_CS, row.dpl, row.ist), row.vector * 16);
  }
  return idt;
}

/** Writes the tables and maps the area. Guard pages are its holes. */
export function buildCpuEntryArea(tables: PageTables, root: number, labels: ReadonlyMap<string, number>): void {
  const { phys } = tables;
  const physical = (address: number) => PHYS_CPU_ENTRY_AREA + (address - CPU_ENTRY_AREA);
  const tss = PHYS_PER_CPU + PER_CPU_CPU_TSS_RW;
  phys.write(physical(CEA_IDT), buildIdt(labels));
  phys.write(physical(CEA_GDT), buildGdt());
  phys.write(tss, taskStateSegment(CEA_ENTRY_STACK_TOP, EXCEPTION_STACKS.map((stack) => stack.top)));

  // Global also under PTI: these pages are in both halves.
  const readOnly = PTE_P | PTE_G;
  const writable = readOnly | PTE_RW;
  tables.mapKernel(root, CEA_IDT, physical(CEA_IDT), readOnly, false);
  tables.mapKernel(root, CEA_GDT, physical(CEA_GDT), readOnly, false);
  tables.mapKernel(root, CEA_ENTRY_STACK, physical(CEA_ENTRY_STACK), writable, false);
  for (let page = 0; page < TSS_PAGES; page++) tables.mapKernel(root, CEA_TSS + page * PAGE_SIZE, tss + page * PAGE_SIZE, readOnly, false);
  for (const stack of EXCEPTION_STACKS) {
    for (let offset = 0; offset < EXCEPTION_STACK_SIZE; offset += PAGE_SIZE) {
      tables.mapKernel(root, stack.bottom + offset, physical(stack.bottom) + offset, writable, false);
    }
  }
}
