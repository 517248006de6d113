// System instructions, segment loads, interrupts, far transfers, flags, strings, ports, and the one-byte instructions that exist
// only outside 64-bit mode: SDM Vol. 2D appendix A, tables.
//
// Departures: instructions whose privilege check does not come first (SYSRET, SYSEXIT, CLAC, STAC, VMCALL, XSETBV) have no `cpl` here and
// check it themselves; so do MOV CRn and DRn, where #UD for a register that does not exist comes first. VMX, SMX and RSM are
// not offered and have no rows: #UD.

import { row, type Row, type RowAttributes } from "./row";

const SEGMENT_PUSHES: Row[] = [
  row("06", "PUSH", "", { fn: "PUSH_ES", mode: "32" }),
  row("07", "POP", "", { fn: "POP_ES", mode: "32" }),
  row("0E", "PUSH", "", { fn: "PUSH_CS", mode: "32" }),
  row("16", "PUSH", "", { fn: "PUSH_SS", mode: "32" }),
  row("17", "POP", "", { fn: "POP_SS", mode: "32" }),
  row("1E", "PUSH", "", { fn: "PUSH_DS", mode: "32" }),
  row("1F", "POP", "", { fn: "POP_DS", mode: "32" }),
  row("0F A0", "PUSH", "", { fn: "PUSH_FS", size64: true }),
  row("0F A1", "POP", "", { fn: "POP_FS", size64: true }),
  row("0F A8", "PUSH", "", { fn: "PUSH_GS", size64: true }),
  row("0F A9", "POP", "", { fn: "POP_GS", size64: true }),
];

const SEGMENT_LOADS: Row[] = [
  row("8C", "MOV", "Ev,Sw", { fn: "MOV_FROM_SEG" }),
  row("8E", "MOV", "Sw,Ew", { fn: "MOV_TO_SEG" }),
  row("C4", "LES", "Gv,Mp", { mode: "32" }),
  row("C5", "LDS", "Gv,Mp", { mode: "32" }),
  row("0F B2", "LSS", "Gv,Mp"),
  row("0F B4", "LFS", "Gv,Mp"),
  row("0F B5", "LGS", "Gv,Mp"),
  row("0F 00 /0", "SLDT", "Ev"),
  row("0F 00 /1", "STR", "Ev"),
  row("0F 00 /2", "LLDT", "Ew", { cpl: 0 }),
  row("0F 00 /3", "LTR", "Ew", { cpl: 0 }),
  row("0F 00 /4", "VERR", "Ew"),
  row("0F 00 /5", "VERW", "Ew"),
  row("0F 02", "LAR", "Gv,Ew"),
  row("0F 03", "LSL", "Gv,Ew"),
  row("63", "ARPL", "Ew,Gw", { mode: "32" }),
];

