// What --strace prints and onSyscall hears: each call with its arguments by kind, its result and errno, in strace's manner.
// Entered from entry-common.ts before and after the handler. Arguments that go in are read before, those that come out
// after; reading never brings in a page, so watching changes nothing of the run.

import type { PtRegs } from "../ring0/pt-regs";
import { __USER32_CS } from "../ring0/segments";
import { ERESTARTSYS, ERESTART_RESTARTBLOCK, errnoMessage, errnoName } from "./errno";
import { RLIM_INFINITY } from "./limits";
import type { SignalInfo } from "./siginfo";
import type { Struct } from "./struct-layout";
import type { SyscallRow } from "./syscall-row";
import type { Task } from "./task";
import { AT_FDCWD, O_CREAT, __O_TMPFILE } from "./uapi-fcntl";
import { PAGE_SIZE } from "./uapi-mman";
import { NameTables } from "./uapi-names";
import { SA_RESTORER, SI_KERNEL, SI_QUEUE, SI_TIMER, SI_TKILL, SI_USER, signalName } from "./uapi-signal";
import {
  IOVEC, ITIMERSPEC, ITIMERVAL, OLD_SIGACTION, RLIMIT, RLIMIT64, RUSAGE, SIGACTION, STACK_T, STAT, STAT64, STATFS, STATFS64, STATX, SYSINFO, TIMESPEC,
  TIMEVAL, TMS, USER_DESC, USER_DESC_FLAGS,
} from "./uapi-structs";

/** What onSyscall hears of a call when it has ended. */
export interface SyscallEvent {
  pid: number;
  /** In the table of `abi`. */
  number: number;
  abi: "x86-64" | "i386";
  /** "write"; "syscall_0x1234" for a number that there is none of. */
  name: string;
  /** As the handler took them: addresses and lengths as numbers. */
  args: readonly (number | bigint)[];
  /** >= 0, -errno (a restart code, 512 to 516, for a call that a signal cut short), or null for a call that does not return. */
  result: number | null;
}

/** strace -s */
const STRING_MAX = 32;
const LIST_MAX = 32;

type Argument = number | bigint;

/** A call that has begun: arguments printed so far, null for those that are read after it. */
interface Begun {
  row: SyscallRow;
  args: readonly Argument[];
  texts: (string | null)[] | null;
}

export class CallTrace {
  private readonly names = new NameTables();
  private readonly begun = new Map<Task, Begun>();

  constructor(
    private readonly line: ((line: string) => void) | undefined,
    private readonly onSyscall: ((event: SyscallEvent) => void) | undefined,
  ) {}

  /** Before the handler, also when a call that slept runs again. */
  enter(task: Task, row: SyscallRow, args: readonly Argument[]): void {
    const known = this.begun.get(task);
    if (known?.row === row && task.progress !== null) return;
    const texts = this.line === undefined ? null : row.kinds.map((kind, index) => (isOut(kind) ? null : this.print(task, kind, args, index, 0)));
    this.begun.set(task, { row, args, texts });
  }

  /** After the handler. */
  exit(task: Task, row: SyscallRow | undefined, number: number, result: number, regs: PtRegs): void {
    const begun = this.begun.get(task);
    this.begun.delete(task);
    const args = begun?.args ?? task.calls.arguments.map((register) => (task.abi.word === 8 ? regs.get(register) : regs.lo(register)));
    const name = row?.name ?? `syscall_0x${number.toString(16)}`;
    if (this.line !== undefined) {
      const kinds = row?.kinds ?? args.map(() => "ptr");
      const texts = kinds.map((kind, index) => begun?.texts?.[index] ?? this.print(task, kind, args, index, result));
      this.say(`${name}(${joined(texts)})`, this.printResult(row, result));
    }
    this.onSyscall?.({ pid: task.pid, number, abi: abiName(task), name, args, result });
  }

