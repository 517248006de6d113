// execve: from a path to a new address space, with the program and its interpreter mapped and the first stack written
// (Linux fs/exec.c, fs/binfmt_elf.c load_elf_binary, fs/binfmt_script.c).
// Entered from sysExecve and, for the first program, from kernel.ts. Leaves with pt_regs at the program's entry point.

import { featureWords } from "../machine/cpu-models";
import { Layout } from "./aslr";
import { auxiliaryVector, HWCAP2_FSGSBASE, wordsOf } from "./auxv";
import { ET_DYN, type Elf, ElfError, type ProgramHeader, PT_PHDR, parseElf } from "./elf";
import { E2BIG, EACCES, ELIBBAD, ELOOP, ENOENT, ENOEXEC, ENOMEM, Errno } from "./errno";
import { Mm } from "./mm";
import { OutOfMemory } from "./page-cache";
import { ADDR_LIMIT_3GB, ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC } from "./personality";
import { minimumSignalStack } from "./signal-fpstate";
import type { Task } from "./task";
import { bytesOf, latin1 } from "./uaccess";
import { AT_FDCWD, O_RDONLY } from "./uapi-fcntl";
import {
  MAP_GROWSDOWN, MAP_PRIVATE, PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, TASK_SIZE, TASK_SIZE_32, TASK_SIZE_3GB, pageAlign, pageFloor,
} from "./uapi-mman";
import type { OpenFile } from "./vfs/file";
import { MAY_EXEC, openPath, requirePermission } from "./vfs/namei";
import type { MappedVdso } from "./vdso";
import type { MappedFileName } from "./vma";

/** BINPRM_BUF_SIZE: a #! line must end within it. */
const HEAD_SIZE = 256;
const SCRIPT_DEPTH = 5;
const MAX_ARG_STRLEN = 32 * PAGE_SIZE;
const ARG_MAX = 32 * PAGE_SIZE;
const STACK_EXPAND = 32 * PAGE_SIZE;
const COMM_MAX = 15;

/** The first program, or its interpreter, cannot be run: one line for the user, errno for a guest's execve. */
export class ExecError extends Errno {
  constructor(
    code: number,
    readonly reason: string,
  ) {
    super(code);
  }
  override get message(): string {
    return this.reason;
  }
}

/** A program found, checked and read; nothing of the task has changed yet. */
interface Program {
  file: OpenFile;
  elf: Elf;
  argv: string[];
  interpreter: { file: OpenFile; elf: Elf } | null;
}

const WORD = { 32: 4, 64: 8 } as const;

/**
 * Replaces the task's program. Throws Errno, the task unchanged, when it cannot be; the first program's caller finds the
 * reason in ExecError.
 * @param path what argv and AT_EXECFN call the program, resolved from the task's directory, or `file` that is open already
 */
export function execve(task: Task, path: string, argv: readonly string[], envp: readonly string[], file?: OpenFile): void {
  // Linux gives a program without argv one empty argument.
  const program = findProgram(task, path, argv.length === 0 ? [""] : [...argv], file ?? openExecutable(task, path));
  try {
    checkArguments(task, program.argv, envp);
    const mm = createMm(task);
    let start;
    try {
      start = load(task, mm, program, path, envp);
    } catch (error) {
      mm.put();
      const full = error instanceof OutOfMemory || (error instanceof Errno && error.code === ENOMEM && !(error instanceof ExecError));
      if (full) throw new ExecError(ENOMEM, "guest memory is too small for it");
      throw error;
    }
    commit(task, mm, program, path, start);
  } finally {
    program.interpreter?.file.put(task);
    program.file.put(task);
  }
}

function openExecutable(task: Task, path: string): OpenFile {
  const file = openPath(task, AT_FDCWD, path, O_RDONLY, 0);
  try {
    checkExecutable(task, file);
  } catch (error) {
    file.put(task);
    throw error;
  }
  return file;
}

