// The FPU state in the frames of 32-bit handlers: twice, as FSAVE stores it, and behind that as FXSAVE does (Linux
// arch/x86/kernel/fpu/signal.c, regset.c convert_from_fxsr). Called from signal-frame-32.ts.
//
//   struct _fpstate_32
//     0  u32 cw   4  u32 sw   8  u32 tag, two bits a register   12  u32 ip   16  u32 cs, opcode above it   20  u32 dp   24  u32 ds
//    28  ST(0) .. ST(7), 10 bytes each
//   108  u16 sw once more     110  u16 magic: 0, since what follows is there
//   112  what a 64-bit frame has: the FXSAVE image, perhaps as the head of an XSAVE area (signal-fpstate.ts)

import { SEG_DS } from "../../kernel/abi/state";
import { fxSave } from "../ring0/fx-image";
import type { PtRegs } from "../ring0/pt-regs";
import { FPSTATE_ALIGNMENT, fpStateSize, putFpState, restoreFpState } from "./signal-fpstate";
import type { Task } from "./task";

const FREGS_SIZE = 112;
const FREGS_ST = 28;
const ST_BYTES = 10;
const FREGS_STATUS = 108;
const X86_FXSR_MAGIC = 0;
const FX_ST = 32;
const UPPER_HALF = 0xffff0000;

const TAG_VALID = 0;
const TAG_ZERO = 1;
const TAG_SPECIAL = 2;
const TAG_EMPTY = 3;
const EXPONENT_MAX = 0x7fff;

/** Where the state goes that is to end at `sp` or below (Linux fpu__alloc_mathframe). */
export function fpState32Below(task: Task, sp: number): number {
  const fx = sp - fpStateSize(task.kernel.machine.registers);
  return Math.floor(fx / FPSTATE_ALIGNMENT) * FPSTATE_ALIGNMENT - FREGS_SIZE;
}

/** Two bits for each physical register, made of FXSAVE's one bit and the register's value (SDM Vol. 1 8.1.7). */
function fullTag(image: Uint8Array): number {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const top = (view.getUint16(2, true) >>> 11) & 7;
  let tag = 0;
  for (let register = 0; register < 8; register++) {
    let value = TAG_EMPTY;
    if (image[4]! & (1 << register)) {
      const at = FX_ST + ((register - top) & 7) * 16;
      const exponent = view.getUint16(at + 8, true) & EXPONENT_MAX;
      const [lo, hi] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      if (exponent === EXPONENT_MAX) value = TAG_SPECIAL;
      else if (exponent === 0) value = lo === 0 && hi === 0 ? TAG_ZERO : TAG_SPECIAL;
      else value = hi & 0x80000000 ? TAG_VALID : TAG_SPECIAL;
    }
    tag |= value << (register * 2);
  }
  return tag;
}

/** Both forms of the state, the first at `fpstate`. */
export function putFpState32(task: Task, regs: PtRegs, fpstate: number): void {
  const { kernel, mm } = task;
  putFpState(task, fpstate + FREGS_SIZE, FREGS_SIZE);
  const image = fxSave(kernel.machine.registers);
  const from = new DataView(image.buffer);
  const bytes = new Uint8Array(FREGS_SIZE);
  const view = new DataView(bytes.buffer);
  const status = from.getUint16(2, true);
  view.setUint32(0, from.getUint16(0, true) | UPPER_HALF, true);
  view.setUint32(4, status | UPPER_HALF, true);
  view.setUint32(8, fullTag(image) | UPPER_HALF, true);
  view.setUint32(12, from.getUint32(8, true), true);
  // Where the last instruction's CS and DS were is not kept in 64-bit mode: those of now stand for them.
  view.setUint32(16, regs.cs, true);
  view.setUint32(20, from.getUint32(16, true), true);
  view.setUint32(24, kernel.ring0.userSelector(SEG_DS) | UPPER_HALF, true);
  for (let i = 0; i < 8; i++) bytes.set(image.subarray(FX_ST + i * 16, FX_ST + i * 16 + ST_BYTES), FREGS_ST + i * ST_BYTES);
  view.setUint16(FREGS_STATUS, status, true);
  view.setUint16(FREGS_STATUS + 2, X86_FXSR_MAGIC, true);
  mm.copyToUser(fpstate, bytes);
}

/** x87 out of the first form, the rest out of the second. A null pointer stands for the state of a new program. */
export function restoreFpState32(task: Task, pointer: number): boolean {
  if (pointer === 0) return restoreFpState(task, 0);
  const bytes = task.mm.copyFromUser(pointer, FREGS_SIZE);
  return restoreFpState(task, pointer + FREGS_SIZE, (image) => amend(image, bytes));
}

function amend(image: Uint8Array, bytes: Uint8Array): void {
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  view.setUint16(0, from.getUint16(0, true), true);
  view.setUint16(2, from.getUint16(4, true), true);
  const tag = from.getUint16(8, true);
  let present = 0;
  for (let register = 0; register < 8; register++) if (((tag >>> (register * 2)) & 3) !== TAG_EMPTY) present |= 1 << register;
  image[4] = present;
  view.setUint16(6, from.getUint32(16, true) >>> 16, true);
  view.setUint32(8, from.getUint32(12, true), true);
  view.setUint32(12, 0, true);
  view.setUint32(16, from.getUint32(20, true), true);
  view.setUint32(20, 0, true);
  for (let i = 0; i < 8; i++) image.set(bytes.subarray(FREGS_ST + i * ST_BYTES, FREGS_ST + (i + 1) * ST_BYTES), FX_ST + i * 16);
}
