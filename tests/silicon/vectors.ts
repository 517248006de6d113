// Recorded vectors: for every row of the table what a chip (or a named emulator) made of VECTORS_PER_FORM cases, so that computers without that chip can
// hold our machine against it. The cases are not stored: they come from a seed made of the row's name, and a checksum tells whether
// the generator still makes the same ones. Of a result only what differs from the state before is kept, byte by byte of all cases
// together, which leaves long runs of zeros to deflate.
//
// vectors/<vendor>/<mode>-<CPUID feature>.bin = entries; entry = u32 length of header, header (JSON), u32 length, deflated body
//
// body   u32 x cases        length of each case's memory differences
//        0x260 x cases      after XOR before, first bytes of all cases first:
//                             0x000 u64 RAX..R15   0x080 RFLAGS, FS base, GS base, RIP   0x0a0 error, CR2   0x0b0 u8 vector, u8 signal
//                             0x0c0 FXSAVE image up to XMM15
//        10 x differences   u16 offset in the data window, u64 contents XOR before

import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Vendor } from "../../host/machine/cpu-models";
import type { Row } from "../../kernel/decode/row";
import { CODE_BASE, type Case, DATA_RW_SIZE, FX_BYTES, type Result, dataBaseline, packCases } from "./case-format";
import { type Instance, generate } from "./generate";
import { generate32 } from "./generate-32";
import { Random } from "./random";
import { scope32 } from "./scope-32";

const VECTORS_PER_FORM = 200;
const IMAGE_BYTES = 0xc0 + FX_BYTES;

export interface Header {
  /** The form: mode and row. */
  key: string;
  /** The chip's name, or the emulator's. */
  chip: string;
  /** Of the cases, packed. */
  checksum: number;
  /** CPUID feature of the row that the chip does not have: what is recorded is its #UD. */
  lacks?: string;
}

export interface Entry {
  header: Header;
  body: Uint8Array;
}

export const formKey = (row: Row, mode: 64 | 32) => `${mode} ${row.opcode} ${row.mnemonic} ${row.operands}`.trimEnd();

