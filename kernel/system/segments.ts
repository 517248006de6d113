// Segment registers and descriptors: reading the GDT and the LDT, the checks of each kind of load, and the loads themselves.
// Entered from exec/segment-load.ts, far-transfer.ts, interrupt.ts, syscall.ts and deliver.ts.
//
// A descriptor in memory (SDM Vol. 3A 3.4.5, figure 3-8), here held as one u64:
//
//   63      56 55  52 51  48 47      40 39             16 15            0
//  +----------+------+------+----------+-----------------+---------------+
//  | base     | G DB | limit| P DPL S  | base 23:0       | limit 15:0    |
//  | 31:24    | L AVL| 19:16| type     |                 |               |
//  +----------+------+------+----------+-----------------+---------------+
//
// LDT and TSS descriptors and call gates are 16 bytes in IA-32e mode (SDM Vol. 3A 3.5.2); the second half holds base 63:32
// in its low dword, and its bits 44:40 (where a type would stand) are zero.

import { CPU_BLOCK } from "../abi/layout";
import { CPL, GDTR_BASE, GDTR_LIMIT, MODE_64, SEG, SEG_BASE, SEG_CS, SEG_LDTR, SEG_SELECTOR, SEG_SS, VENDOR, VENDOR_INTEL } from "../abi/state";
import { VECTOR_GP, VECTOR_NP, VECTOR_SS } from "../abi/vectors";
import { readSystem, writeSystem } from "../mmu/access";
import { faulted, raiseGP, raiseSelector } from "../cpu/fault";
import { ATTR_CODE, ATTR_DC, ATTR_RW, ATTR_S, ATTR_UNUSABLE } from "../cpu/segment-access";
import { cpl, mode, segAttributes, segBase, segLimit, segSelector, setSegment } from "../cpu/state";

export { ATTR_CODE, ATTR_DB, ATTR_DC, ATTR_RW, ATTR_S, ATTR_UNUSABLE } from "../cpu/segment-access";

// The other bits of SEG_ATTRIBUTES
export const ATTR_TYPE: u32 = 0x000f;
export const ATTR_ACCESSED: u32 = 0x0001;
export const ATTR_P: u32 = 0x0080;
export const ATTR_L: u32 = 0x0200;
export const ATTR_G: u32 = 0x0800;

// System descriptor types of IA-32e mode (SDM Vol. 3A table 3-2)
export const TYPE_LDT: u32 = 0x2;
export const TYPE_TSS: u32 = 0x9;
export const TYPE_TSS_BUSY: u32 = 0xb;
export const TYPE_CALL_GATE: u32 = 0xc;
export const TYPE_INTERRUPT_GATE: u32 = 0xe;
export const TYPE_TRAP_GATE: u32 = 0xf;

/** Second half of the last descriptor or gate read by readSystemDescriptor(). */
export let descriptorHigh: u64 = 0;

export function attributesIn(descriptor: u64): u32 {
  return (<u32>(descriptor >> 40) & 0xff) | ((<u32>(descriptor >> 52) & 0xf) << 8);
}

export function dplIn(attributes: u32): u32 {
  return (attributes >> 5) & 3;
}

export function baseIn(descriptor: u64): u64 {
  return ((descriptor >> 16) & 0xffffff) | ((descriptor >> 56) << 24);
}

export function limitIn(descriptor: u64): u32 {
  const limit = <u32>(descriptor & 0xffff) | (<u32>(descriptor >> 32) & 0xf0000);
  return attributesIn(descriptor) & ATTR_G ? (limit << 12) | 0xfff : limit;
}

export function isNull(selector: u32): bool {
  return (selector & 0xfffc) == 0;
}

