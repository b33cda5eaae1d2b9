/** Files of the host that are open, and changes to what stands in an inode. */
import {
  type BigIntStats,
  chmodSync,
  chownSync,
  closeSync,
  fchmodSync,
  fchownSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  readSync,
  readvSync,
  statSync,
  truncateSync,
  utimesSync,
  writeSync,
  writevSync,
} from "node:fs";
import { promisify } from "node:util";
import { FileError, type FileStat, type FileTime, FileType, type OpenFile, type StatChanges } from "@hartvisor/devices";

/** Set-user-id and set-group-id. */
export const SET_ID = 0o6000;
const NS = 1_000_000_000n;

/** What an open file needs of its tree. */
interface HostStats {
  stat(stat: BigIntStats): FileStat;
  checkWritable(): void;
}

/** A file of the host that is open. */
export class HostFile implements OpenFile {
  readonly #tree: HostStats;
  readonly #fd: number;
  readonly #type: number;
  readonly #closed: () => void;
  #isOpen = true;

  constructor(tree: HostStats, fd: number, type: number, closed: () => void) {
    this.#tree = tree;
    this.#fd = fd;
    this.#type = type;
    this.#closed = closed;
  }

  readNow(offset: number, into: readonly Uint8Array[]): number {
    return into.length === 0 ? 0 : readvSync(this.#fd, into, offset);
  }

  writeNow(offset: number, parts: readonly Uint8Array[]): number {
    return parts.length === 0 ? 0 : writevSync(this.#fd, parts, offset);
  }

  read(offset: number, into: Uint8Array): number {
    let at = 0;
    while (at < into.length) {
      const count = readSync(this.#fd, into, at, into.length - at, offset + at);
      if (count === 0) break;
      at += count;
    }
    return at;
  }

  write(offset: number, bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length) at += writeSync(this.#fd, bytes, at, bytes.length - at, offset + at);
    return at;
  }

  sync(dataOnly: boolean): Promise<void> {
    return promisify(dataOnly ? fdatasync : fsync)(this.#fd);
  }

  stat(): FileStat {
    return this.#tree.stat(fstatSync(this.#fd, { bigint: true }));
  }

  change(changes: StatChanges): FileStat {
    this.#tree.checkWritable();
    changeOpen(this.#fd, changes, this.#type);
    return this.stat();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
    this.#closed();
  }
}

/** How each change is made: of what is open, or of what a path leads to. */
interface Changer {
  readonly stat: () => BigIntStats;
  readonly chmod: (mode: number) => void;
  readonly chown: (uid: number, gid: number) => void;
  readonly truncate: (size: number) => void;
  readonly utimes: (atime: number | string, mtime: number | string) => void;
}

/** Changes what is open. */
export function changeOpen(fd: number, changes: StatChanges, type: number): void {
  applyChanges(changes, type, {
    stat: () => fstatSync(fd, { bigint: true }),
    chmod: (mode) => fchmodSync(fd, mode),
    chown: (uid, gid) => fchownSync(fd, uid, gid),
    truncate: (size) => ftruncateSync(fd, size),
    utimes: (atime, mtime) => futimesSync(fd, atime, mtime),
  });
}

/** Changes what a path leads to: by following it, or at the path itself. */
export function changeAt(path: string | Buffer, isFollowed: boolean, changes: StatChanges, type: number): void {
  applyChanges(changes, type, {
    stat: () => (isFollowed ? statSync : lstatSync)(path, { bigint: true }),
    // No symbolic link gets as far as these two.
    chmod: (mode) => chmodSync(path, mode),
    truncate: (size) => truncateSync(path, size),
    chown: (uid, gid) => (isFollowed ? chownSync : lchownSync)(path, uid, gid),
    utimes: (atime, mtime) => (isFollowed ? utimesSync : lutimesSync)(path, atime, mtime),
  });
}

function applyChanges({ mode, uid, gid, size, atime, mtime }: StatChanges, type: number, to: Changer): void {
  if (mode !== undefined) {
    if (type === FileType.SymbolicLink) throw FileError.of("EOPNOTSUPP");
    if (type !== FileType.Directory && mode & SET_ID) throw FileError.of("EPERM");
  }
  if (size !== undefined) {
    if (type !== FileType.Regular) throw FileError.of(type === FileType.Directory ? "EISDIR" : "EINVAL");
    to.truncate(size);
  }
  if (uid !== undefined || gid !== undefined) {
    const before = to.stat();
    to.chown(uid ?? Number(before.uid), gid ?? Number(before.gid));
  }
  if (mode !== undefined) to.chmod(mode);
  if (atime !== undefined || mtime !== undefined) {
    const before = to.stat();
    to.utimes(hostSeconds(atime ?? fileTime(before.atimeNs)), hostSeconds(mtime ?? fileTime(before.mtimeNs)));
  }
}

/** A time as the host says it. */
export function fileTime(ns: bigint): FileTime {
  const seconds = ns / NS - (ns % NS < 0n ? 1n : 0n);
  return { seconds: Number(seconds), nanoseconds: Number(ns - seconds * NS) };
}

/**
 * Seconds as Node takes them, which libuv cuts to microseconds, towards 0: never to the one beside. For numbers below 0
 * Node takes the present, unless they are strings.
 */
function hostSeconds(time: FileTime | "now"): number | string {
  if (time === "now") return Date.now() / 1000;
  const microseconds = Math.floor(time.nanoseconds / 1000);
  const seconds = time.seconds + microseconds / 1e6;
  if (seconds < 0) return String(seconds - 2 ** -22);
  const isCut =
    Math.floor((seconds - time.seconds) * 1e6) < microseconds || Math.floor(seconds * 1e6) % 1e6 < microseconds;
  return isCut ? seconds + 2 ** -22 : seconds;
}
