/** What is open in a union: files, which may be copied up while they are, and directories of several layers. */
import { FileError } from "./errno.js";
import { type Later, perform, type Steps, wait } from "./later.js";
import type {
  AllocateMode,
  DirectoryEntry,
  DirectoryReader,
  FileNode,
  FileStat,
  OpenFile,
  OpenMode,
  StatChanges,
} from "./tree.js";

/** Names that directories being read may hold, all together. */
const MAX_LISTED = 2 ** 20;

/** What an open file needs of its node. */
export interface CopiedNode {
  /** Its copy in the upper layer, if there is one. */
  readonly upper: FileNode | undefined;
  copyUp(bytes?: number): Steps<FileNode>;
  closed(): Steps<void>;
  stat(): Later<FileStat>;
  seen(stat: FileStat): FileStat;
}

/** What reading needs of a directory. */
export interface MergedDirectory {
  names(): Steps<string[]>;
  find(name: string): Steps<{ readonly ino: number; readonly type: number } | undefined>;
}

/** A file that is open: the one below, until it is written; then everybody's is the copy. */
export class UnionFile implements OpenFile {
  readonly #node: CopiedNode;
  readonly #mode: OpenMode;
  #file: OpenFile;
  #isUpper: boolean;

  constructor(node: CopiedNode, mode: OpenMode, file: OpenFile, isUpper: boolean) {
    this.#node = node;
    this.#mode = mode;
    this.#file = file;
    this.#isUpper = isUpper;
  }

  readNow(offset: number, into: readonly Uint8Array[]): number | undefined {
    return this.#isStale ? undefined : this.#file.readNow?.(offset, into);
  }

  writeNow(offset: number, parts: readonly Uint8Array[]): number | undefined {
    return this.#isUpper ? this.#file.writeNow?.(offset, parts) : undefined;
  }

  read(offset: number, into: Uint8Array): Later<number> {
    return this.#isStale ? perform(this.#then((file) => file.read(offset, into))) : this.#file.read(offset, into);
  }

  write(offset: number, bytes: Uint8Array): Later<number> {
    if (!this.#mode.write) throw FileError.of("EBADF");
    return perform(this.#then((file) => file.write(offset, bytes)));
  }

  sync(dataOnly: boolean): Later<void> {
    return this.#file.sync(dataOnly);
  }

  stat(): Later<FileStat> {
    return this.#isStale ? this.#node.stat() : perform(this.#stat());
  }

  *#stat(): Steps<FileStat> {
    return this.#node.seen(yield* wait(this.#file.stat()));
  }

  change(changes: StatChanges): Later<FileStat> {
    return perform(this.#change(changes));
  }

  *#change(changes: StatChanges): Steps<FileStat> {
    return this.#node.seen(yield* this.#then((file) => file.change(changes), changes.size));
  }

  allocate(offset: number, length: number, how: AllocateMode): Later<void> {
    return perform(this.#then((file) => file.allocate?.(offset, length, how)));
  }

  seek(offset: number, what: "data" | "hole"): Later<number> {
    return perform(this.#seek(offset, what));
  }

  *#seek(offset: number, what: "data" | "hole"): Steps<number> {
    if (this.#file.seek !== undefined) return yield* wait(this.#file.seek(offset, what));
    const { size } = yield* wait(this.#file.stat());
    if (offset >= size) throw FileError.of("ENXIO");
    return what === "data" ? offset : size;
  }

  close(): Later<void> {
    return perform(this.#close());
  }

  *#close(): Steps<void> {
    yield* wait(this.#file.close());
    yield* this.#node.closed();
  }

  /** Somebody has copied it up since it was opened. */
  get #isStale(): boolean {
    return !this.#isUpper && this.#node.upper !== undefined;
  }

  /** Does something with the copy, of which no more than `bytes` are needed. */
  *#then<T>(act: (file: OpenFile) => Later<T>, bytes?: number): Steps<T> {
    if (!this.#isUpper) {
      const upper = yield* this.#node.copyUp(bytes);
      const below = this.#file;
      this.#file = yield* wait(upper.open(this.#mode));
      this.#isUpper = true;
      yield* wait(below.close());
    }
    return yield* wait(act(this.#file));
  }
}

/** Names as they were when reading began. */
export class UnionReader implements DirectoryReader {
  readonly #tree: { listed: number };
  readonly #node: MergedDirectory;
  #names: readonly string[] = [];

  constructor(tree: { listed: number }, node: MergedDirectory) {
    this.#tree = tree;
    this.#node = node;
  }

  read(after: number, limit: number): Later<readonly DirectoryEntry[]> {
    return perform(this.#read(after, limit));
  }

  *#read(after: number, limit: number): Steps<readonly DirectoryEntry[]> {
    if (after === 0) this.#keep(yield* this.#node.names());
    const entries: DirectoryEntry[] = [];
    for (let n = after; n < this.#names.length && entries.length < limit; n++) {
      const name = this.#names[n] as string;
      const node = yield* this.#node.find(name);
      if (node !== undefined) entries.push({ name, ino: node.ino, type: node.type, cookie: n + 1 });
    }
    return entries;
  }

  close(): void {
    this.#keep([]);
  }

  #keep(names: readonly string[]): void {
    this.#tree.listed += names.length - this.#names.length;
    this.#names = names;
    if (this.#tree.listed <= MAX_LISTED) return;
    this.#keep([]);
    throw FileError.of("ENOMEM");
  }
}
