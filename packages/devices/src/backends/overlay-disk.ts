/**
 * Copy on write over any disk: what is written stays in the host's memory, and
 * the disk below is only read. A chunk knows by sector what was written, so
 * that no write has to read first.
 */
import type { BlockBackend } from "@hartvisor/core";

const SECTOR = 512;
const CHUNK = 64 * 1024;

interface Chunk {
  readonly bytes: Uint8Array;
  /** By sector: 1 where this chunk holds what was written, 0 where the disk below counts. */
  readonly written: Uint8Array;
}

/**
 * A writable disk over one that is never written. What the guest writes is gone with the overlay, and takes as much
 * memory as the guest writes: at most the size of the disk.
 *
 * @example
 * ```ts
 * const disk = virtioBlock({ backend: overlayDisk(await httpDisk("https://example.org/debian.img")) });
 * ```
 */
export function overlayDisk(below: BlockBackend): BlockBackend {
  const chunks = new Map<number, Chunk>();

  /** Calls back for each part of a range that lies in one chunk. */
  const eachPart = (
    offset: number,
    length: number,
    act: (chunk: number, start: number, at: number, count: number) => void,
  ) => {
    for (let at = 0; at < length; ) {
      const start = (offset + at) % CHUNK;
      const count = Math.min(CHUNK - start, length - at);
      act(Math.floor((offset + at) / CHUNK), start, at, count);
      at += count;
    }
  };

  /** Changes bytes of the range's chunks, and then knows all of its sectors as written. */
  const change = (offset: number, length: number, act: (bytes: Uint8Array, at: number) => void): void => {
    eachPart(offset, length, (index, start, at, count) => {
      let chunk = chunks.get(index);
      if (chunk === undefined) {
        chunk = { bytes: new Uint8Array(CHUNK), written: new Uint8Array(CHUNK / SECTOR) };
        chunks.set(index, chunk);
      }
      act(chunk.bytes.subarray(start, start + count), at);
      chunk.written.fill(1, start / SECTOR, (start + count) / SECTOR);
    });
  };

  /** Puts what was written over what the disk below said; a part of a range may begin and end within a sector. */
  const cover = (offset: number, into: Uint8Array): void => {
    eachPart(offset, into.length, (index, start, at, count) => {
      const chunk = chunks.get(index);
      if (chunk === undefined) return;
      for (let n = 0; n < count; ) {
        const from = start + n;
        const length = Math.min(SECTOR - (from % SECTOR), count - n);
        if (chunk.written[Math.floor(from / SECTOR)] === 1) into.set(chunk.bytes.subarray(from, from + length), at + n);
        n += length;
      }
    });
  };

  const isCovered = (offset: number, length: number): boolean => {
    let covered = true;
    eachPart(offset, length, (index, start, _, count) => {
      const written = chunks.get(index)?.written.subarray(start / SECTOR, (start + count) / SECTOR);
      covered &&= written?.every((each) => each === 1) ?? false;
    });
    return covered;
  };

  return {
    size: below.size,
    isReadOnly: false,
    readNow: (offset, into) => {
      if (!isCovered(offset, lengthOf(into)) && below.readNow?.(offset, into) !== true) return false;
      let at = offset;
      for (const part of into) {
        cover(at, part);
        at += part.length;
      }
      return true;
    },
    writeNow: (offset, parts) => {
      const source = new PartReader(parts);
      change(offset, lengthOf(parts), (bytes) => source.read(bytes));
      return true;
    },
    read: (offset, into) => {
      if (!isCovered(offset, into.length)) {
        const outcome = below.read(offset, into);
        if (outcome !== undefined) return outcome.then(() => cover(offset, into));
      }
      cover(offset, into);
    },
    write: (offset, source) =>
      change(offset, source.length, (bytes, at) => bytes.set(source.subarray(at, at + bytes.length))),
    flush: () => {},
    writeZeroes: (offset, length) => change(offset, length, (bytes) => bytes.fill(0)),
    close: () => below.close(),
  };
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

/** Reads on through byte strings that stand for one. */
class PartReader {
  readonly #parts: readonly Uint8Array[];
  #part = 0;
  #at = 0;

  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts;
  }

  /** Fills the target with what comes next. */
  read(target: Uint8Array): void {
    for (let filled = 0; filled < target.length; ) {
      const part = this.#parts[this.#part] as Uint8Array; // there is as much as the target takes
      const piece = part.subarray(this.#at, this.#at + target.length - filled);
      target.set(piece, filled);
      filled += piece.length;
      this.#at += piece.length;
      if (this.#at < part.length) continue;
      this.#part++;
      this.#at = 0;
    }
  }
}
