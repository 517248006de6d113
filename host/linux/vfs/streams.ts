// The standard streams: where the guest's descriptors 0, 1 and 2 meet the program that embeds us.
// A handler's read or write comes in here and leaves by InputStream.read or OutputStream.write, which answer at once; when
// there is nothing to read or no room, the task sleeps until the stream's callback wakes the queue. Nothing is collected
// beyond the piece in hand, so a guest that prints 100 MB needs no 100 MB.

import { EAGAIN, EIO, EPIPE } from "../errno";
import type { Task } from "../task";
import { O_NONBLOCK } from "../uapi-fcntl";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../uapi-poll";
import { FIONREAD } from "../uapi-termios";
import { type Block, WaitQueue, block } from "../wait";
import { raiseBrokenPipe } from "./broken-pipe";
import type { Path } from "./dentry";
import { OpenFile } from "./file";
import type { IovIter } from "./iov-iter";

/** Where the guest's standard input comes from. */
export interface InputStream {
  /** At most `max` bytes; null at the end (and ever after); undefined when there is nothing yet. */
  read(max: number): Uint8Array | null | undefined;
  /** Called once; `callback` may then be run whenever read() might have something to say again. */
  onReadable(callback: () => void): void;
  readonly isTTY?: boolean;
  /** A terminal that can stop editing and echoing lines by itself. */
  setRawMode?(raw: boolean): void;
}

/** Where the guest's standard output goes. */
export interface OutputStream {
  /** How many bytes were accepted, 0 when there is no room, or -errno (-EPIPE: nobody reads any more). Keeps no reference. */
  write(bytes: Uint8Array): number;
  /** Called once; `callback` may then be run whenever there might be room again. */
  onWritable(callback: () => void): void;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

const PIECE = 65536;
const nothing = new Uint8Array(0);

/** The reading side: at most one piece that the stream gave and the guest has not taken. */
export class HostInput {
  readonly queue = new WaitQueue(true);
  private pending: Uint8Array = nothing;
  private ended = false;

  constructor(readonly stream: InputStream) {
    stream.onReadable(() => this.queue.wake());
  }

  read(file: OpenFile, to: IovIter): number | Block {
    if (to.remaining === 0) return 0;
    this.fill(Math.min(to.remaining, PIECE));
    if (this.pending.length === 0) {
      if (this.ended) return 0;
      return file.flags & O_NONBLOCK ? -EAGAIN : block(this.queue);
    }
    const moved = to.put(this.pending);
    this.pending = this.pending.subarray(moved);
    return to.result(moved);
  }

  /** Bytes that a read would get at once. */
  available(): number {
    this.fill(PIECE);
    return this.pending.length;
  }

  poll(): number {
    this.fill(PIECE);
    if (this.pending.length > 0) return POLLIN | POLLRDNORM;
    return this.ended ? POLLHUP | POLLIN | POLLRDNORM : 0;
  }

  private fill(max: number): void {
    if (this.pending.length > 0 || this.ended) return;
    const bytes = this.stream.read(max);
    if (bytes === null) this.ended = true;
    else if (bytes !== undefined) this.pending = bytes;
  }
}

/** The writing side. */
export class HostOutput {
  readonly queue = new WaitQueue(true);
  private readonly piece = new Uint8Array(PIECE);
  private full = false;
  private broken = false;

  constructor(readonly stream: OutputStream) {
    stream.onWritable(() => {
      this.full = false;
      this.queue.wake();
    });
  }

  write(task: Task, file: OpenFile, from: IovIter): number | Block {
    let moved = 0;
    while (from.remaining > 0) {
      const taken = from.take(this.piece.subarray(0, Math.min(from.remaining, PIECE)));
      if (taken === 0) break;
      const accepted = this.stream.write(this.piece.subarray(0, taken));
      if (accepted < 0) {
        from.untake(taken);
        this.broken = true;
        if (moved > 0) return moved;
        if (accepted === -EPIPE) raiseBrokenPipe(task);
        return Number.isInteger(accepted) ? accepted : -EIO;
      }
      const used = Math.min(accepted, taken);
      moved += used;
      if (used < taken) {
        from.untake(taken - used);
        this.full = used === 0;
        if (file.flags & O_NONBLOCK) return moved > 0 ? moved : -EAGAIN;
        if (used === 0) return block(this.queue);
      }
      if (from.faulted) break;
    }
    return from.result(moved);
  }

  poll(): number {
    if (this.broken) return POLLERR | POLLOUT | POLLWRNORM;
    return this.full ? 0 : POLLOUT | POLLWRNORM;
  }
}

/** A standard stream that is not a terminal; the guest sees a pipe. */
export class StreamFile extends OpenFile {
  constructor(
    path: Path,
    flags: number,
    private readonly input: HostInput | null,
    private readonly output: HostOutput | null,
  ) {
    super(path, flags);
  }
  override get seekable(): boolean {
    return false;
  }
  override read(task: Task, to: IovIter, position: number): number | Block {
    return this.input !== null ? this.input.read(this, to) : super.read(task, to, position);
  }
  override write(task: Task, from: IovIter, position: number): number | Block {
    return this.output !== null ? this.output.write(task, this, from) : super.write(task, from, position);
  }
  override poll(): number {
    return (this.input?.poll() ?? 0) | (this.output?.poll() ?? 0);
  }
  override get queues(): readonly WaitQueue[] {
    return [...(this.input !== null ? [this.input.queue] : []), ...(this.output !== null ? [this.output.queue] : [])];
  }
  override ioctl(task: Task, command: number, argument: number): number | Block {
    if (command !== FIONREAD || this.input === null) return super.ioctl(task, command, argument);
    task.mm.putU32(argument, this.input.available());
    return 0;
  }
}
