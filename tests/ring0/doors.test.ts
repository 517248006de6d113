// Every door as Crossing shows it: the step through it, the stub it leads to, the function that is called, and the way back; and that the
// guest notices nothing of being watched.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CODE, guestProgram, type Guest, type GuestOptions } from "./crossing-guest";
import { Crossing, type CrossingFrame, type CrossingState, type CrossingStep } from "../../host/ring0/crossing";
import { doorNamed, DOORS } from "../../host/ring0/doors";
import { SUSPEND } from "../../host/ring0/hypercall";
import { VECTOR_GP, VECTOR_NMI, VECTOR_PF, VECTOR_TIMER } from "../../kernel/abi/vectors";

const MODES: GuestOptions[] = [
  { pti: true, pcid: true },
  { pti: true, pcid: false },
  { pti: false, pcid: false },
  { pti: true, pcid: true, smap: false, fsgsbase: false },
];

/** In the form of __kernel_vsyscall, 9 bytes up to the landing pad; the program ends by UD2. */
const fast = (door: string): string => `pushq %rcx\npushq %rdx\npushq %rbp\nmovl %esp, %ebp\n${door}\nint $0x80\npopq %rbp\npopq %rdx\npopq %rcx\n`;
const call = (number: number, door: string): string => `movl $${number}, %eax\n${door}\n`;

interface Row {
  door: string;
  text: string;
  more?: Partial<GuestOptions>;
  /** Label of the first instruction at ring 0, and how it comes back. */
  stub: string;
  exit: string;
  /** Where the door's instruction stands, and where the way back leads, from CODE. */
  at: number;
  back: number;
}

const ROWS: Row[] = [
  { door: "syscall", text: call(1, "syscall") + call(2, "syscall") + "ud2\n", stub: "entry_SYSCALL_64", exit: "entry_SYSRETQ_unsafe_stack", at: 12, back: 14 },
  { door: "int80", text: call(1, "int $0x80") + call(2, "int $0x80") + "ud2\n", stub: "entry_INT80_compat", exit: "native_irq_return_iret", at: 12, back: 14 },
  { door: "int80", text: call(1, "int $0x80") + call(2, "int $0x80") + "ud2\n", more: { bits: 32 }, stub: "entry_INT80_compat", exit: "native_irq_return_iret", at: 12, back: 14 },
  { door: "sysenter", text: call(2, "nop") + fast("sysenter") + "ud2\n", more: { bits: 32 }, stub: "entry_SYSENTER_compat", exit: "entry_SYSRETL_compat_unsafe_stack", at: 11, back: 15 },
  { door: "syscall32", text: call(2, "nop") + fast("syscall") + "ud2\n", more: { bits: 32, vendor: "amd" }, stub: "entry_SYSCALL_compat", exit: "entry_SYSRETL_compat_unsafe_stack", at: 11, back: 15 },
  { door: "page_fault", text: "nop\nmovb 0x1234, %al\nud2\n", stub: "asm_exc_page_fault", exit: "native_irq_return_iret", at: 1, back: 8 },
  { door: "general_protection", text: "nop\nhlt\nud2\n", stub: "asm_exc_general_protection", exit: "native_irq_return_iret", at: 1, back: 2 },
  { door: "int3", text: "nop\nint3\nud2\n", stub: "asm_exc_int3", exit: "native_irq_return_iret", at: 1, back: 2 },
  { door: "timer", text: "nop\nud2\n", stub: "asm_sysvec_apic_timer_interrupt", exit: "native_irq_return_iret", at: 0, back: 0 },
  { door: "nmi", text: "nop\nud2\n", stub: "asm_exc_nmi", exit: "native_irq_return_iret", at: 0, back: 0 },
];

/** What the hooks do: exceptions but UD2 step over their instruction. */
function answer(guest: Guest): void {
  guest.answer = (arrival, regs) => {
    if (arrival.kind === "exception" && arrival.number === VECTOR_PF) regs.ip += 7;
    else if (arrival.kind === "exception" && arrival.number === VECTOR_GP) regs.ip += 1;
    else if (arrival.kind === "exception" && arrival.number === 6) return SUSPEND;
    else if (arrival.kind === "fast") regs.bp = 0;
  };
}

for (const mode of MODES) {
  for (const row of ROWS) {
    test(`${row.door}${row.more?.bits ? " of 32-bit code" : ""}, ${JSON.stringify(mode)}: its stub, its function and its way back`, async () => {
      const options = { ...mode, ...row.more };
      const plain = await guestProgram(row.text, options);
      const watched = await guestProgram(row.text, options);
      for (const guest of [plain, watched]) {
        guest.ring0.setSysenterReturn(guest.space, CODE + 15);
        answer(guest);
      }
      const door = doorNamed(row.door);
      const steps: CrossingStep[] = [];
      const frames: CrossingFrame[] = [];
      let done: CrossingState | undefined;
      void new Crossing(watched.ring0, {
        wanted: (number) => number === 2,
        step: (step) => steps.push(step),
        frame: (frame) => frames.push(frame),
        handled: (frame) => frames.push(frame),
        done: (state) => (done = state),
      }, door);
      plain.go();
      watched.go();
      const first = steps[0]!;
      assert.equal([first.before.cpl, first.before.address, first.after.cpl, first.after.symbol], [3, CODE + row.at, 0, row.stub]);
      assert.is(steps[1]!.before.symbol, row.stub);
      assert.equal(steps.at(-1)!.before.cpl, 0);
      assert.ok(steps.some(({ before }) => before.symbol === row.exit), row.exit);
      assert.is(frames.length, 2);
      assert.equal([done!.cpl, done!.address], [3, CODE + row.back]);
      for (let i = 1; i < steps.length; i++) assert.equal(steps[i]!.before, steps[i - 1]!.after, `step ${i}`);
      const extra = door.raise === undefined ? [] : [row.door === "nmi" ? VECTOR_NMI : VECTOR_TIMER];
      assert.equal(watched.arrivals.map(({ number }) => number), [...extra, ...plain.arrivals.map(({ number }) => number)]);
      assert.equal(watched.arrivals.at(-1), plain.arrivals.at(-1));
    });
  }
}

test("there is a door of each kind, and an unknown one is said to be none", () => {
  const names = DOORS.map(({ name }) => name);
  assert.equal(names.slice(0, 6), ["syscall", "int80", "sysenter", "syscall32", "timer", "nmi"]);
  assert.ok(names.includes("divide_error") && names.includes("bounds") && names.includes("overflow"));
  assert.throws(() => doorNamed("window"), /no door "window": there are syscall, int80/);
});

test.run();
