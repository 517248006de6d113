// What the processor has been told, read back from where it is told: GDT, IDT and TSS in guest RAM, MSRs and control registers in the
// CPU block, both page tables, and which stack is whose. Nothing is changed.
// Called from the front ends at a point of their choice, between two guest instructions.

import { PTI_USER_PGTABLE_BIT } from "./calling.asm";
import { TSS_IO_MAP_BASE, TSS_IST1, TSS_LIMIT, TSS_sp0, TSS_sp1, TSS_sp2 } from "./descriptors";
import type { KernelStack } from "./kernel-stack";
import {
  CEA_ENTRY_STACK, CEA_ENTRY_STACK_TOP, CEA_GDT, CEA_IDT, CEA_TSS, CPU_ENTRY_AREA, CPU_TSS_RW, DIRECT_MAP, describeStack, ESPFIX_BASE, ESPFIX_END,
  EXCEPTION_STACKS, IRQ_STACK_TOP, KERNEL_STACK_SIZE, KERNEL_TEXT, LDT_BASE, LDT_SIZE, PER_CPU_AREA, PER_CPU_CPU_TSS_RW, PHYS_CPU_ENTRY_AREA,
  PHYS_PER_CPU, stackSlotOf, TSS_PAGES, VMALLOC_END, VMALLOC_START, VSYSCALL_ADDR,
} from "./layout";
import { PAGE_SIZE } from "../machine/phys-memory";
import type { PageRange } from "./page-tables";
import { PTI_USER_PML4_OFFSET } from "./page-tables";
import type { Ring0 } from "./ring0";
import { GDT_ENTRIES, GDT_ENTRY_CPUNODE, GDT_ENTRY_LDT, GDT_ENTRY_TLS_MIN, GDT_ENTRY_TSS } from "./segments";
import * as msr from "../../kernel/abi/msr";
import {
  CPL, CR0, CR2, CR3, CR4, CSTAR, EFER, FMASK, FS_BASE, GS_BASE, KERNEL_GS_BASE, LSTAR, RFLAGS, RIP, RSP, SEG, SEG_CS, SEG_LDTR, SEG_SS, SEG_TR,
  STAR, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP,
} from "../../kernel/abi/state";

/** Kernel addresses are signed numbers (layout.ts), 64-bit values bigints. */
export interface Inspection {
  cpu: { cpl: number; rip: number; symbol: string | null; rsp: number; stack: string; pageTable: "user" | "kernel" | "the only one" };
  registers: { name: string; value: bigint }[];
  gdt: { selector: number; name: string; base: number; limit: number; dpl: number; type: string }[];
  idt: { vector: number; stub: string; handler: number; selector: number; dpl: number; ist: number }[];
  tss: { name: string; value: number; what: string }[];
  msrs: { name: string; number: number; value: bigint; what: string | null }[];
  pageTables: { name: "kernel" | "user"; cr3: number; ranges: (PageRange & { what: string })[] }[];
  stacks: { name: string; bottom: number; top: number; owner: string; live: boolean }[];
}

const GDT_NAMES: Record<number, string> = {
  1: "__KERNEL32_CS", 2: "__KERNEL_CS", 3: "__KERNEL_DS", 4: "__USER32_CS", 5: "__USER_DS", 6: "__USER_CS", [GDT_ENTRY_TSS]: "TSS",
  [GDT_ENTRY_LDT]: "LDT", [GDT_ENTRY_TLS_MIN]: "TLS 1", [GDT_ENTRY_TLS_MIN + 1]: "TLS 2", [GDT_ENTRY_TLS_MIN + 2]: "TLS 3",
  [GDT_ENTRY_CPUNODE]: "CPU number",
};

const MSRS: readonly (readonly [name: string, number: number, offset: number])[] = [
  ["IA32_EFER", msr.MSR_EFER, EFER], ["IA32_STAR", msr.MSR_STAR, STAR], ["IA32_LSTAR", msr.MSR_LSTAR, LSTAR], ["IA32_CSTAR", msr.MSR_CSTAR, CSTAR],
  ["IA32_FMASK", msr.MSR_FMASK, FMASK], ["IA32_FS_BASE", msr.MSR_FS_BASE, FS_BASE], ["IA32_GS_BASE", msr.MSR_GS_BASE, GS_BASE],
  ["IA32_KERNEL_GS_BASE", msr.MSR_KERNEL_GS_BASE, KERNEL_GS_BASE], ["IA32_SYSENTER_CS", msr.MSR_SYSENTER_CS, SYSENTER_CS],
  ["IA32_SYSENTER_ESP", msr.MSR_SYSENTER_ESP, SYSENTER_ESP], ["IA32_SYSENTER_EIP", msr.MSR_SYSENTER_EIP, SYSENTER_EIP],
];

