// mmap and its relatives: argument checks in Linux's order, then mm.ts (Linux mm/mmap.c, mprotect.c, mremap.c, madvise.c).

import {
  EACCES, EEXIST, EFAULT, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM, ERESTARTNOINTR, Errno,
} from "../errno";
import { RLIMIT_MEMLOCK } from "../limits";
import { ADDR_NO_RANDOMIZE } from "../personality";
import type { MappingRequest, Mm } from "../mm";
import type { Task } from "../task";
import {
  MADV_COLD, MADV_DODUMP, MADV_DOFORK, MADV_DONTDUMP, MADV_DONTFORK, MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE, MADV_HUGEPAGE,
  MADV_KEEPONFORK, MADV_MERGEABLE, MADV_NOHUGEPAGE, MADV_NORMAL, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_RANDOM,
  MADV_REMOVE, MADV_SEQUENTIAL, MADV_UNMERGEABLE, MADV_WILLNEED, MADV_WIPEONFORK, MAP_32BIT, MAP_ANONYMOUS, MAP_FIXED,
  MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGETLB, MAP_LOCKED, MAP_NONBLOCK, MAP_NORESERVE, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED,
  MAP_SHARED_VALIDATE, MAP_TYPE, MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT, MREMAP_DONTUNMAP, MREMAP_FIXED,
  MMAP_MIN_ADDR, MREMAP_MAYMOVE, MS_ASYNC, MS_INVALIDATE, MS_SYNC, PAGE_SIZE, PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP, PROT_NONE, PROT_READ,
  PROT_SEM, PROT_WRITE, pageAlign, pageFloor,
} from "../uapi-mman";
import type { OpenFile } from "../vfs/file";
import type { Vma } from "../vma";
import { type Block, NO_QUEUE, block } from "../wait";

const PROT_RWX = PROT_READ | PROT_WRITE | PROT_EXEC;
/** MAP_32BIT allocates within the second GiB, from the bottom up, which ASLR moves by up to 32 MiB (Linux find_start_end). */
const MAP_32BIT_START = 0x40000000;
const MAP_32BIT_END = 0x80000000;
const MAP_32BIT_RANDOM_PAGES = 0x2000;
const LEGACY_MAP_MASK =
  MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | 0x0800 | 0x1000 | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK |
  0x20000 | MAP_HUGETLB | MAP_GROWSDOWN | MAP_32BIT;

export function sysMmap(
  task: Task, address: number, length: number, prot: number, flags: number, fd: number, offset: number,
): number {
  if (offset % PAGE_SIZE !== 0) return -EINVAL;
  const file = flags & MAP_ANONYMOUS ? null : task.files.get(fd);
  if (flags & MAP_HUGETLB) return file === null ? -ENOMEM : -EINVAL; // no huge pages are set aside
  if (length === 0) return -EINVAL;
  const bytes = pageAlign(length);
  if (!(bytes <= task.mm.taskSize)) return -ENOMEM;
  if (file !== null && offset + bytes > 2 ** 63) return -EOVERFLOW;

  const { mm } = task;
  const noReplace = (flags & MAP_FIXED_NOREPLACE) !== 0;
  let start: number;
  if (flags & MAP_FIXED || noReplace) {
    if (address % PAGE_SIZE !== 0) return -EINVAL;
    if (!(address + bytes <= task.mm.taskSize)) return -ENOMEM;
    if (address < 0x10000 && task.creds.euid !== 0) return -EPERM;
    if (noReplace && mm.vmas.overlaps(address, address + bytes)) return -EEXIST;
    start = address;
  } else if (flags & MAP_32BIT && task.abi.word === 8) start = mm.unmappedAreaIn(roundedHint(address), bytes, map32BitStart(task), MAP_32BIT_END);
  else start = mm.unmappedArea(roundedHint(address), bytes, areaTop(task));

  const request = file === null ? anonymousRequest(task, flags) : fileRequest(task, file, prot, flags, offset);
  mm.mapAt(start, {
    ...request, length: bytes, prot: prot & PROT_RWX,
    flags: request.flags | (flags & (MAP_GROWSDOWN | MAP_NORESERVE)),
  });
  if (flags & (MAP_POPULATE | MAP_LOCKED) && (flags & MAP_NONBLOCK) === 0 && (prot & PROT_RWX) !== 0) {
    mm.populate(start, start + bytes, (prot & PROT_WRITE) !== 0 && request.flags === MAP_PRIVATE);
  }
  return start;
}

