/**
 * Nodes of a tree in memory: what they all have, and those that have nothing else. Each charges its tree for what it
 * takes, until it has neither a name nor a user.
 */
import { FileError } from "./errno.js";
import type { MemoryTree } from "./memory-tree.js";
import { bytesFromName, MAX_PATH_BYTES, nameLength } from "./names.js";
import {
  FileNode,
  type FileStat,
  type FileTime,
  FileType,
  type NewNode,
  PERMISSION_BITS,
  type StatChanges,
  TYPE_BITS,
} from "./tree.js";

/** What a node and a name cost beside their bytes: about what V8 takes for them. */
export const NODE_COST = 512;
export const NAME_COST = 128;
/** Linux's bounds of a value, and of the names together (limits.h: XATTR_SIZE_MAX, XATTR_LIST_MAX). */
const MAX_ATTRIBUTE_BYTES = 65_536;
const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;
const GROUP_EXECUTE = 0o010;

/** What is common to nodes in memory. */
export abstract class MemoryNode extends FileNode {
  readonly ino: number;
  readonly type: number;
  readonly tree: MemoryTree;
  readonly major: number;
  readonly minor: number;
  links = 0;
  protected atime: FileTime;
  protected mtime: FileTime;
  protected ctime: FileTime;
  #permissions: number;
  #uid: number;
  #gid: number;
  #attributes: Map<string, Uint8Array> | undefined;

  constructor(tree: MemoryTree, { mode, uid, gid, major = 0, minor = 0 }: NewNode) {
    super();
    this.tree = tree;
    this.type = mode & TYPE_BITS;
    tree.charge(NODE_COST);
    this.ino = tree.adopt();
    this.#permissions = mode & PERMISSION_BITS;
    this.#uid = uid;
    this.#gid = gid;
    this.major = major;
    this.minor = minor;
    this.atime = this.mtime = this.ctime = tree.now();
  }

  get permissions(): number {
    return this.#permissions;
  }

  get gid(): number {
    return this.#gid;
  }

  /** Bytes that `stat` says. */
  abstract get size(): number;
  /** Bytes of the host's that its contents take. */
  abstract get allocated(): number;

  override stat(): FileStat {
    return {
      ino: this.ino,
      mode: this.type | this.#permissions,
      links: this.links,
      uid: this.#uid,
      gid: this.#gid,
      major: this.major,
      minor: this.minor,
      size: this.size,
      blocks: Math.ceil(this.allocated / 512),
      atime: this.atime,
      mtime: this.mtime,
      ctime: this.ctime,
    };
  }

  override change({ mode, uid, gid, size, atime, mtime }: StatChanges): FileStat {
    this.tree.checkWritable();
    if (size !== undefined) this.resize(size);
    const now = this.tree.now();
    if (mode !== undefined) this.#permissions = mode & PERMISSION_BITS;
    if (uid !== undefined) this.#uid = uid;
    if (gid !== undefined) this.#gid = gid;
    if (mode === undefined && (uid !== undefined || gid !== undefined)) this.#dropSetId();
    if (atime !== undefined) this.atime = atime === "now" ? now : atime;
    if (mtime !== undefined) this.mtime = mtime === "now" ? now : mtime;
    this.ctime = now;
    return this.stat();
  }

  override getAttribute(name: string): Uint8Array {
    const value = this.#attributes?.get(name);
    if (value === undefined) throw FileError.of("ENODATA");
    return value;
  }

