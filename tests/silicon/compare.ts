// Holds what the chip left behind against what our machine did, by rule, and words the differences.

import { type Case, DATA_BASE, FX_FCW, FX_FDP, FX_FIP, FX_FOP, FX_FSW, FX_FTW, FX_MXCSR, FX_ST, FX_XMM, type Result } from "./case-format";
import { FLAGS_ARITHMETIC } from "../../kernel/abi/bits";
import type { Vendor } from "../../host/machine/cpu-models";
import { type Instance, startableStack } from "./generate";
import { SYSCALL_STUB } from "./machine-runner";
import { destinationUndefined, undefinedFlags } from "./undefined-flags";

export interface Difference {
  what: string;
  chip: string;
  ours: string;
}

export const registerNames = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

const flagNames: [string, bigint][] = [["CF", 1n], ["PF", 4n], ["AF", 0x10n], ["ZF", 0x40n], ["SF", 0x80n], ["TF", 0x100n], ["IF", 0x200n], ["DF", 0x400n],
  ["OF", 0x800n], ["IOPL", 0x3000n], ["NT", 0x4000n], ["RF", 0x10000n], ["AC", 0x40000n], ["ID", 0x200000n]];

const vectorNames: Record<number, string> = { 0: "#DE", 1: "#DB", 3: "done (#BP)", 4: "#OF", 5: "#BR", 6: "#UD", 7: "#NM", 12: "#SS", 13: "#GP", 14: "#PF", 16: "#MF",
  17: "#AC", 19: "#XM" };

const hex = (value: bigint | number) => value.toString(16);
const flagsText = (flags: bigint) => flagNames.filter(([, bit]) => flags & bit).map(([name]) => name).join(" ") || "none";

const approximations = new Set(["RCPPS", "RCPSS", "RSQRTPS", "RSQRTSS"]);
const transcendentals = new Set(["F2XM1", "FYL2X", "FYL2XP1", "FPTAN", "FPATAN", "FSIN", "FCOS", "FSINCOS"]);

/** RCP and RSQRT promise a relative error below 1.5 * 2^-12 (SDM Vol. 1 10.4.1.1); both sides may use it up. */
function approximatelyEqual(a: number, b: number): boolean {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setUint32(0, a);
  bytes.setUint32(4, b);
  const [x, y] = [bytes.getFloat32(0), bytes.getFloat32(4)];
  return Number.isFinite(x) && Number.isFinite(y) && Math.abs(x - y) <= Math.abs(x) * 3 * 2 ** -12;
}

/** Whether two 80-bit numbers of one sign follow each other; numbered from 0 on up, the denormals first. */
function areNeighbours(xe: number, xs: bigint, ye: number, ys: bigint): boolean {
  const place = (se: number, significand: bigint) => (BigInt(Math.max(se & 0x7fff, 1) - 1) << 63n) + significand;
  const distance = place(xe, xs) - place(ye, ys);
  return ((xe ^ ye) & 0x8000) === 0 && (distance === 1n || distance === -1n);
}

/** AMD's IRETQ to an outer level and an RSP that is not canonical is #GP(0) (seen under a hypervisor only): the chip's Linux cannot even start such a case. */
export function canStart(c: Case, vendor: Vendor): boolean {
  return vendor !== "amd" || c.gpr[4] === startableStack(c.gpr[4]);
}

/** Just below the least normal number, scaled by 2^24576 since underflow is unmasked, and that number itself. */
function meetAtUnderflow(xe: number, xs: bigint, ye: number, ys: bigint): boolean {
  return ((xe ^ ye) & 0x8000) === 0 && (xe & 0x7fff) === 0x6000 && xs === 0xffffffffffffffffn && (ye & 0x7fff) === 1 && ys === 1n << 63n;
}

