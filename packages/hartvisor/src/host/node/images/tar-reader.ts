/**
 * Reads tar archives that nobody vouches for: layers of images, packages, what a guest has packed. Every entry's name
 * comes out relative to the root and without `..`; what is cut short, names something outside, or has no end is
 * refused in one line that names the archive. Nothing is written anywhere: what to do with an entry is the caller's.
 */
import type { Readable } from "node:stream";
import { HartvisorError } from "@hartvisor/core";
import { extract, type Header } from "tar-stream";

/** Throws; says what is wrong with the archive. */
type Refuse = (problem: string, cause?: unknown) => never;

/** What an entry can be. */
export type TarType = "file" | "directory" | "symlink" | "link" | "character-device" | "block-device" | "fifo";

/** An entry, whose contents are read before the next one is asked for, or passed over. */
export interface TarEntry {
  /** From the root, without a leading slash; empty for the root itself. */
  readonly path: string;
  readonly type: TarType;
  /** Permissions with set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modified: Date;
  /** Bytes of a file's contents; 0 for everything else. */
  readonly size: number;
  /** Where a symbolic link leads, as it is written; of a hard link the path from the root. */
  readonly target: string;
  /** What a device node stands for. */
  readonly major: number;
  readonly minor: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Bounds of an archive, so that a small file cannot fill the host. */
export interface TarLimits {
  /** Entries. Default: a million. */
  readonly maxEntries?: number;
  /** Bytes of all contents together. Default: 64 GiB. */
  readonly maxBytes?: number;
}

const DEFAULT_MAX_ENTRIES = 1_000_000;
const DEFAULT_MAX_BYTES = 64 * 2 ** 30;
/** Linux's PATH_MAX, with the NUL. */
const MAX_PATH_BYTES = 4096;
/** Linux's NAME_MAX. */
const MAX_NAME_BYTES = 255;
const PERMISSIONS = 0o7777;

const TYPES: ReadonlySet<string> = new Set<TarType>([
  ...(["file", "directory", "symlink", "link", "character-device", "block-device", "fifo"] as const),
]);

/**
 * Reads an archive that is not compressed, entry by entry.
 *
 * @param name - what messages call the archive
 * @throws HartvisorError `invalid-image` for an archive that is damaged, or holds what no root file system may
 */
export async function* readTar(
  archive: Readable,
  name: string,
  { maxEntries = DEFAULT_MAX_ENTRIES, maxBytes = DEFAULT_MAX_BYTES }: TarLimits = {},
): AsyncGenerator<TarEntry> {
  const refuse: Refuse = (problem, cause) => {
    throw new HartvisorError("invalid-image", `${name}: ${problem}`, { cause });
  };
  const reader = extract();
  let failure: unknown;
  archive.on("error", (error) => {
    failure = error;
    reader.destroy(error);
  });
  archive.pipe(reader);
  const refuseFor = (error: unknown): never => {
    if (error instanceof HartvisorError) throw error;
    return refuse(problemOf(failure ?? error), failure ?? error);
  };
  let entries = 0;
  let bytes = 0;
  try {
    for await (const entry of reader) {
      const checked = checkEntry(entry.header, refuse);
      if (++entries > maxEntries) refuse(`it has more than ${maxEntries} entries`);
      bytes += checked.size;
      if (bytes > maxBytes) refuse(`it unpacks to more than ${Math.floor(maxBytes / 2 ** 20)} MiB`);
      let isTaken = false;
      const content = (async function* () {
        isTaken = true;
        try {
          yield* entry as AsyncIterable<Uint8Array>;
        } catch (error) {
          refuseFor(error);
        }
      })();
      yield { ...checked, content };
      if (!isTaken) entry.resume();
    }
  } catch (error) {
    refuseFor(error);
  } finally {
    archive.unpipe(reader);
    archive.destroy();
    reader.destroy();
  }
}

/** Collects the contents of an entry. */
export async function contentOf(entry: Pick<TarEntry, "content">): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of entry.content) parts.push(part);
  return Buffer.concat(parts);
}

function problemOf(error: unknown): string {
  const { message } = error as Error;
  if (/unexpected end|stream was destroyed/i.test(message)) return "the archive is cut short";
  if (/invalid tar header|invalid header|header exceeds/i.test(message)) return "it is no tar archive, or damaged";
  return message.replaceAll(/\s*\n\s*/g, " ");
}

/** Devices are numbered by Linux with 12 and 20 bits. */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xf_ffff;
const MAX_ID = 0xffff_fffe;

function checkEntry(header: Header, refuse: Refuse): Omit<TarEntry, "content"> {
  const type = header.type === "contiguous-file" ? "file" : header.type;
  const path = cleanPath(header.name, refuse);
  const shown = JSON.stringify(header.name.slice(0, 100));
  if (!TYPES.has(type)) refuse(`${shown} is of no kind that a file system has`);
  const isLink = type === "link" || type === "symlink";
  const target = isLink ? (header.linkname ?? "") : "";
  if (isLink && (target === "" || target.includes("\0"))) refuse(`the link ${shown} leads nowhere`);
  if (Buffer.byteLength(target) >= MAX_PATH_BYTES) refuse(`the link ${shown} leads to a name that is too long`);
  const numbers: readonly (readonly [string, number, number])[] = [
    ["owner", header.uid, MAX_ID],
    ["group", header.gid, MAX_ID],
    ["device number", header.devmajor, MAX_MAJOR],
    ["device number", header.devminor, MAX_MINOR],
  ];
  for (const [what, value, max] of numbers) {
    if (!Number.isInteger(value) || value < 0 || value > max) refuse(`${shown} has the impossible ${what} ${value}`);
  }
  if (path === "" && type !== "directory") refuse(`${shown} is in the place of the root directory`);
  return {
    path,
    type: type as TarType,
    mode: header.mode & PERMISSIONS,
    uid: header.uid,
    gid: header.gid,
    modified: header.mtime,
    size: type === "file" ? header.size : 0,
    target: type === "link" ? cleanPath(target, refuse) : target,
    major: header.devmajor,
    minor: header.devminor,
  };
}

/** A name without what means nothing: `./`, doubled and final slashes. Names that mean something else are refused. */
function cleanPath(name: string, refuse: Refuse): string {
  const shown = JSON.stringify(name.slice(0, 100));
  if (name === "" || name.includes("\0")) refuse("it has an entry without a name");
  if (name.startsWith("/")) refuse(`${shown} has an absolute name`);
  if (Buffer.byteLength(name) >= MAX_PATH_BYTES) refuse(`${shown}... has a name that is too long`);
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) refuse(`${shown} leads out of the archive`);
  if (parts.some((part) => Buffer.byteLength(part) > MAX_NAME_BYTES)) refuse(`${shown} has a name that is too long`);
  return parts.join("/");
}
