// The memory of a task: its VMAs over the page tables that the CPU walks (Linux mm/mmap.c, mprotect.c, mremap.c).
// syscalls/memory.ts checks the arguments and calls; exec.ts builds a new one; fault.ts fills it.

import type { AddressSpace } from "../ring0/address-space";
import { EACCES, EEXIST, EINVAL, ENOMEM, Errno, UserFault } from "./errno";
import { ACCESS_READ, ACCESS_WRITE, faultIn } from "./fault";
import type { Frames } from "./frames";
import { OutOfMemory, type PageCache } from "./page-cache";
import { UserMemory } from "./uaccess";
import {
  MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED, MAX_MAP_COUNT, MMAP_MIN_ADDR, PAGE_SIZE,
  PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE, STACK_GUARD_GAP, TASK_SIZE, TASK_SIZE_32, pageAlign, pageFloor,
  withoutWrite,
} from "./uapi-mman";
import type { Vdso32Addresses } from "./vdso";
import { type MappedFileName, type SpecialMapping, Vma, VmaList } from "./vma";

/** What a new mapping is to be. Addresses and lengths in bytes, on page boundaries. */
export interface MappingRequest {
  length: number;
  prot: number;
  /** MAP_SHARED or MAP_PRIVATE, MAP_GROWSDOWN, MAP_NORESERVE. */
  flags: number;
  backing?: PageCache | null;
  offset?: number;
  file?: MappedFileName | null;
  special?: SpecialMapping | null;
  mayWrite?: boolean;
}

/** Resource limits that memory calls obey, in bytes; Infinity = none. */
export interface MemoryLimits {
  addressSpace: number;
  data: number;
  stack: number;
}

const VMA_FLAGS = MAP_SHARED | MAP_PRIVATE | MAP_GROWSDOWN | MAP_NORESERVE;

export class Mm extends UserMemory {
  readonly vmas = new VmaList();
  /** End of user space: of a 32-bit program it is below 4 GiB (Linux TASK_SIZE). */
  taskSize = TASK_SIZE;
  /** Top of the area that mmap fills downwards; and of the one that a 32-bit call's mmap fills, in a 64-bit program too. */
  mmapBase = 0;
  mmapCompatBase = 0;
  /** What the kernel goes by in the 32-bit vDSO; null in a 64-bit program. */
  vdso32: Vdso32Addresses | null = null;
  /** READ_IMPLIES_EXEC in the personality: whatever can be read can be executed. */
  readImpliesExec = false;
  startBrk = 0;
  brk = 0;
  startStack = 0;
  startCode = 0;
  endCode = 0;
  startData = 0;
  endData = 0;
  argStart = 0;
  argEnd = 0;
  envStart = 0;
  envEnd = 0;
  /** The auxiliary vector as it lies on the stack: /proc/self/auxv. */
  auxv: Uint8Array = new Uint8Array(0);
  /** Pages of all mappings, and the most there have ever been; of resident ones likewise. For /proc/self/status. */
  totalPages = 0;
  peakPages = 0;
  peakResident = 0;
  private users = 1;

  /** Rights that the vsyscall page is shown with (Linux gate_vma), "" where there is none: as for a 32-bit program. */
  gateRights: "--xp" | "r-xp" | "" = "";

  constructor(
    readonly frames: Frames,
    readonly addressSpace: AddressSpace,
    readonly limits: MemoryLimits,
    /** Takes the page tables down (Ring0.destroyAddressSpace). */
    private readonly destroySpace: (space: AddressSpace) => void,
  ) {
    super(frames.phys);
  }

  // --- pages

  translate(address: number, write: boolean): number {
    let pa = this.addressSpace.translate(address, write);
    if (pa >= 0) return pa;
    const earned = faultIn(this, address, write ? ACCESS_WRITE : ACCESS_READ);
    if (earned !== null) throw new UserFault(address, earned);
    pa = this.addressSpace.translate(address, write);
    if (pa < 0) throw new UserFault(address);
    return pa;
  }

