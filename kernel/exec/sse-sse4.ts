// SSE4.1 and SSE4.2 without the string instructions (SDM Vol. 1 5.10, 5.11.2). Called from exec() with the operands fetched.

import { CPU_BLOCK } from "../abi/layout";
import { FLAG_CF, FLAG_ZF } from "../abi/bits";
import { MXCSR, XMM } from "../abi/state";
import { faulted } from "../cpu/fault";
import { isAmd } from "../cpu/state";
import { setArithmeticFlags } from "../cpu/flags";
import { f32RoundToInt, f64RoundToInt } from "./softfloat-sse";
import { beginSse, endSse, full32x4, full64x2, OPERATION_ADD, OPERATION_MUL } from "./sse-float";

// --- blend

/** All-ones lanes where the bit of `i` is set, bit 0 for the lowest lane. */
function mask32x4(i: u64): v128 {
  const bits = i32x4(1, 2, 4, 8);
  return i32x4.eq(v128.and(i32x4.splat(<i32>i), bits), bits);
}

function mask64x2(i: u64): v128 {
  const bits = i64x2(1, 2);
  return i64x2.eq(v128.and(i64x2.splat(i), bits), bits);
}

function mask16x8(i: u64): v128 {
  const bits = i16x8(1, 2, 4, 8, 16, 32, 64, 128);
  return i16x8.eq(v128.and(i16x8.splat(<i16>i), bits), bits);
}

export function BLENDPS(a: v128, b: v128, i: u64): v128 {
  return v128.bitselect(b, a, mask32x4(i));
}

export function BLENDPD(a: v128, b: v128, i: u64): v128 {
  return v128.bitselect(b, a, mask64x2(i));
}

export function PBLENDW(a: v128, b: v128, i: u64): v128 {
  return v128.bitselect(b, a, mask16x8(i));
}

/** The third operand of the BLENDV instructions is XMM0. */
function xmm0(): v128 {
  return v128.load(CPU_BLOCK, XMM);
}

export function BLENDVPS(a: v128, b: v128): v128 {
  return v128.bitselect(b, a, i32x4.shr_s(xmm0(), 31));
}

export function BLENDVPD(a: v128, b: v128): v128 {
  return v128.bitselect(b, a, i64x2.shr_s(xmm0(), 63));
}

export function PBLENDVB(a: v128, b: v128): v128 {
  return v128.bitselect(b, a, i8x16.shr_s(xmm0(), 7));
}

// --- dot product: products of the lanes in bits 7..4, pairwise sums, the result in the lanes of bits 3..0. Every lane makes
// the whole sum; the order of each addition, which decides between two NaNs, is a Xeon's, or for AMD a Zen 5's: the lower lane first.

export function DPPS(a: v128, b: v128, i: u64): v128 {
  const taken = mask32x4(i >> 4);
  const products = full32x4(OPERATION_MUL, v128.and(a, taken), v128.and(b, taken));
  if (faulted) return a;
  if (isAmd()) {
    const pairs = full32x4(OPERATION_ADD, v128.shuffle<u32>(products, products, 0, 0, 2, 2), v128.shuffle<u32>(products, products, 1, 1, 3, 3));
    if (faulted) return a;
    return v128.and(full32x4(OPERATION_ADD, v128.shuffle<u32>(pairs, pairs, 0, 0, 0, 0), v128.shuffle<u32>(pairs, pairs, 2, 2, 2, 2)), mask32x4(i));
  }
  const sums = full32x4(OPERATION_ADD, v128.shuffle<u32>(products, products, 1, 0, 3, 2), products);
  if (faulted) return a;
  const sum = full32x4(OPERATION_ADD, sums, v128.shuffle<u32>(sums, sums, 2, 3, 0, 1));
  return v128.and(sum, mask32x4(i));
}

export function DPPD(a: v128, b: v128, i: u64): v128 {
  const taken = mask64x2(i >> 4);
  const products = full64x2(OPERATION_MUL, v128.and(a, taken), v128.and(b, taken));
  if (faulted) return a;
  const low = isAmd() ? v128.shuffle<u64>(products, products, 0, 0) : products;
  const high = isAmd() ? v128.shuffle<u64>(products, products, 1, 1) : v128.shuffle<u64>(products, products, 1, 0);
  const sum = full64x2(OPERATION_ADD, low, high);
  return v128.and(sum, mask64x2(i));
}

// --- rounding to an integer in floating point: bit 3 keeps PE, bit 2 takes the mode from MXCSR, else bits 1..0 have it

function roundingOf(i: u64): u32 {
  return i & 4 ? (load<u32>(CPU_BLOCK, MXCSR) >> 13) & 3 : <u32>i & 3;
}

