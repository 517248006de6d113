// linux-vdso.so.1 as a file: what readelf, objdump, gdb, the C libraries and Go's runtime look for in it, and what gVisor checks of
// its own (vdso/check_vdso.py).
// After a wanted change of its code: RING3_UPDATE_GOLDEN=1 node tests/run.mjs vdso-image, then read the diff.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { vdsoImage } from "../../host/index";
import { gnuHash, sysvHash } from "../../host/linux/vdso-image";
import { execute, hasProgram, ring3, root, scratchFolder, skip } from "../command";
import { LoadedVdso } from "./vdso-lookup";

const FUNCTIONS = ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu", "__vdso_clock_getres"];
const image = vdsoImage();
const vdso = new LoadedVdso(image);
const file = join(scratchFolder(), "vdso.so");
writeFileSync(file, image);

const offsetOf = (name: string): number => vdso.bySysvHash(name, sysvHash(name), 2);

function sizeOf(name: string): number {
  for (let index = 1; ; index++) if (vdso.symbol(index).name === name) return vdso.symbol(index).size;
}

interface Section {
  name: string;
  type: number;
  flags: number;
  address: number;
  offset: number;
  size: number;
}

function sections(): Section[] {
  const at = (index: number): number => vdso.u64(40) + index * 64;
  const names = vdso.u64(at(vdso.u16(62)) + 24);
  return Array.from({ length: vdso.u16(60) }, (_, index) => ({
    name: vdso.text(names + vdso.u32(at(index))), type: vdso.u32(at(index) + 4), flags: vdso.u64(at(index) + 8),
    address: vdso.u64(at(index) + 16), offset: vdso.u64(at(index) + 24), size: vdso.u64(at(index) + 32),
  }));
}

interface Segment {
  type: number;
  flags: number;
  offset: number;
  vaddr: number;
  filesz: number;
  memsz: number;
}

function segments(): Segment[] {
  return Array.from({ length: vdso.u16(56) }, (_, index) => {
    const at = vdso.u64(32) + index * 56;
    return {
      type: vdso.u32(at), flags: vdso.u32(at + 4), offset: vdso.u64(at + 8), vaddr: vdso.u64(at + 16), filesz: vdso.u64(at + 32),
      memsz: vdso.u64(at + 40),
    };
  });
}

test("it can be mapped as it is: one PT_LOAD from 0, no byte of it beyond the file, nothing writable", () => {
  const loads = segments().filter(({ type }) => type === 1);
  assert.is(loads.length, 1);
  assert.equal([loads[0]!.offset, loads[0]!.vaddr, loads[0]!.flags], [0, 0, 5]);
  assert.is(loads[0]!.filesz, loads[0]!.memsz);
  assert.is(image.length % 4096, 0);
  for (const { offset, vaddr, flags } of segments()) {
    assert.is(offset, vaddr);
    assert.is(flags & 2, 0);
  }
});

test("sections: those of Linux's, a file offset being a memory offset, no data and no relocations", () => {
  const all = sections();
  const names = all.map(({ name }) => name);
  for (const name of [".hash", ".gnu.hash", ".dynsym", ".dynstr", ".gnu.version", ".gnu.version_d", ".dynamic", ".note", ".eh_frame_hdr", ".eh_frame", ".text"]) {
    assert.ok(names.includes(name), name);
  }
  assert.not.ok(names.some((name) => /^\.(data|bss|got|plt|rela?)/.test(name)));
  const SHF_ALLOC = 2;
  for (const { name, flags, address, offset, size } of all.filter((section) => section.flags & SHF_ALLOC)) {
    assert.is(address, offset, name);
    assert.is(flags & 1, 0, `${name} is writable`);
    assert.ok(size > 0, name);
  }
  // DT_RELA, DT_REL, DT_JMPREL, DT_TEXTREL, DT_NEEDED
  for (const tag of [7, 17, 23, 22, 1]) assert.not.ok(vdso.tags.has(tag));
});

test("the documented lookup finds the five functions and their weak names, by either hash table", () => {
  assert.is(sysvHash("LINUX_2.6"), 0x3ae75f6);
  const version = vdso.versionIndex("LINUX_2.6", 0x3ae75f6);
  assert.is(version, 2);
  const text = sections().find(({ name }) => name === ".text")!;
  for (const name of FUNCTIONS) {
    const weak = name.replace("__vdso_", "");
    const offsets = [name, weak].flatMap((symbol) => [
      vdso.bySysvHash(symbol, sysvHash(symbol), version), vdso.byGnuHash(symbol, gnuHash(symbol), version),
    ]);
    assert.is(new Set(offsets).size, 1, name);
    assert.ok(offsets[0]! >= text.offset && offsets[0]! < text.offset + text.size, name);
  }
  assert.is(vdso.bySysvHash("__vdso_clock_gettime", sysvHash("__vdso_clock_gettime"), 3), -1);
  assert.is(vdso.byGnuHash("__vdso_sgx_enter_enclave", gnuHash("__vdso_sgx_enter_enclave"), version), -1);
  assert.is(vdso.bySysvHash("nothing", sysvHash("nothing"), version), -1);
});

test("the hashes that Go's runtime has compiled in are those of the table", () => {
  // runtime/vdso_linux_amd64.go: name, ELF hash, GNU hash
  for (const [name, sysv, gnu] of [["__vdso_gettimeofday", 0x315ca59, 0xb01bca00], ["__vdso_clock_gettime", 0xd35ec75, 0x6e43a318]] as const) {
    assert.is(sysvHash(name), sysv);
    assert.is(gnuHash(name), gnu);
    assert.ok(vdso.byGnuHash(name, gnu, vdso.versionIndex("LINUX_2.6", 0x3ae75f6)) > 0);
  }
});

