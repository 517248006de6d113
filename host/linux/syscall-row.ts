// A row of a system-call table: number, name, argument kinds, handler. From the kinds follow which registers an argument takes and how
// it is converted, and what strace prints of it. The tables are syscall-table.ts (x86-64) and i386-syscall-table.ts.
//
// Argument kinds, as strace.ts prints them:
//   fd dirfd pid i32 sig enum:NAME                  32 bits, signed
//   u32 hex32 mode mode?N uid dev flags:NAME        32 bits, unsigned (mode?N: only if argument N has O_CREAT)
//   off i64 hexoff                                  a long, signed, as a number
//   off64                                           64 bits, signed: on i386 two registers, low half first
//   ptr size path str cstr strv env buf:DIR:N iov:DIR:N pollfd:N struct:NAME:DIR ...   addresses and lengths, as a number
//   DIR is in or out, N the argument that holds a length; "-> ptr" says how the result is printed.

import { type Abi, X86_64 } from "./abi";
import type { Task } from "./task";
import type { Block } from "./wait";

/** Arguments come converted by their kinds. Answers a result >= 0, -errno, or a Block. */
export type Handler = (task: Task, ...args: any[]) => number | Block;

export const CONVERT_ADDRESS = 0;
export const CONVERT_I32 = 1;
export const CONVERT_U32 = 2;
export const CONVERT_I64 = 3;
export const CONVERT_BIG = 4;
/** Two registers of 32 bits. */
export const CONVERT_PAIR = 5;

const i32Kinds = new Set(["fd", "dirfd", "pid", "i32", "sig", "enum"]);
const u32Kinds = new Set(["u32", "hex32", "mode", "uid", "dev", "flags"]);
const i64Kinds = new Set(["off", "i64", "hexoff", "off64"]);

function conversionOf(kind: string, abi: Abi): number {
  let end = 0;
  while (end < kind.length && kind[end] !== ":" && kind[end] !== "?") end++;
  const base = kind.slice(0, end);
  if (i32Kinds.has(base)) return CONVERT_I32;
  if (u32Kinds.has(base)) return CONVERT_U32;
  if (abi.word === 4) {
    if (base === "off64") return CONVERT_PAIR;
    return i64Kinds.has(base) ? CONVERT_I32 : CONVERT_U32;
  }
  if (i64Kinds.has(base)) return CONVERT_I64;
  return base === "u64" ? CONVERT_BIG : CONVERT_ADDRESS;
}

export class SyscallRow {
  private parsed: readonly string[] | undefined;
  private converted: Uint8Array | undefined;

  constructor(
    readonly number: number,
    readonly name: string,
    readonly signature: string,
    readonly handler: Handler | null,
    /** What of the call is not there, for the compatibility page. */
    readonly note: string,
    readonly abi: Abi = X86_64,
  ) {}

  // Both are made when first asked for: a short run makes a handful of calls.

  /** Argument kinds, in order. */
  get kinds(): readonly string[] {
    return (this.parsed ??= this.signature.split("->")[0]!.split(" ").filter((kind) => kind !== ""));
  }

  /** CONVERT_* of each argument. */
  get conversions(): Uint8Array {
    return (this.converted ??= Uint8Array.from(this.kinds, (kind) => conversionOf(kind, this.abi)));
  }

  /** How the result is printed: "ptr", "mode", "hex" or "" for decimal. */
  get resultKind(): string {
    return (this.signature.split("->")[1] ?? "").trim();
  }
}
