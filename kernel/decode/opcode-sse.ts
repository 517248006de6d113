// MMX, SSE and SSE2 rows of opcode map 0F (SDM Vol. 2D table A-3), and SSE3, SSSE3, SSE4.1, SSE4.2 of maps 0F, 0F38, 0F3A.
//
// Where a row departs from the printed table: memory-only and register-only forms that do different things (MOVSD, MOVLPS/MOVHLPS,
// MOVQ) are rows of their own; an operand's size letter is what is read from memory (CVTPS2PD reads Wq, PUNPCKLBW Qd);
// CVTPI2PD's memory form names an M operand because it does not enter MMX state; `DI` is the implied memory operand DS:rDI of
// MASKMOVQ and MASKMOVDQU, segment override and address size as usual.

import { row } from "./row";

const mmx = { cpuid: "MMX" };
const sse = { cpuid: "SSE" };
const sse2 = { cpuid: "SSE2" };
const sse3 = { cpuid: "SSE3" };

/** A row of which the mnemonic is not the operation's name. */
const as = (attributes: object, fn: string) => ({ ...attributes, fn });

/** The MMX and XMM forms of one packed integer instruction at 0F xx. */
const packed = (opcode: string, mnemonic: string, mmxFeature = mmx) => [
  row(`NP 0F ${opcode}`, mnemonic, "Pq,Qq", as(mmxFeature, `${mnemonic}_MMX`)),
  row(`66 0F ${opcode}`, mnemonic, "Vdq,Wdq", sse2),
];

/** The MMX form reads only 32 bits of memory. */
const unpackLow = (opcode: string, mnemonic: string) => [
  row(`NP 0F ${opcode}`, mnemonic, "Pq,Qd", as(mmx, `${mnemonic}_MMX`)),
  row(`66 0F ${opcode}`, mnemonic, "Vdq,Wdq", sse2),
];

const shiftImmediate = (opcode: string, digit: number, mnemonic: string) => [
  row(`NP 0F ${opcode} /${digit} reg`, mnemonic, "Nq,Ib", as(mmx, `${mnemonic}_MMX_IB`)),
  row(`66 0F ${opcode} /${digit} reg`, mnemonic, "Udq,Ib", as(sse2, `${mnemonic}_IB`)),
];

/** PS, PD, SS and SD forms of one floating-point instruction. */
const arithmetic = (opcode: string, stem: string) => [
  row(`NP 0F ${opcode}`, `${stem}PS`, "Vps,Wps", sse),
  row(`66 0F ${opcode}`, `${stem}PD`, "Vpd,Wpd", sse2),
  row(`F3 0F ${opcode}`, `${stem}SS`, "Vss,Wss", sse),
  row(`F2 0F ${opcode}`, `${stem}SD`, "Vsd,Wsd", sse2),
];

const move = "MOVDQA";

