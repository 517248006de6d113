// The event that the instruction in flight has raised: an exception or a software interrupt, recorded and not yet delivered.
// Entered from every operation and from the MMU. Leaves to deliver.ts, which the run loop calls after the operation.
//
// Raising only records: the operation returns without having changed any state, and the run loop delivers with RIP still
// at the instruction (SDM Vol. 3A 6.5, faults). One record is enough, since the first fault ends the operation.

import { CPU_BLOCK } from "../abi/layout";
import { LAST_ERROR, LAST_RIP, LAST_VECTOR, RIP } from "../abi/state";
import {
  VECTOR_AC, VECTOR_CP, VECTOR_DB, VECTOR_DE, VECTOR_DF, VECTOR_GP, VECTOR_NM, VECTOR_NP, VECTOR_PF, VECTOR_SS,
  VECTOR_TS, VECTOR_UD,
} from "../abi/vectors";

/** An exception of class fault or abort: the saved RIP is the instruction's own. */
export const KIND_FAULT: u32 = 0;
/** A trap-class #DB: the saved RIP is the next instruction's, which RIP already is. */
export const KIND_TRAP: u32 = 1;
/** INT n: as KIND_INT3 (they differ in virtual-8086 mode alone, which is not here). */
export const KIND_INT_N: u32 = 2;
/** INT3 and INTO: the gate's DPL is checked, the saved RIP is eventNextRip, nested error codes have EXT = 0. */
export const KIND_INT3: u32 = 3;
/** INT1: saves eventNextRip like the others, but no DPL check and EXT = 1 (SDM Vol. 2A, INT n). */
export const KIND_INT1: u32 = 4;
/** An external interrupt or NMI. */
export const KIND_EXTERNAL: u32 = 5;

/** True from the raise until deliver() or clearFault(). */
export let faulted: bool = false;
export let eventVector: u32 = 0;
export let eventError: u32 = 0;
export let eventHasError: bool = false;
export let eventKind: u32 = KIND_FAULT;
/** Saved RIP of a software interrupt. */
export let eventNextRip: u64 = 0;
/** Faulting linear address of a #PF: becomes CR2 when the event is taken up by deliver(). */
export let eventLinear: u64 = 0;
/** Bits that a #DB adds to DR6 when it is taken up. */
export let eventDebug: u64 = 0;
/** Added to a selector-format error code: 1 while deliver() works on an event external to the program (SDM Vol. 3A 6.13). */
export let errorExt: u32 = 0;

/** A repeated string instruction stopped between two iterations: RIP is still at it, and an event now pushes RF = 1. */
export let repeating: bool = false;

export function setRepeating(on: bool): void {
  repeating = on;
}

/** The instruction that ends now takes no single-step trap although TF was set when it began: SYSCALL that masked TF. */
export let stepSuppressed: bool = false;

export function setStepSuppressed(on: bool): void {
  stepSuppressed = on;
}

export function setErrorExt(ext: u32): void {
  errorExt = ext;
}

/** Vectors that push an error code (SDM Vol. 3A table 6-1). */
const HAS_ERROR_CODE: u32 =
  (1 << VECTOR_DF) | (1 << VECTOR_TS) | (1 << VECTOR_NP) | (1 << VECTOR_SS) | (1 << VECTOR_GP) | (1 << VECTOR_PF) |
  (1 << VECTOR_AC) | (1 << VECTOR_CP);

export function hasErrorCode(vector: u32): bool {
  return vector < 32 && ((HAS_ERROR_CODE >> vector) & 1) != 0;
}

function record(vector: u32, errorCode: u32, kind: u32): void {
  faulted = true;
  eventVector = vector;
  eventError = errorCode;
  eventHasError = kind == KIND_FAULT && hasErrorCode(vector);
  eventKind = kind;
  store<u32>(CPU_BLOCK + LAST_VECTOR, vector);
  store<u32>(CPU_BLOCK + LAST_ERROR, errorCode);
}

/** Notes where the last event was raised; deliver() calls it, since only then RIP is known to be the instruction's. */
export function noteEventRip(): void {
  store<u64>(CPU_BLOCK + LAST_RIP, load<u64>(CPU_BLOCK + RIP));
}

