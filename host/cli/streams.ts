// Node's standard streams as the kernel's InputStream and OutputStream (host/linux/vfs/streams.ts).
// Entered from run.ts. Nothing is read before the guest reads, and never more than it asked for, so what it leaves in a
// pipe is there for the next program; nothing is kept in memory, so a slow reader of ours slows the guest.
//
// A blocking read or write would stop the event loop (and --timeout with it), and one in Node's thread pool cannot be
// called off at exit. On Linux a pipe or terminal is therefore opened a second time through /proc/self/fd with
// O_NONBLOCK: the flag belongs to the new open file alone and leaves our parent's untouched. A call that would block is
// tried again after a while, at growing distances. Where there is no such file (other systems, sockets) input goes
// through process.stdin.

import * as fs from "node:fs";
import type { InputStream, OutputStream } from "../index";

const READ_MAX = 65536;
const EIO = 5;
const ENOSPC = 28;
const EPIPE = 32;

const RETRY_FIRST_MS = 1;
const RETRY_LAST_MS = 8;

/** Runs a callback once, later; later each time until reset. */
class Retry {
  #callback: () => void = () => {};
  #delay = RETRY_FIRST_MS;
  #armed = false;

  set callback(callback: () => void) {
    this.#callback = callback;
  }

  arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    setTimeout(() => {
      this.#armed = false;
      this.#callback();
    }, this.#delay);
    this.#delay = Math.min(2 * this.#delay, RETRY_LAST_MS);
  }

  reset(): void {
    this.#delay = RETRY_FIRST_MS;
  }
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}

function wouldBlock(error: unknown): boolean {
  return ["EAGAIN", "EWOULDBLOCK", "EINTR"].includes(errorCode(error));
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

/** Asked of node:tty, which loads all of Node's network code, only where the answer is not clear without. */
function isTerminal(fd: number, stat: fs.Stats | null): boolean {
  if (!stat?.isCharacterDevice() || stat.rdev === nullDevice()) return false;
  const { isatty } = require("node:tty") as typeof import("node:tty");
  return isatty(fd);
}

/** Device number of /dev/null; -1 on a system without. */
function nullDevice(): number {
  try {
    return fs.statSync("/dev/null").rdev;
  } catch {
    return -1;
  }
}

/** Our standard input. A closed descriptor 0 is an empty one. */
export function standardInput(): InputStream {
  const stat = statOf(0);
  if (!stat) return { read: () => null, onReadable: () => {} };
  const isTTY = isTerminal(0, stat);
  // Regular files and devices like /dev/null answer at once.
  if (!isTTY && !stat.isFIFO() && !stat.isSocket()) return new DescriptorInput(0, isTTY);
  const reopened = stat.isSocket() ? -1 : reopen(0, fs.constants.O_RDONLY);
  return reopened >= 0 ? new DescriptorInput(reopened, isTTY) : new StreamInput(isTTY);
}

class DescriptorInput implements InputStream {
  readonly #retry = new Retry();

  constructor(
    readonly fd: number,
    readonly isTTY: boolean,
  ) {}

  read(max: number): Uint8Array | null | undefined {
    const bytes = new Uint8Array(Math.min(max, READ_MAX));
    try {
      const got = fs.readSync(this.fd, bytes, 0, bytes.length, null);
      this.#retry.reset();
      return got === 0 ? null : bytes.subarray(0, got);
    } catch (error) {
      if (!wouldBlock(error)) return null;
      this.#retry.arm();
      return undefined;
    }
  }

  onReadable(callback: () => void): void {
    this.#retry.callback = callback;
  }

  setRawMode(raw: boolean): void {
    if (this.isTTY) process.stdin.setRawMode(raw);
  }
}

/** Input where a descriptor cannot be read without blocking: Node's own stream, started by the first read. */
class StreamInput implements InputStream {
  #started = false;
  #ended = false;
  #rest: Uint8Array | undefined;
  #callback: () => void = () => {};

  constructor(readonly isTTY: boolean) {}

  read(max: number): Uint8Array | null | undefined {
    if (!this.#started) this.#start();
    const bytes = this.#rest ?? (process.stdin.read() as Uint8Array | null);
    if (!bytes) return this.#ended ? null : undefined;
    this.#rest = bytes.length > max ? bytes.subarray(max) : undefined;
    return bytes.subarray(0, max);
  }

  onReadable(callback: () => void): void {
    this.#callback = callback;
  }

  setRawMode(raw: boolean): void {
    if (this.isTTY) process.stdin.setRawMode(raw);
  }

  #start(): void {
    this.#started = true;
    const ended = () => {
      this.#ended = true;
      this.#callback();
    };
    process.stdin.on("readable", () => this.#callback());
    process.stdin.once("end", ended);
    process.stdin.once("error", ended);
  }
}

/** Our standard output (1) or standard error (2). */
export function standardOutput(fd: 1 | 2): OutputStream {
  const stat = statOf(fd);
  const reopened = stat?.isFIFO() ? reopen(fd, fs.constants.O_WRONLY) : -1;
  return new DescriptorOutput(reopened >= 0 ? reopened : fd, fd, isTerminal(fd, stat));
}

class DescriptorOutput implements OutputStream {
  readonly #retry = new Retry();

  constructor(
    readonly fd: number,
    readonly standard: 1 | 2,
    readonly isTTY: boolean,
  ) {}

  write(bytes: Uint8Array): number {
    if (bytes.length === 0) return 0;
    try {
      const written = fs.writeSync(this.fd, bytes, 0, bytes.length);
      this.#retry.reset();
      return written;
    } catch (error) {
      if (wouldBlock(error)) {
        this.#retry.arm();
        return 0;
      }
      const code = errorCode(error);
      if (code === "EPIPE" || code === "EOF") return -EPIPE;
      return code === "ENOSPC" ? -ENOSPC : -EIO;
    }
  }

  /** Whether a pipe has room cannot be asked without writing: the guest's write is tried again and finds out. */
  onWritable(callback: () => void): void {
    this.#retry.callback = callback;
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
      if (!wouldBlock(error)) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_FIRST_MS);
    }
  }
}