/** Registers whose low half is the computer's: RAX, RCX, RDX, RBX by number. */
const computersRegisters: Record<string, number[]> = { RDTSC: [0, 2], RDTSCP: [0, 1, 2], CPUID: [0, 1, 2, 3], XGETBV: [0, 2] };
/** What these write is the computer's; where, and how many bytes, is not. */
const computersOperand = new Set(["RDRAND", "RDSEED", "RDPID", "SMSW", "SLDT", "STR", "SGDT", "SIDT"]);

/** Bits of a register that two computers may differ in after the instruction. */
function computersBits(instance: Instance, register: number): bigint {
  const { mnemonic } = instance.row;
  if (computersRegisters[mnemonic]?.includes(register)) return 0xffffffffn;
  if (!computersOperand.has(mnemonic) || instance.destination !== register) return 0n;
  return instance.operandSize === 8 ? 0xffffffffffffffffn : instance.operandSize === 2 ? 0xffffn : 0xffffffffn;
}

/** What Linux makes SIGSEGV with SI_KERNEL of: #OF, #BR, #TS, #NP, #SS, #GP. */
const generalFaults = new Set([4, 5, 10, 11, 12, 13]);

/**
 * What an emulator of user mode does not tell: error codes, RF in the frame, which of the faults that are one signal; and INT1, which
 * is SIGTRAP as INT3 is.
 */
function asSoftwareTells(ours: Result, software: Result): Result {
  const sameSignal = generalFaults.has(ours.vector) && software.vector === 13;
  const vector = sameSignal ? 13 : ours.vector === 1 && software.vector === 3 ? 3 : ours.vector;
  return { ...ours, vector, error: software.error, rflags: (ours.rflags & ~0x10000n) | (software.rflags & 0x10000n) };
}

