// How Capstone spells the instructions of the table: Intel's names, with what AT&T or other assemblers write in some places. By rule,
// from the row, never by sample.

import type { Row } from "../../kernel/decode/row";

/** Capstone has the shorter of two names of a condition (SDM Vol. 1 appendix B). */
const conditions: Record<string, string> = { NB: "AE", Z: "E", NZ: "NE", NBE: "A", NL: "GE", NLE: "G" };
/** Predicates 0 to 7 of CMPPS and the like are part of the name (SDM Vol. 2A, CMPPD, table 3-3). */
const predicate = "(EQ|LT|LE|UNORD|NEQ|NLT|NLE|ORD)";

/** [row's mnemonic, or mnemonic and operation], what Capstone writes as a regular expression. The first that fits counts. */
const spellings: [RegExp, string | ((match: RegExpExecArray) => string)][] = [
  [/^(J|SET|CMOV)(NB|Z|NZ|NBE|NL|NLE) /, (m) => m[1]! + conditions[m[2]!]],
  // The operand size is part of the name.
  [/^(MOVS|CMPS|STOS|LODS|SCAS|INS|OUTS) /, (m) => `${m[1]}[BWDQ]`],
  [/^CBW /, "CBW|CWDE|CDQE"],
  [/^CWD /, "CWD|CDQ|CQO"],
  [/^IRET /, "IRET[DQ]?"],
  [/^(PUSHF|POPF) /, (m) => `${m[1]}[DQ]?`],
  [/^(PUSHA|POPA) /, (m) => `${m[1]}[WL]`],
  [/^(SYSRET|SYSEXIT) /, (m) => `${m[1]}Q?`],
  [/^CMPXCHG8B /, "CMPXCHG(8|16)B"],
  [/^JRCXZ /, "J[ER]?CXZ"],
  [/^(FXSAVE|FXRSTOR|XSAVE|XSAVEC|XSAVEOPT|XSAVES|XRSTOR|XRSTORS) /, (m) => `${m[1]}(64)?`],
  [/^(MOVD|PINSRD|PEXTRD) /, (m) => `${m[1]!.slice(0, -1)}[DQ]`],
  [/^MOVBE /, "MOVBE"],
  [/^MOV /, "MOV|MOVABS"],
  [/ (CALL|JMP)_(FAR|PTR)$/, (m) => `L?${m[1]}`],
  [/^RET RETF/, "RETFQ?"],
  [/^XCHG /, "XCHG|NOP"],
  [/^(CMP)(PS|PD|SS|SD) /, (m) => `CMP${predicate}?${m[2]}`],
  [/^PCLMULQDQ /, "PCLMUL([LH]Q){2}DQ|PCLMULQDQ"],
  [/^SHL /, "SHL|SAL"],
  [/^XLAT /, "XLATB"],
  [/^FWAIT /, "WAIT"],
  [/^FSETPM287_NOP /, "FSETPM"],
  [/^(FCOM|FUCOM)IP /, (m) => `${m[1]}PI`],
  [/^FSTP FSTP_STi_EMPTY$/, "FSTPNCE"],
  // Hint space: named where a later extension has given it a meaning.
  [/^NOP /, "NOP|ENDBR(32|64)|BND(MK|LDX|STX|MOV|CL|CU|CN)|PREFETCH(NTA|T0|T1|T2|WT1)|CLDEMOTE|RDSSP[DQ]"],
  [/^PREFETCHW /, "PREFETCHW?|PREFETCHWT1"],
];

/** What Capstone calls instructions of this row, without LOCK and REP. */
export function capstoneName(row: Row): RegExp {
  const name = `${row.mnemonic} ${row.fn ?? row.mnemonic}`;
  for (const [pattern, spelling] of spellings) {
    const match = pattern.exec(name);
    if (match) return new RegExp(`^(${typeof spelling === "string" ? spelling : spelling(match)})$`, "i");
  }
  return new RegExp(`^${row.mnemonic}$`, "i");
}

/** Capstone writes prefixes that do something, or that it believes to do something, before the name. */
export const withoutPrefixes = (mnemonic: string) => mnemonic.replace(/^((lock|repe?|repne|bnd|xacquire|xrelease|notrack|data16) )*/, "");
