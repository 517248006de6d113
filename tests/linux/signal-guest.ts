// Guests written as AT&T text, for what a C program cannot do to its own signal frames.

import { assemble } from "../ring0/crossing-guest";
import { DATA_ADDRESS, tinyElf } from "../fuzz/tiny-elf";

const DATA_BYTES = 0x10000;
const SA_RESTORER = 0x04000000;
/** Where sigaction() builds its argument, at the end of the data. */
const SCRATCH = DATA_ADDRESS + DATA_BYTES - 64;

/** An ELF file that runs `text`; `data` stands at DATA_ADDRESS. @throws Error with what the assembler says */
export function guest(text: string, data: Uint8Array = new Uint8Array(DATA_BYTES)): Uint8Array {
  return tinyElf(assemble(text), data);
}

export { DATA_ADDRESS, DATA_BYTES };

/** A system call; the arguments are operands that the registers before them do not clobber. */
export function call(number: number, ...operands: string[]): string {
  const registers = ["%rdi", "%rsi", "%rdx", "%r10"];
  return [...operands.map((operand, i) => `mov ${operand}, ${registers[i]}`), `mov $${number}, %eax`, "syscall", ""].join("\n");
}

/** rt_sigaction: label of the handler, flags, label of the restorer or null for none. */
export function sigaction(signal: number, handler: string, flags: number, restorer: string | null = "restorer", mask = 0): string {
  return `
    lea ${handler}(%rip), %rax
    mov %rax, 0x${SCRATCH.toString(16)}
    mov $0x${((flags | (restorer === null ? 0 : SA_RESTORER)) >>> 0).toString(16)}, %eax
    mov %rax, 0x${(SCRATCH + 8).toString(16)}
    lea ${restorer ?? handler}(%rip), %rax
    mov %rax, 0x${(SCRATCH + 16).toString(16)}
    movq $${mask}, 0x${(SCRATCH + 24).toString(16)}
    ${call(13, `$${signal}`, `$0x${SCRATCH.toString(16)}`, "$0", "$8")}`;
}

export const RESTORER = `
restorer:
    mov $15, %eax
    syscall
`;

export const exit = (status: string): string => call(231, status);
