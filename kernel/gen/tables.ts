// The decoder's tables as AssemblyScript data (build/kernel/tables.ts), and the list of instances: an operation for one
// operand type, with the source of its third operand. A cold operation's number is its instance's.

import type { Row } from "../decode/row";
import * as K from "../decode/operand-kinds";
import { buildLookup, encodingsOf, operandsOf, vexOf, rexW } from "./encodings";
import { isRaw, parameter, type Operation } from "./operations";
import type { Form } from "./hot";

export interface Instance {
  op: Operation;
  /** u8 .. u64, or "" for an operation without T. */
  type: string;
  /** Where `i` comes from. */
  third: "" | "imm" | "cl" | "sub";
  /** `a` is not what the result replaces: it comes from the micro-operation's `via`. */
  via: boolean;
}

const FIXED: Record<string, [number, number]> = {
  AL: [K.K_RAX, K.SZ_8], AX: [K.K_RAX, K.SZ_16], eAX: [K.K_RAX, K.SZ_Z], rAX: [K.K_RAX, K.SZ_V], CL: [K.K_CL, K.SZ_8],
  DX: [K.K_DX, K.SZ_16], "1": [K.K_ONE, K.SZ_8], BX: [K.K_BX, K.SZ_8], DI: [K.K_DI, K.SZ_OTHER],
};
const LETTER: Record<string, number> = {
  E: K.K_E, G: K.K_G, M: K.K_M, R: K.K_R, I: K.K_I, J: K.K_J, O: K.K_O, S: K.K_S, C: K.K_C, D: K.K_D, Z: K.K_Z, V: K.K_V, W: K.K_W,
  U: K.K_U, P: K.K_P, Q: K.K_Q, N: K.K_N, X: K.K_X, Y: K.K_Y, A: K.K_A, B: K.K_B, H: K.K_H, L: K.K_L,
};
const SIZE: Record<string, number> = {
  b: K.SZ_8, w: K.SZ_16, d: K.SZ_32, q: K.SZ_64, v: K.SZ_V, z: K.SZ_Z, y: K.SZ_Y, dq: K.SZ_128, o: K.SZ_128, x: K.SZ_128, ps: K.SZ_128, pd: K.SZ_128,
  ss: K.SZ_32, sd: K.SZ_64, pi: K.SZ_64, si: K.SZ_32, "": K.SZ_OTHER, t: K.SZ_OTHER, p: K.SZ_OTHER, s: K.SZ_OTHER, a: K.SZ_OTHER,
};

function operandCode(operand: string, row: Row): [number, number] {
  if (FIXED[operand]) return FIXED[operand];
  if (operand === "Ibs") return [K.K_IS, K.SZ_8];
  const kind = LETTER[operand[0]];
  const size = SIZE[operand.slice(1)];
  if (kind === undefined || size === undefined) throw new Error(`row ${row.opcode} ${row.mnemonic}: operand ${operand}?`);
  return [kind, size];
}

const USES: Record<string, number> = {
  LEA: K.USE_LEA, PUSH: K.USE_PUSH, POP: K.USE_POP, JCC: K.USE_JCC, JMP_REL: K.USE_JMP_REL, CALL_REL: K.USE_CALL_REL, JMP: K.USE_JMP,
  CALL: K.USE_CALL, RET: K.USE_RET, SETCC: K.USE_SETCC, CMOVCC: K.USE_CMOVCC, LEAVE: K.USE_LEAVE, CBW: K.USE_CBW, CWD: K.USE_CWD, NOP: K.USE_NOP,
  LOOP: K.USE_LOOP, MOVDQA: K.USE_MOVE128, XLAT: K.USE_XLAT, SWAPGS: K.USE_SWAPGS, MOV_FROM_CR: K.USE_MOV_FROM_CR,
  MOV_TO_CR: K.USE_MOV_TO_CR, BT: K.USE_BT, BT_IMM: K.USE_BT, BTS: K.USE_BTS, BTS_IMM: K.USE_BTS, BTR: K.USE_BTR, BTR_IMM: K.USE_BTR, BTC: K.USE_BTC, LOOPE: K.USE_LOOP, LOOPNE: K.USE_LOOP, JRCXZ: K.USE_LOOP,
};
/** Planted by the decoder itself. */
export const DECODE_FAULTS = ["UNDEFINED", "PROTECTED", "DEVICE_NOT_AVAILABLE", "ADDRESS16", "SEGMENT", "SEGMENT_END", "MMX_WAIT", "MMX_TOP", "MMX_ENTER"];
const TYPES = ["u8", "u16", "u32", "u64"];

