// Runs cases on our machine, bare: no Linux, only page tables that map the windows of case-format.ts at CPL 3, and an IDT
// every gate of which leads to a VMCALL at CPL 0. So whatever a case does, run() returns with the whole state: registers in the CPU
// block, RIP, RSP and RFLAGS in the frame that the exception pushed.
//
// Physical memory                                   Linear addresses from SUPERVISOR
//   0x01000  paging structures                        0x0000  GDT      0x1000  IDT     0x2000  TSS
//   0x10000  code page                                0x3000  stubs, one every 16 bytes
//   0x11000  data window, 3 pages                     0x4000  stack that TSS.RSP0 points to the end of
//   0x20000  supervisor pages, 5

import { CR0_AM, CR0_ET, CR0_MP, CR0_NE, CR0_PE, CR0_PG, CR0_WP, CR4_FSGSBASE, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_OSXSAVE, CR4_PAE, EFER_LMA, EFER_LME,
  EFER_NXE, EFER_SCE, PTE_A, PTE_D, PTE_NX_HIGH, PTE_P, PTE_RW, PTE_US } from "../../kernel/abi/bits";
import { EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import * as S from "../../kernel/abi/state";
import { type CpuModel, cpuModel } from "../../host/machine/cpu-models";
import { Machine } from "../../host/machine/machine";
import { type Case, CODE_BASE, CODE_SIZE, DATA_BASE, DATA_RW_SIZE, FX_BYTES, FX_FCW, FX_FDP, FX_FIP, FX_FOP, FX_FSW, FX_FTW, FX_MXCSR, FX_ST,
  FX_XMM, type Result, dataBaseline } from "./case-format";
import { featuresOf } from "./features";

const PML4 = 0x1000;
const CODE_FRAME = 0x10000;
const DATA_FRAME = 0x11000;
const SUPERVISOR_FRAME = 0x20000;
const SUPERVISOR = 0xffffffff_80000000n;
const GDT = 0x0000;
const IDT = 0x1000;
const TSS = 0x2000;
const STUBS = 0x3000;
const STACK_END = 0x5000;
const STUB_STRIDE = 16;
/** The stub that SYSCALL leads to, after those of the vectors; results have it as their vector. */
export const SYSCALL_STUB = 256;

// Selectors as Linux has them (the chip's side runs under Linux).
const KERNEL_CS = 0x10;
const USER_SS = 0x2b;
const USER_CS = 0x33;
const USER32_CS = 0x23;
const dataSegments = [S.SEG_DS, S.SEG_ES, S.SEG_FS, S.SEG_GS];
const TSS_SELECTOR = 0x40;
const TSS_LIMIT = 0x67;

const vectorsWithErrorCode = new Set([8, 10, 11, 12, 13, 14, 17, 21]);

/** How the instruction is brought before the CPU. */
export type Path =
  /** One instruction a run(). */
  | "step"
  /** In the middle of a block: after a NOP, before the INT3, in one run(). */
  | "block";

/** More than any REP of the generator repeats. */
const MOST_STEPS = 20_000;

export class MachineRunner {
  readonly machine: Machine;
  readonly #baseline = dataBaseline();
  readonly #expected: Uint8Array;
  readonly #expected32: Uint32Array;
  readonly #data32: Uint32Array;
  #nextTable = PML4 + 0x1000;

  /** @param cpu its model; default v2, which offers everything that executes without AVX. Other masks: `{ ...cpuModel("v2"), features }` */
  static async create(cpu: CpuModel = cpuModel("v2")): Promise<MachineRunner> {
    return new MachineRunner(await Machine.create({ ramBytes: 0x100000, cpu }));
  }

  private constructor(machine: Machine) {
    this.machine = machine;
    this.#expected = this.#baseline.slice(0, DATA_RW_SIZE);
    this.#expected32 = new Uint32Array(this.#expected.buffer);
    this.#data32 = machine.phys.u32.subarray(DATA_FRAME / 4, (DATA_FRAME + DATA_RW_SIZE) / 4);
    machine.phys.fill(CODE_FRAME, CODE_SIZE, 0xcc);
    machine.phys.write(DATA_FRAME, this.#baseline);
    this.#mapWindows();
    this.#buildTables();
    this.#setSystemState();
    this.features = featuresOf((cases) => cases.map((c) => this.run(c, "step")));
  }

  /** Names as in the rows' `cpuid`, as the machine's own CPUID reports them. */
  readonly features: ReadonlySet<string>;

  #mapPage(linear: bigint, frame: number, low: number, high: number): void {
    const u32 = this.machine.phys.u32;
    let table = PML4;
    for (const shift of [39n, 30n, 21n]) {
      const entry = table / 4 + 2 * Number((linear >> shift) & 511n);
      if (u32[entry] === 0) {
        u32[entry] = this.#nextTable | PTE_P | PTE_RW | PTE_US | PTE_A;
        this.#nextTable += 0x1000;
      }
      table = u32[entry] & ~0xfff;
    }
    const entry = table / 4 + 2 * Number((linear >> 12n) & 511n);
    u32[entry] = frame | low | PTE_P | PTE_A | PTE_D;
    u32[entry + 1] = high;
  }

  #mapWindows(): void {
    this.#mapPage(BigInt(CODE_BASE), CODE_FRAME, PTE_US, 0);
    for (const page of [0, 0x1000, 0x2000]) {
      this.#mapPage(BigInt(DATA_BASE + page), DATA_FRAME + page, PTE_US | (page < DATA_RW_SIZE ? PTE_RW : 0), PTE_NX_HIGH);
    }
    for (let page = 0; page < STACK_END; page += 0x1000) this.#mapPage(SUPERVISOR + BigInt(page), SUPERVISOR_FRAME + page, PTE_RW, 0);
  }

  #buildTables(): void {
    const { phys } = this.machine;
    const gdt = SUPERVISOR_FRAME + GDT;
    phys.setU64(gdt + KERNEL_CS, 0x00af9b000000ffffn);
    phys.setU64(gdt + 0x18, 0x00cf93000000ffffn);
    phys.setU64(gdt + 0x20, 0x00cffb000000ffffn);
    phys.setU64(gdt + (USER_SS & ~7), 0x00cff3000000ffffn);
    phys.setU64(gdt + (USER_CS & ~7), 0x00affb000000ffffn);
    phys.setU64(SUPERVISOR_FRAME + TSS + 4, SUPERVISOR + BigInt(STACK_END)); // RSP0
    phys.u16[(SUPERVISOR_FRAME + TSS + 0x66) / 2] = TSS_LIMIT + 1; // no I/O permission map
    phys.write(SUPERVISOR_FRAME + STUBS + SYSCALL_STUB * STUB_STRIDE, Uint8Array.of(0x0f, 0x01, 0xc1)); // VMCALL
    for (let vector = 0; vector < 256; vector++) {
      const stub = STUBS + vector * STUB_STRIDE;
      const offset = SUPERVISOR + BigInt(stub);
      const dpl = vector === 3 || vector === 4 ? 3n : 0n;
      const gate = (offset & 0xffffn) | (BigInt(KERNEL_CS) << 16n) | ((0x8en | (dpl << 5n)) << 40n) | (((offset >> 16n) & 0xffffn) << 48n);
      phys.setU64(SUPERVISOR_FRAME + IDT + 16 * vector, gate);
      phys.setU64(SUPERVISOR_FRAME + IDT + 16 * vector + 8, offset >> 32n);
      phys.write(SUPERVISOR_FRAME + stub, Uint8Array.of(0x0f, 0x01, 0xc1)); // VMCALL
    }
  }

  #setSystemState(): void {
    const r = this.machine.registers;
    r.setBig(S.CR0, BigInt(CR0_PE) | BigInt(CR0_MP) | BigInt(CR0_ET) | BigInt(CR0_NE) | BigInt(CR0_WP) | BigInt(CR0_AM) | BigInt(CR0_PG));
    r.set(S.CR3, PML4);
    r.set(S.CR4, CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE);
    r.set(S.XCR0, 3);
    r.set(S.EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
    r.setHalves(S.STAR, 0, (0x23 << 16) | KERNEL_CS);
    r.setBig(S.LSTAR, SUPERVISOR + BigInt(STUBS + SYSCALL_STUB * STUB_STRIDE));
    r.setBig(S.CSTAR, SUPERVISOR + BigInt(STUBS + SYSCALL_STUB * STUB_STRIDE));

    r.setBig(S.GDTR_BASE, SUPERVISOR + BigInt(GDT));
    r.setWord(S.GDTR_LIMIT, 0x4f);
    r.setBig(S.IDTR_BASE, SUPERVISOR + BigInt(IDT));
    r.setWord(S.IDTR_LIMIT, 0xfff);
    this.#segment(S.SEG_TR, TSS_SELECTOR, 0x8b, TSS_LIMIT, SUPERVISOR + BigInt(TSS));
    this.#segment(S.SEG_LDTR, 0, 0x8000, 0, 0n);
    r.setWord(S.PENDING_INTERRUPT, S.NO_VECTOR);
  }

  #segment(number: number, selector: number, attributes: number, limit: number, base: bigint): void {
    const r = this.machine.registers;
    const at = S.SEG + 8 * number;
    r.u16[(at + S.SEG_SELECTOR) / 2] = selector;
    r.u16[(at + S.SEG_ATTRIBUTES) / 2] = attributes;
    r.setWord(at + S.SEG_LIMIT, limit);
    r.setBig(S.SEG_BASE + 8 * number, base);
  }

  /** Runs one case. Throws when the machine does, or when it does not come to an end. */
  run(c: Case, path: Path, index = 0): Result {
    const { machine } = this;
    const codeAt = CODE_FRAME + c.codeOffset;
    machine.phys.write(codeAt, c.code);
    for (const p of c.patches) {
      this.#expected.set(p.bytes, p.offset);
      machine.phys.u8.set(p.bytes, DATA_FRAME + p.offset);
    }
    const nop = path === "block" && c.codeOffset > 0;
    if (nop) machine.phys.write(codeAt - 1, Uint8Array.of(0x90));
    this.#load(c, nop ? 1 : 0);
    let exit = 0;
    const budget = path === "step" ? 1 : MOST_STEPS;
    for (let steps = 0; steps < MOST_STEPS && exit === 0; steps += budget) exit = machine.run(budget);
    try {
      if (exit !== EXIT_HYPERCALL) throw new Error(`run() answered ${exit} (vector ${machine.lastExit.vector}), not a hypercall`);
      return this.#record(c, index);
    } finally {
      machine.phys.fill(codeAt - (nop ? 1 : 0), c.code.length + (nop ? 1 : 0), 0xcc);
      for (const p of c.patches) {
        const was = this.#baseline.subarray(p.offset, p.offset + p.bytes.length);
        this.#expected.set(was, p.offset);
        machine.phys.u8.set(was, DATA_FRAME + p.offset);
      }
    }
  }

  #load(c: Case, before: number): void {
    const r = this.machine.registers;
    for (let i = 0; i < 16; i++) r.setBig(S.GPR + 8 * i, c.gpr[i]);
    r.set(S.RIP, CODE_BASE + c.codeOffset - before);
    r.setBig(S.RFLAGS, c.rflags);
    r.setBig(S.CR2, 0n);
    this.#segment(S.SEG_SS, USER_SS, 0xcf3, 0xffffffff, 0n);
    if (c.mode === 32) {
      this.#segment(S.SEG_CS, USER32_CS, 0xcfb, 0xffffffff, 0n);
      for (const number of dataSegments) this.#segment(number, USER_SS, 0xcf3, 0xffffffff, 0n);
    } else {
      this.#segment(S.SEG_CS, USER_CS, 0xafb, 0xffffffff, 0n);
      for (const number of dataSegments) this.#segment(number, 0, 0x8000, 0, number === S.SEG_FS ? c.fsBase : number === S.SEG_GS ? c.gsBase : 0n);
    }
    r.setWord(S.CPL, 3);
    r.setWord(S.MODE, c.mode === 32 ? S.MODE_32 : S.MODE_64);
    r.setWord(S.SHADOW, 0);
    r.setWord(S.PENDING_DEBUG, 0);
    const fx = new DataView(c.fx.buffer, c.fx.byteOffset, FX_BYTES);
    r.u16[S.FCW / 2] = fx.getUint16(FX_FCW, true);
    r.u16[S.FSW / 2] = fx.getUint16(FX_FSW, true);
    r.u8[S.FTW] = fx.getUint8(FX_FTW);
    r.u16[S.FOP / 2] = fx.getUint16(FX_FOP, true);
    r.setBig(S.FIP, fx.getBigUint64(FX_FIP, true));
    r.setBig(S.FDP, fx.getBigUint64(FX_FDP, true));
    r.setWord(S.MXCSR, fx.getUint32(FX_MXCSR, true));
    // FXSAVE has ST(0) first, the CPU block R0.
    const top = (fx.getUint16(FX_FSW, true) >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const at = S.ST + 16 * ((top + i) & 7);
      r.u8.fill(0, at, at + 16);
      r.u8.set(c.fx.subarray(FX_ST + 16 * i, FX_ST + 16 * i + 10), at);
    }
    r.u8.set(c.fx.subarray(FX_XMM, FX_XMM + 256), S.XMM);
  }

  #record(c: Case, index: number): Result {
    const { machine } = this;
    const r = machine.registers;
    const vector = Number(r.getBig(S.RIP) - SUPERVISOR - BigInt(STUBS)) >> 4;
    // SYSCALL pushes nothing: RIP is in RCX, RFLAGS in R11, RSP untouched.
    if (vector === SYSCALL_STUB) this.#pushLikeAnException();
    let frame = SUPERVISOR_FRAME + Number(r.getBig(S.RSP) - SUPERVISOR);
    const u64 = (offset: number) => machine.phys.getU64(frame + offset);
    let error = 0n;
    if (vectorsWithErrorCode.has(vector)) {
      error = u64(0);
      frame += 8;
    }
    const gpr = new BigUint64Array(16);
    for (let i = 0; i < 16; i++) gpr[i] = r.getBig(S.GPR + 8 * i);
    gpr[4] = u64(24);
    const differences: [number, bigint][] = [];
    const [data, expected] = [this.#data32, this.#expected32];
    for (let i = 0; i < DATA_RW_SIZE / 4; i += 2) {
      if (data[i] === expected[i] && data[i + 1] === expected[i + 1]) continue;
      differences.push([4 * i, (BigInt(data[i + 1]) << 32n) | BigInt(data[i])]);
      data[i] = expected[i];
      data[i + 1] = expected[i + 1];
    }
    const selectors = dataSegments.reduce((word, number, i) => word | (BigInt(r.u16[(S.SEG + 8 * number + S.SEG_SELECTOR) / 2]) << BigInt(16 * i)), 0n);
    const bases = c.mode === 32 ? { fsBase: selectors, gsBase: u64(8) | (u64(32) << 16n) } : { fsBase: r.getBig(S.FS_BASE), gsBase: r.getBig(S.GS_BASE) };
    return {
      index, signal: 0, signalCode: 0, vector, error, gpr, rflags: u64(16), rip: u64(0), cr2: r.getBig(S.CR2),
      ...bases, fx: c.mode === 32 ? c.fx : this.#fxImage(), differences,
    };
  }

  #pushLikeAnException(): void {
    const { registers: r, phys } = this.machine;
    const frame = SUPERVISOR_FRAME + STACK_END - 40;
    phys.setU64(frame, r.getBig(S.RCX));
    phys.setU64(frame + 16, r.getBig(S.R11));
    phys.setU64(frame + 24, r.getBig(S.RSP));
    r.setBig(S.RSP, SUPERVISOR + BigInt(STACK_END - 40));
  }

  #fxImage(): Uint8Array {
    const r = this.machine.registers;
    const bytes = new Uint8Array(FX_BYTES);
    const fx = new DataView(bytes.buffer);
    const status = r.u16[S.FSW / 2];
    fx.setUint16(FX_FCW, r.u16[S.FCW / 2], true);
    fx.setUint16(FX_FSW, status, true);
    fx.setUint8(FX_FTW, r.u8[S.FTW]);
    // AMD's FXSAVE and XSAVE write the pointers as 0 unless an unmasked exception is pending (FSW.ES; APM Vol. 5, FXSAVE).
    if (r.getWord(S.VENDOR) === S.VENDOR_INTEL || status & 0x80) {
      fx.setUint16(FX_FOP, r.u16[S.FOP / 2], true);
      fx.setBigUint64(FX_FIP, r.getBig(S.FIP), true);
      fx.setBigUint64(FX_FDP, r.getBig(S.FDP), true);
    }
    fx.setUint32(FX_MXCSR, r.getWord(S.MXCSR), true);
    fx.setUint32(FX_MXCSR + 4, 0xffff, true);
    const top = (status >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const at = S.ST + 16 * ((top + i) & 7);
      bytes.set(r.u8.subarray(at, at + 10), FX_ST + 16 * i);
    }
    bytes.set(r.u8.subarray(S.XMM, S.XMM + 256), FX_XMM);
    return bytes;
  }
}
