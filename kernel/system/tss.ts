// The 64-bit task-state segment: stacks of the inner levels and the I/O permission bitmap (SDM Vol. 3A 7.7, figure 7-11).
//
//   0x00  +------------------+
//         | reserved         |
//   0x04  | RSP0             |  8 bytes each, not aligned
//   0x0c  | RSP1             |
//   0x14  | RSP2             |
//   0x1c  | reserved         |
//   0x24  | IST1 .. IST7     |  7 x 8 bytes
//   0x5c  | reserved         |
//   0x66  | I/O map base     |  u16
//   0x68  +------------------+

import { SEG_TR } from "../abi/state";
import { VECTOR_TS } from "../abi/vectors";
import { readSystem } from "../mmu/access";
import { faulted, raiseSelector } from "../cpu/fault";
import { segAttributes, segBase, segLimit, segSelector } from "../cpu/state";
import { ATTR_UNUSABLE } from "./segments";

const TSS_RSP0: u32 = 0x04;
const TSS_IST1: u32 = 0x24;
const TSS_IO_MAP: u32 = 0x66;

/** Stack pointer for a switch to `level`, or of IST entry `ist` (1-7) when it is not 0. #TS(TSS) past the limit. Check `faulted`. */
export function tssStack(level: u32, ist: u32): u64 {
  const at = ist ? TSS_IST1 + 8 * (ist - 1) : TSS_RSP0 + 8 * level;
  if ((segAttributes(SEG_TR) & ATTR_UNUSABLE) || at + 7 > segLimit(SEG_TR)) {
    raiseSelector(VECTOR_TS, segSelector(SEG_TR) & 0xfffc);
    return 0;
  }
  return readSystem<u64>(segBase(SEG_TR) + at);
}

/**
 * True if the I/O permission bitmap grants `bytes` ports from `port` on (SDM Vol. 1 18.5.2). Two bytes are always read,
 * so the bitmap must be followed by one more byte within the limit. False also after a page fault: check `faulted`.
 */
export function ioPermitted(port: u32, bytes: u32): bool {
  const limit = segLimit(SEG_TR);
  if ((segAttributes(SEG_TR) & ATTR_UNUSABLE) || TSS_IO_MAP + 1 > limit) return false;
  const base = segBase(SEG_TR);
  const map = <u32>readSystem<u16>(base + TSS_IO_MAP);
  if (faulted) return false;
  const at = map + (port >> 3);
  if (at + 1 > limit) return false;
  const bits = <u32>readSystem<u16>(base + at);
  if (faulted) return false;
  return ((bits >> (port & 7)) & ((1 << bytes) - 1)) == 0;
}
