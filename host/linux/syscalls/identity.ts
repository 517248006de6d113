// User and group numbers, supplementary groups, capabilities (Linux kernel/sys.c, kernel/groups.c, kernel/capability.c).
// Root's capabilities go and come with the effective user number, as long as nobody asks for more than that.

import { EFAULT, EINVAL, EPERM, ESRCH, Errno } from "../errno";
import type { Credentials, Task } from "../task";

const NO_ID = 0xffffffff;
const NGROUPS_MAX = 65536;

export function sysGetuid(task: Task): number {
  return task.creds.uid;
}
export function sysGeteuid(task: Task): number {
  return task.creds.euid;
}
export function sysGetgid(task: Task): number {
  return task.creds.gid;
}
export function sysGetegid(task: Task): number {
  return task.creds.egid;
}

type UserIds = Pick<Credentials, "uid" | "euid" | "suid" | "fsuid">;

function privileged(task: Task): boolean {
  return task.creds.euid === 0;
}

export function sysSetuid(task: Task, uid: number): number {
  const { creds } = task;
  if (uid === NO_ID) return -EINVAL;
  if (privileged(task)) {
    creds.uid = uid;
    creds.suid = uid;
  } else if (uid !== creds.uid && uid !== creds.suid) return -EPERM;
  creds.euid = uid;
  creds.fsuid = uid;
  return 0;
}

export function sysSetgid(task: Task, gid: number): number {
  const { creds } = task;
  if (gid === NO_ID) return -EINVAL;
  if (privileged(task)) {
    creds.gid = gid;
    creds.sgid = gid;
  } else if (gid !== creds.gid && gid !== creds.sgid) return -EPERM;
  creds.egid = gid;
  creds.fsgid = gid;
  return 0;
}

export function sysSetreuid(task: Task, ruid: number, euid: number): number {
  const { creds } = task;
  const root = privileged(task);
  if (ruid !== NO_ID && !root && ruid !== creds.uid && ruid !== creds.euid) return -EPERM;
  if (euid !== NO_ID && !root && euid !== creds.uid && euid !== creds.euid && euid !== creds.suid) return -EPERM;
  const before = creds.uid;
  if (ruid !== NO_ID) creds.uid = ruid;
  if (euid !== NO_ID) creds.euid = euid;
  if (ruid !== NO_ID || (euid !== NO_ID && euid !== before)) creds.suid = creds.euid;
  creds.fsuid = creds.euid;
  return 0;
}

export function sysSetregid(task: Task, rgid: number, egid: number): number {
  const { creds } = task;
  const root = privileged(task);
  if (rgid !== NO_ID && !root && rgid !== creds.gid && rgid !== creds.egid) return -EPERM;
  if (egid !== NO_ID && !root && egid !== creds.gid && egid !== creds.egid && egid !== creds.sgid) return -EPERM;
  const before = creds.gid;
  if (rgid !== NO_ID) creds.gid = rgid;
  if (egid !== NO_ID) creds.egid = egid;
  if (rgid !== NO_ID || (egid !== NO_ID && egid !== before)) creds.sgid = creds.egid;
  creds.fsgid = creds.egid;
  return 0;
}

export function sysSetresuid(task: Task, ruid: number, euid: number, suid: number): number {
  const { creds } = task;
  const own = [creds.uid, creds.euid, creds.suid, NO_ID];
  if (!privileged(task) && ![ruid, euid, suid].every((id) => own.includes(id))) return -EPERM;
  if (ruid !== NO_ID) creds.uid = ruid;
  if (euid !== NO_ID) creds.euid = euid;
  if (suid !== NO_ID) creds.suid = suid;
  creds.fsuid = creds.euid;
  return 0;
}

export function sysSetresgid(task: Task, rgid: number, egid: number, sgid: number): number {
  const { creds } = task;
  const own = [creds.gid, creds.egid, creds.sgid, NO_ID];
  if (!privileged(task) && ![rgid, egid, sgid].every((id) => own.includes(id))) return -EPERM;
  if (rgid !== NO_ID) creds.gid = rgid;
  if (egid !== NO_ID) creds.egid = egid;
  if (sgid !== NO_ID) creds.sgid = sgid;
  creds.fsgid = creds.egid;
  return 0;
}