  /** The execve that started the first program, which no guest instruction made; the environment is where it put it. */
  spawned(task: Task, path: string, argv: readonly string[], envp: readonly string[]): void {
    const compat = task.regs.cs === __USER32_CS;
    const envAddress = task.regs.sp + (Math.max(1, argv.length) + 2) * (compat ? 4 : 8);
    const text = `execve(${quote(path, Infinity)}, [${argv.map((arg) => quote(arg)).join(", ")}], ${environment(envp.length, pointer(envAddress))})`;
    if (this.line !== undefined) this.say(text, "0");
    if (compat) this.line?.(`[ Process PID=${task.pid} runs in 32 bit mode. ]`);
    this.onSyscall?.({ pid: task.pid, number: 59, abi: "x86-64", name: "execve", args: [], result: 0 });
  }

  exited(task: Task): void {
    const begun = this.begun.get(task);
    this.begun.delete(task);
    if (begun !== undefined) {
      const texts = begun.texts ?? [];
      if (this.line !== undefined) this.say(`${begun.row.name}(${joined(texts.map((text) => text ?? "..."))})`, "?");
      this.onSyscall?.({ pid: task.pid, number: begun.row.number, abi: abiName(task), name: begun.row.name, args: begun.args, result: null });
    }
    if (task.exitSignal !== 0) this.line?.(`+++ killed by ${signalName(task.exitSignal)} +++`);
    else this.line?.(`+++ exited with ${task.exitCode} +++`);
  }

  signal(_task: Task, info: SignalInfo): void {
    if (this.line === undefined) return;
    const name = signalName(info.signal);
    let text = `{si_signo=${name}, si_code=${codeName(info)}`;
    if (info.address !== undefined && info.code > 0 && info.code !== SI_KERNEL) text += `, si_addr=${pointer(info.address)}`;
    if (info.code === SI_TIMER) text += `, si_timerid=${info.timer}, si_overrun=${info.overrun}, si_value={int=${valueInt(info)}, ptr=${valuePointer(info)}}`;
    if (info.pid !== undefined) text += `, si_pid=${info.pid}, si_uid=${info.uid ?? 0}`;
    if (info.code === SI_QUEUE) text += `, si_value={int=${valueInt(info)}, ptr=${valuePointer(info)}}`;
    this.line(`--- ${name} ${text}} ---`);
  }

  /** strace pads a call to column 40. */
  private say(call: string, result: string): void {
    this.line!(`${call.padEnd(39)} = ${result}`);
  }

  private printResult(row: SyscallRow | undefined, result: number): string {
    if (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK) return `? ${errnoName(-result)} (${errnoMessage(-result)})`;
    if (result < 0 && result >= -4095) return `-1 ${errnoName(-result)} (${errnoMessage(-result)})`;
    switch (row?.resultKind) {
      case "ptr":
      case "hex":
        return `0x${result.toString(16)}`;
      case "mode":
        return octal(result);
      case "sched":
        return `${result} (${this.names.enumerated("sched", result)})`;
    }
    return String(result);
  }

