// FADD FSUB FMUL FDIV with their reverse, popping and integer forms, FSQRT FABS FCHS FRNDINT FSCALE FXTRACT FPREM FPREM1
// (SDM Vol. 1 5.2.2). Called from exec().

import { faulted } from "../cpu/fault";
import { ea } from "../decode/uop";
import { readMem } from "../mmu/access";
import {
  CLASS_INFINITY, CLASS_ZERO, ZE, bClass, bExp, bSig, bSign, beginOperation, denormalStops, f80SignExponent, fpFlags, nanOfOneF80,
  roundAndPackF80, unpackB, unpackF80, unpackF80A,
} from "./softfloat";
import { fromInteger } from "./softfloat-arithmetic";
import {
  OP_ADD, OP_DIV, OP_DIVR, OP_MUL, OP_SUB, OP_SUBR, f80Arithmetic, f80Remainder, f80RoundToInt, f80Scale, f80Sqrt, remainderDone,
  remainderPartial, remainderQuotient,
} from "./softfloat-f80";
import {
  FSW_C0, FSW_C1, FSW_C2, FSW_C3, INDEFINITE_SE, INDEFINITE_SIG, fsw, isEmpty, pop, push, seOf, setSt, sigOf, stackOverflow,
  stackUnderflow, sti, x87Begin, x87End, x87EndWithConditions, x87Stops,
} from "./x87-state";

/** ST(to) = ST(to) op ST(from). */
function registers(u: usize, op: u32, to: u32, from: u32, pops: bool): void {
  if (!x87Begin()) return;
  let sig = INDEFINITE_SIG;
  let se = INDEFINITE_SE;
  if (isEmpty(to) || isEmpty(from)) stackUnderflow();
  else {
    beginOperation();
    unpackF80A(seOf(to), sigOf(to));
    unpackF80(seOf(from), sigOf(from));
    sig = f80Arithmetic(op);
    se = f80SignExponent;
  }
  if (!x87Stops()) {
    setSt(to, se, sig);
    if (pops) pop();
  }
  x87End(u);
}

/** ST(0) = ST(0) op b, the memory operand that has been unpacked. */
function withOperand(u: usize, op: u32): void {
  let sig = INDEFINITE_SIG;
  let se = INDEFINITE_SE;
  if (isEmpty(0)) stackUnderflow();
  else {
    // unpackF80A goes through b.
    const sign = bSign;
    const exp = bExp;
    const significand = bSig;
    const cls = bClass;
    unpackF80A(seOf(0), sigOf(0));
    bSign = sign;
    bExp = exp;
    bSig = significand;
    bClass = cls;
    sig = f80Arithmetic(op);
    se = f80SignExponent;
  }
  if (!x87Stops()) setSt(0, se, sig);
  x87End(u);
}

function withM32(u: usize, op: u32): void {
  if (!x87Begin()) return;
  const v = readMem<u32>(ea(u));
  if (faulted) return;
  beginOperation();
  unpackB<u32>(v);
  withOperand(u, op);
}

function withM64(u: usize, op: u32): void {
  if (!x87Begin()) return;
  const v = readMem<u64>(ea(u));
  if (faulted) return;
  beginOperation();
  unpackB<u64>(v);
  withOperand(u, op);
}

function withInteger(u: usize, op: u32, v: i64): void {
  beginOperation();
  fromInteger(v);
  const sig = roundAndPackF80(64);
  unpackF80(f80SignExponent, sig);
  withOperand(u, op);
}

function withI16(u: usize, op: u32): void {
  if (!x87Begin()) return;
  const v = readMem<u16>(ea(u));
  if (!faulted) withInteger(u, op, (v as i16) as i64);
}

function withI32(u: usize, op: u32): void {
  if (!x87Begin()) return;
  const v = readMem<u32>(ea(u));
  if (!faulted) withInteger(u, op, (v as i32) as i64);
}

