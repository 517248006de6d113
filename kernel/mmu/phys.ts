// Guest RAM by physical address. Beyond its end there is no device: reads give all ones, writes vanish.

import { PAGE_FLAGS, RAM_BASE } from "../abi/layout";

/** Decoded code of this page is in the code cache: writes take the slow path and drop it. */
export const PAGE_HAS_CODE: u32 = 1;
/** Some TLB entry lets writes to this page through. */
export const PAGE_WRITE_TLB: u32 = 2;

export let ramBytes: u64 = 0;

export function setRamBytes(bytes: u64): void {
  ramBytes = bytes;
}

// @ts-ignore: decorator
@inline
export function inRam(physical: u64): bool {
  return physical < ramBytes;
}

// @ts-ignore: decorator
@inline
export function hostAddress(physical: u64): usize {
  return <usize>physical + RAM_BASE;
}

// @ts-ignore: decorator
@inline
export function pageFlags(page: u32): u32 {
  return load<u8>(PAGE_FLAGS + page);
}

export function setPageFlags(page: u32, bits: u32): void {
  store<u8>(PAGE_FLAGS + page, pageFlags(page) | bits);
}

export function clearPageFlags(page: u32, bits: u32): void {
  store<u8>(PAGE_FLAGS + page, pageFlags(page) & ~bits);
}
