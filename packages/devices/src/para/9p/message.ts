/**
 * 9P2000.L on the wire: numbers of its messages, reading them, and writing answers. Sources: the Plan 9 manual,
 * section 5, for the protocol; diod's `protocol.md` and Linux, include/net/9p/9p.h, for what `.L` adds.
 */
import { FileError } from "../../backends/files/errno.js";
import { bytesFromName, nameFromBytes } from "../../backends/files/names.js";
import { type FileStat, FileType, TYPE_BITS } from "../../backends/files/tree.js";

/** Requests by number; the answer has the next one. */
export const Message = {
  LError: 6,
  StatFs: 8,
  LOpen: 12,
  LCreate: 14,
  SymLink: 16,
  MkNod: 18,
  Rename: 20,
  ReadLink: 22,
  GetAttr: 24,
  SetAttr: 26,
  XattrWalk: 30,
  XattrCreate: 32,
  ReadDir: 40,
  FSync: 50,
  Lock: 52,
  GetLock: 54,
  Link: 70,
  MkDir: 72,
  RenameAt: 74,
  UnlinkAt: 76,
  Version: 100,
  Auth: 102,
  Attach: 104,
  Flush: 108,
  Walk: 110,
  Read: 116,
  Write: 118,
  Clunk: 120,
  Remove: 122,
} as const;

/** size[4] type[1] tag[2] */
export const HEADER = 7;
/** Behind the header of a Twrite, before its data: fid[4] offset[8] count[4]. */
export const WRITE_HEAD = 16;
/** Behind the header of an Rread, before its data: count[4]. */
export const READ_HEAD = 4;
export const QID = 13;
export const VERSION = "9P2000.L";
export const NO_TAG = 0xffff;

/** Reads the fields of a message, one behind the other. Every method throws EINVAL where the message ends before. */
export class MessageReader {
  readonly #view: DataView;
  readonly #end: number;
  #at: number;

  /** Reads `view` from a position up to `end`. */
  constructor(view: DataView, at: number, end: number) {
    this.#view = view;
    this.#at = at;
    this.#end = end;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  /** Exact below 2^53. */
  u64(): number {
    const at = this.#advance(8);
    return this.#view.getUint32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
  }

  /** A position in a file, or a length: no file is longer than numbers are exact. */
  offset(): number {
    const offset = this.u64();
    if (offset > Number.MAX_SAFE_INTEGER) throw FileError.of(offset >= 2 ** 63 ? "EINVAL" : "EFBIG");
    return offset;
  }

  /** Signed, for seconds. */
  i64(): number {
    const at = this.#advance(8);
    return this.#view.getInt32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
  }

  /** A string with its length before it. */
  string(): string {
    const length = this.u16();
    const at = this.#advance(length);
    const name = nameFromBytes(new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length));
    if (name.includes("\0")) throw FileError.of("EINVAL");
    return name;
  }

  /** Whether there is more. */
  get hasMore(): boolean {
    return this.#at < this.#end;
  }

  #advance(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#end) throw FileError.of("EINVAL");
    this.#at = at + bytes;
    return at;
  }
}

/** Writes the fields of an answer's body. */
export class MessageWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #at = 0;

  constructor(room = 64) {
    this.#bytes = new Uint8Array(room);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#at;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  u8(value: number): this {
    const at = this.#advance(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#advance(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.#advance(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  /** Two's complement where it is negative. */
  u64(value: number): this {
    const high = Math.floor(value / 2 ** 32);
    return this.u32(value - high * 2 ** 32).u32(high >>> 0);
  }

  string(value: string | Uint8Array): this {
    const bytes = typeof value === "string" ? bytesFromName(value) : value;
    this.u16(bytes.length);
    const at = this.#advance(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** What identifies a node: what it is, and its number. */
  qid({ ino, type }: { readonly ino: number; readonly type: number }): this {
    const kind = type === FileType.Directory ? 0x80 : type === FileType.SymbolicLink ? 0x02 : 0;
    return this.u8(kind).u32(0).u64(ino);
  }

  /** The body of an Rgetattr: all but birth time, generation and data version, which no tree knows. */
  stat(stat: FileStat): this {
    this.u64(0x7ff).qid({ ino: stat.ino, type: stat.mode & TYPE_BITS });
    this.u32(stat.mode).u32(stat.uid).u32(stat.gid).u64(stat.links);
    this.u64(encodeDevice(stat.major, stat.minor)).u64(stat.size).u64(4096).u64(stat.blocks);
    for (const { seconds, nanoseconds } of [stat.atime, stat.mtime, stat.ctime]) this.u64(seconds).u64(nanoseconds);
    return this.u64(0).u64(0).u64(0).u64(0);
  }

  /** Makes room, which replaces the view: it is read after this. */
  #advance(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** A device number as Linux's 9p client takes it: `new_decode_dev` of linux/kdev_t.h. */
function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}
