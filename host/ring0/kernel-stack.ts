// A task's kernel stack and what it keeps of the CPU while another task runs (Linux: task->stack and thread_struct).

import { NO_FRAME, PAGE_SIZE } from "../machine/phys-memory";
import type { Registers } from "../machine/registers";
import type { PageTables } from "./page-tables";
import { IoPermissions } from "./io-bitmap";
import { KERNEL_STACK_SIZE, kernelStackTop } from "./layout";
import { PtRegs, PT_REGS_SIZE } from "./pt-regs";
import { UserSegments } from "./user-segments";
import { PTE_G, PTE_P, PTE_RW } from "../../kernel/abi/bits";
import { FTW, FCW, MXCSR, RFLAGS, RIP, RSP, XMM } from "../../kernel/abi/state";
import { FLAG_FIXED } from "../../kernel/abi/bits";

/** XMM, upper halves, x87 and MXCSR stand together in the CPU block. */
const FPU_START = XMM;
const FPU_END = MXCSR + 8;

export class KernelStack {
  /** One past its highest byte; pt_regs of an entry from user mode ends here. */
  readonly top: number;
  readonly slot: number;
  /** pt_regs of the entry from user mode. */
  readonly regs: PtRegs;
  readonly regsLinear: number;
  // Where its kernel code goes on when it is switched to.
  #rsp = 0;
  #rip = 0;
  readonly segments = new UserSegments();
  /** Linux thread_struct.io_bitmap and iopl_emul. */
  readonly ports = new IoPermissions();
  readonly #fpu = new Uint8Array(FPU_END - FPU_START);

  private constructor(slot: number, regs: PtRegs) {
    this.slot = slot;
    this.top = kernelStackTop(slot);
    this.regs = regs;
    this.regsLinear = this.top - PT_REGS_SIZE;
    this.resetFpu();
  }

  /** 16 KiB in stack slot `slot`, above a guard page; undefined when guest RAM is used up. */
  static alloc(tables: PageTables, root: number, slot: number): KernelStack | undefined {
    const top = kernelStackTop(slot);
    const flags = PTE_P | PTE_RW | (tables.pti ? 0 : PTE_G);
    const frames: number[] = [];
    for (let page = 1; page <= KERNEL_STACK_SIZE / PAGE_SIZE; page++) {
      const frame = tables.phys.allocFrame();
      const at = frame === NO_FRAME ? -1 : tables.makePte(root, top - page * PAGE_SIZE);
      if (at < 0) {
        if (frame !== NO_FRAME) tables.phys.put(frame);
        for (let mapped = 1; mapped < page; mapped++) tables.unmapKernel(root, top - mapped * PAGE_SIZE);
        return undefined;
      }
      tables.mapKernel(root, top - page * PAGE_SIZE, frame, flags, false);
      frames.push(frame);
    }
    return new KernelStack(slot, new PtRegs(tables.phys, frames[0]! + PAGE_SIZE - PT_REGS_SIZE));
  }

  free(tables: PageTables, root: number): void {
    for (let page = 1; page <= KERNEL_STACK_SIZE / PAGE_SIZE; page++) tables.unmapKernel(root, this.top - page * PAGE_SIZE);
  }

  /** Makes it go on at `rip` with pt_regs on top of the stack, and nothing else. */
  startAt(rip: number): void {
    this.#rsp = this.regsLinear;
    this.#rip = rip;
  }

  /** The FPU state of a new program: all empty, masked, round to nearest (Linux init_fpstate). */
  resetFpu(): void {
    const view = new DataView(this.#fpu.buffer);
    this.#fpu.fill(0);
    view.setUint16(FCW - FPU_START, 0x37f, true);
    view.setUint8(FTW - FPU_START, 0);
    view.setUint32(MXCSR - FPU_START, 0x1f80, true);
  }

  /** Takes over FPU state and segment bases of `parent` (fork). The parent's must have been saved, or be live in `registers`. */
  copyUserState(parent: KernelStack): void {
    this.#fpu.set(parent.#fpu);
    this.segments.copyFrom(parent.segments);
    this.ports.copyFrom(parent.ports);
  }

  /** Keeps what the CPU holds of this task. */
  save(registers: Registers): void {
    this.#rsp = registers.getLinear(RSP);
    this.#rip = registers.getLinear(RIP);
    this.saveUserState(registers);
  }

  /** FPU state and segment registers. */
  saveUserState(registers: Registers): void {
    this.segments.save(registers);
    this.#fpu.set(registers.u8.subarray(FPU_START, FPU_END));
  }

  load(registers: Registers): void {
    registers.set(RSP, this.#rsp);
    registers.set(RIP, this.#rip);
    registers.setHalves(RFLAGS, FLAG_FIXED, 0);
    this.loadUserState(registers);
  }

  /** The FPU state of a new program into the CPU: signal handlers begin with it. */
  resetFpuState(registers: Registers): void {
    this.resetFpu();
    registers.u8.set(this.#fpu, FPU_START);
  }

  /** FPU state and segments of a new program. @param dataSelector of its DS and ES: null in 64-bit code */
  resetUserState(dataSelector: number): void {
    this.resetFpu();
    this.segments.reset(dataSelector);
  }

  /** Puts what is kept of FPU state and segment registers into the CPU. */
  loadUserState(registers: Registers): void {
    this.segments.load(registers);
    registers.u8.set(this.#fpu, FPU_START);
  }
}
