// Takes a program through a door step by step, and at every step injects one event, lets it run its course, compares what became of
// the program with what it is without, and goes back.

import { assemble, CODE, guestProgram, STACK_TOP, STACK_TOP_32, type Arrival, type Guest, type GuestOptions } from "./crossing-guest";
import { CrossingWatch } from "./crossing-watch";
import type { Door } from "./injection-doors";
import { eventNamed, type InjectedEvent } from "./injection-events";
import { physicalOf, Snapshot, StackCanaries } from "./machine-snapshot";
import { SUSPEND, type Suspend } from "../../host/ring0/hypercall";
import { VECTORS } from "../../host/ring0/idtentry.asm";
import { kernelFault, type KernelFault } from "../../host/ring0/kernel-fault";
import { describeStack, ESPFIX_BASE, KERNEL_STACK_SIZE, PER_CPU_AREA } from "../../host/ring0/layout";
import { PT_DI, PT_FLAGS, PT_IP, PT_REGS_SIZE, type PtRegs } from "../../host/ring0/pt-regs";
import { PAGE_SIZE } from "../../host/machine/phys-memory";
import { EXIT_HYPERCALL } from "../../kernel/abi/exit-reasons";
import { FLAG_RF } from "../../kernel/abi/bits";
import {
  CPL, CR2, DR0, DR6, DR7, EXIT_REASON, EXIT_VECTOR, LAST_RIP, LAST_VECTOR, MODE_64, NMI_BLOCKED, NO_VECTOR, PENDING_DEBUG, PENDING_INTERRUPT,
  PENDING_NMI, RETIRED, RFLAGS, RIP, RSP, SEG, SEG_BASE, SEG_SS, SLOT_ZERO, XMM,
} from "../../kernel/abi/state";
import { VECTOR_DB, VECTOR_MC, VECTOR_NMI, VECTOR_UD } from "../../kernel/abi/vectors";

/** A crossing with an event in it takes fewer instructions. */
const PATIENCE = 6000;
const DR6_NONE = 0xffff0ff0;

/** Indices of the words of the CPU block that are the machine's state, and no note of what has happened. */
const STATE_WORDS: readonly number[] = (() => {
  const notes = (offset: number) =>
    (offset >= SLOT_ZERO && offset < SEG_BASE) || (offset >= RETIRED && offset < RETIRED + 8) ||
    offset === EXIT_REASON || offset === EXIT_VECTOR || (offset >= LAST_VECTOR && offset < LAST_RIP + 8);
  return Array.from({ length: 0x6c0 / 4 }, (_, index) => index).filter((index) => !notes(index * 4));
})();
/** Of these the general registers and the control state: what a handler could change. */
const CONTROL_WORDS = STATE_WORDS.filter((index) => index * 4 < XMM);

/** Selector and attributes of SS. */
const SS_WORD = (SEG + 8 * SEG_SS) >>> 2;

/** mov 0x7ffff000, %eax: of a page that is not there. */
const FAULTING = Uint8Array.of(0x8b, 0x04, 0x25, 0x00, 0xf0, 0xff, 0x7f);

export interface ForcedFault {
  vector: number;
  /** Where the handler stands. */
  stack: string;
  ip: number;
  userMode: boolean;
  report: KernelFault;
}

/** What came in from the guest: -1 for a system call, error code, CR2 and pt_regs. */
interface Entry {
  vector: number;
  words: Uint32Array;
}

export class InjectionRig {
  readonly guest: Guest;
  readonly watch: CrossingWatch;
  /** Where something was injected: RIPs at CPL 0. */
  readonly places = new Set<number>();
  readonly #door: Door;
  readonly #here: Snapshot;
  readonly #canaries: StackCanaries;
  readonly #u32: Uint32Array;
  readonly #end: number;
  /** What came in, pt_regs and all, in order. */
  #log: Entry[] = [];
  #baseLog: Entry[] = [];
  #final = new Uint32Array(0);
  /** Entries of the log by number of steps. */
  readonly #logAt: number[] = [];
  #timerInKernel = false;
  readonly #amd: boolean;

  private constructor(guest: Guest, door: Door, userGs: number) {
    this.guest = guest;
    this.#door = door;
    this.#u32 = guest.machine.registers.u32;
    this.#end = CODE + assemble(`${door.code}\nnop\nnop\n`).length;
    this.#amd = guest.machine.cpu.vendor === "amd";
    this.watch = new CrossingWatch(guest, userGs);
    const stackPage = guest.space.walk((door.bits === 32 ? STACK_TOP_32 : STACK_TOP) - PAGE_SIZE)!.pa;
    this.#canaries = new StackCanaries(guest);
    this.#here = new Snapshot(guest, [stackPage, ...physicalEspfix(guest)]);
  }

