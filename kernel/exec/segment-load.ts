// Instructions that load, store and examine segment registers and descriptors (SDM Vol. 1 5.1.8, 5.22).

import { CPU_BLOCK } from "../abi/layout";
import { CR4_UMIP } from "../abi/bits";
import {
  CR4, MODE_64, RSP, SEG_CS, SEG_GS, SEG_LDTR, SEG_SS, SEG_TR, SHADOW, SHADOW_MOV_SS, VENDOR, VENDOR_AMD,
} from "../abi/state";
import { VECTOR_GP, VECTOR_NP } from "../abi/vectors";
import { faulted, raiseGP, raiseSelector, raiseUD } from "../cpu/fault";
import { setZf } from "../cpu/flags";
import {
  ATTR_CODE, ATTR_DC, ATTR_P, ATTR_RW, ATTR_S, ATTR_TYPE, attributesIn, baseIn, descriptorAddress, descriptorHigh, dplIn, isNull,
  limitIn, loadSegment, readDescriptor, readDescriptorHigh, setNullSegment, TYPE_CALL_GATE, TYPE_LDT, TYPE_TSS, TYPE_TSS_BUSY,
  withinTable,
} from "../system/segments";
import { moveStackPointer, readStackWord, stackPointer, writeStackWord } from "../system/stack-access";
import { cpl, getReg, isCanonical, mode, segSelector, setReg, setSegment, stateChanged } from "../cpu/state";
import { dst, ea, ismem, opsize, readRm, src, sub, writeRm } from "../decode/uop";
import { readMem, readSystem, writeSystem } from "../mmu/access";
import { writeRmSized, writeSlot } from "./sized-operand";

/** UMIP hides the descriptor-table registers from CPL > 0 (SDM Vol. 3A 2.5, CR4.UMIP). True: #GP(0) was raised. */
export function hiddenByUmip(): bool {
  if (cpl() == 0 || (load<u64>(CPU_BLOCK + CR4) & CR4_UMIP) == 0) return false;
  raiseGP(0);
  return true;
}

/** After a load of SS no event is taken before the next instruction has ended (SDM Vol. 3A 6.8.3). */
function afterSegmentLoad(seg: u32, shadow: bool): void {
  if (seg == SEG_SS && shadow) store<u32>(CPU_BLOCK + SHADOW, SHADOW_MOV_SS);
  if (seg == SEG_SS || mode() != MODE_64) stateChanged();
}

export function MOV_TO_SEG(u: usize): void {
  const seg = sub(u);
  if (seg == <u32>SEG_CS || seg > <u32>SEG_GS) return raiseUD();
  const selector = readRm<u16>(u);
  if (faulted) return;
  loadSegment(seg, selector);
  if (faulted) return;
  afterSegmentLoad(seg, true);
}

/** To memory always 16 bits; to a register zero-extended to the operand size. */
export function MOV_FROM_SEG(u: usize): void {
  const seg = sub(u);
  if (seg > <u32>SEG_GS) return raiseUD();
  if (ismem(u)) writeRm<u16>(u, <u16>segSelector(seg));
  else writeRmSized(u, opsize(u), segSelector(seg));
}

/** A 32-bit push writes 16 bits and leaves the rest of the stack word, as Intel's chips do (SDM Vol. 2B, PUSH). */
function pushSegment(u: usize, seg: u32): void {
  const bytes = opsize(u);
  const pointer = stackPointer() - bytes;
  writeStackWord(pointer, bytes == 4 ? 2 : bytes, segSelector(seg));
  if (faulted) return;
  moveStackPointer(pointer);
}

function popSegment(u: usize, seg: u32): void {
  const bytes = opsize(u);
  const pointer = stackPointer();
  const selector = <u32>readStackWord(pointer, bytes) & 0xffff;
  if (faulted) return;
  // The pointer moves by the size of the old stack, so before SS changes.
  const before = getReg(RSP);
  moveStackPointer(pointer + bytes);
  loadSegment(seg, selector);
  if (faulted) return setReg(RSP, before);
  afterSegmentLoad(seg, true);
}

export function PUSH_ES(u: usize): void {
  pushSegment(u, 0);
}

export function PUSH_CS(u: usize): void {
  pushSegment(u, 1);
}

