/** Reading a directory of the host's, in parts. */
import { type DirectoryEntry, type DirectoryReader, FileError, type FileNode } from "@hartvisor/devices";

/** Names that directories being read may hold, all together. */
const MAX_LISTED = 2 ** 20;

/** What reading needs of a directory. */
export interface ListedDirectory {
  /** The names in it at the moment. */
  names(): string[];
  /** Throws if there is none any more. */
  lookup(name: string): FileNode;
}

/** A directory's names as they were when reading began. */
export class HostReader implements DirectoryReader {
  readonly #tree: { listed: number };
  readonly #node: ListedDirectory;
  #names: readonly string[] = [];
  #isClosed = false;

  constructor(tree: { listed: number }, node: ListedDirectory) {
    this.#tree = tree;
    this.#node = node;
  }

  read(after: number, limit: number): readonly DirectoryEntry[] {
    if (after === 0) this.#keep(this.#node.names());
    const entries: DirectoryEntry[] = [];
    for (let n = after; n < this.#names.length && entries.length < limit; n++) {
      const name = this.#names[n] as string;
      let node: FileNode;
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
