// Integer instructions of the one-byte map and of 0F, 0F 38: SDM Vol. 2D appendix A, tables.

import { row, type Row } from "./row";

const ALU = ["ADD", "OR", "ADC", "SBB", "AND", "SUB", "XOR", "CMP"];
const SHIFTS = ["ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SHL", "SAR"];
const CONDITIONS = ["O", "NO", "B", "NB", "Z", "NZ", "BE", "NBE", "S", "NS", "P", "NP", "L", "NL", "LE", "NLE"];
const LOGIC_UNDEFINED = "AF";
const hex = (n: number) => n.toString(16).toUpperCase().padStart(2, "0");

const undefinedOf = (m: string) => (m === "OR" || m === "AND" || m === "XOR" ? { undefinedFlags: LOGIC_UNDEFINED } : {});

const alu: Row[] = ALU.flatMap((m, i) => {
  const lock = m !== "CMP";
  const a = undefinedOf(m);
  return [
    row(hex(i * 8), m, "Eb,Gb", { lock, ...a }),
    row(hex(i * 8 + 1), m, "Ev,Gv", { lock, ...a }),
    row(hex(i * 8 + 2), m, "Gb,Eb", a),
    row(hex(i * 8 + 3), m, "Gv,Ev", a),
    row(hex(i * 8 + 4), m, "AL,Ib", a),
    row(hex(i * 8 + 5), m, "rAX,Iz", a),
    row(`80 /${i}`, m, "Eb,Ib", { lock, ...a }),
    row(`81 /${i}`, m, "Ev,Iz", { lock, ...a }),
    row(`82 /${i}`, m, "Eb,Ib", { lock, mode: "32", ...a }),
    row(`83 /${i}`, m, "Ev,Ibs", { lock, ...a }),
  ];
});

const shifts: Row[] = SHIFTS.flatMap((m, i) => {
  // For rotates by more than 1 only OF is undefined; for shifts AF always is, CF when the count exceeds the operand.
  const one = { undefinedFlags: m.startsWith("R") ? "" : "AF" };
  const more = { undefinedFlags: m.startsWith("R") ? "OF" : "OF AF CF" };
  return [
    row(`C0 /${i}`, m, "Eb,Ib", more),
    row(`C1 /${i}`, m, "Ev,Ib", more),
    row(`D0 /${i}`, m, "Eb,1", one),
    row(`D1 /${i}`, m, "Ev,1", one),
    row(`D2 /${i}`, m, "Eb,CL", more),
    row(`D3 /${i}`, m, "Ev,CL", more),
  ];
});

const conditional: Row[] = CONDITIONS.flatMap((c, i) => [
  row(hex(0x70 + i), `J${c}`, "Jb", { fn: "JCC", force64: true }),
  row(`0F ${hex(0x80 + i)}`, `J${c}`, "Jz", { fn: "JCC", force64: true }),
  row(`0F ${hex(0x90 + i)}`, `SET${c}`, "Eb", { fn: "SETCC" }),
  row(`0F ${hex(0x40 + i)}`, `CMOV${c}`, "Gv,Ev", { fn: "CMOVCC", cpuid: "CMOV" }),
]);