/** @param vendor of the chip; @param software whether the reference is an emulator */
export function compare(instance: Instance, chip: Result, ours: Result, vendor: Vendor, software = false): Difference[] {
  if (software) ours = asSoftwareTells(ours, chip);
  const found: Difference[] = [];
  const differ = (what: string, a: string, b: string) => found.push({ what, chip: a, ours: b });
  const name = (r: Result) => `${vectorNames[r.vector] ?? `vector ${r.vector}`}`;
  const { mnemonic } = instance.row;
  // A system call of the chip's Linux ends as SIGSYS with the registers of its entry, RAX apart; ours at the stub that LSTAR leads to.
  const entered = mnemonic === "SYSCALL" && chip.signal === 31 && ours.vector === SYSCALL_STUB;
  if (chip.signal === 14 || (chip.signal === 31 && !entered)) return found; // a loop without end, a system call of the chip's Linux

  if (!canStart(instance.case, vendor)) return found;
  // Where the base of FS or GS is added to an offset that is not canonical, a Zen is #GP even if the sum is canonical; the manuals have
  // only the sum checked (APM Vol. 2 4.5.3, SDM Vol. 1 3.3.7.1).
  // Components beyond x87 and SSE are the computer's.
  const { gpr } = instance.case;
  if (/^XSAVE|^XRSTOR/.test(mnemonic) && (gpr[0] & 0xfffffffcn || gpr[2] & 0xffffffffn)) return found;
  // Reads and checks of a far return or IRET have no order in the manuals: a Zen reads from the top, also what only a return to an outer level needs.
  if (vendor === "amd" && (/RETF/.test(instance.row.fn ?? "") || mnemonic === "IRET") && (chip.vector === 17 || (chip.vector === 14 && chip.error === 4n)) && ours.vector !== 3) return found;
  // A Zen lets LOCK pass before VERW (#UD by the manuals: APM Vol. 3 1.2.5).
  if (vendor === "amd" && mnemonic === "VERW" && instance.case.code.includes(0xf0) && ours.vector === 6) return found;
  const { offset } = instance;
  if (vendor === "amd" && (chip.vector === 13 || chip.vector === 12) && offset !== undefined && BigInt.asUintN(64, BigInt.asIntN(48, offset)) !== offset) return found;
  // ARPL that changes nothing writes nothing (SDM Vol. 2A, ARPL); emulated it has been seen to write what it read.
  if (software && mnemonic === "ARPL" && chip.vector === 14 && ours.vector === 3) return found;
  // With CPUID AltMovCr8 (APM Vol. 3, MOV CRn) LOCK makes CR8 of CR0; our models do not offer it.
  if (vendor === "amd" && /C/.test(instance.row.operands) && mnemonic === "MOV" && instance.case.code.includes(0xf0) && ours.vector === 6 && chip.vector === 13) return found;
  // In which order the parts of a state area are touched is not architecture, nor (SDM Vol. 2, FXSAVE) whether a misaligned one
  // is #GP or #AC where alignment is checked.
  const movesArea = /^(XSAVE|XRSTOR|FX?N?SAVE|FX?RSTOR|FN?STENV|FLDENV)/.test(mnemonic);
  if (movesArea && chip.vector === 17 && ours.vector === 13) return found;
  // An area off RBP or RSP that is misaligned and reaches where no address is canonical earns two faults. A Zen 5 (as a guest) reports
  // #SS for FXSAVE and FXRSTOR, #GP for XSAVE and XRSTOR; neither manual orders the two, and our machine has it the other way round.
  const first = /^FX(SAVE|RSTOR)/.test(mnemonic) ? 12 : /^X(SAVE|RSTOR)/.test(mnemonic) ? 13 : -1;
  if (vendor === "amd" && chip.vector === first && ours.vector === 25 - first) return found;
  // A page fault and an alignment check of one operand are of one priority (SDM Vol. 3A table 6-2): either may come first.
  const sameClass = (r: Result) => r.vector === 14 || r.vector === 17;
  if (sameClass(chip) && sameClass(ours) && chip.vector !== ours.vector) return found;
  // MOVBE stores and loads byte by byte on this chip: never #AC, and what lies before a faulting page is written.
  if (mnemonic === "MOVBE" && ours.vector === 17) return found;
  if (entered) ours = { ...ours, gpr: ours.gpr.with(0, chip.gpr[0]) };
  else if (chip.vector !== ours.vector) differ("exception", `${name(chip)} error ${hex(chip.error)} cr2 ${hex(chip.cr2)}`, `${name(ours)} error ${hex(ours.error)} cr2 ${hex(ours.cr2)}`);
  else {
    // Linux reports an address from TASK_SIZE_MAX on as present, so as not to tell (arch/x86/mm/fault.c set_signal_archinfo).
    const hidden = chip.vector === 14 && chip.cr2 >= 0x7ffffffff000n ? 1n : 0n;
    if ((chip.error | hidden) !== (ours.error | hidden) && !movesArea) differ("error code", hex(chip.error), hex(ours.error));
    if (chip.vector === 14 && chip.cr2 !== ours.cr2 && !movesArea && !(software && isNear(instance, chip.cr2, ours.cr2))) differ("cr2", hex(chip.cr2), hex(ours.cr2));
  }
  if (chip.rip !== ours.rip) differ("rip", hex(chip.rip), hex(ours.rip));
  const anyDestination = destinationUndefined(instance);
  // A fault leaves the registers as they were (SDM Vol. 3A 6.5); POPA emulated pop by pop does not, and cannot say.
  const poppedThenFaulted = software && mnemonic === "POPA" && ours.vector === 14;
  const isString = /\b[XY]/.test(instance.row.operands);
  for (let i = 0; i < 16; i++) {
    if (((chip.gpr[i] ^ ours.gpr[i]) & ~computersBits(instance, i)) === 0n || anyDestination || poppedThenFaulted) continue;
    // With 32-bit addresses REP may or may not clear the upper halves of RCX, RSI and RDI before the first iteration is done.
    const mayBeCut = i === 1 || (chip.vector !== 3 && (i === 6 || i === 7));
    if (mayBeCut && isString && ((chip.gpr[i] ^ ours.gpr[i]) & 0xffffffffn) === 0n) continue;
    differ(registerNames[i], hex(chip.gpr[i]), hex(ours.gpr[i]));
  }
  // A repeated comparison that faults has, or has not, left the flags of the iterations before.
  const comparedThenFaulted = chip.vector !== 3 && /^(CMPS|SCAS)/.test(mnemonic);
  const ignored = BigInt(undefinedFlags(instance) | (comparedThenFaulted ? FLAGS_ARITHMETIC : 0));
  const flags = (chip.rflags ^ ours.rflags) & ~ignored;
  // Emulated, an instruction may have set flags before its store faults.
  if (flags && !(software && ours.vector !== 3)) differ(`flags ${flagsText(flags)}`, `${hex(chip.rflags)} (${flagsText(chip.rflags)})`, `${hex(ours.rflags)} (${flagsText(ours.rflags)})`);
  // With CPUID NullSelectClearsBase (APM Vol. 3 E.4.20), which our models do not offer, a null selector clears the base on AMD too.
  const cleared = vendor === "amd" && /^(8E|0F A[19]|0F B[45])/.test(instance.row.opcode);
  if (chip.fsBase !== ours.fsBase && !(cleared && chip.fsBase === 0n)) differ("fs base", hex(chip.fsBase), hex(ours.fsBase));
  // A Linux without FSGSBASE takes a GS base of the upper half for its own and does not keep it.
  const kernelsOwn = mnemonic === "WRGSBASE" && ours.gsBase >> 47n !== 0n && chip.gsBase === 0n;
  if (chip.gsBase !== ours.gsBase && !kernelsOwn && !(cleared && chip.gsBase === 0n)) differ("gs base", hex(chip.gsBase), hex(ours.gsBase));
  compareFloating(mnemonic, chip, ours, differ);
  // Whether stores that came before the fault stay in memory is not architecture: pushes, an 80-bit number's first 8 bytes.
  // On our machine they don't, but for the pushes.
  const storedThenFaulted = chip.vector !== 3 && (ours.differences.length === 0 || /^(CALL|ENTER|PUSHA)$/.test(mnemonic)) && (/^(CALL|ENTER|PUSHA|MOVBE|FBSTP)$/.test(mnemonic) || instance.row.opcode === "DB /7 mem");
  if (!anyDestination && !storedThenFaulted && !computersOperand.has(mnemonic)) compareMemory(instance, vendor, chip, ours, differ);
  return found;
}

