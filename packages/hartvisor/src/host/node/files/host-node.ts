/** A node of a {@link hostDirectory}: an inode of the host's that was found at a place, and is still the same when it is used. */
import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import {
  bytesFromName,
  checkName,
  type DirectoryReader,
  FileError,
  FileNode,
  type FileStat,
  FileType,
  hasEscapes,
  type NewNode,
  type NewOpenFile,
  nameFromBytes,
  type OpenFile,
  type OpenMode,
  PERMISSION_BITS,
  type RenameFlags,
  type StatChanges,
  TYPE_BITS,
} from "@hartvisor/devices";
import { type Anchor, type AnchoredDirectory, type FileKey, keyOf, staleIfGone } from "./anchor.js";
import { changeAt, changeOpen, HostFile, SET_ID } from "./host-file.js";
import { HostReader } from "./host-reader.js";

const { O_CREAT, O_EXCL, O_WRONLY, O_RDONLY, O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
const SET_GROUP_ID = 0o2000;
/** Names of a file that are remembered beside the last. */
const MAX_OTHER_NAMES = 16;

/** What a node needs of its tree. */
export interface NodeTree {
  readonly isReadOnly: boolean;
  readonly anchor: Anchor;
  /** Whether owners can be given away. */
  readonly isRoot: boolean;
  openFiles: number;
  /** Names that directories being read hold. */
  listed: number;
  /** The node of an inode, which was just found at a place. */
  node(stat: BigIntStats, parent: HostNode | undefined, name: string): HostNode;
  /** A node is gone from the host: what gets its inode number is another. */
  forget(node: HostNode): void;
  stat(stat: BigIntStats): FileStat;
  ino(stat: BigIntStats): number;
  checkWritable(): void;
  checkOpenFiles(): void;
}

/** An inode, and where it was found last. */
export class HostNode extends FileNode implements AnchoredDirectory {
  readonly ino: number;
  readonly type: number;
  readonly key: FileKey;
  readonly #tree: NodeTree;
  /** Descriptors, through which it can be reached when its name is gone, and whether they write. */
  readonly #open = new Map<number, boolean>();
  #parent: HostNode | undefined;
  #name: string;
  /** Other names of a file that it was seen by; it need not have them any more. */
  #otherNames: { readonly parent: HostNode; readonly name: string }[] = [];
  /** The host has removed it for us, and may use its inode number again. */
  #isRemoved = false;

  constructor(tree: NodeTree, key: FileKey, stat: BigIntStats, parent: HostNode | undefined, name: string) {
    super();
    this.#tree = tree;
    this.key = key;
    this.ino = tree.ino(stat);
    this.type = Number(stat.mode) & TYPE_BITS;
    this.#parent = parent;
    this.#name = name;
  }

  get parent(): HostNode | undefined {
    return this.#parent;
  }

  get pathName(): string | Buffer {
    return hostName(this.#name);
  }

  /** It was found there; where it has several names, those before may be good still. */
  found(parent: HostNode | undefined, name: string, hasOthers: boolean): void {
    if (this.#parent === parent && this.#name === name) return;
    if (!hasOthers) this.#otherNames = [];
    else if (this.#parent !== undefined) {
      this.#otherNames.push({ parent: this.#parent, name: this.#name });
      if (this.#otherNames.length > MAX_OTHER_NAMES) this.#otherNames.shift();
    }
    this.#parent = parent;
    this.#name = name;
  }

  override stat(): FileStat {
    return this.#tree.stat(this.#stat());
  }

  override change(changes: StatChanges): FileStat {
    this.#tree.checkWritable();
    const [first] = this.#open.keys();
    if (first === undefined) {
      this.#reach((path) => changeAt(path, this.#tree.anchor.isFollowed, changes, this.type));
      return this.stat();
    }
    const writing = [...this.#open].find(([, writes]) => writes)?.[0];
    if (changes.size === undefined || writing !== undefined) changeOpen(writing ?? first, changes, this.type);
    else {
      const file = this.open({ read: false, write: true });
      try {
        file.change(changes);
      } finally {
        file.close();
      }
    }
    return this.stat();
  }

  override lookup(name: string): HostNode {
    return this.#find(this.#path(name), name).node;
  }

  override openDirectory(): DirectoryReader {
    this.#checkDirectory();
    return new HostReader(this.#tree, this);
  }

  /** The names in it at the moment. */
  names(): string[] {
    if (this.#isRemoved) return [];
    return this.#tree.anchor.reachDirectory(this, (path) => {
      const names = readdirSync(path);
      // A name that is not UTF-8 has lost its bytes.
      if (!names.some((name) => name.includes("\ufffd"))) return names;
      return readdirSync(path, { encoding: "buffer" }).map(nameFromBytes);
    });
  }

  override create(name: string, node: NewNode): HostNode {
    this.#tree.checkWritable();
    const path = this.#path(name);
    const type = node.mode & TYPE_BITS;
    const permissions = node.mode & PERMISSION_BITS;
    switch (type) {
      case FileType.Regular:
        closeSync(this.#createFile(path, node));
        break;
      case FileType.Directory:
        mkdirSync(path, permissions);
        break;
      case FileType.SymbolicLink:
        symlinkSync(hostName(node.target ?? ""), path);
        break;
      default:
        throw FileError.of("EPERM");
    }
    const made = this.lookup(name);
    if (made.type !== type) throw FileError.of("ESTALE");
    if (type !== FileType.Regular) this.#dress(made, node);
    return made;
  }

  override createOpen(name: string, node: NewNode): NewOpenFile {
    this.#tree.checkWritable();
    const fd = this.#createFile(this.#path(name), node);
    const made = this.#tree.node(fstatSync(fd, { bigint: true }), this, name);
    return { node: made, file: made.#keepOpen(fd, true) };
  }

  override link(name: string, node: FileNode): void {
    this.#tree.checkWritable();
    if (!(node instanceof HostNode) || node.#tree !== this.#tree || node.#parent === undefined) {
      throw FileError.of("EXDEV");
    }
    if (node.type === FileType.Directory) throw FileError.of("EPERM");
    node.#stat();
    const path = this.#path(name);
    try {
      linkSync(node.#parent.#path(node.#name), path);
    } catch (error) {
      // Of an open file whose last name is gone, there is nothing that a name could be given to.
      if (node.#stat().nlink === 0n) throw FileError.of("ENOENT");
      throw staleIfGone(error);
    }
    const stat = lstatSync(path, { bigint: true });
    if (keyOf(stat) === node.key) {
      node.found(this, name, true);
      return;
    }
    // The host put something else there in between.
    unlinkSync(path);
    throw FileError.of("ESTALE");
  }

  override remove(name: string, kind: "directory" | "other"): void {
    this.#tree.checkWritable();
    const path = this.#path(name);
    const { node, isLast } = this.#find(path, name);
    if (kind === "directory") {
      if (node.type !== FileType.Directory) throw FileError.of("ENOTDIR");
      rmdirSync(path);
    } else {
      if (node.type === FileType.Directory) throw FileError.of("EISDIR");
      unlinkSync(path);
    }
    if (isLast) node.#removed();
  }

  override rename(name: string, to: FileNode, newName: string, { noReplace, exchange }: RenameFlags): void {
    this.#tree.checkWritable();
    if (!(to instanceof HostNode) || to.#tree !== this.#tree) throw FileError.of("EXDEV");
    // Node has no renameat2.
    if (exchange) throw FileError.of("EINVAL");
    const moved = this.lookup(name);
    const target = to.#path(newName);
    const isFree = lstatSync(target, { throwIfNoEntry: false }) === undefined;
    if (noReplace && !isFree) throw FileError.of("EEXIST");
    const replaced = isFree ? undefined : to.#find(target, newName);
    renameSync(this.#path(name), target);
    if (replaced?.isLast === true && replaced.node !== moved) replaced.node.#removed();
    // Two names of one file: nothing was renamed, but both are right.
    moved.found(to, newName, replaced?.node === moved);
  }

  override readLink(): string {
    if (this.type !== FileType.SymbolicLink || this.#parent === undefined) throw FileError.of("EINVAL");
    this.#stat();
    try {
      return nameFromBytes(readlinkSync(this.#parent.#path(this.#name), { encoding: "buffer" }));
    } catch (error) {
      throw staleIfGone(error);
    }
  }

  override open({ read, write }: OpenMode): OpenFile {
    if (this.type !== FileType.Regular) {
      throw FileError.of(this.type === FileType.Directory ? "EISDIR" : "EOPNOTSUPP");
    }
    if (write) this.#tree.checkWritable();
    this.#tree.checkOpenFiles();
    const flags = (write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY) | O_NONBLOCK;
    const [open] = this.#open.keys();
    // One that has lost its name is still what it was.
    const reopened = open === undefined ? undefined : tryReopen(open, flags, this.key);
    const links = this.#tree.anchor.isFollowed ? 0 : O_NOFOLLOW;
    const fd = reopened ?? this.#reach((path) => openSync(path, flags | links));
    if (keyOf(fstatSync(fd, { bigint: true })) !== this.key) {
      closeSync(fd);
      throw FileError.of("ESTALE");
    }
    return this.#keepOpen(fd, write);
  }

  #keepOpen(fd: number, writes: boolean): HostFile {
    this.#tree.openFiles++;
    this.#open.set(fd, writes);
    return new HostFile(this.#tree, fd, this.type, () => {
      this.#open.delete(fd);
      this.#tree.openFiles--;
    });
  }

  /** Makes a file; its descriptor, for reading and writing. */
  #createFile(path: string | Buffer, { mode, uid, gid }: NewNode): number {
    const permissions = mode & PERMISSION_BITS;
    if (permissions & SET_ID) throw FileError.of("EPERM");
    this.#tree.checkOpenFiles();
    const fd = openSync(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, permissions);
    try {
      // The process's own umask has had its say.
      fchmodSync(fd, permissions);
      if (this.#tree.isRoot) fchownSync(fd, uid, this.#inheritsGroup() ? fstatSync(fd).gid : gid);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** What the host says of it, by its name, or else by a descriptor. */
  #stat(): BigIntStats {
    const parent = this.#parent;
    if (parent === undefined) {
      return this.#tree.anchor.reachDirectory(this, (path) => statSync(path, { bigint: true }));
    }
    let stale: unknown = FileError.of("ESTALE");
    if (!this.#isRemoved) {
      try {
        const stat = lstatSync(parent.#path(this.#name), { bigint: true, throwIfNoEntry: false });
        if (stat !== undefined && keyOf(stat) === this.key) return stat;
      } catch (error) {
        stale = staleIfGone(error);
      }
      if (this.#goByOtherName()) return this.#stat();
    }
    for (const fd of this.#open.keys()) return fstatSync(fd, { bigint: true });
    throw stale;
  }

  #reach<T>(act: (path: string | Buffer) => T): T {
    const { anchor } = this.#tree;
    if (this.#parent === undefined) return anchor.reachDirectory(this, act);
    if (this.#isRemoved) throw FileError.of("ESTALE");
    try {
      return anchor.reach(this.#parent, this.pathName, this.key, act);
    } catch (error) {
      if (!(error instanceof FileError) || error.code !== "ESTALE" || !this.#goByOtherName()) throw error;
      return this.#reach(act);
    }
  }

  /** Goes by a name that was seen before, where it is there still; there are ever fewer to try. */
  #goByOtherName(): boolean {
    for (;;) {
      const other = this.#otherNames.pop();
      if (other === undefined) return false;
      try {
        const path = other.parent.#path(other.name);
        const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
        if (stat === undefined || keyOf(stat) !== this.key) continue;
      } catch {
        continue; // its directory is gone, too
      }
      this.#parent = other.parent;
      this.#name = other.name;
      return true;
    }
  }

  /** The node at a path, which is a name in here, and whether it has no other name. */
  #find(path: string | Buffer, name: string): { readonly node: HostNode; readonly isLast: boolean } {
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) throw FileError.of("ENOENT");
    const node = this.#tree.node(stat, this, name);
    return { node, isLast: node.type === FileType.Directory || stat.nlink === 1n };
  }

  #removed(): void {
    this.#isRemoved = true;
    this.#tree.forget(this);
  }

  #path(name: string): string | Buffer {
    this.#checkDirectory();
    checkName(name);
    if (this.#isRemoved) throw FileError.of("ENOENT");
    return this.#tree.anchor.path(this, hostName(name));
  }

  #checkDirectory(): void {
    if (this.type !== FileType.Directory) throw FileError.of("ENOTDIR");
  }

  #inheritsGroup(): boolean {
    return (Number(this.#stat().mode) & SET_GROUP_ID) !== 0;
  }

  /** Gives a new directory or symbolic link its owner and its permissions. */
  #dress(made: HostNode, { uid, gid, mode }: NewNode): void {
    const inherits = this.#inheritsGroup();
    if (this.#tree.isRoot) made.change({ uid, ...(!inherits && { gid }) });
    if (made.type === FileType.Directory) {
      made.change({ mode: (mode & PERMISSION_BITS) | (inherits ? SET_GROUP_ID : 0) });
    }
  }
}

/** Opens once more what is open, unless the host is one where that is not possible. */
function tryReopen(fd: number, flags: number, key: FileKey): number | undefined {
  try {
    const reopened = openSync(`/proc/self/fd/${fd}`, flags);
    if (keyOf(fstatSync(reopened, { bigint: true })) === key) return reopened;
    closeSync(reopened);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return undefined;
}

function hostName(name: string): string | Buffer {
  return hasEscapes(name) ? Buffer.from(bytesFromName(name)) : name;
}
