// Names in the tree: dentries (one per looked-up name), mounts, and the pair of both that a path leads to.
// namei.ts walks them; file.ts, getcwd, /proc/self/fd and maps print them.

import type { FileSystem, Inode } from "./inode";

/** Cached names per directory above which those of a file system that can look them up again are dropped. */
const CACHED_NAMES_MAX = 8192;

export class Dentry {
  /** Looked-up children by name. A cache: the inode knows the truth. */
  private children: Map<string, Dentry> | null = null;
  /** What is mounted here, the newest; a mount knows what it covers by its own root dentry. */
  mounted: Mount | null = null;
  /** The name has been unlinked: paths print " (deleted)". */
  unlinked = false;

  constructor(
    public name: string,
    public parent: Dentry | null,
    public inode: Inode,
  ) {}

  /** The dentry of `name` here, whose inode the file system has just answered. */
  child(name: string, inode: Inode): Dentry {
    const known = this.children?.get(name);
    if (known !== undefined && known.inode === inode) return known;
    const dentry = new Dentry(name, this, inode);
    if (known?.mounted) dentry.mounted = known.mounted;
    this.children ??= new Map();
    if (this.children.size >= CACHED_NAMES_MAX) this.forgetUnused();
    this.children.set(name, dentry);
    return dentry;
  }

  /** A file without a name (O_TMPFILE), printed as if it had just been deleted. */
  unnamed(name: string, inode: Inode): Dentry {
    const dentry = new Dentry(name, this, inode);
    dentry.unlinked = true;
    return dentry;
  }

  cached(name: string): Dentry | undefined {
    return this.children?.get(name);
  }

  /** The name is gone from this directory. */
  drop(name: string): void {
    const known = this.children?.get(name);
    if (known === undefined) return;
    known.unlinked = true;
    this.children?.delete(name);
  }

  /** The dentry takes a new place; an open file or a working directory below it prints its new path. */
  moveTo(parent: Dentry, name: string): void {
    this.parent?.children?.delete(this.name);
    this.parent = parent;
    this.name = name;
    parent.children ??= new Map();
    parent.children.set(name, this);
  }

  /** Makes `child`, already named, findable here again (the other half of an exchange). */
  adopt(child: Dentry): void {
    this.children ??= new Map();
    this.children.set(child.name, child);
  }

  /** Is `other` this dentry or above it? */
  isWithin(other: Dentry): boolean {
    for (let at: Dentry | null = this; at !== null; at = at.parent) if (at === other) return true;
    return false;
  }

  private forgetUnused(): void {
    for (const [name, dentry] of this.children!) {
      if (dentry.mounted === null && dentry.children === null) this.children!.delete(name);
    }
  }
}

export class Mount {
  readonly root: Dentry;
  constructor(
    readonly id: number,
    readonly fs: FileSystem,
    /** Where it is mounted; null for the root of the tree. */
    readonly at: Path | null,
    readonly readOnly: boolean,
    readonly source: string,
    /** Mount options as /proc/mounts prints them after rw or ro, with a leading comma, or "". */
    readonly options: string,
    /** Holds pipes, streams and eventfds, whose names ("pipe:[7]") are not paths. */
    readonly anonymous = false,
  ) {
    this.root = new Dentry("/", null, fs.root);
  }
}

export class Path {
  constructor(
    readonly mount: Mount,
    readonly dentry: Dentry,
  ) {}

  get inode(): Inode {
    return this.dentry.inode;
  }
  same(other: Path): boolean {
    return this.mount === other.mount && this.dentry === other.dentry;
  }
  /** Down through whatever is mounted on this very dentry. */
  throughMounts(): Path {
    let path: Path = this;
    while (path.dentry.mounted !== null) path = new Path(path.dentry.mounted, path.dentry.mounted.root);
    return path;
  }
  /** One step up, out of mounts, but never above `root`. */
  up(root: Path): Path {
    let path: Path = this;
    while (!path.same(root)) {
      if (path.dentry.parent !== null) return new Path(path.mount, path.dentry.parent).throughMounts();
      if (path.mount.at === null) return path;
      path = path.mount.at;
    }
    return path;
  }
  /**
   * The absolute path as seen from `root` (Linux d_path). A deleted name ends in " (deleted)"; `reachable` is false for a
   * place outside `root`, whose path is printed from the top of the tree.
   */
  print(root: Path): { text: string; reachable: boolean; deleted: boolean } {
    if (this.mount.anonymous) return { text: this.dentry.name, reachable: true, deleted: false };
    const names: string[] = [];
    let deleted = false;
    let reachable = true;
    let mount = this.mount;
    let dentry = this.dentry;
    while (mount !== root.mount || dentry !== root.dentry) {
      if (dentry.unlinked && dentry === this.dentry) deleted = true;
      if (dentry.parent !== null) {
        names.push(dentry.name);
        dentry = dentry.parent;
        continue;
      }
      if (mount.at === null) {
        reachable = false;
        break;
      }
      ({ mount, dentry } = mount.at);
    }
    const text = "/" + names.reverse().join("/");
    return { text: deleted ? `${text} (deleted)` : text, reachable, deleted };
  }
}
