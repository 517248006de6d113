// A static program on the chip and on our machine, instruction by instruction, until the first register that differs.
//
// Our side is a bare machine at CPL 3 whose memory is filled page by page, on its page faults, from the traced process as it is before the
// instruction. What differs by nature is taken over from the chip: system calls (with all memory, which is fetched anew), RDTSC, CPUID,
// random numbers, and flags that the instruction table calls undefined.

import { EXIT_HALT } from "../../kernel/abi/exit-reasons";
import {
  CPL, CR2, FCW, FS_BASE, FSW, FTW, GPR, GS_BASE, HALTED, MXCSR, RFLAGS, RIP, SEG_CS, SEG_SS, ST, VENDOR, XMM,
} from "../../kernel/abi/state";
import { rows } from "../../kernel/decode/rows";
import { BareMachine, CODE64_3, DATA_3 } from "../cpu/bare-machine";
import { registerNames } from "../silicon/compare";
import type { NativeSide, NativeState } from "./native-side";

const FLAGS_COMPARED = 0x240cd5n; // arithmetic, DF, AC, ID; TF is the tracer's
const FLAG_BITS: Record<string, bigint> = { CF: 1n, PF: 4n, AF: 0x10n, ZF: 0x40n, SF: 0x80n, OF: 0x800n };
/** Their results are the world's, or the CPU model's. */
const WORLDLY = new Set(["SYSCALL", "RDTSC", "RDTSCP", "CPUID", "RDRAND", "RDSEED", "RDPID", "XGETBV", "INT", "SYSENTER", "XSAVE", "XSAVEC", "XRSTOR", "RDPMC"]);
const RAM = 0x4000000;
const FIRST_FRAME = 0x200000;

export interface Difference {
  /** Instructions that agreed before. */
  steps: number;
  rip: bigint;
  bytes: Uint8Array;
  /** One a register: name, ours, the chip's. */
  registers: [string, bigint, bigint][];
  /** Or what our machine did in place of the instruction. */
  vector?: number;
}

export interface Progress {
  steps: number;
  /** The program came to its end. */
  ended: boolean;
  difference?: Difference;
}

class OurSide {
  #next = FIRST_FRAME;
  #tables = new Set<number>();

  constructor(readonly m: BareMachine, amd: boolean) {
    m.user([]);
    m.setWord(VENDOR, amd ? 1 : 0);
  }

  #frame(): number {
    if (this.#next >= RAM) throw new Error("the program uses more memory than a comparison has");
    this.#next += 0x1000;
    return this.#next - 0x1000;
  }

  map(linear: bigint, bytes: Uint8Array): void {
    const { phys } = this.m;
    let table = 0x1000;
    for (const shift of [39n, 30n, 21n]) {
      const at = table + 8 * Number((linear >> shift) & 511n);
      if ((phys.getU64(at) & 1n) === 0n) {
        const fresh = this.#frame();
        phys.fill(fresh, 0x1000, 0);
        phys.setU64(at, BigInt(fresh | 7));
      }
      table = Number(phys.getU64(at) & 0xffffff000n);
    }
    if (table !== 0x4000) this.#tables.add(table); // not the bare machine's own pages
    const frame = this.#frame();
    phys.write(frame, bytes);
    phys.setU64(table + 8 * Number((linear >> 12n) & 511n), BigInt(frame | 7));
    this.m.machine.flushTlb();
  }