function compareFloating(mnemonic: string, chip: Result, ours: Result, differ: (what: string, a: string, b: string) => void): void {
  const a = new DataView(chip.fx.buffer, chip.fx.byteOffset, chip.fx.byteLength);
  const b = new DataView(ours.fx.buffer, ours.fx.byteOffset, ours.fx.byteLength);
  const u16 = (what: string, at: number) => {
    if (a.getUint16(at, true) !== b.getUint16(at, true)) differ(what, hex(a.getUint16(at, true)), hex(b.getUint16(at, true)));
  };
  const u64 = (what: string, at: number) => {
    if (a.getBigUint64(at, true) !== b.getBigUint64(at, true)) differ(what, hex(a.getBigUint64(at, true)), hex(b.getBigUint64(at, true)));
  };
  u16("fcw", FX_FCW);
  // C1 says which way a result was rounded; a transcendental result may be the other neighbour, and at the least normal number
  // one of the two underflows.
  const atLeast = (register: number) => (b.getUint16(FX_ST + 16 * register + 8, true) & 0x7fff) <= 1;
  const atUnderflow = atLeast(0) || (mnemonic === "FSINCOS" && atLeast(1)); // which leaves the sine in ST(1)
  const sloppy = transcendentals.has(mnemonic) ? 0x200 | (atUnderflow ? 0x10 : 0) : 0;
  const status = (v: DataView) => v.getUint16(FX_FSW, true) & ~sloppy;
  if (status(a) !== status(b)) differ("fsw", hex(status(a)), hex(status(b)));
  u16("ftw", FX_FTW);
  u16("fop", FX_FOP);
  u64("fip", FX_FIP);
  u64("fdp", FX_FDP);
  if (a.getUint32(FX_MXCSR, true) !== b.getUint32(FX_MXCSR, true)) differ("mxcsr", hex(a.getUint32(FX_MXCSR, true)), hex(b.getUint32(FX_MXCSR, true)));
  for (let i = 0; i < 8; i++) {
    const at = FX_ST + 16 * i;
    const [xs, ys] = [a.getBigUint64(at, true), b.getBigUint64(at, true)];
    const [xe, ye] = [a.getUint16(at + 8, true), b.getUint16(at + 8, true)];
    if (xs === ys && xe === ye) continue;
    if (transcendentals.has(mnemonic) && (areNeighbours(xe, xs, ye, ys) || meetAtUnderflow(xe, xs, ye, ys) || meetAtUnderflow(ye, ys, xe, xs))) continue;
    differ(`st${i}`, `${hex(xe)}:${hex(xs).padStart(16, "0")}`, `${hex(ye)}:${hex(ys).padStart(16, "0")}`);
  }
  for (let i = 0; i < 16; i++) {
    const at = FX_XMM + 16 * i;
    let equal = true;
    for (let lane = 0; lane < 4; lane++) {
      const [x, y] = [a.getUint32(at + 4 * lane, true), b.getUint32(at + 4 * lane, true)];
      if (x !== y && !(approximations.has(mnemonic) && approximatelyEqual(x, y))) equal = false;
    }
    if (equal) continue;
    const text = (v: DataView) => `${hex(v.getBigUint64(at + 8, true)).padStart(16, "0")}_${hex(v.getBigUint64(at, true)).padStart(16, "0")}`;
    differ(`xmm${i}`, text(a), text(b));
  }
}

