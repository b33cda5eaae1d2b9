/**
 * What is in a file of a tree in memory: chunks, so that a file with holes takes what was written, and appending
 * copies little. Who owns it counts the bytes against a bound before it grows.
 */

/** Bytes of a chunk; a file's last chunk is as short as it needs. */
export const CHUNK = 64 * 1024;
const SMALLEST = 64;

/** Bytes that can change. */
export class MemoryContent {
  readonly #chunks = new Map<number, Uint8Array>();
  #size = 0;
  #allocated = 0;

  get size(): number {
    return this.#size;
  }

  /** Bytes of the host's memory that it takes. */
  get allocated(): number {
    return this.#allocated;
  }

  /** Bytes more that it will take when a range has been written. */
  growth(offset: number, length: number): number {
    let bytes = 0;
    for (let index = Math.floor(offset / CHUNK); index * CHUNK < offset + length; index++) {
      const end = Math.min(offset + length - index * CHUNK, CHUNK);
      const have = this.#chunks.get(index)?.length ?? 0;
      if (end > have) bytes += roomFor(end) - have;
    }
    return bytes;
  }

  read(offset: number, into: Uint8Array): number {
    return this.readNow(offset, into);
  }

  /** Copies out as much as there is; returns how much. */
  readNow(offset: number, into: Uint8Array): number {
    const length = Math.max(0, Math.min(into.length, this.#size - offset));
    for (let at = 0; at < length; ) {
      const position = offset + at;
      const index = Math.floor(position / CHUNK);
      const start = position - index * CHUNK;
      const count = Math.min(CHUNK - start, length - at);
      const chunk = this.#chunks.get(index);
      const there = chunk === undefined ? 0 : Math.max(0, Math.min(count, chunk.length - start));
      if (there > 0) into.set((chunk as Uint8Array).subarray(start, start + there), at);
      if (there < count) into.fill(0, at + there, at + count);
      at += count;
    }
    return length;
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const position = offset + at;
      const index = Math.floor(position / CHUNK);
      const start = position - index * CHUNK;
      const count = Math.min(CHUNK - start, bytes.length - at);
      this.#chunk(index, start + count).set(bytes.subarray(at, at + count), start);
      at += count;
    }
    if (bytes.length > 0) this.#size = Math.max(this.#size, offset + bytes.length);
  }

  /** Makes it shorter, or longer by a hole. */
  resize(size: number): void {
    if (size < this.#size) {
      this.punch(size, this.#size - size);
      for (const [index, chunk] of this.#chunks) {
        if (index * CHUNK < size) continue;
        this.#allocated -= chunk.length;
        this.#chunks.delete(index);
      }
    }
    this.#size = size;
  }

  /** Makes a range read as zeroes; whole chunks are given back. */
  punch(offset: number, length: number): void {
    const end = Math.min(offset + length, this.#size);
    const first = Math.floor(offset / CHUNK);
    // A hostile range is as long as it likes; there are only so many chunks.
    const indices = [...this.#chunks.keys()].filter((index) => index >= first && index * CHUNK < end);
    for (const index of indices) {
      const chunk = this.#chunks.get(index) as Uint8Array;
      const from = Math.max(0, offset - index * CHUNK);
      const to = Math.min(chunk.length, end - index * CHUNK);
      if (from === 0 && to === chunk.length) {
        this.#allocated -= chunk.length;
        this.#chunks.delete(index);
      } else chunk.fill(0, from, Math.max(from, to));
    }
  }

  /** Where data (or a hole) begins from an offset on: `lseek` with SEEK_DATA or SEEK_HOLE; undefined where none does. */
  seek(offset: number, what: "data" | "hole"): number | undefined {
    if (offset >= this.#size) return undefined;
    let index = Math.floor(offset / CHUNK);
    if (what === "hole") {
      while (this.#chunks.has(index)) index++;
      return Math.min(this.#size, Math.max(offset, index * CHUNK));
    }
    if (this.#chunks.has(index)) return offset;
    let next = Number.POSITIVE_INFINITY;
    for (const each of this.#chunks.keys()) if (each > index && each < next) next = each;
    index = next;
    return index * CHUNK < this.#size ? index * CHUNK : undefined;
  }

  #chunk(index: number, length: number): Uint8Array {
    const chunk = this.#chunks.get(index);
    if (chunk !== undefined && chunk.length >= length) return chunk;
    const grown = new Uint8Array(roomFor(length));
    if (chunk !== undefined) grown.set(chunk);
    this.#allocated += grown.length - (chunk?.length ?? 0);
    this.#chunks.set(index, grown);
    return grown;
  }
}

/** A power of two, so that what grows byte by byte is seldom copied. */
function roomFor(length: number): number {
  let room = SMALLEST;
  while (room < length) room *= 2;
  return room;
}
