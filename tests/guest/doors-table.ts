// The table of docs/doors.md: door x origin x vendor, each cell a tiny program that goes through the door once and tells what came of it.
// The same ELF file runs on the processor itself where that can run it (doors.test.ts).

import { assemble } from "../../host/ring0/assemble.build";
import { type Kernel, run, type RunOptions } from "../../host/index";
import { CODE_ADDRESS, DATA_ADDRESS, tinyElf, tinyElf32 } from "../fuzz/tiny-elf";
import { call, sigaction, RESTORER } from "../linux/signal-guest";
import { CPL, PENDING_INTERRUPT, PENDING_NMI, RIP } from "../../kernel/abi/state";

import { VECTOR_TIMER } from "../../kernel/abi/vectors";

export type Bits = 64 | 32;
export type Vendor = "intel" | "amd";
export const VENDORS: readonly Vendor[] = ["intel", "amd"];
export const ORIGINS: readonly Bits[] = [64, 32];

export interface DoorText {
  name: string;
  /** AT&T text. Label `door` stands in front of the instruction in question; `after` is behind all of it. Not there: the door cannot be asked for. */
  texts: Partial<Record<Bits, string>>;
  /** Why there is no text. */
  absent?: string;
  /** What comes from outside in front of `door`: a word of the CPU block, and what is written there. */
  raises?: { at: number; value: number };
}

/** In the form of __kernel_vsyscall: the landing pad in the vDSO undoes the three PUSHes and returns. */
const fast = (pass: string, code: string): string => `mov $64, %eax\ncall gate\njmp after\ngate:\npush %ecx\npush %edx\npush %ebp\nmov ${pass}, %ebp\ndoor: ${code}\n`;
const both = (text: string): DoorText["texts"] => ({ 64: text, 32: text });
const at = (text: string): string => `door: ${text}\n`;
const withFlag = (flag: number, text: string): DoorText["texts"] => ({
  64: `pushfq\norq $${flag}, (%rsp)\npopfq\n${text}`,
  32: `pushf\norl $${flag}, (%esp)\npopf\n${text}`,
});

/** Goes on and makes its call. */
const UNAWARE: DoorText["texts"] = { 64: "door: nop\nmov $110, %eax\nsyscall\n", 32: "door: nop\nmov $64, %eax\nint $0x80\n" };

