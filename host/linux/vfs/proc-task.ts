// What /proc/<pid>/* says, one row per file, in the layouts of Linux 6.1 (fs/proc/array.c, task_mmu.c, base.c;
// Documentation/filesystems/proc.rst).

import { Errno, UserFault } from "../errno";
import type { Task } from "../task";
import { latin1 } from "../uaccess";
import { mountinfoText, mountsText } from "./proc-mounts";
import type { ProcRow } from "./procfs";

const PAGE_SIZE = 4096;
const ENVIRON_MAX = 1 << 20;

export const taskFiles: readonly ProcRow[] = [
  { name: "maps", read: (task) => task.mm.maps() },
  { name: "cmdline", read: (task) => userBytes(task, task.mm.argStart, task.mm.argEnd) },
  { name: "environ", mode: 0o400, read: (task) => userBytes(task, task.mm.envStart, task.mm.envEnd) },
  { name: "auxv", mode: 0o400, read: (task) => latin1(task.mm.auxv) },
  { name: "comm", mode: 0o644, read: (task) => `${task.comm}\n`, write: (task, text) => void (task.comm = text.split("\n")[0]!.slice(0, 15)) },
  { name: "status", read: statusText },
  { name: "stat", read: statText },
  { name: "statm", read: statmText },
  { name: "limits", read: limitsText },
  { name: "mounts", read: mountsText },
  { name: "mountinfo", read: mountinfoText },
  { name: "personality", mode: 0o400, read: () => "00000000\n" },
  { name: "oom_score_adj", read: () => "0\n" },
  { name: "oom_score", read: () => "0\n" },
  { name: "cgroup", read: () => "0::/\n" },
  { name: "uid_map", read: () => "         0          0 4294967295\n" },
  { name: "gid_map", read: () => "         0          0 4294967295\n" },
];

function userBytes(task: Task, start: number, end: number): string {
  try {
    return latin1(task.mm.copyFromUser(start, Math.min(end - start, ENVIRON_MAX)));
  } catch (error) {
    if (error instanceof UserFault || error instanceof Errno) return ""; // the program has unmapped its own arguments
    throw error;
  }
}

function kiB(pages: number): string {
  return `${String(pages * 4).padStart(8)} kB`;
}

function statusText(task: Task): string {
  const { mm, creds } = task;
  const ids = (a: number, b: number, c: number, d: number): string => `${a}\t${b}\t${c}\t${d}`;
  const resident = mm.residentPages;
  const root = creds.euid === 0;
  const all = root ? "000001ffffffffff" : "0000000000000000";
  const stackPages = mm.vmas.list.filter((vma) => vma.growsDown).reduce((sum, vma) => sum + vma.pages, 0);
  const textPages = Math.ceil((mm.endCode - mm.startCode) / PAGE_SIZE);
  return [
    `Name:\t${task.comm}`,
    `Umask:\t${task.fs.umask.toString(8).padStart(4, "0")}`,
    "State:\tR (running)",
    `Tgid:\t${task.pid}`,
    "Ngid:\t0",
    `Pid:\t${task.pid}`,
    `PPid:\t${task.ppid ?? 0}`,
    "TracerPid:\t0",
    `Uid:\t${ids(creds.uid, creds.euid, creds.suid, creds.fsuid ?? creds.euid)}`,
    `Gid:\t${ids(creds.gid, creds.egid, creds.sgid, creds.fsgid ?? creds.egid)}`,
    "FDSize:\t64",
    `Groups:\t${[...(creds.groups ?? [])].join(" ")} `,
    `NStgid:\t${task.pid}`,
    `NSpid:\t${task.pid}`,
    `NSpgid:\t${task.pid}`,
    `NSsid:\t${task.pid}`,
    `VmPeak:\t${kiB(mm.peakPages)}`,
    `VmSize:\t${kiB(mm.totalPages)}`,
    `VmLck:\t${kiB(0)}`,
    `VmPin:\t${kiB(0)}`,
    `VmHWM:\t${kiB(Math.max(mm.peakResident, resident))}`,
    `VmRSS:\t${kiB(resident)}`,
    `RssAnon:\t${kiB(resident)}`,
    `RssFile:\t${kiB(0)}`,
    `RssShmem:\t${kiB(0)}`,
    `VmData:\t${kiB(Math.max(0, mm.totalPages - stackPages - textPages))}`,
    `VmStk:\t${kiB(stackPages)}`,
    `VmExe:\t${kiB(textPages)}`,
    `VmLib:\t${kiB(0)}`,
    `VmPTE:\t${kiB(11)}`,
    `VmSwap:\t${kiB(0)}`,
    "Threads:\t1",
    `CapInh:\t0000000000000000`,
    `CapPrm:\t${all}`,
    `CapEff:\t${all}`,
    `CapBnd:\t000001ffffffffff`,
    `CapAmb:\t0000000000000000`,
    "NoNewPrivs:\t0",
    "Seccomp:\t0",
    "Seccomp_filters:\t0",
    "Cpus_allowed:\t1",
    "Cpus_allowed_list:\t0",
    "Mems_allowed:\t1",
    "Mems_allowed_list:\t0",
    "voluntary_ctxt_switches:\t0",
    "nonvoluntary_ctxt_switches:\t0",
    "",
  ].join("\n");
}

