/**
 * Byte-range locks on nodes (`fcntl`, POSIX), for protocols that leave them to the server. They bind whoever asks for
 * them: machines that share a tree see each other's. Who asks for a lock that another is in the way of is told so, or waits.
 */
import { FileError } from "./errno.js";
import type { Later } from "./later.js";
import type { FileNode } from "./tree.js";

/** Locks that one holder's guest may have at once. */
const MAX_LOCKS = 4096;
/** And for how many it may wait: fewer than the requests that a device has under way, or nothing could be given up any more. */
const MAX_WAITS = 32;

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

/** Who waits for a lock on a node. */
interface Wait {
  /** Takes the lock, if nothing is in the way any more. */
  retry(): void;
  /** Goes without. */
  end(): void;
}

const locks = new WeakMap<FileNode, readonly HeldLock[]>();
const waits = new WeakMap<FileNode, Set<Wait>>();

/** Something was given up: whoever waited longest goes first. */
function wake(node: FileNode): void {
  for (const wait of [...(waits.get(node) ?? [])]) wait.retry();
}

/** The locks of one guest. */
export class LockHolder {
  readonly #nodes = new Set<FileNode>();
  #count = 0;
  /** By what the waits were asked for under. */
  readonly #waits = new Map<number, Wait>();

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
    const rest = this.#without(node, lock);
    const isLess = rest !== locks.get(node);
    this.#set(node, [...(rest ?? []), { ...lock, holder: this }]);
    if (isLess) wake(node); // it may have been exclusive
    return true;
  }

  /**
   * Takes a lock when nothing is in the way any more; false where something is and too many wait already, or when {@link endWaits}
   * is told its number. @throws FileError ENOLCK, or rejects with it
   */
  takeLater(node: FileNode, lock: FileLock, number: number): Later<boolean> {
    if (this.take(node, lock)) return true;
    if (this.#waits.size >= MAX_WAITS || this.#waits.has(number)) return false;
    return new Promise((resolve, reject) => {
      const others = waits.get(node) ?? new Set();
      waits.set(node, others);
      let isOver = false;
      const over = () => {
        isOver = true;
        others.delete(wait);
        this.#waits.delete(number);
      };
      const wait: Wait = {
        retry: () => {
          if (isOver || this.conflict(node, lock) !== undefined) return;
          over(); // before the lock is taken, which may wake others
          try {
            resolve(this.take(node, lock));
          } catch (error) {
            reject(error);
          }
        },
        end: () => {
          over();
          resolve(false);
        },
      };
      others.add(wait);
      this.#waits.set(number, wait);
    });
  }

  /** Who waits under a number, or at all, goes without. */
  endWaits(number?: number): void {
    for (const [each, wait] of [...this.#waits]) if (number === undefined || each === number) wait.end();
  }

  /** Gives up what an owner has in a range; a lock may fall into two. */
  release(node: FileNode, range: Omit<FileLock, "isExclusive">): void {
    const rest = this.#without(node, range);
    if (rest === locks.get(node)) return;
    this.#set(node, rest ?? []);
    wake(node);
  }

  /** The locks of a node but for what an owner has in a range; the same ones, if it has nothing there. */
  #without(node: FileNode, { start, end, owner }: Omit<FileLock, "isExclusive">): readonly HeldLock[] | undefined {
    const all = locks.get(node);
    const isHit = (held: HeldLock) =>
      held.holder === this && held.owner === owner && start < held.end && held.start < end;
    if (!all?.some(isHit)) return all;
    return all.flatMap((held): HeldLock[] => {
      if (!isHit(held)) return [held];
      return [
        ...(held.start < start ? [{ ...held, end: start }] : []),
        ...(end < held.end ? [{ ...held, start: end }] : []),
      ];
    });
  }

  /** Gives up everything: its guest is gone. */
  end(): void {
    this.endWaits();
    for (const node of [...this.#nodes]) {
      this.#set(
        node,
        (locks.get(node) ?? []).filter(({ holder }) => holder !== this),
      );
      wake(node);
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
