/**
 * Reads tar archives: ustar and pax (POSIX.1-2017, pax, "pax Interchange Format"), and what GNU tar adds for long names
 * and large numbers (its manual, "Basic Tar Format"). Names are kept as bytes, contents stay where they are.
 */
import { nameFromBytes } from "../names.js";
import { type FileTime, FileType, PERMISSION_BITS } from "../tree.js";
import { invalidTree, shown } from "../tree-entry.js";
import type { ArchiveEntry } from "./entry.js";

const BLOCK = 512;
/** Bytes of a pax header, or a long name: attributes may be in it, of 64 KiB each. */
const MAX_EXTENSION = 2 ** 20;
const XATTR = "SCHILY.xattr.";
const NOTHING = new Uint8Array();
const NO_ATTRIBUTES: ReadonlyMap<string, Uint8Array> = new Map();

/** The type of a file by the flag in its header. */
const TYPES: Readonly<Record<string, number>> = {
  "0": FileType.Regular,
  "\0": FileType.Regular,
  "7": FileType.Regular,
  "1": FileType.Regular,
  "2": FileType.SymbolicLink,
  "3": FileType.CharacterDevice,
  "4": FileType.BlockDevice,
  "5": FileType.Directory,
  "6": FileType.Fifo,
};

/** Whether bytes begin with the header of a tar archive, or are an empty one. */
export function isTar(bytes: Uint8Array): boolean {
  if (bytes.length < BLOCK || bytes.length % BLOCK !== 0) return bytes.length > BLOCK && checksumIsRight(bytes, 0);
  return checksumIsRight(bytes, 0) || bytes.subarray(0, BLOCK).every((byte) => byte === 0);
}

/** What headers before one say of it. */
interface Extension {
  path?: string | undefined;
  target?: string | undefined;
  readonly values: Map<string, Uint8Array>;
}

/**
 * The entries of an archive, in their order.
 *
 * @throws HartvisorError `invalid-image`: it is damaged or truncated, or has sparse files
 */
export function* tarEntries(archive: Uint8Array, name: string): Generator<ArchiveEntry> {
  const fail = (at: number, problem: string) => invalidTree(name, `${problem}, at byte ${at}`);
  const global = new Map<string, Uint8Array>();
  let extension: Extension = { values: new Map() };
  for (let at = 0; at < archive.length; ) {
    if (archive.length - at < BLOCK) throw fail(at, "truncated: a part of a header");
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return;
    if (!checksumIsRight(archive, at)) throw fail(at, "no header: the checksum is wrong");
    const flag = String.fromCharCode(header[156] ?? 0);
    const text = (key: string) => textOf(extension.values.get(key) ?? global.get(key));
    const isExtension = "xgLK".includes(flag);
    const size = (isExtension ? undefined : decimal(text("size"))) ?? number(header, 124, 12);
    if (!Number.isSafeInteger(size) || size < 0) throw fail(at, "a size that is none");
    const start = at + BLOCK;
    const hasContent = isExtension || "0\x007".includes(flag);
    const length = hasContent || TYPES[flag] === undefined ? size : 0;
    if (start + length > archive.length) throw fail(at, `truncated: ${size} bytes follow, and are not all there`);
    const content = archive.subarray(start, start + length);
    const next = start + Math.ceil(length / BLOCK) * BLOCK;
    if (isExtension) {
      if (size > MAX_EXTENSION) throw fail(at, `an extended header of ${size} bytes`);
      if (flag === "x" || flag === "g")
        readPax(content, flag === "g" ? global : extension.values, () => fail(at, "a pax header that is none"));
      else if (flag === "L") extension.path = nameFromBytes(untilNul(content));
      else extension.target = nameFromBytes(untilNul(content));
      at = next;
      continue;
    }
    const type = TYPES[flag];
    const plain = pathOf(header);
    const values = new Map([...global, ...extension.values]);
    const path = nameIn(values, "path") ?? extension.path ?? plain;
    const isSparse = flag === "S" || [...values.keys()].some((key) => key.startsWith("GNU.sparse."));
    if (isSparse) throw fail(at, `${shown(path)} is a sparse file, which cannot be read here`);
    if (type === undefined) throw fail(at, `${shown(path)} is of the kind "${flag}", which is none`);
    const target = nameIn(values, "linkpath") ?? extension.target ?? nameFromBytes(untilNul(header.subarray(157, 257)));
    // Before pax, a directory was a file whose name ends with a slash.
    const isOldDirectory = flag === "\0" && path.endsWith("/");
    yield {
      path,
      mode: (isOldDirectory ? FileType.Directory : type) | (number(header, 100, 8) & PERMISSION_BITS),
      uid: decimal(textOf(values.get("uid"))) ?? number(header, 108, 8),
      gid: decimal(textOf(values.get("gid"))) ?? number(header, 116, 8),
      major: number(header, 329, 8) >>> 0,
      minor: number(header, 337, 8) >>> 0,
      mtime: paxTime(textOf(values.get("mtime"))) ?? { seconds: number(header, 136, 12) || 0, nanoseconds: 0 },
      content: hasContent && !isOldDirectory ? content : NOTHING,
      target: flag === "2" ? target : "",
      linkTo: flag === "1" ? target : undefined,
      attributes: attributesIn(values),
    };
    extension = { values: new Map() };
    at = next;
  }
}

