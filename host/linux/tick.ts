// The local timer: when the next thing by the clock is due, the interrupt that says so, and what its handler does (Linux
// tick_handle_periodic, hrtimer_interrupt). Entered from kernel.ts around each slice, and from the hook of vector 0xec, which
// asm_sysvec_apic_timer_interrupt reaches through the IDT on the IRQ stack.
//
// Under the virtual clock, where a nanosecond is an instruction, the slice ends exactly where the next event is due, and the
// interrupt is taken before the next instruction that has IF set. Under the host's clock it is looked at between two slices.

import { PENDING_INTERRUPT } from "../../kernel/abi/state";
import { VECTOR_TIMER } from "../../kernel/abi/vectors";
import { TICK_NS } from "./clock";
import type { Kernel } from "./kernel";

export class Tick {
  /** CLOCK_MONOTONIC of the next jiffy; the clocks that user code reads without us go by it. -1 until something has run. */
  private jiffyNs = -1;

  constructor(private readonly kernel: Kernel) {}

  /** When the next of all events is due. `running`: a task is on the CPU, so jiffies and CPU timers count. */
  nextNs(running: boolean): number {
    const { kernel } = this;
    let next = kernel.timers.next(running);
    for (const task of kernel.tasks.values()) next = Math.min(next, task.deadlineNs);
    return running ? Math.min(next, this.jiffyNs) : next;
  }

  /** Before a slice of at most `slice` instructions: raises the interrupt if it is due; answers how many may run until it is. */
  begin(slice: number): number {
    const { clock } = this.kernel;
    const now = clock.monotonicNs();
    if (this.jiffyNs < 0) this.jiffyNs = nextJiffy(now);
    const next = this.nextNs(true);
    if (next <= now) {
      this.kernel.machine.registers.setWord(PENDING_INTERRUPT, VECTOR_TIMER);
      return slice;
    }
    return clock.virtual ? Math.min(slice, Math.ceil(next - now)) : slice;
  }

  /** Something may be due sooner than the slice that is running ends. */
  reprogram(): void {
    const { clock, ring0 } = this.kernel;
    if (!clock.virtual || clock.sliceStartNs < 0) return;
    ring0.shortenBudget(Math.max(0, Math.ceil(this.nextNs(true) - clock.monotonicNs())));
  }

  /** The handler; also called in place of the interrupt while no task runs. */
  service(): void {
    const { kernel } = this;
    const now = kernel.clock.tick();
    this.jiffyNs = nextJiffy(now);
    kernel.timers.expire();
    for (const task of kernel.tasks.values()) if (task.deadlineNs <= now) task.wakeUp();
    this.reprogram();
  }
}

function nextJiffy(now: number): number {
  return now - (now % TICK_NS) + TICK_NS;
}
