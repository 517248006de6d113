// Debian's busybox-static on a mounted folder: each applet's output and status, byte for byte as on this computer's Linux.
import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { execute, hasProgram, ring3, scratchFolder, skip } from "../command";

const BUSYBOX = "/usr/bin/busybox";
const available = hasProgram("busybox") && /statically linked/.test(execute("file", ["-L", BUSYBOX]).text || "statically linked");

/** The same absolute path on both sides, so that outputs which contain paths compare. */
const folder = scratchFolder();

function fill(): void {
  const file = (name: string, content: string | Uint8Array, mode = 0o644) => {
    writeFileSync(join(folder, name), content);
    chmodSync(join(folder, name), mode);
    utimesSync(join(folder, name), 1_600_000_000, 1_600_000_000 + name.length);
  };
  mkdirSync(join(folder, "tree/branch/twig"), { recursive: true });
  file("words.txt", "pear\napple\nfig\nbanana\napple\n\ncherry\n");
  file("numbers.txt", Array.from({ length: 50 }, (_, i) => `${(i * 37) % 50} row ${i}\n`).join(""));
  file("table.csv", "name,amount\nAnna,12.5\nBert,7\nCleo,0.25\n");
  file("other.txt", "pear\napple\nplum\nbanana\napple\ncherry\n");
  file("binary.bin", Uint8Array.from({ length: 4096 }, (_, i) => (i * i + (i >> 3)) & 255), 0o600);
  file("empty", "");
  file("script.sh", "#!/bin/sh\necho hi\n", 0o755);
  file("tree/leaf.txt", "leaf\n");
  file("tree/branch/nest.txt", "egg\negg\n", 0o640);
  file("tree/branch/twig/.hidden", "shy\n");
  symlinkSync("../words.txt", join(folder, "tree/link"));
  symlinkSync("nowhere", join(folder, "tree/dangling"));
}

/** One row a comparison: the words behind `busybox`, and standard input where it is read. */
const ROWS: { words: string[]; input?: string }[] = [
  { words: ["sh", "-c", "trap 'echo USR1' USR1; trap 'echo bye' EXIT; trap 'echo TERM; exit 3' TERM; kill -USR1 $$; echo on; kill $$; echo not here"] },
  { words: ["echo", "-e", "one\\ttwo\\n"] },
  { words: ["cat", "words.txt", "numbers.txt"] },
  { words: ["cat", "-"], input: "typed\n" },
  { words: ["cat", "missing"] },
  { words: ["ls", "-la", "tree"] },
  { words: ["ls", "-lan", "tree/branch"] },
  { words: ["ls", "-1R", "."] },
  { words: ["wc", "words.txt", "numbers.txt", "binary.bin"] },
  { words: ["sort", "words.txt"] },
  { words: ["sort", "-n", "-k1", "-r", "numbers.txt"] },
  { words: ["sort", "-u"], input: "b\na\nb\n" },
  { words: ["sha256sum", "binary.bin", "words.txt"] },
  { words: ["md5sum", "binary.bin", "empty"] },
  { words: ["gzip", "-nc", "numbers.txt"] },
  { words: ["awk", "-F,", "NR>1 { s += $2; printf \"%-5s %8.3f\\n\", $1, $2 } END { print s, s/3, sqrt(s), sin(s), exp(1), log(s) }", "table.csv"] },
  { words: ["awk", "{ count[$0]++ } END { for (w in count) print count[w], w }", "words.txt"] },
  { words: ["sed", "-n", "-e", "s/a\\(.\\)/<\\1>/gp", "words.txt"] },
  { words: ["sed", "2,3d", "words.txt"] },
  { words: ["grep", "-n", "an", "words.txt"] },
  { words: ["grep", "-rE", "(egg|leaf)", "tree"] },
  { words: ["grep", "nothing", "words.txt"] },
  { words: ["printf", "%5d|%-8s|%x|%o|%c|%.3f|%e\\n", "42", "left", "255", "8", "x", "3.14159", "12345.678"] },
  { words: ["expr", "12345", "*", "6789", "+", "1"] },
  { words: ["expr", "length", "something"] },
  { words: ["date", "-u", "-d", "@1700000000", "+%Y-%m-%d %H:%M:%S %A %j"] },
  { words: ["date", "-u", "-r", "words.txt"] },
  { words: ["od", "-A", "x", "-t", "x1z", "binary.bin"] },
  { words: ["od", "-c", "words.txt"] },
  { words: ["od", "-t", "f8", "-N", "64", "binary.bin"] },
  { words: ["tr", "a-z", "A-Z"], input: "lower Case\n" },
  { words: ["tr", "-d", "aeiou"], input: "no vowels here\n" },
  { words: ["head", "-n", "3", "numbers.txt"] },
  { words: ["head", "-c", "100", "binary.bin"] },
  { words: ["tail", "-n", "4", "numbers.txt"] },
  { words: ["tail", "-c", "33", "binary.bin"] },
  { words: ["cut", "-d,", "-f2", "table.csv"] },
  { words: ["cut", "-c2-4", "words.txt"] },
  { words: ["find", "."] },
  { words: ["find", "tree", "-type", "f", "-name", "*.txt", "-size", "-2"] },
  { words: ["stat", "tree/leaf.txt"] },
  { words: ["stat", "-c", "%n %s %a %F %h %i %u %g %Y %b %B", "words.txt", "tree", "tree/link"] },
  { words: ["diff", "words.txt", "other.txt"] },
  { words: ["diff", "-u", "-L", "old", "-L", "new", "words.txt", "other.txt"] },
  { words: ["seq", "1", "7", "60"] },
  { words: ["bc"], input: "scale=30\n4*a(1)\n2^200\n" },
  { words: ["cksum", "binary.bin"] },
  { words: ["base64", "binary.bin"] },
  { words: ["uniq", "-c"], input: "a\na\nb\n" },
  { words: ["cmp", "words.txt", "other.txt"] },
  { words: ["readlink", "tree/link"] },
  { words: ["realpath", "tree/link"] },
  { words: ["basename", "/a/b.c", ".c"] },
  { words: ["tar", "-cf", "-", "--numeric-owner", "tree"] },
  { words: ["true"] },
  { words: ["false"] },
];

