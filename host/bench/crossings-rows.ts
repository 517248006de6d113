// What `ring3 bench` measures: operations, the doors to them, and the machine's configurations. One row each; the guest program
// guest-programs/crossings.c knows the same names.

export type Operation = "null" | "clock_gettime" | "gettimeofday" | "time" | "getcpu";
export type Door = "loop" | "call" | "vdso" | "syscall" | "vsyscall" | "int80" | "sysenter";

export interface Row {
  operation: Operation;
  door: Door;
}

/** What a row is called in every output. */
export const DOOR_TITLES: Record<Door, string> = {
  loop: "empty loop",
  call: "function call",
  vdso: "vDSO",
  syscall: "SYSCALL",
  vsyscall: "vsyscall page",
  int80: "INT 0x80",
  sysenter: "SYSENTER",
};

export const OPERATION_TITLES: Record<Operation, string> = {
  null: "null (getppid)",
  clock_gettime: "clock_gettime",
  gettimeofday: "gettimeofday",
  time: "time",
  getcpu: "getcpu",
};

const VDSO_OPERATIONS: readonly Operation[] = ["clock_gettime", "gettimeofday", "time", "getcpu"];
/** The three functions that the fixed page at 0xffffffffff600000 has. */
const VSYSCALL_OPERATIONS: readonly Operation[] = ["gettimeofday", "time", "getcpu"];
const OPERATIONS: readonly Operation[] = ["null", ...VDSO_OPERATIONS];

/** The loop that is around every door, and is subtracted. */
export const LOOP: Row = { operation: "null", door: "loop" };

export const ROWS: readonly Row[] = [
  LOOP,
  { operation: "null", door: "call" },
  ...OPERATIONS.flatMap((operation): Row[] => [
    ...(VDSO_OPERATIONS.includes(operation) ? [{ operation, door: "vdso" } as const] : []),
    { operation, door: "syscall" },
    ...(VSYSCALL_OPERATIONS.includes(operation) ? [{ operation, door: "vsyscall" } as const] : []),
    { operation, door: "int80" },
    { operation, door: "sysenter" },
  ]),
];

/** `title` of a row where one line has to do. */
export function rowTitle({ operation, door }: Row): string {
  return door === "loop" || door === "call" ? DOOR_TITLES[door] : `${OPERATION_TITLES[operation]} by ${DOOR_TITLES[door]}`;
}

export interface Configuration {
  pti: boolean;
  pcid: boolean;
}

/** The first is what a Linux that needs PTI runs on today. */
export const CONFIGURATIONS: readonly Configuration[] = [
  { pti: true, pcid: true },
  { pti: true, pcid: false },
  { pti: false, pcid: true },
  { pti: false, pcid: false },
];

export function configurationTitle({ pti, pcid }: Configuration): string {
  return `PTI ${pti ? "on" : "off"}, PCID ${pcid ? "on" : "off"}`;
}

/** The row whose time others are given as multiples of. A null call has no vDSO function; clock_gettime's stands for it. */
export function vdsoRow(row: Row): Row {
  return { operation: row.operation === "null" ? "clock_gettime" : row.operation, door: "vdso" };
}

export function sameRow(a: Row, b: Row): boolean {
  return a.operation === b.operation && a.door === b.door;
}