/** @param owners of the kernel stacks */
export function inspect(ring0: Ring0, owners: readonly { stack: KernelStack; owner: string }[]): Inspection {
  const { registers } = ring0.machine;
  const rip = registers.getLinear(RIP);
  const rsp = registers.getLinear(RSP);
  const cr3 = registers.lo(CR3);
  const selector = (segment: number) => BigInt(registers.u16[(SEG + 8 * segment) >>> 1]!);
  const ownerOf = (slot: number) => owners.find(({ stack }) => stack.slot === slot)?.owner ?? "no task";
  return {
    cpu: {
      cpl: registers.getWord(CPL), rip, symbol: ring0.text.symbolize(rip) ?? null, rsp, stack: describeStack(rsp),
      pageTable: !ring0.options.pti ? "the only one" : (cr3 >>> PTI_USER_PGTABLE_BIT) & 1 ? "user" : "kernel",
    },
    registers: [
      ...([["rflags", RFLAGS], ["cr0", CR0], ["cr2", CR2], ["cr3", CR3], ["cr4", CR4]] as const).map(([name, at]) => ({ name, value: registers.getBig(at) })),
      ...([["cs", SEG_CS], ["ss", SEG_SS], ["tr", SEG_TR], ["ldtr", SEG_LDTR]] as const).map(([name, at]) => ({ name, value: selector(at) })),
    ],
    gdt: gdt(ring0),
    idt: idt(ring0),
    tss: tss(ring0),
    msrs: MSRS.map(([name, number, at]) => {
      const linear = registers.getLinear(at);
      return { name, number, value: registers.getBig(at), what: ring0.text.symbolize(linear) ?? placeName(linear, ownerOf) };
    }),
    pageTables: tables(ring0, (cr3 & (ring0.options.pti ? ~0x1fff : ~0xfff)) >>> 0, ownerOf),
    stacks: stacks(rsp, owners),
  };
}

const physical = (address: number) => PHYS_CPU_ENTRY_AREA + (address - CPU_ENTRY_AREA);

function gdt({ machine: { phys } }: Ring0): Inspection["gdt"] {
  const found: Inspection["gdt"] = [];
  for (let index = 1; index < GDT_ENTRIES; index++) {
    const at = (physical(CEA_GDT) >>> 2) + 2 * index;
    const [lo, hi] = [phys.u32[at]!, phys.u32[at + 1]!];
    if (hi === 0) continue;
    const system = (hi & 0x1000) === 0;
    const base = ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff000000)) >>> 0;
    const limit = (lo & 0xffff) | (hi & 0xf0000);
    found.push({
      selector: index * 8 + ((hi >>> 13) & 3), name: GDT_NAMES[index] ?? `entry ${index}`,
      base: system ? (phys.u32[at + 2]! | 0) * 2 ** 32 + base : base,
      limit: hi & 0x800000 ? limit * 4096 + 0xfff : limit, dpl: (hi >>> 13) & 3, type: typeOf(hi),
    });
    if (system) index++;
  }
  return found;
}

/** The access byte and flags of a descriptor in words (SDM Vol. 3A 3.4.5.1, table 3-2). */
function typeOf(hi: number): string {
  if ((hi & 0x1000) === 0) return (hi & 0xf00) === 0x200 ? "LDT" : hi & 0x200 ? "64-bit TSS, busy" : "64-bit TSS";
  if (hi & 0x800) return `code, ${hi & 0x200000 ? "64" : hi & 0x400000 ? "32" : "16"} bits`;
  return `data, ${hi & 0x400000 ? "32" : "16"} bits${hi & 0x200 ? "" : ", read-only"}`;
}

function idt({ machine: { phys }, text }: Ring0): Inspection["idt"] {
  const found: Inspection["idt"] = [];
  for (let vector = 0; vector < 256; vector++) {
    const at = (physical(CEA_IDT) >>> 2) + 4 * vector;
    const [a, b, c] = [phys.u32[at]!, phys.u32[at + 1]!, phys.u32[at + 2]!];
    if ((b & 0x8000) === 0) continue;
    const handler = (c | 0) * 2 ** 32 + (((b & 0xffff0000) | (a & 0xffff)) >>> 0);
    found.push({ vector, stub: text.symbolize(handler) ?? "?", handler, selector: a >>> 16, dpl: (b >>> 13) & 3, ist: b & 7 });
  }
  return found;
}

