// linux-vdso.so.1 as an ELF shared object: tables, notes and unwind data laid out around the code of vdso.asm.ts, so that a file
// offset is a memory offset and nothing is left to relocate. Called from vdso.build.ts at build time; the image is mapped as it is.
//
//   ELF header, 4 program headers
//   .hash .gnu.hash .dynsym .dynstr .gnu.version .gnu.version_d    what the dynamic linker, musl, Go and others look functions up in
//   .dynamic                                                      where those are
//   .note                                                         Linux version, build id
//   .eh_frame_hdr .eh_frame                                       how to unwind from any instruction
//   .text
//   .shstrtab, section headers                                    for readelf, objdump and gdb

import { PAGE_SIZE } from "./uapi-mman";
import { vdsoFunctions } from "./vdso.asm";

const SONAME = "linux-vdso.so.1";
const VERSION = "LINUX_2.6";
/** KERNEL_VERSION(6, 1, 0) */
const LINUX_VERSION_CODE = 0x060100;

const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const SHDR_SIZE = 64;
const PROGRAM_HEADERS = 4;

const SHT_PROGBITS = 1;
const SHT_STRTAB = 3;
const SHT_HASH = 5;
const SHT_DYNAMIC = 6;
const SHT_NOTE = 7;
const SHT_DYNSYM = 11;
const SHT_GNU_HASH = 0x6ffffff6;
const SHT_GNU_VERDEF = 0x6ffffffd;
const SHT_GNU_VERSYM = 0x6fffffff;
const SHF_ALLOC = 2;
const SHF_EXECINSTR = 4;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_NOTE = 4;
const PT_GNU_EH_FRAME = 0x6474e550;
const PF_X = 1;
const PF_R = 4;

const DT_NULL = 0;
const DT_HASH = 4;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_STRSZ = 10;
const DT_SYMENT = 11;
const DT_SONAME = 14;
const DT_GNU_HASH = 0x6ffffef5;
const DT_VERSYM = 0x6ffffff0;
const DT_VERDEF = 0x6ffffffc;
const DT_VERDEFNUM = 0x6ffffffd;

const STB_GLOBAL = 1;
const STB_WEAK = 2;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const SHN_ABS = 0xfff1;

/** vd_ndx of the two versions: the object's own name, and the one that all symbols have. */
const VER_NDX_BASE = 1;
const VER_NDX_LINUX = 2;
const VER_FLG_BASE = 1;

/** Bytes written one field after the other, little-endian. */
class Bytes {
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
  text(text: string): this {
    return this.u8(...[...text].map((char) => char.charCodeAt(0)), 0);
  }
  align(to: number, fill = 0): this {
    while (this.list.length % to !== 0) this.list.push(fill);
    return this;
  }
}

/** ELF's hash of a name (System V gABI, figure 5-13). */
export function sysvHash(name: string): number {
  let hash = 0;
  for (const char of name) {
    hash = (hash * 16 + char.charCodeAt(0)) >>> 0;
    hash = (hash ^ ((hash >>> 28) << 4)) & 0x0fffffff;
  }
  return hash >>> 0;
}

/** The hash of .gnu.hash. */
export function gnuHash(name: string): number {
  let hash = 5381;
  for (const char of name) hash = (Math.imul(hash, 33) + char.charCodeAt(0)) >>> 0;
  return hash;
}

interface VdsoSymbol {
  name: string;
  bind: number;
  type: number;
  /** Offset in the image and size; both 0 for the version's own symbol, which is absolute. */
  value: number;
  size: number;
}

interface Code {
  name: string;
  offset: number;
  bytes: Uint8Array;
}

const GNU_BUCKETS = 3;
const SYSV_BUCKETS = 3;

