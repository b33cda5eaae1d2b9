/**
 * The files of an image as tools write it: in a directory, or in a tar of one, compressed with gzip or not. What is asked for is found
 * by its name within, and nothing outside: of a tar nothing is unpacked, and a symbolic link leads to another file of the same image.
 */
import { createReadStream } from "node:fs";
import { readFile, realpath, stat } from "node:fs/promises";
import { join, posix, sep } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { HartvisorError } from "@hartvisor/core";
import { FileType, TYPE_BITS, tarEntries } from "@hartvisor/devices";

/** Node reads no larger file at once. */
const MAX_TAR_BYTES = 2 ** 31 - 1;
/** Links in a row. */
const MAX_LINKS = 8;
/** Bytes that a tar hands on at once. */
const CHUNK = 2 ** 20;

/** A regular file of an image. */
export interface LayoutFile {
  readonly size: number;
  bytes(): Promise<Uint8Array>;
  stream(): Readable;
}

/** All of them. */
export interface LayoutFiles {
  /** The file under a name, such as "blobs/sha256/..."; undefined where no regular file has it. */
  find(name: string): Promise<LayoutFile | undefined>;
}

/**
 * Looks into a directory or a tar.
 *
 * @throws HartvisorError `unreadable-file`, or `invalid-image` for a tar that is damaged, too large, or has a file twice
 */
export async function layoutFiles(path: string): Promise<LayoutFiles> {
  const kind = await stat(path).catch((cause) => {
    throw new HartvisorError("unreadable-file", `${path}: there is no such file or directory`, { cause });
  });
  if (kind.isDirectory()) return filesOfDirectory(await realpath(path));
  if (!kind.isFile()) {
    throw new HartvisorError("unreadable-file", `${path}: neither a directory nor a regular file`);
  }
  if (kind.size > MAX_TAR_BYTES) throw tooLarge(path);
  return filesOfTar(await decompressed(await readFile(path), path), path);
}

function filesOfDirectory(directory: string): LayoutFiles {
  return {
    find: async (name) => {
      const path = await realpath(join(directory, name)).catch(() => undefined);
      if (path === undefined || !path.startsWith(directory + sep)) return undefined;
      const found = await stat(path);
      if (!found.isFile()) return undefined;
      return { size: found.size, bytes: () => readFile(path), stream: () => createReadStream(path) };
    },
  };
}

function filesOfTar(tar: Uint8Array, path: string): LayoutFiles {
  const contents = new Map<string, Uint8Array>();
  const links = new Map<string, string>();
  for (const { path: written, mode, content, target, linkTo } of tarEntries(tar, path)) {
    const name = posix.normalize(written);
    const type = mode & TYPE_BITS;
    if (linkTo !== undefined) links.set(name, posix.normalize(linkTo));
    else if (type === FileType.SymbolicLink) links.set(name, posix.join(posix.dirname(name), target));
    else if (type === FileType.Regular) {
      if (contents.has(name)) throw new HartvisorError("invalid-image", `${path}: ${name} is there twice`);
      contents.set(name, content);
    }
  }
  return {
    find: async (wanted) => {
      let name = posix.normalize(wanted);
      for (let n = 0; n < MAX_LINKS && !contents.has(name); n++) name = links.get(name) ?? name;
      const content = contents.get(name);
      if (content === undefined) return undefined;
      return { size: content.length, bytes: async () => content, stream: () => Readable.from(piecesOf(content)) };
    },
  };
}

function* piecesOf(content: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < content.length; at += CHUNK) yield content.subarray(at, at + CHUNK);
}

async function decompressed(bytes: Buffer, path: string): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: MAX_TAR_BYTES });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(path);
    throw new HartvisorError("invalid-image", `${path}: what is compressed with gzip is damaged or truncated`, {
      cause,
    });
  }
}

function tooLarge(path: string): HartvisorError {
  return new HartvisorError("invalid-image", `${path}: it is larger than 2 GiB; unpack it, and name the directory`);
}
