// A task without a machine: user memory is a plain array, so that the file calls can be tested by themselves.
// Strings among the arguments are put into user memory first; results are what regs.ax would hold.

import type { PhysMemory } from "../../../host/machine/phys-memory";
import { X86_64 } from "../../../host/linux/abi";
import { Errno, UserFault } from "../../../host/linux/errno";
import { Limits } from "../../../host/linux/limits";
import type { Task } from "../../../host/linux/task";
import { UserMemory, bytesOf, latin1 } from "../../../host/linux/uaccess";
import { Block } from "../../../host/linux/wait";
import { FdTable } from "../../../host/linux/vfs/fd-table";
import { Vfs, type VfsOptions } from "../../../host/linux/vfs/vfs";

export const MEMORY = 1 << 20;
/** User pages from here on are not mapped. */
export const BAD = MEMORY;
const STRINGS = 0x1000;
export const BUFFER = 0x10000;

class FlatMemory extends UserMemory {
  constructor() {
    const u8 = new Uint8Array(MEMORY);
    const phys = {
      u8,
      u32: new Uint32Array(u8.buffer),
      read: (pa: number, length: number) => u8.slice(pa, pa + length),
      view: (pa: number, length: number) => u8.subarray(pa, pa + length),
      write: (pa: number, bytes: Uint8Array) => u8.set(bytes, pa),
      fill: (pa: number, length: number, value: number) => u8.fill(value, pa, pa + length),
    };
    super(phys as unknown as PhysMemory);
  }
  translate(address: number): number {
    if (address < 0x1000 || address >= MEMORY) throw new UserFault(address);
    return address;
  }
  maps(): string {
    return "00400000-00401000 r-xp 00000000 00:00 0\n";
  }
}

type Handler = (task: Task, ...args: number[]) => number | Block;

export function rig(options: Partial<VfsOptions> = {}, uid = 0) {
  let seconds = 1_700_000_000;
  const signals: number[] = [];
  let monotonic = 0;
  const kernel = {
    vfs: new Vfs({ now: () => ({ sec: seconds++, nsec: 5 }), ...options }),
    clock: { monotonicNs: () => monotonic },
    rng: { bytes: (n: number) => new Uint8Array(n).fill(7) },
    signals: {
      raise: (_task: Task, signal: number) => signals.push(signal), hasDeliverable: () => false, setTemporaryMask() {}, restoreMask() {},
    },
  };
  const memory = new FlatMemory();
  const root = kernel.vfs.root;
  const task = {
    kernel, pid: 42, ppid: 1, comm: "test", mm: memory, files: new FdTable(), fs: { root, cwd: root, umask: 0o022 },
    creds: { uid, euid: uid, suid: uid, fsuid: uid, gid: uid, egid: uid, sgid: uid, fsgid: uid, groups: [] },
    limits: new Limits(), progress: null, exeFile: null, abi: X86_64, wakeUp() {},
  } as unknown as Task;
  for (const file of kernel.vfs.openStandardStreams()) task.files.install(file, false, 1024);

  /** One run of a handler; task.progress is left as the handler leaves it. */
  function again(handler: Handler, ...args: (number | string)[]): number | Block {
    let at = STRINGS;
    const numbers = args.map((arg) => {
      if (typeof arg === "number") return arg;
      const place = at;
      memory.copyToUser(place, bytesOf(`${arg}\0`));
      at += arg.length + 1;
      return place;
    });
    try {
      return handler(task, ...numbers);
    } catch (error) {
      if (error instanceof Errno) return -error.code;
      throw error;
    }
  }
  /** A whole system call. */
  function call(handler: Handler, ...args: (number | string)[]): number | Block {
    task.progress = null;
    const result = again(handler, ...args);
    if (!(result instanceof Block)) task.progress = null;
    return result;
  }
  return {
    task, kernel, call, again, signals, memory,
    advance: (ns: number) => (monotonic += ns),
    put: (address: number, text: string) => memory.copyToUser(address, bytesOf(text)),
    text: (address: number, length: number) => latin1(memory.copyFromUser(address, length)),
  };
}
export type Rig = ReturnType<typeof rig>;
export { Block };
