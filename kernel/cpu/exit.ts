// How an operation ends run(): it leaves the reason in the CPU block, and the run loop returns at this instruction boundary.

import { CPU_BLOCK } from "../abi/layout";
import { EXIT_REASON } from "../abi/state";
import { stateChanged } from "./state";

/** Asks the run loop to return `reason` (abi/exit-reasons.ts) once the instruction has ended. */
export function requestExit(reason: u32): void {
  store<u32>(CPU_BLOCK + EXIT_REASON, reason);
  stateChanged();
}
