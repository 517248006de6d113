// ioctl: what every descriptor has (close-on-exec, non-blocking, bytes to read) here, the rest in the file's own ioctl().
// Entered from entry-common.ts by syscall-table.ts.

import { ENOTTY, Errno } from "../errno";
import type { Task } from "../task";
import { FASYNC, O_NONBLOCK } from "../uapi-fcntl";
import { FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, FIOQSIZE } from "../uapi-termios";
import type { Block } from "../wait";

export function sysIoctl(task: Task, fd: number, rawCommand: number, argument: number): number | Block {
  const file = task.files.get(fd);
  const command = rawCommand >>> 0;
  switch (command) {
    case FIOCLEX:
      task.files.setCloseOnExec(fd, true);
      return 0;
    case FIONCLEX:
      task.files.setCloseOnExec(fd, false);
      return 0;
    case FIONBIO:
      setFlag(file, O_NONBLOCK, task.mm.getU32(argument) !== 0);
      return 0;
    case FIOASYNC:
      if (task.mm.getU32(argument) !== 0 && (file.flags & FASYNC) === 0) throw new Errno(ENOTTY); // nobody would send SIGIO
      return 0;
    case FIONREAD:
      if (!file.inode.isRegular) break;
      task.mm.putU32(argument, Math.min(0x7fff_ffff, Math.max(0, file.attributes().size - file.position)));
      return 0;
    case FIOQSIZE:
      if (!file.inode.isRegular && !file.inode.isDirectory && !file.inode.isSymlink) throw new Errno(ENOTTY);
      task.mm.putU64(argument, file.attributes().size);
      return 0;
  }
  return file.ioctl(task, command, argument);
}

function setFlag(file: { flags: number }, flag: number, on: boolean): void {
  file.flags = on ? file.flags | flag : file.flags & ~flag;
}
