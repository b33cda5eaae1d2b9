/** Regular files of a tree in memory: bytes of their own, or bytes that lie elsewhere in a tree that does not change. */
import { FileError } from "./errno.js";
import type { Later } from "./later.js";
import { MemoryContent } from "./memory-content.js";
import { MemoryNode } from "./memory-node.js";
import type { AllocateMode, FileTime, OpenFile, OpenMode } from "./tree.js";

/** As large as a file can be in ext4; offsets stay exact numbers. */
const MAX_FILE_BYTES = 2 ** 44;

/** Bytes that lie somewhere else and do not change. */
export interface FileContent {
  readonly size: number;
  /** As {@link read}, or undefined where that would have to wait. Default: it waits always. */
  readNow?(offset: number, into: Uint8Array): number | undefined;
  /** Fills `into` with what there is from an offset on, and says how much. */
  read(offset: number, into: Uint8Array): Later<number>;
}

/** Contents that lie in this process's memory. */
export function contentOf(bytes: Uint8Array): FileContent {
  const readNow = (offset: number, into: Uint8Array) => {
    const part = bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  };
  return { size: bytes.length, readNow, read: readNow };
}

/** A regular file in memory. */
export class MemoryFile extends MemoryNode {
  #content: MemoryContent | FileContent = new MemoryContent();
  #open = 0;

  get size(): number {
    return this.#content.size;
  }

  get allocated(): number {
    return this.#content instanceof MemoryContent ? this.#content.allocated : this.#content.size;
  }

  /** For builders of trees that will be frozen: contents that lie elsewhere. */
  refer(content: FileContent): void {
    this.#content = content;
  }

  override open({ write }: OpenMode): OpenFile {
    if (write) this.tree.checkWritable();
    this.#open++;
    let isOpen = true;
    const file: OpenFile = {
      read: (offset, into) => this.#read(offset, into),
      write: (offset, bytes) => this.#write(offset, bytes),
      sync: () => {},
      stat: () => this.stat(),
      change: (changes) => this.change(changes),
      allocate: (offset, length, how) => this.#allocate(offset, length, how),
      seek: (offset, what) => this.#seek(offset, what),
      close: () => {
        if (isOpen) this.#open--;
        isOpen = false;
        this.maybeFree();
      },
      readNow: (offset, into) => this.#readNow(offset, into),
      writeNow: (offset, parts) => this.#writeNow(offset, parts),
    };
    return file;
  }

  protected override get isInUse(): boolean {
    return this.#open > 0;
  }

  protected override freeContents(): void {
    this.tree.charge(-this.#charged);
    this.#content = new MemoryContent();
  }

  protected override resize(size: number): void {
    const content = this.#changeable();
    if (size > MAX_FILE_BYTES) throw FileError.of("EFBIG");
    const before = content.allocated;
    content.resize(size);
    this.tree.charge(content.allocated - before);
    this.touch();
  }

  get #charged(): number {
    return this.#content instanceof MemoryContent ? this.#content.allocated : 0;
  }

  /** @throws FileError EROFS for contents that are only referred to */
  #changeable(): MemoryContent {
    this.tree.checkWritable();
    if (!(this.#content instanceof MemoryContent)) throw FileError.of("EROFS");
    return this.#content;
  }

  #read(offset: number, into: Uint8Array): Later<number> {
    this.#accessed();
    return this.#content.read(offset, into);
  }

  #readNow(offset: number, into: readonly Uint8Array[]): number | undefined {
    const content: FileContent = this.#content;
    this.#accessed();
    let at = offset;
    for (const part of into) {
      const count = content.readNow?.(at, part);
      if (count === undefined) return undefined;
      at += count;
      if (count < part.length) break;
    }
    return at - offset;
  }

  #write(offset: number, bytes: Uint8Array): number {
    const content = this.#changeable();
    if (offset + bytes.length > MAX_FILE_BYTES) throw FileError.of("EFBIG");
    this.tree.charge(content.growth(offset, bytes.length));
    content.write(offset, bytes);
    this.touch();
    return bytes.length;
  }

  #writeNow(offset: number, parts: readonly Uint8Array[]): number {
    const content = this.#changeable();
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (offset + length > MAX_FILE_BYTES) throw FileError.of("EFBIG");
    this.tree.charge(content.growth(offset, length));
    let at = offset;
    for (const part of parts) {
      content.write(at, part);
      at += part.length;
    }
    this.touch();
    return length;
  }

  #allocate(offset: number, length: number, { keepSize, zero }: AllocateMode): void {
    const content = this.#changeable();
    const end = offset + length;
    if (end > MAX_FILE_BYTES) throw FileError.of("EFBIG");
    if (zero) {
      const before = content.allocated;
      content.punch(offset, length);
      this.tree.charge(content.allocated - before);
    } else if (end - content.size > this.tree.freeBytes) throw FileError.of("ENOSPC");
    if (!keepSize && end > content.size) content.resize(end);
    this.touch();
  }

  #seek(offset: number, what: "data" | "hole"): number {
    const content = this.#content;
    const found =
      content instanceof MemoryContent
        ? content.seek(offset, what)
        : offset >= content.size
          ? undefined
          : what === "data"
            ? offset
            : content.size;
    if (found === undefined) throw FileError.of("ENXIO");
    return found;
  }

  /** relatime (mount(8)): a read is noted once behind each change, and once a day. */
  #accessed(): void {
    if (this.tree.isReadOnly) return;
    const { atime, mtime, ctime } = this;
    const isNoted = isLater(atime, mtime) && isLater(atime, ctime);
    const now = this.tree.now();
    if (!isNoted || now.seconds - atime.seconds >= 86_400) this.atime = now;
  }
}

function isLater(time: FileTime, than: FileTime): boolean {
  return time.seconds > than.seconds || (time.seconds === than.seconds && time.nanoseconds > than.nanoseconds);
}
