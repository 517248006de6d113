// The instruction table: every row there is. Decoder, executor, oracle, fuzzers and docs/isa.md are made from it. Held against a Zen 5
// by every opcode of the four maps under every mandatory prefix: what the chip executes and has no row is absent on purpose.
//
//   not offered by any model, so #UD   3DNow! (0F 0F), SSE4a (EXTRQ, INSERTQ, MOVNTSS, MOVNTSD), XOP, FMA4, TBM, LWP, GFNI, MOVDIRI,
//                                      MOVDIR64B, CLZERO, MONITORX, RDPRU, MCOMMIT, AMX, CET, MPX (hint space), TSX, key locker
//   needs a mode this machine is not in   VMX, SVM (but VMCALL, our hypercall), SMX, RSM, GETSEC
//   does not exist as an instruction   LOADALL, UMOV, JMPE, the test register moves
//   rows to come under VEX             AVX, AVX2, FMA, F16C, VAES, VPCLMULQDQ

import { bmiRows } from "./opcode-bmi";
import { cryptoRows } from "./opcode-crypto";
import { integerRows } from "./opcode-integer";
import { sseRows } from "./opcode-sse";
import { systemRows } from "./opcode-system";
import { x87Rows } from "./opcode-x87";
import type { Row } from "./row";

export const rows: Row[] = [...integerRows, ...bmiRows, ...systemRows, ...x87Rows, ...sseRows, ...cryptoRows];
