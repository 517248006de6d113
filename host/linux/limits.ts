// Resource limits of a task (include/asm-generic/resource.h). Read by mm, the descriptor table and prlimit64.

import type { MemoryLimits } from "./mm";

export const RLIMIT_CPU = 0;
export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_RSS = 5;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;
export const RLIMIT_AS = 9;
export const RLIMIT_LOCKS = 10;
export const RLIMIT_SIGPENDING = 11;
export const RLIMIT_MSGQUEUE = 12;
export const RLIMIT_NICE = 13;
export const RLIMIT_RTPRIO = 14;
export const RLIMIT_RTTIME = 15;
export const RLIM_NLIMITS = 16;

/** RLIM_INFINITY as a number: 2^64 - 1 rounds to it, so it compares above every length. */
export const RLIM_INFINITY = 2 ** 64;

export interface Limit {
  soft: number;
  hard: number;
}

const MIB = 1 << 20;
/** Linux makes it half of what threads the memory could hold: for 256 MiB, this. */
const SIGPENDING_MAX = 1024;

export class Limits implements MemoryLimits {
  private readonly rows: Limit[] = Array.from({ length: RLIM_NLIMITS }, () => ({ soft: RLIM_INFINITY, hard: RLIM_INFINITY }));

  /** Linux's INIT_RLIMITS, but for open files (as a login gives them). */
  constructor(maxOpenFiles = 1024) {
    this.rows[RLIMIT_STACK] = { soft: 8 * MIB, hard: RLIM_INFINITY };
    this.rows[RLIMIT_CORE] = { soft: 0, hard: RLIM_INFINITY };
    this.rows[RLIMIT_NOFILE] = { soft: maxOpenFiles, hard: Math.max(4096, maxOpenFiles) };
    this.rows[RLIMIT_MEMLOCK] = { soft: 8 * MIB, hard: 8 * MIB };
    this.rows[RLIMIT_SIGPENDING] = { soft: SIGPENDING_MAX, hard: SIGPENDING_MAX };
    this.rows[RLIMIT_MSGQUEUE] = { soft: 819200, hard: 819200 };
    this.rows[RLIMIT_NICE] = { soft: 0, hard: 0 };
    this.rows[RLIMIT_RTPRIO] = { soft: 0, hard: 0 };
  }

  /** The limit of resource `index`, which must be below RLIM_NLIMITS. */
  get(index: number): Limit {
    return this.rows[index]!;
  }

  set(index: number, limit: Limit): void {
    this.rows[index] = limit;
  }

  get addressSpace(): number {
    return this.rows[RLIMIT_AS]!.soft;
  }
  get data(): number {
    return this.rows[RLIMIT_DATA]!.soft;
  }
  get stack(): number {
    return this.rows[RLIMIT_STACK]!.soft;
  }
  get openFiles(): number {
    return this.rows[RLIMIT_NOFILE]!.soft;
  }
}
