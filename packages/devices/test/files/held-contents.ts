/** For tests: files whose contents come when they are told to. */
import { FileError } from "../../src/backends/files/errno.js";
import type { MemoryFile } from "../../src/backends/files/memory-file.js";
import { MemoryTree } from "../../src/backends/files/memory-tree.js";

/** A read that waits. */
interface Waiting {
  readonly offset: number;
  readonly into: Uint8Array;
  readonly resolve: (count: number) => void;
  readonly reject: (error: Error) => void;
}

export class HeldContents {
  readonly tree = new MemoryTree();
  /** Reads that wait, in the order in which they were begun. */
  readonly waiting: Waiting[] = [];
  /** Reads that were ever begun. */
  begun = 0;

  /** Has files of so many bytes, each byte of which is the number of its page. */
  constructor(names: readonly string[], size: number) {
    for (const name of names) {
      const file = this.tree.root.create(name, { mode: 0o100644, uid: 0, gid: 0 }) as MemoryFile;
      file.refer({
        size,
        read: (offset, into) =>
          new Promise((resolve, reject) => {
            this.begun++;
            this.waiting.push({ offset, into: into.subarray(0, Math.max(0, size - offset)), resolve, reject });
          }),
      });
    }
  }

  /** Lets one that waits have what it wants; by default the first. */
  async arrive(n = 0): Promise<void> {
    for (const { offset, into, resolve } of this.waiting.splice(n, 1)) {
      for (let at = 0; at < into.length; at++) into[at] = Math.floor((offset + at) / 4096);
      resolve(into.length);
    }
    await turn();
  }

  /** Lets one that waits fail. */
  async fail(n = 0): Promise<void> {
    for (const { reject } of this.waiting.splice(n, 1)) reject(FileError.of("EIO"));
    await turn();
  }
}

/** Lets everything happen that can. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
