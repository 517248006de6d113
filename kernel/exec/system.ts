// System instructions and flag control (SDM Vol. 1 5.1.12, 5.1.13, 5.22): descriptor-table registers, HLT, TLB and caches,
// VMCALL, CPUID, and the instructions over RFLAGS.

import { CPU_BLOCK } from "../abi/layout";
import {
  CR4_PCIDE, FLAG_AC, FLAG_AF, FLAG_CF, FLAG_DF, FLAG_ID, FLAG_IF, FLAG_IOPL, FLAG_NT, FLAG_PF, FLAG_RF, FLAG_SF, FLAG_TF, FLAG_VM,
  FLAG_ZF, FLAGS_ARITHMETIC,
} from "../abi/bits";
import { EXIT_HALT, EXIT_HYPERCALL } from "../abi/exit-reasons";
import {
  CR4, GDTR_BASE, GDTR_LIMIT, HALTED, IDTR_BASE, IDTR_LIMIT, MODE_64, RAX, RBX, RCX, RDX, RFLAGS, SHADOW, SHADOW_STI,
} from "../abi/state";
import { cpuid, cpuidEax, cpuidEbx, cpuidEcx, cpuidEdx } from "../cpu/cpuid";
import { requestExit } from "../cpu/exit";
import { faulted, raiseGP, raiseUD } from "../cpu/fault";
import { arithmeticFlags, cf, getFlags, setArithmeticFlags, setCf } from "../cpu/flags";
import { moveStackPointer, readStackWord, stackPointer, writeStackWord } from "../system/stack-access";
import { cpl, getReg, isCanonical, mode, rflags, setReg, setRflags, stateChanged } from "../cpu/state";
import { dst, ea, opsize } from "../decode/uop";
import { probeWrite, readMem, writeMem } from "../mmu/access";
import { flushAll, flushPcid, invalidateRegion } from "../mmu/tlb";
import { hiddenByUmip } from "./segment-load";

/** LGDT and LIDT read a limit of 2 bytes, then a base of 8, of 4, or of 3 with a 16-bit operand size. */
function loadTable(u: usize, base: usize, limit: usize): void {
  const at = ea(u);
  const bytes = readMem<u16>(at);
  if (faulted) return;
  const wide = mode() == MODE_64;
  let linear: u64 = wide ? readMem<u64>(at + 2) : <u64>readMem<u32>(at + 2);
  if (faulted) return;
  if (!wide && opsize(u) == 2) linear &= 0xffffff;
  if (!isCanonical(linear)) return raiseGP(0);
  store<u64>(CPU_BLOCK + base, linear);
  store<u32>(CPU_BLOCK + limit, bytes);
}

function storeTable(u: usize, base: usize, limit: usize): void {
  if (hiddenByUmip()) return;
  const at = ea(u);
  const wide = mode() == MODE_64;
  if (!probeWrite(at, wide ? 10 : 6)) return;
  writeMem<u16>(at, <u16>load<u32>(CPU_BLOCK + limit));
  if (wide) writeMem<u64>(at + 2, load<u64>(CPU_BLOCK + base));
  else writeMem<u32>(at + 2, <u32>load<u64>(CPU_BLOCK + base));
}

export function LGDT(u: usize): void {
  loadTable(u, GDTR_BASE, GDTR_LIMIT);
}

export function LIDT(u: usize): void {
  loadTable(u, IDTR_BASE, IDTR_LIMIT);
}

export function SGDT(u: usize): void {
  storeTable(u, GDTR_BASE, GDTR_LIMIT);
}

export function SIDT(u: usize): void {
  storeTable(u, IDTR_BASE, IDTR_LIMIT);
}

/** The run loop goes on behind it when an event is delivered. */
export function HLT(u: usize): void {
  store<u32>(CPU_BLOCK + HALTED, 1);
  requestExit(EXIT_HALT);
}

/** A non-canonical address is ignored (SDM Vol. 2A, INVLPG). */
export function INVLPG(u: usize): void {
  const linear = ea(u);
  if (isCanonical(linear)) invalidateRegion(linear);
}

/** The four types of SDM Vol. 2A, INVPCID; the descriptor is PCID in bits 11:0 and the linear address in the second quadword. */
export function INVPCID(u: usize): void {
  const type = mode() == MODE_64 ? load<u64>(dst(u)) : <u64>load<u32>(dst(u));
  const at = ea(u);
  const first = readMem<u64>(at);
  if (faulted) return;
  const linear = readMem<u64>(at + 8);
  if (faulted) return;
  if (type > 3 || first >> 12) return raiseGP(0);
  const pcid = <u32>first;
  if (type < 2 && pcid != 0 && (load<u64>(CPU_BLOCK + CR4) & CR4_PCIDE) == 0) return raiseGP(0);
  if (type == 0) {
    if (!isCanonical(linear)) return raiseGP(0);
    invalidateRegion(linear);
  } else if (type == 1) flushPcid(pcid);
  else flushAll();
}

