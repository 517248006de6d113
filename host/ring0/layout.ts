// Every address of the guest's kernel, each named once; everything else imports it from here.
// Linux's map (Documentation/x86/x86_64/mm.rst, 4-level paging, no KASLR):
//
//   0000000000000000 - 00007fffffffffff   user space, 47 bits
//   ffff880000000000 - ffff88000000ffff   LDT of the address space
//   ffff888000000000 - ffffc87fffffffff   direct map of all physical memory, in 2 MiB pages
//   ffffc90000000000 - ffffe8ffffffffff   vmalloc: kernel stacks and the IRQ stack, each above a guard page
//   fffffe0000000000 - fffffe7fffffffff   cpu_entry_area
//   ffffff0000000000 - ffffff00ffffffff   espfix: a page 65,536 times
//   ffffffff81000000 - ...                kernel text; of it we have the entry text
//   ffffffffff600000 - ffffffffff600fff   the vsyscall page
//
// A kernel address is the *signed* number that its 64 bits mean in two's complement. Canonical addresses lie within
// +-2^47 that way, so a double holds each one exactly and `linear >>> 0` is its low half.

import { PAGE_SIZE } from "../machine/phys-memory";

const TWO_32 = 0x1_0000_0000;

/** The signed number of a canonical address given in halves. */
export function linear(hi: number, lo: number): number {
  return (hi | 0) * TWO_32 + (lo >>> 0);
}

/** An address as its 16 hexadecimal digits. */
export function hexLinear(address: number): string {
  const hi = Math.floor(address / TWO_32) >>> 0;
  return hi.toString(16).padStart(8, "0") + (address >>> 0).toString(16).padStart(8, "0");
}

// --- linear

/** First address that no user mapping reaches (Linux TASK_SIZE_MAX: the last page of the half is left free). */
export const TASK_SIZE = linear(0x7fff, 0xfffff000);
/** LDT_BASE_ADDR: 64 KiB, the only thing in its PML4 entry, which every address space has of its own. */
export const LDT_BASE = linear(0xffff8800, 0);
export const LDT_SIZE = 0x10000;
export const DIRECT_MAP = linear(0xffff8880, 0);
export const VMALLOC_START = linear(0xffffc900, 0);
export const VMALLOC_END = linear(0xffffe900, 0);
export const ESPFIX_BASE = linear(0xffffff00, 0);
export const ESPFIX_END = linear(0xffffff01, 0);
export const VSYSCALL_ADDR = linear(0xffffffff, 0xff600000);
export const KERNEL_TEXT = linear(0xffffffff, 0x81000000);
/** The entry text may grow to this many bytes. */
export const KERNEL_TEXT_SIZE = 4 * PAGE_SIZE;

// --- physical: what boot places at fixed frames; the allocator starts above

export const PHYS_KERNEL_TEXT = 0x100000;
export const PHYS_PER_CPU = 0x110000;
export const PHYS_CPU_ENTRY_AREA = 0x120000;
/** First frame that allocFrame may give out. */
export const PHYS_FIRST_FREE = 0x200000;

// --- the per-CPU area, in the direct map as in Linux; GS base in the kernel
//
//   +0x0000  +----------------------+
//            | per-CPU variables    |  kernel only
//   +0x1000  +----------------------+
//            | cpu_tss_rw, 5 pages  |  the first also in the user half: TSS.sp2 is written before the CR3 switch
//   +0x6000  +----------------------+

export const PER_CPU_AREA = DIRECT_MAP + PHYS_PER_CPU;
/** Pages of cpu_tss_rw: the hardware's part and two I/O bitmaps. */
export const TSS_PAGES = 5;
export const PER_CPU_SIZE = (1 + TSS_PAGES) * PAGE_SIZE;
/** Offsets from GS base. */
export const PER_CPU_USER_PCID_FLUSH_MASK = 0x10;
export const PER_CPU_HARDIRQ_STACK_PTR = 0x18;
/** AddressSpace.sysenterReturn of the current address space. */
export const PER_CPU_SYSENTER_RETURN = 0x20;
/** The espfix stack, and where it can be written. */
export const PER_CPU_ESPFIX_STACK = 0x28;
export const PER_CPU_ESPFIX_WADDR = 0x30;
export const PER_CPU_CPU_TSS_RW = 0x1000;
export const CPU_TSS_RW = PER_CPU_AREA + PER_CPU_CPU_TSS_RW;

