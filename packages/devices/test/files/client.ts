/** For tests: what a guest's programs do with a mounted tree, whatever the protocol. Paths are from the root, without a slash in front. */
import type { FileStat } from "../../src/backends/files/tree.js";

export interface FileClient {
  /** Each rejects with `E...`, the name of what it failed with. */
  stat(path: string): Promise<FileStat>;
  list(path: string): Promise<string[]>;
  makeFile(path: string, mode: number): Promise<void>;
  makeDirectory(path: string, mode: number): Promise<void>;
  makeLink(path: string, target: string): Promise<void>;
  readLink(path: string): Promise<string>;
  link(path: string, existing: string): Promise<void>;
  remove(path: string, kind: "directory" | "other"): Promise<void>;
  rename(path: string, to: string): Promise<void>;
  read(path: string, offset: number, length: number): Promise<Uint8Array>;
  write(path: string, offset: number, bytes: Uint8Array): Promise<void>;
  truncate(path: string, size: number): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  setTimes(path: string, atimeSeconds: number, mtimeSeconds: number): Promise<void>;
}

/** Splits a path into its directory and its name. */
export function split(path: string): readonly [string, string] {
  const at = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, at)), path.slice(at + 1)];
}
