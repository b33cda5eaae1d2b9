/** A connection as the NBD client needs one, whatever the host makes it of, and reading from it by the piece. */

/** An open connection. */
export interface NbdStream {
  /** The bytes stay as they are until they were sent. */
  write(bytes: Uint8Array): void;
  destroy(): void;
}

/** What a connection tells. */
export interface NbdStreamEvents {
  data(bytes: Uint8Array): void;
  /** It is over; called once. */
  closed(reason: Error): void;
}

/** Makes a connection; rejects where there is none to be had. */
export type OpenNbdStream = (events: NbdStreamEvents) => Promise<NbdStream>;

/** What has arrived and was not read; one reader at a time. */
export class StreamReader implements NbdStreamEvents {
  readonly #chunks: Uint8Array[] = [];
  readonly #onClosed: (reason: Error) => void;
  #filling: { readonly into: Uint8Array; at: number; resolve: () => void; reject: (reason: Error) => void } | undefined;
  #closed: Error | undefined;

  constructor(onClosed: (reason: Error) => void) {
    this.#onClosed = onClosed;
  }

  /** Fills an array; rejects if the connection ends before. */
  fill(into: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#filling = { into, at: 0, resolve, reject };
      this.#pump();
    });
  }

  /** Reads so many bytes. */
  async take(length: number): Promise<DataView> {
    const bytes = new Uint8Array(length);
    await this.fill(bytes);
    return new DataView(bytes.buffer);
  }

  data(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#pump();
  }

  closed(reason: Error): void {
    this.#closed = reason;
    this.#pump();
    this.#onClosed(reason);
  }

  #pump(): void {
    const filling = this.#filling;
    if (filling === undefined) return;
    while (filling.at < filling.into.length) {
      const [chunk] = this.#chunks;
      if (chunk === undefined) break;
      const part = chunk.subarray(0, filling.into.length - filling.at);
      filling.into.set(part, filling.at);
      filling.at += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    const isFull = filling.at === filling.into.length;
    if (!isFull && this.#closed === undefined) return;
    this.#filling = undefined;
    if (isFull) filling.resolve();
    else filling.reject(this.#closed ?? new Error("closed"));
  }
}
