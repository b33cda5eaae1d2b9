/**
 * Makes a read-only tree of entries that somebody else describes: in an archive, or in an index. Their word counts for
 * nothing: one that would leave the tree, or lies below a symbolic link, is refused, and how many there may be has a bound.
 */
import { FileError } from "./errno.js";
import { MemoryDirectory } from "./memory-directory.js";
import { type FileContent, MemoryFile } from "./memory-file.js";
import type { MemoryNode } from "./memory-node.js";
import { MemoryTree } from "./memory-tree.js";
import { checkName, MAX_PATH_BYTES } from "./names.js";
import { type FileTime, type FileTree, FileType, PERMISSION_BITS, TYPE_BITS } from "./tree.js";
import { invalidTree, shown, type TreeEntry } from "./tree-entry.js";
import { describeNode, imply, RESERVED, WHITEOUT } from "./union-layers.js";

/** What names and nodes may take: some two million of them. */
const MAX_TREE_BYTES = 2 ** 30;
const AUFS = `${RESERVED}${RESERVED}`;
const OPAQUE = `${AUFS}.opq`;
const DAWN: FileTime = { seconds: 0, nanoseconds: 0 };

/** Puts entries into a tree that does not change afterwards. */
export class TreeBuilder {
  readonly #name: string;
  readonly #tree = new MemoryTree({ maxBytes: MAX_TREE_BYTES, now: () => DAWN });
  /** Directories last: what is put into them changes their times. */
  readonly #directoryTimes = new Map<MemoryNode, FileTime>();
  readonly #same = new Map<string, MemoryNode>();

