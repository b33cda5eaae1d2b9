/**
 * An archive as a read-only tree: a layer of a root file system. An archive is somebody else's word: an entry that would
 * leave the tree, or lies below a symbolic link, is refused, and how much it may unpack to has a bound. Contents are
 * not copied: the tree stands on the archive's bytes.
 */
import { HartvisorError } from "@hartvisor/core";
import { FileError } from "../errno.js";
import { MemoryDirectory } from "../memory-directory.js";
import { type FileContent, MemoryFile } from "../memory-file.js";
import type { MemoryNode } from "../memory-node.js";
import { MemoryTree } from "../memory-tree.js";
import { checkName, MAX_PATH_BYTES } from "../names.js";
import { type FileTime, type FileTree, FileType, PERMISSION_BITS, TYPE_BITS } from "../tree.js";
import { RESERVED, WHITEOUT } from "../union-layers.js";
import { cpioEntries, isCpio } from "./cpio.js";
import { type ArchiveEntry, badArchive, shown } from "./entry.js";
import { isTar, tarEntries } from "./tar.js";

const DEFAULT_BYTES = 4 * 2 ** 30 - 1;
/** What names and nodes may take: some two million of them. */
const MAX_TREE_BYTES = 2 ** 30;
const OPAQUE = `${RESERVED}.wh..opq`;
const DAWN: FileTime = { seconds: 0, nanoseconds: 0 };
/** Other compressions, by how they begin. */
const COMPRESSIONS: readonly (readonly [string, readonly number[]])[] = [
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", [0x42, 0x5a, 0x68]],
];

/** How an archive is read. */
export interface ArchiveOptions {
  /** How messages call it. Default: `the archive`. */
  readonly name?: string;
  /** Bytes that it may have when it is decompressed. Default: 4 GiB. */
  readonly maxBytes?: number;
}

/**
 * Reads a tar or cpio archive, compressed with gzip or not. Of two entries with a name the later counts. The names
 * by which layers of OCI images hide what is below (`.wh.NAME`, `.wh..wh..opq`) become whiteouts for a union.
 *
 * @throws HartvisorError `invalid-image`: it is no such archive, is damaged or truncated, has entries that leave it, or is
 *   too large; `unsupported`: another compression
 * @example
 * const root = unionTree({ lower: [await archiveTree(await readFile("root.tar"))], upper: new MemoryTree() });
 */
export async function archiveTree(
  archive: Uint8Array,
  { name = "the archive", maxBytes = DEFAULT_BYTES }: ArchiveOptions = {},
): Promise<FileTree> {
  const isGzip = archive[0] === 0x1f && archive[1] === 0x8b;
  const bytes = isGzip ? await gunzip(archive, name, maxBytes) : archive;
  for (const [compression, magic] of COMPRESSIONS) {
    if (magic.every((byte, n) => bytes[n] === byte)) {
      throw new HartvisorError("unsupported", `${name} is compressed with ${compression}: decompress it, or use gzip`);
    }
  }
  if (!isCpio(bytes) && !isTar(bytes)) throw badArchive(name, "it is neither a tar nor a cpio archive");
  const builder = new TreeBuilder(name);
  for (const entry of isCpio(bytes) ? cpioEntries(bytes, name) : tarEntries(bytes, name)) builder.add(entry);
  return builder.finish();
}

