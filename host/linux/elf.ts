// The ELF header and program headers of a program (System V ABI, chapters 4 and 5; AMD64 supplement). Reads and judges only;
// exec.ts maps what is described here. Every refusal is one line that says what is wrong with the file.
//
//   Elf64_Ehdr, 64 bytes                                     Elf64_Phdr, 56 bytes
//    0    4 5 6 7 8       16  18  20     24      32             0     4     8       16      24
//   +----+-+-+-+-+-------+---+---+------+-------+-------+      +-----+-----+-------+-------+-------+
//   |\x7fELF|c|d|v|abi|..|typ|mch|version|entry |phoff  |      |type |flags|offset | vaddr | paddr |
//   +----+-+-+-+-+-------+---+---+------+-------+-------+      +-----+-----+-------+-------+-------+
//    40      48     52     54     56    58     60    62         32      40      48
//   +-------+------+------+------+-----+------+-----+------+   +-------+-------+-------+
//   |shoff  |flags |ehsize|phents|phnum|shents|shnum|shstrn|   |filesz | memsz | align |
//   +-------+------+------+------+-----+------+-----+------+   +-------+-------+-------+
//
//   Elf32_Ehdr, 52 bytes: the same with entry at 24, phoff at 28, shoff at 32, flags at 36, and the u16 fields from 40 on.
//   Elf32_Phdr, 32 bytes: u32 type, offset, vaddr, paddr, filesz, memsz, flags, align.

import { PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, TASK_SIZE, TASK_SIZE_32 } from "./uapi-mman";

export const ET_EXEC = 2;
export const ET_DYN = 3;
export const PT_LOAD = 1;
export const PT_INTERP = 3;
export const PT_PHDR = 6;
export const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;

export const EHDR_SIZE = 64;
export const PHDR_SIZE = 56;
const EHDR32_SIZE = 52;
const PHDR32_SIZE = 32;
/** Linux reads at most 64 KiB of program headers. */
const PHDRS_MAX = 65536;
const PATH_MAX = 4096;
const EM_X86_64 = 62;
const EM_386 = 3;
const EM_486 = 6;
const ELFCLASS32 = 1;
const ELFCLASS64 = 2;

const machines: Readonly<Record<number, string>> = {
  2: "SPARC", 3: "32-bit x86 (i386)", 6: "32-bit x86 (i486)", 8: "MIPS", 20: "PowerPC", 21: "64-bit PowerPC", 22: "S/390", 40: "32-bit ARM", 42: "SuperH",
  43: "SPARC V9", 50: "Itanium", 62: "x86-64", 183: "64-bit ARM (AArch64)", 243: "RISC-V", 247: "BPF", 258: "LoongArch",
};
const types: Readonly<Record<number, string>> = {
  0: "no type", 1: "an object file that has not been linked", 4: "a core dump",
};

/** Why a file cannot be run: `message` is one line without the file's name. ENOEXEC to the guest's own execve. */
export class ElfError {
  constructor(readonly message: string) {}
}

export interface ProgramHeader {
  type: number;
  /** PROT_* of p_flags */
  prot: number;
  offset: number;
  vaddr: number;
  filesz: number;
  memsz: number;
  align: number;
}

export interface Elf {
  /** 64: x86-64, 32: i386. */
  bits: 32 | 64;
  type: typeof ET_EXEC | typeof ET_DYN;
  /** Size of a program header in the file. */
  phent: number;
  entry: number;
  phoff: number;
  headers: ProgramHeader[];
  /** The PT_LOADs, ascending. */
  loads: ProgramHeader[];
  /** Path of PT_INTERP, a byte string; null for a static program. */
  interpreter: string | null;
  /** What PT_GNU_STACK says of the stack; "unsaid" without one. */
  stack: "executable" | "not executable" | "unsaid";
  /** Greatest p_align of the PT_LOADs that is a power of two; at least a page. */
  alignment: number;
}

/** Reads `length` bytes at `offset` of the file; fewer at its end. */
export type ReadAt = (offset: number, length: number) => Uint8Array;

/** Parses and checks a program of `size` bytes. Throws ElfError. */
export function parseElf(readAt: ReadAt, size: number): Elf {
  const ehdr = readAt(0, EHDR_SIZE);
  if (ehdr.length < 4 || ehdr[0] !== 0x7f || ehdr[1] !== 0x45 || ehdr[2] !== 0x4c || ehdr[3] !== 0x46) {
    throw new ElfError(size === 0 ? "an empty file" : "not an ELF file");
  }
  const headerSize = ehdr[4] === ELFCLASS32 ? EHDR32_SIZE : EHDR_SIZE;
  if (ehdr.length < headerSize) throw new ElfError(`a truncated ELF file: ${ehdr.length} bytes, its header alone has ${headerSize}`);
  const view = new DataView(ehdr.buffer, ehdr.byteOffset, ehdr.length);
  if (ehdr[5] === 2) {
    throw new ElfError(`a big-endian ELF file (for ${machineName(view.getUint16(18, false))}); ${ONLY}`);
  }
  const machine = view.getUint16(18, true);
  if (machine !== EM_X86_64 && machine !== EM_386 && machine !== EM_486) throw new ElfError(`an ELF file for ${machineName(machine)}; ${ONLY}`);
  const bits = machine === EM_X86_64 ? 64 : 32;
  if (bits === 64 && ehdr[4] !== ELFCLASS64) throw new ElfError(`a 32-bit ELF file for x86-64 (x32 ABI); ${ONLY}`);
  if (bits === 32 && ehdr[4] !== ELFCLASS32) throw new ElfError(`an ELF file for ${machineName(machine)} with 64-bit headers; ${ONLY}`);
  if (ehdr[5] !== 1) throw new ElfError(`an ELF file of unknown byte order (EI_DATA ${ehdr[5]})`);
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) {
    throw new ElfError(`an ELF file, but not a program: ${types[type] ?? `e_type ${type}`}`);
  }
  const headers = readHeaders(readAt, view, size, bits);
  const loads = headers.filter((header) => header.type === PT_LOAD && header.memsz > 0);
  checkLoads(loads, size, type, bits === 64 ? TASK_SIZE : TASK_SIZE_32);
  const stack = headers.find((header) => header.type === PT_GNU_STACK);
  return {
    bits,
    type,
    phent: bits === 64 ? PHDR_SIZE : PHDR32_SIZE,
    entry: bits === 64 ? u64(view, 24) : view.getUint32(24, true),
    phoff: bits === 64 ? u64(view, 32) : view.getUint32(28, true),
    headers,
    loads,
    interpreter: readInterpreter(readAt, headers, size),
    stack: stack === undefined ? "unsaid" : stack.prot & PROT_EXEC ? "executable" : "not executable",
    alignment: loads.reduce((most, { align }) => (align > most && Number.isInteger(Math.log2(align)) ? align : most), PAGE_SIZE),
  };
}