  /** One argument by its kind. `result` is only meaningful for kinds that come out. */
  private print(task: Task, kind: string, args: readonly Argument[], index: number, result: number): string {
    const raw = args[index]!;
    if (typeof raw === "bigint") return `0x${raw.toString(16)}`;
    const [base, second = "", third = ""] = kind.split(/[:?]/) as [string, string?, string?];
    const value = raw;
    switch (base) {
      case "dirfd":
        return value === AT_FDCWD ? "AT_FDCWD" : String(value);
      case "uid":
        return String(value | 0);
      case "hex32":
      case "hexoff":
        return value === 0 ? "0" : `0x${value.toString(16)}`;
      case "dev":
        return `makedev(0x${((value >>> 8) & 0xfff).toString(16)}, 0x${((value & 0xff) | ((value >>> 12) & 0xfff00)).toString(16)})`;
      case "mode":
        if (second !== "" && (Number(args[Number(second)]) & (O_CREAT | __O_TMPFILE)) === 0) return "";
        return octal(value);
      case "sig":
        return value === 0 ? "0" : signalName(value);
      case "flags":
        return this.names.flags(second, value);
      case "enum":
        return second === "futex" ? this.names.futexOperation(value) : this.names.enumerated(second, value);
      case "ptr":
        // ptr?N:BIT: looked at only if argument N has that bit.
        if (second !== "" && (Number(args[Number(second)]) & Number(third)) === 0) return "";
        return pointer(value);
      case "path":
      case "str":
        return this.string(task, value, second === "" ? undefined : Number(args[Number(second)]));
      case "cstr":
        return result < 0 ? pointer(value) : this.string(task, value);
      case "buf":
        return this.buffer(task, value, second === "out" ? result : Number(args[Number(third)]));
      case "random":
        return this.randomBytes(task, value, result);
      case "iov":
        return this.iovec(task, value, Number(args[Number(third || "2")]), second === "out" ? result : Infinity);
      case "strv":
        return this.stringArray(task, value);
      case "env":
        return value === 0 ? "NULL" : environment(this.countPointers(task, value), pointer(value));
      case "struct":
        return third === "out" && result < 0 ? pointer(value) : this.struct(task, second, third, value);
      case "sigset":
        return second === "out" && result < 0 ? pointer(value) : this.signalSet(task, value);
      case "sigaction":
        return second === "out" && result < 0 ? pointer(value) : this.signalAction(task, value);
      case "oldsigaction":
        return second === "out" && result < 0 ? pointer(value) : this.oldSignalAction(task, value);
      case "oldsigset":
        return second === "out" && result < 0 ? pointer(value) : this.oldSignalSet(task, value);
      case "u32ptr":
        return result < 0 ? pointer(value) : this.words(task, value, 1, "[");
      case "fds":
        return result < 0 ? pointer(value) : this.words(task, value, 2, "[");
      case "uids":
        return result < 0 ? pointer(value) : this.words(task, value, second === "in" ? Number(args[0]) : Math.min(result, Number(args[0])), "[");
      case "cpuset":
        return result < 0 ? pointer(value) : "[0]";
      case "pollfd":
        return this.pollFds(task, value, Number(args[Number(second)]));
      case "times":
        return this.timespecPair(task, value);
      case "fcntlarg":
        return this.fcntlArgument(value, Number(args[Number(second)]));
    }
    return String(value);
  }

  // --- user memory, read without disturbing it