/** Decompresses, and stops where there is more than the bound. */
async function gunzip(archive: Uint8Array, name: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    const stream = new Blob([archive as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
    for await (const chunk of stream) {
      length += chunk.length;
      if (length > maxBytes) throw badArchive(name, `it unpacks to more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof HartvisorError) throw cause;
    throw new HartvisorError("invalid-image", `${name}: what is compressed with gzip is damaged or truncated`, {
      cause,
    });
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Puts entries into a tree. */
class TreeBuilder {
  readonly #name: string;
  readonly #tree = new MemoryTree({ maxBytes: MAX_TREE_BYTES, now: () => DAWN });
  /** Directories last: what is put into them changes their times. */
  readonly #directoryTimes = new Map<MemoryNode, FileTime>();
  readonly #same = new Map<string, MemoryNode>();

  constructor(name: string) {
    this.#name = name;
  }

  add(entry: ArchiveEntry): void {
    try {
      this.#add(entry);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      const problem =
        error.code === "ENOSPC" ? "there are too many entries" : `${shown(entry.path)} cannot be there (${error.code})`;
      throw badArchive(this.#name, problem);
    }
  }

  finish(): FileTree {
    for (const [node, mtime] of this.#directoryTimes) node.setTimes(mtime, mtime, mtime);
    this.#tree.freeze();
    return this.#tree;
  }

  #add(entry: ArchiveEntry): void {
    const parts = this.#parts(entry.path);
    const name = parts.pop();
    if (name === undefined) {
      this.#dress(this.#tree.root, entry);
      return;
    }
    const directory = this.#directory(parts, entry.path);
    if (name === OPAQUE) {
      directory.setAttribute("trusted.overlay.opaque", Uint8Array.of(0x79), "either");
      return;
    }
    if (name.startsWith(RESERVED)) {
      const hidden = name.slice(RESERVED.length);
      checkName(hidden);
      this.#makeRoom(directory, hidden, false, entry.path);
      directory.create(hidden, WHITEOUT);
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
      if (entry.content.length > 0 && linked instanceof MemoryFile) linked.refer(contentOf(entry.content));
      return;
    }
    const isDirectory = (entry.mode & TYPE_BITS) === FileType.Directory;
    const there = this.#makeRoom(directory, name, isDirectory, entry.path);
    const { mode, uid, gid, major, minor, target } = entry;
    const node = there ?? directory.create(name, { mode, uid, gid, major, minor, target });
    if (node instanceof MemoryFile) node.refer(contentOf(entry.content));
    this.#dress(node, entry);
    if (entry.sameAs !== undefined) this.#same.set(entry.sameAs, node);
  }

  /** A path's names, from the root of the archive on. */
  #parts(path: string): string[] {
    if (path.length > MAX_PATH_BYTES) throw badArchive(this.#name, `${shown(path)} is too long a path`);
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) throw badArchive(this.#name, `${shown(path)} leads out of it`);
    return parts;
  }

  /** A directory by its path; made where no entry has. */
  #directory(parts: readonly string[], path: string): MemoryDirectory {
    let directory = this.#tree.root;
    for (const part of parts) {
      checkName(part);
      const node =
        directory.entries.get(part)?.node ??
        directory.create(part, { mode: FileType.Directory | 0o755, uid: 0, gid: 0 });
      if (!(node instanceof MemoryDirectory)) {
        const what = node.type === FileType.SymbolicLink ? "a symbolic link" : "what is no directory";
        throw badArchive(this.#name, `${shown(path)} lies below ${what}`);
      }
      directory = node;
    }
    return directory;
  }

  /** The node of which an entry is one more name. */
  #linked({ linkTo, sameAs, path }: ArchiveEntry): MemoryNode | undefined {
    if (linkTo === undefined) return sameAs === undefined ? undefined : this.#same.get(sameAs);
    let node: MemoryNode | undefined = this.#tree.root;
    for (const part of this.#parts(linkTo)) {
      node = node instanceof MemoryDirectory ? node.entries.get(part)?.node : undefined;
    }
    if (node === undefined || node instanceof MemoryDirectory) {
      throw badArchive(this.#name, `${shown(path)} is a link to ${shown(linkTo)}, which is no file before it`);
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
        throw badArchive(this.#name, `${shown(path)} takes the place of a directory that is not empty`);
      }
      this.#directoryTimes.delete(there);
    }
    directory.remove(name, there instanceof MemoryDirectory ? "directory" : "other");
    return undefined;
  }

  #dress(node: MemoryNode, { mode, uid, gid, mtime, attributes }: ArchiveEntry): void {
    const isLink = node.type === FileType.SymbolicLink;
    node.change({ uid, gid, ...(!isLink && { mode: mode & PERMISSION_BITS }) });
    for (const [name, value] of attributes) {
      if (/^(?:user|trusted|security)\./.test(name)) node.setAttribute(name, value, "either");
    }
    node.setTimes(mtime, mtime, mtime);
    if (node instanceof MemoryDirectory) this.#directoryTimes.set(node, mtime);
  }
}

function contentOf(bytes: Uint8Array): FileContent {
  return {
    size: bytes.length,
    isHere: true,
    read: (offset, into) => {
      const part = bytes.subarray(offset, offset + into.length);
      into.set(part);
      return part.length;
    },
  };
}
