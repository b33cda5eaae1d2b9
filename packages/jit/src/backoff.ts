/**
 * Waits before what failed is tried again, twice as long each time: a guest
 * that goes on rewriting its code, or code that the host refuses, must not keep
 * the translator busy. What then holds for long is forgiven.
 */

const LONGEST_WAIT_MS = 5000;
/** Waits that something must hold to be forgiven. */
const FORGIVEN_AFTER = 8;
/** Beyond this all is forgiven: it bounds the memory that a guest can make this take. */
const MOST_KEYS = 4096;

export class Backoff {
  readonly #firstWait: number;
  readonly #now: () => number;
  readonly #failures = new Map<number, { readonly at: number; readonly wait: number }>();

  /** With a first wait of 0 ms there are none. */
  constructor(firstWaitMs: number, now: () => number) {
    this.#firstWait = firstWaitMs;
    this.#now = now;
  }

  failed(key: number): void {
    const at = this.#now();
    const last = this.#failures.get(key);
    const isAgain = last !== undefined && at < last.at + last.wait * FORGIVEN_AFTER;
    if (last === undefined && this.#failures.size >= MOST_KEYS) this.#failures.clear();
    this.#failures.set(key, { at, wait: isAgain ? Math.min(last.wait * 2, LONGEST_WAIT_MS) : this.#firstWait });
  }

  /** Whether the wait after the last failure is over, or there was none. */
  allows(key: number): boolean {
    const last = this.#failures.get(key);
    return last === undefined || this.#now() >= last.at + last.wait;
  }
}