export function sysGetresuid(task: Task, ruid: number, euid: number, suid: number): number {
  const { mm, creds } = task;
  mm.putU32(ruid, creds.uid);
  mm.putU32(euid, creds.euid);
  mm.putU32(suid, creds.suid);
  return 0;
}

export function sysGetresgid(task: Task, rgid: number, egid: number, sgid: number): number {
  const { mm, creds } = task;
  mm.putU32(rgid, creds.gid);
  mm.putU32(egid, creds.egid);
  mm.putU32(sgid, creds.sgid);
  return 0;
}

/** Answers the old number in every case; who wants to know whether it worked asks again. */
export function sysSetfsuid(task: Task, uid: number): number {
  const { creds } = task;
  const before = creds.fsuid;
  const own: (keyof UserIds)[] = ["uid", "euid", "suid", "fsuid"];
  if (uid !== NO_ID && (privileged(task) || own.some((key) => creds[key] === uid))) creds.fsuid = uid;
  return before;
}

export function sysSetfsgid(task: Task, gid: number): number {
  const { creds } = task;
  const before = creds.fsgid;
  if (gid !== NO_ID && (privileged(task) || [creds.gid, creds.egid, creds.sgid].includes(gid))) creds.fsgid = gid;
  return before;
}

export function sysGetgroups(task: Task, size: number, list: number): number {
  const { groups } = task.creds;
  if (size < 0) return -EINVAL;
  if (size === 0) return groups.length;
  if (groups.length > size) return -EINVAL;
  groups.forEach((gid, index) => task.mm.putU32(list + index * 4, gid));
  return groups.length;
}

export function sysSetgroups(task: Task, size: number, list: number): number {
  if (!privileged(task)) return -EPERM;
  if (size < 0 || size > NGROUPS_MAX) return -EINVAL;
  const bytes = task.mm.copyFromUser(list, size * 4);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, size);
  task.creds.groups = [...words].sort((a, b) => a - b);
  return 0;
}

//   __user_cap_header_struct: u32 version, i32 pid      __user_cap_data_struct: u32 effective, permitted, inheritable
const CAPABILITY_VERSIONS = new Map([[0x19980330, 1], [0x20071026, 2], [0x20080522, 2]]);
const CAPABILITY_VERSION_3 = 0x20080522;
/** CAP_LAST_CAP is 40. */
const ALL_CAPABILITIES = [0xffffffff, 0x000001ff];

/** Words of the header's version; an unknown one is answered with ours and EINVAL. */
function capabilityWords(task: Task, header: number): number {
  const words = CAPABILITY_VERSIONS.get(task.mm.getU32(header));
  if (words !== undefined) return words;
  task.mm.putU32(header, CAPABILITY_VERSION_3);
  throw new Errno(EINVAL);
}

function held(task: Task, word: number): number {
  return privileged(task) ? ALL_CAPABILITIES[word]! : 0;
}

export function sysCapget(task: Task, header: number, data: number): number {
  const { mm } = task;
  let words: number;
  try {
    words = capabilityWords(task, header);
  } catch (error) {
    // Asking for the version only: no data, no error.
    if (error instanceof Errno && error.code === EINVAL && data === 0) return 0;
    throw error;
  }
  const pid = mm.getI32(header + 4);
  if (pid < 0) return -EINVAL;
  if (pid !== 0 && !task.kernel.tasks.has(pid)) return -ESRCH;
  if (data === 0) return 0;
  for (let word = 0; word < words; word++) {
    const at = data + word * 12;
    mm.putU32(at, held(task, word));
    mm.putU32(at + 4, held(task, word));
    mm.putU32(at + 8, 0);
  }
  return 0;
}

/** Only what changes nothing: giving capabilities away is not built. */
export function sysCapset(task: Task, header: number, data: number): number {
  const { mm } = task;
  const words = capabilityWords(task, header);
  const pid = mm.getI32(header + 4);
  if (pid !== 0 && pid !== task.pid) return -EPERM;
  if (data === 0) return -EFAULT;
  for (let word = 0; word < words; word++) {
    const at = data + word * 12;
    const effective = mm.getU32(at);
    const permitted = mm.getU32(at + 4);
    if ((effective & ~permitted) !== 0 || (permitted & ~held(task, word)) !== 0) return -EPERM;
    if (effective !== held(task, word) || permitted !== held(task, word)) {
      task.kernel.noticeOnce("capset: giving capabilities away is not built, -EPERM");
      return -EPERM;
    }
  }
  return 0;
}
