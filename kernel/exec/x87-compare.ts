// FCOM FUCOM FICOM FCOMI FUCOMI with their popping forms, FTST, FXAM (SDM Vol. 1 5.2.3, 8.1.4). Called from exec().

import { faulted } from "../cpu/fault";
import { setArithmeticFlags } from "../cpu/flags";
import { FLAG_CF, FLAG_PF, FLAG_ZF } from "../abi/bits";
import { ea } from "../decode/uop";
import { readMem } from "../mmu/access";
import { bClass, bExp, bSig, bSign, beginOperation, f80SignExponent, roundAndPackF80, unpackB, unpackF80, unpackF80A } from "./softfloat";
import { EQUAL, GREATER, LESS, UNORDERED, fromInteger } from "./softfloat-arithmetic";
import { f80Compare } from "./softfloat-f80";
import {
  FSW_C0, FSW_C1, FSW_C2, FSW_C3, isEmpty, pop, seOf, sigOf, stackUnderflow, sti, x87Begin, x87EndSparingC1, x87EndWithConditions, x87Stops,
} from "./x87-state";

function conditionsOf(relation: i32): u32 {
  if (relation == LESS) return FSW_C0;
  if (relation == EQUAL) return FSW_C3;
  return relation == GREATER ? 0 : FSW_C0 | FSW_C2 | FSW_C3;
}

function endCompare(u: usize, relation: i32, pops: u32): void {
  if (!x87Stops()) {
    if (pops > 0) pop();
    if (pops > 1) pop();
  }
  x87EndWithConditions(u, conditionsOf(relation));
}

function withRegister(u: usize, i: u32, signaling: bool, pops: u32): void {
  if (!x87Begin()) return;
  let relation = UNORDERED;
  if (isEmpty(0) || isEmpty(i)) stackUnderflow();
  else relation = compareRegisters(i, signaling);
  endCompare(u, relation, pops);
}

function compareRegisters(i: u32, signaling: bool): i32 {
  beginOperation();
  unpackF80A(seOf(0), sigOf(0));
  unpackF80(seOf(i), sigOf(i));
  return f80Compare(signaling);
}

/** ST(0) against b, the memory operand that has been unpacked. */
function withOperand(u: usize, pops: u32): void {
  let relation = UNORDERED;
  if (isEmpty(0)) stackUnderflow();
  else {
    const sign = bSign;
    const exp = bExp;
    const sig = bSig;
    const cls = bClass;
    unpackF80A(seOf(0), sigOf(0));
    bSign = sign;
    bExp = exp;
    bSig = sig;
    bClass = cls;
    relation = f80Compare(true);
  }
  endCompare(u, relation, pops);
}

function withM32(u: usize, pops: u32): void {
  if (!x87Begin()) return;
  const v = readMem<u32>(ea(u));
  if (faulted) return;
  beginOperation();
  unpackB<u32>(v);
  withOperand(u, pops);
}

function withM64(u: usize, pops: u32): void {
  if (!x87Begin()) return;
  const v = readMem<u64>(ea(u));
  if (faulted) return;
  beginOperation();
  unpackB<u64>(v);
  withOperand(u, pops);
}

function withInteger(u: usize, v: i64, pops: u32): void {
  beginOperation();
  fromInteger(v);
  const sig = roundAndPackF80(64);
  unpackF80(f80SignExponent, sig);
  withOperand(u, pops);
}

function withI16(u: usize, pops: u32): void {
  if (!x87Begin()) return;
  const v = readMem<u16>(ea(u));
  if (!faulted) withInteger(u, (v as i16) as i64, pops);
}

function withI32(u: usize, pops: u32): void {
  if (!x87Begin()) return;
  const v = readMem<u32>(ea(u));
  if (!faulted) withInteger(u, (v as i32) as i64, pops);
}

export function FCOM_M32(u: usize): void { withM32(u, 0); }
export function FCOMP_M32(u: usize): void { withM32(u, 1); }
export function FCOM_M64(u: usize): void { withM64(u, 0); }
export function FCOMP_M64(u: usize): void { withM64(u, 1); }
export function FICOM_M16(u: usize): void { withI16(u, 0); }
export function FICOMP_M16(u: usize): void { withI16(u, 1); }
export function FICOM_M32(u: usize): void { withI32(u, 0); }
export function FICOMP_M32(u: usize): void { withI32(u, 1); }
export function FCOM_STi(u: usize): void { withRegister(u, sti(u), true, 0); }
export function FCOMP_STi(u: usize): void { withRegister(u, sti(u), true, 1); }
export function FCOMPP(u: usize): void { withRegister(u, 1, true, 2); }
export function FUCOM(u: usize): void { withRegister(u, sti(u), false, 0); }
export function FUCOMP(u: usize): void { withRegister(u, sti(u), false, 1); }
export function FUCOMPP(u: usize): void { withRegister(u, 1, false, 2); }

/** Compares into ZF, PF and CF; OF, SF and AF are cleared. */
function intoFlags(u: usize, signaling: bool, pops: bool): void {
  if (!x87Begin()) return;
  const i = sti(u);
  let relation = UNORDERED;
  if (isEmpty(0) || isEmpty(i)) stackUnderflow();
  else relation = compareRegisters(i, signaling);
  if (relation == LESS) setArithmeticFlags(FLAG_CF);
  else if (relation == EQUAL) setArithmeticFlags(FLAG_ZF);
  else setArithmeticFlags(relation == GREATER ? 0 : FLAG_ZF | FLAG_PF | FLAG_CF);
  if (pops && !x87Stops()) pop();
  x87EndSparingC1(u);
}

export function FCOMI(u: usize): void { intoFlags(u, true, false); }
export function FCOMIP(u: usize): void { intoFlags(u, true, true); }
export function FUCOMI(u: usize): void { intoFlags(u, false, false); }
export function FUCOMIP(u: usize): void { intoFlags(u, false, true); }

export function FTST(u: usize): void {
  if (!x87Begin()) return;
  let relation = UNORDERED;
  if (isEmpty(0)) stackUnderflow();
  else {
    beginOperation();
    unpackF80A(seOf(0), sigOf(0));
    unpackF80(0, 0);
    relation = f80Compare(true);
  }
  endCompare(u, relation, 0);
}

/** Class of ST(0) in C3 C2 C0, its sign in C1, of an empty register too. */
export function FXAM(u: usize): void {
  if (!x87Begin()) return;
  const se = seOf(0);
  const sig = sigOf(0);
  const exponent = se & 0x7fff;
  let c = (se & 0x8000) != 0 ? FSW_C1 : 0;
  if (isEmpty(0)) c |= FSW_C3 | FSW_C0;
  else if (exponent == 0) c |= sig == 0 ? FSW_C3 : FSW_C3 | FSW_C2;
  else if (sig >> 63 == 0) c |= 0;
  else if (exponent != 0x7fff) c |= FSW_C2;
  else c |= sig << 1 == 0 ? FSW_C2 | FSW_C0 : FSW_C0;
  x87EndWithConditions(u, c);
}
