// The records that the silicon oracle's two sides exchange: one instruction with the whole state before it (a case),
// and the whole state after it (a result). native-runner.c is the chip's side, machine-runner.ts ours.
//
// Address space of every case, the same on both sides:
//
//   0x1000_0000  code page, r-x, filled with INT3 around the instruction; its neighbours are not mapped
//   0x2000_0000  data window: two pages rw-, then one page r--; its neighbours are not mapped
//
// batch = u32 MAGIC, u32 0, the data window's 0x3000 bytes, then cases
//
// case                                               result
//   0x000  u8 code length, u8 patches, u16 offset      0x000  u32 index, u32 signal (0 on our machine)
//          of the code in its page, u32 index          0x008  u32 si_code, u32 vector
//   0x008  u8 code[16]                                 0x010  u64 error code
//   0x018  u64 RAX RCX RDX RBX RSP RBP RSI RDI R8-R15  0x018  u64 RAX ... R15
//   0x098  u64 RFLAGS                                  0x098  u64 RFLAGS
//   0x0a0  u64 FS base, u64 GS base                    0x0a0  u64 FS base, u64 GS base (in 32-bit mode selectors)
//   0x0b0  16 bytes 0                                  0x0b0  u64 RIP, u64 si_addr
//   0x0c0  FXSAVE image up to XMM15, 416 bytes         0x0c0  FXSAVE image up to XMM15
//   0x260  patches: u32 offset in the data window,     0x260  u64 CR2, u32 differences, u32 0
//          u32 length, u8 bytes[64]                    0x270  differences: u32 offset, u32 0, u64 new contents

export const MAGIC = 0x49533352;
export const CODE_BASE = 0x10000000;
export const CODE_SIZE = 0x1000;
export const DATA_BASE = 0x20000000;
export const DATA_RW_SIZE = 0x2000;
export const DATA_SIZE = 0x3000;
export const FX_BYTES = 416;
export const PATCH_BYTES = 64;

/** Offsets in the FXSAVE image (SDM Vol. 1 table 10-2). */
export const FX_FCW = 0;
export const FX_FSW = 2;
export const FX_FTW = 4;
export const FX_FOP = 6;
export const FX_FIP = 8;
export const FX_FDP = 16;
export const FX_MXCSR = 24;
export const FX_ST = 32;
export const FX_XMM = 160;

export interface Patch {
  /** From DATA_BASE, within the two writable pages. */
  offset: number;
  bytes: Uint8Array;
}

export interface Case {
  /** Compatibility mode with 32-bit code; not in the record, since a runner is of one mode. Then the words for FS and GS base hold selectors: DS ES FS GS, CS SS. */
  mode?: 32;
  code: Uint8Array;
  /** Of the instruction's first byte in the code page. */
  codeOffset: number;
  /** RAX RCX RDX RBX RSP RBP RSI RDI R8..R15 */
  gpr: BigUint64Array;
  rflags: bigint;
  fsBase: bigint;
  gsBase: bigint;
  fx: Uint8Array;
  patches: Patch[];
}

/** A case with the state that a process starts with, but for the general registers given. */
export function blankCase(code: Uint8Array, registers: readonly bigint[] = []): Case {
  const fx = new Uint8Array(FX_BYTES);
  const view = new DataView(fx.buffer);
  view.setUint16(FX_FCW, 0x37f, true);
  view.setUint32(FX_MXCSR, 0x1f80, true);
  const gpr = new BigUint64Array(16);
  gpr[4] = BigInt(DATA_BASE + 0x800);
  registers.forEach((value, i) => (gpr[i] = value));
  return { code, codeOffset: 0x800, gpr, rflags: 0x202n, fsBase: 0n, gsBase: 0n, fx, patches: [] };
}

export interface Result {
  index: number;
  /** Linux's signal number on the chip, 0 on our machine. */
  signal: number;
  signalCode: number;
  vector: number;
  error: bigint;
  gpr: BigUint64Array;
  rflags: bigint;
  fsBase: bigint;
  gsBase: bigint;
  rip: bigint;
  fx: Uint8Array;
  cr2: bigint;
  /** Of the data window's writable pages: [offset of 8 bytes, their new contents]. */
  differences: [number, bigint][];
}

/** What the data window holds before a case's patches: fixed pseudo-random bytes, with runs of zeros for string instructions. */
export function dataBaseline(): Uint8Array {
  const bytes = new Uint8Array(DATA_SIZE);
  let x = 0x12345678;
  for (let i = 0; i < DATA_SIZE; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = (i & 0x1c0) === 0x1c0 ? 0 : x;
  }
  return bytes;
}

/** Packs cases into the batch that native-runner reads. */
export function packCases(cases: readonly Case[]): Uint8Array {
  let size = 8 + DATA_SIZE;
  for (const c of cases) size += 0x260 + c.patches.length * (8 + PATCH_BYTES);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  bytes.set(dataBaseline(), 8);
  let at = 8 + DATA_SIZE;
  cases.forEach((c, index) => {
    bytes[at] = c.code.length;
    bytes[at + 1] = c.patches.length;
    view.setUint16(at + 2, c.codeOffset, true);
    view.setUint32(at + 4, index, true);
    bytes.set(c.code, at + 8);
    for (let i = 0; i < 16; i++) view.setBigUint64(at + 0x18 + 8 * i, c.gpr[i], true);
    view.setBigUint64(at + 0x98, c.rflags, true);
    view.setBigUint64(at + 0xa0, c.fsBase, true);
    view.setBigUint64(at + 0xa8, c.gsBase, true);
    bytes.set(c.fx, at + 0xc0);
    at += 0x260;
    for (const p of c.patches) {
      view.setUint32(at, p.offset, true);
      view.setUint32(at + 4, p.bytes.length, true);
      bytes.set(p.bytes, at + 8);
      at += 8 + PATCH_BYTES;
    }
  });
  return bytes;
}

/** Unpacks what native-runner wrote. */
export function unpackResults(bytes: Uint8Array): Result[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const results: Result[] = [];
  for (let at = 0; at < bytes.length; ) {
    const gpr = new BigUint64Array(16);
    for (let i = 0; i < 16; i++) gpr[i] = view.getBigUint64(at + 0x18 + 8 * i, true);
    const count = view.getUint32(at + 0x268, true);
    const differences: [number, bigint][] = [];
    for (let i = 0; i < count; i++) {
      const d = at + 0x270 + 16 * i;
      differences.push([view.getUint32(d, true), view.getBigUint64(d + 8, true)]);
    }
    results.push({
      index: view.getUint32(at, true),
      signal: view.getUint32(at + 4, true),
      signalCode: view.getUint32(at + 8, true),
      vector: view.getUint32(at + 12, true),
      error: view.getBigUint64(at + 0x10, true),
      gpr,
      rflags: view.getBigUint64(at + 0x98, true),
      fsBase: view.getBigUint64(at + 0xa0, true),
      gsBase: view.getBigUint64(at + 0xa8, true),
      rip: view.getBigUint64(at + 0xb0, true),
      fx: bytes.slice(at + 0xc0, at + 0xc0 + FX_BYTES),
      cr2: view.getBigUint64(at + 0x260, true),
      differences,
    });
    at += 0x270 + 16 * count;
  }
  return results;
}