/** The sum of a header's bytes, its own field taken for blanks; some old archives summed signed bytes. */
function checksumIsRight(bytes: Uint8Array, at: number): boolean {
  let unsigned = 0;
  let signed = 0;
  for (let n = 0; n < BLOCK; n++) {
    const byte = n >= 148 && n < 156 ? 0x20 : (bytes[at + n] ?? 0);
    unsigned += byte;
    signed += (byte << 24) >> 24;
  }
  const stated = number(bytes.subarray(at, at + BLOCK), 148, 8);
  return stated === unsigned || stated === signed;
}

/** Octal digits, or, with the first bit set, GNU's two's complement in all bytes but that bit. */
function number(header: Uint8Array, at: number, length: number): number {
  const first = header[at] ?? 0;
  if ((first & 0x80) === 0) {
    const digits = new TextDecoder("latin1").decode(untilNul(header.subarray(at, at + length))).trim();
    return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || "0", 8) : Number.NaN;
  }
  let value = (first & 0x40) !== 0 ? (first & 0x7f) - 0x80 : first & 0x7f;
  for (let n = 1; n < length; n++) value = value * 256 + (header[at + n] ?? 0);
  return value;
}

/** The name field, with ustar's prefix. */
function pathOf(header: Uint8Array): string {
  const path = nameFromBytes(untilNul(header.subarray(0, 100)));
  // GNU's own format, whose magic ends otherwise, has times there.
  const isUstar = new TextDecoder("latin1").decode(header.subarray(257, 263)) === "ustar\0";
  const prefix = isUstar ? nameFromBytes(untilNul(header.subarray(345, 500))) : "";
  return prefix === "" ? path : `${prefix}/${path}`;
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** Records "LENGTH KEY=VALUE\n"; an empty value takes one back. */
function readPax(bytes: Uint8Array, into: Map<string, Uint8Array>, fail: () => Error): void {
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(0x20, at);
    const length = blank < 0 || blank - at > 10 ? undefined : decimal(textOf(bytes.subarray(at, blank)));
    const end = at + (length ?? 0);
    if (length === undefined || end <= blank || end > bytes.length || bytes[end - 1] !== 0x0a) throw fail();
    const equals = bytes.indexOf(0x3d, blank);
    if (equals < 0 || equals >= end) throw fail();
    into.set(nameFromBytes(bytes.subarray(blank + 1, equals)), bytes.subarray(equals + 1, end - 1));
    at = end;
  }
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : new TextDecoder("latin1").decode(bytes);
}

function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function nameIn(values: ReadonlyMap<string, Uint8Array>, key: string): string | undefined {
  const bytes = values.get(key);
  return bytes === undefined || bytes.length === 0 ? undefined : nameFromBytes(bytes);
}

function paxTime(text: string | undefined): FileTime | undefined {
  const [, sign, seconds, fraction = ""] = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text ?? "") ?? [];
  if (seconds === undefined) return undefined;
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, "0"));
  if (sign !== "-") return { seconds: Number(seconds), nanoseconds };
  return nanoseconds === 0
    ? { seconds: -Number(seconds), nanoseconds }
    : { seconds: -Number(seconds) - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}

function attributesIn(values: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  const found = [...values].filter(([key]) => key.startsWith(XATTR));
  return found.length === 0 ? NO_ATTRIBUTES : new Map(found.map(([key, value]) => [key.slice(XATTR.length), value]));
}
