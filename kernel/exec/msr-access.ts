// Instructions over the MSRs and the counters: RDMSR, WRMSR, RDTSC, RDTSCP, RDPID, RDPMC (SDM Vol. 2B).

import { CPU_BLOCK } from "../abi/layout";
import { CR4_TSD } from "../abi/bits";
import { CR4, MODE_64, RAX, RCX, RDX, TSC_AUX } from "../abi/state";
import { faulted, raiseGP } from "../cpu/fault";
import { readMsr, timeStamp, writeMsr } from "../system/msr";
import { cpl, getReg, mode, setReg } from "../cpu/state";
import { rmSlot } from "../decode/uop";
import { writeSlot } from "./sized-operand";

function setEdxEax(value: u64): void {
  setReg(RAX, value & 0xffffffff);
  setReg(RDX, value >> 32);
}

export function RDMSR(u: usize): void {
  const value = readMsr(<u32>getReg(RCX));
  if (faulted) return;
  setEdxEax(value);
}

export function WRMSR(u: usize): void {
  writeMsr(<u32>getReg(RCX), (getReg(RDX) << 32) | (getReg(RAX) & 0xffffffff));
}

/** CR4.TSD keeps the time-stamp counter for CPL 0. True: #GP(0) was raised. */
function timeStampHidden(): bool {
  if (cpl() == 0 || (load<u64>(CPU_BLOCK + CR4) & CR4_TSD) == 0) return false;
  raiseGP(0);
  return true;
}

export function RDTSC(u: usize): void {
  if (timeStampHidden()) return;
  setEdxEax(timeStamp());
}

export function RDTSCP(u: usize): void {
  if (timeStampHidden()) return;
  setEdxEax(timeStamp());
  setReg(RCX, load<u64>(CPU_BLOCK + TSC_AUX) & 0xffffffff);
}

/** TSC_AUX, in 64-bit mode into 64 bits whatever the prefixes (SDM Vol. 2B, RDPID). */
export function RDPID(u: usize): void {
  writeSlot(rmSlot(u), mode() == MODE_64 ? 8 : 4, load<u64>(CPU_BLOCK + TSC_AUX) & 0xffffffff);
}

/** CPUID offers no performance counters (leaf 0AH is absent), so every counter number is invalid. */
export function RDPMC(u: usize): void {
  raiseGP(0);
}
