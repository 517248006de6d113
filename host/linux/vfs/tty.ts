// The controlling terminal, when a standard stream of the embedding is one. Lines are edited, echoed and turned into
// signals by the host's own terminal, so this is only what programs ask: termios, window size, process group.

import { EIO, ENOTTY, Errno } from "../errno";
import type { Task } from "../task";
import {
  ECHO, FIONREAD, ICANON, ISIG, SIZEOF_TERMIOS, TCFLSH, TCGETS, TCSBRK, TCSETS, TCSETSF, TCSETSW, TIOCGPGRP, TIOCGSID,
  TIOCGWINSZ, TIOCOUTQ, TIOCSCTTY, TIOCSPGRP, encodeWinsize, standardTermios,
} from "../uapi-termios";
import type { Block, WaitQueue } from "../wait";
import type { Path } from "./dentry";
import { OpenFile } from "./file";
import type { IovIter } from "./iov-iter";
import type { HostInput, HostOutput } from "./streams";

const LFLAG = 12;
const HOST_MODES = ICANON | ECHO | ISIG;

export class Terminal {
  private readonly termios = standardTermios();
  /** Foreground process group; 0 until the first task asks, which then is it. */
  private foreground = 0;

  constructor(
    readonly input: HostInput | null,
    readonly output: HostOutput | null,
  ) {}

  ioctl(task: Task, command: number, argument: number): number {
    switch (command) {
      case TCGETS:
        task.mm.copyToUser(argument, this.termios);
        return 0;
      case TCSETS:
      case TCSETSW:
      case TCSETSF:
        this.setTermios(task.mm.copyFromUser(argument, SIZEOF_TERMIOS));
        return 0;
      case TIOCGWINSZ: {
        const stream = this.output?.stream;
        task.mm.copyToUser(argument, encodeWinsize(stream?.rows ?? 0, stream?.columns ?? 0));
        return 0;
      }
      case TIOCGPGRP:
        task.mm.putU32(argument, this.foreground || task.pid);
        return 0;
      case TIOCSPGRP:
        this.foreground = task.mm.getU32(argument);
        return 0;
      case TIOCGSID:
        task.mm.putU32(argument, task.pid);
        return 0;
      case FIONREAD:
        task.mm.putU32(argument, this.input?.available() ?? 0);
        return 0;
      case TIOCOUTQ: // what the host accepted has left us
        task.mm.putU32(argument, 0);
        return 0;
      case TCSBRK:
      case TCFLSH: // nothing is held here to drain or to flush
      case TIOCSCTTY: // it is the controlling terminal already
        return 0;
      default:
        throw new Errno(ENOTTY);
    }
  }

  /**
   * tcsetattr succeeds if any of the changes could be made (POSIX), and TCGETS tells which: canonical mode, echo and
   * signals are the host terminal's, so they move only with a stream that can be set to raw mode, together.
   */
  private setTermios(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const before = new DataView(this.termios.buffer).getUint32(LFLAG, true);
    const wanted = view.getUint32(LFLAG, true);
    let modes = before & HOST_MODES;
    const stream = this.input?.stream;
    if (stream?.setRawMode !== undefined && ((before ^ wanted) & HOST_MODES) !== 0) {
      stream.setRawMode((wanted & ICANON) === 0);
      modes = wanted & HOST_MODES;
    }
    this.termios.set(bytes.subarray(0, SIZEOF_TERMIOS));
    new DataView(this.termios.buffer).setUint32(LFLAG, (wanted & ~HOST_MODES) | modes, true);
  }
}

export class TtyFile extends OpenFile {
  constructor(path: Path, flags: number, private readonly terminal: Terminal) {
    super(path, flags);
  }
  override get seekable(): boolean {
    return false;
  }
  override read(_task: Task, to: IovIter): number | Block {
    return this.terminal.input?.read(this, to) ?? -EIO;
  }
  override write(task: Task, from: IovIter): number | Block {
    return this.terminal.output?.write(task, this, from) ?? -EIO;
  }
  override poll(): number {
    return (this.terminal.input?.poll() ?? 0) | (this.terminal.output?.poll() ?? 0);
  }
  override get queues(): readonly WaitQueue[] {
    const { input, output } = this.terminal;
    return [...(input !== null ? [input.queue] : []), ...(output !== null ? [output.queue] : [])];
  }
  override ioctl(task: Task, command: number, argument: number): number {
    return this.terminal.ioctl(task, command, argument);
  }
}