  /** Maps the page at `linear` to `frame` and takes over the caller's reference to it. Throws OutOfMemory, the frame put. */
  install(linear: number, frame: number, prot: number): void {
    const space = this.addressSpace;
    // The page tables may need a frame of their own, so a second try after dropping cached pages.
    if (!space.map(linear, frame, prot) && !(this.frames.shrink() > 0 && space.map(linear, frame, prot))) {
      this.phys.put(frame);
      throw new OutOfMemory();
    }
    if (space.pages > this.peakResident) this.peakResident = space.pages;
  }

  /** As install(), for a frame whose owner keeps its reference too. */
  installShared(linear: number, frame: number, prot: number): void {
    this.phys.get(frame);
    this.install(linear, frame, prot);
  }

  // --- mappings

  /** Room in [low, high) for `length` bytes, as high as it goes (Linux vm_unmapped_area, topdown), or -1. */
  private gapBelow(high: number, low: number, length: number): number {
    const { list } = this.vmas;
    let top = high;
    for (let index = this.vmas.indexAbove(high - 1); index >= 0; index--) {
      const vma = list[index];
      if (vma !== undefined && vma.startGap < top) top = Math.min(top, vma.startGap);
      const bottom = Math.max(low, index > 0 ? list[index - 1]!.end : low);
      if (top - length >= bottom) return top - length;
      if (bottom <= low) return -1;
    }
    return -1;
  }

  /** Room in [low, high) for `length` bytes, as low as it goes, or -1. */
  private gapAbove(low: number, length: number, high = this.taskSize): number {
    let at = low;
    for (let index = this.vmas.indexAbove(low); index <= this.vmas.length; index++) {
      const vma = this.vmas.list[index];
      const top = vma === undefined ? high : Math.min(high, vma.startGap);
      if (at + length <= top) return at;
      if (top === high) return -1;
      if (vma !== undefined) at = Math.max(at, vma.end);
    }
    return -1;
  }

  /**
   * Where a mapping of `length` bytes may go (Linux get_unmapped_area): at the hint when it is free, else below `high`, else, where
   * that is one of the two bases, wherever there is room in what the base is of. Throws ENOMEM.
   */
  unmappedArea(hint: number, length: number, high = this.mmapBase): number {
    if (length > this.taskSize) throw new Errno(ENOMEM);
    const at = pageFloor(hint);
    if (at >= MMAP_MIN_ADDR && at + length <= this.taskSize) {
      const next = this.vmas.above(at);
      if (next === undefined || at + length <= next.startGap) return at;
    }
    const below = this.gapBelow(high, MMAP_MIN_ADDR, length);
    if (below >= 0) return below;
    const end = high === this.mmapBase ? this.taskSize : high === this.mmapCompatBase ? TASK_SIZE_32 : 0;
    const above = end === 0 ? -1 : this.gapAbove(pageAlign(end / 3), length, end);
    if (above < 0) throw new Errno(ENOMEM);
    return above;
  }

  /** Where MAP_32BIT puts `length` bytes: at the hint if it is free, else the lowest room in [low, high). Throws ENOMEM. */
  unmappedAreaIn(hint: number, length: number, low: number, high: number): number {
    const at = pageAlign(hint);
    if (hint !== 0 && at + length <= high && this.gapAbove(at, length, high) === at) return at;
    const found = this.gapAbove(low, length, high);
    if (found < 0) throw new Errno(ENOMEM);
    return found;
  }

