// Logical instructions (SDM Vol. 1 5.1.4) and TEST.

import { flagsLogic } from "../cpu/flags";

export function AND<T>(a: T, b: T): T {
  const r: T = a & b;
  flagsLogic<T>(r);
  return r;
}

export function OR<T>(a: T, b: T): T {
  const r: T = a | b;
  flagsLogic<T>(r);
  return r;
}

export function XOR<T>(a: T, b: T): T {
  const r: T = a ^ b;
  flagsLogic<T>(r);
  return r;
}

export function NOT<T>(a: T): T {
  return ~a;
}

export function TEST<T>(a: T, b: T): void {
  const r: T = a & b;
  flagsLogic<T>(r);
}