if (!available) skip("busybox applets", "no static busybox on this computer");
else {
  fill();
  const guest = (words: string[], input?: string | Uint8Array) =>
    ring3(["run", "--mount", `${folder}:${folder}`, "--cwd", folder, "--env", "PATH=/usr/bin:/bin", BUSYBOX, ...words], { input });
  const native = (words: string[], input?: string | Uint8Array) =>
    execute(BUSYBOX, words, { input, cwd: folder, env: { PATH: "/usr/bin:/bin", HOME: "/" } });

  for (const { words, input } of ROWS) {
    test(`busybox ${words.join(" ")}`, () => {
      const expected = native(words, input);
      const got = guest(words, input);
      assert.is(got.stderr, expected.stderr);
      if (!got.stdout.equals(expected.stdout)) assert.is(got.stdout.toString("latin1"), expected.stdout.toString("latin1"));
      assert.is(got.status, expected.status);
    });
  }

  test("busybox gzip, then gunzip, gives the file back", () => {
    const packed = guest(["gzip", "-9c", "numbers.txt"]);
    const unpacked = guest(["gunzip", "-c"], packed.stdout);
    assert.is(unpacked.status, 0, unpacked.stderr);
    assert.is(unpacked.text, native(["cat", "numbers.txt"]).text);
  });

  test("busybox uname -a is Linux 6.1 on x86_64", () => {
    const { text } = guest(["uname", "-a"]);
    assert.match(text, /^Linux \S+ 6\.1\.\S+ .* x86_64 GNU\/Linux\n$/);
  });

  test("busybox date -u is now", () => {
    const seconds = Number(guest(["date", "-u", "+%s"]).text);
    assert.ok(Math.abs(seconds - Date.now() / 1000) < 10, String(seconds));
  });

  test("busybox sleep sleeps", () => {
    const begun = Date.now();
    assert.is(guest(["sleep", "0.3"]).status, 0);
    assert.ok(Date.now() - begun >= 300);
  });
}

test.run();
