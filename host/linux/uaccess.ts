// User memory as system calls see it (Linux uaccess.h): the only way by which a handler touches the guest's memory.
// Entered from syscalls/*; a page that is not there yet is brought in by fault.ts, a bad address throws UserFault, which
// entry-common.ts turns into -EFAULT. Mm is one of these.

import type { PhysMemory } from "../machine/phys-memory";
import { E2BIG, ENAMETOOLONG, ENOMEM, Errno, UserFault } from "./errno";
import { PAGE_SIZE, TASK_SIZE } from "./uapi-mman";

const TWO_32 = 0x1_0000_0000;
/** Longest copy in one piece; whoever moves more does so in pieces of its own. */
const COPY_MAX = 64 << 20;
/** PATH_MAX, the terminating zero included. */
const PATH_MAX = 4096;

export abstract class UserMemory {
  // Where small values are put together: a typed array of its own for each would cost more than the whole crossing.
  readonly #eight = new DataView(new ArrayBuffer(8));
  readonly #eightBytes = new Uint8Array(this.#eight.buffer);
  readonly #sixteen = new DataView(new ArrayBuffer(16));
  readonly #sixteenBytes = new Uint8Array(this.#sixteen.buffer);

  constructor(protected readonly phys: PhysMemory) {}

  /**
   * Physical address of the byte at user address `address`, its page brought in and, for `write`, copied if shared.
   * Throws UserFault when the guest itself could not make the access.
   */
  abstract translate(address: number, write: boolean): number;

  /** Throws UserFault unless [address, address + length) lies in user space (Linux access_ok). */
  accessOk(address: number, length: number): void {
    if (!(address >= 0 && length >= 0 && address + length <= TASK_SIZE)) throw new UserFault(address);
  }

