// Puts the kernel's ring-0 side into a machine that was just made: text, tables, page tables in guest RAM, then the registers
// that Linux has after boot. Called from ring0.ts; the CPU has executed nothing yet.

import { cpuModel, DEFAULT_CPU, type FeatureName } from "../machine/cpu-models";
import { PAGE_SIZE, type PhysMemory } from "../machine/phys-memory";
import type { Registers } from "../machine/registers";
import { LARGE_PAGE_SIZE, type PageTables } from "./page-tables";
import { mapUserHalfKernelRanges, pml4Pages } from "./pti";
import { buildCpuEntryArea, IDT_LIMIT } from "./cpu-entry-area";
import { buildEspfixArea } from "./espfix";
import { SYSENTER_STACK } from "./entry-compat.asm";
import type { EntryText } from "./entry-symbols";
import { mapVsyscallPage } from "./vsyscall-page";
import {
  CEA_GDT, CEA_IDT, CEA_TSS, CPU_ENTRY_AREA, DIRECT_MAP, ESPFIX_BASE, IRQ_STACK_TOP, KERNEL_STACK_SIZE, KERNEL_TEXT, KERNEL_TEXT_SIZE,
  PER_CPU_AREA, PER_CPU_ESPFIX_STACK, PER_CPU_ESPFIX_WADDR, PER_CPU_HARDIRQ_STACK_PTR, PHYS_FIRST_FREE, PHYS_KERNEL_TEXT, PHYS_PER_CPU, VMALLOC_START,
} from "./layout";
import { GDT_LIMIT, STAR_HIGH, TSS_SELECTOR, __KERNEL_CS, __KERNEL_DS } from "./segments";
import { TSS_LIMIT } from "./descriptors";
import {
  CR0_AM, CR0_ET, CR0_MP, CR0_NE, CR0_PE, CR0_PG, CR0_WP, CR4_FSGSBASE, CR4_MCE, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_OSXSAVE, CR4_PAE, CR4_PCIDE, CR4_PGE,
  CR4_SMAP, CR4_SMEP, CR4_UMIP, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE, FLAG_AC, FLAG_AF, FLAG_CF, FLAG_DF, FLAG_FIXED, FLAG_ID,
  FLAG_IF, FLAG_IOPL, FLAG_NT, FLAG_OF, FLAG_PF, FLAG_RF, FLAG_SF, FLAG_TF, FLAG_ZF, PTE_G, PTE_P, PTE_PS, PTE_RW, XCR0_AVX,
  XCR0_SSE, XCR0_X87,
} from "../../kernel/abi/bits";
import {
  APIC_BASE, CPL, CR0, CR3, CR4, CSTAR, DR6, DR7, EFER, FMASK, GDTR_BASE, GDTR_LIMIT, GS_BASE, HALTED, IDTR_BASE, IDTR_LIMIT, KERNEL_GS_BASE,
  LSTAR, MISC_ENABLE, MODE, MODE_64, NMI_BLOCKED, NO_VECTOR, PAT, PENDING_DEBUG, PENDING_INTERRUPT, PENDING_NMI, RFLAGS, SEG, SEG_ATTRIBUTES, SEG_BASE, SEG_CS, SEG_DS,
  SEG_ES, SEG_FS, SEG_GS, SEG_LDTR, SEG_LIMIT, SEG_SS, SEG_TR, SHADOW, STAR, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP, TSC_AUX, XCR0,
} from "../../kernel/abi/state";

/** Least guest RAM that boot works in. */
export const MINIMUM_RAM = 4 * 1024 * 1024;

/**
 * What SYSCALL clears (Linux 6.1 syscall_init): every flag that the user can set and the kernel should not run with. IF, so that no
 * interrupt finds the user's stack and GS; AC, so that SMAP holds; RF, TF, DF, NT, and the rest against speculation on them.
 */
export const SYSCALL_MASK =
  FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_OF | FLAG_IOPL | FLAG_NT | FLAG_RF | FLAG_AC | FLAG_ID;

