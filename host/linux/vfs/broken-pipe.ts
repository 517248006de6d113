// SIGPIPE for whoever writes where nobody reads: the one signal that file code sends by itself.

import type { Task } from "../task";
import { SIGPIPE, SI_USER } from "../uapi-signal";


/** The caller then answers -EPIPE, which the guest sees only when it ignores or handles the signal. */
export function raiseBrokenPipe(task: Task): void {
  task.kernel.signals.raise(task, SIGPIPE, { code: SI_USER, pid: task.pid, uid: task.creds.uid }, true);
}
