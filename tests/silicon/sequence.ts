// Runs of instructions on registers, as many as fit into a case: what one leaves in the flags, another reads. A lazily evaluated
// flag, a dead one wrongly left out or a block wrongly stitched shows here and not in single instructions.

import type { Vendor } from "../../host/machine/cpu-models";
import type { Row } from "../../kernel/decode/row";
import { blankCase } from "./case-format";
import { encode, shapeOf } from "./encode";
import { type Instance, startableStack } from "./generate";
import { type Random, integerValue } from "./random";

const LONGEST = 15;

/** Stands for a whole sequence where one row is expected. Only AF may be undefined at its end. */
export const sequenceRow: Row = { opcode: "(several)", mnemonic: "SEQUENCE", operands: "", undefinedFlags: "AF" };

const onRegisters = /^([EGZI][a-z]+|AL|rAX|CL|1)$/;

/** Rows whose register form touches only general registers and defined flags (but for AF, which none of these reads); none about selectors. */
export function sequenceRows(rows: Row[]): Row[] {
  return rows.filter((row) => (row.cpuid === undefined || row.cpuid === "CMOV") && row.mode !== "32" && row.cpl === undefined
    && (row.undefinedFlags ?? "").replace("AF", "").trim() === "" && row.operands !== "" && !row.opcode.endsWith("mem")
    && row.operands.split(",").every((operand) => onRegisters.test(operand.trim())) && /^([EGZ]|AL|rAX)/.test(row.operands) && !/^(PUSH|POP|JMP|CALL|NOP|IN|LAR|LSL|VER[RW]|SLDT|STR|SMSW)/.test(row.mnemonic));
}

export function generateSequence(rows: Row[], random: Random, vendor: Vendor): Instance {
  const code: number[] = [];
  for (;;) {
    const row = random.pick(rows);
    const { bytes } = encode(row, shapeOf(row), random, false, vendor === "amd");
    if (code.length + bytes.length > LONGEST) break;
    code.push(...bytes);
  }
  const blank = blankCase(Uint8Array.from(code), Array.from({ length: 16 }, () => integerValue(random)));
  blank.gpr[4] = startableStack(blank.gpr[4]);
  const rflags = 0x202n | (BigInt(random.u32()) & 0x8d5n);
  return { row: sequenceRow, case: { ...blank, rflags }, preludeLength: 0, operandSize: 8 };
}
