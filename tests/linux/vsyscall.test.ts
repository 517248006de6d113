// The vsyscall page in its three modes: calls of it, reads of it, mistakes with it, and its line in /proc/self/maps.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run, type Death, type RunOptions } from "../../host/index";
import { call, DATA_ADDRESS, exit, guest, RESTORER, sigaction } from "./signal-guest";

const MODES = ["xonly", "emulate", "none"] as const;
const PAGE = "0xffffffffff600000";
const VARIANTS: RunOptions[] = [{}, { pti: false }, { pcid: false }, { vendor: "amd" }, { smap: false, smep: false, fsgsbase: false }];

const callSlot = (slot: number, first: string, second = "$0"): string => `
    mov ${first}, %rdi
    mov ${second}, %rsi
    movabs $${(0xffffffffff600000n + BigInt(slot * 1024)).toString()}, %rax
    call *%rax
`;

const end = async (text: string, options: RunOptions) => run(guest(text), { clock: "virtual", seed: 1, onNotice: () => {}, ...options });
const fault = ({ death }: { death: Death | null }) => death && [death.signal, death.code, death.address];

test("time, gettimeofday and getcpu by the vsyscall page answer as their system calls do, in xonly and emulate", async () => {
  const text = `
    mov %rsp, %rbx
    ${callSlot(1, `$${DATA_ADDRESS}`)}
    mov %rax, %r12
    cmp %rax, ${DATA_ADDRESS}
    jne bad
    ${callSlot(0, `$${DATA_ADDRESS + 16}`, `$${DATA_ADDRESS + 32}`)}
    test %rax, %rax
    jnz bad
    ${call(201, "$0")}
    sub %r12, %rax
    cmp $1, %rax
    ja bad
    mov ${DATA_ADDRESS + 16}, %rax
    sub %r12, %rax
    cmp $1, %rax
    ja bad
    movl $-1, ${DATA_ADDRESS + 64}
    ${callSlot(2, `$${DATA_ADDRESS + 64}`)}
    test %rax, %rax
    jnz bad
    cmpl $0, ${DATA_ADDRESS + 64}
    jne bad
    cmp %rsp, %rbx
    jne bad
    ${exit("$7")}
  bad:
    ${exit("$1")}`;
  for (const variant of VARIANTS) {
    for (const vsyscall of MODES) {
      const result = await end(text, { ...variant, vsyscall });
      if (vsyscall === "none") assert.equal(fault(result), ["SIGSEGV", 1, -0xa00000 + 1024]);
      else assert.is(result.status, 7, `${vsyscall} ${JSON.stringify(variant)}`);
    }
  }
});

test("a call of the page has the ABI of 64-bit code, whatever the task's last system call had", async () => {
  const { status } = await end(`
    movq $-1, ${DATA_ADDRESS}
    movq $-1, ${DATA_ADDRESS + 8}
    movq $-1, ${DATA_ADDRESS + 16}
    mov $20, %eax
    int $0x80
    ${callSlot(0, `$${DATA_ADDRESS}`)}
    cmpl $0, ${DATA_ADDRESS + 4}
    jne bad
    cmpq $1000000, ${DATA_ADDRESS + 8}
    jae bad
    mov $20, %eax
    int $0x80
    ${callSlot(1, `$${DATA_ADDRESS + 16}`)}
    cmp %rax, ${DATA_ADDRESS + 16}
    jne bad
    ${exit("$7")}
  bad:
    ${exit("$1")}`, {});
  assert.is(status, 7);
});

test("the page's bytes can be read in emulate mode alone, and never be written", async () => {
  const read = `movabs $${PAGE}, %rbx\nmovzbl (%rbx), %edi\n${exit("%rdi")}`;
  const write = `movabs $${PAGE}, %rbx\nmovb %al, (%rbx)\n${exit("$0")}`;
  for (const vsyscall of MODES) {
    const result = await end(read, { vsyscall });
    if (vsyscall === "emulate") {
      assert.is(result.status, 0x48);
      const checks = [96, 201, 309].map((number, slot) => `cmpl $${number}, ${slot * 1024 + 3}(%rbx)\njne bad\n`).join("");
      const { status } = await end(`movabs $${PAGE}, %rbx\n${checks}${exit("$7")}\nbad: ${exit("$1")}`, { vsyscall });
      assert.is(status, 7, "gettimeofday, time and getcpu by their numbers");
    }
    else assert.equal(fault(result), ["SIGSEGV", 1, -0xa00000]);
    assert.equal(fault(await end(write, { vsyscall })), ["SIGSEGV", 1, -0xa00000]);
  }
});

test("a call between the slots or with a bad stack is SIGSEGV from the kernel, one with a bad pointer SIGSEGV at the pointer", async () => {
  for (const vsyscall of ["xonly", "emulate"] as const) {
    const between = `movabs $${PAGE}, %rax\nadd $16, %rax\ncall *%rax\n${exit("$0")}`;
    assert.equal(fault(await end(between, { vsyscall }))!.slice(0, 2), ["SIGSEGV", 128]);
    assert.equal(fault(await end(callSlot(3, "$0"), { vsyscall }))!.slice(0, 2), ["SIGSEGV", 128]);
    const stack = `movabs $${PAGE}, %rax\nmov $0x1000, %rsp\njmp *%rax\n`;
    assert.equal(fault(await end(stack, { vsyscall }))!.slice(0, 2), ["SIGSEGV", 128]);
    assert.equal(fault(await end(callSlot(1, "$0x1234"), { vsyscall })), ["SIGSEGV", 1, 0x1234]);
  }
});

