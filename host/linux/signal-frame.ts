// The stack frame by which a signal's handler runs and returns (Linux arch/x86/kernel/signal.c, signal_64).
// Entered from exit to user mode, which then goes to the handler by IRETQ; and from rt_sigreturn, which goes back.
//
//   struct rt_sigframe, 440 bytes; its address is 8 below a multiple of 16, as after a CALL
//     0  pretcode, where the handler's RET goes: sa_restorer
//     8  struct ucontext
//          0  uc_flags      8  uc_link
//         16  stack_t: u64 sp, i32 flags, 4 bytes, u64 size
//         40  struct sigcontext, 256 bytes:
//               0  r8 .. r15       64  di si bp bx dx ax cx sp ip flags
//             144  u16 cs gs fs ss (gs and fs are 0)
//             152  err            160  trapno         168  oldmask        176  cr2
//             184  fpstate, a user pointer            192  64 bytes reserved
//        296  sigset_t
//   312  siginfo_t, 128 bytes; written with SA_SIGINFO only
//
// Above it, at a multiple of 64, what fpstate points to (signal-fpstate.ts): an XSAVE area, with UC_FP_XSTATE in uc_flags, or an FXSAVE
// image. Above that the red zone of the interrupted code, or the end of the alternate stack.

import { FLAG_AC, FLAG_DF, FLAG_RF, FLAG_TF, FLAGS_ARITHMETIC } from "../../kernel/abi/bits";
import {
  PT_AX, PT_BP, PT_BX, PT_CX, PT_DI, PT_DX, PT_FLAGS, PT_IP, PT_R10, PT_R11, PT_R12, PT_R13, PT_R14, PT_R15, PT_R8, PT_R9, PT_SI, PT_SP,
  type PtRegs,
} from "../ring0/pt-regs";
import { __USER_CS, __USER_DS } from "../ring0/segments";
import { X86_64 } from "./abi";
import { Errno } from "./errno";
import { siginfoBytes } from "./siginfo";
import { FPSTATE_ALIGNMENT, fpStateSize, framesHaveXsave, putFpState, restoreFpState } from "./signal-fpstate";
import { type Delivery, onAlternateStack, signalBit, withinAlternateStack } from "./signal";
import { setAlternateStack } from "./signal-stack";
import type { Task } from "./task";
import { SA_NODEFER, SA_ONSTACK, SA_RESTORER, SA_SIGINFO, SS_AUTODISARM, SS_DISABLE, UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS } from "./uapi-signal";
import { STACK_T } from "./uapi-structs";

const FRAME_SIZE = 440;
const FRAME_UCONTEXT = 8;
const FRAME_STACK = 24;
const FRAME_SIGCONTEXT = 48;
/** The frame is written up to fpstate, then from the mask on: the reserved words between stay as they are. */
const FRAME_RESERVED = FRAME_SIGCONTEXT + 192;
const FRAME_SIGMASK = 304;
const FRAME_SIGINFO = 312;
const SC_CS = 144;
const SC_SS = 150;
const SC_ERR = 152;
const SC_TRAPNO = 160;
const SC_OLDMASK = 168;
const SC_CR2 = 176;
const SC_FPSTATE = 184;
/** pt_regs offsets in the order of sigcontext. */
const SC_REGISTERS = [
  PT_R8, PT_R9, PT_R10, PT_R11, PT_R12, PT_R13, PT_R14, PT_R15, PT_DI, PT_SI, PT_BP, PT_BX, PT_DX, PT_AX, PT_CX, PT_SP, PT_IP,
] as const;
const SC_FLAGS = SC_REGISTERS.length * 8;

const RED_ZONE = 128;
const FRAME_ALIGNMENT = 16;

/** What user code may change of its flags by way of a frame (Linux FIX_EFLAGS). */
export const FIX_EFLAGS = FLAGS_ARITHMETIC | FLAG_AC | FLAG_DF | FLAG_TF | FLAG_RF;
const TWO_32 = 0x1_0000_0000;
const SELECTOR_RPL = 3;

