// A vDSO as an ELF shared object, linux-vdso.so.1 or the 32-bit linux-gate.so.1: tables, notes and unwind data laid out around the code of
// vdso.asm.ts or vdso-32.asm.ts, so that a file offset is a memory offset and nothing is left to relocate. Called from vdso.build.ts at
// build time; the image is mapped as it is.
//
//   ELF header, 4 program headers
//   .hash .gnu.hash .dynsym .dynstr .gnu.version .gnu.version_d    what the dynamic linker, musl, Go and others look functions up in
//   .dynamic                                                      where those are
//   .note                                                         Linux version, build id
//   .eh_frame_hdr .eh_frame                                       how to unwind from any instruction
//   .text
//   .shstrtab, section headers                                    for readelf, objdump and gdb

import { PAGE_SIZE } from "./uapi-mman";
import { Bytes, type Code, type VdsoObject } from "./vdso-object";
import { unwindTables } from "./vdso-unwind";

/** KERNEL_VERSION(6, 1, 0) */
const LINUX_VERSION_CODE = 0x060100;

/** Sizes of the records that differ between the classes. */
const SIZES = {
  64: { ehdr: 64, phdr: 56, shdr: 64, symbol: 24, dynamic: 16 },
  32: { ehdr: 52, phdr: 32, shdr: 40, symbol: 16, dynamic: 8 },
} as const;
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

/** vd_ndx of the object's own name; the versions' follow. */
const VER_NDX_BASE = 1;
const VER_FLG_BASE = 1;

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
  version: string;
  /** Offset in the image and size; both 0 for the version's own symbol, which is absolute. */
  value: number;
  size: number;
}

const GNU_BUCKETS = 3;
const SYSV_BUCKETS = 3;

