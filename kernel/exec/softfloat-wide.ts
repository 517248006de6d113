// 64 x 64 -> 128 multiplication, 128 / 64 division and the 64-bit root, as the significands of softfloat-*.ts need them.

/** High half of the last product; remainder of the last division. */
export let wideHi: u64 = 0;
export let wideRemainder: u64 = 0;

/** Low half of a*b; the high half is left in `wideHi`. */
export function multiplyWide(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff;
  const a1 = a >> 32;
  const b0 = b & 0xffffffff;
  const b1 = b >> 32;
  const p00 = a0 * b0;
  const p01 = a0 * b1;
  const p10 = a1 * b0;
  const middle = p10 + (p00 >> 32) + (p01 & 0xffffffff);
  wideHi = a1 * b1 + (middle >> 32) + (p01 >> 32);
  return (middle << 32) | (p00 & 0xffffffff);
}

/** One quotient digit in base 2^32 of (hi * 2^32 + digit) / d, where hi < d and d has bit 63 set (Knuth Vol. 2 4.3.1 D). */
function divideDigit(hi: u64, digit: u64, d: u64): u64 {
  const dHi = d >> 32;
  const dLo = d & 0xffffffff;
  let q = hi / dHi;
  let r = hi - q * dHi;
  while (q > 0xffffffff || q * dLo > ((r << 32) | digit)) {
    q -= 1;
    r += dHi;
    if (r > 0xffffffff) break;
  }
  wideRemainder = ((hi << 32) | digit) - q * d;
  return q;
}

/** (hi * 2^64 + lo) / d for hi < d and bit 63 of d set; the remainder is left in `wideRemainder`. */
export function divideWide(hi: u64, lo: u64, d: u64): u64 {
  const q1 = divideDigit(hi, lo >> 32, d);
  const q0 = divideDigit(wideRemainder, lo & 0xffffffff, d);
  return (q1 << 32) | q0;
}

/** floor(sqrt(hi * 2^64 + lo)) for hi >= 2^62. */
export function rootWide(hi: u64, lo: u64): u64 {
  // 53 good bits from the host's root, one Newton step, then the last unit by comparison.
  const estimate = Math.sqrt(f64(hi)) * 4294967296.0;
  let r = estimate >= 18446744073709549568.0 ? ~(0 as u64) : u64(estimate);
  if (r > hi) {
    const q = divideWide(hi, lo, r);
    const sum = r + q;
    r = (sum >> 1) | (sum < r ? 0x8000000000000000 : 0);
  }
  while (true) {
    const low = multiplyWide(r, r);
    if (wideHi < hi || (wideHi == hi && low <= lo)) break;
    r -= 1;
  }
  while (r != ~(0 as u64)) {
    const low = multiplyWide(r + 1, r + 1);
    if (wideHi > hi || (wideHi == hi && low > lo)) break;
    r += 1;
  }
  return r;
}
