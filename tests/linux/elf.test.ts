// What the ELF parser refuses, each in one line that says why; and what it reads from a good file.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Elf, ElfError, PT_LOAD, parseElf } from "../../host/linux/elf";

interface Segment {
  type?: number;
  flags?: number;
  offset?: number;
  vaddr?: number;
  filesz?: number;
  memsz?: number;
}

/** An ELF file of `size` bytes with these program headers, changed by `edit` in its header. */
function file(segments: Segment[], edit: (view: DataView) => void = () => {}, size = 0x3000): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(24, 0x401000, true);
  view.setUint32(32, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  segments.forEach((segment, index) => {
    const at = 64 + index * 56;
    view.setUint32(at, segment.type ?? PT_LOAD, true);
    view.setUint32(at + 4, segment.flags ?? 5, true);
    view.setBigUint64(at + 8, BigInt(segment.offset ?? 0x1000), true);
    view.setBigUint64(at + 16, BigInt(segment.vaddr ?? 0x401000), true);
    view.setBigUint64(at + 32, BigInt(segment.filesz ?? 0x100), true);
    view.setBigUint64(at + 40, BigInt(segment.memsz ?? segment.filesz ?? 0x100), true);
    view.setBigUint64(at + 48, 0x1000n, true);
  });
  edit(view);
  return bytes;
}

const parse = (bytes: Uint8Array): Elf => parseElf((offset, length) => bytes.slice(offset, offset + length), bytes.length);

function refused(bytes: Uint8Array, message: RegExp): void {
  try {
    parse(bytes);
  } catch (error) {
    assert.instance(error, ElfError);
    assert.match((error as ElfError).message, message);
    assert.not.match((error as ElfError).message, /\n/);
    return;
  }
  assert.unreachable(`accepted, expected ${message}`);
}

test("a good file is read", () => {
  const elf = parse(file([{}, { vaddr: 0x402000, offset: 0x2000, flags: 6, memsz: 0x5000 }, { type: 0x6474e551, flags: 7 }]));
  assert.is(elf.entry, 0x401000);
  assert.is(elf.loads.length, 2);
  assert.is(elf.loads[1]!.prot, 3);
  assert.is(elf.stack, "executable");
  assert.is(elf.interpreter, null);
});

const rows: [string, Uint8Array, RegExp][] = [
  ["an empty file", new Uint8Array(0), /^an empty file$/],
  ["text", new TextEncoder().encode("hello, world\n"), /^not an ELF file$/],
  ["half a header", file([{}]).slice(0, 40), /^a truncated ELF file: 40 bytes/],
  ["a big-endian file", file([{}], (v) => { v.setUint8(5, 2); v.setUint16(18, 22, false); }), /big-endian ELF file \(for S\/390\)/],
  ["an ARM file", file([{}], (v) => v.setUint16(18, 183, true)), /ELF file for 64-bit ARM/],
  ["an i386 file with 64-bit headers", file([{}], (v) => v.setUint16(18, 3, true)), /32-bit x86 \(i386\) with 64-bit headers/],
  ["an x32 file", file([{}], (v) => v.setUint8(4, 1)), /x32/],
  ["an object file", file([{}], (v) => v.setUint16(16, 1, true)), /has not been linked/],
  ["no program headers", file([]), /without program headers/],
  ["program headers of a wrong size", file([{}], (v) => v.setUint16(54, 32, true)), /of 32 bytes instead of 56/],
  ["too many program headers", file([{}], (v) => v.setUint16(56, 2000, true)), /2000 program headers/],
  ["program headers past the end", file([{}], (v) => v.setUint32(32, 0x7fff0000, true)), /truncated.*program headers/],
  ["nothing to load", file([{ type: 4 }]), /nothing to load/],
  ["a segment past the end", file([{ filesz: 0x9000 }]), /truncated.*ends at byte 40960/],
  ["more in the file than in memory", file([{ filesz: 0x200, memsz: 0x100 }]), /more bytes in the file/],
  ["a segment in kernel space", file([{ vaddr: 0xffff_8000_0000_0000 }]), /does not fit into user space/],
  ["a segment on the null page", file([{ vaddr: 0, offset: 0 }]), /null page/],
  ["offset and address that disagree", file([{ vaddr: 0x401010 }]), /not aligned/],
  ["overlapping segments", file([{ memsz: 0x2000 }, { vaddr: 0x402000, offset: 0x2000 }]), /overlaps or precedes/],
  ["an interpreter name without end", file([{}, { type: 3, filesz: 8 }], (v) => v.setUint8(0x1007, 65)), /no end/],
];
for (const [what, bytes, message] of rows) test(`${what} is refused`, () => refused(bytes, message));

test.run();
