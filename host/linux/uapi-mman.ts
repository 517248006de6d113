// Constants of <sys/mman.h> (include/uapi/asm-generic/mman-common.h, mman.h, arch/x86/include/uapi/asm/mman.h) and the
// x86-64 address map that user space can see (arch/x86/include/asm/page_64_types.h, processor.h).

export const PAGE_SIZE = 4096;
export const PAGE_SHIFT = 12;
/** First address that user space cannot have: 2^47 less a guard page. */
export const TASK_SIZE = 0x7ffffffff000;
/** The same for a 32-bit program under a 64-bit kernel, and with ADDR_LIMIT_3GB in its personality (IA32_PAGE_OFFSET). */
export const TASK_SIZE_32 = 0xffffe000;
export const TASK_SIZE_3GB = 0xc0000000;
/** vm.mmap_min_addr: what the null pointer guard keeps free. */
export const MMAP_MIN_ADDR = 0x10000;
/** stack_guard_gap, 256 pages below a stack that nothing else may take. */
export const STACK_GUARD_GAP = 256 * PAGE_SIZE;
/** vm.max_map_count */
export const MAX_MAP_COUNT = 65530;

export const PROT_NONE = 0x0;
export const PROT_READ = 0x1;
export const PROT_WRITE = 0x2;
export const PROT_EXEC = 0x4;
export const PROT_SEM = 0x8;
export const PROT_GROWSDOWN = 0x01000000;
export const PROT_GROWSUP = 0x02000000;

export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_SHARED_VALIDATE = 0x03;
export const MAP_TYPE = 0x0f;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_32BIT = 0x40;
export const MAP_GROWSDOWN = 0x0100;
export const MAP_DENYWRITE = 0x0800;
export const MAP_EXECUTABLE = 0x1000;
export const MAP_LOCKED = 0x2000;
export const MAP_NORESERVE = 0x4000;
export const MAP_POPULATE = 0x8000;
export const MAP_NONBLOCK = 0x10000;
export const MAP_STACK = 0x20000;
export const MAP_HUGETLB = 0x40000;
export const MAP_SYNC = 0x80000;
export const MAP_FIXED_NOREPLACE = 0x100000;

export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;
export const MREMAP_DONTUNMAP = 4;

export const MS_ASYNC = 1;
export const MS_INVALIDATE = 2;
export const MS_SYNC = 4;

export const MCL_CURRENT = 1;
export const MCL_FUTURE = 2;
export const MCL_ONFAULT = 4;
export const MLOCK_ONFAULT = 1;

export const MADV_NORMAL = 0;
export const MADV_RANDOM = 1;
export const MADV_SEQUENTIAL = 2;
export const MADV_WILLNEED = 3;
export const MADV_DONTNEED = 4;
export const MADV_FREE = 8;
export const MADV_REMOVE = 9;
export const MADV_DONTFORK = 10;
export const MADV_DOFORK = 11;
export const MADV_MERGEABLE = 12;
export const MADV_UNMERGEABLE = 13;
export const MADV_HUGEPAGE = 14;
export const MADV_NOHUGEPAGE = 15;
export const MADV_DONTDUMP = 16;
export const MADV_DODUMP = 17;
export const MADV_WIPEONFORK = 18;
export const MADV_KEEPONFORK = 19;
export const MADV_COLD = 20;
export const MADV_PAGEOUT = 21;
export const MADV_POPULATE_READ = 22;
export const MADV_POPULATE_WRITE = 23;
export const MADV_DONTNEED_LOCKED = 24;

/** Rounds up to a page; exact for any address and for lengths below 2^53. */
export function pageAlign(n: number): number {
  return Math.ceil(n / PAGE_SIZE) * PAGE_SIZE;
}

/** Rounds down to a page. */
export function pageFloor(n: number): number {
  return Math.floor(n / PAGE_SIZE) * PAGE_SIZE;
}

/** `prot` for a page that may not be written to yet: any right there is implies reading, since paging cannot say less. */
export function withoutWrite(prot: number): number {
  return prot === PROT_NONE ? PROT_NONE : (prot | PROT_READ) & ~PROT_WRITE;
}
