/** What archives and indices that describe trees have in common: an entry, and what is wrong with one. */
import { HartvisorError } from "@hartvisor/core";
import type { FileTime } from "./tree.js";

/** One thing in a tree, as whoever describes it says. Nothing of it was checked. */
export interface TreeEntry {
  /** As it stands there, as a name of any length (`names.ts`). */
  readonly path: string;
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly major: number;
  readonly minor: number;
  readonly mtime: FileTime;
  /** Where a symbolic link leads. */
  readonly target: string;
  /** The path of an entry before this one, of which this is one more name. */
  readonly linkTo?: string | undefined;
  /** Entries that say the same here are names of one file, whose contents come with any of them. */
  readonly sameAs?: string | undefined;
  readonly attributes: ReadonlyMap<string, Uint8Array>;
}

/** A tree that cannot be one, in one line. */
export function invalidTree(name: string, problem: string): HartvisorError {
  return new HartvisorError("invalid-image", `${name}: ${problem}`);
}

/** A path as messages show it. */
export function shown(path: string): string {
  const text = JSON.stringify(path);
  return text.length <= 80 ? text : `${text.slice(0, 76)}..."`;
}
