/** A disk in a file, for Node, Deno and Bun, that does not wait for the host's disk, and is durable when the guest flushes. */
import { close, constants, fdatasync, fstat, open, read, readSync, write } from "node:fs";
import { promisify } from "node:util";
import { type BlockBackend, HartvisorError } from "@hartvisor/core";

const SECTOR = 512;

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

/**
 * A short read of what the host has in memory takes some microseconds, but tens of them through another thread. So short
 * reads are done at once for as long as they are fast: a machine holds the event loop for milliseconds anyway. After one
 * that had to wait for the disk, so many go through other threads before it is tried again.
 */
const SHORT_READ = 64 * 1024;
const FAST_MS = 1;
const PATIENT_READS = 1000;

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
    const { code, message } = cause as NodeJS.ErrnoException;
    throw fail(code === "ENOENT" ? "there is no such file" : code === "EACCES" ? "permission denied" : message, cause);
  }
  const shut = promisify(close);
  const stat = await promisify(fstat)(fd);
  if (!stat.isFile() || stat.size === 0) {
    await shut(fd);
    throw fail(stat.isFile() ? "it is empty; truncate -s 1G makes a disk of 1 GiB" : "it is no regular file");
  }
  let isOpen = true;

  let patientReads = 0;

  /** Reads at once; false if that is for another thread to finish, or to find out what is wrong. */
  const readNow = (offset: number, into: Uint8Array): boolean => {
    const begin = performance.now();
    try {
      return readSync(fd, into, 0, into.length, offset) === into.length;
    } catch {
      return false;
    } finally {
      patientReads = performance.now() - begin > FAST_MS ? PATIENT_READS : 0;
    }
  };

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
    read: (offset, into) => {
      if (into.length <= SHORT_READ && patientReads-- <= 0 && readNow(offset, into)) return;
      return inParts(offset, into, readPart);
    },
    write: (offset, bytes) => inParts(offset, bytes, writePart),
    flush: () => promisify(fdatasync)(fd),
    close: async () => {
      if (!isOpen) return;
      isOpen = false;
      await shut(fd);
    },
  };
}
