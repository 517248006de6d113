// AES-NI, PCLMULQDQ and the SHA extensions by the published vectors; the breadth of operands is tests/silicon's.

import { createHash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { XMM } from "../../kernel/abi/state";
import { VECTOR_GP, VECTOR_UD } from "../../kernel/abi/vectors";
import { BareMachine, USER_DATA } from "../cpu/bare-machine";

const HLT = 0xf4;

type Vector = readonly [number, number, number, number];

function putXmm(m: BareMachine, n: number, lanes: Vector): void {
  lanes.forEach((lane, i) => m.setWord(XMM + 16 * n + 4 * i, lane));
}

const xmm = (m: BareMachine, n: number): Vector => [0, 1, 2, 3].map((i) => m.word(XMM + 16 * n + 4 * i) >>> 0) as unknown as Vector;

function lanes(hexBytes: string): Vector {
  const view = new DataView(Uint8Array.from(hexBytes.match(/../g)!.map((byte) => parseInt(byte, 16))).buffer);
  return [0, 4, 8, 12].map((at) => view.getUint32(at, true)) as unknown as Vector;
}

function execute(m: BareMachine, code: number[]): void {
  m.user([...code, HLT]);
  m.run();
  assert.is(m.haltedIn, VECTOR_GP); // the HLT, at CPL 3
}

test("the AES instructions expand, encrypt and decrypt the example of FIPS 197 C.1", async () => {
  const m = await BareMachine.create();
  putXmm(m, 0, lanes("00112233445566778899aabbccddeeff"));
  putXmm(m, 1, lanes("000102030405060708090a0b0c0d0e0f"));
  const keep = (round: number) => [0x66, ...(round > 2 ? [0x44] : []), 0x0f, 0x6f, 0xc1 | (((5 + round) & 7) << 3)]; // MOVDQA xmm5+round, xmm1
  const code = [0x66, 0x0f, 0xef, 0xc1, ...keep(0)]; // PXOR xmm0, xmm1
  for (let round = 1, constant = 1; round <= 10; round++, constant = constant < 0x80 ? constant << 1 : 0x1b) {
    code.push(0x66, 0x0f, 0x3a, 0xdf, 0xd1, constant); // AESKEYGENASSIST xmm2, xmm1, constant
    code.push(0x66, 0x0f, 0x70, 0xd2, 0xff); // PSHUFD xmm2, xmm2, 0xff
    code.push(0x66, 0x0f, 0x6f, 0xd9); // MOVDQA xmm3, xmm1
    for (let i = 0; i < 3; i++) code.push(0x66, 0x0f, 0x73, 0xfb, 4, 0x66, 0x0f, 0xef, 0xcb); // PSLLDQ xmm3, 4; PXOR xmm1, xmm3
    code.push(0x66, 0x0f, 0xef, 0xca, ...keep(round)); // PXOR xmm1, xmm2
    code.push(0x66, 0x0f, 0x38, round < 10 ? 0xdc : 0xdd, 0xc1); // AESENC or AESENCLAST xmm0, xmm1
  }
  execute(m, code);
  assert.equal(xmm(m, 1), lanes("13111d7fe3944a17f307a78b4d2b30c5"));
  assert.equal(xmm(m, 0), lanes("69c4e0d86a7b0430d8cdb78070b4c55a"));

  const back = [0x66, 0x41, 0x0f, 0xef, 0xc7]; // PXOR xmm0, xmm15
  for (let round = 9; round > 0; round--) {
    back.push(0x66, ...(round > 2 ? [0x41] : []), 0x0f, 0x38, 0xdb, 0xd0 | ((5 + round) & 7)); // AESIMC xmm2, xmm5+round
    back.push(0x66, 0x0f, 0x38, 0xde, 0xc2); // AESDEC xmm0, xmm2
  }
  execute(m, [...back, 0x66, 0x0f, 0x38, 0xdf, 0xc5]); // AESDECLAST xmm0, xmm5
  assert.equal(xmm(m, 0), lanes("00112233445566778899aabbccddeeff"));
});

test("PCLMULQDQ multiplies the quadwords that its immediate chooses, without carries", async () => {
  const m = await BareMachine.create();
  const a = [0x63746f725d53475dn, 0x7b5b546573745665n];
  const b = [0x5b477565726f6e5dn, 0x4869285368617929n];
  const split = (low: bigint, high: bigint) => [low, low >> 32n, high, high >> 32n].map((v) => Number(BigInt.asUintN(32, v))) as unknown as Vector;
  for (const [immediate, x, y] of [[0x00, a[0], b[0]], [0x01, a[1], b[0]], [0x10, a[0], b[1]], [0x11, a[1], b[1]], [0xee, a[0], b[0]]] as const) {
    let product = 0n;
    for (let i = 0n; i < 64n; i++) if ((y! >> i) & 1n) product ^= x! << i;
    putXmm(m, 0, split(a[0]!, a[1]!));
    putXmm(m, 1, split(b[0]!, b[1]!));
    execute(m, [0x66, 0x0f, 0x3a, 0x44, 0xc1, immediate]);
    assert.equal(xmm(m, 0), split(product, product >> 64n), `immediate ${immediate}`);
  }
});

/** One instruction of the SHA extensions on xmm1 and xmm2, with xmm0 as it may want. */
function sha(m: BareMachine, code: number[], a: Vector, b: Vector, implied: Vector = [0, 0, 0, 0]): Vector {
  putXmm(m, 0, implied);
  putXmm(m, 1, a);
  putXmm(m, 2, b);
  execute(m, code);
  return xmm(m, 1);
}

const zip = (a: Vector, b: Vector, f: (x: number, y: number) => number) => a.map((x, i) => f(x, b[i]!) >>> 0) as unknown as Vector;
const add = (a: Vector, b: Vector) => zip(a, b, (x, y) => x + y);
const reversed = (v: Vector) => [...v].reverse() as unknown as Vector;
const digest = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join("");

/** The one block that a message of fewer than 56 bytes is padded to, as four vectors of big-endian words. */
function block(message: string): Vector[] {
  const bytes = new Uint8Array(64);
  bytes.set(new TextEncoder().encode(message));
  bytes[message.length] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setUint32(60, message.length * 8);
  return [0, 16, 32, 48].map((at) => [0, 4, 8, 12].map((i) => view.getUint32(at + i)) as unknown as Vector);
}

const MESSAGE = "The quick brown fox jumps over the lazy dog";

test("SHA1RNDS4, SHA1NEXTE, SHA1MSG1 and SHA1MSG2 make SHA-1", async () => {
  const m = await BareMachine.create();
  const op = (last: number) => [0x0f, 0x38, last, 0xca];
  const w = block(MESSAGE).map(reversed);
  let abcd: Vector = reversed([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]);
  const first = abcd;
  const e: Vector = [0, 0, 0, 0xc3d2e1f0];
  let before = abcd;
  for (let i = 0; i < 20; i++) {
    if (i > 3) w.push(sha(m, op(0xca), zip(sha(m, op(0xc9), w[i - 4]!, w[i - 3]!), w[i - 2]!, (x, y) => x ^ y), w[i - 1]!));
    const we = i === 0 ? add(w[0]!, e) : sha(m, op(0xc8), before, w[i]!);
    before = abcd;
    abcd = sha(m, [0x0f, 0x3a, 0xcc, 0xca, Math.floor(i / 5)], abcd, we);
  }
  const last = sha(m, op(0xc8), before, e)[3];
  assert.is(digest([...reversed(add(abcd, first)), last]), createHash("sha1").update(MESSAGE).digest("hex"));
});

test("SHA256RNDS2, SHA256MSG1 and SHA256MSG2 make SHA-256", async () => {
  const m = await BareMachine.create();
  const primes = Array.from({ length: 312 }, (_, n) => n).filter((n) => n > 1 && ![2, 3, 5, 7, 11, 13, 17].some((p) => n > p && n % p === 0));
  const fraction = (x: number) => Math.floor((x % 1) * 2 ** 32) >>> 0;
  const constants = primes.slice(0, 64).map((p) => fraction(Math.cbrt(p)));
  const h = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
  const op = (last: number) => [0x0f, 0x38, last, 0xca];
  const w = block(MESSAGE);
  const [a, b, c, d, e, f, g, hh] = h as [number, number, number, number, number, number, number, number];
  let abef: Vector = [f, e, b, a];
  let cdgh: Vector = [hh, g, d, c];
  for (let i = 0; i < 16; i++) {
    if (i > 3) {
      const [, x, y, z] = w[i - 2]!;
      w.push(sha(m, op(0xcd), add(sha(m, op(0xcc), w[i - 4]!, w[i - 3]!), [x, y, z, w[i - 1]![0]]), w[i - 1]!));
    }
    const wk = add(w[i]!, constants.slice(4 * i, 4 * i + 4) as unknown as Vector);
    cdgh = sha(m, op(0xcb), cdgh, abef, wk);
    abef = sha(m, op(0xcb), abef, cdgh, [wk[2], wk[3], 0, 0]);
  }
  const words = [abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]].map((word, i) => (word + h[i]!) >>> 0);
  assert.is(digest(words), createHash("sha256").update(MESSAGE).digest("hex"));
});

test("they are #UD under a prefix that the row does not have, and #GP on an operand that is not aligned", async () => {
  const m = await BareMachine.create();
  const vectorOf = (code: number[]) => {
    m.user([...code, HLT]);
    m.setReg(0, USER_DATA + 8); // rax
    m.run();
    return m.haltedIn;
  };
  for (const prefix of [[], [0xf2], [0xf3]]) assert.is(vectorOf([...prefix, 0x0f, 0x38, 0xdc, 0xc1]), VECTOR_UD, "AESENC");
  for (const prefix of [[0x66], [0xf2], [0xf3]]) assert.is(vectorOf([...prefix, 0x0f, 0x38, 0xcc, 0xc1]), VECTOR_UD, "SHA256MSG1");
  for (const code of [[0x66, 0x0f, 0x38, 0xdc, 0x00], [0x66, 0x0f, 0x3a, 0x44, 0x00, 0]]) {
    assert.is(vectorOf(code), VECTOR_GP);
    assert.is(m.frame(true).rip, 0x100000n);
  }
});

test.run();