/** Linux round_hint_to_min. */
function roundedHint(hint: number): number {
  const page = pageFloor(hint);
  return page !== 0 && page < MMAP_MIN_ADDR ? MMAP_MIN_ADDR : page;
}

function map32BitStart({ kernel, personality }: Task): number {
  const randomize = kernel.options.aslr && (personality & ADDR_NO_RANDOMIZE) === 0;
  return MAP_32BIT_START + (randomize ? (kernel.rng.u32() % MAP_32BIT_RANDOM_PAGES) * PAGE_SIZE : 0);
}

/** A 32-bit call's mapping goes where 32 bits reach, in a 64-bit program too (Linux get_mmap_base). */
function areaTop({ mm, abi }: Task): number {
  return abi.word === 4 ? mm.mmapCompatBase : mm.mmapBase;
}

type Backing = Pick<MappingRequest, "flags" | "backing" | "offset" | "file" | "mayWrite">;

function anonymousRequest(task: Task, flags: number): Backing {
  switch (flags & MAP_TYPE) {
    case MAP_PRIVATE:
      return { flags: MAP_PRIVATE };
    case MAP_SHARED:
      if (flags & MAP_GROWSDOWN) throw new Errno(EINVAL);
      return { flags: MAP_SHARED, ...sharedZeroes(task) };
  }
  throw new Errno(EINVAL);
}

/** MAP_SHARED memory without a file, as Linux shows it: a deleted file of its own. */
function sharedZeroes(task: Task): Pick<MappingRequest, "backing" | "offset" | "file"> {
  const file = { dev: 1, ino: 1, path: () => "/dev/zero (deleted)" };
  return { backing: task.kernel.frames.anonymousCache(), offset: 0, file };
}

function fileRequest(task: Task, file: OpenFile, prot: number, flags: number, offset: number): Backing {
  const type = flags & MAP_TYPE;
  const shared = type === MAP_SHARED || type === MAP_SHARED_VALIDATE;
  if (type === MAP_SHARED_VALIDATE && flags & ~(LEGACY_MAP_MASK | MAP_SHARED_VALIDATE)) {
    throw new Errno(EOPNOTSUPP); // MAP_SYNC among them: no file here is on DAX
  }
  if (!shared && type !== MAP_PRIVATE) throw new Errno(EINVAL);
  if (shared && prot & PROT_WRITE && !file.writable) throw new Errno(EACCES);
  if (!file.readable) throw new Errno(EACCES);
  const { mappable } = file;
  if (mappable === null) throw new Errno(ENODEV);
  if (flags & MAP_GROWSDOWN) throw new Errno(EINVAL);
  if (mappable === "zeroes") return shared ? { flags: MAP_SHARED, ...sharedZeroes(task) } : { flags: MAP_PRIVATE };
  const { dev, ino } = file.attributes();
  const { path } = file;
  return {
    flags: shared ? MAP_SHARED : MAP_PRIVATE,
    backing: task.kernel.frames.cacheOf(file.inode, file.inode.mappable()),
    offset,
    file: { dev, ino, path: () => path.print(task.fs.root).text },
    mayWrite: !shared || file.writable,
  };
}

/** End of [start, start + length), whole pages; throws EINVAL for an unaligned start, `code` where it leaves user space. */
function rangeEnd({ mm }: Task, start: number, length: number, code: number): number {
  if (start % PAGE_SIZE !== 0) throw new Errno(EINVAL);
  const end = start + pageAlign(length);
  if (!(end <= mm.taskSize)) throw new Errno(code);
  return end;
}

export function sysMunmap(task: Task, start: number, length: number): number {
  if (length === 0) return -EINVAL;
  task.mm.unmap(start, rangeEnd(task, start, length, EINVAL));
  return 0;
}

