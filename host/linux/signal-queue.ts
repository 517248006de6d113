// Signals that wait: one queue for each task and one for its whole thread group (Linux struct sigpending).

import type { SignalInfo } from "./siginfo";
import { SIGBUS, SIGFPE, SIGILL, SIGRTMIN, SIGSEGV, SIGSYS, SIGTRAP } from "./uapi-signal";

/** Bit of `signal` in a sigset_t. */
export function signalBit(signal: number): bigint {
  return 1n << BigInt(signal - 1);
}

/** Linux SYNCHRONOUS_MASK: what an instruction brought on itself goes first. */
const synchronous = [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS];

export class SignalQueue {
  private queued: SignalInfo[] = [];
  /** sigset_t of what waits. */
  mask = 0n;

  get length(): number {
    return this.queued.length;
  }

  has(signal: number): boolean {
    return (this.mask & signalBit(signal)) !== 0n;
  }

  /**
   * Real-time signals and those of timers queue up, one of the others waits once: false, and nothing done, when it does
   * already.
   */
  add(info: SignalInfo): boolean {
    if (info.signal < SIGRTMIN && info.source === undefined && this.has(info.signal)) return false;
    this.queued.push(info);
    this.mask |= signalBit(info.signal);
    return true;
  }

  /** Takes the oldest of the signals that `wanted` accepts, `signal` alone if it is given. */
  private take(wanted: (info: SignalInfo) => boolean): SignalInfo | undefined {
    const index = this.queued.findIndex(wanted);
    if (index < 0) return undefined;
    const [info] = this.queued.splice(index, 1);
    if (!this.queued.some((other) => other.signal === info!.signal)) this.mask &= ~signalBit(info!.signal);
    return info;
  }

  /** A fault of the task's own, whatever else waits (Linux dequeue_synchronous_signal). */
  takeSynchronous(blocked: bigint): SignalInfo | undefined {
    if ((this.mask & ~blocked) === 0n) return undefined;
    return this.take((info) => info.code > 0 && synchronous.includes(info.signal) && (blocked & signalBit(info.signal)) === 0n);
  }

  /** The lowest signal outside `blocked`, synchronous ones before the rest (Linux next_signal). */
  takeNext(blocked: bigint): SignalInfo | undefined {
    const ready = this.mask & ~blocked;
    if (ready === 0n) return undefined;
    let signal = synchronous.find((number) => (ready & signalBit(number)) !== 0n);
    if (signal === undefined) for (signal = 1; (ready & signalBit(signal)) === 0n; ) signal++;
    return this.take((info) => info.signal === signal);
  }

  /** Forgets every signal of the set. */
  flush(set: bigint): void {
    if ((this.mask & set) === 0n) return;
    this.queued = this.queued.filter(({ signal }) => (set & signalBit(signal)) === 0n);
    this.mask &= ~set;
  }

  /** What `source` sent stays, but is its business no more. */
  release(source: SignalInfo["source"]): void {
    this.queued = this.queued.map((info) => (info.source === source ? { ...info, source: undefined } : info));
  }
}
