// restart_syscall: goes on with a call that a signal without a handler cut short, where running it again with its own arguments
// would begin its timeout anew (Linux kernel/signal.c). The exit path puts its number into RAX.

import { EINTR } from "../errno";
import type { Task } from "../task";
import type { Block } from "../wait";
import { waitUntil } from "./futex";
import { pollUntil } from "./poll";
import { sleepUntil } from "./time";

export function sysRestartSyscall(task: Task): number | Block {
  const { restartBlock } = task;
  switch (restartBlock?.call) {
    case "nanosleep":
      return sleepUntil(task, restartBlock.deadlineNs, restartBlock.remaining, restartBlock.abi);
    case "poll":
      return pollUntil(task, restartBlock.fds, restartBlock.count, restartBlock.deadlineNs);
    case "futex":
      return waitUntil(task, restartBlock.address, restartBlock.value, restartBlock.deadlineNs);
  }
  return -EINTR;
}
