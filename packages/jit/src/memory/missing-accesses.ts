/** The accesses that get a slow path of their own, for the TLB often has nothing for them: places in frames. */

/** Beyond this all are forgotten: it bounds the memory that a guest can make this take. */
const MOST_PLACES = 65536;

export class MissingAccesses {
  readonly #byFrame = new Map<number, Set<number>>();
  #places = 0;

  /** False if it was known. */
  add(frame: number, offset: number): boolean {
    if (this.has(frame, offset)) return false;
    if (this.#places >= MOST_PLACES) {
      this.#byFrame.clear();
      this.#places = 0;
    }
    let offsets = this.#byFrame.get(frame);
    if (offsets === undefined) {
      offsets = new Set();
      this.#byFrame.set(frame, offsets);
    }
    offsets.add(offset);
    this.#places++;
    return true;
  }

  has(frame: number, offset: number): boolean {
    return this.#byFrame.get(frame)?.has(offset) ?? false;
  }

  /** The frame holds other code now. */
  forget(frame: number): void {
    this.#places -= this.#byFrame.get(frame)?.size ?? 0;
    this.#byFrame.delete(frame);
  }
}