/** Records an exception. `errorCode` is ignored for vectors without one. */
export function raise(vector: u32, errorCode: u32): void {
  record(vector, errorCode, KIND_FAULT);
}

/**
 * Records #TS, #NP, #SS or #GP about a selector, IDT entry (`errorCode` with bit 1) or nothing (0).
 * EXT (bit 0) is added when the fault comes from the delivery of an event external to the program.
 */
export function raiseSelector(vector: u32, errorCode: u32): void {
  record(vector, errorCode | errorExt, KIND_FAULT);
}

export function raiseUD(): void {
  record(VECTOR_UD, 0, KIND_FAULT);
}

export function raiseNM(): void {
  record(VECTOR_NM, 0, KIND_FAULT);
}

export function raiseGP(errorCode: u32): void {
  record(VECTOR_GP, errorCode | errorExt, KIND_FAULT);
}

export function raiseSS(errorCode: u32): void {
  record(VECTOR_SS, errorCode | errorExt, KIND_FAULT);
}

/** Records #AC, whose error code is always 0. */
export function raiseAC(): void {
  record(VECTOR_AC, 0, KIND_FAULT);
}

/** Records #PF; `errorCode` in the format of SDM Vol. 3A 4.7. CR2 is written when the event is delivered. */
export function raisePF(linear: u64, errorCode: u32): void {
  record(VECTOR_PF, errorCode, KIND_FAULT);
  eventLinear = linear;
}

/** Records a fault-class #DB (instruction breakpoint, DR access with GD set); `dr6` are the bits to report. */
export function raiseDebugFault(dr6: u64): void {
  record(VECTOR_DB, 0, KIND_FAULT);
  eventDebug = dr6;
}

/** Records a trap-class #DB after the instruction before RIP. */
export function raiseDebugTrap(dr6: u64): void {
  record(VECTOR_DB, 0, KIND_TRAP);
  eventDebug = dr6;
}

/** Records INT n, INT3, INTO or INT1; `nextRip` is the address to return to. */
export function raiseSoftware(vector: u32, kind: u32, nextRip: u64): void {
  record(vector, 0, kind);
  eventNextRip = nextRip;
}

/** Records an external interrupt, or NMI as vector 2. */
export function raiseExternal(vector: u32): void {
  record(vector, 0, KIND_EXTERNAL);
}

/** Takes the record back: it is delivered, or it was raised by a probe whose answer is not an exception (VERR, LAR ...). */
export function clearFault(): void {
  faulted = false;
  eventDebug = 0;
}

/** SDM Vol. 3A table 6-4. #CP is contributory (SDM Vol. 3A 6.15, interrupt 21). */
const CONTRIBUTORY: u32 =
  (1 << VECTOR_DE) | (1 << VECTOR_TS) | (1 << VECTOR_NP) | (1 << VECTOR_SS) | (1 << VECTOR_GP) | (1 << VECTOR_CP);

function isContributory(vector: u32): bool {
  return vector < 32 && ((CONTRIBUTORY >> vector) & 1) != 0;
}

/** What deliver() does with the exception `second`, raised while it delivered an event. */
export const NESTED_SERIAL: u32 = 0;
export const NESTED_DOUBLE_FAULT: u32 = 1;
export const NESTED_SHUTDOWN: u32 = 2;

/**
 * SDM Vol. 3A table 6-5: rows are the event in delivery, columns the exception that its delivery raised.
 *
 *                    benign    contributory  #PF
 *   benign           serial    serial        serial
 *   contributory     serial    #DF           serial
 *   #PF              serial    #DF           #DF
 *   #DF              serial    shutdown      shutdown
 *
 * External and software interrupts are benign whatever their vector.
 */
export function nestedClass(first: u32, firstKind: u32, second: u32): u32 {
  if (firstKind != KIND_FAULT) return NESTED_SERIAL;
  const secondContributory = isContributory(second);
  const secondPageFault = second == VECTOR_PF;
  if (!secondContributory && !secondPageFault) return NESTED_SERIAL;
  if (first == VECTOR_DF) return NESTED_SHUTDOWN;
  if (first == VECTOR_PF) return NESTED_DOUBLE_FAULT;
  if (isContributory(first) && secondContributory) return NESTED_DOUBLE_FAULT;
  return NESTED_SERIAL;
}
