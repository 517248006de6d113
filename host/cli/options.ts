// The options of `ring3`: one table, from which parsing, types and help are made.
// Entered from main.ts with the words after the command. Knows nothing of what the options do.

/** A mistake in the command line: one line on stderr, exit status 2. */
export class UsageError extends Error {}

export type Command = "run" | "trace" | "inspect" | "maps" | "aslr" | "vdso" | "bench";

/**
 * What an option takes:
 *   flag      nothing; false when absent
 *   switch    `on` or `off`
 *   text      any word; undefined when absent
 *   list      any word, as often as it is given
 *   memory    MiB as a number, or with M or G behind it; the value is in MiB
 *   duration  seconds, or with s, ms or m behind it; the value is in milliseconds, undefined when absent
 *   seed      an unsigned 64-bit number, decimal or 0x...; undefined when absent
 *   count     a whole number from 1 up to a million
 *   clock     `host` or `virtual`
 *   vendor    `intel` or `amd`; undefined when absent
 *   point     `boot`, `entry`, `handler`, `exit` or `exception`
 *   vsyscall  `xonly`, `emulate` or `none`
 *   date      2024-02-29, 2024-02-29T12:30 or with seconds and zone (UTC without one), or @ and seconds since 1970; the value is in
 *             milliseconds since 1970, undefined when absent
 */
interface ValueOfKind {
  flag: boolean;
  switch: boolean;
  text: string | undefined;
  list: string[];
  memory: number;
  duration: number | undefined;
  seed: bigint | undefined;
  count: number;
  clock: "host" | "virtual";
  vendor: "intel" | "amd" | undefined;
  vsyscall: "xonly" | "emulate" | "none";
  point: "boot" | "entry" | "handler" | "exit" | "exception";
  date: number | undefined;
}
type Kind = keyof ValueOfKind;

interface OptionRow {
  name: string;
  kind: Kind;
  /** What the value is called in the help. */
  metavar?: string;
  default?: string;
  commands: readonly Command[];
  help: string;
}

const RUN: readonly Command[] = ["run"];
const TRACE: readonly Command[] = ["trace"];
/** All that load a program of the user's. */
const GUEST: readonly Command[] = ["run", "trace", "inspect", "maps", "bench"];
const SEEDED: readonly Command[] = ["run", "trace", "inspect", "maps", "aslr", "bench"];
const BENCH: readonly Command[] = ["bench"];

