// The FPU state of a signal frame: an XSAVE area with Linux's magic words where the processor has XSAVE, an FXSAVE image where not.
// Each guest sends itself SIGUSR1, whose handler finds the ucontext in RDX and does `edit` with the FPU state at RAX; behind it `after` runs.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { run, type RunResult } from "../../host/index";
import { DATA_ADDRESS, RESTORER, call, exit, guest, sigaction } from "./signal-guest";

const SA_SIGINFO = 4;
const SIGUSR1 = 10;
const UC_FPSTATE = 40 + 184;
const MAGIC1 = "$0x46505853";
const MAGIC2 = "$0x46505845";

async function handled(edit: string, after: string, cpu = "v2"): Promise<RunResult> {
  const text = `
    ${sigaction(SIGUSR1, "edit", SA_SIGINFO)}
    mov $0x1111, %eax
    movq %rax, %xmm0
    fld1
    ${call(39)}
    mov %rax, %r15
    ${call(62, "%r15", `$${SIGUSR1}`)}
    ${after}
    ${exit("$0")}
bad:
    ${exit("$1")}
edit:
    mov ${UC_FPSTATE}(%rdx), %rax
    ${edit}
    ret
    ${RESTORER}`;
  return run(guest(text), { seed: 1, stdin: "", timeoutMs: 20_000, cpu });
}

const xmm0Is = (value: number): string => `movq %xmm0, %rcx\n cmp $${value}, %rcx\n jne bad`;

test("with XSAVE the frame says so in uc_flags, in the software bytes and behind the area", async () => {
  const checks = `
    cmpq $7, (%rdx)
    jne bad
    cmpl ${MAGIC1}, 464(%rax)
    jne bad
    cmpl $580, 468(%rax)
    jne bad
    cmpq $3, 472(%rax)
    jne bad
    cmpl $576, 480(%rax)
    jne bad
    cmpl ${MAGIC2}, 576(%rax)
    jne bad
    cmpq $3, 512(%rax)
    jne bad
    cmpq $0, 520(%rax)
    jne bad
    test $63, %al
    jne bad`;
  assert.is((await handled(checks, xmm0Is(0x1111))).status, 0);
  assert.is((await handled(checks, xmm0Is(0x1111), "goldmont")).status, 0);
});

test("without XSAVE it is an FXSAVE image of 512 bytes", async () => {
  const checks = `
    cmpq $6, (%rdx)
    jne bad
    cmpl ${MAGIC1}, 464(%rax)
    jne bad
    cmpl $512, 480(%rax)
    jne bad`;
  for (const cpu of ["v1", "k8", "nehalem"]) assert.is((await handled(checks, xmm0Is(0x1111), cpu)).status, 0, cpu);
});

test("what the handler writes into it is in the registers behind the signal", async () => {
  for (const cpu of ["v1", "v2"]) assert.is((await handled("movq $0x2222, 160(%rax)", xmm0Is(0x2222), cpu)).status, 0, cpu);
});

test("a component that it takes out of XSTATE_BV begins anew", async () => {
  assert.is((await handled("movq $1, 512(%rax)", xmm0Is(0))).status, 0);
  const emptyStack = "fnstsw %ax\n test $0x3800, %eax\n jne bad";
  assert.is((await handled("movq $2, 512(%rax)", `${xmm0Is(0x1111)}\n ${emptyStack}`)).status, 0);
});

test("a component out of xfeatures begins anew too", async () => {
  assert.is((await handled("movq $1, 472(%rax)", xmm0Is(0))).status, 0);
});

test("without one of the magic words it is taken for an FXSAVE image", async () => {
  for (const spoil of ["movl $0, 464(%rax)", "movl $0, 576(%rax)", "movl $9999, 480(%rax)"]) {
    assert.is((await handled(`${spoil}\n movq $1, 512(%rax)`, xmm0Is(0x1111))).status, 0, spoil);
  }
});

test("a header that XRSTOR would fault on is SIGSEGV", async () => {
  for (const spoil of ["movq $8, 512(%rax)", "movq $1, 520(%rax)", "movq $1, 528(%rax)", "movl $-1, 24(%rax)"]) {
    assert.is((await handled(spoil, "")).signal, "SIGSEGV", spoil);
  }
});

test("a 32-bit handler's frame is copied first: neither the compacted form nor a bit in the rest of the header comes through", async () => {
  const ended = (edit: string, cpu: string): Promise<RunResult> => run(guest(`
    lea edit(%rip), %rax
    mov %eax, 0x${DATA_ADDRESS.toString(16)}
    mov $67, %eax
    mov $${SIGUSR1}, %ebx
    mov $${DATA_ADDRESS}, %ecx
    xor %edx, %edx
    int $0x80
    mov $${DATA_ADDRESS + 0x8000}, %rsp
    mov $0x1111, %eax
    movq %rax, %xmm0
    ${call(39)}
    mov %rax, %r15
    ${call(62, "%r15", `$${SIGUSR1}`)}
    ${xmm0Is(0x1111)}
    ${exit("$7")}
bad:
    ${exit("$1")}
edit:                            # bytes that 32-bit code has the same meaning of, with the registers' 32-bit names
    mov 84(%rsp), %eax
    ${edit}
    add $8, %esp
    mov $119, %eax
    int $0x80`), { seed: 1, stdin: "", timeoutMs: 20_000, cpu });
  for (const cpu of ["v2", "goldmont"]) {
    assert.is((await ended("", cpu)).status, 7, cpu);
    for (const at of [544, 572]) assert.is((await ended(`movl $1, ${112 + at}(%rax)`, cpu)).signal, "SIGSEGV", `${cpu} ${at}`);
    const compacted = `movl $3, ${112 + 520}(%rax)\n movl $0x80000000, ${112 + 524}(%rax)`;
    assert.is((await ended(compacted, cpu)).signal, "SIGSEGV", cpu);
    if (cpu === "goldmont") assert.is((await handled("movl $3, 520(%rax)\n movl $0x80000000, 524(%rax)", "", cpu)).status, 0, "XRSTOR takes it");
  }
});

test.run();
