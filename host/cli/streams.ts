// Node's standard streams as the kernel's InputStream and OutputStream (host/linux/vfs/streams.ts).
// Entered from run.ts. Nothing is read before the guest reads, and never more than it asked for, so what it leaves in a
// pipe is there for the next program; nothing is kept in memory, so a slow reader of ours slows the guest.
//
// A blocking read or write would stop the event loop (and --timeout with it), and one in Node's thread pool cannot be
// called off at exit. On Linux a pipe or terminal is therefore opened a second time through /proc/self/fd with
// O_NONBLOCK: the flag belongs to the new open file alone and leaves our parent's untouched. Readiness is then asked for
// by a timer. Where there is no such file (other systems, sockets) input goes through process.stdin.

import * as fs from "node:fs";
import { isatty } from "node:tty";

/** Same shape as the InputStream of host/index. */
export interface StdinStream {
  read(max: number): Uint8Array | null | undefined;
  onReadable(callback: () => void): void;
  readonly isTTY: boolean;
}

/** Same shape as the OutputStream of host/index. */
export interface StdoutStream {
  write(bytes: Uint8Array): number;
  onWritable(callback: () => void): void;
  readonly isTTY: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

const READ_MAX = 65536;
const EIO = 5;
const EPIPE = 32;
const ENOSPC = 28;

const POLL_FIRST_MS = 1;
const POLL_LAST_MS = 8;

/** Calls `ready` until it says true, at growing distances, then the callbacks that wait. */
class Poll {
  #waiting: (() => void)[] = [];
  #delay = POLL_FIRST_MS;

  wait(ready: () => boolean, callback: () => void): void {
    this.#waiting.push(callback);
    if (this.#waiting.length === 1) this.#arm(ready);
  }

  #arm(ready: () => boolean): void {
    setTimeout(() => {
      if (ready()) {
        this.#delay = POLL_FIRST_MS;
        for (const waiting of this.#waiting.splice(0)) waiting();
        return;
      }
      this.#delay = Math.min(2 * this.#delay, POLL_LAST_MS);
      this.#arm(ready);
    }, this.#delay);
  }
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}

/** A second, non-blocking open file of the same pipe or terminal; -1 when there is none to be had. */
function reopen(fd: number, flags: number): number {
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, flags | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY);
  } catch {
    return -1;
  }
}

function statOf(fd: number): fs.Stats | null {
  try {
    return fs.fstatSync(fd);
  } catch {
    return null;
  }
}

/** Our standard input. A closed descriptor 0 is an empty one. */
export function standardInput(): StdinStream {
  const stat = statOf(0);
  if (!stat) return { read: () => null, onReadable: (callback) => setTimeout(callback), isTTY: false };
  const isTTY = isatty(0);
  // Regular files and devices like /dev/null answer at once.
  if (!isTTY && !stat.isFIFO() && !stat.isSocket()) return new DescriptorInput(0, isTTY);
  let reopened = -2;
  let stream: StreamInput | undefined;
  let descriptor: DescriptorInput | undefined;
  const opened = (): StdinStream => {
    if (reopened === -2) {
      reopened = stat.isSocket() ? -1 : reopen(0, fs.constants.O_RDONLY);
      if (reopened >= 0) descriptor = new DescriptorInput(reopened, isTTY);
      else stream = new StreamInput(isTTY);
    }
    return (descriptor ?? stream)!;
  };
  return { read: (max) => opened().read(max), onReadable: (callback) => opened().onReadable(callback), isTTY };
}

class DescriptorInput implements StdinStream {
  readonly #poll = new Poll();
  /** What a readiness check took off the descriptor: one byte at most, or the end. */
  #held: Uint8Array | null | undefined;

  constructor(
    readonly fd: number,
    readonly isTTY: boolean,
  ) {}

  read(max: number): Uint8Array | null | undefined {
    if (max <= 0) return new Uint8Array(0);
    const held = this.#held;
    this.#held = undefined;
    if (held === null) return null;
    if (!held) return this.#take(Math.min(max, READ_MAX));
    const more = max > 1 ? this.#take(Math.min(max, READ_MAX) - 1) : undefined;
    if (more === null) this.#held = null;
    if (!more) return held;
    const both = new Uint8Array(1 + more.length);
    both.set(held);
    both.set(more, 1);
    return both;
  }

