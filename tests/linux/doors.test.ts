// Exceptions of user code by every way to ask for one, in 64-bit code: signal, si_code and where the program stands; and what an
// arch_prctl does to a selector.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run, type RunOptions } from "../../host/index";
import { call, exit, guest } from "./signal-guest";
import { CODE_ADDRESS } from "../fuzz/tiny-elf";

const VARIANTS: RunOptions[] = [{}, { pti: false }, { pcid: false }, { vendor: "amd" }, { smap: false, fsgsbase: false }];
const SI_KERNEL = 128;

const end = (text: string, options: RunOptions = {}) => run(guest(text), { clock: "virtual", seed: 1, onNotice: () => {}, ...options });

test("each exception of user code is the signal that Linux makes of it", async () => {
  // Text, signal, si_code, address (relative to the code), and where RIP is: behind a trap, at a fault.
  const rows: [string, string, number, number | null, number][] = [
    ["int3\n", "SIGTRAP", SI_KERNEL, null, 1],
    [".byte 0xf1\n", "SIGTRAP", 1, 1, 1],
    ["xor %ecx, %ecx\ndiv %ecx\n", "SIGFPE", 1, 2, 2],
    ["ud2\n", "SIGILL", 2, 0, 0],
    ["hlt\n", "SIGSEGV", SI_KERNEL, null, 0],
    ["int $0x40\n", "SIGSEGV", SI_KERNEL, null, 0],
    ["int $4\nud2\n", "SIGSEGV", SI_KERNEL, null, 2],
    ["int $14\n", "SIGSEGV", SI_KERNEL, null, 0],
    ["movabs $0x8000000000000000, %rax\nmov (%rax), %al\n", "SIGSEGV", SI_KERNEL, null, 10],
    ["movabs $0x8000000000000000, %rbp\nmov 0(%rbp), %al\n", "SIGBUS", SI_KERNEL, null, 10],
    ["pushfq\norq $0x40000, (%rsp)\npopfq\nmov 1(%rsp), %eax\n", "SIGBUS", 1, null, 10],
    ["pushfq\norq $0x100, (%rsp)\npopfq\nnop\n", "SIGTRAP", 2, 11, 11],
  ];
  for (const options of VARIANTS) {
    for (const [text, signal, code, address, rip] of rows) {
      const { death } = await end(text, options);
      assert.equal([death!.signal, death!.code, death!.ip - CODE_ADDRESS], [signal, code, rip], text);
      if (address !== null) assert.is(death!.address! - CODE_ADDRESS, address, text);
    }
  }
});

test("arch_prctl makes the selector of FS or GS null with the base it sets", async () => {
  for (const options of VARIANTS) {
    for (const [option, register] of [[0x1002, "fs"], [0x1001, "gs"]] as const) {
      const text = `mov $0x2b, %eax\nmov %eax, %${register}\n${call(158, `$${option}`, "$0x600000")}mov %${register}, %eax\ntest %eax, %eax\njnz bad\n`
        + `movl $77, 0x600010\nmovl %${register}:0x10, %edi\n${exit("%rdi")}bad: ${exit("$1")}`;
      assert.is((await end(text, options)).status, 77);
    }
  }
});

test.run();
