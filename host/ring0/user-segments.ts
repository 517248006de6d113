// The segment registers of user code as the kernel changes and keeps them: DS, ES, FS and GS, which no pt_regs holds, and the three TLS
// descriptors of the GDT that belong to a task (Linux arch/x86/kernel/process_64.c, tls.c).
// Called from kernel-stack.ts and ring0.ts while the task is current. In the kernel GS has the user's selector and the kernel's
// base: the user's base stands in MSR_KERNEL_GS_BASE.

import type { PhysMemory } from "../machine/phys-memory";
import type { Registers } from "../machine/registers";
import { CEA_GDT, CPU_ENTRY_AREA, PHYS_CPU_ENTRY_AREA } from "./layout";
import { GDT_ENTRIES, GDT_ENTRY_TLS_MIN } from "./segments";
import {
  KERNEL_GS_BASE, SEG, SEG_ATTRIBUTES, SEG_BASE, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LIMIT, VENDOR, VENDOR_INTEL,
} from "../../kernel/abi/state";

export const TLS_ENTRIES = 3;
const PHYS_GDT = PHYS_CPU_ENTRY_AREA + (CEA_GDT - CPU_ENTRY_AREA);

// Attributes as kernel/abi/state.ts has them: byte 5 of a descriptor, and above it the flags of byte 6.
const ATTR_RW = 0x0002;
const ATTR_DC = 0x0004;
const ATTR_CODE = 0x0008;
const ATTR_S = 0x0010;
const ATTR_P = 0x0080;
const ATTR_L = 0x0200;
const ATTR_D = 0x0400;
const ATTR_G = 0x0800;
const ATTR_UNUSABLE = 0x8000;
const SELECTOR_TI = 4;
const DPL_SHIFT = 5;
const USER_LEVEL = 3;

/** A register of these, by the index that the CPU block has for it. */
export type DataSegment = typeof SEG_ES | typeof SEG_DS | typeof SEG_FS | typeof SEG_GS;
export const DATA_SEGMENTS = [SEG_ES, SEG_DS, SEG_FS, SEG_GS] as const;

/** Where the user's base of a register is while the kernel runs. */
function baseOf(segment: DataSegment): number {
  return segment === SEG_GS ? KERNEL_GS_BASE : SEG_BASE + 8 * segment;
}

export function userSelector(registers: Registers, segment: DataSegment): number {
  return registers.u16[(SEG + 8 * segment) >>> 1]!;
}

/** A descriptor of 8 bytes as two words, or null for a selector past the end of its table. */
export type DescriptorReader = (selector: number) => readonly [lo: number, hi: number] | null;

/** @param ldt descriptors of the current LDT, two words each */
export function descriptorReader(phys: PhysMemory, ldt: Uint32Array): DescriptorReader {
  return (selector) => {
    const index = selector >>> 3;
    if (selector & SELECTOR_TI) return index * 2 < ldt.length ? [ldt[index * 2]!, ldt[index * 2 + 1]!] : null;
    const at = (PHYS_GDT >>> 2) + index * 2;
    return index < GDT_ENTRIES ? [phys.u32[at]!, phys.u32[at + 1]!] : null;
  };
}

/**
 * Loads a data segment register as MOV at CPL 3 would (SDM Vol. 2B, MOV, "loading a segment register"). One that MOV would fault on
 * becomes null, as in Linux's loadsegment.
 */
export function loadUserSegment(registers: Registers, segment: DataSegment, selector: number, read: DescriptorReader): void {
  const descriptor = (selector & 0xfffc) === 0 ? null : read(selector);
  const usable = descriptor !== null && isUsable(selector, descriptor[1]);
  const at = SEG + 8 * segment;
  const { u16 } = registers;
  if (!usable) {
    u16[at >>> 1] = descriptor === null && (selector & 0xfffc) === 0 ? selector : 0;
    u16[(at + SEG_ATTRIBUTES) >>> 1] = ATTR_UNUSABLE;
    // AMD before Zen 2 keeps base and limit of a register that is made null (Linux X86_BUG_NULL_SEG).
    if (registers.lo(VENDOR) !== VENDOR_INTEL) return;
    registers.setWord(at + SEG_LIMIT, 0);
    registers.setHalves(baseOf(segment), 0, 0);
    return;
  }
  const [lo, hi] = descriptor;
  const attributes = attributesIn(hi);
  const limit = (lo & 0xffff) | (hi & 0xf0000);
  u16[at >>> 1] = selector;
  u16[(at + SEG_ATTRIBUTES) >>> 1] = attributes;
  registers.setWord(at + SEG_LIMIT, attributes & ATTR_G ? ((limit << 12) | 0xfff) >>> 0 : limit);
  registers.setHalves(baseOf(segment), baseIn(lo, hi), 0);
}