/** Every dynamic symbol but the null one, in the order that .gnu.hash demands: by bucket. */
function symbolsOf({ versions, weak }: VdsoObject, code: readonly Code[]): VdsoSymbol[] {
  const symbols: VdsoSymbol[] = versions.map((version) => ({ name: version, bind: STB_GLOBAL, type: STT_OBJECT, version, value: 0, size: 0 }));
  for (const { function: { name, version }, offset, bytes } of code) {
    if (version === null) continue;
    const common = { type: STT_FUNC, version, value: offset, size: bytes.length };
    symbols.push({ name, bind: STB_GLOBAL, ...common });
    if (weak) symbols.push({ name: name.replace("__vdso_", ""), bind: STB_WEAK, ...common });
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

function sectionsOf(object: VdsoObject, code: readonly Code[], buildId: Uint8Array): Section[] {
  const { bits, versions } = object;
  const sizes = SIZES[bits];
  const symbols = symbolsOf(object, code);
  const strings = new Strings();
  const names = symbols.map(({ name }) => strings.add(name));
  const soname = strings.add(object.soname);
  const definitions: VersionDefinition[] = [[VER_NDX_BASE, VER_FLG_BASE, object.soname, soname]];
  versions.forEach((version, index) => definitions.push([VER_NDX_BASE + 1 + index, 0, version, strings.add(version)]));
  const text = code.flatMap(({ offset, bytes }, index) => {
    const end = index + 1 < code.length ? code[index + 1]!.offset : offset + bytes.length;
    return [...bytes, ...new Array<number>(end - offset - bytes.length).fill(0x90)];
  });
  const data = { flags: SHF_ALLOC, align: bits / 8 };
  const unwind = (addressOf: (section: string) => number) => unwindTables(bits, code, addressOf(".eh_frame"), addressOf(".eh_frame_hdr"));
  return [
    { name: ".hash", type: SHT_HASH, ...data, link: ".dynsym", entrySize: 4, bytes: () => sysvHashTable(symbols) },
    { name: ".gnu.hash", type: SHT_GNU_HASH, ...data, link: ".dynsym", bytes: () => gnuHashTable(symbols, bits) },
    {
      name: ".dynsym", type: SHT_DYNSYM, ...data, link: ".dynstr", info: 1, entrySize: sizes.symbol,
      bytes: () => symbolTable(symbols, names, bits),
    },
    { name: ".dynstr", type: SHT_STRTAB, flags: SHF_ALLOC, align: 1, bytes: () => strings.bytes.list },
    {
      name: ".gnu.version", type: SHT_GNU_VERSYM, flags: SHF_ALLOC, align: 2, link: ".dynsym", entrySize: 2,
      bytes: () => symbols.reduce((bytes, { version }) => bytes.u16(VER_NDX_BASE + 1 + versions.indexOf(version)), new Bytes().u16(0)).list,
    },
    {
      name: ".gnu.version_d", type: SHT_GNU_VERDEF, ...data, link: ".dynstr", info: definitions.length,
      bytes: () => versionDefinitions(definitions),
    },
    {
      name: ".dynamic", type: SHT_DYNAMIC, ...data, link: ".dynstr", entrySize: sizes.dynamic,
      bytes: (addressOf) => dynamicTable(bits, [
        [DT_SONAME, soname], [DT_HASH, addressOf(".hash")], [DT_GNU_HASH, addressOf(".gnu.hash")], [DT_STRTAB, addressOf(".dynstr")],
        [DT_SYMTAB, addressOf(".dynsym")], [DT_STRSZ, strings.bytes.list.length], [DT_SYMENT, sizes.symbol], [DT_VERDEF, addressOf(".gnu.version_d")],
        [DT_VERDEFNUM, definitions.length], [DT_VERSYM, addressOf(".gnu.version")], [DT_NULL, 0],
      ]),
    },
    { name: ".note", type: SHT_NOTE, flags: SHF_ALLOC, align: 4, bytes: () => notes(buildId) },
    {
      name: ".eh_frame_hdr", type: SHT_PROGBITS, flags: SHF_ALLOC, align: 4,
      bytes: (addressOf) => unwind(addressOf).index,
    },
    { name: ".eh_frame", type: SHT_PROGBITS, ...data, bytes: (addressOf) => unwind(addressOf).table },
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
//   Elf32_Sym:  u32 name, u32 value, u32 size, u8 bind << 4 | type, u8 visibility, u16 section
function symbolTable(symbols: readonly VdsoSymbol[], names: readonly number[], bits: 32 | 64): number[] {
  const bytes = new Bytes().u8(...new Array<number>(SIZES[bits].symbol).fill(0));
  symbols.forEach(({ bind, type, value, size }, index) => {
    bytes.u32(names[index]!);
    if (bits === 32) bytes.u32(value).u32(size);
    bytes.u8((bind << 4) | type, 0).u16(type === STT_FUNC ? TEXT_SECTION : SHN_ABS);
    if (bits === 64) bytes.u64(value).u64(size);
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

//   u32 buckets, u32 first hashed symbol, u32 words of the Bloom filter, u32 shift; the filter, a word of the class; u32 first symbol of each bucket;
//   u32 hash of each symbol, bit 0 set in the last one of a bucket
function gnuHashTable(symbols: readonly VdsoSymbol[], bits: 32 | 64): number[] {
  const hashes = symbols.map(({ name }) => gnuHash(name));
  let filter = 0n;
  for (const hash of hashes) filter |= (1n << BigInt(hash % bits)) | (1n << BigInt((hash >>> BLOOM_SHIFT) % bits));
  const bytes = new Bytes().u32(GNU_BUCKETS).u32(1).u32(1).u32(BLOOM_SHIFT);
  bytes.u32(Number(filter & 0xffffffffn));
  if (bits === 64) bytes.u32(Number(filter >> 32n));
  for (let bucket = 0; bucket < GNU_BUCKETS; bucket++) bytes.u32(hashes.findIndex((hash) => hash % GNU_BUCKETS === bucket) + 1);
  hashes.forEach((hash, index) => {
    const last = index + 1 === hashes.length || hashes[index + 1]! % GNU_BUCKETS !== hash % GNU_BUCKETS;
    bytes.u32(last ? hash | 1 : hash & ~1);
  });
  return bytes.list;
}

//   Elf64_Verdef:   u16 1, u16 flags, u16 index, u16 names, u32 hash, u32 offset of the names, u32 offset of the next
//   Elf64_Verdaux:  u32 name, u32 offset of the next
type VersionDefinition = readonly [index: number, flags: number, name: string, string: number];

function versionDefinitions(versions: readonly VersionDefinition[]): number[] {
  const bytes = new Bytes();
  versions.forEach(([index, flags, name, string], at) => {
    bytes.u16(1).u16(flags).u16(index).u16(1).u32(sysvHash(name)).u32(20).u32(at + 1 < versions.length ? 28 : 0);
    bytes.u32(string).u32(0);
  });
  return bytes.list;
}

function dynamicTable(bits: 32 | 64, entries: readonly (readonly [tag: number, value: number])[]): number[] {
  return entries.reduce((bytes, [tag, value]) => bytes.word(tag, bits).word(value, bits), new Bytes()).list;
}

const NT_GNU_BUILD_ID = 3;

//   note:  u32 bytes of name, u32 bytes of content, u32 type, name, content, each padded to 4
function notes(buildId: Uint8Array): number[] {
  const bytes = new Bytes();
  bytes.u32(6).u32(4).u32(0).text("Linux").align(4).u32(LINUX_VERSION_CODE);
  bytes.u32(4).u32(buildId.length).u32(NT_GNU_BUILD_ID).text("GNU").u8(...buildId).align(4);
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
export function buildVdsoImage(
  object: VdsoObject, assemble: (text: string, offset: number) => Uint8Array, digest: (image: Uint8Array) => Uint8Array,
): Uint8Array {
  const noId = new Uint8Array(BUILD_ID_BYTES);
  // What stands before the text is as long whatever its values are, but for unwind rules, which go by the code's length.
  const lengths = assembled(object, 0, assemble);
  const start = place(object.bits, sectionsOf(object, lengths, noId)).get(".text")!;
  const code = assembled(object, start, assemble);
  const unnamed = objectOf(object, sectionsOf(object, code, noId));
  return objectOf(object, sectionsOf(object, code, digest(unnamed)));
}

/** The functions one after the other from `start` on. */
function assembled({ functions }: VdsoObject, start: number, assemble: (text: string, offset: number) => Uint8Array): Code[] {
  let offset = start;
  const code: Code[] = [];
  const offsetOf = (name: string): number => code.find(({ function: { name: other } }) => other === name)!.offset;
  for (const description of functions) {
    code.push({ function: description, offset, bytes: assemble(description.text(offset, offsetOf), offset) });
    offset = roundUp(offset + code.at(-1)!.bytes.length, TEXT_ALIGN);
  }
  return code;
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** Address, which is the file offset, of each section. */
function place(bits: 32 | 64, sections: readonly Section[]): Map<string, number> {
  const places = new Map<string, number>();
  const { ehdr, phdr } = SIZES[bits];
  let at = ehdr + PROGRAM_HEADERS * phdr;
  for (const section of sections) {
    at = roundUp(at, section.align);
    places.set(section.name, at);
    at += section.bytes(() => 0).length;
  }
  return places;
}

function objectOf({ bits }: VdsoObject, sections: readonly Section[]): Uint8Array {
  const places = place(bits, sections);
  const addressOf = (name: string): number => places.get(name)!;
  const indexOf = (name: string): number => sections.findIndex((section) => section.name === name) + 1;
  if (indexOf(".text") !== TEXT_SECTION) throw new Error(`.text is section ${indexOf(".text")}, not ${TEXT_SECTION}`);
  const contents = sections.map((section) => section.bytes(addressOf));
  const textEnd = addressOf(".text") + contents.at(-1)!.length;

  const names = new Strings();
  const headers = new Bytes();
  const sectionHeader = (name: string, fields: readonly number[]): void => {
    const [type, flags, address, offset, size, link, info, align, entrySize] = fields as [number, number, number, number, number, number, number, number, number];
    headers.u32(name === "" ? 0 : names.add(name)).u32(type).word(flags, bits).word(address, bits).word(offset, bits).word(size, bits);
    headers.u32(link).u32(info).word(align, bits).word(entrySize, bits);
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
  image.set(elfHeader(bits, addressOf(".text"), headersAt, sections.length + 2), 0);
  const extent = (name: string): [number, number] => [addressOf(name), contents[indexOf(name) - 1]!.length];
  image.set(
    [
      ...programHeader(bits, PT_LOAD, PF_R | PF_X, 0, textEnd, PAGE_SIZE),
      ...programHeader(bits, PT_DYNAMIC, PF_R, ...extent(".dynamic"), bits / 8),
      ...programHeader(bits, PT_NOTE, PF_R, ...extent(".note"), 4),
      ...programHeader(bits, PT_GNU_EH_FRAME, PF_R, ...extent(".eh_frame_hdr"), 4),
    ],
    SIZES[bits].ehdr,
  );
  sections.forEach(({ name }, index) => image.set(contents[index]!, addressOf(name)));
  image.set(names.bytes.list, textEnd);
  image.set(headers.list, headersAt);
  return image;
}

const ET_DYN = 3;
const EM_X86_64 = 62;
const EM_386 = 3;
const ELFCLASS = { 32: 1, 64: 2 } as const;

//   Elf_Ehdr:  u8 ident[16], u16 type, u16 machine, u32 version, word entry, word phoff, word shoff, u32 flags, u16 ehsize,
//              u16 phentsize, u16 phnum, u16 shentsize, u16 shnum, u16 shstrndx
function elfHeader(bits: 32 | 64, entry: number, sectionHeaders: number, sections: number): number[] {
  const { ehdr, phdr, shdr } = SIZES[bits];
  const bytes = new Bytes().u8(0x7f, 0x45, 0x4c, 0x46, ELFCLASS[bits], 1, 1).align(16).u16(ET_DYN).u16(bits === 64 ? EM_X86_64 : EM_386).u32(1);
  bytes.word(entry, bits).word(ehdr, bits).word(sectionHeaders, bits).u32(0).u16(ehdr).u16(phdr).u16(PROGRAM_HEADERS);
  return bytes.u16(shdr).u16(sections).u16(sections - 1).list;
}

//   Elf64_Phdr:  u32 type, u32 flags, u64 offset, u64 vaddr, u64 paddr, u64 filesz, u64 memsz, u64 align
//   Elf32_Phdr:  u32 type, u32 offset, u32 vaddr, u32 paddr, u32 filesz, u32 memsz, u32 flags, u32 align
function programHeader(bits: 32 | 64, type: number, flags: number, at: number, size: number, align: number): number[] {
  const bytes = new Bytes().u32(type);
  if (bits === 64) return bytes.u32(flags).u64(at).u64(at).u64(at).u64(size).u64(size).u64(align).list;
  return bytes.u32(at).u32(at).u32(at).u32(size).u32(size).u32(flags).u32(align).list;
}
