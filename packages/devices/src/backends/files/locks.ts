/**
 * Byte-range locks on nodes (`fcntl`, POSIX), for protocols that leave them to the server. They bind whoever asks for
 * them: machines that share a tree see each other's. A lock that is in the way is reported; waiting is the asker's.
 */
import { FileError } from "./errno.js";
import type { FileNode } from "./tree.js";

/** Locks that one holder's guest may have at once. */
const MAX_LOCKS = 4096;

/** A range of a file, from `start` up to and without `end` (which may be infinite), and who has it how. */
export interface FileLock {
  readonly start: number;
  readonly end: number;
  readonly isExclusive: boolean;
  /** The process, by whatever tells it from the others of its guest. */
  readonly owner: string;
}

interface HeldLock extends FileLock {
  readonly holder: LockHolder;
}

const locks = new WeakMap<FileNode, readonly HeldLock[]>();

/** The locks of one guest. */
export class LockHolder {
  readonly #nodes = new Set<FileNode>();
  #count = 0;

  /** A lock of somebody else's that is in the way of one. */
  conflict(node: FileNode, { start, end, isExclusive, owner }: FileLock): FileLock | undefined {
    return locks
      .get(node)
      ?.find(
        (held) =>
          (held.holder !== this || held.owner !== owner) &&
          (held.isExclusive || isExclusive) &&
          held.start < end &&
          start < held.end,
      );
  }

  /** Takes a lock, in place of what its owner has in the range; false if one is in the way. @throws FileError ENOLCK */
  take(node: FileNode, lock: FileLock): boolean {
    if (this.conflict(node, lock) !== undefined) return false;
    if (this.#count >= MAX_LOCKS) throw FileError.of("ENOLCK");
    this.release(node, lock);
    this.#set(node, [...(locks.get(node) ?? []), { ...lock, holder: this }]);
    return true;
  }

  /** Gives up what an owner has in a range; a lock may fall into two. */
  release(node: FileNode, { start, end, owner }: Omit<FileLock, "isExclusive">): void {
    const rest = (locks.get(node) ?? []).flatMap((held): HeldLock[] => {
      const isMine = held.holder === this && held.owner === owner;
      if (!isMine || held.end <= start || end <= held.start) return [held];
      return [
        ...(held.start < start ? [{ ...held, end: start }] : []),
        ...(end < held.end ? [{ ...held, start: end }] : []),
      ];
    });
    this.#set(node, rest);
  }

  /** Gives up everything: its guest is gone. */
  end(): void {
    for (const node of [...this.#nodes]) {
      this.#set(
        node,
        (locks.get(node) ?? []).filter(({ holder }) => holder !== this),
      );
    }
  }

  #set(node: FileNode, held: readonly HeldLock[]): void {
    const mine = (each: readonly HeldLock[]) => each.filter(({ holder }) => holder === this).length;
    const count = mine(held);
    this.#count += count - mine(locks.get(node) ?? []);
    if (held.length === 0) locks.delete(node);
    else locks.set(node, held);
    if (count === 0) this.#nodes.delete(node);
    else this.#nodes.add(node);
  }
}
