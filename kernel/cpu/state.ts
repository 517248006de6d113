// The CPU block as the instructions see it, and the two words by which an operation tells the run loop what it did.

import { CPU_BLOCK } from "../abi/layout";
import { CPL, MODE, RIP, SEG_BASE, SEG, SEG_SELECTOR, SEG_ATTRIBUTES, SEG_LIMIT, RETIRED, VENDOR, VENDOR_AMD } from "../abi/state";
import { getFlags, putFlags } from "./flags";

/** An operation set RIP itself: the run loop continues there and not at the next micro-operation. */
export let ripChanged: bool = false;
/** CPL, CS, CR0/3/4, EFER, IF, TF or AC may have changed: the run loop derives mode, TLB context and pending events anew. */
export let stateDirty: bool = false;

export function clearRipChanged(): void {
  ripChanged = false;
}

export function clearStateDirty(): void {
  stateDirty = false;
}

/** Sets the architectural RIP (an offset in CS) at which execution goes on. */
export function setRip(rip: u64): void {
  store<u64>(CPU_BLOCK, rip, RIP);
  ripChanged = true;
}

export function stateChanged(): void {
  stateDirty = true;
}

// @ts-ignore: decorator
@inline
export function getReg(slot: usize): u64 {
  return load<u64>(CPU_BLOCK + slot);
}

// @ts-ignore: decorator
@inline
export function setReg(slot: usize, value: u64): void {
  store<u64>(CPU_BLOCK + slot, value);
}

// @ts-ignore: decorator
@inline
export function cpl(): u32 {
  return load<u32>(CPU_BLOCK, CPL);
}

/** The bits that RIP and the linear addresses of operands have in this mode: 64, outside 64-bit mode 32. Follows MODE. */
export let addressMask: u64 = u64.MAX_VALUE;

export function setAddressMask(mask: u64): void {
  addressMask = mask;
}

/** MODE_64, MODE_32 or MODE_16. */
// @ts-ignore: decorator
@inline
export function mode(): u32 {
  return load<u32>(CPU_BLOCK, MODE);
}

export function rflags(): u64 {
  return getFlags();
}

/** Replaces RFLAGS as given; callers have masked it by privilege. Bit 1 is forced. */
export function setRflags(flags: u64): void {
  putFlags(flags | 2);
  stateDirty = true;
}

export function segSelector(seg: u32): u32 {
  return load<u16>(CPU_BLOCK + SEG + seg * 8, SEG_SELECTOR);
}

export function segAttributes(seg: u32): u32 {
  return load<u16>(CPU_BLOCK + SEG + seg * 8, SEG_ATTRIBUTES);
}

export function segLimit(seg: u32): u32 {
  return load<u32>(CPU_BLOCK + SEG + seg * 8, SEG_LIMIT);
}

export function segBase(seg: u32): u64 {
  return load<u64>(CPU_BLOCK + SEG_BASE + seg * 8);
}

export function setSegment(seg: u32, selector: u32, attributes: u32, limit: u32, base: u64): void {
  const p = CPU_BLOCK + SEG + seg * 8;
  store<u16>(p, selector, SEG_SELECTOR);
  store<u16>(p, attributes, SEG_ATTRIBUTES);
  store<u32>(p, limit, SEG_LIMIT);
  store<u64>(CPU_BLOCK + SEG_BASE + seg * 8, base);
}

/** Where the two architectures differ: what follows is AMD's. */
export function isAmd(): bool {
  return load<u32>(CPU_BLOCK, VENDOR) == <u32>VENDOR_AMD;
}

export function retired(): u64 {
  return load<u64>(CPU_BLOCK, RETIRED);
}

/** Bits 63..47 all equal: an address that 4-level paging can translate (SDM Vol. 1 3.3.7.1). */
// @ts-ignore: decorator
@inline
export function isCanonical(linear: u64): bool {
  return <u64>((<i64>linear << 16) >> 16) == linear;
}