export function sysMprotect(task: Task, start: number, length: number, prot: number): number {
  if ((prot & (PROT_GROWSDOWN | PROT_GROWSUP)) === (PROT_GROWSDOWN | PROT_GROWSUP)) return -EINVAL;
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  if (length === 0) return 0;
  const end = rangeEnd(task, start, length, ENOMEM);
  if (prot & ~(PROT_RWX | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP)) return -EINVAL;
  let first = start;
  if (prot & PROT_GROWSDOWN) {
    const vma = task.mm.vmas.at(start);
    if (vma === undefined) return -ENOMEM;
    if (!vma.growsDown) return -EINVAL;
    first = vma.start;
  } else if (prot & PROT_GROWSUP) return -EINVAL;
  task.mm.protect(first, end, task.mm.withImplied(prot & PROT_RWX));
  return 0;
}

export function sysBrk(task: Task, brk: number): number {
  return task.mm.setBrk(brk);
}

export function sysMremap(
  task: Task, address: number, oldSize: number, newSize: number, flags: number, newAddress: number,
): number {
  const { mm } = task;
  const fixed = (flags & MREMAP_FIXED) !== 0;
  const keep = (flags & MREMAP_DONTUNMAP) !== 0;
  if (flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) return -EINVAL;
  if (fixed && !(flags & MREMAP_MAYMOVE)) return -EINVAL;
  if (keep && (!(flags & MREMAP_MAYMOVE) || oldSize !== newSize)) return -EINVAL;
  if (address % PAGE_SIZE !== 0) return -EINVAL;
  const oldLength = pageAlign(oldSize);
  const newLength = pageAlign(newSize);
  if (newLength === 0) return -EINVAL;
  if (fixed) {
    if (newAddress % PAGE_SIZE !== 0 || !(newAddress + newLength <= task.mm.taskSize)) return -EINVAL;
    if (address + oldLength > newAddress && newAddress + newLength > address) return -EINVAL;
  }
  const vma = mm.vmas.at(address);
  if (vma === undefined) return -EFAULT;
  if (fixed) mm.unmap(newAddress, newAddress + newLength);

  if (!fixed && !keep && oldLength >= newLength) {
    if (oldLength > newLength) mm.unmap(address + newLength, address + oldLength);
    return address;
  }
  let length = oldLength;
  if (fixed && oldLength > newLength) {
    mm.unmap(address + newLength, address + oldLength);
    length = newLength;
  }
  if (length === 0 && !vma.shared) return -EINVAL;
  if (!(length <= vma.end - address)) return -EFAULT;
  if (vma.special !== null && newLength > length) return -EFAULT;
  if (!(newLength <= task.mm.taskSize)) return -ENOMEM;
  if (!fixed && !keep && length === vma.end - address && mm.extend(vma.end, newLength - length)) return address;
  if (!(flags & MREMAP_MAYMOVE)) return -ENOMEM;
  const to = fixed ? newAddress : mm.unmappedArea(keep ? newAddress : 0, newLength, areaTop(task));
  mm.move(address, length, newLength, to, keep);
  return to;
}

const ignoredAdvice = new Set([
  MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTFORK, MADV_DOFORK, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
  MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_DONTDUMP, MADV_DODUMP, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT,
]);
const effectiveAdvice = new Set([MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE, MADV_POPULATE_READ, MADV_POPULATE_WRITE]);

export function sysMadvise(task: Task, start: number, length: number, advice: number): number {
  if (advice === MADV_REMOVE || advice === MADV_WIPEONFORK) return -EINVAL; // no hole punching through a mapping, no fork yet
  if (!ignoredAdvice.has(advice) && !effectiveAdvice.has(advice)) return -EINVAL;
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  const bytes = pageAlign(length);
  if (length > 0 && !(start + bytes <= 2 ** 64)) return -EINVAL;
  if (bytes === 0) return 0;
  const { mm } = task;
  const end = Math.min(start + bytes, task.mm.taskSize);
  if (advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE) return populateAll(mm, start, end, advice === MADV_POPULATE_WRITE);
  let at = start;
  let holes = end < start + bytes;
  for (const vma of mm.vmas.within(start, end)) {
    if (vma.start > at) holes = true;
    at = vma.end;
    if (ignoredAdvice.has(advice)) continue;
    const from = Math.max(start, vma.start);
    const to = Math.min(end, vma.end);
    if (advice === MADV_FREE && vma.backing !== null) return -EINVAL;
    // Pages that MADV_FREE frees may be given back at any time: now is such a time.
    mm.addressSpace.unmap(from, to - from);
  }
  return holes || at < end ? -ENOMEM : 0;
}

