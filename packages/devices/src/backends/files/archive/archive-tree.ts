/**
 * An archive as a read-only tree: a layer of a root file system. An archive is somebody else's word: an entry that would
 * leave the tree, or lies below a symbolic link, is refused, and how much it may unpack to has a bound. Contents are
 * not copied: the tree stands on the archive's bytes.
 */
import { HartvisorError } from "@hartvisor/core";
import { contentOf } from "../memory-file.js";
import type { FileTree } from "../tree.js";
import { TreeBuilder } from "../tree-builder.js";
import { invalidTree } from "../tree-entry.js";
import { cpioEntries, isCpio } from "./cpio.js";
import { isTar, tarEntries } from "./tar.js";

const DEFAULT_BYTES = 4 * 2 ** 30 - 1;
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
  if (!isCpio(bytes) && !isTar(bytes)) throw invalidTree(name, "it is neither a tar nor a cpio archive");
  const builder = new TreeBuilder(name);
  for (const entry of isCpio(bytes) ? cpioEntries(bytes, name) : tarEntries(bytes, name)) {
    builder.add(entry, contentOf(entry.content));
  }
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
      if (length > maxBytes) throw invalidTree(name, `it unpacks to more than ${maxBytes} bytes`);
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