/** No cache is modelled: memory is always coherent. */
export function WBINVD(u: usize): void {}

export function INVD(u: usize): void {}

/** The hypercall. RIP is past it when run() returns. */
export function VMCALL(u: usize): void {
  if (cpl() != 0) return raiseUD();
  requestExit(EXIT_HYPERCALL);
}

export function CPUID(u: usize): void {
  cpuid(<u32>getReg(RAX), <u32>getReg(RCX));
  setReg(RAX, cpuidEax);
  setReg(RBX, cpuidEbx);
  setReg(RCX, cpuidEcx);
  setReg(RDX, cpuidEdx);
}

/** IF may be changed at CPL <= IOPL (SDM Vol. 2A, CLI, table 3-7, without VME and PVI). False: #GP(0) was raised. */
function mayChangeIf(): bool {
  if (cpl() <= (<u32>(rflags() & FLAG_IOPL) >> 12)) return true;
  raiseGP(0);
  return false;
}

export function CLI(u: usize): void {
  if (!mayChangeIf()) return;
  setRflags(rflags() & ~<u64>FLAG_IF);
}

/** Interrupts stay inhibited for one more instruction if IF was 0 (SDM Vol. 2B, STI). */
export function STI(u: usize): void {
  if (!mayChangeIf()) return;
  const flags = rflags();
  if ((flags & FLAG_IF) == 0) store<u32>(CPU_BLOCK + SHADOW, SHADOW_STI);
  setRflags(flags | FLAG_IF);
}

/** At CPL > 0 these do not exist: #UD and not #GP (SDM Vol. 2A, CLAC). */
export function CLAC(u: usize): void {
  if (cpl() != 0) return raiseUD();
  setRflags(rflags() & ~<u64>FLAG_AC);
}

export function STAC(u: usize): void {
  if (cpl() != 0) return raiseUD();
  setRflags(rflags() | FLAG_AC);
}

export function CLC(u: usize): void {
  setCf(0);
}

export function STC(u: usize): void {
  setCf(1);
}

export function CMC(u: usize): void {
  setCf(cf() ^ 1);
}

export function CLD(u: usize): void {
  store<u64>(CPU_BLOCK + RFLAGS, load<u64>(CPU_BLOCK + RFLAGS) & ~<u64>FLAG_DF);
}

export function STD(u: usize): void {
  store<u64>(CPU_BLOCK + RFLAGS, load<u64>(CPU_BLOCK + RFLAGS) | FLAG_DF);
}

const LOW_BYTE_FLAGS: u32 = FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF;

export function LAHF(u: usize): void {
  store<u8>(CPU_BLOCK + RAX + 1, <u8>((arithmeticFlags() & LOW_BYTE_FLAGS) | 2));
}

export function SAHF(u: usize): void {
  const ah = <u32>load<u8>(CPU_BLOCK + RAX + 1);
  setArithmeticFlags((arithmeticFlags() & ~LOW_BYTE_FLAGS) | (ah & LOW_BYTE_FLAGS));
}

/** RF and VM are clear in the image (SDM Vol. 2B, PUSHF). */
export function PUSHF(u: usize): void {
  const bytes = opsize(u);
  const pointer = stackPointer() - bytes;
  writeStackWord(pointer, bytes, getFlags() & ~<u64>(FLAG_RF | FLAG_VM));
  if (faulted) return;
  moveStackPointer(pointer);
}

/** SDM Vol. 2B, POPF, table 4-16: IOPL changes at CPL 0 alone, IF at CPL <= IOPL; RF is cleared. */
export function POPF(u: usize): void {
  const bytes = opsize(u);
  const pointer = stackPointer();
  const popped = readStackWord(pointer, bytes);
  if (faulted) return;
  const old = rflags();
  let mask: u64 = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT;
  if (bytes != 2) mask |= FLAG_AC | FLAG_ID;
  if (cpl() <= (<u32>(old & FLAG_IOPL) >> 12)) mask |= FLAG_IF;
  if (cpl() == 0) mask |= FLAG_IOPL;
  moveStackPointer(pointer + bytes);
  setRflags((old & ~mask & ~<u64>FLAG_RF) | (popped & mask));
  stateChanged();
}
