// The CPU block: every register and every other word of CPU state, at fixed offsets from CPU_BLOCK (layout.ts).
// The host reads and writes it through typed arrays. While `run()` executes, the arithmetic flags live outside it
// (kernel/cpu/flags.ts); whenever `run()` has returned, RFLAGS here is whole.
//
//  offset   bytes
//   0x000   16 x 8   RAX RCX RDX RBX RSP RBP RSI RDI R8 .. R15        \
//   0x080   8        always zero (base or index "none")                |  32 slots of 8 bytes: an effective address is
//   0x088   8        linear base of the code page being executed       |  slot[base] + (slot[index] << shift) + disp,
//   0x090   8        effective address made by an EA micro-operation   |  so FS and GS bases, RIP and "none" are slots too
//   0x098   16       temporary 0   (memory operand on its way)         |
//   0x0a8   16       temporary 1                                       |
//   0x0b8   8        host pointer of a read-modify-write in flight     |
//   0x0c0   8 x 8    base of ES CS SS DS FS GS LDTR TR                /
//   0x100   8        RIP          (offset in CS, as architecture has it)
//   0x108   8        RFLAGS
//   0x110   5 x 8    CR0 CR2 CR3 CR4 CR8
//   0x138   8        XCR0
//   0x140   ...      MSRs, 8 bytes each
//   0x200   8 x 8    ES CS SS DS FS GS LDTR TR: u16 selector, u16 attributes, u32 limit in bytes
//   0x240   16       GDTR: u64 base, u32 limit         0x250  16  IDTR likewise
//   0x260   6 x 8    DR0 DR1 DR2 DR3 DR6 DR7
//   0x290   ...      CPL, mode, shadows (u32 each)
//   0x2a0   8        instructions retired since reset
//   0x2c0   ...      why run() returned
//   0x400   16 x 16  XMM0 .. XMM15                      0x500  16 x 16  their upper halves (for AVX)
//   0x600   8 x 16   x87 physical registers R0..R7: u64 significand, u16 sign and exponent; MMi is the significand of Ri
//   0x680   ...      x87 and MXCSR control and status
//   0x700   ...      counters, 8 bytes each
//   0x780   8 x 4    CPUID feature words (cpuid-features.ts)
//   0x7a0   4        rows of CPUID in use
//  0x1000   64 x 24  rows of CPUID: u32 leaf, subleaf, EAX, EBX, ECX, EDX

export const GPR = 0x000;
export const RAX = 0x00;
export const RCX = 0x08;
export const RDX = 0x10;
export const RBX = 0x18;
export const RSP = 0x20;
export const RBP = 0x28;
export const RSI = 0x30;
export const RDI = 0x38;
export const R8 = 0x40;
export const R9 = 0x48;
export const R10 = 0x50;
export const R11 = 0x58;
export const R12 = 0x60;
export const R13 = 0x68;
export const R14 = 0x70;
export const R15 = 0x78;
export const SLOT_ZERO = 0x80;
export const SLOT_CODE_PAGE = 0x88;
export const SLOT_EA = 0x90;
export const SLOT_T0 = 0x98;
export const SLOT_T1 = 0xa8;
export const SLOT_RMW = 0xb8;
/** Base of segment register i is the slot SEG_BASE + 8*i; i in SDM order ES CS SS DS FS GS, then LDTR, TR. */
export const SEG_BASE = 0xc0;
export const FS_BASE = 0xe0;
export const GS_BASE = 0xe8;

export const SEG_ES = 0;
export const SEG_CS = 1;
export const SEG_SS = 2;
export const SEG_DS = 3;
export const SEG_FS = 4;
export const SEG_GS = 5;
export const SEG_LDTR = 6;
export const SEG_TR = 7;

export const RIP = 0x100;
export const RFLAGS = 0x108;
export const CR0 = 0x110;
export const CR2 = 0x118;
export const CR3 = 0x120;
export const CR4 = 0x128;
export const CR8 = 0x130;
export const XCR0 = 0x138;
export const EFER = 0x140;
export const STAR = 0x148;
export const LSTAR = 0x150;
export const CSTAR = 0x158;
export const FMASK = 0x160;
export const KERNEL_GS_BASE = 0x168;
export const TSC_AUX = 0x170;
export const SYSENTER_CS = 0x178;
export const SYSENTER_ESP = 0x180;
export const SYSENTER_EIP = 0x188;
export const APIC_BASE = 0x190;
export const PAT = 0x198;
export const MISC_ENABLE = 0x1a0;
/** Added to the time-stamp source to give the TSC, modulo 2^64. */
export const TSC_OFFSET = 0x1a8;

