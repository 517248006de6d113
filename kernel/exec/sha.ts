// SHA extensions (SDM Vol. 1 5.20): rounds and message schedules of SHA-1 and SHA-256. Words in a vector run from the highest
// lane down in SHA-1, from the lowest up in SHA-256's schedule.

import { CPU_BLOCK } from "../abi/layout";
import { XMM } from "../abi/state";

// @ts-ignore: decorator
@inline
function lane(v: v128, n: u8): u32 {
  return n == 0 ? i32x4.extract_lane(v, 0) : n == 1 ? i32x4.extract_lane(v, 1) : n == 2 ? i32x4.extract_lane(v, 2) : i32x4.extract_lane(v, 3);
}

/** Lanes 0 to 3. */
// @ts-ignore: decorator
@inline
function vector(w0: u32, w1: u32, w2: u32, w3: u32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(w0), 1, w1), 2, w2), 3, w3);
}

/** Each word of a vector rotated left. */
// @ts-ignore: decorator
@inline
function rotateLeft(v: v128, n: i32): v128 {
  return v128.or(i32x4.shl(v, n), i32x4.shr_u(v, 32 - n));
}

// @ts-ignore: decorator
@inline
function choose(x: u32, y: u32, z: u32): u32 {
  return (x & y) ^ (~x & z);
}

// @ts-ignore: decorator
@inline
function majority(x: u32, y: u32, z: u32): u32 {
  return (x & y) ^ (x & z) ^ (y & z);
}

/** f and K of SHA-1's four stages of 20 rounds. */
// @ts-ignore: decorator
@inline
function sha1Step(stage: u32, b: u32, c: u32, d: u32): u32 {
  if (stage == 0) return choose(b, c, d) + 0x5a827999;
  if (stage == 1) return (b ^ c ^ d) + 0x6ed9eba1;
  if (stage == 2) return majority(b, c, d) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

/** Four rounds on a = (D, C, B, A); b = four words of the schedule, the last lane's with E added. */
export function SHA1RNDS4(a: v128, b: v128, i: u64): v128 {
  const stage = <u32>i & 3;
  let wa = lane(a, 3);
  let wb = lane(a, 2);
  let wc = lane(a, 1);
  let wd = lane(a, 0);
  let we: u32 = 0;
  for (let n: i32 = 3; n >= 0; n--) {
    const w = n == 3 ? lane(b, 3) : n == 2 ? lane(b, 2) : n == 1 ? lane(b, 1) : lane(b, 0);
    const next = sha1Step(stage, wb, wc, wd) + rotl<u32>(wa, 5) + w + we;
    we = wd;
    wd = wc;
    wc = rotl<u32>(wb, 30);
    wb = wa;
    wa = next;
  }
  return vector(wd, wc, wb, wa);
}

/** E of the next four rounds, from A of four rounds ago, added to the first word of the schedule. */
export function SHA1NEXTE(a: v128, b: v128): v128 {
  return i32x4.replace_lane(b, 3, lane(b, 3) + rotl<u32>(lane(a, 3), 30));
}

export function SHA1MSG1(a: v128, b: v128): v128 {
  return v128.xor(a, v128.shuffle<u32>(b, a, 2, 3, 4, 5));
}

/** The last word needs the first, which is only now made. */
export function SHA1MSG2(a: v128, b: v128): v128 {
  const r = rotateLeft(v128.xor(a, i32x4.replace_lane(v128.shuffle<u32>(b, b, 0, 0, 1, 2), 0, 0)), 1);
  return i32x4.replace_lane(r, 0, lane(r, 0) ^ rotl<u32>(lane(r, 3), 1));
}

/** Two rounds on a = (H, G, D, C) and b = (F, E, B, A), with words and constants added up in XMM0's low lanes. */
export function SHA256RNDS2(a: v128, b: v128): v128 {
  const words = load<u64>(CPU_BLOCK, XMM);
  let wa = lane(b, 3);
  let wb = lane(b, 2);
  let wc = lane(a, 3);
  let wd = lane(a, 2);
  let we = lane(b, 1);
  let wf = lane(b, 0);
  let wg = lane(a, 1);
  let wh = lane(a, 0);
  for (let n = 0; n < 2; n++) {
    const sum = choose(we, wf, wg) + (rotr<u32>(we, 6) ^ rotr<u32>(we, 11) ^ rotr<u32>(we, 25)) + <u32>(n ? words >> 32 : words) + wh;
    const next = sum + majority(wa, wb, wc) + (rotr<u32>(wa, 2) ^ rotr<u32>(wa, 13) ^ rotr<u32>(wa, 22));
    wh = wg;
    wg = wf;
    wf = we;
    we = sum + wd;
    wd = wc;
    wc = wb;
    wb = wa;
    wa = next;
  }
  return vector(wf, we, wb, wa);
}

export function SHA256MSG1(a: v128, b: v128): v128 {
  const w = v128.shuffle<u32>(a, b, 1, 2, 3, 4);
  const sigma = v128.xor(rotateLeft(w, 25), v128.xor(rotateLeft(w, 14), i32x4.shr_u(w, 3)));
  return i32x4.add(a, sigma);
}

// @ts-ignore: decorator
@inline
function sigma1(w: u32): u32 {
  return rotr<u32>(w, 17) ^ rotr<u32>(w, 19) ^ (w >> 10);
}

/** The third and fourth word need the first and second. */
export function SHA256MSG2(a: v128, b: v128): v128 {
  const w16 = lane(a, 0) + sigma1(lane(b, 2));
  const w17 = lane(a, 1) + sigma1(lane(b, 3));
  return vector(w16, w17, lane(a, 2) + sigma1(w16), lane(a, 3) + sigma1(w17));
}
