/** Directories of a tree in memory, which make its other nodes. */
import { FileError } from "./errno.js";
import { MemoryFile } from "./memory-file.js";
import { MemoryNode, MemorySpecial, MemorySymbolicLink, NAME_COST } from "./memory-node.js";
import type { MemoryTree } from "./memory-tree.js";
import {
  type DirectoryEntry,
  type DirectoryReader,
  type FileNode,
  FileType,
  type NewNode,
  type RenameFlags,
  TYPE_BITS,
} from "./tree.js";

const BLOCK = 4096;
const MAX_LINKS = 65_000;
const SET_GROUP_ID = 0o2000;

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