  /** Up to `length` bytes at `address`, as far as they are mapped. */
  private peek(task: Task, address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const at = address + done;
      const chunk = Math.min(PAGE_SIZE - (at % PAGE_SIZE), length - done);
      const page = this.peekPage(task, at, chunk);
      if (page === null) return bytes.subarray(0, done);
      bytes.set(page, done);
      done += chunk;
    }
    return bytes;
  }

  /** Within one page: resident, or still in the file that backs it. */
  private peekPage(task: Task, address: number, length: number): Uint8Array | null {
    const { mm, kernel } = task;
    const page = mm.addressSpace.walk(address);
    if (page !== undefined) return page.prot === 0 ? null : kernel.machine.phys.read(page.pa + (address % PAGE_SIZE), length);
    const vma = mm.vmas.at(address);
    if (vma === undefined || vma.prot === 0) return null;
    if (vma.backing?.file == null) return new Uint8Array(length);
    const bytes = vma.backing.file.readAt(vma.offset + (address - vma.start), length);
    if (bytes.length === length) return bytes;
    const padded = new Uint8Array(length);
    padded.set(bytes);
    return padded;
  }

  private view(task: Task, address: number, length: number): DataView | null {
    if (address === 0) return null;
    const bytes = this.peek(task, address, length);
    return bytes.length < length ? null : new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  private read<Name extends string>(task: Task, struct: Struct<Name>, address: number): Record<Name, number> | null {
    const view = this.view(task, address, struct.size(task.abi));
    return view === null ? null : struct.decode(task.abi, view);
  }

  /** A pointer or size_t of the call's ABI. */
  private word(task: Task, address: number): number | null {
    const { word } = task.abi;
    const view = this.view(task, address, word);
    return view === null ? null : word === 8 ? u64(view, 0) : view.getUint32(0, true);
  }

  private string(task: Task, address: number, length?: number): string {
    if (address === 0) return "NULL";
    const bytes = this.peek(task, address, length === undefined ? 4096 : Math.min(Math.max(length, 0), STRING_MAX + 1));
    const zero = length === undefined ? bytes.indexOf(0) : -1;
    if (bytes.length === 0 && length !== 0) return pointer(address);
    // A path is never cut, as in strace.
    return length === undefined ? quote(text(zero < 0 ? bytes : bytes.subarray(0, zero)), Infinity) : quote(text(bytes));
  }

  private buffer(task: Task, address: number, length: number): string {
    if (address === 0) return "NULL";
    if (length < 0) return pointer(address);
    if (length === 0) return '""';
    const bytes = this.peek(task, address, Math.min(length, STRING_MAX + 1));
    if (bytes.length === 0) return pointer(address);
    return quote(text(bytes.subarray(0, STRING_MAX)), STRING_MAX, length > STRING_MAX);
  }

  /** strace shows random bytes in hexadecimal. */
  private randomBytes(task: Task, address: number, length: number): string {
    const bytes = length < 0 ? new Uint8Array(0) : this.peek(task, address, Math.min(length, STRING_MAX));
    if (bytes.length === 0) return pointer(address);
    return `"${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"${length > STRING_MAX ? "..." : ""}`;
  }

  private iovec(task: Task, address: number, count: number, bytesMoved: number): string {
    if (count < 0 || count > 1024) return pointer(address);
    if (bytesMoved < 0) return pointer(address);
    const parts: string[] = [];
    let left = bytesMoved;
    for (let i = 0; i < Math.min(count, LIST_MAX); i++) {
      const entry = this.read(task, IOVEC, address + i * IOVEC.size(task.abi));
      if (entry === null) return i === 0 ? pointer(address) : `[${parts.join(", ")}, ...]`;
      const { base, len: length } = entry;
      const shown = Math.min(length, left);
      parts.push(`{iov_base=${this.buffer(task, base, shown)}, iov_len=${length}}`);
      left -= shown;
    }
    return `[${parts.join(", ")}${count > LIST_MAX ? ", ..." : ""}]`;
  }

  private countPointers(task: Task, address: number): number {
    let count = 0;
    for (; count < 100_000; count++) if (!this.word(task, address + count * task.abi.word)) break;
    return count;
  }

  private stringArray(task: Task, address: number): string {
    if (address === 0) return "NULL";
    const parts: string[] = [];
    for (let i = 0; ; i++) {
      const pointerTo = this.word(task, address + i * task.abi.word);
      if (pointerTo === null) return pointer(address);
      if (pointerTo === 0) break;
      if (i === LIST_MAX) {
        parts.push("...");
        break;
      }
      const bytes = this.peek(task, pointerTo, STRING_MAX + 2);
      const zero = bytes.indexOf(0);
      parts.push(quote(text(zero < 0 ? bytes.subarray(0, STRING_MAX) : bytes.subarray(0, zero)), STRING_MAX, zero < 0));
    }
    return `[${parts.join(", ")}]`;
  }

  private words(task: Task, address: number, count: number, bracket: "[" | "{"): string {
    if (address === 0) return "NULL";
    const list = this.view(task, address, Math.min(count, LIST_MAX) * 4);
    if (list === null) return pointer(address);
    const numbers = Array.from({ length: Math.min(count, LIST_MAX) }, (_, i) => list.getInt32(i * 4, true));
    return `${bracket}${numbers.join(", ")}${bracket === "[" ? "]" : "}"}`;
  }

  private pollFds(task: Task, address: number, count: number): string {
    const list = this.view(task, address, Math.min(count, LIST_MAX) * 8);
    if (list === null) return pointer(address);
    const events = ["POLLIN", "POLLPRI", "POLLOUT", "POLLERR", "POLLHUP", "POLLNVAL"];
    const entries = Array.from({ length: Math.min(count, LIST_MAX) }, (_, i) => {
      const mask = list.getUint16(i * 8 + 4, true);
      return `{fd=${list.getInt32(i * 8, true)}, events=${events.filter((_name, bit) => mask & (1 << bit)).join("|") || "0"}}`;
    });
    return `[${entries.join(", ")}]`;
  }

  private signalSet(task: Task, address: number): string {
    if (address === 0) return "NULL";
    const set = this.view(task, address, 8);
    return set === null ? pointer(address) : signalSetText(set.getBigUint64(0, true));
  }

  private oldSignalSet(task: Task, address: number): string {
    if (address === 0) return "NULL";
    const set = this.view(task, address, 4);
    return set === null ? pointer(address) : signalSetText(BigInt(set.getUint32(0, true)));
  }

  private signalAction(task: Task, address: number): string {
    if (address === 0) return "NULL";
    const size = SIGACTION.size(task.abi);
    const action = this.read(task, SIGACTION, address);
    const mask = this.view(task, address + size - 8, 8);
    if (action === null || mask === null) return pointer(address);
    return this.signalActionText(action.handler, mask.getBigUint64(0, true), action.flags % 0x1_0000_0000, action.restorer);
  }

  /** i386's first sigaction, of 32 signals. */
  private oldSignalAction(task: Task, address: number): string {
    if (address === 0) return "NULL";
    const action = this.read(task, OLD_SIGACTION, address);
    return action === null ? pointer(address) : this.signalActionText(action.handler, BigInt(action.mask), action.flags, action.restorer);
  }

  private signalActionText(handler: number, mask: bigint, flags: number, restorerAddress: number): string {
    const name = handler === 0 ? "SIG_DFL" : handler === 1 ? "SIG_IGN" : pointer(handler);
    const restorer = flags & SA_RESTORER ? `, sa_restorer=${pointer(restorerAddress)}` : "";
    return `{sa_handler=${name}, sa_mask=${signalSetText(mask)}, sa_flags=${this.names.flags("sa", flags)}${restorer}}`;
  }

  private timespecPair(task: Task, address: number): string {
    const pair = [0, 1].map((index) => this.read(task, TIMESPEC, address + index * TIMESPEC.size(task.abi)));
    return pair.includes(null) ? pointer(address) : `[${pair.map((time) => timespecText(time!.tv_sec, time!.tv_nsec)).join(", ")}]`;
  }

  private fcntlArgument(value: number, command: number): string {
    if (command === 1 || command === 3) return ""; // F_GETFD, F_GETFL
    if (command === 2) return value === 1 ? "FD_CLOEXEC" : String(value);
    if (command === 4) return this.names.flags("open", value);
    return command === 0 || command === 1030 ? String(value) : pointer(value);
  }

  private struct(task: Task, name: string, direction: string, address: number): string {
    if (address === 0) return "NULL";
    if (name === "utsname") return this.utsname(task, address);
    const known = structPrinters[name];
    if (known === undefined || direction === "none") return pointer(address);
    return this.structText(task, known, address) ?? pointer(address);
  }

  /** Six fields of 65 bytes. */
  private utsname(task: Task, address: number): string {
    const view = this.view(task, address, 390);
    return view === null ? pointer(address) : `{sysname=${quote(field(view, 0, 65))}, nodename=${quote(field(view, 65, 65))}, ...}`;
  }

  private structText(task: Task, printer: StructPrinter, address: number): string | null {
    const values = this.read(task, printer.struct, address);
    return values === null ? null : printer.print(values, task.abi.word);
  }
}

