// The doors that the fuzz target `doors` goes through, one row each, and what pt_regs must be when the kernel is told.

import { assemble, CODE } from "../ring0/crossing-guest";
import type { Vendor } from "../../host/machine/cpu-models";
import { __USER32_CS, __USER_DS } from "../../host/ring0/segments";
import { FLAG_IF } from "../../kernel/abi/bits";
import { VECTOR_BP, VECTOR_DB, VECTOR_GP, VECTOR_MC, VECTOR_NMI, VECTOR_PF, VECTOR_TIMER, VECTOR_UD } from "../../kernel/abi/vectors";
import { AX, BP, CS, CX, FLAGS, IP, ORIG_AX, R11, R8, SP, SS } from "./return-rules";

/** The landing pad of the fast 32-bit doors. */
export const LANDING = CODE + 0xf00;
const ENOSYS = BigInt.asUintN(64, -38n);
const MINUS_ONE = BigInt.asUintN(64, -1n);
const LOW_32 = 0xffffffffn;

export type Kind = "syscall" | "int80" | "fast" | "exception" | "interrupt";

export interface DoorRow {
  code: string;
  bits: 32 | 64;
  vendor?: Vendor;
  /** What waits before the instruction: a bit of PENDING_NMI, or the timer. */
  event?: "NMI" | "#MC" | "timer";
  kind: Kind;
  /** Of exceptions and interrupts. */
  vector?: number;
  errorCode?: number;
  /** Makes what pt_regs must be of the program's registers, whose IP is that of the door and whose flags have no RF. */
  entered?(regs: BigUint64Array): void;
  /** Flags that are lost on the way in, under PTI: in Linux, too, SYSENTER's are pushed behind the switch of CR3. */
  lost?: number;
}

function systemCall(regs: BigUint64Array): void {
  regs[ORIG_AX] = regs[AX]!;
  regs[AX] = ENOSYS;
}

function compatCall(regs: BigUint64Array): void {
  regs[ORIG_AX] = regs[AX]! & LOW_32;
  regs[AX] = ENOSYS;
}

function fastCall(regs: BigUint64Array): void {
  compatCall(regs);
  regs[IP] = BigInt(LANDING);
  regs[CS] = BigInt(__USER32_CS);
  regs[SS] = BigInt(__USER_DS);
}

const length = (code: string) => BigInt(assemble(code).length);
const behind = (code: string) => (regs: BigUint64Array) => void (regs[IP]! += length(code));
const exception = (code: string, bits: 32 | 64, vector: number, more: Partial<DoorRow> = {}): DoorRow => ({ code, bits, kind: "exception", vector, ...more });

const forBoth = (row: (bits: 32 | 64) => DoorRow): DoorRow[] => ([64, 32] as const).map(row);

export const DOOR_ROWS: readonly DoorRow[] = [
  {
    code: "syscall", bits: 64, kind: "syscall",
    entered(regs) {
      systemCall(regs);
      regs[IP] += length("syscall");
      regs[CX] = regs[IP]!;
      regs[R11] = regs[FLAGS]!;
    },
  },
  ...forBoth((bits) => ({
    code: "int $0x80", bits, kind: "int80",
    entered(regs) {
      compatCall(regs);
      regs[IP] += length("int $0x80");
    },
  })),
  ...forBoth((bits) => ({
    code: "sysenter", bits, vendor: "intel", kind: "fast", lost: 0x8d5,
    entered(regs) {
      regs[SP] = regs[BP]!;
      regs[FLAGS] |= BigInt(FLAG_IF);
      fastCall(regs);
    },
  })),
  {
    code: "syscall", bits: 32, vendor: "amd", kind: "fast",
    entered(regs) {
      regs[R11] = regs[FLAGS]!;
      regs[SP] &= LOW_32;
      regs[R8] = regs[SP]!;
      regs[CX] = regs[BP]!;
      fastCall(regs);
    },
  },
  exception("syscall", 32, VECTOR_UD, { vendor: "intel" }),
  ...forBoth((bits) => exception("sysenter", bits, VECTOR_UD, { vendor: "amd" })),
  ...forBoth((bits) => exception("sysexit", bits, VECTOR_GP, { vendor: "intel" })),
  ...forBoth((bits) => exception("ud2", bits, VECTOR_UD)),
  ...forBoth((bits) => exception("int3", bits, VECTOR_BP, { entered: behind("int3") })),
  ...forBoth((bits) => exception("int1", bits, VECTOR_DB, { entered: behind("int1") })),
  ...forBoth((bits) => exception("hlt", bits, VECTOR_GP)),
  ...forBoth((bits) => exception("int $0x21", bits, VECTOR_GP, { errorCode: (0x21 << 3) | 2 })),
  ...forBoth((bits) => exception("int $0x0e", bits, VECTOR_GP, { errorCode: (VECTOR_PF << 3) | 2 })),
  exception("movb 0x1234, %al", 64, VECTOR_PF, { errorCode: 4 }),
  ...(["NMI", "#MC", "timer"] as const).flatMap((event) => forBoth((bits) => ({
    code: "ud2", bits, event, kind: event === "timer" ? "interrupt" : "exception", vector: event === "timer" ? VECTOR_TIMER : event === "NMI" ? VECTOR_NMI : VECTOR_MC,
  }))),
];

/** pt_regs as the kernel must find it. @param regs the program's: IP of the door, flags, SP and the rest */
export function enteredRegs(row: DoorRow, regs: BigUint64Array): BigUint64Array {
  const entered = regs.slice();
  entered[ORIG_AX] = MINUS_ONE;
  row.entered?.(entered);
  return entered;
}
