// What one instruction of a crossing changed, in words: registers old -> new, and the memory it stored to by its name in
// struct pt_regs or the TSS. Called from trace-picture.ts and trace.ts.

import type { CrossingStep } from "../index";

export interface Change {
  /** A register, `pt_regs->ip`, `TSS.sp2`, or an address in brackets. */
  name: string;
  /** Undefined for a store, whose old content nobody reads. */
  old?: bigint;
  new: bigint;
}

/** What changes() needs of the machine: memory as the kernel sees it, after the instruction. */
export interface MemoryView {
  readMemory(address: number): bigint | undefined;
  nameOf(address: number): string | undefined;
}

/** Bits of RFLAGS by name (SDM Vol. 1 3.4.3). */
const FLAG_NAMES: [string, bigint][] = [
  ["CF", 0x1n], ["PF", 0x4n], ["AF", 0x10n], ["ZF", 0x40n], ["SF", 0x80n], ["TF", 0x100n], ["IF", 0x200n], ["DF", 0x400n],
  ["OF", 0x800n], ["NT", 0x4000n], ["RF", 0x10000n], ["AC", 0x40000n], ["ID", 0x200000n],
];

/** `+ZF -IF`: which flags were set and which cleared. */
export function flagChanges(old: bigint, now: bigint): string {
  return FLAG_NAMES.filter(([, bit]) => (old ^ now) & bit)
    .map(([name, bit]) => (now & bit ? `+${name}` : `-${name}`))
    .join(" ");
}

/** A linear address as 16 digits, kernel ones being negative numbers. */
export function hexAddress(address: number): string {
  return BigInt.asUintN(64, BigInt(address)).toString(16).padStart(16, "0");
}

/**
 * All that the instruction changed but RIP, which only SYSCALL, SYSRET and IRETQ list.
 * @param text the instruction in AT&T syntax
 */
export function changes(step: CrossingStep, text: string, memory: MemoryView): Change[] {
  const found: Change[] = [];
  const store = storeAddress(step, text);
  if (store !== undefined) {
    const value = memory.readMemory(store);
    if (value !== undefined) found.push({ name: memory.nameOf(store) ?? `[${hexAddress(store)}]`, new: value });
  }
  const before = step.before.registers;
  const after = step.after.registers;
  for (const name of Object.keys(after)) {
    if (before[name] === after[name]) continue;
    if (name === "rip" && step.before.cpl === step.after.cpl) continue;
    found.push({ name, old: before[name], new: after[name]! });
  }
  return found;
}

/** Where the instruction stored 8 bytes: a push or call below the old RSP, or the memory operand a MOV or bit instruction ends with. */
function storeAddress(step: CrossingStep, text: string): number | undefined {
  const rsp = (values: CrossingStep["before"]["registers"]) => BigInt.asIntN(64, values.rsp!);
  if (/^(push|call)/.test(text)) return Number(rsp(step.after.registers));
  if (!/^(mov[lqwb]?|movabs\w*|bt[src]\w*|xchg\w*|and\w|or\w|add\w|sub\w) /.test(text)) return undefined;
  return effectiveAddress(lastOperand(text), step);
}

/** The text behind the last comma that stands in no parentheses. */
function lastOperand(text: string): string {
  let depth = 0;
  for (let i = text.length - 1; i >= 0; i--) {
    if (text[i] === ")") depth++;
    else if (text[i] === "(") depth--;
    else if (text[i] === "," && depth === 0) return text.slice(i + 1).trim();
  }
  return text.slice(text.indexOf(" ") + 1).trim();
}

const MEMORY_OPERAND = /^(?:%(\w\w):)?(-?(?:0x[0-9a-f]+|\d+))?(?:\((?:%(\w+))?(?:,\s*%(\w+)(?:,\s*(\d))?)?\))?$/;

/** Linear address of an AT&T memory operand, undefined for a register. */
function effectiveAddress(operand: string, step: CrossingStep): number | undefined {
  const match = MEMORY_OPERAND.exec(operand);
  if (!match || operand.startsWith("$")) return undefined;
  const [, segment, displacement, base, index, scale] = match;
  const registers = step.before.registers;
  let address = displacement?.startsWith("-") ? -BigInt(displacement.slice(1)) : BigInt(displacement ?? 0);
  if (segment === "gs") address += registers["GS.base"]!;
  if (segment === "fs") address += registers["FS.base"]!;
  // RIP-relative means the next instruction's address.
  if (base === "rip") address += step.after.registers.rip!;
  else if (base) address += registers[base] ?? 0n;
  if (index) address += (registers[index] ?? 0n) * BigInt(scale ?? 1);
  return Number(BigInt.asIntN(64, address));
}
