// CPUID feature flags: id = 32 * word + bit, where a word is one output register (SDM Vol. 2A, CPUID, tables 3-10 and 3-11;
// SDM and AMD APM Vol. 3 appendix E for leaf 8000_0001h). Word i stands at FEATURE_WORDS + 4 * i of the CPU block. A row of the
// instruction table that says cpuid: "X" means FEATURE_X. A row's id is below 255, which the decoder's table keeps for "no feature".
// Plain constants: the generator reads them too.
//
//   word  0        1      2      3         4         5              6              7
//         0D.1.EAX 1.EDX  1.ECX  7.0.EBX   7.0.ECX   80000001.EDX   80000001.ECX   7.0.EDX

export const FEATURE_XSAVEOPT = 0;
export const FEATURE_XSAVEC = 1;
export const FEATURE_XGETBV1 = 2;
export const FEATURE_XSAVES = 3;

export const FEATURE_FPU = 32;
export const FEATURE_DE = 34;
export const FEATURE_PSE = 35;
export const FEATURE_TSC = 36;
export const FEATURE_MSR = 37;
export const FEATURE_PAE = 38;
export const FEATURE_MCE = 39;
export const FEATURE_CX8 = 40;
export const FEATURE_APIC = 41;
export const FEATURE_SEP = 43;
export const FEATURE_PGE = 45;
export const FEATURE_CMOV = 47;
export const FEATURE_PAT = 48;
export const FEATURE_CLFSH = 51;
export const FEATURE_MMX = 55;
export const FEATURE_FXSR = 56;
export const FEATURE_SSE = 57;
export const FEATURE_SSE2 = 58;

export const FEATURE_SSE3 = 64;
export const FEATURE_PCLMULQDQ = 65;
export const FEATURE_MONITOR = 67;
export const FEATURE_VMX = 69;
export const FEATURE_SSSE3 = 73;
export const FEATURE_FMA = 76;
export const FEATURE_CX16 = 77;
export const FEATURE_PCID = 81;
export const FEATURE_SSE4_1 = 83;
export const FEATURE_SSE4_2 = 84;
export const FEATURE_MOVBE = 86;
export const FEATURE_POPCNT = 87;
export const FEATURE_AES = 89;
export const FEATURE_XSAVE = 90;
export const FEATURE_OSXSAVE = 91;
export const FEATURE_AVX = 92;
export const FEATURE_F16C = 93;
export const FEATURE_RDRAND = 94;

export const FEATURE_FSGSBASE = 96;
export const FEATURE_BMI1 = 99;
export const FEATURE_AVX2 = 101;
export const FEATURE_FDP_EXCPTN_ONLY = 102;
export const FEATURE_SMEP = 103;
export const FEATURE_BMI2 = 104;
export const FEATURE_ERMS = 105;
export const FEATURE_INVPCID = 106;
export const FEATURE_FCS_FDS_DEPRECATED = 109;
export const FEATURE_RDSEED = 114;
export const FEATURE_ADX = 115;
export const FEATURE_SMAP = 116;
export const FEATURE_CLFLUSHOPT = 119;
export const FEATURE_CLWB = 120;
export const FEATURE_SHA = 125;

export const FEATURE_UMIP = 130;
export const FEATURE_PKU = 131;
export const FEATURE_RDPID = 150;

export const FEATURE_SYSCALL = 171;
export const FEATURE_NX = 180;
export const FEATURE_PDPE1GB = 186;
export const FEATURE_RDTSCP = 187;
export const FEATURE_LM = 189;

export const FEATURE_LAHF = 192;
export const FEATURE_LZCNT = 197;
export const FEATURE_PREFETCHW = 200;

export const FEATURE_FSRM = 228;
export const FEATURE_SERIALIZE = 238;
