// How the decoder's tables number what SDM Vol. 2D appendix A writes with letters. Imported by the decoder and by the generator.

export const K_NONE = 0;
/** General register or memory by ModRM. */
export const K_E = 1;
export const K_G = 2;
/** Memory only. */
export const K_M = 3;
/** General register by ModRM.rm, no memory form. */
export const K_R = 4;
/** Immediate: zero-extended byte or word, sign-extended doubleword. */
export const K_I = 5;
/** Immediate byte, sign-extended. */
export const K_IS = 6;
export const K_J = 7;
/** Address in the instruction (moffs). */
export const K_O = 8;
export const K_S = 9;
export const K_C = 10;
export const K_D = 11;
/** General register in the opcode's low three bits. */
export const K_Z = 12;
export const K_RAX = 13;
export const K_CL = 14;
export const K_DX = 15;
export const K_ONE = 16;
export const K_V = 17;
/** XMM register or memory. */
export const K_W = 18;
export const K_U = 19;
export const K_P = 20;
/** MMX register or memory. */
export const K_Q = 21;
export const K_N = 22;
/** DS:rSI and ES:rDI of string instructions. */
export const K_X = 23;
export const K_Y = 24;
/** rBX + AL of XLAT. */
export const K_BX = 25;
/** [rDI] of MASKMOVQ. */
export const K_DI = 27;
/** Far pointer in the instruction. */
export const K_A = 26;
/** General register, and vector register, that VEX.vvvv names. */
export const K_B = 28;
export const K_H = 29;
/** Vector register in bits 7..4 of an immediate byte (is4). */
export const K_L = 30;

/** Sizes: log2 of bytes, or one that depends on prefixes. */
export const SZ_8 = 0;
export const SZ_16 = 1;
export const SZ_32 = 2;
export const SZ_64 = 3;
export const SZ_128 = 4;
/** 16, 32 or 64 by operand size. */
export const SZ_V = 8;
/** 16 or 32: an immediate of 32 bits is sign-extended for 64. */
export const SZ_Z = 9;
/** 32, or 64 with REX.W. */
export const SZ_Y = 10;
/** The operation knows: far pointers, state areas, 80-bit operands. */
export const SZ_OTHER = 11;

// A row of the decoder's table, ROW_SIZE bytes:
//    0              8                  16    17    18    19    20     22    24    26    27   28
//   +--------------+------------------+-----+-----+-----+-----+------+-----+-----+-----+----+
//   | 4 instances  | 4 x (kind, size) | fl1 | fl2 |size | feat| next | use | fl3 | vex |    |
//   +--------------+------------------+-----+-----+-----+-----+------+-----+-----+-----+----+
export const ROW_SIZE = 28;
export const ROW_OPERANDS = 8;
export const ROW_FLAGS1 = 16;
export const ROW_FLAGS2 = 17;
export const ROW_SIZE_CLASS = 18;
export const ROW_FEATURE = 19;
/** Row to try when this one's mode, vendor, feature, VEX.L or VEX.W does not fit; 0xffff = none. */
export const ROW_NEXT = 20;
/** What the decoder builds beyond the rule: USE_*. */
export const ROW_USE = 22;
export const ROW_FLAGS3 = 24;
/** VEX_*: what a row wants of the VEX prefix. */
export const ROW_VEX = 26;

export const R1_RAW = 1;
export const R1_DST_READ = 2;
export const R1_DST_WRITE = 4;
export const R1_LOCK = 8;
export const R1_SIZE64 = 16;
export const R1_FORCE64 = 32;
export const R1_UNALIGNED = 64;
export const R1_MMX = 128;
export const R2_MODE64 = 1;
export const R2_MODE32 = 2;
export const R2_CPL0 = 4;
export const R2_INTEL = 8;
export const R2_AMD = 16;
export const R2_X87 = 32;
export const R2_SSE = 64;
export const R2_ENDS_BLOCK = 128;
/** Has a ModRM byte. */
export const R3_MODRM = 1;
/** The result is stored in the low lane only, or is otherwise narrower than the slot: no zero extension by the decoder's concern. */
export const R3_SUB_IS_OPCODE = 2;
/** `sub` is ModRM.rm: i of ST(i). */
export const R3_SUB_IS_RM = 8;
/** The first source is not the destination: its slot is the micro-operation's `via`. */
export const R3_VIA = 16;
/** Only without REX.W, only with it. */
export const R3_W0 = 32;
export const R3_W1 = 64;

export const VEX_L0 = 1;
export const VEX_L1 = 2;
export const VEX_W0 = 4;
export const VEX_W1 = 8;
/** VEX.vvvv names an operand; without this it has to be 1111. */
export const VEX_VVVV = 16;
/** The instruction needs the vector state that CR4.OSXSAVE and XCR0 enable. */
export const VEX_STATE = 32;

export const USE_RULE = 0;
export const USE_LEA = 1;
export const USE_PUSH = 2;
export const USE_POP = 3;
export const USE_JCC = 4;
export const USE_JMP_REL = 5;
export const USE_CALL_REL = 6;
export const USE_JMP = 7;
export const USE_CALL = 8;
export const USE_RET = 9;
export const USE_SETCC = 10;
export const USE_CMOVCC = 11;
export const USE_LEAVE = 12;
export const USE_CBW = 13;
export const USE_CWD = 14;
export const USE_NOP = 15;
export const USE_XCHG_RAX = 16;
export const USE_STRING = 17;
export const USE_LOOP = 18;
/** A 16-byte move: with memory it is only the load or store. */
export const USE_MOVE128 = 19;
export const USE_XLAT = 20;
export const USE_SWAPGS = 21;
export const USE_MOV_FROM_CR = 22;
export const USE_MOV_TO_CR = 23;
export const USE_BT = 24;
export const USE_BTS = 25;
export const USE_BTR = 26;
export const USE_BTC = 27;