/** One row each, in the order of the page. */
export const DOOR_TEXTS: readonly DoorText[] = [
  { name: "SYSCALL", texts: { 64: "mov $110, %eax\ndoor: syscall\n", 32: fast("%ecx", ".byte 0x0f, 0x05") } },
  { name: "SYSENTER", texts: { 64: `mov $64, %eax\nmov $${DATA_ADDRESS + 0x1000}, %ebp\ndoor: .byte 0x0f, 0x34\n`, 32: fast("%esp", ".byte 0x0f, 0x34") } },
  { name: "INT 0x80", texts: both("mov $64, %eax\ndoor: int $0x80\n") },
  { name: "call of __kernel_vsyscall", texts: { 32: "mov $64, %eax\ndoor: call *%edi\n" }, absent: "no AT_SYSINFO" },
  {
    name: "call of the vsyscall page",
    texts: { 64: "xor %edi, %edi\nmov $0xffffffffff600400, %rax\ndoor: call *%rax\nmov %rax, %r12\nmov $201, %eax\nsyscall\nsub %r12, %rax\ncmp $1, %rax\nja after\nmov $110, %eax\nsyscall\n", 32: "mov $0xff600400, %eax\ndoor: call *%eax\n" },
  },
  { name: "SYSRET", texts: both(at(".byte 0x0f, 0x07")) },
  { name: "SYSEXIT", texts: both(at(".byte 0x0f, 0x35")) },
  { name: "INT3", texts: both(at(".byte 0xcc")) },
  { name: "INT 3", texts: both(at(".byte 0xcd, 3")) },
  { name: "INT1", texts: both(at(".byte 0xf1")) },
  { name: "INT 1", texts: both(at(".byte 0xcd, 1")) },
  { name: "INTO with OF set", texts: both("mov $127, %al\nadd $1, %al\ndoor: .byte 0xce\n") },
  { name: "INT 4", texts: both(at(".byte 0xcd, 4")) },
  { name: "BOUND out of bounds", texts: { 64: at(".byte 0x62, 0x04, 0x24"), 32: "push $2\npush $1\nmov $3, %eax\ndoor: .byte 0x62, 0x04, 0x24\n" } },
  { name: "INT 0x20", texts: both(at("int $0x20")) },
  { name: "VMCALL", texts: both(at(".byte 0x0f, 0x01, 0xc1")) },
  { name: "division by 0 (#DE)", texts: both("xor %ecx, %ecx\ndoor: div %ecx\n") },
  { name: "TF (#DB)", texts: withFlag(0x100, "door: nop\n") },
  { name: "UD2 (#UD)", texts: both(at("ud2")) },
  { name: "HLT (#GP)", texts: both(at("hlt")) },
  { name: "a stack that is not there (#SS)", texts: { 64: "mov $0x8000000000000000, %rbp\ndoor: mov 0(%rbp), %al\n" }, absent: "32-bit segments end at 4 GiB" },
  { name: "a load from 0 (#PF)", texts: { 64: "xor %ebx, %ebx\ndoor: mov (%rbx), %al\n", 32: "xor %ebx, %ebx\ndoor: mov (%ebx), %al\n" } },
  {
    name: "a load from the kernel (#PF)",
    texts: { 64: "mov $0xffffffff81000000, %rbx\ndoor: mov (%rbx), %al\n", 32: "mov $0xfffff000, %ebx\ndoor: mov (%ebx), %al\n" },
  },
  { name: "x87 division by 0 (#MF)", texts: both("fninit\npush $0x37b\n.byte 0xd9, 0x2c, 0x24\nfld1\nfldz\n.byte 0xde, 0xf9\ndoor: fwait\n") },
  {
    name: "SSE division by 0 (#XM)",
    texts: both("push $0x1d80\n.byte 0x0f, 0xae, 0x14, 0x24\nxorps %xmm0, %xmm0\npcmpeqd %xmm1, %xmm1\n.byte 0x0f, 0x5b, 0xc9\ndoor: divps %xmm0, %xmm1\n"),
  },
  { name: "a misaligned load with AC (#AC)", texts: withFlag(0x40000, "door: .byte 0x8b, 0x44, 0x24, 0x01\n") },
  { name: "a timer interrupt", texts: UNAWARE, raises: { at: PENDING_INTERRUPT, value: VECTOR_TIMER } },
  { name: "an NMI", texts: UNAWARE, raises: { at: PENDING_NMI, value: 1 } },
];

const SIGNALS = [4, 5, 7, 8, 11];
const SA_FLAGS = 4 | 0x08000000; // SA_SIGINFO, SA_ONSTACK: a door may lose the stack
const ALTSTACK = DATA_ADDRESS + 0x2000;
const ALTSTACK_BYTES = 0x8000;
const SCRATCH = DATA_ADDRESS + 0x100;
const SIGINFO_BYTES = 128;
const UCONTEXT_BYTES: Record<Bits, number> = { 64: 304, 32: 108 };

const call32 = (number: number, ...operands: string[]): string => {
  const registers = ["%ebx", "%ecx", "%edx", "%esi"];
  return [...operands.map((operand, i) => `mov ${operand}, ${registers[i]}`), `mov $${number}, %eax`, "int $0x80", ""].join("\n");
};

function program64(text: string): string {
  return `
    movq $${ALTSTACK}, ${SCRATCH}
    movq $0, ${SCRATCH + 8}
    movq $${ALTSTACK_BYTES}, ${SCRATCH + 16}
    ${call(131, `$${SCRATCH}`, "$0")}
    ${SIGNALS.map((signal) => sigaction(signal, "handler", SA_FLAGS)).join("")}
    ${text}
  after:
    mov %rax, ${DATA_ADDRESS}
    ${call(1, "$1", `$${DATA_ADDRESS}`, "$8")}
    ${call(231, "$0")}
  handler:
    mov %rdx, %rbx
    ${call(1, "$1", "%rsi", `$${SIGINFO_BYTES}`)}
    ${call(1, "$1", "%rbx", `$${UCONTEXT_BYTES[64]}`)}
    ${call(231, "$0")}
    ${RESTORER}`;
}

