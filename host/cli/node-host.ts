// Node's clocks and randomness for the kernel, by ways that are there from the start: the globals `performance` and `crypto`
// would first load node:perf_hooks and all of webcrypto, which takes longer than a hello runs.
// Used by run.ts.

import * as fs from "node:fs";
import type { RunOptions } from "../index";

export const nodeClock: NonNullable<RunOptions["hostClock"]> = {
  monotonicMs() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e3 + nanoseconds / 1e6;
  },
  realtimeMs: () => Date.now(),
};

/** A source of randomness for one run: the system's device, or webcrypto where there is none (Windows). */
export function nodeRandom(): NonNullable<RunOptions["getRandomValues"]> {
  let device: number;
  try {
    device = fs.openSync("/dev/urandom", "r");
  } catch {
    return (bytes) => crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
  }
  return (bytes) => {
    for (let at = 0; at < bytes.length; ) at += fs.readSync(device, bytes, at, bytes.length - at, null);
  };
}
