/** Files that are read whole. What goes wrong becomes one line that names the file. */
import { readFile, stat } from "node:fs/promises";
import { HartvisorError } from "@hartvisor/core";

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "is a directory, not a file",
  ENOTDIR: "a part of its path is no directory",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "too many symbolic links",
  ERR_FS_FILE_TOO_LARGE: "the file is too large",
};

/** What went wrong with a file, as the user is told. */
export function refusal(path: string, error: unknown): HartvisorError {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return new HartvisorError("unreadable-file", `${path}: ${PROBLEMS[code] ?? message}`, { cause: error });
}

/** Reads a file whole: a regular one, or a pipe. Throws HartvisorError `unreadable-file`. */
export async function readWhole(path: string): Promise<Uint8Array> {
  try {
    const kind = await stat(path);
    if (kind.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
    // A device such as /dev/zero has no end.
    if (!kind.isFile() && !kind.isFIFO()) throw new Error("neither a regular file nor a pipe");
    return await readFile(path);
  } catch (error) {
    throw refusal(path, error);
  }
}