export function ROUNDSD(b: f64, i: u64): f64 {
  beginSse();
  const r = f64RoundToInt(reinterpret<u64>(b), roundingOf(i), (i & 8) != 0);
  endSse(0);
  return reinterpret<f64>(r);
}

export function ROUNDSS(b: f32, i: u64): f32 {
  beginSse();
  const r = f32RoundToInt(reinterpret<u32>(b), roundingOf(i), (i & 8) != 0);
  endSse(0);
  return reinterpret<f32>(r);
}

export function ROUNDPD(b: v128, i: u64): v128 {
  const rounding = roundingOf(i);
  const quiet = (i & 8) != 0;
  beginSse();
  const r0 = f64RoundToInt(i64x2.extract_lane(b, 0), rounding, quiet);
  const r1 = f64RoundToInt(i64x2.extract_lane(b, 1), rounding, quiet);
  endSse(0);
  return i64x2.replace_lane(i64x2.splat(r0), 1, r1);
}

export function ROUNDPS(b: v128, i: u64): v128 {
  const rounding = roundingOf(i);
  const quiet = (i & 8) != 0;
  beginSse();
  let r = i32x4.splat(f32RoundToInt(i32x4.extract_lane(b, 0), rounding, quiet));
  r = i32x4.replace_lane(r, 1, f32RoundToInt(i32x4.extract_lane(b, 1), rounding, quiet));
  r = i32x4.replace_lane(r, 2, f32RoundToInt(i32x4.extract_lane(b, 2), rounding, quiet));
  r = i32x4.replace_lane(r, 3, f32RoundToInt(i32x4.extract_lane(b, 3), rounding, quiet));
  endSse(0);
  return r;
}

// --- insert and extract

/** The byte `place` and those after it, as a quadword. */
function bytesFrom(b: v128, place: u32): u64 {
  return i64x2.extract_lane(v128.swizzle(b, i8x16.add(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>place))), 0);
}

export function PEXTRB(b: v128, i: u64): u32 {
  return <u32>bytesFrom(b, <u32>i & 15) & 0xff;
}

export function PEXTRB_STORE(b: v128, i: u64): u8 {
  return <u8>bytesFrom(b, <u32>i & 15);
}

export function PEXTRW_STORE(b: v128, i: u64): u16 {
  return <u16>bytesFrom(b, (<u32>i & 7) << 1);
}

export function PEXTRD<T>(b: v128, i: u64): T {
  return sizeof<T>() == 8 ? <T>bytesFrom(b, (<u32>i & 1) << 3) : <T>bytesFrom(b, (<u32>i & 3) << 2);
}

export function EXTRACTPS(b: v128, i: u64): u32 {
  return <u32>bytesFrom(b, (<u32>i & 3) << 2);
}

export function PINSRB(a: v128, b: u8, i: u64): v128 {
  const place = i8x16.eq(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>(i & 15)));
  return v128.bitselect(i8x16.splat(<i8>b), a, place);
}

export function PINSRD<T>(a: v128, b: T, i: u64): v128 {
  if (sizeof<T>() == 8) return i & 1 ? i64x2.replace_lane(a, 1, <i64>b) : i64x2.replace_lane(a, 0, <i64>b);
  return v128.bitselect(i32x4.splat(<i32>b), a, i32x4.eq(i32x4(0, 1, 2, 3), i32x4.splat(<i32>(i & 3))));
}

/** Bits 7..6 select b's lane, 5..4 where it goes, 3..0 which lanes become zero. */
export function INSERTPS(a: v128, b: v128, i: u64): v128 {
  return INSERTPS_LOAD(a, <u32>bytesFrom(b, (<u32>i >> 6 & 3) << 2), i);
}

export function INSERTPS_LOAD(a: v128, b: u32, i: u64): v128 {
  return v128.andnot(PINSRD<u32>(a, b, i >> 4), mask32x4(i));
}

// --- packed integers

export function PMULDQ(a: v128, b: v128): v128 {
  return i64x2.extmul_low_i32x4_s(v128.shuffle<u32>(a, a, 0, 2, 0, 2), v128.shuffle<u32>(b, b, 0, 2, 0, 2));
}

export function PMULLD(a: v128, b: v128): v128 {
  return i32x4.mul(a, b);
}

export function PACKUSDW(a: v128, b: v128): v128 {
  return i16x8.narrow_i32x4_u(a, b);
}

export function PCMPEQQ(a: v128, b: v128): v128 {
  return i64x2.eq(a, b);
}

export function PCMPGTQ(a: v128, b: v128): v128 {
  return i64x2.gt_s(a, b);
}

export function PMINSB(a: v128, b: v128): v128 {
  return i8x16.min_s(a, b);
}

