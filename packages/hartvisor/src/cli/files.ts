/** Files that a command line names. What goes wrong becomes one line that names the file. */
import { open, writeFile } from "node:fs/promises";
import type { HartvisorError } from "@hartvisor/core";
import type { NamedImage } from "../boot/linux.js";
import { readWhole, refusal } from "../host/node/whole-file.js";

/** As {@link refusal}, for what was to be written. */
export function refusalToWrite(path: string, error: unknown): HartvisorError {
  const isFolderMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
  return refusal(path, isFolderMissing ? new Error("cannot be written: there is no such folder") : error);
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
