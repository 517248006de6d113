// How the source tree is kept: names, sizes, headers; and that the regions of the machine's memory do not overlap.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as layout from "../kernel/abi/layout";
import * as state from "../kernel/abi/state";
import { sourceFiles } from "./source-files";

const files = sourceFiles("kernel", "host", "tests");
const lines = (text: string) => text.split("\n").length - 1;

/** Tables may be long: one row per thing. */
const isTable = (path: string) => /(opcode-[\w-]+|syscall-table|syscall-numbers|uapi-[\w-]+)\.ts$/.test(path);

test("file names are kebab-case and say what is inside", () => {
  const wrong = files
    .map((file) => file.path)
    .filter((path) => {
      const name = path.split("/").at(-1)!;
      return !/^[a-z0-9]+(-[a-z0-9]+)*(\.(asm|build|test))?\.(ts|mts|mjs|js)$/.test(name) || /^(utils?|helpers?|common|misc|manager)\b/.test(name);
    });
  assert.equal(wrong, []);
});

test("files have at most 700 lines", () => {
  const wrong = files.filter((file) => !isTable(file.path) && lines(file.text) > 700).map((file) => `${file.path}: ${lines(file.text)}`);
  assert.equal(wrong, []);
});

test("every file opens with a comment that says what it is", () => {
  const wrong = files.filter((file) => !/^(#!.*\n)?(\/\/|\/\*)/.test(file.text)).map((file) => file.path);
  assert.equal(wrong, []);
});

test("guest instructions are assembled by build steps only", () => {
  const wrong = files
    .filter((file) => file.path.startsWith("host/") && !file.path.endsWith(".build.ts"))
    .filter((file) => file.imports.some(({ specifier }) => specifier === "@defasm/core"))
    .map((file) => file.path);
  assert.equal(wrong, []);
});

test("the regions of linear memory follow one another", () => {
  const starts = [
    layout.STATICS_BASE,
    layout.CPU_BLOCK,
    layout.CPU_BLOCK + layout.CPU_BLOCK_SIZE,
    layout.CONTEXT_MAP,
    layout.TLB_BASE,
    layout.TLB_BASE + layout.TLB_CONTEXTS * layout.TLB_ENTRIES * 32,
    layout.PAGE_CODE,
    layout.PAGE_FLAGS,
    layout.CODE_ARENA,
    layout.CODE_ARENA_END,
    layout.RAM_BASE,
  ];
  assert.equal(starts, [...starts].sort((a, b) => a - b));
  assert.ok(layout.RAM_BASE + layout.RAM_MAX <= 2 ** 32);
});

test("the words of the CPU block do not overlap", () => {
  const numbers = new Map(Object.entries(state) as [string, number][]);
  /** Offsets in the CPU block with their sizes in bytes; the arrays by their whole length. */
  const words: [string, number][] = [
    ["GPR", 128], ["SLOT_ZERO", 8], ["SLOT_CODE_PAGE", 8], ["SLOT_EA", 8], ["SLOT_T0", 16], ["SLOT_T1", 16], ["SLOT_RMW", 8], ["SEG_BASE", 64],
    ["RIP", 8], ["RFLAGS", 8], ["CR0", 8], ["CR2", 8], ["CR3", 8], ["CR4", 8], ["CR8", 8], ["XCR0", 8], ["EFER", 8], ["STAR", 8], ["LSTAR", 8],
    ["CSTAR", 8], ["FMASK", 8], ["KERNEL_GS_BASE", 8], ["TSC_AUX", 8], ["SYSENTER_CS", 8], ["SYSENTER_ESP", 8], ["SYSENTER_EIP", 8],
    ["APIC_BASE", 8], ["PAT", 8], ["MISC_ENABLE", 8], ["TSC_OFFSET", 8], ["SEG", 64], ["GDTR_BASE", 8], ["GDTR_LIMIT", 4], ["IDTR_BASE", 8],
    ["IDTR_LIMIT", 4], ["DR0", 32], ["DR6", 8], ["DR7", 8], ["CPL", 4], ["MODE", 4], ["SHADOW", 4], ["NMI_BLOCKED", 4], ["RETIRED", 8],
    ["TSC_VIRTUAL", 4], ["VENDOR", 4], ["HALTED", 4], ["EXIT_REASON", 4], ["EXIT_VECTOR", 4], ["PENDING_INTERRUPT", 4],
    ["PENDING_NMI", 4], ["PENDING_DEBUG", 4], ["LAST_VECTOR", 4], ["LAST_ERROR", 4], ["LAST_RIP", 8], ["XMM", 256], ["YMM_HIGH", 256],
    ["ST", 128], ["FCW", 2], ["FSW", 2], ["FTW", 1], ["FOP", 2], ["FIP", 8], ["FDP", 8], ["FCS", 2], ["FDS", 2], ["MXCSR", 4],
    ["COUNT_TLB_MISS", 48], ["FEATURE_WORDS", 32], ["CPUID_ROW_COUNT", 4], ["CPUID_ROWS", 64 * 24],
  ];
  const placed = words.map(([name, size]) => ({ name, start: numbers.get(name)!, end: numbers.get(name)! + size })).sort((a, b) => a.start - b.start);
  for (let i = 1; i < placed.length; i++) {
    assert.ok(placed[i - 1].end <= placed[i].start, `${placed[i - 1].name} runs into ${placed[i].name}`);
  }
  assert.ok(placed.at(-1)!.end <= layout.CPU_BLOCK_SIZE);
});

test.run();
