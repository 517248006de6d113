// What the README says is there: the files it links to, the scripts, and command lines that the option table understands.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseOptions } from "../host/cli/options";
import { root } from "./command";

const readme = readFileSync(join(root, "README.md"), "utf8");
const packageJson = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

test("every file that the README links to exists", () => {
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1]!).filter((link) => !link.includes(":"));
  assert.ok(links.length >= 8);
  assert.equal(links.filter((link) => !existsSync(join(root, link))), []);
});

test("every npm script of the README is in package.json", () => {
  for (const [, script] of readme.matchAll(/^ {4}npm run ([\w:]+)/gm)) assert.ok(packageJson.scripts[script!], `npm run ${script}`);
  assert.ok(packageJson.scripts.test);
  assert.ok(packageJson.bin.ring3);
});

test("every ring3 command line of the README parses", () => {
  const lines = [...readme.matchAll(/^ {4}(?:npm ci && npx )?ring3 (run|trace|maps) (.*?)(?: {2,}.*)?$/gm)];
  assert.ok(lines.length >= 6);
  for (const [, command, words] of lines) {
    const { rest } = parseOptions(command as "run" | "trace" | "maps", words!.trim().split(/ +/));
    assert.ok(rest.length > 0, words);
  }
});

test("the files of the walk hold what the walk says", () => {
  const holds = (file: string, word: string) => assert.match(readFileSync(join(root, file), "utf8"), new RegExp(`\\b${word}\\b`), `${file}: ${word}`);
  holds("guest-programs/hello.S", "syscall");
  holds("kernel/exec/syscall.ts", "SYSCALL");
  holds("host/ring0/entry-64.asm.ts", "entry_SYSCALL_64");
  holds("host/ring0/ring0.ts", "dispatch");
  holds("host/linux/entry-common.ts", "doSyscall64");
  holds("host/linux/syscall-table.ts", "sysWrite");
  holds("host/linux/syscalls/read-write.ts", "sysWrite");
});

test.run();
