// Entry code with a mistake in it, for tests that must find it.

import { assemble } from "../../host/ring0/assemble.build";
import type { EntryOptions } from "../../host/ring0/calling.asm";
import { entryTextOf, type EntryText } from "../../host/ring0/entry-symbols";
import { entryTextFor } from "../../host/ring0/entry-text.asm";
import { KERNEL_TEXT } from "../../host/ring0/layout";

/** The entry text with one piece changed, between two labels. @throws Error if nothing is */
export function entryTextWith(o: EntryOptions, from: string, to: string, change: (text: string) => string): EntryText {
  const text = entryTextFor(o);
  const start = text.indexOf(`\n${from}:`) + 1;
  const end = text.indexOf(`\n${to}:`, start);
  const piece = text.slice(start, end);
  const changed = change(piece);
  if (start <= 0 || end <= start || changed === piece) throw new Error(`no mistake between ${from} and ${to}`);
  return entryTextOf({ base: KERNEL_TEXT, ...assemble("entry text with a mistake", text.slice(0, start) + changed + text.slice(end)) });
}

/** SYSRET that does not look whether RCX is canonical. */
export function withoutCanonicalCheck(o: EntryOptions): EntryText {
  return entryTextWith(o, "entry_SYSCALL_64_after_call", "syscall_return_via_sysret", (piece) =>
    piece.replace(/\n\s+shlq[^\n]*\n\s+sarq[^\n]*\n\s+cmpq[^\n]*\n\s+jne[^\n]*/, ""));
}