  /** Adds a mapping at `start`, replacing whatever is there. Throws ENOMEM when a limit or the memory forbids it. */
  mapAt(start: number, request: MappingRequest): Vma {
    const { length } = request;
    const prot = request.special == null ? this.withImplied(request.prot) : request.prot;
    const end = start + length;
    let replaced = 0;
    for (const vma of this.vmas.within(start, end)) replaced += Math.min(end, vma.end) - Math.max(start, vma.start);
    this.mayExpand(length - replaced, prot, request.flags, request.backing ?? null);
    if (this.vmas.length >= MAX_MAP_COUNT || this.cutsSpecial(start) || this.cutsSpecial(end)) throw new Errno(ENOMEM);
    this.unmap(start, end);
    const backing = request.backing ?? null;
    if (backing !== null) {
      backing.users++;
      backing.mappers.add(this);
    }
    this.account(length / PAGE_SIZE);
    return this.vmas.insert(
      new Vma(
        start, end, prot, request.flags & VMA_FLAGS, backing, request.offset ?? 0, request.file ?? null, request.special ?? null,
        request.mayWrite ?? true,
      ),
    );
  }

  /** `prot` with what the personality adds to it. */
  withImplied(prot: number): number {
    return this.readImpliesExec && prot & PROT_READ ? prot | PROT_EXEC : prot;
  }

  unmapFilePages(cache: PageCache, first: number): void {
    for (const vma of this.vmas.list) {
      if (vma.backing !== cache) continue;
      const from = vma.start + Math.max(0, first - vma.pageIndex(vma.start)) * PAGE_SIZE;
      if (from < vma.end) this.addressSpace.unmap(from, vma.end - from);
    }
  }

  /** RLIMIT_AS, RLIMIT_DATA, and the overcommit heuristic: one private writable mapping larger than RAM is refused. */
  private mayExpand(bytes: number, prot: number, flags: number, backing: PageCache | null): void {
    if (bytes <= 0) return;
    if (this.totalPages * PAGE_SIZE + bytes > this.limits.addressSpace) throw new Errno(ENOMEM);
    const data = (flags & MAP_SHARED) === 0 && (prot & PROT_WRITE) !== 0 && (flags & MAP_GROWSDOWN) === 0;
    if (data && this.dataBytes() + bytes > this.limits.data) throw new Errno(ENOMEM);
    const accountable = (data || ((flags & MAP_SHARED) !== 0 && backing?.file === null)) && (flags & MAP_NORESERVE) === 0;
    if (accountable && bytes > this.phys.bytes) throw new Errno(ENOMEM);
  }

  private dataBytes(): number {
    if (this.limits.data === Infinity) return 0;
    let bytes = 0;
    for (const vma of this.vmas.list) {
      if (!vma.shared && vma.prot & PROT_WRITE && !vma.growsDown) bytes += vma.end - vma.start;
    }
    return bytes;
  }

  private account(pages: number): void {
    this.totalPages += pages;
    if (this.totalPages > this.peakPages) this.peakPages = this.totalPages;
  }

  /** Removes every mapping of [start, end). Throws ENOMEM when a split would exceed the map count. */
  unmap(start: number, end: number): void {
    if (!this.vmas.overlaps(start, end)) return;
    const around = this.vmas.at(start);
    if (around !== undefined && around.start < start && around.end > end && this.vmas.length >= MAX_MAP_COUNT) {
      throw new Errno(ENOMEM);
    }
    this.split(start, end);
    const removed = this.vmas.remove(start, end);
    for (const vma of removed) {
      this.addressSpace.unmap(vma.start, vma.end - vma.start);
      this.account(-vma.pages);
      this.releaseBacking(vma);
    }
  }

  private releaseBacking(vma: Vma): void {
    const { backing } = vma;
    if (backing === null) return;
    backing.users--;
    if (vma.shared) backing.writeBack();
    if (backing.users === 0 && backing.file === null) backing.release();
  }

  /** Does a special mapping go on across `address`? */
  private cutsSpecial(address: number): boolean {
    const vma = this.vmas.at(address);
    return vma !== undefined && vma.special !== null && vma.start < address;
  }

  /** Makes both addresses boundaries between VMAs. Throws EINVAL, nothing changed, where a special mapping would be cut. */
  private split(start: number, end: number): void {
    if (this.cutsSpecial(start) || this.cutsSpecial(end)) throw new Errno(EINVAL);
    this.vmas.split(start);
    this.vmas.split(end);
  }