/**
 * An emulator names the byte that it stumbled over of an operand (all of PUSHA's are one), or the other of two operands when both fault: order
 * within an instruction is not architecture (SDM Vol. 3A 6.9), but the chips name the lowest byte of a page.
 */
function isNear(instance: Instance, a: bigint, b: bigint): boolean {
  const distance = a > b ? a - b : b - a;
  return distance < 32n || /^(MOVS|CMPS)$/.test(instance.row.mnemonic);
}

function compareMemory(instance: Instance, vendor: Vendor, chip: Result, ours: Result, differ: (what: string, a: string, b: string) => void): void {
  const { mnemonic } = instance.row;
  // PUSH of a selector by 32 bits writes zeros above it or leaves what is there, by the chip (SDM Vol. 2B, PUSH).
  const above = instance.case.mode === 32 && instance.operandSize === 4 && /^PUSH_.S$/.test(instance.row.fn ?? "") ? Number(ours.gpr[4]) + 2 - DATA_BASE : undefined;
  const a = new Map(chip.differences);
  const b = new Map(ours.differences);
  for (const offset of [...new Set([...a.keys(), ...b.keys()])].sort((x, y) => x - y)) {
    const [x, y] = [a.get(offset), b.get(offset)];
    if (x === y) continue;
    if (above !== undefined && offset <= above + 1 && above < offset + 8) continue;
    // Which parts that are initial or unmodified XSAVEOPT leaves out is the chip's choice (SDM Vol. 1 13.9).
    if (mnemonic === "XSAVEOPT" && (x === undefined || y === undefined)) continue;
    // MXCSR_MASK: bit 17 is AMD's MISALIGNSSE (APM Vol. 2 11.3), which our models do not offer.
    if (/^F?XSAVE/.test(mnemonic) && vendor === "amd" && x !== undefined && y !== undefined && (x ^ y) === 0x20000_0000_0000n) continue;
    differ(`memory ${hex(0x20000000 + offset)}`, x === undefined ? "unchanged" : hex(x), y === undefined ? "unchanged" : hex(y));
  }
}
