// run(): executes instructions until the budget is used up or the machine has something to tell the host.
//
// exec() does blocks; here is all around it: find or decode the block at RIP, execute by their slow twins the
// micro-operations that exec() left, deliver events at instruction boundaries, single-step where an event could
// fall between two instructions of a block (budget nearly used, TF, interrupt shadow).

import { CPU_BLOCK } from "./abi/layout";
import {
  COUNT_BLOCK_DECODED, CPL, CR0, CR4, EFER, EXIT_REASON, HALTED, MODE, MODE_16, MODE_32, MODE_64, PENDING_DEBUG, RETIRED, RFLAGS, RIP,
  SEG_BASE, SEG_CS, SHADOW, SHADOW_MOV_SS, SLOT_CODE_PAGE, SLOT_ZERO, VENDOR, XCR0,
} from "./abi/state";
import { CR0_EM, CR0_TS, CR4_OSFXSR, CR4_OSXSAVE, EFER_LMA, FLAG_RF, FLAG_TF, XCR0_AVX, XCR0_SSE } from "./abi/bits";
import { EXIT_BUDGET, EXIT_HALT, EXIT_SHUTDOWN } from "./abi/exit-reasons";
import { deliver, delivered, deliveredCall, deliverPending, eventWaits } from "./system/deliver";
import { faulted, raiseDebugFault, raiseGP, raisePF, repeating } from "./cpu/fault";
import { getFlags, putFlags } from "./cpu/flags";
import { codeIsFlat, deriveSegments, segmentFlags } from "./cpu/segment-access";
import {
  addressMask, clearRipChanged, clearStateDirty, isCanonical, ripChanged, segAttributes, segBase, segLimit, setAddressMask, stateChanged,
  stateDirty,
} from "./cpu/state";
import {
  arenaHas, arenaTake, arenaTop, blockAt, BLOCK_ROOM, clearCodeDropped, codeDropped, codePageOf, crossBlock, enterBlock, enterCrossBlock,
  flushCode, markCode,
} from "./mmu/code-cache";
import { decodeOne } from "./decode/decoder";
import { endsBlock, out, setOut } from "./decode/instruction";
import { join } from "./decode/join";
import { emitFallThrough, emitFarPage, fuse, pair } from "./decode/lower";
import { LEN_STACK, thisRip, UOP_CODE, UOP_DISP, UOP_IP, UOP_LEN, UOP_NTH, UOP_SIZE } from "./decode/uop";
import { budgetLeft, LEAVE_BUDGET, LEAVE_LOOKUP, leaveReason, setBudgetLeft } from "./exec/leave";
import { mxcsrChanged } from "./exec/sse-fast-path";
import { again, clearAgain, clearLink, linkSlot } from "./exec/steps";
import { ACCESS_OPERAND, ACCESS_SS_OPERAND, leaveSegment, setAccessKind } from "./mmu/access";
import { armBreakpoints, armed, executionHits, takeHits } from "./mmu/breakpoints";
import { hostAddress, inRam } from "./mmu/phys";
import { entryOf, fill, flushAll, forgetCodePages, selectContext, tlb, TLB_ADDEND, TLB_CODE, TLB_EXEC, view } from "./mmu/tlb";
import { EXECUTE, walkError, walkPhysical } from "./mmu/walk";
import { CODE_JMP_PAGE, CODE_NOP } from "../build/kernel/codes";
import { exec } from "../build/kernel/exec";
import { slow } from "../build/kernel/slow";

const PAGE_MASK: u64 = 0xfffffffffffff000;
/** Instructions of a block at the most: few enough for the u8 in each micro-operation. */
const BLOCK_LIMIT: u32 = 48;
const ATTRIBUTE_L: u32 = 0x200;
const ATTRIBUTE_DB: u32 = 0x400;

/** Bytes of an instruction that lies across two pages. */
const straddle = memory.data(32, 16);
/** A block of one instruction that is executed once. */
const scratch = memory.data(32 * 16, 16);

let decodeState: u64 = 0;
let startRetired: u64 = 0;
let startBudget: i32 = 0;

