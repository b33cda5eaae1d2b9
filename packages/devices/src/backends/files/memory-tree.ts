/**
 * A file tree in the host's memory: what a guest writes to is bounded and gone with the process. Archives and served
 * trees are read into one as well, with contents that stay where they are, and then frozen.
 */
import { FileError } from "./errno.js";
import type { Later } from "./later.js";
import { MemoryContent } from "./memory-content.js";
import { bytesFromName, MAX_PATH_BYTES, nameLength } from "./names.js";
import {
  type AllocateMode,
  type DirectoryEntry,
  type DirectoryReader,
  FileNode,
  type FileStat,
  type FileTime,
  type FileTree,
  FileType,
  type NewNode,
  type OpenFile,
  type OpenMode,
  PERMISSION_BITS,
  type RenameFlags,
  type StatChanges,
  type TreeRoom,
  TYPE_BITS,
} from "./tree.js";

const DEFAULT_BYTES = 2 ** 30;
/** What a node and a name cost beside their bytes: about what V8 takes for them. */
const NODE_COST = 512;
const NAME_COST = 128;
const BLOCK = 4096;
/** As large as a file can be in ext4; offsets stay exact numbers. */
const MAX_FILE_BYTES = 2 ** 44;
const MAX_LINKS = 65_000;
/** Linux's bounds of a value, and of the names together (limits.h: XATTR_SIZE_MAX, XATTR_LIST_MAX). */
const MAX_ATTRIBUTE_BYTES = 65_536;
const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;
const GROUP_EXECUTE = 0o010;

/** How a {@link MemoryTree} is made. */
export interface MemoryTreeOptions {
  /** What it may take of the host's memory: contents, names and nodes. Default: 1 GiB. */
  readonly maxBytes?: number;
  /** The clock that times of files are read from. Default: the host's. */
  readonly now?: () => FileTime;
}

/** Bytes that lie somewhere else and do not change. */
export interface FileContent {
  readonly size: number;
  /** Whether every read answers at once. */
  readonly isHere?: boolean;
  /** Fills `into` with what there is from an offset on, and says how much. */
  read(offset: number, into: Uint8Array): Later<number>;
}

/** A tree in memory. */
export class MemoryTree implements FileTree {
  readonly root: MemoryDirectory;
  readonly hasAttributes = true;
  readonly isPrivate = true;
  readonly maxBytes: number;
  readonly now: () => FileTime;
  #usedBytes = 0;
  #nodes = 0;
  #nextIno = 1;
  #isFrozen = false;

  constructor({ maxBytes = DEFAULT_BYTES, now = hostTime }: MemoryTreeOptions = {}) {
    this.maxBytes = maxBytes;
    this.now = now;
    this.root = new MemoryDirectory(this, { mode: FileType.Directory | 0o755, uid: 0, gid: 0 });
    this.root.links = 2;
  }

  get isReadOnly(): boolean {
    return this.#isFrozen;
  }

  /** From now on nothing can be changed. */
  freeze(): void {
    this.#isFrozen = true;
  }

