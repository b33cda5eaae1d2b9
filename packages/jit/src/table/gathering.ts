/**
 * When regions move from the many modules that they were made in to fewer. Each module has an instance, a table of jumps and
 * pages of machine code of its own, in some hosts a copy of the table of regions, too. A guest that goes through hundreds of
 * regions, as a kernel does at each request, finds none of it in the host's caches; in one module the regions lie close.
 * But the host compiles again what moves, so regions have to last for a while first, and then move by and by.
 */

/** For fewer modules it is not worth the while. */
export const WORTHWHILE = 32;
/** How old a module must be for its regions to move: code that a guest goes on rewriting would only be compiled twice. */
export const LASTING_MS = 5000;
/** How long a guest runs before its regions move. */
const PATIENCE_MS = 10_000;
/** Between one part of them and the next, so that the host, which compiles each for up to a second, has most of its time for the guest. */
const PAUSE_MS = 4000;
/** How long no module must have been made, for while a program warms up the host has enough to compile. */
const QUIET_MS = 500;
/** How long regions wait for that at most. */
const LONGEST_WAIT_MS = 20_000;
/** Instances that the table may keep alive for nothing, of some 100 KB each, before it is made anew. */
const MOST = 256;

export class GatheringSchedule {
  readonly #now: () => number;
  #next: number;
  #lastAdded = Number.NEGATIVE_INFINITY;
  /** Modules instantiated with the present table whose regions never moved; with how many of them it is looked how many are in use. */
  #scattered = 0;
  #looksAt = MOST;

  constructor(now = () => performance.now()) {
    this.#now = now;
    this.#next = now() + PATIENCE_MS;
  }

  /** A module was instantiated. */
  added(): void {
    this.#scattered++;
    this.#lastAdded = this.#now();
  }

  /** Whether it is time for regions to move. */
  isDue(): boolean {
    if (this.#scattered < WORTHWHILE) return false;
    const now = this.#now();
    const isQuiet = now >= this.#lastAdded + QUIET_MS;
    return now >= this.#next + (isQuiet ? 0 : LONGEST_WAIT_MS);
  }

  /** Regions moved, but not all that shall. */
  movedSome(): void {
    this.#next = this.#now() + PAUSE_MS;
  }

  /** All moved, or none can. */
  movedAll(): void {
    this.#next = this.#now() + PATIENCE_MS;
  }

  /** Whether so many modules are of no use any more that the table has to be made anew; asks how many are in use where that may be. */
  isWasteful(countInUse: () => number): boolean {
    if (this.#scattered < this.#looksAt) return false;
    this.#looksAt = countInUse() + MOST;
    return this.#scattered >= this.#looksAt;
  }

  /** The table was made anew, with so many modules whose regions never moved. */
  renewed(inUse: number): void {
    this.#scattered = inUse;
    this.#looksAt = inUse + MOST;
  }
}
