/**
 * A directory of the host as a file tree, for Node, Deno and Bun. What is in it is what the host has at that moment: the
 * guest sees what others change. Nothing outside it can be reached ({@link anchorAt}): symbolic links are shown, never
 * followed, and only files and directories are opened.
 *
 * Node's file system interface bounds what it can do: there are no extended attributes, no device nodes, and times are
 * set to the microsecond. Everything is done at once: what the host has in memory takes less than a thread needs to begin.
 */
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
  realpathSync,
  renameSync,
  rmdirSync,
  statfsSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { HartvisorError } from "@hartvisor/core";
import {
  bytesFromName,
  checkName,
  type DirectoryEntry,
  type DirectoryReader,
  FileError,
  FileNode,
  type FileStat,
  type FileTree,
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
  type TreeRoom,
  TYPE_BITS,
} from "@hartvisor/devices";
import { type Anchor, type AnchoredDirectory, anchorAt, type FileKey, keyOf, staleIfGone } from "./anchor.js";
import { changeAt, changeOpen, fileTime, HostFile, SET_ID } from "./host-file.js";

/** Files that guests may have open: the process has only so many descriptors. */
const MAX_OPEN_FILES = 1024;
/** Names that directories being read may hold, all together. */
const MAX_LISTED = 2 ** 20;
const { O_CREAT, O_EXCL, O_WRONLY, O_RDONLY, O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
const SET_GROUP_ID = 0o2000;
/** Other file systems mounted within are told apart in the upper bits of inode numbers. */
const INODE_BITS = 48;
const MAX_DEVICES = 32;

/** How to share a directory. */
export interface HostDirectoryOptions {
  /** Default: false. */
  readonly readOnly?: boolean;
}

/**
 * Opens a directory of the host's as a file tree.
 *
 * What a guest makes belongs to the guest's user if this process runs as root, and to this process's user otherwise.
 * Set-user-id and set-group-id programs cannot be made: on the host they would run as somebody else.
 *
 * @throws HartvisorError `unreadable-file`: there is no such directory; `unsupported` on Windows
 * @example
 * const vm = await Machine.create({ boot, devices: [virtioFs({ tree: hostDirectory("src", { readOnly: true }), tag: "src" })] });
 */
export function hostDirectory(path: string, { readOnly = false }: HostDirectoryOptions = {}): FileTree {
  if (process.platform === "win32") {
    throw new HartvisorError("unsupported", `cannot share ${path}: Windows has other names and owners than Linux`);
  }
  try {
    const real = realpathSync(path);
    if (!statSync(real).isDirectory()) throw Object.assign(new Error("it is no directory"), { code: "" });
    return hostTree(real, readOnly, anchorAt(real));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const problem =
      code === "ENOENT" ? "there is no such directory" : code === "EACCES" ? "permission denied" : message;
    throw new HartvisorError("unreadable-file", `cannot share ${path}: ${problem}`, { cause });
  }
}

/** A directory by the path that it has, without links in it. */
export function hostTree(path: string, isReadOnly: boolean, anchor: Anchor): FileTree {
  return new HostTree(path, isReadOnly, anchor);
}

class HostTree implements FileTree {
  readonly root: HostNode;
  readonly isReadOnly: boolean;
  readonly hasAttributes = false;
  readonly isPrivate = false;
  readonly anchor: Anchor;
  /** Whether owners can be given away. */
  readonly isRoot = process.geteuid?.() === 0;
  readonly #nodes = new Map<FileKey, WeakRef<HostNode>>();
  readonly #collected = new FinalizationRegistry<FileKey>((key) => {
    if (this.#nodes.get(key)?.deref() === undefined) this.#nodes.delete(key);
  });
  readonly #devices: bigint[] = [];
  openFiles = 0;
  listed = 0;
  #isOpen = true;

  constructor(path: string, isReadOnly: boolean, anchor: Anchor) {
    this.isReadOnly = isReadOnly;
    this.anchor = anchor;
    this.root = this.node(statSync(path, { bigint: true }), undefined, "");
  }

  /** The node of an inode, which was just found at a place. */
  node(stat: BigIntStats, parent: HostNode | undefined, name: string): HostNode {
    const key = keyOf(stat);
    const known = this.#nodes.get(key)?.deref();
    // An inode number is used again when its file is gone.
    if (known !== undefined && known.type === (Number(stat.mode) & TYPE_BITS)) {
      if (known !== this.root) known.moved(parent, name);
      return known;
    }
    const node = new HostNode(this, key, stat, parent, name);
    this.#nodes.set(key, new WeakRef(node));
    this.#collected.register(node, key);
    return node;
  }

  /** A node that somebody holds. */
  known(key: FileKey): HostNode | undefined {
    return this.#nodes.get(key)?.deref();
  }

  stat(stat: BigIntStats): FileStat {
    const device = this.#minorOf(stat.rdev);
    return {
      ino: this.ino(stat),
      mode: Number(stat.mode),
      links: Number(stat.nlink),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      ...device,
      size: Number(stat.size),
      blocks: Number(stat.blocks),
      atime: fileTime(stat.atimeNs),
      mtime: fileTime(stat.mtimeNs),
      ctime: fileTime(stat.ctimeNs),
    };
  }

  ino({ dev, ino }: BigIntStats): number {
    let index = this.#devices.indexOf(dev);
    if (index < 0) {
      if (this.#devices.length < MAX_DEVICES) index = this.#devices.push(dev) - 1;
      else index = MAX_DEVICES - 1;
    }
    return Number(BigInt.asUintN(INODE_BITS, ino)) + index * 2 ** INODE_BITS;
  }

  checkWritable(): void {
    if (this.isReadOnly) throw FileError.of("EROFS");
  }

  checkOpenFiles(): void {
    if (this.openFiles >= MAX_OPEN_FILES) throw FileError.of("ENFILE");
  }

  room(): TreeRoom {
    return this.anchor.reachDirectory(this.root, (path) => {
      const { bsize, blocks, bavail, files, ffree } = statfsSync(path);
      return { blockSize: bsize, blocks, freeBlocks: bavail, files, freeFiles: ffree };
    });
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.anchor.close();
  }

  /** Linux's own split of a device number (sysmacros.h). */
  #minorOf(rdev: bigint): { readonly major: number; readonly minor: number } {
    const number = Number(BigInt.asUintN(32, rdev));
    return { major: (number >>> 8) & 0xfff, minor: (number & 0xff) | ((number >>> 12) & 0xfff00) };
  }
}