/** EDI has AT_SYSINFO at `text`, 0 where there is none. */
function program32(text: string): string {
  return `
    mov (%esp), %eax
    lea 8(%esp,%eax,4), %esi
  env:
    lodsl
    test %eax, %eax
    jnz env
  auxv:
    lodsl
    mov %eax, %edx
    lodsl
    test %edx, %edx
    jz found
    cmp $32, %edx
    jne auxv
  found:
    mov %eax, %edi
    movl $${ALTSTACK}, ${SCRATCH}
    movl $0, ${SCRATCH + 4}
    movl $${ALTSTACK_BYTES}, ${SCRATCH + 8}
    ${call32(186, `$${SCRATCH}`, "$0")}
    movl $handler, ${SCRATCH}
    movl $${SA_FLAGS}, ${SCRATCH + 4}
    ${SIGNALS.map((signal) => call32(174, `$${signal}`, `$${SCRATCH}`, "$0", "$8")).join("")}
    ${text}
  after:
    mov %eax, ${DATA_ADDRESS}
    ${call32(4, "$1", `$${DATA_ADDRESS}`, "$8")}
    ${call32(252, "$0")}
  handler:
    mov 12(%esp), %edi
    mov 8(%esp), %esi
    ${call32(4, "$1", "%esi", `$${SIGINFO_BYTES}`)}
    ${call32(4, "$1", "%edi", `$${UCONTEXT_BYTES[32]}`)}
    ${call32(252, "$0")}`;
}

export interface DoorProgram {
  bits: Bits;
  elf: Uint8Array;
  /** Addresses of the labels. */
  door: number;
  after: number;
  handler: number;
  raises?: DoorText["raises"];
}

/** @throws Error with what the assembler says */
export function doorProgram({ name, texts, raises }: DoorText, bits: Bits): DoorProgram {
  const text = texts[bits]!;
  const label = (symbols: [string, number][], wanted: string): number => CODE_ADDRESS + symbols.find(([found]) => found === wanted)![1];
  let source = bits === 64 ? program64(text) : program32(text);
  // The assembler's labels begin at 0: the address is put in when it is known.
  if (bits === 32) {
    const { symbols } = assemble(name, source.replace("$handler", "$0x400000"), 32);
    source = source.replace("$handler", `$${label(symbols, "handler")}`);
  }
  const { bytes, symbols } = assemble(name, source, bits);
  const elf = bits === 64 ? tinyElf(bytes, new Uint8Array(0x10000)) : tinyElf32(bytes, new Uint8Array(0x10000));
  return { bits, elf, door: label(symbols, "door"), after: label(symbols, "after"), handler: label(symbols, "handler"), raises };
}

const SIGNAL_NAMES: Record<number, string> = { 4: "SIGILL", 5: "SIGTRAP", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV" };
const CODE_NAMES: Record<number, Record<number, string>> = {
  4: { 2: "ILL_ILLOPN" }, 5: { 1: "TRAP_BRKPT", 2: "TRAP_TRACE" }, 7: { 1: "BUS_ADRALN" }, 8: { 1: "FPE_INTDIV", 3: "FPE_FLTDIV", 7: "FPE_FLTINV" },
  11: { 1: "SEGV_MAPERR", 2: "SEGV_ACCERR" },
};
const SI_KERNEL = 128;

/** What the program says of itself, in words: the number that the call answered, or the signal with code, address, trapno, error code and RIP. */
export function told(program: DoorProgram, stdout: Uint8Array, parent: number): string {
  const view = new DataView(stdout.buffer, stdout.byteOffset, stdout.length);
  if (stdout.length === 8) {
    const answer = view.getInt32(0, true);
    return answer === parent ? "answers" : `answers ${answer}`;
  }
  if (stdout.length !== SIGINFO_BYTES + UCONTEXT_BYTES[program.bits]) return `says ${stdout.length} bytes`;
  const signal = view.getInt32(0, true);
  const code = view.getInt32(8, true);
  const word = (at: number): bigint => (program.bits === 64 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true)));
  const address = word(program.bits === 64 ? 16 : 12);
  const context = SIGINFO_BYTES + (program.bits === 64 ? 40 : 20);
  const width = program.bits / 8;
  const greg = (index: number): bigint => word(context + index * width);
  const [trapno, error, ip] = program.bits === 64 ? [greg(20), greg(19), greg(16)] : [greg(12), greg(13), greg(14)];
  const codeName = code === SI_KERNEL ? "SI_KERNEL" : (CODE_NAMES[signal]?.[code] ?? String(code));
  const places: [number, string][] = [[program.door, "the instruction"], [program.after, "the next"]];
  const place = (value: bigint): string => places.find(([known]) => BigInt(known) === value)?.[1] ?? `${value.toString(16)}`;
  const errorText = error === 0n ? "" : `, error code ${error.toString(16)}`;
  const addressText = code === SI_KERNEL && address === 0n ? "" : `, si_addr ${place(address)}`;
  return `${SIGNAL_NAMES[signal] ?? signal} ${codeName}${addressText}, trapno ${trapno}${errorText}, RIP ${place(ip)}`;
}