export const integerRows: Row[] = [
  ...alu,
  ...shifts,
  ...conditional,

  // In 64-bit mode 40-4F are REX prefixes and 06.. to 3F's segment pushes do not exist.
  row("40+r", "INC", "Zv", { mode: "32" }),
  row("48+r", "DEC", "Zv", { mode: "32" }),
  row("FE /0", "INC", "Eb", { lock: true }),
  row("FE /1", "DEC", "Eb", { lock: true }),
  row("FF /0", "INC", "Ev", { lock: true }),
  row("FF /1", "DEC", "Ev", { lock: true }),

  row("F6 /0", "TEST", "Eb,Ib", { undefinedFlags: "AF" }),
  row("F6 /1", "TEST", "Eb,Ib", { undefinedFlags: "AF", note: "alias, as on the chips" }),
  row("F7 /0", "TEST", "Ev,Iz", { undefinedFlags: "AF" }),
  row("F7 /1", "TEST", "Ev,Iz", { undefinedFlags: "AF", note: "alias, as on the chips" }),
  row("84", "TEST", "Eb,Gb", { undefinedFlags: "AF" }),
  row("85", "TEST", "Ev,Gv", { undefinedFlags: "AF" }),
  row("A8", "TEST", "AL,Ib", { undefinedFlags: "AF" }),
  row("A9", "TEST", "rAX,Iz", { undefinedFlags: "AF" }),
  row("F6 /2", "NOT", "Eb", { lock: true }),
  row("F7 /2", "NOT", "Ev", { lock: true }),
  row("F6 /3", "NEG", "Eb", { lock: true }),
  row("F7 /3", "NEG", "Ev", { lock: true }),
  row("F6 /4", "MUL", "Eb", { undefinedFlags: "SF ZF AF PF" }),
  row("F7 /4", "MUL", "Ev", { undefinedFlags: "SF ZF AF PF" }),
  row("F6 /5", "IMUL", "Eb", { fn: "IMUL1", undefinedFlags: "SF ZF AF PF" }),
  row("F7 /5", "IMUL", "Ev", { fn: "IMUL1", undefinedFlags: "SF ZF AF PF" }),
  row("F6 /6", "DIV", "Eb", { undefinedFlags: "CF OF SF ZF AF PF" }),
  row("F7 /6", "DIV", "Ev", { undefinedFlags: "CF OF SF ZF AF PF" }),
  row("F6 /7", "IDIV", "Eb", { undefinedFlags: "CF OF SF ZF AF PF" }),
  row("F7 /7", "IDIV", "Ev", { undefinedFlags: "CF OF SF ZF AF PF" }),
  row("0F AF", "IMUL", "Gv,Ev", { undefinedFlags: "SF ZF AF PF" }),
  row("69", "IMUL", "Gv,Ev,Iz", { fn: "IMUL3", undefinedFlags: "SF ZF AF PF" }),
  row("6B", "IMUL", "Gv,Ev,Ibs", { fn: "IMUL3", undefinedFlags: "SF ZF AF PF" }),

  row("88", "MOV", "Eb,Gb"),
  row("89", "MOV", "Ev,Gv"),
  row("8A", "MOV", "Gb,Eb"),
  row("8B", "MOV", "Gv,Ev"),
  row("A0", "MOV", "AL,Ob"),
  row("A1", "MOV", "rAX,Ov"),
  row("A2", "MOV", "Ob,AL"),
  row("A3", "MOV", "Ov,rAX"),
  row("B0+r", "MOV", "Zb,Ib"),
  row("B8+r", "MOV", "Zv,Iv"),
  row("C6 /0", "MOV", "Eb,Ib"),
  row("C7 /0", "MOV", "Ev,Iz"),
  row("0F B6", "MOVZX", "Gv,Eb", { fn: "MOVZX8" }),
  row("0F B7", "MOVZX", "Gv,Ew", { fn: "MOVZX16" }),
  row("0F BE", "MOVSX", "Gv,Eb", { fn: "MOVSX8" }),
  row("0F BF", "MOVSX", "Gv,Ew", { fn: "MOVSX16" }),
  row("63", "MOVSXD", "Gv,Ez", { mode: "64", vendor: "intel" }),
  row("63", "MOVSXD", "Gv,Ed", { mode: "64", vendor: "amd", note: "32 bits are read also when 66 makes it a move of 16" }),
  row("8D", "LEA", "Gv,M"),
  row("86", "XCHG", "Eb,Gb", { lock: true }),
  row("87", "XCHG", "Ev,Gv", { lock: true }),
  row("90+r", "XCHG", "Zv,rAX", { note: "90 without REX.B is NOP" }),
  row("98", "CBW", "", { size64: false, note: "CWDE, CDQE by operand size" }),
  row("99", "CWD", "", { note: "CDQ, CQO by operand size" }),
  row("D7", "XLAT", "BX"),
  row("0F C0", "XADD", "Eb,Gb", { lock: true }),
  row("0F C1", "XADD", "Ev,Gv", { lock: true }),
  row("0F B0", "CMPXCHG", "Eb,Gb", { lock: true }),
  row("0F B1", "CMPXCHG", "Ev,Gv", { lock: true }),
  row("W0 0F C7 /1 mem", "CMPXCHG8B", "My", { lock: true, cpuid: "CX8" }),
  row("REX.W 0F C7 /1 mem", "CMPXCHG16B", "My", { lock: true, cpuid: "CX16", fn: "CMPXCHG8B" }),
  row("0F C8+r", "BSWAP", "Zv"),
  ...["NP", "66"].flatMap((prefix) => [
    row(`${prefix} 0F 38 F0 mem`, "MOVBE", "Gv,Mv", { cpuid: "MOVBE" }),
    row(`${prefix} 0F 38 F1 mem`, "MOVBE", "Mv,Gv", { cpuid: "MOVBE" }),
  ]),

  row("50+r", "PUSH", "Zv", { size64: true }),
  row("58+r", "POP", "Zv", { size64: true }),
  row("68", "PUSH", "Iz", { size64: true }),
  row("6A", "PUSH", "Ibs", { size64: true }),
  row("FF /6", "PUSH", "Ev", { size64: true }),
  row("8F /0", "POP", "Ev", { size64: true }),

  row("0F A4", "SHLD", "Ev,Gv,Ib", { undefinedFlags: "AF OF CF" }),
  row("0F A5", "SHLD", "Ev,Gv,CL", { undefinedFlags: "AF OF CF" }),
  row("0F AC", "SHRD", "Ev,Gv,Ib", { undefinedFlags: "AF OF CF" }),
  row("0F AD", "SHRD", "Ev,Gv,CL", { undefinedFlags: "AF OF CF" }),
  row("0F A3", "BT", "Ev,Gv", { undefinedFlags: "OF SF AF PF" }),
  row("0F AB", "BTS", "Ev,Gv", { lock: true, undefinedFlags: "OF SF AF PF" }),
  row("0F B3", "BTR", "Ev,Gv", { lock: true, undefinedFlags: "OF SF AF PF" }),
  row("0F BB", "BTC", "Ev,Gv", { lock: true, undefinedFlags: "OF SF AF PF" }),
  row("0F BA /4", "BT", "Ev,Ib", { fn: "BT_IMM", undefinedFlags: "OF SF AF PF" }),
  row("0F BA /5", "BTS", "Ev,Ib", { fn: "BTS_IMM", lock: true, undefinedFlags: "OF SF AF PF" }),
  row("0F BA /6", "BTR", "Ev,Ib", { fn: "BTR_IMM", lock: true, undefinedFlags: "OF SF AF PF" }),
  row("0F BA /7", "BTC", "Ev,Ib", { fn: "BTC_IMM", lock: true, undefinedFlags: "OF SF AF PF" }),
  row("0F BC", "BSF", "Gv,Ev", { undefinedFlags: "CF OF SF AF PF" }),
  row("0F BD", "BSR", "Gv,Ev", { undefinedFlags: "CF OF SF AF PF" }),
  // The undefined flags: a Zen 5 keeps OF and clears the others.
  row("F3 0F BC", "TZCNT", "Gv,Ev", { cpuid: "BMI1", older: "BSF", undefinedFlags: "OF SF AF PF" }),
  row("F3 0F BD", "LZCNT", "Gv,Ev", { cpuid: "LZCNT", older: "BSR", undefinedFlags: "OF SF AF PF" }),
  row("F3 0F B8", "POPCNT", "Gv,Ev", { cpuid: "POPCNT" }),

  row("E9", "JMP", "Jz", { fn: "JMP_REL", force64: true }),
  row("EB", "JMP", "Jb", { fn: "JMP_REL", force64: true }),
  row("FF /4", "JMP", "Ev", { force64: true }),
  row("E8", "CALL", "Jz", { fn: "CALL_REL", force64: true }),
  row("FF /2", "CALL", "Ev", { force64: true }),
  row("C3", "RET", "", { force64: true }),
  row("C2", "RET", "Iw", { fn: "RET_IMM", force64: true }),
  row("E0", "LOOPNE", "Jb", { force64: true }),
  row("E1", "LOOPE", "Jb", { force64: true }),
  row("E2", "LOOP", "Jb", { force64: true }),
  row("E3", "JRCXZ", "Jb", { force64: true }),
  row("C8", "ENTER", "Iw,Ib", { size64: true }),
  row("C9", "LEAVE", "", { size64: true }),

  row("F3 90", "PAUSE", "", { fn: "NOP" }),
  row("0F 0D mem", "PREFETCHW", "M", { fn: "NOP", note: "any PREFETCH of 3DNow!, which is not asked for: without it the encoding is hint space" }),
  row("0F 0D reg", "NOP", "Ev", { vendor: "intel", note: "hint space; #UD on AMD's chips" }),
  ...["18", "19", "1A", "1B", "1C", "1D", "1E", "1F"].map((b) => row(`0F ${b}`, "NOP", "Ev", { note: "hint space, ENDBR64 and PREFETCHh among them" })),
];
