// A machine without any kernel: raw page tables, GDT, IDT and TSS in guest RAM, and a HLT as the handler of every vector. Tests of
// the CPU put instruction bytes in, run, and look at where the machine stopped and at the frame that delivery pushed.
//
// Memory, linear = physical:
//   0x001000  PML4, PDPT, PD, PT (first 2 MiB in 4K pages)
//   0x006000  GDT                0x007000  IDT            0x008000  TSS
//   0x00a000  handlers: vector v at HANDLERS + 16 * v
//   0x00d000  top of the ring-0 stack, which has the page below     0x00f000  top of the IST1 stack
//   0x100000  user pages from here on: code, data, stack
//   0x180000  not present

import { Machine, type MachineOptions } from "../../host/machine/machine";
import {
  APIC_BASE, CPL, CR0, CR3, CR4, EFER, GDTR_BASE, GDTR_LIMIT, HALTED, IDTR_BASE, IDTR_LIMIT, RFLAGS, RIP, RSP, SEG, SEG_ATTRIBUTES, SEG_BASE,
  SEG_CS, SEG_DS, SEG_ES, SEG_LIMIT, SEG_SS, SEG_TR, TSC_VIRTUAL, VENDOR,
} from "../../kernel/abi/state";

export const GDT = 0x6000;
export const IDT = 0x7000;
export const TSS = 0x8000;
export const HANDLERS = 0xa000;
export const KERNEL_STACK = 0xd000;
export const IST1_STACK = 0xf000;
export const KERNEL_CODE = 0x20000;
export const USER = 0x100000;
export const USER_CODE = 0x100000;
export const USER_DATA = 0x110000;
export const USER_STACK = 0x120000;
export const ABSENT = 0x180000;

export const CODE64_0 = 0x08;
export const DATA_0 = 0x10;
export const CODE32_3 = 0x1b;
export const DATA_3 = 0x23;
export const CODE64_3 = 0x2b;
export const TSS_SELECTOR = 0x30;
export const FREE_SELECTOR = 0x40;

const FLAT = 0x000f00000000ffffn;
const descriptor = (access: number, flags: number) => FLAT | (BigInt(access) << 40n) | (BigInt(flags) << 52n);

export class BareMachine {
  private constructor(readonly machine: Machine) {}

  static async create(options: Partial<MachineOptions> = {}): Promise<BareMachine> {
    const bare = new BareMachine(await Machine.create({ ramBytes: 0x400000, ...options }));
    bare.tables();
    return bare;
  }

  get phys() {
    return this.machine.phys;
  }

  private tables(): void {
    const { phys } = this;
    phys.setU64(0x1000, 0x2007n);
    phys.setU64(0x2000, 0x3007n);
    phys.setU64(0x3000, 0x4007n);
    for (let page = 1; page < 512; page++) {
      const linear = page << 12;
      if (linear >= ABSENT) continue;
      phys.setU64(0x4000 + 8 * page, BigInt(linear | (linear >= USER ? 7 : 3)));
    }
    this.gdt(CODE64_0, descriptor(0x9b, 0xa));
    this.gdt(DATA_0, descriptor(0x93, 0xc));
    this.gdt(CODE32_3, descriptor(0xfb, 0xc));
    this.gdt(DATA_3, descriptor(0xf3, 0xc));
    this.gdt(CODE64_3, descriptor(0xfb, 0xa));
    this.gdt(TSS_SELECTOR, BigInt(0x67) | (BigInt(TSS) << 16n) | (0x89n << 40n));
    for (let vector = 0; vector < 256; vector++) {
      this.gate(vector, HANDLERS + 16 * vector);
      this.write(HANDLERS + 16 * vector, [0xf4]);
    }
    phys.u8[TSS + 0x66] = 0x68; // no I/O bitmap
    phys.setU64(TSS + 4, BigInt(KERNEL_STACK));
    phys.setU64(TSS + 0x24, BigInt(IST1_STACK));
  }

  gdt(selector: number, value: bigint): void {
    this.phys.setU64(GDT + (selector & 0xfff8), value);
  }

  /** An interrupt gate (type 0xe) to CS 8, or as told. */
  gate(vector: number, handler: number, o: { dpl?: number; ist?: number; type?: number; selector?: number; present?: boolean } = {}): void {
    const access = (o.present === false ? 0 : 0x80) | ((o.dpl ?? 0) << 5) | (o.type ?? 0xe);
    this.phys.setU64(IDT + 16 * vector, BigInt(handler & 0xffff) | (BigInt(o.selector ?? CODE64_0) << 16n) | (BigInt(o.ist ?? 0) << 32n)
      | (BigInt(access) << 40n) | (BigInt(handler >>> 16) << 48n));
    this.phys.setU64(IDT + 16 * vector + 8, 0n);
  }

