// Every door from 64-bit and 32-bit code under both vendors: the table of docs/doors.md, cell by cell; the same programs on this processor
// and under qemu-i386; and the commands that show it. With RING3_UPDATE_GOLDEN=1 the table is made anew.

import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { execute, hasProgram, ring3, root, scratchFolder, skip } from "../command";
import { assemble } from "../../host/ring0/assemble.build";
import { DATA_ADDRESS, tinyElf, tinyElf32 } from "../fuzz/tiny-elf";
import { call, exit } from "../linux/signal-guest";
import { cellText, DOOR_TEXTS, doorProgram, ORIGINS, outcomeHere, tableLines, told, type Vendor, VENDORS } from "./doors-table";

const file = join(root, "docs/doors.md");
const TABLE = /(?<=<!-- table -->\n)[\s\S]*(?=<!-- \/table -->)/;
if (process.env.RING3_UPDATE_GOLDEN) {
  const lines = await tableLines();
  writeFileSync(file, readFileSync(file, "utf8").replace(TABLE, () => `${lines.join("\n")}\n`));
}
const written = TABLE.exec(readFileSync(file, "utf8"))![0].trim().split("\n").slice(2).map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")));
const folder = scratchFolder();

function runnable(elf: Uint8Array): string {
  const path = join(folder, "door");
  writeFileSync(path, elf, { mode: 0o755 });
  chmodSync(path, 0o755);
  return path;
}

test("the table has a line for each door and origin, and no other", () => {
  const lines = DOOR_TEXTS.flatMap(({ name }) => ORIGINS.map((bits) => [name, `${bits}-bit`]));
  assert.equal(written.map((cells) => cells.slice(0, 2)), lines);
});

for (const door of DOOR_TEXTS) {
  for (const bits of ORIGINS) {
    const [, , intel, amd] = written.find(([name, from]) => name === door.name && from === `${bits}-bit`) ?? [];
    for (const vendor of VENDORS) {
      test(`${door.name} from ${bits}-bit code, ${vendor}, is what docs/doors.md says`, async () => {
        const expected = vendor === "intel" || amd === "the same" ? intel : amd;
        if (door.texts[bits] === undefined) return assert.is(expected, door.absent);
        for (const pti of [true, false]) {
          const outcome = await outcomeHere(doorProgram(door, bits), { vendor, pti });
          assert.is(cellText(outcome), expected, `PTI ${pti}: npm run docs:doors makes the table anew`);
        }
      });
    }
  }
}

/** As CPUID names it, undefined for others than the two. */
function vendorOfThisProcessor(): Vendor | undefined {
  const name = /^vendor_id\s*: (\w+)/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1];
  return name === "GenuineIntel" ? "intel" : name === "AuthenticAMD" || name === "HygonGenuine" ? "amd" : undefined;
}

/** Doors that the native kernel may be built or booted without, by how that shows. */
const NOT_OFFERED: Readonly<Record<string, [shows: RegExp, why: string]>> = {
  "INT 0x80": [/^SIGSEGV SI_KERNEL, trapno 13, error code 402/, "the kernel has no gate 0x80 for programs"],
  "call of the vsyscall page": [/^SIGSEGV SEGV_MAPERR, si_addr ffffffffff600400/, "the kernel has no vsyscall page"],
};

test("64-bit code meets the same on this processor", async () => {
  if (!hasProgram("sh")) return skip("doors natively", "not x86-64 Linux");
  const vendor = vendorOfThisProcessor();
  if (vendor === undefined) return skip("doors natively", "neither Intel's nor AMD's processor");
  let compared = 0;
  for (const door of DOOR_TEXTS) {
    const { name, texts, raises } = door;
    if (texts[64] === undefined || raises) continue;
    // Where a program lands that loses RIP is in the kernel's vDSO.
    if (name === "SYSENTER" && vendor === "intel") continue;
    const program = doorProgram(door, 64);
    const here = await outcomeHere(program, { vendor });
    const native = execute(runnable(program.elf), []);
    const there = native.status === 0 ? told(program, native.stdout, process.pid) : `status ${native.status}`;
    const [shows, why] = NOT_OFFERED[name] ?? [];
    if (shows?.test(there) && there !== here.told) skip(`${name} natively`, why!);
    else {
      assert.is(here.told, there, name);
      compared++;
    }
  }
  assert.ok(compared > 15, `${compared} doors`);
});

/** qemu-user knows no fast 32-bit doors, no unmasked floating-point exceptions, no AC, and makes INT1 and the error code of a fetch otherwise. */
const QEMU_MODELS = new Set([
  "INT 0x80", "INT3", "INT 3", "INT 1", "INTO with OF set", "INT 4", "BOUND out of bounds", "INT 0x20", "VMCALL", "division by 0 (#DE)", "UD2 (#UD)", "HLT (#GP)",
  "a load from 0 (#PF)", "a load from the kernel (#PF)",
]);

