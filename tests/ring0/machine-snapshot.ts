// The state of a booted machine that a crossing changes: the CPU block, and the pages that the entry code and the CPU's event
// delivery write. Taking it and going back costs microseconds, so a test can try thousands of things at one instruction.

import type { Guest } from "./crossing-guest";
import {
  CEA_ENTRY_STACK, EXCEPTION_STACK_SIZE, EXCEPTION_STACKS, IRQ_STACK_TOP, KERNEL_STACK_SIZE, PER_CPU_CPU_TSS_RW, PHYS_PER_CPU,
} from "../../host/ring0/layout";
import { PAGE_SIZE } from "../../host/machine/phys-memory";
import { CR3 } from "../../kernel/abi/state";

/** Registers of the CPU block; behind them are counters and what CPUID says. */
const BLOCK_BYTES = 0x6c0;

/** Physical address of a kernel address with a 4 KiB page. */
export function physicalOf(guest: Guest, linear: number): number {
  const at = guest.ring0.tables.pte(guest.ring0.bootRoot, linear);
  const entry = at < 0 ? 0 : guest.machine.phys.u32[at]!;
  if ((entry & 1) === 0) throw new Error(`no page at ${linear}`);
  return ((entry & ~0xfff) >>> 0) + (linear & 0xfff);
}

/** The pages that a crossing writes; of the big stacks the top one. */
function writtenPages(guest: Guest, userPages: readonly number[]): number[] {
  const stacks = EXCEPTION_STACKS.flatMap(({ bottom }) => Array.from({ length: EXCEPTION_STACK_SIZE / PAGE_SIZE }, (_, page) => bottom + page * PAGE_SIZE));
  const tops = [IRQ_STACK_TOP, guest.ring0.current!.top].map((top) => top - PAGE_SIZE);
  return [
    PHYS_PER_CPU, PHYS_PER_CPU + PER_CPU_CPU_TSS_RW,
    ...[CEA_ENTRY_STACK, ...stacks, ...tops].map((linear) => physicalOf(guest, linear)),
    ...userPages,
  ];
}

export class Snapshot {
  readonly #guest: Guest;
  readonly #pages: readonly Uint8Array[];
  readonly #saved: readonly Uint8Array[];
  /** The CPU block as save() found it. */
  readonly block = new Uint32Array(BLOCK_BYTES / 4);
  readonly #live: Uint32Array;

  /** @param userPages physical addresses of pages that the program writes */
  constructor(guest: Guest, userPages: readonly number[] = []) {
    this.#guest = guest;
    this.#live = guest.machine.registers.u32.subarray(0, BLOCK_BYTES / 4);
    this.#pages = writtenPages(guest, userPages).map((pa) => guest.machine.phys.u8.subarray(pa, pa + PAGE_SIZE));
    this.#saved = this.#pages.map((page) => page.slice());
    this.save();
  }

  save(): void {
    this.block.set(this.#live);
    for (const [i, page] of this.#pages.entries()) this.#saved[i]!.set(page);
  }

  restore(): void {
    const { ring0, machine } = this.#guest;
    // With PCID the TLB tells the two halves apart by CR3; without, only a write to CR3 by an instruction would have flushed it.
    const flush = !ring0.options.pcid && this.#live[CR3 >>> 2] !== this.block[CR3 >>> 2];
    this.#live.set(this.block);
    for (let i = 0; i < this.#pages.length; i++) this.#pages[i]!.set(this.#saved[i]!);
    if (flush) machine.flushTlb();
  }
}

/** A pattern at the far end of every stack, which nobody may have reached. */
export class StackCanaries {
  readonly #words: Uint32Array[];

  constructor(guest: Guest) {
    const bottoms = [
      CEA_ENTRY_STACK, ...EXCEPTION_STACKS.map((stack) => stack.bottom), IRQ_STACK_TOP - KERNEL_STACK_SIZE, guest.ring0.current!.top - KERNEL_STACK_SIZE,
    ];
    this.#words = bottoms.map((linear) => {
      const at = physicalOf(guest, linear) >>> 2;
      return guest.machine.phys.u32.subarray(at, at + 16);
    });
    for (const words of this.#words) words.fill(0xc0ffee11);
  }

  get intact(): boolean {
    return this.#words.every((words) => words.every((word) => word === 0xc0ffee11));
  }
}
