// The pages of one file (or of one piece of anonymous shared memory) that stand in guest RAM: Linux's struct address_space.
// fault.ts takes frames from here: every mapping of the file shares them, and private mappings copy a page before writing to it.
// The file system's own bytes stay the truth for read() and write(); writes go through to cached frames (wrote()), and
// what the guest stored through a shared mapping goes back by writeBack() before anybody reads.

import type { PhysMemory } from "../machine/phys-memory";
import { EIO, Errno } from "./errno";
import { PAGE_SIZE } from "./uapi-mman";

/** What a mapping needs of a regular file. Offsets and lengths in bytes. */
export interface MappableFile {
  /** Current length of the file. */
  fileSize(): number;
  /** At most `length` bytes from `offset`; fewer at the end of the file. */
  readAt(offset: number, length: number): Uint8Array;
  /** Stores inside the current length of the file. */
  writeAt(offset: number, bytes: Uint8Array): void;
}

/** No frame is left for a page of the current task; entry-common.ts and traps.ts end it as the OOM killer would. */
export class OutOfMemory {}

/** An address space, as a file's pages see it. */
export interface FileMapper {
  /** Takes pages `first` and later of `cache` out of every mapping. */
  unmapFilePages(cache: PageCache, first: number): void;
}


export class PageCache {
  private readonly frames = new Map<number, number>();
  /** Pages that some shared mapping has had writable since they were read: their frames may be newer than the file. */
  private readonly dirty = new Set<number>();
  /** Mappings (VMAs) that use this cache. */
  users = 0;

  /** `file` null: anonymous shared memory, which starts as zeros and dies with its last mapping. */
  constructor(
    private readonly phys: PhysMemory,
    private readonly allocFrame: () => number,
    readonly file: MappableFile | null,
  ) {}

  /** True when page `index` has no byte of the file: a SIGBUS for whoever touches it. */
  pastEnd(index: number): boolean {
    return this.file !== null && index * PAGE_SIZE >= this.file.fileSize();
  }

  /** The address spaces that may have pages of it. */
  readonly mappers = new Set<FileMapper>();

  /** The cached frame of page `index`, or -1; reads nothing. */
  peek(index: number): number {
    return this.frames.get(index) ?? -1;
  }

  /** The frame that holds page `index`, read from the file when needed. The cache keeps its own reference. Throws OutOfMemory. */
  frame(index: number): number {
    const cached = this.frames.get(index);
    if (cached !== undefined) return cached;
    const frame = this.allocFrame();
    if (this.file !== null) {
      let bytes: Uint8Array;
      try {
        bytes = this.file.readAt(index * PAGE_SIZE, PAGE_SIZE);
      } catch (error) {
        this.phys.put(frame);
        throw error instanceof Errno ? error : new Errno(EIO);
      }
      this.phys.write(frame, bytes);
    }
    this.frames.set(index, frame);
    return frame;
  }

  /** Reads pages [first, first + count) that are not cached yet in one go. Throws OutOfMemory. */
  readAhead(first: number, count: number): void {
    if (this.file === null) return;
    while (count > 0 && this.frames.has(first)) {
      first++;
      count--;
    }
    if (count <= 1) return;
    const bytes = this.file.readAt(first * PAGE_SIZE, count * PAGE_SIZE);
    for (let i = 0; i < count && i * PAGE_SIZE < bytes.length; i++) {
      if (this.frames.has(first + i)) continue;
      const frame = this.allocFrame();
      this.phys.write(frame, bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE));
      this.frames.set(first + i, frame);
    }
  }

  markDirty(index: number): void {
    if (this.file !== null) this.dirty.add(index);
  }

  /** The file system has stored `bytes` at `offset` of the file: cached pages follow. */
  wrote(offset: number, bytes: Uint8Array): void {
    if (this.frames.size === 0) return;
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      const within = at % PAGE_SIZE;
      const chunk = Math.min(PAGE_SIZE - within, bytes.length - done);
      const frame = this.frames.get(Math.floor(at / PAGE_SIZE));
      if (frame !== undefined) this.phys.write(frame + within, bytes.subarray(done, done + chunk));
      done += chunk;
    }
  }

  /**
   * The file now ends at `size`: whole pages past it leave the cache and every mapping, private copies too (Linux
   * unmap_mapping_range), and the rest of the last page reads as zeros.
   */
  truncated(size: number): void {
    for (const mm of this.mappers) mm.unmapFilePages(this, Math.ceil(size / PAGE_SIZE));
    for (const [index, frame] of [...this.frames]) {
      const start = index * PAGE_SIZE;
      if (start >= size) {
        this.frames.delete(index);
        this.dirty.delete(index);
        this.phys.put(frame);
      } else if (size - start < PAGE_SIZE) {
        this.phys.write(frame + (size - start), new Uint8Array(PAGE_SIZE - (size - start)));
      }
    }
  }

  /** Brings the file up to date with what was stored through shared mappings. */
  writeBack(): void {
    if (this.file === null || this.dirty.size === 0) return;
    const size = this.file.fileSize();
    for (const index of this.dirty) {
      const start = index * PAGE_SIZE;
      const frame = this.frames.get(index);
      if (frame === undefined || start >= size) continue;
      this.file.writeAt(start, this.phys.read(frame, Math.min(PAGE_SIZE, size - start)).slice());
    }
  }

  /** Gives back frames that no page table uses; answers how many. Dirty ones stay. */
  shrink(): number {
    let freed = 0;
    for (const [index, frame] of [...this.frames]) {
      if (this.dirty.has(index) || this.phys.references(frame) > 1) continue;
      this.frames.delete(index);
      this.phys.put(frame);
      freed++;
    }
    return freed;
  }

  /** Gives back every frame. Only when no mapping uses the cache. */
  release(): void {
    this.writeBack();
    for (const frame of this.frames.values()) this.phys.put(frame);
    this.frames.clear();
    this.dirty.clear();
  }
}
