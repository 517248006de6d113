// `ring3 trace` on bundled programs, as its user sees it.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ring3, shell } from "../command";

test("trace shows the crossing of a call by name, the program's own output in its place", () => {
  const { text, stderr, status } = ring3(["trace", "--syscall", "write", "hello-asm"]);
  assert.is(stderr, "");
  assert.is(status, 0);
  const order = ["syscall", "swapgs", "TSS.sp2 =", "%cr3", "pt_regs->ss", "pt_regs->r15", "vmcall", "| orig_ax", "Hello, world!", "sys_call_table[1]: sys_write",
    'write(1, "Hello, world!\\n", 14)', "popq %r15", "swapgs", "sysretq", "Ring 3 again"];
  let at = 0;
  for (const word of order) {
    const found = text.indexOf(word, at);
    assert.ok(found >= 0, `${word} is missing, or not in its place:\n${text}`);
    at = found + word.length;
  }
  for (const line of text.split("\n")) assert.ok(line.length <= 100, line);
  assert.not.match(text, /\x1b/);
});

test("trace --door shows an exception, a timer interrupt and an NMI from door to door", () => {
  for (const [door, title, words] of [
    ["page_fault", "exception 14 (page_fault)", ["asm_exc_page_fault:", "error_entry:", "sync_regs:", "exc_page_fault is reached", "exc_page_fault, here in TypeScript", "iretq", "Ring 3 again, at the same instruction"]],
    ["timer", "a timer interrupt", ["asm_sysvec_apic_timer_interrupt:", "common_interrupt is reached", "iretq", "Ring 3 again, at the instruction that was interrupted"]],
    ["nmi", "an NMI", ["asm_exc_nmi:", "exc_nmi is reached", "iretq", "Ring 3 again, at the instruction that was interrupted"]],
  ] as const) {
    const { text, status } = ring3(["trace", "--door", door, "hello"]);
    assert.is(status, 0);
    assert.ok(text.startsWith(`One crossing by ${title} of \`hello\`: there and back\n`), text.slice(0, 100));
    let at = 0;
    for (const word of words) {
      const found = text.indexOf(word, at);
      assert.ok(found >= 0, `${word} is missing, or not in its place`);
      at = found + word.length;
    }
    for (const line of text.split("\n")) assert.ok(line.length <= 100, line);
  }
  const none = ring3(["trace", "--door", "int80", "hello"]);
  assert.is(none.status, 1);
  assert.match(none.stderr, /^ring3: hello: ended without a crossing by INT 0x80; it made /m);
  assert.is(ring3(["trace", "--door", "window", "hello"]).status, 2);
});

test("the code of a 32-bit program is listed as 32-bit code", () => {
  const { text, status } = ring3(["trace", "--door", "sysenter", "hello32-sysenter"]);
  assert.is(status, 0);
  assert.match(text, /at the vDSO's landing pad -+\n +3 user +user +[0-9a-f]+ popl %ebp\n/);
  assert.match(text, /^ +0 kernel kernel [0-9a-f]+ pushq /m);
});

test("trace takes a call by number, and passes over the calls before it", () => {
  const { text, status } = ring3(["trace", "--syscall", "39", "gettid"]);
  assert.is(status, 0);
  assert.match(text, /sys_call_table\[39\]: sys_getpid/);
});

test("trace without --syscall shows the first call", () => {
  assert.match(ring3(["trace", "hello"]).text, /sys_call_table\[158\]: sys_arch_prctl/);
});

test("trace of a call that does not come back says so", () => {
  const { text, status } = ring3(["trace", "--syscall=exit_group", "hello"]);
  assert.is(status, 0);
  assert.match(text, /exit_group\(0\)/);
  assert.match(text, /No way back/);
});

test("a call that slept comes back as any other: the timer interrupt that was due meanwhile is not in the picture", () => {
  const { text } = shell("(sleep 0.3; echo abc) | $RING3 trace --syscall read cat");
  assert.match(text, /sys_read, here[^\n]*\n  read\(0, "abc\\n", \d+\) += 4/);
  assert.not.match(text, /interrupt/);
  assert.match(text, /sysretq/);
  assert.match(text, /Ring 3 again, at the instruction behind SYSCALL/);
});

test("a call that makes new registers is named by the number it came with, and where it goes is said", () => {
  const { text } = ring3(["trace", "--syscall", "execve", "--root", "/", "/bin/sh", "-c", "exec /bin/true"]);
  if (text === "") return;
  assert.match(text, /sys_call_table\[59\]: sys_execve/);
  assert.match(text, /iretq/);
  assert.match(text, /Ring 3 again, but elsewhere/);
});

test("trace --pti=off writes no CR3, --pti=on two", () => {
  const writes = (words: string[]) => [...ring3(["trace", ...words, "hello-asm"]).text.matchAll(/movq %\w+, %cr3/g)].length;
  assert.is(writes(["--pti=off"]), 0);
  assert.is(writes(["--pti=on"]), 2);
  assert.is(writes(["--pcid=off"]), 2);
});

test("trace --json is an object a line", () => {
  const { text } = ring3(["trace", "--json", "--syscall", "writev", "hello"]);
  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  assert.ok(lines.length > 50);
  assert.ok(lines.map((line) => JSON.parse(line)).some((step) => step.text === "sysretq"));
});

test("a call that is never made, and one that there is not", () => {
  const never = ring3(["trace", "--syscall", "fork", "hello-asm"]);
  assert.is(never.status, 1);
  assert.is(never.stderr, "ring3: hello-asm: ended without a call of fork; it made write, exit_group\n");
  const none = ring3(["trace", "--syscall", "frobnicate", "hello"]);
  assert.is(none.status, 2);
  assert.match(none.stderr, /^ring3: --syscall: [^\n]*\n$/);
});

test.run();
