// Guest RAM and the reference counts of its frames.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { NO_FRAME, PAGE_SIZE, PhysMemory } from "../../host/machine/phys-memory";

const MIB = 1024 * 1024;
const ram = (bytes = MIB) => new PhysMemory(new ArrayBuffer(bytes), 0, bytes);

test("a frame comes back zeroed after its last owner has put it", () => {
  const phys = ram();
  const frame = phys.allocFrame();
  phys.get(frame);
  phys.write(frame, new Uint8Array([1, 2, 3]));
  phys.put(frame);
  assert.is(phys.framesInUse, 1);
  phys.put(frame);
  assert.is(phys.framesInUse, 0);
  assert.is(phys.allocFrame(), frame);
  assert.equal([...phys.view(frame, 3)], [0, 0, 0]);
});

test("frame 0 and reserved frames are never given out", () => {
  const phys = ram();
  phys.reserveBelow(16 * PAGE_SIZE);
  const frames = new Set<number>();
  for (let frame = phys.allocFrame(); frame !== NO_FRAME; frame = phys.allocFrame()) frames.add(frame);
  assert.is(frames.size, MIB / PAGE_SIZE - 16);
  assert.ok(Math.min(...frames) >= 16 * PAGE_SIZE);
  assert.is(phys.framesFree, 0);
});

test("neighbouring frames are aligned to their size and found again when RAM is full of holes", () => {
  const phys = ram();
  const odd = phys.allocFrame();
  const pair = phys.allocFrames(2);
  assert.is(pair % (2 * PAGE_SIZE), 0);
  while (phys.allocFrame() !== NO_FRAME);
  assert.is(phys.allocFrames(2), NO_FRAME);
  phys.put(pair);
  phys.put(odd);
  assert.is(phys.allocFrames(2), NO_FRAME);
  phys.put(pair + PAGE_SIZE);
  assert.is(phys.allocFrames(2), pair);
  assert.is(phys.allocFrame(), odd);
  assert.is(phys.allocFrame(), NO_FRAME);
});

test("a frame that is put twice, or shared after it was freed, is an error", () => {
  const phys = ram();
  const frame = phys.allocFrame();
  phys.put(frame);
  assert.throws(() => phys.put(frame), /freed twice/);
  assert.throws(() => phys.get(frame), /free frame/);
});

test("the host's writes drop the code that was decoded from the pages they touch, and from no other", () => {
  const pageCode = new Uint32Array(MIB / PAGE_SIZE);
  const dropped: number[] = [];
  const phys = new PhysMemory(new ArrayBuffer(MIB), 0, MIB, { pageCode, dropCode: (page) => void dropped.push(page) });
  pageCode[3] = 1;
  pageCode[5] = 1;
  phys.write(4 * PAGE_SIZE - 1, new Uint8Array([1]));
  assert.equal(dropped, [3]);
  phys.write(4 * PAGE_SIZE - 1, new Uint8Array(2 + PAGE_SIZE));
  assert.equal(dropped, [3, 3, 5]);
  phys.write(6 * PAGE_SIZE, new Uint8Array(10));
  phys.write(5 * PAGE_SIZE, new Uint8Array(0));
  assert.is(dropped.length, 3);
});

test.run();
