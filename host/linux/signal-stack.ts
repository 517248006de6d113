// The alternate signal stack (Linux kernel/signal.c do_sigaltstack): set by sigaltstack and by rt_sigreturn.
//
//   stack_t, 24 bytes: u64 sp, i32 flags, 4 bytes, u64 size

import { EINVAL, ENOMEM, EPERM } from "./errno";
import { onAlternateStack } from "./signal";
import type { Task } from "./task";
import { SS_AUTODISARM, SS_DISABLE, SS_ONSTACK } from "./uapi-signal";

export const SIZEOF_STACK_T = 24;
const MINSIGSTKSZ = 2048;
const TWO_32 = 0x1_0000_0000;

/** Takes over a stack_t; answers 0 or -errno. `sp` is the caller's: the stack that it stands on stays. */
export function setAlternateStack(task: Task, wanted: DataView, sp: number): number {
  if (onAlternateStack(task.signals.alternateStack, sp)) return -EPERM;
  const flags = wanted.getUint32(8, true);
  const mode = (flags & ~SS_AUTODISARM) >>> 0;
  if (mode !== 0 && mode !== SS_ONSTACK && mode !== SS_DISABLE) return -EINVAL;
  const number64 = (at: number): number => wanted.getUint32(at + 4, true) * TWO_32 + wanted.getUint32(at, true);
  const size = mode === SS_DISABLE ? 0 : number64(16);
  if (mode !== SS_DISABLE && size < MINSIGSTKSZ) return -ENOMEM;
  task.signals.alternateStack = { sp: mode === SS_DISABLE ? 0 : number64(0), size, flags };
  return 0;
}

/** The task's stack_t as sigaltstack shows it. */
export function alternateStackBytes(task: Task, sp: number): Uint8Array {
  const stack = task.signals.alternateStack;
  const bytes = new Uint8Array(SIZEOF_STACK_T);
  const view = new DataView(bytes.buffer);
  const use = stack.size === 0 ? SS_DISABLE : onAlternateStack(stack, sp) ? SS_ONSTACK : 0;
  view.setUint32(0, stack.sp, true);
  view.setUint32(4, Math.floor(stack.sp / TWO_32), true);
  view.setUint32(8, use | (stack.flags & SS_AUTODISARM), true);
  view.setUint32(16, stack.size, true);
  view.setUint32(20, Math.floor(stack.size / TWO_32), true);
  return bytes;
}