/** Segment register i: u16 selector, u16 attributes, u32 limit, at SEG + 8*i. */
export const SEG = 0x200;
export const SEG_SELECTOR = 0;
/** Bits 0-7: descriptor byte 5 (P DPL S type); bits 8-11: AVL, L, D/B, G. Bit 15: unusable (null selector loaded). */
export const SEG_ATTRIBUTES = 2;
/** In bytes, granularity applied: the highest valid offset. */
export const SEG_LIMIT = 4;
export const GDTR_BASE = 0x240;
export const GDTR_LIMIT = 0x248;
export const IDTR_BASE = 0x250;
export const IDTR_LIMIT = 0x258;
export const DR0 = 0x260;
export const DR6 = 0x280;
export const DR7 = 0x288;
export const CPL = 0x290;
/** One of MODE_64, MODE_32, MODE_16: what CS and EFER.LMA make of the next instruction. */
export const MODE = 0x294;
/** SHADOW_STI, SHADOW_MOV_SS: set by the instruction just done, gone after the next. */
export const SHADOW = 0x298;
export const NMI_BLOCKED = 0x29c;
/** u64: instructions retired. */
export const RETIRED = 0x2a0;
/** u32: 1 = the TSC counts retired instructions, 0 = it is the host's answer to the import `host.tsc(): f64`. */
export const TSC_VIRTUAL = 0x2a8;
/** u32: VENDOR_INTEL or VENDOR_AMD. */
export const VENDOR = 0x2ac;
/** u32: 1 while the CPU waits in HLT. */
export const HALTED = 0x2b4;

/** u32 each; valid when run() has returned. */
export const EXIT_REASON = 0x2c0;
/** For EXIT_SHUTDOWN the vector that could not be delivered; otherwise 0. */
export const EXIT_VECTOR = 0x2c4;
/** Maskable interrupt waiting: vector, or NO_VECTOR. The host sets it; the CPU takes it when IF and shadows allow. */
export const PENDING_INTERRUPT = 0x2d0;
/** u32 bits: NMI_WAITS, MACHINE_CHECK_WAITS. */
export const PENDING_NMI = 0x2d4;
/** u32 bits of DR6 that a trap-class debug exception will report (TF, MOV SS delayed). */
export const PENDING_DEBUG = 0x2d8;
/** Last exception that was raised, for reports: u32 vector, u32 error code, u64 RIP it was raised at. */
export const LAST_VECTOR = 0x2e0;
export const LAST_ERROR = 0x2e4;
export const LAST_RIP = 0x2e8;

export const XMM = 0x400;
export const YMM_HIGH = 0x500;
export const ST = 0x600;
export const ST_SIGN_EXPONENT = 8;
export const FCW = 0x680;
/** u16, TOP in bits 11-13. */
export const FSW = 0x682;
/** u8, abridged as FXSAVE has it: bit i set = physical register Ri is not empty. */
export const FTW = 0x684;
export const FOP = 0x686;
export const FIP = 0x688;
export const FDP = 0x690;
export const FCS = 0x698;
export const FDS = 0x69a;
export const MXCSR = 0x6a0;

/** u64 counters; only ever counted up. */
export const COUNT_TLB_MISS = 0x700;
export const COUNT_WALK_LOAD = 0x708;
export const COUNT_CR3_WRITE = 0x710;
export const COUNT_TLB_FLUSH = 0x718;
export const COUNT_BLOCK_DECODED = 0x720;
export const COUNT_CODE_DROPPED = 0x728;

/** u32 each, FEATURE_WORD_COUNT of them: what the machine offers. Whoever changes one calls modelChanged() (kernel/index.ts). */
export const FEATURE_WORDS = 0x780;
export const FEATURE_WORD_COUNT = 8;
/** u32: how many of CPUID_ROWS the host has filled. The first is of leaf 0. */
export const CPUID_ROW_COUNT = 0x7a0;
export const CPUID_ROWS = 0x1000;
export const CPUID_ROWS_MAX = 64;
export const CPUID_ROW_BYTES = 24;
/** Subleaf of a row that answers whatever ECX is. */
export const CPUID_ANY_SUBLEAF = 0xffffffff;

export const MODE_64 = 0;
export const MODE_32 = 1;
export const MODE_16 = 2;
export const VENDOR_INTEL = 0;
export const VENDOR_AMD = 1;
export const SHADOW_STI = 1;
export const SHADOW_MOV_SS = 2;
export const NMI_WAITS = 1;
/** Taken at once, NMIs blocked or not; without CR4.MCE it is a shutdown (SDM Vol. 3A 2.5, 6.15 interrupt 18). */
export const MACHINE_CHECK_WAITS = 2;
export const NO_VECTOR = 0xffffffff;