export function PUSH_SS(u: usize): void {
  pushSegment(u, 2);
}

export function PUSH_DS(u: usize): void {
  pushSegment(u, 3);
}

export function PUSH_FS(u: usize): void {
  pushSegment(u, 4);
}

export function PUSH_GS(u: usize): void {
  pushSegment(u, 5);
}

export function POP_ES(u: usize): void {
  popSegment(u, 0);
}

export function POP_SS(u: usize): void {
  popSegment(u, 2);
}

export function POP_DS(u: usize): void {
  popSegment(u, 3);
}

export function POP_FS(u: usize): void {
  popSegment(u, 4);
}

export function POP_GS(u: usize): void {
  popSegment(u, 5);
}

/** LDS LES LSS LFS LGS: offset, then selector. AMD has no m16:64 form: REX.W changes nothing (APM Vol. 3, LFS). */
function loadFarPointer(u: usize, seg: u32): void {
  let bytes = opsize(u);
  if (bytes == 8 && load<u32>(CPU_BLOCK + VENDOR) == VENDOR_AMD) bytes = 4;
  const at = ea(u);
  const offset = bytes == 8 ? readMem<u64>(at) : bytes == 4 ? <u64>readMem<u32>(at) : <u64>readMem<u16>(at);
  if (faulted) return;
  const selector = readMem<u16>(at + bytes);
  if (faulted) return;
  loadSegment(seg, selector);
  if (faulted) return;
  writeSlot(dst(u), bytes, offset);
  afterSegmentLoad(seg, false);
}

export function LES(u: usize): void {
  loadFarPointer(u, 0);
}

export function LDS(u: usize): void {
  loadFarPointer(u, 3);
}

export function LSS(u: usize): void {
  loadFarPointer(u, 2);
}

export function LFS(u: usize): void {
  loadFarPointer(u, 4);
}

export function LGS(u: usize): void {
  loadFarPointer(u, 5);
}

export function SLDT(u: usize): void {
  if (hiddenByUmip()) return;
  if (ismem(u)) writeRm<u16>(u, <u16>segSelector(SEG_LDTR));
  else writeRmSized(u, opsize(u), segSelector(SEG_LDTR));
}

export function STR(u: usize): void {
  if (hiddenByUmip()) return;
  if (ismem(u)) writeRm<u16>(u, <u16>segSelector(SEG_TR));
  else writeRmSized(u, opsize(u), segSelector(SEG_TR));
}

/** Checks of LLDT and LTR on a 16-byte descriptor of `type`; returns its first half. Check `faulted`. */
function systemSegment(selector: u32, type: u32): u64 {
  const error = selector & 0xfffc;
  if (selector & 4) {
    raiseGP(error);
    return 0;
  }
  const descriptor = readDescriptor(selector, VECTOR_GP);
  if (faulted) return 0;
  const attributes = attributesIn(descriptor);
  if ((attributes & (ATTR_S | ATTR_TYPE)) != type) {
    raiseGP(error);
    return 0;
  }
  if ((attributes & ATTR_P) == 0) {
    raiseSelector(VECTOR_NP, error);
    return 0;
  }
  readDescriptorHigh(selector, VECTOR_GP);
  if (faulted) return 0;
  const base = baseIn(descriptor) | (descriptorHigh << 32);
  if ((descriptorHigh >> 40) & 0x1f || !isCanonical(base)) raiseGP(error);
  return descriptor;
}

/** SDM Vol. 2A, LLDT. */
export function LLDT(u: usize): void {
  const selector = <u32>readRm<u16>(u);
  if (faulted) return;
  if (isNull(selector)) return setNullSegment(SEG_LDTR, selector);
  const descriptor = systemSegment(selector, TYPE_LDT);
  if (faulted) return;
  setSegment(SEG_LDTR, selector, attributesIn(descriptor), limitIn(descriptor), baseIn(descriptor) | (descriptorHigh << 32));
}

/** SDM Vol. 2A, LTR: marks the TSS busy in memory. */
export function LTR(u: usize): void {
  const selector = <u32>readRm<u16>(u);
  if (faulted) return;
  if (isNull(selector)) return raiseGP(0);
  const descriptor = systemSegment(selector, TYPE_TSS);
  if (faulted) return;
  const attributes = (attributesIn(descriptor) & ~ATTR_TYPE) | TYPE_TSS_BUSY;
  const base = baseIn(descriptor) | (descriptorHigh << 32);
  writeSystem<u8>(descriptorAddress(selector) + 5, <u8>attributes);
  if (faulted) return;
  setSegment(SEG_TR, selector, attributes, limitIn(descriptor), base);
}