/** True if the `bytes` of the selector's descriptor lie within its table (SDM Vol. 3A 3.5.1). An unusable LDT holds none. */
export function withinTable(selector: u32, bytes: u32): bool {
  const last = (selector & 0xfff8) + bytes - 1;
  if ((selector & 4) == 0) return last <= load<u32>(CPU_BLOCK + GDTR_LIMIT);
  return (segAttributes(SEG_LDTR) & ATTR_UNUSABLE) == 0 && last <= segLimit(SEG_LDTR);
}

export function descriptorAddress(selector: u32): u64 {
  const table = selector & 4 ? segBase(SEG_LDTR) : load<u64>(CPU_BLOCK + GDTR_BASE);
  return table + (selector & 0xfff8);
}

/** Reads an 8-byte descriptor; outside its table it raises `vector` with the selector. Check `faulted`. */
export function readDescriptor(selector: u32, vector: u32): u64 {
  if (!withinTable(selector, 8)) {
    raiseSelector(vector, selector & 0xfffc);
    return 0;
  }
  return readSystem<u64>(descriptorAddress(selector));
}

/** Reads the second 8 bytes of a system descriptor whose first have been read; into descriptorHigh. */
export function readDescriptorHigh(selector: u32, vector: u32): void {
  if (!withinTable(selector, 16)) {
    raiseSelector(vector, selector & 0xfffc);
    return;
  }
  descriptorHigh = readSystem<u64>(descriptorAddress(selector) + 8);
}

/** Sets the accessed bit in memory, as every load of a code or data segment does (SDM Vol. 3A 3.4.5.1). May fault. */
export function markAccessed(selector: u32, descriptor: u64): void {
  if (<u32>(descriptor >> 40) & ATTR_ACCESSED) return;
  writeSystem<u8>(descriptorAddress(selector) + 5, <u8>(<u32>(descriptor >> 40) | ATTR_ACCESSED));
}

/** Loads selector and hidden part from a checked code or data descriptor. Cannot fault. */
export function loadFromDescriptor(seg: u32, selector: u32, descriptor: u64): void {
  setSegment(seg, selector, attributesIn(descriptor) | ATTR_ACCESSED, limitIn(descriptor), baseIn(descriptor));
}

/**
 * Loads a fixed segment: base 0, limit 4 GiB - 1, as SYSCALL, SYSRET, SYSENTER and SYSEXIT do without reading memory.
 * CS also gives the new CPL, which is the selector's RPL.
 */
export function setFlatSegment(seg: u32, selector: u32, attributes: u32): void {
  setSegment(seg, selector, attributes, 0xffffffff, 0);
}

/** Loads CS from a checked descriptor, with RPL = CPL = `level`; a 64-bit one has base 0 whatever it says. The caller ends with stateChanged(). */
export function setCodeSegment(selector: u32, descriptor: u64, level: u32): void {
  loadFromDescriptor(SEG_CS, (selector & 0xfffc) | level, descriptor);
  if (attributesIn(descriptor) & ATTR_L) store<u64>(CPU_BLOCK + SEG_BASE + 8 * SEG_CS, 0);
  store<u32>(CPU_BLOCK + CPL, level);
}

/** Loads SS with a null selector, which only 64-bit code can use; `level` becomes its DPL. */
export function setNullStack(selector: u32, level: u32): void {
  setSegment(SEG_SS, selector, ATTR_UNUSABLE | (level << 5), 0, 0);
}

/**
 * Loads DS, ES, FS, GS or LDTR with a null selector. Intel clears the base; AMD before Zen 2 keeps base and limit
 * (Linux detects it as X86_BUG_NULL_SEG), and our AMD model is of that kind.
 */
export function setNullSegment(seg: u32, selector: u32): void {
  const keep = load<u32>(CPU_BLOCK + VENDOR) != VENDOR_INTEL && seg != SEG_LDTR;
  setSegment(seg, selector, ATTR_UNUSABLE, keep ? segLimit(seg) : 0, keep ? segBase(seg) : 0);
}