/** A regular file with an x bit for the caller (Linux do_open_execat). */
export function checkExecutable(task: Task, file: OpenFile): void {
  if (!file.inode.isRegular) throw new Errno(EACCES);
  requirePermission(task, file.path, MAY_EXEC);
}

function findProgram(task: Task, path: string, argv: string[], file: OpenFile): Program {
  let name = path;
  try {
    for (let depth = 0; ; depth++) {
      const head = readFile(task, file, 0, HEAD_SIZE);
      if (head[0] !== 0x23 || head[1] !== 0x21) break;
      if (depth >= SCRIPT_DEPTH) throw new Errno(ELOOP);
      const line = scriptLine(head);
      argv = [...line, name, ...argv.slice(1)];
      name = line[0]!;
      const next = openInterpreter(task, name, "its interpreter");
      file.put(task);
      file = next;
    }
    const elf = parse(task, file, "");
    if (elf.interpreter === null) return { file, elf, argv, interpreter: null };
    const interpreter = openInterpreter(task, elf.interpreter, "its interpreter (dynamic linker)");
    try {
      const linker = parse(task, interpreter, `its interpreter ${elf.interpreter} is `);
      if (linker.bits !== elf.bits) throw new ExecError(ELIBBAD, `its interpreter ${elf.interpreter} is a program of ${linker.bits} bits`);
      return { file, elf, argv, interpreter: { file: interpreter, elf: linker } };
    } catch (error) {
      interpreter.put(task);
      throw error;
    }
  } catch (error) {
    file.put(task);
    throw error;
  }
}

function openInterpreter(task: Task, path: string, what: string): OpenFile {
  try {
    return openExecutable(task, path);
  } catch (error) {
    if (error instanceof Errno && error.code === ENOENT) throw new ExecError(ENOENT, `${what} ${printable(path)} is not in the guest's root`);
    if (error instanceof Errno) throw new ExecError(error.code, `${what} ${printable(path)}: ${error.message}`);
    throw error;
  }
}

function parse(task: Task, file: OpenFile, prefix: string): Elf {
  try {
    return parseElf((offset, length) => readFile(task, file, offset, length), file.attributes().size);
  } catch (error) {
    if (error instanceof ElfError) throw new ExecError(prefix === "" ? ENOEXEC : ELIBBAD, prefix + error.message);
    throw error;
  }
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

function readFile(task: Task, file: OpenFile, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, file.readBytes(task, bytes, offset));
}

/** Interpreter and optional argument of a "#!" line (Linux fs/binfmt_script.c load_script). */
function scriptLine(head: Uint8Array): string[] {
  const text = latin1(head);
  const newline = text.indexOf("\n");
  let line = newline < 0 ? text.slice(2) : text.slice(2, newline);
  const zero = line.indexOf("\0");
  if (zero >= 0) line = line.slice(0, zero);
  line = line.replace(/^[ \t]+/, "");
  // Without a newline in sight the interpreter's name itself may be cut off.
  if (newline < 0 && head.length === HEAD_SIZE && !/[ \t]/.test(line)) throw new ExecError(ENOEXEC, "a script whose #! line is too long");
  line = line.replace(/[ \t]+$/, "");
  if (line === "") throw new ExecError(ENOEXEC, "a script whose #! line names no interpreter");
  const [, name, argument] = /^([^ \t]+)[ \t]*(.*)$/s.exec(line)!;
  return argument === "" ? [name!] : [name!, argument!];
}

function checkArguments(task: Task, argv: readonly string[], envp: readonly string[]): void {
  const room = Math.max(ARG_MAX, Math.min(task.limits.stack / 4, 6 << 20));
  let bytes = 0;
  for (const text of [...argv, ...envp]) {
    if (text.length >= MAX_ARG_STRLEN) throw new ExecError(E2BIG, "an argument is longer than 128 KiB");
    bytes += text.length + 9;
  }
  if (bytes > room) throw new ExecError(E2BIG, `arguments and environment take more than ${room} bytes`);
}

