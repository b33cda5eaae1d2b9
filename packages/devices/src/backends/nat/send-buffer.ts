/** Bytes on their way to the guest: kept in the pieces in which they came until they are acknowledged. */

/** Smaller pieces are gathered into ones of this size, so that many small ones do not make a long list. */
const GATHERED = 16 * 1024;

/** A queue of bytes, of which any part can be viewed. */
export class SendBuffer {
  readonly #pieces: Uint8Array[] = [];
  /** Bytes of the first piece that are gone. */
  #offset = 0;
  #length = 0;
  /** The last piece, if there is room in it for more: its buffer, and how far that is filled. */
  #open: { readonly buffer: Uint8Array; used: number } | undefined;

  get length(): number {
    return this.#length;
  }

  /** Appends bytes, which are the buffer's to keep. */
  push(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (bytes.length >= GATHERED / 4) {
      this.#open = undefined;
      this.#pieces.push(bytes);
      return;
    }
    if (this.#open === undefined || this.#open.used + bytes.length > GATHERED) {
      this.#open = { buffer: new Uint8Array(GATHERED), used: 0 };
      this.#pieces.push(this.#open.buffer.subarray(0, 0));
    }
    const { buffer, used } = this.#open;
    buffer.set(bytes, used);
    this.#open.used += bytes.length;
    this.#pieces[this.#pieces.length - 1] = buffer.subarray(0, this.#open.used);
  }

  /** Drops bytes from the front. */
  drop(count: number): void {
    this.#length -= count;
    this.#offset += count;
    for (let first = this.#pieces[0]; first !== undefined && this.#offset >= first.length; first = this.#pieces[0]) {
      this.#offset -= first.length;
      this.#pieces.shift();
      if (this.#pieces.length === 0) this.#open = undefined;
    }
  }

  /** Views of bytes from a distance to the front. */
  views(from: number, count: number): Uint8Array[] {
    const views: Uint8Array[] = [];
    let skip = this.#offset + from;
    let left = count;
    for (const piece of this.#pieces) {
      if (left === 0) break;
      if (skip >= piece.length) {
        skip -= piece.length;
        continue;
      }
      const view = piece.subarray(skip, skip + left);
      views.push(view);
      left -= view.length;
      skip = 0;
    }
    return views;
  }
}
