/**
 * Writes a tree as files that any web server can serve: an index, and contents. Contents are packed into few files, so
 * that what is read together is fetched together and a host that counts files takes them; their names are digests, so that
 * a guest that still reads an earlier version in the same folder is not disturbed.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { HartvisorError } from "@hartvisor/core";
import {
  type FileNode,
  type FileTree,
  FileType,
  INDEX_FILE,
  INDEX_FORMAT,
  INDEX_VERSION,
  type IndexEntry,
  type IndexEntryType,
  PERMISSION_BITS,
} from "@hartvisor/devices";
import { unless } from "../file-errors.js";
import { attributesOf, names } from "./layer-difference.js";

/** Bytes after which the next file of contents begins: some hosts take no files of more than 25 MiB. */
const PART_BYTES = 16 * 2 ** 20;
const CHUNK_BYTES = 2 ** 20;
/** Hexadecimal digits of a digest in a name. */
const NAME_DIGITS = 32;
const CONTENTS = "contents";

const TYPES = new Map<number, Exclude<IndexEntryType, "hardlink">>([
  [FileType.Regular, "file"],
  [FileType.Directory, "directory"],
  [FileType.SymbolicLink, "symlink"],
  [FileType.CharacterDevice, "character-device"],
  [FileType.BlockDevice, "block-device"],
  [FileType.Fifo, "fifo"],
  [FileType.Socket, "socket"],
]);

/** What was written. */
export interface ExportedTree {
  readonly entries: number;
  /** Of contents; what several files have is there once. */
  readonly bytes: number;
}

/** How to write. */
export interface TreeExportOptions {
  readonly signal?: AbortSignal;
  /** Bytes after which the next file of contents begins; a larger file has one of its own. Default: 16 MiB. */
  readonly partBytes?: number;
}

/**
 * Writes a tree to a folder that is not there yet, is empty, or has an earlier version, whose contents stay.
 *
 * @throws HartvisorError `invalid-argument` for a folder with something else in it
 * @example
 * await exportTree(await image.openLayers(), "public/debian");
 */
export async function exportTree(
  tree: FileTree,
  directory: string,
  options: TreeExportOptions = {},
): Promise<ExportedTree> {
  const there = (await readdir(directory).catch(unless("ENOENT"))) ?? [];
  if (there.length > 0 && !there.includes(INDEX_FILE)) {
    throw new HartvisorError("invalid-argument", `${directory}: there is something else already; give a new folder`);
  }
  await mkdir(join(directory, CONTENTS), { recursive: true });
  const contents = new ContentWriter(join(directory, CONTENTS), options.partBytes ?? PART_BYTES);
  try {
    const entries: IndexEntry[] = [];
    for await (const entry of describe(tree, contents)) {
      options.signal?.throwIfAborted();
      entries.push(entry);
    }
    const parts = await contents.finish();
    await writeIndex(directory, parts, entries);
    return { entries: entries.length, bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0) };
  } finally {
    await contents.discard();
  }
}

interface Part {
  readonly file: string;
  readonly bytes: number;
}

/** Writes an index beside its place, and moves it there: who fetches it gets one or the other. */
async function writeIndex(directory: string, contents: readonly Part[], entries: readonly IndexEntry[]): Promise<void> {
  const path = join(directory, `.${INDEX_FILE}`);
  const lines = (items: readonly unknown[]) => items.map((item) => `\n${JSON.stringify(item)}`).join(",");
  const file = await open(path, "w");
  try {
    const head = `"format":${JSON.stringify(INDEX_FORMAT)},"version":${INDEX_VERSION}`;
    await file.writeFile(`{${head},\n"contents":[${lines(contents)}],\n"entries":[${lines(entries)}]}\n`);
  } finally {
    await file.close();
  }
  await rename(path, join(directory, INDEX_FILE));
}