const GATE_RIGHTS = { xonly: "--xp", emulate: "r-xp", none: "" } as const;

/** A new address space for the task, empty. Throws ENOMEM. */
export function createMm(task: Task): Mm {
  const { ring0, frames } = task.kernel;
  const space = ring0.createAddressSpace();
  if (space === undefined) throw new ExecError(ENOMEM, "guest memory is too small for it");
  return new Mm(frames, space, task.limits, (gone) => ring0.destroyAddressSpace(gone));
}

interface Start {
  entry: number;
  sp: number;
}

function load(task: Task, mm: Mm, program: Program, path: string, envp: readonly string[]): Start {
  const { elf, file, argv } = program;
  mm.gateRights = elf.bits === 64 ? GATE_RIGHTS[task.kernel.options.vsyscall] : "";
  mm.taskSize = elf.bits === 64 ? TASK_SIZE : task.personality & ADDR_LIMIT_3GB ? TASK_SIZE_3GB : TASK_SIZE_32;
  mm.readImpliesExec = readImpliesExec(task, elf);
  const layout = new Layout(task.kernel.rng, task.kernel.options.aslr && (task.personality & ADDR_NO_RANDOMIZE) === 0, mm.taskSize);
  const strings = makeStack(task, mm, elf, layout, path, argv, envp);

  let bias = 0;
  if (elf.type === ET_DYN) {
    bias =
      program.interpreter !== null
        ? layout.pieBase(elf.alignment) - pageFloor(elf.loads[0]!.vaddr)
        : placeAnywhere(mm, elf);
  }
  mapSegments(task, mm, elf, file, bias);
  recordAreas(mm, elf, bias);
  setBrk(mm, elf, bias, layout, program.interpreter === null);

  let base = 0;
  let entry = bias + elf.entry;
  if (program.interpreter !== null) {
    const { elf: interpreter, file: interpreterFile } = program.interpreter;
    base = interpreter.type === ET_DYN ? placeAnywhere(mm, interpreter) : 0;
    mapSegments(task, mm, interpreter, interpreterFile, base);
    entry = base + interpreter.entry;
  }
  if (!(entry < mm.taskSize)) throw new ExecError(ENOEXEC, "an ELF file whose entry point is not in user space");
  const vdso = elf.bits === 64 ? { base: task.kernel.vdso.map(mm, layout, mm.argStart) } : task.kernel.vdso.map32(mm);
  const sp = writeTables(task, mm, layout, strings, { elf, bias, base, vdso });
  if (elf.bits === 64) mm.mmapCompatBase = layout.mmapCompatBase(task.limits.stack);
  return { entry, sp };
}

/** A 32-bit program that says nothing of its stack is from before there was an NX bit (Linux elf_read_implies_exec). */
function readImpliesExec(task: Task, elf: Elf): boolean {
  if (elf.bits === 64) return false;
  return elf.stack === "unsaid" || (task.personality & READ_IMPLIES_EXEC) !== 0;
}

/** Bias that puts an ET_DYN image where mmap would: the interpreter, and a PIE without one. */
function placeAnywhere(mm: Mm, elf: Elf): number {
  const low = pageFloor(elf.loads[0]!.vaddr);
  const last = elf.loads[elf.loads.length - 1]!;
  const length = pageAlign(last.vaddr + last.memsz) - low;
  const room = elf.alignment > PAGE_SIZE ? elf.alignment : 0;
  const at = mm.unmappedArea(0, length + room);
  return (room === 0 ? at : Math.ceil(at / room) * room) - low;
}