  room(): TreeRoom {
    const blocks = Math.floor(this.maxBytes / BLOCK);
    const freeBytes = Math.max(0, this.maxBytes - this.#usedBytes);
    const freeFiles = Math.floor(freeBytes / (NODE_COST + NAME_COST));
    return {
      blockSize: BLOCK,
      blocks,
      freeBlocks: Math.floor(freeBytes / BLOCK),
      files: this.#nodes + freeFiles,
      freeFiles,
    };
  }

  async close(): Promise<void> {}

  /** For nodes: takes room, or gives it back. @throws FileError ENOSPC */
  charge(bytes: number): void {
    if (bytes > 0 && this.#usedBytes + bytes > this.maxBytes) throw FileError.of("ENOSPC");
    this.#usedBytes += bytes;
  }

  /** For nodes: @throws FileError EROFS */
  checkWritable(): void {
    if (this.#isFrozen) throw FileError.of("EROFS");
  }

  /** For nodes: a number for a new one, whose room was charged. */
  adopt(): number {
    this.#nodes++;
    return this.#nextIno++;
  }

  /** For nodes: one is no more. */
  disown(): void {
    this.#nodes--;
  }
}

/** The host's time, as finely as it tells. */
export function hostTime(): FileTime {
  const ms = performance.timeOrigin + performance.now();
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanoseconds: Math.min(999_999_999, Math.floor((ms - seconds * 1000) * 1e6)) };
}

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

interface Entry {
  readonly name: string;
  readonly cookie: number;
  readonly node: MemoryNode;
}

/** A directory in memory. */
export class MemoryDirectory extends MemoryNode {
  /** In the order of their cookies. */
  readonly #entries = new Map<string, Entry>();
  #nextCookie = 1;
  /** Where it stands, so that it cannot be moved into itself; the root has none. */
  parent: MemoryDirectory | undefined;

  get size(): number {
    return BLOCK;
  }

  get allocated(): number {
    return BLOCK;
  }

  /** The nodes in it, by name. */
  get entries(): ReadonlyMap<string, { readonly node: MemoryNode }> {
    return this.#entries;
  }

  override lookup(name: string): MemoryNode {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw FileError.of("ENOENT");
    return entry.node;
  }

  override openDirectory(): DirectoryReader {
    const entries = this.#entries;
    // A reader goes on where it was; one that jumps begins anew.
    let iterator = entries.values();
    let position = 0;
    return {
      read: (after, limit) => {
        if (after !== position) {
          iterator = entries.values();
          position = 0;
        }
        const found: DirectoryEntry[] = [];
        while (found.length < limit) {
          const next = iterator.next();
          if (next.done) {
            // An iterator that has ended does not see what comes later.
            iterator = entries.values();
            position = 0;
            break;
          }
          const { name, cookie, node } = next.value;
          if (cookie <= after) continue;
          position = cookie;
          found.push({ name, cookie, ino: node.ino, type: node.type });
        }
        return found;
      },
      close: () => {},
    };
  }

  override create(name: string, node: NewNode): MemoryNode {
    this.#checkChangeable();
    if (this.#entries.has(name)) throw FileError.of("EEXIST");
    const inherits = (this.permissions & SET_GROUP_ID) !== 0;
    const gid = inherits ? this.gid : node.gid;
    const isDirectory = (node.mode & TYPE_BITS) === FileType.Directory;
    if (isDirectory && this.links >= MAX_LINKS) throw FileError.of("EMLINK");
    const mode = node.mode | (inherits && isDirectory ? SET_GROUP_ID : 0);
    this.tree.charge(NAME_COST + name.length);
    try {
      const made = makeNode(this.tree, { ...node, mode, gid });
      this.#put(name, made);
      return made;
    } catch (error) {
      this.tree.charge(-(NAME_COST + name.length));
      throw error;
    }
  }

  override link(name: string, node: FileNode): void {
    this.#checkChangeable();
    if (!(node instanceof MemoryNode) || node.tree !== this.tree) throw FileError.of("EXDEV");
    if (node instanceof MemoryDirectory) throw FileError.of("EPERM");
    if (node.links === 0) throw FileError.of("ENOENT");
    if (node.links >= MAX_LINKS) throw FileError.of("EMLINK");
    if (this.#entries.has(name)) throw FileError.of("EEXIST");
    this.tree.charge(NAME_COST + name.length);
    this.#put(name, node);
  }

  override remove(name: string, kind: "directory" | "other"): void {
    this.tree.checkWritable();
    const node = this.lookup(name);
    if (node instanceof MemoryDirectory) {
      if (kind === "other") throw FileError.of("EISDIR");
      if (node.#entries.size > 0) throw FileError.of("ENOTEMPTY");
    } else if (kind === "directory") throw FileError.of("ENOTDIR");
    this.#entries.delete(name);
    this.tree.charge(-(NAME_COST + name.length));
    this.#left(node);
    this.touch();
  }

  override rename(name: string, to: FileNode, newName: string, { noReplace, exchange }: RenameFlags): void {
    this.tree.checkWritable();
    if (!(to instanceof MemoryDirectory) || to.tree !== this.tree) throw FileError.of("EXDEV");
    to.#checkChangeable();
    const moved = this.lookup(name);
    const replaced = to.#entries.get(newName)?.node;
    if (exchange) {
      if (replaced === undefined) throw FileError.of("ENOENT");
      to.#refuseWithin(moved);
      this.#refuseWithin(replaced);
      if (moved === replaced) return;
      this.#replace(name, replaced);
      to.#replace(newName, moved);
      return;
    }
    if (replaced !== undefined && noReplace) throw FileError.of("EEXIST");
    // Two names of one node: rename(2) does nothing.
    if (moved === replaced) return;
    to.#refuseWithin(moved);
    if (replaced instanceof MemoryDirectory) {
      // Linux asks this first of a directory that holds what is moved.
      if (this.#isWithin(replaced)) throw FileError.of("ENOTEMPTY");
      if (!(moved instanceof MemoryDirectory)) throw FileError.of("EISDIR");
      if (replaced.#entries.size > 0) throw FileError.of("ENOTEMPTY");
    } else if (replaced !== undefined && moved instanceof MemoryDirectory) throw FileError.of("ENOTDIR");
    if (replaced === undefined) this.tree.charge(newName.length - name.length);
    else this.tree.charge(-(NAME_COST + name.length));
    this.#entries.delete(name);
    this.#left(moved, false);
    this.touch();
    if (replaced === undefined) to.#put(newName, moved, false);
    else {
      to.#replace(newName, moved, false);
      to.#left(replaced);
    }
    moved.relink(0);
  }

  protected override resize(): void {
    throw FileError.of("EISDIR");
  }

  #checkChangeable(): void {
    this.tree.checkWritable();
    // A directory that was removed while somebody is in it.
    if (this.links === 0) throw FileError.of("ENOENT");
  }

  /** Refuses to have a directory below itself. */
  #refuseWithin(node: MemoryNode): void {
    if (node instanceof MemoryDirectory && this.#isWithin(node)) throw FileError.of("EINVAL");
  }

  #isWithin(node: MemoryDirectory): boolean {
    let each: MemoryDirectory | undefined = this;
    while (each !== undefined && each !== node) each = each.parent;
    return each === node;
  }

  #put(name: string, node: MemoryNode, isNew = true): void {
    this.#entries.set(name, { name, node, cookie: this.#nextCookie++ });
    this.#entered(node, isNew);
    this.touch();
  }

  /** Another node under a name that is there, in its place. */
  #replace(name: string, node: MemoryNode, leaves = true): void {
    const entry = this.#entries.get(name) as Entry;
    if (leaves) this.#left(entry.node, false);
    this.#entries.set(name, { ...entry, node });
    this.#entered(node, false);
    this.touch();
    node.relink(0);
  }

  /** Counts a node's name, which is new or was elsewhere before; and of a directory the `..` in it. */
  #entered(node: MemoryNode, isNew: boolean): void {
    if (node instanceof MemoryDirectory) {
      node.parent = this;
      this.links++;
      if (isNew) node.links = 2;
    } else if (isNew) node.relink(1);
  }

  #left(node: MemoryNode, isGone = true): void {
    if (node instanceof MemoryDirectory) {
      this.links--;
      if (isGone) {
        node.parent = undefined;
        node.relink(-node.links);
      }
    } else if (isGone) node.relink(-1);
  }
}

/** A regular file in memory. */
export class MemoryFile extends MemoryNode {
  #content: MemoryContent | FileContent = new MemoryContent();
  #open = 0;