  /** A copy of `length` bytes at `address`. */
  copyFromUser(address: number, length: number): Uint8Array {
    this.accessOk(address, length);
    if (length > COPY_MAX) throw new Errno(ENOMEM);
    const within = address % PAGE_SIZE;
    if (length > 0 && within + length <= PAGE_SIZE) return this.phys.read(this.translate(address, false), length);
    // The first and the last page first: a wild length must not make the host allocate before it faults.
    if (length > PAGE_SIZE) {
      this.translate(address, false);
      this.translate(address + length - 1, false);
    }
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = address + done;
      const chunk = Math.min(PAGE_SIZE - (at % PAGE_SIZE), length - done);
      bytes.set(this.phys.view(this.translate(at, false), chunk), done);
      done += chunk;
    }
    return bytes;
  }

  /** Stores `bytes` at `address`. What precedes a bad page has been stored when this throws. */
  copyToUser(address: number, bytes: Uint8Array): void {
    const { length } = bytes;
    this.accessOk(address, length);
    const within = address % PAGE_SIZE;
    if (within + length <= PAGE_SIZE) {
      if (length > 0) this.phys.write(this.translate(address, true), bytes);
      return;
    }
    for (let done = 0; done < length; ) {
      const at = address + done;
      const chunk = Math.min(PAGE_SIZE - (at % PAGE_SIZE), length - done);
      this.phys.write(this.translate(at, true), bytes.subarray(done, done + chunk));
      done += chunk;
    }
  }

  /** Stores `length` zeros (Linux clear_user). */
  clearUser(address: number, length: number): void {
    this.accessOk(address, length);
    for (let done = 0; done < length; ) {
      const at = address + done;
      const chunk = Math.min(PAGE_SIZE - (at % PAGE_SIZE), length - done);
      this.phys.fill(this.translate(at, true), chunk, 0);
      done += chunk;
    }
  }

  getU8(address: number): number {
    this.accessOk(address, 1);
    return this.phys.u8[this.translate(address, false)]!;
  }

  getU16(address: number): number {
    const bytes = this.copyFromUser(address, 2);
    return bytes[0]! | (bytes[1]! << 8);
  }

  getU32(address: number): number {
    if (address % 4 !== 0) {
      const bytes = this.copyFromUser(address, 4);
      return new DataView(bytes.buffer).getUint32(0, true);
    }
    this.accessOk(address, 4);
    return this.phys.u32[this.translate(address, false) >>> 2]!;
  }

  getI32(address: number): number {
    return this.getU32(address) | 0;
  }

  /** Unsigned 64 bits as a number: exact below 2^53, rounded above (an address or length that large is bad anyway). */
  getU64(address: number): number {
    return this.getU32(address + 4) * TWO_32 + this.getU32(address);
  }

  /** Signed 64 bits as a number: exact between -2^53 and 2^53. */
  getI64(address: number): number {
    return this.getI32(address + 4) * TWO_32 + this.getU32(address);
  }

  /** Unsigned 64 bits, exact: masks and the like. */
  getBig(address: number): bigint {
    return (BigInt(this.getU32(address + 4)) << 32n) | BigInt(this.getU32(address));
  }

  putU8(address: number, value: number): void {
    this.copyToUser(address, Uint8Array.of(value));
  }

  putU16(address: number, value: number): void {
    this.copyToUser(address, Uint8Array.of(value, value >>> 8));
  }

  putU32(address: number, value: number): void {
    this.copyToUser(address, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24));
  }

  /** 64-bit two's complement of an integral number. */
  putU64(address: number, value: number): void {
    this.#eight.setUint32(0, value, true);
    this.#eight.setUint32(4, Math.floor(value / TWO_32), true);
    this.copyToUser(address, this.#eightBytes);
  }

  putBig(address: number, value: bigint): void {
    this.#eight.setBigUint64(0, BigInt.asUintN(64, value), true);
    this.copyToUser(address, this.#eightBytes);
  }

  /**
   * The zero-terminated byte string at `address`, without its zero.
   * @param max room for the string with its zero; a longer one is -ENAMETOOLONG, or `tooLong`
   */
  getCString(address: number, max = PATH_MAX, tooLong = ENAMETOOLONG): string {
    let text = "";
    for (let at = address; ; ) {
      this.accessOk(at, 1);
      const chunk = PAGE_SIZE - (at % PAGE_SIZE);
      const page = this.phys.view(this.translate(at, false), Math.min(chunk, max - text.length));
      const zero = page.indexOf(0);
      text += latin1(zero < 0 ? page : page.subarray(0, zero));
      if (zero >= 0) return text;
      if (text.length >= max) throw new Errno(tooLong);
      at += chunk;
    }
  }

  /** The strings of a NULL-terminated array of pointers, as execve takes it, of `word` bytes each; NULL itself is an empty array. */
  getStringArray(address: number, word: 4 | 8, maxBytes: number): string[] {
    const strings: string[] = [];
    if (address === 0) return strings;
    let bytes = 0;
    for (let at = address; ; at += word) {
      const pointer = word === 8 ? this.getU64(at) : this.getU32(at);
      if (pointer === 0) return strings;
      const text = this.getCString(pointer, 32 * PAGE_SIZE, E2BIG);
      bytes += text.length + 9;
      if (bytes > maxBytes) throw new Errno(E2BIG);
      strings.push(text);
    }
  }

  /** Two integers of 64 bits: a timespec or a timeval. */
  putTimespec(address: number, sec: number, nsec: number): void {
    this.#sixteen.setUint32(0, sec, true);
    this.#sixteen.setUint32(4, Math.floor(sec / TWO_32), true);
    this.#sixteen.setUint32(8, nsec, true);
    this.copyToUser(address, this.#sixteenBytes);
  }
}

const LATIN1_CHUNK = 2048;

/** Bytes as a byte string: one char a byte. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += LATIN1_CHUNK) {
    text += String.fromCharCode(...bytes.subarray(i, i + LATIN1_CHUNK));
  }
  return text;
}

/** A byte string as bytes. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
