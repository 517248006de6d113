// The FPU state in a signal frame (Linux arch/x86/kernel/fpu/signal.c; uapi asm/sigcontext.h, struct _fpx_sw_bytes). Called from
// signal-frame.ts, which says where it stands: at a multiple of 64, for XSAVE wants that.
//
//     0  FXSAVE image, with in the last 48 of its 512 bytes for software
//          464  u32 FP_XSTATE_MAGIC1     468  u32 extended_size     472  u64 xfeatures     480  u32 xstate_size
//   512  with XSAVE: header and AVX (ring0/xsave-image.ts), up to xstate_size
//        behind them u32 FP_XSTATE_MAGIC2: with it the frame was moved as a whole, and what lies between may be believed
//
// Without XSAVE the image stands alone, and xfeatures is 0.

import { CR4_OSXSAVE, XCR0_SSE, XCR0_X87 } from "../../kernel/abi/bits";
import { CR4, XCR0 } from "../../kernel/abi/state";
import type { Registers } from "../machine/registers";
import { FX_IMAGE_SIZE, FX_SOFTWARE, fxRestore, fxSave } from "../ring0/fx-image";
import { XSAVE_MINIMUM, standardHeader, xrstor, xsave, xsaveSize } from "../ring0/xsave-image";
import type { Task } from "./task";

const FP_XSTATE_MAGIC1 = 0x46505853;
const FP_XSTATE_MAGIC2 = 0x46505845;
const FP_XSTATE_MAGIC2_SIZE = 4;
const SW_EXTENDED_SIZE = FX_SOFTWARE + 4;
const SW_XFEATURES = FX_SOFTWARE + 8;
const SW_XSTATE_SIZE = FX_SOFTWARE + 16;
export const FPSTATE_ALIGNMENT = 64;
const FXSAVE_ALIGNMENT = 16;
/**
 * What get_sigframe_size adds to the FPU state: the largest frame, which is that of a 32-bit program, the older FSAVE image it has beside,
 * and what aligning may cost. Linux on AVX-512 processors tells 3632 for 2696 bytes of state, and 3376 for 2432.
 */
const FRAME_AND_PADDING = 930;
const FRAME_ALIGNMENT = 16;

/** UC_FP_XSTATE goes with it. */
export function framesHaveXsave(registers: Registers): boolean {
  return (registers.lo(CR4) & CR4_OSXSAVE) !== 0;
}

/** Bytes that a frame needs for it. */
export function fpStateSize(registers: Registers): number {
  return framesHaveXsave(registers) ? xsaveSize(registers) + FP_XSTATE_MAGIC2_SIZE : FX_IMAGE_SIZE;
}

/** AT_MINSIGSTKSZ (Linux get_sigframe_size). */
export function minimumSignalStack(registers: Registers): number {
  return Math.ceil((FRAME_AND_PADDING + fpStateSize(registers)) / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
}

/** Writes the current task's state to its memory. @param before bytes of it in another form, in front @throws Errno */
export function putFpState(task: Task, fpstate: number, before = 0): void {
  const { registers } = task.kernel.machine;
  const extended = framesHaveXsave(registers);
  const size = extended ? xsaveSize(registers) : FX_IMAGE_SIZE;
  const image = new Uint8Array(fpStateSize(registers));
  image.set(extended ? xsave(registers) : fxSave(registers));
  const view = new DataView(image.buffer);
  view.setUint32(FX_SOFTWARE, FP_XSTATE_MAGIC1, true);
  view.setUint32(SW_EXTENDED_SIZE, size + FP_XSTATE_MAGIC2_SIZE + before, true);
  view.setUint32(SW_XFEATURES, extended ? registers.lo(XCR0) : 0, true);
  view.setUint32(SW_XSTATE_SIZE, size, true);
  if (extended) view.setUint32(size, FP_XSTATE_MAGIC2, true);
  task.mm.copyToUser(fpstate, image);
}

/** Changes the FXSAVE image of a frame before it is loaded. */
export type Amend = (image: Uint8Array) => void;

/**
 * The state of a frame into the CPU. A null pointer stands for that of a new program; a bad one (false) leaves that behind too.
 * @param amend given for a frame that the kernel copies first, since it has another form of the state in front: it may stand anywhere
 * @throws Errno
 */
export function restoreFpState(task: Task, pointer: number, amend?: Amend): boolean {
  const { registers } = task.kernel.machine;
  let good = pointer === 0;
  try {
    if (!good) {
      task.mm.accessOk(pointer, fpStateSize(registers));
      good = framesHaveXsave(registers) ? restoreExtended(task, pointer, amend) : restoreLegacy(task, pointer, amend);
    } else task.stack.resetFpuState(registers);
  } finally {
    if (!good) task.stack.resetFpuState(registers);
  }
  return good;
}

function restoreLegacy(task: Task, pointer: number, amend?: Amend): boolean {
  if (amend === undefined && pointer % FXSAVE_ALIGNMENT !== 0) return false;
  const image = task.mm.copyFromUser(pointer, FX_IMAGE_SIZE);
  amend?.(image);
  return fxRestore(task.kernel.machine.registers, image);
}

/** Linux check_xstate_in_sigframe: what does not say all of it consistently is an FXSAVE image, and other components begin anew. */
function restoreExtended(task: Task, pointer: number, amend?: Amend): boolean {
  const { machine: { registers } } = task.kernel;
  const image = task.mm.copyFromUser(pointer, FX_IMAGE_SIZE);
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const size = view.getUint32(SW_XSTATE_SIZE, true);
  const whole = view.getUint32(FX_SOFTWARE, true) === FP_XSTATE_MAGIC1 && size >= XSAVE_MINIMUM && size <= xsaveSize(registers)
    && size <= view.getUint32(SW_EXTENDED_SIZE, true) && task.mm.getU32(pointer + size) === FP_XSTATE_MAGIC2;
  if (!whole) {
    if (amend === undefined && pointer % FXSAVE_ALIGNMENT !== 0) return false;
    const legacy = new Uint8Array(xsaveSize(registers));
    legacy.set(image);
    amend?.(legacy);
    new DataView(legacy.buffer).setUint32(FX_IMAGE_SIZE, XCR0_X87 | XCR0_SSE, true);
    return xrstor(registers, legacy, XCR0_X87 | XCR0_SSE);
  }
  if (amend === undefined && pointer % FPSTATE_ALIGNMENT !== 0) return false;
  const area = new Uint8Array(xsaveSize(registers));
  area.set(task.mm.copyFromUser(pointer, xsaveSize(registers)));
  if (amend !== undefined) {
    // Linux validate_user_xstate_header: what is copied never sees XRSTOR as it is, and must be in standard form with nothing behind.
    if (!standardHeader(area)) return false;
    amend(area);
  }
  return xrstor(registers, area, view.getUint32(SW_XFEATURES, true) & registers.lo(XCR0));
}
