/**
 * The index of a tree that is served by HTTP: a JSON document that says what there is, and where contents lie.
 * docs/files.md describes it for those who write one. It is somebody else's word: every field is checked, contents lie
 * below the index and nowhere else, and a name leads only to what stands before it.
 */
import { HartvisorError } from "@hartvisor/core";
import { FileType } from "../tree.js";
import { invalidTree, shown, type TreeEntry } from "../tree-entry.js";

/** What an index says that it is, and the version that is read and written here. */
export const INDEX_FORMAT = "hartvisor-tree";
export const INDEX_VERSION = 1;

/** As large as a file can be (`memory-file.ts`). */
const MAX_BYTES = 2 ** 44;
/** Entries: some 640 MiB of nodes and names. */
const MAX_ENTRIES = 1_000_000;
const MAX_ID = 2 ** 32 - 2;
const MAX_DEVICE = 2 ** 32 - 1;
const MAX_ATTRIBUTE_BYTES = 65_536;
const NO_ATTRIBUTES: ReadonlyMap<string, Uint8Array> = new Map();

/** What an entry can be. A hard link is one more name of an entry before it. */
export type IndexEntryType =
  | "file"
  | "directory"
  | "symlink"
  | "hardlink"
  | "character-device"
  | "block-device"
  | "fifo"
  | "socket";

/** The document. */
export interface TreeIndex {
  readonly format: typeof INDEX_FORMAT;
  readonly version: typeof INDEX_VERSION;
  /** Files below the folder that the index is in, and their lengths: what contents of the tree are parts of. */
  readonly contents: readonly { readonly file: string; readonly bytes: number }[];
  readonly entries: readonly IndexEntry[];
}

/** One thing in the tree. What is left out is 0, or empty. */
export interface IndexEntry {
  /** From the root, without slashes around it; empty for the root itself. A byte that is no UTF-8 is U+DC00 + byte. */
  readonly path: string;
  readonly type: IndexEntryType;
  /** Permissions, with set-id and sticky bits, as octal digits. Default: `755` for directories, `644`. */
  readonly mode?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Since 1970, in seconds; and nanoseconds behind them. */
  readonly mtime?: number;
  readonly mtimeNs?: number;
  /** Of a file. */
  readonly size?: number;
  /** Of a file that is not empty: which of the `contents` it is a part of, and from which byte on. */
  readonly content?: readonly [number, number];
  /** Where a symbolic link leads; of a hard link the path of an entry before it. */
  readonly target?: string;
  /** Of a device its numbers: major and minor. */
  readonly device?: readonly [number, number];
  /** Extended attributes, their values in base64. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Where a file's contents lie. */
export interface ContentPlace {
  /** One of the `contents`. */
  readonly content: number;
  readonly offset: number;
  readonly size: number;
}

/** What an index says, checked. */
export interface ParsedIndex {
  /** Their paths below the folder that the index is in, as a part of a URL, and their lengths. */
  readonly contents: readonly { readonly path: string; readonly bytes: number }[];
  /** Entries in their order, each with its place; reading on throws for one that cannot be. */
  readonly entries: Iterable<readonly [TreeEntry, ContentPlace | undefined]>;
}

const TYPES: Readonly<Record<Exclude<IndexEntryType, "hardlink">, number>> = {
  file: FileType.Regular,
  directory: FileType.Directory,
  symlink: FileType.SymbolicLink,
  "character-device": FileType.CharacterDevice,
  "block-device": FileType.BlockDevice,
  fifo: FileType.Fifo,
  socket: FileType.Socket,
};

/**
 * Reads an index.
 *
 * @param name - how messages call it
 * @throws HartvisorError `invalid-image`: it is none, or one that contradicts itself; `unsupported`: a newer version
 */
export function parseTreeIndex(document: Uint8Array, name: string): ParsedIndex {
  const fail = (problem: string) => invalidTree(name, problem);
  let index: Partial<Record<keyof TreeIndex, unknown>>;
  try {
    index = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(document));
  } catch (cause) {
    throw new HartvisorError("invalid-image", `${name}: it is no index of a tree, but no JSON at all`, { cause });
  }
  if (!isRecord(index) || index.format !== INDEX_FORMAT) {
    throw fail(`it is no index of a tree: "format" is not "${INDEX_FORMAT}"`);
  }
  const { version, contents, entries } = index;
  if (typeof version === "number" && version > INDEX_VERSION) {
    const message = `${name}: an index of version ${version}; this hartvisor reads version ${INDEX_VERSION}`;
    throw new HartvisorError("unsupported", message);
  }
  if (version !== INDEX_VERSION) throw fail(`"version" is not ${INDEX_VERSION}`);
  if (!Array.isArray(contents) || !Array.isArray(entries)) throw fail(`"contents" and "entries" must be lists`);
  if (entries.length > MAX_ENTRIES) throw fail(`${entries.length} entries, of which it may have ${MAX_ENTRIES}`);
  const places = contents.map((content: unknown, n) => parseContent(content, (what) => fail(`content ${n}: ${what}`)));
  return { contents: places, entries: checkedEntries(entries, places, fail) };
}

type Fail = (problem: string) => HartvisorError;