const READ_ONLY = 0x10000000;
const PAST_USER_SPACE = 0x7ffffffff000;

test("a pointer of a call that faults earns what a write by the program itself would, at the call", async () => {
  // Linux 6.1 (sig_on_uaccess_err): signal, si_code, si_addr, and err in the frame. By 6.9 a fault is SIGSEGV from the kernel.
  const cases: [call: string, signal: string, code: number, address: number, err: number][] = [
    [callSlot(1, `$${READ_ONLY}`), "SIGSEGV", 2, READ_ONLY, 7],
    [callSlot(0, `$${READ_ONLY}`), "SIGSEGV", 2, READ_ONLY, 7],
    [callSlot(0, `$${DATA_ADDRESS}`, `$${READ_ONLY}`), "SIGSEGV", 2, READ_ONLY, 7],
    [callSlot(2, "$0", "$0x1234"), "SIGSEGV", 1, 0x1234, 6],
    [`movabs $${PAST_USER_SPACE}, %rbx\n${callSlot(1, "%rbx")}`, "SIGSEGV", 1, PAST_USER_SPACE, 6],
    [`movabs $${PAST_USER_SPACE}, %rbx\n${callSlot(0, `$${READ_ONLY}`, "%rbx")}`, "SIGSEGV", 1, PAST_USER_SPACE, 6],
    [`${call(9, "$0", "$8192", "$3", "$0x22")} mov %rax, %rbx\nadd $4096, %rbx\n${call(11, "%rbx", "$4096")} sub $4, %rbx\n${callSlot(1, "%rbx")}`, "SIGSEGV", 1, -1, 6],
  ];
  const prelude = `${call(9, `$${READ_ONLY}`, "$4096", "$1", "$0x32")} cmpb $0, ${READ_ONLY}\n`;
  for (const vsyscall of ["xonly", "emulate"] as const) {
    for (const [text, signal, code, address, err] of cases) {
      const death = fault(await end(`${prelude}${text}\n${exit("$0")}`, { vsyscall }))!;
      assert.equal(death.slice(0, 2), [signal, code], text);
      if (address >= 0) assert.is(death[2], address, text);
      else assert.is((death[2] as number) % 4096, 0, "the first byte that cannot be written");
      // The frame: trapno, err, and RIP in the slot with the return address still on the stack.
      const handled = await end(`
        ${prelude}
        ${sigaction(11, "handler", 4)}
        ${text}
        ${exit("$0")}
      handler:
        mov 168(%rdx), %rax
        sar $12, %rax
        cmp $-0xa00, %rax
        mov $98, %edi
        jne ok
        mov 192(%rdx), %rdi
        mov 200(%rdx), %rax
        cmp $14, %rax
        je ok
        mov $99, %edi
      ok:
        ${exit("%rdi")}
        ${RESTORER}`, { vsyscall });
      assert.is(handled.status, err, text);
    }
  }
});

test("a handler that mends the pointer gets the call done", async () => {
  const { status } = await end(`
    ${sigaction(11, "handler", 4)}
    mov %rsp, %rbx
    ${callSlot(1, "$0x1234")}
    test %rax, %rax
    jz bad
    cmp %rax, ${DATA_ADDRESS + 128}
    jne bad
    cmp %rsp, %rbx
    jne bad
    ${exit("$7")}
  bad:
    ${exit("$1")}
  handler:
    movq $${DATA_ADDRESS + 128}, 104(%rdx)
    ret
    ${RESTORER}`, {});
  assert.is(status, 7);
});

test("/proc/self/maps shows the page as Linux 6.1 does", async () => {
  const cat = readFileSync(join(process.env.RING3_ROOT ?? ".", "guest-programs/cat"));
  const lines: Record<string, string> = {
    xonly: "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
    emulate: "ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 0                  [vsyscall]",
  };
  for (const vsyscall of [undefined, ...MODES]) {
    const { stdout } = await run(cat, { args: ["cat", "/proc/self/maps"], vsyscall });
    const last = new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1)!;
    const expected = lines[vsyscall ?? "xonly"];
    if (expected === undefined) assert.match(last, /\[(vdso|stack)\]$/);
    else assert.is(last, expected);
  }
});

test("a processor without FSGSBASE, SMAP or SMEP does not offer it, and the kernel does not use it", async () => {
  const leaf7 = `mov $7, %eax\nxor %ecx, %ecx\ncpuid\nmov %ebx, %edi\nand $1, %edi\nbt $7, %ebx\nadc %edi, %edi\nbt $20, %ebx\nadc %edi, %edi\n${exit("%rdi")}`;
  assert.is((await end(leaf7, {})).status, 7);
  assert.is((await end(leaf7, { fsgsbase: false })).status, 3);
  assert.is((await end(leaf7, { smep: false })).status, 5);
  assert.is((await end(leaf7, { smap: false })).status, 6);
  const rdfsbase = `rdfsbase %rax\n${exit("$0")}`;
  assert.is((await end(rdfsbase, {})).status, 0);
  assert.is((await end(rdfsbase, { fsgsbase: false })).signal, "SIGILL");
});

test.run();
