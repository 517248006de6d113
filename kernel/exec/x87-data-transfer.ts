// FLD FST FSTP FILD FIST FISTP FISTTP FBLD FBSTP FXCH FCMOVcc and the constants (SDM Vol. 1 5.2.1, 5.2.5). Called from exec().

import { faulted } from "../cpu/fault";
import { cf, pf, zf } from "../cpu/flags";
import { isAmd } from "../cpu/state";
import { ea } from "../decode/uop";
import { probeWrite, readMem, writeMem } from "../mmu/access";
import { alignedOrFault } from "../system/alignment";
import {
  IE, OE, PE, ROUND_NEAREST, ROUND_UP, UE, bSign, beginOperation, f80SignExponent, fpFlags, fpMasks, fpRoundedUp, fpRounding,
  roundAndPackF80, unpackB, unpackF80,
} from "./softfloat";
import { fromInteger } from "./softfloat-arithmetic";
import { f80FromOperand, f80To, f80ToInteger } from "./softfloat-f80";
import {
  INDEFINITE_SE, INDEFINITE_SIG, isEmpty, pop, push, seOf, setSt, sigOf, stackOverflow, stackUnderflow, sti, x87Begin, x87End, x87EndSparingC1, x87Stops,
  x87StopsStore,
} from "./x87-state";

// --- loads ------------------------------------------------------------------------------------------------------------------

function pushValue(u: usize, se: u32, sig: u64): void {
  if (isEmpty(7)) push(se, sig);
  else {
    stackOverflow();
    if (!x87Stops()) push(INDEFINITE_SE, INDEFINITE_SIG);
  }
  x87End(u);
}

/** Pushes operand b, an m32 or m64. An unmasked denormal exception does not stop the load, as the chip has it. */
function pushOperand(u: usize): void {
  if (!isEmpty(7)) {
    pushValue(u, 0, 0);
    return;
  }
  const sig = f80FromOperand();
  if ((fpFlags & ~fpMasks & IE) == 0) push(f80SignExponent, sig);
  x87End(u);
}

function pushInteger(u: usize, v: i64): void {
  beginOperation();
  fromInteger(v);
  const sig = roundAndPackF80(64);
  pushValue(u, f80SignExponent, sig);
}

export function FLD_M32(u: usize): void {
  if (!x87Begin()) return;
  const v = readMem<u32>(ea(u));
  if (faulted) return;
  beginOperation();
  unpackB<u32>(v);
  pushOperand(u);
}

export function FLD_M64(u: usize): void {
  if (!x87Begin()) return;
  const v = readMem<u64>(ea(u));
  if (faulted) return;
  beginOperation();
  unpackB<u64>(v);
  pushOperand(u);
}

export function FLD_M80(u: usize): void {
  if (!x87Begin()) return;
  const sig = readMem<u64>(ea(u));
  if (faulted) return;
  const se = readMem<u16>(ea(u) + 8);
  if (faulted) return;
  pushValue(u, se, sig);
}

export function FLD_STi(u: usize): void {
  if (!x87Begin()) return;
  const i = sti(u);
  if (isEmpty(i)) {
    stackUnderflow();
    if (!x87Stops()) push(INDEFINITE_SE, INDEFINITE_SIG);
    x87End(u);
    return;
  }
  pushValue(u, seOf(i), sigOf(i));
}

export function FILD_M16(u: usize): void {
  if (!x87Begin()) return;
  const v = readMem<u16>(ea(u));
  if (!faulted) pushInteger(u, (v as i16) as i64);
}

export function FILD_M32(u: usize): void {
  if (!x87Begin()) return;
  const v = readMem<u32>(ea(u));
  if (!faulted) pushInteger(u, (v as i32) as i64);
}

export function FILD_M64(u: usize): void {
  if (!x87Begin()) return;
  const v = readMem<u64>(ea(u));
  if (!faulted) pushInteger(u, v as i64);
}

// --- stores -----------------------------------------------------------------------------------------------------------------

/**
 * AMD checks the operand of a store also when an unmasked exception will keep it from being written, Intel does not.
 * False with the fault raised.
 */
function couldStore(u: usize, bytes: u32, alignment: u32): bool {
  return !isAmd() || (probeWrite(ea(u), bytes) && alignedOrFault(ea(u), alignment));
}

