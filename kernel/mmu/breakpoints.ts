// Breakpoints of DR0-DR3 (SDM Vol. 3B 17.2): which are armed, and whether an instruction or a data access meets one.
// Entered from the run loop, which arms them and asks at each instruction, and from access.ts for data.
//
// Nothing of this costs anything while DR7 enables none. While it does, the run loop goes instruction by instruction, and pages
// with a watched byte have no tag in the TLB, so that each access to them comes by access.ts.
//
//  DR7:  31 30 29 28   27 .. 16           13      7  6  5  4  3  2  1  0
//       +-----+-----+---------------+    +--+    +--+--+--+--+--+--+--+--+
//       |LEN3 |R/W3 | LEN2 .. R/W0  |    |GD|    |G3|L3|G2|L2|G1|L1|G0|L0|
//       +-----+-----+---------------+    +--+    +--+--+--+--+--+--+--+--+
//
//  R/W: 00 execution, 01 write, 11 read or write, 10 I/O with CR4.DE (which no model offers), else undefined: here never met
//  LEN: 00 one byte, 01 two, 11 four, 10 eight; the address's low bits are ignored

import { CPU_BLOCK } from "../abi/layout";
import { DR0, DR7 } from "../abi/state";

const RW_EXECUTE: u32 = 0;
const RW_WRITE: u32 = 1;
const RW_ACCESS: u32 = 3;
const ENABLES: u64 = 0xff;

/** At least one breakpoint is enabled. */
export let armed: bool = false;
/** At least one of them is on data. */
export let watching: bool = false;
/** Data breakpoints met since takeHits(), as bits 0-3 of DR6. */
let hits: u32 = 0;

/** What the TLB was filled under, to see a change of it. */
const known = memory.data(5 * 8, 8);

function enabled(control: u64, i: u32): bool {
  return ((control >> (2 * i)) & 3) != 0;
}

function kind(control: u64, i: u32): u32 {
  return <u32>(control >> (16 + 4 * i)) & 3;
}

function bytes(control: u64, i: u32): u64 {
  const length = <u32>(control >> (18 + 4 * i)) & 3;
  return length == 2 ? 8 : length + 1;
}

function address(i: u32): u64 {
  return load<u64>(CPU_BLOCK + DR0 + 8 * i);
}

/** Looks at the debug registers anew. True: other data is watched than before, and the TLB must be flushed. */
export function armBreakpoints(): bool {
  const control = load<u64>(CPU_BLOCK + DR7);
  if (!(control & ENABLES) && !armed) return false;
  const wasWatching = watching;
  let changed = load<u64>(known + 32) != control;
  armed = false;
  watching = false;
  for (let i: u32 = 0; i < 4; i++) {
    if (load<u64>(known + 8 * i) != address(i)) changed = true;
    store<u64>(known + 8 * i, address(i));
    if (!enabled(control, i)) continue;
    armed = true;
    if (kind(control, i) & RW_WRITE) watching = true;
  }
  store<u64>(known + 32, control);
  return changed && (watching || wasWatching);
}

/** Bits 0-3 of DR6 for the breakpoints on the execution of the instruction at `linear`. */
export function executionHits(linear: u64): u32 {
  const control = load<u64>(CPU_BLOCK + DR7);
  let met: u32 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    if (enabled(control, i) && kind(control, i) == RW_EXECUTE && address(i) == linear) met |= 1 << i;
  }
  return met;
}

/** Is there a watched byte in the page of `linear`? */
export function pageWatched(linear: u64): bool {
  const control = load<u64>(CPU_BLOCK + DR7);
  for (let i: u32 = 0; i < 4; i++) {
    if (enabled(control, i) && kind(control, i) & RW_WRITE && (address(i) ^ linear) >> 12 == 0) return true;
  }
  return false;
}

/** Notes what an access that has not faulted meets. */
export function noteAccess(linear: u64, size: u32, write: bool): void {
  const control = load<u64>(CPU_BLOCK + DR7);
  for (let i: u32 = 0; i < 4; i++) {
    if (!enabled(control, i)) continue;
    const what = kind(control, i);
    if (what != RW_ACCESS && !(what == RW_WRITE && write)) continue;
    const length = bytes(control, i);
    const start = address(i) & ~(length - 1);
    // By distances: the sums would wrap at the end of the address space.
    if (linear - start < <u64>length || start - linear < <u64>size) hits |= 1 << i;
  }
}

/** The data breakpoints that have been met, once. */
export function takeHits(): u32 {
  const met = hits;
  hits = 0;
  return met;
}
