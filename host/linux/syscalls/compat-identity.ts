// i386's first user and group calls, whose numbers have 16 bits: 65535 is "leave it", a number that does not fit is shown as 65534
// (Linux kernel/uid16.c). Entered from entry-common.ts by i386-syscall-table.ts.

import { EINVAL, EPERM } from "../errno";
import { id16 } from "../stat-values";
import type { Task } from "../task";
import {
  sysSetfsgid, sysSetfsuid, sysSetgid, sysSetregid, sysSetresgid, sysSetresuid, sysSetreuid, sysSetuid,
} from "./identity";
import { sysChown, sysFchown, sysLchown } from "./stat";

const NO_ID_16 = 0xffff;
const NO_ID = 0xffffffff;
const NGROUPS_MAX = 65536;

function wide(id: number): number {
  const low = id & 0xffff;
  return low === NO_ID_16 ? NO_ID : low;
}

export function sysChown16(task: Task, path: number, uid: number, gid: number): number {
  return sysChown(task, path, wide(uid), wide(gid));
}
export function sysLchown16(task: Task, path: number, uid: number, gid: number): number {
  return sysLchown(task, path, wide(uid), wide(gid));
}
export function sysFchown16(task: Task, fd: number, uid: number, gid: number): number {
  return sysFchown(task, fd, wide(uid), wide(gid));
}

export function sysGetuid16(task: Task): number {
  return id16(task.creds.uid);
}
export function sysGeteuid16(task: Task): number {
  return id16(task.creds.euid);
}
export function sysGetgid16(task: Task): number {
  return id16(task.creds.gid);
}
export function sysGetegid16(task: Task): number {
  return id16(task.creds.egid);
}

export function sysSetuid16(task: Task, uid: number): number {
  return sysSetuid(task, wide(uid));
}
export function sysSetgid16(task: Task, gid: number): number {
  return sysSetgid(task, wide(gid));
}
export function sysSetreuid16(task: Task, ruid: number, euid: number): number {
  return sysSetreuid(task, wide(ruid), wide(euid));
}
export function sysSetregid16(task: Task, rgid: number, egid: number): number {
  return sysSetregid(task, wide(rgid), wide(egid));
}
export function sysSetresuid16(task: Task, ruid: number, euid: number, suid: number): number {
  return sysSetresuid(task, wide(ruid), wide(euid), wide(suid));
}
export function sysSetresgid16(task: Task, rgid: number, egid: number, sgid: number): number {
  return sysSetresgid(task, wide(rgid), wide(egid), wide(sgid));
}
export function sysSetfsuid16(task: Task, uid: number): number {
  return sysSetfsuid(task, wide(uid));
}
export function sysSetfsgid16(task: Task, gid: number): number {
  return sysSetfsgid(task, wide(gid));
}

export function sysGetresuid16(task: Task, ruid: number, euid: number, suid: number): number {
  const { mm, creds } = task;
  mm.putU16(ruid, id16(creds.uid));
  mm.putU16(euid, id16(creds.euid));
  mm.putU16(suid, id16(creds.suid));
  return 0;
}
export function sysGetresgid16(task: Task, rgid: number, egid: number, sgid: number): number {
  const { mm, creds } = task;
  mm.putU16(rgid, id16(creds.gid));
  mm.putU16(egid, id16(creds.egid));
  mm.putU16(sgid, id16(creds.sgid));
  return 0;
}

export function sysGetgroups16(task: Task, size: number, list: number): number {
  const { groups } = task.creds;
  if (size < 0) return -EINVAL;
  if (size === 0) return groups.length;
  if (groups.length > size) return -EINVAL;
  groups.forEach((gid, index) => task.mm.putU16(list + index * 2, id16(gid)));
  return groups.length;
}
export function sysSetgroups16(task: Task, size: number, list: number): number {
  if (task.creds.euid !== 0) return -EPERM;
  if (size < 0 || size > NGROUPS_MAX) return -EINVAL;
  task.creds.groups = Array.from({ length: size }, (_, index) => wide(task.mm.getU16(list + index * 2))).sort((a, b) => a - b);
  return 0;
}
