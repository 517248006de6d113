// Guest memory that runs out while the kernel itself touches the program's pages, outside every system call's handler.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Kernel, run, type RunOptions } from "../../host/index";
import { OutOfMemory } from "../../host/linux/page-cache";
import { call, guest } from "./signal-guest";

/** The program's getpid takes all the frames that are left. */
async function starved(text: string, options: Partial<RunOptions> = {}): Promise<[status: number, signal: string | null, notices: string[]]> {
  let kernel: Kernel | undefined;
  const notices: string[] = [];
  const { status, signal } = await run(guest(text), {
    seed: 1, memoryMiB: 8, timeoutMs: 20_000,
    onBoot: (booted) => void (kernel = booted),
    onSyscall: ({ name }) => {
      if (name !== "getpid") return;
      try {
        for (;;) kernel!.frames.alloc();
      } catch (error) {
        if (!(error instanceof OutOfMemory)) throw error;
      }
    },
    onNotice: (line) => void notices.push(line),
    ...options,
  });
  return [status, signal, notices];
}

/** In the middle of a 2 MiB part of the address space that nothing else lies in: its page table is missing too. */
const UNTOUCHED = 0x30100000;
const PRELUDE = `${call(9, `$${UNTOUCHED}`, "$0x2000", "$3", "$0x32")}`;
const TAKE_ALL = call(39);
const killed = ([status, signal, notices]: [number, string | null, string[]], what: string): void => {
  assert.equal([status, signal], [137, "SIGKILL"], what);
  assert.ok(notices.some((line) => line.startsWith("out of guest memory (8 MiB)")), `${what}: ${notices}`);
};

test("a program whose SGDT needs a page that there is no memory for is killed", async () => {
  killed(await starved(`${PRELUDE}${TAKE_ALL}mov $${UNTOUCHED}, %ebx\n.byte 0x0f, 0x01, 0x03\n`), "SGDT");
});

test("so is one that comes by a fast door of 32-bit code with its stack there", async () => {
  const text = (door: string): string => `
    ${PRELUDE}
    ${TAKE_ALL}
    mov $${UNTOUCHED}, %ebx
    pushq $0x23
    lea narrow(%rip), %rax
    push %rax
    .byte 0x48, 0xcb                     # lretq
narrow:
    .byte 0x89, 0xdc                     # mov %ebx, %esp
    .byte 0x89, 0xdd                     # mov %ebx, %ebp
    .byte 0xb8, 0x14, 0x00, 0x00, 0x00   # mov $20, %eax
    ${door}
    .byte 0x0f, 0x0b`;
  killed(await starved(text(".byte 0x0f, 0x34"), { vendor: "intel" }), "SYSENTER");
  killed(await starved(text(".byte 0x0f, 0x05"), { vendor: "amd" }), "SYSCALL");
});

test("so is one whose call of the vsyscall page writes there", async () => {
  killed(await starved(`${PRELUDE}${TAKE_ALL}mov $${UNTOUCHED}, %edi\nxor %esi, %esi\nmov $0xffffffffff600000, %rax\ncall *%rax\n`), "vsyscall");
});

test.run();
