// String instructions (SDM Vol. 1 5.1.8; Vol. 2B, REP): MOVS, STOS, LODS, SCAS, CMPS, INS, OUTS.
// Entered from the run loop as cold operations. A repeated one that used up the budget leaves with RIP at itself.
//
// Registers are written after every iteration, or after every run of iterations within one page, so that a fault midway is
// precise and the instruction can be resumed. Each iteration is paid from the budget like an instruction. Where source and
// destination pages are in the TLB, elements are moved by host address, in the order the instruction would move them.

import { CPU_BLOCK } from "../abi/layout";
import { FLAG_DF, FLAG_TF } from "../abi/bits";
import { MODE_64, RAX, RCX, RDI, RDX, RFLAGS, RSI, SEG_BASE, SEG_ES, SEG_FS, SEG_SS } from "../abi/state";
import { faulted, setRepeating } from "../cpu/fault";
import { flagsSub } from "../cpu/flags";
import { segmentIsPlain } from "../cpu/segment-access";
import { getReg, isAmd, mode, setReg, setRip } from "../cpu/state";
import { imm, nextRip, opsize, sub, thisRip } from "../decode/uop";
import {
  ACCESS_OPERAND, ACCESS_SS_OPERAND, directPointer, enterSegment, leaveSegment, readMem, setAccessKind, writeMem,
} from "../mmu/access";
import { watching } from "../mmu/breakpoints";
import { READ, WRITE } from "../mmu/walk";
import { budgetLeft, setBudgetLeft } from "./leave";
import { portAllowed, portBytes } from "./io";
import { writeSlot } from "./sized-operand";

// sub(u), made by the decoder from the prefixes
const REPE: u32 = 1;
const REPNE: u32 = 2;

/** More instructions than a block has: with less budget left, the rest of the block must not run on unasked. */
const LONGEST_BLOCK: i32 = 256;

// The instruction in progress
let rip: u64 = 0;
let following: u64 = 0;
let repeat: u32 = 0;
/** Bits of rSI, rDI, rCX that the address size uses. */
let mask: u64 = 0;
let sourceBase: u64 = 0;
let destinationBase: u64 = 0;
let linearMask: u64 = 0;
/** Segments of source and destination, where one of them must be checked. */
let checked: bool = false;
let sourceSegment: u32 = 0;
let backward: bool = false;
/** Iterations that the count register asks for, that the budget allows, that are done. */
let wanted: u64 = 0;
let allowed: u64 = 0;
let done: u64 = 0;

/** imm(u): slot of the source's segment base in the low half, address size in bytes in the high half. */
function begin(u: usize): void {
  rip = thisRip(u);
  following = nextRip(u);
  repeat = sub(u);
  const addressBytes = <u32>(imm(u) >> 32);
  mask = addressBytes == 8 ? u64.MAX_VALUE : addressBytes == 4 ? 0xffffffff : 0xffff;
  const slot = <u32>imm(u);
  const wide = mode() == MODE_64;
  sourceBase = wide && slot < <u32>(SEG_BASE + 8 * SEG_FS) ? 0 : load<u64>(CPU_BLOCK + slot);
  destinationBase = wide ? 0 : load<u64>(CPU_BLOCK + SEG_BASE + 8 * SEG_ES);
  linearMask = wide ? u64.MAX_VALUE : 0xffffffff;
  sourceSegment = (slot - SEG_BASE) >> 3;
  checked = !wide && !(segmentIsPlain(sourceSegment) && segmentIsPlain(SEG_ES));
  backward = (load<u64>(CPU_BLOCK + RFLAGS) & FLAG_DF) != 0;
  wanted = repeat ? getReg(RCX) & mask : 1;
  // The budget includes this instruction; a single-step trap comes after every iteration (SDM Vol. 3B 17.3.1.4), and so does that
  // of a data breakpoint.
  const stepping = (load<u64>(CPU_BLOCK + RFLAGS) & FLAG_TF) != 0 || watching;
  const affordable: u64 = stepping || budgetLeft < 1 ? 1 : <u64>budgetLeft;
  allowed = wanted < affordable ? wanted : affordable;
  done = 0;
}

/**
 * Pays the iterations, of which the run loop pays one when the instruction does not fault. `stopped` says that the comparison
 * of SCAS or CMPS ended the repetition; where the count is not used up otherwise, the instruction goes on at itself.
 */
function end(stopped: bool): void {
  if (checked) leaveSegment();
  const paid = done && !faulted ? done - 1 : done;
  setBudgetLeft(budgetLeft - <i32>paid);
  if (faulted) return;
  const more = !stopped && done < wanted;
  setRepeating(more);
  if (more) setRip(rip);
  else if (paid && budgetLeft < LONGEST_BLOCK) setRip(following);
}

function source(): u64 {
  return (sourceBase + (getReg(RSI) & mask)) & linearMask;
}

function destination(): u64 {
  return (destinationBase + (getReg(RDI) & mask)) & linearMask;
}

