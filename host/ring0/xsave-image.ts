// The XSAVE area (SDM Vol. 1 13.4) of the current task's FPU state, as signal frames hold it: what XSAVE64 and XRSTOR64 do, done by the
// host. Called from host/linux while the task is current: its FPU state is then live in the CPU block.
//
//     0  legacy region, 512 bytes (fx-image.ts)
//   512  header: u64 XSTATE_BV, u64 XCOMP_BV, 48 bytes
//   576  AVX, when XCR0 has it: upper halves of YMM0 .. YMM15

import type { Registers } from "../machine/registers";
import { FX_IMAGE_SIZE, fxMxcsr, fxRestoreMxcsr, fxRestoreX87, fxRestoreXmm, fxSave, MXCSR_MASK } from "./fx-image";
import { XCR0_AVX, XCR0_SSE, XCR0_X87 } from "../../kernel/abi/bits";
import { FEATURE_XSAVEC } from "../../kernel/abi/cpuid-features";
import { FCW, FEATURE_WORDS, FTW, FSW, FOP, FIP, FDP, MXCSR, ST, XCR0, XMM, YMM_HIGH } from "../../kernel/abi/state";

export const XSAVE_HEADER = FX_IMAGE_SIZE;
const XSAVE_HEADER_SIZE = 64;
/** Least area there is. */
export const XSAVE_MINIMUM = XSAVE_HEADER + XSAVE_HEADER_SIZE;
const AVX_BYTES = 256;
const XMM_BYTES = 256;
const ST_BYTES = 128;
const MXCSR_INITIAL = 0x1f80;
const FCW_INITIAL = 0x37f;

/** Bytes of an area in standard form for all that XCR0 enables. */
export function xsaveSize(registers: Registers): number {
  return XSAVE_MINIMUM + (registers.lo(XCR0) & XCR0_AVX ? AVX_BYTES : 0);
}

/**
 * An area in standard form with every enabled component. XSTATE_BV says x87 and SSE whatever is in them, so that a program that knows
 * FXSAVE only may change them in place; AVX if it is in use.
 */
export function xsave(registers: Registers): Uint8Array {
  const image = new Uint8Array(xsaveSize(registers));
  image.set(fxSave(registers));
  const avx = (registers.lo(XCR0) & XCR0_AVX) !== 0;
  if (avx) image.set(registers.u8.subarray(YMM_HIGH, YMM_HIGH + AVX_BYTES), XSAVE_MINIMUM);
  const avxInUse = avx && image.subarray(XSAVE_MINIMUM).some((byte) => byte !== 0);
  new DataView(image.buffer).setUint32(XSAVE_HEADER, XCR0_X87 | XCR0_SSE | (avxInUse ? XCR0_AVX : 0), true);
  return image;
}

const XSTATE_BV = XSAVE_HEADER;
const XCOMP_BV = XSAVE_HEADER + 8;
/** Upper half of XCOMP_BV: the area is in the compacted form. AVX, the only component that could move, is the first there is. */
const COMPACTED = 0x80000000;

function zero(view: DataView, from: number, end: number): boolean {
  for (let at = from; at < end; at += 4) if (view.getUint32(at, true) !== 0) return false;
  return true;
}

/** Is all of the header zero but for XSTATE_BV? XRSTOR does not ask for as much in the standard form. */
export function standardHeader(image: Uint8Array): boolean {
  return zero(new DataView(image.buffer, image.byteOffset, image.byteLength), XCOMP_BV, XSAVE_MINIMUM);
}

/** SDM Vol. 1 13.8.1 and 13.8.2, the #GP conditions of the header. */
function headerValid(registers: Registers, view: DataView): boolean {
  const enabled = registers.lo(XCR0);
  const present = view.getUint32(XSTATE_BV, true);
  const compaction = view.getUint32(XCOMP_BV, true);
  if (view.getUint32(XSTATE_BV + 4, true) !== 0) return false;
  if (view.getUint32(XCOMP_BV + 4, true) === 0) return (present & ~enabled) === 0 && compaction === 0 && zero(view, XCOMP_BV + 8, XCOMP_BV + 16);
  const offered = (registers.u32[(FEATURE_WORDS >>> 2) + (FEATURE_XSAVEC >>> 5)]! & (1 << (FEATURE_XSAVEC & 31))) !== 0;
  return offered && view.getUint32(XCOMP_BV + 4, true) === COMPACTED && (compaction & ~enabled) === 0 && (present & ~compaction) === 0
    && zero(view, XCOMP_BV + 8, XSAVE_MINIMUM);
}

/**
 * What XRSTOR64 does for the components of `asked`; those of XCR0 that are not asked for are put into their initial configuration, as
 * by a second one. False, and nothing changed, where it would be #GP: header or MXCSR with bits that do not exist.
 */
export function xrstor(registers: Registers, image: Uint8Array, asked: number): boolean {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (!headerValid(registers, view)) return false;
  const given = asked & view.getUint32(XSTATE_BV, true);
  // In the standard form MXCSR comes from memory whatever XSTATE_BV says of SSE, in the compacted one it is part of SSE.
  const compacted = view.getUint32(XCOMP_BV + 4, true) !== 0;
  const readsMxcsr = compacted ? (given & XCR0_SSE) !== 0 : (asked & (XCR0_SSE | XCR0_AVX)) !== 0;
  if (readsMxcsr && (fxMxcsr(image) & ~MXCSR_MASK) !== 0) return false;
  const { u8, u16 } = registers;
  if (given & XCR0_X87) fxRestoreX87(registers, image);
  else {
    u16[FCW >>> 1] = FCW_INITIAL;
    u16[FSW >>> 1] = 0;
    u8[FTW] = 0;
    u16[FOP >>> 1] = 0;
    registers.set(FIP, 0);
    registers.set(FDP, 0);
    u8.fill(0, ST, ST + ST_BYTES);
  }
  if (given & XCR0_SSE) fxRestoreXmm(registers, image);
  else u8.fill(0, XMM, XMM + XMM_BYTES);
  // Where SSE is not asked for, its initial configuration has MXCSR.
  if (readsMxcsr && asked & XCR0_SSE) fxRestoreMxcsr(registers, image);
  else registers.setWord(MXCSR, MXCSR_INITIAL);
  if (given & XCR0_AVX) u8.set(image.subarray(XSAVE_MINIMUM, XSAVE_MINIMUM + AVX_BYTES), YMM_HIGH);
  else u8.fill(0, YMM_HIGH, YMM_HIGH + AVX_BYTES);
  return true;
}
