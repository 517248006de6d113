// Runs guest-programs/crossings here, and looks at the machine each time it says that a batch begins or ends: it writes a dot.
// Used by crossings-counts.ts and crossings-times.ts.

import { type Kernel, run } from "../index";
import type { Configuration, Row } from "./crossings-rows";

/** Enough for the kernel and a small program. */
const MEMORY_MIB = 8;
/** Exit statuses of crossings.c. */
const WRONG_ANSWER = 3;
const NO_SUCH_DOOR = 4;

/** The machine's compiled code, once there has been a machine. V8 optimises it while it runs; all runs share what it has by then. */
export interface SharedCode {
  module?: Kernel["machine"]["module"];
}

export interface GuestOptions extends Configuration {
  program: Uint8Array;
  code: SharedCode;
  seed: bigint;
  aslr: boolean;
  clock: "host" | "virtual";
  onBoot?(kernel: Kernel): void;
  /** `begins`: the batch of this index is about to begin, or has just ended. Called while the guest is in its write(). */
  onMark?(kernel: Kernel, batch: number, begins: boolean): void;
}

/** null when the program went through the door as often as asked, else one line that says why not. */
export async function runCrossings(row: Row, counts: readonly number[], options: GuestOptions): Promise<string | null> {
  let kernel!: Kernel;
  let marks = 0;
  let stderr = "";
  const result = await run(options.program, {
    args: ["crossings", row.operation, row.door, ...counts.map(String)],
    memoryMiB: MEMORY_MIB,
    pti: options.pti,
    pcid: options.pcid,
    seed: options.seed,
    aslr: options.aslr,
    clock: options.clock,
    module: options.code.module,
    onBoot(booted) {
      kernel = booted;
      options.code.module = booted.machine.module;
      options.onBoot?.(booted);
    },
    stdout(bytes) {
      if (bytes.length === 1 && bytes[0] === DOT && marks < 2 * counts.length) {
        options.onMark?.(kernel, marks >> 1, marks % 2 === 0);
        marks++;
      }
    },
    stderr(bytes) {
      stderr += String.fromCharCode(...bytes);
    },
  });
  // A door that no code stands behind is a fault: #GP for a missing gate or MSR, #PF for a missing page.
  if (result.signal !== null) return `not built (${result.signal})`;
  if (result.status === NO_SUCH_DOOR) return "not built (no such function)";
  if (result.status === WRONG_ANSWER) throw new Error(stderr.trim());
  if (result.status !== 0 || marks !== 2 * counts.length) throw new Error(`crossings ended with status ${result.status}: ${stderr.trim()}`);
  return null;
}

const DOT = 0x2e;
