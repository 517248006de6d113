// Where address-space layout randomisation puts things: executes a small program again and again, through the same execve that
// every program takes, and notes its layout without running an instruction of it. For `ring3 aslr`.

import type { Machine } from "../machine/machine";
import { ET_DYN, PT_INTERP, PT_LOAD } from "./elf";
import { execve } from "./exec";
import { Kernel } from "./kernel";
import { wordsOf } from "./auxv";
import { PAGE_SIZE, pageAlign } from "./uapi-mman";

/** Addresses of one execve. */
export interface AddressLayout {
  /** Of a position-independent executable with an interpreter. */
  program: number;
  /** Start of the heap. */
  heap: number;
  /** End of the program's last page, which the heap is placed above. */
  programEnd: number;
  /** Where mmap put the first thing it was asked for, the dynamic linker. */
  mmap: number;
  /** End of the stack's mapping. */
  stackEnd: number;
  /** Initial stack pointer. */
  stack: number;
  vvar: number;
  vdso: number;
}

const PROGRAM = "/program";
const INTERPRETER = "/ld.so";

/**
 * Loads `count` programs, one after the other, into the same task.
 * @param machine a fresh one @param options of the seed and of ASLR
 */
export function* addressLayouts(machine: Machine, count: number, options: { seed?: bigint; aslr?: boolean }): Generator<AddressLayout> {
  const kernel = new Kernel(machine, { ...options, files: { [PROGRAM]: tinyPie(INTERPRETER), [INTERPRETER]: tinyPie(null) } });
  const task = kernel.spawn(PROGRAM, [PROGRAM], []);
  for (let done = 0; ; ) {
    const { mm } = task;
    const named = (name: string): number => mm.vmas.list.find((vma) => vma.special?.name === name)!.start;
    const interpreter = mm.vmas.list.find((vma) => vma.file?.path() === INTERPRETER)!;
    yield {
      program: mm.startCode, heap: mm.startBrk, programEnd: pageAlign(mm.endData), mmap: interpreter.start,
      stackEnd: mm.vmas.at(mm.startStack)!.end, stack: mm.startStack, vvar: named("[vvar]"), vdso: named("[vdso]"),
    };
    if (++done === count) return;
    execve(task, PROGRAM, [PROGRAM], []);
  }
}

const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const PF_R_X = 5;
const EM_X86_64 = 62;

/** An ELF file of one page that maps itself, with an interpreter or without. */
function tinyPie(interpreter: string | null): Uint8Array {
  const bytes = new Uint8Array(PAGE_SIZE);
  const view = new DataView(bytes.buffer);
  const headers = interpreter === null ? 1 : 2;
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, ET_DYN, true);
  view.setUint16(18, EM_X86_64, true);
  view.setUint32(20, 1, true);
  view.setUint32(32, EHDR_SIZE, true);
  view.setUint16(52, EHDR_SIZE, true);
  view.setUint16(54, PHDR_SIZE, true);
  view.setUint16(56, headers, true);
  const header = (index: number, type: number, at: number, size: number): void => {
    view.setUint32(EHDR_SIZE + index * PHDR_SIZE, type, true);
    view.setUint32(EHDR_SIZE + index * PHDR_SIZE + 4, PF_R_X, true);
    bytes.set(wordsOf([at, at, at, size, size, PAGE_SIZE]), EHDR_SIZE + index * PHDR_SIZE + 8);
  };
  if (interpreter !== null) {
    const at = EHDR_SIZE + headers * PHDR_SIZE;
    for (let i = 0; i < interpreter.length; i++) bytes[at + i] = interpreter.charCodeAt(i);
    header(0, PT_INTERP, at, interpreter.length + 1);
  }
  header(headers - 1, PT_LOAD, 0, PAGE_SIZE);
  return bytes;
}
