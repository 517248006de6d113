// A bare machine for MMU cases: a fixed region, mapped alike in every PML4, has the instructions that make the accesses, and what
// an exception needs (IDT, GDT, TSS, stack); everything else of the linear address space is the case's.
//
// Physical memory                             Linear, from FIXED on
//   0x001000  GDT    0x002000  IDT              page n of the first 16 is physical page n; supervisor, but for USER_CODE
//   0x003000  TSS    0x004000  handlers
//   0x005000  stack, 3 pages                  Frames from DATA on
//   0x008000  code at CPL 0                     byte 0 is the frame's number modulo 128 plus 0x40, then CD and it in turn: executed from an
//   0x009000  code at CPL 3                     odd offset on, a frame says by INT which one it is
//   0x00a000  INVPCID descriptor
//   0x00b000  PDPT, PD, PT of the region
//   0x010000  tables of the case, TABLES_BYTES
//   0x200000  DATA: frames of the case

import { Machine } from "../../host/machine/machine";
import { CR0_ET, CR0_MP, CR0_NE, CR0_PE, CR0_PG, CR4_OSFXSR, CR4_PAE, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE, FLAG_AC, FLAG_FIXED } from "../../kernel/abi/bits";
import { EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import * as S from "../../kernel/abi/state";
import type { Access, Kind } from "./mmu-walk";

export const TABLES = 0x10000;
export const TABLES_BYTES = 0x10000;
export const DATA = 0x200000;
export const RAM_BYTES = 0x600000;
/** What is written and added, low bytes first. */
export const WRITTEN = 0x1122334455667788n;

const FIXED = 0xffffff80_00000000n;
const GDT = 0x1000;
const IDT = 0x2000;
const TSS = 0x3000;
const HANDLERS = 0x4000;
const STACK_TOP = 0x8000;
const CODE_0 = 0x8000;
const CODE_3 = 0x9000;
const DESCRIPTOR = 0xa000;
const KERNEL_CS = 0x08;
const USER_CS = 0x1b;
const USER_SS = 0x23;
const TSS_SELECTOR = 0x28;
const STUB_STRIDE = 16;
const PF = 14;
const errorCodes = new Set([8, 10, 11, 12, 13, 14, 17, 21]);

/** The instructions, RBX being the address: by kind and size; each ends in INT3. */
const accessCode: Record<Kind | "modify", Record<number, number[]>> = {
  read: { 1: [0x8a, 0x03], 2: [0x66, 0x8b, 0x03], 4: [0x8b, 0x03], 8: [0x48, 0x8b, 0x03], 16: [0xf3, 0x0f, 0x6f, 0x03] },
  write: { 1: [0x88, 0x03], 2: [0x66, 0x89, 0x03], 4: [0x89, 0x03], 8: [0x48, 0x89, 0x03], 16: [0xf3, 0x0f, 0x7f, 0x03] },
  modify: { 1: [0x00, 0x03], 2: [0x66, 0x01, 0x03], 4: [0x01, 0x03], 8: [0x48, 0x01, 0x03] },
  execute: { 2: [0xff, 0xe3] },
};
/** RBX an address, RAX a value, RCX an MSR or the kind of INVPCID, RDX the descriptor. */
const controlCode = {
  invlpg: [0x0f, 0x01, 0x3b],
  cr3: [0x0f, 0x22, 0xd8],
  cr4: [0x0f, 0x22, 0xe0],
  cr0: [0x0f, 0x22, 0xc0],
  efer: [0x0f, 0x30],
  invpcid: [0x66, 0x0f, 0x38, 0x82, 0x0a],
} as const;
export type Control = keyof typeof controlCode;

export interface Observed {
  vector: number;
  error: number;
  cr2: bigint;
  /** Where the exception found RIP. */
  rip: bigint;
  /** RAX, or XMM0 after a read of 16 bytes. */
  value: bigint;
}

export class MmuRig {
  readonly #stubs = new Map<string, number>();
  readonly tables: Uint8Array;

  private constructor(readonly machine: Machine) {
    this.tables = machine.phys.u8.subarray(TABLES, TABLES + TABLES_BYTES);
    this.#fixedRegion();
    for (let frame = DATA; frame < RAM_BYTES; frame += 0x1000) this.restoreFrame(frame);
  }

  static async create(): Promise<MmuRig> {
    return new MmuRig(await Machine.create({ ramBytes: RAM_BYTES }));
  }

  /** The INT that code in a data frame executes. */
  static vectorOf(physical: number): number {
    return 0x40 + ((physical >>> 12) & 127);
  }

  restoreFrame(frame: number): void {
    const bytes = new Uint8Array(0x1000);
    for (let i = 0; i < bytes.length; i++) bytes[i] = i & 1 ? 0xcd : MmuRig.vectorOf(frame);
    this.machine.phys.write(frame, bytes);
  }

  #fixedRegion(): void {
    const { phys } = this.machine;
    for (let page = 1; page < 16; page++) phys.setU64(0xd000 + 8 * page, BigInt((page << 12) | (page === CODE_3 >> 12 ? 0x65 : 0x63)));
    phys.setU64(0xc000, 0xd067n);
    phys.setU64(0xb000, 0xc067n);
    phys.setU64(GDT + KERNEL_CS, 0x00af9b000000ffffn);
    phys.setU64(GDT + 0x10, 0x00cf93000000ffffn);
    phys.setU64(GDT + (USER_CS & ~7), 0x00affb000000ffffn);
    phys.setU64(GDT + (USER_SS & ~7), 0x00cff3000000ffffn);
    phys.setU64(TSS + 4, FIXED + BigInt(STACK_TOP));
    for (let vector = 0; vector < 256; vector++) {
      const handler = FIXED + BigInt(HANDLERS + 16 * vector);
      phys.setU64(IDT + 16 * vector, (handler & 0xffffn) | (BigInt(KERNEL_CS) << 16n) | (0xeen << 40n) | (((handler >> 16n) & 0xffffn) << 48n));
      phys.setU64(IDT + 16 * vector + 8, handler >> 32n);
      phys.write(HANDLERS + 16 * vector, Uint8Array.of(0x0f, 0x01, 0xc1)); // VMCALL
    }
    const stub = (name: string, code: readonly number[]) => {
      const at = STUB_STRIDE * this.#stubs.size;
      this.#stubs.set(name, at);
      for (const page of [CODE_0, CODE_3]) phys.write(page + at, Uint8Array.of(...code, 0xcc));
    };
    for (const [kind, sizes] of Object.entries(accessCode)) for (const [size, code] of Object.entries(sizes)) stub(`${kind} ${size}`, code);
    for (const [name, code] of Object.entries(controlCode)) stub(name, code);
  }

  /** A PML4E for the fixed region in the PML4 at `pml4`. */
  mapFixed(pml4: number): void {
    this.machine.phys.setU64(pml4 + 8 * 511, 0xb067n);
  }

  /** As after a reset, in 64-bit mode with paging by `cr3`; nothing cached. */
  start(cr3: number): void {
    const { machine } = this;
    machine.reset();
    const r = machine.registers;
    r.setBig(S.CR0, this.cr0({ wp: false }));
    r.set(S.CR3, cr3);
    r.set(S.CR4, CR4_PAE | CR4_OSFXSR);
    r.set(S.EFER, this.efer({ nxe: false }));
    r.setBig(S.GDTR_BASE, FIXED + BigInt(GDT));
    r.setWord(S.GDTR_LIMIT, 0x37);
    r.setBig(S.IDTR_BASE, FIXED + BigInt(IDT));
    r.setWord(S.IDTR_LIMIT, 0xfff);
    r.setWord(S.TSC_VIRTUAL, 1);
    this.#segment(S.SEG_TR, TSS_SELECTOR, 0x8b, 0x67, FIXED + BigInt(TSS));
  }

  cr0({ wp }: { wp: boolean }): bigint {
    return BigInt(CR0_PG) | BigInt(CR0_PE | CR0_MP | CR0_ET | CR0_NE | (wp ? 0x10000 : 0));
  }

  readonly cr4Base = CR4_PAE | CR4_OSFXSR;

  efer({ nxe }: { nxe: boolean }): number {
    return EFER_SCE | EFER_LME | EFER_LMA | (nxe ? EFER_NXE : 0);
  }

  #segment(number: number, selector: number, attributes: number, limit: number, base: bigint): void {
    const r = this.machine.registers;
    const at = S.SEG + 8 * number;
    r.u16[(at + S.SEG_SELECTOR) / 2] = selector;
    r.u16[(at + S.SEG_ATTRIBUTES) / 2] = attributes;
    r.setWord(at + S.SEG_LIMIT, limit);
    r.setBig(S.SEG_BASE + 8 * number, base);
  }

  /** Runs a stub until an exception has reached its handler. */
  #run(stub: string, user: boolean, ac: boolean): Observed {
    const { machine } = this;
    const r = machine.registers;
    this.#segment(S.SEG_CS, user ? USER_CS : KERNEL_CS, user ? 0xafb : 0xa9b, 0xffffffff, 0n);
    this.#segment(S.SEG_SS, user ? USER_SS : 0x10, user ? 0xcf3 : 0xc93, 0xffffffff, 0n);
    for (const segment of [S.SEG_DS, S.SEG_ES, S.SEG_FS, S.SEG_GS]) this.#segment(segment, USER_SS, 0xcf3, 0xffffffff, 0n);
    r.setWord(S.CPL, user ? 3 : 0);
    r.setBig(S.RSP, FIXED + BigInt(STACK_TOP));
    r.setBig(S.RFLAGS, BigInt(FLAG_FIXED | (ac ? FLAG_AC : 0)));
    r.setBig(S.CR2, 0n);
    r.setBig(S.RIP, FIXED + BigInt((user ? CODE_3 : CODE_0) + this.#stubs.get(stub)!));
    const exit = machine.run(1000);
    if (exit !== EXIT_HYPERCALL) throw new Error(`run() answered ${exit} (vector ${machine.lastExit.vector}), not a hypercall, for ${stub}`);
    const vector = Number(r.getBig(S.RIP) - FIXED - BigInt(HANDLERS)) >> 4;
    const frame = Number(r.getBig(S.RSP) - FIXED);
    const withError = errorCodes.has(vector);
    const value = stub === "read 16" ? r.getBig(S.XMM) | (r.getBig(S.XMM + 8) << 64n) : r.getBig(S.RAX);
    return {
      vector, value,
      error: withError ? Number(machine.phys.getU64(frame)) : 0,
      cr2: vector === PF ? r.getBig(S.CR2) : 0n,
      rip: machine.phys.getU64(frame + (withError ? 8 : 0)),
    };
  }

  /** One access of `size` bytes; `modify` is a read and a write that must both be allowed. */
  access({ kind, user }: Access, modify: boolean, linear: bigint, size: number, ac: boolean): Observed {
    const r = this.machine.registers;
    r.setBig(S.RBX, BigInt.asUintN(64, linear));
    r.setBig(S.RAX, WRITTEN);
    r.setBig(S.XMM, WRITTEN);
    r.setBig(S.XMM + 8, ~WRITTEN & 0xffffffffffffffffn);
    return this.#run(`${modify ? "modify" : kind} ${size}`, user, ac);
  }

  /** A control instruction at CPL 0; throws when it faults. */
  control(name: Control, value: bigint, extra: { kind?: number; pcid?: number } = {}): void {
    const r = this.machine.registers;
    r.setBig(S.RBX, BigInt.asUintN(64, value));
    r.setBig(S.RAX, name === "efer" ? value & 0xffffffffn : value);
    r.setBig(S.RCX, BigInt(name === "efer" ? 0xc0000080 : extra.kind ?? 0));
    r.setBig(S.RDX, name === "efer" ? value >> 32n : FIXED + BigInt(DESCRIPTOR));
    this.machine.phys.setU64(DESCRIPTOR, BigInt(extra.pcid ?? 0));
    this.machine.phys.setU64(DESCRIPTOR + 8, BigInt.asUintN(64, value));
    const { vector, error } = this.#run(name, false, false);
    if (vector !== 3) throw new Error(`${name} of 0x${value.toString(16)} raised vector ${vector}, error ${error}`);
  }
}
