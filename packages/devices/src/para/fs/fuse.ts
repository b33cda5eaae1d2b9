/**
 * FUSE on the wire, as virtio-fs carries it (virtio 1.2, 5.11.6): numbers and structures of the protocol's version 7.33,
 * little-endian. Source: Linux, include/uapi/linux/fuse.h. Only reading and writing of bytes; what they do is
 * `session.ts`.
 */
import { type FileStat, type FileTime, TYPE_BITS } from "../../backends/files/tree.js";

/** The version spoken here; a kernel that knows more speaks this one, and one that knows a little less does without what it lacks. */
export const FUSE_MAJOR = 7;
export const FUSE_MINOR = 33;
export const OLDEST_MINOR = 31;

/** `struct fuse_in_header`: length, opcode, unique, node, uid, gid, pid. */
export const IN_HEADER = 40;
/** `struct fuse_out_header`: length, error, unique. */
export const OUT_HEADER = 16;

export const Opcode = {
  Lookup: 1,
  Forget: 2,
  GetAttr: 3,
  SetAttr: 4,
  ReadLink: 5,
  SymLink: 6,
  MkNod: 8,
  MkDir: 9,
  Unlink: 10,
  RmDir: 11,
  Rename: 12,
  Link: 13,
  Open: 14,
  Read: 15,
  Write: 16,
  StatFs: 17,
  Release: 18,
  FSync: 20,
  SetXattr: 21,
  GetXattr: 22,
  ListXattr: 23,
  RemoveXattr: 24,
  Flush: 25,
  Init: 26,
  OpenDir: 27,
  ReadDir: 28,
  ReleaseDir: 29,
  FSyncDir: 30,
  Create: 35,
  Interrupt: 36,
  Destroy: 38,
  BatchForget: 42,
  FAllocate: 43,
  ReadDirPlus: 44,
  Rename2: 45,
  LSeek: 46,
} as const;

/** What kernel and server agree on (`FUSE_*` of INIT), as far as it is known here. */
export const InitFlag = {
  AsyncRead: 1 << 0,
  AtomicTruncate: 1 << 3,
  BigWrites: 1 << 5,
  AutoInvalidate: 1 << 12,
  DoReadDirPlus: 1 << 13,
  ReadDirPlusAuto: 1 << 14,
  WritebackCache: 1 << 16,
  NoOpen: 1 << 17,
  ParallelDirectories: 1 << 18,
  MaxPages: 1 << 22,
  CacheSymlinks: 1 << 23,
  HandleKillPrivV2: 1 << 28,
} as const;

/** Which fields of a SETATTR count. */
export const SetAttr = {
  Mode: 1 << 0,
  Uid: 1 << 1,
  Gid: 1 << 2,
  Size: 1 << 3,
  Atime: 1 << 4,
  Mtime: 1 << 5,
  Handle: 1 << 6,
  AtimeNow: 1 << 7,
  MtimeNow: 1 << 8,
} as const;

/** Flags of an answer to OPEN and OPENDIR. */
export const OpenFlag = { KeepCache: 1 << 1, CacheDirectory: 1 << 3 } as const;

const ATTR = 88;
export const ENTRY_OUT = 40 + ATTR;
export const ATTR_OUT = 16 + ATTR;
const DIRENT = 24;
const BLOCK = 4096;

/** A 64-bit number, exact below 2^53. */
export function read64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

/** A signed 64-bit number, exact within 2^53. */
export function readSigned64(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

export function write64(view: DataView, at: number, value: number): void {
  view.setUint32(at, (value % 2 ** 32) >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32) >>> 0, true);
}

/** A structure to be filled. */
export function structure(length: number): DataView {
  return new DataView(new ArrayBuffer(length));
}

/** `struct fuse_attr` at a place. */
export function writeAttr(view: DataView, at: number, stat: FileStat): void {
  write64(view, at, stat.ino);
  write64(view, at + 8, stat.size);
  write64(view, at + 16, stat.blocks);
  writeTime(view, at + 24, at + 48, stat.atime);
  writeTime(view, at + 32, at + 52, stat.mtime);
  writeTime(view, at + 40, at + 56, stat.ctime);
  view.setUint32(at + 60, stat.mode, true);
  view.setUint32(at + 64, stat.links, true);
  view.setUint32(at + 68, stat.uid, true);
  view.setUint32(at + 72, stat.gid, true);
  view.setUint32(at + 76, encodeDevice(stat.major, stat.minor), true);
  view.setUint32(at + 80, BLOCK, true);
}

function writeTime(view: DataView, secondsAt: number, nanosecondsAt: number, time: FileTime): void {
  // Two's complement: the low word of a negative number, and a high word below zero.
  const high = Math.floor(time.seconds / 2 ** 32);
  view.setUint32(secondsAt, time.seconds - high * 2 ** 32, true);
  view.setInt32(secondsAt + 4, high, true);
  view.setUint32(nanosecondsAt, time.nanoseconds, true);
}

/** How long a kernel may believe what it was told. */
export interface Validity {
  readonly seconds: number;
}

/** `struct fuse_entry_out` at a place. */
export function writeEntry(view: DataView, at: number, id: number, stat: FileStat, validity: Validity): void {
  write64(view, at, id);
  write64(view, at + 16, validity.seconds);
  write64(view, at + 24, validity.seconds);
  writeAttr(view, at + 40, stat);
}

/** `struct fuse_dirent` at a place, padded; its length. */
export function writeDirent(
  view: DataView,
  at: number,
  entry: { readonly ino: number; readonly type: number },
  cookie: number,
  name: Uint8Array,
): number {
  write64(view, at, entry.ino);
  write64(view, at + 8, cookie);
  view.setUint32(at + 16, name.length, true);
  view.setUint32(at + 20, (entry.type & TYPE_BITS) >>> 12, true);
  new Uint8Array(view.buffer, view.byteOffset + at + DIRENT, name.length).set(name);
  return direntLength(name.length);
}

/** Bytes of a `struct fuse_dirent` with a name of so many bytes. */
export function direntLength(nameBytes: number): number {
  return (DIRENT + nameBytes + 7) & ~7;
}

/** A device number in 32 bits (linux/kdev_t.h, `new_encode_dev`). */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

export function decodeDevice(number: number): { readonly major: number; readonly minor: number } {
  return { major: (number >>> 8) & 0xfff, minor: (number & 0xff) | ((number >>> 12) & 0xfff00) };
}
