// eventfd: a 64-bit counter behind a descriptor (Linux fs/eventfd.c). Made by syscalls/pipe.ts.

import { EAGAIN, EINVAL } from "../errno";
import type { Task } from "../task";
import { O_NONBLOCK } from "../uapi-fcntl";
import { POLLIN, POLLOUT } from "../uapi-poll";
import { type Block, WaitQueue, block } from "../wait";
import type { Path } from "./dentry";
import { OpenFile } from "./file";
import type { IovIter } from "./iov-iter";

const ULLONG_MAX = 0xffff_ffff_ffff_ffffn;

export class EventFile extends OpenFile {
  private readonly queue = new WaitQueue();
  constructor(path: Path, flags: number, private count: bigint, private readonly semaphore: boolean) {
    super(path, flags);
  }
  override get seekable(): boolean {
    return false;
  }
  override read(_task: Task, to: IovIter): number | Block {
    if (to.remaining < 8) return -EINVAL;
    if (this.count === 0n) return this.flags & O_NONBLOCK ? -EAGAIN : block(this.queue);
    const taken = this.semaphore ? 1n : this.count;
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, taken, true);
    this.count -= taken;
    this.queue.wake();
    return to.result(to.put(bytes) === 8 ? 8 : 0);
  }
  override write(_task: Task, from: IovIter): number | Block {
    if (from.remaining < 8) return -EINVAL;
    const bytes = new Uint8Array(8);
    if (from.take(bytes) < 8) return from.result(0);
    const value = new DataView(bytes.buffer).getBigUint64(0, true);
    if (value === ULLONG_MAX) return -EINVAL;
    if (ULLONG_MAX - this.count <= value) {
      from.untake(8);
      return this.flags & O_NONBLOCK ? -EAGAIN : block(this.queue);
    }
    this.count += value;
    this.queue.wake();
    return 8;
  }
  override poll(): number {
    return (this.count > 0n ? POLLIN : 0) | (this.count < ULLONG_MAX - 1n ? POLLOUT : 0);
  }
  override get queues(): readonly WaitQueue[] {
    return [this.queue];
  }
}
