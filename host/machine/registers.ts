// The CPU block seen from the host: every register by its offset in kernel/abi/state.ts, read and written without a call.
// Valid between two runs of the CPU; while run() executes, the arithmetic flags live elsewhere.

import { CPU_BLOCK, CPU_BLOCK_SIZE } from "../../kernel/abi/layout";

const TWO_32 = 0x1_0000_0000;

/**
 * Views of the CPU block. A 64-bit register has four faces:
 * - `lo`/`hi`: unsigned 32-bit halves, always exact;
 * - `get`: the unsigned value as a number, exact below 2^53 (user addresses, counts, file offsets);
 * - `getLinear`: the signed value as a number, exact for every canonical address, kernel ones being negative;
 * - `getBig`: the unsigned value as a bigint, exact and slow.
 */
export class Registers {
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u16: Uint16Array;
  readonly u8: Uint8Array;
  readonly #u64: BigUint64Array;

  /** @param buffer the machine's linear memory @param base where its CPU block stands, in bytes */
  constructor(buffer: ArrayBufferLike, base: number = CPU_BLOCK) {
    this.u32 = new Uint32Array(buffer, base, CPU_BLOCK_SIZE / 4);
    this.i32 = new Int32Array(buffer, base, CPU_BLOCK_SIZE / 4);
    this.u16 = new Uint16Array(buffer, base, CPU_BLOCK_SIZE / 2);
    this.u8 = new Uint8Array(buffer, base, CPU_BLOCK_SIZE);
    this.#u64 = new BigUint64Array(buffer, base, CPU_BLOCK_SIZE / 8);
  }

  lo(offset: number): number {
    return this.u32[offset >>> 2]!;
  }

  hi(offset: number): number {
    return this.u32[(offset >>> 2) + 1]!;
  }

  get(offset: number): number {
    return this.u32[(offset >>> 2) + 1]! * TWO_32 + this.u32[offset >>> 2]!;
  }

  getLinear(offset: number): number {
    return this.i32[(offset >>> 2) + 1]! * TWO_32 + this.u32[offset >>> 2]!;
  }

  getBig(offset: number): bigint {
    return this.#u64[offset >>> 3]!;
  }

  /** Writes the 64-bit two's complement of `value`, an integer between -2^53 and 2^53: so a canonical address of either half too. */
  set(offset: number, value: number): void {
    this.u32[offset >>> 2] = value;
    this.u32[(offset >>> 2) + 1] = Math.floor(value / TWO_32);
  }

  setHalves(offset: number, lo: number, hi: number): void {
    this.u32[offset >>> 2] = lo;
    this.u32[(offset >>> 2) + 1] = hi;
  }

  setBig(offset: number, value: bigint): void {
    this.#u64[offset >>> 3] = BigInt.asUintN(64, value);
  }

  /** The 32-bit words of the block (CPL, MODE, EXIT_REASON ...). */
  getWord(offset: number): number {
    return this.u32[offset >>> 2]!;
  }

  setWord(offset: number, value: number): void {
    this.u32[offset >>> 2] = value;
  }
}
