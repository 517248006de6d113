// The state components that XSAVE manages (SDM Vol. 1 13.5 and 13.6): which of them are in use, and how each is stored, loaded and put
// into its initial configuration. Components are numbered as in XCR0: x87, SSE (XMM and MXCSR), AVX (the upper halves of YMM).
// Called from xsave.ts, and by XGETBV from control-registers.ts.

import { CPU_BLOCK } from "../abi/layout";
import { FCW, FDP, FIP, FOP, FSW, FTW, MODE_64, MXCSR, ST, XMM, YMM_HIGH } from "../abi/state";
import { XCR0_AVX, XCR0_SSE, XCR0_X87 } from "../abi/bits";
import { mode } from "../cpu/state";
import { readMem, writeMem } from "../mmu/access";

const FCW_INITIAL: u32 = 0x37f;
/** Where the XMM registers stand in the legacy region, and AVX in the standard form. */
const AT_XMM: u64 = 160;
export const AT_AVX: u64 = 576;

/** Outside 64-bit mode only the first eight exist. */
function vectorRegisters(): u32 {
  return mode() == MODE_64 ? 16 : 8;
}

function anySet(at: usize, bytes: usize): bool {
  let any = i64x2.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) any = v128.or(any, v128.load(at + i));
  return v128.any_true(any);
}

function x87InUse(): bool {
  return load<u16>(CPU_BLOCK, FCW) != FCW_INITIAL || load<u16>(CPU_BLOCK, FSW) != 0 || load<u8>(CPU_BLOCK, FTW) != 0
    || load<u16>(CPU_BLOCK, FOP) != 0 || load<u64>(CPU_BLOCK, FIP) != 0 || load<u64>(CPU_BLOCK, FDP) != 0 || anySet(CPU_BLOCK + ST, 128);
}

/** XINUSE: the components that are not in their initial configuration. MXCSR does not count. */
export function componentsInUse(): u64 {
  const bytes = <usize>vectorRegisters() * 16;
  return (x87InUse() ? XCR0_X87 : 0) | (anySet(CPU_BLOCK + XMM, bytes) ? XCR0_SSE : 0) | (anySet(CPU_BLOCK + YMM_HIGH, bytes) ? XCR0_AVX : 0);
}

export const MXCSR_INITIAL: u32 = 0x1f80;

/** The same for XSAVEC and XGETBV, for which MXCSR is part of SSE (SDM Vol. 1 13.10; XGETBV as a Zen 5 has it). */
export function componentsInUseWithMxcsr(): u64 {
  return componentsInUse() | (load<u32>(CPU_BLOCK, MXCSR) != MXCSR_INITIAL ? XCR0_SSE : 0);
}

export function initialiseX87(): void {
  store<u16>(CPU_BLOCK, FCW_INITIAL, FCW);
  store<u16>(CPU_BLOCK, 0, FSW);
  store<u8>(CPU_BLOCK, 0, FTW);
  store<u16>(CPU_BLOCK, 0, FOP);
  store<u64>(CPU_BLOCK, 0, FIP);
  store<u64>(CPU_BLOCK, 0, FDP);
  memory.fill(CPU_BLOCK + ST, 0, 128);
}

function storeVectors(from: usize, at: u64): void {
  const count = vectorRegisters();
  for (let i: u32 = 0; i < count; i++) writeMem<v128>(at + i * 16, v128.load(from + (i << 4)));
}

function loadVectors(to: usize, at: u64): void {
  const count = vectorRegisters();
  for (let i: u32 = 0; i < count; i++) v128.store(to + (i << 4), readMem<v128>(at + i * 16));
}

function clearVectors(at: usize): void {
  memory.fill(at, 0, <usize>vectorRegisters() * 16);
}

export function storeXmm(area: u64): void {
  storeVectors(CPU_BLOCK + XMM, area + AT_XMM);
}

export function loadXmm(area: u64): void {
  loadVectors(CPU_BLOCK + XMM, area + AT_XMM);
}

export function initialiseXmm(): void {
  clearVectors(CPU_BLOCK + XMM);
}

export function storeAvx(area: u64): void {
  storeVectors(CPU_BLOCK + YMM_HIGH, area + AT_AVX);
}

export function loadAvx(area: u64): void {
  loadVectors(CPU_BLOCK + YMM_HIGH, area + AT_AVX);
}

export function initialiseAvx(): void {
  clearVectors(CPU_BLOCK + YMM_HIGH);
}