export function FADD_M32(u: usize): void { withM32(u, OP_ADD); }
export function FMUL_M32(u: usize): void { withM32(u, OP_MUL); }
export function FSUB_M32(u: usize): void { withM32(u, OP_SUB); }
export function FSUBR_M32(u: usize): void { withM32(u, OP_SUBR); }
export function FDIV_M32(u: usize): void { withM32(u, OP_DIV); }
export function FDIVR_M32(u: usize): void { withM32(u, OP_DIVR); }
export function FADD_M64(u: usize): void { withM64(u, OP_ADD); }
export function FMUL_M64(u: usize): void { withM64(u, OP_MUL); }
export function FSUB_M64(u: usize): void { withM64(u, OP_SUB); }
export function FSUBR_M64(u: usize): void { withM64(u, OP_SUBR); }
export function FDIV_M64(u: usize): void { withM64(u, OP_DIV); }
export function FDIVR_M64(u: usize): void { withM64(u, OP_DIVR); }
export function FIADD_M16(u: usize): void { withI16(u, OP_ADD); }
export function FIMUL_M16(u: usize): void { withI16(u, OP_MUL); }
export function FISUB_M16(u: usize): void { withI16(u, OP_SUB); }
export function FISUBR_M16(u: usize): void { withI16(u, OP_SUBR); }
export function FIDIV_M16(u: usize): void { withI16(u, OP_DIV); }
export function FIDIVR_M16(u: usize): void { withI16(u, OP_DIVR); }
export function FIADD_M32(u: usize): void { withI32(u, OP_ADD); }
export function FIMUL_M32(u: usize): void { withI32(u, OP_MUL); }
export function FISUB_M32(u: usize): void { withI32(u, OP_SUB); }
export function FISUBR_M32(u: usize): void { withI32(u, OP_SUBR); }
export function FIDIV_M32(u: usize): void { withI32(u, OP_DIV); }
export function FIDIVR_M32(u: usize): void { withI32(u, OP_DIVR); }
export function FADD_ST0_STi(u: usize): void { registers(u, OP_ADD, 0, sti(u), false); }
export function FMUL_ST0_STi(u: usize): void { registers(u, OP_MUL, 0, sti(u), false); }
export function FSUB_ST0_STi(u: usize): void { registers(u, OP_SUB, 0, sti(u), false); }
export function FSUBR_ST0_STi(u: usize): void { registers(u, OP_SUBR, 0, sti(u), false); }
export function FDIV_ST0_STi(u: usize): void { registers(u, OP_DIV, 0, sti(u), false); }
export function FDIVR_ST0_STi(u: usize): void { registers(u, OP_DIVR, 0, sti(u), false); }
export function FADD_STi_ST0(u: usize): void { registers(u, OP_ADD, sti(u), 0, false); }
export function FMUL_STi_ST0(u: usize): void { registers(u, OP_MUL, sti(u), 0, false); }
export function FSUB_STi_ST0(u: usize): void { registers(u, OP_SUB, sti(u), 0, false); }
export function FSUBR_STi_ST0(u: usize): void { registers(u, OP_SUBR, sti(u), 0, false); }
export function FDIV_STi_ST0(u: usize): void { registers(u, OP_DIV, sti(u), 0, false); }
export function FDIVR_STi_ST0(u: usize): void { registers(u, OP_DIVR, sti(u), 0, false); }
export function FADDP(u: usize): void { registers(u, OP_ADD, sti(u), 0, true); }
export function FMULP(u: usize): void { registers(u, OP_MUL, sti(u), 0, true); }
export function FSUBP(u: usize): void { registers(u, OP_SUB, sti(u), 0, true); }
export function FSUBRP(u: usize): void { registers(u, OP_SUBR, sti(u), 0, true); }
export function FDIVP(u: usize): void { registers(u, OP_DIV, sti(u), 0, true); }
export function FDIVRP(u: usize): void { registers(u, OP_DIVR, sti(u), 0, true); }

/** False, with the stack underflow dealt with, if ST(0) is empty; otherwise it stands in b. */
function takesSt0(u: usize): bool {
  if (!isEmpty(0)) {
    beginOperation();
    unpackF80(seOf(0), sigOf(0));
    return true;
  }
  stackUnderflow();
  if (!x87Stops()) setSt(0, INDEFINITE_SE, INDEFINITE_SIG);
  x87End(u);
  return false;
}

