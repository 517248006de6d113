// FNINIT FNCLEX FLDCW FNSTCW FNSTSW FLDENV FNSTENV FRSTOR FNSAVE FINCSTP FDECSTP FFREE FNOP FWAIT (SDM Vol. 1 5.2.6). Called from exec().
// The FN forms do not wait: a pending exception stays pending.
//
// Environment, 32-bit operand size (SDM Vol. 1 figure 8-9)      16-bit (figure 8-11): the low words of the same, FIP FCS FDP FDS
//    0  FCW    4  FSW    8  tag word    (each with ones above)
//   12  FIP   16  FCS, FOP << 16    20  FDP    24  FDS, ones above
// The registers follow from ST(0) on, 10 bytes each, in the image of FSAVE.

import { CPU_BLOCK } from "../abi/layout";
import { CR0, FCS, FCW, FDP, FDS, FIP, FOP, FSW, FTW, RAX, ST } from "../abi/state";
import { CR0_MP, CR0_TS } from "../abi/bits";
import { faulted, raiseNM } from "../cpu/fault";
import { ea, opsize } from "../decode/uop";
import { probeRead, probeWrite, readMem, writeMem } from "../mmu/access";
import { alignedOrFault } from "../system/alignment";
import {
  fcw, fsw, pop, setEmpty, setFsw, setTop, st, sti, summarise, top, x87Begin, x87End, x87EndSparingC1,
} from "./x87-state";

/** Writable bits of the control word; bit 6 reads as one. */
const FCW_WRITABLE: u32 = 0x1f3f;

export function setFcw(v: u32): void {
  store<u16>(CPU_BLOCK, (v & FCW_WRITABLE) | 0x40, FCW);
}

function initialise(): void {
  store<u16>(CPU_BLOCK, 0x37f, FCW);
  store<u16>(CPU_BLOCK, 0, FSW);
  store<u8>(CPU_BLOCK, 0, FTW);
  store<u16>(CPU_BLOCK, 0, FOP);
  store<u64>(CPU_BLOCK, 0, FIP);
  store<u64>(CPU_BLOCK, 0, FDP);
}

export function FNINIT(u: usize): void {
  initialise();
}

export function FNCLEX(u: usize): void {
  setFsw(fsw() & 0x7f00);
}