const ONLY = "only x86-64 and i386 programs run here";

function readHeaders(readAt: ReadAt, ehdr: DataView, size: number, bits: 32 | 64): ProgramHeader[] {
  const wide = bits === 64;
  const headerSize = wide ? PHDR_SIZE : PHDR32_SIZE;
  const phoff = wide ? u64(ehdr, 32) : ehdr.getUint32(28, true);
  const entrySize = ehdr.getUint16(wide ? 54 : 42, true);
  const count = ehdr.getUint16(wide ? 56 : 44, true);
  if (count === 0) throw new ElfError("an ELF file without program headers");
  if (entrySize !== headerSize) throw new ElfError(`an ELF file with program headers of ${entrySize} bytes instead of ${headerSize}`);
  const bytes = count * headerSize;
  if (bytes > PHDRS_MAX) throw new ElfError(`an ELF file with ${count} program headers, more than ${Math.floor(PHDRS_MAX / headerSize)}`);
  if (!(phoff + bytes <= size)) {
    throw new ElfError(`a truncated ELF file: its program headers end at byte ${phoff + bytes} of ${size}`);
  }
  const table = readAt(phoff, bytes);
  if (table.length < bytes) throw new ElfError("a truncated ELF file: its program headers cannot be read");
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  return Array.from({ length: count }, (_, index) => (wide ? header64(view, index * PHDR_SIZE) : header32(view, index * PHDR32_SIZE)));
}

function header64(view: DataView, at: number): ProgramHeader {
  return {
    type: view.getUint32(at, true),
    prot: protOf(view.getUint32(at + 4, true)),
    offset: u64(view, at + 8),
    vaddr: u64(view, at + 16),
    filesz: u64(view, at + 32),
    memsz: u64(view, at + 40),
    align: u64(view, at + 48),
  };
}

function header32(view: DataView, at: number): ProgramHeader {
  const word = (offset: number): number => view.getUint32(at + offset, true);
  return {
    type: word(0), prot: protOf(word(24)), offset: word(4), vaddr: word(8), filesz: word(16), memsz: word(20), align: word(28),
  };
}

function checkLoads(loads: readonly ProgramHeader[], size: number, type: number, taskSize: number): void {
  if (loads.length === 0) throw new ElfError("an ELF file with nothing to load (no PT_LOAD)");
  let end = 0;
  for (const [index, load] of loads.entries()) {
    const { vaddr, memsz, filesz, offset } = load;
    const name = `load segment ${index} (at 0x${vaddr.toString(16)}, ${memsz} bytes)`;
    if (filesz > memsz) throw new ElfError(`an ELF file whose ${name} has more bytes in the file (${filesz}) than in memory`);
    if (!(vaddr + memsz <= taskSize)) throw new ElfError(`an ELF file whose ${name} does not fit into user space`);
    if (type === ET_EXEC && vaddr < PAGE_SIZE) throw new ElfError(`an ELF file whose ${name} is on the null page`);
    if (filesz > 0 && !(offset + filesz <= size)) {
      throw new ElfError(`a truncated ELF file: ${name} ends at byte ${offset + filesz} of ${size}`);
    }
    if (filesz > 0 && offset % PAGE_SIZE !== vaddr % PAGE_SIZE) {
      throw new ElfError(`an ELF file whose ${name} is not aligned as its file offset 0x${offset.toString(16)} is`);
    }
    if (index > 0 && vaddr < end) throw new ElfError(`an ELF file whose ${name} overlaps or precedes the one before it`);
    end = vaddr + memsz;
  }
}

function readInterpreter(readAt: ReadAt, headers: readonly ProgramHeader[], size: number): string | null {
  const header = headers.find(({ type }) => type === PT_INTERP);
  if (header === undefined) return null;
  const { offset, filesz } = header;
  if (filesz < 2 || filesz > PATH_MAX) throw new ElfError(`an ELF file with an interpreter name of ${filesz} bytes`);
  if (!(offset + filesz <= size)) throw new ElfError("a truncated ELF file: the name of its interpreter is cut off");
  const bytes = readAt(offset, filesz);
  if (bytes.length < filesz || bytes[filesz - 1] !== 0) throw new ElfError("an ELF file whose interpreter name has no end");
  const text = String.fromCharCode(...bytes);
  return text.slice(0, text.indexOf("\0"));
}

function protOf(flags: number): number {
  return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

function machineName(machine: number): string {
  return machines[machine] ?? `machine ${machine}`;
}

/** Exact below 2^53; what is larger rounds, and fails every bound that it is held against. */
function u64(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 0x1_0000_0000 + view.getUint32(offset, true);
}
