/** What the readers of archives have in common. */
import type { TreeEntry } from "../tree-entry.js";

/** One thing in an archive, as it says of itself. Nothing of it was checked but that its bytes are there. */
export interface ArchiveEntry extends TreeEntry {
  /** Of a regular file, a part of the archive. */
  readonly content: Uint8Array;
}
