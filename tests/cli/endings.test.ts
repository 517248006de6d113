// How the command ends: each mistake is one line on stderr and the documented exit status, never a stack trace.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { execute, hasProgram, ring3, root, scratchFolder, skip, type Ended } from "../command";

const folder = scratchFolder();
const hello = readFileSync(join(root, "guest-programs/hello"));

/** Writes `bytes` as a program and answers its path. */
function program(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes, { mode: 0o755 });
  return path;
}

/** A copy of hello with some bytes changed. */
function mutated(name: string, change: (bytes: Buffer) => void): string {
  const bytes = Buffer.from(hello);
  change(bytes);
  return program(name, bytes);
}

function oneLine(ended: Ended, status: number, says: RegExp): void {
  assert.match(ended.stderr, /^ring3: [^\n]*\n$/, `stderr: ${ended.stderr}`);
  assert.match(ended.stderr, says);
  assert.is(ended.text, "");
  assert.is(ended.status, status, ended.stderr);
}

test("no command, an unknown one and no program are usage errors", () => {
  oneLine(ring3([]), 2, /no command/);
  oneLine(ring3(["walk"]), 2, /unknown command "walk"/);
  oneLine(ring3(["run"]), 2, /no program/);
  oneLine(ring3(["trace"]), 2, /no program/);
});

test("an option that is unknown, lacks its value or has a wrong one is a usage error", () => {
  oneLine(ring3(["run", "--frob", "hello"]), 2, /--frob/);
  oneLine(ring3(["run", "--memory"]), 2, /--memory/);
  oneLine(ring3(["run", "--memory", "5T", "hello"]), 2, /--memory/);
  oneLine(ring3(["run", "--mount", "nocolon", "hello"]), 2, /--mount/);
  oneLine(ring3(["run", "--mount", `${folder}/none:/data`, "hello"]), 2, /not found/);
  oneLine(ring3(["run", "--root", join(root, "package.json"), "hello"]), 2, /not a folder/);
  oneLine(ring3(["run", "--cwd", "data", "hello"]), 2, /--cwd/);
  oneLine(ring3(["run", "--env", "=x", "hello"]), 2, /--env/);
});

test("a program that is not there ends with 127", () => {
  oneLine(ring3(["run", "./no-such-program"]), 127, /no-such-program: not found/);
  oneLine(ring3(["run", "no-such-program"]), 127, /no-such-program: not found/);
  oneLine(ring3(["run", ""]), 127, /not found/);
  oneLine(ring3(["trace", "./no-such-program"]), 127, /not found/);
});

test("what is there but cannot run ends with 126", () => {
  mkdirSync(join(folder, "directory"));
  oneLine(ring3(["run", join(folder, "directory")]), 126, /directory/);
  oneLine(ring3(["run", "/dev/null"]), 126, /not a regular file/);
  oneLine(ring3(["run", program("empty", "")]), 126, /empty/);
  oneLine(ring3(["run", program("text", "just some text\n")]), 126, /ELF/);
  oneLine(ring3(["run", join(root, "package.json", "x")]), 126, /not a directory/);
});

test("a truncated ELF file ends with 126 wherever it is cut", () => {
  for (const length of [4, 16, 63, 64, 100, 200]) {
    oneLine(ring3(["run", program(`cut-${length}`, hello.subarray(0, length))]), 126, /cut-/);
  }
});

test("an ELF file for another machine, class or byte order ends with 126", () => {
  oneLine(ring3(["run", mutated("aarch64", (bytes) => bytes.writeUInt16LE(183, 18))]), 126, /aarch64/);
  oneLine(ring3(["run", mutated("class-32", (bytes) => bytes.writeUInt8(1, 4))]), 126, /class-32/);
  oneLine(ring3(["run", mutated("big-endian", (bytes) => bytes.writeUInt8(2, 5))]), 126, /big-endian/);
  oneLine(ring3(["run", mutated("relocatable", (bytes) => bytes.writeUInt16LE(1, 16))]), 126, /relocatable/);
});

test("a file without the right to be executed ends with 126, as from a shell", () => {
  const path = program("plain", hello);
  chmodSync(path, 0o644);
  oneLine(ring3(["run", path]), 126, /not executable/);
});

