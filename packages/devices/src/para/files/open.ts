/** Opening a file as a guest's kernel asks for it: by the flags of `open(2)`, which FUSE and 9P2000.L pass on. */
import { type Steps, wait } from "../../backends/files/later.js";
import type { FileNode, OpenFile, OpenMode } from "../../backends/files/tree.js";

/** Linux's own (asm-generic/fcntl.h). */
const O_ACCMODE = 3;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;

/** What an open file is to be used for. */
export function openMode(flags: number): OpenMode {
  const access = flags & O_ACCMODE;
  return { read: access !== O_WRONLY, write: access === O_WRONLY || access === O_RDWR };
}

/** Whether a file that is made must not be there. */
export function isExclusive(flags: number): boolean {
  return (flags & O_EXCL) !== 0;
}

/** Whether all that is written goes to the end. */
export function isAppending(flags: number): boolean {
  return (flags & O_APPEND) !== 0;
}

/** Whether a file is emptied that can be written. */
export function isTruncating(flags: number): boolean {
  return (flags & O_TRUNC) !== 0 && openMode(flags).write;
}

/** Opens a file, and empties it if that is wanted; one that cannot be emptied is closed. */
export function* openFile(node: FileNode, mode: OpenMode, flags: number): Steps<OpenFile> {
  const file = yield* wait(node.open(mode));
  if (!isTruncating(flags)) return file;
  try {
    yield* wait(file.change({ size: 0 }));
    return file;
  } catch (error) {
    yield* wait(file.close());
    throw error;
  }
}
