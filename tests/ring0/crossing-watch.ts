// What must hold at every instruction of every crossing, whatever happens in it: which code may run on the user page table, on which
// stack the kernel stands, whose GS base is live, and what a hypercall finds.

import type { Guest } from "./crossing-guest";
import {
  CEA_ENTRY_STACK, EXCEPTION_STACKS, ESPFIX_BASE, ESPFIX_END, hexLinear, IRQ_STACK_TOP, KERNEL_STACK_SIZE, PER_CPU_AREA,
} from "../../host/ring0/layout";
import { PAGE_SIZE } from "../../host/machine/phys-memory";
import { PTI_USER_PGTABLE_BIT } from "../../host/ring0/calling.asm";
import { VECTORS } from "../../host/ring0/idtentry.asm";
import { FLAG_AC, FLAG_DF, FLAG_IF, FLAG_NT, FLAG_TF } from "../../kernel/abi/bits";
import { CPL, CR3, GS_BASE, KERNEL_GS_BASE, RFLAGS, RIP, RSP } from "../../kernel/abi/state";

export class Violation extends Error {}

/**
 * The closed list of code that runs at CPL 0 on the user page table: from where the CPU enters to the CR3 write, and from the CR3
 * write to where it leaves. Labels, each for what stands behind it up to the next one.
 */
const TRAMPOLINE = new Set([
  "entry_SYSCALL_64", "entry_INT80_compat", "entry_SYSENTER_compat", "entry_SYSCALL_compat",
  ...VECTORS.map((row) => row.label), "asm_common_interrupt", "error_entry", "error_kernelspace", "error_bad_iret",
  "nmi_from_kernel", "nmi_not_copying", "nested_nmi", "nested_nmi_out", "first_nmi", "repeat_nmi", "end_repeat_nmi",
  ...VECTORS.map((row) => `${row.label}_from_usermode`),
  "paranoid_entry", "paranoid_exit_cr3_wrcr3", "paranoid_exit_done", "nmi_cr3_wrcr3", "nmi_restore", "nmi_iret",
  "restore_regs_and_return_to_kernel", "native_iret", "native_irq_return_iret", "native_irq_return_ldt", "native_irq_return_ldt_swapgs",
  "sysret_cr3_wrcr3", "iret_cr3_wrcr3", "espfix_cr3_wrcr3", "sysret32_cr3_wrcr3", "entry_SYSRETQ_unsafe_stack", "entry_SYSRETL_compat_unsafe_stack",
]);
/** Without PCID the CR3 write is a single instruction, with no label of its own behind it. */
const TRAMPOLINE_WITHOUT_PCID = ["syscall_return_via_sysret", "swapgs_restore_regs_and_return_to_usermode", "sysret32_from_system_call", "paranoid_exit"];

/** Where RSP still is, or is again, what the program has it at; or holds CR3 on its way. */
const UNSAFE_STACK = new Set([
  "entry_SYSCALL_64", "entry_SYSCALL_compat", "syscall_return_via_sysret", "sysret_cr3_noflush", "sysret_cr3_wrcr3", "entry_SYSRETQ_unsafe_stack",
  "sysret32_from_system_call", "sysret32_cr3_noflush", "sysret32_cr3_wrcr3", "entry_SYSRETL_compat_unsafe_stack",
]);

const IN_TRAMPOLINE = 1;
const STACK_UNSAFE = 2;

export class CrossingWatch {
  readonly #guest: Guest;
  readonly #u32: Uint32Array;
  readonly #base: number;
  /** By offset in the entry text. */
  readonly #rules: Uint8Array;
  readonly #stackPages: ReadonlySet<number>;
  #userGs: number;
  readonly #pti: boolean;
  readonly #wantClear: number;

