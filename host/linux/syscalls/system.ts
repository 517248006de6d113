// The system as a whole: its name, its memory, its load, its randomness.

import { EFAULT, EINVAL, EPERM, Errno } from "../errno";
import { PER_LINUX32, PER_MASK } from "../personality";
import type { Task } from "../task";
import { latin1 } from "../uaccess";
import { SYSINFO } from "../uapi-structs";
import { type Block, NO_QUEUE, block } from "../wait";

//   struct new_utsname: six fields of 65 bytes, zero-terminated
const UTS_FIELD = 65;

/** System, node, release, version, machine and domain, as the task's personality has them. */
export function unameFields(task: Task): string[] {
  const { uts } = task.kernel;
  const machine = (task.personality & PER_MASK) === PER_LINUX32 ? "i686" : uts.machine;
  return [uts.sysname, uts.nodename, uts.release, uts.version, machine, uts.domainname];
}

export function sysUname(task: Task, address: number): number {
  const bytes = new Uint8Array(6 * UTS_FIELD);
  unameFields(task).forEach((text, field) => {
    for (let i = 0; i < text.length; i++) bytes[field * UTS_FIELD + i] = text.charCodeAt(i);
  });
  task.mm.copyToUser(address, bytes);
  return 0;
}

function nameFrom(task: Task, address: number, length: number): string {
  if (task.creds.euid !== 0) throw new Errno(EPERM);
  if (length < 0 || length >= UTS_FIELD) throw new Errno(EINVAL);
  return latin1(task.mm.copyFromUser(address, length));
}

export function sysSethostname(task: Task, address: number, length: number): number {
  task.kernel.uts.nodename = nameFrom(task, address, length);
  return 0;
}
export function sysSetdomainname(task: Task, address: number, length: number): number {
  task.kernel.uts.domainname = nameFrom(task, address, length);
  return 0;
}

export function sysSysinfo(task: Task, address: number): number {
  const { kernel } = task;
  const { totalBytes, freeBytes } = kernel.memory();
  SYSINFO.put(task, address, {
    // Linux rounds a started second up.
    uptime: Math.ceil(kernel.clock.monotonicNs() / 1e9), totalram: totalBytes, freeram: freeBytes, procs: kernel.tasks.size, mem_unit: 1,
  });
  return 0;
}

const GRND_NONBLOCK = 1;
const GRND_RANDOM = 2;
const GRND_INSECURE = 4;
const PIECE = 65536;
const COUNT_MAX = 0x7fffffff;

/** Bytes made before signals and the time limit have their say. */
const GETRANDOM_PIECE = 1 << 24;

export function sysGetrandom(task: Task, address: number, count: number, flags: number): number | Block {
  if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) return -EINVAL;
  if ((flags & (GRND_RANDOM | GRND_INSECURE)) === (GRND_RANDOM | GRND_INSECURE)) return -EINVAL;
  const wanted = Math.min(count, COUNT_MAX);
  task.mm.accessOk(address, wanted);
  let done = typeof task.progress === "number" ? task.progress : 0;
  const pause = done + GETRANDOM_PIECE;
  while (done < wanted) {
    if (done >= pause) {
      task.progress = done;
      return block(NO_QUEUE, task.kernel.clock.monotonicNs(), done);
    }
    const piece = Math.min(PIECE, wanted - done);
    try {
      task.mm.copyToUser(address + done, task.kernel.rng.bytes(piece));
    } catch (error) {
      if (error instanceof Errno && error.code === EFAULT && done > 0) return done;
      throw error;
    }
    done += piece;
  }
  return done;
}

/** One CPU, one memory node. */
export function sysGetcpu(task: Task, cpu: number, node: number): number {
  if (cpu !== 0) task.mm.putU32(cpu, 0);
  if (node !== 0) task.mm.putU32(node, 0);
  return 0;
}

const SYSLOG_ACTION_READ_ALL = 3;
const SYSLOG_ACTION_SIZE_BUFFER = 10;

/** An empty kernel log: its size is Linux's default, its content none. */
export function sysSyslog(task: Task, action: number, address: number, length: number): number {
  if (action === SYSLOG_ACTION_SIZE_BUFFER) return 1 << 18;
  if (action !== SYSLOG_ACTION_READ_ALL) {
    task.kernel.noticeOnce(`syslog action ${action} is not built, -EINVAL`);
    return -EINVAL;
  }
  return address === 0 || length < 0 ? -EINVAL : 0;
}

