// Sequences of operations on doubles that have a case of their own (kernel/gen/sequences.ts): whatever a later part leaves to the part's
// own case or to the full operation, registers, MXCSR and flags must be those of one instruction after the other.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { MXCSR, RAX, RCX, RDX, XMM } from "../../kernel/abi/state";
import { VECTOR_UD, VECTOR_XM } from "../../kernel/abi/vectors";
import { BareMachine, USER_DATA } from "../cpu/bare-machine";
import { go, load, type Outcome, type Pace } from "../cpu/both-paces";

const SEQUENCES: Record<string, number[]> = {
  "MULSD ADDSD": [0xf2, 0x0f, 0x59, 0xc1, 0xf2, 0x0f, 0x58, 0xd0],
  "MULSD MULSD": [0xf2, 0x0f, 0x59, 0xd9, 0xf2, 0x0f, 0x59, 0xc3],
  "ADDSD ADDSD": [0xf2, 0x0f, 0x58, 0xd1, 0xf2, 0x0f, 0x58, 0xd0],
  "MOVAPD ADDSD": [0x66, 0x0f, 0x28, 0xe0, 0xf2, 0x0f, 0x58, 0xe1],
  "MOVAPD MULSD": [0x66, 0x0f, 0x28, 0xe0, 0xf2, 0x0f, 0x59, 0xe1],
  "MOVAPD MULSD ADDSD": [0x66, 0x0f, 0x28, 0xe0, 0xf2, 0x0f, 0x59, 0xe1, 0xf2, 0x0f, 0x58, 0xd4],
  "MOVAPD SQRTSD": [0x66, 0x0f, 0x28, 0xe9, 0xf2, 0x0f, 0x51, 0xed],
  "MOVAPD UNPCKLPD": [0x66, 0x0f, 0x28, 0xf1, 0x66, 0x0f, 0x14, 0xf6],
  "MOVAPD UNPCKHPD UNPCKHPD MULPD MULSD":
    [0x66, 0x0f, 0x28, 0xe9, 0x66, 0x0f, 0x15, 0xe9, 0x66, 0x0f, 0x15, 0xc9, 0x66, 0x0f, 0x59, 0xe8, 0xf2, 0x0f, 0x59, 0xca],
  "COMISD JA": [0x66, 0x0f, 0x2f, 0xc1, 0x77, 0x00],
  "UCOMISD JA": [0x66, 0x0f, 0x2e, 0xc1, 0x77, 0x00],
  "MULPD and ADDPD from memory": [0x66, 0x0f, 0x59, 0x00, 0x66, 0x0f, 0x58, 0x0a],
  // MOVSD xmm0, [rdx]; ADD rax, 16; ADD rdx, 8; UNPCKLPD xmm0, xmm0; MULPD xmm0, [rax-16]; ADDPD xmm1, xmm0; CMP rax, rcx; JNE
  "the loop of a matrix product": [
    0xf2, 0x0f, 0x10, 0x02, 0x48, 0x83, 0xc0, 0x10, 0x48, 0x83, 0xc2, 0x08, 0x66, 0x0f, 0x14, 0xc0, 0x66, 0x0f, 0x59, 0x40, 0xf0,
    0x66, 0x0f, 0x58, 0xc8, 0x48, 0x39, 0xc8, 0x75, 0xe2,
  ],
};

const EDGES = [
  0, -0, 1, -1.5, 0.1, 3e-200, 7e200, 2.2250738585072014e-308, -4.450147717014403e-308, 5e-324, -1e-310, 1.7976931348623157e308, Infinity, -Infinity,
].map((x) => new BigUint64Array(Float64Array.of(x).buffer)[0]!).concat([0x7ff8000000000123n, 0xfff0000000000001n]);
/** All masked with PE clear and set, rounding down, FTZ and DAZ, the invalid operation unmasked. */
const CONTROLS = [0x1f80, 0x1fa0, 0x3fa0, 0x9fe0, 0x1f20];

interface State extends Outcome {
  mxcsr: number;
  registers: bigint[];
}

function execute(m: BareMachine, pace: Pace, code: number[], values: readonly bigint[], mxcsr: number): State {
  load(m, code);
  const data = USER_DATA;
  for (let i = 0; i < 8; i++) {
    m.phys.setU64(data + 8 * i, values[i % values.length]!);
    for (const half of [0, 1]) m.setReg(XMM + 16 * i + 8 * half, values[(i + half) % values.length]!);
  }
  m.setReg(RAX, data);
  m.setReg(RDX, data + 32);
  m.setReg(RCX, data + 48);
  m.setWord(MXCSR, mxcsr);
  const outcome = go(m, pace);
  assert.ok(outcome.vector === VECTOR_UD ? outcome.rip === code.length : outcome.vector === VECTOR_XM, `ended with vector ${outcome.vector}`);
  const registers = [RAX, RDX, ...Array.from({ length: 16 }, (_, i) => XMM + 8 * i)].map((offset) => m.reg(offset));
  return { ...outcome, mxcsr: m.word(MXCSR), registers };
}

for (const [name, code] of Object.entries(SEQUENCES)) {
  test(`${name}: as one instruction after the other, for all pairs of edges and every MXCSR`, async () => {
    const m = await BareMachine.create();
    for (const mxcsr of CONTROLS) {
      EDGES.forEach((a, i) => EDGES.forEach((b, j) => {
        const values = [a, b, EDGES[(i + j + 2) % EDGES.length]!];
        assert.equal(execute(m, "block", code, values, mxcsr), execute(m, "step", code, values, mxcsr), `${[a, b].map((x) => x.toString(16))}, MXCSR ${mxcsr.toString(16)}`);
      }));
    }
  });
}

test.run();
