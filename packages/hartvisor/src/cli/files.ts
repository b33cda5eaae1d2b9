/** Reads and writes the files that a command line names. What goes wrong becomes one line that names the file. */

import { open, readFile, stat, writeFile } from "node:fs/promises";
import { HartvisorError } from "@hartvisor/core";
import type { NamedImage } from "../boot/linux.js";

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

function refusalToWrite(path: string, error: unknown): HartvisorError {
  const isFolderMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
  return refusal(path, isFolderMissing ? new Error("cannot be written: there is no such folder") : error);
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

/** Makes sure before the work that its result can be written; creates the file if it does not exist. */
export async function checkWritable(path: string): Promise<void> {
  try {
    await (await open(path, "a")).close();
  } catch (error) {
    throw refusalToWrite(path, error);
  }
}

/** Writes a text file. Throws HartvisorError `unreadable-file`. */
export async function writeText(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    throw refusalToWrite(path, error);
  }
}

/** Reads an image, named as the user named it. */
export async function readNamed(path: string): Promise<NamedImage> {
  return { name: path, bytes: await readWhole(path) };
}
