// AES-NI, PCLMULQDQ and the SHA extensions: maps 0F38 and 0F3A (SDM Vol. 2D tables ).

import { row, type Row } from "./row";

const aes = { cpuid: "AES" };

/** Memory operands have to be aligned on Intel's chips (exceptions type 4), not on AMD's, as a Zen 5 shows. */
const sha = (opcode: string, mnemonic: string, operands: string, note?: string): Row[] => [
  row(opcode, mnemonic, operands, { cpuid: "SHA", vendor: "intel", note }),
  row(opcode, mnemonic, operands, { cpuid: "SHA", vendor: "amd", unaligned: true, note }),
];

export const cryptoRows: Row[] = [
  row("66 0F 38 DB", "AESIMC", "Vdq,Wdq", aes),
  row("66 0F 38 DC", "AESENC", "Vdq,Wdq", aes),
  row("66 0F 38 DD", "AESENCLAST", "Vdq,Wdq", aes),
  row("66 0F 38 DE", "AESDEC", "Vdq,Wdq", aes),
  row("66 0F 38 DF", "AESDECLAST", "Vdq,Wdq", aes),
  row("66 0F 3A DF", "AESKEYGENASSIST", "Vdq,Wdq,Ib", aes),

  row("66 0F 3A 44", "PCLMULQDQ", "Vdq,Wdq,Ib", { cpuid: "PCLMULQDQ" }),

  ...sha("NP 0F 38 C8", "SHA1NEXTE", "Vdq,Wdq"),
  ...sha("NP 0F 38 C9", "SHA1MSG1", "Vdq,Wdq"),
  ...sha("NP 0F 38 CA", "SHA1MSG2", "Vdq,Wdq"),
  ...sha("NP 0F 38 CB", "SHA256RNDS2", "Vdq,Wdq", "XMM0 holds the schedule's words"),
  ...sha("NP 0F 38 CC", "SHA256MSG1", "Vdq,Wdq"),
  ...sha("NP 0F 38 CD", "SHA256MSG2", "Vdq,Wdq"),
  ...sha("NP 0F 3A CC", "SHA1RNDS4", "Vdq,Wdq,Ib"),
];
