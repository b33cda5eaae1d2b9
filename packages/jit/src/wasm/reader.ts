/** Reads what {@link ByteWriter} writes: bytes, and the integers of WebAssembly's binary format (Core Specification, 5.2.2). */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  /** Of the next byte, in all of the bytes. */
  position: number;

  constructor(bytes: Uint8Array, begin = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#end = end;
    this.position = begin;
  }

  get isAtEnd(): boolean {
    return this.position >= this.#end;
  }

  byte(): number {
    const value = this.isAtEnd ? undefined : this.#bytes[this.position++];
    if (value === undefined) throw new RangeError(`the code ends at byte ${this.#end}, within an instruction`);
    return value;
  }

  /** An unsigned integer below 2^32. */
  unsigned(): number {
    return Number(this.#leb().value);
  }

  signed(): bigint {
    const { value, bits } = this.#leb();
    return BigInt.asIntN(bits, value);
  }

  #leb(): { readonly value: bigint; readonly bits: number } {
    let value = 0n;
    for (let bits = 0; ; ) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << BigInt(bits);
      bits += 7;
      if (byte < 0x80) return { value, bits };
    }
  }

  float(bytes: 4 | 8): number {
    const view = new DataView(new ArrayBuffer(8));
    for (let n = 0; n < bytes; n++) view.setUint8(n, this.byte());
    return bytes === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
  }

  name(): string {
    return new TextDecoder().decode(Uint8Array.from({ length: this.unsigned() }, () => this.byte()));
  }

  /** Reads a vector. */
  many<Item>(read: () => Item): Item[] {
    return Array.from({ length: this.unsigned() }, read);
  }

  /** A reader of so many of the next bytes, which this one skips. */
  part(length: number): ByteReader {
    const part = new ByteReader(this.#bytes, this.position, this.position + length);
    this.position += length;
    return part;
  }
}