/** FNV-1a, 32 bits. */
function hash(bytes: Uint8Array): number {
  let h = 0x811c9dc5;
  for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

/** How many vectors a form has; 0 if it has none of its own. */
export function vectorCount(row: Row, mode: 64 | 32): number {
  if (mode === 64) return VECTORS_PER_FORM;
  const scope = scope32(row);
  return scope && "vectors" in scope ? scope.vectors : 0;
}

/** The cases of a form: the same whenever and wherever they are made. */
export function casesOf(row: Row, mode: 64 | 32, vendor: Vendor): { instances: Instance[]; checksum: number } {
  const random = new Random(hash(new TextEncoder().encode(formKey(row, mode))));
  const instances = Array.from({ length: vectorCount(row, mode) }, () => (mode === 64 ? generate(row, random, vendor) : generate32(row, random)));
  return { instances, checksum: hash(packCases(instances.map((instance) => instance.case))) };
}

function image(c: Case): Uint8Array {
  const bytes = new Uint8Array(IMAGE_BYTES);
  const view = new DataView(bytes.buffer);
  c.gpr.forEach((value, i) => view.setBigUint64(8 * i, value, true));
  [c.rflags, c.fsBase, c.gsBase, BigInt(CODE_BASE + c.codeOffset)].forEach((value, i) => view.setBigUint64(0x80 + 8 * i, value, true));
  bytes.set(c.fx, 0xc0);
  return bytes;
}

const baseline = new DataView(dataBaseline().buffer);

/** 8 bytes of the data window before the case. */
function memoryBefore(c: Case, offset: number): bigint {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setBigUint64(0, baseline.getBigUint64(offset, true), true);
  for (const p of c.patches) {
    for (let i = 0; i < 8; i++) {
      const k = offset + i - p.offset;
      if (k >= 0 && k < p.bytes.length) bytes.setUint8(i, p.bytes[k]);
    }
  }
  return bytes.getBigUint64(0, true);
}

export function packResults(instances: readonly Instance[], results: readonly Result[]): Uint8Array {
  return deflateRawSync(resultBody(instances, results), { level: 9 });
}

/** Equal for equal results. */
export function resultBody(instances: readonly Instance[], results: readonly Result[]): Uint8Array {
  const count = results.length;
  const total = results.reduce((sum, r) => sum + r.differences.length, 0);
  const body = new Uint8Array(count * (4 + IMAGE_BYTES) + 10 * total);
  const view = new DataView(body.buffer);
  let at = count * (4 + IMAGE_BYTES);
  results.forEach((r, i) => {
    const c = instances[i].case;
    const before = image(c);
    const after = image({ ...c, gpr: r.gpr, rflags: r.rflags, fsBase: r.fsBase, gsBase: r.gsBase, fx: r.fx });
    const words = new DataView(after.buffer);
    words.setBigUint64(0x98, r.rip, true);
    words.setBigUint64(0xa0, r.error, true);
    words.setBigUint64(0xa8, r.vector === 14 ? r.cr2 : 0n, true); // of another fault CR2 is an old one
    after[0xb0] = r.vector;
    after[0xb1] = r.signal;
    view.setUint32(4 * i, r.differences.length, true);
    for (let k = 0; k < IMAGE_BYTES; k++) body[4 * count + k * count + i] = after[k] ^ before[k];
    for (const [offset, contents] of r.differences) {
      view.setUint16(at, offset, true);
      view.setBigUint64(at + 2, contents ^ memoryBefore(c, offset), true);
      at += 10;
    }
  });
  return body;
}

export function unpackRecorded(instances: readonly Instance[], deflated: Uint8Array): Result[] {
  const body = inflateRawSync(deflated);
  const count = instances.length;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let at = count * (4 + IMAGE_BYTES);
  return instances.map(({ case: c }, index) => {
    const after = image(c);
    for (let k = 0; k < IMAGE_BYTES; k++) after[k] ^= body[4 * count + k * count + index];
    const words = new DataView(after.buffer);
    const u64 = (offset: number) => words.getBigUint64(offset, true);
    const differences: [number, bigint][] = [];
    for (let k = view.getUint32(4 * index, true); k > 0; k--) {
      const offset = view.getUint16(at, true);
      if (offset >= DATA_RW_SIZE) throw new Error("recorded vectors: an offset outside the data window");
      differences.push([offset, view.getBigUint64(at + 2, true) ^ memoryBefore(c, offset)]);
      at += 10;
    }
    return {
      index, signal: after[0xb1], signalCode: 0, vector: after[0xb0], error: u64(0xa0), gpr: BigUint64Array.from({ length: 16 }, (_, i) => u64(8 * i)),
      rflags: u64(0x80), fsBase: u64(0x88), gsBase: u64(0x90), rip: u64(0x98), fx: after.slice(0xc0), cr2: u64(0xa8), differences,
    };
  });
}

export const vectorFile = (folder: string, row: Row, mode: 64 | 32, vendor: Vendor) =>
  join(folder, vendor, `${mode}-${(row.cpuid ?? "base").replace(/\W/g, "_")}.bin`);

export function readEntries(path: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  if (!existsSync(path)) return entries;
  const file = readFileSync(path);
  for (let at = 0; at < file.length; ) {
    const headerLength = file.readUInt32LE(at);
    const header = JSON.parse(file.toString("utf8", at + 4, at + 4 + headerLength)) as Header;
    at += 4 + headerLength;
    const length = file.readUInt32LE(at);
    entries.set(header.key, { header, body: file.subarray(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  return entries;
}

export function writeEntries(path: string, entries: Iterable<Entry>): void {
  const parts: Buffer[] = [];
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  for (const { header, body } of entries) {
    const text = Buffer.from(JSON.stringify(header));
    parts.push(u32(text.length), text, u32(body.length), Buffer.from(body));
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.concat(parts));
}

/** Every entry of a vendor, by its key. */
export function readAll(folder: string, vendor: Vendor): Map<string, Entry> {
  const all = new Map<string, Entry>();
  if (!existsSync(join(folder, vendor))) return all;
  for (const name of readdirSync(join(folder, vendor)).sort()) for (const [key, entry] of readEntries(join(folder, vendor, name))) all.set(key, entry);
  return all;
}
