// Counts instructions one by one: how many at ring 3, how many at ring 0, and how many of each kind that costs a processor more than an
// ordinary one. Stands, like Crossing, between Ring0.dispatch() and Machine.run(); slow, and meant for a few thousand instructions.

import { EXIT_BUDGET } from "../../kernel/abi/exit-reasons";
import { CPL, CR3, RETIRED, RIP } from "../../kernel/abi/state";
import type { Machine } from "../machine/machine";
import { PTE_FRAME_MASK } from "./page-tables";
import type { Ring0 } from "./ring0";

/** Instructions with a price of their own. `hypercall` stands where Linux has a CALL into C. */
export const DEAR_INSTRUCTIONS = [
  "syscall", "sysret", "sysenter", "int", "iret", "swapgs", "readCr3", "writeCr3", "rdtsc", "lfence", "lsl", "hypercall",
] as const;
export type DearInstruction = (typeof DEAR_INSTRUCTIONS)[number];

export interface StepCounts {
  user: number;
  kernel: number;
  dear: Record<DearInstruction, number>;
}

const LONGEST = 4;

/** Encodings behind a REX prefix, SDM Vol. 2; `reg` is ModRM.reg where it is part of the opcode. */
const ENCODINGS: readonly { name: DearInstruction; bytes: readonly number[]; reg?: number }[] = [
  { name: "syscall", bytes: [0x0f, 0x05] },
  { name: "sysret", bytes: [0x0f, 0x07] },
  { name: "sysenter", bytes: [0x0f, 0x34] },
  { name: "int", bytes: [0xcd] },
  { name: "iret", bytes: [0xcf] },
  { name: "swapgs", bytes: [0x0f, 0x01, 0xf8] },
  { name: "readCr3", bytes: [0x0f, 0x20], reg: 3 },
  { name: "writeCr3", bytes: [0x0f, 0x22], reg: 3 },
  { name: "rdtsc", bytes: [0x0f, 0x31] },
  { name: "lfence", bytes: [0x0f, 0xae, 0xe8] },
  { name: "lsl", bytes: [0x0f, 0x03] },
  { name: "hypercall", bytes: [0x0f, 0x01, 0xc1] },
];

function dearInstruction(bytes: readonly number[]): DearInstruction | undefined {
  const code = (bytes[0]! & 0xf0) === 0x40 ? bytes.slice(1) : bytes;
  return ENCODINGS.find(
    (row) => row.bytes.every((byte, i) => code[i] === byte) && (row.reg === undefined || ((code[row.bytes.length]! >> 3) & 7) === row.reg),
  )?.name;
}

export function noSteps(): StepCounts {
  return { user: 0, kernel: 0, dear: Object.fromEntries(DEAR_INSTRUCTIONS.map((name) => [name, 0])) as StepCounts["dear"] };
}

export class InstructionSteps {
  /** Of what has run since `counting` was set. */
  counts: StepCounts = noSteps();
  /** Single-step and count, or run at full speed. */
  counting = false;
  readonly #ring0: Ring0;
  readonly #machine: Machine;

  constructor(ring0: Ring0) {
    this.#ring0 = ring0;
    this.#machine = ring0.machine as Machine;
    const run = this.#machine.run.bind(this.#machine);
    this.#machine.run = (budget) => this.#run(run, budget);
  }

  #run(run: (budget: number) => number, budget: number): number {
    if (!this.counting) return run(budget);
    const { registers } = this.#machine;
    for (let left = budget; left > 0; left--) {
      const user = registers.getWord(CPL) === 3;
      const code = this.#code(registers.getLinear(RIP));
      const before = registers.lo(RETIRED);
      const reason = run(1);
      // A fault, or an interrupt taken in its place, retires nothing.
      if (registers.lo(RETIRED) !== before) {
        if (user) this.counts.user++;
        else this.counts.kernel++;
        const dear = dearInstruction(code);
        if (dear !== undefined) this.counts.dear[dear]++;
      }
      if (reason !== EXIT_BUDGET) return reason;
    }
    return EXIT_BUDGET;
  }

  #code(address: number): number[] {
    const { text, tables, options } = this.#ring0;
    const inText = address - text.base;
    if (inText >= 0 && inText < text.bytes.length) return [...text.bytes.subarray(inText, inText + LONGEST)];
    // The kernel half of the pair maps all that the user half does.
    const root = (this.#machine.registers.lo(CR3) & (options.pti ? ~0x1fff : ~0xfff)) >>> 0;
    const { u32, u8 } = this.#machine.phys;
    const bytes: number[] = [];
    for (let i = 0; i < LONGEST; i++) {
      const pte = tables.pte(root, address + i);
      if (pte < 0 || (u32[pte]! & 1) === 0) break;
      bytes.push(u8[((u32[pte]! & PTE_FRAME_MASK) >>> 0) + ((address + i) & 0xfff)]!);
    }
    return bytes;
  }
}