  /** Changes the protection of [start, end). What precedes a hole is changed when this throws ENOMEM. */
  protect(start: number, end: number, prot: number): void {
    this.split(start, end);
    let at = start;
    try {
      for (const vma of this.vmas.within(start, end)) {
        if (vma.start > at) throw new Errno(ENOMEM);
        if (vma.special !== null && prot & ~vma.special.mayProt) throw new Errno(EACCES);
        if (prot & PROT_WRITE && !vma.mayWrite) throw new Errno(EACCES);
        if (this.vmas.length > MAX_MAP_COUNT) throw new Errno(ENOMEM);
        this.changeProtection(vma, prot);
        at = vma.end;
      }
      if (at < end) throw new Errno(ENOMEM);
    } finally {
      this.vmas.join(start, end);
    }
  }

  private changeProtection(vma: Vma, prot: number): void {
    if (vma.prot === prot) return;
    vma.prot = prot;
    // A page whose frame has another owner, and a shared page that is not dirty yet, stays read-only until it is written to.
    this.addressSpace.protect(vma.start, vma.end - vma.start, withoutWrite(prot));
    if ((prot & PROT_WRITE) === 0 || vma.backing !== null) return;
    const { phys } = this;
    this.addressSpace.forEachPage(vma.start, vma.end, (linear, frame) => {
      if (phys.references(frame) === 1) this.addressSpace.protect(linear, PAGE_SIZE, prot);
    });
  }

  /** Lets a stack reach down to `address` (Linux expand_downwards): the VMA then holds it. */
  growStack(address: number): Vma | undefined {
    const index = this.vmas.indexAbove(address);
    const vma = this.vmas.list[index];
    if (vma === undefined || !vma.growsDown || address < MMAP_MIN_ADDR) return undefined;
    const start = pageFloor(address);
    const below = index > 0 ? this.vmas.list[index - 1]! : undefined;
    if (below !== undefined) {
      const gap = below.growsDown || below.prot === PROT_NONE ? 0 : STACK_GUARD_GAP;
      if (start - below.end < gap) return undefined;
    }
    if (vma.end - start > this.limits.stack) return undefined;
    const growth = (vma.start - start) / PAGE_SIZE;
    if ((this.totalPages + growth) * PAGE_SIZE > this.limits.addressSpace) return undefined;
    vma.start = start;
    this.account(growth);
    return vma;
  }

  /** brk(2): moves the end of the heap; answers the new one, or the old one when it cannot be had. */
  setBrk(brk: number): number {
    if (!(brk >= this.startBrk)) return this.brk;
    if (brk - this.startBrk + (this.endData - this.startData) > this.limits.data) return this.brk;
    const oldEnd = pageAlign(this.brk);
    const newEnd = pageAlign(brk);
    if (newEnd > this.taskSize) return this.brk;
    if (newEnd < oldEnd) this.unmap(newEnd, oldEnd);
    if (newEnd > oldEnd) {
      const next = this.vmas.above(oldEnd);
      if (next !== undefined && newEnd + PAGE_SIZE > next.startGap) return this.brk;
      try {
        this.mapAt(oldEnd, { length: newEnd - oldEnd, prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS });
      } catch (error) {
        if (error instanceof Errno) return this.brk;
        throw error;
      }
    }
    this.brk = brk;
    return brk;
  }

  /**
   * Moves [from, from + oldLength), within one VMA, to `to`, and makes it `newLength` long there (Linux move_vma). The
   * pages move with it, unread. `keep` leaves the old mapping in place, empty (MREMAP_DONTUNMAP).
   */
  move(from: number, oldLength: number, newLength: number, to: number, keep: boolean): void {
    const vma = this.vmas.at(from)!;
    if (this.cutsSpecial(from) || this.cutsSpecial(from + oldLength)) throw new Errno(EINVAL);
    if (vma.backing !== null) vma.backing.users++;
    const offset = vma.backing === null ? 0 : vma.offset + (from - vma.start);
    const { backing } = vma;
    try {
      this.mapAt(to, {
        length: newLength, prot: vma.prot, flags: vma.flags & ~MAP_GROWSDOWN, backing, offset, file: vma.file, special: vma.special,
        mayWrite: vma.mayWrite,
      });
    } finally {
      if (backing !== null) backing.users--;
    }
    if (!this.addressSpace.move(from, to, Math.min(oldLength, newLength))) throw new OutOfMemory();
    if (!keep && oldLength > 0) this.unmap(from, from + oldLength);
  }

