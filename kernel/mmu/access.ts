// Memory accesses of everything that is not inlined in exec(): TLB hit, else walk, page crossing, decoded code, alignment.
// Each sets `faulted` and changes nothing when the access is not allowed.

import { faulted, raiseAC, raiseGP, raisePF, raiseSS } from "../cpu/fault";
import { allowedInSegment } from "../cpu/segment-access";
import { addressMask, isAmd, isCanonical } from "../cpu/state";
import { noteAccess, watching } from "./breakpoints";
import { dropCode } from "./code-cache";
import {
  entryOf, fill, selectContext, systemContext, tlb, TLB_ADDEND, TLB_READ, TLB_WRITE, view, withdrawContext, withdrawn,
} from "./tlb";
import { hostAddress, inRam, pageFlags, PAGE_HAS_CODE } from "./phys";
import { READ, VIEW_SUPERVISOR, VIEW_USER_ALIGN, WRITE, walkError, walkPhysical } from "./walk";

const PAGE_MASK: u64 = 0xfffffffffffff000;

/** What the access in hand is, as far as faults go. */
export const ACCESS_OPERAND: u32 = 0;
/** An operand in SS: a non-canonical address is #SS and not #GP. Set around an operation by the run loop. */
export const ACCESS_SS_OPERAND: u32 = 1;
/** A word that PUSH, POP and their like move: SS's limit has been checked, and the operand's segment is not its own. */
export const ACCESS_STACK_WORD: u32 = 2;
let accessKind: u32 = ACCESS_OPERAND;

/** Sets the kind of the accesses that follow; returns what it was. */
export function setAccessKind(kind: u32): u32 {
  const was = accessKind;
  accessKind = kind;
  return was;
}

/** Segment of the operand in hand + 1 if accesses to it must be checked, which is so outside 64-bit mode where it is not plain. */
let checkedSegment: u32 = 0;

/** From now on each access of this instruction but stack words and those of the processor itself is checked against `seg`. */
export function enterSegment(seg: u32): void {
  checkedSegment = seg + 1;
  if (!withdrawn) withdrawContext();
}

export function leaveSegment(): void {
  if (!checkedSegment) return;
  checkedSegment = 0;
  selectContext();
}

function canonical(linear: u64): bool {
  if (isCanonical(linear)) return true;
  if (accessKind) raiseSS(0);
  else raiseGP(0);
  return false;
}

/** Where a byte range within one page stands: host address, or 0 when it faulted, or 1 when no RAM is there. */
function locate(context: usize, who: u32, linear: u64, access: u32): usize {
  if (!canonical(linear)) return 0;
  const e = entryOf(context, linear);
  if (load<u64>(access == WRITE ? e + TLB_WRITE : e + TLB_READ) == (linear & PAGE_MASK)) return <usize>(<u32>linear + load<u32>(e, TLB_ADDEND));
  if (!fill(context, linear, access, who)) {
    raisePF(linear, walkError);
    return 0;
  }
  if (!inRam(walkPhysical)) return 1;
  if (access == WRITE) {
    const page = <u32>(walkPhysical >> 12);
    if (pageFlags(page) & PAGE_HAS_CODE) {
      const physical = walkPhysical;
      dropCode(page);
      return hostAddress(physical);
    }
  }
  return hostAddress(walkPhysical);
}

/** What is checked before paging: the segment where that must be, and alignment. True: it was raised. */
function refused(context: usize, who: u32, linear: u64, bytes: u32, write: bool): bool {
  if (outsideSegment(context, linear, bytes, write)) return true;
  return who == VIEW_USER_ALIGN && canonical(linear) && canonical(linear + bytes - 1) && misaligned(linear, bytes);
}

function outsideSegment(context: usize, linear: u64, bytes: u32, write: bool): bool {
  if (!checkedSegment || context != tlb || accessKind == ACCESS_STACK_WORD) return false;
  return !allowedInSegment(checkedSegment - 1, linear, bytes, write);
}

/** Where an access goes on behind the page of `linear`. Outside 64-bit mode, 0 follows FFFFFFFFh. */
function nextPage(linear: u64): u64 {
  const next = (linear & PAGE_MASK) + 0x1000;
  return next == 0x100000000 ? next & addressMask : next;
}

/** #AC; unaligned 16-byte operands are exempt on Intel's chips, not on AMD's (the aligned ones raise #GP before). */
function misaligned(linear: u64, bytes: u32): bool {
  if (view != VIEW_USER_ALIGN || !(linear & (bytes - 1))) return false;
  if (bytes == 16 && !isAmd()) return false;
  raiseAC();
  return true;
}

function readAs<T>(context: usize, who: u32, linear: u64): T {
  const e = entryOf(context, linear);
  if (((linear + (sizeof<T>() - 1)) & PAGE_MASK) == load<u64>(e, TLB_READ)) return load<T>(<usize>(<u32>linear + load<u32>(e, TLB_ADDEND)));
  return readSlow<T>(context, who, linear);
}

function zero<T>(): T {
  if (sizeof<T>() == 16) return i64x2.splat(0);
  return <T>0;
}

function ones<T>(): T {
  if (sizeof<T>() == 16) return i64x2.splat(-1);
  if (isFloat<T>()) return <T>NaN;
  return <T>-1;
}

const joined = memory.data(16, 16);