/**
 * Makes the handler what the task goes on with: frame on the stack, registers, mask. Where the frame cannot be written the
 * task gets SIGSEGV instead.
 */
export function setupRtFrame(task: Task, regs: PtRegs, { info, action }: Delivery): void {
  const { kernel, signals } = task;
  try {
    if ((action.flags & SA_RESTORER) === 0) throw unwritable;
    const { frame, fpstate } = place(task, regs, action.flags);
    task.mm.accessOk(frame, FRAME_SIZE);
    putFpState(task, fpstate);
    putFrame(task, regs, frame, fpstate, action.restorer);
    if (action.flags & SA_SIGINFO) task.mm.copyToUser(frame + FRAME_SIGINFO, siginfoBytes(info, X86_64));
    regs.di = info.signal;
    regs.ax = 0;
    // A handler without SA_SIGINFO gets them too: it was perhaps declared with more arguments than it asked for.
    regs.si = frame + FRAME_SIGINFO;
    regs.dx = frame + FRAME_UCONTEXT;
    regs.ip = action.handler;
    regs.sp = frame;
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    kernel.signals.forceSegv(task, info.signal);
    return;
  }
  regs.cs = __USER_CS;
  forceValidSs(task, regs);
  regs.setHalves(PT_FLAGS, regs.lo(PT_FLAGS) & ~(FLAG_DF | FLAG_RF | FLAG_TF), 0);
  task.stack.resetFpuState(kernel.machine.registers);
  signals.saved = null;
  kernel.signals.setBlocked(task, signals.blocked | action.mask | (action.flags & SA_NODEFER ? 0n : signalBit(info.signal)));
  if (signals.alternateStack.flags & SS_AUTODISARM) signals.alternateStack = { sp: 0, size: 0, flags: SS_DISABLE };
}

const unwritable = new Errno(0);

function roundDown(value: number, unit: number): number {
  return Math.floor(value / unit) * unit;
}

/** Where the frame goes (Linux get_sigframe). An alternate stack that it would overflow is as bad as no stack at all. */
function place(task: Task, regs: PtRegs, flags: number): { frame: number; fpstate: number } {
  const stack = task.signals.alternateStack;
  const nested = onAlternateStack(stack, regs.sp);
  let entering = false;
  let sp = regs.sp - RED_ZONE;
  if (flags & SA_ONSTACK && stack.size > 0 && !onAlternateStack(stack, sp)) {
    sp = stack.sp + stack.size;
    entering = true;
  }
  const fpstate = roundDown(sp - fpStateSize(task.kernel.machine.registers), FPSTATE_ALIGNMENT);
  const frame = roundDown(fpstate - FRAME_SIZE, FRAME_ALIGNMENT) - 8;
  if ((nested || entering) && !withinAlternateStack(stack, frame)) throw unwritable;
  return { frame, fpstate };
}