function mapSegments(task: Task, mm: Mm, elf: Elf, file: OpenFile, bias: number): void {
  const backing = task.kernel.frames.cacheOf(file.inode, file.inode.mappable());
  const name = fileName(task, file);
  for (const segment of elf.loads) {
    const start = bias + segment.vaddr;
    if (!(start >= 0 && start + segment.memsz <= mm.taskSize)) throw new ExecError(ENOMEM, "an ELF file that does not fit into user space");
    const first = pageFloor(start);
    const fileEnd = pageAlign(start + segment.filesz);
    if (segment.filesz > 0) {
      mm.mapAt(first, {
        length: fileEnd - first, prot: segment.prot, flags: MAP_PRIVATE, backing, offset: pageFloor(segment.offset), file: name,
      });
    }
    mapZeroes(mm, segment, start, segment.filesz > 0 ? fileEnd : first);
  }
}

/**
 * What of a segment is not in the file: the rest of its last page, to its very end, since a dynamic linker allocates from there,
 * and whole pages after it (Linux padzero, set_brk).
 */
function mapZeroes(mm: Mm, segment: ProgramHeader, start: number, mapped: number): void {
  const { filesz, memsz, prot } = segment;
  if (memsz === filesz) return;
  const end = pageAlign(start + memsz);
  if (end > mapped) {
    mm.mapAt(mapped, { length: end - mapped, prot: PROT_READ | PROT_WRITE | (prot & PROT_EXEC), flags: MAP_PRIVATE });
  }
  // A read-only segment keeps the file's bytes there, as on Linux.
  if (filesz > 0 && prot & PROT_WRITE) mm.clearUser(start + filesz, mapped - (start + filesz));
}

function recordAreas(mm: Mm, elf: Elf, bias: number): void {
  mm.startCode = bias + Math.min(...elf.loads.map(({ vaddr }) => vaddr));
  mm.endCode = bias + Math.max(0, ...elf.loads.filter(({ prot }) => prot & PROT_EXEC).map(({ vaddr, filesz }) => vaddr + filesz));
  mm.startData = bias + Math.max(...elf.loads.map(({ vaddr }) => vaddr));
  mm.endData = bias + Math.max(...elf.loads.map(({ vaddr, filesz }) => vaddr + filesz));
}

function setBrk(mm: Mm, elf: Elf, bias: number, layout: Layout, direct: boolean): void {
  const last = elf.loads[elf.loads.length - 1]!;
  let brk = pageAlign(bias + last.vaddr + last.memsz);
  if (layout.randomize) {
    // A PIE run without interpreter stands among the mmaps; its heap must not.
    if (elf.type === ET_DYN && direct) brk = layout.etDynBase;
    brk = layout.brk(brk);
  }
  mm.startBrk = brk;
  mm.brk = brk;
}

interface Strings {
  argc: number;
  envc: number;
  execfn: number;
}

/** Maps the stack and writes the strings to its top. */
function makeStack(
  task: Task, mm: Mm, elf: Elf, layout: Layout, path: string, argv: readonly string[], envp: readonly string[],
): Strings {
  const top = pageAlign(layout.alignStack(layout.stackTop()));
  const blob = bytesOf([...argv, ...envp, path].map((text) => `${text}\0`).join(""));
  const start = top - 8 - blob.length;
  const bottom = pageFloor(start) - STACK_EXPAND;
  mm.mmapBase = layout.mmapBase(task.limits.stack);
  mm.mmapCompatBase = mm.mmapBase;
  mm.mapAt(bottom, {
    length: top - bottom, prot: PROT_READ | PROT_WRITE | (elf.stack === "executable" ? PROT_EXEC : 0), flags: MAP_PRIVATE | MAP_GROWSDOWN,
  });
  mm.copyToUser(start, blob);
  mm.argStart = start;
  mm.argEnd = start + argv.reduce((sum, text) => sum + text.length + 1, 0);
  mm.envStart = mm.argEnd;
  mm.envEnd = mm.envStart + envp.reduce((sum, text) => sum + text.length + 1, 0);
  return { argc: argv.length, envc: envp.length, execfn: mm.envEnd };
}

