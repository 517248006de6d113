// The kernel's side of the vvar page: one frame that every process has mapped read-only in front of its vDSO, written at each
// tick and each step of the clocks (Linux kernel/time/vsyscall.c update_vsyscall).
// Called from clock.ts. Read by the guest, in the code of vdso.asm.ts.

import type { PhysMemory } from "../machine/phys-memory";
import {
  CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI,
  TSC_MULT, TSC_SHIFT, type Timekeeper,
} from "./clock";
import type { Timespec } from "./uapi-stat";
import {
  CS_HRES_COARSE, CS_RAW, VDSO_CLOCKMODE_TSC, VDSO_CLOCK_MODE, VDSO_CYCLE_LAST, VDSO_DATA_SIZE, VDSO_HRTIMER_RES, VDSO_MASK,
  VDSO_MULT, VDSO_SEQ, VDSO_SHIFT, VDSO_TIMESTAMP_NSEC, VDSO_TIMESTAMP_SEC, VVAR_VDSO_DATA, basetime,
} from "./vvar-layout";

const TWO_32 = 0x1_0000_0000;
const SHIFTED = 2 ** TSC_SHIFT;

export class Vvar {
  private readonly words: Uint32Array;
  private readonly origin: number;

  /** @param frame physical address of the page, all zeros */
  constructor(phys: PhysMemory, frame: number) {
    this.words = phys.u32;
    this.origin = frame >>> 2;
    for (const base of [CS_HRES_COARSE, CS_RAW]) {
      const data = VVAR_VDSO_DATA + base * VDSO_DATA_SIZE;
      this.u32(data + VDSO_CLOCK_MODE, VDSO_CLOCKMODE_TSC);
      this.u32(data + VDSO_MASK, 0xffffffff);
      this.u32(data + VDSO_MASK + 4, 0xffffffff);
      this.u32(data + VDSO_MULT, TSC_MULT);
      this.u32(data + VDSO_SHIFT, TSC_SHIFT);
      this.u32(data + VDSO_HRTIMER_RES, 1);
    }
  }

  /** Writes all that changes with time, between two steps of the sequence counts. */
  update({ cycleLast, monotonic, realtime }: Timekeeper): void {
    this.stepSequence();
    this.u64(VVAR_VDSO_DATA + VDSO_CYCLE_LAST, cycleLast);
    this.u64(VVAR_VDSO_DATA + VDSO_DATA_SIZE + VDSO_CYCLE_LAST, cycleLast);
    this.timestamp(basetime(CLOCK_REALTIME), realtime, SHIFTED);
    // No leap second has been told of, as on a Linux without NTP: TAI is UTC.
    this.timestamp(basetime(CLOCK_TAI), realtime, SHIFTED);
    this.timestamp(basetime(CLOCK_MONOTONIC), monotonic, SHIFTED);
    // The machine is never suspended.
    this.timestamp(basetime(CLOCK_BOOTTIME), monotonic, SHIFTED);
    this.timestamp(basetime(CLOCK_REALTIME_COARSE), realtime, 1);
    this.timestamp(basetime(CLOCK_MONOTONIC_COARSE), monotonic, 1);
    this.timestamp(basetime(CLOCK_MONOTONIC_RAW, CS_RAW), monotonic, SHIFTED);
    this.stepSequence();
  }

  private stepSequence(): void {
    this.words[this.origin + ((VVAR_VDSO_DATA + VDSO_SEQ) >>> 2)]!++;
    this.words[this.origin + ((VVAR_VDSO_DATA + VDSO_DATA_SIZE + VDSO_SEQ) >>> 2)]!++;
  }

  /** Nanoseconds below 10^9 times 2^23 are below 2^53. */
  private timestamp(at: number, { sec, nsec }: Timespec, scale: number): void {
    this.u64(at + VDSO_TIMESTAMP_SEC, sec);
    this.u64(at + VDSO_TIMESTAMP_NSEC, Math.floor(nsec) * scale);
  }

  private u32(at: number, value: number): void {
    this.words[this.origin + (at >>> 2)] = value;
  }

  private u64(at: number, value: number): void {
    this.u32(at, value);
    this.u32(at + 4, Math.floor(value / TWO_32));
  }
}
