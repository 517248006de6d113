// The machine as the host sees it: what the Wasm module exports. Memory is the host's, imported.

import { CPU_BLOCK } from "./abi/layout";
import { NO_VECTOR, PENDING_INTERRUPT } from "./abi/state";
import { dropCode as dropPageCode, flushCode } from "./mmu/code-cache";
import { faulted, clearFault } from "./cpu/fault";
import { probe, probeBytes } from "./decode/probe";
import { setRamBytes } from "./mmu/phys";
import { flushAll, initTlb, invalidatePage as invalidate } from "./mmu/tlb";

export { run } from "./run";

/** Must be called once, with guest RAM's size in bytes, before the CPU block is written. */
export function init(ramBytes: u32): void {
  setRamBytes(<u64>ramBytes);
  initTlb();
  flushCode();
  store<u32>(CPU_BLOCK, NO_VECTOR, PENDING_INTERRUPT);
  if (faulted) clearFault();
}

/** The host has written to this physical page. */
export function dropCode(page: u32): void {
  dropPageCode(page);
}

/** The host has changed what the machine offers (FEATURE_WORDS): what was decoded may be an instruction no more, or one now; a large page too. */
export function modelChanged(): void {
  flushCode();
  flushAll();
}

export function flushTlb(): void {
  flushAll();
}

/** The host has changed the translation of this page, in whatever address space. */
export function invalidatePage(linearLow: u32, linearHigh: u32): void {
  invalidate(<u64>linearLow | (<u64>linearHigh << 32));
}

/** Where the host writes the bytes that decode() looks at. */
export function decodeBytes(): u32 {
  return <u32>probeBytes;
}

/** The instruction that `count` bytes there begin with: decode/probe.ts. Nothing is executed. */
export function decode(count: u32): u32 {
  return probe(count);
}
