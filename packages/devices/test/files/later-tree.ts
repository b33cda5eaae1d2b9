/** For tests: a tree whose answers all come by promises, and that knows what of it is open. */
import type { Later } from "../../src/backends/files/later.js";
import {
  type DirectoryReader,
  FileNode,
  type FileStat,
  type FileTree,
  type NewNode,
  type NewOpenFile,
  type OpenFile,
  type OpenMode,
  type RenameFlags,
  type StatChanges,
} from "../../src/backends/files/tree.js";

const later = <T>(act: () => Later<T>): Promise<T> => Promise.resolve().then(act);

export class LaterTree implements FileTree {
  readonly root: LaterNode;
  readonly isReadOnly: boolean;
  readonly hasAttributes: boolean;
  readonly isPrivate: boolean;
  readonly #tree: FileTree;
  readonly #nodes = new WeakMap<FileNode, LaterNode>();
  /** Files and directories that were opened and not closed. */
  open = 0;

  constructor(tree: FileTree) {
    this.#tree = tree;
    this.isReadOnly = tree.isReadOnly;
    this.hasAttributes = tree.hasAttributes;
    this.isPrivate = tree.isPrivate;
    this.root = this.nodeOf(tree.root);
  }

  room() {
    return later(() => this.#tree.room());
  }

  close(): Promise<void> {
    return this.#tree.close();
  }

  nodeOf(node: FileNode): LaterNode {
    const known = this.#nodes.get(node) ?? new LaterNode(this, node);
    this.#nodes.set(node, known);
    return known;
  }

  fileOf(file: OpenFile): OpenFile {
    const { allocate, seek } = file;
    return {
      read: (offset, into) => later(() => file.read(offset, into)),
      write: (offset, bytes) => later(() => file.write(offset, bytes)),
      sync: (dataOnly) => later(() => file.sync(dataOnly)),
      stat: () => later(() => file.stat()),
      change: (changes) => later(() => file.change(changes)),
      ...(allocate && { allocate: (offset, length, how) => later(() => allocate.call(file, offset, length, how)) }),
      ...(seek && { seek: (offset, what) => later(() => seek.call(file, offset, what)) }),
      close: this.#opened(() => file.close()),
    };
  }

  readerOf(reader: DirectoryReader): DirectoryReader {
    return {
      read: (after, limit) => later(() => reader.read(after, limit)),
      close: this.#opened(() => reader.close()),
    };
  }

  /** Counts something as open until it is closed for the first time. */
  #opened(close: () => Later<void>): () => Promise<void> {
    this.open++;
    let isOpen = true;
    return () => {
      if (!isOpen) throw new Error("closed twice");
      isOpen = false;
      this.open--;
      return later(close);
    };
  }
}

class LaterNode extends FileNode {
  readonly ino: number;
  readonly type: number;
  readonly #tree: LaterTree;
  readonly #node: FileNode;

  constructor(tree: LaterTree, node: FileNode) {
    super();
    this.#tree = tree;
    this.#node = node;
    this.ino = node.ino;
    this.type = node.type;
  }

  override stat(): Promise<FileStat> {
    return later(() => this.#node.stat());
  }
  override change(changes: StatChanges): Promise<FileStat> {
    return later(() => this.#node.change(changes));
  }
  override lookup(name: string): Promise<LaterNode> {
    return later(async () => this.#tree.nodeOf(await this.#node.lookup(name)));
  }
  override openDirectory(): Promise<DirectoryReader> {
    return later(async () => this.#tree.readerOf(await this.#node.openDirectory()));
  }
  override create(name: string, node: NewNode): Promise<LaterNode> {
    return later(async () => this.#tree.nodeOf(await this.#node.create(name, node)));
  }
  override createOpen(name: string, made: NewNode, mode: OpenMode): Promise<NewOpenFile> {
    return later(async () => {
      const { node, file } = await this.#node.createOpen(name, made, mode);
      return { node: this.#tree.nodeOf(node), file: this.#tree.fileOf(file) };
    });
  }
  override link(name: string, node: FileNode): Promise<void> {
    return later(() => this.#node.link(name, (node as LaterNode).#node));
  }
  override remove(name: string, kind: "directory" | "other"): Promise<void> {
    return later(() => this.#node.remove(name, kind));
  }
  override rename(name: string, to: FileNode, newName: string, flags: RenameFlags): Promise<void> {
    return later(() => this.#node.rename(name, (to as LaterNode).#node, newName, flags));
  }
  override readLink(): Promise<string> {
    return later(() => this.#node.readLink());
  }
  override open(mode: OpenMode): Promise<OpenFile> {
    return later(async () => this.#tree.fileOf(await this.#node.open(mode)));
  }
  override getAttribute(name: string): Promise<Uint8Array> {
    return later(() => this.#node.getAttribute(name));
  }
  override listAttributes(): Promise<readonly string[]> {
    return later(() => this.#node.listAttributes());
  }
  override setAttribute(name: string, value: Uint8Array, how: "create" | "replace" | "either"): Promise<void> {
    return later(() => this.#node.setAttribute(name, value, how));
  }
  override removeAttribute(name: string): Promise<void> {
    return later(() => this.#node.removeAttribute(name));
  }
}