/** The 52 fields of proc(5), zero where the machine keeps no count. */
function statText(task: Task): string {
  const { mm } = task;
  const fields = new Array<number | string>(53).fill(0);
  fields[1] = task.pid;
  fields[2] = `(${task.comm})`;
  fields[3] = "R";
  fields[4] = task.ppid ?? 0;
  fields[5] = task.pgid ?? task.pid;
  fields[6] = task.sid ?? task.pid;
  fields[8] = -1;
  fields[18] = 20; // priority
  fields[20] = 1; // threads
  fields[23] = mm.totalPages * PAGE_SIZE;
  fields[24] = mm.residentPages;
  fields[25] = "18446744073709551615"; // RLIM_INFINITY
  fields[26] = mm.startCode;
  fields[27] = mm.endCode;
  fields[28] = mm.startStack;
  fields[38] = 17; // SIGCHLD
  fields[45] = mm.startData;
  fields[46] = mm.endData;
  fields[47] = mm.startBrk;
  fields[48] = mm.argStart;
  fields[49] = mm.argEnd;
  fields[50] = mm.envStart;
  fields[51] = mm.envEnd;
  return `${fields.slice(1).join(" ")}\n`;
}

function statmText(task: Task): string {
  const { mm } = task;
  const text = Math.ceil((mm.endCode - mm.startCode) / PAGE_SIZE);
  return `${mm.totalPages} ${mm.residentPages} 0 ${text} 0 ${Math.max(0, mm.totalPages - text)} 0\n`;
}

/** Rows in the order of RLIMIT_* numbers: name and unit. */
const limitNames: readonly (readonly [string, string])[] = [
  ["Max cpu time", "seconds"], ["Max file size", "bytes"], ["Max data size", "bytes"], ["Max stack size", "bytes"],
  ["Max core file size", "bytes"], ["Max resident set", "bytes"], ["Max processes", "processes"], ["Max open files", "files"],
  ["Max locked memory", "bytes"], ["Max address space", "bytes"], ["Max file locks", "locks"], ["Max pending signals", "signals"],
  ["Max msgqueue size", "bytes"], ["Max nice priority", ""], ["Max realtime priority", ""], ["Max realtime timeout", "us"],
];

function limitsText(task: Task): string {
  const show = (value: number): string => (value >= 2 ** 63 ? "unlimited" : String(value));
  const line = (name: string, soft: string, hard: string, unit: string): string =>
    `${name.padEnd(25)} ${soft.padEnd(20)} ${hard.padEnd(20)} ${unit.padEnd(10)}\n`;
  let text = line("Limit", "Soft Limit", "Hard Limit", "Units");
  limitNames.forEach(([name, unit], index) => {
    const { soft, hard } = task.limits.get(index);
    text += line(name, show(soft), show(hard), unit);
  });
  return text;
}