function replaceSt0(u: usize, sig: u64): void {
  if (!x87Stops()) setSt(0, f80SignExponent, sig);
  x87End(u);
}

export function FSQRT(u: usize): void {
  if (x87Begin() && takesSt0(u)) replaceSt0(u, f80Sqrt());
}

export function FRNDINT(u: usize): void {
  if (x87Begin() && takesSt0(u)) replaceSt0(u, f80RoundToInt());
}

export function FABS(u: usize): void {
  if (!x87Begin() || !takesSt0(u)) return;
  setSt(0, seOf(0) & 0x7fff, sigOf(0));
  x87End(u);
}

export function FCHS(u: usize): void {
  if (!x87Begin() || !takesSt0(u)) return;
  setSt(0, seOf(0) ^ 0x8000, sigOf(0));
  x87End(u);
}

export function FSCALE(u: usize): void {
  if (!x87Begin()) return;
  let sig = INDEFINITE_SIG;
  f80SignExponent = INDEFINITE_SE;
  if (isEmpty(0) || isEmpty(1)) stackUnderflow();
  else {
    beginOperation();
    unpackF80A(seOf(0), sigOf(0));
    unpackF80(seOf(1), sigOf(1));
    sig = f80Scale();
  }
  replaceSt0(u, sig);
}

/** ST(0) becomes the unbiased exponent, the significand in [1, 2) is pushed. */
export function FXTRACT(u: usize): void {
  if (!x87Begin()) return;
  if (isEmpty(0) || !isEmpty(7)) {
    if (isEmpty(0)) stackUnderflow();
    else stackOverflow();
    if (!x87Stops()) {
      setSt(0, INDEFINITE_SE, INDEFINITE_SIG);
      push(INDEFINITE_SE, INDEFINITE_SIG);
    }
    x87End(u);
    return;
  }
  beginOperation();
  unpackF80(seOf(0), sigOf(0));
  const sign = bSign;
  if (nanOfOneF80()) {
    const sig = roundAndPackF80(64);
    if (!x87Stops()) {
      setSt(0, f80SignExponent, sig);
      push(f80SignExponent, sig);
    }
    x87End(u);
    return;
  }
  if (bClass == CLASS_ZERO) {
    fpFlags |= ZE;
    if (!x87Stops()) {
      setSt(0, 0xffff, 0x8000000000000000);
      push(sign << 15, 0);
    }
  } else if (bClass == CLASS_INFINITY) {
    setSt(0, 0x7fff, 0x8000000000000000);
    push((sign << 15) | 0x7fff, 0x8000000000000000);
  } else if (!denormalStops()) {
    const significand = bSig;
    fromInteger(bExp);
    const exponent = roundAndPackF80(64);
    setSt(0, f80SignExponent, exponent);
    push((sign << 15) | 0x3fff, significand);
  }
  x87End(u);
}

function partialRemainder(u: usize, nearest: bool): void {
  if (!x87Begin()) return;
  if (isEmpty(0) || isEmpty(1)) {
    stackUnderflow();
    if (!x87Stops()) setSt(0, INDEFINITE_SE, INDEFINITE_SIG);
    x87EndWithConditions(u, fsw() & (FSW_C0 | FSW_C3));
    return;
  }
  beginOperation();
  unpackF80A(seOf(0), sigOf(0));
  unpackF80(seOf(1), sigOf(1));
  const sig = f80Remainder(nearest);
  let conditions: u32 = 0;
  if (!remainderDone) conditions = fsw() & (FSW_C0 | FSW_C3);
  else if (remainderPartial) conditions = FSW_C2;
  else {
    if ((remainderQuotient & 1) != 0) conditions |= FSW_C1;
    if ((remainderQuotient & 2) != 0) conditions |= FSW_C3;
    if ((remainderQuotient & 4) != 0) conditions |= FSW_C0;
  }
  if (!x87Stops()) setSt(0, f80SignExponent, sig);
  x87EndWithConditions(u, conditions);
}

export function FPREM(u: usize): void { partialRemainder(u, false); }
export function FPREM1(u: usize): void { partialRemainder(u, true); }
