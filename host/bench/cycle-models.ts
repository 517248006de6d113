// What a crossing would cost on real processors: a price list for each microarchitecture, multiplied with the exact counts of
// crossings-counts.ts. A model, no measurement: it knows the instructions that are dear for being what they are, and takes all
// others at one price, everything in the L1 caches, every branch predicted. The handler itself, which here is TypeScript, is not in it.
//
// Where the prices come from, by the letter behind each:
//
//   B  J. Behrens, A. Belay, M. F. Kaashoek: "Performance Evolution of Mitigating Transient Execution Attacks", EuroSys 2022,
//      doi 10.1145/3492321.3519559, table of cycles of SYSCALL, SYSRET and of a CR3 switch by processor
//   A  Agner Fog: "Instruction tables" and "The microarchitecture of Intel, AMD and VIA CPUs", https://www.agner.org/optimize/
//   I  Intel 64 and IA-32 Architectures Optimization Reference Manual, latencies of the caches; AMD Software Optimization Guides
//      for families 17h and 19h
//   P  Linux Documentation/x86/pti.rst: "Moves to CR3 are on the order of a hundred cycles"
//   E  our estimate, where none of these has a figure
//
// The figures under B, A and I were written down without the publications at hand: orders of magnitude until somebody has held
// each against its source. Nothing but the modelled column rests on them.

import type { DearInstruction } from "../index";
import type { RowCounts } from "./crossings-counts";

type Source = "B" | "A" | "I" | "P" | "E";
/** Cycles, and who says so. */
type Price = readonly [cycles: number, source: Source];

export interface CycleModel {
  name: string;
  title: string;
  /** An instruction that is not dear. */
  ordinary: Price;
  /** What a TLB miss costs beside the loads of its walk: the look-up in the second-level TLB that missed too. */
  tlbMiss: Price;
  /** One page-table entry, from the second-level cache. */
  walkLoad: Price;
  dear: Record<DearInstruction, Price>;
}

/** Prices that nobody gives per processor, or that hardly differ. */
const EVERYWHERE = {
  // Entry code is pushes, pops and moves: a PUSH a cycle, two POPs (A); half a cycle is a fair mean.
  ordinary: [0.5, "E"],
  dear: {
    swapgs: [20, "E"],
    readCr3: [10, "E"],
    int: [150, "E"],
    sysenter: [50, "E"],
    iret: [100, "E"],
    lsl: [40, "E"],
    // CALL do_syscall_64
    hypercall: [2, "E"],
  },
} as const satisfies { ordinary: Price; dear: Partial<CycleModel["dear"]> };

interface ModelRow {
  name: string;
  title: string;
  syscall: Price;
  sysret: Price;
  writeCr3: Price;
  rdtsc: Price;
  lfence: Price;
  walkLoad: Price;
  tlbMiss: Price;
}

// Processors from Ice Lake on, and AMD's, are not open to Meltdown and run without PTI; their CR3 price matters only to the rows
// that have it on.
const ROWS: readonly ModelRow[] = [
  { name: "broadwell", title: "Intel Broadwell", syscall: [49, "B"], sysret: [40, "B"], writeCr3: [206, "B"], rdtsc: [24, "A"], lfence: [5, "A"], walkLoad: [12, "I"], tlbMiss: [7, "I"] },
  { name: "skylake", title: "Intel Skylake", syscall: [42, "B"], sysret: [42, "B"], writeCr3: [191, "B"], rdtsc: [25, "A"], lfence: [4, "A"], walkLoad: [12, "I"], tlbMiss: [9, "I"] },
  { name: "icelake", title: "Intel Ice Lake", syscall: [21, "B"], sysret: [29, "B"], writeCr3: [100, "P"], rdtsc: [25, "E"], lfence: [6, "E"], walkLoad: [13, "I"], tlbMiss: [9, "I"] },
  { name: "zen", title: "AMD Zen", syscall: [63, "B"], sysret: [53, "B"], writeCr3: [100, "P"], rdtsc: [36, "A"], lfence: [8, "E"], walkLoad: [17, "I"], tlbMiss: [7, "E"] },
  { name: "zen2", title: "AMD Zen 2", syscall: [53, "B"], sysret: [46, "B"], writeCr3: [100, "P"], rdtsc: [36, "A"], lfence: [8, "E"], walkLoad: [12, "I"], tlbMiss: [7, "E"] },
  { name: "zen3", title: "AMD Zen 3", syscall: [83, "B"], sysret: [55, "B"], writeCr3: [100, "P"], rdtsc: [37, "A"], lfence: [8, "E"], walkLoad: [12, "I"], tlbMiss: [7, "E"] },
];

export const CYCLE_MODELS: readonly CycleModel[] = ROWS.map(({ name, title, walkLoad, tlbMiss, ...dear }) => ({
  name, title, walkLoad, tlbMiss, ordinary: EVERYWHERE.ordinary, dear: { ...EVERYWHERE.dear, ...dear },
}));

export const DEFAULT_MODEL = "skylake";

/** Cycles of one call with these counts. */
export function modelledCycles(model: CycleModel, counts: RowCounts): number {
  let ordinary = counts.instructions;
  let cycles = counts.tlbMisses * model.tlbMiss[0] + counts.walkLoads * model.walkLoad[0];
  for (const [name, count] of Object.entries(counts.dear)) {
    ordinary -= count;
    cycles += count * model.dear[name as DearInstruction][0];
  }
  return cycles + ordinary * model.ordinary[0];
}
