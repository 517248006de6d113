// Runs a guest that may do anything through the public API, with tight limits, and fails if the host throws or overruns its time.

import { Machine, ProgramError, run, type RunOptions, type RunResult } from "../../host/index";

const TIMEOUT_MS = 250;
/** How far past its time limit a run may come back, on a busy computer. */
const GRACE_MS = 10_000;

/** What V8 has compiled and optimised of the machine is shared by all runs. */
let module: Promise<WebAssembly.Module> | undefined;
const compiled = () => (module ??= Machine.create({ ramBytes: 1 << 16 }).then((machine) => machine.module));

/** The guest's result, or null for a program that cannot be run. Anything else that is thrown is a bug of the host. */
export async function guardedRun(program: Uint8Array, options: RunOptions = {}): Promise<RunResult | null> {
  const begun = Date.now();
  let result: RunResult | null = null;
  try {
    result = await run(program, {
      memoryMiB: 32, timeoutMs: TIMEOUT_MS, seed: 1, stdin: "some\ninput\n", stdout: () => {}, stderr: () => {}, onNotice: () => {}, module: await compiled(), ...options,
    });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    if (/\n/.test(error.message)) throw new Error(`a complaint of more than one line: ${error.message}`);
  }
  const took = Date.now() - begun;
  if (took > TIMEOUT_MS + GRACE_MS) throw new Error(`a run limited to ${TIMEOUT_MS} ms took ${took} ms`);
  return result;
}
