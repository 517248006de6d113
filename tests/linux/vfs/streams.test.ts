// Standard streams: back-pressure, end of file, broken pipes.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as E from "../../../host/linux/errno";
import { sysIoctl } from "../../../host/linux/syscalls/ioctl";
import { sysClose, sysFcntl, sysOpen } from "../../../host/linux/syscalls/open";
import { sysEventfd2, sysPipe2 } from "../../../host/linux/syscalls/pipe";
import { sysPoll, sysSelect } from "../../../host/linux/syscalls/poll";
import { sysMknod } from "../../../host/linux/syscalls/directory";
import { sysLseek, sysPread64, sysRead, sysWrite } from "../../../host/linux/syscalls/read-write";
import { O_NONBLOCK, O_RDONLY, O_WRONLY } from "../../../host/linux/uapi-fcntl";
import { TCGETS, TIOCGWINSZ } from "../../../host/linux/uapi-termios";
import type { InputStream, OutputStream } from "../../../host/linux/vfs/streams";
import { BAD, BUFFER, Block, rig } from "./rig";

function input() {
  const pieces: (Uint8Array | null)[] = [];
  let callback = () => {};
  const stream: InputStream = {
    read: () => (pieces.length === 0 ? undefined : pieces[0] === null ? null : pieces.shift()),
    onReadable: (f) => (callback = f),
  };
  return {
    stream,
    give(text: string | null) {
      pieces.push(text === null ? null : Buffer.from(text, "latin1"));
      callback();
    },
  };
}

function output(room: () => number) {
  let callback = () => {};
  const out = {
    text: "",
    stream: {
      write(bytes: Uint8Array) {
        const n = Math.min(room(), bytes.length);
        if (n > 0) out.text += Buffer.from(bytes.subarray(0, n)).toString("latin1");
        return n;
      },
      onWritable: (f: () => void) => (callback = f),
    } as OutputStream,
    wake: () => callback(),
  };
  return out;
}

test("a read of stdin sleeps until there is something, keeps what did not fit, and ends at EOF", () => {
  const i = input();
  const r = rig({ stdin: i.stream });
  assert.instance(r.call(sysRead, 0, BUFFER, 10), Block);
  i.give("hello world");
  assert.is(r.call(sysRead, 0, BUFFER, 5), 5);
  assert.is(r.call(sysRead, 0, BAD, 5), -E.EFAULT);
  assert.is(r.call(sysIoctl, 0, 0x541b, BUFFER), 0);
  assert.is(r.memory.getU32(BUFFER), 6);
  assert.is(r.call(sysRead, 0, BUFFER, 100), 6);
  assert.is(r.text(BUFFER, 6), " world");
  i.give(null);
  assert.is(r.call(sysRead, 0, BUFFER, 10), 0);
  assert.is(r.call(sysRead, 0, BUFFER, 10), 0);
  assert.is(r.call(sysWrite, 0, BUFFER, 1), -E.EBADF);
  assert.is(r.call(sysLseek, 0, 0, 0), -E.ESPIPE);
  assert.is(r.call(sysPread64, 0, BUFFER, 1, 0), -E.ESPIPE);
});

test("a write that finds no room goes on where it stopped", () => {
  let room = 7;
  const text = "0123456789".repeat(3);
  const limited = output(() => {
    const n = room;
    room = 0;
    return n;
  });
  const s = rig({ stdout: limited.stream });
  s.put(BUFFER, text);
  assert.instance(s.call(sysWrite, 1, BUFFER, 30), Block);
  assert.equal(s.task.progress, { done: 7 });
  room = 13;
  assert.instance(s.again(sysWrite, 1, BUFFER, 30), Block);
  room = 100;
  assert.is(s.again(sysWrite, 1, BUFFER, 30), 30);
  assert.is(limited.text, text);
});

test("a broken stdout is SIGPIPE and EPIPE", () => {
  const o = output(() => -E.EPIPE);
  const r = rig({ stdout: { ...o.stream, write: () => -E.EPIPE } });
  assert.is(r.call(sysWrite, 1, BUFFER, 30), -E.EPIPE);
  assert.equal(r.signals, [13]);
});

test("a terminal has termios and a size, a pipe has not", () => {
  const o = output(() => 100);
  const r = rig({ stdin: input().stream, stdout: { ...o.stream, isTTY: true, columns: 80, rows: 25 } });
  assert.is(r.call(sysIoctl, 1, TCGETS, BUFFER), 0);
  assert.is(r.memory.getU32(BUFFER + 12) & 2, 2);
  assert.is(r.call(sysIoctl, 1, TIOCGWINSZ, BUFFER), 0);
  assert.is(r.memory.getU16(BUFFER), 25);
  assert.is(r.memory.getU16(BUFFER + 2), 80);
  assert.is(r.call(sysIoctl, 0, TCGETS, BUFFER), -E.ENOTTY);
  assert.ok((r.call(sysOpen, "/dev/tty", 2, 0) as number) > 0);
});

function pipe(r: ReturnType<typeof rig>, flags = 0): [number, number] {
  assert.is(r.call(sysPipe2, BUFFER, flags), 0);
  return [r.memory.getU32(BUFFER), r.memory.getU32(BUFFER + 4)];
}

