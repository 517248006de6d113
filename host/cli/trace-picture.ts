// The picture that `ring3 trace` draws of one crossing, in 100 columns: an instruction a line with the ring it runs in, the page
// table and the stack that are live, and what it changed; a head wherever one of these switches; struct pt_regs as a box.
// Called from trace.ts.

import { type CrossingFrame, type CrossingState, type CrossingStep, type Door, doorNamed } from "../index";
import { flagChanges, hexAddress, type Change } from "./trace-changes";

const WIDTH = 100;
const TEXT_WIDTH = 30;
const LEFT_WIDTH = 3 + 1 + 6 + 1 + 6 + 1 + 16 + 1;
const CHANGE_WIDTH = WIDTH - LEFT_WIDTH - TEXT_WIDTH - 1;

/** Escape sequences, all empty when not on a terminal. */
interface Palette {
  head: string;
  label: string;
  ring3: string;
  ring0: string;
  changed: string;
  faint: string;
  off: string;
}

const COLOURS: Palette = {
  head: "\x1b[1;36m",
  label: "\x1b[1m",
  ring3: "\x1b[32m",
  ring0: "\x1b[31m",
  changed: "\x1b[33m",
  faint: "\x1b[2m",
  off: "\x1b[0m",
};
const PLAIN: Palette = { head: "", label: "", ring3: "", ring0: "", changed: "", faint: "", off: "" };

export class Picture {
  readonly #palette: Palette;
  readonly #print: (line: string) => void;
  #previous: CrossingState | undefined;
  readonly #door: Door;
  /** pt_regs->ip at the hypercall. */
  #ip: bigint | undefined;

  constructor(options: { colour: boolean; print: (line: string) => void; door?: Door }) {
    this.#door = options.door ?? doorNamed("syscall");
    this.#palette = options.colour ? COLOURS : PLAIN;
    this.#print = options.print;
  }

  title(commandLine: string): void {
    const { label, faint, off } = this.#palette;
    const command = commandLine.length > 60 ? `${commandLine.slice(0, 57)}...` : commandLine;
    const what = this.#door.name === "syscall" ? "One system call" : `One crossing by ${this.#door.title}`;
    this.#print(`${label}${what} of \`${command}\`: there and back${off}`);
    this.#print("");
    this.#print(`${faint}CPL CR3    stack  ${"address".padEnd(16)} ${"instruction".padEnd(TEXT_WIDTH)} what changed${off}`);
  }

  step(step: CrossingStep, text: string, found: Change[]): void {
    this.#switches(step.before);
    this.#label(step.before);
    const lines = wrapChanges(found);
    const { changed, off } = this.#palette;
    const tooLong = text.length > TEXT_WIDTH;
    const first = tooLong ? "" : (lines.shift() ?? "");
    this.#print(`${this.#left(step.before)}${text.padEnd(TEXT_WIDTH)}${first ? ` ${changed}${first}${off}` : ""}`.trimEnd());
    for (const line of lines) this.#print(`${" ".repeat(LEFT_WIDTH + TEXT_WIDTH)} ${changed}${line}${off}`);
    this.#previous = step.before;
  }

