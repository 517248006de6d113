// Call frame information of a vDSO (System V ABI AMD64 supplement 3.7, i386 supplement; LSB 5.0 10.6; DWARF 4 6.4): how to unwind from
// any of its instructions. Called from vdso-image.ts.
//
// A function that does not move the stack pointer has one rule for all of it: the frame's address is SP + word, the return address
// stands just below. One that pushes registers has a rule for each push and each pop. And what a signal handler returns to was
// called by nobody: its frame is the code that was interrupted, whose registers are in the sigcontext on the stack.

import { Bytes, type Code, type SignalFrame, type VdsoFunction } from "./vdso-object";

const DW_EH_PE_udata4 = 0x03;
const DW_EH_PE_pcrel_sdata4 = 0x1b;
const DW_EH_PE_datarel_sdata4 = 0x3b;
const DW_CFA_advance_loc = 0x40;
const DW_CFA_offset = 0x80;
const DW_CFA_restore = 0xc0;
const DW_CFA_def_cfa = 0x0c;
const DW_CFA_def_cfa_offset = 0x0e;
const DW_CFA_def_cfa_expression = 0x0f;
const DW_CFA_expression = 0x10;
const DW_OP_breg0 = 0x70;
const DW_OP_deref = 0x06;

interface Registers {
  word: number;
  stackPointer: number;
  returnAddress: number;
  /** sleb128 of -word: offsets of saved registers are counted in words downwards. */
  dataAlignment: number;
}

const ABI: Readonly<Record<32 | 64, Registers>> = {
  64: { word: 8, stackPointer: 7, returnAddress: 16, dataAlignment: 0x78 },
  32: { word: 4, stackPointer: 4, returnAddress: 8, dataAlignment: 0x7c },
};

/** DWARF's numbers of i386's registers. */
const I386_REGISTERS: Readonly<Record<string, number>> = { eax: 0, ecx: 1, edx: 2, ebx: 3, esp: 4, ebp: 5, esi: 6, edi: 7, eip: 8 };

/** Offsets in struct sigcontext_32. */
const SIGCONTEXT_32: Readonly<Record<string, number>> = { edi: 16, esi: 20, ebp: 24, ebx: 32, edx: 36, ecx: 40, eax: 44, eip: 56 };
const SIGCONTEXT_ESP = 28;

function sleb128(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    const last = (rest >> 7 === 0 && (rest & 0x40) === 0) || (rest >> 7 === -1 && (rest & 0x40) !== 0);
    bytes.push(last ? rest & 0x7f : (rest & 0x7f) | 0x80);
    if (last) return bytes;
  }
}

/** A rule for each push and, from the end, each pop, one byte long as these instructions are. */
function pushRules(pushes: readonly string[], length: number, word: number): number[] {
  const rules: number[] = [];
  pushes.forEach((register, index) => {
    rules.push(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, word * (index + 2), DW_CFA_offset | I386_REGISTERS[register]!, index + 2);
  });
  let distance = length - 1 - pushes.length - pushes.length;
  for (let index = pushes.length - 1; index >= 0; index--) {
    // advance_loc reaches 63 bytes.
    for (distance += 1; distance > 63; distance -= 63) rules.push(DW_CFA_advance_loc | 63);
    rules.push(DW_CFA_advance_loc | distance, DW_CFA_def_cfa_offset, word * (index + 1), DW_CFA_restore | I386_REGISTERS[pushes[index]!]!);
    distance = 0;
  }
  return rules;
}

function signalRules({ sigcontext, popped }: SignalFrame, bytesBefore: number): number[] {
  const at = (offset: number, deref: boolean): number[] => {
    const expression = [DW_OP_breg0 + I386_REGISTERS.esp!, ...sleb128(offset), ...(deref ? [DW_OP_deref] : [])];
    return [expression.length, ...expression];
  };
  const rules = (moved: number): number[] => [
    DW_CFA_def_cfa_expression, ...at(sigcontext + SIGCONTEXT_ESP - moved, true),
    ...Object.entries(SIGCONTEXT_32).flatMap(([register, offset]) => [
      DW_CFA_expression, I386_REGISTERS[register]!, ...at(sigcontext + offset - moved, false),
    ]),
  ];
  const all = rules(0);
  for (let pop = 1; pop <= popped; pop++) all.push(DW_CFA_advance_loc | (pop === 1 ? bytesBefore + 1 : 1), ...rules(4 * pop));
  return all;
}

/** An unwinder looks up the byte before a return address, as if there had been a CALL: the FDE begins one byte early. */
const SIGNAL_FRAME_LEAD = 1;

function rulesOf(description: VdsoFunction, length: number, word: number): number[] {
  if (description.signalFrame !== undefined) return signalRules(description.signalFrame, SIGNAL_FRAME_LEAD);
  return description.pushes === undefined ? [] : pushRules(description.pushes, length, word);
}

/** One that must be there before the FDEs which refer to it. `signal`: "S", what it describes is interrupted code. */
function putCie(bytes: Bytes, signal: boolean, registers: Registers): number {
  const at = bytes.list.length;
  const { word, stackPointer, returnAddress, dataAlignment } = registers;
  const body = new Bytes().u32(0).u8(1).text(signal ? "zRS" : "zR").u8(1, dataAlignment, returnAddress, 1, DW_EH_PE_pcrel_sdata4);
  if (!signal) body.u8(DW_CFA_def_cfa, stackPointer, word, DW_CFA_offset | returnAddress, 1);
  putEntry(bytes, body, word);
  return at;
}

/** Length, then the entry, padded with DW_CFA_nop to a word. */
function putEntry(bytes: Bytes, body: Bytes, word: number): void {
  while ((body.list.length + 4) % word !== 0) body.u8(0);
  bytes.u32(body.list.length).u8(...body.list);
}

export interface UnwindTables {
  table: number[];
  index: number[];
}

/** .eh_frame at `address`, and .eh_frame_hdr at `indexAddress`, the binary search table, sorted by address as the code is. */
export function unwindTables(bits: 32 | 64, code: readonly Code[], address: number, indexAddress: number): UnwindTables {
  const registers = ABI[bits];
  const bytes = new Bytes();
  const rows: [start: number, fde: number][] = [];
  const cies: { common?: number; signal?: number } = {};
  for (const { function: description, offset, bytes: body } of code) {
    const signal = description.signalFrame !== undefined;
    const kind = signal ? "signal" : "common";
    const cie = (cies[kind] ??= putCie(bytes, signal, registers));
    const at = bytes.list.length;
    const lead = signal ? SIGNAL_FRAME_LEAD : 0;
    const entry = new Bytes().u32(at + 4 - cie).u32(offset - lead - (address + at + 8)).u32(body.length + lead).u8(0);
    putEntry(bytes, entry.u8(...rulesOf(description, body.length, registers.word)), registers.word);
    rows.push([offset - lead, at]);
  }
  const index = new Bytes().u8(1, DW_EH_PE_pcrel_sdata4, DW_EH_PE_udata4, DW_EH_PE_datarel_sdata4);
  index.u32(address - (indexAddress + 4)).u32(rows.length);
  for (const [start, fde] of rows) index.u32(start - indexAddress).u32(address + fde - indexAddress);
  return { table: bytes.u32(0).list, index: index.list };
}
