// `ring3 inspect`: GDT, IDT, TSS, MSRs, page tables and stacks at a chosen point of a program's life.
// Entered from main.ts, loaded only for this command. The reading is host/ring0/inspect.ts.

import { Crossing, hexLinear, idtRows, inspect, run, type Inspection, type Kernel } from "../index";
import type { Options } from "./options";
import { guestOf, runnableError } from "./run";
import { writeLine } from "./streams";

/** The program ended before it came to the point. */
const EXIT_NOT_SEEN = 1;

/** Ends the run when the point has been reached. */
class PointReached extends Error {}

/** Answers our exit status: 0 when the point was reached. */
export async function inspectCommand(options: Options, rest: readonly string[]): Promise<number> {
  const guest = guestOf(options, rest);
  let found: Inspection | undefined;
  guest.options.onBoot = (kernel) => {
    const take = (): never => {
      const owners = [...kernel.tasks.values()].map(({ stack, pid, comm }) => ({ stack, owner: `task ${pid} (${comm})` }));
      found = inspect(kernel.ring0, owners);
      throw new PointReached();
    };
    watch(kernel, options.at, take);
  };
  try {
    await run(guest.program, guest.options);
  } catch (error) {
    if (!(error instanceof PointReached)) throw runnableError(rest[0]!, error);
  }
  if (found === undefined) {
    writeLine(`ring3: ${rest[0]}: ended before the point "${options.at}"`);
    return EXIT_NOT_SEEN;
  }
  process.stdout.write(options.json ? `${jsonText(found)}\n` : inspectionText(found, options.at));
  return 0;
}

/** Calls `take` when `kernel` comes to the point. */
function watch(kernel: Kernel, at: Options["at"], take: () => never): void {
  const { ring0 } = kernel;
  if (at === "boot") take();
  if (at === "exception") {
    kernel.exception = take;
    return;
  }
  new Crossing(ring0, {
    wanted: () => true,
    step({ before, after }) {
      if (at === "entry" && before.cpl === 3 && after.cpl === 0) take();
      if (at === "exit" && /^(entry_SYSRETQ_unsafe_stack|native_iret)$/.test(after.symbol ?? "")) take();
    },
    frame: () => void (at === "handler" && take()),
    handled() {},
    done() {},
  });
}

/** Numbers as hexadecimal strings, since addresses and MSRs have 64 bits. */
function jsonText(found: Inspection): string {
  const addresses = new Set(["rip", "rsp", "base", "handler", "value", "start", "end", "pa", "cr3", "bottom", "top", "number", "selector", "limit"]);
  return JSON.stringify(found, (key, value: unknown) => {
    if (typeof value === "bigint") return `0x${value.toString(16)}`;
    if (typeof value === "number" && addresses.has(key)) return value < 0 ? `0x${hexLinear(value)}` : `0x${value.toString(16)}`;
    return value;
  }, 2);
}

/** Columns as wide as their widest cell; the last one as it is. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => `  ${row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join("  ")}`.trimEnd());
}

const hex = (value: number | bigint): string => value.toString(16);

/** The text form, for people. */
export function inspectionText(found: Inspection, at: string): string {
  const { cpu } = found;
  const section = (title: string, rows: readonly (readonly string[])[]): string[] => ["", title, ...columns(rows)];
  const lines = [
    `At ${at}: CPL ${cpu.cpl}, rip ${hexLinear(cpu.rip)}${cpu.symbol === null ? "" : ` (${cpu.symbol})`}, rsp ${hexLinear(cpu.rsp)} (${cpu.stack}), page table: ${cpu.pageTable}`,
    `  ${found.registers.slice(0, 5).map(({ name, value }) => `${name} ${hex(value)}`).join("  ")}`,
    `  ${found.registers.slice(5).map(({ name, value }) => `${name} ${hex(value)}`).join("  ")}`,
    ...section("GDT", [["selector", "name", "base", "limit", "DPL", "type"],
      ...found.gdt.map((row) => [hex(row.selector), row.name, hexLinear(row.base), hex(row.limit), String(row.dpl), row.type])]),
    ...section("IDT", [["vector", "DPL", "IST", "stub"], ...idtRows(found.idt).map((row) => [
      row.to === row.vector ? hex(row.vector) : `${hex(row.vector)}-${hex(row.to)}`, String(row.dpl), String(row.ist || "-"),
      row.to === row.vector ? row.stub : `${row.stub} ... irq_entry_${hex(row.to)}`,
    ])]),
    ...section("TSS", found.tss.map(({ name, value, what }) => [name, name === "I/O map" ? hex(value) : hexLinear(value), what])),
    ...section("MSRs", found.msrs.map(({ name, number, value, what }) => [name, hex(number), value.toString(16).padStart(16, "0"), what ?? ""])),
    ...found.pageTables.flatMap(({ name, cr3, ranges }) => section(`Page table of the ${name}, PML4 at ${hex(cr3)}`, ranges.map((range) => [
      `${hexLinear(range.start)}-${hexLinear(range.end)}`, `${range.user ? "u" : "-"}r${range.writable ? "w" : "-"}${range.executable ? "x" : "-"}${range.global ? "g" : "-"}`,
      { 0x1000: "4K", 0x200000: "2M", 0x40000000: "1G" }[range.pageSize] ?? hex(range.pageSize), hex(range.pa),
      `${range.what}${range.aliases === undefined ? "" : `, ${range.aliases} times`}`,
    ]))),
    ...section("Stacks", found.stacks.map((row) => [row.live ? "RSP" : "", row.name, `${hexLinear(row.bottom)}-${hexLinear(row.top)}`, row.owner])),
  ];
  return `${lines.join("\n")}\n`;
}
