// The entry text as a whole: which files make it, in which order, and for which options there is a variant of it.

import { entry64 } from "./entry-64.asm";
import { entryCompat } from "./entry-compat.asm";
import { idtentries } from "./idtentry.asm";
import { KERNEL_TEXT } from "./layout";
import type { EntryOptions } from "./calling.asm";

export interface EntryVariant {
  name: string;
  options: EntryOptions;
  /** AT&T text, to be assembled at `base`. */
  text: string;
  /** Linear address of its first byte. */
  base: number;
}

/** Key of a variant in build/entry-images.ts. PCID changes nothing without PTI, as no CR3 is switched then. */
export function variantName(options: Pick<EntryOptions, "pti" | "pcid">): string {
  if (!options.pti) return "nopti";
  return options.pcid ? "pti+pcid" : "pti";
}

/** The AT&T text of all files, in the order in which they stand in memory. */
export function entryTextFor(o: EntryOptions): string {
  return entry64(o) + idtentries(o) + entryCompat(o);
}

/** Every variant that boot can ask for. */
export function entryVariants(): EntryVariant[] {
  const switches = [
    { pti: true, pcid: true },
    { pti: true, pcid: false },
    { pti: false, pcid: false },
  ];
  return switches.map((choice) => {
    const options: EntryOptions = { ...choice, smap: true, fsgsbase: true };
    return { name: variantName(options), options, text: entryTextFor(options), base: KERNEL_TEXT };
  });
}