/** Mode from CS and EFER.LMA, TLB context, and whether what was decoded still holds. */
function derive(): void {
  clearStateDirty();
  const cs = segAttributes(SEG_CS);
  const lma = (load<u64>(CPU_BLOCK, EFER) & EFER_LMA) != 0;
  store<u32>(CPU_BLOCK, lma && cs & ATTRIBUTE_L ? MODE_64 : cs & ATTRIBUTE_DB ? MODE_32 : MODE_16, MODE);
  const state = (load<u64>(CPU_BLOCK, CR0) & (CR0_EM | CR0_TS)) | ((load<u64>(CPU_BLOCK, CR4) & (CR4_OSFXSR | CR4_OSXSAVE)) << 8)
    | (<u64>(load<u32>(CPU_BLOCK, CPL) - 1 < 2) << 36) // CPL 1 and 2 share views and code pages with CPL 0
    | (<u64>load<u32>(CPU_BLOCK, VENDOR) << 40) | ((load<u64>(CPU_BLOCK, XCR0) & (XCR0_SSE | XCR0_AVX)) << 48);
  if (state != decodeState) {
    decodeState = state;
    flushCode();
  }
  const m = load<u32>(CPU_BLOCK, MODE);
  setAddressMask(m == MODE_64 ? u64.MAX_VALUE : 0xffffffff);
  codeLimited = false;
  if (m != MODE_64) deriveOutside64(m);
  selectContext();
  if (armBreakpoints()) flushAll();
}

/** Outside 64-bit mode code was decoded for segments that were flat, or not. */
function deriveOutside64(m: u32): void {
  deriveSegments();
  codeLimited = !codeIsFlat();
  const slot = keyFlags + (m << 2);
  if (load<u32>(slot) == segmentFlags) return;
  store<u32>(slot, segmentFlags);
  forgetCodePages(); // those in the TLB are for the flags before
}

/** By mode: segmentFlags when code was last looked up in it. */
const keyFlags = memory.data(3 * 4, 4);
/** CS has a base or a limit: fetches are checked. */
let codeLimited: bool = false;

function codeKey(): u32 {
  const m = load<u32>(CPU_BLOCK, MODE);
  return m | (load<u32>(CPU_BLOCK, CPL) == 3 ? 4 : 0) | (m == MODE_64 ? 0 : segmentFlags << 3);
}

function linearRip(): u64 {
  const linear = load<u64>(CPU_BLOCK, RIP) + load<u64>(CPU_BLOCK, SEG_BASE + 8);
  return load<u32>(CPU_BLOCK, MODE) == MODE_64 ? linear : linear & 0xffffffff;
}

/** Physical address of code at `linear`, or -1 with the fault raised. */
function fetchAddress(linear: u64): i64 {
  if (!isCanonical(linear)) {
    raiseGP(0);
    return -1;
  }
  const e = entryOf(tlb, linear);
  if (load<u64>(e, TLB_EXEC) == (linear & PAGE_MASK)) return <i64>(<u64>(<u32>linear + load<u32>(e, TLB_ADDEND)) - hostAddress(0));
  if (!fill(tlb, linear, EXECUTE, view)) {
    raisePF(linear, walkError);
    return -1;
  }
  return <i64>walkPhysical;
}

