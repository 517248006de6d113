// What the CPU has counted of its own work, and how an embedder's WebAssembly is compiled: for those who measure.
// Read between two runs of the machine.

import { COUNT_CR3_WRITE, COUNT_TLB_MISS, COUNT_WALK_LOAD, RETIRED } from "../../kernel/abi/state";
import type { Machine } from "./machine";

/** Since the machine's reset; each only ever counted up (kernel/abi/state.ts). */
export interface Counters {
  /** Instructions retired, at every privilege. */
  instructions: number;
  cr3Writes: number;
  tlbMisses: number;
  /** Page-table entries that page walks have read. */
  walkLoads: number;
}

export function counters({ registers }: Pick<Machine, "registers">): Counters {
  return {
    instructions: registers.get(RETIRED),
    cr3Writes: registers.get(COUNT_CR3_WRITE),
    tlbMisses: registers.get(COUNT_TLB_MISS),
    walkLoads: registers.get(COUNT_WALK_LOAD),
  };
}

/** A module that is none of ours, for a host that is not this machine (@wasmer/wasi). @throws WebAssembly.CompileError */
export function compileModule(bytes: Uint8Array): Promise<WebAssembly.Module> {
  return WebAssembly.compile(bytes as BufferSource);
}
