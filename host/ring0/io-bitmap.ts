// The I/O permission bitmap of the TSS (Linux arch/x86/kernel/ioport.c and process.c): which ports the current task may use at CPL 3.
//
// One TSS serves all tasks, and a task's bitmap is copied into it only when that task comes to run and the TSS has another one's, or
// an older state of its own. For tasks without any right the base points past the TSS's limit, and what lies in the bitmap is stale.
// Called from ring0.ts.
//
//   cpu_tss_rw  +0x0000  TSS of the hardware
//               +0x0070  bitmap   8192 bytes, bit clear = allowed, and a word of ones behind it
//               +0x2078  mapall   as many zeros: for iopl(3)
//               +0x4080

import type { PhysMemory } from "../machine/phys-memory";
import { IO_BITMAP_BYTES, IO_BITMAP_OFFSET_INVALID, IO_BITMAP_OFFSET_VALID_ALL, IO_BITMAP_OFFSET_VALID_MAP, TSS_IO_MAP_BASE } from "./descriptors";
import { PER_CPU_CPU_TSS_RW, PHYS_PER_CPU } from "./layout";

const TSS = PHYS_PER_CPU + PER_CPU_CPU_TSS_RW;

/** Ports there are. */
export const IO_PORTS = 65536;

/** A task's rights to ports. */
export class IoPermissions {
  /** iopl(level): 3 is every port. */
  level = 0;
  /** One bit a port, 0 = allowed; null until the first is. */
  #bitmap: Uint8Array | null = null;
  /** Bytes from the start of the bitmap that have a bit clear, rounded up to words. */
  #max = 0;
  /** Another number for each state of any task's bitmap. */
  #sequence = 0;

  get any(): boolean {
    return this.level === 3 || this.#bitmap !== null;
  }

  /** ioperm: `from` and `count` are within IO_PORTS. */
  set(from: number, count: number, allow: boolean, sequence: number): void {
    if (this.#bitmap === null && !allow) return;
    const bitmap = (this.#bitmap ??= new Uint8Array(IO_BITMAP_BYTES).fill(0xff));
    for (let port = from; port < from + count; port++) {
      if (allow) bitmap[port >>> 3]! &= ~(1 << (port & 7));
      else bitmap[port >>> 3]! |= 1 << (port & 7);
    }
    let last = IO_BITMAP_BYTES;
    while (last > 0 && bitmap[last - 1] === 0xff) last--;
    this.#max = Math.ceil(last / 8) * 8;
    this.#sequence = sequence;
    if (last === 0) this.#bitmap = null;
  }

  copyFrom(other: IoPermissions): void {
    this.level = other.level;
    this.#bitmap = other.#bitmap === null ? null : other.#bitmap.slice();
    this.#max = other.#max;
    this.#sequence = other.#sequence;
  }

  /** Of the task: the bitmap, how much of it counts, its state's number. */
  get state(): { bitmap: Uint8Array | null; max: number; sequence: number } {
    return { bitmap: this.#bitmap, max: this.#max, sequence: this.#sequence };
  }
}

/** What the TSS holds. */
export class TssIoBitmap {
  #sequence = 0;
  /** Bytes at the start of the bitmap that may have a bit clear. */
  #max = 0;
  #next = 1;

  constructor(private readonly phys: PhysMemory) {}

  /** A number for a new state of some task's bitmap. */
  nextSequence(): number {
    return this.#next++;
  }

  /** Makes the TSS that of a task (Linux tss_update_io_bitmap). */
  update(task: IoPermissions): void {
    this.phys.u16[(TSS + TSS_IO_MAP_BASE) >>> 1] = this.#baseFor(task);
  }

  #baseFor(task: IoPermissions): number {
    if (task.level === 3) return IO_BITMAP_OFFSET_VALID_ALL;
    const { bitmap, max, sequence } = task.state;
    if (bitmap === null) return IO_BITMAP_OFFSET_INVALID;
    if (sequence !== this.#sequence) {
      // As far as the one or the other has something: behind that both are all ones.
      this.phys.u8.set(bitmap.subarray(0, Math.max(max, this.#max)), TSS + IO_BITMAP_OFFSET_VALID_MAP);
      this.#max = max;
      this.#sequence = sequence;
    }
    return IO_BITMAP_OFFSET_VALID_MAP;
  }
}
