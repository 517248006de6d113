// Which operations are cases of exec(), in which operand sizes and forms. All others are calls in slow.ts.
// V8 allocates registers well while exec() has at most 8192 virtual ones (docs/interpreter.md); add a row only with a benchmark
// that shows what it brings.
//
//   rr  both operands in slots (registers, immediates, temporaries)     rm  source in memory
//   mr  destination in memory, read and written                         mx  first operand in memory, only read
//   ms  memory is written with the source (stores)

export type Form = "rr" | "rm" | "mr" | "mx" | "ms";

export interface HotRow {
  fn: string;
  sizes: number[];
  forms: Form[];
}

const hot = (fn: string, sizes: number[], forms: string): HotRow => ({ fn, sizes, forms: forms.split(" ") as Form[] });

export const hotRows: HotRow[] = [
  hot("MOV", [8, 32, 64], "rr rm ms"),
  hot("MOV", [16], "rm ms"),
  hot("MOVZX8", [32], "rr rm"),
  hot("MOVZX16", [32], "rr rm"),
  hot("MOVSX8", [32, 64], "rr rm"),
  hot("MOVSX16", [32], "rr rm"),
  hot("MOVSXD", [64], "rr rm"),
  hot("ADD", [32, 64], "rr rm mr"),
  hot("SUB", [32, 64], "rr rm mr"),
  hot("ADD", [8], "rr"),
  hot("SUB", [8], "rr"),
  hot("AND", [8], "rr"),
  hot("OR", [8], "rr"),
  hot("XOR", [8], "rr"),
  hot("AND", [32, 64], "rr rm"),
  hot("OR", [32, 64], "rr rm"),
  hot("XOR", [32, 64], "rr rm"),
  hot("CMP", [8, 32, 64], "rr rm mx"),
  hot("CMP", [16], "rr mx"),
  hot("TEST", [8, 32, 64], "rr"),
  hot("TEST", [8, 32], "mx"),
  hot("INC", [32, 64], "rr mr"),
  hot("DEC", [32, 64], "rr mr"),
  hot("NEG", [32, 64], "rr"),
  hot("NOT", [32, 64], "rr"),
  hot("ADC", [64], "rr"),
  hot("SBB", [32, 64], "rr"),
  hot("SHL", [32, 64], "rr"),
  hot("SHR", [32, 64], "rr"),
  hot("SAR", [32, 64], "rr"),
  hot("ROL", [32], "rr"),
  hot("ROR", [32, 64], "rr"),
  hot("ROL", [64], "rr"),
  hot("IMUL", [32, 64], "rr rm"),
  hot("IMUL3", [32, 64], "rr"),
  hot("BSWAP", [32, 64], "rr"),
  // Operations without T have one size; 0 stands for it.
  hot("MOVDQA", [0], "rr"),
  hot("MOVQ_XMM", [0], "rr rm"),
  hot("MOVQ_STORE", [0], "ms"),
  hot("MOVSS_LOAD", [0], "rm"),
  hot("MOVSD_XMM", [0], "rr ms"),
  hot("MOVSS_XMM", [0], "rr ms"),
  hot("PXOR", [0], "rr"),
  hot("POR", [0], "rr"),
  hot("PAND", [0], "rr"),
  hot("PADDD", [0], "rr"),
  hot("PADDQ", [0], "rr"),
  hot("PSLLD_IB", [0], "rr"),
  hot("PSRLD_IB", [0], "rr"),
  hot("PCMPEQB", [0], "rr"),
  hot("PMOVMSKB", [0], "rr"),
  hot("PUNPCKLQDQ", [0], "rr"),
  hot("PSHUFD", [0], "rr"),
  hot("ADDSD", [0], "rr rm"),
  hot("SUBSD", [0], "rr rm"),
  hot("MULSD", [0], "rr rm"),
  hot("DIVSD", [0], "rr"),
  hot("SQRTSD", [0], "rr"),
  hot("ADDPD", [0], "rr"),
  hot("SUBPD", [0], "rr"),
  hot("MULPD", [0], "rr"),
  hot("DIVPD", [0], "rr"),
  hot("PUNPCKHQDQ", [0], "rr"),
  hot("UCOMISD", [0], "rr"),
  hot("COMISD", [0], "rr"),
  hot("CVTSI2SD", [32, 64], "rr"),
  hot("CVTTSD2SI", [32, 64], "rr"),
];

/** Zero-extending loads write the whole register in either size. */
export const sameAs32 = new Set(["MOVZX8", "MOVZX16"]);
