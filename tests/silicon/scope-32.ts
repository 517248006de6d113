// Which rows have vectors of their own in compatibility mode's 32-bit code, how many, and what holds the others.

import type { Row } from "../../kernel/decode/row";
import { vexOf } from "../../kernel/gen/encodings";

/** Rows that 64-bit mode does not have. */
const VECTORS_OF_ITS_OWN = 200;
/** Rows that have 64-bit mode's vectors as well. */
const VECTORS_BESIDE = 40;

/** Features whose instructions are general ones: integers, control transfer, strings, the stack. */
const general = new Set([undefined, "CMOV", "CX8", "MOVBE", "POPCNT", "LZCNT", "BMI1", "ADX"]);

/**
 * What user-mode emulation and another computer's tables do not answer as the manuals have it: descriptors, far transfers, gates, and what
 * the operating system answers; and the state areas, whose contents depend on the mode. Each with the test that holds the row in 32-bit code.
 */
export const heldByTests: { applies(row: Row): boolean; why: string; file: string; test: string }[] = [
  {
    applies: (row) => /^(LAR|LSL|VERR|VERW)$/.test(row.mnemonic), why: "the answer is in the computer's descriptors",
    file: "tests/cpu/mode-switches.test.ts", test: "LAR, LSL, VERR and VERW answer by ZF in 32-bit code",
  },
  {
    applies: (row) => /^(SGDT|SIDT|SLDT|STR|SMSW)$/.test(row.mnemonic), why: "the answer is the computer's, or UMIP's #GP",
    file: "tests/cpu/mode-switches.test.ts", test: "UMIP hides SGDT, SIDT, SLDT, STR and SMSW from CPL 3; without it SGDT of 32-bit code writes 6 bytes",
  },
  {
    applies: (row) => /^(CALL|JMP)_(FAR|PTR)$|^RETF/.test(row.fn ?? ""), why: "far transfers need the computer's descriptors",
    file: "tests/cpu/mode-switches.test.ts", test: "32-bit code calls 64-bit code by a far CALL, and far RET returns",
  },
  {
    applies: (row) => row.mnemonic === "IRET", why: "it returns through the computer's descriptors",
    file: "tests/cpu/mode-switches.test.ts", test: "IRETD of 32-bit code pops three words at its own level, and IRET with NT is #GP(0)",
  },
  {
    applies: (row) => row.mnemonic === "INT", why: "the gates are the operating system's",
    file: "tests/cpu/mode-switches.test.ts", test: "INTO, BOUND, INT3 and INT n from 32-bit code",
  },
  {
    applies: (row) => /^FXSAVE|^XSAVE/.test(row.mnemonic), why: "64-bit mode's vectors, with half of the XMM registers",
    file: "tests/cpu/compatibility-areas.test.ts", test: "FXSAVE, XSAVE, XSAVEC and XSAVEOPT of 32-bit code store XMM0 to XMM7 and leave the place of the others alone",
  },
  {
    applies: (row) => /^FXRSTOR|^XRSTOR/.test(row.mnemonic), why: "64-bit mode's vectors, with half of the XMM registers",
    file: "tests/cpu/compatibility-areas.test.ts", test: "FXRSTOR and XRSTOR of 32-bit code load XMM0 to XMM7 and leave the others alone",
  },
  {
    applies: (row) => /^(SYSCALL|SYSRET)$/.test(row.mnemonic), why: "the operating system answers",
    file: "tests/cpu/crossing.test.ts", test: "SYSCALL from compatibility mode is #UD on Intel",
  },
  {
    applies: (row) => /^(SYSENTER|SYSEXIT)$/.test(row.mnemonic), why: "the operating system answers",
    file: "tests/cpu/crossing.test.ts", test: "SYSENTER and SYSEXIT cross by their MSRs",
  },
];

/**
 * x87 compares that are offered with CMOV; MOV of control and debug registers and the encodings that the chips take as NOP or TEST
 * and some emulators as #UD (SDM Vol. 2A, NOP; APM Vol. 3, TEST): nothing about them depends on the mode.
 */
const isSettledIn64BitMode = (row: Row) => /^D[89A-F] /.test(row.opcode) || /[CD]d/.test(row.operands) || /^F[67] .1$/.test(row.opcode) || /^UD[01]$|^INT1$/.test(row.mnemonic)
  || (row.mnemonic === "NOP" && row.operands === "Ev");

export type Scope32 =
  /** So many vectors. */
  | { vectors: number }
  /** None: a test by name. */
  | { held: string }
  /** None: one operation for both modes, so 64-bit mode's vectors count. */
  | { shared: string };

/** Undefined: there is no such form outside 64-bit mode. */
export function scope32(row: Row): Scope32 | undefined {
  if (row.mode === "64" || (row.opcode.startsWith("REX.W") && !vexOf(row))) return undefined;
  const rule = heldByTests.find((candidate) => candidate.applies(row));
  if (rule) return { held: `${rule.why}: "${rule.test}" in ${rule.file}` };
  if (row.mode === "32") return { vectors: VECTORS_OF_ITS_OWN };
  if (general.has(row.cpuid) && !vexOf(row) && !isSettledIn64BitMode(row)) return { vectors: VECTORS_BESIDE };
  return { shared: "one operation in both modes, so that 64-bit mode's vectors count; its addressing and decoding are held by the general rows, "
    + "tests/cpu/compatibility-code.test.ts and the decoder fuzz in 32-bit mode" };
}