function parseContent(content: unknown, fail: Fail): { readonly path: string; readonly bytes: number } {
  if (!isRecord(content)) throw fail("no object");
  const { file, bytes } = content;
  if (typeof file !== "string" || !isPlainPath(file)) throw fail(`"file" must be a path below the index`);
  try {
    const path = file.split("/").map(encodeURIComponent).join("/");
    return { path, bytes: whole({ bytes }, "bytes", MAX_BYTES, fail) };
  } catch (error) {
    // A surrogate alone, which no URL has.
    if (error instanceof URIError) throw fail(`"file" must be a path below the index`);
    throw error;
  }
}

function* checkedEntries(
  entries: readonly unknown[],
  contents: ParsedIndex["contents"],
  fail: Fail,
): Generator<readonly [TreeEntry, ContentPlace | undefined]> {
  const paths = new Set<string>();
  for (const [n, entry] of entries.entries()) {
    if (!isRecord(entry) || typeof entry.path !== "string") throw fail(`entry ${n} has no path`);
    const { path } = entry;
    const failHere: Fail = (problem) => fail(`${shown(path)}: ${problem}`);
    if (path !== "" && !isPlainPath(path)) throw failHere(`no path from the root: names with single slashes between`);
    if (paths.has(path)) throw failHere("it is there twice");
    paths.add(path);
    yield [parseEntry(entry, path, failHere), placeOf(entry, contents, failHere)];
  }
}

function parseEntry(entry: Record<string, unknown>, path: string, fail: Fail): TreeEntry {
  const { type: kind, target = "", device = [0, 0], mode = kind === "directory" ? "755" : "644" } = entry;
  const isHardLink = kind === "hardlink";
  const type = isHardLink
    ? FileType.Regular
    : typeof kind === "string" && Object.hasOwn(TYPES, kind)
      ? TYPES[kind as keyof typeof TYPES]
      : undefined;
  if (type === undefined) throw fail(`${shown(String(kind))} is no type`);
  if (path === "" && kind !== "directory") throw fail("the root must be a directory");
  if (typeof mode !== "string" || !/^[0-7]{1,4}$/.test(mode)) throw fail(`"mode" must be octal digits`);
  const needsTarget = isHardLink || kind === "symlink";
  if (typeof target !== "string" || (needsTarget && target === "")) throw fail(`"target" is missing`);
  if (isHardLink && !isPlainPath(target)) throw fail(`"target" must be the path of an entry`);
  if (!Array.isArray(device) || device.length !== 2) throw fail(`"device" must be two numbers`);
  const [major, minor] = device.map((number: unknown) => whole({ device: number }, "device", MAX_DEVICE, fail));
  const { mtime = 0 } = entry;
  if (!Number.isSafeInteger(mtime)) throw fail(`"mtime" must be a whole number`);
  return {
    path,
    mode: type | Number.parseInt(mode, 8),
    uid: whole(entry, "uid", MAX_ID, fail),
    gid: whole(entry, "gid", MAX_ID, fail),
    major: major ?? 0,
    minor: minor ?? 0,
    mtime: { seconds: mtime as number, nanoseconds: whole(entry, "mtimeNs", 999_999_999, fail) },
    target,
    linkTo: isHardLink ? target : undefined,
    attributes: parseAttributes(entry.attributes, fail),
  };
}

/** Where an entry's contents lie, if it has any. */
function placeOf(
  entry: Record<string, unknown>,
  contents: ParsedIndex["contents"],
  fail: Fail,
): ContentPlace | undefined {
  const size = whole(entry, "size", MAX_BYTES, fail);
  if (entry.type !== "file" || size === 0) return undefined;
  const { content: place } = entry;
  if (!Array.isArray(place) || place.length !== 2) throw fail(`"content" must be two numbers`);
  const [content, offset] = place.map((number: unknown) => whole({ content: number }, "content", MAX_BYTES, fail));
  const { bytes } = contents[content as number] ?? {};
  if (bytes === undefined) throw fail(`there is no content ${content}`);
  if ((offset as number) + size > bytes) throw fail(`its ${size} bytes are not all in content ${content}`);
  return { content: content as number, offset: offset as number, size };
}

function parseAttributes(attributes: unknown, fail: Fail): ReadonlyMap<string, Uint8Array> {
  if (attributes === undefined) return NO_ATTRIBUTES;
  if (!isRecord(attributes)) throw fail(`"attributes" must be an object`);
  return new Map(
    Object.entries(attributes).map(([name, value]) => {
      if (!/^(?:user|trusted|security)\../s.test(name)) throw fail(`${shown(name)} is no attribute that a tree keeps`);
      let text: string;
      try {
        text = atob(typeof value === "string" ? value : "?");
      } catch {
        throw fail(`the attribute ${shown(name)} must be base64`);
      }
      if (text.length > MAX_ATTRIBUTE_BYTES) throw fail(`the attribute ${shown(name)} is too long`);
      return [name, Uint8Array.from(text, (character) => character.charCodeAt(0))];
    }),
  );
}

/** A number of an object that is whole and within a bound; 0 where it is left out. */
function whole(of: Record<string, unknown>, key: string, most: number, fail: Fail): number {
  const value = of[key] ?? 0;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw fail(`"${key}" must be a whole number of at most ${most}`);
}

/** Whether a path is one from a folder down: names with single slashes between them. */
function isPlainPath(path: string): boolean {
  return path.split("/").every((name) => name !== "" && name !== "." && name !== "..");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