  onReadable(callback: () => void): void {
    this.#poll.wait(() => this.#ready(), callback);
  }

  /** Readable means that a read would not block; the only way to ask Node is to read. */
  #ready(): boolean {
    if (this.#held === undefined) this.#held = this.#take(1);
    return this.#held !== undefined;
  }

  #take(max: number): Uint8Array | null | undefined {
    const bytes = new Uint8Array(max);
    try {
      const got = fs.readSync(this.fd, bytes, 0, max, null);
      return got === 0 ? null : bytes.subarray(0, got);
    } catch (error) {
      const code = errorCode(error);
      if (code === "EAGAIN" || code === "EWOULDBLOCK" || code === "EINTR") return undefined;
      return null;
    }
  }
}

/** Input where a descriptor cannot be read without blocking: Node's own stream, asked for no more than it offers. */
class StreamInput implements StdinStream {
  #started = false;
  #ended = false;
  #rest: Uint8Array | undefined;

  constructor(readonly isTTY: boolean) {}

  read(max: number): Uint8Array | null | undefined {
    this.#start();
    const bytes = this.#rest ?? (process.stdin.read() as Uint8Array | null) ?? undefined;
    if (!bytes) return this.#ended ? null : undefined;
    this.#rest = bytes.length > max ? bytes.subarray(max) : undefined;
    return bytes.subarray(0, max);
  }

  onReadable(callback: () => void): void {
    this.#start();
    if (this.#rest || this.#ended || process.stdin.readableLength > 0) setTimeout(callback);
    else process.stdin.once("readable", callback);
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    process.stdin.once("end", () => (this.#ended = true));
    process.stdin.once("error", () => (this.#ended = true));
    process.stdin.read(0);
  }
}

/** Our standard output (1) or standard error (2). */
export function standardOutput(fd: 1 | 2): StdoutStream {
  const stat = statOf(fd);
  const isTTY = isatty(fd);
  const reopened = stat?.isFIFO() ? reopen(fd, fs.constants.O_WRONLY) : -1;
  return new DescriptorOutput(reopened >= 0 ? reopened : fd, fd, isTTY);
}

class DescriptorOutput implements StdoutStream {
  #delay = POLL_FIRST_MS;

  constructor(
    readonly fd: number,
    readonly standard: 1 | 2,
    readonly isTTY: boolean,
  ) {}

  write(bytes: Uint8Array): number {
    if (bytes.length === 0) return 0;
    try {
      const written = fs.writeSync(this.fd, bytes, 0, bytes.length);
      this.#delay = POLL_FIRST_MS;
      return written;
    } catch (error) {
      const code = errorCode(error);
      if (code === "EAGAIN" || code === "EWOULDBLOCK" || code === "EINTR") return 0;
      if (code === "EPIPE" || code === "EOF") return -EPIPE;
      if (code === "ENOSPC") return -ENOSPC;
      return -EIO;
    }
  }

  /** Whether a pipe has room cannot be asked without writing: the guest's write is tried again and finds out. */
  onWritable(callback: () => void): void {
    setTimeout(callback, this.#delay);
    this.#delay = Math.min(2 * this.#delay, POLL_LAST_MS);
  }

  get columns(): number | undefined {
    return this.isTTY ? this.#terminal().columns : undefined;
  }

  get rows(): number | undefined {
    return this.isTTY ? this.#terminal().rows : undefined;
  }

  #terminal(): NodeJS.WriteStream {
    return this.standard === 1 ? process.stdout : process.stderr;
  }
}

/** A line of ours on stderr, whole and at once: it stands in order with what the guest wrote before it. */
export function writeLine(line: string): void {
  let bytes: Uint8Array = Buffer.from(`${line}\n`);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(fs.writeSync(2, bytes));
    } catch (error) {
      if (errorCode(error) !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_FIRST_MS);
    }
  }
}