/** Every dynamic symbol but the null one, in the order that .gnu.hash demands: by bucket. */
function symbolsOf(code: readonly Code[]): VdsoSymbol[] {
  const symbols: VdsoSymbol[] = [{ name: VERSION, bind: STB_GLOBAL, type: STT_OBJECT, value: 0, size: 0 }];
  for (const { name, offset, bytes } of code) {
    const common = { type: STT_FUNC, value: offset, size: bytes.length };
    symbols.push({ name, bind: STB_GLOBAL, ...common }, { name: name.replace("__vdso_", ""), bind: STB_WEAK, ...common });
  }
  return symbols.sort((a, b) => (gnuHash(a.name) % GNU_BUCKETS) - (gnuHash(b.name) % GNU_BUCKETS));
}

/** One section: its header's fields, and its bytes as they are once all addresses are known. */
interface Section {
  name: string;
  type: number;
  flags: number;
  align: number;
  link?: string;
  info?: number;
  entrySize?: number;
  bytes(addressOf: (section: string) => number): number[];
}

function sectionsOf(code: readonly Code[], buildId: Uint8Array): Section[] {
  const symbols = symbolsOf(code);
  const strings = new Strings();
  const names = symbols.map(({ name }) => strings.add(name));
  const soname = strings.add(SONAME);
  const version = strings.add(VERSION);
  const text = code.flatMap(({ offset, bytes }, index) => {
    const end = index + 1 < code.length ? code[index + 1]!.offset : offset + bytes.length;
    return [...bytes, ...new Array<number>(end - offset - bytes.length).fill(0x90)];
  });
  const data = { flags: SHF_ALLOC, align: 8 };
  return [
    { name: ".hash", type: SHT_HASH, ...data, link: ".dynsym", entrySize: 4, bytes: () => sysvHashTable(symbols) },
    { name: ".gnu.hash", type: SHT_GNU_HASH, ...data, link: ".dynsym", bytes: () => gnuHashTable(symbols) },
    {
      name: ".dynsym", type: SHT_DYNSYM, ...data, link: ".dynstr", info: 1, entrySize: 24,
      bytes: () => symbolTable(symbols, names),
    },
    { name: ".dynstr", type: SHT_STRTAB, flags: SHF_ALLOC, align: 1, bytes: () => strings.bytes.list },
    {
      name: ".gnu.version", type: SHT_GNU_VERSYM, flags: SHF_ALLOC, align: 2, link: ".dynsym", entrySize: 2,
      bytes: () => symbols.reduce((bytes) => bytes.u16(VER_NDX_LINUX), new Bytes().u16(0)).list,
    },
    {
      name: ".gnu.version_d", type: SHT_GNU_VERDEF, ...data, link: ".dynstr", info: 2,
      bytes: () => versionDefinitions([[VER_NDX_BASE, VER_FLG_BASE, SONAME, soname], [VER_NDX_LINUX, 0, VERSION, version]]),
    },
    {
      name: ".dynamic", type: SHT_DYNAMIC, ...data, link: ".dynstr", entrySize: 16,
      bytes: (addressOf) => dynamicTable([
        [DT_SONAME, soname], [DT_HASH, addressOf(".hash")], [DT_GNU_HASH, addressOf(".gnu.hash")], [DT_STRTAB, addressOf(".dynstr")],
        [DT_SYMTAB, addressOf(".dynsym")], [DT_STRSZ, strings.bytes.list.length], [DT_SYMENT, 24], [DT_VERDEF, addressOf(".gnu.version_d")],
        [DT_VERDEFNUM, 2], [DT_VERSYM, addressOf(".gnu.version")], [DT_NULL, 0],
      ]),
    },
    { name: ".note", type: SHT_NOTE, flags: SHF_ALLOC, align: 4, bytes: () => notes(buildId) },
    {
      name: ".eh_frame_hdr", type: SHT_PROGBITS, flags: SHF_ALLOC, align: 4,
      bytes: (addressOf) => unwindIndex(code, addressOf(".eh_frame_hdr"), addressOf(".eh_frame")),
    },
    { name: ".eh_frame", type: SHT_PROGBITS, ...data, bytes: (addressOf) => unwindTable(code, addressOf(".eh_frame")) },
    { name: ".text", type: SHT_PROGBITS, flags: SHF_ALLOC | SHF_EXECINSTR, align: TEXT_ALIGN, bytes: () => text },
  ];
}