  /** Forgets all pages: the kernel may have written any of them. */
  unmapAll(): void {
    for (const table of this.#tables) this.m.phys.fill(table, 0x1000, 0);
    this.#tables.clear();
    this.m.phys.fill(0x1008, 0xff8, 0); // PML4 entries but the first
    for (let i = 1; i < 512; i++) this.m.phys.setU64(0x2000 + 8 * i, 0n);
    for (let i = 1; i < 512; i++) this.m.phys.setU64(0x3000 + 8 * i, 0n);
    this.#next = FIRST_FRAME;
    this.m.machine.flushTlb();
  }

  load(s: NativeState): void {
    const { m } = this;
    const { u8, u16 } = m.machine.registers;
    m.segment(SEG_CS, CODE64_3, 0xafb);
    m.segment(SEG_SS, DATA_3, 0xcf3);
    m.setWord(CPL, 3);
    m.setWord(HALTED, 0);
    s.gpr.forEach((value, i) => m.setReg(GPR + 8 * i, value));
    m.setReg(RIP, s.rip);
    m.setReg(RFLAGS, (s.rflags & FLAGS_COMPARED) | 0x202n);
    m.setReg(FS_BASE, s.fsBase);
    m.setReg(GS_BASE, s.gsBase);
    const fx = new DataView(s.fx.buffer, s.fx.byteOffset);
    u16[FCW / 2] = fx.getUint16(0, true);
    u16[FSW / 2] = fx.getUint16(2, true);
    u8[FTW] = fx.getUint8(4);
    m.setWord(MXCSR, fx.getUint32(24, true));
    const top = (u16[FSW / 2]! >> 11) & 7;
    for (let i = 0; i < 8; i++) u8.set(s.fx.subarray(32 + 16 * i, 42 + 16 * i), ST + 16 * ((top + i) & 7));
    u8.set(s.fx.subarray(160, 416), XMM);
  }

  /** Registers by name that are not the chip's. FIP, FDP and FOP are not looked at. */
  differences(s: NativeState, flags: bigint): [string, bigint, bigint][] {
    const { m } = this;
    const { u8, u16 } = m.machine.registers;
    const found: [string, bigint, bigint][] = [];
    const check = (name: string, ours: bigint, theirs: bigint) => void (ours === theirs || found.push([name, ours, theirs]));
    s.gpr.forEach((value, i) => check(registerNames[i], m.reg(GPR + 8 * i), value));
    check("rip", m.reg(RIP), s.rip);
    check("rflags", m.reg(RFLAGS) & flags, s.rflags & flags);
    check("fs.base", m.reg(FS_BASE), s.fsBase);
    const fx = new DataView(s.fx.buffer, s.fx.byteOffset);
    check("fcw", BigInt(u16[FCW / 2]!), BigInt(fx.getUint16(0, true)));
    check("fsw", BigInt(u16[FSW / 2]!), BigInt(fx.getUint16(2, true)));
    check("ftw", BigInt(u8[FTW]!), BigInt(fx.getUint8(4)));
    check("mxcsr", BigInt(m.word(MXCSR)), BigInt(fx.getUint32(24, true)));
    const top = (u16[FSW / 2]! >> 11) & 7;
    const word = (bytes: Uint8Array, at: number, count: number) => bytes.subarray(at, at + count).reduceRight((sum, b) => (sum << 8n) | BigInt(b), 0n);
    for (let i = 0; i < 8; i++) if ((u8[FTW]! >> ((top + i) & 7)) & 1) check(`st${i}`, word(u8, ST + 16 * ((top + i) & 7), 10), word(s.fx, 32 + 16 * i, 10));
    for (let i = 0; i < 16; i++) check(`xmm${i}`, word(u8, XMM + 16 * i, 16), word(s.fx, 160 + 16 * i, 16));
    return found;
  }
}

/** Runs both until they differ, the program ends, or `most` instructions are done. `watch` is called before each instruction. */
export async function lockstep(native: NativeSide, most: number, amd: boolean, watch?: (m: BareMachine, steps: number) => void): Promise<Progress> {
  const m = await BareMachine.create({ ramBytes: RAM });
  const ours = new OurSide(m, amd);
  let before = native.state();
  ours.load(before);
  for (let steps = 0; steps < most; steps++) {
    watch?.(m, steps);
    const bytes = bytesAt(ours, native, before.rip);
    const { row } = m.machine.decode(bytes);
    const worldly = row >= 0 && WORLDLY.has(rows[row].mnemonic);
    const vector = worldly ? -1 : execute(ours, native, before);
    if (vector >= 0) return { steps, ended: false, difference: { steps, rip: before.rip, bytes, registers: [], vector } };
    if (!native.step()) return { steps, ended: true };
    const after = native.state();
    if (!worldly) {
      const undefinedFlags = (rows[row]?.undefinedFlags ?? "").split(" ").reduce((bits, name) => bits | (FLAG_BITS[name] ?? 0n), 0n);
      const registers = ours.differences(after, FLAGS_COMPARED & ~undefinedFlags);
      if (registers.length) return { steps, ended: false, difference: { steps, rip: before.rip, bytes, registers } };
      if (undefinedFlags) m.setReg(RFLAGS, (after.rflags & FLAGS_COMPARED) | 0x202n);
    } else {
      if (/^(SYSCALL|INT|SYSENTER)$/.test(rows[row].mnemonic)) ours.unmapAll();
      ours.load(after);
    }
    before = after;
  }
  return { steps: most, ended: false };
}

/** One instruction of ours, or one iteration, with the pages that it asks for. The vector of another fault, or -1. */
function execute(ours: OurSide, native: NativeSide, before: NativeState): number {
  const { m } = ours;
  for (let pages = 0; pages < 8; pages++) {
    const exit = m.run(1);
    if (exit !== EXIT_HALT && m.word(CPL) === 3) return -1;
    m.run(1); // the handler's HLT
    const vector = m.haltedIn;
    const linear = m.reg(CR2) & ~0xfffn;
    const page = vector === 14 ? native.page(linear) : undefined;
    if (!page) return vector;
    ours.map(linear, page);
    ours.load(before);
  }
  return 14;
}

function bytesAt(ours: OurSide, native: NativeSide, rip: bigint): Uint8Array {
  const page = native.page(rip & ~0xfffn);
  const offset = Number(rip & 0xfffn);
  const bytes = page?.subarray(offset, offset + 15) ?? new Uint8Array(0);
  if (bytes.length === 15) return bytes;
  const next = native.page((rip & ~0xfffn) + 0x1000n)?.subarray(0, 15 - bytes.length) ?? new Uint8Array(0);
  return Uint8Array.from([...bytes, ...next]);
}