test("a pipe holds 64 KiB, small writes are whole, and its ends see each other go", () => {
  const r = rig();
  const [reader, writer] = pipe(r, O_NONBLOCK);
  assert.is(r.call(sysRead, reader, BUFFER, 1), -E.EAGAIN);
  assert.is(r.call(sysWrite, writer, BUFFER, 65536 - 100), 65436);
  assert.is(r.call(sysWrite, writer, BUFFER, 101), -E.EAGAIN);
  assert.is(r.call(sysWrite, writer, BUFFER, 4097), 100);
  assert.is(r.call(sysFcntl, reader, 1032, 0), 65536);
  assert.is(r.call(sysFcntl, reader, 1031, 4096), -E.EBUSY);
  assert.is(r.call(sysFcntl, reader, 1031, 2 ** 21), -E.EPERM);
  assert.is(r.call(sysRead, reader, BUFFER + 4096, 2 ** 20), BAD - BUFFER - 4096 < 65536 ? BAD - BUFFER - 4096 : 65536);
  r.put(BUFFER, "last");
  assert.is(r.call(sysWrite, writer, BUFFER, 4), 4);
  r.call(sysClose, writer);
  assert.is(r.call(sysRead, reader, BUFFER, 100), 4);
  assert.is(r.call(sysRead, reader, BUFFER, 100), 0);
  const [reader2, writer2] = pipe(r);
  r.call(sysClose, reader2);
  assert.is(r.call(sysWrite, writer2, BUFFER, 1), -E.EPIPE);
  assert.equal(r.signals, [13]);
});

test("a large write to a pipe sleeps midway and then goes on", () => {
  const r = rig();
  const [reader, writer] = pipe(r);
  assert.instance(r.call(sysWrite, writer, BUFFER, 100_000), Block);
  assert.equal(r.task.progress, { done: 65536 });
  const progress = r.task.progress;
  assert.is(r.call(sysRead, reader, BUFFER, 65536), 65536);
  r.task.progress = progress;
  assert.is(r.again(sysWrite, writer, BUFFER, 100_000), 100_000);
});

test("poll and select see what is ready, or sleep to their deadline", () => {
  const r = rig();
  const [reader, writer] = pipe(r);
  const ask = (fd: number, events: number) => {
    r.memory.putU32(BUFFER, fd);
    r.memory.putU32(BUFFER + 4, events);
  };
  ask(writer, 4);
  assert.is(r.call(sysPoll, BUFFER, 1, -1), 1);
  assert.is(r.memory.getU16(BUFFER + 6), 4);
  ask(reader, 1);
  assert.is(r.call(sysPoll, BUFFER, 1, 0), 0);
  const sleep = r.call(sysPoll, BUFFER, 1, 50) as Block;
  assert.is(sleep.deadlineNs, 50e6);
  r.advance(50e6);
  assert.is(r.again(sysPoll, BUFFER, 1, 50), 0);
  ask(99, 1);
  assert.is(r.call(sysPoll, BUFFER, 1, -1), 1);
  assert.is(r.memory.getU16(BUFFER + 6), 0x20);
  assert.is(r.call(sysPoll, BUFFER, 2 ** 31, -1), -E.EINVAL);
  r.memory.putU64(BUFFER, 2 ** writer);
  assert.is(r.call(sysSelect, writer + 1, 0, BUFFER, 0, 0), 1);
  r.memory.putU64(BUFFER, 2 ** 40);
  assert.is(r.call(sysSelect, 64, BUFFER, 0, 0, 0), -E.EBADF);
  r.call(sysClose, writer);
  ask(reader, 1);
  assert.is(r.call(sysPoll, BUFFER, 1, -1), 1);
  assert.is(r.memory.getU16(BUFFER + 6), 0x10);
});

test("a FIFO opens when its other side does, and an eventfd counts", () => {
  const r = rig();
  assert.is(r.call(sysMknod, "/fifo", 0o010644, 0), 0);
  assert.is(r.call(sysOpen, "/fifo", O_WRONLY | O_NONBLOCK, 0), -E.ENXIO);
  assert.instance(r.call(sysOpen, "/fifo", O_RDONLY, 0), Block);
  const progress = r.task.progress;
  const waiting = r.kernel.vfs.waitingOpens.get(r.task)!;
  r.kernel.vfs.waitingOpens.delete(r.task);
  const writer = r.call(sysOpen, "/fifo", O_WRONLY | O_NONBLOCK, 0) as number;
  assert.ok(writer > 0);
  r.kernel.vfs.waitingOpens.set(r.task, waiting);
  r.task.progress = progress;
  const reader = r.again(sysOpen, "/fifo", O_RDONLY, 0) as number;
  r.put(BUFFER, "through");
  r.task.progress = null;
  assert.is(r.call(sysWrite, writer, BUFFER, 7), 7);
  assert.is(r.call(sysRead, reader, BUFFER, 100), 7);

  const event = r.call(sysEventfd2, 3, 0) as number;
  assert.is(r.call(sysRead, event, BUFFER, 4), -E.EINVAL);
  assert.is(r.call(sysRead, event, BUFFER, 8), 8);
  assert.is(r.memory.getU64(BUFFER), 3);
  assert.instance(r.call(sysRead, event, BUFFER, 8), Block);
});

test.run();