class Strings {
  readonly bytes = new Bytes().u8(0);
  private readonly known = new Map<string, number>();
  /** Offset of the string in the table. */
  add(text: string): number {
    const at = this.known.get(text) ?? this.bytes.list.length;
    if (!this.known.has(text)) this.bytes.text(text);
    this.known.set(text, at);
    return at;
  }
}

//   Elf64_Sym:  u32 name, u8 bind << 4 | type, u8 visibility, u16 section, u64 value, u64 size
function symbolTable(symbols: readonly VdsoSymbol[], names: readonly number[]): number[] {
  const bytes = new Bytes().u64(0).u64(0).u64(0);
  symbols.forEach(({ bind, type, value, size }, index) => {
    bytes.u32(names[index]!).u8((bind << 4) | type, 0).u16(type === STT_FUNC ? TEXT_SECTION : SHN_ABS).u64(value).u64(size);
  });
  return bytes.list;
}

//   u32 buckets, u32 symbols, u32 first symbol of each bucket, u32 next symbol in the bucket for each symbol; 0 ends a chain
function sysvHashTable(symbols: readonly VdsoSymbol[]): number[] {
  const buckets = new Array<number>(SYSV_BUCKETS).fill(0);
  const chains = new Array<number>(symbols.length + 1).fill(0);
  for (let index = symbols.length; index > 0; index--) {
    const bucket = sysvHash(symbols[index - 1]!.name) % SYSV_BUCKETS;
    chains[index] = buckets[bucket]!;
    buckets[bucket] = index;
  }
  return [buckets.length, chains.length, ...buckets, ...chains].reduce((bytes, word) => bytes.u32(word), new Bytes()).list;
}

const BLOOM_SHIFT = 6;

//   u32 buckets, u32 first hashed symbol, u32 words of the Bloom filter, u32 shift; u64 filter; u32 first symbol of each bucket;
//   u32 hash of each symbol, bit 0 set in the last one of a bucket
function gnuHashTable(symbols: readonly VdsoSymbol[]): number[] {
  const hashes = symbols.map(({ name }) => gnuHash(name));
  let filter = 0n;
  for (const hash of hashes) filter |= (1n << BigInt(hash % 64)) | (1n << BigInt((hash >>> BLOOM_SHIFT) % 64));
  const bytes = new Bytes().u32(GNU_BUCKETS).u32(1).u32(1).u32(BLOOM_SHIFT);
  bytes.u32(Number(filter & 0xffffffffn)).u32(Number(filter >> 32n));
  for (let bucket = 0; bucket < GNU_BUCKETS; bucket++) bytes.u32(hashes.findIndex((hash) => hash % GNU_BUCKETS === bucket) + 1);
  hashes.forEach((hash, index) => {
    const last = index + 1 === hashes.length || hashes[index + 1]! % GNU_BUCKETS !== hash % GNU_BUCKETS;
    bytes.u32(last ? hash | 1 : hash & ~1);
  });
  return bytes.list;
}

//   Elf64_Verdef:   u16 1, u16 flags, u16 index, u16 names, u32 hash, u32 offset of the names, u32 offset of the next
//   Elf64_Verdaux:  u32 name, u32 offset of the next
function versionDefinitions(versions: readonly (readonly [index: number, flags: number, name: string, string: number])[]): number[] {
  const bytes = new Bytes();
  versions.forEach(([index, flags, name, string], at) => {
    bytes.u16(1).u16(flags).u16(index).u16(1).u32(sysvHash(name)).u32(20).u32(at + 1 < versions.length ? 28 : 0);
    bytes.u32(string).u32(0);
  });
  return bytes.list;
}

function dynamicTable(entries: readonly (readonly [tag: number, value: number])[]): number[] {
  return entries.reduce((bytes, [tag, value]) => bytes.u64(tag).u64(value), new Bytes()).list;
}

const NT_GNU_BUILD_ID = 3;

