// The FXSAVE image (SDM Vol. 1 10.5.1, table 10-2, the form with 64-bit pointers) of a task's FPU state, as signal frames hold it.
// Called from host/linux while the task is current: its FPU state is then live in the CPU block.
//
//     0  u16 FCW    2  u16 FSW    4  u8 FTW, one bit a register that is not empty    6  u16 FOP    8  u64 FIP    16  u64 FDP
//    24  u32 MXCSR             28  u32 MXCSR_MASK
//    32  ST(0) .. ST(7), 16 bytes each of which 10 are used
//   160  XMM0 .. XMM15
//   416  48 bytes reserved     464  48 bytes for software

import type { Registers } from "../machine/registers";
import { FCW, FDP, FIP, FOP, FSW, FTW, MXCSR, ST, ST_SIGN_EXPONENT, XMM } from "../../kernel/abi/state";

export const FX_IMAGE_SIZE = 512;
export const FX_SOFTWARE = 464;
/** Where FXSAVE stops writing. */
export const FX_HARDWARE_END = 416;
const FX_ST = 32;
const FX_XMM = 160;
const XMM_BYTES = 256;

/** Bits of MXCSR that exist, DAZ among them. */
export const MXCSR_MASK = 0xffff;
const FCW_EXISTS = 0x1f7f;
const FCW_FIXED = 0x40;
const FSW_TOP_SHIFT = 11;
const FSW_ES_B = 0x8080;
const EXCEPTIONS = 0x3f;

/** ST(i) is physical register TOP + i. */
function physical(fsw: number, index: number): number {
  return ST + ((((fsw >>> FSW_TOP_SHIFT) + index) & 7) << 4);
}

/** What FXSAVE64 would store; the last 96 bytes are zero. */
export function fxSave(registers: Registers): Uint8Array {
  const image = new Uint8Array(FX_IMAGE_SIZE);
  const view = new DataView(image.buffer);
  const { u8, u16 } = registers;
  const fsw = u16[FSW >>> 1]!;
  view.setUint16(0, u16[FCW >>> 1]!, true);
  view.setUint16(2, fsw, true);
  image[4] = u8[FTW]!;
  view.setUint16(6, u16[FOP >>> 1]!, true);
  image.set(u8.subarray(FIP, FIP + 8), 8);
  image.set(u8.subarray(FDP, FDP + 8), 16);
  view.setUint32(24, registers.lo(MXCSR), true);
  view.setUint32(28, MXCSR_MASK, true);
  for (let i = 0; i < 8; i++) {
    const at = physical(fsw, i);
    image.set(u8.subarray(at, at + ST_SIGN_EXPONENT + 2), FX_ST + i * 16);
  }
  image.set(u8.subarray(XMM, XMM + XMM_BYTES), FX_XMM);
  return image;
}

export function fxMxcsr(image: Uint8Array): number {
  return new DataView(image.buffer, image.byteOffset, image.byteLength).getUint32(24, true);
}

export function fxRestoreX87(registers: Registers, image: Uint8Array): void {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const { u8, u16 } = registers;
  const fcw = (view.getUint16(0, true) & FCW_EXISTS) | FCW_FIXED;
  // ES and B follow from the exceptions that are flagged and not masked.
  const flagged = view.getUint16(2, true) & ~FSW_ES_B;
  const fsw = flagged | ((flagged & ~fcw & EXCEPTIONS) === 0 ? 0 : FSW_ES_B);
  u16[FCW >>> 1] = fcw;
  u16[FSW >>> 1] = fsw;
  u8[FTW] = image[4]!;
  u16[FOP >>> 1] = view.getUint16(6, true) & 0x7ff;
  // The chip keeps 48 bits of the pointer, sign-extended.
  registers.setHalves(FIP, view.getUint32(8, true), view.getInt16(12, true));
  registers.setHalves(FDP, view.getUint32(16, true), view.getUint32(20, true));
  for (let i = 0; i < 8; i++) {
    const at = physical(fsw, i);
    u8.set(image.subarray(FX_ST + i * 16, FX_ST + i * 16 + ST_SIGN_EXPONENT + 2), at);
    u8.fill(0, at + ST_SIGN_EXPONENT + 2, at + 16);
  }
}

export function fxRestoreXmm(registers: Registers, image: Uint8Array): void {
  registers.u8.set(image.subarray(FX_XMM, FX_XMM + XMM_BYTES), XMM);
}

export function fxRestoreMxcsr(registers: Registers, image: Uint8Array): void {
  registers.setWord(MXCSR, fxMxcsr(image));
}

/** What FXRSTOR64 does with `image`. False, and nothing changed, where it would be #GP: bits of MXCSR that do not exist. */
export function fxRestore(registers: Registers, image: Uint8Array): boolean {
  if ((fxMxcsr(image) & ~MXCSR_MASK) !== 0) return false;
  fxRestoreX87(registers, image);
  fxRestoreXmm(registers, image);
  fxRestoreMxcsr(registers, image);
  return true;
}
