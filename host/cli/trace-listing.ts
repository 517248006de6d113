// Turns the steps of one crossing into lines: the picture of trace-picture.ts, or one JSON object a step.
// Entered from host/ring0/crossing.ts as its listener; set up by trace.ts.

import { Capstone, Const, loadCapstone } from "capstone-wasm";
import type { CrossingFrame, CrossingState, CrossingStep } from "../index";
import { changes, hexAddress, type MemoryView } from "./trace-changes";
import { Picture } from "./trace-picture";

/** The instruction of 64-, 32- or 16-bit code that `bytes`, which stand at `address`, start with; `length` is 0 when capstone knows none. */
export type Disassemble = (bytes: Uint8Array, address: number, bits: CrossingState["bits"]) => { text: string; length: number };

/**
 * Capstone in AT&T syntax, as the entry code is written; negative constants and jump targets spelled as there.
 * @param symbolOf name of an address in the entry text
 */
export async function disassembler(symbolOf: (address: number) => string | undefined): Promise<Disassemble> {
  await loadCapstone();
  const modes = { 64: Const.CS_MODE_64, 32: Const.CS_MODE_32, 16: Const.CS_MODE_16 };
  const opened: Partial<Record<CrossingState["bits"], Capstone>> = {};
  const open = (bits: CrossingState["bits"]): Capstone => {
    const capstone = new Capstone(Const.CS_ARCH_X86, modes[bits]);
    capstone.setOption(Const.CS_OPT_SYNTAX, Const.CS_OPT_SYNTAX_ATT);
    return capstone;
  };
  return (bytes, address, bits) => {
    if (bytes.length === 0) return { text: "(its page is not there)", length: 0 };
    const instruction = firstInstruction((opened[bits] ??= open(bits)), bytes, address);
    if (!instruction) return { text: `.byte ${[...bytes.subarray(0, 4)].map((byte) => `0x${byte.toString(16)}`).join(", ")} ...`, length: 0 };
    const operands = instruction.opStr
      .replace(/\$(\d{19,20})\b/g, (_, digits: string) => `$${BigInt.asIntN(64, BigInt(digits))}`)
      .replace(/\$0xf{4}([0-9a-f]{12})\b/g, (_, digits: string) => `$-0x${(-BigInt.asIntN(64, BigInt(`0xffff${digits}`))).toString(16)}`)
      .replace(/^0x[0-9a-f]{9,16}$/, (target) => symbolOf(Number(BigInt.asIntN(64, BigInt(target)))) ?? target);
    return { text: `${instruction.mnemonic} ${operands}`.trim(), length: instruction.size };
  };
}

/** capstone-wasm throws when the first bytes are no instruction. */
function firstInstruction(capstone: Capstone, bytes: Uint8Array, address: number) {
  try {
    return capstone.disasm(bytes, { address: BigInt.asUintN(64, BigInt(address)), count: 1 })[0];
  } catch {
    return undefined;
  }
}

export interface Listing {
  step(step: CrossingStep): void;
  frame(frame: CrossingFrame): void;
  handled(frame: CrossingFrame, lines: readonly string[]): void;
  done(state: CrossingState, nextBytes: Uint8Array): void;
}

export function pictureListing(picture: Picture, disassemble: Disassemble, memory: MemoryView): Listing {
  return {
    step(step) {
      const { text } = disassemble(step.bytes, step.before.address, step.before.bits);
      picture.step(step, text, changes(step, text, memory));
    },
    frame: (frame) => picture.frame(frame),
    handled(_frame, lines) {
      picture.handler(lines);
      picture.wayBack();
    },
    done: (state, bytes) => picture.done(state, bytes.length ? disassemble(bytes, state.address, state.bits).text : ""),
  };
}

/** The same as JSON lines: numbers as hexadecimal strings, since registers have 64 bits. */
export function jsonListing(disassemble: Disassemble, memory: MemoryView, print: (line: string) => void): Listing {
  const put = (kind: string, fields: object) => print(JSON.stringify({ kind, ...fields }));
  const hex = (value: bigint) => `0x${value.toString(16)}`;
  const place = (state: CrossingState) => ({
    address: `0x${hexAddress(state.address)}`,
    label: state.symbol,
    cpl: state.cpl,
    cr3: state.cr3,
    stack: state.stack,
  });
  const fieldsOf = (frame: CrossingFrame) => ({
    address: `0x${hexAddress(frame.address)}`,
    fields: Object.fromEntries(frame.fields.map(({ name, value }) => [name, hex(value)])),
  });
  return {
    step(step) {
      const { text } = disassemble(step.bytes, step.before.address, step.before.bits);
      const changed = changes(step, text, memory).map(({ name, old, new: now }) => ({
        name,
        old: old === undefined ? undefined : hex(old),
        new: hex(now),
      }));
      put("instruction", { ...place(step.before), text, changed });
    },
    frame: (frame) => put("pt_regs", fieldsOf(frame)),
    handled: (frame, lines) => put("handled", { ...fieldsOf(frame), lines }),
    done: (state, bytes) => put("next", { ...place(state), text: bytes.length ? disassemble(bytes, state.address, state.bits).text : undefined }),
  };
}