  get size(): number {
    return this.#content.size;
  }

  get allocated(): number {
    return this.#content instanceof MemoryContent ? this.#content.allocated : this.#content.size;
  }

  /** For builders of trees that will be frozen: contents that lie elsewhere. */
  refer(content: FileContent): void {
    this.#content = content;
  }

  override open({ write }: OpenMode): OpenFile {
    if (write) this.tree.checkWritable();
    this.#open++;
    let isOpen = true;
    const file: OpenFile = {
      read: (offset, into) => this.#read(offset, into),
      write: (offset, bytes) => this.#write(offset, bytes),
      sync: () => {},
      stat: () => this.stat(),
      change: (changes) => this.change(changes),
      allocate: (offset, length, how) => this.#allocate(offset, length, how),
      seek: (offset, what) => this.#seek(offset, what),
      close: () => {
        if (isOpen) this.#open--;
        isOpen = false;
        this.maybeFree();
      },
      readNow: (offset, into) => this.#readNow(offset, into),
      writeNow: (offset, parts) => this.#writeNow(offset, parts),
    };
    return file;
  }

  protected override get isInUse(): boolean {
    return this.#open > 0;
  }

  protected override freeContents(): void {
    this.tree.charge(-this.#charged);
    this.#content = new MemoryContent();
  }

  protected override resize(size: number): void {
    const content = this.#changeable();
    if (size > MAX_FILE_BYTES) throw FileError.of("EFBIG");
    const before = content.allocated;
    content.resize(size);
    this.tree.charge(content.allocated - before);
    this.touch();
  }

  get #charged(): number {
    return this.#content instanceof MemoryContent ? this.#content.allocated : 0;
  }

