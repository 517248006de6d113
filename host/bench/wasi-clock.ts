// The row "WASI host call": the other way that WebAssembly has to ask an operating system for the time. guest-programs/wasi-clock.wat calls
// clock_time_get under @wasmer/wasi. crossings.ts loads this file, and the package with it, only when it comes to that row.

import { init, WASI } from "@wasmer/wasi";
import { compileModule } from "../index";

const CALLS = 1500;
const LOOP_CALLS = 1_000_000;
const WARM_UP_CALLS = 40_000;

interface WasiClockExports {
  calls(count: number): number;
  loop(count: number): number;
}

/**
 * Nanoseconds per call of each of `batches` batches, the loop subtracted.
 * @param bytes guest-programs/wasi-clock.wasm
 * @throws Error when a call fails
 */
export async function timeWasiCall(bytes: Uint8Array, batches: number): Promise<number[]> {
  await init();
  const wasi = new WASI({});
  const instance = wasi.instantiate(await compileModule(bytes), {}) as unknown as { exports: WasiClockExports };
  const { calls, loop } = instance.exports;
  const timed = (call: (count: number) => number, count: number): number => {
    const begun = process.hrtime.bigint();
    const errno = call(count);
    const nanoseconds = Number(process.hrtime.bigint() - begun);
    if (errno !== 0) throw new Error(`clock_time_get: WASI errno ${errno}`);
    return nanoseconds / count;
  };
  timed(calls, WARM_UP_CALLS);
  timed(loop, LOOP_CALLS);
  const loopNs = timed(loop, LOOP_CALLS);
  return Array.from({ length: batches }, () => timed(calls, CALLS) - loopNs);
}
