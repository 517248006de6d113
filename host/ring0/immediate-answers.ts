// Answers exceptions and interrupts at once, where Linux would send a signal or look at its timers: what is left of such a crossing is the
// way in and the way back. Stands, like CrossingMeter, between Ring0.dispatch() and the hooks. System calls and all else go
// on to the hooks.

import { EXIT_BUDGET } from "../../kernel/abi/exit-reasons";
import { CPL, NO_VECTOR, PENDING_INTERRUPT, PENDING_NMI } from "../../kernel/abi/state";
import { VECTOR_NMI, VECTOR_TIMER } from "../../kernel/abi/vectors";
import type { Machine } from "../machine/machine";
import type { Ring0Hooks } from "./hypercall";
import type { Ring0 } from "./ring0";

export class ImmediateAnswers {
  /** Does `skip` hold? Off at first: the pages that a program starts with come by #PF too. */
  skipping = false;
  /** An exception of user code with this vector goes on `bytes` behind where it was met: 0 behind a trap, the instruction's length behind a fault. */
  readonly #skip: { vector: number; bytes: number } | undefined;
  readonly #ring0: Ring0;
  #raises = { vector: NO_VECTOR, left: 0 };
  /**
   * The first is raised in user mode. The others find it by themselves: interrupts and NMIs are both held back until the IRETQ that
   * goes there.
   */
  #waiting = false;

  constructor(ring0: Ring0, skip?: { vector: number; bytes: number }) {
    this.#ring0 = ring0;
    this.#skip = skip;
    const hypercall = ring0.hypercall.bind(ring0);
    ring0.hypercall = (hooks) => hypercall(this.#before(hooks));
    const machine = ring0.machine as Machine;
    const run = machine.run.bind(machine);
    machine.run = (budget) => this.#run(run, budget);
  }

  /** Raises VECTOR_TIMER or VECTOR_NMI when user code runs, and again as soon as it has been answered, `times` in all; those that are left from before are dropped. */
  raise(vector: number, times: number): void {
    this.#raises = { vector, left: times };
    this.#waiting = times > 0;
  }

  #run(run: (budget: number) => number, budget: number): number {
    const { registers } = this.#ring0.machine;
    for (let left = budget; this.#waiting && left > 0; left--) {
      if (registers.getWord(CPL) === 3) {
        this.#waiting = false;
        this.#raiseNext();
        return run(left);
      }
      const reason = run(1);
      if (reason !== EXIT_BUDGET) return reason;
    }
    return this.#waiting ? EXIT_BUDGET : run(budget);
  }

  #raiseNext(): void {
    if (this.#raises.left === 0) return;
    this.#raises.left--;
    const { registers } = this.#ring0.machine;
    if (this.#raises.vector === VECTOR_NMI) registers.setWord(PENDING_NMI, 1);
    else registers.setWord(PENDING_INTERRUPT, VECTOR_TIMER);
  }

  #before(hooks: Ring0Hooks): Ring0Hooks {
    const mine = (vector: number): boolean => vector === this.#raises.vector;
    return {
      syscall: (regs) => hooks.syscall(regs),
      syscall32: (regs, door) => hooks.syscall32(regs, door),
      exitToUserMode: (regs) => hooks.exitToUserMode?.(regs),
      exception: (regs, vector, errorCode) => {
        if (mine(vector)) return this.#raiseNext();
        if (!this.skipping || vector !== this.#skip?.vector || !regs.userMode) return hooks.exception(regs, vector, errorCode);
        regs.ip += this.#skip.bytes;
      },
      interrupt: (regs, vector) => (mine(vector) ? this.#raiseNext() : hooks.interrupt(regs, vector)),
    };
  }
}
