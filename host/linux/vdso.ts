// The vDSO in guest RAM: one copy of its image and one vvar page for all processes, mapped into each at exec
// (Linux arch/x86/entry/vdso/vma.c). Called from kernel.ts once and from exec.ts for each program.

import type { PhysMemory } from "../machine/phys-memory";
import { VDSO_ALTERNATIVES, VDSO_IMAGE } from "../../build/vdso-image";
import type { Layout } from "./aslr";
import type { Frames } from "./frames";
import type { Mm } from "./mm";
import type { MappableFile, PageCache } from "./page-cache";
import { MAP_PRIVATE, PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } from "./uapi-mman";
import type { SpecialMapping } from "./vma";
import { Vvar } from "./vvar";
import { VVAR_PAGES } from "./vvar-layout";

/** A debugger may have its breakpoints in the vDSO, in a copy of the page; the vvar page is nobody's to write or execute. */
const vdsoMapping: SpecialMapping = { name: "[vdso]", mayProt: PROT_READ | PROT_WRITE | PROT_EXEC };
const vvarMapping: SpecialMapping = { name: "[vvar]", mayProt: PROT_READ };

/** linux-vdso.so.1 as a CPU with `features` gets it: a well-formed ELF shared object, whole pages. */
export function vdsoImage(features: ReadonlySet<string> = new Set()): Uint8Array {
  const image = Uint8Array.from(atob(VDSO_IMAGE), (char) => char.charCodeAt(0));
  for (const { feature, offset, bytes } of VDSO_ALTERNATIVES) if (features.has(feature)) image.set(bytes, offset);
  return image;
}

export class Vdso {
  readonly vvar: Vvar;
  private readonly image: Uint8Array;
  private readonly code: PageCache;
  private readonly data: PageCache;
  private readonly vvarFrame: number;

  /** Throws OutOfMemory. @param features of CPUID, by their names in kernel/abi/cpuid-features.ts */
  constructor(
    frames: Frames,
    private readonly phys: PhysMemory,
    features: ReadonlySet<string>,
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
    const vvarLength = VVAR_PAGES * PAGE_SIZE;
    const length = vvarLength + this.image.length;
    const start = mm.unmappedArea(layout.vdso(startStack, length), length);
    const base = start + vvarLength;
    mm.mapAt(base, { length: this.image.length, prot: PROT_READ | PROT_EXEC, flags: MAP_PRIVATE, backing: this.code, special: vdsoMapping });
    mm.mapAt(start, { length: vvarLength, prot: PROT_READ, flags: MAP_PRIVATE, backing: this.data, special: vvarMapping });
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
