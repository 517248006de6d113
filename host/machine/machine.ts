// The machine: one WebAssembly instance of kernel/, its linear memory, and the only `WebAssembly.` of the project.
// Entered from host/ring0 (run). Leaves to the guest's instructions until one of kernel/abi/exit-reasons.ts happens.

import {
  CPUID_ROW_COUNT, CPUID_ROWS, CPUID_ROWS_MAX, EXIT_REASON, EXIT_VECTOR, FEATURE_WORD_COUNT, FEATURE_WORDS, MODE, RETIRED, TSC_OFFSET, TSC_VIRTUAL, VENDOR, VENDOR_AMD, VENDOR_INTEL,
} from "../../kernel/abi/state";
import { PAGE_CODE, RAM_BASE, RAM_MAX } from "../../kernel/abi/layout";
import { type CpuModel, cpuModel, DEFAULT_CPU, featureWords, underVendor, type Vendor } from "./cpu-models";
import { cpuidRows } from "./cpuid-leaves";
import { PhysMemory } from "./phys-memory";
import { Registers } from "./registers";
import machineWasm from "../../build/machine.wasm";

const WASM_PAGE = 65536;

/** What kernel/index.ts exports. */
interface MachineExports {
  init(ramBytesLo: number): void;
  run(budget: number): number;
  dropCode(page: number): void;
  modelChanged(): void;
  flushTlb(): void;
  invalidatePage(linearLo: number, linearHi: number): void;
  decodeBytes(): number;
  decode(count: number): number;
}

/** What Machine.decode answers. */
export interface Decoded {
  /** Index in the instruction table (kernel/decode/rows.ts), or -1: #UD, or #GP for more than 15 bytes. */
  row: number;
  /** In bytes; 0 when the instruction has more bytes than were given. */
  length: number;
}

export interface MachineOptions {
  /** Guest RAM, a multiple of 64 KiB and at most RAM_MAX. */
  ramBytes: number;
  /** The built kernel/, for an embedder that keeps it elsewhere. Default: the one built into the bundle. */
  module?: BufferSource | WebAssembly.Module;
  /** Source of the time-stamp counter, in ticks. Default: nanoseconds of the host's monotonic clock. */
  tsc?: () => number;
  /** Which processor it is: a row of cpu-models.ts or its name. Default "v2". */
  cpu?: string | CpuModel;
  /** By whose rules it goes, if not the model's vendor. */
  vendor?: Vendor;
}

export class Machine {
  readonly registers: Registers;
  readonly phys: PhysMemory;
  /** Linear memory of the instance; its layout is kernel/abi/layout.ts. It never grows, so views of it stay valid. */
  readonly memory: WebAssembly.Memory;
  /** The compiled kernel/: a second machine made with it (MachineOptions.module) shares what V8 has optimised of it. */
  readonly module: WebAssembly.Module;
  /** Where RDRAND and RDSEED draw 32 bits from. Default: the host's cryptographic generator. */
  random: () => number = hostRandom;
  readonly #exports: MachineExports;
  readonly #decodeBytes: Uint8Array;
  readonly #tsc: () => number;
  #cpu: CpuModel;

  private constructor(
    memory: WebAssembly.Memory, module: WebAssembly.Module, exports: MachineExports, ramBytes: number, tsc: () => number, cpu: CpuModel,
  ) {
    this.memory = memory;
    this.module = module;
    this.#exports = exports;
    this.#tsc = tsc;
    this.registers = new Registers(memory.buffer);
    this.#decodeBytes = new Uint8Array(memory.buffer, exports.decodeBytes(), 16);
    this.phys = new PhysMemory(memory.buffer, RAM_BASE, ramBytes, {
      pageCode: new Uint32Array(memory.buffer, PAGE_CODE, Math.ceil(ramBytes / 4096)),
      dropCode: exports.dropCode,
    });
    exports.init(ramBytes >>> 0);
    this.#cpu = cpu;
    this.#identify();
  }

