// Capstone, loaded only when there is something to show.

import type { Capstone } from "capstone-wasm";

let handle: Capstone | undefined;

/** Each instruction of `code` in Intel's syntax, as far as Capstone follows. */
export async function disassemble(code: Uint8Array, address: number): Promise<string> {
  if (!handle) {
    const capstone = await import("capstone-wasm");
    await capstone.loadCapstone();
    handle = new capstone.Capstone(capstone.Const.CS_ARCH_X86, capstone.Const.CS_MODE_64);
  }
  try {
    return handle.disasm(code, { address }).map((insn) => `${insn.mnemonic} ${insn.opStr}`.trim()).join("; ");
  } catch {
    return "(Capstone does not know it)";
  }
}
