// The two stack frames by which handlers of 32-bit code run and return (Linux arch/x86/ia32/ia32_signal.c): the old one, and that of
// SA_SIGINFO. Entered from exit to user mode for actions that a 32-bit call has set; and from sigreturn and rt_sigreturn.
//
//   struct sigframe_ia32, 732 bytes; its address is 4 below a multiple of 16, as after a CALL
//     0  pretcode, where the handler's RET goes: sa_restorer, else __kernel_sigreturn of the vDSO
//     4  signal, the handler's argument
//     8  struct sigcontext_32, 88 bytes:
//          0  gs fs es ds          16  di si bp sp bx dx cx ax
//         48  trapno err           56  ip cs flags             68  sp once more       72  ss
//         76  fpstate, a user pointer                          80  oldmask            84  cr2
//    96  624 bytes that nobody uses: where the FPU state once was
//   720  extramask, signals 33 to 64
//   724  code that once was returned to: popl %eax; movl $119, %eax; int $0x80
//
//   struct rt_sigframe_ia32, 268 bytes, likewise
//     0  pretcode      4  signal       8  pointer to siginfo      12  pointer to ucontext
//    16  compat_siginfo, 128 bytes
//   144  struct ucontext_ia32: flags, link, stack_t of 12 bytes, sigcontext_32 at 20, sigset_t at 108
//   260  code: movl $173, %eax; int $0x80
//
// Above it what fpstate points to: 112 bytes in FSAVE's form, so that what follows, in FXSAVE's, is at a multiple of 64.

import { FLAG_DF, FLAG_RF, FLAG_TF } from "../../kernel/abi/bits";
import { SEG_DS, SEG_ES, SEG_FS, SEG_GS } from "../../kernel/abi/state";
import {
  PT_AX, PT_BP, PT_BX, PT_CX, PT_DI, PT_DX, PT_FLAGS, PT_IP, PT_SI, PT_SP, type PtRegs,
} from "../ring0/pt-regs";
import { __USER32_CS, __USER_DS } from "../ring0/segments";
import { I386 } from "./abi";
import { Errno } from "./errno";
import { siginfoBytes } from "./siginfo";
import { type Delivery, onAlternateStack, signalBit } from "./signal";
import { framesHaveXsave } from "./signal-fpstate";
import { fpState32Below, putFpState32, restoreFpState32 } from "./signal-fpstate-32";
import { FIX_EFLAGS } from "./signal-frame";
import { setAlternateStack } from "./signal-stack";
import type { Task } from "./task";
import { SA_NODEFER, SA_ONSTACK, SA_RESTORER, SA_SIGINFO, SS_AUTODISARM, SS_DISABLE, UC_FP_XSTATE } from "./uapi-signal";
import { STACK_T } from "./uapi-structs";

const FRAME_SIZE = 732;
const FRAME_SIGCONTEXT = 8;
const FRAME_EXTRAMASK = 720;
const FRAME_RETCODE = 724;
const RETCODE = [0x58, 0xb8, 119, 0, 0, 0, 0xcd, 0x80];

const RT_FRAME_SIZE = 268;
const RT_SIGINFO = 16;
const RT_UCONTEXT = 144;
const RT_STACK = 152;
const RT_SIGCONTEXT = 164;
const RT_SIGMASK = 252;
const RT_RETCODE = 260;
const RT_RETCODE_BYTES = [0xb8, 173, 0, 0, 0, 0xcd, 0x80, 0];

const SIGCONTEXT_SIZE = 88;
const SC_GS = 0;
const SC_FS = 4;
const SC_ES = 8;
const SC_DS = 12;
/** pt_regs offsets of the registers from offset 16 on. */
const SC_REGISTERS = [PT_DI, PT_SI, PT_BP, PT_SP, PT_BX, PT_DX, PT_CX, PT_AX] as const;
const SC_FIRST_REGISTER = 16;
const SC_TRAPNO = 48;
const SC_ERR = 52;
const SC_IP = 56;
const SC_CS = 60;
const SC_FLAGS = 64;
const SC_SP_AT_SIGNAL = 68;
const SC_SS = 72;
const SC_FPSTATE = 76;
const SC_OLDMASK = 80;
const SC_CR2 = 84;

const FRAME_ALIGNMENT = 16;
const SELECTOR_RPL = 3;
const LOW = 0xffffffffn;