/** The block at RIP: its first micro-operation, or 0 with a fault raised. `single`: of one instruction, to be executed once. */
function find(single: bool): usize {
  let room = NO_LIMIT;
  if (load<u32>(CPU_BLOCK, MODE) != MODE_64) {
    store<u32>(CPU_BLOCK, 0, RIP + 4);
    if (codeLimited) {
      room = fetchRoom();
      if (!room) return 0;
      // Blocks are for pages of which all is within the limit, so that branches in a page need no check once they are linked.
      if (segBase(SEG_CS) & 0xfff || (load<u32>(CPU_BLOCK, RIP) | 0xfff) > segLimit(SEG_CS)) single = true;
    }
  }
  const linear = linearRip();
  store<u64>(CPU_BLOCK, 0, SLOT_ZERO);
  store<u64>(CPU_BLOCK, linear & PAGE_MASK, SLOT_CODE_PAGE);
  const physical = fetchAddress(linear);
  if (physical < 0) return 0;
  const offset = <u32>linear & 0xfff;
  if (!inRam(physical)) return findOutside(offset);
  if (single) return findSingle(linear, <u64>physical, offset, room);

  const e = entryOf(tlb, linear);
  let c: usize = load<u32>(e, TLB_CODE);
  const page = <u32>(<u64>physical >> 12);
  if (!c) {
    c = codePageOf(page, codeKey());
    if (load<u64>(e, TLB_EXEC) == (linear & PAGE_MASK)) store<u32>(e, <u32>c, TLB_CODE);
  }
  const known = blockAt(c, offset);
  if (known) return known;
  if (!arenaHas(BLOCK_ROOM)) {
    flushCode();
    clearCodeDropped();
    return find(false);
  }
  const block = decodeBlock(hostAddress(<u64>physical & PAGE_MASK), offset);
  if (!block) return findCross(linear, page, room);
  markCode(page);
  enterBlock(c, offset, block);
  return block;
}

/** Instructions from `offset` to a conditional or far branch, the limit or the end of the page; 0 if already the first one leaves the page. */
function decodeBlock(host: usize, offset: u32): usize {
  const header = arenaTop();
  const first = header + UOP_SIZE;
  setOut(first);
  let n: u32 = 0;
  let at = offset;
  let ends = false;
  let previous: usize = 0;
  while (n < BLOCK_LIMIT && at < 0x1000) {
    const start = out;
    const length = decodeOne(host + at, 0x1000 - at, at);
    if (!length) {
      setOut(start);
      break;
    }
    at += length;
    n++;
    ends = endsBlock;
    // NOP, and JMP inside the page, are retired with the instruction before them: counted, with nothing to execute.
    if (start != first && out == start + UOP_SIZE) {
      const code = load<u16>(start, UOP_CODE);
      const target = <i32>at + load<i32>(start, UOP_DISP);
      // An instruction never stands behind itself: where `ip` changes, one ends.
      const follow = code == CODE_JMP_PAGE && target >= 0 && target < 0x1000 && <u32>target != load<u16>(start - UOP_SIZE, UOP_IP);
      if (follow) at = <u32>target;
      if (follow || code == CODE_NOP) {
        setOut(start);
        previous = 0;
        ends = false;
        continue;
      }
    }
    if (ends && start == previous + UOP_SIZE && fuse(previous, start)) {
      setOut(start);
      break;
    }
    if (start == previous + UOP_SIZE && out == start + UOP_SIZE && pair(previous, start)) previous = 0;
    else previous = start;
    // Micro-operations that belong to instruction n; turned into "instructions left" below.
    for (let u = start; u < out; u += UOP_SIZE) store<u8>(u, <u8>n, UOP_NTH);
    if (ends) break;
  }
  if (!n) return 0;
  for (let u = first; u < out; u += UOP_SIZE) store<u8>(u, <u8>(n + 1 - load<u8>(u, UOP_NTH)), UOP_NTH);
  join(first, out);
  emitFallThrough(at); // also behind a branch: it marks where the last instruction ends
  store<u32>(header, n);
  arenaTake(out);
  store<u64>(CPU_BLOCK, load<u64>(CPU_BLOCK, COUNT_BLOCK_DECODED) + 1, COUNT_BLOCK_DECODED);
  return first;
}

/** One instruction in the scratch block. */
function decodeScratch(bytes: usize, count: u32, offset: u32): usize {
  const first = scratch + UOP_SIZE;
  setOut(first);
  const length = decodeOne(bytes, count, offset);
  if (!length) return 0;
  for (let u = first; u < out; u += UOP_SIZE) store<u8>(u, 1, UOP_NTH);
  emitFallThrough(offset + length);
  store<u32>(scratch, 1);
  return first;
}

