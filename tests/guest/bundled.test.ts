// Every bundled guest, its output and its exit status: on ring3 and, on x86-64 Linux, on the processor itself.
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { execute, execute32, ring3, root, scratchFolder, skip } from "../command";

interface Case {
  guest: string;
  args?: string[];
  input?: string;
  output: string | RegExp;
  status?: number;
}

const CASES: Case[] = [
  { guest: "hello", output: "Hello, world!\n" },
  { guest: "hello-asm", output: "Hello, world!\n" },
  { guest: "hello32", output: "Hello, world!\na thread's variable is 42, by way of GDT entry 12\n" },
  { guest: "hello32-int80", output: "Hello, world!\n" },
  { guest: "hello32-sysenter", output: "Hello, world!\n" },
  { guest: "echo", args: ["one", "two  three", ""], output: "one two  three \n" },
  { guest: "echo", args: ["-n", "no newline"], output: "no newline" },
  { guest: "echo", args: ["Zürich", "雪"], output: "Zürich 雪\n" },
  { guest: "cat", input: "from standard input\n", output: "from standard input\n" },
  { guest: "gettid", output: /^tid (\d+), pid \1\n$/ },
  {
    guest: "page-fault",
    output: "mmap of 16 pages: 0 page faults\nfirst touch of each: 16 page faults\nsecond touch of each: 0 page faults\n",
  },
  { guest: "segv", output: "segv: writing to address 0\n", status: 139 },
  { guest: "getppid", args: ["100"], output: "getppid 100: 100 alike\n" },
  { guest: "int-loop", args: ["1000"], output: "int-loop 1000: 8ef4cfd69edf664c\n" },
  { guest: "sieve", args: ["1"], output: "sieve 1: 82025\n" },
  { guest: "sha256", args: ["1"], output: "sha256 1: de2f256064a0af797747c2b97505dc0b9f3df0de4f489eac731c23ae9ca9cc31\n" },
  { guest: "quicksort", args: ["1"], output: "quicksort 1: 5e3b9cea\n" },
  { guest: "fib", args: ["1"], output: "fib 1: 75025\n" },
  { guest: "strlen-memcpy", args: ["1"], output: "strlen-memcpy 1: 81bf036f\n" },
  { guest: "bytecode", args: ["1"], output: "bytecode 1: 59431\n" },
  { guest: "matmul", args: ["1"], output: "matmul 1: 566.00722222222248\n" },
  { guest: "nbody", args: ["1"], output: "nbody 1: -3.2158726934154828e-08\n" },
];

const is32Bit = (guest: string) => guest.startsWith("hello32");

function compare({ guest, args = [], output, status = 0 }: Case, ended: { text: string; status: number; stderr: string }): void {
  if (typeof output === "string") assert.is(ended.text, output, `${guest}: ${ended.stderr}`);
  else assert.match(ended.text, output, `${guest}: ${ended.stderr}`);
  assert.is(ended.status, status, `${guest} ${args.join(" ")}`);
}

for (const row of CASES) {
  const line = [row.guest, ...(row.args ?? [])].join(" ").trim();
  test(`${line} on ring3`, () => compare(row, ring3(["run", row.guest, ...(row.args ?? [])], { input: row.input })));
}

test("the bundled guests do the same on the processor itself", () => {
  if (process.platform !== "linux" || process.arch !== "x64") return skip("bundled guests natively", "not x86-64 Linux");
  for (const row of CASES.filter(({ guest }) => !is32Bit(guest))) {
    compare(row, execute(join(root, "guest-programs", row.guest), row.args ?? [], { input: row.input }));
  }
});

test("the bundled 32-bit guests do the same on the processor itself, or under qemu-i386", () => {
  for (const row of CASES.filter(({ guest }) => is32Bit(guest))) {
    const ended = execute32(join(root, "guest-programs", row.guest), row.args ?? []);
    if (ended === null) skip(`${row.guest} elsewhere than on ring3`, "neither this kernel nor a qemu-i386 runs 32-bit programs");
    else if (ended.referee === "qemu-i386" && row.guest === "hello32-sysenter") skip(`${row.guest} elsewhere than on ring3`, "qemu-i386 has no vDSO");
    // qemu-i386 is an i386 kernel, whose TLS descriptors stand elsewhere.
    else compare(row, ended.referee === "qemu-i386" ? { ...ended, text: ended.text.replace("GDT entry 6", "GDT entry 12") } : ended);
  }
});

test("files of a mounted folder are there, and may be written only behind :rw", () => {
  const folder = scratchFolder();
  writeFileSync(join(folder, "notes.txt"), "a note\n");
  const ended = ring3(["run", "--mount", `${folder}:/data`, "cat", "/data/notes.txt"]);
  assert.is(ended.text, "a note\n");
  assert.is(ring3(["run", "--mount", `${folder}:/data`, "--cwd", "/data", "cat", "notes.txt"]).text, "a note\n");
  assert.is(ring3(["run", "cat", join(folder, "notes.txt")]).status, 1);
});

test("what build.mjs builds here is what is checked in", () => {
  const ended = execute(process.execPath, [join(root, "guest-programs/build.mjs"), "--check"]);
  for (const line of ended.text.split("\n")) if (line.startsWith("skip ")) skip(`rebuild of ${line.slice(5).split(":")[0]}`, line.split(": ")[1]!);
  assert.is(ended.status, 0, ended.text + ended.stderr);
});

test.run();