class HostNode extends FileNode implements AnchoredDirectory {
  readonly ino: number;
  readonly type: number;
  readonly key: FileKey;
  readonly #tree: HostTree;
  /** Through which it can be reached when its name is gone. */
  readonly #open = new Set<number>();
  #parent: HostNode | undefined;
  #name: string;

  constructor(tree: HostTree, key: FileKey, stat: BigIntStats, parent: HostNode | undefined, name: string) {
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

  /** It was found there. */
  moved(parent: HostNode | undefined, name: string): void {
    this.#parent = parent;
    this.#name = name;
  }

  override stat(): FileStat {
    return this.#tree.stat(this.#stat());
  }

  override change(changes: StatChanges): FileStat {
    this.#tree.checkWritable();
    const [open] = this.#open;
    if (open !== undefined) changeOpen(open, changes, this.type);
    else this.#reach((path) => changeAt(path, this.#tree.anchor.isFollowed, changes, this.type));
    return this.stat();
  }

  override lookup(name: string): HostNode {
    const stat = lstatSync(this.#path(name), { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) throw FileError.of("ENOENT");
    return this.#tree.node(stat, this, name);
  }

  override openDirectory(): DirectoryReader {
    this.#checkDirectory();
    return new HostReader(this.#tree, this);
  }

  /** The names in it at the moment. */
  names(): string[] {
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
    return { node: made, file: made.#keepOpen(fd) };
  }

  override link(name: string, node: FileNode): void {
    this.#tree.checkWritable();
    if (!(node instanceof HostNode) || node.#tree !== this.#tree || node.#parent === undefined) {
      throw FileError.of("EXDEV");
    }
    if (node.type === FileType.Directory) throw FileError.of("EPERM");
    node.#stat();
    const path = this.#path(name);
    linkSync(node.#parent.#path(node.#name), path);
    const stat = lstatSync(path, { bigint: true });
    if (keyOf(stat) === node.key) return;
    // The host put something else there in between.
    unlinkSync(path);
    throw FileError.of("ESTALE");
  }

  override remove(name: string, kind: "directory" | "other"): void {
    this.#tree.checkWritable();
    const { type } = this.lookup(name);
    const path = this.#path(name);
    if (kind === "directory") {
      if (type !== FileType.Directory) throw FileError.of("ENOTDIR");
      rmdirSync(path);
    } else {
      if (type === FileType.Directory) throw FileError.of("EISDIR");
      unlinkSync(path);
    }
  }

  override rename(name: string, to: FileNode, newName: string, { noReplace, exchange }: RenameFlags): void {
    this.#tree.checkWritable();
    if (!(to instanceof HostNode) || to.#tree !== this.#tree) throw FileError.of("EXDEV");
    // Node has no renameat2.
    if (exchange) throw FileError.of("EINVAL");
    const moved = this.lookup(name);
    const target = to.#path(newName);
    if (noReplace && lstatSync(target, { throwIfNoEntry: false }) !== undefined) throw FileError.of("EEXIST");
    renameSync(this.#path(name), target);
    // Two names of one file: nothing was renamed, but both are right.
    moved.moved(to, newName);
  }

  override readLink(): string {
    if (this.type !== FileType.SymbolicLink || this.#parent === undefined) throw FileError.of("EINVAL");
    const path = this.#parent.#path(this.#name);
    this.#stat();
    try {
      return nameFromBytes(readlinkSync(path, { encoding: "buffer" }));
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
    const [open] = this.#open;
    // One that has lost its name is still what it was.
    const reopened = open === undefined ? undefined : tryReopen(open, flags, this.key);
    const links = this.#tree.anchor.isFollowed ? 0 : O_NOFOLLOW;
    const fd = reopened ?? this.#reach((path) => openSync(path, flags | links));
    if (keyOf(fstatSync(fd, { bigint: true })) !== this.key) {
      closeSync(fd);
      throw FileError.of("ESTALE");
    }
    return this.#keepOpen(fd);
  }

  #keepOpen(fd: number): HostFile {
    this.#tree.openFiles++;
    this.#open.add(fd);
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
    try {
      const stat = lstatSync(parent.#path(this.#name), { bigint: true, throwIfNoEntry: false });
      if (stat !== undefined && keyOf(stat) === this.key) return stat;
    } catch (error) {
      stale = staleIfGone(error);
    }
    for (const fd of this.#open) return fstatSync(fd, { bigint: true });
    throw stale;
  }

  #reach<T>(act: (path: string | Buffer) => T): T {
    const { anchor } = this.#tree;
    if (this.#parent === undefined) return anchor.reachDirectory(this, act);
    return anchor.reach(this.#parent, this.pathName, this.key, act);
  }

  #path(name: string): string | Buffer {
    this.#checkDirectory();
    checkName(name);
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

/** A directory's names as they were when reading began. */
class HostReader implements DirectoryReader {
  readonly #tree: HostTree;
  readonly #node: HostNode;
  #names: readonly string[] = [];
  #isClosed = false;

  constructor(tree: HostTree, node: HostNode) {
    this.#tree = tree;
    this.#node = node;
  }

  read(after: number, limit: number): readonly DirectoryEntry[] {
    if (after === 0) this.#keep(this.#node.names());
    const entries: DirectoryEntry[] = [];
    for (let n = after; n < this.#names.length && entries.length < limit; n++) {
      const name = this.#names[n] as string;
      let node: HostNode;
      try {
        node = this.#node.lookup(name);
      } catch {
        continue; // gone in the meantime
      }
      entries.push({ name, ino: node.ino, type: node.type, cookie: n + 1 });
    }
    return entries;
  }

  close(): void {
    this.#keep([]);
    this.#isClosed = true;
  }

  #keep(names: readonly string[]): void {
    if (this.#isClosed) throw FileError.of("EBADF");
    this.#tree.listed += names.length - this.#names.length;
    this.#names = names;
    if (this.#tree.listed <= MAX_LISTED) return;
    this.#keep([]);
    throw FileError.of("ENOMEM");
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