export interface Outcome {
  /** Label of the entry text that the door leads to; instruction that the way back ends with. */
  entry: string;
  exit: string;
  told: string;
}

/** Compiled once for all runs. */
let module: RunOptions["module"];

const EXITS: readonly [bytes: readonly number[], name: string][] = [[[0x48, 0x0f, 0x07], "SYSRETQ"], [[0x0f, 0x07], "SYSRETL"], [[0x48, 0xcf], "IRETQ"]];

/** Runs the program here, step by step, and looks which way it takes. */
export async function outcomeHere(program: DoorProgram, options: RunOptions): Promise<Outcome> {
  let ways: { entry: string; exit: string; from: number; to: number }[] = [];
  let begun = false;
  let ended = false;
  const watch = (kernel: Kernel): void => {
    const { machine, ring0 } = kernel;
    const { registers } = machine;
    module = machine.module;
    const run = machine.run.bind(machine);
    let entry = "";
    let from = 0;
    machine.run = (budget) => {
      if (ended) return run(budget);
      for (let left = budget; left > 0; left--) {
        const cpl = registers.getWord(CPL);
        const ip = registers.getLinear(RIP);
        if (cpl === 3 && ip === program.door && !begun) {
          begun = true;
          if (program.raises) registers.setWord(program.raises.at, program.raises.value);
        }
        if (cpl === 3 && begun && ways.length > 0 && (ip === program.after || ip === program.handler)) ended = true;
        const inText = ip - ring0.text.base;
        const reason = run(1);
        const now = registers.getWord(CPL);
        if (begun && cpl === 3 && now === 0) {
          // A step that faults is the first instruction of the stub already.
          entry = ring0.text.symbolize(registers.getLinear(RIP))!.replace(/\+.*/, "");
          from = ip;
        } else if (begun && cpl === 0 && now === 3) {
          const exit = EXITS.find(([bytes]) => bytes.every((byte, i) => ring0.text.bytes[inText + i] === byte))![1];
          ways.push({ entry, exit, from, to: registers.getLinear(RIP) });
        }
        if (reason !== 0) return reason;
      }
      return 0;
    };
  };
  const parts: Uint8Array[] = [];
  const result = await run(program.elf, {
    clock: "virtual", seed: 1, memoryMiB: 8, module, onNotice: () => {}, ...options, onBoot: watch, stdout: (bytes) => void parts.push(bytes.slice()),
  });
  if (result.signal !== null) return { entry: "", exit: "", told: `dies of ${result.signal}` };
  // The first touch of a page of the vDSO's or of a stack is a fault of its own, which nobody hears of.
  ways = ways.filter(({ entry, from, to }) => entry !== "asm_exc_page_fault" || from !== to);
  const way = ways[0] ?? { entry: "none", exit: "none" };
  return { entry: way.entry, exit: way.exit, told: told(program, Buffer.concat(parts), 1) };
}

/** A cell as it stands in the table. */
export function cellText({ entry, exit, told: what }: Outcome): string {
  return `\`${entry}\`, ${exit}: ${what}`;
}

/** name, origin and vendor -> cell; null where there is no such door to ask for. */
export async function tableCell(door: DoorText, bits: Bits, vendor: Vendor): Promise<string> {
  if (door.texts[bits] === undefined) return door.absent!;
  return cellText(await outcomeHere(doorProgram(door, bits), { vendor }));
}

/** The rows of the Markdown table. Where both vendors do the same, the cells are one. */
export async function tableLines(): Promise<string[]> {
  const lines = ["| door | from | Intel | AMD |", "| --- | --- | --- | --- |"];
  for (const door of DOOR_TEXTS) {
    for (const bits of ORIGINS) {
      const [intel, amd] = [await tableCell(door, bits, "intel"), await tableCell(door, bits, "amd")];
      lines.push(`| ${door.name} | ${bits}-bit | ${intel} | ${amd === intel ? "the same" : amd} |`);
    }
  }
  return lines;
}
