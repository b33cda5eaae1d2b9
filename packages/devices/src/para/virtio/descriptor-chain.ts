/**
 * One request in a virtqueue: the buffers that the driver lets the device
 * read, then those it may write, as two byte strings. The queue has checked
 * that every buffer is RAM; they may overlap, and change while they are read.
 */
import type { DmaMemory } from "@hartvisor/core";

/** A request. It is valid from its `pop` to its `complete`. */
export class DescriptorChain {
  readonly #memory: DmaMemory;
  readonly #addresses: number[] = [];
  readonly #lengths: number[] = [];
  /** Empty but while bytes are copied. */
  readonly #parts: Uint8Array[] = [];
  #readable = 0;
  #count = 0;
  /** Index of its first descriptor: the name by which the driver knows it. */
  head = 0;
  /** The life of its queue that it belongs to. */
  generation = 0;
  readableBytes = 0;
  writableBytes = 0;

  constructor(memory: DmaMemory) {
    this.#memory = memory;
  }

  /** Its buffers of either kind, empty ones not counted. */
  get count(): number {
    return this.#count;
  }

  /** For its queue: begins anew. */
  begin(head: number, generation: number): void {
    this.head = head;
    this.generation = generation;
    this.readableBytes = 0;
    this.writableBytes = 0;
    this.#readable = 0;
    this.#count = 0;
  }

  /** For its queue: adds a buffer of RAM. */
  add(address: number, length: number, writable: boolean): void {
    if (length === 0) return;
    this.#addresses[this.#count] = address;
    this.#lengths[this.#count] = length;
    this.#count++;
    if (writable) this.writableBytes += length;
    else {
      this.readableBytes += length;
      this.#readable++;
    }
  }

  /** Appends views of a part of what the device may read; see {@link DmaMemory.readableViews}. */
  readableViews(offset: number, length: number, into: Uint8Array[]): void {
    this.#views(0, this.#readable, offset, length, into, false);
  }

  /** Appends views of a part of what the device may write, ready to be written at once. */
  writableViews(offset: number, length: number, into: Uint8Array[]): void {
    this.#views(this.#readable, this.#count, offset, length, into, true);
  }

  /** The buffers that the device may write, as guest-physical ranges. */
  *writableRanges(): Iterable<{ readonly address: number; readonly length: number }> {
    for (let n = this.#readable; n < this.#count; n++) {
      yield { address: this.#addresses[n] ?? 0, length: this.#lengths[n] ?? 0 };
    }
  }

  /** For its queue: makes sure that there are frames behind what the device may write; see {@link DmaMemory.populate}. */
  populate(retry: () => void): boolean {
    for (let n = this.#readable; n < this.#count; n++) {
      if (!this.#memory.populate(this.#addresses[n] ?? 0, this.#lengths[n] ?? 0, retry)) return false;
    }
    return true;
  }

  /** A little-endian word of what the device may read, which is all there. Hot: it makes no view of a header in one buffer. */
  load32(offset: number): number {
    const length = this.#lengths[0] ?? 0;
    if (this.#readable > 0 && offset + 4 <= length) return this.#memory.load32((this.#addresses[0] ?? 0) + offset);
    const word = new Uint8Array(4);
    this.read(offset, word);
    return new DataView(word.buffer).getUint32(0, true);
  }

  /** Writes the last byte of what the device may write, if there is one. */
  storeLast(value: number): void {
    const last = this.#count - 1;
    if (this.writableBytes > 0)
      this.#memory.store8((this.#addresses[last] ?? 0) + (this.#lengths[last] ?? 0) - 1, value);
  }

  /** Copies from what the device may read, from an offset on, as much as there is; returns how much. */
  read(offset: number, target: Uint8Array): number {
    const views = this.#parts;
    this.readableViews(offset, target.length, views);
    let at = 0;
    for (const view of views) {
      target.set(view, at);
      at += view.length;
    }
    views.length = 0;
    return at;
  }

  /** Copies to what the device may write, as much as fits; returns how much. */
  write(offset: number, source: Uint8Array): number {
    const views = this.#parts;
    this.writableViews(offset, source.length, views);
    let at = 0;
    for (const view of views) {
      view.set(source.subarray(at, at + view.length));
      at += view.length;
    }
    views.length = 0;
    return at;
  }

  #views(first: number, end: number, offset: number, length: number, into: Uint8Array[], writable: boolean): void {
    let skip = offset;
    let left = length;
    for (let n = first; n < end && left > 0; n++) {
      const size = this.#lengths[n] ?? 0;
      if (skip >= size) {
        skip -= size;
        continue;
      }
      const address = (this.#addresses[n] ?? 0) + skip;
      const part = Math.min(size - skip, left);
      if (writable) this.#memory.writableViews(address, part, into);
      else this.#memory.readableViews(address, part, into);
      skip = 0;
      left -= part;
    }
  }
}