export class Tables {
  readonly instances: Instance[] = [];
  private readonly numbers = new Map<string, number>();
  readonly rowBytes: Uint8Array;
  readonly missing: string[] = [];

  constructor(readonly rows: Row[], readonly operations: Map<string, Operation>, readonly features: Map<string, number>) {
    for (const name of DECODE_FAULTS) this.instance(this.need(name)!, "", "", false);
    const lookup = buildLookup(rows);
    this.lookup = lookup;
    this.rowBytes = new Uint8Array(rows.length * K.ROW_SIZE);
    const view = new DataView(this.rowBytes.buffer);
    rows.forEach((row, i) => this.writeRow(view, i * K.ROW_SIZE, row, lookup.next[i]));
  }

  readonly lookup: ReturnType<typeof buildLookup>;

  private need(name: string): Operation | undefined {
    const op = this.operations.get(name);
    if (!op) this.missing.push(name);
    return op;
  }

  number(name: string, type = ""): number {
    const n = this.numbers.get(`${name} ${type} `);
    if (n === undefined) throw new Error(`no instance ${name} ${type}`);
    return n;
  }

  private instance(op: Operation, type: string, third: Instance["third"], via: boolean): number {
    const key = `${op.name} ${type} ${third}${via ? " via" : ""}`;
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    this.numbers.set(key, this.instances.length);
    this.instances.push({ op, type, third, via });
    return this.instances.length - 1;
  }