function readSource<T>(): T {
  if (checked) enterSegment(sourceSegment);
  const was = setAccessKind(sourceSegment == SEG_SS ? ACCESS_SS_OPERAND : ACCESS_OPERAND);
  const value = readMem<T>(source());
  setAccessKind(was);
  return value;
}

function readDestination<T>(): T {
  if (checked) enterSegment(SEG_ES);
  return readMem<T>(destination());
}

function writeDestination<T>(value: T): void {
  if (checked) enterSegment(SEG_ES);
  writeMem<T>(destination(), value);
}

/** Writes the part of rSI, rDI or rCX that the address size uses; 32 bits clear the upper half. */
function setIndex(slot: usize, value: u64): void {
  if (mask == 0xffff) store<u16>(CPU_BLOCK + slot, <u16>value);
  else setReg(slot, value & mask);
}

function advance(slot: usize, elements: u64, bytes: u64): void {
  const distance = elements * bytes;
  setIndex(slot, backward ? getReg(slot) - distance : getReg(slot) + distance);
}

function count(elements: u64): void {
  done += elements;
  if (repeat) setIndex(RCX, getReg(RCX) - elements);
}

/** Elements from `linear` on, in the direction of DF, that lie whole in its page. */
function roomInPage(linear: u64, bytes: u64): u64 {
  const offset = linear & 0xfff;
  if (offset + bytes > 0x1000) return 0;
  return backward ? offset / bytes + 1 : (0x1000 - offset) / bytes;
}

/** Elements before the index register wraps around in its address size. */
function roomInIndex(slot: usize, bytes: u64): u64 {
  if (mask == u64.MAX_VALUE) return u64.MAX_VALUE;
  const index = getReg(slot) & mask;
  return backward ? index / bytes + 1 : (mask - index) / bytes + 1;
}

function least(a: u64, b: u64): u64 {
  return a < b ? a : b;
}

/** How many iterations can be done at once on [rSI]; 0 or 1: do them one by one. */
function sourceRun(bytes: u64): u64 {
  return checked ? 0 : least(allowed - done, least(roomInPage(source(), bytes), roomInIndex(RSI, bytes)));
}

function destinationRun(bytes: u64): u64 {
  return checked ? 0 : least(allowed - done, least(roomInPage(destination(), bytes), roomInIndex(RDI, bytes)));
}

/** Element by element in order, unless the order can't be seen. */
function copy<T>(to: usize, from: usize, elements: usize): void {
  const bytes = elements * sizeof<T>();
  if (!backward && (to <= from || to >= from + bytes)) {
    memory.copy(to, from, bytes);
    return;
  }
  const step: isize = backward ? -(<isize>sizeof<T>()) : <isize>sizeof<T>();
  for (let i: usize = 0; i < elements; i++) {
    store<T>(to, load<T>(from));
    to += step;
    from += step;
  }
}

function moveString<T>(u: usize): void {
  begin(u);
  const bytes: u64 = sizeof<T>();
  while (done < allowed) {
    const n = least(sourceRun(bytes), destinationRun(bytes));
    if (n > 1) {
      const from = directPointer(source(), READ);
      const to = from ? directPointer(destination(), WRITE) : 0;
      if (to) {
        copy<T>(to, from, <usize>n);
        advance(RSI, n, bytes);
        advance(RDI, n, bytes);
        count(n);
        continue;
      }
    }
    const value = readSource<T>();
    if (faulted) break;
    writeDestination<T>(value);
    if (faulted) break;
    advance(RSI, 1, bytes);
    advance(RDI, 1, bytes);
    count(1);
  }
  end(false);
}

function fill<T>(to: usize, value: T, elements: usize): void {
  if (sizeof<T>() == 1) {
    memory.fill(to, <u8>value, elements);
    return;
  }
  for (let i: usize = 0; i < elements; i++) store<T>(to + i * sizeof<T>(), value);
}

function storeString<T>(u: usize): void {
  begin(u);
  const bytes: u64 = sizeof<T>();
  const value = load<T>(CPU_BLOCK + RAX);
  while (done < allowed) {
    const n = destinationRun(bytes);
    const to = n > 1 ? directPointer(destination(), WRITE) : 0;
    if (to) {
      fill<T>(backward ? to - <usize>((n - 1) * bytes) : to, value, <usize>n);
      advance(RDI, n, bytes);
      count(n);
      continue;
    }
    writeDestination<T>(value);
    if (faulted) break;
    advance(RDI, 1, bytes);
    count(1);
  }
  end(false);
}

function loadString<T>(u: usize): void {
  begin(u);
  const bytes: u64 = sizeof<T>();
  while (done < allowed) {
    const value = readSource<T>();
    if (faulted) break;
    writeSlot(CPU_BLOCK + RAX, sizeof<T>(), <u64>value);
    advance(RSI, 1, bytes);
    count(1);
  }
  end(false);
}

/** REPE goes on while equal, REPNE while not; without a prefix one comparison is all. */
function goesOn(equal: bool): bool {
  return repeat == REPE ? equal : repeat == REPNE ? !equal : false;
}

