// Exception and interrupt vectors (SDM Vol. 3A 6.3.1, table 6-1).

export const VECTOR_DE = 0;
export const VECTOR_DB = 1;
export const VECTOR_NMI = 2;
export const VECTOR_BP = 3;
export const VECTOR_OF = 4;
export const VECTOR_BR = 5;
export const VECTOR_UD = 6;
export const VECTOR_NM = 7;
export const VECTOR_DF = 8;
export const VECTOR_TS = 10;
export const VECTOR_NP = 11;
export const VECTOR_SS = 12;
export const VECTOR_GP = 13;
export const VECTOR_PF = 14;
export const VECTOR_MF = 16;
export const VECTOR_AC = 17;
export const VECTOR_MC = 18;
export const VECTOR_XM = 19;
export const VECTOR_CP = 21;
/** Linux's local APIC timer vector (Linux arch/x86/include/asm/irq_vectors.h). */
export const VECTOR_TIMER = 0xec;

// Page-fault error code (SDM Vol. 3A 4.7)
export const PF_PRESENT = 0x1;
export const PF_WRITE = 0x2;
export const PF_USER = 0x4;
export const PF_RESERVED = 0x8;
export const PF_FETCH = 0x10;
