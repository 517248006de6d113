// The page that the kernel shows to the vDSO, and where it stands in front of it. Plain constants for both sides: vvar.ts writes
// the page, vdso.asm.ts reads it in the guest.

import { PAGE_SIZE } from "./uapi-mman";

/**
 * Pages of [vvar]. Linux 6.1 has four: ours, the clock pages of KVM and Hyper-V, and that of a time namespace, of which a
 * machine without them has none; touching those is SIGBUS.
 */
export const VVAR_PAGES = 4;
/** Address of the vvar page when the vDSO stands at 0. */
export const VVAR_START = -VVAR_PAGES * PAGE_SIZE;

// struct vdso_data (Linux 6.1 include/vdso/datapage.h), at VVAR_VDSO_DATA of the page, twice: first for the clocks that
// are steered (CS_HRES_COARSE), then for CLOCK_MONOTONIC_RAW (CS_RAW).
//
//   +0x00  u32  seq              odd while the kernel writes; a reader that saw it change reads again
//   +0x04  i32  clock_mode       VDSO_CLOCKMODE_NONE or _TSC
//   +0x08  u64  cycle_last       time-stamp counter at the moment that the base times are of
//   +0x10  u64  mask
//   +0x18  u32  mult             nanoseconds = cycles * mult >> shift
//   +0x1c  u32  shift
//   +0x20  { u64 sec, u64 nsec } basetime[12], by clock id; nsec is shifted left by `shift`, but for the coarse clocks
//   +0xe0  i32  tz_minuteswest
//   +0xe4  i32  tz_dsttime
//   +0xe8  u32  hrtimer_res      what clock_getres says of the clocks that are not coarse, ns
//   +0xec  u32  unused

export const VVAR_VDSO_DATA = 0x80;
export const VDSO_DATA_SIZE = 0xf0;
export const CS_HRES_COARSE = 0;
export const CS_RAW = 1;

export const VDSO_SEQ = 0x00;
export const VDSO_CLOCK_MODE = 0x04;
export const VDSO_CYCLE_LAST = 0x08;
export const VDSO_MASK = 0x10;
export const VDSO_MULT = 0x18;
export const VDSO_SHIFT = 0x1c;
export const VDSO_BASETIME = 0x20;
export const VDSO_TZ = 0xe0;
export const VDSO_HRTIMER_RES = 0xe8;

/** sizeof(struct vdso_timestamp) is 2 to this. */
export const VDSO_TIMESTAMP_SHIFT = 4;
export const VDSO_TIMESTAMP_SEC = 0;
export const VDSO_TIMESTAMP_NSEC = 8;

/** No counter that user mode can read: every clock but the coarse ones takes the system call. */
export const VDSO_CLOCKMODE_NONE = 0;
export const VDSO_CLOCKMODE_TSC = 1;

/** Offset in the vvar page of basetime[clock]. */
export function basetime(clock: number, base = CS_HRES_COARSE): number {
  return VVAR_VDSO_DATA + base * VDSO_DATA_SIZE + VDSO_BASETIME + (clock << VDSO_TIMESTAMP_SHIFT);
}