/**
 * Whether RFLAGS are those of the last comparison, set at the end alone: after a fault midway Intel's chips show the flags of before
 * the instruction (SDM Vol. 2B, REP, "EFLAGS value is restored"), AMD's those of the last iteration.
 */
function comparisonCounts(): bool {
  return !faulted || isAmd();
}

function scanString<T>(u: usize): void {
  begin(u);
  const bytes: u64 = sizeof<T>();
  const wantedValue = load<T>(CPU_BLOCK + RAX);
  let last: T = 0;
  let on = true;
  while (on && done < allowed) {
    const n = destinationRun(bytes);
    const at = n > 1 ? directPointer(destination(), READ) : 0;
    if (at) {
      const step: isize = backward ? -(<isize>sizeof<T>()) : <isize>sizeof<T>();
      let compared: u64 = 0;
      let p = at;
      do {
        last = load<T>(p);
        p += step;
        compared++;
        on = goesOn(last == wantedValue);
      } while (on && compared < n);
      advance(RDI, compared, bytes);
      count(compared);
      continue;
    }
    const element = readDestination<T>();
    if (faulted) break;
    last = element;
    advance(RDI, 1, bytes);
    count(1);
    on = goesOn(last == wantedValue);
  }
  if (done && comparisonCounts()) flagsSub<T>(wantedValue, last, <T>(wantedValue - last));
  end(!on);
}

function compareStrings<T>(u: usize): void {
  begin(u);
  const bytes: u64 = sizeof<T>();
  let a: T = 0;
  let b: T = 0;
  let on = true;
  while (on && done < allowed) {
    const n = least(sourceRun(bytes), destinationRun(bytes));
    if (n > 1) {
      let p = directPointer(source(), READ);
      let q = p ? directPointer(destination(), READ) : 0;
      if (q) {
        const step: isize = backward ? -(<isize>sizeof<T>()) : <isize>sizeof<T>();
        let compared: u64 = 0;
        do {
          a = load<T>(p);
          b = load<T>(q);
          p += step;
          q += step;
          compared++;
          on = goesOn(a == b);
        } while (on && compared < n);
        advance(RSI, compared, bytes);
        advance(RDI, compared, bytes);
        count(compared);
        continue;
      }
    }
    // Intel's chips read [rDI] first, AMD's [rSI]: that is the one reported when both fault.
    const early = isAmd() ? readSource<T>() : a;
    if (faulted) break;
    const other = readDestination<T>();
    if (faulted) break;
    a = isAmd() ? early : readSource<T>();
    if (faulted) break;
    b = other;
    advance(RSI, 1, bytes);
    advance(RDI, 1, bytes);
    count(1);
    on = goesOn(a == b);
  }
  if (done && comparisonCounts()) flagsSub<T>(a, b, <T>(a - b));
  end(!on);
}

export function MOVS(u: usize): void {
  const bytes = opsize(u);
  if (bytes == 1) moveString<u8>(u);
  else if (bytes == 8) moveString<u64>(u);
  else if (bytes == 4) moveString<u32>(u);
  else moveString<u16>(u);
}

export function STOS(u: usize): void {
  const bytes = opsize(u);
  if (bytes == 1) storeString<u8>(u);
  else if (bytes == 8) storeString<u64>(u);
  else if (bytes == 4) storeString<u32>(u);
  else storeString<u16>(u);
}

export function LODS(u: usize): void {
  const bytes = opsize(u);
  if (bytes == 1) loadString<u8>(u);
  else if (bytes == 8) loadString<u64>(u);
  else if (bytes == 4) loadString<u32>(u);
  else loadString<u16>(u);
}

export function SCAS(u: usize): void {
  const bytes = opsize(u);
  if (bytes == 1) scanString<u8>(u);
  else if (bytes == 8) scanString<u64>(u);
  else if (bytes == 4) scanString<u32>(u);
  else scanString<u16>(u);
}

export function CMPS(u: usize): void {
  const bytes = opsize(u);
  if (bytes == 1) compareStrings<u8>(u);
  else if (bytes == 8) compareStrings<u64>(u);
  else if (bytes == 4) compareStrings<u32>(u);
  else compareStrings<u16>(u);
}

/** No device answers: all ones. The port's permission is checked before the memory, and before the count as well. */
export function INS(u: usize): void {
  const bytes = portBytes(u);
  begin(u);
  if (!portAllowed(load<u16>(CPU_BLOCK + RDX), bytes)) return;
  while (done < allowed) {
    if (bytes == 1) writeDestination<u8>(0xff);
    else if (bytes == 4) writeDestination<u32>(0xffffffff);
    else writeDestination<u16>(0xffff);
    if (faulted) break;
    advance(RDI, 1, bytes);
    count(1);
  }
  end(false);
}

export function OUTS(u: usize): void {
  const bytes = portBytes(u);
  begin(u);
  if (!portAllowed(load<u16>(CPU_BLOCK + RDX), bytes)) return;
  while (done < allowed) {
    if (bytes == 1) readSource<u8>();
    else if (bytes == 4) readSource<u32>();
    else readSource<u16>();
    if (faulted) break;
    advance(RSI, 1, bytes);
    count(1);
  }
  end(false);
}
