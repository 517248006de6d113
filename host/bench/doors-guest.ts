// The guests of `ring3 bench doors`: for each door an ELF file of a few hundred bytes, made here from the door's machine code, because a
// 32-bit program and a 64-bit one are needed, and nothing else in them may cross.
//
//   for each batch:  write(1, ".", 1)
//                    mov $count, %ebx
//              loop: <the door>; dec %ebx; jnz loop
//                    write(1, ".", 1)
//   exit_group(0)
//
// A 32-bit guest first looks for AT_SYSINFO, the address of __kernel_vsyscall, behind its environment, and keeps it in EBP.

import { ImmediateAnswers } from "../index";
import { type MarkListener, runMarked, type SharedCode } from "./crossings-guest";
import type { DoorRow, Switches } from "./doors-rows";

const BASE = 0x400000;
const PAGE = 4096;
const ELF_HEADER = { 64: 64, 32: 52 } as const;
const PROGRAM_HEADER = { 64: 56, 32: 32 } as const;
const EM = { 64: 62, 32: 3 } as const;

const FIND_SYSINFO = [
  0x8b, 0x04, 0x24, //              mov (%esp), %eax                argc
  0x8d, 0x74, 0x84, 0x08, //        lea 8(%esp,%eax,4), %esi        envp
  0xad, //                    env:  lods (%esi), %eax
  0x85, 0xc0, //                    test %eax, %eax
  0x75, 0xfb, //                    jnz env
  0xad, //                    auxv: lods (%esi), %eax
  0x89, 0xc2, //                    mov %eax, %edx                  a_type
  0xad, //                          lods (%esi), %eax               a_val
  0x83, 0xfa, 0x20, //              cmp $AT_SYSINFO, %edx
  0x75, 0xf7, //                    jne auxv
  0x89, 0xc5, //                    mov %eax, %ebp
];

const word = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];

function writeDot(bits: 64 | 32, dot: number): number[] {
  if (bits === 64) return [0xbf, ...word(1), 0xbe, ...word(dot), 0xba, ...word(1), 0xb8, ...word(1), 0x0f, 0x05];
  return [0xb8, ...word(4), 0xb9, ...word(dot), 0xba, ...word(1), 0xbb, ...word(1), 0xcd, 0x80];
}

const EXIT_GROUP = {
  64: [0x31, 0xff, 0xb8, ...word(231), 0x0f, 0x05],
  32: [0x31, 0xdb, 0xb8, ...word(252), 0xcd, 0x80],
} as const;

function loop(code: readonly number[], count: number): number[] {
  const DEC_EBX = [0xff, 0xcb];
  const JNZ_BYTES = 6;
  return [0xbb, ...word(count), ...code, ...DEC_EBX, 0x0f, 0x85, ...word(-(code.length + DEC_EBX.length + JNZ_BYTES))];
}

/** A static ELF file that goes through the door `counts[i]` times in batch i. @throws RangeError when that is more than a page */
export function doorGuest({ bits, code }: DoorRow, counts: readonly number[]): Uint8Array {
  const start = ELF_HEADER[bits] + PROGRAM_HEADER[bits];
  const dot = BASE + start;
  const text = [0x2e, ...(bits === 32 ? FIND_SYSINFO : [])];
  for (const count of counts) text.push(...writeDot(bits, dot), ...loop(code, count), ...writeDot(bits, dot));
  text.push(...EXIT_GROUP[bits]);
  const bytes = start + text.length;
  if (bytes > PAGE) throw new RangeError(`${counts.length} batches do not fit into a page`);
  const file = new Uint8Array(bytes);
  file.set(text, start);
  putHeaders(new DataView(file.buffer), bits, BASE + start + 1);
  return file;
}

/** ELF header and one PT_LOAD, read and execute, of the whole file (System V gABI ch. 4 and 5). */
function putHeaders(view: DataView, bits: 64 | 32, entry: number): void {
  const wide = bits === 64;
  let at = 0;
  const half = (value: number): void => {
    view.setUint16(at, value, true);
    at += 2;
  };
  const int = (value: number): void => {
    view.setUint32(at, value, true);
    at += 4;
  };
  /** Address or offset. */
  const natural = (value: number): void => {
    int(value);
    if (wide) int(0);
  };
  for (const byte of [0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]) view.setUint8(at++, byte);
  at = 16;
  half(2); // ET_EXEC
  half(EM[bits]);
  int(1);
  natural(entry);
  natural(ELF_HEADER[bits]);
  natural(0);
  int(0);
  half(ELF_HEADER[bits]);
  half(PROGRAM_HEADER[bits]);
  half(1);
  at = ELF_HEADER[bits];
  const READ_EXECUTE = 5;
  int(1); // PT_LOAD
  if (wide) int(READ_EXECUTE);
  natural(0);
  natural(BASE);
  natural(BASE);
  natural(view.byteLength);
  natural(view.byteLength);
  if (!wide) int(READ_EXECUTE);
  natural(PAGE);
}

export interface DoorOptions {
  code: SharedCode;
  seed: bigint;
  aslr: boolean;
  clock: "host" | "virtual";
}

/** null when the guest went through the door as often as asked, else one line that says why not. */
export async function runDoor(door: DoorRow, machine: Switches, counts: readonly number[], options: DoorOptions, listener: MarkListener): Promise<string | null> {
  const { seed, aslr, clock } = options;
  let answers!: ImmediateAnswers;
  const { result, marks, stderr } = await runMarked(doorGuest(door, counts), counts.length, { args: [door.name], ...machine, seed, aslr, clock }, options.code, {
    onBoot(kernel) {
      answers = new ImmediateAnswers(kernel.ring0, door.skip);
      listener.onBoot?.(kernel);
    },
    onMark(kernel, batch, begins) {
      listener.onMark?.(kernel, batch, begins);
      answers.skipping = begins;
      if (door.raise !== undefined) answers.raise(door.raise, begins ? counts[batch]! : 0);
    },
  });
  if (result.signal !== null) return `the program dies of ${result.signal}`;
  if (result.status !== 0 || marks !== 2 * counts.length) throw new Error(`the guest of ${door.name} ended with status ${result.status}: ${stderr.trim()}`);
  return null;
}