/** Entries of all that is in a tree, directories before what is in them; contents are written on the way. */
async function* describe(tree: FileTree, contents: ContentWriter): AsyncGenerator<IndexEntry> {
  /** First paths of nodes with several, by inode. */
  const paths = new Map<number, string>();
  const waiting: { readonly path: string; readonly node: FileNode }[] = [{ path: "", node: tree.root }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, node } = next;
    const stat = await node.stat();
    const isDirectory = node.type === FileType.Directory;
    const first = isDirectory ? undefined : paths.get(stat.ino);
    if (first !== undefined) {
      yield { path, type: "hardlink", target: first };
      continue;
    }
    if (stat.links > 1 && !isDirectory) paths.set(stat.ino, path);
    const { uid, gid, major, minor, mtime } = stat;
    const mode = (stat.mode & PERMISSION_BITS).toString(8);
    const isDevice = node.type === FileType.CharacterDevice || node.type === FileType.BlockDevice;
    const attributes = await attributesOf(node).catch(() => new Map<string, Uint8Array>());
    yield {
      ...{ path, type: TYPES.get(node.type) as IndexEntryType },
      ...(node.type !== FileType.SymbolicLink && mode !== (isDirectory ? "755" : "644") && { mode }),
      ...(uid !== 0 && { uid }),
      ...(gid !== 0 && { gid }),
      ...(mtime.seconds !== 0 && { mtime: mtime.seconds }),
      ...(mtime.nanoseconds !== 0 && { mtimeNs: mtime.nanoseconds }),
      ...(node.type === FileType.Regular && (await contents.add(node, stat.size))),
      ...(node.type === FileType.SymbolicLink && { target: await node.readLink() }),
      ...(isDevice && { device: [major, minor] as const }),
      ...(attributes.size > 0 && {
        attributes: Object.fromEntries([...attributes].map(([name, value]) => [name, base64(value)])),
      }),
    };
    if (!isDirectory) continue;
    const below = (await names(node)).map((name) => (path === "" ? name : `${path}/${name}`));
    // The last to wait comes first.
    for (const each of below.reverse()) {
      waiting.push({ path: each, node: await node.lookup(each.slice(path === "" ? 0 : path.length + 1)) });
    }
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** Puts contents one behind the other into files, each that is new. */
class ContentWriter {
  readonly #directory: string;
  readonly #partBytes: number;
  readonly #parts: Part[] = [];
  /** Where contents are, by their digests. */
  readonly #places = new Map<string, readonly [number, number]>();
  #file: FileHandle | undefined;
  /** Bytes of the file being written that count. */
  #length = 0;

  constructor(directory: string, partBytes: number) {
    this.#directory = directory;
    this.#partBytes = partBytes;
  }

  /** Writes what is in a file; what its entry says of that. */
  async add(node: FileNode, expected: number): Promise<Pick<IndexEntry, "size" | "content">> {
    if (this.#length > 0 && this.#length + expected > this.#partBytes) await this.#endPart();
    const hash = createHash("sha256");
    const size = await this.#copy(node, hash);
    if (size === 0) return {};
    const digest = hash.digest("hex");
    let content = this.#places.get(digest);
    // What is there already is written over by what comes next.
    if (content === undefined) {
      content = [this.#parts.length, this.#length];
      this.#places.set(digest, content);
      this.#length += size;
    }
    return { size, content };
  }

  /** All files that were written. */
  async finish(): Promise<readonly Part[]> {
    await this.#endPart();
    return this.#parts;
  }

  /** Removes what was not finished. */
  async discard(): Promise<void> {
    if (this.#file === undefined) return;
    await this.#file.close();
    this.#file = undefined;
    await rm(this.#path, { force: true });
  }

  /** The file being written. */
  get #path(): string {
    return join(this.#directory, ".part");
  }

  /** Writes behind what counts; how much. */
  async #copy(node: FileNode, hash: Hash): Promise<number> {
    const bytes = new Uint8Array(CHUNK_BYTES);
    const source = await node.open({ read: true, write: false });
    try {
      for (let at = 0; ; ) {
        const count = await source.read(at, bytes);
        if (count === 0) return at;
        hash.update(bytes.subarray(0, count));
        this.#file ??= await open(this.#path, "w");
        for (let done = 0; done < count; ) {
          done += (await this.#file.write(bytes, done, count - done, this.#length + at + done)).bytesWritten;
        }
        at += count;
      }
    } finally {
      await source.close();
    }
  }

  async #endPart(): Promise<void> {
    if (this.#file === undefined) return;
    await this.#file.truncate(this.#length);
    await this.#file.close();
    this.#file = undefined;
    if (this.#length > 0) {
      const hash = createHash("sha256");
      for await (const chunk of createReadStream(this.#path)) hash.update(chunk);
      const name = hash.digest("hex").slice(0, NAME_DIGITS);
      await rename(this.#path, join(this.#directory, name));
      this.#parts.push({ file: `${CONTENTS}/${name}`, bytes: this.#length });
    } else await rm(this.#path);
    this.#length = 0;
  }
}
