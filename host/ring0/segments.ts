// The GDT's selectors, in Linux's order (arch/x86/include/asm/segment.h), which SYSCALL and SYSRET dictate.
//
// Neither instruction reads the GDT: both compute selectors from MSR_STAR (SDM Vol. 2B, operation sections).
//
//   STAR[47:32] = 0x10   SYSCALL:     CS = STAR[47:32]        = __KERNEL_CS   SS = STAR[47:32] + 8  = __KERNEL_DS
//   STAR[63:48] = 0x23   SYSRET 32:   CS = STAR[63:48]        = __USER32_CS
//                        SYSRET 64:   CS = STAR[63:48] + 16   = __USER_CS     SS = STAR[63:48] + 8  = __USER_DS
//
// So kernel data must follow kernel code, and user32 code, user data, user code must stand in a row. SYSENTER and SYSEXIT
// want four in a row of their own (SYSENTER_CS +0, +8, +16 or +32, +24 or +40), the reason for 32-bit kernel code at index 1.

import { codeOrDataDescriptor, systemDescriptor, TSS_LIMIT } from "./descriptors";
import { CEA_GDT, CEA_TSS, CPU_ENTRY_AREA, LDT_BASE, PHYS_CPU_ENTRY_AREA } from "./layout";
import type { PhysMemory } from "../machine/phys-memory";
import type { Registers } from "../machine/registers";
import { SEG, SEG_ATTRIBUTES, SEG_BASE, SEG_LDTR, SEG_LIMIT } from "../../kernel/abi/state";

export const GDT_ENTRIES = 16;
export const GDT_LIMIT = GDT_ENTRIES * 8 - 1;

export const __KERNEL32_CS = 0x08;
export const __KERNEL_CS = 0x10;
export const __KERNEL_DS = 0x18;
export const __USER32_CS = 0x23;
export const __USER_DS = 0x2b;
export const __USER_CS = 0x33;
/** Two slots: a system descriptor is 16 bytes in long mode. */
export const GDT_ENTRY_TSS = 8;
export const GDT_ENTRY_LDT = 10;
/** Three slots that set_thread_area fills for 32-bit programs. */
export const GDT_ENTRY_TLS_MIN = 12;
export const GDT_ENTRY_CPUNODE = 15;
export const TSS_SELECTOR = GDT_ENTRY_TSS * 8;

export const LDT_SELECTOR = GDT_ENTRY_LDT * 8;

export const STAR_HIGH = (__USER32_CS << 16) | __KERNEL_CS;


/**
 * Access byte and flags of each descriptor, in the form of Linux's GDT_ENTRY_INIT: bits 0-7 = P DPL S type,
 * bits 12-15 = G D/B L AVL. All have "accessed" set, so that the CPU never writes to the read-only GDT.
 */
const FLAT = 0xfffff;
const ROWS: readonly (readonly [index: number, flags: number, limit: number])[] = [
  [1, 0xc09b, FLAT], // __KERNEL32_CS
  [2, 0xa09b, FLAT], // __KERNEL_CS: L
  [3, 0xc093, FLAT], // __KERNEL_DS
  [4, 0xc0fb, FLAT], // __USER32_CS
  [5, 0xc0f3, FLAT], // __USER_DS
  [6, 0xa0fb, FLAT], // __USER_CS: L
  // Its limit is the CPU number, which getcpu() in the vDSO reads with LSL: read-only data, DPL 3, byte-granular.
  [GDT_ENTRY_CPUNODE, 0x40f5, 0],
];

/** The GDT at boot, 128 bytes. */
export function buildGdt(): Uint8Array {
  const gdt = new Uint8Array(GDT_ENTRIES * 8);
  for (const [index, flags, limit] of ROWS) gdt.set(codeOrDataDescriptor(0, limit, flags), index * 8);
  gdt.set(systemDescriptor(CEA_TSS, TSS_LIMIT, 0x8b), GDT_ENTRY_TSS * 8); // 0xb: busy, as LTR leaves it
  return gdt;
}

const LDT_ACCESS = 0x82; // present, LDT
const ATTR_UNUSABLE = 0x8000;

/** Writes the descriptor of the LDT and does LLDT. @param limit -1: there is no LDT, and LDTR becomes null */
export function loadLdtr(registers: Registers, phys: PhysMemory, limit: number): void {
  const at = SEG + 8 * SEG_LDTR;
  const exists = limit >= 0;
  phys.write(
    PHYS_CPU_ENTRY_AREA + (CEA_GDT - CPU_ENTRY_AREA) + LDT_SELECTOR,
    exists ? systemDescriptor(LDT_BASE, limit, LDT_ACCESS) : new Uint8Array(16),
  );
  registers.u16[at >>> 1] = exists ? LDT_SELECTOR : 0;
  registers.u16[(at + SEG_ATTRIBUTES) >>> 1] = exists ? LDT_ACCESS : ATTR_UNUSABLE;
  registers.setWord(at + SEG_LIMIT, exists ? limit : 0);
  registers.set(SEG_BASE + 8 * SEG_LDTR, exists ? LDT_BASE : 0);
}
