/**
 * Reads cpio archives of the "newc" format, with or without checksums, several in a row as an initramfs may have them.
 * Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst. Contents stay where they are.
 */
import { nameFromBytes } from "../names.js";
import { FileType, TYPE_BITS } from "../tree.js";
import { invalidTree } from "../tree-entry.js";
import type { ArchiveEntry } from "./entry.js";

const HEADER = 110;
const TRAILER = "TRAILER!!!";
const NO_ATTRIBUTES: ReadonlyMap<string, Uint8Array> = new Map();
const NOTHING = new Uint8Array();

/** Whether bytes begin with the header of a cpio archive. */
export function isCpio(bytes: Uint8Array): boolean {
  return /^07070[12]$/.test(new TextDecoder("latin1").decode(bytes.subarray(0, 6)));
}

/**
 * The entries of an archive, in their order.
 *
 * @throws HartvisorError `invalid-image`: it is damaged or truncated
 */
export function* cpioEntries(archive: Uint8Array, name: string): Generator<ArchiveEntry> {
  const fail = (at: number, problem: string) => invalidTree(name, `${problem}, at byte ${at}`);
  for (let at = 0; ; ) {
    // Zeroes fill archives up, between them and behind the last.
    while (at < archive.length && archive[at] === 0) at++;
    if (at >= archive.length) return;
    if (archive.length - at < HEADER) throw fail(at, "truncated: a part of a header");
    const header = archive.subarray(at, at + HEADER);
    if (!isCpio(header)) throw fail(at, "no header of the newc format");
    const digits = new TextDecoder("latin1").decode(header);
    const number = (offset: number) => {
      const text = digits.slice(offset, offset + 8);
      if (!/^[0-9a-fA-F]{8}$/.test(text)) throw fail(at, "a number that is none");
      return Number.parseInt(text, 16);
    };
    const [inode, mode, links, size, nameSize] = [number(6), number(14), number(38), number(54), number(94)];
    const start = (at + HEADER + nameSize + 3) & ~3;
    if (nameSize === 0 || start > archive.length || start + size > archive.length) {
      throw fail(at, "truncated: name and contents are not all there");
    }
    const path = nameFromBytes(archive.subarray(at + HEADER, at + HEADER + nameSize - 1));
    const content = archive.subarray(start, start + size);
    at = (start + size + 3) & ~3;
    if (path === TRAILER) continue;
    const type = mode & TYPE_BITS;
    yield {
      path,
      mode,
      uid: number(22),
      gid: number(30),
      major: number(78),
      minor: number(86),
      mtime: { seconds: number(46), nanoseconds: 0 },
      content: type === FileType.Regular ? content : NOTHING,
      target: type === FileType.SymbolicLink ? nameFromBytes(content) : "",
      sameAs: links > 1 && type !== FileType.Directory ? `${number(62)}:${number(70)}:${inode}` : undefined,
      attributes: NO_ATTRIBUTES,
    };
  }
}
