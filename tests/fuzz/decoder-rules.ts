// Why our decoder and Capstone 5 differ: by rule, each with the manual's word on it. A rule looks at the bytes (instruction-bytes.ts)
// and at what the two say, never at one string. Where this computer's chip can be asked, a test asks it about strings of each rule.
//
// The first rule that applies explains a difference. `whose` says who departs from the manual: Capstone, or our table on purpose
// (what an operation refuses only when it is executed, and instructions that no CPUID model offers).

import { cpuModel } from "../../host/machine/cpu-models";
import { rows } from "../../kernel/decode/rows";
import { encodingsOf } from "../../kernel/gen/encodings";
import { capstoneName } from "./capstone-names";
import type { Comparison } from "./decoder";
import type { Parts } from "./instruction-bytes";

/** The model that our decoder has in the comparison: the one that offers the most. */
export const DECODER_CPU = "v2";

export interface Rule {
  name: string;
  whose: "Capstone" | "ours";
  /** What the manual says. */
  manual: string;
  applies(c: Comparison): boolean;
  /** The chip is not asked: it is another vendor's, or has what we do not offer. */
  unsettled?: true;
}

const onlyCapstone = (c: Comparison) => !c.ours.name && c.theirs.name !== "";
const onlyOurs = (c: Comparison) => c.ours.name !== "" && !c.theirs.name;
const both = (c: Comparison) => c.ours.name !== "" && c.theirs.name !== "";
const mod = (p: Parts) => p.modrm >> 6;
const reg = (p: Parts) => (p.modrm >> 3) & 7;
const isMap0 = (p: Parts, ...opcodes: number[]) => p.map === 0 && opcodes.includes(p.opcode);
const is0F = (p: Parts, ...opcodes: number[]) => p.map === 1 && opcodes.includes(p.opcode);

/** Bytes of an instruction at the most: what has more is #GP (SDM Vol. 2A 2.3.11). */
const LONGEST = 15;
const isVex = (p: Parts) => p.map === "vex" || (typeof p.map === "number" && p.map > 3);

/** The prefix column of SDM Vol. 2D appendix A that an instruction of maps 0F, 0F 38, 0F 3A is looked up in. */
const column = (p: Parts) => (isVex(p) ? ["NP", "66", "F3", "F2"][p.pp] : p.repeat === 0xf3 ? "F3" : p.repeat === 0xf2 ? "F2" : p.has66 ? "66" : "NP");

const encodings = rows.flatMap(encodingsOf);
const byOpcode = new Map<string, typeof encodings>();
for (const e of encodings) {
  const key = `${e.map} ${e.opcode}`;
  byOpcode.set(key, [...(byOpcode.get(key) ?? []), e]);
}

/** The table has this opcode and ModRM, and none of its rows takes the prefix that there is. */
function wrongColumn(p: Parts): boolean {
  const fits = (byOpcode.get(`${p.map} ${p.opcode}`) ?? []).filter((e) => (e.mod === undefined || (e.mod === "reg") === (mod(p) === 3))
    && (e.reg === undefined || e.reg === reg(p)) && (e.rm === undefined || e.rm === (p.modrm & 7)));
  return fits.length > 0 && fits.every((e) => e.prefix !== "any" && e.prefix !== column(p));
}

const { features } = cpuModel(DECODER_CPU);
const offeredNames = rows.filter((row) => row.cpuid === undefined || (features as ReadonlySet<string>).has(row.cpuid)).map(capstoneName);
const offered = new Map<string, boolean>();
/** Capstone's name is that of a row that the model offers. */
function isOffered(c: Comparison): boolean {
  const { name } = c.theirs;
  let known = offered.get(name);
  if (known === undefined) offered.set(name, (known = offeredNames.some((pattern) => pattern.test(name))));
  return known;
}

/** SDM Vol. 2A, LOCK: the instructions that it may precede, by opcode, with memory as the destination. */
function lockable(p: Parts): boolean {
  if (mod(p) === 3) return false;
  if (p.map === 0) {
    if (p.opcode < 0x38) return (p.opcode & 7) < 2;
    if (p.opcode >= 0x80 && p.opcode <= 0x83) return reg(p) !== 7;
    if (p.opcode === 0x86 || p.opcode === 0x87) return true;
    if (p.opcode === 0xf6 || p.opcode === 0xf7) return reg(p) === 2 || reg(p) === 3;
    return p.opcode >= 0xfe && reg(p) < 2;
  }
  if (p.map !== 1) return false;
  if (p.opcode === 0xba) return reg(p) > 4;
  return [0xab, 0xb3, 0xbb, 0xb0, 0xb1, 0xc0, 0xc1].includes(p.opcode) || (p.opcode === 0xc7 && reg(p) === 1);
}

