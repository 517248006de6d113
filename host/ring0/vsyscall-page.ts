// The vsyscall page at its fixed address (Linux arch/x86/entry/vsyscall), as far as page tables go. It is no door: nothing of it
// executes. It may never be fetched from, so a call of it is a #PF, which host/linux answers; where it is mapped it is for reading, so
// that tools that look at the code behind an address find some.

import type { PageTables } from "./page-tables";
import { PTI_USER_PML4_OFFSET } from "./page-tables";
import { VSYSCALL_ADDR } from "./layout";
import { PAGE_SIZE } from "../machine/phys-memory";
import { PTE_G, PTE_P, PTE_US } from "../../kernel/abi/bits";

/** From one slot to the next. */
export const VSYSCALL_SLOT_SIZE = 1024;
const INT3 = 0xcc;

/** The page for those who read it: each slot `mov $number,%rax; syscall; ret`, the rest INT3. */
function vsyscallPage(numbers: readonly number[]): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE).fill(INT3);
  numbers.forEach((number, slot) => {
    page.set([0x48, 0xc7, 0xc0, number & 0xff, number >>> 8, 0, 0, 0x0f, 0x05, 0xc3], slot * VSYSCALL_SLOT_SIZE);
  });
  return page;
}

/** Maps the page for user code, in both halves under PTI. */
export function mapVsyscallPage(tables: PageTables, root: number, numbers: readonly number[]): void {
  const { phys } = tables;
  const frame = phys.allocFrame();
  phys.write(frame, vsyscallPage(numbers));
  for (const half of tables.pti ? [root, root + PTI_USER_PML4_OFFSET] : [root]) {
    tables.mapKernel(half, VSYSCALL_ADDR, frame, PTE_P | PTE_US | PTE_G, false);
    tables.openToUser(half, VSYSCALL_ADDR);
  }
}
