/**
 * A growing buffer of big-endian numbers and NUL-terminated strings: what the
 * blocks of a flattened device tree are made of. Only the encoder uses it.
 */
export class ByteWriter {
  #buffer = new Uint8Array(256);
  #length = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Writes an unsigned 32-bit number, high byte first. */
  u32(value: number): void {
    new DataView(this.#grow(4).buffer).setUint32(this.#length - 4, value);
  }

  /** Writes an unsigned 64-bit number, high byte first. */
  u64(value: bigint): void {
    new DataView(this.#grow(8).buffer).setBigUint64(this.#length - 8, value);
  }

  /** Writes a string in UTF-8 and the NUL that ends it. */
  text(value: string): void {
    this.bytes(new TextEncoder().encode(`${value}\0`));
  }

  /** Writes bytes as they are. */
  bytes(value: Uint8Array): void {
    this.#grow(value.length).set(value, this.#length - value.length);
  }

  /** Fills up with zeros to a multiple of `alignment`. */
  align(alignment: number): void {
    this.#grow(-this.#length & (alignment - 1));
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  #grow(byteCount: number): Uint8Array {
    this.#length += byteCount;
    if (this.#length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#buffer.length));
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    return this.#buffer;
  }
}