/** Names that the table's rows do not have, by the CPUID feature or the extension that has them. */
const notOffered: Record<string, RegExp> = {
  "VMX, SVM": /^(vm|inve?pt|invvpid|invlpga|stgi|clgi|skinit|v?mread|v?mwrite)/,
  "SMX, SGX, SMM": /^(getsec|enclu|encls|enclv|rsm)$/,
  "3DNow!": /^(femms|pi2f[wd]|pf2i[wd]|pf[a-z]*[0-9]?|pavgusb|pmulhrw|pswapd)$/,
  MPX: /^bnd/,
  TSX: /^(xbegin|xend|xabort|xtest)$/,
  CET: /^(incssp[dq]|rdssp[dq]|saveprevssp|rstorssp|wrss[dq]|wruss[dq]|setssbsy|clrssbsy|endbr(32|64))$/,
  "MONITOR, MONITORX, WAITPKG": /^(monitorx?|mwaitx?|umonitor|umwait|tpause)$/,
  "XSAVE and its extensions": /^(xsave|xrstor|xgetbv|xsetbv)/,
  "PKU": /^(rdpkru|wrpkru)$/,
  "RDRAND, RDSEED, RDPID": /^(rdrand|rdseed|rdpid)$/,
  "CLFLUSHOPT, CLWB, CLZERO, CLDEMOTE, WBNOINVD": /^(clflushopt|clwb|clzero|cldemote|wbnoinvd|prefetchwt1)$/,
  SSE4A: /^(extrq|insertq|movnts[sd])$/,
  "AES, PCLMULQDQ, SHA, GFNI": /^(aes|pclmul|sha1|sha256|gf2p8)/,
  ADX: /^(adcx|adox)$/,
  "PTWRITE, PCONFIG, SERIALIZE, MOVDIRI, ENQCMD": /^(ptwrite|pconfig|serialize|movdiri|movdir64b|enqcmds?)$/,
  "RDPRU, LWP": /^(rdpru|llwpcb|slwpcb|lwpins|lwpval)$/,
  "VIA PadLock": /^(xstore|xcrypt|xsha|montmul)/,
};

