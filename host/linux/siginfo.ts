// What is known of one signal, and siginfo_t, the form in which user space sees it
// (include/uapi/asm-generic/siginfo.h, kernel/signal.c copy_siginfo_to_user).
//
//   siginfo_t, 128 bytes, of which the kernel gives the first 48 a meaning:
//    0        4        8       12  16
//   +--------+--------+-------+---+----------------------------------------------+
//   | signo  | errno  | code  | - | by si_code and signal:                       |
//   +--------+--------+-------+---+----------------------------------------------+
//            sent by a process     | i32 pid, u32 uid, u64 value                  |
//            sent by a timer       | i32 timer id, i32 overrun, u64 value         |
//            fault                 | u64 address                                  |

import type { Abi } from "./abi";
import { E2BIG, Errno } from "./errno";
import type { UserView } from "./struct-layout";
import {
  SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGIO, SIGSEGV, SIGSYS, SIGTRAP, SI_ASYNCNL, SI_DETHREAD, SI_KERNEL, SI_TIMER, SI_USER,
} from "./uapi-signal";

export const SIZEOF_SIGINFO = 128;
/** struct kernel_siginfo: what follows is zero in every siginfo that the kernel hands out. */
const SIZEOF_KERNEL_SIGINFO = 48;
const TWO_32 = 0x1_0000_0000;

/** Whoever sent a signal and wants to know when the task takes it: a POSIX timer, which then goes on. */
export interface SignalSource {
  /** The signal is being taken off the queue; what it answers is what the guest sees. */
  taken(info: SignalInfo): SignalInfo;
}

export interface SignalInfo {
  signal: number;
  /** si_code */
  code: number;
  /** si_addr of a fault; an address of the kernel's half is negative. */
  address?: number;
  pid?: number;
  uid?: number;
  /** si_value */
  value?: bigint;
  /** si_timerid and si_overrun, with SI_TIMER */
  timer?: number;
  overrun?: number;
  /** siginfo as rt_sigqueueinfo was given it, its first 48 bytes: they go through as they are. */
  raw?: Uint8Array;
  source?: SignalSource;
}

/** siginfo_t as the guest gets it, in the layout of `abi`. */
export function siginfoBytes(info: SignalInfo, abi: Abi): Uint8Array {
  return abi.word === 8 ? siginfo64(info) : siginfo32(info);
}

function siginfo64(info: SignalInfo): Uint8Array {
  const bytes = new Uint8Array(SIZEOF_SIGINFO);
  const view = new DataView(bytes.buffer);
  if (info.raw !== undefined) bytes.set(info.raw);
  view.setInt32(0, info.signal, true);
  view.setInt32(8, info.code, true);
  if (info.raw !== undefined) return bytes;
  if (info.code === SI_TIMER) {
    view.setInt32(16, info.timer ?? 0, true);
    view.setInt32(20, info.overrun ?? 0, true);
  } else if (info.address !== undefined) {
    view.setUint32(16, info.address, true);
    view.setUint32(20, Math.floor(info.address / TWO_32), true);
  } else {
    view.setInt32(16, info.pid ?? 0, true);
    view.setUint32(20, info.uid ?? 0, true);
  }
  if (info.value !== undefined) view.setBigUint64(24, BigInt.asUintN(64, info.value), true);
  return bytes;
}

//   compat_siginfo, 128 bytes: the same without the hole at 12, pointers of 4 bytes
//    0        4        8       12
//   +--------+--------+-------+--------------------------------------------------+
//   | signo  | errno  | code  | i32 pid, u32 uid, u32 value | u32 address | ...  |
//   +--------+--------+-------+--------------------------------------------------+
function siginfo32(info: SignalInfo): Uint8Array {
  const bytes = new Uint8Array(SIZEOF_SIGINFO);
  const wide = siginfo64(info);
  bytes.set(wide.subarray(0, 12));
  const fault = info.address !== undefined;
  bytes.set(wide.subarray(16, fault ? 20 : 24), 12);
  if (!fault) bytes.set(wide.subarray(24, 28), 20);
  return bytes;
}

/** Puts the fields of a compat_siginfo to where siginfo_t has them (Linux post_copy_siginfo_from_user32). */
function widened(bytes: Uint8Array): Uint8Array {
  const wide = new Uint8Array(SIZEOF_KERNEL_SIGINFO);
  wide.set(bytes.subarray(0, 12));
  wide.set(bytes.subarray(12, 20), 16);
  wide.set(bytes.subarray(20, 24), 24);
  return wide;
}

/** Highest si_code of each signal that has its own (NSIGILL and its kin). */
const OWN_CODES: ReadonlyMap<number, number> = new Map([
  [SIGILL, 11], [SIGTRAP, 6], [SIGBUS, 5], [SIGFPE, 15], [SIGSEGV, 9], [SIGCHLD, 6], [SIGIO, 6], [SIGSYS, 2],
]);
const NSIGPOLL = 6;

/** Does the kernel know what a siginfo with this code holds (Linux known_siginfo_layout)? */
function hasKnownLayout(signal: number, code: number): boolean {
  if (code === SI_KERNEL) return true;
  if (code > SI_USER) return code <= (OWN_CODES.get(signal) ?? NSIGPOLL);
  return code >= SI_DETHREAD || code === SI_ASYNCNL;
}

/**
 * siginfo_t at `address`, as rt_sigqueueinfo takes it: the signal is the call's own.
 * @throws Errno E2BIG for one of a layout that is not known, and that is longer than the kernel's own
 */
export function siginfoFromUser({ mm, abi }: UserView, address: number, signal: number): SignalInfo {
  const given = mm.copyFromUser(address, SIZEOF_SIGINFO);
  if (abi.word === 8 && !hasKnownLayout(signal, new DataView(given.buffer, given.byteOffset).getInt32(8, true))) {
    if (given.subarray(SIZEOF_KERNEL_SIGINFO).some((byte) => byte !== 0)) throw new Errno(E2BIG);
  }
  const raw = abi.word === 8 ? given.slice(0, SIZEOF_KERNEL_SIGINFO) : widened(given);
  const view = new DataView(raw.buffer);
  return {
    signal, code: view.getInt32(8, true), raw, pid: view.getInt32(16, true), uid: view.getUint32(20, true), value: view.getBigUint64(24, true),
  };
}