  write(at: number, bytes: ArrayLike<number>): void {
    this.phys.write(at, Uint8Array.from(bytes));
  }

  word(offset: number): number {
    return this.machine.registers.getWord(offset);
  }

  setWord(offset: number, value: number): void {
    this.machine.registers.setWord(offset, value);
  }

  reg(offset: number): bigint {
    return this.machine.registers.getBig(offset);
  }

  setReg(offset: number, value: bigint | number): void {
    this.machine.registers.setBig(offset, BigInt.asUintN(64, BigInt(value)));
  }

  selector(seg: number): number {
    return this.machine.registers.u16[(SEG + 8 * seg) / 2]!;
  }

  segment(seg: number, selector: number, attributes: number, base = 0, limit = 0xffffffff): void {
    const { u16, u32 } = this.machine.registers;
    u16[(SEG + 8 * seg) / 2] = selector;
    u16[(SEG + 8 * seg + SEG_ATTRIBUTES) / 2] = attributes;
    u32[(SEG + 8 * seg + SEG_LIMIT) / 4] = limit;
    this.setReg(SEG_BASE + 8 * seg, base);
  }

  private system(): void {
    this.setReg(CR0, 0x80050033);
    this.setReg(CR3, 0x1000);
    this.setReg(CR4, 0x6a0);
    this.setReg(EFER, 0xd01);
    this.setReg(GDTR_BASE, GDT);
    this.setWord(GDTR_LIMIT, 0xff);
    this.setReg(IDTR_BASE, IDT);
    this.setWord(IDTR_LIMIT, 0xfff);
    this.segment(SEG_TR, TSS_SELECTOR, 0x8b, TSS, 0x67);
    this.setReg(APIC_BASE, 0xfee00900);
    this.setWord(TSC_VIRTUAL, 1);
    this.setWord(VENDOR, this.machine.cpu.vendor === "amd" ? 1 : 0);
    this.setReg(RFLAGS, 2);
    this.setWord(HALTED, 0);
  }

  /** Puts `code` at USER_CODE and the machine at its first byte, at CPL 3: 64-bit code, or compatibility mode. */
  user(code: ArrayLike<number>, bits: 64 | 32 = 64): void {
    this.system();
    this.segment(SEG_CS, bits === 64 ? CODE64_3 : CODE32_3, bits === 64 ? 0xafb : 0xcfb);
    for (const seg of [SEG_SS, SEG_DS, SEG_ES]) this.segment(seg, DATA_3, 0xcf3);
    this.setWord(CPL, 3);
    this.setReg(RSP, USER_STACK);
    this.setReg(RIP, USER_CODE);
    this.write(USER_CODE, code);
  }

  /** The same at KERNEL_CODE and CPL 0. */
  kernel(code: ArrayLike<number>): void {
    this.system();
    this.segment(SEG_CS, CODE64_0, 0xa9b);
    for (const seg of [SEG_SS, SEG_DS, SEG_ES]) this.segment(seg, DATA_0, 0xc93);
    this.setWord(CPL, 0);
    this.setReg(RSP, 0x30000);
    this.setReg(RIP, KERNEL_CODE);
    this.write(KERNEL_CODE, code);
  }

  run(budget = 1000): number {
    return this.machine.run(budget);
  }

  /** The vector whose handler the machine halted in, or -1. */
  get haltedIn(): number {
    const at = Number(this.reg(RIP)) - 1 - HANDLERS;
    return at >= 0 && at < 0x1000 && at % 16 === 0 ? at / 16 : -1;
  }

  /** The words that delivery pushed, error code first if `withError`. */
  frame(withError: boolean): { error: bigint; rip: bigint; cs: bigint; rflags: bigint; rsp: bigint; ss: bigint } {
    const rsp = Number(this.reg(RSP));
    const at = rsp + (withError ? 8 : 0);
    const word = (i: number) => this.phys.getU64(at + 8 * i);
    return { error: withError ? this.phys.getU64(rsp) : -1n, rip: word(0), cs: word(1), rflags: word(2), rsp: word(3), ss: word(4) };
  }
}
