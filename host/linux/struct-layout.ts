// Structs of the kernel's interface as tables of fields: from one row, written as C has it, come the layouts under each ABI, reading,
// writing, and what strace prints of it. The rows are in uapi-structs.ts.

import type { Abi } from "./abi";
import type { UserMemory } from "./uaccess";

/** Who reads or writes: the task, with the ABI of the call that it is in. */
export interface UserView {
  readonly mm: UserMemory;
  readonly abi: Abi;
}

interface Field {
  name: string;
  offset: number;
  bytes: number;
  signed: boolean;
  /** Nanoseconds that a 32-bit program pads to 64 bits: the upper half may hold anything (Linux get_timespec64). */
  lowHalf: boolean;
}

interface StructLayout {
  fields: readonly Field[];
  size: number;
}

const TWO_32 = 0x1_0000_0000;

function bytesOfType(type: string, abi: Abi): number {
  switch (type) {
    case "long":
    case "ulong":
      return abi.word;
    case "time":
    case "subsec":
      return abi.time;
  }
  return Number(type.slice(1)) / 8;
}

/**
 * A struct by its fields: "type name, type name[count], ...". Types: i8 to i64, u8 to u64; long and ulong (pointers too), which are a
 * word of the ABI; time and subsec, the halves of timespec and timeval. Names that begin with _ are padding: zero when
 * written, not there when read.
 */
export class Struct<Name extends string> {
  private readonly layouts = new Map<Abi, StructLayout>();

  /** @param i386 the fields where i386 has others, not only other sizes @param packed i386 without any alignment */
  constructor(
    private readonly text: string,
    private readonly i386: string = text,
    private readonly packed = false,
  ) {}

  private layout(abi: Abi): StructLayout {
    let layout = this.layouts.get(abi);
    if (layout === undefined) {
      layout = this.layOut(abi);
      this.layouts.set(abi, layout);
    }
    return layout;
  }

  private layOut(abi: Abi): StructLayout {
    const fields: Field[] = [];
    let at = 0;
    let largest = 1;
    for (const text of (abi.word === 8 ? this.text : this.i386).split(",")) {
      const [, type, name, count = "1"] = /^\s*(\w+) (\w+)(?:\[(\d+)\])?\s*$/.exec(text)!;
      const bytes = bytesOfType(type!, abi);
      const align = this.packed && abi.word === 4 ? 1 : bytes === 8 ? abi.align64 : bytes;
      at = Math.ceil(at / align) * align;
      largest = Math.max(largest, align);
      const signed = !type!.startsWith("u");
      if (!name!.startsWith("_")) fields.push({ name: name!, offset: at, bytes, signed, lowHalf: type === "subsec" && abi.word === 4 });
      at += bytes * Number(count);
    }
    return { fields, size: Math.ceil(at / largest) * largest };
  }

  /** sizeof */
  size(abi: Abi): number {
    return this.layout(abi).size;
  }

  /** The bytes of a struct that holds `values`, integers of which each keeps as many bits as its field has. */
  encode(abi: Abi, values: Readonly<Record<Name, number>>): Uint8Array {
    const { fields, size } = this.layout(abi);
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    for (const { name, offset, bytes: width } of fields) {
      const value = values[name as Name];
      if (width === 1) view.setUint8(offset, value);
      else if (width === 2) view.setUint16(offset, value, true);
      else view.setUint32(offset, value, true);
      if (width === 8) view.setUint32(offset + 4, Math.floor(value / TWO_32), true);
    }
    return bytes;
  }

  /** Its fields as numbers: exact below 2^53, rounded above. */
  decode(abi: Abi, view: DataView): Record<Name, number> {
    const values = {} as Record<Name, number>;
    for (const { name, offset, bytes, signed, lowHalf } of this.layout(abi).fields) {
      let value: number;
      if (bytes === 8 && !lowHalf) {
        value = (signed ? view.getInt32(offset + 4, true) : view.getUint32(offset + 4, true)) * TWO_32 + view.getUint32(offset, true);
      } else if (bytes === 8) value = view.getUint32(offset, true);
      else if (bytes === 4) value = signed ? view.getInt32(offset, true) : view.getUint32(offset, true);
      else if (bytes === 2) value = signed ? view.getInt16(offset, true) : view.getUint16(offset, true);
      else value = signed ? view.getInt8(offset) : view.getUint8(offset);
      values[name as Name] = value;
    }
    return values;
  }

  /** Throws UserFault. */
  get({ mm, abi }: UserView, address: number): Record<Name, number> {
    const bytes = mm.copyFromUser(address, this.size(abi));
    return this.decode(abi, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** Throws UserFault. */
  put({ mm, abi }: UserView, address: number, values: Readonly<Record<Name, number>>): void {
    mm.copyToUser(address, this.encode(abi, values));
  }
}

/** A word of the call's ABI, unsigned: a pointer, a size_t. */
export function getWord({ mm, abi }: UserView, address: number): number {
  return abi.word === 8 ? mm.getU64(address) : mm.getU32(address);
}

export function putWord({ mm, abi }: UserView, address: number, value: number): void {
  if (abi.word === 8) mm.putU64(address, value);
  else mm.putU32(address, value);
}
