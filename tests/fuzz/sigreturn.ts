// Random signal frames for rt_sigreturn. A case is the choices that make the frames: 24 of them, those that it has no bytes for
// all zeros.

import { DATA_ADDRESS, RESTORER, call, exit, guest, sigaction } from "../linux/signal-guest";
import type { Random } from "../silicon/random";
import { Choices } from "./choices";
import { guardedRun } from "./guarded-run";
import { type Checker, type Target, oneByOne } from "./target";

const FRAMES = 24;
/** Bytes of choices that a frame takes at the most. */
const FRAME_CHOICES = 360;
const FRAME_STRIDE = 0x400;
const FIRST_FRAME = DATA_ADDRESS + 0x1000;
const ALTERNATE_STACK = DATA_ADDRESS + 0x8000;
const COUNTER = DATA_ADDRESS;
/** Offset in the data of what fpstate of a frame may point to. */
const FPSTATE = 0x6000;
const SA_SIGINFO_ONSTACK_NODEFER = 4 | 0x08000000 | 0x40000000;
const hex = (value: number) => `$0x${value.toString(16)}`;

/** Flags of struct user_desc for each entry: stack of 32 and of 16 bits, data not present, code of 32 bits. */
const LDT_ENTRIES = [0x51, 0x50, 0x71, 0x55];

/** modify_ldt of one entry, 4 GiB from 0 on or 64 KiB. */
function descriptor(flags: number, entry: number): string {
  const at = DATA_ADDRESS + 128;
  const words = [entry, 0, flags & 1 ? 0xfffff : 0xf, flags];
  return `${words.map((word, i) => `movl $${word}, 0x${(at + 4 * i).toString(16)}\n`).join("")}${call(154, "$1", hex(at), "$16")}`;
}

/** Takes the frames one by one; every signal that a frame may bring on goes on to the next. */
const program = `
    movq ${hex(ALTERNATE_STACK)}, 0x${(DATA_ADDRESS + 64).toString(16)}
    movq $0x4000, 0x${(DATA_ADDRESS + 80).toString(16)}
    ${call(131, hex(DATA_ADDRESS + 64), "$0")}
    ${LDT_ENTRIES.map(descriptor).join("")}
    ${[4, 5, 7, 8, 11].map((signal) => sigaction(signal, "next", SA_SIGINFO_ONSTACK_NODEFER)).join("")}
next:
    mov 0x${COUNTER.toString(16)}, %rax
    cmp $${FRAMES}, %rax
    jae done
    incq 0x${COUNTER.toString(16)}
    shl $10, %rax
    lea 0x${(FIRST_FRAME + 8).toString(16)}(%rax), %rsp
    mov $15, %eax
    syscall
done:
    ${exit("$0")}
    ${RESTORER}`;

const UCONTEXT = 8;
const SIGCONTEXT = UCONTEXT + 40;

function frameOf(random: Random, view: DataView, at: number, next: bigint): void {
  const put = (offset: number, value: bigint): void => view.setBigUint64(at + offset, BigInt.asUintN(64, value), true);
  if (random.chance(0.2)) for (let offset = 0; offset < 440; offset += 8) put(offset, random.u64());
  const addresses = [next, 0n, 1n, 0x800000000000n, 0x7ffffffff000n, 0xffffffff81000000n, BigInt(FIRST_FRAME), BigInt(at)];
  put(UCONTEXT, BigInt(random.below(8)));
  put(UCONTEXT + 16, random.pick(addresses));
  put(UCONTEXT + 24, BigInt(random.pick([0, 1, 2, 0x80000000, 77])));
  put(UCONTEXT + 32, BigInt(random.pick([0, 2047, 2048, 65536])));
  for (let offset = 0; offset < 120; offset += 8) if (random.chance(0.5)) put(SIGCONTEXT + offset, random.chance(0.5) ? random.pick(addresses) : random.u64());
  put(SIGCONTEXT + 120, random.pick([BigInt(ALTERNATE_STACK), BigInt(DATA_ADDRESS + 0x8000), ...addresses]));
  put(SIGCONTEXT + 128, random.chance(0.6) ? next : random.pick(addresses));
  put(SIGCONTEXT + 136, random.chance(0.5) ? 0x202n : random.u64());
  const selectors = [0x33, 0x2b, 0x23, 0, 3, 0x10, 0x18, 0x40, 0xffff, 0x37, 0x47, 0x07, 0x0f, 0x17, 0x1f];
  view.setUint16(at + SIGCONTEXT + 144, random.chance(0.6) ? 0x33 : random.pick(selectors), true);
  view.setUint16(at + SIGCONTEXT + 150, random.chance(0.6) ? 0x2b : random.pick(selectors), true);
  const fpstate = random.pick([0n, BigInt(DATA_ADDRESS + FPSTATE), BigInt(DATA_ADDRESS + FPSTATE), BigInt(DATA_ADDRESS + FPSTATE + 8), ...addresses]);
  put(SIGCONTEXT + 184, fpstate);
  put(UCONTEXT + 296, random.chance(0.7) ? 0n : random.u64());
}

/** The area at FPSTATE as an XSAVE area with Linux's magic words, good or nearly so (host/linux/signal-fpstate.ts). */
function xsaveArea(random: Random, view: DataView): void {
  const word = (offset: number, good: number, bad: readonly number[]): void =>
    view.setUint32(FPSTATE + offset, random.chance(0.8) ? good : random.pick(bad), true);
  word(464, 0x46505853, [0]);
  word(468, 580, [0, 575, 576, 0xffffffff]);
  word(472, 3, [0, 1, 2, 4, 7, 0xffffffff]);
  word(476, 0, [1]);
  word(480, 576, [0, 512, 575, 577, 832, 0xffffffff]);
  word(512, 3, [0, 1, 2, 4, 7, 0x80000000]);
  word(516, 0, [1, 0x80000000]);
  if (random.chance(0.4)) {
    word(520, 3, [0, 1, 2, 7, 0xffffffff]);
    word(524, 0x80000000, [0, 0xc0000000, 1]);
  }
  word(528, 0, [1]);
  word(572, 0, [1]);
  word(576, 0x46505845, [0]);
}

/** Offset of the label `next`: where the first MOV from COUNTER stands. */
const NEXT_OFFSET = (() => {
  const code = guest(program).subarray(0x1000);
  const move = [0x48, 0x8b, 0x04, 0x25, ...new Uint8Array(Uint32Array.of(COUNTER).buffer)];
  return code.findIndex((_, i) => move.every((byte, j) => code[i + j] === byte));
})();

async function open(): Promise<Checker> {
  return {
    generate: (random) => random.bytes(FRAMES * FRAME_CHOICES),
    check: oneByOne(async (bytes) => {
      const choices = new Choices(bytes);
      const data = new Uint8Array(0x10000);
      const view = new DataView(data.buffer);
      const next = BigInt(0x400000 + NEXT_OFFSET);
      for (let offset = 0; offset < 512; offset += 8) view.setBigUint64(FPSTATE + offset, choices.u64(), true);
      if (choices.chance(0.7)) view.setUint32(FPSTATE + 24, 0x1f80, true);
      if (choices.chance(0.7)) xsaveArea(choices, view);
      for (let i = 0; i < FRAMES && !choices.spent; i++) frameOf(choices, view, 0x1000 + i * FRAME_STRIDE, next);
      await guardedRun(guest(program, data));
    }),
  };
}

export const sigreturnTarget: Target = {
  name: "sigreturn",
  about: "random signal frames for rt_sigreturn",
  property: "the guest goes on, gets SIGSEGV or dies; the host neither throws nor hangs",
  open,
};
