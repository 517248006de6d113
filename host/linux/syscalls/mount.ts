// Mounting and its relatives: the mount tree is the embedding's, so they answer what a user without CAP_SYS_ADMIN gets.
// Entered from entry-common.ts by syscall-table.ts.

import { EPERM, Errno } from "../errno";

function refuse(): never {
  throw new Errno(EPERM);
}

export const sysMount = refuse;
export const sysUmount2 = refuse;
export const sysPivotRoot = refuse;
export const sysSwapon = refuse;
export const sysSwapoff = refuse;
export const sysQuotactl = refuse;
export const sysOpenTree = refuse;
export const sysMoveMount = refuse;
export const sysFsopen = refuse;
export const sysFsmount = refuse;
export const sysFspick = refuse;
export const sysMountSetattr = refuse;
