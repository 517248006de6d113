// One-byte instructions that exist only outside 64-bit mode: decimal adjustment, PUSHA, POPA, SALC (SDM Vol. 1 5.1.3; Vol. 2A, AAA ... DAS).
// Flags that the SDM leaves undefined are set as Intel's chips do.

import { CPU_BLOCK } from "../abi/layout";
import { FLAG_AF, FLAG_CF } from "../abi/bits";
import { RAX, RSP } from "../abi/state";
import { VECTOR_DE } from "../abi/vectors";
import { faulted, raise } from "../cpu/fault";
import { af, arithmeticFlags, cf, flagsLogic, setArithmeticFlags } from "../cpu/flags";
import { moveStackPointer, readStackWord, stackPointer, writeStackWord } from "../system/stack-access";
import { getReg } from "../cpu/state";
import { imm, opsize } from "../decode/uop";
import { writeSlot } from "./sized-operand";

function al(): u32 {
  return load<u8>(CPU_BLOCK + RAX);
}

function setAl(value: u32): void {
  store<u8>(CPU_BLOCK + RAX, <u8>value);
}

/** SF, ZF and PF of AL; CF and AF as given, OF clear. */
function adjustedFlags(carry: bool, auxiliary: bool): void {
  flagsLogic<u8>(<u8>al());
  setArithmeticFlags(arithmeticFlags() | (carry ? FLAG_CF : 0) | (auxiliary ? FLAG_AF : 0));
}

export function DAA(u: usize): void {
  const old = al();
  const oldCarry = cf() != 0;
  let value = old;
  const low = (old & 15) > 9 || af() != 0;
  if (low) value += 6;
  const high = old > 0x99 || oldCarry;
  if (high) value += 0x60;
  setAl(value);
  adjustedFlags(high, low);
}

export function DAS(u: usize): void {
  const old = al();
  const oldCarry = cf() != 0;
  let value = old;
  let carry = false;
  const low = (old & 15) > 9 || af() != 0;
  if (low) {
    carry = oldCarry || old < 6;
    value -= 6;
  }
  if (old > 0x99 || oldCarry) {
    value -= 0x60;
    carry = true;
  }
  setAl(value);
  adjustedFlags(carry, low);
}

/** Adds or subtracts 106h to AX where the low digit needs it; AL keeps its low digit. */
function asciiAdjust(step: u32): void {
  const adjust = (al() & 15) > 9 || af() != 0;
  if (adjust) store<u16>(CPU_BLOCK + RAX, <u16>(<u32>load<u16>(CPU_BLOCK + RAX) + step));
  setAl(al() & 15);
  adjustedFlags(adjust, adjust);
}

export function AAA(u: usize): void {
  asciiAdjust(0x106);
}

export function AAS(u: usize): void {
  asciiAdjust(<u32>-0x106);
}

/** The base is an immediate byte, 10 in the assembler's form; 0 is #DE. */
export function AAM(u: usize): void {
  const base = <u32>imm(u) & 0xff;
  if (base == 0) return raise(VECTOR_DE, 0);
  const value = al();
  store<u16>(CPU_BLOCK + RAX, <u16>(((value / base) << 8) | (value % base)));
  flagsLogic<u8>(<u8>al());
}

export function AAD(u: usize): void {
  const high = <u32>load<u8>(CPU_BLOCK + RAX + 1);
  store<u16>(CPU_BLOCK + RAX, <u16>((al() + high * (<u32>imm(u) & 0xff)) & 0xff));
  flagsLogic<u8>(<u8>al());
}

/** AL = CF ? FFh : 0; undocumented in the SDM, in every chip since the 8086 (AMD APM lists it as SALC). */
export function SALC(u: usize): void {
  setAl(cf() ? 0xff : 0);
}

/** rAX rCX rDX rBX, the rSP from before, rBP rSI rDI. */
export function PUSHA(u: usize): void {
  const bytes = opsize(u);
  const top = stackPointer();
  for (let i: u32 = 0; i < 8; i++) {
    writeStackWord(top - (i + 1) * bytes, bytes, getReg(8 * i));
    if (faulted) return;
  }
  moveStackPointer(top - 8 * bytes);
}

/** The image of rSP is skipped. Everything is read before the first register changes. */
export function POPA(u: usize): void {
  const bytes = opsize(u);
  const top = stackPointer();
  for (let i: u32 = 0; i < 8; i++) {
    readStackWord(top + i * bytes, bytes);
    if (faulted) return;
  }
  for (let i: u32 = 0; i < 8; i++) {
    const slot = 8 * (7 - i);
    if (slot != <u32>RSP) writeSlot(CPU_BLOCK + slot, bytes, readStackWord(top + i * bytes, bytes));
  }
  moveStackPointer(top + 8 * bytes);
}
