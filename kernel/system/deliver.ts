// Delivery of exceptions, software interrupts and external interrupts through the 64-bit IDT: the step from any level to ring 0.
// Entered from the run loop, after an operation has raised an event or at an instruction boundary.
// Leaves to the handler's first instruction, or out of run() with EXIT_SHUTDOWN (triple fault).
//
// After SDM Vol. 2A, INT n, "IA-32e mode" parts of the operation section, and SDM Vol. 3A 6.14. A 64-bit gate (figure 6-8):
//
//   byte   0        2        4    5         6        8          12       16
//         +--------+--------+----+---------+--------+----------+--------+
//         | offset | CS     |IST | P DPL 0 | offset | offset   | 0      |
//         | 15:0   | select.|2:0 | type    | 31:16  | 63:32    |        |
//         +--------+--------+----+---------+--------+----------+--------+
//
// The frame it pushes, always with SS:RSP, on a stack aligned to 16 bytes:
//
//   RSP+40 | SS     |        (+8 when there is an error code)
//   RSP+32 | RSP    |
//   RSP+24 | RFLAGS |
//   RSP+16 | CS     |
//   RSP+ 8 | RIP    |
//   RSP    | error code |    for the vectors that have one

import { CPU_BLOCK } from "../abi/layout";
import { EXIT_SHUTDOWN } from "../abi/exit-reasons";
import { CR4_MCE, EFER_LMA, FLAG_IF, FLAG_NT, FLAG_RF, FLAG_TF, FLAG_VM } from "../abi/bits";
import {
  CR2, CR4, CR8, DR6, DR7, EFER, EXIT_REASON, EXIT_VECTOR, HALTED, IDTR_BASE, IDTR_LIMIT, MACHINE_CHECK_WAITS, NMI_BLOCKED, NMI_WAITS, NO_VECTOR, PENDING_DEBUG,
  PENDING_INTERRUPT, PENDING_NMI, RIP, RSP, SEG_CS, SEG_SS, SHADOW, SHADOW_MOV_SS,
} from "../abi/state";
import { VECTOR_DB, VECTOR_DF, VECTOR_GP, VECTOR_MC, VECTOR_NMI, VECTOR_NP, VECTOR_PF } from "../abi/vectors";
import { readSystem, writeFrame, writeSystem } from "../mmu/access";
import {
  clearFault, eventDebug, eventError, eventHasError, eventKind, eventLinear, eventNextRip, eventVector, faulted, KIND_EXTERNAL,
  KIND_FAULT, KIND_INT1, KIND_INT3, KIND_INT_N, KIND_TRAP, nestedClass, NESTED_SERIAL, NESTED_SHUTDOWN, noteEventRip, raise, raiseDebugTrap,
  raiseExternal, raiseGP, raiseSelector, raiseSS, repeating, setErrorExt, setRepeating, setStepSuppressed,
  stepSuppressed,
} from "../cpu/fault";
import {
  ATTR_CODE, ATTR_DB, ATTR_DC, ATTR_L, ATTR_P, ATTR_S, ATTR_TYPE, attributesIn, dplIn, isNull, markAccessed, readDescriptor,
  setCodeSegment, setNullStack, TYPE_INTERRUPT_GATE, TYPE_TRAP_GATE,
} from "./segments";
import { cpl, getReg, isCanonical, rflags, segSelector, setReg, setRflags, setRip, stateChanged } from "../cpu/state";
import { tssStack } from "./tss";

/** DR6 bits 0-3: breakpoint conditions met. */
const DR6_B: u64 = 0xf;
const DR7_GD: u64 = 0x2000;
/** DR6.BS: single step. */
const DR6_BS: u32 = 0x4000;

/** What deliver() has delivered last was an instruction that calls its handler, and is done with that: it counts as retired. */
export let deliveredCall: bool = false;

/**
 * Delivers the event that is recorded in fault.ts, and what its delivery raises in turn (SDM Vol. 3A table 6-5).
 * RIP must be at the instruction that raised a fault, or past it for a trap; nothing else of the instruction may have happened.
 * False: shutdown; EXIT_REASON and EXIT_VECTOR are set, RIP is still at the instruction.
 */
export function deliver(): bool {
  if (!faulted) return true;
  noteEventRip();
  const firstVector = eventVector;
  while (true) {
    const vector = eventVector;
    const kind = eventKind;
    if (load<u64>(CPU_BLOCK + EFER) & EFER_LMA) enterHandler();
    else return shutdown(firstVector);
    if (!faulted) {
      deliveredCall = kind == KIND_INT_N || kind == KIND_INT3 || kind == KIND_INT1;
      setRepeating(false);
      return true;
    }
    const nested = nestedClass(vector, kind, eventVector);
    if (nested == NESTED_SERIAL) continue;
    // A page fault that becomes part of a double fault has still written CR2.
    if (eventVector == VECTOR_PF) store<u64>(CPU_BLOCK + CR2, eventLinear);
    if (nested == NESTED_SHUTDOWN) return shutdown(firstVector);
    clearFault();
    raise(VECTOR_DF, 0);
  }
}