  /** @param userGs GS base of the program, as signed number */
  constructor(guest: Guest, userGs: number) {
    this.#guest = guest;
    this.#u32 = guest.machine.registers.u32;
    this.#userGs = userGs;
    const { text, options } = guest.ring0;
    this.#pti = options.pti;
    // Without SMAP nobody clears AC at the gates, and it means nothing at CPL 0.
    this.#wantClear = FLAG_DF | FLAG_IF | FLAG_NT | FLAG_TF | (options.features?.has("SMAP") ? FLAG_AC : 0);
    this.#base = text.base;
    this.#rules = new Uint8Array(text.bytes.length);
    const starts = [...text.labels].map(([label, address]) => [label, address - text.base] as const).sort((a, b) => a[1] - b[1]);
    for (const [i, [label, start]] of starts.entries()) {
      const inTrampoline = TRAMPOLINE.has(label) || (!options.pcid && TRAMPOLINE_WITHOUT_PCID.includes(label));
      const rules = (inTrampoline ? IN_TRAMPOLINE : 0) | (UNSAFE_STACK.has(label) ? STACK_UNSAFE : 0);
      this.#rules.fill(rules, start, starts[i + 1]?.[1] ?? text.bytes.length);
    }
    const pages = new Set<number>();
    const add = (bottom: number, top: number) => {
      for (let at = bottom; at < top; at += PAGE_SIZE) pages.add(at / PAGE_SIZE);
    };
    add(CEA_ENTRY_STACK, CEA_ENTRY_STACK + PAGE_SIZE);
    for (const { bottom, top } of EXCEPTION_STACKS) add(bottom, top);
    for (const top of [IRQ_STACK_TOP, guest.ring0.current!.top]) add(top - KERNEL_STACK_SIZE, top);
    this.#stackPages = pages;
  }

  /** The program has another GS base. */
  set userGs(base: number) {
    this.#userGs = base;
  }

  /** Where the CPU is, for complaints. */
  get place(): string {
    const { registers } = this.#guest.machine;
    const rip = registers.getLinear(RIP);
    return `${this.#guest.ring0.text.symbolize(rip) ?? hexLinear(rip)} (CPL ${registers.getWord(CPL)}, rsp ${hexLinear(registers.getLinear(RSP))}, cr3 ${registers.lo(CR3).toString(16)})`;
  }

  fail(what: string): never {
    throw new Violation(`${what} at ${this.place}`);
  }

  /** At an instruction boundary. @throws Violation */
  check(): void {
    const { registers } = this.#guest.machine;
    const gs = registers.getLinear(GS_BASE);
    const other = registers.getLinear(KERNEL_GS_BASE);
    const rip = registers.getLinear(RIP);
    if (this.#u32[CPL >>> 2] === 3) {
      if (gs !== this.#userGs) this.fail("user code with the kernel's GS base");
      if (other !== PER_CPU_AREA) this.fail("the kernel's GS base is lost");
      if (this.#pti && !this.#onUserTable) this.fail("user code on the kernel's page table");
      return;
    }
    if ((gs !== this.#userGs && gs !== PER_CPU_AREA) || (other !== this.#userGs && other !== PER_CPU_AREA)) this.fail("a GS base that is nobody's");
    const offset = rip - this.#base;
    if (offset < 0 || offset >= this.#rules.length) this.fail("CPL 0 outside the entry text");
    const rules = this.#rules[offset]!;
    if (this.#onUserTable && !(rules & IN_TRAMPOLINE)) this.fail("code behind the trampoline on the user page table");
    if (rules & STACK_UNSAFE) return;
    // A push goes below RSP; to the espfix stack none goes.
    const rsp = registers.getLinear(RSP);
    if (!this.#stackPages.has(Math.floor((rsp - 1) / PAGE_SIZE)) && !(rsp >= ESPFIX_BASE && rsp < ESPFIX_END)) this.fail("the kernel on a stack that is none of its own");
  }

  get #onUserTable(): boolean {
    return this.#pti && ((this.#u32[CR3 >>> 2]! >>> PTI_USER_PGTABLE_BIT) & 1) === 1;
  }

  /** What the C side of a hypercall relies on. @throws Violation */
  checkHypercall(): void {
    const { registers } = this.#guest.machine;
    if (registers.getLinear(GS_BASE) !== PER_CPU_AREA) this.fail("a hypercall with the user's GS base");
    if (this.#onUserTable) this.fail("a hypercall on the user page table");
    const flags = registers.lo(RFLAGS) & this.#wantClear;
    if (flags) this.fail(`a hypercall with flags ${flags.toString(16)}`);
  }
}
