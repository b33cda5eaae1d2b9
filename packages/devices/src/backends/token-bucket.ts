/** A rate limit: bytes may pass while the bucket is not empty, and time fills it. */

/** What a bucket holds at most, in seconds of its rate. */
const DEPTH_SECONDS = 0.1;
/** A bucket is looked at again after so long. */
const PAUSE_MS = 5;

/** A bucket of bytes that time fills. */
export class TokenBucket {
  readonly #rate: number;
  readonly #refilled: () => void;
  #tokens: number;
  #filledAt = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param rate - bytes a second; undefined for no limit
   * @param refilled - called when bytes may pass again, after somebody found that they may not
   */
  constructor(rate: number | undefined, refilled: () => void) {
    this.#rate = rate ?? Number.POSITIVE_INFINITY;
    this.#tokens = this.#rate * DEPTH_SECONDS;
    this.#refilled = refilled;
  }

  /** Whether bytes may pass now. One that is closed calls back when it opens. */
  get isOpen(): boolean {
    if (this.#rate === Number.POSITIVE_INFINITY) return true;
    const now = performance.now();
    this.#tokens = Math.min(this.#tokens + ((now - this.#filledAt) * this.#rate) / 1000, this.#rate * DEPTH_SECONDS);
    this.#filledAt = now;
    if (this.#tokens > 0) return true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#refilled();
    }, PAUSE_MS);
    return false;
  }

  /** Bytes pass; the last may take more than there is. */
  take(bytes: number): void {
    this.#tokens -= bytes;
  }
}