/** Bytes from EIP to the end of CS, at most enough for any instruction; 0 with #GP(0) raised where there is none. */
function fetchRoom(): u32 {
  const eip = load<u32>(CPU_BLOCK, RIP);
  const limit = segLimit(SEG_CS);
  if (eip > limit) {
    raiseGP(0);
    return 0;
  }
  return limit - eip < NO_LIMIT ? limit - eip + 1 : NO_LIMIT;
}

/** As much room as no instruction needs. */
const NO_LIMIT: u32 = 0x1000;

function smaller(a: u32, b: u32): u32 {
  return a < b ? a : b;
}

/** One instruction, of which `room` bytes may be fetched; beyond them is the end of CS. */
function findSingle(linear: u64, physical: u64, offset: u32, room: u32): usize {
  const known = smaller(0x1000 - offset, room);
  const block = decodeScratch(hostAddress(physical), known, offset);
  if (block) return block;
  if (known == room) {
    raiseGP(0);
    return 0;
  }
  return findStraddling(linear, physical, offset, room);
}

/** The bytes of the second page are fetched only when the instruction needs them: then their page may fault. */
function findStraddling(linear: u64, physical: u64, offset: u32, room: u32): usize {
  const head = 0x1000 - offset;
  const second = fetchAddress(pageBehind(linear));
  if (second < 0) return 0;
  memory.copy(straddle, hostAddress(physical), head);
  if (inRam(second)) memory.copy(straddle + head, hostAddress(<u64>second), 15);
  else memory.fill(straddle + head, 0xff, 15);
  const block = decodeScratch(straddle, smaller(head + 15, room), offset);
  if (!block) raiseGP(0); // more bytes than `room`
  return block;
}

function pageBehind(linear: u64): u64 {
  return ((linear & PAGE_MASK) + 0x1000) & addressMask;
}

/** A block of one instruction that lies across two pages: kept under both physical pages. */
function findCross(linear: u64, page: u32, room: u32): usize {
  if (room <= 0x1000 - (<u32>linear & 0xfff)) {
    raiseGP(0);
    return 0;
  }
  const second = fetchAddress(pageBehind(linear));
  if (second < 0) return 0;
  const physical = (<u64>page << 12) | (linear & 0xfff);
  if (!inRam(second) || room != NO_LIMIT) return findStraddling(linear, physical, <u32>linear & 0xfff, room);
  const page2 = <u32>(<u64>second >> 12);
  const key = codeKey();
  const known = crossBlock(linear, key, page, page2);
  if (known) return known;
  const once = findStraddling(linear, physical, <u32>linear & 0xfff, room);
  if (!once) return 0;
  const header = arenaTop();
  const first = header + UOP_SIZE;
  const bytes = out - once;
  memory.copy(header, scratch, UOP_SIZE);
  memory.copy(first, once, bytes);
  // Operands that point into their own micro-operation move with it.
  for (let u = first; u < first + bytes; u += UOP_SIZE) {
    const was = once + (u - first);
    for (let field: usize = 4; field <= 8; field += 4) {
      const pointer: usize = load<u32>(u + field);
      if (pointer - was < UOP_SIZE) store<u32>(u + field, <u32>(pointer - was + u));
    }
  }
  arenaTake(first + bytes);
  markCode(page);
  markCode(page2);
  enterCrossBlock(linear, key, page, page2, first);
  return first;
}

/** No RAM there: the bus gives all ones, and FF FF is no instruction. */
function findOutside(offset: u32): usize {
  memory.fill(straddle, 0xff, 16);
  return decodeScratch(straddle, 15, offset);
}

/** Retired instructions as of now, `left` of the block in hand not yet executed. */
function syncRetired(): void {
  store<u64>(CPU_BLOCK, startRetired + <u64>(startBudget - budgetLeft), RETIRED);
}

function leaveRun(reason: u32): u32 {
  store<u32>(CPU_BLOCK, reason, EXIT_REASON);
  store<u64>(CPU_BLOCK, getFlags(), RFLAGS);
  syncRetired();
  return reason;
}

/**
 * Executes up to `budget` instructions. The CPU block is the whole state before and after. Returns an exit reason
 * (abi/exit-reasons.ts), which is also in EXIT_REASON.
 */