  /** Lengthens the VMA that ends at `end` in place by `bytes`, if nothing is in the way. Answers whether it did. */
  extend(end: number, bytes: number): boolean {
    const vma = this.vmas.at(end - 1)!;
    const next = this.vmas.above(end);
    if (end + bytes > this.taskSize || (next !== undefined && next.startGap < end + bytes)) return false;
    this.mayExpand(bytes, vma.prot, vma.flags, vma.backing);
    vma.end += bytes;
    this.account(bytes / PAGE_SIZE);
    this.vmas.join(vma.start, vma.end + 1);
    return true;
  }

  /** Throws EEXIST when something is mapped in [start, end): MAP_FIXED_NOREPLACE. */
  mustBeFree(start: number, end: number): void {
    if (this.vmas.overlaps(start, end)) throw new Errno(EEXIST);
  }

  /** Brings in every page of [start, end) that may be had, for MAP_POPULATE, mlock and MADV_POPULATE. Answers the first fault. */
  populate(start: number, end: number, write: boolean): { signal: number; code: number } | null {
    for (let at = start; at < end; at += PAGE_SIZE) {
      if (!write) {
        // Reading untouched anonymous memory finds zeros and takes no frame: nothing to bring in, however large it is.
        const vma = this.vmas.at(at);
        if (vma !== undefined && vma.backing === null && vma.prot !== PROT_NONE) {
          at = Math.min(end, vma.end) - PAGE_SIZE;
          continue;
        }
      }
      if (this.addressSpace.translate(at, write) >= 0) continue;
      const fault = faultIn(this, at, write ? ACCESS_WRITE : ACCESS_READ);
      if (fault !== null) return fault;
    }
    return null;
  }

  // --- reports

  get residentPages(): number {
    return this.addressSpace.pages;
  }

  /** "[heap]", "[stack]", a name of its own, the file's path, or "" (Linux show_map_vma). */
  nameOf(vma: Vma): string {
    if (vma.file !== null) return vma.file.path().replaceAll("\n", "\\012");
    if (vma.special !== null) return vma.special.name;
    if (vma.start <= this.brk && vma.end >= this.startBrk && this.brk > this.startBrk) return "[heap]";
    if (vma.start <= this.startStack && vma.end >= this.startStack) return "[stack]";
    return "";
  }

  /** /proc/self/maps. */
  maps(): string {
    const lines = this.vmas.list.map((vma) => `${vma.mapsLine(this.nameOf(vma))}\n`).join("");
    return this.gateRights === "" ? lines : `${lines}${`ffffffffff600000-ffffffffff601000 ${this.gateRights} 00000000 00:00 0 `.padEnd(73)}[vsyscall]\n`;
  }

  // --- life

  /** One task less uses this memory; the last one takes it down, and every frame goes back. */
  put(): void {
    if (--this.users > 0) return;
    const removed = this.vmas.remove(0, TASK_SIZE);
    this.addressSpace.unmap(0, TASK_SIZE);
    for (const vma of removed) this.releaseBacking(vma);
    this.totalPages = 0;
    this.destroySpace(this.addressSpace);
  }
}

/** Rejects an unaligned or wrapping range with `code`; answers its page-aligned end. */
export function alignedRange(start: number, length: number, code: number = EINVAL): number {
  if (start % PAGE_SIZE !== 0) throw new Errno(EINVAL);
  const end = start + pageAlign(length);
  if (!(end <= 2 ** 64)) throw new Errno(code);
  return end;
}