export const decoderRules: readonly Rule[] = [
  {
    name: "UD0 and UD1 have ModRM",
    whose: "Capstone",
    manual: "0F FF /r, 0F B9 /r (SDM Vol. 2B, UD): Capstone gives them no ModRM byte",
    applies: (c) => is0F(c.parts, 0xff, 0xb9) && (c.ours.name !== "" || c.ours.length === LONGEST),
    unsettled: true,
  },
  {
    name: "near branches with 66 in 64-bit mode",
    whose: "Capstone",
    manual: "the operand size is forced to 64 bits, 66 is ignored (SDM Vol. 2D A.2.5 f64; Intel): Capstone takes 16 bits in some",
    applies: (c) => c.parts.mode === 64 && c.parts.has66 && (c.ours.name !== "" || c.ours.length === LONGEST) && (c.parts.map === 1 && c.parts.opcode >= 0x80 && c.parts.opcode <= 0x8f || isMap0(c.parts, 0xc2)),
    unsettled: true,
  },
  {
    name: "instructions that are #UD when they are executed: UD2, SYSENTER, SYSEXIT, VMCALL and the like",
    whose: "Capstone",
    manual: "an instruction, whatever it raises; F2, F3, 66 and 67 mean nothing to it (SDM Vol. 2A 2.1.1). The chip's #UD says nothing of the decoding",
    applies: (c) => onlyOurs(c) && ["ud2", "sysenter", "sysexit", "vmcall", "rdfsbase", "rdgsbase", "wrfsbase", "wrgsbase", "xgetbv", "xsetbv", "clac", "stac", "rdpid",
      "xsave", "xrstor"].includes(c.ours.name) && c.parts.map !== 0 && (c.parts.hasF2 || c.parts.hasF3) && (c.parts.has66 || c.parts.has67),
    unsettled: true,
  },
  {
    name: "instructions that Capstone 5.0 does not know",
    whose: "Capstone",
    manual: "SERIALIZE is NP 0F 01 E8 (SDM Vol. 2B)",
    applies: (c) => onlyOurs(c) && c.ours.name === "serialize",
    unsettled: true,
  },
  {
    name: "VEX, EVEX and XOP instructions that are not offered",
    whose: "ours",
    manual: "#UD if CPUID does not offer the feature (SDM Vol. 2A 2.4, exceptions of each class)",
    applies: (c) => onlyCapstone(c) && (isVex(c.parts) || c.parts.map === "evex" || c.parts.map === "xop") && !isOffered(c),
    unsettled: true,
  },
  {
    name: "instructions of features that are not offered",
    whose: "ours",
    manual: "#UD if the CPUID feature flag is 0 (each instruction's page)",
    applies: (c) => onlyCapstone(c) && ((!isOffered(c) && Object.values(notOffered).some((these) => these.test(c.theirs.name)))
      // MOVNTSS and MOVNTSD of SSE4A, which Capstone does not see behind 66.
      || (is0F(c.parts, 0x2b) && c.parts.repeat !== 0 && c.parts.has66)),
    unsettled: true,
  },
  {
    name: "LOCK VERW with memory",
    whose: "Capstone",
    manual: "#UD (SDM Vol. 2B VERR/VERW, APM Vol. 3 VERW: LOCK is not allowed); an AMD Zen 5 executes it",
    applies: (c) => onlyCapstone(c) && c.parts.lock && is0F(c.parts, 0x00) && reg(c.parts) === 5 && mod(c.parts) < 3,
    unsettled: true,
  },
  {
    name: "LOCK MOV CR0",
    whose: "Capstone",
    manual: "#UD, but where AMD's AltMovCr8 is offered, which makes it CR8 (APM Vol. 3, MOV CRn): we do not offer it",
    applies: (c) => onlyCapstone(c) && c.parts.lock && is0F(c.parts, 0x20, 0x22),
    unsettled: true,
  },
  {
    name: "LOCK where it may not stand",
    whose: "Capstone",
    manual: "#UD if the LOCK prefix is used with an instruction not listed or when the destination operand is not memory (SDM Vol. 2A, LOCK)",
    applies: (c) => onlyCapstone(c) && c.parts.lock && !lockable(c.parts),
  },
  {
    name: "66, F2, F3, LOCK or REX before VEX",
    whose: "Capstone",
    manual: "#UD (SDM Vol. 2A 2.3.2 to 2.3.4)",
    applies: (c) => onlyCapstone(c) && isVex(c.parts) && (c.parts.has66 || c.parts.repeat !== 0 || c.parts.lock || c.parts.rex !== 0),
  },
  {
    name: "SWAPGS outside 64-bit mode",
    whose: "Capstone",
    manual: "#UD if mode is not 64-bit (SDM Vol. 2B, SWAPGS)",
    applies: (c) => onlyCapstone(c) && c.theirs.name === "swapgs" && c.parts.mode === 32,
  },
  {
    name: "prefixes under which the opcode has no instruction",
    whose: "Capstone",
    manual: "a blank cell is reserved: the opcode has an instruction in other columns of NP, 66, F3, F2, not in this one (SDM Vol. 2D tables A-3 to A-6)",
    applies: (c) => onlyCapstone(c) && wrongColumn(c.parts),
  },
  {
    name: "PREFETCHW with a register",
    whose: "Capstone",
    manual: "0F 0D is NOP Ev beside PREFETCHW (SDM Vol. 2D table A-3, Intel); AMD's chips refuse registers (APM Vol. 3, PREFETCHlevel)",
    applies: (c) => onlyOurs(c) && is0F(c.parts, 0x0d) && mod(c.parts) === 3,
    unsettled: true,
  },
  {
    name: "hint space: NOP of 0F 18 to 0F 1F, and PREFETCHW's reserved forms",
    whose: "Capstone",
    manual: "0F 18 to 0F 1F are reserved NOPs where nothing else is defined, whatever ModRM and prefixes (SDM Vol. 2B, NOP; table A-3 note 11); 0F 0D with other reg fields is PREFETCH (APM Vol. 3, PREFETCHlevel)",
    applies: (c) => onlyOurs(c) && (c.parts.map === 1 && ((c.parts.opcode >= 0x18 && c.parts.opcode <= 0x1f) || c.parts.opcode === 0x0d)),
  },
  {
    name: "x87 aliases",
    whose: "Capstone",
    manual: "not in the SDM's tables A-7 to A-22; the chips execute them (APM Vol. 3 table A-15, reserved aliases)",
    applies: (c) => onlyOurs(c) && c.parts.map === 0 && mod(c.parts) === 3
      && (isMap0(c.parts, 0xdc) && (reg(c.parts) === 2 || reg(c.parts) === 3) || isMap0(c.parts, 0xdd) && reg(c.parts) === 1
        || isMap0(c.parts, 0xde) && reg(c.parts) === 2 || isMap0(c.parts, 0xdf) && reg(c.parts) < 4 || isMap0(c.parts, 0xd9) && reg(c.parts) === 3),
  },
  {
    name: "MOVSXD without REX.W",
    whose: "Capstone",
    manual: "63 /r without REX.W moves 16 or 32 bits; its use is discouraged, not refused (SDM Vol. 2B, MOVSX/MOVSXD)",
    applies: (c) => onlyOurs(c) && c.parts.mode === 64 && isMap0(c.parts, 0x63),
  },
  {
    name: "fences with any ModRM.r/m",
    whose: "Capstone",
    manual: "the opcodes 0F AE E8 to EF, F0 to F7, F8 to FF: the processor ignores ModRM.r/m (SDM Vol. 2A LFENCE, 2B MFENCE and SFENCE)",
    applies: (c) => onlyOurs(c) && is0F(c.parts, 0xae) && mod(c.parts) === 3 && reg(c.parts) >= 5,
  },
  {
    name: "segment, control and debug registers that do not exist",
    whose: "ours",
    manual: "#UD (SDM Vol. 2B, MOV, MOV - Move to/from Control Registers): our operation raises it when it is executed",
    applies: (c) => onlyOurs(c) && (isMap0(c.parts, 0x8c) && reg(c.parts) > 5 || isMap0(c.parts, 0x8e) && (reg(c.parts) > 5 || reg(c.parts) === 1)
      || is0F(c.parts, 0x20, 0x21, 0x22, 0x23)),
    unsettled: true,
  },
  {
    name: "F2 or F3 together with 66 or 67 in the maps of two bytes",
    whose: "Capstone",
    manual: "prefixes of different groups may stand in any order; F2 and F3 mean nothing where the table has no instruction for them (SDM Vol. 2A 2.1.1)",
    applies: (c) => onlyOurs(c) && c.parts.map !== 0 && (c.parts.hasF2 || c.parts.hasF3) && (c.parts.has66 || c.parts.has67),
  },
  {
    name: "BSWAP of 16 bits",
    whose: "Capstone",
    manual: "the result is undefined, the instruction is not refused (SDM Vol. 2A, BSWAP)",
    applies: (c) => onlyOurs(c) && c.parts.map === 1 && c.parts.opcode >= 0xc8 && c.parts.opcode <= 0xcf && c.parts.has66,
  },
  {
    name: "F3 90 with 66 or REX",
    whose: "Capstone",
    manual: "F3 90 is PAUSE, with REX.B XCHG; 66 and REX.W mean nothing to the first (SDM Vol. 2B, PAUSE, XCHG), which Capstone with REX.W calls XCHG RAX, RAX",
    applies: (c) => isMap0(c.parts, 0x90) && c.parts.repeat === 0xf3 && (onlyOurs(c) || (c.ours.name === "pause" && !(c.parts.rex & 1))),
  },
  {
    name: "older meanings: TZCNT and LZCNT are BSF and BSR, WBNOINVD is WBINVD",
    whose: "ours",
    manual: "on processors without the feature the F3 prefix is ignored (SDM Vol. 2B TZCNT, LZCNT; APM Vol. 3 WBNOINVD)",
    applies: (c) => both(c) && ["bsf tzcnt", "bsr lzcnt", "wbinvd wbnoinvd"].includes(`${c.ours.name} ${c.theirs.name}`),
    unsettled: true,
  },
  {
    name: "66 together with F2 or F3 before an opcode of several columns",
    whose: "Capstone",
    manual: "F2 and F3 have precedence over 66 in choosing the column, wherever they stand (SDM Vol. 2A 2.1.2); Capstone takes the last",
    applies: (c) => both(c) && c.parts.map !== 0 && c.parts.has66 && c.parts.repeat !== 0,
  },
  {
    name: "F2 and F3 together",
    whose: "Capstone",
    manual: "of two prefixes of one group the chips take the last (the SDM, Vol. 2A 2.1.1, leaves it open); Capstone in places the first",
    applies: (c) => !onlyCapstone(c) && c.parts.map !== 0 && c.parts.hasF2 && c.parts.hasF3,
  },
  {
    name: "67 taken for 66 before 0F AE /7",
    whose: "Capstone",
    manual: "CLFLUSHOPT is 66 0F AE /7 (SDM Vol. 2A); Capstone gives its name to CLFLUSH with an address-size prefix",
    applies: (c) => both(c) && is0F(c.parts, 0xae) && c.parts.has67 && !c.parts.has66,
  },
  {
    name: "F2 before BSF and BSR",
    whose: "Capstone",
    manual: "F2 means nothing to 0F BC and 0F BD (SDM Vol. 2A, BSF: no mandatory prefix); the chips execute BSF and BSR",
    applies: (c) => onlyOurs(c) && is0F(c.parts, 0xbc, 0xbd) && c.parts.repeat === 0xf2,
  },
];

/** The rule that explains a difference. */
export function explanation(c: Comparison): Rule | undefined {
  return decoderRules.find((rule) => rule.applies(c));
}