interface StructPrinter {
  struct: Struct<string>;
  /** @param word bytes of long in the call's ABI */
  print(values: Record<string, number>, word: number): string;
}

function printer<Name extends string>(struct: Struct<Name>, print: (values: Record<Name, number>, word: number) => string): StructPrinter {
  return { struct, print };
}

/** The fields that strace shows without -v. */
const structPrinters: Readonly<Record<string, StructPrinter>> = {
  timespec: printer(TIMESPEC, (v) => timespecText(v.tv_sec, v.tv_nsec)),
  timeval: printer(TIMEVAL, (v) => timevalText(v.tv_sec, v.tv_usec)),
  itimerspec: printer(
    ITIMERSPEC, (v) => `{it_interval=${timespecText(v.interval_sec, v.interval_nsec)}, it_value=${timespecText(v.value_sec, v.value_nsec)}}`,
  ),
  itimerval: printer(
    ITIMERVAL, (v) => `{it_interval=${timevalText(v.interval_sec, v.interval_usec)}, it_value=${timevalText(v.value_sec, v.value_usec)}}`,
  ),
  stat: printer(STAT, statText),
  stat64: printer(STAT64, statText),
  statfs: printer(STATFS, statfsText),
  statfs64: printer(STATFS64, statfsText),
  statx: printer(STATX, (v) => `{stx_mask=0x${v.stx_mask.toString(16)}, stx_mode=${modeText(v.stx_mode)}, stx_size=${v.stx_size}, ...}`),
  rlimit: printer(RLIMIT, limitsText),
  rlimit64: printer(RLIMIT64, (v) => limitsText(v, 8)),
  rusage: printer(
    RUSAGE, (v) => `{ru_utime=${timevalText(v.utime_sec, v.utime_usec)}, ru_stime=${timevalText(v.stime_sec, v.stime_usec)}, ...}`,
  ),
  sysinfo: printer(SYSINFO, (v) => `{uptime=${v.uptime}, totalram=${v.totalram}, freeram=${v.freeram}, ...}`),
  tms: printer(
    TMS, (v) => `{tms_utime=${v.tms_utime}, tms_stime=${v.tms_stime}, tms_cutime=${v.tms_cutime}, tms_cstime=${v.tms_cstime}}`,
  ),
  stack_t: printer(
    STACK_T, (v) => `{ss_sp=${pointer(v.ss_sp)}, ss_flags=${v.ss_flags === 2 ? "SS_DISABLE" : v.ss_flags}, ss_size=${v.ss_size}}`,
  ),
  user_desc: printer(USER_DESC, userDescText),
};

