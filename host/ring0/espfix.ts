// The espfix area (Linux arch/x86/kernel/espfix_64.c): where the IRETQ to a 16-bit stack stands.
//
// That IRETQ loads SP alone. Bits 31:16 of ESP stay those of the kernel's stack, for the program to read. So the frame is put onto a
// stack that is mapped at 65,536 addresses, one for each value of these bits, and IRETQ runs where they are the program's own:
//
//   ffffff0000000000  +------------+
//                     | the stack  |  one page, read-only, with the frame at its start
//   ffffff0000001000  +------------+
//                     | hole       |
//   ffffff0000010000  +------------+
//                     | the stack  |  the same page
//                     | ...        |  up to 4 GiB: one page table, in every entry of one page directory, in 4 entries above
//
// Called from boot.ts. The code is native_irq_return_ldt in entry-64.asm.ts, which writes by way of the direct map.

import { NO_FRAME, PAGE_SIZE } from "../machine/phys-memory";
import { CEA_ENTRY_STACK_TOP, DIRECT_MAP, ESPFIX_BASE, ESPFIX_END } from "./layout";
import type { PageTables } from "./page-tables";
import { PT_CS, PT_IP, PT_ORIG_AX, PT_REGS_SIZE, PT_SP, PT_SS, PtRegs } from "./pt-regs";
import { __KERNEL_CS } from "./segments";
import type { PhysMemory } from "../machine/phys-memory";
import { PTE_G, PTE_NX_HIGH, PTE_P } from "../../kernel/abi/bits";

const CLONE_STRIDE = 0x10000;
const TABLE_ENTRIES = 512;
/** Page-directory-pointer entries for 4 GiB. */
const GIGABYTES = 4;

/** Maps the area at `root`. Answers the linear address at which its page can be written. */
export function buildEspfixArea(tables: PageTables, root: number): number {
  const { phys } = tables;
  const stack = phys.allocFrame();
  const pointers = tables.makePdptTable(root, ESPFIX_BASE);
  const first = tables.makePte(root, ESPFIX_BASE);
  if (stack === NO_FRAME || pointers < 0 || first < 0) throw new Error("guest RAM is too small for the espfix area");
  for (let entry = 0; entry < TABLE_ENTRIES; entry += CLONE_STRIDE / PAGE_SIZE) {
    tables.setPte(first + 2 * entry, stack | PTE_P | PTE_G, PTE_NX_HIGH);
  }
  const directory = (phys.u32[pointers]! & ~0xfff) >>> 2;
  copyEntry(phys, directory, TABLE_ENTRIES);
  copyEntry(phys, pointers, GIGABYTES);
  return DIRECT_MAP + stack;
}

/** Entry 0 of a table into the others. */
function copyEntry(phys: PhysMemory, table: number, count: number): void {
  for (let entry = 1; entry < count; entry++) {
    phys.u32[table + 2 * entry] = phys.u32[table]!;
    phys.u32[table + 2 * entry + 1] = phys.u32[table + 1]!;
  }
}

/**
 * A #DF on the IRETQ to a 16-bit stack: that one had a frame of the program's making, and its #GP found the stack read-only. Makes
 * it a #GP that came from user mode (Linux exc_double_fault). `regs` is the pt_regs of the #DF, which will return to the stub of
 * #GP. False: some other #DF.
 */
export function fixEspfixDoubleFault(phys: PhysMemory, regs: PtRegs, translate: (linear: number) => number, labels: { iret: number; gp: number }): boolean {
  const sp = regs.getSigned(PT_SP);
  if (sp < ESPFIX_BASE || sp >= ESPFIX_END || regs.cs !== __KERNEL_CS || regs.getSigned(PT_IP) !== labels.iret) return false;
  const pushed = CEA_ENTRY_STACK_TOP - PT_REGS_SIZE;
  const user = new PtRegs(phys, translate(pushed));
  const frame = translate(sp);
  for (let offset = PT_IP; offset <= PT_SS; offset += 8) user.setBig(offset, phys.getU64(frame + offset - PT_IP));
  user.set(PT_ORIG_AX, 0);
  regs.set(PT_IP, labels.gp);
  regs.set(PT_CS, __KERNEL_CS);
  regs.set(PT_SP, pushed + PT_ORIG_AX);
  return true;
}