function storeFloat<T>(u: usize, pops: bool): void {
  if (!x87Begin()) return;
  let v: T = sizeof<T>() == 8 ? (0xfff8000000000000 as T) : (0xffc00000 as T);
  if (isEmpty(0)) stackUnderflow();
  else {
    beginOperation();
    unpackF80(seOf(0), sigOf(0));
    v = f80To<T>();
    if ((fpFlags & ~fpMasks & (OE | UE)) != 0) {
      // Nothing is stored, and so nothing has been rounded.
      fpFlags &= ~PE;
      fpRoundedUp = false;
    }
  }
  if (!x87StopsStore()) {
    writeMem<T>(ea(u), v);
    if (faulted) return;
    if (pops) pop();
  } else if (!couldStore(u, sizeof<T>(), sizeof<T>())) return;
  x87End(u);
}

export function FST_M32(u: usize): void { storeFloat<u32>(u, false); }
export function FST_M64(u: usize): void { storeFloat<u64>(u, false); }
export function FSTP_M32(u: usize): void { storeFloat<u32>(u, true); }
export function FSTP_M64(u: usize): void { storeFloat<u64>(u, true); }

/** Writes all 10 bytes, or none when it faults. */
function write80(at: u64, low: u64, high: u32): void {
  if (!probeWrite(at, 10) || !alignedOrFault(at, 8)) return;
  writeMem<u64>(at, low);
  writeMem<u16>(at + 8, <u16>high);
}

export function FSTP_M80(u: usize): void {
  if (!x87Begin()) return;
  if (isEmpty(0)) stackUnderflow();
  if (!x87Stops()) {
    if (isEmpty(0)) write80(ea(u), INDEFINITE_SIG, INDEFINITE_SE);
    else write80(ea(u), sigOf(0), seOf(0));
    if (faulted) return;
    pop();
  } else if (!couldStore(u, 10, 8)) return;
  x87End(u);
}

function storeRegister(u: usize, pops: bool): void {
  if (!x87Begin()) return;
  let se = INDEFINITE_SE;
  let sig = INDEFINITE_SIG;
  if (isEmpty(0)) stackUnderflow();
  else {
    se = seOf(0);
    sig = sigOf(0);
  }
  if (!x87Stops()) {
    setSt(sti(u), se, sig);
    if (pops) pop();
  }
  x87End(u);
}

export function FST_STi(u: usize): void { storeRegister(u, false); }
export function FSTP_STi(u: usize): void { storeRegister(u, true); }

/** D9 D8+i: as FSTP ST(i), but an empty ST(0) is popped without a word. */
export function FSTP_STi_EMPTY(u: usize): void {
  if (!isEmpty(0)) {
    storeRegister(u, true);
    return;
  }
  if (!x87Begin()) return;
  pop();
  x87End(u);
}

function storeInteger<T>(u: usize, pops: bool, truncate: bool): void {
  if (!x87Begin()) return;
  let v = (-1 as i64) << (sizeof<T>() * 8 - 1);
  if (isEmpty(0)) stackUnderflow();
  else {
    beginOperation();
    unpackF80(seOf(0), sigOf(0));
    v = f80ToInteger(sizeof<T>() * 8, truncate);
  }
  if (!x87StopsStore()) {
    writeMem<T>(ea(u), v as T);
    if (faulted) return;
    if (pops) pop();
  } else if (!couldStore(u, sizeof<T>(), sizeof<T>())) return;
  x87End(u);
}

export function FIST_M16(u: usize): void { storeInteger<u16>(u, false, false); }
export function FIST_M32(u: usize): void { storeInteger<u32>(u, false, false); }
export function FISTP_M16(u: usize): void { storeInteger<u16>(u, true, false); }
export function FISTP_M32(u: usize): void { storeInteger<u32>(u, true, false); }
export function FISTP_M64(u: usize): void { storeInteger<u64>(u, true, false); }
export function FISTTP_M16(u: usize): void { storeInteger<u16>(u, true, true); }
export function FISTTP_M32(u: usize): void { storeInteger<u32>(u, true, true); }
export function FISTTP_M64(u: usize): void { storeInteger<u64>(u, true, true); }

// --- packed BCD -------------------------------------------------------------------------------------------------------------
//
//    79  78    72 71                                     0
//   +---+--------+----------------------------------------+
//   | S |   0    | d17 d16 ...                         d0 |    SDM Vol. 1 4.7
//   +---+--------+----------------------------------------+

const BCD_LIMIT: i64 = 1000000000000000000;