  /** struct pt_regs, highest address first as stacks are drawn. */
  frame(frame: CrossingFrame): void {
    this.#ip = frame.fields.find(({ name }) => name === "ip")!.value;
    this.head(`${this.#door.calls} is reached: struct pt_regs on ${this.#door.name === "timer" ? "the task's kernel stack, RSP on the IRQ stack" : "top of the task's kernel stack"}`);
    const { faint, off } = this.#palette;
    const edge = `${" ".repeat(19)}+----------+------------------+`;
    this.#print(edge);
    for (let i = frame.fields.length - 1; i >= 0; i--) {
      const { name, value } = frame.fields[i]!;
      const address = hexAddress(frame.address + 8 * i);
      const note = this.#door.notes[name];
      this.#print(
        `  ${faint}${address}${off} | ${name.padEnd(8)} | ${value.toString(16).padStart(16)} |${note ? `  ${faint}${note}${off}` : ""}`,
      );
    }
    this.#print(`${edge}  <- ${this.#door.name === "timer" ? "RDI" : "RSP, and RDI"}: the argument regs`);
  }

  /** Lines on what the handler did. */
  handler(lines: readonly string[]): void {
    this.#print("");
    for (const line of lines) this.#print(`  ${line}`);
  }

  /** The call did not come back: exit, or a signal. */
  noReturn(lines: readonly string[]): void {
    this.handler(lines);
    this.head("No way back: the program has ended");
  }

  wayBack(): void {
    this.head("The way back: pt_regs decides what the user's registers will be");
  }

  done(state: CrossingState, text: string): void {
    this.#switches(state);
    this.#print(`${this.#left(state)}${text || "(its page is not there yet: #PF comes next)"}`);
  }

  head(text: string): void {
    const { head, off } = this.#palette;
    this.#print("");
    this.#print(`${head}-- ${text} ${"-".repeat(Math.max(0, WIDTH - text.length - 4))}${off}`);
  }

  #left(state: CrossingState): string {
    const { ring3, ring0, faint, off } = this.#palette;
    const ring = state.cpl === 3 ? ring3 : ring0;
    return `${ring}${String(state.cpl).padStart(3)} ${state.cr3.padEnd(6)} ${state.stack.padEnd(6)}${off} ${faint}${hexAddress(state.address)}${off} `;
  }

  #label(state: CrossingState): void {
    const { label, off } = this.#palette;
    if (state.symbol !== undefined && !state.symbol.includes("+")) this.#print(`${label}${state.symbol}:${off}`);
  }

  #switches(state: CrossingState): void {
    const previous = this.#previous;
    if (!previous) return;
    if (previous.cpl === 3 && state.cpl === 0) {
      this.head(`Ring 0: ${this.#door.arrival}`.slice(0, WIDTH - 5));
    }
    if (previous.cpl === 0 && state.cpl === 3) {
      this.head(`Ring 3 again, ${BigInt(state.address) === this.#ip ? this.#door.back : "but elsewhere: the call has changed pt_regs->ip"}`);
    }
    if (previous.cr3 === "user" && state.cr3 === "kernel") this.head("The kernel's page table: all of the kernel is mapped");
    if (previous.cr3 === "kernel" && state.cr3 === "user") this.head("The user's page table: of the kernel only the way in and out is mapped");
    if (previous.stack !== state.stack) {
      if (state.stack === "kernel") this.head("The task's own kernel stack: struct pt_regs is built on it");
      if (state.stack === "entry") this.head("The entry stack (TSS.sp0): mapped in both page tables");
      if (state.stack === "user" && state.cpl === 0) this.head("The user's stack, still in ring 0: nothing may be pushed");
    }
  }
}

function hex(value: bigint): string {
  return value.toString(16);
}

/** `rsp -8` for small steps, `GS.base 0 -> ...` else. */
function describe(change: Change): string {
  const { name, old, new: now } = change;
  if (old === undefined) return `${name} = ${hex(now)}`;
  if (name === "rflags") return `rflags ${flagChanges(old, now)}`;
  if (name === "rsp" && now - old < 256n && old - now < 256n) return `rsp ${now > old ? "+" : "-"}${now > old ? now - old : old - now}`;
  return `${name} ${hex(old)} -> ${hex(now)}`;
}

/** A CR3 write under CR4.PCIDE also goes to another PCID, the low 12 bits. */
function pcidChange({ name, old, new: now }: Change): string[] {
  if (name !== "cr3" || old === undefined || ((old ^ now) & 0xfffn) === 0n) return [];
  return [`PCID ${hex(old & 0xfffn)} -> ${hex(now & 0xfffn)}`];
}

/** The changes of one instruction, as many as fit on each line. */
function wrapChanges(found: readonly Change[]): string[] {
  const lines: string[] = [];
  for (const text of found.flatMap((change) => [describe(change), ...pcidChange(change)])) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 2 + text.length <= CHANGE_WIDTH) lines[lines.length - 1] = `${last}, ${text}`;
    else if (text.length <= CHANGE_WIDTH) lines.push(text);
    else lines.push(...breakLong(text));
  }
  return lines;
}

/** A value too long for the column goes on behind its arrow or equals sign. */
function breakLong(text: string): string[] {
  const lines = [""];
  for (const piece of text.split(/ (?=->|= )/)) {
    const last = lines.at(-1)!;
    if (last === "") lines[lines.length - 1] = piece;
    else if (last.length + 1 + piece.length <= CHANGE_WIDTH) lines[lines.length - 1] = `${last} ${piece}`;
    else lines.push(`  ${piece}`);
  }
  return lines;
}