test("notes: the Linux version, and a build id that changes with the content", () => {
  const note = sections().find(({ name }) => name === ".note")!;
  const owner = (at: number): string => vdso.text(at + 12);
  assert.is(owner(note.offset), "Linux");
  assert.is(vdso.u32(note.offset + 20), 0x060100);
  const gnu = note.offset + 24;
  assert.is(owner(gnu), "GNU");
  assert.equal([vdso.u32(gnu + 4), vdso.u32(gnu + 8)], [20, 3]);
  assert.ok(image.subarray(gnu + 16, gnu + 36).some((byte) => byte !== 0));
});

test("unwinding: the index has a description of each function, and it covers all of its bytes", () => {
  const header = sections().find(({ name }) => name === ".eh_frame_hdr")!.offset;
  const signed = (at: number): number => vdso.view.getInt32(at, true);
  assert.equal([...image.subarray(header, header + 4)], [1, 0x1b, 0x03, 0x3b]);
  const frame = header + 4 + signed(header + 4);
  assert.is(frame, sections().find(({ name }) => name === ".eh_frame")!.offset);
  assert.is(vdso.u32(header + 8), FUNCTIONS.length);
  const described = FUNCTIONS.map((_, index) => {
    const entry = header + 12 + index * 8;
    const fde = header + signed(entry + 4);
    // The FDE points back at the CIE, and forward, relative to itself, at the code.
    assert.is(fde + 4 - vdso.u32(fde + 4), frame);
    const start = fde + 8 + signed(fde + 8);
    assert.is(start, header + signed(entry));
    return { start, length: vdso.u32(fde + 12) };
  });
  assert.equal(described, [...described].sort((a, b) => a.start - b.start));
  for (const name of FUNCTIONS) {
    const version = vdso.versionIndex("LINUX_2.6", 0x3ae75f6);
    const at = vdso.bySysvHash(name, sysvHash(name), version);
    assert.ok(described.some(({ start }) => start === at), name);
  }
});

test("a CPU with RDPID gets it in the place of LSL, nothing else changed", () => {
  const other = vdsoImage(new Set(["RDPID"]));
  const changed = [...other.keys()].filter((at) => other[at] !== image[at]);
  const getcpu = vdso.bySysvHash("getcpu", sysvHash("getcpu"), 2);
  assert.ok(changed.length > 0 && changed[0]! >= getcpu && changed.at(-1)! < getcpu + 8);
  assert.equal([...other.subarray(getcpu, getcpu + 4)], [0xf3, 0x0f, 0xc7, 0xf8]);
});

// In a variable, because the package's "exports" hide its types from the type checker.
const packageName = "capstone-wasm";

test("its code is the one in tests/golden", async () => {
  const capstone = await import(packageName);
  await capstone.loadCapstone();
  const handle = new capstone.Capstone(capstone.Const.CS_ARCH_X86, capstone.Const.CS_MODE_64);
  handle.setOption(capstone.Const.CS_OPT_SYNTAX, capstone.Const.CS_OPT_SYNTAX_ATT);
  const lines: string[] = [];
  for (const name of [...FUNCTIONS].sort((a, b) => offsetOf(a) - offsetOf(b))) {
    const start = offsetOf(name);
    const size = sizeOf(name);
    lines.push(`${name}:`);
    let end = start;
    for (const { address, bytes, mnemonic, opStr } of handle.disasm(image.subarray(start, start + size), { address: start })) {
      end = Number(address) + bytes.length;
      lines.push(`  ${Number(address).toString(16).padStart(4, "0")}  ${mnemonic.padEnd(8)}${opStr}`.trimEnd());
    }
    assert.is(end, start + size, `${name}: not all of it is instructions`);
  }
  const golden = join(root, "tests/golden/vdso.lst");
  const text = `${lines.join("\n")}\n`;
  if (process.env.RING3_UPDATE_GOLDEN) writeFileSync(golden, text);
  assert.is(text, readFileSync(golden, "utf8"));
});

test("ring3 vdso --dump writes the same bytes", () => {
  const dumped = join(scratchFolder(), "dumped.so");
  assert.is(ring3(["vdso", "--dump", dumped]).status, 0);
  assert.ok(ring3(["vdso", "--dump", "-"]).stdout.equals(Buffer.from(image)));
  const listed = ring3(["vdso"]).text;
  for (const name of FUNCTIONS) assert.match(listed, name);
});

test("binutils and gdb see it whole", () => {
  if (!hasProgram("readelf") || !hasProgram("objdump")) return skip("readelf and objdump on the vDSO", "no binutils here");
  const readelf = execute("readelf", ["-W", "-a", file]);
  assert.is(readelf.stderr, "");
  assert.match(readelf.text, "There are no relocations in this file.");
  assert.match(readelf.text, /SONAME.*linux-vdso\.so\.1/);
  for (const name of FUNCTIONS) assert.match(readelf.text, new RegExp(`FUNC +GLOBAL +DEFAULT +11 ${name}@@LINUX_2\\.6`));
  const frames = execute("readelf", ["--debug-dump=frames", file]);
  assert.is(frames.stderr, "");
  assert.is(frames.text.match(/ FDE /g)!.length, FUNCTIONS.length);
  const listing = execute("objdump", ["-d", file]);
  assert.match(listing.text, /lfence\s[^]*?rdtsc/);
  assert.not.match(listing.text, "(bad)");
  if (!hasProgram("gdb")) return skip("gdb on the vDSO", "no gdb here");
  const gdb = execute("gdb", ["-batch", "-nx", "-ex", "disassemble __vdso_getcpu", "-ex", "info symbol __vdso_time", file]);
  assert.match(gdb.text, /lsl/);
  assert.match(gdb.text, /time in section \.text/);
});

test.run();