//   note:  u32 bytes of name, u32 bytes of content, u32 type, name, content, each padded to 4
function notes(buildId: Uint8Array): number[] {
  const bytes = new Bytes();
  bytes.u32(6).u32(4).u32(0).text("Linux").align(4).u32(LINUX_VERSION_CODE);
  bytes.u32(4).u32(buildId.length).u32(NT_GNU_BUILD_ID).text("GNU").u8(...buildId).align(4);
  return bytes.list;
}

// Call frame information (System V ABI AMD64 supplement 3.7, LSB 5.0 10.6). No function here moves RSP, so one rule holds at every
// instruction: the frame's address is RSP + 8, the return address stands just below it.

const DW_EH_PE_udata4 = 0x03;
const DW_EH_PE_pcrel_sdata4 = 0x1b;
const DW_EH_PE_datarel_sdata4 = 0x3b;
const DW_CFA_def_cfa = 0x0c;
const DW_CFA_offset = 0x80;
const DWARF_RSP = 7;
const DWARF_RETURN_ADDRESS = 16;
/** sleb128(-8): offsets of saved registers are counted in 8 bytes downwards. */
const DATA_ALIGNMENT = 0x78;
const CIE_SIZE = 24;
const FDE_SIZE = 24;

function unwindTable(code: readonly Code[], address: number): number[] {
  const bytes = new Bytes().u32(CIE_SIZE - 4).u32(0).u8(1).text("zR").u8(1, DATA_ALIGNMENT, DWARF_RETURN_ADDRESS, 1, DW_EH_PE_pcrel_sdata4);
  bytes.u8(DW_CFA_def_cfa, DWARF_RSP, 8, DW_CFA_offset | DWARF_RETURN_ADDRESS, 1).align(8);
  for (const { offset, bytes: body } of code) {
    const at = bytes.list.length;
    bytes.u32(FDE_SIZE - 4).u32(at + 4).u32(offset - (address + at + 8)).u32(body.length).u8(0).align(8);
  }
  return bytes.u32(0).list;
}

/** The binary search table, sorted by address as the code is. */
function unwindIndex(code: readonly Code[], address: number, table: number): number[] {
  const bytes = new Bytes().u8(1, DW_EH_PE_pcrel_sdata4, DW_EH_PE_udata4, DW_EH_PE_datarel_sdata4);
  bytes.u32(table - (address + 4)).u32(code.length);
  code.forEach(({ offset }, index) => bytes.u32(offset - address).u32(table + CIE_SIZE + index * FDE_SIZE - address));
  return bytes.list;
}

const TEXT_ALIGN = 16;
/** Index of .text among the section headers, the null one counted. */
const TEXT_SECTION = 11;
const BUILD_ID_BYTES = 20;

/**
 * Lays the object out.
 * @param assemble the bytes of a function's text when it stands at `offset`
 * @param digest SHA-1 of the object without its build id
 * @returns the image, whole pages
 */
