// mmap by i386's two calls (Linux mm/mmap.c, arch/x86/kernel/sys_ia32.c ia32_mmap). Entered from entry-common.ts by i386-syscall-table.ts.

import { EINVAL } from "../errno";
import type { Task } from "../task";
import { PAGE_SIZE } from "../uapi-mman";
import { MMAP_ARGUMENTS } from "../uapi-structs";
import { sysMmap } from "./memory";

/** The offset is in pages, so that files of 16 TiB can be mapped. */
export function sysMmap2(task: Task, address: number, length: number, prot: number, flags: number, fd: number, page: number): number {
  return sysMmap(task, address, length, prot, flags, fd, (page >>> 0) * PAGE_SIZE);
}

/** The first mmap: one argument, that points to the six. */
export function sysOldMmap(task: Task, pointer: number): number {
  const { addr, len, prot, flags, fd, offset } = MMAP_ARGUMENTS.get(task, pointer);
  if (offset % PAGE_SIZE !== 0) return -EINVAL;
  return sysMmap(task, addr, len, prot, flags, fd, offset);
}