function populateAll(mm: Mm, start: number, end: number, write: boolean): number {
  let at = start;
  for (const vma of mm.vmas.within(start, end)) {
    if (vma.start > at) return -ENOMEM;
    if (write ? !(vma.prot & PROT_WRITE) : vma.prot === PROT_NONE) return -EINVAL;
    if (mm.populate(Math.max(start, vma.start), Math.min(end, vma.end), write) !== null) return -EFAULT;
    at = vma.end;
  }
  return at < end ? -ENOMEM : 0;
}

/** The VMAs of a range without holes; throws ENOMEM at the first hole. */
function covered(mm: Mm, start: number, end: number): Vma[] {
  let at = start;
  const vmas = mm.vmas.within(start, end);
  for (const vma of vmas) {
    if (vma.start > at) throw new Errno(ENOMEM);
    at = vma.end;
  }
  if (at < end) throw new Errno(ENOMEM);
  return vmas;
}

export function sysMsync(task: Task, start: number, length: number, flags: number): number {
  if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) return -EINVAL;
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  if (flags & MS_ASYNC && flags & MS_SYNC) return -EINVAL;
  const end = rangeEnd(task, start, length, ENOMEM);
  if (end === start) return 0;
  for (const vma of covered(task.mm, start, end)) if (vma.shared) vma.backing?.writeBack();
  return 0;
}

/** Pages that mincore looks at before it lets signals and the time limit have their say. */
const MINCORE_PIECE = 1 << 18;

export function sysMincore(task: Task, start: number, length: number, vector: number): number | Block {
  const { mm } = task;
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  const end = rangeEnd(task, start, length, ENOMEM);
  const pages = (end - start) / PAGE_SIZE;
  mm.accessOk(vector, pages);
  if (pages === 0) return 0;
  covered(mm, start, end);
  const from = typeof task.progress === "number" ? task.progress : 0;
  const to = Math.min(pages, from + MINCORE_PIECE);
  for (let first = from; first < to; first += PAGE_SIZE) {
    const inCore = Uint8Array.from({ length: Math.min(PAGE_SIZE, to - first) }, (_, i) => (isInCore(mm, start + (first + i) * PAGE_SIZE) ? 1 : 0));
    mm.copyToUser(vector + first, inCore);
  }
  if (to === pages) return 0;
  task.progress = to;
  return block(NO_QUEUE, task.kernel.clock.monotonicNs(), -ERESTARTNOINTR);
}

function isInCore(mm: Mm, address: number): boolean {
  if (mm.addressSpace.walk(address) !== undefined) return true;
  const vma = mm.vmas.at(address);
  return vma?.backing != null && vma.backing.peek(vma.pageIndex(address)) >= 0;
}

/** There is no swap: a page that has been brought in stays. So locking is bringing in, within RLIMIT_MEMLOCK. */
function lock(task: Task, start: number, length: number, onFault: boolean): number {
  const from = pageFloor(start);
  const end = pageAlign(start + length);
  if (!(end <= task.mm.taskSize)) return -ENOMEM;
  if (task.creds.euid !== 0 && end - from > task.limits.get(RLIMIT_MEMLOCK).soft) return -ENOMEM;
  for (const vma of covered(task.mm, from, end)) {
    if (onFault || vma.prot === PROT_NONE) continue;
    const write = (vma.prot & PROT_WRITE) !== 0 && !vma.shared;
    if (task.mm.populate(Math.max(from, vma.start), Math.min(end, vma.end), write) !== null) return -ENOMEM;
  }
  return 0;
}

export function sysMlock(task: Task, start: number, length: number): number {
  return lock(task, start, length, false);
}

export function sysMlock2(task: Task, start: number, length: number, flags: number): number {
  if (flags & ~MLOCK_ONFAULT) return -EINVAL;
  return lock(task, start, length, flags === MLOCK_ONFAULT);
}

export function sysMunlock(task: Task, start: number, length: number): number {
  const end = pageAlign(start + length);
  if (!(end <= task.mm.taskSize)) return -ENOMEM;
  covered(task.mm, pageFloor(start), end);
  return 0;
}

export function sysMlockall(_task: Task, flags: number): number {
  if (flags === 0 || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags === MCL_ONFAULT) return -EINVAL;
  return 0; // what is resident stays resident
}

export function sysMunlockall(_task: Task): number {
  return 0;
}
