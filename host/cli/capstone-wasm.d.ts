// capstone-wasm's own types are not in the conditions of its `exports`; this is what trace-listing.ts uses of it.

declare module "capstone-wasm" {
  export interface Insn {
    size: number;
    mnemonic: string;
    opStr: string;
  }
  export class Capstone {
    constructor(arch: number, mode: number);
    setOption(option: number, value: number): number;
    disasm(bytes: Uint8Array, options?: { address?: number | bigint; count?: number }): Insn[];
    close(): void;
  }
  export const Const: Record<string, number> & {
    CS_ARCH_X86: number;
    CS_MODE_64: number;
    CS_MODE_32: number;
    CS_MODE_16: number;
    CS_OPT_SYNTAX: number;
    CS_OPT_SYNTAX_ATT: number;
  };
  export function loadCapstone(): Promise<void>;
}
