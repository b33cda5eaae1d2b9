/**
 * Layers of trees as one: what a name stands for is what the uppermost layer says that has it; directories of several
 * layers are one. Only the uppermost is ever written: what is changed is copied there first, what is removed is hidden
 * by a whiteout. So many machines share layers, and each has an upper of its own.
 *
 * Beyond what overlayfs does by default, directories of lower layers can be renamed, hard links hold when they are
 * written, and a file that was open before it was copied shows what is written. For that the union remembers what it
 * has moved: an upper belongs to the union that wrote it.
 */
import { HartvisorError } from "@hartvisor/core";
import { FileError } from "./errno.js";
import { type Later, type Steps, wait } from "./later.js";
import { type FileNode, type FileTree, FileType, type TreeRoom } from "./tree.js";
import type { Vacancy } from "./union-copy.js";
import { lookupIn } from "./union-layers.js";
import { type NodeTree, UnionNode } from "./union-node.js";

/** Where copies are made before they have a name, in the upper. */
const WORK = ".wh..wh.work";

/** What a union is made of. */
export interface UnionOptions {
  /** Layers that are read, the lowest first. */
  readonly lower: readonly FileTree[];
  /** The layer that is written; it needs extended attributes and device nodes, as a `MemoryTree` has. Default: none, so that the union is read-only. */
  readonly upper?: FileTree;
}

/**
 * Makes layers one tree. Closing it closes them not: others may use them.
 *
 * @throws HartvisorError `invalid-argument`: there is no layer, or an upper that cannot hide what is below it
 * @example
 * const root = unionTree({ lower: [debian, mine], upper: new MemoryTree() });
 */
export function unionTree({ lower, upper }: UnionOptions): FileTree {
  if (lower.length === 0 && upper === undefined) {
    throw new HartvisorError("invalid-argument", "a union of no layers: give one at least");
  }
  if (upper !== undefined && (upper.isReadOnly || !upper.hasAttributes)) {
    throw new HartvisorError(
      "invalid-argument",
      "the upper layer of a union must be writable and have extended attributes and device nodes: give a MemoryTree",
    );
  }
  return new UnionTree([...lower].reverse(), upper);
}

class UnionTree implements FileTree, NodeTree {
  readonly root: UnionNode;
  readonly isReadOnly: boolean;
  readonly hasAttributes = true;
  readonly isPrivate: boolean;
  readonly opensFreely: boolean;
  readonly #upper: FileTree | undefined;
  readonly #layers: readonly FileTree[];
  /** By any node of a layer that a node of the union stands on: what it knows lasts as long as the layer's node. */
  readonly #nodes = new WeakMap<FileNode, UnionNode>();
  /** Nodes with several names below, some of which the layers do not lead to any more. */
  readonly #copiedLinks = new Set<UnionNode>();
  #nextIno = 1;
  #nextWork = 1;
  listed = 0;

  /** Takes layers from the uppermost to the lowest. */
  constructor(layers: readonly FileTree[], upper: FileTree | undefined) {
    this.#upper = upper;
    this.#layers = layers;
    this.isReadOnly = upper === undefined;
    const all = [...layers, ...(upper ? [upper] : [])];
    this.isPrivate = all.every(({ isPrivate }) => isPrivate);
    this.opensFreely = all.every(({ opensFreely }) => opensFreely === true);
    const roots = layers.map(({ root }) => root);
    this.root = this.node(upper?.root, roots, undefined, "");
  }

  room(): Later<TreeRoom> {
    return (this.#upper ?? (this.#layers[0] as FileTree)).room();
  }

  async close(): Promise<void> {}

  node(
    upper: FileNode | undefined,
    lowers: readonly FileNode[],
    parent: UnionNode | undefined,
    name: string,
  ): UnionNode {
    const top = (upper ?? lowers[0]) as FileNode; // one is there
    const known = this.#nodes.get(top);
    if (known !== undefined) {
      // One of several names of a file: either will do to reach it.
      if (known.parent !== undefined && known.isHere) known.place(parent, name);
      return known;
    }
    const node = new UnionNode(this, this.#nextIno++, upper, lowers, parent, name);
    this.#nodes.set(top, node);
    return node;
  }

  copied(node: UnionNode, upper: FileNode, hasLinks: boolean): void {
    this.#nodes.set(upper, node);
    if (hasLinks) this.#copiedLinks.add(node);
  }

  forget(node: UnionNode): void {
    this.#copiedLinks.delete(node);
  }

  checkWritable(): void {
    if (this.isReadOnly) throw FileError.of("EROFS");
  }

  /** The directory of the upper where copies are made, and a name that is free in it. */
  *work(): Steps<Vacancy> {
    const { root } = this.#upper as FileTree; // the union is writable
    let directory = yield* lookupIn(root, WORK);
    if (directory === undefined) {
      const before = yield* wait(root.stat());
      directory = yield* wait(root.create(WORK, { mode: FileType.Directory | 0o700, uid: 0, gid: 0 }));
      yield* wait(root.change({ mtime: before.mtime }));
    }
    return { directory, name: `${this.#nextWork++}` };
  }
}