function putFrame(task: Task, regs: PtRegs, frame: number, fpstate: number, restorer: number): void {
  const { alternateStack, saved, blocked } = task.signals;
  const bytes = new Uint8Array(FRAME_SIGINFO);
  const view = new DataView(bytes.buffer);
  const put = (at: number, value: number): void => {
    view.setUint32(at, value, true);
    view.setUint32(at + 4, Math.floor(value / TWO_32), true);
  };
  put(0, restorer);
  const extended = framesHaveXsave(task.kernel.machine.registers) ? UC_FP_XSTATE : 0;
  // A handler may turn the frame of 32-bit code into one of 64-bit code without a thought for SS.
  put(FRAME_UCONTEXT, extended | UC_SIGCONTEXT_SS | (regs.cs === __USER_CS ? UC_STRICT_RESTORE_SS : 0));
  put(FRAME_STACK, alternateStack.sp);
  view.setUint32(FRAME_STACK + 8, alternateStack.flags, true);
  put(FRAME_STACK + 16, alternateStack.size);
  SC_REGISTERS.forEach((register, index) => {
    view.setUint32(FRAME_SIGCONTEXT + index * 8, regs.lo(register), true);
    view.setUint32(FRAME_SIGCONTEXT + index * 8 + 4, regs.hi(register), true);
  });
  put(FRAME_SIGCONTEXT + SC_FLAGS, regs.flags);
  view.setUint16(FRAME_SIGCONTEXT + SC_CS, regs.cs, true);
  view.setUint16(FRAME_SIGCONTEXT + SC_SS, regs.ss, true);
  put(FRAME_SIGCONTEXT + SC_ERR, task.fault.errorCode);
  put(FRAME_SIGCONTEXT + SC_TRAPNO, task.fault.vector);
  view.setBigUint64(FRAME_SIGCONTEXT + SC_OLDMASK, saved ?? blocked, true);
  put(FRAME_SIGCONTEXT + SC_CR2, task.fault.cr2);
  put(FRAME_SIGCONTEXT + SC_FPSTATE, fpstate);
  view.setBigUint64(FRAME_SIGMASK, saved ?? blocked, true);
  task.mm.copyToUser(frame, bytes.subarray(0, FRAME_RESERVED));
  task.mm.copyToUser(frame + FRAME_SIGMASK, bytes.subarray(FRAME_SIGMASK));
}

/**
 * rt_sigreturn: what the frame below RSP says, as far as user code may say it. False when it cannot be read or its FPU state
 * is invalid: part of it may be in force then, and the task gets SIGSEGV.
 */
export function restoreRtFrame(task: Task, regs: PtRegs): boolean {
  const { kernel, mm } = task;
  try {
    const frame = regs.sp - 8;
    mm.accessOk(frame, FRAME_SIZE);
    const mask = mm.getBig(frame + FRAME_SIGMASK);
    const flags = mm.getU32(frame + FRAME_UCONTEXT);
    kernel.signals.setBlocked(task, mask);
    const context = mm.copyFromUser(frame + FRAME_SIGCONTEXT, SC_FPSTATE + 8);
    if (!restoreContext(task, regs, context, flags)) return false;
    setAlternateStack(task, STACK_T.get({ mm, abi: X86_64 }, frame + FRAME_STACK), regs.sp);
    return true;
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return false;
  }
}

/** An SS that IRETQ would not take gives way to the usual one. */
function forceValidSs(task: Task, regs: PtRegs): void {
  if (!task.kernel.ring0.isUserStackSegment(regs.ss)) regs.ss = __USER_DS;
}

function restoreContext(task: Task, regs: PtRegs, context: Uint8Array, ucFlags: number): boolean {
  const view = new DataView(context.buffer, context.byteOffset, context.byteLength);
  task.restartBlock = null;
  SC_REGISTERS.forEach((register, index) => {
    regs.setHalves(register, view.getUint32(index * 8, true), view.getUint32(index * 8 + 4, true));
  });
  regs.cs = view.getUint16(SC_CS, true) | SELECTOR_RPL;
  regs.ss = view.getUint16(SC_SS, true) | SELECTOR_RPL;
  const flags = view.getUint32(SC_FLAGS, true);
  regs.setHalves(PT_FLAGS, (regs.lo(PT_FLAGS) & ~FIX_EFLAGS) | (flags & FIX_EFLAGS), regs.hi(PT_FLAGS));
  regs.origAx = -1;
  // For programs that made up a frame before SS was part of it.
  if ((ucFlags & UC_STRICT_RESTORE_SS) === 0 && regs.cs === __USER_CS) forceValidSs(task, regs);
  const pointer = view.getUint32(SC_FPSTATE + 4, true) * TWO_32 + view.getUint32(SC_FPSTATE, true);
  return restoreFpState(task, pointer);
}
