// What CR4.UMIP makes #GP of programs that ask for descriptor tables and CR0, answered with made-up values, since DOSEMU and Wine go on
// with them (Linux arch/x86/kernel/umip.c). Entered from traps.ts for #GP, which is a signal where this says false.
//
//   SGDT 0F 01 /0, SIDT 0F 01 /1: limit 0 and a base where nothing is, 2 + 8 bytes (2 + 4 in 32-bit code)
//   SLDT 0F 00 /0, STR 0F 00 /1, SMSW 0F 01 /4: 2 bytes in memory, as many as the operand has in a register

import { PF_USER, PF_WRITE, VECTOR_PF } from "../../kernel/abi/vectors";
import { SEG_DS, SEG_FS, SEG_GS } from "../../kernel/abi/state";
import {
  PT_AX, PT_BP, PT_BX, PT_CX, PT_DI, PT_DX, PT_IP, PT_R10, PT_R11, PT_R12, PT_R13, PT_R14, PT_R15, PT_R8, PT_R9, PT_SI, PT_SP, type PtRegs,
} from "../ring0/pt-regs";
import { LDT_SELECTOR, TSS_SELECTOR, __USER32_CS, __USER_CS, __USER_DS } from "../ring0/segments";
import { UserFault } from "./errno";
import type { Task } from "./task";
import { SEGV_MAPERR, SIGSEGV } from "./uapi-signal";

const INSTRUCTION_MAX = 15;
/** pt_regs offsets by register number (SDM Vol. 2A table 2-2). */
const REGISTERS = [
  PT_AX, PT_CX, PT_DX, PT_BX, PT_SP, PT_BP, PT_SI, PT_DI, PT_R8, PT_R9, PT_R10, PT_R11, PT_R12, PT_R13, PT_R14, PT_R15,
] as const;
const RSP = 4;
const RBP = 5;

const DUMMY_GDT_BASE = 0xfffffffffffe0000n;
const DUMMY_IDT_BASE = 0xffffffffffff0000n;
/** CR0: PE, MP, ET, NE, WP, AM, PG. */
const DUMMY_CR0 = 0x80050033n;

interface Instruction {
  /** The second opcode byte, and the ModRM byte's fields. */
  readonly opcode: number;
  readonly mod: number;
  readonly reg: number;
  /** Register number of a register operand. */
  readonly rm: number;
  readonly operandBytes: 2 | 4 | 8;
  readonly length: number;
  /** Linear address of a memory operand; undefined for one that is not worked out here. */
  readonly address: bigint | undefined;
}

/** True: the instruction is done, or its memory operand has earned SIGSEGV. */
export function emulateUmip(task: Task, regs: PtRegs): boolean {
  if (regs.cs !== __USER_CS && regs.cs !== __USER32_CS) return false;
  const instruction = decode(task, regs, fetch(task, regs.ip));
  const result = instruction && resultOf(task, regs.cs === __USER_CS, instruction);
  if (instruction === undefined || result === undefined) return false;
  const { name, bytes } = result;
  if (instruction.mod === 3) {
    const register = REGISTERS[instruction.rm]!;
    const kept = regs.getBig(register);
    const bits = bytes.length * 8;
    regs.setBig(register, (kept >> BigInt(bits)) << BigInt(bits) | number(bytes));
  } else {
    if (instruction.address === undefined) return false;
    const address = Number(BigInt.asIntN(64, instruction.address));
    try {
      task.mm.copyToUser(address, bytes);
    } catch (error) {
      if (!(error instanceof UserFault)) throw error;
      task.fault.vector = VECTOR_PF;
      task.fault.errorCode = PF_USER | PF_WRITE;
      task.fault.cr2 = address;
      task.kernel.signals.force(task, { signal: SIGSEGV, code: SEGV_MAPERR, address });
      return true;
    }
  }
  task.kernel.noticeOnce(`the program uses ${name}, which UMIP keeps from programs: the answer is made up, as Linux does`);
  regs.ip += instruction.length;
  return true;
}

