// What a pt_regs with any frame in it gets on its way to CPL 3: the program's state, or the fault that IRETQ makes of it, in the order
// of SDM Vol. 2A, IRET (RETURN-TO-OUTER-PRIVILEGE-LEVEL), and as Linux presents it: as if the program had met it.

import { __USER32_CS, __USER_CS, __USER_DS } from "../../host/ring0/segments";
import { FLAG_RF, FLAG_TF } from "../../kernel/abi/bits";
import { VECTOR_GP } from "../../kernel/abi/vectors";

/** Indices of pt_regs. */
export const R15 = 0, R14 = 1, R13 = 2, R12 = 3, BP = 4, BX = 5, R11 = 6, R10 = 7, R9 = 8, R8 = 9, AX = 10, CX = 11, DX = 12, SI = 13, DI = 14;
export const ORIG_AX = 15, IP = 16, CS = 17, FLAGS = 18, SP = 19, SS = 20;

/** A stack segment of 16 bits, writable, of DPL 3: entry 1 of the LDT, the only one there is. */
export const LDT_STACK_16 = 0x0f;

const LOW_32 = 0xffffffffn;

export function isCanonical(address: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;
}

export interface ReturnFault {
  vector: number;
  errorCode: number;
}

/** The fault of IRETQ on this frame, or null. All selectors have RPL 3. */
export function returnFault(regs: BigUint64Array): ReturnFault | null {
  const cs = Number(regs[CS]! & 0xffffn);
  const ss = Number(regs[SS]! & 0xffffn);
  const gp = (selector: number): ReturnFault => ({ vector: VECTOR_GP, errorCode: selector & 0xfffc });
  const fault = (() => {
    if (cs !== __USER_CS && cs !== __USER32_CS) return gp(cs);
    if (ss !== __USER_DS && ss !== LDT_STACK_16) return gp(ss);
    if (cs === __USER_CS ? !isCanonical(regs[IP]!) : regs[IP]! > LOW_32) return gp(0);
    return null;
  })();
  // From the espfix stack it is a #DF first, and what Linux makes of that has no error code.
  return fault !== null && ss & 4 ? gp(0) : fault;
}

/** The program's registers after a return that no fault stops. */
export function returned(regs: BigUint64Array): BigUint64Array {
  const after = regs.slice();
  if (regs[CS] === BigInt(__USER32_CS)) after[SP] = regs[SP]! & LOW_32;
  return after;
}

/** Do the two fast 32-bit doors leave by SYSRETL? */
export function leavesBySysretl(regs: BigUint64Array, landing: bigint): boolean {
  return (
    regs[CS] === BigInt(__USER32_CS) && regs[SS] === BigInt(__USER_DS) && regs[IP] === landing && (regs[FLAGS]! & BigInt(FLAG_RF | FLAG_TF)) === 0n
  );
}

/** SYSRETL's way gives RIP and RFLAGS away in RCX and R11, and nothing of R8 to R15, which 32-bit code does not have. */
export function afterSysretl(regs: BigUint64Array): BigUint64Array {
  const after = regs.slice();
  for (const index of [R8, R9, R10, R12, R13, R14, R15]) after[index] = 0n;
  after[CX] = regs[IP]!;
  after[R11] = regs[FLAGS]!;
  return after;
}
