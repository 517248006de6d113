// Random user register state at every door of ring 0, random answers of the kernel in pt_regs, and events in between. A case is the
// choices: the machine's mode, the door, the program's registers, what the kernel changes of them, and when an event comes.

import { assemble, CODE, guestProgram, type Arrival, type Guest, type GuestOptions } from "../ring0/crossing-guest";
import { CrossingWatch } from "../ring0/crossing-watch";
import { Snapshot, StackCanaries, physicalOf } from "../ring0/machine-snapshot";
import type { Random } from "../silicon/random";
import { codeOrDataDescriptor } from "../../host/ring0/descriptors";
import { SUSPEND, type Suspend } from "../../host/ring0/hypercall";
import {
  CEA_ENTRY_STACK_TOP, CPU_ENTRY_AREA, ESPFIX_BASE, EXCEPTION_STACKS, IRQ_STACK_TOP, KERNEL_TEXT, PER_CPU_AREA, VSYSCALL_ADDR,
} from "../../host/ring0/layout";
import { PT_REGS_NAMES, PT_REGS_SIZE, type PtRegs } from "../../host/ring0/pt-regs";
import { __USER32_CS, __USER_CS, __USER_DS } from "../../host/ring0/segments";
import { EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import { FLAG_AC, FLAG_DF, FLAG_FIXED, FLAG_ID, FLAG_IF, FLAG_NT, FLAG_RF, FLAG_TF } from "../../kernel/abi/bits";
import {
  CPL, DR6, FS_BASE, GS_BASE, KERNEL_GS_BASE, MACHINE_CHECK_WAITS, MODE, MODE_32, MODE_64, NMI_BLOCKED, NMI_WAITS, PENDING_DEBUG, PENDING_INTERRUPT,
  PENDING_NMI, RFLAGS, RIP, RSP, SEG, SEG_ATTRIBUTES, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS, SEG_LIMIT, SEG_SS,
} from "../../kernel/abi/state";
import { VECTOR_DB, VECTOR_MC, VECTOR_NMI, VECTOR_TIMER } from "../../kernel/abi/vectors";
import { Choices } from "./choices";
import { DOOR_ROWS, enteredRegs, LANDING, type DoorRow } from "./door-rows";
import { afterSysretl, CS, CX, FLAGS, IP, LDT_STACK_16, leavesBySysretl, ORIG_AX, R11, returned, returnFault, SP, SS } from "./return-rules";
import type { Checker, Target } from "./target";

const BATCH = 100;
/** Bytes of choices that a case takes at the most. */
const CASE_BYTES = 420;
const MODES: readonly GuestOptions[] = [
  { pti: true, pcid: true, vendor: "intel" },
  { pti: true, pcid: true, vendor: "amd" },
  { pti: true, pcid: false, vendor: "intel", fsgsbase: false },
  { pti: true, pcid: true, vendor: "amd", fsgsbase: false, smap: false },
  { pti: false, pcid: true, vendor: "intel" },
  { pti: false, pcid: false, vendor: "amd", fsgsbase: false },
];

/** Instructions that a crossing takes at the most: one that single-steps through SYSENTER some thousands. */
const PATIENCE = 30_000;

const DR6_NONE = 0xffff0ff0;

/** General register at each of the first 15 words of pt_regs, by number. */
const PT_GPR = [15, 14, 13, 12, 5, 3, 11, 10, 9, 8, 0, 1, 2, 6, 7];
const LOW_32 = 0xffffffffn;
const signed = (address: number) => BigInt.asUintN(64, BigInt(address));

/** Where attackers point registers. */
const ADDRESSES: readonly bigint[] = [
  0n, BigInt(LANDING), 8n, 0x7fffffffffffn, 0x7fffffffeffen, 0x800000000000n, 0x8000000000000000n, 0xffff800000000000n, 0xffffffffffffffffn, 0xfffffffffffffff8n,
  ...[...EXCEPTION_STACKS.map((stack) => stack.top), CEA_ENTRY_STACK_TOP, IRQ_STACK_TOP, PER_CPU_AREA, CPU_ENTRY_AREA, ESPFIX_BASE, KERNEL_TEXT, VSYSCALL_ADDR].flatMap((address) => [signed(address), signed(address - 0x30)]),
];
/** Where a return may go, half of them nowhere. */
const TARGETS: readonly bigint[] = [
  BigInt(LANDING), 0n, 0x7fffffffeffen, 0x7fffffffffffn, 0x800000000000n, 0x8000000000000000n, 0x7fffffffffffffffn, 0xffff7fffffffffffn, 0xffff800000000000n,
  signed(KERNEL_TEXT), 0xffffffffffffffffn, 0x1_0000_0000n + BigInt(LANDING),
];
const USER_FLAGS = 0x8d5 | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;
const CODE_SELECTORS = [__USER_CS, __USER32_CS, 0x03, 0x0b, 0x13, 0x1b, 0x2b, 0x3b, 0x43, 0x53, 0x7b, 0x83, 0x0f, 0x17, 0xffff];
const STACK_SELECTORS = [__USER_DS, LDT_STACK_16, 0x03, 0x13, 0x1b, 0x23, 0x33, 0x3b, 0x43, 0x7b, 0x83, 0x17, 0xffff];

function word(random: Random): bigint {
  const kind = random.below(4);
  return kind === 0 ? BigInt(random.below(256)) : kind === 1 ? random.pick(ADDRESSES) : kind === 2 ? BigInt(random.u32()) : random.u64();
}

function flags(random: Random): bigint {
  return BigInt(FLAG_FIXED | FLAG_IF | (random.chance(0.5) ? random.u32() & USER_FLAGS : 0));
}

/** The program when it comes to the door. */
interface Program {
  row: DoorRow;
  at: number;
  regs: BigUint64Array;
  /** ES, DS, FS and GS. */
  selectors: number[];
  fsBase: number;
  gsBase: number;
}

type EventName = "NMI" | "#MC" | "#DB" | "timer";

/** A second #MC or #DB before the first one is done with would overwrite its frame, on hardware too. */
function eventsBesides({ row, regs }: Program): EventName[] {
  const stepping = row.code === "sysenter" && (regs[FLAGS]! & BigInt(FLAG_TF)) !== 0n;
  return (["NMI", "timer", "#MC", "#DB"] as const).filter((event) => event !== row.event && !(event === "#DB" && (row.vector === VECTOR_DB || stepping)));
}

class DoorsMachine {
  readonly guest: Guest;
  readonly #mode: GuestOptions;
  readonly #snapshot: Snapshot;
  readonly #watch: CrossingWatch;
  readonly #canaries: StackCanaries;
  readonly #rows: { row: DoorRow; at: number }[] = [];
  #choices: Random = new Choices(new Uint8Array(0));
  #program: Program | undefined;
  #expected: BigUint64Array | undefined;
  #expectedFault: { vector: number; errorCode: number } | null = null;
  #phase: "entering" | "left" = "entering";

  private constructor(guest: Guest, mode: GuestOptions) {
    this.guest = guest;
    this.#mode = mode;
    const descriptor = new DataView(codeOrDataDescriptor(0, 0xffff, 0x00f3).buffer);
    guest.space.ldt.set(1, descriptor.getUint32(0, true), descriptor.getUint32(4, true));
    guest.ring0.reloadLdt();
    guest.ring0.setSysenterReturn(guest.space, LANDING);
    this.#writeDoors();
    while (guest.machine.registers.getWord(CPL) !== 3) guest.ring0.dispatch(guest.hooks, 1);
    this.#watch = new CrossingWatch(guest, 0);
    this.#canaries = new StackCanaries(guest);
    this.#snapshot = new Snapshot(guest, [physicalOf(guest, ESPFIX_BASE)]);
    guest.answer = (arrival, regs) => this.#arrive(arrival, regs);
  }

  static async create(mode: GuestOptions): Promise<DoorsMachine> {
    return new DoorsMachine(await guestProgram("nop\n", mode), mode);
  }

  /** A page of UD2, and the doors among them. */
  #writeDoors(): void {
    const page = new Uint8Array(4096);
    for (let i = 0; i < page.length; i++) page[i] = i % 2 ? 0x0b : 0x0f;
    for (const row of DOOR_ROWS) {
      if (row.vendor !== undefined && row.vendor !== this.#mode.vendor) continue;
      const offset = 64 * (this.#rows.length + 1);
      const code = assemble(row.code);
      page.set(code, offset);
      // A door of an odd length is followed by a whole UD2, too.
      for (let i = 0; i < 32; i++) page[offset + code.length + i] = i % 2 ? 0x0b : 0x0f;
      this.#rows.push({ row, at: CODE + offset });
    }
    this.guest.machine.phys.write(this.guest.space.walk(CODE)!.pa, page);
  }

  #choose(random: Random): Program {
    // SYSCALL, the first one, has most to it.
    const { row, at } = random.chance(0.2) ? this.#rows[0]! : random.pick(this.#rows);
    const regs = new BigUint64Array(PT_REGS_SIZE / 8);
    for (let i = 0; i < 15; i++) regs[i] = word(random);
    regs[IP] = BigInt(at);
    regs[CS] = BigInt(row.bits === 64 ? __USER_CS : __USER32_CS);
    regs[FLAGS] = flags(random);
    regs[SP] = row.bits === 64 ? word(random) : word(random) & LOW_32;
    regs[SS] = BigInt(row.bits === 32 && row.kind !== "fast" && random.chance(0.2) ? LDT_STACK_16 : __USER_DS);
    const bases = [0, 0x7654_3210_0000, 0x7fff_ffff_ffff];
    const kernelBases = [...bases, PER_CPU_AREA + 8, PER_CPU_AREA - 4096, -1];
    return {
      row, at, regs,
      selectors: [0, 1, 2, 3].map(() => random.pick([0, __USER_DS])),
      fsBase: random.pick(kernelBases),
      gsBase: random.pick(this.#mode.fsgsbase === false ? bases : kernelBases),
    };
  }

  #load({ row, regs, selectors, fsBase, gsBase }: Program): void {
    const { registers } = this.guest.machine;
    for (const [i, gpr] of PT_GPR.entries()) registers.setBig(8 * gpr, regs[i]!);
    registers.setBig(RSP, regs[SP]!);
    registers.setBig(RIP, regs[IP]!);
    registers.setBig(RFLAGS, regs[FLAGS]!);
    const segment = (index: number, selector: number, attributes: number, limit: number) => {
      registers.u16[(SEG + 8 * index) >>> 1] = selector;
      registers.u16[(SEG + 8 * index + SEG_ATTRIBUTES) >>> 1] = attributes;
      registers.setWord(SEG + 8 * index + SEG_LIMIT, limit);
    };
    segment(SEG_CS, row.bits === 64 ? __USER_CS : __USER32_CS, row.bits === 64 ? 0xafb : 0xcfb, 0xffffffff);
    if (regs[SS] === BigInt(__USER_DS)) segment(SEG_SS, __USER_DS, 0xcf3, 0xffffffff);
    else segment(SEG_SS, LDT_STACK_16, 0x0f3, 0xffff);
    for (const [i, index] of [SEG_ES, SEG_DS, SEG_FS, SEG_GS].entries()) {
      if (selectors[i]) segment(index, __USER_DS, 0xcf3, 0xffffffff);
      else segment(index, 0, 0x8000, 0);
    }
    registers.setWord(MODE, row.bits === 64 ? MODE_64 : MODE_32);
    registers.set(FS_BASE, fsBase);
    registers.set(GS_BASE, gsBase);
    if (row.event !== undefined) this.#raise(row.event);
  }

  #raise(event: EventName): void {
    const { registers } = this.guest.machine;
    if (event === "#DB") registers.setWord(PENDING_DEBUG, registers.getWord(PENDING_DEBUG) | 1);
    else if (event === "timer") registers.setWord(PENDING_INTERRUPT, VECTOR_TIMER);
    else registers.setWord(PENDING_NMI, registers.getWord(PENDING_NMI) | (event === "NMI" ? NMI_WAITS : MACHINE_CHECK_WAITS));
  }

  /** One case; what is wrong, or "". */
  run(random: Random): string {
    const { machine } = this.guest;
    this.#snapshot.restore();
    this.#choices = random;
    this.#phase = "entering";
    this.#expectedFault = null;
    const program = this.#choose(random);
    this.#program = program;
    this.#load(program);
    this.#watch.userGs = program.gsBase;
    try {
      // At the door, at every instruction, or at one of them with an event: 0 is all at once.
      const stepped = random.chance(0.15);
      const event = random.chance(0.4) ? random.pick(eventsBesides(program)) : undefined;
      const eventAt = event === undefined ? -1 : 1 + random.below(160);
      for (let n = 0; n < PATIENCE; n++) {
        if (stepped) this.#watch.check();
        if (n === eventAt) this.#raise(event!);
        const reason = machine.run(stepped || n < eventAt ? 1 : 10_000);
        if (reason === EXIT_HYPERCALL) {
          this.#watch.checkHypercall();
          if (this.guest.ring0.hypercall(this.guest.hooks) === SUSPEND) return this.#canaries.intact ? "" : "a stack was overrun";
        } else if (reason !== 0) return `the machine stopped for reason ${reason} at ${this.#watch.place}`;
      }
      return `it goes on and on, at ${this.#watch.place}`;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #arrive(arrival: Arrival, regs: PtRegs): void | Suspend {
    const { row } = this.#program!;
    const vector = arrival.kind === "exception" || arrival.kind === "interrupt" ? arrival.number : undefined;
    const own = this.#phase === "entering" && arrival.kind === row.kind && vector === row.vector && arrival.userMode;
    if (vector === VECTOR_DB) this.guest.machine.registers.setHalves(DR6, DR6_NONE, 0);
    if (!own && arrival.userMode && vector === VECTOR_DB) return;
    if (!own && (vector === VECTOR_NMI || vector === VECTOR_MC || (vector === VECTOR_TIMER && arrival.userMode))) return;
    if (!arrival.userMode) throw new Error(`exception ${vector} in the kernel at ${this.guest.ring0.text.symbolize(arrival.ip)}`);
    const at = regs.pa / 8;
    const found = new BigUint64Array(this.guest.machine.phys.u8.buffer, this.guest.machine.phys.u8.byteOffset + at * 8, PT_REGS_SIZE / 8);
    if (this.#phase === "entering") {
      if (!own) throw new Error(`${row.code}: ${arrival.kind} ${arrival.number} in place of ${row.kind} ${row.vector ?? ""}`);
      if (vector !== undefined && arrival.errorCode !== (row.errorCode ?? 0)) throw new Error(`${row.code}: error code ${arrival.errorCode}`);
      const entered = enteredRegs(row, this.#program!.regs);
      if (this.#mode.pti) entered[FLAGS] = (entered[FLAGS]! & ~BigInt(row.lost ?? 0)) | (found[FLAGS]! & BigInt(row.lost ?? 0));
      this.#compare(found, entered, "on entry");
      this.#answer(found);
      this.#phase = "left";
      return;
    }
    const fault = this.#expectedFault;
    if (fault !== null && (fault.vector !== vector || fault.errorCode !== arrival.errorCode)) {
      throw new Error(`exception ${vector}, error code 0x${arrival.errorCode.toString(16)}, in place of ${fault.vector}, 0x${fault.errorCode.toString(16)}`);
    }
    this.#compare(found, this.#expected!, "on the way back");
    this.#compareRest();
    return SUSPEND;
  }

  /** What the kernel leaves in pt_regs, and what the program must get of it. */
  #answer(regs: BigUint64Array): void {
    const random = this.#choices;
    // Not to the door again, which in another mode might be another one.
    if (regs[IP] === BigInt(this.#program!.at)) regs[IP] = BigInt(LANDING);
    if (random.chance(0.6)) {
      for (let n = random.below(4); n > 0; n--) regs[random.below(15)] = word(random);
      if (random.chance(0.4)) regs[FLAGS] = flags(random) | (random.chance(0.2) ? BigInt(FLAG_RF) : 0n);
      if (random.chance(0.3)) regs[IP] = random.pick(TARGETS);
      if (random.chance(0.3)) regs[SP] = word(random);
      if (random.chance(0.2)) regs[CS] = BigInt(random.pick(CODE_SELECTORS));
      if (random.chance(0.2)) regs[SS] = BigInt(random.pick(STACK_SELECTORS));
      if (random.chance(0.5)) {
        regs[CX] = regs[IP]!;
        regs[R11] = regs[FLAGS]!;
      }
    }
    const fast = this.#program!.row.kind === "fast" && leavesBySysretl(regs, BigInt(LANDING));
    this.#expectedFault = fast ? null : returnFault(regs);
    const after = fast ? afterSysretl(regs) : this.#expectedFault === null ? returned(regs) : regs.slice();
    after[ORIG_AX] = BigInt.asUintN(64, -1n);
    this.#expected = after;
  }

  #compare(found: BigUint64Array, expected: BigUint64Array, when: string): void {
    // 32-bit code has no upper half of RSP, and an event takes it away.
    const lowStack = this.#expectedFault === null && expected[CS] === BigInt(__USER32_CS);
    for (let i = 0; i < expected.length; i++) {
      const mask = i === FLAGS ? ~BigInt(FLAG_RF) : i === CS || i === SS ? 0xffffn : i === SP && lowStack ? LOW_32 : -1n;
      if (((found[i]! ^ expected[i]!) & mask) !== 0n) throw new Error(`pt_regs->${PT_REGS_NAMES[i]} ${when}: 0x${found[i]!.toString(16)}, not 0x${expected[i]!.toString(16)}`);
    }
  }

  #compareRest(): void {
    const { registers } = this.guest.machine;
    const program = this.#program!;
    for (const [i, index] of [SEG_ES, SEG_DS, SEG_FS, SEG_GS].entries()) {
      if (registers.u16[(SEG + 8 * index) >>> 1] !== program.selectors[i]) throw new Error(`segment register ${index} has changed`);
    }
    if (registers.getLinear(FS_BASE) !== program.fsBase) throw new Error("the FS base has changed");
    if (registers.getLinear(KERNEL_GS_BASE) !== program.gsBase) throw new Error("the GS base has changed");
    if (registers.getWord(NMI_BLOCKED)) throw new Error("NMIs are still blocked");
  }

  describe(random: Random): string {
    const { row, regs, selectors, fsBase, gsBase } = this.#choose(random);
    const fields = PT_REGS_NAMES.map((name, i) => `${name}=${regs[i]!.toString(16)}`).join(" ");
    return `${JSON.stringify(this.#mode)}: ${row.bits}-bit ${row.event ?? ""} ${row.code}\n  ${fields}\n  es ds fs gs ${selectors.join(" ")} fsbase ${fsBase} gsbase ${gsBase}`;
  }
}

/** @param modes of the machines; a mode's text may be other entry code than the build's */
export async function openDoors(modes: readonly GuestOptions[] = MODES): Promise<Checker> {
  const machines = await Promise.all(modes.map((mode) => DoorsMachine.create(mode)));
  const machineOf = (choices: Choices) => choices.pick(machines);
  return {
    batch: BATCH,
    generate: (random) => random.bytes(CASE_BYTES),
    check: (cases) => cases.map((bytes) => {
      const choices = new Choices(bytes);
      return machineOf(choices).run(choices);
    }),
    describe(bytes) {
      const choices = new Choices(bytes);
      return machineOf(choices).describe(choices);
    },
  };
}

export const doorsTarget: Target = {
  name: "doors",
  about: "random registers at every door of ring 0, random answers in pt_regs, an event anywhere on the way",
  property: "pt_regs and what comes back are what the manuals and Linux's entry code say; GS, CR3, stacks and NMI blocking are right",
  open: () => openDoors(),
};
