/**
 * What a kernel was told of: nodes by number, as long as it has not forgotten them, and what it has open. All of it has a
 * cap, since a guest decides how much it is.
 */
import { FileError } from "../../backends/files/errno.js";
import { after, type Later } from "../../backends/files/later.js";
import { type DirectoryReader, type FileNode, FileType, type OpenFile } from "../../backends/files/tree.js";

/** Nodes that a kernel may know at once: a Linux of 1 GiB keeps some 300,000. */
const MAX_NODES = 2 ** 19;
/** Files and directories open at once. */
const MAX_HANDLES = 2 ** 16;
const ROOT_ID = 1;

interface KnownNode {
  readonly id: number;
  readonly node: FileNode;
  /** Times that the kernel was told of it, less what it has forgotten. */
  lookups: number;
  /** For a kernel that does not open files: what is read and written. */
  file?: OpenFile;
}

/** A directory that is open. */
export interface OpenDirectory {
  readonly node: FileNode;
  readonly reader: DirectoryReader;
}

/** Nodes and handles of a kernel. */
export class KnownFiles {
  readonly #nodes = new Map<number, KnownNode>();
  readonly #ids = new Map<FileNode, KnownNode>();
  readonly #files = new Map<number, OpenFile>();
  readonly #directories = new Map<number, OpenDirectory>();
  #nextId = ROOT_ID + 1;
  #nextHandle = 1;
  #isOpenless = false;
  #isOn = false;

  /** Whether files are not opened: the kernel reads and writes nodes, which saves it two requests a file. */
  get isOpenless(): boolean {
    return this.#isOpenless;
  }

  /** Begins with the root, which is never forgotten. */
  begin(root: FileNode, isOpenless: boolean): void {
    const known: KnownNode = { id: ROOT_ID, node: root, lookups: 1 };
    this.#nodes.set(ROOT_ID, known);
    this.#ids.set(root, known);
    this.#isOpenless = isOpenless;
    this.#isOn = true;
  }

  /** Forgets everything and closes what is open. */
  end(): void {
    const implicit = [...this.#nodes.values()].flatMap(({ file }) => file ?? []);
    const open = [...this.#files.values(), ...implicit, ...[...this.#directories.values()].map(({ reader }) => reader)];
    this.#files.clear();
    this.#directories.clear();
    this.#nodes.clear();
    this.#ids.clear();
    this.#isOn = false;
    for (const each of open) {
      try {
        // What cannot be closed any more is nobody's concern by now.
        Promise.resolve(each.close()).catch(() => {});
      } catch {}
    }
  }

  /** The number of a node that the kernel is told of. */
  know(node: FileNode): number {
    let known = this.#ids.get(node);
    if (known === undefined) {
      if (this.#nodes.size >= MAX_NODES) throw FileError.of("ENFILE");
      known = { id: this.#nextId++, node, lookups: 0 };
      this.#nodes.set(known.id, known);
      this.#ids.set(node, known);
    }
    known.lookups++;
    return known.id;
  }

  forget(id: number, times: number): void {
    const known = this.#nodes.get(id);
    if (known === undefined || id === ROOT_ID) return;
    known.lookups -= times;
    if (known.lookups > 0) return;
    this.#nodes.delete(id);
    this.#ids.delete(known.node);
    known.file?.close();
  }

  node(id: number): FileNode {
    const known = this.#nodes.get(id);
    if (known === undefined) throw FileError.of("ESTALE");
    return known.node;
  }

  /** What a file's attributes are asked of: the file that is open, by its handle or without one, or the node. */
  attributesOf(id: number, handle: number | undefined): OpenFile | FileNode {
    const file = handle === undefined ? undefined : this.#files.get(handle);
    return file ?? this.#nodes.get(id)?.file ?? this.node(id);
  }

  /** An open file; of a kernel that does not open, the node's. */
  file(id: number, handle: number): OpenFile {
    const file = this.#files.get(handle);
    if (file !== undefined) return file;
    const known = this.#nodes.get(id);
    if (!this.#isOpenless || handle !== 0 || known === undefined) throw FileError.of("EBADF");
    return this.#implicitFile(known);
  }

  directory(handle: number): OpenDirectory {
    const directory = this.#directories.get(handle);
    if (directory === undefined) throw FileError.of("EBADF");
    return directory;
  }

  /** What is to lose its name may be open without our knowing: then it stays until the kernel forgets it. */
  hold(directory: FileNode, name: string): void {
    if (!this.#isOpenless) return;
    try {
      const node = directory.lookup(name);
      const known = node instanceof Promise ? undefined : this.#ids.get(node);
      if (known?.node.type === FileType.Regular) this.#implicitFile(known);
    } catch {} // there is none: whoever asks is told so
  }

  #implicitFile(known: KnownNode): OpenFile {
    if (known.file !== undefined) return known.file;
    const file = known.node.open({ read: true, write: true });
    if (file instanceof Promise) throw FileError.of("EIO"); // not what the tree says of itself
    known.file = file;
    return file;
  }

  /** Throws unless there is room for one more that is open. */
  checkHandles(): void {
    if (this.#files.size + this.#directories.size >= MAX_HANDLES) throw FileError.of("ENFILE");
  }

  /** A handle for an open file. Where opening took so long that the kernel is gone, the file is closed. */
  keepFile(file: OpenFile): Later<number> {
    return this.#keep(this.#files, file, file);
  }

  keepDirectory(directory: OpenDirectory): Later<number> {
    return this.#keep(this.#directories, directory, directory.reader);
  }

  #keep<T>(where: Map<number, T>, item: T, closed: { close(): Later<void> }): Later<number> {
    if (!this.#isOn) {
      return after(closed.close(), () => {
        throw FileError.of("EIO");
      });
    }
    where.set(this.#nextHandle, item);
    return this.#nextHandle++;
  }

  releaseFile(handle: number): Later<void> {
    const file = this.#files.get(handle);
    if (file === undefined) throw FileError.of("EBADF");
    this.#files.delete(handle);
    return file.close();
  }

  releaseDirectory(handle: number): Later<void> {
    const { reader } = this.directory(handle);
    this.#directories.delete(handle);
    return reader.close();
  }
}
