// Page frames for user memory: the allocator of guest RAM with the kernel's answer to "none left" behind it.
// mm.ts, fault.ts and page-cache.ts take frames here; host/ring0 takes those of page tables and stacks from phys itself.

import { NO_FRAME, type PhysMemory } from "../machine/phys-memory";
import { type MappableFile, OutOfMemory, PageCache } from "./page-cache";

export class Frames {
  /** One page of zeros that every read of untouched anonymous memory shares. */
  readonly zero: number;
  /** Page caches of files, by whatever stands for the file's identity: its inode. */
  private readonly caches = new Map<object, PageCache>();

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
    for (const cache of this.caches.values()) freed += cache.shrink();
    return freed;
  }

  /** The page cache of a regular file; one for all its mappings. */
  cacheOf(identity: object, file: MappableFile): PageCache {
    let cache = this.caches.get(identity);
    if (cache === undefined) {
      cache = new PageCache(this.phys, () => this.alloc(), file);
      this.caches.set(identity, cache);
    }
    return cache;
  }

  /** The page cache of a file if some mapping has ever made one: for read, write and truncate to stay in step with it. */
  existingCache(identity: object): PageCache | undefined {
    return this.caches.get(identity);
  }

  /** Backing of MAP_SHARED | MAP_ANONYMOUS memory. */
  anonymousCache(): PageCache {
    return new PageCache(this.phys, () => this.alloc(), null);
  }

  /** Gives everything back; no address space may be alive. */
  release(): void {
    for (const cache of this.caches.values()) cache.release();
    this.caches.clear();
    this.phys.put(this.zero);
  }
}