/** WAIT: a pending exception is reported here. Unlike all other x87 instructions it looks at MP beside TS, and not at EM. */
export function FWAIT(u: usize): void {
  if ((load<u64>(CPU_BLOCK, CR0) & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) raiseNM();
  else x87Begin();
}

export function FNOP(u: usize): void {
  if (x87Begin()) x87EndSparingC1(u);
}

/** FENI, FDISI of the 8087 and FSETPM of the 287: nothing is left of them. */
export function FNENI(u: usize): void {}

export function FINCSTP(u: usize): void {
  if (!x87Begin()) return;
  setTop(top() + 1);
  x87End(u);
}

export function FDECSTP(u: usize): void {
  if (!x87Begin()) return;
  setTop(top() - 1);
  x87End(u);
}

export function FFREE(u: usize): void {
  if (!x87Begin()) return;
  setEmpty(sti(u));
  x87End(u);
}

/** Not in the SDM, on all chips since the 387: FFREE ST(i), then a pop. */
export function FFREEP(u: usize): void {
  if (!x87Begin()) return;
  setEmpty(sti(u));
  pop();
  x87End(u);
}

export function FLDCW(u: usize): void {
  if (!x87Begin()) return;
  const v = readMem<u16>(ea(u));
  if (faulted) return;
  setFcw(v);
  summarise();
}

export function FNSTCW(u: usize): void {
  writeMem<u16>(ea(u), fcw() as u16);
}

export function FNSTSW_M16(u: usize): void {
  writeMem<u16>(ea(u), fsw() as u16);
}

export function FNSTSW_AX(u: usize): void {
  store<u16>(CPU_BLOCK, fsw(), RAX);
}

/** Two bits a physical register: 0 valid, 1 zero, 2 special, 3 empty (SDM Vol. 1 8.1.7). */
function tagWord(): u32 {
  const valid = load<u8>(CPU_BLOCK, FTW) as u32;
  let tags: u32 = 0;
  for (let r: u32 = 0; r < 8; r++) {
    let tag: u32 = 3;
    if (((valid >> r) & 1) != 0) {
      const sig = load<u64>(CPU_BLOCK + ST + (r << 4));
      const exponent = load<u16>(CPU_BLOCK + ST + (r << 4), 8) & 0x7fff;
      if (exponent == 0 && sig == 0) tag = 1;
      else tag = exponent == 0 || exponent == 0x7fff || sig >> 63 == 0 ? 2 : 0;
    }
    tags |= tag << (r * 2);
  }
  return tags;
}

function setTagWord(tags: u32): void {
  let valid: u32 = 0;
  for (let r: u32 = 0; r < 8; r++) if (((tags >> (r * 2)) & 3) != 3) valid |= 1 << r;
  store<u8>(CPU_BLOCK, valid, FTW);
}

function environmentSize(u: usize): u32 {
  return opsize(u) == 2 ? 14 : 28;
}

/** An environment, and the registers behind it, need only the alignment of one of its words (SDM Vol. 3A table 6-7). */
function environmentAligned(u: usize): bool {
  return alignedOrFault(ea(u), opsize(u) == 2 ? 2 : 4);
}

/** 10 bytes at any even address. */
function writeRegister(at: u64, from: usize): void {
  for (let i: u32 = 0; i < 10; i += 2) writeMem<u16>(at + i, load<u16>(from + i));
}

function readRegister(at: u64, to: usize): void {
  for (let i: u32 = 0; i < 10; i += 2) store<u16>(to + i, readMem<u16>(at + i));
}

/** The caller has probed the bytes and their alignment: nothing can fault. */
function writeEnvironment(u: usize, at: u64): void {
  const fip = load<u64>(CPU_BLOCK, FIP);
  const fdp = load<u64>(CPU_BLOCK, FDP);
  const fcs = load<u16>(CPU_BLOCK, FCS) as u32;
  const fds = load<u16>(CPU_BLOCK, FDS) as u32;
  if (opsize(u) == 2) {
    writeMem<u16>(at, fcw() as u16);
    writeMem<u16>(at + 2, fsw() as u16);
    writeMem<u16>(at + 4, tagWord() as u16);
    writeMem<u16>(at + 6, fip as u16);
    writeMem<u16>(at + 8, fcs as u16);
    writeMem<u16>(at + 10, fdp as u16);
    writeMem<u16>(at + 12, fds as u16);
    return;
  }
  writeMem<u32>(at, 0xffff0000 | fcw());
  writeMem<u32>(at + 4, 0xffff0000 | fsw());
  writeMem<u32>(at + 8, 0xffff0000 | tagWord());
  writeMem<u32>(at + 12, fip as u32);
  writeMem<u32>(at + 16, fcs | ((load<u16>(CPU_BLOCK, FOP) as u32) << 16));
  writeMem<u32>(at + 20, fdp as u32);
  writeMem<u32>(at + 24, 0xffff0000 | fds);
}

/** The caller has probed the bytes and their alignment. FCS and FDS are not kept (CPUID.7.0:EBX bit 13). */
function readEnvironment(u: usize, at: u64): void {
  const wide = opsize(u) != 2;
  const step: u64 = wide ? 4 : 2;
  setFcw(readMem<u16>(at));
  setFsw(readMem<u16>(at + step));
  setTagWord(readMem<u16>(at + step * 2));
  if (wide) {
    store<u64>(CPU_BLOCK, readMem<u32>(at + 12), FIP);
    store<u16>(CPU_BLOCK, readMem<u16>(at + 18) & 0x7ff, FOP);
    store<u64>(CPU_BLOCK, readMem<u32>(at + 20), FDP);
  } else {
    store<u64>(CPU_BLOCK, readMem<u16>(at + 6), FIP);
    store<u64>(CPU_BLOCK, readMem<u16>(at + 10), FDP);
    store<u16>(CPU_BLOCK, 0, FOP);
  }
  summarise();
}

/** Stores the environment and masks all exceptions. */
export function FNSTENV(u: usize): void {
  const at = ea(u);
  if (!environmentAligned(u) || !probeWrite(at, environmentSize(u))) return;
  writeEnvironment(u, at);
  setFcw(fcw() | 0x3f);
  summarise();
}

export function FLDENV(u: usize): void {
  if (!x87Begin()) return;
  const at = ea(u);
  if (environmentAligned(u) && probeRead(at, environmentSize(u))) readEnvironment(u, at);
}

export function FNSAVE(u: usize): void {
  const at = ea(u);
  const size = environmentSize(u);
  if (!environmentAligned(u) || !probeWrite(at, size + 80)) return;
  writeEnvironment(u, at);
  for (let i: u32 = 0; i < 8; i++) writeRegister(at + size + i * 10, st(i));
  initialise();
}

export function FRSTOR(u: usize): void {
  if (!x87Begin()) return;
  const at = ea(u);
  const size = environmentSize(u);
  if (!environmentAligned(u) || !probeRead(at, size + 80)) return;
  readEnvironment(u, at);
  for (let i: u32 = 0; i < 8; i++) readRegister(at + size + i * 10, st(i));
}