function readSlow<T>(context: usize, who: u32, linear: u64): T {
  const value = readByPage<T>(context, who, linear);
  if (watching && !faulted) noteAccess(linear, sizeof<T>(), false);
  return value;
}

function readByPage<T>(context: usize, who: u32, linear: u64): T {
  if (refused(context, who, linear, sizeof<T>(), false)) return zero<T>();
  const first = linear & 0xfff;
  if (first + sizeof<T>() <= 0x1000) {
    const at = locate(context, who, linear, READ);
    if (at > 1) return load<T>(at);
    return at ? ones<T>() : zero<T>();
  }
  const head = <u32>(0x1000 - first);
  if (!canonical(linear + (sizeof<T>() - 1))) return zero<T>(); // before any #PF of the first page
  const low = locate(context, who, linear, READ);
  if (!low) return zero<T>();
  const high = locate(context, who, nextPage(linear), READ);
  if (!high) return zero<T>();
  for (let i: u32 = 0; i < sizeof<T>(); i++) {
    const part = i < head ? low : high;
    store<u8>(joined + i, part == 1 ? 0xff : i < head ? load<u8>(low + i) : load<u8>(high + i - head));
  }
  return load<T>(joined);
}

function writeAs<T>(context: usize, who: u32, linear: u64, v: T): void {
  const e = entryOf(context, linear);
  if (((linear + (sizeof<T>() - 1)) & PAGE_MASK) == load<u64>(e, TLB_WRITE)) {
    store<T>(<usize>(<u32>linear + load<u32>(e, TLB_ADDEND)), v);
    return;
  }
  writeSlow<T>(context, who, linear, v);
}

function writeSlow<T>(context: usize, who: u32, linear: u64, v: T): void {
  writeByPage<T>(context, who, linear, v);
  if (watching && !faulted) noteAccess(linear, sizeof<T>(), true);
}

function writeByPage<T>(context: usize, who: u32, linear: u64, v: T): void {
  if (refused(context, who, linear, sizeof<T>(), true)) return;
  const first = linear & 0xfff;
  if (first + sizeof<T>() <= 0x1000) {
    const at = locate(context, who, linear, WRITE);
    if (at > 1) store<T>(at, v);
    return;
  }
  const head = <u32>(0x1000 - first);
  if (!canonical(linear + (sizeof<T>() - 1))) return;
  const low = locate(context, who, linear, WRITE);
  if (!low) return;
  const high = locate(context, who, nextPage(linear), WRITE);
  if (!high) return;
  store<T>(joined, v);
  for (let i: u32 = 0; i < sizeof<T>(); i++) {
    const part = i < head ? low : high;
    if (part != 1) store<u8>(i < head ? low + i : high + i - head, load<u8>(joined + i));
  }
}

/** Reads at the current privilege. The value is meaningless when `faulted`. */
export function readMem<T>(linear: u64): T {
  return readAs<T>(tlb, view, linear & addressMask);
}

/** Writes at the current privilege; nothing is written when `faulted`. */
export function writeMem<T>(linear: u64, v: T): void {
  writeAs<T>(tlb, view, linear & addressMask, v);
}

/** Reads as the processor does on its own: GDT, LDT, IDT, TSS. */
export function readSystem<T>(linear: u64): T {
  return readAs<T>(systemContext(), VIEW_SUPERVISOR, linear);
}

export function writeSystem<T>(linear: u64, v: T): void {
  writeAs<T>(systemContext(), VIEW_SUPERVISOR, linear, v);
}

/** Writes at the current privilege as event delivery does, which uses all of RSP in every mode. */
export function writeFrame(linear: u64, v: u64): void {
  writeAs<u64>(tlb, view, linear, v);
}

/** Raises what a write of `bytes` (at most a page) would raise, and writes nothing. True: the write will succeed. */
export function probeWrite(linear: u64, bytes: u32): bool {
  return probe(linear & addressMask, bytes, WRITE);
}

/** The same for reading. */
export function probeRead(linear: u64, bytes: u32): bool {
  return probe(linear & addressMask, bytes, READ);
}

function probe(linear: u64, bytes: u32, access: u32): bool {
  if (outsideSegment(tlb, linear, bytes, access == WRITE)) return false;
  const last = linear + bytes - 1;
  if (!canonical(linear + firstPart(bytes) - 1) || !locate(tlb, view, linear, access) || !canonical(last)) return false;
  if ((last ^ linear) & PAGE_MASK) return locate(tlb, view, nextPage(linear), access) != 0;
  return true;
}

/** What the chips access first of an operand: all of an integer or vector, 8 bytes of 10, a word of an environment or state area. */
function firstPart(bytes: u32): u32 {
  if (bytes <= 8 || bytes == 16) return bytes;
  return bytes == 10 ? 8 : 4;
}

/**
 * Host address of `linear` for a run of accesses that stays in its page, or 0 when it must be done one by one
 * (a fault to raise, decoded code, alignment checks, no RAM). Raises nothing.
 */
export function directPointer(linear: u64, access: u32): usize {
  const e = entryOf(tlb, linear);
  const tag = linear & PAGE_MASK;
  if (load<u64>(access == WRITE ? e + TLB_WRITE : e + TLB_READ) != tag) {
    if (!isCanonical(linear) || !fill(tlb, linear, access, view)) return 0;
    if (load<u64>(access == WRITE ? e + TLB_WRITE : e + TLB_READ) != tag) return 0;
  }
  return <usize>(<u32>linear + load<u32>(e, TLB_ADDEND));
}