function number(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function little(value: bigint, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}

function resultOf(task: Task, wide: boolean, { opcode, mod, reg, operandBytes }: Instruction): { name: string; bytes: Uint8Array } | undefined {
  if (opcode === 1 && reg < 2) {
    if (mod === 3) return undefined;
    return { name: reg === 0 ? "SGDT" : "SIDT", bytes: little((reg === 0 ? DUMMY_GDT_BASE : DUMMY_IDT_BASE) << 16n, wide ? 10 : 6) };
  }
  const bytes = mod === 3 ? operandBytes : 2;
  if (opcode === 1 && reg === 4) return { name: "SMSW", bytes: little(DUMMY_CR0, bytes) };
  if (opcode === 0 && reg === 1) return { name: "STR", bytes: little(BigInt(TSS_SELECTOR), bytes) };
  if (opcode === 0 && reg === 0) return { name: "SLDT", bytes: little(task.mm.addressSpace.ldtWords.length === 0 ? 0n : BigInt(LDT_SELECTOR), bytes) };
  return undefined;
}

/** As many bytes as can be read. */
function fetch(task: Task, ip: number): number[] {
  const bytes: number[] = [];
  try {
    while (bytes.length < INSTRUCTION_MAX) bytes.push(task.mm.getU8(ip + bytes.length));
  } catch (error) {
    if (!(error instanceof UserFault)) throw error;
  }
  return bytes;
}

function decode(task: Task, regs: PtRegs, bytes: readonly number[]): Instruction | undefined {
  const wide = regs.cs === __USER_CS;
  let at = 0;
  let operand16 = false;
  let otherAddress = false;
  let segment: number | undefined;
  for (; ; at++) {
    const byte = bytes[at];
    if (byte === 0x66) operand16 = true;
    else if (byte === 0x67) otherAddress = true;
    else if (byte === 0x64) segment = SEG_FS;
    else if (byte === 0x65) segment = SEG_GS;
    else if (byte !== 0x26 && byte !== 0x2e && byte !== 0x36 && byte !== 0x3e && byte !== 0xf2 && byte !== 0xf3) break;
    else if (!wide) segment = byte === 0xf2 || byte === 0xf3 ? segment : SEG_DS;
  }
  const rex = wide && (bytes[at]! & 0xf0) === 0x40 ? bytes[at++]! : 0;
  const [escape, opcode, modrm] = [bytes[at], bytes[at + 1], bytes[at + 2]];
  if (escape !== 0x0f || (opcode !== 0 && opcode !== 1) || modrm === undefined) return undefined;
  at += 3;
  const mod = modrm >>> 6;
  const rm = (modrm & 7) | ((rex & 1) << 3);
  const common = { opcode, mod, reg: (modrm >>> 3) & 7, rm, operandBytes: rex & 8 ? 8 : operand16 ? 2 : 4 } as const;
  if (mod === 3) return { ...common, length: at, address: undefined };
  // 64-bit code with 32-bit addresses Linux leaves alone too; 16-bit addresses are not worked out here.
  if (otherAddress) return { ...common, length: at, address: undefined };

  let base: number | undefined = rm;
  let index: number | undefined;
  let scale = 0;
  if ((modrm & 7) === RSP) {
    const sib = bytes[at++]!;
    base = (sib & 7) | ((rex & 1) << 3);
    index = ((sib >>> 3) & 7) | ((rex & 2) << 2);
    if (index === RSP) index = undefined;
    scale = sib >>> 6;
  }
  const noBase = mod === 0 && (base & 7) === RBP;
  const displacementBytes = mod === 1 ? 1 : mod === 2 || noBase ? 4 : 0;
  if (at + displacementBytes > bytes.length) return undefined;
  const displacement = BigInt.asIntN(8 * displacementBytes, number(Uint8Array.from(bytes.slice(at, at + displacementBytes))));
  at += displacementBytes;
  let address = displacement;
  if (!noBase) address += regs.getBig(REGISTERS[base]!);
  else if (wide && (modrm & 7) === RBP) address += regs.getBig(PT_IP) + BigInt(at);
  if (index !== undefined) address += regs.getBig(REGISTERS[index]!) << BigInt(scale);
  return { ...common, length: at, address: linear(task, regs, wide, segment, address) };
}

/** Undefined where the segment is not the flat one: its base would be another. */
function linear(task: Task, regs: PtRegs, wide: boolean, segment: number | undefined, address: bigint): bigint | undefined {
  const { ring0 } = task.kernel;
  if (segment === SEG_FS) address += BigInt(ring0.userFsBase);
  else if (segment === SEG_GS) address += BigInt(ring0.userGsBase);
  else if (!wide && (ring0.userSelector(SEG_DS) !== __USER_DS || regs.ss !== __USER_DS)) return undefined;
  return BigInt.asUintN(wide ? 64 : 32, address);
}
