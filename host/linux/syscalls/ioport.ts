// ioperm and iopl: ports for user code (Linux arch/x86/kernel/ioport.c). There is no device behind any port.

import { IO_PORTS } from "../../ring0/io-bitmap";
import { EINVAL, EPERM } from "../errno";
import type { Task } from "../task";

/** CAP_SYS_RAWIO */
function mayUsePorts(task: Task): boolean {
  return task.creds.euid === 0;
}

export function sysIoperm(task: Task, from: number, count: number, turnOn: number): number {
  if (from + count <= from || from + count > IO_PORTS) return -EINVAL;
  if (turnOn !== 0 && !mayUsePorts(task)) return -EPERM;
  task.kernel.ring0.setPorts(from, count, turnOn !== 0);
  return 0;
}

export function sysIopl(task: Task, level: number): number {
  const { ports } = task.stack;
  if (level > 3) return -EINVAL;
  if (level > ports.level && !mayUsePorts(task)) return -EPERM;
  task.kernel.ring0.ioplLevel = level;
  return 0;
}
