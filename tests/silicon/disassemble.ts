// Capstone, loaded only when there is something to show.

interface Instruction {
  mnemonic: string;
  opStr: string;
}
interface Disassembler {
  disasm(code: Uint8Array, options: { address: number }): Instruction[];
}

// In a variable, because the package's "exports" hide its types from the type checker.
const packageName = "capstone-wasm";
let handle: Disassembler | undefined;

/** Each instruction of `code` in Intel's syntax, as far as Capstone follows. */
export async function disassemble(code: Uint8Array, address: number): Promise<string> {
  if (!handle) {
    const capstone = await import(packageName);
    await capstone.loadCapstone();
    handle = new capstone.Capstone(capstone.Const.CS_ARCH_X86, capstone.Const.CS_MODE_64) as Disassembler;
  }
  try {
    return handle.disasm(code, { address }).map((insn) => `${insn.mnemonic} ${insn.opStr}`.trim()).join("; ");
  } catch {
    return "(Capstone does not know it)";
  }
}