test("32-bit code meets the same under qemu-i386, a software reference, where that models it", async () => {
  if (!hasProgram("qemu-i386")) return skip("32-bit doors", "no qemu-i386");
  // It leaves the frame's trapno alone.
  const comparable = (text: string): string => text.replace(/, trapno \d+/, "");
  for (const door of DOOR_TEXTS) {
    const { name } = door;
    if (!QEMU_MODELS.has(name)) continue;
    const program = doorProgram(door, 32);
    const reference = execute("qemu-i386", [runnable(program.elf)]);
    assert.is(comparable((await outcomeHere(program, {})).told), comparable(told(program, reference.stdout, process.pid)), name);
  }
});

const HELLO = "Hello from 32 bits\n";
const hello32 = (gate: string): Uint8Array => {
  const text = `mov $4, %eax\nmov $1, %ebx\nmov $${DATA_ADDRESS}, %ecx\nmov $${HELLO.length}, %edx\ncall gate\nmov $252, %eax\nmov $7, %ebx\nint $0x80\ngate:\n${gate}\nret\n`;
  return tinyElf32(assemble("hello32", text, 32).bytes, new TextEncoder().encode(HELLO));
};

test("ring3 run of a 32-bit hello by INT 0x80, SYSENTER on Intel and SYSCALL on AMD", () => {
  const FAST = (pass: string, code: string): string => `push %ecx\npush %edx\npush %ebp\nmov ${pass}, %ebp\n.byte ${code}\n`;
  const SYSENTER = hello32(FAST("%esp", "0x0f, 0x34"));
  const SYSCALL = hello32(FAST("%ecx", "0x0f, 0x05"));
  const rows: [Uint8Array, Vendor, number][] = [
    [hello32("int $0x80"), "intel", 7], [hello32("int $0x80"), "amd", 7], [SYSENTER, "intel", 7], [SYSCALL, "amd", 7], [SYSENTER, "amd", 132], [SYSCALL, "intel", 132],
  ];
  for (const [elf, vendor, status] of rows) {
    const ended = ring3(["run", "--vendor", vendor, runnable(elf)]);
    assert.is(ended.status, status, ended.stderr);
    assert.is(ended.text, status === 7 ? HELLO : "");
  }
});

const VSYSCALL_TIME = "0xffffffffff600400";

test("ring3 run of a program that calls time by the vsyscall page answers in xonly and emulate; in none it dies at that address", () => {
  const text = `xor %edi, %edi\nmov $${VSYSCALL_TIME}, %rax\ncall *%rax\nmov %rax, %rbx\n${call(201, "$0")}sub %rbx, %rax\n${exit("%rax")}`;
  const path = runnable(tinyElf(assemble("time", text).bytes, new Uint8Array(64)));
  for (const mode of ["xonly", "emulate"]) {
    // The clock may tick in between.
    const ended = ring3(["run", `--vsyscall=${mode}`, path]);
    assert.ok(ended.status === 0 || ended.status === 1, `${mode}: ${ended.status} ${ended.stderr}`);
  }
  const none = ring3(["run", "--vsyscall=none", path]);
  assert.is(none.status, 139);
  assert.match(none.stderr, /ffffffffff600400/);
});

test("its handler finds si_addr, RIP and the error code of a fetch there, with the page in no mode but none", async () => {
  const program = doorProgram(DOOR_TEXTS.find(({ name }) => name === "call of the vsyscall page")!, 64);
  for (const vsyscall of ["xonly", "emulate", "none"] as const) {
    const { told: what } = await outcomeHere(program, { vsyscall });
    if (vsyscall !== "none") assert.is(what, "answers", vsyscall);
    else assert.is(what, "SIGSEGV SEGV_MAPERR, si_addr ffffffffff600400, trapno 14, error code 15, RIP ffffffffff600400");
  }
});

test("/proc/self/maps of two runs has the vDSO elsewhere, and the vsyscall page at one address or not at all", () => {
  const maps = (...words: string[]): string[] => ring3(["run", ...words, "cat", "/proc/self/maps"]).text.trimEnd().split("\n");
  const vdso = (lines: string[]): string => lines.find((line) => line.endsWith("[vdso]"))!.split("-")[0]!;
  const vsyscall = (lines: string[]): string | undefined => lines.find((line) => line.endsWith("[vsyscall]"));
  const [first, second] = [maps("--seed", "1"), maps("--seed", "2", "--vsyscall=emulate")];
  assert.match(vdso(first), /^7ff[0-9a-f]{9}$/);
  assert.is.not(vdso(first), vdso(second));
  assert.is(vsyscall(first), "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]");
  assert.is(vsyscall(second), "ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 0                  [vsyscall]");
  assert.is(vsyscall(maps("--vsyscall=none")), undefined);
});

test("labels of the table are labels of the entry text", () => {
  const labels = new Set(written.flatMap((cells) => cells.slice(2)).map((cell) => /^`(\w+)`/.exec(cell)?.[1]).filter((label) => label !== undefined));
  const sources = ["entry-64.asm.ts", "entry-compat.asm.ts", "idtentry.asm.ts"].map((name) => readFileSync(join(root, "host/ring0", name), "utf8")).join("");
  for (const label of labels) assert.ok(sources.includes(label!.replace(/^asm_exc_/, "")), label);
});

test.run();
