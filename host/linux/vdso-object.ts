// What a vDSO is made of: its functions, and how the object around them is named. Read by vdso-image.ts and vdso-unwind.ts.

export interface VdsoFunction {
  name: string;
  /** Version of the symbol; null: a piece of code without a symbol. */
  version: string | null;
  /** The text, for the function standing `offset` bytes into the image; `offsetOf` another function's, if that stands before it. */
  text(offset: number, offsetOf: (name: string) => number): string;
  /** Registers that its first instructions push; it ends by popping them and RET. None: it does not move the stack pointer. */
  pushes?: readonly string[];
  /**
   * It is returned to by a signal handler, and interrupted code is what "calls" it: where its registers are.
   * @see vdso-unwind.ts
   */
  signalFrame?: SignalFrame;
}

export interface SignalFrame {
  /** From ESP at the first instruction to struct sigcontext_32. */
  sigcontext: number;
  /** Instructions of one byte, at the start, that pop a word. */
  popped: number;
}

export interface VdsoObject {
  bits: 32 | 64;
  soname: string;
  /** In the order of their definitions. */
  versions: readonly string[];
  /** Is each __vdso_name there as name too, weakly? */
  weak: boolean;
  functions: readonly VdsoFunction[];
}

/** A function assembled. */
export interface Code {
  function: VdsoFunction;
  offset: number;
  bytes: Uint8Array;
}

/** Bytes written one field after the other, little-endian. */
export class Bytes {
  readonly list: number[] = [];
  u8(...values: number[]): this {
    this.list.push(...values.map((value) => value & 0xff));
    return this;
  }
  u16(value: number): this {
    return this.u8(value, value >>> 8);
  }
  /** Negative numbers as their two's complement. */
  u32(value: number): this {
    return this.u16(value).u16(value >>> 16);
  }
  u64(value: number): this {
    return this.u32(value).u32(Math.floor(value / 0x1_0000_0000));
  }
  /** An address or size of the object's class. */
  word(value: number, bits: 32 | 64): this {
    return bits === 64 ? this.u64(value) : this.u32(value);
  }
  text(text: string): this {
    return this.u8(...[...text].map((char) => char.charCodeAt(0)), 0);
  }
  align(to: number, fill = 0): this {
    while (this.list.length % to !== 0) this.list.push(fill);
    return this;
  }
}