  /** @throws RangeError for a model that is none, when `ramBytes` does not fit beside the machine's own tables in 4 GiB, or the host cannot give it. */
  static async create(options: MachineOptions): Promise<Machine> {
    const { ramBytes } = options;
    const model = typeof options.cpu === "object" ? options.cpu : cpuModel(options.cpu ?? DEFAULT_CPU);
    const cpu = underVendor(model, options.vendor ?? model.vendor);
    if (!Number.isInteger(ramBytes) || ramBytes <= 0 || ramBytes % WASM_PAGE !== 0 || ramBytes > RAM_MAX) {
      throw new RangeError(`guest RAM of ${ramBytes} bytes: it must be a multiple of 64 KiB and at most ${RAM_MAX}`);
    }
    const pages = (RAM_BASE + ramBytes) / WASM_PAGE;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const source = options.module ?? machineWasm;
    const tsc = options.tsc ?? nanoseconds;
    const module = source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source as BufferSource);
    const instance = await WebAssembly.instantiate(module, {
      env: {
        memory,
        abort(_message: number, _file: number, line: number, column: number) {
          throw new Error(`assertion in the machine at line ${line}:${column}`);
        },
      },
      host: { tsc, random: () => machine.random() },
    });
    const machine: Machine = new Machine(memory, module, instance.exports as unknown as MachineExports, ramBytes, tsc, cpu);
    return machine;
  }

  /**
   * Executes at most `budget` instructions from the state in the CPU block and leaves the state whole there.
   * Answers why it stopped (kernel/abi/exit-reasons.ts).
   */
  run(budget: number): number {
    return this.#exports.run(budget);
  }

  /**
   * The instruction that `bytes` begin with (15 are enough), in the mode, at the privilege level and with the CPUID model that the
   * CPU block has, or in the mode given and as if every feature were offered. Executes nothing.
   */
  decode(bytes: Uint8Array, as: { mode?: number; everyFeature?: boolean } = {}): Decoded {
    const count = Math.min(bytes.length, 15);
    for (let i = 0; i < count; i++) this.#decodeBytes[i] = bytes[i]!;
    const { registers } = this;
    const mode = registers.getWord(MODE);
    const features = registers.u32.subarray(FEATURE_WORDS >>> 2, (FEATURE_WORDS >>> 2) + FEATURE_WORD_COUNT);
    const offered = features.slice();
    if (as.mode !== undefined) registers.setWord(MODE, as.mode);
    if (as.everyFeature) features.fill(0xffffffff);
    const answer = this.#exports.decode(count);
    features.set(offered);
    registers.setWord(MODE, mode);
    return { row: (answer >>> 8) - 1, length: answer & 255 };
  }

  /** Forgets every translation, global ones included. */
  flushTlb(): void {
    this.#exports.flushTlb();
  }

  /** Forgets the translation of one page in every context. A kernel address is its signed value. */
  invlpg(linear: number): void {
    this.#exports.invalidatePage(linear | 0, Math.floor(linear / 0x1_0000_0000) | 0);
  }

  /** Clears every register, TLB and decoded block; the model stays. Guest RAM keeps its content; the registers want booting (host/ring0/boot.ts). */
  reset(): void {
    this.registers.u8.fill(0);
    this.#exports.init(this.phys.bytes >>> 0);
    this.#identify();
  }

  /** Which processor this is. What was decoded under another model is forgotten. */
  get cpu(): CpuModel {
    return this.#cpu;
  }

  set cpu(model: CpuModel) {
    this.#cpu = model;
    this.#identify();
  }

  #identify(): void {
    const { vendor, features } = this.#cpu;
    const rows = cpuidRows(this.#cpu);
    if (rows.length > CPUID_ROWS_MAX) throw new RangeError(`CPU model ${this.#cpu.name}: ${rows.length} rows of CPUID, more than ${CPUID_ROWS_MAX}`);
    this.registers.u32.set(featureWords(features), FEATURE_WORDS >>> 2);
    this.registers.u32.set(rows.flatMap((row) => [row.leaf, row.subleaf, row.eax, row.ebx, row.ecx, row.edx]), CPUID_ROWS >>> 2);
    this.registers.setWord(CPUID_ROW_COUNT, rows.length);
    this.registers.setWord(VENDOR, vendor === "amd" ? VENDOR_AMD : VENDOR_INTEL);
    this.#exports.modelChanged();
  }

  /** What RDTSC would answer now, in ticks of 1 GHz; exact below 2^53. */
  readTsc(): number {
    const source = this.tscVirtual ? this.registers.get(RETIRED) : Math.floor(this.#tsc());
    return source + this.registers.getLinear(TSC_OFFSET);
  }

  /** True: the time-stamp counter counts retired instructions instead of the host's time. */
  get tscVirtual(): boolean {
    return this.registers.getWord(TSC_VIRTUAL) !== 0;
  }

  set tscVirtual(virtual: boolean) {
    this.registers.setWord(TSC_VIRTUAL, virtual ? 1 : 0);
  }

  /** Moves the time-stamp counter on by `cycles`. */
  advanceTsc(cycles: number): void {
    this.registers.set(TSC_OFFSET, this.registers.getLinear(TSC_OFFSET) + cycles);
  }

  /** Why the last run() returned, and for EXIT_SHUTDOWN the vector that could not be delivered. */
  get lastExit(): { reason: number; vector: number } {
    return { reason: this.registers.getWord(EXIT_REASON), vector: this.registers.getWord(EXIT_VECTOR) };
  }
}

function nanoseconds(): number {
  return typeof performance === "undefined" ? Date.now() * 1e6 : performance.now() * 1e6;
}

function hostRandom(): number {
  const { crypto } = globalThis as { crypto?: { getRandomValues(words: Uint32Array): Uint32Array } };
  if (crypto === undefined) throw new Error("this host has no crypto.getRandomValues for RDRAND: set Machine.random");
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
