// Advisory locks of one inode: flock (owner: the open file) and fcntl record locks (owner: the descriptor table, or the
// open file for F_OFD_*). Reached from syscalls/open.ts through inode.locks.

import { WaitQueue } from "../wait";

export interface RecordLock {
  owner: object;
  pid: number;
  exclusive: boolean;
  start: number;
  /** exclusive end; Infinity = to the end of the file, however far that moves */
  end: number;
}

export class FileLocks {
  private readonly whole = new Map<object, boolean>();
  private records: RecordLock[] = [];
  readonly queue = new WaitQueue();

  /** flock: false when another open file holds it against us. */
  tryWhole(owner: object, exclusive: boolean): boolean {
    for (const [holder, held] of this.whole) {
      if (holder !== owner && (held || exclusive)) return false;
    }
    this.whole.set(owner, exclusive);
    this.queue.wake();
    return true;
  }
  releaseWhole(owner: object): void {
    if (this.whole.delete(owner)) this.queue.wake();
  }

  conflict(lock: RecordLock): RecordLock | null {
    return (
      this.records.find(
        (held) => held.owner !== lock.owner && (held.exclusive || lock.exclusive) && held.start < lock.end && lock.start < held.end,
      ) ?? null
    );
  }
  /** Sets or takes away (`keep` false) the owner's locks in the range, splitting what reaches beyond it. */
  set(lock: RecordLock, keep: boolean): void {
    const next: RecordLock[] = [];
    for (const held of this.records) {
      if (held.owner !== lock.owner || held.end <= lock.start || lock.end <= held.start) {
        next.push(held);
        continue;
      }
      if (held.start < lock.start) next.push({ ...held, end: lock.start });
      if (held.end > lock.end) next.push({ ...held, start: lock.end });
    }
    if (keep) next.push(lock);
    this.records = next;
    this.queue.wake();
  }
  releaseOwner(owner: object): void {
    const before = this.records.length;
    this.records = this.records.filter((held) => held.owner !== owner);
    if (this.records.length !== before) this.queue.wake();
  }
}