function statText({ st_mode, st_rdev, st_size }: Record<"st_mode" | "st_rdev" | "st_size", number>): string {
  const type = st_mode & 0o170000;
  const device = type === 0o020000 || type === 0o060000;
  const last = device ? `st_rdev=makedev(0x${((st_rdev >>> 8) & 0xfff).toString(16)}, 0x${(st_rdev & 0xff).toString(16)})` : `st_size=${st_size}`;
  return `{st_mode=${modeText(st_mode)}, ${last}, ...}`;
}

function statfsText(v: Record<"f_type" | "f_bsize" | "f_blocks" | "f_bfree", number>): string {
  return `{f_type=0x${v.f_type.toString(16)}, f_bsize=${v.f_bsize}, f_blocks=${v.f_blocks}, f_bfree=${v.f_bfree}, ...}`;
}

function userDescText({ entry_number, base_addr, limit, flags }: Record<"entry_number" | "base_addr" | "limit" | "flags", number>): string {
  const bits = USER_DESC_FLAGS.map(([name, shift, mask]) => `${name}=${(flags >>> shift) & mask}`).join(", ");
  return `{entry_number=${entry_number | 0}, base_addr=0x${base_addr.toString(16)}, limit=0x${limit.toString(16).padStart(6, "0")}, ${bits}}`;
}

const fileTypes: Readonly<Record<number, string>> = {
  0o140000: "S_IFSOCK", 0o120000: "S_IFLNK", 0o100000: "S_IFREG", 0o060000: "S_IFBLK", 0o040000: "S_IFDIR", 0o020000: "S_IFCHR", 0o010000: "S_IFIFO",
};

function modeText(mode: number): string {
  const type = fileTypes[mode & 0o170000];
  return type === undefined ? octal(mode) : `${type}|${octal(mode & 0o7777)}`;
}

function limitsText({ rlim_cur, rlim_max }: Record<"rlim_cur" | "rlim_max", number>, bytes: number): string {
  return `{rlim_cur=${limitText(rlim_cur, bytes)}, rlim_max=${limitText(rlim_max, bytes)}}`;
}

/** @param bytes of the field: RLIM_INFINITY is all ones in it */
function limitText(value: number, bytes: number): string {
  if (bytes === 4 && value === 0xffffffff) return "RLIM_INFINITY";
  if (value >= RLIM_INFINITY) return "RLIM64_INFINITY";
  return value > 1024 && value % 1024 === 0 ? `${value / 1024}*1024` : String(value);
}

