// The entry text as assembled: Capstone's listing of each variant, held against tests/golden, and what the variants share.
// After a wanted change: RING3_UPDATE_GOLDEN=1 node tests/run.mjs entry-text, then read the diff.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assembleEntryText } from "../../host/ring0/assemble.build";
import { entryText, entryTextOf, type EntryText } from "../../host/ring0/entry-symbols";
import { entryTextFor, variantName } from "../../host/ring0/entry-text.asm";
import { hexLinear } from "../../host/ring0/layout";
import { projectRoot } from "../source-files";

interface Instruction {
  address: bigint | number;
  bytes: Uint8Array;
  mnemonic: string;
  opStr: string;
}

// In a variable, because the package's "exports" hide its types from the type checker.
const packageName = "capstone-wasm";

/** One instruction a line, labels before theirs; of the 200 interrupt stubs that differ in one number only the first. */
async function listing(text: EntryText): Promise<string> {
  const capstone = await import(packageName);
  await capstone.loadCapstone();
  const handle = new capstone.Capstone(capstone.Const.CS_ARCH_X86, capstone.Const.CS_MODE_64);
  handle.setOption(capstone.Const.CS_OPT_SYNTAX, capstone.Const.CS_OPT_SYNTAX_ATT);
  const instructions = handle.disasm(text.bytes, { address: 0 }) as Instruction[];
  const at = new Map([...text.labels].map(([label, address]) => [address - text.base, label]));
  const lines: string[] = [];
  let skipping = false;
  let end = 0;
  for (const { address, bytes, mnemonic, opStr } of instructions) {
    const offset = Number(address);
    end = offset + bytes.length;
    const label = at.get(offset);
    if (label !== undefined) skipping = /^irq_entry_/.test(label) && label !== "irq_entry_20";
    if (skipping) continue;
    if (label !== undefined) lines.push(`${label}:`);
    const operands = opStr.replace(/^0x([0-9a-f]+)$/, (_, digits) => text.symbolize(text.base + parseInt(digits, 16)) ?? digits);
    lines.push(`  ${hexLinear(text.base + offset).slice(8)}  ${mnemonic} ${operands}`.trimEnd());
  }
  assert.is(end, text.bytes.length, "Capstone read the text to its end");
  return lines.join("\n") + "\n";
}

const variants = [
  { pti: true, pcid: true },
  { pti: true, pcid: false },
  { pti: false, pcid: false },
];

for (const options of variants) {
  const name = variantName(options);
  test(`the entry text ${name} is the one in tests/golden`, async () => {
    const file = join(projectRoot, `tests/golden/entry-text-${name}.lst`);
    const now = await listing(entryText(options));
    if (process.env.RING3_UPDATE_GOLDEN) writeFileSync(file, now);
    assert.fixture(now, readFileSync(file, "utf8"));
  });
}

test("PCID makes no difference where CR3 is not switched", () => {
  assert.equal(entryText({ pti: false, pcid: true }).bytes, entryText({ pti: false, pcid: false }).bytes);
});

test("only the PTI variants touch CR3, only the PCID variant sets NOFLUSH", async () => {
  for (const options of variants) {
    const text = await listing(entryText(options));
    assert.is(/%cr3/.test(text), options.pti);
    assert.is(/bts\w* +\$0x3f/.test(text), options.pti && options.pcid);
  }
});

test("without FSGSBASE, paranoid entry looks at the sign of the GS base instead of saving it", async () => {
  const options = { pti: true, pcid: true, smap: true, fsgsbase: false };
  const variant = { name: "no fsgsbase", options, text: entryTextFor(options), base: 0 };
  const text = await listing(entryTextOf(assembleEntryText(variant)));
  assert.match(text, /paranoid_entry_cr3_done:\n.*movl \$1, %ebx\n.*movl \$0xc0000101, %ecx\n.*rdmsr\n.*testl %edx, %edx\n.*js paranoid_entry_done/);
  assert.not.match(text, /rdgsbase|wrgsbase/);
});

test("an address is named by the label at or before it", () => {
  const text = entryText({ pti: true, pcid: true });
  const syscall = text.labels.get("entry_SYSCALL_64")!;
  assert.is(text.symbolize(syscall), "entry_SYSCALL_64");
  assert.is(text.symbolize(syscall + 3), "entry_SYSCALL_64+0x3");
  assert.is(text.symbolize(text.base - 1), undefined);
  assert.is(text.symbolize(text.base + text.bytes.length), undefined);
});

test.run();
