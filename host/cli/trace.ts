// `ring3 trace`: runs the program until it makes the wanted system call, and shows that one crossing instruction by instruction.
// Entered from main.ts, loaded only for this command (capstone alone is 1.8 MB). The stepping is host/ring0/crossing.ts.

import { Capstone, Const, loadCapstone } from "capstone-wasm";
import { Crossing, Kernel, syscallNumber, type CrossingState, type CrossingStep, type SyscallEvent } from "../index";
import { ProgramNotRunnable } from "./bundled";
import { UsageError, type Options } from "./options";
import { guestOf } from "./run";
import { writeLine } from "./streams";
import { changes, hexAddress } from "./trace-changes";
import { Picture } from "./trace-picture";

/** The program ended, and never made the call. */
const EXIT_NOT_SEEN = 1;

/** Ends the run when the crossing is complete. */
class CrossingDone extends Error {}

type Disassemble = (bytes: Uint8Array, address: number) => string;

/** One instruction in AT&T syntax, as the entry code is written. Negative constants are written as such. */
async function disassembler(symbolOf: (address: number) => string | undefined): Promise<Disassemble> {
  await loadCapstone();
  const capstone = new Capstone(Const.CS_ARCH_X86, Const.CS_MODE_64);
  capstone.setOption(Const.CS_OPT_SYNTAX, Const.CS_OPT_SYNTAX_ATT);
  return (bytes, address) => {
    const [instruction] = capstone.disasm(bytes, { address: BigInt.asUintN(64, BigInt(address)), count: 1 });
    if (!instruction) return `.byte ${[...bytes.subarray(0, 4)].map((byte) => `0x${byte.toString(16)}`).join(", ")} ...`;
    const operands = instruction.opStr
      .replace(/\$(\d{19,20})\b/g, (_, digits: string) => `$${BigInt.asIntN(64, BigInt(digits))}`)
      .replace(/^0x[0-9a-f]{9,16}$/, (target) => symbolOf(Number(BigInt.asIntN(64, BigInt(target)))) ?? target);
    return `${instruction.mnemonic} ${operands}`.trim();
  };
}

/** Which call: a number, a name, or the first of all. */
function wantedCall(word: string | undefined): (number: number) => boolean {
  if (word === undefined) return () => true;
  const number = /^\d+$/.test(word) ? Number(word) : syscallNumber(word);
  if (number === undefined) throw new UsageError(`--syscall: Linux has no call "${word}" on x86-64`);
  return (made) => made === number;
}
