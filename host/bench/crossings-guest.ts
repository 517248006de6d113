// Runs a guest here, and looks at the machine each time it says that a batch begins or ends: it writes a dot. The guest is
// guest-programs/crossings, or one of doors-guest.ts.
// Used by crossings-counts.ts and crossings-times.ts.

import { type Kernel, run, type RunOptions, type RunResult } from "../index";
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

export interface MarkListener {
  onBoot?(kernel: Kernel): void;
  /** `begins`: the batch of this index is about to begin, or has just ended. Called while the guest is in its write(). */
  onMark?(kernel: Kernel, batch: number, begins: boolean): void;
}

export interface GuestOptions extends Configuration, MarkListener {
  program: Uint8Array;
  code: SharedCode;
  seed: bigint;
  aslr: boolean;
  clock: "host" | "virtual";
}

/** null when the program went through the door as often as asked, else one line that says why not. */
export async function runCrossings(row: Row, counts: readonly number[], options: GuestOptions): Promise<string | null> {
  const { pti, pcid, seed, aslr, clock } = options;
  const args = ["crossings", row.operation, row.door, ...counts.map(String)];
  const { result, marks, stderr } = await runMarked(options.program, counts.length, { args, pti, pcid, seed, aslr, clock }, options.code, options);
  // SYSENTER of 64-bit code does not come back to it; a door that is switched off is a fault.
  if (result.signal !== null) return `ends in ${result.signal}`;
  if (result.status === NO_SUCH_DOOR) return "no such function";
  if (result.status === WRONG_ANSWER) throw new Error(stderr.trim());
  if (result.status !== 0 || marks !== 2 * counts.length) throw new Error(`crossings ended with status ${result.status}: ${stderr.trim()}`);
  return null;
}

/** Runs `program`, which makes so many batches with a dot before and behind each. `marks` is how many dots came. */
export async function runMarked(
  program: Uint8Array, batches: number, options: RunOptions, code: SharedCode, listener: MarkListener,
): Promise<{ result: RunResult; marks: number; stderr: string }> {
  let kernel!: Kernel;
  let marks = 0;
  let stderr = "";
  const result = await run(program, {
    ...options,
    memoryMiB: MEMORY_MIB,
    module: code.module,
    onBoot(booted) {
      kernel = booted;
      code.module = booted.machine.module;
      listener.onBoot?.(booted);
    },
    stdout(bytes) {
      if (bytes.length === 1 && bytes[0] === DOT && marks < 2 * batches) {
        listener.onMark?.(kernel, marks >> 1, marks % 2 === 0);
        marks++;
      }
    },
    stderr(bytes) {
      stderr += String.fromCharCode(...bytes);
    },
  });
  return { result, marks, stderr };
}

const DOT = 0x2e;