/** Makes the handler what the task goes on with; where the frame cannot be written the task gets SIGSEGV instead. */
export function setupFrame32(task: Task, regs: PtRegs, { info, action }: Delivery): void {
  const { kernel, signals, mm } = task;
  const rt = (action.flags & SA_SIGINFO) !== 0;
  try {
    const { frame, fpstate } = place(task, regs, action, rt ? RT_FRAME_SIZE : FRAME_SIZE);
    mm.accessOk(frame, RT_FRAME_SIZE);
    putFpState32(task, regs, fpstate);
    const vdso = rt ? mm.vdso32?.rtSigreturn : mm.vdso32?.sigreturn;
    const retcode = frame + (rt ? RT_RETCODE : FRAME_RETCODE);
    const restorer = action.flags & SA_RESTORER ? action.restorer : (vdso ?? retcode);
    mm.copyToUser(frame, Uint8Array.from(words(restorer, info.signal)));
    if (rt) putRtFrame(task, regs, frame, fpstate, info);
    else putFrame(task, regs, frame, fpstate);
    regs.ax = info.signal;
    regs.dx = rt ? frame + RT_SIGINFO : 0;
    regs.cx = rt ? frame + RT_UCONTEXT : 0;
    regs.ip = action.handler;
    regs.sp = frame;
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    kernel.signals.forceSegv(task, info.signal);
    return;
  }
  for (const segment of [SEG_DS, SEG_ES] as const) kernel.ring0.loadUserSegment(segment, __USER_DS);
  regs.cs = __USER32_CS;
  regs.ss = __USER_DS;
  regs.setHalves(PT_FLAGS, regs.lo(PT_FLAGS) & ~(FLAG_DF | FLAG_RF | FLAG_TF), 0);
  task.stack.resetFpuState(kernel.machine.registers);
  signals.saved = null;
  kernel.signals.setBlocked(task, signals.blocked | action.mask | (action.flags & SA_NODEFER ? 0n : signalBit(info.signal)));
  if (rt && signals.alternateStack.flags & SS_AUTODISARM) signals.alternateStack = { sp: 0, size: 0, flags: SS_DISABLE };
}

function words(...values: number[]): number[] {
  return values.flatMap((value) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]);
}

/** Where the frame goes (Linux get_sigframe of ia32). There is no red zone. */
function place(task: Task, regs: PtRegs, action: Delivery["action"], size: number): { frame: number; fpstate: number } {
  const stack = task.signals.alternateStack;
  let { sp } = regs;
  if (action.flags & SA_ONSTACK) {
    if (stack.size > 0 && !onAlternateStack(stack, sp)) sp = stack.sp + stack.size;
  }
  // The older way to another stack: one in sa_restorer, for code that runs on a segment of its own.
  else if (regs.ss !== __USER_DS && (action.flags & SA_RESTORER) === 0 && action.restorer !== 0) sp = action.restorer;
  const fpstate = fpState32Below(task, sp);
  const top = fpstate - size + 4;
  return { frame: top - (top % FRAME_ALIGNMENT) - 4, fpstate };
}

function putFrame(task: Task, regs: PtRegs, frame: number, fpstate: number): void {
  const { mm, signals } = task;
  const mask = signals.saved ?? signals.blocked;
  mm.copyToUser(frame + FRAME_SIGCONTEXT, sigcontext(task, regs, fpstate, mask));
  mm.putU32(frame + FRAME_EXTRAMASK, Number(mask >> 32n));
  mm.copyToUser(frame + FRAME_RETCODE, Uint8Array.from(RETCODE));
}

function putRtFrame(task: Task, regs: PtRegs, frame: number, fpstate: number, info: Delivery["info"]): void {
  const { mm, signals } = task;
  const mask = signals.saved ?? signals.blocked;
  const { sp, flags, size } = signals.alternateStack;
  mm.copyToUser(frame + 8, Uint8Array.from(words(frame + RT_SIGINFO, frame + RT_UCONTEXT)));
  mm.copyToUser(frame + RT_SIGINFO, siginfoBytes(info, I386));
  mm.copyToUser(frame + RT_UCONTEXT, Uint8Array.from(words(framesHaveXsave(task.kernel.machine.registers) ? UC_FP_XSTATE : 0, 0)));
  STACK_T.put({ mm, abi: I386 }, frame + RT_STACK, { ss_sp: sp, ss_flags: flags, ss_size: size });
  mm.copyToUser(frame + RT_SIGCONTEXT, sigcontext(task, regs, fpstate, mask));
  mm.putBig(frame + RT_SIGMASK, mask);
  mm.copyToUser(frame + RT_RETCODE, Uint8Array.from(RT_RETCODE_BYTES));
}