/** The descriptor examined by VERR, VERW, LAR, LSL. */
let examined: u64 = 0;

/** Fetches it; false: the selector is null or outside its table, or the read itself faulted. */
function examine(selector: u32): bool {
  if (isNull(selector) || !withinTable(selector, 8)) return false;
  examined = readSystem<u64>(descriptorAddress(selector));
  return !faulted;
}

/** Conforming code is visible at every level, everything else at CPL and RPL up to its DPL. */
function visible(selector: u32, attributes: u32): bool {
  const conforming = (attributes & (ATTR_S | ATTR_CODE | ATTR_DC)) == (ATTR_S | ATTR_CODE | ATTR_DC);
  return conforming || (cpl() <= dplIn(attributes) && (selector & 3) <= dplIn(attributes));
}

/** SDM Vol. 2B, VERR. */
export function VERR(u: usize): void {
  const selector = <u32>readRm<u16>(u);
  if (faulted) return;
  let ok = examine(selector);
  if (faulted) return;
  if (ok) {
    const attributes = attributesIn(examined);
    const readable = (attributes & ATTR_CODE) == 0 || (attributes & ATTR_RW) != 0;
    ok = (attributes & ATTR_S) != 0 && readable && visible(selector, attributes);
  }
  setZf(ok ? 1 : 0);
}

/** SDM Vol. 2B, VERW. */
export function VERW(u: usize): void {
  const selector = <u32>readRm<u16>(u);
  if (faulted) return;
  let ok = examine(selector);
  if (faulted) return;
  if (ok) {
    const attributes = attributesIn(examined);
    ok = (attributes & (ATTR_S | ATTR_CODE | ATTR_RW)) == (ATTR_S | ATTR_RW) && visible(selector, attributes);
  }
  setZf(ok ? 1 : 0);
}

/** System descriptors that LAR and LSL know in IA-32e mode (SDM Vol. 2A, LAR, table 3-53; LSL without gates). */
function hasRights(attributes: u32): bool {
  if (attributes & ATTR_S) return true;
  const type = attributes & ATTR_TYPE;
  return type == TYPE_LDT || type == TYPE_TSS || type == TYPE_TSS_BUSY || type == TYPE_CALL_GATE;
}

/** SDM Vol. 2A, LAR. */
export function LAR(u: usize): void {
  const selector = <u32>readRm<u16>(u);
  if (faulted) return;
  let ok = examine(selector);
  if (faulted) return;
  if (ok) {
    const attributes = attributesIn(examined);
    ok = hasRights(attributes) && visible(selector, attributes);
  }
  setZf(ok ? 1 : 0);
  if (!ok) return;
  const bytes = opsize(u);
  // Bits 19..16 are undefined; the chip leaves those of the limit in them.
  writeSlot(dst(u), bytes, (examined >> 32) & (bytes == 2 ? 0xff00 : 0xffff00));
}

/** SDM Vol. 2A, LSL. */
export function LSL(u: usize): void {
  const selector = <u32>readRm<u16>(u);
  if (faulted) return;
  let ok = examine(selector);
  if (faulted) return;
  if (ok) {
    const attributes = attributesIn(examined);
    const gate = (attributes & (ATTR_S | ATTR_TYPE)) == TYPE_CALL_GATE;
    ok = hasRights(attributes) && !gate && visible(selector, attributes);
  }
  setZf(ok ? 1 : 0);
  if (!ok) return;
  writeSlot(dst(u), opsize(u), limitIn(examined));
}

/** Outside 64-bit mode: raises the RPL of the destination selector to that of the source register. */
export function ARPL(u: usize): void {
  const selector = <u32>readRm<u16>(u);
  if (faulted) return;
  const rpl = <u32>load<u16>(src(u)) & 3;
  if ((selector & 3) >= rpl) return setZf(0);
  writeRm<u16>(u, <u16>((selector & ~3) | rpl));
  if (faulted) return;
  setZf(1);
}