export function FBLD(u: usize): void {
  if (!x87Begin()) return;
  const low = readMem<u64>(ea(u));
  if (faulted) return;
  const high = readMem<u16>(ea(u) + 8) as u64;
  if (faulted) return;
  let v: u64 = ((high >> 4) & 15) * 10 + (high & 15);
  for (let shift: u64 = 64; shift > 0; shift -= 4) v = v * 10 + ((low >> (shift - 4)) & 15);
  beginOperation();
  fromInteger(v as i64);
  const sig = roundAndPackF80(64);
  pushValue(u, f80SignExponent | u32(high & 0x8000), sig);
}

export function FBSTP(u: usize): void {
  if (!x87Begin()) return;
  let low: u64 = 0xc000000000000000;
  let high: u64 = 0xffff;
  if (isEmpty(0)) stackUnderflow();
  else {
    beginOperation();
    unpackF80(seOf(0), sigOf(0));
    let v = f80ToInteger(64, false);
    if (v >= BCD_LIMIT || v <= -BCD_LIMIT) {
      fpFlags = (fpFlags & ~PE) | IE;
      fpRoundedUp = false;
    }
    if ((fpFlags & IE) == 0) {
      high = u64(bSign) << 15;
      if (v < 0) v = -v;
      low = 0;
      for (let shift: u64 = 0; shift < 64; shift += 4) {
        low |= u64(v % 10) << shift;
        v /= 10;
      }
      high |= u64(v % 10) | (u64(v / 10) << 4);
    }
  }
  if (!x87StopsStore()) {
    write80(ea(u), low, u32(high));
    if (faulted) return;
    pop();
  } else if (!couldStore(u, 10, 8)) return;
  x87End(u);
}

// --- register to register ----------------------------------------------------------------------------------------------------

export function FXCH(u: usize): void {
  if (!x87Begin()) return;
  const i = sti(u);
  if (isEmpty(0) || isEmpty(i)) stackUnderflow();
  if (!x87Stops()) {
    const se0 = isEmpty(0) ? INDEFINITE_SE : seOf(0);
    const sig0 = isEmpty(0) ? INDEFINITE_SIG : sigOf(0);
    const se = isEmpty(i) ? INDEFINITE_SE : seOf(i);
    const sig = isEmpty(i) ? INDEFINITE_SIG : sigOf(i);
    setSt(0, se, sig);
    setSt(i, se0, sig0);
  }
  x87End(u);
}

function moveIf(u: usize, condition: bool): void {
  if (!x87Begin()) return;
  const i = sti(u);
  if (isEmpty(0) || isEmpty(i)) {
    stackUnderflow();
    if (!x87Stops()) setSt(0, INDEFINITE_SE, INDEFINITE_SIG);
  } else if (condition) setSt(0, seOf(i), sigOf(i));
  x87EndSparingC1(u);
}

export function FCMOVB(u: usize): void { moveIf(u, cf() != 0); }
export function FCMOVE(u: usize): void { moveIf(u, zf() != 0); }
export function FCMOVBE(u: usize): void { moveIf(u, (cf() | zf()) != 0); }
export function FCMOVU(u: usize): void { moveIf(u, pf() != 0); }
export function FCMOVNB(u: usize): void { moveIf(u, cf() == 0); }
export function FCMOVNE(u: usize): void { moveIf(u, zf() == 0); }
export function FCMOVNBE(u: usize): void { moveIf(u, (cf() | zf()) == 0); }
export function FCMOVNU(u: usize): void { moveIf(u, pf() == 0); }

// --- constants ----------------------------------------------------------------------------------------------------------------

export function FLD1(u: usize): void {
  if (x87Begin()) pushValue(u, 0x3fff, 0x8000000000000000);
}

export function FLDZ(u: usize): void {
  if (x87Begin()) pushValue(u, 0, 0);
}

/** Pushes the constant `down`, the real number's truncation to 64 bits, or the next one when it is rounded up. */
function pushConstant(u: usize, se: u32, down: u64, nearestIsUp: bool): void {
  if (!x87Begin()) return;
  const up = fpRounding == ROUND_UP || (fpRounding == ROUND_NEAREST && nearestIsUp);
  pushValue(u, se, down + u64(up));
}

export function FLDL2T(u: usize): void { pushConstant(u, 0x4000, 0xd49a784bcd1b8afe, false); }
export function FLDL2E(u: usize): void { pushConstant(u, 0x3fff, 0xb8aa3b295c17f0bb, true); }
export function FLDPI(u: usize): void { pushConstant(u, 0x4000, 0xc90fdaa22168c234, true); }
export function FLDLG2(u: usize): void { pushConstant(u, 0x3ffd, 0x9a209a84fbcff798, true); }
export function FLDLN2(u: usize): void { pushConstant(u, 0x3ffe, 0xb17217f7d1cf79ab, true); }
