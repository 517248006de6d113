// `ring3 vdso`: the shared object that every program finds in its address space, as a file or as a list of what it offers.
// Entered from main.ts, loaded only for this command.

import { writeFileSync, writeSync } from "node:fs";
import { vdsoImage } from "../index";
import { type Options, UsageError } from "./options";

export function vdsoCommand(options: Options): number {
  const image = vdsoImage();
  if (options.dump === undefined) process.stdout.write(listing(image));
  else if (options.dump === "-") writeAll(1, image);
  else {
    try {
      writeFileSync(options.dump, image);
    } catch (error) {
      throw new UsageError(`--dump: ${(error as Error).message}`);
    }
  }
  return 0;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

const SHT_DYNSYM = 11;
const STB_WEAK = 2;

/** Its dynamic symbols by address. */
function listing(image: Uint8Array): string {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  const u64 = (at: number): number => Number(view.getBigUint64(at, true));
  const textAt = (at: number): string => {
    let end = at;
    while (image[end] !== 0) end++;
    return String.fromCharCode(...image.subarray(at, end));
  };
  const sections = Array.from({ length: view.getUint16(60, true) }, (_, index) => u64(40) + index * 64);
  const symbols = sections.find((at) => view.getUint32(at + 4, true) === SHT_DYNSYM)!;
  const strings = u64(sections[view.getUint32(symbols + 40, true)]! + 24);
  const rows: { value: number; weak: boolean; line: string }[] = [];
  for (let at = u64(symbols + 24) + 24; at < u64(symbols + 24) + u64(symbols + 32); at += 24) {
    const value = u64(at + 8);
    if (value === 0) continue;
    const weak = image[at + 4]! >> 4 === STB_WEAK;
    const line = `  ${value.toString(16).padStart(4)}  ${String(u64(at + 16)).padStart(5)}  ${weak ? "weak  " : "global"}  ${textAt(strings + view.getUint32(at, true))}\n`;
    rows.push({ value, weak, line });
  }
  rows.sort((a, b) => a.value - b.value || Number(a.weak) - Number(b.weak));
  return `linux-vdso.so.1, ${image.length} bytes, symbols of version LINUX_2.6\n\n  from  bytes  bind    name\n${rows.map(({ line }) => line).join("")}`;
}