  /** @param name - how messages call what the entries are from */
  constructor(name: string) {
    this.#name = name;
    imply(this.#tree.root);
  }

  /**
   * Adds what an entry describes, in the place of what has its path already; the directories above it where they are missing.
   *
   * @param content - of a regular file
   * @throws HartvisorError `invalid-image`: there it cannot be, or there are too many
   */
  add(entry: TreeEntry, content: FileContent): void {
    try {
      this.#add(entry, content);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      const problem =
        error.code === "ENOSPC" ? "there are too many entries" : `${shown(entry.path)} cannot be there (${error.code})`;
      throw invalidTree(this.#name, problem);
    }
  }

  /** The tree. */
  finish(): FileTree {
    for (const [node, mtime] of this.#directoryTimes) node.setTimes(mtime, mtime, mtime);
    this.#tree.freeze();
    return this.#tree;
  }

  #add(entry: TreeEntry, content: FileContent): void {
    const parts = this.#parts(entry.path);
    // What Docker's AUFS kept for itself in layers, and nobody else means anything by.
    if (parts.some((part, n) => part.startsWith(AUFS) && !(part === OPAQUE && n === parts.length - 1))) return;
    const name = parts.pop();
    if (name === undefined) {
      this.#dress(this.#tree.root, entry);
      return;
    }
    const directory = this.#directory(parts, entry.path);
    if (name === OPAQUE) {
      makeOpaque(directory);
      return;
    }
    if (name.startsWith(RESERVED)) {
      const hidden = name.slice(RESERVED.length);
      checkName(hidden);
      const there = directory.entries.get(hidden)?.node;
      // It hides what is below, and nothing of its own layer, before or behind it (OCI image layer, "Whiteouts").
      if (there === undefined) directory.create(hidden, WHITEOUT);
      else if (there instanceof MemoryDirectory) makeOpaque(there);
      return;
    }
    checkName(name);
    const linked = this.#linked(entry);
    if (linked !== undefined) {
      const there = directory.entries.get(name)?.node;
      if (there !== linked) {
        this.#makeRoom(directory, name, false, entry.path);
        directory.link(name, linked);
      }
      // The contents come with one of the names of a cpio archive.
      if (content.size > 0 && linked instanceof MemoryFile) linked.refer(content);
      return;
    }
    const isDirectory = (entry.mode & TYPE_BITS) === FileType.Directory;
    const isCovered = isDirectory && isWhiteout(directory.entries.get(name)?.node);
    const there = this.#makeRoom(directory, name, isDirectory, entry.path);
    const { mode, uid, gid, major, minor, target } = entry;
    const node = there ?? directory.create(name, { mode, uid, gid, major, minor, target });
    if (node instanceof MemoryFile) node.refer(content);
    if (isCovered && node instanceof MemoryDirectory) makeOpaque(node);
    this.#dress(node, entry);
    if (entry.sameAs !== undefined) this.#same.set(entry.sameAs, node);
  }

  /** A path's names, from the root of the archive on. */
  #parts(path: string): string[] {
    if (path.length > MAX_PATH_BYTES) throw invalidTree(this.#name, `${shown(path)} is too long a path`);
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) throw invalidTree(this.#name, `${shown(path)} leads out of it`);
    return parts;
  }

  /** A directory by its path; made where no entry has. */
  #directory(parts: readonly string[], path: string): MemoryDirectory {
    let directory = this.#tree.root;
    for (const part of parts) {
      checkName(part);
      const there = directory.entries.get(part)?.node;
      const isCovered = isWhiteout(there);
      if (isCovered) directory.remove(part, "other");
      const node =
        isCovered || there === undefined
          ? directory.create(part, { mode: FileType.Directory | 0o755, uid: 0, gid: 0 })
          : there;
      if (node !== there) imply(node);
      if (isCovered && node instanceof MemoryDirectory) makeOpaque(node);
      if (!(node instanceof MemoryDirectory)) {
        const what = node.type === FileType.SymbolicLink ? "a symbolic link" : "what is no directory";
        throw invalidTree(this.#name, `${shown(path)} lies below ${what}`);
      }
      directory = node;
    }
    return directory;
  }

  /** The node of which an entry is one more name. */
  #linked({ linkTo, sameAs, path }: TreeEntry): MemoryNode | undefined {
    if (linkTo === undefined) return sameAs === undefined ? undefined : this.#same.get(sameAs);
    let node: MemoryNode | undefined = this.#tree.root;
    for (const part of this.#parts(linkTo)) {
      node = node instanceof MemoryDirectory ? node.entries.get(part)?.node : undefined;
    }
    if (node === undefined || node instanceof MemoryDirectory) {
      throw invalidTree(this.#name, `${shown(path)} is a link to ${shown(linkTo)}, which is no file before it`);
    }
    return node;
  }

  /** Removes what has a name, for a later entry; a directory that stays one is kept. */
  #makeRoom(directory: MemoryDirectory, name: string, isDirectory: boolean, path: string): MemoryNode | undefined {
    const there = directory.entries.get(name)?.node;
    if (there === undefined) return undefined;
    if (there instanceof MemoryDirectory) {
      if (isDirectory) return there;
      if (there.entries.size > 0) {
        throw invalidTree(this.#name, `${shown(path)} takes the place of a directory that is not empty`);
      }
      this.#directoryTimes.delete(there);
    }
    directory.remove(name, there instanceof MemoryDirectory ? "directory" : "other");
    return undefined;
  }

  #dress(node: MemoryNode, { mode, uid, gid, mtime, attributes }: TreeEntry): void {
    const isLink = node.type === FileType.SymbolicLink;
    describeNode(node);
    node.change({ uid, gid, ...(!isLink && { mode: mode & PERMISSION_BITS }) });
    for (const [name, value] of attributes) {
      if (/^(?:user|trusted|security)\./.test(name)) node.setAttribute(name, value, "either");
    }
    node.setTimes(mtime, mtime, mtime);
    if (node instanceof MemoryDirectory) this.#directoryTimes.set(node, mtime);
  }
}

function isWhiteout(node: MemoryNode | undefined): boolean {
  return node?.type === FileType.CharacterDevice && node.major === 0 && node.minor === 0;
}

/** Makes a directory hide what layers below have by its name. */
function makeOpaque(directory: MemoryDirectory): void {
  directory.setAttribute("trusted.overlay.opaque", Uint8Array.of(0x79), "either");
}