export const OPTIONS = [
  { name: "program", kind: "text", metavar: "FILE", commands: BENCH, help: "count the crossings of this program; its arguments come last" },
  { name: "folded", kind: "text", metavar: "FILE", commands: BENCH, help: "with --program: write folded stacks there, for flame graphs" },
  { name: "model", kind: "text", metavar: "NAME", default: "skylake", commands: BENCH, help: "whose cycles: broadwell, skylake, icelake, zen, zen2, zen3" },
  { name: "native", kind: "flag", commands: BENCH, help: "the same ELF file on this processor and under qemu-x86_64 too" },
  { name: "rounds", kind: "count", metavar: "N", default: "3", commands: BENCH, help: "time everything N times, in turn" },
  { name: "html", kind: "text", metavar: "FILE", commands: BENCH, help: "write a report with charts there" },
  { name: "csv", kind: "flag", commands: BENCH, help: "print comma-separated values" },
  { name: "md", kind: "flag", commands: BENCH, help: "print Markdown" },
  { name: "strace", kind: "flag", commands: RUN, help: "print each system call on stderr, with arguments and result" },
  { name: "syscall", kind: "text", metavar: "N|NAME", commands: TRACE, help: "trace this call's first crossing (default: the first call of all)" },
  { name: "door", kind: "text", metavar: "NAME", default: "syscall", commands: TRACE, help: "the way in: int80, sysenter, syscall32, timer, nmi, page_fault" },
  { name: "json", kind: "flag", commands: ["trace", "inspect", "bench"], help: "JSON, for programs to read; of trace one object a step" },
  { name: "at", kind: "point", metavar: "POINT", default: "entry", commands: ["inspect"], help: "when: boot, or entry, handler, exit of the first call, or exception" },
  { name: "env", kind: "list", metavar: "K=V", commands: GUEST, help: "set an environment variable of the guest; K alone passes ours on" },
  { name: "mount", kind: "list", metavar: "HOST:GUEST[:rw]", commands: GUEST, help: "show a host folder to the guest, read-only unless :rw" },
  { name: "root", kind: "text", metavar: "DIR", commands: GUEST, help: "a host folder as the guest's read-only root, / included" },
  { name: "cwd", kind: "text", metavar: "DIR", default: "/", commands: GUEST, help: "the guest's working directory" },
  { name: "memory", kind: "memory", metavar: "MIB", default: "256", commands: GUEST, help: "RAM of the machine; 512, 512M and 1G are understood" },
  { name: "timeout", kind: "duration", metavar: "SECONDS", commands: GUEST, help: "end the guest after this time, with exit status 124" },
  { name: "quiet", kind: "flag", commands: GUEST, help: "no notices of our own on stderr" },
  { name: "stats", kind: "flag", commands: RUN, help: "print instructions, crossings and time on stderr at the end" },
  { name: "seed", kind: "seed", metavar: "N", commands: SEEDED, help: "seed of ASLR and getrandom: the same seed, the same addresses" },
  { name: "no-aslr", kind: "flag", commands: SEEDED, help: "no address-space randomisation" },
  { name: "cpu", kind: "text", metavar: "NAME", default: "v2", commands: GUEST, help: "the processor's model; `help` lists them" },
  { name: "vendor", kind: "vendor", metavar: "intel|amd", commands: GUEST, help: "its maker, in behaviour and in CPUID, if not the model's own" },
  { name: "pti", kind: "switch", metavar: "on|off", default: "on", commands: GUEST, help: "page-table isolation: two CR3 values a crossing" },
  { name: "pcid", kind: "switch", metavar: "on|off", default: "on", commands: GUEST, help: "process-context identifiers: a CR3 write keeps the TLB" },
  { name: "smap", kind: "switch", metavar: "on|off", default: "on", commands: GUEST, help: "the kernel may not touch user pages unasked: CLAC at every door" },
  { name: "smep", kind: "switch", metavar: "on|off", default: "on", commands: GUEST, help: "the kernel may not execute user pages" },
  { name: "fsgsbase", kind: "switch", metavar: "on|off", default: "on", commands: GUEST, help: "programs may write FS and GS bases; if not, NMIs read an MSR" },
  { name: "vsyscall", kind: "vsyscall", metavar: "MODE", default: "xonly", commands: GUEST, help: "the page at ffffffffff600000: xonly, emulate (readable) or none" },
  { name: "clock", kind: "clock", metavar: "host|virtual", default: "host", commands: GUEST, help: "virtual: time is instructions executed, the same in each run" },
  { name: "date", kind: "date", metavar: "DATE", commands: GUEST, help: "the guest's date at its start: 2024-02-29T12:30, or @SECONDS" },
  { name: "runs", kind: "count", metavar: "N", default: "2", commands: ["maps"], help: "run it N times" },
  { name: "execs", kind: "count", metavar: "N", default: "4000", commands: ["aslr"], help: "programs to load" },
  { name: "svg", kind: "text", metavar: "FILE", commands: ["aslr"], help: "write the histograms as a picture too" },
  { name: "dump", kind: "text", metavar: "FILE", commands: ["vdso"], help: "write linux-vdso.so.1 there; - is standard output" },
] as const satisfies readonly OptionRow[];

