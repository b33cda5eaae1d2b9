/** A disk in a file, for Node, Deno and Bun, that does not wait for the host's disk, and is durable when the guest flushes. */
import { close, constants, fdatasync, fstat, open, read, readvSync, write, writevSync } from "node:fs";
import { promisify } from "node:util";
import { type BlockBackend, HartvisorError } from "@hartvisor/core";

const SECTOR = 512;

const REFUSALS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  EROFS: "its file system is read-only",
};

/** How to open a {@link fileDisk}. */
export interface FileDiskOptions {
  /** Default: false. */
  readonly readOnly?: boolean;
}

/** Longer requests are done in so many parts at once, on several threads of the host's. */
const PARTS = 2;
const SMALLEST_PART = 256 * 1024;

/** Does a request in parts; fails as the first part that fails, when all have ended. */
async function inParts(
  offset: number,
  bytes: Uint8Array,
  act: (offset: number, part: Uint8Array) => Promise<void>,
): Promise<void> {
  if (bytes.length < 2 * SMALLEST_PART) return act(offset, bytes);
  const length = Math.ceil(bytes.length / PARTS / SECTOR) * SECTOR;
  const parts = Array.from({ length: PARTS }, (_, n) =>
    act(offset + n * length, bytes.subarray(n * length, (n + 1) * length)),
  );
  for (const outcome of await Promise.allSettled(parts)) if (outcome.status === "rejected") throw outcome.reason;
}

/** Requests of up to so many bytes may be done at once. */
const MAX_AT_ONCE = 4 * 2 ** 20;
const SLOW_MS = 2;
const LONGEST_PATIENCE = 1024;

/**
 * What the host has in memory is copied in less time than another thread takes to begin, and straight from or to the
 * guest's memory. So requests are done at once for as long as that is fast: a machine holds the event loop for
 * milliseconds anyway. After one that was slow, the next goes through another thread, and after each further one
 * twice as many.
 */
class Patience {
  #left = 0;
  #next = 1;

  /** Does all of a request at once; false if that is for another thread to finish, or to find out what is wrong. */
  try(parts: readonly Uint8Array[], act: () => number): boolean {
    if (this.#left-- > 0) return false;
    let length = 0;
    for (const part of parts) length += part.length;
    if (length > MAX_AT_ONCE) return false;
    const begin = performance.now();
    try {
      return act() === length;
    } catch {
      return false;
    } finally {
      const isSlow = performance.now() - begin > SLOW_MS;
      this.#left = isSlow ? this.#next : 0;
      this.#next = isSlow ? Math.min(this.#next * 2, LONGEST_PATIENCE) : 1;
    }
  }
}

/**
 * Opens a raw disk image. A guest's flush is an `fdatasync`; what it wrote before is on the disk then.
 *
 * @throws HartvisorError `unreadable-file`: the file cannot be opened, is none, or is empty
 */
export async function fileDisk(path: string, { readOnly = false }: FileDiskOptions = {}): Promise<BlockBackend> {
  const fail = (problem: string, cause?: unknown) =>
    new HartvisorError("unreadable-file", `cannot use ${path} as a disk: ${problem}`, { cause });
  let fd: number;
  try {
    fd = await promisify(open)(path, readOnly ? constants.O_RDONLY : constants.O_RDWR);
  } catch (cause) {
    const { code = "", message } = cause as NodeJS.ErrnoException;
    throw fail(REFUSALS[code] ?? message, cause);
  }
  const shut = promisify(close);
  const stat = await promisify(fstat)(fd);
  if (!stat.isFile() || stat.size === 0) {
    await shut(fd);
    throw fail(stat.isFile() ? "it is empty; truncate -s 1G makes a disk of 1 GiB" : "it is no regular file");
  }
  let isOpen = true;

  const reads = new Patience();
  const writes = new Patience();

  const readPart = (offset: number, into: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      const more = (at: number) =>
        read(fd, into, at, into.length - at, offset + at, (error, count) => {
          if (error) reject(error);
          else if (at + count === into.length) resolve();
          else if (count > 0) more(at + count);
          else if (offset + at >= stat.size) {
            into.fill(0, at); // behind the end of a file whose last sector is not whole
            resolve();
          } else reject(fail("it has become shorter"));
        });
      more(0);
    });

  const writePart = (offset: number, bytes: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      const more = (at: number) =>
        write(fd, bytes, at, bytes.length - at, offset + at, (error, count) => {
          if (error) reject(error);
          else if (at + count === bytes.length) resolve();
          else more(at + count);
        });
      more(0);
    });

  return {
    size: Math.ceil(stat.size / SECTOR) * SECTOR,
    isReadOnly: readOnly,
    readNow: (offset, into) => reads.try(into, () => readvSync(fd, into, offset)),
    writeNow: (offset, parts) => writes.try(parts, () => writevSync(fd, parts, offset)),
    read: (offset, into) => inParts(offset, into, readPart),
    write: (offset, bytes) => inParts(offset, bytes, writePart),
    flush: () => promisify(fdatasync)(fd),
    close: async () => {
      if (!isOpen) return;
      isOpen = false;
      await shut(fd);
    },
  };
}
