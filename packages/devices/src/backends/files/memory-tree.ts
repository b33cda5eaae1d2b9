/**
 * A file tree in the host's memory: what a guest writes to is bounded and gone with the process. Archives and served
 * trees are read into one as well, with contents that stay where they are, and then frozen.
 */
import { HartvisorError } from "@hartvisor/core";
import { FileError } from "./errno.js";
import { MemoryDirectory } from "./memory-directory.js";
import { NAME_COST, NODE_COST } from "./memory-node.js";
import { type FileTime, type FileTree, FileType, type TreeRoom } from "./tree.js";

const DEFAULT_BYTES = 2 ** 30;
const BLOCK = 4096;

/** How a {@link MemoryTree} is made. */
export interface MemoryTreeOptions {
  /** What it may take of the host's memory: contents, names and nodes. Default: 1 GiB. */
  readonly maxBytes?: number;
  /** The clock that times of files are read from. Default: the host's. */
  readonly now?: () => FileTime;
}

/** A tree in memory. Throws `invalid-argument` for less room than a tree needs. */
export class MemoryTree implements FileTree {
  readonly root: MemoryDirectory;
  readonly hasAttributes = true;
  readonly isPrivate = true;
  readonly opensFreely = true;
  readonly maxBytes: number;
  readonly now: () => FileTime;
  #usedBytes = 0;
  #nodes = 0;
  #nextIno = 1;
  #isFrozen = false;

  constructor({ maxBytes = DEFAULT_BYTES, now = hostTime }: MemoryTreeOptions = {}) {
    if (!(typeof maxBytes === "number" && maxBytes >= BLOCK)) {
      throw new HartvisorError("invalid-argument", `a tree of ${String(maxBytes)} bytes: give ${BLOCK} or more`);
    }
    this.maxBytes = maxBytes;
    this.now = now;
    this.root = new MemoryDirectory(this, { mode: FileType.Directory | 0o755, uid: 0, gid: 0 });
    this.root.links = 2;
  }

  get isReadOnly(): boolean {
    return this.#isFrozen;
  }

  /** From now on nothing can be changed. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Bytes that it may still take. */
  get freeBytes(): number {
    return Math.max(0, this.maxBytes - this.#usedBytes);
  }

  room(): TreeRoom {
    const blocks = Math.floor(this.maxBytes / BLOCK);
    const { freeBytes } = this;
    const freeFiles = Math.floor(freeBytes / (NODE_COST + NAME_COST));
    return {
      blockSize: BLOCK,
      blocks,
      freeBlocks: Math.floor(freeBytes / BLOCK),
      files: this.#nodes + freeFiles,
      freeFiles,
    };
  }

  async close(): Promise<void> {}

  /** For nodes: takes room, or gives it back. @throws FileError ENOSPC */
  charge(bytes: number): void {
    if (bytes > 0 && this.#usedBytes + bytes > this.maxBytes) throw FileError.of("ENOSPC");
    this.#usedBytes += bytes;
  }

  /** For nodes: @throws FileError EROFS */
  checkWritable(): void {
    if (this.#isFrozen) throw FileError.of("EROFS");
  }

  /** For nodes: a number for a new one, whose room was charged. */
  adopt(): number {
    this.#nodes++;
    return this.#nextIno++;
  }

  /** For nodes: one is no more. */
  disown(): void {
    this.#nodes--;
  }
}

/** The host's time, as finely as it tells. */
export function hostTime(): FileTime {
  const ms = performance.timeOrigin + performance.now();
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanoseconds: Math.min(999_999_999, Math.floor((ms - seconds * 1000) * 1e6)) };
}