  /** @throws FileError EROFS for contents that are only referred to */
  #changeable(): MemoryContent {
    this.tree.checkWritable();
    if (!(this.#content instanceof MemoryContent)) throw FileError.of("EROFS");
    return this.#content;
  }

  #read(offset: number, into: Uint8Array): Later<number> {
    this.#accessed();
    return this.#content.read(offset, into);
  }

  #readNow(offset: number, into: readonly Uint8Array[]): number | undefined {
    const content = this.#content;
    if (!(content instanceof MemoryContent) && !content.isHere) return undefined;
    this.#accessed();
    let at = offset;
    for (const part of into) {
      const count = content.read(at, part) as number;
      at += count;
      if (count < part.length) break;
    }
    return at - offset;
  }

  #write(offset: number, bytes: Uint8Array): number {
    const content = this.#changeable();
    if (offset + bytes.length > MAX_FILE_BYTES) throw FileError.of("EFBIG");
    this.tree.charge(content.growth(offset, bytes.length));
    content.write(offset, bytes);
    this.touch();
    return bytes.length;
  }

  #writeNow(offset: number, parts: readonly Uint8Array[]): number {
    const content = this.#changeable();
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (offset + length > MAX_FILE_BYTES) throw FileError.of("EFBIG");
    this.tree.charge(content.growth(offset, length));
    let at = offset;
    for (const part of parts) {
      content.write(at, part);
      at += part.length;
    }
    this.touch();
    return length;
  }

  #allocate(offset: number, length: number, { keepSize, zero }: AllocateMode): void {
    const content = this.#changeable();
    const end = offset + length;
    if (end > MAX_FILE_BYTES) throw FileError.of("EFBIG");
    if (zero) {
      const before = content.allocated;
      content.punch(offset, length);
      this.tree.charge(content.allocated - before);
    } else if (end - content.size > this.tree.room().freeBlocks * BLOCK) throw FileError.of("ENOSPC");
    if (!keepSize && end > content.size) content.resize(end);
    this.touch();
  }

  #seek(offset: number, what: "data" | "hole"): number {
    const content = this.#content;
    const found =
      content instanceof MemoryContent
        ? content.seek(offset, what)
        : offset >= content.size
          ? undefined
          : what === "data"
            ? offset
            : content.size;
    if (found === undefined) throw FileError.of("ENXIO");
    return found;
  }

  /** relatime (mount(8)): a read is noted once behind each change, and once a day. */
  #accessed(): void {
    if (this.tree.isReadOnly) return;
    const { atime, mtime, ctime } = this;
    const isNoted = isLater(atime, mtime) && isLater(atime, ctime);
    const now = this.tree.now();
    if (!isNoted || now.seconds - atime.seconds >= 86_400) this.atime = now;
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

function makeNode(tree: MemoryTree, node: NewNode): MemoryNode {
  switch (node.mode & TYPE_BITS) {
    case FileType.Directory:
      return new MemoryDirectory(tree, node);
    case FileType.Regular:
      return new MemoryFile(tree, node);
    case FileType.SymbolicLink:
      return new MemorySymbolicLink(tree, node);
    case FileType.Fifo:
    case FileType.Socket:
    case FileType.CharacterDevice:
    case FileType.BlockDevice:
      return new MemorySpecial(tree, node);
    default:
      throw FileError.of("EINVAL");
  }
}

function isLater(time: FileTime, than: FileTime): boolean {
  return time.seconds > than.seconds || (time.seconds === than.seconds && time.nanoseconds > than.nanoseconds);
}