export function run(budget: i32): u32 {
  const NO_EXIT: u32 = 0xffffffff;
  putFlags(load<u64>(CPU_BLOCK, RFLAGS));
  mxcsrChanged();
  startRetired = load<u64>(CPU_BLOCK, RETIRED);
  startBudget = budget;
  setBudgetLeft(budget);
  store<u32>(CPU_BLOCK, NO_EXIT, EXIT_REASON);
  stateChanged();
  while (true) {
    // An instruction boundary; RIP is whole, nothing is taken off the budget in advance.
    leaveSegment();
    if (stateDirty) derive();
    if (load<u32>(CPU_BLOCK, EXIT_REASON) != NO_EXIT) return leaveRun(load<u32>(CPU_BLOCK, EXIT_REASON));
    if (armed) {
      const met = takeHits();
      if (met) store<u32>(CPU_BLOCK, load<u32>(CPU_BLOCK, PENDING_DEBUG) | met, PENDING_DEBUG);
    }
    if (eventWaits()) {
      if (!deliverPending()) return leaveRun(EXIT_SHUTDOWN);
      if (stateDirty) derive();
      clearRipChanged();
      if (delivered) continue;
    }
    if (load<u32>(CPU_BLOCK, HALTED)) return leaveRun(EXIT_HALT);
    if (budgetLeft <= 0) return leaveRun(EXIT_BUDGET);

    const flags = load<u32>(CPU_BLOCK, RFLAGS);
    const stepping = (flags & FLAG_TF) != 0;
    const shadow = load<u32>(CPU_BLOCK, SHADOW);
    const resumed = (flags & FLAG_RF) != 0;
    // Between its iterations a REP instruction is not at its beginning.
    if (armed && !resumed && !repeating && !(shadow & SHADOW_MOV_SS)) {
      const met = executionHits(linearRip());
      if (met) {
        raiseDebugFault(met);
        if (!deliver()) return leaveRun(EXIT_SHUTDOWN);
        clearRipChanged();
        continue;
      }
    }
    // RF lives for one instruction, and IRET's is already that of the next (SDM Vol. 3B 17.3.1.1).
    if (resumed) store<u64>(CPU_BLOCK, load<u64>(CPU_BLOCK, RFLAGS) & ~(<u64>FLAG_RF), RFLAGS);
    let alone = stepping || shadow != 0 || resumed || armed;
    let u = find(alone);
    if (!u) {
      if (!deliver()) return leaveRun(EXIT_SHUTDOWN);
      clearRipChanged();
      continue;
    }
    if (load<i32>(u - UOP_SIZE) > budgetLeft) {
      alone = true;
      u = find(true);
      if (!u) {
        if (!deliver()) return leaveRun(EXIT_SHUTDOWN);
        clearRipChanged();
        continue;
      }
    }
    setBudgetLeft(budgetLeft - load<i32>(u - UOP_SIZE));
    // What is to be executed alone is all there is budget for: a RET or CALL would else go on in the block it leads to.
    const aside = alone ? budgetLeft : 0;
    startBudget -= aside;
    setBudgetLeft(budgetLeft - aside);
    const goesOn = execute(u);
    startBudget += aside;
    setBudgetLeft(budgetLeft + aside);
    if (!goesOn) return leaveRun(EXIT_SHUTDOWN);
    if (shadow && load<u32>(CPU_BLOCK, SHADOW) == shadow) store<u32>(CPU_BLOCK, 0, SHADOW);
    if (stepping && !faultedThisStep) {
      store<u32>(CPU_BLOCK, load<u32>(CPU_BLOCK, PENDING_DEBUG) | 0x4000, PENDING_DEBUG); // DR6.BS
    }
  }
}

/** The instruction of the last execute() raised an event in place of completing. */
let faultedThisStep: bool = false;

/**
 * Delivers what the instruction at `rip` has raised. It has not happened, unless it is one that calls the handler, and
 * neither have the accesses that it made before. False: shutdown.
 */
