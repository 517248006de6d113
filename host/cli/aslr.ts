// `ring3 aslr`: loads thousands of programs and measures over how many addresses each region is spread.
// Entered from main.ts, loaded only for this command. The loading is host/linux/address-layout.ts, through the kernel's own execve.

import { writeFileSync } from "node:fs";
import { addressLayouts, Machine, type AddressLayout } from "../index";
import { aslrPicture } from "./aslr-picture";
import { type Options, UsageError } from "./options";

/** Guest RAM that a kernel and one small program want. */
const RAM_BYTES = 8 << 20;
const PROGRESS_EVERY = 500;

interface RegionRow {
  name: string;
  /** The addresses differ by multiples of this. */
  step: number;
  /** What Linux documents, in bits. */
  linux: number;
  where: string;
  of(layout: AddressLayout): number;
}

const PAGE = 4096;

export const REGIONS: readonly RegionRow[] = [
  { name: "program", step: PAGE, linux: 28, where: "CONFIG_ARCH_MMAP_RND_BITS", of: (layout) => layout.program },
  { name: "mmap", step: PAGE, linux: 28, where: "CONFIG_ARCH_MMAP_RND_BITS", of: (layout) => layout.mmap },
  { name: "heap, above the program", step: PAGE, linux: 13, where: "arch_randomize_brk: 32 MiB", of: (layout) => layout.heap - layout.programEnd },
  { name: "stack's end", step: PAGE, linux: 22, where: "STACK_RND_MASK: 16 GiB", of: (layout) => layout.stackEnd },
  { name: "stack pointer", step: 16, linux: 30, where: "the same, and 8 KiB in steps of 16", of: (layout) => layout.stack },
  { name: "vdso", step: PAGE, linux: 22, where: "it follows the stack", of: (layout) => layout.vdso },
  { name: "vdso, above the stack", step: PAGE, linux: 9, where: "vdso_addr: within 2 MiB", of: (layout) => layout.vdso - layout.stackEnd },
];

export interface Measured {
  name: string;
  lowest: number;
  highest: number;
  /** log2 of the number of places from the lowest to the highest. */
  spanBits: number;
  /** Sum of the entropies of each bit of the place, taken by itself: an upper bound, exact where the bits are independent. */
  entropyBits: number;
  linuxBits: number;
  where: string;
  /** How many of the addresses fell into each of equal parts of the span. */
  histogram: number[];
}

const BINS = 40;

/** Statistics of one region's addresses. */
export function measure(row: RegionRow, addresses: readonly number[]): Measured {
  let lowest = Infinity;
  let highest = -Infinity;
  for (const address of addresses) {
    lowest = Math.min(lowest, address);
    highest = Math.max(highest, address);
  }
  const places = (highest - lowest) / row.step + 1;
  const histogram = new Array<number>(BINS).fill(0);
  const ones = new Array<number>(48).fill(0);
  for (const address of addresses) {
    const place = Math.floor((address - lowest) / row.step);
    histogram[Math.floor((place / places) * BINS)]!++;
    for (let bit = 0, left = place; left > 0; bit++, left = Math.floor(left / 2)) ones[bit]! += left % 2;
  }
  const entropyBits = ones.reduce((sum, count) => sum + bitEntropy(count / addresses.length), 0);
  return {
    name: row.name, lowest, highest, spanBits: Math.log2(places), entropyBits, linuxBits: row.linux, where: row.where, histogram,
  };
}

function bitEntropy(p: number): number {
  return p <= 0 || p >= 1 ? 0 : -p * Math.log2(p) - (1 - p) * Math.log2(1 - p);
}

export async function aslrCommand(options: Options): Promise<number> {
  const machine = await Machine.create({ ramBytes: RAM_BYTES });
  const samples: number[][] = REGIONS.map(() => []);
  const progress = process.stderr.isTTY && !options.quiet;
  let done = 0;
  for (const layout of addressLayouts(machine, options.execs, { seed: options.seed, aslr: !options["no-aslr"] })) {
    REGIONS.forEach((row, index) => samples[index]!.push(row.of(layout)));
    if (++done % PROGRESS_EVERY === 0 && progress) process.stderr.write(`\r${done} of ${options.execs} programs`);
  }
  if (progress) process.stderr.write("\r\x1b[K");
  const measured = REGIONS.map((row, index) => measure(row, samples[index]!));
  process.stdout.write(report(measured, options.execs));
  if (options.svg !== undefined) {
    try {
      writeFileSync(options.svg, aslrPicture(measured, options.execs));
    } catch (error) {
      throw new UsageError(`--svg: ${(error as Error).message}`);
    }
  }
  return 0;
}

const LEVELS = " ▁▂▃▄▅▆▇█";

function report(measured: readonly Measured[], execs: number): string {
  const nameWidth = Math.max(...measured.map(({ name }) => name.length)) + 2;
  const address = (value: number): string => value.toString(16).padStart(12);
  let text = `${execs} programs loaded; bits of randomness\n\n`;
  text += `${"region".padEnd(nameWidth)}      lowest       highest    span  entropy  Linux\n`;
  for (const { name, lowest, highest, spanBits, entropyBits, linuxBits, where } of measured) {
    const numbers = `${spanBits.toFixed(1).padStart(6)}  ${entropyBits.toFixed(1).padStart(7)}  ${String(linuxBits).padStart(5)}`;
    text += `${name.padEnd(nameWidth)}${address(lowest)}  ${address(highest)}  ${numbers}  ${where}\n`;
  }
  text += "\nwhere they fell, from the lowest to the highest\n\n";
  for (const { name, histogram } of measured) {
    const most = Math.max(...histogram);
    text += `${name.padEnd(nameWidth)}${histogram.map((count) => LEVELS[Math.ceil((count / most) * 8)]).join("")}|\n`;
  }
  return text;
}
