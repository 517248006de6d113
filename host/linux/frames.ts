// Page frames for user memory: the allocator of guest RAM with the kernel's answer to "none left" behind it.
// mm.ts, fault.ts and page-cache.ts take frames here; host/ring0 takes those of page tables and stacks from phys itself.

import { NO_FRAME, type PhysMemory } from "../machine/phys-memory";
import { type MappableFile, OutOfMemory, PageCache } from "./page-cache";

/** Whatever stands for a file's identity and remembers its page cache: an inode. */
export interface PageCacheOwner {
  pageCache: PageCache | null;
}

export class Frames {
  /** One page of zeros that every read of untouched anonymous memory shares. */
  readonly zero: number;
  private readonly owners = new Set<PageCacheOwner>();

  constructor(readonly phys: PhysMemory) {
    this.zero = phys.allocFrame();
    if (this.zero === NO_FRAME) throw new OutOfMemory();
  }

  /** A zeroed frame. Throws OutOfMemory when guest RAM is used up and no cached page can be dropped. */
  alloc(): number {
    let frame = this.phys.allocFrame();
    if (frame !== NO_FRAME) return frame;
    if (this.shrink() > 0) frame = this.phys.allocFrame();
    if (frame === NO_FRAME) throw new OutOfMemory();
    return frame;
  }

  /** Drops cached file pages that nobody maps; answers how many. */
  shrink(): number {
    let freed = 0;
    for (const owner of this.owners) freed += owner.pageCache!.shrink();
    return freed;
  }

  /** The page cache of a regular file; one for all its mappings. */
  cacheOf(owner: PageCacheOwner, file: MappableFile): PageCache {
    if (owner.pageCache === null) {
      owner.pageCache = new PageCache(this.phys, () => this.alloc(), file);
      this.owners.add(owner);
    }
    return owner.pageCache;
  }

  /** Backing of MAP_SHARED | MAP_ANONYMOUS memory. */
  anonymousCache(): PageCache {
    return new PageCache(this.phys, () => this.alloc(), null);
  }

  /** Gives everything back; no address space may be alive. */
  release(): void {
    for (const owner of this.owners) {
      owner.pageCache!.release();
      owner.pageCache = null;
    }
    this.owners.clear();
    this.phys.put(this.zero);
  }
}
