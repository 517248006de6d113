// Encodings that the decoder has got wrong once: found by the comparison with Capstone (tests/fuzz/decoder.ts), settled by a chip.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Machine } from "../../host/machine/machine";
import { MODE, MODE_32, MODE_64 } from "../../kernel/abi/state";
import { rows } from "../../kernel/decode/rows";

const machine = await Machine.create({ ramBytes: 0x10000 });

/** Mnemonic and length of an instruction in hexadecimal; "#UD" where there is none. */
function decoded(hex: string, mode = MODE_64): string {
  machine.registers.setWord(MODE, mode);
  const bytes = new Uint8Array(15);
  bytes.set(Buffer.from(hex.replaceAll(" ", ""), "hex"));
  const { row, length } = machine.decode(bytes);
  return row < 0 ? "#UD" : `${rows[row]!.mnemonic} ${length}`;
}

test("F3 90 with REX.B is XCHG and not PAUSE", () => {
  assert.is(decoded("f3 90"), "PAUSE 2");
  assert.is(decoded("f3 40 90"), "PAUSE 3");
  assert.is(decoded("66 f3 48 90"), "PAUSE 4");
  assert.is(decoded("f3 41 90"), "XCHG 3");
  assert.is(decoded("66 f3 49 90"), "XCHG 4");
  assert.is(decoded("f3 91", MODE_32), "XCHG 2");
});

test("F3 0F 38 F0 and F1 are no MOVBE", () => {
  assert.is(decoded("0f 38 f0 00"), "MOVBE 4");
  assert.is(decoded("66 0f 38 f1 00"), "MOVBE 5");
  assert.is(decoded("f3 0f 38 f0 00"), "#UD");
  assert.is(decoded("66 f3 0f 38 f1 00"), "#UD");
  assert.is(decoded("f2 0f 38 f0 00"), "CRC32 5");
  assert.is(decoded("66 f2 0f 38 f1 c0"), "CRC32 6");
});

test.run();
