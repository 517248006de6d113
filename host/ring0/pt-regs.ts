// struct pt_regs (Linux arch/x86/include/asm/ptrace.h): the user's registers, as the entry code pushed them on the task's
// kernel stack. The hardware (or the SYSCALL path in its name) pushes the lower part of the picture, the entry code the rest.
//
//   +0x00  r15  \
//   +0x08  r14   |
//   +0x10  r13   |  callee-saved
//   +0x18  r12   |
//   +0x20  bp    |
//   +0x28  bx   /
//   +0x30  r11  \
//   +0x38  r10   |
//   +0x40  r9    |
//   +0x48  r8    |
//   +0x50  ax    |  -ENOSYS at entry of a system call
//   +0x58  cx    |
//   +0x60  dx    |
//   +0x68  si    |
//   +0x70  di   /
//   +0x78  orig_ax     system-call number; error code of an exception; -1
//   +0x80  ip    \
//   +0x88  cs     |
//   +0x90  flags  |  what IRETQ takes
//   +0x98  sp     |
//   +0xa0  ss    /
//   +0xa8  top of the kernel stack

import type { PhysMemory } from "../machine/phys-memory";

export const PT_R15 = 0x00;
export const PT_R14 = 0x08;
export const PT_R13 = 0x10;
export const PT_R12 = 0x18;
export const PT_BP = 0x20;
export const PT_BX = 0x28;
export const PT_R11 = 0x30;
export const PT_R10 = 0x38;
export const PT_R9 = 0x40;
export const PT_R8 = 0x48;
export const PT_AX = 0x50;
export const PT_CX = 0x58;
export const PT_DX = 0x60;
export const PT_SI = 0x68;
export const PT_DI = 0x70;
export const PT_ORIG_AX = 0x78;
export const PT_IP = 0x80;
export const PT_CS = 0x88;
export const PT_FLAGS = 0x90;
export const PT_SP = 0x98;
export const PT_SS = 0xa0;
export const PT_REGS_SIZE = 0xa8;

/** Names in memory order, for dumps and traces. */
export const PT_REGS_NAMES = [
  "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di",
  "orig_ax", "ip", "cs", "flags", "sp", "ss",
] as const;

const TWO_32 = 0x1_0000_0000;

/**
 * A pt_regs in guest RAM. Reading a register by name gives its unsigned value as a number: exact below 2^53, which every user
 * address and length is; a larger one rounds, and still is no valid address. Assigning takes any integer between -2^53 and
 * 2^53 and stores its two's complement, so `regs.ax = -EFAULT` is right. `lo`/`hi` and `getBig`/`setBig` are always exact.
 */
export class PtRegs {
  readonly #words: Uint32Array;
  readonly #signed: Int32Array;
  #at: number;

  /** @param pa physical address of the frame; it must not cross into a page that is not its neighbour in physical memory */
  constructor(phys: PhysMemory, pa: number) {
    this.#words = phys.u32;
    this.#signed = phys.i32;
    this.#at = pa >>> 2;
  }

  /** Physical address of the frame. */
  get pa(): number {
    return this.#at * 4;
  }

  lo(offset: number): number {
    return this.#words[this.#at + (offset >>> 2)]!;
  }

  hi(offset: number): number {
    return this.#words[this.#at + (offset >>> 2) + 1]!;
  }

  get(offset: number): number {
    const index = this.#at + (offset >>> 2);
    return this.#words[index + 1]! * TWO_32 + this.#words[index]!;
  }

  /** The register as a signed number: kernel addresses and error codes. */
  getSigned(offset: number): number {
    const index = this.#at + (offset >>> 2);
    return this.#signed[index + 1]! * TWO_32 + this.#words[index]!;
  }

  set(offset: number, value: number): void {
    const index = this.#at + (offset >>> 2);
    this.#words[index] = value;
    this.#words[index + 1] = Math.floor(value / TWO_32);
  }

  setHalves(offset: number, lo: number, hi: number): void {
    const index = this.#at + (offset >>> 2);
    this.#words[index] = lo;
    this.#words[index + 1] = hi;
  }

  getBig(offset: number): bigint {
    return (BigInt(this.hi(offset)) << 32n) | BigInt(this.lo(offset));
  }

  setBig(offset: number, value: bigint): void {
    this.setHalves(offset, Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn));
  }

  /** All 21 words, for saving and for copying to a child. */
  copyFrom(other: PtRegs): void {
    this.#words.copyWithin(this.#at, other.#at, other.#at + PT_REGS_SIZE / 4);
  }

  clear(): void {
    this.#words.fill(0, this.#at, this.#at + PT_REGS_SIZE / 4);
  }

  /** Did the entry come from CPL 3? */
  get userMode(): boolean {
    return (this.lo(PT_CS) & 3) === 3;
  }

  get r15(): number { return this.get(PT_R15); }
  set r15(value: number) { this.set(PT_R15, value); }
  get r14(): number { return this.get(PT_R14); }
  set r14(value: number) { this.set(PT_R14, value); }
  get r13(): number { return this.get(PT_R13); }
  set r13(value: number) { this.set(PT_R13, value); }
  get r12(): number { return this.get(PT_R12); }
  set r12(value: number) { this.set(PT_R12, value); }
  get bp(): number { return this.get(PT_BP); }
  set bp(value: number) { this.set(PT_BP, value); }
  get bx(): number { return this.get(PT_BX); }
  set bx(value: number) { this.set(PT_BX, value); }
  get r11(): number { return this.get(PT_R11); }
  set r11(value: number) { this.set(PT_R11, value); }
  get r10(): number { return this.get(PT_R10); }
  set r10(value: number) { this.set(PT_R10, value); }
  get r9(): number { return this.get(PT_R9); }
  set r9(value: number) { this.set(PT_R9, value); }
  get r8(): number { return this.get(PT_R8); }
  set r8(value: number) { this.set(PT_R8, value); }
  get ax(): number { return this.get(PT_AX); }
  set ax(value: number) { this.set(PT_AX, value); }
  get axSigned(): number { return this.getSigned(PT_AX); }
  get cx(): number { return this.get(PT_CX); }
  set cx(value: number) { this.set(PT_CX, value); }
  get dx(): number { return this.get(PT_DX); }
  set dx(value: number) { this.set(PT_DX, value); }
  get si(): number { return this.get(PT_SI); }
  set si(value: number) { this.set(PT_SI, value); }
  get di(): number { return this.get(PT_DI); }
  set di(value: number) { this.set(PT_DI, value); }
  get origAx(): number { return this.get(PT_ORIG_AX); }
  set origAx(value: number) { this.set(PT_ORIG_AX, value); }
  get ip(): number { return this.get(PT_IP); }
  set ip(value: number) { this.set(PT_IP, value); }
  get cs(): number { return this.get(PT_CS); }
  set cs(value: number) { this.set(PT_CS, value); }
  get flags(): number { return this.get(PT_FLAGS); }
  set flags(value: number) { this.set(PT_FLAGS, value); }
  get sp(): number { return this.get(PT_SP); }
  set sp(value: number) { this.set(PT_SP, value); }
  get ss(): number { return this.get(PT_SS); }
  set ss(value: number) { this.set(PT_SS, value); }
}
