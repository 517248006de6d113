// Segments of the program's own: TLS entries of the GDT (Linux arch/x86/kernel/tls.c) and the LDT (arch/x86/kernel/ldt.c).

import { GDT_ENTRY_TLS_MIN } from "../../ring0/segments";
import { LDT_ENTRIES } from "../../ring0/local-descriptor-table";
import { TLS_ENTRIES } from "../../ring0/user-segments";
import { EINVAL, ENOMEM, ENOSYS, ESRCH, Errno } from "../errno";
import type { Task } from "../task";
import { USER_DESC } from "../uapi-structs";
import {
  CONTENTS_CODE, CONTENTS_CONFORMING, type UserDesc, contentsOf, descriptorOf, describedBy, is32Bit, isEmpty, isNotPresent, isZero,
} from "../user-desc";

const ANY_ENTRY = 0xffffffff;

function tlsIndex(entry: number): number {
  const index = entry - GDT_ENTRY_TLS_MIN;
  if (index < 0 || index >= TLS_ENTRIES) throw new Errno(EINVAL);
  return index;
}

/** Only present data segments of 32 bits are let into the GDT: others could be used against old kernels' espfix (Linux tls_desc_okay). */
function isAllowed(wanted: UserDesc): boolean {
  return isEmpty(wanted) || isZero(wanted) || (is32Bit(wanted) && contentsOf(wanted) < CONTENTS_CODE && !isNotPresent(wanted));
}

export function sysSetThreadArea(task: Task, address: number): number {
  const { ring0 } = task.kernel;
  const wanted = USER_DESC.get(task, address);
  if (!isAllowed(wanted)) return -EINVAL;
  if (wanted.entry_number === ANY_ENTRY) {
    const { tls } = task.stack.segments;
    const free = Array.from({ length: TLS_ENTRIES }, (_, index) => index).find((index) => tls[index * 2] === 0 && tls[index * 2 + 1] === 0);
    if (free === undefined) return -ESRCH;
    wanted.entry_number = GDT_ENTRY_TLS_MIN + free;
    task.mm.putU32(address, wanted.entry_number);
  }
  tlsIndex(wanted.entry_number);
  const [lo, hi] = isEmpty(wanted) || isZero(wanted) ? [0, 0] : descriptorOf(wanted);
  ring0.setTls(wanted.entry_number, lo, hi);
  return 0;
}

export function sysGetThreadArea(task: Task, address: number): number {
  const entry = task.mm.getU32(address);
  const index = tlsIndex(entry);
  const { tls } = task.stack.segments;
  USER_DESC.put(task, address, describedBy(entry, tls[index * 2]!, tls[index * 2 + 1]!));
  return 0;
}

const READ_LDT = 0;
const WRITE_LDT_OLD = 1;
const READ_DEFAULT_LDT = 2;
const WRITE_LDT = 0x11;
const ENTRY_BYTES = 8;
const LDT_BYTES_MAX = LDT_ENTRIES * ENTRY_BYTES;
const DEFAULT_LDT_BYTES = 128;
const AVL = 1 << 20;

export function sysModifyLdt(task: Task, operation: number, address: number, bytes: number): number {
  // An int, not a long: an error has 32 bits, in 64-bit code too.
  return modifyLdt(task, operation, address, bytes) >>> 0;
}

function modifyLdt(task: Task, operation: number, address: number, bytes: number): number {
  try {
    switch (operation) {
      case READ_LDT:
        return readLdt(task, address, bytes);
      case READ_DEFAULT_LDT:
        return readDefaultLdt(task, address, bytes);
      case WRITE_LDT_OLD:
      case WRITE_LDT:
        return writeLdt(task, address, bytes, operation === WRITE_LDT_OLD);
    }
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    return -error.code;
  }
  return -ENOSYS;
}

/** The LDT, zeros after its end. Answers 0 where there is none. */
function readLdt(task: Task, address: number, bytes: number): number {
  const words = task.mm.addressSpace.ldtWords;
  if (words.length === 0) return 0;
  const wanted = Math.min(bytes, LDT_BYTES_MAX);
  const table = new Uint8Array(words.slice().buffer).subarray(0, wanted);
  task.mm.copyToUser(address, table);
  if (wanted > table.length) task.mm.clearUser(address + table.length, wanted - table.length);
  return wanted;
}

/** What the LDT is without modify_ldt: zeros. */
function readDefaultLdt(task: Task, address: number, bytes: number): number {
  const wanted = Math.min(bytes, DEFAULT_LDT_BYTES);
  task.mm.clearUser(address, wanted);
  return wanted;
}

/** @param old the operation from before there were `useable` and segments that are not present */
function writeLdt(task: Task, address: number, bytes: number, old: boolean): number {
  if (bytes !== USER_DESC.size(task.abi)) return -EINVAL;
  const wanted = USER_DESC.get(task, address);
  if (wanted.entry_number >= LDT_ENTRIES) return -EINVAL;
  if (contentsOf(wanted) === CONTENTS_CONFORMING && (old || !isNotPresent(wanted))) return -EINVAL;
  const clear = (old && wanted.base_addr === 0 && wanted.limit === 0) || isEmpty(wanted);
  const [lo, hi] = clear ? [0, 0] : descriptorOf(wanted);
  const { ring0 } = task.kernel;
  if (!task.mm.addressSpace.ldt.set(wanted.entry_number, lo, old ? hi & ~AVL : hi)) return -ENOMEM;
  ring0.reloadLdt();
  return 0;
}