export function buildVdsoImage(assemble: (text: string, offset: number) => Uint8Array, digest: (image: Uint8Array) => Uint8Array): Uint8Array {
  // What stands before the text is as long whatever its values are.
  const sizes = sectionsOf(vdsoFunctions.map(({ name }) => ({ name, offset: 0, bytes: new Uint8Array(0) })), new Uint8Array(BUILD_ID_BYTES));
  let offset = place(sizes).get(".text")!;
  const code = vdsoFunctions.map(({ name, text }) => {
    const function_ = { name, offset, bytes: assemble(text(offset), offset) };
    offset = roundUp(offset + function_.bytes.length, TEXT_ALIGN);
    return function_;
  });
  const unnamed = objectOf(sectionsOf(code, new Uint8Array(BUILD_ID_BYTES)));
  return objectOf(sectionsOf(code, digest(unnamed)));
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** Address, which is the file offset, of each section. */
function place(sections: readonly Section[]): Map<string, number> {
  const places = new Map<string, number>();
  let at = EHDR_SIZE + PROGRAM_HEADERS * PHDR_SIZE;
  for (const section of sections) {
    at = roundUp(at, section.align);
    places.set(section.name, at);
    at += section.bytes(() => 0).length;
  }
  return places;
}

function objectOf(sections: readonly Section[]): Uint8Array {
  const places = place(sections);
  const addressOf = (name: string): number => places.get(name)!;
  const indexOf = (name: string): number => sections.findIndex((section) => section.name === name) + 1;
  if (indexOf(".text") !== TEXT_SECTION) throw new Error(`.text is section ${indexOf(".text")}, not ${TEXT_SECTION}`);
  const contents = sections.map((section) => section.bytes(addressOf));
  const textEnd = addressOf(".text") + contents.at(-1)!.length;

  const names = new Strings();
  const headers = new Bytes();
  const sectionHeader = (name: string, fields: readonly number[]): void => {
    const [type, flags, address, offset, size, link, info, align, entrySize] = fields as [number, number, number, number, number, number, number, number, number];
    headers.u32(name === "" ? 0 : names.add(name)).u32(type).u64(flags).u64(address).u64(offset).u64(size).u32(link).u32(info).u64(align).u64(entrySize);
  };
  sectionHeader("", new Array<number>(9).fill(0));
  sections.forEach((section, index) => {
    const at = addressOf(section.name);
    const link = section.link === undefined ? 0 : indexOf(section.link);
    const fields = [section.type, section.flags, at, at, contents[index]!.length, link, section.info ?? 0, section.align, section.entrySize ?? 0];
    sectionHeader(section.name, fields);
  });
  const nameSize = names.bytes.list.length + ".shstrtab".length + 1;
  sectionHeader(".shstrtab", [SHT_STRTAB, 0, 0, textEnd, nameSize, 0, 0, 1, 0]);
  const headersAt = roundUp(textEnd + nameSize, 8);

  const image = new Uint8Array(roundUp(headersAt + headers.list.length, PAGE_SIZE));
  image.set(elfHeader(addressOf(".text"), headersAt, sections.length + 2), 0);
  const extent = (name: string): [number, number] => [addressOf(name), contents[indexOf(name) - 1]!.length];
  image.set(
    [
      ...programHeader(PT_LOAD, PF_R | PF_X, 0, textEnd, PAGE_SIZE),
      ...programHeader(PT_DYNAMIC, PF_R, ...extent(".dynamic"), 8),
      ...programHeader(PT_NOTE, PF_R, ...extent(".note"), 4),
      ...programHeader(PT_GNU_EH_FRAME, PF_R, ...extent(".eh_frame_hdr"), 4),
    ],
    EHDR_SIZE,
  );
  sections.forEach(({ name }, index) => image.set(contents[index]!, addressOf(name)));
  image.set(names.bytes.list, textEnd);
  image.set(headers.list, headersAt);
  return image;
}

const ET_DYN = 3;
const EM_X86_64 = 62;

//   Elf64_Ehdr:  u8 ident[16], u16 type, u16 machine, u32 version, u64 entry, u64 phoff, u64 shoff, u32 flags, u16 ehsize,
//                u16 phentsize, u16 phnum, u16 shentsize, u16 shnum, u16 shstrndx
function elfHeader(entry: number, sectionHeaders: number, sections: number): number[] {
  const bytes = new Bytes().u8(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1).align(16).u16(ET_DYN).u16(EM_X86_64).u32(1);
  bytes.u64(entry).u64(EHDR_SIZE).u64(sectionHeaders).u32(0).u16(EHDR_SIZE).u16(PHDR_SIZE).u16(PROGRAM_HEADERS);
  return bytes.u16(SHDR_SIZE).u16(sections).u16(sections - 1).list;
}

//   Elf64_Phdr:  u32 type, u32 flags, u64 offset, u64 vaddr, u64 paddr, u64 filesz, u64 memsz, u64 align
function programHeader(type: number, flags: number, at: number, size: number, align: number): number[] {
  return new Bytes().u32(type).u32(flags).u64(at).u64(at).u64(at).u64(size).u64(size).u64(align).list;
}
