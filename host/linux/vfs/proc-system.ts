// What the files of /proc outside the process directories say, one row per file.

import { cpuinfoText } from "../cpuinfo";
import type { Task } from "../task";
import type { ProcRow } from "./procfs";

export const systemFiles: readonly ProcRow[] = [
  { name: "cpuinfo", read: ({ kernel }) => cpuinfoText(kernel.machine.cpu, kernel.ring0.options.pti) },
  { name: "meminfo", read: meminfoText },
  { name: "version", read: ({ kernel: { uts } }) => `${uts.sysname} version ${uts.release} (ring3@ring3) ${uts.version}\n` },
  { name: "uptime", read: (task) => `${seconds(uptime(task))} ${seconds(0)}\n` },
  { name: "loadavg", read: (task) => `0.00 0.00 0.00 1/1 ${task.pid}\n` },
  { name: "stat", read: statText },
  { name: "filesystems", read: () => "nodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tpipefs\nnodev\t9p\n" },
  { name: "cmdline", read: () => "\n" },
  { name: "devices", read: () => "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n136 pts\n\nBlock devices:\n" },
  { name: "swaps", read: () => "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" },
  { name: "sys/kernel/ostype", read: ({ kernel }) => `${kernel.uts.sysname}\n` },
  { name: "sys/kernel/osrelease", read: ({ kernel }) => `${kernel.uts.release}\n` },
  { name: "sys/kernel/version", read: ({ kernel }) => `${kernel.uts.version}\n` },
  { name: "sys/kernel/hostname", read: ({ kernel }) => `${kernel.uts.nodename}\n` },
  { name: "sys/kernel/domainname", read: ({ kernel }) => `${kernel.uts.domainname}\n` },
  { name: "sys/kernel/pid_max", read: () => "32768\n" },
  { name: "sys/kernel/threads-max", read: () => "1\n" },
  { name: "sys/kernel/ngroups_max", read: () => "65536\n" },
  { name: "sys/kernel/cap_last_cap", read: () => "40\n" },
  { name: "sys/kernel/randomize_va_space", read: () => "2\n" },
  { name: "sys/kernel/random/boot_id", read: (task) => `${uuid(task)}\n` },
  { name: "sys/kernel/random/uuid", read: (task) => `${uuid(task)}\n` },
  { name: "sys/kernel/random/entropy_avail", read: () => "256\n" },
  { name: "sys/fs/pipe-max-size", read: () => "1048576\n" },
  { name: "sys/fs/nr_open", read: () => "1048576\n" },
  { name: "sys/fs/file-max", read: () => "9223372036854775807\n" },
  { name: "sys/vm/overcommit_memory", read: () => "0\n" },
  { name: "sys/vm/max_map_count", read: () => "65530\n" },
  { name: "sys/vm/mmap_min_addr", read: () => "65536\n" },
];

const seconds = (ns: number): string => (ns / 1e9).toFixed(2);

function uptime(task: Task): number {
  return Number(task.kernel.clock.monotonicNs());
}

function meminfoText(task: Task): string {
  const { totalBytes, freeBytes } = task.kernel.memory();
  const line = (name: string, bytes: number): string => `${`${name}:`.padEnd(16)}${String(Math.floor(bytes / 1024)).padStart(8)} kB\n`;
  return (
    line("MemTotal", totalBytes) + line("MemFree", freeBytes) + line("MemAvailable", freeBytes) + line("Buffers", 0) +
    line("Cached", 0) + line("SwapCached", 0) + line("Active", totalBytes - freeBytes) + line("Inactive", 0) +
    line("SwapTotal", 0) + line("SwapFree", 0) + line("Dirty", 0) + line("Writeback", 0) + line("Shmem", 0) +
    line("CommitLimit", totalBytes / 2) + line("Committed_AS", totalBytes - freeBytes)
  );
}

function statText(task: Task): string {
  // Units of 10 ms: everything the one processor did counts as user time.
  const ticks = Math.floor(uptime(task) / 1e7);
  const boot = task.kernel.vfs.now().sec - Math.floor(uptime(task) / 1e9);
  const cpu = `${ticks} 0 0 0 0 0 0 0 0 0`;
  return `cpu  ${cpu}\ncpu0 ${cpu}\nintr 0\nctxt 0\nbtime ${boot}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n`;
}

function uuid(task: Task): string {
  const bytes = task.kernel.rng.bytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