export const sseRows = [
  // 10..17: moves
  row("NP 0F 10", "MOVUPS", "Vps,Wps", { ...sse, unaligned: true, fn: move }),
  row("66 0F 10", "MOVUPD", "Vpd,Wpd", { ...sse2, unaligned: true, fn: move }),
  row("F3 0F 10 reg", "MOVSS", "Vss,Uss", as(sse, "MOVSS_XMM")),
  row("F3 0F 10 mem", "MOVSS", "Vdq,Md", as(sse, "MOVSS_LOAD")),
  row("F2 0F 10 reg", "MOVSD", "Vsd,Usd", as(sse2, "MOVSD_XMM")),
  row("F2 0F 10 mem", "MOVSD", "Vdq,Mq", as(sse2, "MOVQ_XMM")),
  row("NP 0F 11", "MOVUPS", "Wps,Vps", { ...sse, unaligned: true, fn: move }),
  row("66 0F 11", "MOVUPD", "Wpd,Vpd", { ...sse2, unaligned: true, fn: move }),
  row("F3 0F 11", "MOVSS", "Wss,Vss", as(sse, "MOVSS_XMM")),
  row("F2 0F 11", "MOVSD", "Wsd,Vsd", as(sse2, "MOVSD_XMM")),
  row("NP 0F 12 reg", "MOVHLPS", "Vdq,Udq", sse),
  row("NP 0F 12 mem", "MOVLPS", "Vsd,Mq", as(sse, "MOVSD_XMM")),
  row("66 0F 12 mem", "MOVLPD", "Vsd,Mq", as(sse2, "MOVSD_XMM")),
  row("F2 0F 12", "MOVDDUP", "Vdq,Wq", sse3),
  row("F3 0F 12", "MOVSLDUP", "Vdq,Wdq", sse3),
  row("NP 0F 13 mem", "MOVLPS", "Mq,Vq", as(sse, "MOVQ_STORE")),
  row("66 0F 13 mem", "MOVLPD", "Mq,Vq", as(sse2, "MOVQ_STORE")),
  row("NP 0F 14", "UNPCKLPS", "Vps,Wps", as(sse, "PUNPCKLDQ")),
  row("66 0F 14", "UNPCKLPD", "Vpd,Wpd", as(sse2, "PUNPCKLQDQ")),
  row("NP 0F 15", "UNPCKHPS", "Vps,Wps", as(sse, "PUNPCKHDQ")),
  row("66 0F 15", "UNPCKHPD", "Vpd,Wpd", as(sse2, "PUNPCKHQDQ")),
  row("NP 0F 16 reg", "MOVLHPS", "Vdq,Udq", sse),
  row("NP 0F 16 mem", "MOVHPS", "Vdq,Mq", sse),
  row("66 0F 16 mem", "MOVHPD", "Vdq,Mq", as(sse2, "MOVHPS")),
  row("F3 0F 16", "MOVSHDUP", "Vdq,Wdq", sse3),
  row("NP 0F 17 mem", "MOVHPS", "Mq,Vdq", as(sse, "MOVHPS_STORE")),
  row("66 0F 17 mem", "MOVHPD", "Mq,Vdq", as(sse2, "MOVHPS_STORE")),
  // Prefixes mean nothing here; register forms and /4../7 are hint space.
  row("0F 18 /0 mem", "PREFETCHNTA", "Mb", as(sse, "PREFETCH")),
  row("0F 18 /1 mem", "PREFETCHT0", "Mb", as(sse, "PREFETCH")),
  row("0F 18 /2 mem", "PREFETCHT1", "Mb", as(sse, "PREFETCH")),
  row("0F 18 /3 mem", "PREFETCHT2", "Mb", as(sse, "PREFETCH")),

  // 28..2F: aligned moves, conversions with integers, comparisons
  row("NP 0F 28", "MOVAPS", "Vps,Wps", as(sse, move)),
  row("66 0F 28", "MOVAPD", "Vpd,Wpd", as(sse2, move)),
  row("NP 0F 29", "MOVAPS", "Wps,Vps", as(sse, move)),
  row("66 0F 29", "MOVAPD", "Wpd,Vpd", as(sse2, move)),
  row("NP 0F 2A", "CVTPI2PS", "Vdq,Qq", sse),
  row("66 0F 2A reg", "CVTPI2PD", "Vpd,Nq", sse2),
  row("66 0F 2A mem", "CVTPI2PD", "Vpd,Mq", sse2),
  row("F3 0F 2A", "CVTSI2SS", "Vss,Ey", sse),
  row("F2 0F 2A", "CVTSI2SD", "Vsd,Ey", sse2),
  row("NP 0F 2B mem", "MOVNTPS", "Mps,Vps", as(sse, move)),
  row("66 0F 2B mem", "MOVNTPD", "Mpd,Vpd", as(sse2, move)),
  row("NP 0F 2C", "CVTTPS2PI", "Pq,Wq", sse),
  row("66 0F 2C", "CVTTPD2PI", "Pq,Wpd", sse2),
  row("F3 0F 2C", "CVTTSS2SI", "Gy,Wss", sse),
  row("F2 0F 2C", "CVTTSD2SI", "Gy,Wsd", sse2),
  row("NP 0F 2D", "CVTPS2PI", "Pq,Wq", sse),
  row("66 0F 2D", "CVTPD2PI", "Pq,Wpd", sse2),
  row("F3 0F 2D", "CVTSS2SI", "Gy,Wss", sse),
  row("F2 0F 2D", "CVTSD2SI", "Gy,Wsd", sse2),
  row("NP 0F 2E", "UCOMISS", "Vss,Wss", sse),
  row("66 0F 2E", "UCOMISD", "Vsd,Wsd", sse2),
  row("NP 0F 2F", "COMISS", "Vss,Wss", sse),
  row("66 0F 2F", "COMISD", "Vsd,Wsd", sse2),

  // 50..5F: floating-point arithmetic, logic and conversion
  row("NP 0F 50 reg", "MOVMSKPS", "Gd,Ups", sse),
  row("66 0F 50 reg", "MOVMSKPD", "Gd,Upd", sse2),
  ...arithmetic("51", "SQRT"),
  row("NP 0F 52", "RSQRTPS", "Vps,Wps", sse),
  row("F3 0F 52", "RSQRTSS", "Vss,Wss", sse),
  row("NP 0F 53", "RCPPS", "Vps,Wps", sse),
  row("F3 0F 53", "RCPSS", "Vss,Wss", sse),
  row("NP 0F 54", "ANDPS", "Vps,Wps", as(sse, "PAND")),
  row("66 0F 54", "ANDPD", "Vpd,Wpd", as(sse2, "PAND")),
  row("NP 0F 55", "ANDNPS", "Vps,Wps", as(sse, "PANDN")),
  row("66 0F 55", "ANDNPD", "Vpd,Wpd", as(sse2, "PANDN")),
  row("NP 0F 56", "ORPS", "Vps,Wps", as(sse, "POR")),
  row("66 0F 56", "ORPD", "Vpd,Wpd", as(sse2, "POR")),
  row("NP 0F 57", "XORPS", "Vps,Wps", as(sse, "PXOR")),
  row("66 0F 57", "XORPD", "Vpd,Wpd", as(sse2, "PXOR")),
  ...arithmetic("58", "ADD"),
  ...arithmetic("59", "MUL"),
  row("NP 0F 5A", "CVTPS2PD", "Vpd,Wq", sse2),
  row("66 0F 5A", "CVTPD2PS", "Vps,Wpd", sse2),
  row("F3 0F 5A", "CVTSS2SD", "Vsd,Wss", sse2),
  row("F2 0F 5A", "CVTSD2SS", "Vss,Wsd", sse2),
  row("NP 0F 5B", "CVTDQ2PS", "Vps,Wdq", sse2),
  row("66 0F 5B", "CVTPS2DQ", "Vdq,Wps", sse2),
  row("F3 0F 5B", "CVTTPS2DQ", "Vdq,Wps", sse2),
  ...arithmetic("5C", "SUB"),
  ...arithmetic("5D", "MIN"),
  ...arithmetic("5E", "DIV"),
  ...arithmetic("5F", "MAX"),

  // 60..6F: unpack, pack, compare, MOVD, MOVQ
  ...unpackLow("60", "PUNPCKLBW"),
  ...unpackLow("61", "PUNPCKLWD"),
  ...unpackLow("62", "PUNPCKLDQ"),
  ...packed("63", "PACKSSWB"),
  ...packed("64", "PCMPGTB"),
  ...packed("65", "PCMPGTW"),
  ...packed("66", "PCMPGTD"),
  ...packed("67", "PACKUSWB"),
  ...packed("68", "PUNPCKHBW"),
  ...packed("69", "PUNPCKHWD"),
  ...packed("6A", "PUNPCKHDQ"),
  ...packed("6B", "PACKSSDW"),
  row("66 0F 6C", "PUNPCKLQDQ", "Vdq,Wdq", sse2),
  row("66 0F 6D", "PUNPCKHQDQ", "Vdq,Wdq", sse2),
  row("NP 0F 6E", "MOVD", "Pq,Ey", as(mmx, "MOVD_MMX")),
  row("66 0F 6E", "MOVD", "Vdq,Ey", as(sse2, "MOVD_XMM")),
  row("NP 0F 6F", "MOVQ", "Pq,Qq", as(mmx, "MOVQ_MMX")),
  row("66 0F 6F", "MOVDQA", "Vdq,Wdq", sse2),
  row("F3 0F 6F", "MOVDQU", "Vdq,Wdq", { ...sse2, unaligned: true, fn: move }),

  // 70..7F: shuffle, shift by immediate, compare, MOVD, MOVQ
  row("NP 0F 70", "PSHUFW", "Pq,Qq,Ib", as(sse, "PSHUFW_MMX")),
  row("66 0F 70", "PSHUFD", "Vdq,Wdq,Ib", sse2),
  row("F3 0F 70", "PSHUFHW", "Vdq,Wdq,Ib", sse2),
  row("F2 0F 70", "PSHUFLW", "Vdq,Wdq,Ib", sse2),
  ...shiftImmediate("71", 2, "PSRLW"),
  ...shiftImmediate("71", 4, "PSRAW"),
  ...shiftImmediate("71", 6, "PSLLW"),
  ...shiftImmediate("72", 2, "PSRLD"),
  ...shiftImmediate("72", 4, "PSRAD"),
  ...shiftImmediate("72", 6, "PSLLD"),
  ...shiftImmediate("73", 2, "PSRLQ"),
  row("66 0F 73 /3 reg", "PSRLDQ", "Udq,Ib", sse2),
  ...shiftImmediate("73", 6, "PSLLQ"),
  row("66 0F 73 /7 reg", "PSLLDQ", "Udq,Ib", sse2),
  ...packed("74", "PCMPEQB"),
  ...packed("75", "PCMPEQW"),
  ...packed("76", "PCMPEQD"),
  row("NP 0F 77", "EMMS", "", mmx),
  row("NP 0F 7E", "MOVD", "Ey,Pq", as(mmx, "MOVD_MMX_STORE")),
  row("66 0F 7E", "MOVD", "Ey,Vdq", as(sse2, "MOVD_STORE")),
  row("F3 0F 7E", "MOVQ", "Vdq,Wq", as(sse2, "MOVQ_XMM")),
  row("NP 0F 7F", "MOVQ", "Qq,Pq", as(mmx, "MOVQ_MMX")),
  row("66 0F 7F", "MOVDQA", "Wdq,Vdq", sse2),
  row("F3 0F 7F", "MOVDQU", "Wdq,Vdq", { ...sse2, unaligned: true, fn: move }),

  // AE: MXCSR, fences, CLFLUSH. ModRM.r/m of the fences is ignored, as on the chip.
  row("NP 0F AE /2 mem", "LDMXCSR", "Md", sse),
  row("NP 0F AE /3 mem", "STMXCSR", "Md", sse),
  row("NP 0F AE /5 reg", "LFENCE", "", sse2),
  row("NP 0F AE /6 reg", "MFENCE", "", sse2),
  row("NP 0F AE /7 reg", "SFENCE", "", sse),
  row("NP 0F AE /7 mem", "CLFLUSH", "Mb", { cpuid: "CLFSH" }),

  // C2..C6
  row("NP 0F C2", "CMPPS", "Vps,Wps,Ib", sse),
  row("66 0F C2", "CMPPD", "Vpd,Wpd,Ib", sse2),
  row("F3 0F C2", "CMPSS", "Vss,Wss,Ib", sse),
  row("F2 0F C2", "CMPSD", "Vsd,Wsd,Ib", as(sse2, "CMPSD_XMM")),
  row("NP 0F C3 mem", "MOVNTI", "My,Gy", sse2),
  row("NP 0F C4", "PINSRW", "Pq,Ew,Ib", as(sse, "PINSRW_MMX")),
  row("66 0F C4", "PINSRW", "Vdq,Ew,Ib", sse2),
  row("NP 0F C5 reg", "PEXTRW", "Gd,Nq,Ib", as(sse, "PEXTRW_MMX")),
  row("66 0F C5 reg", "PEXTRW", "Gd,Udq,Ib", sse2),
  row("NP 0F C6", "SHUFPS", "Vps,Wps,Ib", sse),
  row("66 0F C6", "SHUFPD", "Vpd,Wpd,Ib", sse2),

  // D0..DF
  ...packed("D1", "PSRLW"),
  ...packed("D2", "PSRLD"),
  ...packed("D3", "PSRLQ"),
  ...packed("D4", "PADDQ", sse2),
  ...packed("D5", "PMULLW"),
  row("66 0F D6 reg", "MOVQ", "Udq,Vq", as(sse2, "MOVQ_XMM")),
  row("66 0F D6 mem", "MOVQ", "Mq,Vq", as(sse2, "MOVQ_STORE")),
  row("F3 0F D6 reg", "MOVQ2DQ", "Vdq,Nq", sse2),
  row("F2 0F D6 reg", "MOVDQ2Q", "Pq,Uq", sse2),
  row("NP 0F D7 reg", "PMOVMSKB", "Gd,Nq", as(sse, "PMOVMSKB_MMX")),
  row("66 0F D7 reg", "PMOVMSKB", "Gd,Udq", sse2),
  ...packed("D8", "PSUBUSB"),
  ...packed("D9", "PSUBUSW"),
  ...packed("DA", "PMINUB", sse),
  ...packed("DB", "PAND"),
  ...packed("DC", "PADDUSB"),
  ...packed("DD", "PADDUSW"),
  ...packed("DE", "PMAXUB", sse),
  ...packed("DF", "PANDN"),

  // E0..EF
  ...packed("E0", "PAVGB", sse),
  ...packed("E1", "PSRAW"),
  ...packed("E2", "PSRAD"),
  ...packed("E3", "PAVGW", sse),
  ...packed("E4", "PMULHUW", sse),
  ...packed("E5", "PMULHW"),
  row("66 0F E6", "CVTTPD2DQ", "Vdq,Wpd", sse2),
  row("F3 0F E6", "CVTDQ2PD", "Vpd,Wq", sse2),
  row("F2 0F E6", "CVTPD2DQ", "Vdq,Wpd", sse2),
  row("NP 0F E7 mem", "MOVNTQ", "Mq,Pq", as(sse, "MOVQ_MMX")),
  row("66 0F E7 mem", "MOVNTDQ", "Mdq,Vdq", as(sse2, move)),
  ...packed("E8", "PSUBSB"),
  ...packed("E9", "PSUBSW"),
  ...packed("EA", "PMINSW", sse),
  ...packed("EB", "POR"),
  ...packed("EC", "PADDSB"),
  ...packed("ED", "PADDSW"),
  ...packed("EE", "PMAXSW", sse),
  ...packed("EF", "PXOR"),

  // F0..FE
  row("F2 0F F0 mem", "LDDQU", "Vdq,Mdq", { ...sse3, unaligned: true, fn: move }),
  ...packed("F1", "PSLLW"),
  ...packed("F2", "PSLLD"),
  ...packed("F3", "PSLLQ"),
  ...packed("F4", "PMULUDQ", sse2),
  ...packed("F5", "PMADDWD"),
  ...packed("F6", "PSADBW", sse),
  row("NP 0F F7 reg", "MASKMOVQ", "Pq,Nq,DI", sse),
  row("66 0F F7 reg", "MASKMOVDQU", "Vdq,Udq,DI", sse2),
  ...packed("F8", "PSUBB"),
  ...packed("F9", "PSUBW"),
  ...packed("FA", "PSUBD"),
  ...packed("FB", "PSUBQ", sse2),
  ...packed("FC", "PADDB"),
  ...packed("FD", "PADDW"),
  ...packed("FE", "PADDD"),
];
