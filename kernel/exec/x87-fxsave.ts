// FXSAVE and FXRSTOR (SDM Vol. 1 10.5, table 10-2). Called from exec(); they neither wait nor report pending exceptions.
//
//     0  FCW   2  FSW   4  FTW (abridged)   6  FOP    8  FIP (64-bit form: 8 bytes; else 4, then FCS)   16  FDP, likewise FDS
//    24  MXCSR    28  MXCSR_MASK
//    32  8 x 16  ST(0)..ST(7), 10 bytes each used
//   160  16 x 16 XMM0..XMM15 (outside 64-bit mode the first eight)
//   416..511     not written

import { CPU_BLOCK } from "../abi/layout";
import { CR4, FCS, FCW, FDP, FDS, FIP, FOP, FSW, FTW, MODE_64, MXCSR, XMM } from "../abi/state";
import { CR4_OSFXSR } from "../abi/bits";
import { faulted, raiseGP } from "../cpu/fault";
import { isAmd, isCanonical, mode } from "../cpu/state";
import { ea, opsize } from "../decode/uop";
import { probeRead, probeWrite, readMem, writeMem } from "../mmu/access";
import { alignedOrFault } from "../system/alignment";
import { mxcsrChanged } from "./sse-fast-path";
import { MXCSR_MASK } from "./sse-state";
import { setFcw } from "./x87-control";
import { FSW_ES, fsw, setFsw, st, summarise } from "./x87-state";

function xmmCount(): u32 {
  if ((load<u64>(CPU_BLOCK, CR4) & CR4_OSFXSR) == 0) return 0;
  return mode() == MODE_64 ? 16 : 8;
}

/**
 * #GP(0) unless at a multiple of 16; an address that is not canonical is left to the probe, for which it may be #SS(0). Where alignment
 * is checked, AMD's chips raise #AC first if it is not a multiple of 4 either.
 */
function areaAligned(at: u64): bool {
  if ((at & 15) == 0 || !isCanonical(at)) return true;
  if (isAmd() && !alignedOrFault(at, 4)) return false;
  raiseGP(0);
  return false;
}

/** The x87 part of the image, which XSAVE has too. @param wide FIP and FDP have 64 bits, and no selectors */
export function storeX87(at: u64, wide: bool): void {
  writeMem<u16>(at, load<u16>(CPU_BLOCK, FCW));
  writeMem<u16>(at + 2, load<u16>(CPU_BLOCK, FSW));
  writeMem<u16>(at + 4, load<u8>(CPU_BLOCK, FTW));
  // AMD's pointers are those of the pending unmasked exception, and 0 without one (APM Vol. 5, FXSAVE).
  const pointers = !isAmd() || (fsw() & FSW_ES) != 0;
  writeMem<u16>(at + 6, pointers ? load<u16>(CPU_BLOCK, FOP) : 0);
  if (wide) {
    writeMem<u64>(at + 8, pointers ? load<u64>(CPU_BLOCK, FIP) : 0);
    writeMem<u64>(at + 16, pointers ? load<u64>(CPU_BLOCK, FDP) : 0);
  } else {
    writeMem<u32>(at + 8, pointers ? load<u32>(CPU_BLOCK, FIP) : 0);
    writeMem<u32>(at + 12, pointers ? load<u16>(CPU_BLOCK, FCS) : 0);
    writeMem<u32>(at + 16, pointers ? load<u32>(CPU_BLOCK, FDP) : 0);
    writeMem<u32>(at + 20, pointers ? load<u16>(CPU_BLOCK, FDS) : 0);
  }
  for (let i: u32 = 0; i < 8; i++) {
    writeMem<u64>(at + 32 + i * 16, load<u64>(st(i)));
    writeMem<u64>(at + 40 + i * 16, load<u16>(st(i), 8));
  }
}

export function FXSAVE(u: usize): void {
  const at = ea(u);
  if (!areaAligned(at) || !probeWrite(at, 512)) return;
  storeX87(at, opsize(u) == 8);
  writeMem<u32>(at + 24, load<u32>(CPU_BLOCK, MXCSR));
  writeMem<u32>(at + 28, MXCSR_MASK);
  const count = xmmCount();
  for (let i: u32 = 0; i < count; i++) writeMem<v128>(at + 160 + i * 16, v128.load(CPU_BLOCK + XMM + (i << 4)));
}

/** The caller has probed the bytes. */
export function loadX87(at: u64, wide: bool): void {
  setFcw(readMem<u16>(at));
  setFsw(readMem<u16>(at + 2));
  summarise();
  store<u8>(CPU_BLOCK, readMem<u8>(at + 4), FTW);
  store<u16>(CPU_BLOCK, readMem<u16>(at + 6) & 0x7ff, FOP);
  if (wide) {
    // The chip keeps 48 bits of FIP.
    store<u64>(CPU_BLOCK, ((readMem<u64>(at + 8) as i64) << 16) >> 16, FIP);
    store<u64>(CPU_BLOCK, readMem<u64>(at + 16), FDP);
  } else {
    store<u64>(CPU_BLOCK, readMem<u32>(at + 8), FIP);
    store<u64>(CPU_BLOCK, readMem<u32>(at + 16), FDP);
  }
  for (let i: u32 = 0; i < 8; i++) {
    store<u64>(st(i), readMem<u64>(at + 32 + i * 16));
    store<u16>(st(i), readMem<u16>(at + 40 + i * 16), 8);
  }
}

export function FXRSTOR(u: usize): void {
  const at = ea(u);
  if (!areaAligned(at) || !probeRead(at, 512)) return;
  const mxcsr = readMem<u32>(at + 24);
  if (faulted) return;
  if ((mxcsr & ~MXCSR_MASK) != 0) {
    raiseGP(0);
    return;
  }
  loadX87(at, opsize(u) == 8);
  store<u32>(CPU_BLOCK, mxcsr, MXCSR);
  mxcsrChanged();
  const count = xmmCount();
  for (let i: u32 = 0; i < count; i++) v128.store(CPU_BLOCK + XMM + (i << 4), readMem<v128>(at + 160 + i * 16));
}
