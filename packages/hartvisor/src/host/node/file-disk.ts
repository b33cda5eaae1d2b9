/** A disk in a file, for Node, Deno and Bun: asynchronous, and durable when the guest flushes. */
import { close, constants, fdatasync, fstat, open, read, write } from "node:fs";
import { promisify } from "node:util";
import { type BlockBackend, HartvisorError } from "@hartvisor/core";

const SECTOR = 512;

export interface FileDiskOptions {
  /** Default: false. */
  readonly readOnly?: boolean;
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

  return {
    size: Math.ceil(stat.size / SECTOR) * SECTOR,
    isReadOnly: readOnly,
    read: (offset, into) =>
      new Promise((resolve, reject) => {
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
      }),
    write: (offset, bytes) =>
      new Promise((resolve, reject) => {
        const more = (at: number) =>
          write(fd, bytes, at, bytes.length - at, offset + at, (error, count) => {
            if (error) reject(error);
            else if (at + count === bytes.length) resolve();
            else more(at + count);
          });
        more(0);
      }),
    flush: () => promisify(fdatasync)(fd),
    close: async () => {
      if (!isOpen) return;
      isOpen = false;
      await shut(fd);
    },
  };
}
