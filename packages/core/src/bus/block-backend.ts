/** Where the bytes of a disk are. A disk device checks ranges; a backend is never asked for what it does not have. */

/**
 * The bytes of a disk. Each method answers at once, or with a promise where it
 * waits for the host; a failure is thrown or rejected, and becomes an I/O error
 * of the guest's. Several may be under way at once.
 */
export interface BlockBackend {
  /** Bytes, a multiple of 512. */
  readonly size: number;
  readonly isReadOnly: boolean;
  /**
   * Fills these parts of guest memory, one after the other, before it returns; false if it would have to wait for the
   * host, and {@link read} is asked instead. Default: `read` is asked always.
   */
  readNow?(offset: number, into: readonly Uint8Array[]): boolean;
  /** As {@link readNow}, for {@link write}. */
  writeNow?(offset: number, parts: readonly Uint8Array[]): boolean;
  /** Fills all of `into`. A backend that answers with a promise may fill it until that resolves. */
  read(offset: number, into: Uint8Array): void | Promise<void>;
  /** Writes; what is written may be lost in a crash of the host until {@link flush} has succeeded. */
  write(offset: number, bytes: Uint8Array): void | Promise<void>;
  /** Makes durable whatever was written before. */
  flush(): void | Promise<void>;
  /** Makes a range read as zeroes. Default: the device writes zeroes. */
  writeZeroes?(offset: number, length: number): void | Promise<void>;
  /** A hint that nobody needs a range any more: it may read as anything afterwards. Default: the hint is dropped. */
  discard?(offset: number, length: number): void | Promise<void>;
  /** Gives back what the backend holds of its host. */
  close(): Promise<void>;
}
