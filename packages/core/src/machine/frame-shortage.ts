/**
 * A machine's wait for frames of a pool that it shares: where the pool has
 * none left the machine pauses and says so, and goes on by itself when there
 * are some. What it was about to do is done then; nothing is lost.
 */
import type { FramePool } from "../memory/frame-pool.js";

/** What a shortage asks of its machine. */
export interface ShortageHost {
  /** Whether the machine was started and not paused since. */
  readonly isWanted: boolean;
  /** Pauses at the next exit. */
  stop(): void;
  /** Lets devices take up again what they could not begin. */
  retry(): void;
  start(): void;
  began(): void;
  ended(): void;
}

export class FrameShortage {
  readonly #pool: FramePool;
  readonly #host: ShortageHost;
  #isWaiting = false;
  #resumes = false;
  #isClosed = false;

  constructor(pool: FramePool, host: ShortageHost) {
    this.#pool = pool;
    this.#host = host;
  }

  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** The machine needs a frame and the pool has none. */
  begin(): void {
    if (this.#isClosed) return;
    const isWanted = this.#host.isWanted;
    this.#host.stop();
    this.#pool.whenFree(this.#end);
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#resumes = isWanted;
    this.#host.began();
  }

  /** The machine's user starts or pauses it: that is what holds when there are frames again. */
  userWants(isRunning: boolean): void {
    if (isRunning) this.#isWaiting = false;
    this.#resumes = isRunning;
  }

  /** The machine has come to its end, and waits for nothing any more. */
  close(): void {
    this.#isWaiting = false;
    this.#isClosed = true;
  }

  readonly #end = (): void => {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#host.ended();
    this.#host.retry();
    if (this.#resumes && !this.#isWaiting) this.#host.start();
  };
}