type Row = (typeof OPTIONS)[number];
type ValueOf<R extends Row> = R extends { default: string } ? NonNullable<ValueOfKind[R["kind"]]> : ValueOfKind[R["kind"]];
export type Options = { [R in Row as R["name"]]: ValueOf<R> };

export interface ParsedLine {
  options: Options;
  /** `--help` or `-h` stood among the options. */
  help: boolean;
  /** The program's name and the guest's arguments: everything from the first word that is no option. */
  rest: string[];
}

const MEMORY_UNITS: Record<string, number> = { "": 1, m: 1, g: 1024 };
const DURATION_UNITS: Record<string, number> = { "": 1000, s: 1000, ms: 1, m: 60_000 };
/** What one linear memory of 4 GiB leaves for guest RAM (kernel/abi/layout.ts RAM_MAX), in whole MiB. */
export const MEMORY_MAX_MIB = 4031;
/** Room for the kernel's own tables and stacks and a small program. */
export const MEMORY_MIN_MIB = 4;

// Each answers the value, or throws UsageError with what the option wants.
const PARSERS: { [K in Kind]: (text: string, name: string) => unknown } = {
  flag: () => true,
  text: (text) => text,
  list: (text) => text,
  switch: (text, name) => {
    if (text !== "on" && text !== "off") throw new UsageError(`--${name} is on or off, not "${text}"`);
    return text === "on";
  },
  memory: (text, name) => {
    const match = /^(\d+)([mMgG]?)(?:i?[bB])?$/.exec(text);
    if (!match) throw new UsageError(`--${name} is a number of MiB, or one with M or G, not "${text}"`);
    const mebibytes = Number(match[1]) * MEMORY_UNITS[match[2]!.toLowerCase()]!;
    if (mebibytes < MEMORY_MIN_MIB || mebibytes > MEMORY_MAX_MIB) {
      throw new UsageError(`--${name} is from ${MEMORY_MIN_MIB} to ${MEMORY_MAX_MIB} MiB, not ${text}`);
    }
    return mebibytes;
  },
  duration: (text, name) => {
    const match = /^(\d+\.?\d*|\.\d+)(ms|m|s|)$/.exec(text);
    if (!match) throw new UsageError(`--${name} is a number of seconds, not "${text}"`);
    return Number(match[1]) * DURATION_UNITS[match[2]!]!;
  },
  count: (text, name) => {
    const count = Number(text);
    if (!/^\d+$/.test(text) || count < 1 || count > COUNT_MAX) throw new UsageError(`--${name} is a number from 1 to ${COUNT_MAX}, not "${text}"`);
    return count;
  },
  clock: (text, name) => {
    if (text !== "host" && text !== "virtual") throw new UsageError(`--${name} is host or virtual, not "${text}"`);
    return text;
  },
  vendor: (text, name) => {
    if (text !== "intel" && text !== "amd") throw new UsageError(`--${name} is intel or amd, not "${text}"`);
    return text;
  },
  point: (text, name) => {
    if (!/^(boot|entry|handler|exit|exception)$/.test(text)) throw new UsageError(`--${name} is boot, entry, handler, exit or exception, not "${text}"`);
    return text;
  },
  vsyscall: (text, name) => {
    if (text !== "xonly" && text !== "emulate" && text !== "none") throw new UsageError(`--${name} is xonly, emulate or none, not "${text}"`);
    return text;
  },
  date: (text, name) => {
    const ms = dateMs(text);
    if (!(ms >= 0 && ms <= DATE_MAX_MS)) throw new UsageError(`--${name} is a date like 2024-02-29T12:30 or @SECONDS, from 1970 to 2262, not "${text}"`);
    return ms;
  },
  seed: (text, name) => {
    if (!/^(\d+|0[xX][0-9a-fA-F]+)$/.test(text)) throw new UsageError(`--${name} is an unsigned number, not "${text}"`);
    const seed = BigInt(text);
    if (seed >> 64n) throw new UsageError(`--${name} has 64 bits at most, ${text} has more`);
    return seed;
  },
};