function tss({ machine: { phys } }: Ring0): Inspection["tss"] {
  const at = PHYS_PER_CPU + PER_CPU_CPU_TSS_RW;
  const linear = (field: number) => Number(BigInt.asIntN(64, phys.getU64(at + field)));
  const base = phys.u16[(at + TSS_IO_MAP_BASE) >>> 1]!;
  return [
    { name: "RSP0", value: linear(TSS_sp0), what: "entry stack: where interrupts and exceptions of user code begin" },
    { name: "RSP1", value: linear(TSS_sp1), what: "no ring 1: top of the current task's kernel stack" },
    { name: "RSP2", value: linear(TSS_sp2), what: "no ring 2: SYSCALL's scratch for the user's RSP" },
    ...EXCEPTION_STACKS.map(({ name, ist }) => ({ name: `IST${ist}`, value: linear(TSS_IST1 + 8 * (ist - 1)), what: `stack of ${name}` })),
    { name: "I/O map", value: base, what: base > TSS_LIMIT ? "past the limit: user code has no port" : "offset of the bitmap in force" },
  ];
}

function tables(ring0: Ring0, root: number, ownerOf: (slot: number) => string): Inspection["pageTables"] {
  const named = (at: number) => ring0.tables.ranges(at).map((range) => ({ ...range, what: regionName(range.start, ownerOf) }));
  const kernel = { name: "kernel" as const, cr3: root, ranges: named(root) };
  if (!ring0.options.pti) return [kernel];
  return [kernel, { name: "user", cr3: root + PTI_USER_PML4_OFFSET, ranges: named(root + PTI_USER_PML4_OFFSET) }];
}

/** A stack by its top, else what stands there; null for a user address. */
function placeName(address: number, ownerOf: (slot: number) => string): string | null {
  if (address >= 0) return null;
  const stack = describeStack(address);
  return stack === "no stack" ? regionName(address, ownerOf) : `${stack}, its top`;
}

/** What stands at an address of the map in layout.ts. */
function regionName(address: number, ownerOf: (slot: number) => string): string {
  if (address >= 0) return "user";
  if (address >= LDT_BASE && address < LDT_BASE + LDT_SIZE) return "LDT";
  if (address >= CPU_TSS_RW && address < CPU_TSS_RW + TSS_PAGES * PAGE_SIZE) return "per-CPU: cpu_tss_rw";
  if (address >= PER_CPU_AREA && address < CPU_TSS_RW) return "per-CPU area";
  if (address >= DIRECT_MAP && address < VMALLOC_START) return "direct map of RAM";
  if (address >= VMALLOC_START && address < VMALLOC_END) {
    const slot = stackSlotOf(address + 1)!;
    return slot === 0 ? "IRQ stack" : `kernel stack of ${ownerOf(slot)}`;
  }
  if (address >= CPU_ENTRY_AREA && address < ESPFIX_BASE) return entryAreaName(address);
  if (address >= ESPFIX_BASE && address < ESPFIX_END) return "espfix stack";
  return address >= VSYSCALL_ADDR ? "vsyscall page" : address >= KERNEL_TEXT ? "entry text" : "?";
}

function entryAreaName(address: number): string {
  const stack = EXCEPTION_STACKS.find(({ bottom, top }) => address >= bottom && address < top);
  if (stack !== undefined) return `cpu_entry_area: ${stack.name} stack`;
  if (address >= CEA_TSS) return "cpu_entry_area: TSS";
  if (address >= CEA_ENTRY_STACK) return "cpu_entry_area: entry stack";
  return address >= CEA_GDT ? "cpu_entry_area: GDT" : "cpu_entry_area: IDT, GDT";
}

function stacks(rsp: number, owners: readonly { stack: KernelStack; owner: string }[]): Inspection["stacks"] {
  const live = (bottom: number, top: number) => rsp > bottom && rsp <= top;
  const row = (name: string, bottom: number, top: number, owner: string) => ({ name, bottom, top, owner, live: live(bottom, top) });
  return [
    row("entry stack", CEA_ENTRY_STACK, CEA_ENTRY_STACK_TOP, "the CPU: entries from user code, before CR3 is switched"),
    ...EXCEPTION_STACKS.map(({ name, bottom, top }) => row(`${name} stack`, bottom, top, `the CPU: ${name}, on every arrival`)),
    row("IRQ stack", IRQ_STACK_TOP - KERNEL_STACK_SIZE, IRQ_STACK_TOP, "the CPU: handlers of interrupts"),
    ...owners.map(({ stack, owner }) => row("kernel stack", stack.top - KERNEL_STACK_SIZE, stack.top, owner)),
  ];
}

/** Vectors that differ in their number alone, as one row: `from` to `to`. */
export function idtRows(rows: Inspection["idt"]): (Inspection["idt"][number] & { to: number })[] {
  const plain = (stub: string) => /^irq_entry_/.test(stub);
  const found: (Inspection["idt"][number] & { to: number })[] = [];
  for (const row of rows) {
    const last = found.at(-1);
    if (last !== undefined && plain(last.stub) && plain(row.stub) && last.to === row.vector - 1) last.to = row.vector;
    else found.push({ ...row, to: row.vector });
  }
  return found;
}
