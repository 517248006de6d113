// What --strace prints and onSyscall hears: each call with its arguments by kind, its result and errno, in strace's manner.
// Entered from entry-common.ts before and after the handler. Arguments that go in are read before, those that come out
// after; reading never brings in a page, so watching changes nothing of the run.

import { type PtRegs, PT_DI, PT_DX, PT_R10, PT_R8, PT_R9, PT_SI } from "../ring0/pt-regs";
import { ERESTARTSYS, ERESTART_RESTARTBLOCK, errnoMessage, errnoName } from "./errno";
import { RLIM_INFINITY } from "./limits";
import type { SignalInfo } from "./siginfo";
import type { SyscallRow } from "./syscall-table";
import type { Task } from "./task";
import { AT_FDCWD, O_CREAT, __O_TMPFILE } from "./uapi-fcntl";
import { PAGE_SIZE } from "./uapi-mman";
import { NameTables } from "./uapi-names";
import { SA_RESTORER, SI_KERNEL, SI_QUEUE, SI_TIMER, SI_TKILL, SI_USER, signalName } from "./uapi-signal";

/** What onSyscall hears of a call when it has ended. */
export interface SyscallEvent {
  pid: number;
  number: number;
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
    const args = begun?.args ?? [PT_DI, PT_SI, PT_DX, PT_R10, PT_R8, PT_R9].map((register) => regs.get(register));
    const name = row?.name ?? `syscall_0x${number.toString(16)}`;
    if (this.line !== undefined) {
      const kinds = row?.kinds ?? args.map(() => "ptr");
      const texts = kinds.map((kind, index) => begun?.texts?.[index] ?? this.print(task, kind, args, index, result));
      this.say(`${name}(${joined(texts)})`, this.printResult(row, result));
    }
    this.onSyscall?.({ pid: task.pid, number, name, args, result });
  }

  /** The execve that started the first program, which no guest instruction made; the environment is where it put it. */
  spawned(task: Task, path: string, argv: readonly string[], envp: readonly string[]): void {
    const envAddress = task.regs.sp + 8 + Math.max(1, argv.length) * 8 + 8;
    const text = `execve(${quote(path, Infinity)}, [${argv.map((arg) => quote(arg)).join(", ")}], ${environment(envp.length, pointer(envAddress))})`;
    if (this.line !== undefined) this.say(text, "0");
    this.onSyscall?.({ pid: task.pid, number: 59, name: "execve", args: [], result: 0 });
  }

  exited(task: Task): void {
    const begun = this.begun.get(task);
    this.begun.delete(task);
    if (begun !== undefined) {
      const texts = begun.texts ?? [];
      if (this.line !== undefined) this.say(`${begun.row.name}(${joined(texts.map((text) => text ?? "..."))})`, "?");
      this.onSyscall?.({ pid: task.pid, number: begun.row.number, name: begun.row.name, args: begun.args, result: null });
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
      const entry = this.view(task, address + i * 16, 16);
      if (entry === null) return i === 0 ? pointer(address) : `[${parts.join(", ")}, ...]`;
      const base = u64(entry, 0);
      const length = u64(entry, 8);
      const shown = Math.min(length, left);
      parts.push(`{iov_base=${this.buffer(task, base, shown)}, iov_len=${length}}`);
      left -= shown;
    }
    return `[${parts.join(", ")}${count > LIST_MAX ? ", ..." : ""}]`;
  }

  private countPointers(task: Task, address: number): number {
    let count = 0;
    for (; count < 100_000; count++) {
      const entry = this.view(task, address + count * 8, 8);
      if (entry === null || u64(entry, 0) === 0) break;
    }
    return count;
  }

  private stringArray(task: Task, address: number): string {
    if (address === 0) return "NULL";
    const parts: string[] = [];
    for (let i = 0; ; i++) {
      const entry = this.view(task, address + i * 8, 8);
      if (entry === null) return pointer(address);
      const pointerTo = u64(entry, 0);
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

  private signalAction(task: Task, address: number): string {
    if (address === 0) return "NULL";
    const action = this.view(task, address, 32);
    if (action === null) return pointer(address);
    const handler = u64(action, 0);
    const flags = action.getUint32(8, true);
    const name = handler === 0 ? "SIG_DFL" : handler === 1 ? "SIG_IGN" : pointer(handler);
    const restorer = flags & SA_RESTORER ? `, sa_restorer=${pointer(u64(action, 16))}` : "";
    return `{sa_handler=${name}, sa_mask=${signalSetText(action.getBigUint64(24, true))}, sa_flags=${this.names.flags("sa", flags)}${restorer}}`;
  }

  private timespecPair(task: Task, address: number): string {
    const pair = this.view(task, address, 32);
    if (pair === null) return pointer(address);
    return `[${[0, 16].map((at) => `{tv_sec=${i64(pair, at)}, tv_nsec=${i64(pair, at + 8)}}`).join(", ")}]`;
  }

  private fcntlArgument(value: number, command: number): string {
    if (command === 1 || command === 3) return ""; // F_GETFD, F_GETFL
    if (command === 2) return value === 1 ? "FD_CLOEXEC" : String(value);
    if (command === 4) return this.names.flags("open", value);
    return command === 0 || command === 1030 ? String(value) : pointer(value);
  }

  private struct(task: Task, name: string, direction: string, address: number): string {
    if (address === 0) return "NULL";
    const printer = structPrinters[name];
    if (printer === undefined || direction === "none" || direction === "futex") {
      return direction === "futex" && printer !== undefined ? (this.structText(task, printer, address) ?? pointer(address)) : pointer(address);
    }
    return this.structText(task, printer, address) ?? pointer(address);
  }

  private structText(task: Task, printer: StructPrinter, address: number): string | null {
    const view = this.view(task, address, printer.size);
    return view === null ? null : printer.print(view);
  }
}

interface StructPrinter {
  size: number;
  print(view: DataView): string;
}

/** The fields that strace shows without -v. */
const structPrinters: Readonly<Record<string, StructPrinter>> = {
  timespec: { size: 16, print: (v) => `{tv_sec=${i64(v, 0)}, tv_nsec=${i64(v, 8)}}` },
  timeval: { size: 16, print: (v) => timeval(v, 0) },
  itimerspec: {
    size: 32,
    print: (v) => `{it_interval={tv_sec=${i64(v, 0)}, tv_nsec=${i64(v, 8)}}, it_value={tv_sec=${i64(v, 16)}, tv_nsec=${i64(v, 24)}}}`,
  },
  itimerval: { size: 32, print: (v) => `{it_interval=${timeval(v, 0)}, it_value=${timeval(v, 16)}}` },
  stat: { size: 144, print: statText },
  statfs: {
    size: 120,
    print: (v) => `{f_type=0x${u64(v, 0).toString(16)}, f_bsize=${u64(v, 8)}, f_blocks=${u64(v, 16)}, f_bfree=${u64(v, 24)}, ...}`,
  },
  statx: {
    size: 256,
    print: (v) => `{stx_mask=0x${v.getUint32(0, true).toString(16)}, stx_mode=${modeText(v.getUint16(28, true))}, stx_size=${u64(v, 40)}, ...}`,
  },
  utsname: { size: 390, print: (v) => `{sysname=${quote(field(v, 0, 65))}, nodename=${quote(field(v, 65, 65))}, ...}` },
  rlimit: { size: 16, print: (v) => `{rlim_cur=${limitText(u64(v, 0))}, rlim_max=${limitText(u64(v, 8))}}` },
  rusage: { size: 144, print: (v) => `{ru_utime=${timeval(v, 0)}, ru_stime=${timeval(v, 16)}, ...}` },
  sysinfo: { size: 112, print: (v) => `{uptime=${u64(v, 0)}, totalram=${u64(v, 32)}, freeram=${u64(v, 40)}, ...}` },
  tms: { size: 32, print: (v) => `{tms_utime=${u64(v, 0)}, tms_stime=${u64(v, 8)}, tms_cutime=${u64(v, 16)}, tms_cstime=${u64(v, 24)}}` },
  stack_t: {
    size: 24,
    print: (v) => {
      const flags = v.getUint32(8, true);
      return `{ss_sp=${pointer(u64(v, 0))}, ss_flags=${flags === 2 ? "SS_DISABLE" : flags}, ss_size=${u64(v, 16)}}`;
    },
  },
};

function statText(view: DataView): string {
  const mode = view.getUint32(24, true);
  const type = mode & 0o170000;
  const rdev = u64(view, 40);
  const device = type === 0o020000 || type === 0o060000;
  const last = device
    ? `st_rdev=makedev(0x${((rdev >>> 8) & 0xfff).toString(16)}, 0x${(rdev & 0xff).toString(16)})`
    : `st_size=${u64(view, 48)}`;
  return `{st_mode=${modeText(mode)}, ${last}, ...}`;
}

const fileTypes: Readonly<Record<number, string>> = {
  0o140000: "S_IFSOCK", 0o120000: "S_IFLNK", 0o100000: "S_IFREG", 0o060000: "S_IFBLK", 0o040000: "S_IFDIR", 0o020000: "S_IFCHR", 0o010000: "S_IFIFO",
};

function modeText(mode: number): string {
  const type = fileTypes[mode & 0o170000];
  return type === undefined ? octal(mode) : `${type}|${octal(mode & 0o7777)}`;
}

function limitText(value: number): string {
  if (value >= RLIM_INFINITY) return "RLIM64_INFINITY";
  return value > 1024 && value % 1024 === 0 ? `${value / 1024}*1024` : String(value);
}

function timeval(view: DataView, at: number): string {
  return `{tv_sec=${i64(view, at)}, tv_usec=${i64(view, at + 8)}}`;
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}
function i64(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
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

