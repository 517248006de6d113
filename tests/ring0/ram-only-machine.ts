// A machine without a CPU: guest RAM and a CPU block, for tests of what boot and the page tables leave there.

import { PhysMemory } from "../../host/machine/phys-memory";
import { Registers } from "../../host/machine/registers";
import { CPU_BLOCK_SIZE } from "../../kernel/abi/layout";
import type { Ring0Machine } from "../../host/ring0/ring0";

export interface RamOnlyMachine extends Ring0Machine {
  /** What was invalidated, in order; "all" for a flush. */
  invalidated: (number | "all")[];
}

export function ramOnlyMachine(ramBytes: number = 16 * 1024 * 1024): RamOnlyMachine {
  const invalidated: (number | "all")[] = [];
  return {
    phys: new PhysMemory(new ArrayBuffer(ramBytes), 0, ramBytes),
    registers: new Registers(new ArrayBuffer(CPU_BLOCK_SIZE), 0),
    run: () => {
      throw new Error("this machine has no CPU");
    },
    flushTlb: () => void invalidated.push("all"),
    invlpg: (linear) => void invalidated.push(linear),
    invalidated,
  };
}
