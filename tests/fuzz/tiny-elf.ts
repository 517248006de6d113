// Static ELF files of a few hundred bytes: one segment that may be read, written and executed, and one of data.

export const CODE_ADDRESS = 0x400000;
export const DATA_ADDRESS = 0x600000;

/**
 * An ET_EXEC whose entry is the first byte of `code`, at CODE_ADDRESS; `data` stands at DATA_ADDRESS, writable.
 * The page after each is not mapped.
 */
export function tinyElf(code: Uint8Array, data: Uint8Array): Uint8Array {
  const codeAt = 0x1000;
  const dataAt = codeAt + Math.ceil(code.length / 4096) * 4096;
  const file = new Uint8Array(dataAt + data.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 62, true); // EM_X86_64
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(CODE_ADDRESS), true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  view.setUint16(58, 64, true);
  const segment = (at: number, flags: number, offset: number, address: number, size: number) => {
    view.setUint32(at, 1, true); // PT_LOAD
    view.setUint32(at + 4, flags, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(address), true);
    view.setBigUint64(at + 24, BigInt(address), true);
    view.setBigUint64(at + 32, BigInt(size), true);
    view.setBigUint64(at + 40, BigInt(size), true);
    view.setBigUint64(at + 48, 0x1000n, true);
  };
  segment(64, 7, codeAt, CODE_ADDRESS, code.length);
  segment(120, 6, dataAt, DATA_ADDRESS, data.length);
  file.set(code, codeAt);
  file.set(data, dataAt);
  return file;
}

/** The same as a 32-bit program. */
export function tinyElf32(code: Uint8Array, data: Uint8Array): Uint8Array {
  const codeAt = 0x1000;
  const dataAt = codeAt + Math.ceil(code.length / 4096) * 4096;
  const file = new Uint8Array(dataAt + data.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 3, true); // EM_386
  view.setUint32(20, 1, true);
  view.setUint32(24, CODE_ADDRESS, true);
  view.setUint32(28, 52, true);
  view.setUint16(40, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, 2, true);
  const segment = (at: number, flags: number, offset: number, address: number, size: number) =>
    [1, offset, address, address, size, size, flags, 0x1000].forEach((value, i) => view.setUint32(at + 4 * i, value, true));
  segment(52, 7, codeAt, CODE_ADDRESS, code.length);
  segment(84, 6, dataAt, DATA_ADDRESS, data.length);
  file.set(code, codeAt);
  file.set(data, dataAt);
  return file;
}
