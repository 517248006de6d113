// One crossing, instruction by instruction: from SYSCALL (or another door of doors.ts) at CPL 3 until it is back at CPL 3.
// Stands between Ring0.dispatch() and Machine.run(): it takes the place of run(), single-steps while the crossing lasts, and
// tells a listener what each instruction did. The guest notices nothing of it.
//
// To reach the wanted call at full speed, its door is closed while we search: each SYSCALL, say, is a #UD, whose hypercall shows us
// the number in RAX before anything of the call has happened. The door is then opened, the frame goes back by IRETQ to the same
// instruction, and now it is executed: instruction by instruction when it is the wanted one.

import type { Machine } from "../machine/machine";
import type { Registers } from "../machine/registers";
import { FLAG_AC, FLAG_RF } from "../../kernel/abi/bits";
import { EXIT_BUDGET, EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import { CPL, CR2, CR3, FS_BASE, GPR, GS_BASE, KERNEL_GS_BASE, MODE, NO_VECTOR, PENDING_INTERRUPT, RAX, RDI, RDX, RFLAGS, RIP, RSI, RSP, SEG, SEG_CS, SEG_SS } from "../../kernel/abi/state";
import { PTI_USER_PGTABLE_BIT } from "./calling.asm";
import { TSS_sp0, TSS_sp1, TSS_sp2 } from "./descriptors";
import { atDoor, doorNamed, lengthBehind, type Door } from "./doors";
import { HYPERCALL_EXCEPTION } from "./hypercall";
import { VECTORS } from "./idtentry.asm";
import { CPU_TSS_RW, DIRECT_MAP, describeStack } from "./layout";
import { PTE_FRAME_MASK } from "./page-tables";
import { PT_AX, PT_FLAGS, PT_REGS_NAMES, PT_REGS_SIZE, PT_SP, PtRegs } from "./pt-regs";
import type { Ring0 } from "./ring0";

const INSTRUCTION_MAX = 15;

/** General registers in the order of the CPU block (SDM Vol. 2A table 2-2), then what else a crossing changes. */
const GPR_NAMES = [
  "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
] as const;
const OTHER_REGISTERS = [
  ["rip", RIP],
  ["rflags", RFLAGS],
  ["cr2", CR2],
  ["cr3", CR3],
  ["FS.base", FS_BASE],
  ["GS.base", GS_BASE],
  ["KERNEL_GS_BASE", KERNEL_GS_BASE],
] as const;

/** Values by name, unsigned 64 bits; cs and ss are selectors. */
export type RegisterValues = Readonly<Record<string, bigint>>;

/** `none` while RSP is used as a scratch register. */
export type LiveStack = "user" | "kernel" | "entry" | "none" | "other";

/** By MODE_64, MODE_32, MODE_16 of the CPU block. */
const BITS_OF_MODE = [64, 32, 16] as const;

/** Where the CPU stands between two instructions. */
export interface CrossingState {
  /** Linear address of the next instruction, kernel addresses as negative numbers (layout.ts). */
  address: number;
  /** `entry_SYSCALL_64+0x7`, or undefined outside the entry text. */
  symbol: string | undefined;
  cpl: number;
  /** What the code is: 64-bit mode, or compatibility mode by CS.D. */
  bits: 64 | 32 | 16;
  /** Half of the PTI pair that CR3 selects; `full` when there is but one page table. */
  cr3: "user" | "kernel" | "full";
  stack: LiveStack;
  registers: RegisterValues;
}

/** One instruction: the state it found, its bytes, and the state it left. */
export interface CrossingStep {
  before: CrossingState;
  after: CrossingState;
  /** From the instruction's first byte on: up to 15 bytes, fewer before an unmapped page. */
  bytes: Uint8Array;
}

/** struct pt_regs as it lies on the kernel stack. */
export interface CrossingFrame {
  /** Linear address of pt_regs->r15, the lowest field. */
  address: number;
  /** The 21 words, lowest first, with their names. */
  fields: { name: string; value: bigint }[];
}

export interface CrossingListener {
  /** Is this call, by its number in EAX, the one to trace? Not asked for exceptions and interrupts. */
  wanted(number: number): boolean;
  step(step: CrossingStep): void;
  /** do_syscall_64, or what the door calls instead, has been reached: the handler runs when this returns. */
  frame(frame: CrossingFrame): void;
  /** The handler has run, the way back begins. */
  handled(frame: CrossingFrame): void;
  /** Back at CPL 3; `state` is what the next instruction finds, `bytes` are its. May throw to end the run there. */
  done(state: CrossingState, bytes: Uint8Array): void;
}

type Phase =
  | "searching"
  /** on the way back from the fault of the closed door to a call that is not the wanted one ... */
  | "passing"
  /** ... which is on its way in ... */
  | "passed"
  /** ... and on its way out: SYSRET wants SCE as well */
  | "leaving"
  /** on the way back from that fault to the wanted one */
  | "approaching"
  | "tracing"
  /** the hypercall has been answered; the next run() is the way back */
  | "handling"
  | "finished";

/** Traces the first wanted crossing of whatever `ring0` runs from now on. */
export class Crossing {
  readonly #machine: Pick<Machine, "registers" | "phys" | "run">;
  readonly #registers: Registers;
  readonly #run: (budget: number) => number;
  #phase: Phase = "searching";
  #userRsp = 0;
  #frameAddress = 0;
  /** The next step is that through the door. */
  #atDoor = false;
  /** The first hypercall of the crossing has been made. */
  #called = false;

  constructor(
    readonly ring0: Ring0,
    readonly listener: CrossingListener,
    readonly door: Door = doorNamed("syscall"),
  ) {
    const machine = ring0.machine as Machine;
    this.#machine = machine;
    this.#registers = machine.registers;
    this.#run = machine.run.bind(machine);
    machine.run = (budget) => this.#step(budget);
    this.#open(false);
  }

  #step(budget: number): number {
    for (;;) {
      const reason = this.#phaseStep(budget);
      if (reason !== undefined) return reason;
    }
  }

  /** Answers an exit reason for dispatch(), or undefined to go on in the next phase. */
  #phaseStep(budget: number): number | undefined {
    switch (this.#phase) {
      case "searching": {
        if (this.door.raise !== undefined) return this.#searchUserCode();
        const reason = this.#run(budget);
        return reason === EXIT_HYPERCALL && this.#found() ? undefined : reason;
      }
      case "passing":
      case "approaching": {
        const reason = this.#runOne();
        if (reason !== EXIT_BUDGET) return reason;
        if (this.#registers.getWord(CPL) !== 3) return undefined;
        if (this.#phase === "approaching") {
          this.#begin();
          return undefined;
        }
        this.#phase = "passed";
        return undefined;
      }
      case "passed": {
        const reason = this.#run(budget);
        if (reason === EXIT_HYPERCALL && this.#registers.lo(RAX) !== HYPERCALL_EXCEPTION) this.#phase = "leaving";
        return reason;
      }
      case "leaving": {
        const reason = this.#run(1);
        if (reason !== EXIT_BUDGET) return reason;
        if (this.#registers.getWord(CPL) !== 3) return undefined;
        this.#open(false);
        this.#phase = "searching";
        return undefined;
      }
      case "handling":
        this.#userRsp = this.#regs().getSigned(PT_SP);
        this.listener.handled(this.#frame());
        this.#phase = "tracing";
        return undefined;
      case "tracing":
        return this.#traceOne();
      case "finished":
        return this.#run(budget);
    }
  }

  /** One instruction. A timer interrupt that waits stays waiting: it is none of the crossing's, and would be taken right behind SYSRET. */
  #runOne(): number {
    const registers = this.#registers;
    const waiting = registers.getWord(PENDING_INTERRUPT);
    registers.setWord(PENDING_INTERRUPT, NO_VECTOR);
    const reason = this.#run(1);
    registers.setWord(PENDING_INTERRUPT, waiting);
    return reason;
  }

  /** An interrupt comes before the first instruction of user code whose page is there. */
  #searchUserCode(): number | undefined {
    const reason = this.#runOne();
    if (reason !== EXIT_BUDGET) return reason;
    if (this.#registers.getWord(CPL) === 3 && this.#code(this.#registers.getLinear(RIP)).length > 0) this.#begin();
    return undefined;
  }

  #begin(): void {
    this.#userRsp = this.#registers.getLinear(RSP);
    this.#phase = "tracing";
    this.door.raise?.(this.#registers);
    this.#atDoor = true;
    this.#called = false;
  }

  #traceOne(): number | undefined {
    const before = this.#state();
    const bytes = this.#code(before.address);
    const reason = this.#atDoor && this.door.raise !== undefined ? this.#run(0) : this.#runOne();
    const after = this.#state();
    this.#listen(before, after, bytes);
    this.#atDoor = false;
    if (reason === EXIT_HYPERCALL && !this.#called) {
      this.#called = true;
      this.#frameAddress = this.#registers.getLinear(RDI);
      this.listener.frame(this.#frame());
      this.#phase = "handling";
    }
    if (reason !== EXIT_BUDGET) return reason;
    if (before.cpl === 0 && after.cpl === 3) {
      this.#phase = "finished";
      this.listener.done(after, this.#code(after.address));
    }
    return undefined;
  }

  /**
   * A fault does not count as an instruction, so its step goes on through the first one of the stub, CLAC (or a NOP): that is told as
   * the step of its own that it is.
   */
  #listen(before: CrossingState, after: CrossingState, bytes: Uint8Array): void {
    const stub = this.#atDoor ? VECTORS.find(({ vector }) => vector === this.door.vector)?.label : undefined;
    const address = stub === undefined ? undefined : this.ring0.labels.get(stub);
    if (address === undefined || after.address === address) return this.listener.step({ before, after, bytes });
    const rflags = after.registers.rflags! | (before.registers.rflags! & BigInt(FLAG_AC));
    const rip = BigInt.asUintN(64, BigInt(address));
    const between: CrossingState = { ...after, address, symbol: this.ring0.text.symbolize(address), registers: { ...after.registers, rflags, rip } };
    this.listener.step({ before, after: between, bytes });
    this.listener.step({ before: between, after, bytes: this.#code(address) });
  }

  /** Is this hypercall the fault of the closed door? Then it needs no hook: the frame is sent back as it is. */
  #found(): boolean {
    const registers = this.#registers;
    if (registers.lo(RAX) !== HYPERCALL_EXCEPTION) return false;
    this.#frameAddress = registers.getLinear(RDI);
    const regs = this.#regs();
    if (!regs.userMode) return false;
    const found = atDoor(this.door, regs, registers.lo(RDX), registers.lo(RSI), this.#code(regs.ip));
    if (found === "no") return false;
    // A fault sets RF in the frame it pushes; with RF the call would not leave by SYSRET.
    regs.setHalves(PT_FLAGS, regs.lo(PT_FLAGS) & ~FLAG_RF, regs.hi(PT_FLAGS));
    regs.ip -= lengthBehind(this.door);
    this.#open(true);
    const wanted = found === "yes" && (this.door.vector !== undefined || this.listener.wanted(regs.lo(PT_AX)));
    this.#phase = wanted ? "approaching" : "passing";
    return true;
  }

  #open(open: boolean): void {
    this.door.open?.(this.#machine, open);
  }

  #state(): CrossingState {
    const registers = this.#registers;
    const values: Record<string, bigint> = {};
    GPR_NAMES.forEach((name, index) => (values[name] = registers.getBig(GPR + 8 * index)));
    for (const [name, offset] of OTHER_REGISTERS) values[name] = registers.getBig(offset);
    values.cs = BigInt(registers.u16[(SEG + 8 * SEG_CS) >>> 1]!);
    values.ss = BigInt(registers.u16[(SEG + 8 * SEG_SS) >>> 1]!);
    const address = registers.getLinear(RIP);
    return {
      address,
      symbol: this.ring0.text.symbolize(address),
      cpl: registers.getWord(CPL),
      bits: BITS_OF_MODE[registers.getWord(MODE)]!,
      cr3: this.#pageTable(),
      stack: this.#stack(),
      registers: values,
    };
  }

  #pageTable(): CrossingState["cr3"] {
    if (!this.ring0.options.pti) return "full";
    return (this.#registers.lo(CR3) >>> PTI_USER_PGTABLE_BIT) & 1 ? "user" : "kernel";
  }

  /** At CPL 0 a positive RSP that is not the user's holds a CR3 value on its way. */
  #stack(): LiveStack {
    const rsp = this.#registers.getLinear(RSP);
    if (rsp >= 0) return this.#registers.getWord(CPL) === 3 || rsp === this.#userRsp ? "user" : "none";
    switch (describeStack(rsp)) {
      case "kernel stack":
        return "kernel";
      case "entry stack":
        return "entry";
      case "no stack":
        return "none";
      default:
        return "other";
    }
  }

  #regs(): PtRegs {
    const pa = this.#physical(this.#frameAddress);
    if (pa === undefined) throw new Error("pt_regs is not mapped");
    return new PtRegs(this.#machine.phys, pa);
  }

  #frame(): CrossingFrame {
    const regs = this.#regs();
    return {
      address: this.#frameAddress,
      fields: PT_REGS_NAMES.map((name, index) => ({ name, value: regs.getBig(8 * index) })),
    };
  }

  #code(address: number): Uint8Array {
    const bytes: number[] = [];
    for (let i = 0; i < INSTRUCTION_MAX; i++) {
      const pa = this.#physical(address + i);
      if (pa === undefined) break;
      bytes.push(this.#machine.phys.u8[pa]!);
    }
    return Uint8Array.from(bytes);
  }

  /** The 8 bytes at a linear address, by the kernel's page table of the moment; undefined when nothing is mapped there. */
  readMemory(address: number): bigint | undefined {
    let value = 0n;
    for (let i = 7; i >= 0; i--) {
      const pa = this.#physical(address + i);
      if (pa === undefined) return undefined;
      value = (value << 8n) | BigInt(this.#machine.phys.u8[pa]!);
    }
    return value;
  }

  #physical(address: number): number | undefined {
    const { tables } = this.ring0;
    // The kernel half of the pair maps all that the user half does.
    const root = this.#registers.lo(CR3) & (this.ring0.options.pti ? ~0x1fff : ~0xfff);
    const words = this.#machine.phys.u32;
    const pte = tables.pte(root >>> 0, address);
    if (pte >= 0) {
      const entry = words[pte]!;
      return (entry & 1) === 0 ? undefined : ((entry & PTE_FRAME_MASK) >>> 0) + (address & 0xfff);
    }
    return this.#directMap(address);
  }

  /** The per-CPU area lies in the direct map, whose 2 MiB pages have no PTE. */
  #directMap(address: number): number | undefined {
    const pa = address - DIRECT_MAP;
    return pa >= 0 && pa < this.#machine.phys.bytes ? pa : undefined;
  }

  /**
   * What a kernel address is called in the lecture's picture: `pt_regs->ss` on the kernel stack of this crossing, `TSS.sp2`;
   * undefined for others.
   */
  nameOf(address: number): string | undefined {
    const field = TSS_FIELDS.find(([, offset]) => address === CPU_TSS_RW + offset);
    if (field) return field[0];
    const top = Number(BigInt.asIntN(64, this.readMemory(CPU_TSS_RW + TSS_sp1) ?? 0n));
    const offset = address - (top - PT_REGS_SIZE);
    if (offset >= 0 && offset < PT_REGS_SIZE && offset % 8 === 0) return `pt_regs->${PT_REGS_NAMES[offset / 8]}`;
    return undefined;
  }
}

const TSS_FIELDS = [
  ["TSS.sp0", TSS_sp0],
  ["TSS.sp1", TSS_sp1],
  ["TSS.sp2", TSS_sp2],
] as const;
