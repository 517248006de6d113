// Port input and output (SDM Vol. 1 chapter 18): the permission checks in full, and behind them no device: reads give all
// ones, writes vanish. INS and OUTS are in string.ts.

import { CPU_BLOCK } from "../abi/layout";
import { FLAG_IOPL } from "../abi/bits";
import { RAX, RDX } from "../abi/state";
import { faulted, raiseGP } from "../cpu/fault";
import { cpl, rflags } from "../cpu/state";
import { ioPermitted } from "../system/tss";
import { imm, opsize } from "../decode/uop";
import { writeSlot } from "./sized-operand";

/** REX.W does not widen a port access. */
export function portBytes(u: usize): u32 {
  const bytes = opsize(u);
  return bytes == 8 ? 4 : bytes;
}

/** CPL <= IOPL, or every bit of the ports clear in the TSS's bitmap; else #GP(0) (SDM Vol. 1 18.5). False: a fault was raised. */
export function portAllowed(port: u32, bytes: u32): bool {
  if (cpl() <= (<u32>(rflags() & FLAG_IOPL) >> 12)) return true;
  if (ioPermitted(port, bytes)) return true;
  if (!faulted) raiseGP(0);
  return false;
}

function input(u: usize, port: u32): void {
  const bytes = portBytes(u);
  if (!portAllowed(port, bytes)) return;
  writeSlot(CPU_BLOCK + RAX, bytes, u64.MAX_VALUE);
}

export function IN_IMM(u: usize): void {
  input(u, <u32>imm(u) & 0xff);
}

export function IN_DX(u: usize): void {
  input(u, load<u16>(CPU_BLOCK + RDX));
}

export function OUT_IMM(u: usize): void {
  portAllowed(<u32>imm(u) & 0xff, portBytes(u));
}

export function OUT_DX(u: usize): void {
  portAllowed(load<u16>(CPU_BLOCK + RDX), portBytes(u));
}
