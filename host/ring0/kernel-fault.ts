// The report of an exception that the kernel's own code met, which is a bug of ours: where, on whose stack, with which registers.
// Made by host/linux from the pt_regs that the exception's hook was given (Linux show_regs, handle_stack_overflow).

import { hexRegister } from "../machine/dump";
import { describeStack, hexLinear, stackSlotOf } from "./layout";
import { PT_IP, PT_REGS_NAMES, PT_SP, type PtRegs } from "./pt-regs";
import type { Ring0 } from "./ring0";
import { VECTORS } from "./idtentry.asm";
import { CR2, CR3 } from "../../kernel/abi/state";
import { VECTOR_DF } from "../../kernel/abi/vectors";

/** An exception in the kernel. `message` is one line, `report` the rest of it. */
export class KernelFault extends Error {
  readonly report: readonly string[];

  constructor(message: string, report: readonly string[]) {
    super(message);
    this.report = report;
  }
}

/**
 * @param owner what to call the owner of the kernel stack in this slot
 * @param context what else is known: the last system call
 */
export function kernelFault(
  ring0: Ring0, regs: PtRegs, vector: number, errorCode: number, owner: (slot: number) => string, context: string,
): KernelFault {
  const ip = regs.getSigned(PT_IP);
  const sp = regs.getSigned(PT_SP);
  const name = VECTORS.find((row) => row.vector === vector)?.label.replace(/^asm_/, "") ?? "no known vector";
  const where = ring0.text.symbolize(ip) ?? "no code of the kernel's";
  const slot = stackSlotOf(sp);
  const whose = slot === undefined ? "" : slot === 0 ? ", the IRQ stack's" : `, ${owner(slot)}'s`;
  const place = `${describeStack(sp)}${whose}`;
  const overflow = vector === VECTOR_DF && describeStack(sp - 8) === "guard page";
  const what = overflow ? `kernel stack overflow (${place})` : `exception ${vector} (${name}, error code 0x${errorCode.toString(16)}) in the kernel's code`;
  const { registers } = ring0.machine;
  const fields = PT_REGS_NAMES.map((field, index) => `${field.padEnd(7)} ${regs.getBig(8 * index).toString(16).padStart(16, "0")}`);
  const rows: string[] = [];
  for (let i = 0; i < fields.length; i += 3) rows.push(fields.slice(i, i + 3).join("  "));
  return new KernelFault(`${what}; rip=${hexLinear(ip)} (${where}), rsp=${hexLinear(sp)}, ${context}`, [
    `vector ${vector} (${name}), error code 0x${errorCode.toString(16)}, RSP in: ${place}`,
    ...rows,
    `cr2     ${hexRegister(registers, CR2)}  cr3     ${hexRegister(registers, CR3)}`,
  ]);
}