function attributesIn(hi: number): number {
  return ((hi >>> 8) & 0xff) | ((hi >>> 12) & 0xf00);
}

function baseIn(lo: number, hi: number): number {
  return ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff000000)) >>> 0;
}

/** How code runs whose CS has the descriptor of a selector: what its addresses begin at, and what L and D make of its bytes. */
export interface CodeSegment {
  base: number;
  bits: 64 | 32 | 16;
}

/** @returns the flat one of 64-bit code for a selector that no code runs by */
export function codeSegment(selector: number, read: DescriptorReader): CodeSegment {
  const [lo, hi] = read(selector) ?? [0, 0];
  const attributes = attributesIn(hi);
  if ((attributes & ATTR_CODE) === 0 || attributes & ATTR_L) return { base: 0, bits: 64 };
  return { base: baseIn(lo, hi), bits: attributes & ATTR_D ? 32 : 16 };
}

function isUsable(selector: number, hi: number): boolean {
  const attributes = attributesIn(hi);
  if ((attributes & ATTR_S) === 0 || (attributes & ATTR_P) === 0) return false;
  if (attributes & ATTR_CODE && (attributes & ATTR_RW) === 0) return false;
  const conforming = (attributes & (ATTR_CODE | ATTR_DC)) === (ATTR_CODE | ATTR_DC);
  const dpl = (attributes >>> DPL_SHIFT) & 3;
  return conforming || Math.max(selector & 3, USER_LEVEL) <= dpl;
}

/** Is it a stack segment for 64-bit code at CPL 3: present, DPL 3, writable data (Linux force_valid_ss)? */
export function isUserStackSegment(selector: number, read: DescriptorReader): boolean {
  const descriptor = (selector & 0xfffc) === 0 ? null : read(selector);
  if (descriptor === null) return false;
  const attributes = attributesIn(descriptor[1]);
  return (attributes & (ATTR_P | ATTR_S | ATTR_CODE | ATTR_RW)) === (ATTR_P | ATTR_S | ATTR_RW) && ((attributes >>> DPL_SHIFT) & 3) === USER_LEVEL;
}

/** What a task keeps of its segment registers while another one runs, and its TLS descriptors. */
export class UserSegments {
  /** Entries GDT_ENTRY_TLS_MIN up, two words each (Linux thread_struct.tls_array). */
  readonly tls = new Uint32Array(TLS_ENTRIES * 2);
  /** The two halves of selector, attributes and limit, and of the base, for each of DATA_SEGMENTS. */
  readonly #kept = new Uint32Array(DATA_SEGMENTS.length * 4);

  constructor() {
    this.reset(0);
  }

  /** Those of a new program: DS and ES the flat user segment or null, FS and GS null, no TLS. */
  reset(flatSelector: number): void {
    this.tls.fill(0);
    DATA_SEGMENTS.forEach((segment, index) => {
      const flat = flatSelector !== 0 && (segment === SEG_DS || segment === SEG_ES);
      this.#kept.set(flat ? [(FLAT_DATA << 16) | flatSelector, 0xffffffff, 0, 0] : [(ATTR_UNUSABLE << 16) >>> 0, 0, 0, 0], index * 4);
    });
  }

  copyFrom(other: UserSegments): void {
    this.tls.set(other.tls);
    this.#kept.set(other.#kept);
  }

  save(registers: Registers): void {
    DATA_SEGMENTS.forEach((segment, index) => {
      const at = SEG + 8 * segment;
      const base = baseOf(segment);
      this.#kept.set([registers.lo(at), registers.hi(at), registers.lo(base), registers.hi(base)], index * 4);
    });
  }

  load(registers: Registers): void {
    DATA_SEGMENTS.forEach((segment, index) => {
      registers.setHalves(SEG + 8 * segment, this.#kept[index * 4]!, this.#kept[index * 4 + 1]!);
      registers.setHalves(baseOf(segment), this.#kept[index * 4 + 2]!, this.#kept[index * 4 + 3]!);
    });
  }

  /** Puts the TLS descriptors into the GDT (Linux load_TLS). */
  loadTls(phys: PhysMemory): void {
    phys.u32.set(this.tls, (PHYS_GDT >>> 2) + GDT_ENTRY_TLS_MIN * 2);
  }
}

/** Present, DPL 3, writable data, accessed; 32-bit, in pages. */
const FLAT_DATA = 0x0cf3;

