// The CPU's registers as text, for the report of a bug of ours and for the tracer.

import type { Registers } from "./registers";
import {
  CPL, CR0, CR2, CR3, CR4, EFER, FS_BASE, GS_BASE, KERNEL_GS_BASE, LAST_ERROR, LAST_RIP, LAST_VECTOR, RETIRED, RFLAGS, RIP, SEG, SEG_CS, SEG_SS,
} from "../../kernel/abi/state";

/** In the order of the CPU block, 8 bytes each (SDM Vol. 2A table 2-2). */
export const GPR_NAMES = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const;

/** RFLAGS bits by position; gaps are reserved (SDM Vol. 1 figure 3-8). */
const FLAG_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [21, "ID"], [18, "AC"], [17, "VM"], [16, "RF"], [14, "NT"], [11, "OF"], [10, "DF"], [9, "IF"], [8, "TF"], [7, "SF"], [6, "ZF"], [4, "AF"], [2, "PF"], [0, "CF"],
];

/** 16 hexadecimal digits of the 64-bit register at `offset` of the CPU block. */
export function hexRegister(registers: Registers, offset: number): string {
  return hex32(registers.hi(offset)) + hex32(registers.lo(offset));
}

/** Names of the flags that are set, highest first: `IF ZF PF`. */
export function flagNames(rflags: number): string {
  return FLAG_NAMES.filter(([bit]) => ((rflags >>> bit) & 1) !== 0).map(([, name]) => name).join(" ");
}

/** Ten lines of at most 100 columns, without a final newline. */
export function dumpRegisters(registers: Registers): string {
  const lines: string[] = [];
  for (let index = 0; index < 16; index += 4) {
    const row = GPR_NAMES.slice(index, index + 4).map((name, i) => `${name.padEnd(3)} ${hexRegister(registers, (index + i) * 8)}`);
    lines.push(row.join("  "));
  }
  const reg = (name: string, offset: number) => `${name} ${hexRegister(registers, offset)}`;
  const selector = (segment: number) => registers.u16[(SEG + 8 * segment) >>> 1]!.toString(16).padStart(4, "0");
  lines.push(`${reg("rip", RIP)}  rflags ${hex32(registers.lo(RFLAGS))} [${flagNames(registers.lo(RFLAGS))}]`);
  lines.push(`cs ${selector(SEG_CS)}  ss ${selector(SEG_SS)}  cpl ${registers.getWord(CPL)}  instructions retired ${registers.get(RETIRED)}`);
  lines.push(`${reg("cr0", CR0)}  ${reg("cr2", CR2)}`);
  lines.push(`${reg("cr3", CR3)}  ${reg("cr4", CR4)}  ${reg("efer", EFER)}`);
  lines.push(`${reg("fs", FS_BASE)}  ${reg("gs", GS_BASE)}  ${reg("kernel gs", KERNEL_GS_BASE)}`);
  lines.push(`last exception: vector ${registers.getWord(LAST_VECTOR)}, error code 0x${registers.getWord(LAST_ERROR).toString(16)}, ${reg("at", LAST_RIP)}`);
  return lines.join("\n");
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