function sigcontext(task: Task, regs: PtRegs, fpstate: number, mask: bigint): Uint8Array {
  const { ring0 } = task.kernel;
  const bytes = new Uint8Array(SIGCONTEXT_SIZE);
  const view = new DataView(bytes.buffer);
  const put = (at: number, value: number): void => view.setUint32(at, value, true);
  put(SC_GS, ring0.userSelector(SEG_GS));
  put(SC_FS, ring0.userSelector(SEG_FS));
  put(SC_ES, ring0.userSelector(SEG_ES));
  put(SC_DS, ring0.userSelector(SEG_DS));
  SC_REGISTERS.forEach((register, index) => put(SC_FIRST_REGISTER + index * 4, regs.lo(register)));
  put(SC_TRAPNO, task.fault.vector);
  put(SC_ERR, task.fault.errorCode);
  put(SC_IP, regs.lo(PT_IP));
  put(SC_CS, regs.cs);
  put(SC_FLAGS, regs.lo(PT_FLAGS));
  put(SC_SP_AT_SIGNAL, regs.lo(PT_SP));
  put(SC_SS, regs.ss);
  put(SC_FPSTATE, fpstate);
  put(SC_OLDMASK, Number(mask & LOW));
  put(SC_CR2, task.fault.cr2);
  return bytes;
}

/** sigreturn, by which __kernel_sigreturn has popped the signal. False: it cannot be read, or its FPU state is invalid. */
export function restoreSignalFrame32(task: Task, regs: PtRegs): boolean {
  const { kernel, mm } = task;
  return guarded(() => {
    const frame = regs.lo(PT_SP) - 8;
    mm.accessOk(frame, FRAME_SIZE);
    const mask = BigInt(mm.getU32(frame + FRAME_SIGCONTEXT + SC_OLDMASK)) | (BigInt(mm.getU32(frame + FRAME_EXTRAMASK)) << 32n);
    kernel.signals.setBlocked(task, mask);
    return restoreContext(task, regs, frame + FRAME_SIGCONTEXT);
  });
}

/** rt_sigreturn out of 32-bit code. */
export function restoreRtFrame32(task: Task, regs: PtRegs): boolean {
  const { kernel, mm } = task;
  return guarded(() => {
    const frame = regs.lo(PT_SP) - 4;
    mm.accessOk(frame, RT_FRAME_SIZE);
    kernel.signals.setBlocked(task, mm.getBig(frame + RT_SIGMASK));
    if (!restoreContext(task, regs, frame + RT_SIGCONTEXT)) return false;
    setAlternateStack(task, STACK_T.get({ mm, abi: I386 }, frame + RT_STACK), regs.sp);
    return true;
  });
}

function guarded(restore: () => boolean): boolean {
  try {
    return restore();
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return false;
  }
}

function restoreContext(task: Task, regs: PtRegs, address: number): boolean {
  const { ring0 } = task.kernel;
  task.restartBlock = null;
  const bytes = task.mm.copyFromUser(address, SIGCONTEXT_SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, SIGCONTEXT_SIZE);
  const word = (at: number): number => view.getUint32(at, true);
  SC_REGISTERS.forEach((register, index) => regs.setHalves(register, word(SC_FIRST_REGISTER + index * 4), 0));
  regs.ip = word(SC_IP);
  regs.cs = (word(SC_CS) & 0xffff) | SELECTOR_RPL;
  regs.ss = (word(SC_SS) & 0xffff) | SELECTOR_RPL;
  regs.setHalves(PT_FLAGS, (regs.lo(PT_FLAGS) & ~FIX_EFLAGS) | (word(SC_FLAGS) & FIX_EFLAGS), 0);
  regs.origAx = -1;
  // Only what has changed: a selector that is loaded anew loses a base that was set without it (Linux reload_segments).
  for (const [segment, at] of [[SEG_GS, SC_GS], [SEG_FS, SC_FS], [SEG_DS, SC_DS], [SEG_ES, SC_ES]] as const) {
    const wanted = (word(at) & 0xffff) | SELECTOR_RPL;
    if (wanted !== ring0.userSelector(segment)) ring0.loadUserSegment(segment, wanted);
  }
  return restoreFpState32(task, word(SC_FPSTATE));
}