/** What the kernel uses of the processor, and defends itself with. */
export interface Ring0Options {
  /** Page-table isolation. */
  pti: boolean;
  /** CR4.PCIDE. */
  pcid: boolean;
  /** Numbers that a vsyscall page for reading shows, one a slot (vsyscall-page.ts); default: there is no such page. */
  vsyscallNumbers?: readonly number[];
  /** What the CPU offers; default a current model's. */
  features?: ReadonlySet<FeatureName>;
}

/** CR4 of this CPU: what Linux turns on of what there is. */
function bootCr4({ pcid }: Ring0Options, has: (feature: FeatureName) => boolean): number {
  let cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
  if (pcid) cr4 |= CR4_PCIDE;
  if (has("UMIP")) cr4 |= CR4_UMIP;
  if (has("FSGSBASE")) cr4 |= CR4_FSGSBASE;
  if (has("SMEP")) cr4 |= CR4_SMEP;
  if (has("SMAP")) cr4 |= CR4_SMAP;
  if (has("MCE")) cr4 |= CR4_MCE;
  if (has("XSAVE")) cr4 |= CR4_OSXSAVE;
  return cr4;
}

/** Builds everything in guest RAM. Answers the boot PML4 (under PTI the pair): the kernel half that all others take. */
export function buildKernelMemory(phys: PhysMemory, tables: PageTables, text: EntryText, options: Pick<Ring0Options, "vsyscallNumbers">): number {
  if (phys.bytes < MINIMUM_RAM) throw new RangeError(`guest RAM of ${phys.bytes} bytes: the kernel needs ${MINIMUM_RAM}`);
  if (text.bytes.length > KERNEL_TEXT_SIZE) throw new Error("the entry text has outgrown KERNEL_TEXT_SIZE");
  phys.reserveBelow(PHYS_FIRST_FREE);
  phys.write(PHYS_KERNEL_TEXT, text.bytes);
  const root = phys.allocFrames(pml4Pages(tables.pti));
  // Under PTI no kernel page is Global but those that both halves have: a global entry would outlive the switch to the user CR3.
  const global = tables.pti ? 0 : PTE_G;

  for (let pa = 0; pa < phys.bytes; pa += LARGE_PAGE_SIZE) {
    tables.mapKernel(root, DIRECT_MAP + pa, pa, PTE_P | PTE_RW | PTE_PS | global, false);
  }
  const textPages = Math.ceil(text.bytes.length / PAGE_SIZE);
  for (let page = 0; page < textPages; page++) {
    tables.mapKernel(root, KERNEL_TEXT + page * PAGE_SIZE, PHYS_KERNEL_TEXT + page * PAGE_SIZE, PTE_P | PTE_G, true);
  }
  for (let offset = PAGE_SIZE; offset <= KERNEL_STACK_SIZE; offset += PAGE_SIZE) {
    tables.mapKernel(root, IRQ_STACK_TOP - offset, phys.allocFrame(), PTE_P | PTE_RW | global, false);
  }
  buildCpuEntryArea(tables, root, text.labels);
  putLinear(phys, PHYS_PER_CPU + PER_CPU_HARDIRQ_STACK_PTR, IRQ_STACK_TOP);
  putLinear(phys, PHYS_PER_CPU + PER_CPU_ESPFIX_STACK, ESPFIX_BASE);
  putLinear(phys, PHYS_PER_CPU + PER_CPU_ESPFIX_WADDR, buildEspfixArea(tables, root));
  // Every address space copies the kernel half's PML4 entries, so those that get pages later must exist now.
  for (const region of [DIRECT_MAP, VMALLOC_START, CPU_ENTRY_AREA, KERNEL_TEXT]) tables.makePdptTable(root, region);
  if (tables.pti) mapUserHalfKernelRanges(tables, root, textPages);
  if (options.vsyscallNumbers !== undefined) mapVsyscallPage(tables, root, options.vsyscallNumbers);
  return root;
}

/** Stores a linear address at a physical one. */
export function putLinear(phys: PhysMemory, pa: number, address: number): void {
  phys.u32[pa >>> 2] = address;
  phys.u32[(pa >>> 2) + 1] = Math.floor(address / 0x1_0000_0000);
}

