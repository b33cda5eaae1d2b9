/**
 * Buffers for requests that wait for the host, used again and again: a fresh
 * one would be zeroed, and each of its pages would be a fault of the host's. Sizes
 * are powers of two.
 */

/** Bytes that wait to be used again; what comes back beyond is left to the garbage collector. */
const MAX_POOLED_BYTES = 16 * 2 ** 20;
const SMALLEST = 4096;

/** Buffers by size. */
export class BufferPool {
  /** By the exponent of their size. */
  readonly #free: Uint8Array[][] = [];
  #pooledBytes = 0;

  /** A buffer of at least so many bytes, with anything in it. */
  take(length: number): Uint8Array {
    const exponent = exponentOf(length);
    const pooled = this.#free[exponent]?.pop();
    if (pooled === undefined) return new Uint8Array(2 ** exponent);
    this.#pooledBytes -= pooled.length;
    return pooled;
  }

  /** Gives back a buffer that {@link take} gave, which nobody uses any more. */
  give(buffer: Uint8Array): void {
    if (this.#pooledBytes + buffer.length > MAX_POOLED_BYTES) return;
    const exponent = exponentOf(buffer.length);
    this.#free[exponent] ??= [];
    this.#free[exponent].push(buffer);
    this.#pooledBytes += buffer.length;
  }
}

function exponentOf(length: number): number {
  return Math.ceil(Math.log2(Math.max(length, SMALLEST)));
}
