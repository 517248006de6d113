// The machine's one linear memory: where the CPU block, the TLBs, the code cache and guest RAM stand in it.
// Both sides import this file; `kernel/` as AssemblyScript, `host/machine` as TypeScript.
//
//   0x0000_0000  +-----------------------------+
//                | module statics              |  decode tables, asc data segments
//   0x0008_0000  +-----------------------------+
//                | CPU block                   |  registers and state, see state.ts
//   0x0009_0000  +-----------------------------+
//                | context map                 |  [pcid][view] -> TLB context, one byte each
//   0x000a_0000  +-----------------------------+
//                | profile                     |  counters of cases, only written by a build with --profile
//   0x0010_0000  +-----------------------------+
//                | TLB contexts                |  TLB_CONTEXTS x TLB_ENTRIES x 32 bytes
//   0x0020_0000  +-----------------------------+
//                | page code                   |  u32 a physical page: its first code page, 0 = none
//   0x0060_0000  +-----------------------------+
//                | page flags                  |  u8 a physical page: PAGE_HAS_CODE, PAGE_WRITE_TLB
//   0x0070_0000  +-----------------------------+
//                | code arena                  |  code pages and blocks of micro-operations
//   0x03f0_0000  +-----------------------------+
//                | profile of pairs            |  counters, only written by a build with --profile
//   0x0400_0000  +-----------------------------+
//                | guest RAM                   |  physical address p stands at RAM_BASE + p
//                +-----------------------------+

export const STATICS_BASE = 0x400;
export const CPU_BLOCK = 0x80000;
export const CPU_BLOCK_SIZE = 0x10000;
export const CONTEXT_MAP = 0x90000;
/** u64 for each case of exec(): how often it was entered. */
export const PROFILE_CASES = 0xa0000;
/** u64 for each case: how often it left for its slow twin. */
export const PROFILE_LEFT = 0xa2000;
/** u64 for each cold operation. */
export const PROFILE_COLD = 0xa4000;
export const TLB_BASE = 0x100000;
export const TLB_CONTEXTS = 16;
export const TLB_ENTRIES = 1024;
export const PAGE_CODE = 0x200000;
export const PAGE_FLAGS = 0x600000;
export const CODE_ARENA = 0x700000;
export const CODE_ARENA_END = 0x3f00000;
/** u32 [previous case * number of cases + case], which has room for 512 of them. */
export const PROFILE_PAIRS = 0x3f00000;
export const RAM_BASE = 0x4000000;
/** Most guest RAM there can be, in bytes: what 4 GiB of linear memory leave, less one Wasm page. */
export const RAM_MAX = 0xfbff0000;
