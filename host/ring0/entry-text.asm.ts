// The entry text as a whole: which files make it, in which order, and for which options there is a variant of it.

import { entry64 } from "./entry-64.asm";
import { entryCompat } from "./entry-compat.asm";
import { idtentries } from "./idtentry.asm";
import { KERNEL_TEXT } from "./layout";
import { nmi } from "./nmi.asm";
import type { EntryOptions } from "./calling.asm";

export interface EntryVariant {
  name: string;
  options: EntryOptions;
  /** AT&T text, to be assembled at `base`. */
  text: string;
  /** Linear address of its first byte. */
  base: number;
}

/** What of the CPU the text depends on. */
export type EntrySwitches = Pick<EntryOptions, "pti" | "pcid"> & Partial<EntryOptions>;

/** Key of a variant in build/entry-images.ts. PCID changes nothing without PTI, as no CR3 is switched then. */
export function variantName({ pti, pcid, smap = true, fsgsbase = true }: EntrySwitches): string {
  const tables = !pti ? "nopti" : pcid ? "pti+pcid" : "pti";
  return `${tables}${smap ? "" : "-smap"}${fsgsbase ? "" : "-fsgsbase"}`;
}

/** The AT&T text of all files, in the order in which they stand in memory. */
export function entryTextFor(o: EntryOptions): string {
  return entry64(o) + idtentries(o) + nmi(o) + entryCompat(o);
}

/** Every variant that boot can ask for. */
export function entryVariants(): EntryVariant[] {
  const tables = [
    { pti: true, pcid: true },
    { pti: true, pcid: false },
    { pti: false, pcid: false },
  ];
  const features = [true, false].flatMap((smap) => [true, false].map((fsgsbase) => ({ smap, fsgsbase })));
  return features.flatMap((offered) => tables.map((choice) => {
    const options: EntryOptions = { ...choice, ...offered };
    return { name: variantName(options), options, text: entryTextFor(options), base: KERNEL_TEXT };
  }));
}