const CROSSINGS: Row[] = [
  row("0F 05", "SYSCALL", "", { cpuid: "SYSCALL" }),
  row("0F 07", "SYSRET", "", { cpuid: "SYSCALL", note: "SYSRETL without REX.W" }),
  row("0F 34", "SYSENTER", "", { cpuid: "SEP" }),
  row("0F 35", "SYSEXIT", "", { cpuid: "SEP" }),
  row("0F 01 F8", "SWAPGS", "", { mode: "64", cpl: 0 }),
  row("F3 0F AE /0 reg", "RDFSBASE", "Ry", { mode: "64", cpuid: "FSGSBASE" }),
  row("F3 0F AE /1 reg", "RDGSBASE", "Ry", { mode: "64", cpuid: "FSGSBASE" }),
  row("F3 0F AE /2 reg", "WRFSBASE", "Ry", { mode: "64", cpuid: "FSGSBASE" }),
  row("F3 0F AE /3 reg", "WRGSBASE", "Ry", { mode: "64", cpuid: "FSGSBASE" }),
  row("0F 01 C1", "VMCALL", "", { note: "the hypercall at CPL 0, else #UD" }),
  row("CC", "INT3"),
  row("CD", "INT", "Ib"),
  row("CE", "INTO", "", { mode: "32" }),
  row("F1", "INT1"),
  row("CF", "IRET", "", { note: "IRETD, IRETQ by operand size" }),
  row("62", "BOUND", "Gv,Ma", { mode: "32" }),
  row("0F 0B", "UD2"),
  row("0F B9", "UD1", "Gv,Ev", { vendor: "intel" }),
  row("0F FF", "UD0", "Gv,Ev", { vendor: "intel" }),
  row("0F B9", "UD1", "", { vendor: "amd", note: "#UD before a ModRM byte is fetched" }),
  row("0F FF", "UD0", "", { vendor: "amd", note: "#UD before a ModRM byte is fetched" }),
  row("FF /3 mem", "CALL", "Mp", { fn: "CALL_FAR" }),
  row("FF /5 mem", "JMP", "Mp", { fn: "JMP_FAR" }),
  row("9A", "CALL", "Ap", { fn: "CALL_PTR", mode: "32" }),
  row("EA", "JMP", "Ap", { fn: "JMP_PTR", mode: "32" }),
  row("CA", "RET", "Iw", { fn: "RETF_IMM" }),
  row("CB", "RET", "", { fn: "RETF" }),
];

/** ModRM.mod is ignored: the r/m operand is a register whatever it says (SDM Vol. 2B, MOV - Move to/from Control Registers). */
const whateverMod = (opcode: string, operands: string, attributes: RowAttributes): Row[] =>
  ["", " mem"].map((mod) => row(opcode + mod, "MOV", operands, attributes));

const CONTROL_REGISTERS: Row[] = [
  ...whateverMod("0F 20", "Rd,Cd", { fn: "MOV_FROM_CR" }),
  ...whateverMod("0F 22", "Cd,Rd", { fn: "MOV_TO_CR" }),
  ...whateverMod("0F 21", "Rd,Dd", { fn: "MOV_FROM_DR" }),
  ...whateverMod("0F 23", "Dd,Rd", { fn: "MOV_TO_DR" }),
];

const STATE: Row[] = [
  row("0F 06", "CLTS", "", { cpl: 0 }),
  row("0F 01 /4", "SMSW", "Ev"),
  row("0F 01 /6", "LMSW", "Ew", { cpl: 0 }),
  row("NP 0F 01 D0", "XGETBV", "", { cpuid: "XSAVE" }),
  row("NP 0F 01 D1", "XSETBV", "", { cpuid: "XSAVE" }),
  row("0F 01 /0 mem", "SGDT", "M"),
  row("0F 01 /1 mem", "SIDT", "M"),
  row("0F 01 /2 mem", "LGDT", "M", { cpl: 0 }),
  row("0F 01 /3 mem", "LIDT", "M", { cpl: 0 }),
  row("0F 01 /7 mem", "INVLPG", "M", { cpl: 0 }),
  row("66 0F 38 82 mem", "INVPCID", "Gy,Mdq", { cpuid: "INVPCID", cpl: 0 }),
  row("0F 08", "INVD", "", { cpl: 0 }),
  row("0F 09", "WBINVD", "", { cpl: 0 }),
  row("F4", "HLT", "", { cpl: 0 }),
  row("0F 30", "WRMSR", "", { cpuid: "MSR", cpl: 0 }),
  row("0F 32", "RDMSR", "", { cpuid: "MSR", cpl: 0 }),
  row("0F 31", "RDTSC", "", { cpuid: "TSC" }),
  row("0F 33", "RDPMC"),
  row("0F 01 F9", "RDTSCP", "", { cpuid: "RDTSCP" }),
  row("0F A2", "CPUID"),
  row("F3 0F C7 /7 reg", "RDPID", "Ry", { cpuid: "RDPID" }),
  row("NP 0F C7 /6 reg", "RDRAND", "Rv", { cpuid: "RDRAND" }),
  row("66 0F C7 /6 reg", "RDRAND", "Rv", { cpuid: "RDRAND" }),
  row("NP 0F C7 /7 reg", "RDSEED", "Rv", { cpuid: "RDSEED" }),
  row("66 0F C7 /7 reg", "RDSEED", "Rv", { cpuid: "RDSEED" }),
  row("NP 0F 01 E8", "SERIALIZE", "", { cpuid: "SERIALIZE", fn: "NOP" }),
];

