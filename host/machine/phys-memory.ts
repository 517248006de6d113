// Guest RAM by physical address, and who owns each 4 KiB frame of it.
// The host's writes end here, so that code decoded from a page that changes is dropped (DESIGN section 4, "Code cache").

export const PAGE_SIZE = 4096;
/** Answer of the frame allocator when guest RAM is used up. */
export const NO_FRAME = -1;

/** What PhysMemory needs to know of the decoder: where it keeps code by physical page, and how to drop a page's. */
export interface CodeTracking {
  /** One word a physical page; not 0 = there is decoded code of this page. */
  readonly pageCode: Uint32Array;
  dropCode(page: number): void;
}

/**
 * Guest RAM. Addresses are physical, in bytes from 0.
 *
 * The typed arrays see the same bytes; a write through them is for memory that never holds code (page tables, stacks,
 * descriptor tables). `write` and `fill` are for everything else.
 */
export class PhysMemory {
  readonly bytes: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  readonly #view: DataView;
  readonly #code: CodeTracking | undefined;

  // Reference counts, one a frame. 0 = free; RESERVED frames are never given out nor counted.
  readonly #references: Int32Array;
  // Frames that have been given back. An entry may be stale (its frame was taken by allocFrames); it is checked when popped.
  readonly #free: number[] = [];
  // Frames from here up have never been given out, so they still hold the zeros the memory was born with.
  #untouched = 1;
  #inUse = 0;
  readonly #frames: number;

  /** @param buffer linear memory @param base where RAM starts in it @param bytes size of RAM, a multiple of 4096 */
  constructor(buffer: ArrayBufferLike, base: number, bytes: number, code?: CodeTracking) {
    this.bytes = bytes;
    this.u8 = new Uint8Array(buffer, base, bytes);
    this.u16 = new Uint16Array(buffer, base, bytes / 2);
    this.u32 = new Uint32Array(buffer, base, bytes / 4);
    this.i32 = new Int32Array(buffer, base, bytes / 4);
    this.f64 = new Float64Array(buffer, base, bytes / 8);
    this.#view = new DataView(buffer, base, bytes);
    this.#code = code;
    this.#frames = Math.floor(bytes / PAGE_SIZE);
    this.#references = new Int32Array(this.#frames);
    this.#references[0] = RESERVED;
  }

  /** A copy of `length` bytes at physical address `pa`. */
  read(pa: number, length: number): Uint8Array {
    return this.u8.slice(pa, pa + length);
  }

  /** The bytes themselves, for reading only. */
  view(pa: number, length: number): Uint8Array {
    return this.u8.subarray(pa, pa + length);
  }

  write(pa: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#dropCode(pa, bytes.length);
    this.u8.set(bytes, pa);
  }

  fill(pa: number, length: number, value: number): void {
    if (length === 0) return;
    this.#dropCode(pa, length);
    this.u8.fill(value, pa, pa + length);
  }

  /** Copies one frame onto another. */
  copyFrame(to: number, from: number): void {
    this.#dropCode(to, PAGE_SIZE);
    this.u8.copyWithin(to, from, from + PAGE_SIZE);
  }

  getU64(pa: number): bigint {
    return this.#view.getBigUint64(pa, true);
  }

  setU64(pa: number, value: bigint): void {
    this.#view.setBigUint64(pa, BigInt.asUintN(64, value), true);
  }

  /** Makes code decoded from these bytes be decoded again. For callers that write through the typed arrays. */
  #dropCode(pa: number, length: number): void {
    if (this.#code === undefined) return;
    const { pageCode } = this.#code;
    const last = (pa + length - 1) >>> 12;
    for (let page = pa >>> 12; page <= last; page++) {
      if (pageCode[page] !== 0) this.#code.dropCode(page);
    }
  }

  // --- frames

  /** Frames given out and not yet back, reserved ones not counted. */
  get framesInUse(): number {
    return this.#inUse;
  }

  /** Frames that can still be given out. */
  get framesFree(): number {
    return this.#allocatable - this.#inUse;
  }

  get #allocatable(): number {
    return this.#frames - this.#reserved;
  }

  #reserved = 1;

  /** Takes every frame below `pa` out of allocation for good. Must come before the first allocation. */
  reserveBelow(pa: number): void {
    if (this.#inUse !== 0) throw new Error("reserveBelow after the first allocation");
    const frames = pa >>> 12;
    if (frames > this.#frames) throw new RangeError(`guest RAM of ${this.bytes} bytes is smaller than the reserved ${pa}`);
    this.#references.fill(RESERVED, 0, frames);
    this.#untouched = frames;
    this.#reserved = frames;
  }

  /** A zeroed frame with one reference: its physical address, or NO_FRAME. */
  allocFrame(): number {
    while (this.#free.length > 0) {
      const frame = this.#free.pop()!;
      if (this.#references[frame] !== 0) continue;
      this.#take(frame);
      this.fill(frame * PAGE_SIZE, PAGE_SIZE, 0);
      return frame * PAGE_SIZE;
    }
    if (this.#untouched >= this.#frames) return NO_FRAME;
    const frame = this.#untouched++;
    this.#take(frame);
    return frame * PAGE_SIZE;
  }

  /**
   * `count` neighbouring zeroed frames (a power of two), aligned to their size, one reference each, to be put back one by one.
   * Answers the first one's physical address, or NO_FRAME.
   */
  allocFrames(count: number): number {
    const first = this.#findRun(count);
    if (first < 0) return NO_FRAME;
    for (let frame = first; frame < first + count; frame++) this.#take(frame);
    this.fill(first * PAGE_SIZE, count * PAGE_SIZE, 0);
    return first * PAGE_SIZE;
  }

  #findRun(count: number): number {
    const fresh = Math.ceil(this.#untouched / count) * count;
    if (fresh + count <= this.#frames) {
      for (let frame = this.#untouched; frame < fresh; frame++) this.#free.push(frame);
      this.#untouched = fresh + count;
      return fresh;
    }
    for (let first = 0; first + count <= this.#untouched; first += count) {
      let used = 0;
      while (used < count && this.#references[first + used] === 0) used++;
      if (used === count) return first;
    }
    return -1;
  }

  #take(frame: number): void {
    this.#references[frame] = 1;
    this.#inUse++;
  }

  /** One more owner of the frame at `pa`. */
  get(pa: number): void {
    const frame = pa >>> 12;
    const references = this.#references[frame]!;
    if (references === RESERVED) return;
    if (references === 0) throw new Error(`reference to a free frame, physical ${pa.toString(16)}`);
    this.#references[frame] = references + 1;
  }

  /** One owner less; the last one frees the frame. */
  put(pa: number): void {
    const frame = pa >>> 12;
    const references = this.#references[frame]!;
    if (references === RESERVED) return;
    if (references === 0) throw new Error(`frame freed twice, physical ${pa.toString(16)}`);
    this.#references[frame] = references - 1;
    if (references > 1) return;
    this.#inUse--;
    this.#free.push(frame);
  }

  /** Owners of the frame at `pa`; 1 means that its only owner may write to it. */
  references(pa: number): number {
    return Math.max(this.#references[pa >>> 12]!, 0);
  }
}

const RESERVED = -1;