  override listAttributes(): readonly string[] {
    return [...(this.#attributes?.keys() ?? [])];
  }

  override setAttribute(name: string, value: Uint8Array, how: "create" | "replace" | "either"): void {
    this.tree.checkWritable();
    if (/^(?:user|trusted|security)\.$/.test(name)) throw FileError.of("EINVAL");
    // system.* are ACLs, which only a file system that enforces them may take.
    if (!/^(?:user|trusted|security)\../s.test(name)) throw FileError.of("EOPNOTSUPP");
    if (value.length > MAX_ATTRIBUTE_BYTES) throw FileError.of("E2BIG");
    const before = this.#attributes?.get(name);
    if (how === "create" && before !== undefined) throw FileError.of("EEXIST");
    if (how === "replace" && before === undefined) throw FileError.of("ENODATA");
    if (before === undefined) {
      const names = this.listAttributes().reduce((sum, each) => sum + nameLength(each) + 1, nameLength(name) + 1);
      if (names > MAX_ATTRIBUTE_BYTES) throw FileError.of("ENOSPC");
    }
    const cost = (bytes: Uint8Array | undefined) => (bytes === undefined ? 0 : bytes.length + NAME_COST + name.length);
    this.tree.charge(cost(value) - cost(before));
    this.#attributes ??= new Map();
    this.#attributes.set(name, value.slice());
    this.ctime = this.tree.now();
  }

  override removeAttribute(name: string): void {
    this.tree.checkWritable();
    const value = this.getAttribute(name);
    this.#attributes?.delete(name);
    this.tree.charge(-(value.length + NAME_COST + name.length));
    this.ctime = this.tree.now();
  }

  /** For the tree's builders: as `change` does, even if the tree is read-only by now. */
  setTimes(atime: FileTime, mtime: FileTime, ctime: FileTime): void {
    this.atime = atime;
    this.mtime = mtime;
    this.ctime = ctime;
  }

  /** A name has come or gone. */
  relink(by: number): void {
    this.links += by;
    this.ctime = this.tree.now();
    if (this.links === 0) this.maybeFree();
  }

  /** Gives back what it takes once it has neither a name nor a user. */
  protected maybeFree(): void {
    if (this.links > 0 || this.isInUse) return;
    for (const name of this.listAttributes()) {
      this.tree.charge(-(this.getAttribute(name).length + NAME_COST + name.length));
    }
    this.#attributes = undefined;
    this.freeContents();
    this.tree.charge(-NODE_COST);
    this.tree.disown();
  }

  protected get isInUse(): boolean {
    return false;
  }

  protected freeContents(): void {}

  protected resize(_size: number): void {
    throw FileError.of(this.type === FileType.Directory ? "EISDIR" : "EINVAL");
  }

  /** What is written was changed, and read no sooner. */
  protected touch(): void {
    this.mtime = this.ctime = this.tree.now();
  }

  /** chown(2): a file that has changed hands runs as nobody's but its caller's. */
  #dropSetId(): void {
    if (this.type !== FileType.Regular) return;
    this.#permissions &= ~SET_USER_ID;
    // Without execution by the group the bit stood for mandatory locks.
    if (this.#permissions & GROUP_EXECUTE) this.#permissions &= ~SET_GROUP_ID;
  }
}

/** A symbolic link in memory. */
export class MemorySymbolicLink extends MemoryNode {
  readonly #target: string;
  readonly #length: number;

  constructor(tree: MemoryTree, node: NewNode) {
    const target = node.target ?? "";
    const length = bytesFromName(target).length;
    if (length === 0) throw FileError.of("ENOENT");
    if (length >= MAX_PATH_BYTES) throw FileError.of("ENAMETOOLONG");
    tree.charge(length);
    try {
      super(tree, { ...node, mode: FileType.SymbolicLink | 0o777 });
    } catch (error) {
      tree.charge(-length);
      throw error;
    }
    this.#target = target;
    this.#length = length;
  }

  get size(): number {
    return this.#length;
  }

  get allocated(): number {
    return 0;
  }

  override readLink(): string {
    return this.#target;
  }

  protected override freeContents(): void {
    this.tree.charge(-this.#length);
  }
}

/** A device, FIFO or socket: the guest's kernel knows what it stands for. */
export class MemorySpecial extends MemoryNode {
  get size(): number {
    return 0;
  }

  get allocated(): number {
    return 0;
  }
}