// --- cpu_entry_area (Linux arch/x86/include/asm/cpu_entry_area.h): all that the hardware must reach on either CR3
//
//   fffffe0000000000  +-----------------------+
//                     | IDT                   |  read-only
//   fffffe0000001000  +-----------------------+
//                     | GDT                   |  read-only, so it guards the entry stack too
//   fffffe0000002000  +-----------------------+
//                     | entry stack           |  TSS.sp0 = its top
//   fffffe0000003000  +-----------------------+
//                     | TSS                   |  read-only alias of cpu_tss_rw, 5 pages
//   fffffe0000008000  +-----------------------+
//                     | guard     (1 page)    |  \
//                     | #DF stack (2 pages)   |   |  one pair of these per row of EXCEPTION_STACKS
//                     | guard     (1 page)    |   |
//                     | NMI stack (2 pages)   |   |
//                     | ...                   |   |
//                     | guard     (1 page)    |  /
//                     +-----------------------+

export const CPU_ENTRY_AREA = linear(0xfffffe00, 0);
export const CEA_IDT = CPU_ENTRY_AREA;
export const CEA_GDT = CPU_ENTRY_AREA + 0x1000;
export const CEA_ENTRY_STACK = CPU_ENTRY_AREA + 0x2000;
export const CEA_ENTRY_STACK_TOP = CPU_ENTRY_AREA + 0x3000;
export const CEA_TSS = CPU_ENTRY_AREA + 0x3000;
const CEA_EXCEPTION_STACKS = CEA_TSS + TSS_PAGES * PAGE_SIZE;
export const EXCEPTION_STACK_SIZE = 2 * PAGE_SIZE;

export interface ExceptionStack {
  name: string;
  /** Index in the TSS, 1 to 7, as an IDT gate's IST field has it. */
  ist: number;
  bottom: number;
  top: number;
}

/** Linux's order (IST_INDEX_DF = 0 ... in page_64_types.h; the gate's field is one more). */
export const EXCEPTION_STACKS: readonly ExceptionStack[] = ["#DF", "NMI", "#DB", "#MC"].map((name, index) => {
  const bottom = CEA_EXCEPTION_STACKS + index * (PAGE_SIZE + EXCEPTION_STACK_SIZE) + PAGE_SIZE;
  return { name, ist: index + 1, bottom, top: bottom + EXCEPTION_STACK_SIZE };
});

export const CPU_ENTRY_AREA_END = EXCEPTION_STACKS[EXCEPTION_STACKS.length - 1]!.top + PAGE_SIZE;

// --- kernel stacks in vmalloc space
//
//   slot n at VMALLOC_START + n * KERNEL_STACK_STRIDE:   16 KiB unmapped | 16 KiB stack
//   slot 0 is the IRQ stack, the others belong to tasks

export const KERNEL_STACK_SIZE = 4 * PAGE_SIZE;
export const KERNEL_STACK_STRIDE = 2 * KERNEL_STACK_SIZE;
export const KERNEL_STACK_SLOTS = 0x8000;
export const IRQ_STACK_TOP = VMALLOC_START + KERNEL_STACK_STRIDE;

/** Top of the kernel stack in slot `slot`, 16-byte aligned; the stack grows down from it. */
export function kernelStackTop(slot: number): number {
  return VMALLOC_START + (slot + 1) * KERNEL_STACK_STRIDE;
}

/** Slot of the stack, or of the guard pages below one, that `rsp` points into; a top is part of the stack below it. */
export function stackSlotOf(rsp: number): number | undefined {
  if (rsp <= VMALLOC_START || rsp > VMALLOC_START + KERNEL_STACK_SLOTS * KERNEL_STACK_STRIDE) return undefined;
  return Math.ceil((rsp - VMALLOC_START) / KERNEL_STACK_STRIDE) - 1;
}

/** Name of the stack that `rsp` points into; a top counts as part of the stack below it, since a push goes there. */
export function describeStack(rsp: number): string {
  if (rsp >= 0) return "user stack";
  if (rsp > CEA_ENTRY_STACK && rsp <= CEA_ENTRY_STACK_TOP) return "entry stack";
  if (rsp >= ESPFIX_BASE && rsp < ESPFIX_END) return "espfix stack";
  for (const stack of EXCEPTION_STACKS) {
    if (rsp > stack.bottom && rsp <= stack.top) return `IST ${stack.name}`;
  }
  if (rsp > VMALLOC_START && rsp <= VMALLOC_START + KERNEL_STACK_SLOTS * KERNEL_STACK_STRIDE) {
    const offset = (rsp - VMALLOC_START) % KERNEL_STACK_STRIDE;
    if (offset !== 0 && offset <= KERNEL_STACK_STRIDE - KERNEL_STACK_SIZE) return "guard page";
    return rsp <= IRQ_STACK_TOP ? "IRQ stack" : "kernel stack";
  }
  return "no stack";
}