const COUNT_MAX = 1_000_000;
/** Where nanoseconds since 1970 leave 63 bits. */
const DATE_MAX_MS = 2 ** 63 / 1e6;

/** NaN for what is no date. */
function dateMs(text: string): number {
  if (/^@\d+(\.\d+)?$/.test(text)) return Number(text.slice(1)) * 1000;
  const parts = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?)?$/.exec(text);
  if (!parts) return NaN;
  const [, day, time, zone] = parts;
  const midnight = Date.parse(`${day}T00:00Z`);
  // Date takes the 30th of February for a day in March.
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return NaN;
  return Date.parse(`${day}T${time ?? "00:00"}${zone ?? "Z"}`);
}

/**
 * Reads the words after the command: options first, up to the first word that is none or `--`; from there on everything
 * is the guest's.
 * @throws UsageError for an unknown option, a missing or unwanted value, a value of the wrong kind
 */
export function parseOptions(command: Command, words: readonly string[]): ParsedLine {
  const options = defaults();
  let help = false;
  let at = 0;
  while (at < words.length) {
    const word = words[at]!;
    if (word === "--") {
      at++;
      break;
    }
    if (word === "-" || !word.startsWith("-")) break;
    at++;
    if (word === "-h" || word === "--help") {
      help = true;
      continue;
    }
    const equals = word.indexOf("=");
    const name = word.slice(2, equals < 0 ? undefined : equals);
    const row = word.startsWith("--") ? find(command, name) : undefined;
    if (!row) throw new UsageError(unknownOption(command, equals < 0 ? word : word.slice(0, equals)));
    if (row.kind === "flag") {
      if (equals >= 0) throw new UsageError(`--${name} takes no value`);
      options[name] = true;
      continue;
    }
    let text: string;
    if (equals >= 0) text = word.slice(equals + 1);
    else if (at < words.length) text = words[at++]!;
    else throw new UsageError(`--${name} wants a value: --${name} ${row.metavar}`);
    if (text === "" && row.kind !== "list") throw new UsageError(`--${name} wants a value: --${name} ${row.metavar}`);
    const value = PARSERS[row.kind](text, name);
    if (row.kind === "list") (options[name] as unknown[]).push(value);
    else options[name] = value;
  }
  return { options: options as Options, help, rest: words.slice(at) };
}

function defaults(): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const row of OPTIONS as readonly OptionRow[]) {
    if (row.kind === "list") options[row.name] = [];
    else if (row.kind === "flag") options[row.name] = false;
    else options[row.name] = row.default === undefined ? undefined : PARSERS[row.kind](row.default, row.name);
  }
  return options;
}

function find(command: Command, name: string): OptionRow | undefined {
  return (OPTIONS as readonly OptionRow[]).find((row) => row.name === name && row.commands.includes(command));
}

function unknownOption(command: Command, word: string): string {
  const elsewhere = (OPTIONS as readonly OptionRow[]).find((row) => `--${row.name}` === word);
  if (elsewhere) return `${word} is an option of \`ring3 ${elsewhere.commands[0]}\`, not of \`ring3 ${command}\``;
  return `unknown option ${word} (\`ring3 ${command} --help\` lists them)`;
}

/** The option part of a command's help, one option a line, within 100 columns. */
export function optionsHelp(command: Command): string {
  const rows = (OPTIONS as readonly OptionRow[]).filter((row) => row.commands.includes(command));
  const heads = rows.map((row) => `--${row.name}${row.metavar ? ` ${row.metavar}` : ""}`);
  const width = Math.max(...heads.map((head) => head.length)) + 2;
  const lines = rows.map((row, i) => {
    const byDefault = row.default === undefined ? "" : ` (${row.default})`;
    return `  ${heads[i]!.padEnd(width)}${row.help}${byDefault}`;
  });
  return lines.join("\n");
}