const FLAGS: Row[] = [
  row("F5", "CMC"),
  row("F8", "CLC"),
  row("F9", "STC"),
  row("FA", "CLI"),
  row("FB", "STI"),
  row("FC", "CLD"),
  row("FD", "STD"),
  row("0F 01 CA", "CLAC", "", { cpuid: "SMAP" }),
  row("0F 01 CB", "STAC", "", { cpuid: "SMAP" }),
  row("9C", "PUSHF", "", { size64: true }),
  row("9D", "POPF", "", { size64: true }),
  row("9E", "SAHF", "", { mode: "32" }),
  row("9E", "SAHF", "", { mode: "64", cpuid: "LAHF" }),
  row("9F", "LAHF", "", { mode: "32" }),
  row("9F", "LAHF", "", { mode: "64", cpuid: "LAHF" }),
];

const STRINGS: Row[] = [
  row("A4", "MOVS", "Yb,Xb"),
  row("A5", "MOVS", "Yv,Xv"),
  row("A6", "CMPS", "Xb,Yb"),
  row("A7", "CMPS", "Xv,Yv"),
  row("AA", "STOS", "Yb,AL"),
  row("AB", "STOS", "Yv,rAX"),
  row("AC", "LODS", "AL,Xb"),
  row("AD", "LODS", "rAX,Xv"),
  row("AE", "SCAS", "AL,Yb"),
  row("AF", "SCAS", "rAX,Yv"),
  row("6C", "INS", "Yb,DX"),
  row("6D", "INS", "Yz,DX"),
  row("6E", "OUTS", "DX,Xb"),
  row("6F", "OUTS", "DX,Xz"),
];

const PORTS: Row[] = [
  row("E4", "IN", "AL,Ib", { fn: "IN_IMM" }),
  row("E5", "IN", "eAX,Ib", { fn: "IN_IMM" }),
  row("E6", "OUT", "Ib,AL", { fn: "OUT_IMM" }),
  row("E7", "OUT", "Ib,eAX", { fn: "OUT_IMM" }),
  row("EC", "IN", "AL,DX", { fn: "IN_DX" }),
  row("ED", "IN", "eAX,DX", { fn: "IN_DX" }),
  row("EE", "OUT", "DX,AL", { fn: "OUT_DX" }),
  row("EF", "OUT", "DX,eAX", { fn: "OUT_DX" }),
];

const OUTSIDE_64_BIT_MODE: Row[] = [
  row("27", "DAA", "", { mode: "32", undefinedFlags: "OF" }),
  row("2F", "DAS", "", { mode: "32", undefinedFlags: "OF" }),
  row("37", "AAA", "", { mode: "32", undefinedFlags: "OF SF ZF PF" }),
  row("3F", "AAS", "", { mode: "32", undefinedFlags: "OF SF ZF PF" }),
  row("60", "PUSHA", "", { mode: "32" }),
  row("61", "POPA", "", { mode: "32" }),
  row("D4", "AAM", "Ib", { mode: "32", undefinedFlags: "OF AF CF" }),
  row("D5", "AAD", "Ib", { mode: "32", undefinedFlags: "OF AF CF" }),
  row("D6", "SALC", "", { mode: "32", note: "not in the SDM" }),
];

export const systemRows: Row[] = [
  ...SEGMENT_PUSHES, ...SEGMENT_LOADS, ...CROSSINGS, ...CONTROL_REGISTERS, ...STATE, ...FLAGS, ...STRINGS, ...PORTS, ...OUTSIDE_64_BIT_MODE,
];