function faultAt(rip: u64): bool {
  leaveSegment();
  store<u64>(CPU_BLOCK, rip, RIP);
  faultedThisStep = true;
  if (armed) takeHits();
  if (!deliver()) return false;
  if (deliveredCall) setBudgetLeft(budgetLeft - 1);
  return true;
}

/** Runs from micro-operation u until a boundary that needs the loop above; RIP is set then. False: shutdown. */
function execute(u: usize): bool {
  faultedThisStep = false;
  clearCodeDropped();
  while (true) {
    u = exec(u);
    const why = leaveReason;
    if (why == LEAVE_LOOKUP) return true;
    if (why == LEAVE_BUDGET) {
      store<u64>(CPU_BLOCK, thisRip(u), RIP);
      return true;
    }
    // The rest of the block, this instruction included, goes back until it is executed.
    const left = <i32>load<u8>(u, UOP_NTH);
    setBudgetLeft(budgetLeft + left);
    syncRetired();
    const rip = thisRip(u);
    clearRipChanged();
    setAccessKind(load<u8>(u, UOP_LEN) & LEN_STACK ? ACCESS_SS_OPERAND : ACCESS_OPERAND);
    slow(u);
    setAccessKind(ACCESS_OPERAND);
    if (again) {
      clearAgain();
      setBudgetLeft(budgetLeft - left);
      continue;
    }
    if (faulted) return faultAt(rip);
    if (linkSlot) {
      setBudgetLeft(budgetLeft - left); // A branch ends its block: what was left is the branch.
      const next = link(rip);
      if (!next) return true;
      u = next;
      continue;
    }
    if (ripChanged) {
      if (left) setBudgetLeft(budgetLeft - 1);
      return true;
    }
    const next = u + UOP_SIZE;
    if (stateDirty || codeDropped) {
      // The block may be stale: finish this instruction by its slow steps, then look RIP up.
      const at = load<u16>(u, UOP_IP);
      for (u = next; load<u16>(u, UOP_IP) == at; u += UOP_SIZE) {
        clearRipChanged();
        slow(u);
        if (faulted) return faultAt(rip);
      }
      store<u64>(CPU_BLOCK, rip + (load<u8>(u - UOP_SIZE, UOP_LEN) & 15), RIP);
      setBudgetLeft(budgetLeft - 1);
      return true;
    }
    setBudgetLeft(budgetLeft - left);
    u = next;
  }
}

/**
 * The branch that slow() has just done goes to RIP, and `linkSlot` says where its micro-operation remembers the target.
 * Returns the block to go on with, or 0 to let run() look (budget, fault, scratch block).
 */
function link(from: u64): usize {
  const slot = linkSlot;
  clearLink();
  const inScratch = slot >= scratch && slot < scratch + 32 * 16;
  if (inScratch || load<u32>(CPU_BLOCK, SHADOW) || load<u32>(CPU_BLOCK, RFLAGS) & FLAG_TF || eventWaits()) return 0;
  const page = load<u64>(CPU_BLOCK, SLOT_CODE_PAGE);
  const linear = linearRip();
  if (((linear ^ page) & PAGE_MASK) != 0) {
    if (codeLimited || !arenaHas(UOP_SIZE * 2)) return 0;
    const header = arenaTop();
    setOut(header + UOP_SIZE);
    emitFarPage(<i64>(linear - page), <u32>from & 0xfff);
    store<u32>(header, 0);
    arenaTake(out);
    store<u32>(slot, <u32>(header + UOP_SIZE));
    return 0;
  }
  clearCodeDropped();
  const block = find(false);
  if (!block || block == scratch + UOP_SIZE || codeDropped) return 0;
  if (load<u16>(block, UOP_IP) == (<u32>linear & 0xfff) && !crossesPage(block)) store<u32>(slot, <u32>block);
  if (load<i32>(block - UOP_SIZE) > budgetLeft) return 0;
  setBudgetLeft(budgetLeft - load<i32>(block - UOP_SIZE));
  return block;
}

function crossesPage(block: usize): bool {
  return load<u16>(block, UOP_IP) + (load<u8>(block, UOP_LEN) & 15) > 0x1000;
}
