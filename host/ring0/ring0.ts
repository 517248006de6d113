// The ring-0 side of a machine, as host/linux uses it: boot, address spaces, kernel stacks, switching tasks, and the loop that
// turns hypercalls into hooks.
// Entered from VMCALL in the entry text. Leaves to Ring0Hooks (host/linux), and back to the guest behind the VMCALL.

import type { Machine } from "../machine/machine";
import type { PhysMemory } from "../machine/phys-memory";
import type { Registers } from "../machine/registers";
import { AddressSpace, NO_ASID } from "./address-space";
import { buildKernelMemory, loadControlState, loadKernelStackSegment, putLinear, SEG_UNUSABLE, type Ring0Options } from "./boot";
import { entryText, type EntryText } from "./entry-symbols";
import { fixEspfixDoubleFault } from "./espfix";
import { TssIoBitmap } from "./io-bitmap";
import { KernelStack } from "./kernel-stack";
import { KERNEL_STACK_SLOTS, PER_CPU_CPU_TSS_RW, PER_CPU_SYSENTER_RETURN, PER_CPU_USER_PCID_FLUSH_MASK, PHYS_PER_CPU, hexLinear } from "./layout";
import { PageTables, PTE_FRAME_MASK } from "./page-tables";
import { PT_FLAGS, PT_IP, PtRegs } from "./pt-regs";
import { TSS_sp1 } from "./descriptors";
import { GDT_ENTRY_TLS_MIN, __USER32_CS, __USER_CS, __USER_DS, loadLdtr } from "./segments";
import {
  type CodeSegment, DATA_SEGMENTS, type DataSegment, type DescriptorReader, codeSegment, descriptorReader, isUserStackSegment, loadUserSegment, userSelector,
} from "./user-segments";
import {
  HYPERCALL_DO_FAST_SYSCALL_32, HYPERCALL_DO_INT80_SYSCALL_32, HYPERCALL_DO_SYSCALL_64, HYPERCALL_EXCEPTION, HYPERCALL_EXIT_TO_USER_MODE,
  HYPERCALL_INTERRUPT, SUSPEND, type Ring0Hooks, type Suspend,
} from "./hypercall";
import { EXIT_BUDGET, EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import { VECTOR_DB, VECTOR_DF } from "../../kernel/abi/vectors";
import {
  CR3, CR4, DR6, FS_BASE, KERNEL_GS_BASE, RAX, RDI, RDX, RETIRED, RIP, RSI, SEG_DS, SEG_ES, SEG, SEG_ATTRIBUTES, SEG_FS,
  SEG_GS, SEG_SS, VENDOR, VENDOR_AMD,
} from "../../kernel/abi/state";
import { CR4_TSD, FLAG_FIXED, FLAG_IF, FLAG_RF, FLAG_TF } from "../../kernel/abi/bits";

/** dispatch() came back because a hook answered SUSPEND. Beside the reasons of kernel/abi/exit-reasons.ts. */
export const DISPATCH_SUSPENDED = 100;

/** Address spaces that the TLB keeps apart (Linux TLB_NR_DYN_ASIDS). */
const TLB_NR_DYN_ASIDS = 6;

/** DR6: single step, and all that can raise a #DB (SDM Vol. 3B 17.2.3). */
const DR6_BS = 0x4000;
const DR6_CAUSES = 0xe00f;
const DR6_BREAKPOINTS = 0xf;
const DR6_NONE = 0xffff0ff0;

/** Of a selector: its descriptor is in the LDT. */
const SELECTOR_TI = 4;

/** What Ring0 needs of a machine; tests give it one without a CPU. */
export type Ring0Machine = Pick<Machine, "registers" | "phys" | "run" | "flushTlb" | "invlpg">;

export class Ring0 {
  readonly machine: Ring0Machine;
  readonly options: Readonly<Ring0Options>;
  /** The entry code: bytes, labels, symbolize(). */
  readonly text: EntryText;
  readonly tables: PageTables;
  /** The PML4 (pair) made at boot: no user pages, and the kernel half of all others. */
  readonly bootRoot: number;
  readonly #registers: Registers;
  readonly #phys: PhysMemory;
  readonly #ioBitmap: TssIoBitmap;
  readonly #asids: (AddressSpace | undefined)[] = new Array(TLB_NR_DYN_ASIDS).fill(undefined);
  #nextAsid = 0;
  readonly #freeSlots: number[] = [];
  #nextSlot = 1;
  #current: KernelStack | undefined;
  /** Instructions that dispatch() may still run. */
  #left = 0;
  #space: AddressSpace | undefined;

  private constructor(machine: Ring0Machine, options: Ring0Options, text: EntryText) {
    this.machine = machine;
    this.options = options;
    this.text = text;
    this.#registers = machine.registers;
    this.#phys = machine.phys;
    this.#ioBitmap = new TssIoBitmap(machine.phys);
    this.tables = new PageTables(machine.phys, machine, options.pti);
    this.bootRoot = buildKernelMemory(machine.phys, this.tables, text, options);
    loadControlState(machine.registers, this.bootRoot, options, text.labels);
    machine.flushTlb();
  }

  /**
   * Builds the kernel's ring-0 side in a fresh machine.
   * @param text the entry code; default the variant that the build made for these options
   * @throws RangeError when its RAM is too small
   */
  static boot(machine: Ring0Machine, options: Ring0Options, text?: EntryText): Ring0 {
    const { pti, pcid, features } = options;
    return new Ring0(machine, options, text ?? entryText({ pti, pcid, smap: features?.has("SMAP"), fsgsbase: features?.has("FSGSBASE") }));
  }

  /** Linear address (signed, see layout.ts) of every label of the entry text. */
  get labels(): ReadonlyMap<string, number> {
    return this.text.labels;
  }

  // --- memory

  /** An address space without user pages, or undefined when guest RAM is used up. */
  createAddressSpace(): AddressSpace | undefined {
    return AddressSpace.create(this.tables, this.bootRoot, this.options.pcid, (space) => this.#leave(space));
  }

  /** Frees an address space, the current one too: the CPU then stands on the boot page table until the next switchTo. */
  destroyAddressSpace(space: AddressSpace): void {
    space.destroy();
  }

  #leave(space: AddressSpace): void {
    if (space === this.#space) {
      this.#space = undefined;
      this.#registers.set(CR3, this.bootRoot);
    }
    if (space.asid === NO_ASID) return;
    this.#asids[space.asid] = undefined;
    space.asid = NO_ASID;
    this.machine.flushTlb();
  }

  /** A 16 KiB kernel stack above a guard page, or undefined when guest RAM or the slots are used up. */
  allocKernelStack(): KernelStack | undefined {
    const slot = this.#freeSlots.pop() ?? this.#nextSlot++;
    const stack = slot < KERNEL_STACK_SLOTS ? KernelStack.alloc(this.tables, this.bootRoot, slot) : undefined;
    if (stack === undefined) this.#freeSlots.push(slot);
    return stack;
  }

  /** Frees a stack. If the CPU stands on it, the next thing must be switchTo. */
  freeKernelStack(stack: KernelStack): void {
    if (stack === this.#current) this.#current = undefined;
    stack.free(this.tables, this.bootRoot);
    this.#freeSlots.push(stack.slot);
  }

  // --- tasks

  /** The stack the CPU is on, if a task has been switched to. */
  get current(): KernelStack | undefined {
    return this.#current;
  }

  /** Goes over to another task: kernel stack, user's FPU state and segment bases, CR3 (Linux __switch_to, switch_mm). */
  switchTo(stack: KernelStack, space: AddressSpace): void {
    if (stack !== this.#current) {
      this.#current?.save(this.#registers);
      stack.load(this.#registers);
      stack.segments.loadTls(this.#phys);
      this.#current = stack;
      this.#ioBitmap.update(stack.ports);
      if (this.#registers.lo(VENDOR) === VENDOR_AMD) this.#reloadStackSegment();
      putLinear(this.#phys, PHYS_PER_CPU + PER_CPU_CPU_TSS_RW + TSS_sp1, stack.top);
    }
    this.switchAddressSpace(space);
  }

  /**
   * AMD's SYSRET loads the selector of SS alone and keeps what is hidden behind it. An interrupt makes SS null, so a task that comes to
   * run after one that was interrupted would return to 32-bit code with a stack segment that cannot be used (Linux
   * X86_BUG_SYSRET_SS_ATTRS).
   */
  #reloadStackSegment(): void {
    if ((this.#registers.u16[(SEG + 8 * SEG_SS) >>> 1]! & 0xfffc) === 0) loadKernelStackSegment(this.#registers);
  }

  /** Loads CR3, as also execve does it. The kernel half goes in; the entry code derives the user's from it. */
  switchAddressSpace(space: AddressSpace): void {
    if (space === this.#space) return;
    if (this.options.pcid) this.#takeAsid(space);
    // Without PCID every CR3 load flushes; and no mapping made while `space` was away has been invalidated.
    else {
      if (this.#space !== undefined) this.#space.asid = NO_ASID;
      space.asid = 0;
      this.machine.flushTlb();
    }
    this.#space = space;
    this.#registers.set(CR3, space.cr3Kernel);
    putLinear(this.#phys, PHYS_PER_CPU + PER_CPU_SYSENTER_RETURN, space.sysenterReturn);
    this.#loadLdt();
  }

  /** Linux load_mm_ldt. */
  #loadLdt(): void {
    const words = this.#space?.ldtWords;
    const limit = words === undefined ? -1 : words.length * 4 - 1;
    loadLdtr(this.#registers, this.#phys, limit);
  }

  #takeAsid(space: AddressSpace): void {
    if (space.asid !== NO_ASID) return;
    const asid = this.#nextAsid;
    this.#nextAsid = (asid + 1) % TLB_NR_DYN_ASIDS;
    const evicted = this.#asids[asid];
    this.#asids[asid] = space;
    space.asid = asid;
    if (evicted === undefined) return;
    evicted.asid = NO_ASID;
    this.machine.flushTlb();
    // And the user PCID, by the entry code itself: its next CR3 write goes without NOFLUSH.
    this.#phys.u32[(PHYS_PER_CPU + PER_CPU_USER_PCID_FLUSH_MASK) >>> 2]! |= 1 << (asid + 1);
  }

  /** Fabricates the pt_regs of a program that starts at `ip` with `sp`, all other registers 0 (Linux start_thread, compat_start_thread). */
  startThread(regs: PtRegs, ip: number, sp: number, bits: 32 | 64 = 64): void {
    regs.clear();
    regs.ip = ip;
    regs.sp = sp;
    regs.cs = bits === 64 ? __USER_CS : __USER32_CS;
    regs.ss = __USER_DS;
    regs.flags = FLAG_IF | FLAG_FIXED;
    regs.origAx = -1;
  }

  /** Makes `stack`, whose pt_regs is filled, start at ret_from_fork when it is switched to. */
  startAtRetFromFork(stack: KernelStack): void {
    stack.startAt(this.#label("ret_from_fork"));
  }

  /** A new program on a new stack: the next dispatch() enters it at CPL 3 through ret_from_fork and IRETQ. */
  enterUser(stack: KernelStack, space: AddressSpace, ip: number, sp: number): void {
    this.startThread(stack.regs, ip, sp);
    this.startAtRetFromFork(stack);
    this.switchTo(stack, space);
  }

  /** Where the two fast 32-bit doors return to in the address space `space`: the landing pad of its 32-bit vDSO. */
  setSysenterReturn(space: AddressSpace, address: number): void {
    space.sysenterReturn = address;
    if (space === this.#space) putLinear(this.#phys, PHYS_PER_CPU + PER_CPU_SYSENTER_RETURN, address);
  }

  /** execve: registers that no pt_regs holds, as a new program finds them. */
  resetUserState(stack: KernelStack, bits: 32 | 64): void {
    stack.resetUserState(bits === 64 ? 0 : __USER_DS);
    if (stack !== this.#current) return;
    stack.loadUserState(this.#registers);
    stack.segments.loadTls(this.#phys);
  }

  /** Selector of DS, ES, FS or GS of the current task. */
  userSelector(segment: DataSegment): number {
    return userSelector(this.#registers, segment);
  }

  /** Loads DS, ES, FS or GS of the current task; null where its own MOV would fault (Linux loadsegment, load_gs_index). */
  loadUserSegment(segment: DataSegment, selector: number): void {
    loadUserSegment(this.#registers, segment, selector, this.#descriptors());
  }

  /** May 64-bit code of the current task have it in SS? */
  isUserStackSegment(selector: number): boolean {
    return isUserStackSegment(selector, this.#descriptors());
  }

  /** How code of the current task runs with it in CS. */
  codeSegment(selector: number): CodeSegment {
    return codeSegment(selector, this.#descriptors());
  }

  #descriptors(): DescriptorReader {
    return descriptorReader(this.#phys, this.#space?.ldtWords ?? new Uint32Array(0));
  }

  /**
   * Writes one of the current task's TLS descriptors, and loads anew what has it in use.
   * @param entry in the GDT, GDT_ENTRY_TLS_MIN up
   */
  setTls(entry: number, lo: number, hi: number): void {
    const { segments } = this.#current!;
    segments.tls.set([lo, hi], (entry - GDT_ENTRY_TLS_MIN) * 2);
    segments.loadTls(this.#phys);
    for (const segment of DATA_SEGMENTS) {
      if (this.userSelector(segment) === ((entry << 3) | 3)) this.loadUserSegment(segment, (entry << 3) | 3);
    }
  }

  /** Loads LDTR for the current address space, and anew what DS and ES have of it: after a change (Linux flush_ldt). */
  reloadLdt(): void {
    this.#loadLdt();
    for (const segment of [SEG_DS, SEG_ES] as const) {
      const held = this.userSelector(segment);
      if (held & SELECTOR_TI) this.loadUserSegment(segment, held);
    }
  }

  #label(name: string): number {
    const address = this.labels.get(name);
    if (address === undefined) throw new Error(`the entry text has no label ${name}`);
    return address;
  }

  /** ioperm: the current task may use these ports, or no longer. */
  setPorts(from: number, count: number, allow: boolean): void {
    const { ports } = this.#current!;
    ports.set(from, count, allow, this.#ioBitmap.nextSequence());
    this.#ioBitmap.update(ports);
  }

  /** iopl of the current task, 0 to 3. RFLAGS.IOPL stays 0 (Linux 5.5 and later): 3 opens all ports and does not allow CLI. */
  set ioplLevel(level: number) {
    const { ports } = this.#current!;
    ports.level = level;
    this.#ioBitmap.update(ports);
  }

  /** CR4.TSD: RDTSC and RDTSCP at CPL 3 are #GP. */
  set userTscDisabled(disabled: boolean) {
    const cr4 = this.#registers.get(CR4);
    this.#registers.set(CR4, disabled ? cr4 | CR4_TSD : cr4 & ~CR4_TSD);
  }

  /** FS base of the current task. */
  get userFsBase(): number {
    return this.#registers.get(FS_BASE);
  }

  /** The selector becomes null with it: one that has a descriptor would have its own base again at the next load (Linux ARCH_SET_FS). */
  set userFsBase(base: number) {
    this.#nullSelector(SEG_FS);
    this.#registers.set(FS_BASE, base);
  }

  #nullSelector(segment: number): void {
    const at = SEG + 8 * segment;
    this.#registers.u16[at >>> 1] = 0;
    this.#registers.u16[(at + SEG_ATTRIBUTES) >>> 1] = SEG_UNUSABLE;
  }

  /** GS base of the current task: while the kernel runs it is where SWAPGS put it. */
  get userGsBase(): number {
    return this.#registers.get(KERNEL_GS_BASE);
  }

  set userGsBase(base: number) {
    this.#nullSelector(SEG_GS);
    this.#registers.set(KERNEL_GS_BASE, base);
  }

  // --- the loop

  /**
   * Runs the guest for at most `budget` instructions and serves its hypercalls. Answers EXIT_BUDGET, EXIT_HALT, EXIT_SHUTDOWN, or
   * DISPATCH_SUSPENDED after a hook said SUSPEND; the hypercall that it was in is then complete as far as the CPU goes, and the
   * task goes on behind it with what `regs` says by then.
   */
  dispatch(hooks: Ring0Hooks, budget: number): number {
    const { machine } = this;
    const words = this.#registers.u32;
    this.#left = budget;
    while (this.#left > 0) {
      const before = words[RETIRED >>> 2]!;
      const reason = machine.run(this.#left);
      if (reason !== EXIT_HYPERCALL) return reason;
      this.#left -= (words[RETIRED >>> 2]! - before) >>> 0;
      if (this.hypercall(hooks) === SUSPEND) return DISPATCH_SUSPENDED;
    }
    return EXIT_BUDGET;
  }

  /** For hooks: dispatch() is to come back after at most `instructions` more. */
  shortenBudget(instructions: number): void {
    this.#left = Math.min(this.#left, instructions);
  }

  /** Serves the hypercall that run() has just returned with. For callers that drive the machine themselves (trace). */
  hypercall(hooks: Ring0Hooks): void | Suspend {
    const words = this.#registers.u32;
    const regs = this.#regsArgument();
    switch (words[RAX >>> 2]) {
      case HYPERCALL_DO_SYSCALL_64:
        return hooks.syscall(regs);
      case HYPERCALL_DO_INT80_SYSCALL_32:
        return hooks.syscall32(regs, "int80");
      case HYPERCALL_DO_FAST_SYSCALL_32:
        return hooks.syscall32(regs, "fast");
      case HYPERCALL_EXCEPTION:
        if (!regs.userMode && this.#kernelException(regs, words[RDX >>> 2]!)) return;
        return hooks.exception(regs, words[RDX >>> 2]!, words[RSI >>> 2]!);
      case HYPERCALL_INTERRUPT:
        return hooks.interrupt(regs, words[RDX >>> 2]!);
      case HYPERCALL_EXIT_TO_USER_MODE:
        return hooks.exitToUserMode?.(regs);
    }
    throw new Error(`unknown hypercall ${words[RAX >>> 2]} at ${hexLinear(this.#registers.getLinear(RIP))}`);
  }

  /** What can happen in the entry code itself although all is well. False: the hook must know of it. */
  #kernelException(regs: PtRegs, vector: number): boolean {
    if (vector === VECTOR_DB) return this.#kernelDebug(regs);
    if (vector !== VECTOR_DF) return false;
    const labels = { iret: this.#label("native_irq_return_iret"), gp: this.#label("asm_exc_general_protection") };
    return fixEspfixDoubleFault(this.#phys, regs, (linear) => this.#translate(linear), labels);
  }

  /**
   * #DB in the entry code (Linux exc_debug_kernel). Breakpoints are the program's, met by code that it does not know of: nobody
   * hears of them. And SYSENTER leaves TF as it was, so that a program that steps through it traps here too, up to where the flags
   * are put right; its own traps go on behind the IRETQ.
   */
  #kernelDebug(regs: PtRegs): boolean {
    const dr6 = this.#registers.lo(DR6);
    const ip = regs.getSigned(PT_IP);
    const inSysenter = ip >= this.#label("entry_SYSENTER_compat") && ip < this.#label("__end_entry_SYSENTER_compat");
    // DR6 gathers. Where this #DB found an earlier one not yet looked at, BS may be that one's; TF in the frame tells, but behind the
    // POPFQ that ends the stepping.
    const stepped = (dr6 & DR6_BS) !== 0 && (inSysenter || (regs.lo(PT_FLAGS) & FLAG_TF) !== 0);
    const causes = dr6 & (stepped ? DR6_CAUSES : DR6_CAUSES & ~DR6_BS);
    if ((stepped && !inSysenter) || causes === 0) return false;
    this.#registers.setHalves(DR6, DR6_NONE | (stepped ? 0 : dr6 & DR6_BS), 0);
    // An execution breakpoint is a fault: it would be met again.
    if (causes & DR6_BREAKPOINTS) regs.flags |= FLAG_RF;
    return true;
  }

  // RDI. Entries from user mode have their pt_regs at the top of the task's stack; others are wherever the CPU was.
  #regsArgument(): PtRegs {
    const linear = this.#registers.getLinear(RDI);
    if (this.#current !== undefined && linear === this.#current.regsLinear) return this.#current.regs;
    return new PtRegs(this.#phys, this.#translate(linear));
  }

  /** Physical address of a kernel address with a 4 KiB page. */
  #translate(linear: number): number {
    const at = this.tables.pte(this.bootRoot, linear);
    if (at < 0 || (this.#phys.u32[at]! & 1) === 0) throw new Error(`the kernel has no page at ${hexLinear(linear)}`);
    return ((this.#phys.u32[at]! & PTE_FRAME_MASK) >>> 0) + (linear & 0xfff);
  }
}
