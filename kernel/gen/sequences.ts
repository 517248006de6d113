// Sequences of micro-operations that have a case of their own: one dispatch instead of two or three, and flags that the next
// operation overwrites are never made. The case is put together from those of its parts, so it can do nothing that they do
// not. The parts stay behind each other in the block as they are: only the first one's code is changed, and what a later part
// leaves to the slow path starts at that part.
//
// Chosen by `node build.mjs --profile`. kernel/decode/join.ts finds them.

export const sequences: string[] = [
  // copy and compute
  "MOV64_rr MOV64_rr", "MOV64_rr ADD64_rr", "MOV64_rr SUB64_rr", "MOV64_rr SHL64_rr", "MOV64_rr SHL64_rr XOR64_rr", "MOV64_rr SHR64_rr",
  "MOV64_rr SHR64_rr XOR64_rr", "MOV64_rr AND64_rr", "MOV32_rr MOV32_rr", "MOV32_rr ADD32_rr", "MOV32_rr SHR32_rr", "MOV32_rr AND32_rr",
  "MOV32_rr XOR32_rr", "MOV32_rr ROR32_rr", "MOV32_rr ROL32_rr", "MOV32_rr ROL32_rr XOR32_rr",
  // compute and compute
  "ADD64_rr ADD64_rr", "ADD32_rr ADD32_rr", "AND32_rr XOR32_rr", "ROR32_rr AND32_rr", "XOR32_rr MOV32_rr", "ADD32_rr MOV32_rr", "IMUL64_rr ADD64_rr",
  // compute and branch
  "ADD64_rr CMP64_JCC2", "ADD64_rr CMP64_JCC3", "ADD64_rr CMP64_JCC4", "ADD64_rr CMP64_JCC5", "ADD64_rr CMP64_JCC6", "SUB64_rr CMP32_JCC2",
  "ADD32_rr CMP32_JCC5", "TEST8_rr JCC4", "TEST8_rr JCC5", "CMP8_rr JCC4", "CMP8_rr JCC5", "CMP8_rr JCC7",
  // load and compute or branch
  "MOV32_rm CMP32_JCC2", "MOV64_rm ADD64_rr", "MOV64_rm MOV64_rm", "MOV64_rm MOV64_ms",
  "MOVZX832_rm ADD64_rr", "MOVZX832_rm CMP8_rr", "MOVZX832_rm CMP8_rr JCC4", "MOVZX832_rm CMP8_rr JCC5", "ADD64_rr MOV32_rm", "ADD64_rr MOV64_rm", "ADD64_rr MOVZX832_rm",
  "CMP8_mx JCC4", "CMP8_mx JCC5", "CMP64_mx JCC4", "CMP64_mx JCC5", "LEA64 TEST8_rr", "LEA64 TEST8_rr JCC4", "LEA64 CMP8_rr",
  "LEA64 CMP8_rr JCC7", "ADD64_rr LEA64",
  // store
  "MOV64_ms MOV64_ms", "MOV32_ms MOV32_ms", "MOV8_ms ADD64_rr", "MOV8_ms ADD64_rr CMP64_JCC6", "MOV8_ms CMP64_JCC5",
  // stack and calls
  "PUSH64_PUSH64 PUSH64_PUSH64", "MOV32_rr SUB64_rr", "SUB64_rr CMP32_JCC6", "ADD64_rr MOV32_rr", "POP64_POP64 POP64_POP64", "POP64_POP64 RET64", "POP64 RET64", "LD64 PUSH64", "LD64 JMP64", "ZERO_ZERO ZERO_ZERO",
  // doubles
  "LD128A ADDPD_rr", "LD128A MULPD_rr", "LD128A MULPD_rr ADDPD_rr CMP64_JCC5", "MOVQ_XMM_rm ADD64_rr", "MOVQ_XMM_rm ADD64_rr ADD64_rr PUNPCKLQDQ_rr",
  "MULSD_rr ADDSD_rr", "MULSD_rr MULSD_rr", "ADDSD_rr ADDSD_rr", "MOVDQA_rr ADDSD_rr", "MOVDQA_rr MULSD_rr", "MOVDQA_rr MULSD_rr ADDSD_rr",
  "MOVDQA_rr SQRTSD_rr", "MOVDQA_rr MOVDQA_rr", "MOVDQA_rr PUNPCKLQDQ_rr", "MOVDQA_rr PUNPCKHQDQ_rr PUNPCKHQDQ_rr MULPD_rr MULSD_rr",
  "UCOMISD_rr JCC7", "COMISD_rr JCC7",
];
