// What a row of the instruction table is. The tables (opcode-*.ts beside this file) are read at build time by kernel/gen,
// which makes the decoder's tables and exec() from them; tests, docs and fuzzers read the same rows.

export interface RowAttributes {
  /** CPUID feature that offers the instruction; without it the encoding is #UD, or `older` if it has an older meaning. */
  cpuid?: string;
  /** Only valid in 64-bit mode, or only outside it. */
  mode?: "64" | "32";
  /** Most privileged level needed; 0 raises #GP(0) at CPL 3. */
  cpl?: 0;
  /** LOCK is allowed when the destination is memory. */
  lock?: boolean;
  vendor?: "intel" | "amd";
  /** Operand size is 64 bits in 64-bit mode without REX.W; 66 gives 16. */
  size64?: boolean;
  /** Near branches in 64-bit mode: always 64 bits, 66 is ignored (Intel). */
  force64?: boolean;
  /** A 16-byte memory operand need not be aligned. */
  unaligned?: boolean;
  /** Arithmetic flags the SDM leaves undefined, for example "AF OF". */
  undefinedFlags?: string;
  /** Operation in the group files, when its name is not the mnemonic. */
  fn?: string;
  /** fn of the row that this encoding means where `cpuid` does not offer the instruction. */
  older?: string;
  /** Why a row is odd. */
  note?: string;
}

export interface Row extends RowAttributes {
  /** As in the SDM: REX.W where it is part of the opcode (W0 where it must not be there), mandatory prefix, opcode bytes, /digit, mem or reg, C0+i. */
  opcode: string;
  mnemonic: string;
  /** SDM Vol. 2D appendix A letters, separated by commas. */
  operands: string;
}

export function row(opcode: string, mnemonic: string, operands = "", attributes: RowAttributes = {}): Row {
  return { opcode, mnemonic, operands, ...attributes };
}