/** MOV, POP and LDS..LGS into DS, ES, FS, GS (SDM Vol. 2B, MOV, "loading a segment register"). Raises and changes nothing, or loads. */
export function loadDataSegment(seg: u32, selector: u32): void {
  if (isNull(selector)) {
    setNullSegment(seg, selector);
    return;
  }
  const descriptor = readDescriptor(selector, VECTOR_GP);
  if (faulted) return;
  const attributes = attributesIn(descriptor);
  const readable = (attributes & ATTR_CODE) == 0 || (attributes & ATTR_RW) != 0;
  if ((attributes & ATTR_S) == 0 || !readable) return raiseGP(selector & 0xfffc);
  const conforming = (attributes & (ATTR_CODE | ATTR_DC)) == (ATTR_CODE | ATTR_DC);
  const dpl = dplIn(attributes);
  if (!conforming && ((selector & 3) > dpl || cpl() > dpl)) return raiseGP(selector & 0xfffc);
  if ((attributes & ATTR_P) == 0) return raiseSelector(VECTOR_NP, selector & 0xfffc);
  markAccessed(selector, descriptor);
  if (faulted) return;
  loadFromDescriptor(seg, selector, descriptor);
}

/**
 * Reads and checks the descriptor of a stack segment for privilege level `level`; raises `vector` (#GP, or #TS in a
 * stack switch) for all but a missing segment, which is #SS. Returns the descriptor, accessed bit written. The selector is not null.
 */
export function checkStackSegment(selector: u32, level: u32, vector: u32): u64 {
  const descriptor = readDescriptor(selector, vector);
  if (faulted) return 0;
  const attributes = attributesIn(descriptor);
  const writableData = (attributes & (ATTR_S | ATTR_CODE | ATTR_RW)) == (ATTR_S | ATTR_RW);
  if ((selector & 3) != level || dplIn(attributes) != level || !writableData) {
    raiseSelector(vector, selector & 0xfffc);
    return 0;
  }
  if ((attributes & ATTR_P) == 0) {
    raiseSelector(VECTOR_SS, selector & 0xfffc);
    return 0;
  }
  markAccessed(selector, descriptor);
  return descriptor;
}

/** MOV, POP and LSS into SS. A null selector is for 64-bit mode at CPL < 3 with RPL = CPL alone (SDM Vol. 2B, MOV). */
export function loadStackSegment(selector: u32): void {
  const level = cpl();
  if (isNull(selector)) {
    if (mode() != MODE_64 || level == 3 || (selector & 3) != level) return raiseGP(0);
    setNullStack(selector, level);
    return;
  }
  const descriptor = checkStackSegment(selector, level, VECTOR_GP);
  if (faulted) return;
  loadFromDescriptor(SEG_SS, selector, descriptor);
}

/** Loads the segment register `seg` other than CS as MOV does. */
export function loadSegment(seg: u32, selector: u32): void {
  if (seg == SEG_SS) loadStackSegment(selector);
  else loadDataSegment(seg, selector);
}

/**
 * On a return to an outer level: DS, ES, FS, GS that the new CPL may not use become null (SDM Vol. 2A, IRET and RET,
 * RETURN-TO-OUTER-PRIVILEGE-LEVEL). Conforming code segments stay.
 */
export function dropInnerSegments(level: u32): void {
  for (let seg: u32 = 0; seg < 6; seg++) {
    if (seg == SEG_CS || seg == SEG_SS) continue;
    if (isNull(segSelector(seg))) {
      // A null selector with RPL bits becomes 0; its base, which FS and GS may have from an MSR, stays.
      store<u16>(CPU_BLOCK + SEG + 8 * seg + SEG_SELECTOR, 0);
      continue;
    }
    const attributes = segAttributes(seg);
    const conforming = (attributes & (ATTR_CODE | ATTR_DC)) == (ATTR_CODE | ATTR_DC);
    if (!conforming && dplIn(attributes) < level) setNullSegment(seg, 0);
  }
}
