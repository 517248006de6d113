// The code cache: blocks of micro-operations, found by physical page, mode and offset.
//
//  code page (one per physical page and key = mode | 4 at CPL 3), in the code arena:
//    0        4        8        12        32                              32 + 16384
//   +--------+--------+--------+---------+-------------------------------+
//   | next   | key    | page   | all     | 4096 x u32 first micro-operation |
//   +--------+--------+--------+---------+-------------------------------+
//   next: code page of the same physical page with another key; all: list of all code pages
//
//  block: u32 number of instructions, padding to 32 bytes, then micro-operations of 32 bytes (decode/uop.ts)
//
// Blocks of a page are chained to each other only, so dropping a page's code is clearing its table. Memory is given back
// by emptying the whole arena when it is full.

import { CODE_ARENA, CODE_ARENA_END, CPU_BLOCK, PAGE_CODE } from "../abi/layout";
import { COUNT_CODE_DROPPED } from "../abi/state";
import { clearPageFlags, PAGE_HAS_CODE, setPageFlags } from "./phys";
import { forgetCodePages, revokeWrites } from "./tlb";

const CP_NEXT: usize = 0;
const CP_KEY: usize = 4;
const CP_PAGE: usize = 8;
const CP_ALL: usize = 12;
export const CP_TABLE: usize = 32;
const CP_SIZE: usize = 32 + 4096 * 4;
/** Room that decoding one block needs at the most. */
export const BLOCK_ROOM: usize = 32 * 600;

/** Blocks of instructions that lie across two pages: checked against both physical pages each time. */
const CROSS_ENTRIES: u32 = 64;
const CROSS_SIZE: usize = 32;
//    0          8      12      16     20
//   | linear   | key  | page1 | page2 | block |
const cross = memory.data(64 * 32, 8);

let arenaNext: usize = CODE_ARENA;
let allPages: usize = 0;
/** A page's code was dropped since the run loop last looked: it must not go on in a block of that page. */
export let codeDropped: bool = false;

export function clearCodeDropped(): void {
  codeDropped = false;
}

export function arenaHas(bytes: usize): bool {
  return arenaNext + bytes <= <usize>CODE_ARENA_END;
}

export function arenaTop(): usize {
  return arenaNext;
}

export function arenaTake(to: usize): void {
  arenaNext = to;
}

/** Drops everything decoded. */
export function flushCode(): void {
  for (let c = allPages; c; c = load<u32>(c, CP_ALL)) {
    const page = load<u32>(c, CP_PAGE);
    store<u32>(PAGE_CODE + (<usize>page << 2), 0);
    clearPageFlags(page, PAGE_HAS_CODE);
  }
  allPages = 0;
  arenaNext = CODE_ARENA;
  memory.fill(cross, 0, CROSS_ENTRIES * CROSS_SIZE);
  forgetCodePages();
  codeDropped = true;
}

export function codePageOf(page: u32, key: u32): usize {
  let c: usize = load<u32>(PAGE_CODE + (<usize>page << 2));
  while (c) {
    if (load<u32>(c, CP_KEY) == key) return c;
    c = load<u32>(c, CP_NEXT);
  }
  if (!arenaHas(CP_SIZE + BLOCK_ROOM)) flushCode();
  c = arenaNext;
  arenaNext += CP_SIZE;
  memory.fill(c, 0, CP_SIZE);
  store<u32>(c, load<u32>(PAGE_CODE + (<usize>page << 2)), CP_NEXT);
  store<u32>(c, key, CP_KEY);
  store<u32>(c, page, CP_PAGE);
  store<u32>(c, <u32>allPages, CP_ALL);
  allPages = c;
  store<u32>(PAGE_CODE + (<usize>page << 2), <u32>c);
  return c;
}

/** From now on writes to the page are seen. */
export function markCode(page: u32): void {
  setPageFlags(page, PAGE_HAS_CODE);
  revokeWrites(page);
}

export function pageOfCode(c: usize): u32 {
  return load<u32>(c, CP_PAGE);
}

export function blockAt(c: usize, offset: u32): usize {
  return load<u32>(c + (<usize>offset << 2), CP_TABLE);
}

export function enterBlock(c: usize, offset: u32, block: usize): void {
  store<u32>(c + (<usize>offset << 2), <u32>block, CP_TABLE);
}

/** Drops the decoded code of a physical page: it is about to be written. */
export function dropCode(page: u32): void {
  store<u64>(CPU_BLOCK, load<u64>(CPU_BLOCK, COUNT_CODE_DROPPED) + 1, COUNT_CODE_DROPPED);
  for (let c: usize = load<u32>(PAGE_CODE + (<usize>page << 2)); c; c = load<u32>(c, CP_NEXT)) memory.fill(c + CP_TABLE, 0, 4096 * 4);
  memory.fill(cross, 0, CROSS_ENTRIES * CROSS_SIZE);
  clearPageFlags(page, PAGE_HAS_CODE);
  codeDropped = true;
}

function crossEntry(linear: u64): usize {
  return cross + (<usize>(<u32>(linear >> 12) + <u32>linear * 7) & (CROSS_ENTRIES - 1)) * CROSS_SIZE;
}

export function crossBlock(linear: u64, key: u32, page1: u32, page2: u32): usize {
  const e = crossEntry(linear);
  if (load<u64>(e) != linear || load<u32>(e, 8) != key || load<u32>(e, 12) != page1 || load<u32>(e, 16) != page2) return 0;
  return load<u32>(e, 20);
}

export function enterCrossBlock(linear: u64, key: u32, page1: u32, page2: u32, block: usize): void {
  const e = crossEntry(linear);
  store<u64>(e, linear);
  store<u32>(e, key, 8);
  store<u32>(e, page1, 12);
  store<u32>(e, page2, 16);
  store<u32>(e, <u32>block, 20);
}
