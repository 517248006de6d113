// Each option of `ring3 run` does what its help says, seen from inside the guest.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { OPTIONS } from "../../host/cli/options";
import { execute, hasProgram, ring3, scratchFolder, skip } from "../command";

const folder = scratchFolder();
const data = join(folder, "data");
mkdirSync(join(data, "inner"), { recursive: true });
writeFileSync(join(data, "notes.txt"), "a note\n");

const BUSYBOX = "/usr/bin/busybox";

function run(...words: string[]): string {
  const ended = ring3(["run", ...words]);
  assert.is(ended.status, 0, ended.stderr);
  return ended.text;
}

function usage(says: RegExp, ...words: string[]): void {
  const ended = ring3(["run", ...words]);
  assert.match(ended.stderr, /^ring3: [^\n]*\n$/);
  assert.match(ended.stderr, says);
  assert.is(ended.status, 2);
}

/** Where the first mapping of such a name begins. */
function firstAddress(maps: string, name: RegExp): string | undefined {
  return maps.split("\n").find((line) => name.test(line))?.replace(/-.*/, "");
}

test("the help names every option of run", () => {
  const help = run("--help");
  for (const { name } of OPTIONS.filter(({ commands }) => (commands as readonly string[]).includes("run"))) {
    assert.match(help, new RegExp(`--${name}\\b`));
  }
});

test("--opt=V and --opt V are the same, and -- ends the options", () => {
  assert.is(run("--memory=64", "echo", "x"), "x\n");
  assert.is(run("--memory", "64", "echo", "x"), "x\n");
  assert.is(run("--quiet", "--", "echo", "--", "--version"), "-- --version\n");
  assert.is(run("echo", "--memory=1", "-x"), "--memory=1 -x\n");
});

test("--env sets variables of the guest, passes ours on by name, and nothing else gets in", () => {
  const env = { ...process.env, RING3_GIVEN: "given", RING3_SECRET: "secret" } as Record<string, string>;
  const words = ["run", "--env", "A=1", "--env=B=x=y", "--env", "EMPTY=", "--env", "RING3_GIVEN", "--env", "RING3_ABSENT", "cat", "/proc/self/environ"];
  const variables = ring3(words, { env }).text.split("\0");
  for (const variable of ["A=1", "B=x=y", "EMPTY=", "RING3_GIVEN=given"]) assert.ok(variables.includes(variable), variable);
  assert.not(variables.some((variable) => /SECRET|ABSENT/.test(variable)));
});

test("--mount shows a folder, and refuses every kind of write with EROFS", () => {
  assert.is(run("--mount", `${data}:/data`, "cat", "/data/notes.txt"), "a note\n");
  if (!existsSync(BUSYBOX)) return skip("writes to a read-only mount", "no busybox");
  const writes = [
    ["touch", "/data/new"], ["rm", "/data/notes.txt"], ["mkdir", "/data/new"], ["rmdir", "/data/inner"], ["chmod", "600", "/data/notes.txt"],
    ["mv", "/data/notes.txt", "/data/other"], ["ln", "-s", "x", "/data/link"], ["ln", "/data/notes.txt", "/data/link"],
    ["truncate", "-s", "0", "/data/notes.txt"], ["cp", "/data/notes.txt", "/data/copy"],
  ];
  for (const mode of ["", ":ro"]) {
    for (const write of writes) {
      const ended = ring3(["run", "--mount", `${data}:/data${mode}`, BUSYBOX, ...write]);
      assert.match(ended.stderr, /Read-only file system/, write.join(" "));
      assert.is(ended.status, 1, write.join(" "));
    }
  }
  assert.equal(readdirSync(data).sort(), ["inner", "notes.txt"]);
  assert.is(readFileSync(join(data, "notes.txt"), "utf8"), "a note\n");
});

test("--mount with :rw writes to the folder", () => {
  if (!existsSync(BUSYBOX)) return skip("a writable mount", "no busybox");
  const mount = `--mount=${data}:/data:rw`;
  run(mount, BUSYBOX, "cp", "/data/notes.txt", "/data/inner/copy");
  assert.is(readFileSync(join(data, "inner/copy"), "utf8"), "a note\n");
  run(mount, BUSYBOX, "mv", "/data/inner/copy", "/data/inner/moved");
  run(mount, BUSYBOX, "ln", "-s", "moved", "/data/inner/link");
  assert.is(run(mount, "cat", "/data/inner/link"), "a note\n");
  run(mount, BUSYBOX, "rm", "/data/inner/moved", "/data/inner/link");
  assert.equal(readdirSync(join(data, "inner")), []);
});

test("several mounts stand beside and inside each other", () => {
  assert.is(run("--mount", `${folder}:/a`, "--mount", `${data}:/a/b/c`, "cat", "/a/data/notes.txt", "/a/b/c/notes.txt"), "a note\na note\n");
});

