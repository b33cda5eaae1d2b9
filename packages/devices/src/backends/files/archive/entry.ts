/** What the readers of archives have in common: an entry, and what is wrong with an archive. */
import { HartvisorError } from "@hartvisor/core";
import type { FileTime } from "../tree.js";

/** One thing in an archive, as it says of itself. Nothing of it was checked but that its bytes are there. */
export interface ArchiveEntry {
  /** As it stands there, as a name of any length (`names.ts`). */
  readonly path: string;
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly major: number;
  readonly minor: number;
  readonly mtime: FileTime;
  /** Of a regular file, a part of the archive. */
  readonly content: Uint8Array;
  /** Where a symbolic link leads. */
  readonly target: string;
  /** The path of an entry before this one, of which this is one more name. */
  readonly linkTo?: string | undefined;
  /** Entries that say the same here are names of one file, whose contents come with any of them. */
  readonly sameAs?: string | undefined;
  readonly attributes: ReadonlyMap<string, Uint8Array>;
}

/** An archive that is none, in one line. */
export function badArchive(name: string, problem: string): HartvisorError {
  return new HartvisorError("invalid-image", `${name}: ${problem}`);
}

/** A path as messages show it. */
export function shown(path: string): string {
  const text = JSON.stringify(path);
  return text.length <= 80 ? text : `${text.slice(0, 76)}..."`;
}
