// The vDSO in guest RAM: one copy of its image and one vvar page for all processes, mapped into each at exec
// (Linux arch/x86/entry/vdso/vma.c). Called from kernel.ts once and from exec.ts for each program.

import type { PhysMemory } from "../machine/phys-memory";
import {
  type Alternative, VDSO_32_ALTERNATIVES, VDSO_32_IMAGE, VDSO_32_SYMBOLS, VDSO_ALTERNATIVES, VDSO_IMAGE,
} from "../../build/vdso-image";
import type { Layout } from "./aslr";
import type { Frames } from "./frames";
import type { Mm } from "./mm";
import type { MappableFile, PageCache } from "./page-cache";
import { MAP_PRIVATE, PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } from "./uapi-mman";
import type { SpecialMapping } from "./vma";
import { Vvar } from "./vvar";
import { VVAR_PAGES } from "./vvar-layout";

const VVAR_LENGTH = VVAR_PAGES * PAGE_SIZE;

/** A debugger may have its breakpoints in the vDSO, in a copy of the page; the vvar page is nobody's to write or execute. */
const vdsoMapping: SpecialMapping = { name: "[vdso]", mayProt: PROT_READ | PROT_WRITE | PROT_EXEC };
const vvarMapping: SpecialMapping = { name: "[vvar]", mayProt: PROT_READ };

/** linux-vdso.so.1 as a CPU with `features` gets it: a well-formed ELF shared object, whole pages. */
export function vdsoImage(features: ReadonlySet<string> = new Set()): Uint8Array {
  return imageOf(VDSO_IMAGE, VDSO_ALTERNATIVES, features);
}

/** linux-gate.so.1, the vDSO of 32-bit programs. @param features "SYSENTER32" or "SYSCALL32": the door that the CPU has for 32-bit code */
export function vdso32Image(features: ReadonlySet<string> = new Set()): Uint8Array {
  return imageOf(VDSO_32_IMAGE, VDSO_32_ALTERNATIVES, features);
}

function imageOf(base64: string, alternatives: readonly Alternative[], features: ReadonlySet<string>): Uint8Array {
  const image = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  for (const { feature, offset, bytes } of alternatives) if (features.has(feature)) image.set(bytes, offset);
  return image;
}

/** A vDSO in an address space: what the auxiliary vector says of it. */
export interface MappedVdso {
  /** Of the ELF header, AT_SYSINFO_EHDR. */
  base: number;
  /** Of a 32-bit one: __kernel_vsyscall, AT_SYSINFO. */
  kernelVsyscall?: number;
}

/** Addresses in a 32-bit vDSO that the kernel itself goes by. */
export interface Vdso32Addresses {
  landingPad: number;
  sigreturn: number;
  rtSigreturn: number;
}

export class Vdso {
  readonly vvar: Vvar;
  private readonly image: Uint8Array;
  private readonly code: PageCache;
  /** The 32-bit image, made when the first 32-bit program is. */
  private code32: PageCache | null = null;
  private readonly data: PageCache;
  private readonly vvarFrame: number;

  /** Throws OutOfMemory. @param features of CPUID, by their names in kernel/abi/cpuid-features.ts */
  constructor(
    private readonly frames: Frames,
    private readonly phys: PhysMemory,
    private readonly features: ReadonlySet<string>,
  ) {
    this.image = vdsoImage(features);
    this.code = frames.cacheOf({ pageCache: null }, contents(this.image));
    this.data = frames.cacheOf({ pageCache: null }, contents(new Uint8Array(PAGE_SIZE)));
    this.vvarFrame = this.data.frame(0);
    // What no process maps may be dropped and read again, but not this page: the kernel holds it.
    phys.get(this.vvarFrame);
    this.vvar = new Vvar(phys, this.vvarFrame);
  }

  /**
   * Maps [vvar] and [vdso] above the stack, or where there is room. Answers the address of the ELF header, AT_SYSINFO_EHDR.
   * @param startStack lowest byte of the stack that is in use
   */
  map(mm: Mm, layout: Layout, startStack: number): number {
    return this.place(mm, this.code, this.image.length, layout.vdso(startStack, VVAR_LENGTH + this.image.length));
  }

  /** Maps [vvar] and the 32-bit [vdso] where mmap would put them, and tells `mm` of its landing pad and the returns from its handlers. */
  map32(mm: Mm): MappedVdso & Vdso32Addresses {
    const image = vdso32Image(this.features);
    this.code32 ??= this.frames.cacheOf({ pageCache: null }, contents(image));
    const base = this.place(mm, this.code32, image.length, 0);
    const at = (symbol: keyof typeof VDSO_32_SYMBOLS): number => base + VDSO_32_SYMBOLS[symbol];
    mm.vdso32 = { landingPad: at("int80_landing_pad"), sigreturn: at("__kernel_sigreturn"), rtSigreturn: at("__kernel_rt_sigreturn") };
    return { base, kernelVsyscall: at("__kernel_vsyscall"), ...mm.vdso32 };
  }

  private place(mm: Mm, code: PageCache, codeLength: number, hint: number): number {
    const length = VVAR_LENGTH + codeLength;
    const start = mm.unmappedArea(hint, length);
    const base = start + VVAR_LENGTH;
    mm.mapAt(base, { length: codeLength, prot: PROT_READ | PROT_EXEC, flags: MAP_PRIVATE, backing: code, special: vdsoMapping });
    mm.mapAt(start, { length: VVAR_LENGTH, prot: PROT_READ, flags: MAP_PRIVATE, backing: this.data, special: vvarMapping });
    return base;
  }

  /** Gives the vvar page back. */
  release(): void {
    this.phys.put(this.vvarFrame);
  }
}

/** Bytes that page frames are filled from; nothing is ever written back to them. */
function contents(bytes: Uint8Array): MappableFile {
  return {
    fileSize: () => bytes.length,
    readAt: (offset, length) => bytes.subarray(offset, offset + length),
    writeAt() {},
  };
}