  private writeRow(view: DataView, at: number, row: Row, next: number): void {
    const name = row.fn ?? row.mnemonic;
    const op = this.need(name) ?? this.operations.get("UNDEFINED")!;
    const operands = operandsOf(row);
    const codes = operands.map((o) => operandCode(o, row));
    const [encoding] = encodingsOf(row);
    if (codes.length > 4) throw new Error(`row ${row.opcode} ${row.mnemonic}: more than four operands`);
    const raw = isRaw(op);
    const third: Instance["third"] = !parameter(op, "i") ? "" : name === "CMOVCC" ? "sub"
      : codes.at(-1)?.[0] === K.K_CL ? "cl" : "imm";
    const vex = vexOf(row);
    const via = vex !== undefined && (raw ? codes.length > 2 : parameter(op, "a") !== undefined);
    const vectors = operands.some((o) => /^[VWUHL][a-z]/.test(o));
    const mmx = operands.some((o) => /^[PQN][a-z]/.test(o));

    const sizeClass = this.sizeClass(row, codes);
    for (let s = 0; s < 4; s++) view.setUint16(at + s * 2, this.instance(op, op.generic ? TYPES[s] : "", third, via), true);
    codes.forEach(([kind, size], k) => {
      view.setUint8(at + K.ROW_OPERANDS + k * 2, kind);
      view.setUint8(at + K.ROW_OPERANDS + k * 2 + 1, size);
    });

    const sse = !vex && /^(SSE|SSSE|AES|PCLMUL|SHA)/.test(row.cpuid ?? "") && (operands.some((o) => /^[VWUPQN][a-z]/.test(o)) || /MXCSR/.test(row.mnemonic));
    const x87 = /^D[89A-F] /.test(row.opcode) || row.cpuid === "MMX" || row.cpuid === "FXSR" || mmx;
    view.setUint8(at + K.ROW_FLAGS1,
      (raw ? K.R1_RAW : 0) | (parameter(op, "a") ? K.R1_DST_READ : 0) | (!raw && op.result !== "void" ? K.R1_DST_WRITE : 0)
      | (row.lock ? K.R1_LOCK : 0) | (row.size64 ? K.R1_SIZE64 : 0) | (row.force64 ? K.R1_FORCE64 : 0) | (row.unaligned ? K.R1_UNALIGNED : 0)
      | (mmx && !raw ? K.R1_MMX : 0));
    view.setUint8(at + K.ROW_FLAGS2,
      (row.mode === "64" ? K.R2_MODE64 : 0) | (row.mode === "32" ? K.R2_MODE32 : 0) | (row.cpl === 0 ? K.R2_CPL0 : 0)
      | (row.vendor === "intel" ? K.R2_INTEL : 0) | (row.vendor === "amd" ? K.R2_AMD : 0) | (x87 ? K.R2_X87 : 0) | (sse ? K.R2_SSE : 0)
      | (/\b(setRip|branchTo|callTo|shortBranch|loopIf)\(/.test(op.body) || /^(SYSCALL|SYSRET|SYSENTER|SYSEXIT|IRET|INT|HLT|JMP|RET|CALL|UD)/.test(name) ? K.R2_ENDS_BLOCK : 0));
    view.setUint8(at + K.ROW_SIZE_CLASS, sizeClass);
    const feature = row.cpuid === undefined ? 0xff : this.features.get(row.cpuid);
    if (feature === undefined) throw new Error(`row ${row.opcode} ${row.mnemonic}: CPUID feature ${row.cpuid} is not known to kernel/abi/cpuid-features.ts`);
    view.setUint8(at + K.ROW_FEATURE, feature);
    view.setUint16(at + K.ROW_NEXT, next, true);
    view.setUint16(at + K.ROW_USE, name === "XCHG" && operands[0].startsWith("Z") ? K.USE_XCHG_RAX
      : codes.some(([k]) => k === K.K_X || k === K.K_Y) ? K.USE_STRING : USES[name] ?? K.USE_RULE, true);
    view.setUint8(at + K.ROW_VEX, !vex ? 0 : (vex.l === 0 ? K.VEX_L0 : vex.l === 1 ? K.VEX_L1 : 0) | (vex.w === 0 ? K.VEX_W0 : vex.w === 1 ? K.VEX_W1 : 0)
      | (codes.some(([k]) => k === K.K_B || k === K.K_H) ? K.VEX_VVVV : 0) | (vectors ? K.VEX_STATE : 0));
    const wide = rexW(row);
    view.setUint8(at + K.ROW_FLAGS3, (via ? K.R3_VIA : 0) | (wide === undefined ? 0 : wide ? K.R3_W1 : K.R3_W0) | (encoding.hasModrm ? K.R3_MODRM : 0) | (encoding.reg === undefined && !encoding.hasModrm ? K.R3_SUB_IS_OPCODE : 0)
      | (/[0-9A-F]{2}\+i/.test(row.opcode) ? K.R3_SUB_IS_RM : 0) | (encoding.reg === undefined && (name === "SETCC" || name === "CMOVCC") ? K.R3_SUB_IS_OPCODE : 0));
  }

  /** What decides T and opsize(): an operand that depends on prefixes, else the first general one, else 64-bit default rows. */
  private sizeClass(row: Row, codes: [number, number][]): number {
    for (const s of [K.SZ_V, K.SZ_Z, K.SZ_Y]) {
      const found = codes.find(([kind, size]) => size === s && kind !== K.K_J && !(kind === K.K_I && s === K.SZ_Z && codes[0][1] < 8));
      if (found) return s === K.SZ_Z ? K.SZ_V : s;
    }
    const general = [K.K_E, K.K_G, K.K_R, K.K_Z, K.K_RAX, K.K_M, K.K_O, K.K_X, K.K_Y, K.K_Q, K.K_P];
    const first = codes.find(([kind, size]) => general.includes(kind) && size < K.SZ_128);
    return first ? first[1] : K.SZ_V;
  }

  source(formsOf: (instance: Instance) => Record<"rr" | "rm" | "md" | "ms", number>, none: number): string {
    const bytes = (name: string, values: ArrayLike<number>, type: "u8" | "u16") =>
      `export const ${name} = memory.data<${type}>([${Array.from(values).join(",")}], 8);`;
    const forms = this.instances.flatMap((i) => {
      const f = formsOf(i);
      return [f.rr, f.rm, f.md, f.ms];
    });
    return [
      "// Made by kernel/gen from the instruction table; not for editing.",
      `export const ROWS: u32 = ${this.rows.length};`,
      bytes("OPCODES", this.lookup.opcodes, "u16"),
      bytes("GROUPS", this.lookup.groups.length ? this.lookup.groups : [0], "u16"),
      bytes("SUBGROUPS", this.lookup.subgroups.length ? this.lookup.subgroups : [0], "u16"),
      bytes("ROW_TABLE", this.rowBytes, "u8"),
      bytes("FORMS", forms, "u16"),
      `export const FORM_NONE: u32 = ${none};`,
      ...DECODE_FAULTS.map((n) => `export const COLD_${n}: u32 = ${this.number(n)};`),
      "",
    ].join("\n");
  }
}

export type { Form };