function shutdown(vector: u32): bool {
  clearFault();
  store<u32>(CPU_BLOCK + EXIT_REASON, EXIT_SHUTDOWN);
  store<u32>(CPU_BLOCK + EXIT_VECTOR, vector);
  return false;
}

/** True if an event waits that deliverPending() might take: the run loop's quick look at an instruction boundary. */
export function eventWaits(): bool {
  return (
    load<u32>(CPU_BLOCK + PENDING_DEBUG) != 0 ||
    load<u32>(CPU_BLOCK + PENDING_NMI) != 0 ||
    load<u32>(CPU_BLOCK + PENDING_INTERRUPT) != NO_VECTOR
  );
}

/** True if the waiting maskable interrupt would be taken now: IF, no shadow, priority above CR8 (SDM Vol. 3A 10.8.3.1). */
export function interruptAllowed(): bool {
  const vector = load<u32>(CPU_BLOCK + PENDING_INTERRUPT);
  if (vector == NO_VECTOR || (rflags() & FLAG_IF) == 0 || load<u32>(CPU_BLOCK + SHADOW) != 0) return false;
  const priority = load<u32>(CPU_BLOCK + CR8);
  return priority == 0 || vector >> 4 > priority;
}

/** The last deliverPending() has entered a handler. What still waits comes out of that one, in its mode and at its level: ask again. */
export let delivered: bool = false;

/**
 * Takes the first of what waits at an instruction boundary, in the order of SDM Vol. 3A table 6-2: machine check, traps of the instruction
 * before, NMI, maskable interrupt. SHADOW is that of the instruction just done: after MOV SS nothing is taken, after STI no
 * maskable interrupt. False: shutdown.
 */
export function deliverPending(): bool {
  delivered = true;
  if (load<u32>(CPU_BLOCK + PENDING_NMI) & MACHINE_CHECK_WAITS) return deliverMachineCheck();
  let debug = load<u32>(CPU_BLOCK + PENDING_DEBUG);
  if (stepSuppressed || load<u32>(CPU_BLOCK + SHADOW) & SHADOW_MOV_SS) {
    // The single-step trap is lost, other debug conditions wait (SDM Vol. 3A 6.8.3).
    debug &= ~DR6_BS;
    store<u32>(CPU_BLOCK + PENDING_DEBUG, debug);
    setStepSuppressed(false);
  }
  if (!(load<u32>(CPU_BLOCK + SHADOW) & SHADOW_MOV_SS)) {
    if (debug) {
      store<u32>(CPU_BLOCK + PENDING_DEBUG, 0);
      store<u32>(CPU_BLOCK + HALTED, 0);
      raiseDebugTrap(debug);
      return deliver();
    }
    const waiting = load<u32>(CPU_BLOCK + PENDING_NMI);
    if (waiting & NMI_WAITS && !load<u32>(CPU_BLOCK + NMI_BLOCKED)) {
      store<u32>(CPU_BLOCK + PENDING_NMI, waiting & ~NMI_WAITS);
      return deliverNmi();
    }
    if (interruptAllowed()) {
      const vector = load<u32>(CPU_BLOCK + PENDING_INTERRUPT);
      store<u32>(CPU_BLOCK + PENDING_INTERRUPT, NO_VECTOR);
      return deliverInterrupt(vector);
    }
  }
  delivered = false;
  return true;
}

/** Delivers an external interrupt now, whatever IF says (the caller has looked, or a test injects). False: shutdown. */
export function deliverInterrupt(vector: u32): bool {
  store<u32>(CPU_BLOCK + HALTED, 0);
  raiseExternal(vector);
  return deliver();
}

/** An abort between two instructions: RIP as saved is where the program can go on. The shadow of MOV SS does not hold it. False: shutdown. */
function deliverMachineCheck(): bool {
  store<u32>(CPU_BLOCK + PENDING_NMI, load<u32>(CPU_BLOCK + PENDING_NMI) & ~MACHINE_CHECK_WAITS);
  if (!(load<u64>(CPU_BLOCK + CR4) & CR4_MCE)) return shutdown(VECTOR_MC);
  return deliverInterrupt(VECTOR_MC);
}

/** Delivers an NMI now and blocks further ones until IRET (SDM Vol. 3A 6.7.1). False: shutdown. */
export function deliverNmi(): bool {
  store<u32>(CPU_BLOCK + NMI_BLOCKED, 1);
  return deliverInterrupt(VECTOR_NMI);
}

/** Takes the recorded event up and enters its handler; or raises, with the machine as it was (but for CR2 and DR6). */
function enterHandler(): void {
  const vector = eventVector;
  const kind = eventKind;
  const error = eventError;
  const hasError = eventHasError;
  const debug = eventDebug;
  const returnRip = kind >= KIND_INT_N && kind != KIND_EXTERNAL ? eventNextRip : load<u64>(CPU_BLOCK + RIP);
  if (kind == KIND_FAULT && vector == VECTOR_PF) store<u64>(CPU_BLOCK + CR2, eventLinear);
  if (vector == VECTOR_DB && debug) {
    store<u64>(CPU_BLOCK + DR6, load<u64>(CPU_BLOCK + DR6) | debug);
    store<u64>(CPU_BLOCK + DR7, load<u64>(CPU_BLOCK + DR7) & ~DR7_GD);
  }
  clearFault();
  const software = kind == KIND_INT_N || kind == KIND_INT3;
  setErrorExt(software ? 0 : 1);
  throughGate(vector, software, hasError, error, returnRip, savedFlags(vector, kind, debug));
  setErrorExt(0);
}

