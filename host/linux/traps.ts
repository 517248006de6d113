// Exceptions: from a vector to a page brought in or a signal (Linux arch/x86/kernel/traps.c, arch/x86/mm/fault.c).
// Entered from host/ring0 (hypercall of the IDT stubs). Leaves to fault.ts or signal.ts, and back by IRETQ.

import {
  VECTOR_AC, VECTOR_BP, VECTOR_BR, VECTOR_DB, VECTOR_DE, VECTOR_GP, VECTOR_MF, VECTOR_NP, VECTOR_OF, VECTOR_PF, VECTOR_SS,
  VECTOR_TS, VECTOR_UD, VECTOR_XM, PF_FETCH, PF_PRESENT, PF_USER, PF_WRITE,
} from "../../kernel/abi/vectors";
import { CR4_UMIP } from "../../kernel/abi/bits";
import { CR2, CR4, DR6, FCW, FSW, MXCSR } from "../../kernel/abi/state";
import type { Suspend } from "../ring0/hypercall";
import type { PtRegs } from "../ring0/pt-regs";
import { exitToUserMode } from "./entry-common";
import { UserFault } from "./errno";
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE, type Access, type MemoryFault, faultIn } from "./fault";
import type { Kernel } from "./kernel";
import { OutOfMemory } from "./page-cache";
import type { Task } from "./task";
import {
  BUS_ADRALN, FPE_FLTDIV, FPE_FLTINV, FPE_FLTOVF, FPE_FLTRES, FPE_FLTUND, FPE_INTDIV, ILL_ILLOPN, SEGV_MAPERR, SIGBUS, SIGFPE,
  SIGILL, SIGSEGV, SIGTRAP, SI_KERNEL, TRAP_BRKPT, TRAP_HWBKPT, TRAP_TRACE,
} from "./uapi-signal";
import { TASK_SIZE } from "./uapi-mman";
import { emulateUmip } from "./umip";
import { emulateVsyscall, isVsyscallAddress } from "./vsyscall";

/** The hook behind the exception stubs, for exceptions of user code. */
export function doException(kernel: Kernel, task: Task, regs: PtRegs, vector: number, errorCode: number): void | Suspend {
  try {
    handle(kernel, task, regs, vector, errorCode);
  } catch (error) {
    if (!(error instanceof OutOfMemory)) throw error;
    kernel.killForMemory(task);
  }
  return exitToUserMode(kernel, task);
}

function handle(kernel: Kernel, task: Task, regs: PtRegs, vector: number, errorCode: number): void {
  if (vector === VECTOR_PF) pageFault(kernel, task, errorCode);
  else if (vector !== VECTOR_GP || !mendsProtection(kernel, task, regs)) {
    const { signal, code, address } = signalOf(kernel, regs, vector);
    task.fault.vector = vector;
    task.fault.errorCode = errorCode;
    kernel.signals.force(task, { signal, code, address });
  }
}

/** What exc_general_protection does in place of a signal. */
function mendsProtection(kernel: Kernel, task: Task, regs: PtRegs): boolean {
  if ((kernel.machine.registers.lo(CR4) & CR4_UMIP) !== 0 && emulateUmip(task, regs)) return true;
  if (!skipsCli(task, regs)) return false;
  kernel.noticeOnce("the program uses CLI or STI under iopl(3): Linux makes it a NOP");
  return true;
}

const OPCODE_CLI = 0xfa;
const OPCODE_STI = 0xfb;

/** Linux fixup_iopl_exception: programs that got IOPL 3 of older kernels switch interrupts off and on. */
function skipsCli(task: Task, regs: PtRegs): boolean {
  if (task.stack.ports.level !== 3) return false;
  let opcode: number;
  try {
    opcode = task.mm.getU8(regs.ip);
  } catch (error) {
    if (error instanceof UserFault) return false;
    throw error;
  }
  if (opcode !== OPCODE_CLI && opcode !== OPCODE_STI) return false;
  regs.ip += 1;
  return true;
}

