/**
 * A node of a union: what the uppermost layer says that has it, and directories of several layers as one. What changes
 * it copies it up first; what removes it hides what is below.
 */
import { FileError } from "./errno.js";
import { type Later, perform, type Steps, wait } from "./later.js";
import {
  type DirectoryReader,
  FileNode,
  type FileStat,
  FileType,
  type NewNode,
  type OpenFile,
  type OpenMode,
  type RenameFlags,
  type StatChanges,
} from "./tree.js";
import { copyNode, removeCopy, type Vacancy } from "./union-copy.js";
import { UnionFile, UnionReader } from "./union-file.js";
import {
  attributesOf,
  describedIn,
  findIn,
  isLayerAttribute,
  isOpaque,
  isWhiteout,
  lookupIn,
  makeOpaque,
  namesIn,
  RESERVED,
  removeWhiteouts,
  WHITEOUT,
} from "./union-layers.js";

const NO_RENAME_FLAGS: RenameFlags = {};

/** What a node needs of its union. */
export interface NodeTree {
  /** Names that directories being read hold. */
  listed: number;
  /** The node that stands on these nodes of layers; found at a place. */
  node(
    upper: FileNode | undefined,
    lowers: readonly FileNode[],
    parent: UnionNode | undefined,
    name: string,
  ): UnionNode;
  /** A node was copied up. */
  copied(node: UnionNode, upper: FileNode, hasLinks: boolean): void;
  /** The last name of a node with several is gone. */
  forget(node: UnionNode): void;
  /** Throws EROFS where there is no upper. */
  checkWritable(): void;
  /** Where copies and whiteouts are made, before they are moved to their place. */
  work(): Steps<Vacancy>;
}

/** A node of a union. */
export class UnionNode extends FileNode {
  readonly ino: number;
  readonly type: number;
  readonly #tree: NodeTree;
  /** Of directories all that it merges, of others at most one; as long as there is an upper, others' does not count. */
  readonly #lowers: readonly FileNode[];
  /** The one of them that says what it is like. */
  readonly #described: FileNode;
  #upper: FileNode | undefined;
  #parent: UnionNode | undefined;
  #name: string;
  #isRemoved = false;
  /** Names of what has several below, from the moment that it was copied. */
  #links: number | undefined;
  /** Its name in the work directory, where it is kept while names below lead to it, or it has none. */
  #workName: string | undefined;
  #openFiles = 0;
  #copying: Promise<unknown> | undefined;

  constructor(
    tree: NodeTree,
    ino: number,
    upper: FileNode | undefined,
    lowers: readonly FileNode[],
    parent: UnionNode | undefined,
    name: string,
  ) {
    super();
    this.#tree = tree;
    this.ino = ino;
    this.#upper = upper;
    this.#lowers = lowers;
    this.#described = describedIn(lowers) as FileNode; // without any, there is an upper
    this.type = (upper ?? (lowers[0] as FileNode)).type;
    this.#parent = parent;
    this.#name = name;
  }

  get parent(): UnionNode | undefined {
    return this.#parent;
  }

  /** Whether it has a name. */
  get isHere(): boolean {
    return !this.#isRemoved;
  }

  get upper(): FileNode | undefined {
    return this.#upper;
  }

  /** What it is read from. */
  get top(): FileNode {
    return this.#upper ?? this.#described;
  }

  place(parent: UnionNode | undefined, name: string): void {
    this.#parent = parent;
    this.#name = name;
  }

  override stat(): Later<FileStat> {
    return perform(this.#stat());
  }

  *#stat(): Steps<FileStat> {
    return this.seen(yield* wait(this.top.stat()));
  }

