// The two system-call tables with what goes with each (Linux sys_call_table, ia32_sys_call_table). The door that a task comes in by
// says which one serves it.

import { PT_BP, PT_BX, PT_CX, PT_DI, PT_DX, PT_R10, PT_R8, PT_R9, PT_SI } from "../ring0/pt-regs";
import { type Abi, I386, X86_64 } from "./abi";
import { i386SyscallTable } from "./i386-syscall-table";
import type { SyscallRow } from "./syscall-row";
import { sysCallTable } from "./syscall-table";

export interface CallTable {
  /** By number; undefined where there is no call. */
  rows(): readonly (SyscallRow | undefined)[];
  /** Of numbers without a row. */
  abi: Abi;
  /** pt_regs offsets of arguments 0 to 5. */
  arguments: readonly number[];
  /** Number of restart_syscall. */
  restartSyscall: number;
}

/** R10 stands in for RCX, which SYSCALL has overwritten. */
export const NATIVE_CALLS: CallTable = {
  rows: () => sysCallTable, abi: X86_64, arguments: [PT_DI, PT_SI, PT_DX, PT_R10, PT_R8, PT_R9], restartSyscall: 219,
};
export const I386_CALLS: CallTable = {
  rows: i386SyscallTable, abi: I386, arguments: [PT_BX, PT_CX, PT_DX, PT_SI, PT_DI, PT_BP], restartSyscall: 0,
};