test("a script without its interpreter is named with it and ends with 126", () => {
  oneLine(ring3(["run", program("script", "#!/no/such/interpreter\n")]), 126, /\/no\/such\/interpreter is not in the guest's root/);
});

// Program header 1 stands at byte 120; its p_vaddr and p_offset have to agree in their page offset, here 0xfc0.
test("segments that overlap, go backwards, are not aligned or too large end with 126", () => {
  const SECOND = 64 + 56;
  const refused: Record<string, [(bytes: Buffer) => void, RegExp]> = {
    overlapping: [(bytes) => bytes.writeBigUInt64LE(0x400fc0n, SECOND + 16), /overlaps/],
    backwards: [(bytes) => bytes.writeBigUInt64LE(0x300fc0n, SECOND + 16), /overlaps or precedes/],
    "not-aligned": [(bytes) => bytes.writeBigUInt64LE(0x402fc1n, SECOND + 16), /not aligned/],
    "null-page": [(bytes) => bytes.writeBigUInt64LE(0n, 64 + 16), /null page/],
    terabyte: [(bytes) => bytes.writeBigUInt64LE(1n << 40n, SECOND + 40), /memory is too small/],
    "behind-the-end": [(bytes) => bytes.writeBigUInt64LE((1n << 62n) + 0xfc0n, SECOND + 8), /truncated/],
    "nothing-to-load": [(bytes) => [64, SECOND].forEach((at) => bytes.writeUInt32LE(4, at)), /nothing to load/],
    "no-headers": [(bytes) => bytes.writeUInt16LE(0, 56), /without program headers/],
    "headers-far-away": [(bytes) => bytes.writeBigUInt64LE(1n << 60n, 32), /truncated/],
    "entry-in-the-kernel": [(bytes) => bytes.writeBigUInt64LE(0xffffffff81000000n, 24), /entry point/],
    "core-dump": [(bytes) => bytes.writeUInt16LE(4, 16), /core dump/],
  };
  for (const [name, [change, says]] of Object.entries(refused)) oneLine(ring3(["run", mutated(name, change)]), 126, says);
});

// Program header 0 stands at byte 64: p_vaddr at +16, p_filesz at +32, p_memsz at +40.
test("absurd segments end with 126 or with the signal that Linux would send", () => {
  const absurd: Record<string, (bytes: Buffer) => void> = {
    "kernel-address": (bytes) => bytes.writeBigUInt64LE(0xffffffff80000000n, 64 + 16),
    "huge-memsz": (bytes) => bytes.writeBigUInt64LE(0x7fffffffffffn, 64 + 40),
    "filesz-over-memsz": (bytes) => bytes.writeBigUInt64LE(0x100000n, 64 + 32),
    "wrapping-vaddr": (bytes) => bytes.writeBigUInt64LE(0xffffffffffffff00n, 64 + 16),
    "many-headers": (bytes) => bytes.writeUInt16LE(0xffff, 56),
    "header-size": (bytes) => bytes.writeUInt16LE(7, 54),
  };
  for (const [name, change] of Object.entries(absurd)) {
    const ended = ring3(["run", mutated(name, change)]);
    assert.match(ended.stderr, /^ring3: [^\n]*\n$/, name);
    assert.ok([126, 132, 135, 137, 139].includes(ended.status), `${name}: ${ended.status} ${ended.stderr}`);
  }
});

test("a dynamic program without its interpreter is named with it and ends with 126", () => {
  if (!hasProgram("gcc")) return skip("dynamic program without an interpreter", "no gcc");
  const source = program("dynamic.c", "int main(void) { return 0; }\n");
  const path = join(folder, "dynamic");
  assert.is(execute("gcc", ["-o", path, source]).status, 0);
  oneLine(ring3(["run", path]), 126, /ld-linux-x86-64\.so\.2/);
});

test("the guest's own exit status is ours", () => {
  assert.is(ring3(["run", "hello"]).status, 0);
  const ended = ring3(["run", "cat", "/no/such/file"]);
  assert.is(ended.status, 1);
  assert.is(ended.stderr, "cat: /no/such/file: No such file or directory\n");
});

test("a guest that dies of a signal is 128 + n and its name", () => {
  const ended = ring3(["run", "segv"]);
  assert.is(ended.status, 139);
  assert.is(ended.text, "segv: writing to address 0\n");
  assert.match(ended.stderr, /^ring3: segv: SIGSEGV \(Segmentation fault\)[^\n]*\n$/);
});

test("--timeout ends an endless guest with 124", () => {
  oneLine(ring3(["run", "--timeout", "0.3", "getppid", "100000000000"]), 124, /timed out after 0.3 s/);
  oneLine(ring3(["run", "--timeout=300ms", "int-loop", "100000000000"]), 124, /timed out/);
});

test("a guest whose output nobody reads is stopped by --timeout too", () => {
  const { status, stderr } = execute("bash", ["-c", `"$0" "$@" < /dev/zero 2>/dev/null | sleep 5; echo \${PIPESTATUS[0]} >&2`, ...cli("run", "--timeout", "0.5", "cat")]);
  assert.is(status, 0);
  assert.is(stderr, "124\n");
});

function cli(...words: string[]): string[] {
  const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return [process.execPath, join(root, typeof bin === "string" ? bin : bin.ring3), ...words];
}

test("help and version go to standard output", () => {
  for (const words of [["help"], ["--help"], ["help", "run"], ["run", "--help"], ["trace", "-h"]]) {
    const ended = ring3(words);
    assert.is(ended.status, 0);
    assert.is(ended.stderr, "");
    assert.match(ended.text, /Examples:/);
    for (const line of ended.text.split("\n")) assert.ok(line.length <= 110, line);
  }
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.is(ring3(["--version"]).text, `ring3 ${version}\n`);
  assert.is(ring3(["version"]).text, `ring3 ${version}\n`);
  oneLine(ring3(["help", "me"]), 2, /no help on "me"/);
});

test.run();
