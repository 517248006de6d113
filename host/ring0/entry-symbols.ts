// The entry text as boot and the tracer see it: its bytes, and every label with its linear address.

import { ENTRY_IMAGES } from "../../build/entry-images";
import { type EntrySwitches, variantName } from "./entry-text.asm";

export interface EntryText {
  /** Linear address of the first byte. */
  base: number;
  bytes: Uint8Array;
  /** Linear address of each label (signed, see layout.ts). */
  labels: ReadonlyMap<string, number>;
  /** `entry_SYSCALL_64`, `error_entry+0x1c`, or undefined for an address outside the entry text. */
  symbolize(address: number): string | undefined;
}

/** The variant for these options. @throws Error when the build has not made it */
export function entryText(options: EntrySwitches): EntryText {
  const name = variantName(options);
  const image = ENTRY_IMAGES[name];
  if (image === undefined) throw new Error(`build/entry-images.ts has no variant ${name}`);
  const bytes = Uint8Array.from(atob(image.bytes), (character) => character.charCodeAt(0));
  return entryTextOf({ base: image.base, bytes, symbols: symbolsIn(image.symbols) });
}

/** `label offset label offset ...`, as the build has written them: text is cheap to load, and only one variant is ever read. */
function symbolsIn(text: string): [string, number][] {
  const words = text.split(" ");
  return Array.from({ length: words.length / 2 }, (_, i) => [words[2 * i]!, Number(words[2 * i + 1])]);
}

/** The same for a text assembled just now. @param symbols offsets from `base`, ascending */
export function entryTextOf(image: { base: number; bytes: Uint8Array; symbols: readonly (readonly [string, number])[] }): EntryText {
  const { base, bytes, symbols } = image;
  return {
    base, bytes,
    labels: new Map(symbols.map(([label, offset]) => [label, base + offset])),
    symbolize(address) {
      const offset = address - base;
      if (offset < 0 || offset >= bytes.length) return undefined;
      let best = symbols[0]!;
      for (const symbol of symbols) {
        if (symbol[1] > offset) break;
        best = symbol;
      }
      const distance = offset - best[1];
      return distance === 0 ? best[0] : `${best[0]}+0x${distance.toString(16)}`;
    },
  };
}