  /** Boots, and stands where the door's event has come, or before its first instruction. */
  static async create(door: Door, options: GuestOptions): Promise<InjectionRig> {
    const guest = await guestProgram(`${door.code}\nnop\nnop\nud2\n`, { ...options, bits: door.bits });
    const { regs } = guest.ring0.current!;
    // A value of its own in every general register.
    for (let offset = 0; offset <= PT_DI; offset += 8) regs.setHalves(offset, 0x1000_0001 * (offset / 8 + 1), door.bits ? 0 : 0x0203_0507 * (offset / 8 + 1));
    regs.flags |= 0x8c1; // OF SF ZF CF
    door.start?.(guest, regs);
    // With FSGSBASE a program may have a base that looks like the kernel's.
    const userGs = options.fsgsbase === false ? 0x1234_5678_9000 : PER_CPU_AREA + 0x100;
    guest.ring0.userGsBase = userGs;
    guest.ring0.userFsBase = 0x7654_3210_0000;
    const rig = new InjectionRig(guest, door, userGs);
    guest.answer = (arrival, after) => rig.#arrive(arrival, after);
    rig.#toStart();
    return rig;
  }

  #toStart(): void {
    const { registers } = this.guest.machine;
    const { at, event, nestedAt } = this.#door;
    // A new task begins there.
    const begins = at === "ret_from_fork";
    for (let n = 0; !begins && !(registers.getWord(CPL) === 3 && registers.get(RIP) === CODE); n++) {
      if (n > PATIENCE) this.watch.fail("the program never starts");
      this.#step();
    }
    this.#door.ready?.(this.guest);
    const to = (label: string) => {
      for (let n = 0; registers.getLinear(RIP) !== this.guest.ring0.labels.get(label); n++) {
        if (n > PATIENCE) this.watch.fail(`the program never comes to ${label}`);
        this.#step();
      }
    };
    if (at !== undefined) to(at);
    if (event !== undefined) {
      eventNamed(event).inject(this.guest);
      this.guest.machine.run(0);
    }
    if (nestedAt !== undefined) {
      to(nestedAt);
      registers.setWord(NMI_BLOCKED, 0);
      eventNamed("NMI").inject(this.guest);
      this.guest.machine.run(0);
    }
    this.#log = [];
  }

  #arrive(arrival: Arrival, regs: PtRegs): void | Suspend {
    const { registers, phys } = this.guest.machine;
    const vector = arrival.kind === "exception" || arrival.kind === "interrupt" ? arrival.number : -1;
    const at = regs.pa >>> 2;
    const words = Uint32Array.of(arrival.errorCode, registers.lo(CR2), ...phys.u32.subarray(at, at + PT_REGS_SIZE / 4));
    words[2 + PT_FLAGS / 4]! &= ~FLAG_RF;
    this.#log.push({ vector, words });
    if (arrival.kind === "interrupt" && !arrival.userMode) this.#timerInKernel = true;
    if (vector === VECTOR_DB) registers.setHalves(DR6, DR6_NONE, 0);
    if (vector === VECTOR_UD && arrival.ip === this.#end) return SUSPEND;
    if (vector === VECTOR_NMI || vector === VECTOR_MC || arrival.kind === "interrupt") return;
    if (!arrival.userMode) this.watch.fail(`exception ${vector} at ${this.guest.ring0.text.symbolize(regs.getSigned(PT_IP))}`);
    this.#door.answer?.(arrival, regs);
  }

  /** One instruction, and the hypercall that it may be. True: a hook said SUSPEND. */
  #step(): boolean {
    this.watch.check();
    if (this.#exit(this.guest.machine.run(1))) return true;
    return false;
  }

  #exit(reason: number): boolean {
    if (reason === EXIT_HYPERCALL) {
      this.watch.checkHypercall();
      return this.guest.ring0.hypercall(this.guest.hooks) === SUSPEND;
    }
    if (this.#u32[EXIT_REASON >>> 2] !== 0) this.watch.fail(`the machine has stopped for reason ${reason}`);
    return false;
  }

  get #atEnd(): boolean {
    const { registers } = this.guest.machine;
    return (
      registers.getWord(CPL) === 3 && registers.get(RIP) === this.#end && registers.getWord(PENDING_NMI) === 0 &&
      registers.getWord(PENDING_INTERRUPT) === NO_VECTOR && registers.getWord(PENDING_DEBUG) === 0
    );
  }

  /** To the UD2 behind the program, whose pt_regs shows all of it; without looking at single instructions. */
  #finish(): void {
    for (let n = 0; n < 200; n++) if (this.#exit(this.guest.machine.run(PATIENCE))) return;
    this.watch.fail("the program never ends");
  }

  /** Without events: what is expected. */
  #baseline(): number {
    this.#here.save();
    let steps = 0;
    for (; !this.#atEnd; steps++) {
      if (steps > PATIENCE) this.watch.fail("the program never ends");
      this.#logAt.push(this.#log.length);
      if (this.#step()) this.watch.fail("the program ends too early");
    }
    this.#finish();
    this.#baseLog = this.#log;
    this.#final = this.#u32.slice(0, 0x6c0 / 4);
    this.#here.restore();
    return steps;
  }

  /**
   * Injects each of `events` at every instruction. Answers how many injections that were.
   * @param stride only at every so many instructions
   * @throws Violation
   */
  inject(events: readonly InjectedEvent[], stride = 1): number {
    const steps = this.#baseline();
    let injections = 0;
    for (let at = 0; at < steps; at++) {
      const place = this.watch.place;
      if (at % stride === 0 && this.guest.machine.registers.getWord(CPL) === 0) this.places.add(this.guest.machine.registers.getLinear(RIP));
      for (const event of at % stride === 0 ? events : []) {
        try {
          if (this.#one(event, at)) injections++;
        } catch (error) {
          (error as Error).message = `${this.#door.name}, ${event.name} at ${place}: ${(error as Error).message}`;
          throw error;
        }
        this.#here.restore();
      }
      this.#log = [];
      this.#step();
      this.#here.save();
    }
    return injections;
  }

  /** Labels of the entry text behind which there is an instruction that is not in `places`. */
  labelsWithout(places: ReadonlySet<number>): string[] {
    const { text } = this.guest.ring0;
    const missing = new Set<string>();
    for (let offset = 0; offset < text.bytes.length; ) {
      const { length } = this.guest.machine.decode(text.bytes.subarray(offset, offset + 15), { mode: MODE_64 });
      if (length === 0) throw new Error(`the entry text cannot be decoded at ${offset}`);
      if (!places.has(text.base + offset)) missing.add(text.symbolize(text.base + offset)!.replace(/\+.*/, ""));
      offset += length;
    }
    return [...missing];
  }

  /**
   * Makes every instruction at CPL 0 fault on its data, with RSP as it is or in a guard page. Answers, one for each, what the kernel
   * was told: the vector, and where.
   */
  forceFaults(rspInGuardPage: boolean): { place: string; rip: number; fault: ForcedFault }[] {
    const { machine } = this.guest;
    const { registers } = machine;
    const steps = this.#baseline();
    const forced: { place: string; rip: number; fault: ForcedFault }[] = [];
    for (let at = 0; at < steps; at++) {
      if (registers.getWord(CPL) === 0) {
        const rip = registers.getLinear(RIP);
        const place = this.watch.place;
        const pa = physicalOf(this.guest, rip);
        const held = machine.phys.read(pa, FAULTING.length);
        if (rspInGuardPage) registers.set(RSP, this.guest.ring0.current!.top - KERNEL_STACK_SIZE);
        machine.phys.write(pa, FAULTING);
        machine.run(1);
        machine.phys.write(pa, held);
        forced.push({ place, rip, fault: this.#report(place) });
        this.#here.restore();
      }
      this.#log = [];
      this.#step();
      this.#here.save();
    }
    return forced;
  }

  /** Runs until the kernel is told of a fault of its own code. */
  #report(place: string): ForcedFault {
    const { machine, ring0 } = this.guest;
    let fault: ForcedFault | undefined;
    const { exception } = this.guest.hooks;
    this.guest.hooks.exception = (regs, vector, errorCode) => {
      const stack = describeStack(machine.registers.getLinear(RSP));
      fault = { vector, stack, ip: regs.getSigned(PT_IP), userMode: regs.userMode, report: kernelFault(ring0, regs, vector, errorCode, () => "task 1", "no system call") };
      return SUSPEND;
    };
    try {
      for (let n = 0; fault === undefined; n++) {
        if (n > PATIENCE || machine.registers.getWord(CPL) === 3) this.watch.fail(`a fault at ${place} was not reported`);
        if (machine.run(1) === EXIT_HYPERCALL) ring0.hypercall(this.guest.hooks);
      }
      return fault;
    } finally {
      this.guest.hooks.exception = exception;
    }
  }

  #one(event: InjectedEvent, at: number): boolean {
    const { machine, ring0 } = this.guest;
    this.#log = [];
    this.#timerInKernel = false;
    if (!event.inject(this.guest)) return false;
    const stub = ring0.labels.get(STUB_OF[event.vector]!)!;
    const rip = this.#word(RIP);
    if (this.#exit(machine.run(event.instructions))) this.watch.fail("the program ends too early");
    let came = !event.waits(this.guest, stub);
    // Then its handler comes back to where it came from; else it comes somewhere on the way.
    const atOnce = came && event.name !== "#DB on its data";
    this.#disarm();
    let returned = false;
    for (let n = 0; !this.#atEnd; n++) {
      if (n > PATIENCE) this.watch.fail("it never comes back");
      if (atOnce && this.#u32[RIP >>> 2] === rip && this.#isBack()) {
        returned = true;
        break;
      }
      if (this.#step()) this.watch.fail("the program ends too early");
      came ||= !event.waits(this.guest, stub);
    }
    if (!came && !event.mayMiss) this.watch.fail("it never came");
    if (returned) this.#compare(CONTROL_WORDS, this.#here.block, "after its return");
    this.#finish();
    this.#compareEnd(event, at);
    return came;
  }

  #word(offset: number): number {
    return this.#here.block[offset >>> 2]!;
  }

  #isBack(): boolean {
    const same = (offset: number) => this.#u32[offset >>> 2] === this.#here.block[offset >>> 2];
    return same(RIP + 4) && same(CPL) && same(RSP) && same(RSP + 4) && same(NMI_BLOCKED);
  }

  /** The debug registers as they were. */
  #disarm(): void {
    for (let offset = DR0; offset < DR6; offset += 4) this.#u32[offset >>> 2] = this.#here.block[offset >>> 2]!;
    this.#u32[DR7 >>> 2] = this.#here.block[DR7 >>> 2]!;
  }

  #compare(words: readonly number[], expected: Uint32Array, when: string): void {
    for (const index of words) {
      let difference = this.#u32[index]! ^ expected[index]!;
      // RF only says that a breakpoint at this instruction has been met, or that REP goes on in it.
      if (difference && index === RFLAGS >>> 2) difference &= ~FLAG_RF;
      // AMD's SYSRET leaves the hidden DPL of SS at 0 (APM Vol. 3, SYSRET), IRETQ sets it: no instruction can tell.
      if (difference && index === SS_WORD && this.#amd) difference &= ~(0x60 << 16);
      if (difference) this.watch.fail(`word 0x${(index * 4).toString(16)} of the CPU block is ${this.#u32[index]!.toString(16)}, not ${expected[index]!.toString(16)}, ${when}`);
    }
  }

  #compareEnd(event: InjectedEvent, at: number): void {
    this.#compare(STATE_WORDS, this.#final, "at the end");
    if (!this.#canaries.intact) this.watch.fail("a stack was overrun");
    if (this.#timerInKernel) this.watch.fail("an interrupt came in the kernel");
    const before = this.#baseLog.slice(this.#logAt[at]);
    const others = (log: Entry[]) => log.filter(({ vector }) => vector !== event.vector && vector !== event.besides);
    const [expected, seen] = [others(before), others(this.#log)];
    if (expected.length !== seen.length) this.watch.fail(`${seen.length} entries in place of ${expected.length}`);
    for (const [i, entry] of expected.entries()) {
      const wrong = entry.words.findIndex((word, index) => word !== seen[i]!.words[index]);
      if (wrong >= 0 || entry.vector !== seen[i]!.vector) this.watch.fail(`entry ${i} (vector ${seen[i]!.vector}) differs in word ${wrong}: ${seen[i]!.words[wrong]?.toString(16)}, not ${entry.words[wrong]?.toString(16)}`);
    }
    const times = (log: Entry[]) => log.filter(({ vector }) => vector === event.vector).length;
    const more = times(this.#log) - times(before);
    // Of a #DB in its own code the entry code tells nobody.
    const merges = times(before) > 0 && (event.mayMerge || (event.vector === VECTOR_NMI && this.#door.nestedAt !== undefined));
    const [least, most] = event.vector === VECTOR_DB || merges ? [0, 1] : [1, 1];
    if (more < least || more > most) this.watch.fail(`it was handled ${more} times`);
  }
}

const STUB_OF: Record<number, string> = Object.fromEntries(VECTORS.map((row) => [row.vector, row.label]));

/** The page behind the espfix area. */
function physicalEspfix(guest: Guest): number[] {
  const { tables, bootRoot } = guest.ring0;
  const at = tables.pte(bootRoot, ESPFIX_BASE);
  return [(guest.machine.phys.u32[at]! & ~0xfff) >>> 0];
}

