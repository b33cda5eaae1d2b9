/**
 * Writes cpio archives of the "newc" format, the one Linux unpacks as its initramfs. The
 * same entries always give the same bytes: everything belongs to root, is from 1970, and
 * inodes are counted. Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
 */
import { HartvisorError } from "@hartvisor/core";

/** One thing in an archive. Paths are relative to the root, without a leading slash; modes are permission bits. */
export type CpioEntry =
  | { readonly type: "file"; readonly path: string; readonly content: Uint8Array | string; readonly mode?: number }
  | { readonly type: "directory"; readonly path: string; readonly mode?: number }
  | { readonly type: "symlink"; readonly path: string; readonly target: string }
  | {
      readonly type: "character-device" | "block-device";
      readonly path: string;
      readonly major: number;
      readonly minor: number;
      readonly mode?: number;
    };

/** The file type bits of `st_mode`, and the permissions when an entry names none. */
const MODES = {
  file: { type: 0o100000, permissions: 0o644 },
  directory: { type: 0o040000, permissions: 0o755 },
  symlink: { type: 0o120000, permissions: 0o777 },
  "character-device": { type: 0o020000, permissions: 0o600 },
  "block-device": { type: 0o060000, permissions: 0o600 },
} as const;

const TRAILER = "TRAILER!!!";
/** Sizes are eight hexadecimal digits. */
const LARGEST_FILE = 0xffff_ffff;

const utf8 = new TextEncoder();

/**
 * Writes an archive of the entries in the order given. A directory has to come before what it holds, as the kernel
 * unpacks in that order.
 *
 * @throws HartvisorError `invalid-argument` for a path that is empty, absolute or repeated, or lacks its directory
 * @example
 * cpio([{ type: "directory", path: "dev" }, { type: "character-device", path: "dev/console", major: 5, minor: 1 }]);
 */
export function cpio(entries: Iterable<CpioEntry>): Uint8Array {
  const parts: Uint8Array[] = [];
  const seen = new Map<string, CpioEntry["type"]>();
  for (const entry of entries) {
    checkPath(entry.path, seen);
    seen.set(entry.path, entry.type);
    parts.push(...record(entry.path, seen.size, fieldsOf(entry)));
  }
  parts.push(...record(TRAILER, 0, { mode: 0, links: 1, content: new Uint8Array(), major: 0, minor: 0 }));
  return concatenate(parts);
}

interface Fields {
  readonly mode: number;
  readonly links: number;
  readonly content: Uint8Array;
  readonly major: number;
  readonly minor: number;
}

function fieldsOf(entry: CpioEntry): Fields {
  const { type, permissions } = MODES[entry.type];
  const mode = type | ("mode" in entry ? (entry.mode ?? permissions) : permissions);
  const plain: Fields = { mode, links: 1, content: new Uint8Array(), major: 0, minor: 0 };
  switch (entry.type) {
    case "file":
      return { ...plain, content: typeof entry.content === "string" ? utf8.encode(entry.content) : entry.content };
    case "directory":
      return { ...plain, links: 2 };
    case "symlink":
      return { ...plain, content: utf8.encode(entry.target) };
    case "character-device":
    case "block-device":
      return { ...plain, major: entry.major, minor: entry.minor };
  }
}

/** Header, name and contents of an entry, name and contents each padded to four bytes. */
function record(path: string, inode: number, { mode, links, content, major, minor }: Fields): Uint8Array[] {
  if (content.length > LARGEST_FILE) {
    throw new HartvisorError("invalid-argument", `cpio: "${path}" is larger than 4 GiB, which the format cannot hold`);
  }
  const name = utf8.encode(`${path}\0`);
  // inode, mode, uid, gid, links, mtime, size, device of the file (2), device it stands for (2), name size, checksum
  const numbers = [inode, mode, 0, 0, links, 0, content.length, 0, 0, major, minor, name.length, 0];
  const header = utf8.encode(`070701${numbers.map((number) => number.toString(16).padStart(8, "0")).join("")}`);
  return [header, name, padding(header.length + name.length), content, padding(content.length)];
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}

function checkPath(path: string, seen: ReadonlyMap<string, CpioEntry["type"]>): void {
  const fail = (problem: string): never => {
    throw new HartvisorError("invalid-argument", `cpio: "${path}" ${problem}`);
  };
  if (path.split("/").some((part) => part === "" || part === "." || part === "..") || path.includes("\0")) {
    fail('is no path within the archive; write for example "dev/console"');
  }
  if (path === TRAILER) fail("is the name that ends an archive");
  if (seen.has(path)) fail("is there twice");
  const directory = path.slice(0, Math.max(0, path.lastIndexOf("/")));
  if (directory !== "" && seen.get(directory) !== "directory") fail(`comes before its directory "${directory}"`);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
