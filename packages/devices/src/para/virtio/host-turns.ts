/**
 * Lets the host's event loop turn in the midst of a queue that takes long, and goes on behind it: once, however often the
 * guest rings meanwhile. A timer for each doorbell would be 8 ms of work for each of them, one after another.
 */
export class HostTurns {
  #waiting = new Set<number>();

  /** Whether a queue goes on by itself, so that a doorbell has nothing to do. */
  has(index: number): boolean {
    return this.#waiting.has(index);
  }

  /** Goes on with a queue when the host has had its turn. */
  await(index: number, goOn: () => void): void {
    const waiting = this.#waiting;
    waiting.add(index);
    setTimeout(() => {
      waiting.delete(index);
      if (waiting === this.#waiting) goOn();
    });
  }

  /** The queues are others now. */
  reset(): void {
    this.#waiting = new Set();
  }
}