/** The registers after boot: CPL 0, paging on, MSRs of the system-call doors, descriptor-table registers, LTR done. */
export function loadControlState(registers: Registers, root: number, options: Ring0Options, labels: ReadonlyMap<string, number>): void {
  registers.setHalves(CR0, (CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG) >>> 0, 0);
  const features = options.features ?? cpuModel(DEFAULT_CPU).features;
  registers.set(CR4, bootCr4(options, (feature) => features.has(feature)));
  registers.set(CR3, root);
  registers.set(EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
  registers.setHalves(STAR, 0, STAR_HIGH);
  registers.set(LSTAR, label(labels, "entry_SYSCALL_64"));
  // Intel's processors have the MSR and never use it.
  registers.set(CSTAR, label(labels, "entry_SYSCALL_compat"));
  registers.set(FMASK, SYSCALL_MASK);
  registers.set(SYSENTER_CS, __KERNEL_CS);
  registers.set(SYSENTER_ESP, SYSENTER_STACK);
  registers.set(SYSENTER_EIP, label(labels, "entry_SYSENTER_compat"));
  registers.set(GS_BASE, PER_CPU_AREA);
  registers.set(KERNEL_GS_BASE, 0);
  registers.set(TSC_AUX, 0);
  // Linux pat_init: WB WC UC- UC WB WP UC- WT
  registers.setHalves(PAT, 0x00070106, 0x04070506);
  // Enabled, at its usual address, the boot processor's (SDM Vol. 3A 10.4.4).
  registers.set(APIC_BASE, 0xfee00900);
  // Fast strings on; no branch trace store, no precise event sampling (SDM Vol. 4, table 2-2).
  registers.set(MISC_ENABLE, 0x1801);
  // x87 is always enabled; SSE and AVX where XSAVE is there to manage them (Linux fpu__init_system_xstate).
  registers.set(XCR0, XCR0_X87 | (features.has("XSAVE") ? XCR0_SSE : 0) | (features.has("AVX") ? XCR0_AVX : 0));
  registers.set(DR6, 0xffff0ff0);
  registers.set(DR7, 0x400);

  registers.set(GDTR_BASE, CEA_GDT);
  registers.setWord(GDTR_LIMIT, GDT_LIMIT);
  registers.set(IDTR_BASE, CEA_IDT);
  registers.setWord(IDTR_LIMIT, IDT_LIMIT);
  loadSegment(registers, SEG_CS, __KERNEL_CS, 0xa9b, 0xffffffff);
  loadKernelStackSegment(registers);
  for (const segment of [SEG_ES, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR]) loadSegment(registers, segment, 0, SEG_UNUSABLE, 0);
  loadSegment(registers, SEG_TR, TSS_SELECTOR, 0x8b, TSS_LIMIT);
  registers.set(SEG_BASE + 8 * SEG_CS, 0);
  registers.set(SEG_BASE + 8 * SEG_TR, CEA_TSS);

  registers.set(RFLAGS, FLAG_FIXED);
  registers.setWord(CPL, 0);
  registers.setWord(MODE, MODE_64);
  for (const word of [SHADOW, NMI_BLOCKED, HALTED, PENDING_NMI, PENDING_DEBUG]) registers.setWord(word, 0);
  registers.setWord(PENDING_INTERRUPT, NO_VECTOR);
}

/** Attributes of a segment register that holds a null selector (kernel/abi/state.ts). */
export const SEG_UNUSABLE = 0x8000;

/** SS as SYSCALL loads it. */
export function loadKernelStackSegment(registers: Registers): void {
  loadSegment(registers, SEG_SS, __KERNEL_DS, 0xc93, 0xffffffff);
  registers.set(SEG_BASE + 8 * SEG_SS, 0);
}

function loadSegment(registers: Registers, segment: number, selector: number, attributes: number, limit: number): void {
  const at = SEG + 8 * segment;
  registers.u16[at >>> 1] = selector;
  registers.u16[(at + SEG_ATTRIBUTES) >>> 1] = attributes;
  registers.setWord(at + SEG_LIMIT, limit);
}

function label(labels: ReadonlyMap<string, number>, name: string): number {
  const address = labels.get(name);
  if (address === undefined) throw new Error(`the entry text has no label ${name}`);
  return address;
}
