// What else only i386 has: names of the system in smaller structs, nice, stime, waitpid (Linux kernel/sys.c, kernel/time/time.c,
// kernel/exit.c). Entered from entry-common.ts by i386-syscall-table.ts.

import { EINVAL, ENODEV, EPERM } from "../errno";
import type { Task } from "../task";
import { sysGetpriority, sysSetpriority } from "./scheduling";
import { sysWait4 } from "./process";
import { unameFields } from "./system";

export function sysWaitpid(task: Task, pid: number, status: number, options: number): number {
  return sysWait4(task, pid, status, options);
}

/** Seconds since 1970 become the wall clock's. */
export function sysStime(task: Task, address: number): number {
  const sec = task.mm.getI32(address);
  if (sec < 0) return -EINVAL;
  if (task.creds.euid !== 0) return -EPERM;
  task.kernel.clock.setRealtime({ sec, nsec: 0 });
  task.kernel.timers.clockWasSet();
  return 0;
}

const PRIO_PROCESS = 0;

export function sysNice(task: Task, increment: number): number {
  const step = Math.max(-40, Math.min(40, increment));
  const nice = 20 - sysGetpriority(task, PRIO_PROCESS, 0) + step;
  const result = sysSetpriority(task, PRIO_PROCESS, 0, nice);
  return result < 0 ? -EPERM : 0;
}

/** Five fields, without the domain. @param width of a field; longer names are cut */
function putNames(task: Task, address: number, width: number): number {
  const bytes = new Uint8Array(5 * width);
  unameFields(task).slice(0, 5).forEach((text, field) => {
    for (let i = 0; i < Math.min(text.length, width - 1); i++) bytes[field * width + i] = text.charCodeAt(i);
  });
  task.mm.copyToUser(address, bytes);
  return 0;
}

const OLD_UTS_FIELD = 65;
const OLDOLD_UTS_FIELD = 9;

export function sysOlduname(task: Task, address: number): number {
  return putNames(task, address, OLD_UTS_FIELD);
}
export function sysOldolduname(task: Task, address: number): number {
  return putNames(task, address, OLDOLD_UTS_FIELD);
}

const ARCH_GET_CPUID = 0x1011;
const ARCH_SET_CPUID = 0x1012;

/** Only what has nothing to do with 64-bit segment bases (Linux do_arch_prctl_common). */
export function sysArchPrctlCompat(_task: Task, option: number): number {
  if (option === ARCH_GET_CPUID) return 1;
  return option === ARCH_SET_CPUID ? -ENODEV : -EINVAL; // this CPU has no CPUID faulting
}
