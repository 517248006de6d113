// What `ring3 bench doors` goes through: every door into ring 0, and the switches that could change what it costs. One row each.

import type { RunOptions } from "../index";

export interface DoorRow {
  name: string;
  /** The door, without where it is gone through from. */
  title: string;
  /** Of the code that goes through it. */
  bits: 64 | 32;
  /** One passage, machine code; EBX must survive it. In 32-bit code EBP holds AT_SYSINFO. */
  code: readonly number[];
  /** Only this vendor's processors have it. */
  vendor?: Vendor;
  /** An exception that is answered by going on, `bytes` behind where it was met. */
  skip?: { vector: number; bytes: number };
  /** What comes from outside, once for each passage. */
  raise?: number;
  /** The switches that it may depend on beyond those that every door does. */
  vsyscall?: boolean;
}

type Vendor = NonNullable<RunOptions["vendor"]>;

const GETPPID = [0xb8, 110, 0, 0, 0]; //                                  mov $110, %eax
const GETPPID_32 = [0xb8, 64, 0, 0, 0]; //                                mov $64, %eax
const INT80 = [0xcd, 0x80];
const CALL_EBP = [0xff, 0xd5]; //                                         call *%ebp
const TIME_BY_VSYSCALL = [
  0x48, 0xc7, 0xc0, 0x00, 0x04, 0x60, 0xff, //                            mov $0xffffffffff600400, %rax
  0x31, 0xff, //                                                          xor %edi, %edi
  0xff, 0xd0, //                                                          call *%rax
];
const LOAD_FROM_0 = [0x8a, 0x04, 0x25, 0, 0, 0, 0]; //                    mov 0, %al
const OVERFLOW = [0xb0, 0x7f, 0x04, 0x01]; //                             mov $127, %al; add $1, %al
const DIVIDE_BY_0 = [0x31, 0xc0, 0xf7, 0xf0]; //                          xor %eax, %eax; div %eax
const BOUND = [0x62, 0x04, 0x24]; //                                      bound %eax, (%esp): argc is above the pointer behind it

/** What stands around every door, and is subtracted. */
export const LOOPS: Readonly<Record<DoorRow["bits"], DoorRow>> = {
  64: { name: "loop-64", title: "empty loop", bits: 64, code: [] },
  32: { name: "loop-32", title: "empty loop", bits: 32, code: [] },
};

/** Vectors: SDM Vol. 3A table 6-1; 0xec is Linux's timer. */
export const DOORS: readonly DoorRow[] = [
  { name: "syscall", title: "SYSCALL", bits: 64, code: [...GETPPID, 0x0f, 0x05] },
  { name: "int80-64", title: "INT 0x80", bits: 64, code: [...GETPPID_32, ...INT80] },
  { name: "vsyscall", title: "vsyscall page (#PF, emulated)", bits: 64, code: TIME_BY_VSYSCALL, vsyscall: true },
  { name: "int80-32", title: "INT 0x80", bits: 32, code: [...GETPPID_32, ...INT80] },
  { name: "sysenter", title: "SYSENTER by __kernel_vsyscall", bits: 32, code: [...GETPPID_32, ...CALL_EBP], vendor: "intel" },
  { name: "syscall-32", title: "SYSCALL by __kernel_vsyscall", bits: 32, code: [...GETPPID_32, ...CALL_EBP], vendor: "amd" },
  { name: "int3", title: "INT3", bits: 64, code: [0xcc], skip: { vector: 3, bytes: 0 } },
  { name: "int1", title: "INT1", bits: 64, code: [0xf1], skip: { vector: 1, bytes: 0 } },
  { name: "into", title: "INTO", bits: 32, code: [...OVERFLOW, 0xce], skip: { vector: 4, bytes: 0 } },
  { name: "bound", title: "BOUND", bits: 32, code: BOUND, skip: { vector: 5, bytes: BOUND.length } },
  { name: "de", title: "#DE", bits: 64, code: DIVIDE_BY_0, skip: { vector: 0, bytes: 2 } },
  { name: "ud", title: "#UD", bits: 64, code: [0x0f, 0x0b], skip: { vector: 6, bytes: 2 } },
  { name: "gp", title: "#GP", bits: 64, code: [0xf4], skip: { vector: 13, bytes: 1 } },
  { name: "pf", title: "#PF", bits: 64, code: LOAD_FROM_0, skip: { vector: 14, bytes: LOAD_FROM_0.length } },
  { name: "timer", title: "timer interrupt", bits: 64, code: [], raise: 0xec },
  { name: "nmi", title: "NMI", bits: 64, code: [], raise: 2 },
];

/** The machine that a door is gone through on. */
export interface Switches {
  pti: boolean;
  pcid: boolean;
  smap: boolean;
  smep: boolean;
  fsgsbase: boolean;
  vsyscall: NonNullable<RunOptions["vsyscall"]>;
  vendor: Vendor;
}

export const DEFAULT_SWITCHES: Switches = { pti: true, pcid: true, smap: true, smep: true, fsgsbase: true, vsyscall: "xonly", vendor: "intel" };

/** Each is tried alone, with PTI and PCID on. */
const ABLATIONS: readonly Partial<Switches>[] = [
  { smap: false }, { smep: false }, { fsgsbase: false }, { vsyscall: "emulate" }, { vsyscall: "none" }, { vendor: "amd" },
];

/**
 * The machines that this door is measured on. What `fixed` says is not varied; otherwise it is both values of PTI and of PCID with all
 * else by default, and then one other switch thrown.
 */
export function machinesFor(door: DoorRow, fixed: Partial<Switches>): Switches[] {
  const pairs = [true, false].flatMap((pti) => [true, false].map((pcid) => ({ pti, pcid })));
  const machines: Switches[] = [];
  const base = { ...DEFAULT_SWITCHES, ...(door.vendor !== undefined && { vendor: door.vendor }), ...fixed };
  for (const change of [...pairs, ...ABLATIONS]) {
    if ("vsyscall" in change && !door.vsyscall) continue;
    const machine = { ...base, ...change, ...fixed };
    if (door.vendor !== undefined && machine.vendor !== door.vendor) continue;
    if (!machines.some((other) => sameSwitches(other, machine))) machines.push(machine);
  }
  return machines;
}

export function sameSwitches(a: Switches, b: Switches): boolean {
  return (Object.keys(a) as (keyof Switches)[]).every((name) => a[name] === b[name]);
}

/** PTI and PCID, and what else is not as by default. */
export function switchesTitle(machine: Switches, door: DoorRow): string {
  const tables = `${machine.pti ? "PTI" : "no PTI"}, ${machine.pcid ? "PCID" : "no PCID"}`;
  const vendor = door.vendor ?? DEFAULT_SWITCHES.vendor;
  const thrown = [
    ...(["smap", "smep", "fsgsbase"] as const).filter((name) => !machine[name]).map((name) => `no ${name.toUpperCase()}`),
    ...(machine.vsyscall === DEFAULT_SWITCHES.vsyscall ? [] : [`vsyscall=${machine.vsyscall}`]),
    ...(machine.vendor === vendor ? [] : [machine.vendor]),
  ];
  return [tables, ...thrown].join(", ");
}