function pageFault(kernel: Kernel, task: Task, errorCode: number): void {
  kernel.pageFaults++;
  const { registers } = kernel.machine;
  const address = registers.getLinear(CR2);
  if (isVsyscallAddress(address) && emulateVsyscall(task, errorCode)) return;
  const fault: MemoryFault | null = address < 0 || address >= TASK_SIZE
    ? { signal: SIGSEGV, code: SEGV_MAPERR }
    : faultIn(task.mm, address, accessOf(errorCode));
  if (fault === null) return;
  task.fault.vector = VECTOR_PF;
  // Whether there is a page at an address of the kernel's is nobody's business (Linux set_signal_archinfo).
  task.fault.errorCode = errorCode | PF_USER | (address < 0 || address >= TASK_SIZE ? PF_PRESENT : 0);
  task.fault.cr2 = address;
  kernel.signals.force(task, { signal: fault.signal, code: fault.code, address });
}

/** As in Linux's access_error, a fetch from a page that is not there counts as a read: it faults again if it may not be executed. */
function accessOf(errorCode: number): Access {
  if (errorCode & PF_WRITE) return ACCESS_WRITE;
  return (errorCode & (PF_FETCH | PF_PRESENT)) === (PF_FETCH | PF_PRESENT) ? ACCESS_EXEC : ACCESS_READ;
}

function signalOf(kernel: Kernel, regs: PtRegs, vector: number): { signal: number; code: number; address: number } {
  const { ip } = regs;
  switch (vector) {
    case VECTOR_DE:
      return { signal: SIGFPE, code: FPE_INTDIV, address: ip };
    case VECTOR_DB:
      return { signal: SIGTRAP, code: debugCode(kernel), address: ip };
    case VECTOR_BP:
      return { signal: SIGTRAP, code: SI_KERNEL, address: 0 };
    case VECTOR_UD:
      return { signal: SIGILL, code: ILL_ILLOPN, address: ip };
    case VECTOR_AC:
      return { signal: SIGBUS, code: BUS_ADRALN, address: 0 };
    case VECTOR_SS:
    case VECTOR_NP:
      return { signal: SIGBUS, code: SI_KERNEL, address: 0 };
    case VECTOR_MF:
      return { signal: SIGFPE, code: floatingPointCode(x87Exceptions(kernel)), address: ip };
    case VECTOR_XM:
      return { signal: SIGFPE, code: floatingPointCode(simdExceptions(kernel)), address: ip };
    case VECTOR_OF:
    case VECTOR_BR:
    case VECTOR_TS:
    case VECTOR_GP:
      return { signal: SIGSEGV, code: SI_KERNEL, address: 0 };
  }
  throw new Error(`exception ${vector} from user code at 0x${ip.toString(16)}, which no handler of the kernel knows`);
}

const DR6_RESERVED = 0xffff0ff0;
const DR_STEP = 0x4000;
const DR_TRAP_BITS = 0xf;

/** What DR6 says, which is then cleared for the next time. */
function debugCode(kernel: Kernel): number {
  const { registers } = kernel.machine;
  const condition = registers.lo(DR6);
  registers.setHalves(DR6, DR6_RESERVED, 0);
  if (condition & DR_STEP) return TRAP_TRACE;
  return condition & DR_TRAP_BITS ? TRAP_HWBKPT : TRAP_BRKPT;
}

/** Unmasked exceptions that are flagged: bits 0-5 are IE DE ZE OE UE PE in both control words. */
function x87Exceptions(kernel: Kernel): number {
  const { u16 } = kernel.machine.registers;
  return u16[FSW >>> 1]! & ~u16[FCW >>> 1]! & 0x3f;
}

function simdExceptions(kernel: Kernel): number {
  const mxcsr = kernel.machine.registers.lo(MXCSR);
  return mxcsr & ~(mxcsr >>> 7) & 0x3f;
}

/** Linux fpu__exception_code: the first in this order. */
function floatingPointCode(exceptions: number): number {
  if (exceptions & 0x01) return FPE_FLTINV;
  if (exceptions & 0x04) return FPE_FLTDIV;
  if (exceptions & 0x08) return FPE_FLTOVF;
  if (exceptions & 0x12) return FPE_FLTUND;
  return exceptions & 0x20 ? FPE_FLTRES : 0;
}
