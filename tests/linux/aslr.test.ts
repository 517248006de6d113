// The layout of an address space: Linux's fixed addresses without randomisation, its entropy with it, one seed one layout.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Layout, SeededRandom, seedOf } from "../../host/linux/aslr";

const STACK_LIMIT = 8 << 20;

test("without randomisation the addresses are those that Linux gives under setarch -R", () => {
  const layout = new Layout(new SeededRandom(1n), false);
  assert.is(layout.stackTop(), 0x7ffffffff000);
  assert.is(layout.mmapBase(STACK_LIMIT), 0x7ffff7fff000);
  assert.is(layout.pieBase(4096), 0x555555554000);
  assert.is(layout.brk(0x4ad000), 0x4ad000);
  assert.is(layout.alignStack(0x7fffffffe123), 0x7fffffffe120);
});

test("each region varies over the bits that Linux documents", () => {
  const layout = new Layout(new SeededRandom(2n), true);
  const spread = (draw: () => number): { lowest: number; highest: number; distinct: number } => {
    const values = Array.from({ length: 4000 }, draw);
    return { lowest: Math.min(...values), highest: Math.max(...values), distinct: new Set(values).size };
  };
  const covers = (draw: () => number, bits: number): void => {
    const { lowest, highest, distinct } = spread(draw);
    const span = (highest - lowest) / 4096 / 2 ** bits;
    assert.ok(span > 0.99 && span <= 1, `${bits} bits: the draws span ${span} of the range`);
    assert.ok(distinct > Math.min(3900, 2 ** bits * 0.35), `${bits} bits: ${distinct} distinct of 4000`);
  };
  covers(() => layout.mmapBase(STACK_LIMIT), 28);
  covers(() => layout.pieBase(4096) - layout.etDynBase, 28);
  covers(() => layout.stackTop(), 22);
  covers(() => layout.brk(0x10000000), 13);
});

test("the same seed draws the same, another one does not", () => {
  const bytes = (seed: string | number): string => new SeededRandom(seedOf(seed)).bytes(32).join();
  assert.is(bytes(7), bytes("7"));
  assert.is(bytes("a word"), bytes("a word"));
  assert.is.not(bytes(7), bytes(8));
});

test.run();