  /** What a layer says of it, as the union shows it. */
  seen(stat: FileStat): FileStat {
    const layers = this.#lowers.length + (this.#upper === undefined ? 0 : 1);
    // As in overlayfs, 1 says that the directories in it were not counted.
    const isMerged = this.type === FileType.Directory && layers > 1;
    return { ...stat, ino: this.ino, links: isMerged ? 1 : (this.#links ?? stat.links) };
  }

  override change(changes: StatChanges): Later<FileStat> {
    this.#tree.checkWritable();
    return perform(this.#change(changes));
  }

  *#change(changes: StatChanges): Steps<FileStat> {
    const upper = yield* this.copyUp(changes.size);
    const stat = yield* wait(upper.change(changes));
    yield* this.leaveWork();
    return this.seen(stat);
  }

  override lookup(name: string): Later<UnionNode> {
    return perform(this.#lookup(name));
  }

  *#lookup(name: string): Steps<UnionNode> {
    const found = yield* this.find(name);
    if (found === undefined) throw FileError.of("ENOENT");
    return found;
  }

  /** What has a name here; undefined for nothing. */
  *find(name: string): Steps<UnionNode | undefined> {
    this.#checkDirectory();
    if (name.startsWith(RESERVED)) return undefined;
    const upper = this.#upper === undefined ? undefined : yield* lookupIn(this.#upper, name);
    if (upper !== undefined) {
      if (yield* isWhiteout(upper)) return undefined;
      const isAlone = upper.type !== FileType.Directory || (yield* isOpaque(upper));
      return this.#tree.node(upper, isAlone ? [] : yield* findIn(this.#lowers, name), this, name);
    }
    const lowers = yield* findIn(this.#lowers, name);
    return lowers.length === 0 ? undefined : this.#tree.node(undefined, lowers, this, name);
  }

  override openDirectory(): DirectoryReader {
    this.#checkDirectory();
    return new UnionReader(this.#tree, this);
  }

  /** All names here. */
  names(): Steps<string[]> {
    return namesIn([...(this.#upper ? [this.#upper] : []), ...this.#lowers]);
  }

  override create(name: string, node: NewNode): Later<UnionNode> {
    return perform(this.#create(name, node));
  }

  *#create(name: string, made: NewNode): Steps<UnionNode> {
    const upper = yield* this.#makeWay(name);
    const covers = yield* this.#uncover(upper, name);
    try {
      const node = yield* wait(upper.create(name, made));
      const isDirectory = node.type === FileType.Directory;
      if (isDirectory && covers) yield* makeOpaque(node);
      return this.#tree.node(node, [], this, name);
    } catch (error) {
      if (covers) yield* wait(upper.create(name, WHITEOUT));
      throw error;
    }
  }

  override link(name: string, node: FileNode): Later<void> {
    return perform(this.#link(name, node));
  }

  *#link(name: string, node: FileNode): Steps<void> {
    if (!(node instanceof UnionNode) || node.#tree !== this.#tree) throw FileError.of("EXDEV");
    if (node.type === FileType.Directory) throw FileError.of("EPERM");
    if (node.#isRemoved) throw FileError.of("ENOENT");
    const upper = yield* this.#makeWay(name);
    const linked = yield* node.copyUp();
    yield* this.#uncover(upper, name);
    yield* wait(upper.link(name, linked));
    if (node.#links !== undefined) node.#links++;
    node.place(this, name);
  }

  override remove(name: string, kind: "directory" | "other"): Later<void> {
    this.#tree.checkWritable();
    return perform(this.#remove(name, kind));
  }

  *#remove(name: string, kind: "directory" | "other"): Steps<void> {
    const node = yield* this.#lookup(name);
    const isDirectory = node.type === FileType.Directory;
    if (isDirectory && kind === "other") throw FileError.of("EISDIR");
    if (!isDirectory && kind === "directory") throw FileError.of("ENOTDIR");
    if (isDirectory && (yield* node.names()).length > 0) throw FileError.of("ENOTEMPTY");
    const upper = yield* this.copyUp();
    const whiteout = yield* this.#prepareWhiteout(name);
    const there = yield* lookupIn(upper, name);
    if (there !== undefined && isDirectory) yield* removeWhiteouts(there);
    if (there !== undefined && (isDirectory || whiteout === undefined)) yield* wait(upper.remove(name, kind));
    if (whiteout !== undefined) {
      yield* wait(whiteout.directory.rename(whiteout.name, upper, name, NO_RENAME_FLAGS));
    }
    yield* node.#lostName();
  }

  override rename(name: string, to: FileNode, newName: string, flags: RenameFlags): Later<void> {
    this.#tree.checkWritable();
    return perform(this.#rename(name, to, newName, flags));
  }

  *#rename(name: string, to: FileNode, newName: string, { noReplace, exchange }: RenameFlags): Steps<void> {
    if (!(to instanceof UnionNode) || to.#tree !== this.#tree) throw FileError.of("EXDEV");
    if (newName.startsWith(RESERVED)) throw FileError.of("EPERM");
    to.#checkDirectory();
    const moved = yield* this.#lookup(name);
    const replaced = yield* to.find(newName);
    if (exchange && replaced === undefined) throw FileError.of("ENOENT");
    if (noReplace && replaced !== undefined) throw FileError.of("EEXIST");
    if (moved === replaced) return;
    if (to.#isWithin(moved)) throw FileError.of("EINVAL");
    if (exchange && replaced !== undefined) {
      if (this.#isWithin(replaced)) throw FileError.of("EINVAL");
      const [from, into] = [yield* this.copyUp(), yield* to.copyUp()];
      yield* moved.#copyUpTo(this, name);
      yield* replaced.#copyUpTo(to, newName);
      yield* wait(from.rename(name, into, newName, { exchange }));
      moved.place(to, newName);
      replaced.place(this, name);
      return;
    }
    const isDirectory = moved.type === FileType.Directory;
    if (replaced?.type === FileType.Directory) {
      if (this.#isWithin(replaced)) throw FileError.of("ENOTEMPTY");
      if (!isDirectory) throw FileError.of("EISDIR");
      if ((yield* replaced.names()).length > 0) throw FileError.of("ENOTEMPTY");
    } else if (replaced !== undefined && isDirectory) throw FileError.of("ENOTDIR");
    const [from, into] = [yield* this.copyUp(), yield* to.copyUp()];
    yield* moved.#copyUpTo(this, name);
    const whiteout = yield* this.#prepareWhiteout(name);
    const there = yield* lookupIn(into, newName);
    if (there?.type === FileType.Directory) yield* removeWhiteouts(there);
    // A directory replaces directories only.
    const covers = isDirectory && there !== undefined && (yield* isWhiteout(there));
    if (covers) yield* wait(into.remove(newName, "other"));
    try {
      yield* wait(from.rename(name, into, newName, NO_RENAME_FLAGS));
    } catch (error) {
      if (covers) yield* wait(into.create(newName, WHITEOUT));
      throw error;
    }
    if (whiteout !== undefined) {
      yield* wait(whiteout.directory.rename(whiteout.name, from, name, NO_RENAME_FLAGS));
    }
    moved.place(to, newName);
    if (replaced !== undefined) yield* replaced.#lostName();
  }

  override readLink(): Later<string> {
    return this.top.readLink();
  }

  override open(mode: OpenMode): Later<OpenFile> {
    if (mode.write) this.#tree.checkWritable();
    return perform(this.#open(mode));
  }

  *#open(mode: OpenMode): Steps<OpenFile> {
    // What is below is only read: writing copies it up.
    const below = this.#upper === undefined;
    const file = yield* wait(this.top.open(below ? { read: true, write: false } : mode));
    this.#openFiles++;
    return new UnionFile(this, mode, file, !below);
  }

  override getAttribute(name: string): Later<Uint8Array> {
    if (isLayerAttribute(name)) throw FileError.of("ENODATA");
    return perform(this.#getAttribute(name));
  }

  *#getAttribute(name: string): Steps<Uint8Array> {
    try {
      return yield* wait(this.top.getAttribute(name));
    } catch (error) {
      if ((error as { code?: unknown }).code === "EOPNOTSUPP") throw FileError.of("ENODATA");
      throw error;
    }
  }

  override listAttributes(): Later<readonly string[]> {
    return perform(this.#listAttributes());
  }

  *#listAttributes(): Steps<readonly string[]> {
    return (yield* attributesOf(this.top)).filter((name) => !isLayerAttribute(name));
  }

  override setAttribute(name: string, value: Uint8Array, how: "create" | "replace" | "either"): Later<void> {
    this.#tree.checkWritable();
    if (isLayerAttribute(name)) throw FileError.of("EPERM");
    return perform(this.#setAttribute(name, value, how));
  }

  *#setAttribute(name: string, value: Uint8Array, how: "create" | "replace" | "either"): Steps<void> {
    const upper = yield* this.copyUp();
    yield* wait(upper.setAttribute(name, value, how));
  }

  override removeAttribute(name: string): Later<void> {
    this.#tree.checkWritable();
    if (isLayerAttribute(name)) throw FileError.of("ENODATA");
    return perform(this.#removeAttribute(name));
  }

  *#removeAttribute(name: string): Steps<void> {
    yield* this.#getAttribute(name);
    const upper = yield* this.copyUp();
    yield* wait(upper.removeAttribute(name));
  }

  /** One who had it open has it no more. */
  *closed(): Steps<void> {
    this.#openFiles--;
    yield* this.leaveWork();
  }

  /** What was copied without a name, for who had it open, stays in the work directory no longer. */
  *leaveWork(): Steps<void> {
    if (this.#workName === undefined || !this.#isRemoved || this.#openFiles > 0) return;
    const { directory } = yield* this.#tree.work();
    const name = this.#workName;
    this.#workName = undefined;
    yield* wait(directory.remove(name, "other"));
  }

  /** Its node in the upper layer: there already, or copied, with no more than `bytes` of its contents. */
  *copyUp(bytes = Number.POSITIVE_INFINITY): Steps<FileNode> {
    while (this.#copying !== undefined) {
      yield this.#copying.catch(() => {});
    }
    if (this.#upper !== undefined) return this.#upper;
    this.#tree.checkWritable();
    const copied = perform(this.#copy(bytes));
    if (!(copied instanceof Promise)) return copied;
    this.#copying = copied;
    try {
      return yield* wait(copied);
    } finally {
      this.#copying = undefined;
    }
  }

  /** As {@link copyUp}, and under this name, which may be one of several. */
  *#copyUpTo(parent: UnionNode, name: string): Steps<void> {
    this.place(parent, name);
    const upper = yield* this.copyUp();
    const directory = yield* parent.copyUp();
    const there = yield* lookupIn(directory, name);
    if (there === undefined) yield* wait(directory.link(name, upper));
  }

  *#copy(bytes: number): Steps<FileNode> {
    const lower = this.top;
    const stat = yield* wait(lower.stat());
    const isDirectory = this.type === FileType.Directory;
    // What has other names below is found by those: the node that they stand for knows its copy.
    const hasLinks = stat.links > 1 && !isDirectory;
    const parent = this.#isRemoved || hasLinks ? undefined : yield* (this.#parent as UnionNode).copyUp();
    const work = yield* this.#tree.work();
    const upper = yield* copyNode(lower, stat, bytes, work);
    if (parent !== undefined) {
      try {
        const before = yield* wait(parent.stat());
        yield* wait(work.directory.rename(work.name, parent, this.#name, NO_RENAME_FLAGS));
        yield* wait(parent.change({ atime: before.atime, mtime: before.mtime }));
      } catch (error) {
        yield* removeCopy(upper, work);
        throw error;
      }
    }
    this.#upper = upper;
    if (parent === undefined) this.#workName = work.name;
    if (hasLinks) this.#links ??= stat.links;
    this.#tree.copied(this, upper, hasLinks);
    return upper;
  }

  *#lostName(): Steps<void> {
    if (this.#links !== undefined) {
      this.#links--;
      if (this.#links > 0) return;
      this.#tree.forget(this);
      this.#isRemoved = true;
      yield* this.leaveWork();
      return;
    }
    const { links } = yield* wait(this.top.stat());
    // A node below has lost a name that its layer still has.
    const isBelow = this.#upper === undefined;
    if (isBelow && links > 1) {
      this.#links = links - 1;
      this.#tree.copied(this, this.top, true);
      return;
    }
    if (isBelow || links === 0 || this.type === FileType.Directory) this.#isRemoved = true;
  }

  /** A name that is free, in a directory that can be written. */
  *#makeWay(name: string): Steps<FileNode> {
    this.#tree.checkWritable();
    if (name.startsWith(RESERVED)) throw FileError.of("EPERM");
    if (this.#isRemoved) throw FileError.of("ENOENT");
    if ((yield* this.find(name)) !== undefined) throw FileError.of("EEXIST");
    return yield* this.copyUp();
  }

  /** Takes a whiteout away; whether there was one. */
  *#uncover(upper: FileNode, name: string): Steps<boolean> {
    const node = yield* lookupIn(upper, name);
    if (node === undefined) return false;
    yield* wait(upper.remove(name, "other"));
    return true;
  }

  /** A whiteout for a name that lower layers have, which is moved to its place when all else is done; a full disk fails here. */
  *#prepareWhiteout(name: string): Steps<Vacancy | undefined> {
    if ((yield* findIn(this.#lowers, name)).length === 0) return undefined;
    const work = yield* this.#tree.work();
    yield* wait(work.directory.create(work.name, WHITEOUT));
    return work;
  }

  #isWithin(node: UnionNode): boolean {
    let each: UnionNode | undefined = this;
    while (each !== undefined && each !== node) each = each.#parent;
    return each === node;
  }

  #checkDirectory(): void {
    if (this.type !== FileType.Directory) throw FileError.of("ENOTDIR");
  }
}