export function PMAXSB(a: v128, b: v128): v128 {
  return i8x16.max_s(a, b);
}

export function PMINUW(a: v128, b: v128): v128 {
  return i16x8.min_u(a, b);
}

export function PMAXUW(a: v128, b: v128): v128 {
  return i16x8.max_u(a, b);
}

export function PMINSD(a: v128, b: v128): v128 {
  return i32x4.min_s(a, b);
}

export function PMAXSD(a: v128, b: v128): v128 {
  return i32x4.max_s(a, b);
}

export function PMINUD(a: v128, b: v128): v128 {
  return i32x4.min_u(a, b);
}

export function PMAXUD(a: v128, b: v128): v128 {
  return i32x4.max_u(a, b);
}

export function PMOVSXBW(b: u64): v128 {
  return i16x8.extend_low_i8x16_s(i64x2.splat(b));
}

export function PMOVSXBD(b: u32): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(i32x4.splat(b)));
}

export function PMOVSXBQ(b: u16): v128 {
  return i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(i16x8.splat(<i16>b))));
}

export function PMOVSXWD(b: u64): v128 {
  return i32x4.extend_low_i16x8_s(i64x2.splat(b));
}

export function PMOVSXWQ(b: u32): v128 {
  return i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(i32x4.splat(b)));
}

export function PMOVSXDQ(b: u64): v128 {
  return i64x2.extend_low_i32x4_s(i64x2.splat(b));
}

export function PMOVZXBW(b: u64): v128 {
  return i16x8.extend_low_i8x16_u(i64x2.splat(b));
}

export function PMOVZXBD(b: u32): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(i32x4.splat(b)));
}

export function PMOVZXBQ(b: u16): v128 {
  return i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(i16x8.splat(<i16>b))));
}

export function PMOVZXWD(b: u64): v128 {
  return i32x4.extend_low_i16x8_u(i64x2.splat(b));
}

export function PMOVZXWQ(b: u32): v128 {
  return i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(i32x4.splat(b)));
}

export function PMOVZXDQ(b: u64): v128 {
  return i64x2.extend_low_i32x4_u(i64x2.splat(b));
}

/** Sum of the absolute differences of the four bytes with the window's first four. */
function differencesFrom(window: u64, four: u32): u32 {
  let sum: u32 = 0;
  for (let n = 0; n < 32; n += 8) {
    const x = <i32>(window >> n) & 0xff;
    const y = <i32>(four >> n) & 0xff;
    sum += abs<i32>(x - y);
  }
  return sum;
}

/** Eight sums of four differences: b's bytes from 4 * i[1:0], a's sliding window from 4 * i[2]. */
export function MPSADBW(a: v128, b: v128, i: u64): v128 {
  const four = <u32>bytesFrom(b, (<u32>i & 3) << 2);
  const start = <u32>i & 4;
  let low: u64 = 0;
  let high: u64 = 0;
  for (let k: u32 = 0; k < 4; k++) {
    low |= <u64>differencesFrom(bytesFrom(a, start + k), four) << (k << 4);
    high |= <u64>differencesFrom(bytesFrom(a, start + 4 + k), four) << (k << 4);
  }
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

/** The least word, and in bits 18..16 the first place where it stands. */
export function PHMINPOSUW(b: v128): v128 {
  let least: u64 = 0xffff;
  let place: u64 = 0;
  for (let k: u32 = 0; k < 8; k++) {
    const word = bytesFrom(b, k << 1) & 0xffff;
    if (word >= least) continue;
    least = word;
    place = k;
  }
  return i64x2.replace_lane(i64x2.splat(0), 0, least | (place << 16));
}

/** ZF = a & b is zero, CF = ~a & b is zero; OF SF AF PF = 0. */
export function PTEST(a: v128, b: v128): void {
  const none = v128.any_true(v128.and(a, b)) ? 0 : FLAG_ZF;
  const within = v128.any_true(v128.andnot(b, a)) ? 0 : FLAG_CF;
  setArithmeticFlags(none | within);
}

/** What four bits that leave a CRC-32C (polynomial 0x1edc6f41, bit-reversed) at its low end put back into it. */
const CRC_OF_NIBBLE: usize = memory.data<u32>([
  0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
  0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
], 4);

/** CRC-32C of the accumulator and the operand's bytes. */
export function CRC32<T>(a: u32, b: T): u32 {
  let crc: u64 = <u64>a ^ <u64>b;
  for (let n = 0; n < sizeof<T>() * 2; n++) crc = (crc >> 4) ^ load<u32>(CRC_OF_NIBBLE + ((<usize>crc & 15) << 2));
  return <u32>crc;
}

export function CRC32_BYTE(a: u32, b: u8): u32 {
  return CRC32<u8>(a, b);
}
