// The alternate signal stack (Linux kernel/signal.c do_sigaltstack): set by sigaltstack and by rt_sigreturn.

import { EINVAL, ENOMEM, EPERM } from "./errno";
import { onAlternateStack } from "./signal";
import type { Task } from "./task";
import { SS_AUTODISARM, SS_DISABLE, SS_ONSTACK } from "./uapi-signal";

const MINSIGSTKSZ = 2048;

/** stack_t, as STACK_T of uapi-structs.ts has it. */
interface StackT {
  ss_sp: number;
  ss_flags: number;
  ss_size: number;
}

/** Takes over a stack_t; answers 0 or -errno. `sp` is the caller's: the stack that it stands on stays. */
export function setAlternateStack(task: Task, wanted: StackT, sp: number): number {
  if (onAlternateStack(task.signals.alternateStack, sp)) return -EPERM;
  const flags = wanted.ss_flags;
  const mode = (flags & ~SS_AUTODISARM) >>> 0;
  if (mode !== 0 && mode !== SS_ONSTACK && mode !== SS_DISABLE) return -EINVAL;
  const size = mode === SS_DISABLE ? 0 : wanted.ss_size;
  if (mode !== SS_DISABLE && size < MINSIGSTKSZ) return -ENOMEM;
  task.signals.alternateStack = { sp: mode === SS_DISABLE ? 0 : wanted.ss_sp, size, flags };
  return 0;
}

/** The task's stack_t as sigaltstack shows it. */
export function shownAlternateStack(task: Task, sp: number): StackT {
  const stack = task.signals.alternateStack;
  const use = stack.size === 0 ? SS_DISABLE : onAlternateStack(stack, sp) ? SS_ONSTACK : 0;
  return { ss_sp: stack.sp, ss_flags: use | (stack.flags & SS_AUTODISARM), ss_size: stack.size };
}