function writeTables(
  task: Task, mm: Mm, layout: Layout, strings: Strings, image: { elf: Elf; bias: number; base: number; vdso: MappedVdso },
): number {
  const { creds, kernel } = task;
  const { elf, bias, base, vdso } = image;
  const word = WORD[elf.bits];
  const platformText = bytesOf(elf.bits === 64 ? "x86_64\0" : "i686\0");
  const platform = layout.alignStack(mm.argStart) - platformText.length;
  const random = platform - 16;
  mm.copyToUser(platform, platformText);
  mm.copyToUser(random, kernel.rng.bytes(16));
  const { features } = kernel.machine.cpu;
  const vector = auxiliaryVector({
    phdr: bias + phdrAddress(elf), phnum: elf.headers.length, base, entry: bias + elf.entry,
    uid: creds.uid, euid: creds.euid, gid: creds.gid, egid: creds.egid,
    random, execfn: strings.execfn, platform, phent: elf.phent, sysinfoEhdr: vdso.base, sysinfo: vdso.kernelVsyscall,
    hwcap: featureWords(features)[1]!, hwcap2: features.has("FSGSBASE") ? HWCAP2_FSGSBASE : 0,
    minSignalStack: minimumSignalStack(kernel.machine.registers),
  });
  mm.auxv = wordsOf(vector.flat(), word);
  const words = [strings.argc, ...pointers(mm, mm.argStart, strings.argc), 0, ...pointers(mm, mm.envStart, strings.envc), 0];
  const sp = Math.floor((random - mm.auxv.length - words.length * word) / 16) * 16;
  mm.copyToUser(sp, wordsOf(words, word));
  mm.copyToUser(sp + words.length * word, mm.auxv);
  mm.startStack = sp;
  return sp;
}

/** Addresses of `count` strings that follow each other from `start`. */
function pointers(mm: Mm, start: number, count: number): number[] {
  const found: number[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    found.push(at);
    at += mm.getCString(at, MAX_ARG_STRLEN).length + 1;
  }
  return found;
}

/** Where the program headers lie in memory, without the bias: PT_PHDR, or the segment that holds them. */
function phdrAddress(elf: Elf): number {
  const own = elf.headers.find(({ type }) => type === PT_PHDR);
  if (own !== undefined) return own.vaddr;
  const holder = elf.loads.find(({ offset, filesz }) => elf.phoff >= offset && elf.phoff < offset + filesz);
  return holder === undefined ? 0 : holder.vaddr + (elf.phoff - holder.offset);
}

function fileName(task: Task, file: OpenFile): MappedFileName {
  const { dev, ino } = file.attributes();
  const { path } = file;
  return { dev, ino, path: () => path.print(task.fs.root).text };
}

/** The point of no return: the task goes over to the new memory, and what execve does not keep is dropped. */
function commit(task: Task, mm: Mm, program: Program, path: string, { entry, sp }: Start): void {
  const { ring0 } = task.kernel;
  const old = task.mm as Mm | null;
  task.mm = mm;
  const { bits } = program.elf;
  if (ring0.current === task.stack) ring0.switchAddressSpace(mm.addressSpace);
  ring0.setSysenterReturn(mm.addressSpace, mm.vdso32?.landingPad ?? 0);
  ring0.resetUserState(task.stack, bits);
  old?.put();
  ring0.startThread(task.regs, entry, sp, bits);
  task.personality = (task.personality & ~READ_IMPLIES_EXEC) | (mm.readImpliesExec ? READ_IMPLIES_EXEC : 0);
  task.exeFile?.put(task);
  task.exeFile = program.file.hold();
  task.exePath = path;
  task.comm = path.slice(path.lastIndexOf("/") + 1).slice(0, COMM_MAX);
  task.signals.exec();
  task.kernel.timers.exec(task);
  task.files.exec(task);
  task.clearChildTid = 0;
  task.robustList = 0;
  task.rseq = null;
  task.keepCapabilities = false;
  task.parentDeathSignal = 0;
  task.dumpable = 1;
}