/** RFLAGS as pushed: RF says whether an instruction breakpoint at the saved RIP is to be ignored (SDM Vol. 3B 17.3.1.1). */
function savedFlags(vector: u32, kind: u32, debug: u64): u64 {
  const flags = rflags();
  if (kind == KIND_FAULT) {
    if (vector == VECTOR_DF || (vector == VECTOR_DB && (debug & DR6_B) != 0)) return flags;
    return flags | FLAG_RF;
  }
  // The instruction that calls the handler is done: it has cleared RF as every other one.
  if (kind != KIND_TRAP && kind != KIND_EXTERNAL) return flags & ~<u64>FLAG_RF;
  return repeating ? flags | FLAG_RF : flags;
}

function throughGate(vector: u32, software: bool, hasError: bool, error: u32, returnRip: u64, flags: u64): void {
  const selectorError = (vector << 3) | 2;
  if ((vector << 4) + 15 > load<u32>(CPU_BLOCK + IDTR_LIMIT)) return raiseGP(selectorError);
  const gateAt = load<u64>(CPU_BLOCK + IDTR_BASE) + (vector << 4);
  const gateLow = readSystem<u64>(gateAt);
  if (faulted) return;
  const gateHigh = readSystem<u64>(gateAt + 8);
  if (faulted) return;

  const gate = <u32>(gateLow >> 40) & 0xff;
  const type = gate & (ATTR_S | ATTR_TYPE);
  if (type != TYPE_INTERRUPT_GATE && type != TYPE_TRAP_GATE) return raiseGP(selectorError);
  if (software && dplIn(gate) < cpl()) return raiseGP(selectorError);
  if ((gate & ATTR_P) == 0) return raiseSelector(VECTOR_NP, selectorError);

  const selector = <u32>(gateLow >> 16) & 0xffff;
  if (isNull(selector)) return raiseGP(0);
  const code = readDescriptor(selector, VECTOR_GP);
  if (faulted) return;
  const attributes = attributesIn(code);
  const level = cpl();
  const dpl = dplIn(attributes);
  if ((attributes & (ATTR_S | ATTR_CODE)) != (ATTR_S | ATTR_CODE) || dpl > level) return raiseGP(selector & 0xfffc);
  if ((attributes & ATTR_P) == 0) return raiseSelector(VECTOR_NP, selector & 0xfffc);
  if ((attributes & (ATTR_L | ATTR_DB)) != ATTR_L) return raiseGP(selector & 0xfffc);

  const inner = (attributes & ATTR_DC) == 0 && dpl < level;
  const newLevel = inner ? dpl : level;
  const ist = <u32>(gateLow >> 32) & 7;
  let rsp = getReg(RSP);
  if (inner || ist) {
    rsp = tssStack(newLevel, ist);
    if (faulted) return;
  }
  const bytes: u64 = hasError ? 48 : 40;
  rsp = (rsp & ~0xf) - bytes;
  if (!isCanonical(rsp) || !isCanonical(rsp + bytes - 1)) return raiseSS(0);
  const handler = (gateLow & 0xffff) | ((gateLow >> 32) & 0xffff0000) | (gateHigh << 32);
  if (!isCanonical(handler)) return raiseGP(0);
  markAccessed(selector, code);
  if (faulted) return;

  pushFrame(rsp + bytes - 40, newLevel, returnRip, flags);
  if (faulted) return;
  if (hasError) {
    pushWord(rsp, newLevel, error);
    if (faulted) return;
  }

  setCodeSegment(selector, code, newLevel);
  if (inner) setNullStack(newLevel, newLevel);
  setReg(RSP, rsp);
  let cleared: u64 = FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM;
  if (type == TYPE_INTERRUPT_GATE) cleared |= FLAG_IF;
  setRflags(rflags() & ~cleared);
  setRip(handler);
  store<u32>(CPU_BLOCK + SHADOW, 0);
  stateChanged();
}

/** Highest word first, as pushes go, so that CR2 of a fault is the address that the hardware would meet first. */
function pushFrame(at: u64, level: u32, returnRip: u64, flags: u64): void {
  pushWord(at + 32, level, segSelector(SEG_SS));
  if (faulted) return;
  pushWord(at + 24, level, getReg(RSP));
  if (faulted) return;
  pushWord(at + 16, level, flags);
  if (faulted) return;
  pushWord(at + 8, level, segSelector(SEG_CS));
  if (faulted) return;
  pushWord(at, level, returnRip);
}

/** A push is an access at the new level; CPL is still the old one here. */
function pushWord(linear: u64, level: u32, value: u64): void {
  if (level == cpl()) writeFrame(linear, value);
  else writeSystem<u64>(linear, value);
}