function timespecText(sec: number, nsec: number): string {
  return `{tv_sec=${sec}, tv_nsec=${nsec}}`;
}

function timevalText(sec: number, usec: number): string {
  return `{tv_sec=${sec}, tv_usec=${usec}}`;
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

function field(view: DataView, at: number, length: number): string {
  let value = "";
  for (let i = at; i < at + length; i++) {
    const byte = view.getUint8(i);
    if (byte === 0) break;
    value += String.fromCharCode(byte);
  }
  return value;
}

function pointer(value: number): string {
  if (value < 0) return `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
  return value === 0 ? "NULL" : `0x${value.toString(16)}`;
}

function valueInt({ value = 0n }: SignalInfo): number {
  return Number(BigInt.asIntN(32, value));
}

function valuePointer({ value = 0n }: SignalInfo): string {
  return value === 0n ? "NULL" : `0x${BigInt.asUintN(64, value).toString(16)}`;
}

function abiName({ abi }: Task): "x86-64" | "i386" {
  return abi.word === 8 ? "x86-64" : "i386";
}

/** An argument that the call does not look at is printed as "", and left out. */
function joined(texts: readonly string[]): string {
  return texts.filter((text) => text !== "").join(", ");
}

function octal(value: number): string {
  return value === 0 ? "000" : `0${value.toString(8)}`;
}

function text(bytes: Uint8Array): string {
  let value = "";
  for (const byte of bytes) value += String.fromCharCode(byte);
  return value;
}

function environment(count: number, at: string): string {
  return `${at} /* ${count} var${count === 1 ? "" : "s"} */`;
}

const escapes: Readonly<Record<string, string>> = {
  "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\",
};

/** A C string literal of at most `max` bytes; more are "...". Unprintable bytes are octal, short where no digit follows. */
function quote(value: string, max = STRING_MAX, more = value.length > max): string {
  const cut = value.slice(0, max);
  let out = "";
  for (let i = 0; i < cut.length; i++) {
    const char = cut[i]!;
    const code = char.charCodeAt(0);
    if (escapes[char] !== undefined) out += escapes[char];
    else if (code >= 0x20 && code < 0x7f) out += char;
    else out += /[0-7]/.test(cut[i + 1] ?? "") ? `\\${code.toString(8).padStart(3, "0")}` : `\\${code.toString(8)}`;
  }
  return `"${out}"${more ? "..." : ""}`;
}

/** "[INT TERM]"; a nearly full set is printed by what it lacks: "~[KILL STOP]". */
function signalSetText(set: bigint): string {
  const all = Array.from({ length: 64 }, (_, i) => i + 1);
  const members = all.filter((signal) => (set >> BigInt(signal - 1)) & 1n);
  const short = (signals: number[]): string => `[${signals.map((signal) => signalName(signal).replace(/^SIG/, "")).join(" ")}]`;
  return members.length > 32 ? `~${short(all.filter((signal) => !members.includes(signal)))}` : short(members);
}

function codeName({ signal, code }: SignalInfo): string {
  if (code === SI_USER) return "SI_USER";
  if (code === SI_KERNEL) return "SI_KERNEL";
  if (code === SI_TKILL) return "SI_TKILL";
  if (code === SI_QUEUE) return "SI_QUEUE";
  if (code === SI_TIMER) return "SI_TIMER";
  const names: Readonly<Record<string, readonly string[]>> = {
    SIGSEGV: ["SEGV_MAPERR", "SEGV_ACCERR"], SIGBUS: ["BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR"],
    SIGILL: ["ILL_ILLOPC", "ILL_ILLOPN"], SIGTRAP: ["TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT"],
    SIGFPE: ["FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND", "FPE_FLTRES", "FPE_FLTINV"],
  };
  return names[signalName(signal)]?.[code - 1] ?? String(code);
}

function isOut(kind: string): boolean {
  return /:(out)(:|$)/.test(kind) || kind.startsWith("cstr") || kind.startsWith("cpuset") || kind.startsWith("fds") || kind === "random" || kind.startsWith("u32ptr");
}