test("a mount where none can be is a usage error that names the place", () => {
  for (const place of ["/dev/null", "/dev/null/x", "/proc/x", "/a/../b"]) usage(new RegExp(`--mount: ${place}: `), "--mount", `${data}:${place}`, "hello");
  usage(/--mount cannot replace the guest's root/, "--mount", `${data}:/`, "hello");
});

test("--cwd is where relative names start, and has to be a folder", () => {
  assert.is(run("--mount", `${data}:/data`, "--cwd", "/data", "cat", "notes.txt"), "a note\n");
  assert.is(run("--mount", `${data}:/data`, "--cwd=/data/inner", "cat", "../notes.txt"), "a note\n");
  usage(/--cwd: \/nowhere: ENOENT/, "--cwd", "/nowhere", "hello");
  usage(/--cwd: \/data\/notes.txt: ENOTDIR/, "--mount", `${data}:/data`, "--cwd", "/data/notes.txt", "hello");
});

test("--root makes a folder the guest's root, which stays as it is", () => {
  const tree = join(folder, "tree");
  mkdirSync(join(tree, "etc"), { recursive: true });
  writeFileSync(join(tree, "etc/motd"), "welcome\n");
  assert.is(run("--root", tree, "cat", "/etc/motd"), "welcome\n");
  assert.is(run(`--root=${tree}`, "--cwd", "/etc", "--mount", `${data}:/mnt`, "cat", "motd", "/mnt/notes.txt"), "welcome\na note\n");
  assert.equal(readdirSync(tree), ["etc"]);
  assert.is(ring3(["run", "--root", tree, "cat", "/etc/../../../../../..", join(folder, "data/notes.txt")]).text, "");
});

test("--root / runs this computer's own dynamic programs, and writes nothing", () => {
  if (process.platform !== "linux" || process.arch !== "x64") return skip("dynamic programs under --root /", "not x86-64 Linux");
  assert.is(run("--root", "/", "--cwd", data, "/bin/cat", "notes.txt"), "a note\n");
  const ended = ring3(["run", "--root", "/", "/bin/mkdir", join(data, "new")]);
  assert.is(ended.status, 1);
  assert.match(ended.stderr, /Read-only file system/);
  assert.equal(readdirSync(data).sort(), ["inner", "notes.txt"]);
});

test("the same --seed gives the same addresses and random bytes, another one others", () => {
  const maps = (seed: string) => run("--seed", seed, "cat", "/proc/self/maps");
  assert.is(maps("1"), maps("0x1"));
  assert.is.not(maps("1"), maps("2"));
  assert.is.not(run("cat", "/proc/self/maps"), run("cat", "/proc/self/maps"));
  if (!existsSync(BUSYBOX)) return skip("random bytes of a seed", "no busybox");
  const random = (...options: string[]) => run(...options, BUSYBOX, "od", "-An", "-N16", "-tx1", "/dev/urandom");
  assert.is(random("--seed=7"), random("--seed=7"));
  assert.is.not(random("--seed=7"), random("--seed=8"));
  assert.is.not(random(), random());
});

test("--no-aslr puts a static program, a static PIE and the end of the stack where Linux puts them", () => {
  const maps = run("--no-aslr", "cat", "/proc/self/maps");
  assert.is(maps, run("--no-aslr", "cat", "/proc/self/maps"));
  assert.match(maps, /-7ffffffff000 rw-p 00000000 00:00 0 +\[stack\]/);
  if (!hasProgram("setarch") || !hasProgram("gcc")) return skip("addresses without ASLR as Linux has them", "no setarch or no gcc");
  const source = join(folder, "maps.c");
  const program = join(folder, "maps");
  writeFileSync(source, '#include <stdio.h>\nint main(void) { char line[300]; FILE *f = fopen("/proc/self/maps", "r"); while (fgets(line, 300, f)) fputs(line, stdout); return 0; }');
  for (const kind of ["-static", "-static-pie"]) {
    assert.is(execute("gcc", [kind, "-o", program, source]).status, 0);
    const native = execute("setarch", ["-R", program]);
    if (native.status !== 0) return skip("addresses without ASLR as Linux has them", "setarch -R is not allowed");
    assert.is(firstAddress(run("--no-aslr", program), /\/maps$/), firstAddress(native.text, /\/maps$/), kind);
    // The stack's lower end depends on the environment.
    const ends = (text: string) => /-([0-9a-f]+) \S+ \S+ \S+ 0 +\[stack\]/.exec(text)?.[1];
    assert.is(ends(run("--no-aslr", program)), ends(native.text), kind);
  }
});

test("--pti and --pcid run every program in all four ways", () => {
  for (const pti of ["on", "off"]) for (const pcid of ["on", "off"]) assert.is(run(`--pti=${pti}`, "--pcid", pcid, "hello"), "Hello, world!\n");
  usage(/--pti is on or off/, "--pti=maybe", "hello");
});

test("--memory is what the guest can use: too much for it is SIGKILL, as from Linux's OOM killer", () => {
  assert.is(run("--memory", "4", "hello"), "Hello, world!\n");
  if (!hasProgram("gcc")) return skip("a guest that eats memory", "no gcc");
  const source = join(folder, "eat.c");
  const program = join(folder, "eat");
  writeFileSync(
    source,
    `#include <errno.h>
     #include <stdio.h>
     #include <stdlib.h>
     #include <string.h>
     #include <sys/mman.h>
     int main(int argc, char **argv) {
       if (argc > 1) {
         void *p = mmap(0, 8ul << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         return printf("%s\\n", p == MAP_FAILED ? strerror(errno) : "mapped") < 0;
       }
       for (size_t eaten = 0;; eaten++) {
         char *p = malloc(1 << 20);
         if (!p) return 1;
         memset(p, 1, 1 << 20);
       }
     }`,
  );
  assert.is(execute("gcc", ["-O1", "-static", "-o", program, source]).status, 0);
  const killed = ring3(["run", "--memory", "16", program]);
  assert.is(killed.status, 137);
  assert.match(killed.stderr, /^ring3: out of guest memory \(16 MiB\)[^\n]*\nring3: \S+: SIGKILL \(Killed\)\n$/);
  assert.match(ring3(["run", "--quiet", "--memory=16M", program]).stderr, /^(ring3: \S+: SIGKILL \(Killed\)\n)?$/);
  assert.is(ring3(["run", "--memory", "16", program, "reserve"]).text, "Cannot allocate memory\n");
});

test.run();
