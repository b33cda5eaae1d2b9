/** The part of a request for files that is as long as pages are: it stays in guest memory, and is read and written there. */
import type { DescriptorChain } from "../virtio/descriptor-chain.js";

/** The data of a request. */
export interface RequestData {
  /** Bytes that the guest sent behind the fields of a write. */
  readonly writeLength: number;
  /** The data of a write, as views that are good now, or as a copy. */
  writeViews(length: number): readonly Uint8Array[];
  writeCopy(length: number): Uint8Array;
  /** Room for the data of a read, as views that are good now. */
  readViews(length: number): readonly Uint8Array[];
}

/** Where data stand in a message: behind what is before them, in bytes from its beginning. */
export interface DataPlaces {
  readonly write: number;
  readonly read: number;
}

/** The data of a request in a descriptor chain. */
export class ChainData implements RequestData {
  readonly #chain: DescriptorChain;
  readonly #places: DataPlaces;
  readonly writeLength: number;

  /** Takes the length that the message has. */
  constructor(chain: DescriptorChain, places: DataPlaces, length: number) {
    this.#chain = chain;
    this.#places = places;
    this.writeLength = Math.max(0, length - places.write);
  }

  writeViews(length: number): readonly Uint8Array[] {
    const views: Uint8Array[] = [];
    this.#chain.readableViews(this.#places.write, length, views);
    return views;
  }

  writeCopy(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#chain.read(this.#places.write, bytes);
    return bytes;
  }

  readViews(length: number): readonly Uint8Array[] {
    const views: Uint8Array[] = [];
    this.#chain.writableViews(this.#places.read, length, views);
    return views;
  }
}
