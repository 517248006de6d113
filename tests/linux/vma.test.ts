// The list of mappings: always sorted, split where a boundary is asked for, joined again when neighbours are the same.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MAP_GROWSDOWN, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../../host/linux/uapi-mman";
import { Vma, VmaList } from "../../host/linux/vma";

const anonymous = (start: number, end: number, prot = PROT_READ, flags = MAP_PRIVATE): Vma =>
  new Vma(start, end, prot, flags, null, 0, null, null, true);
const ranges = (list: VmaList): string => list.list.map((vma) => `${vma.start.toString(16)}-${vma.end.toString(16)}`).join(" ");

test("neighbours of one kind are joined, others are not", () => {
  const list = new VmaList();
  list.insert(anonymous(0x3000, 0x4000));
  list.insert(anonymous(0x1000, 0x2000));
  assert.is(ranges(list), "1000-2000 3000-4000");
  list.insert(anonymous(0x2000, 0x3000));
  assert.is(ranges(list), "1000-4000");
  list.insert(anonymous(0x4000, 0x5000, PROT_READ | PROT_WRITE));
  assert.is(ranges(list), "1000-4000 4000-5000");
});

test("a split makes a boundary, a join after equal protection takes it away", () => {
  const list = new VmaList();
  list.insert(anonymous(0x1000, 0x9000));
  list.split(0x3000);
  list.split(0x5000);
  assert.is(ranges(list), "1000-3000 3000-5000 5000-9000");
  assert.is(list.at(0x4fff)?.start, 0x3000);
  list.join(0x3000, 0x5000);
  assert.is(ranges(list), "1000-9000");
});

test("a hole is made by removing between boundaries", () => {
  const list = new VmaList();
  list.insert(anonymous(0x1000, 0x9000));
  list.split(0x3000);
  list.split(0x5000);
  list.remove(0x3000, 0x5000);
  assert.is(ranges(list), "1000-3000 5000-9000");
  assert.is(list.at(0x4000), undefined);
  assert.is(list.above(0x4000)?.start, 0x5000);
});

test("a stack keeps its guard gap and is never joined to what follows", () => {
  const list = new VmaList();
  const stack = list.insert(anonymous(0x7000_0000, 0x7000_1000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN));
  assert.is(stack.startGap, 0x7000_0000 - 0x100000);
});

test("a line of maps has Linux's columns", () => {
  const file = { dev: 0xfe00, ino: 1234, path: () => "/bin/x" };
  const vma = new Vma(0x400000, 0x401000, PROT_READ, MAP_PRIVATE, null, 0x1000, file, null, true);
  assert.is(vma.mapsLine("/bin/x"), `${"00400000-00401000 r--p 00001000 fe:00 1234 ".padEnd(73)}/bin/x`);
  assert.is(anonymous(0x7ffff7ff7000, 0x7ffff7ffb000).mapsLine(""), "7ffff7ff7000-7ffff7ffb000 r--p 00000000 00:00 0 ");
});

test.run();
