/**
 * A FUSE request as the device has read it, and how its fields are read. Everything in it is the guest's word: what is
 * shorter than its structure, or lies, is refused.
 */
import { FileError } from "../../backends/files/errno.js";
import { checkName, MAX_PATH_BYTES, nameFromBytes } from "../../backends/files/names.js";
import type { RequestData } from "../files/request-data.js";
import { IN_HEADER, read64 } from "./fuse.js";

/** Requests other than WRITE are shorter: the longest is an attribute with a value of 64 KiB. */
export const MAX_REQUEST = 128 * 1024;

/** A request whose header was read: the header's fields, and the bytes of all of it. */
export interface FuseRequest {
  readonly opcode: number;
  readonly node: number;
  readonly uid: number;
  readonly gid: number;
  /** The request from its header on; of a WRITE up to its data. Good until the first thing that waits. */
  readonly view: DataView;
  readonly length: number;
  /** Room for the answer behind its header. */
  readonly room: number;
  /** Where the data of READ and WRITE are: guest memory. */
  readonly data: RequestData;
}

/** What to answer with: bytes, or a count of bytes that are there already, in the views of a READ. */
export type FuseAnswer = DataView | Uint8Array | number;

/** The answer of what has nothing to say. */
export const NOTHING = new Uint8Array();

/** Refuses a request that is shorter than its structure. Positions in the following count from behind the header. */
export function need({ length }: FuseRequest, bytes: number): void {
  if (length < IN_HEADER + bytes) throw FileError.of("EINVAL");
}

/** A field of 32 bits. */
export function wordAt({ view }: FuseRequest, at: number): number {
  return view.getUint32(IN_HEADER + at, true);
}

/** A number of a node or a handle, which need not be exact to be unknown. */
export function idAt({ view }: FuseRequest, at: number): number {
  return read64(view, IN_HEADER + at);
}

/** A position in a file: no file is longer than numbers are exact. */
export function offsetAt({ view }: FuseRequest, at: number): number {
  const offset = read64(view, IN_HEADER + at);
  if (offset > Number.MAX_SAFE_INTEGER) throw FileError.of(offset >= 2 ** 63 ? "EINVAL" : "EFBIG");
  return offset;
}

/** A name that stands within a directory. */
export function nameAt(request: FuseRequest, at: number): string {
  const [name] = stringsAt(request, at, 1);
  checkName(name);
  return name;
}

/** Strings with their NULs, one behind the other; of two the first is a name. */
export function stringsAt(request: FuseRequest, at: number, count: 1): [string];
export function stringsAt(request: FuseRequest, at: number, count: 2): [string, string];
export function stringsAt({ view, length }: FuseRequest, at: number, count: 1 | 2): string[] {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, length);
  const strings: string[] = [];
  let start = IN_HEADER + at;
  for (let n = 0; n < count; n++) {
    const end = bytes.indexOf(0, start);
    if (end < 0) throw FileError.of("EINVAL");
    if (end - start >= MAX_PATH_BYTES) throw FileError.of("ENAMETOOLONG");
    strings.push(nameFromBytes(bytes.subarray(start, end)));
    start = end + 1;
  }
  if (count === 2) checkName(strings[0] ?? "");
  return strings;
}
