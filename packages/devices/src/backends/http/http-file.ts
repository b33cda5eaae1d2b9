/**
 * Files behind URLs, read block by block as they are needed. The blocks used last are kept, all together within a bound;
 * a file that turns into another one while it is in use fails.
 */
import { HartvisorError } from "@hartvisor/core";
import { failure, HttpClient, type HttpClientOptions } from "./http-client.js";

const DEFAULT_BLOCK = 256 * 1024;
const DEFAULT_CACHE = 64 * 2 ** 20;
const SECTOR = 512;

/** How files are read by HTTP. */
export interface HttpFileOptions extends HttpClientOptions {
  /** Bytes of one request, a multiple of 512. Default: 256 KiB. */
  readonly blockBytes?: number;
  /** Bytes of blocks that are kept. Default: 64 MiB. */
  readonly cacheBytes?: number;
}

/** A block of a file, on its way or here. */
interface Block {
  readonly owner: Map<number, Block>;
  readonly index: number;
  readonly length: number;
  readonly arrival: Promise<Uint8Array>;
  bytes: Uint8Array | undefined;
}

/** Where files are read from, and the blocks of all of them. */
export class HttpSource {
  readonly client: HttpClient;
  readonly blockBytes: number;
  readonly #cacheBytes: number;
  /** In the order in which they were used last. */
  readonly #blocks = new Set<Block>();
  #bytes = 0;

  /** Throws `invalid-argument` for blocks that are no multiple of 512. */
  constructor(options: HttpFileOptions) {
    const { blockBytes = DEFAULT_BLOCK, cacheBytes = DEFAULT_CACHE } = options;
    if (blockBytes <= 0 || blockBytes % SECTOR !== 0) {
      throw new HartvisorError("invalid-argument", `blocks of ${blockBytes} bytes: give a multiple of ${SECTOR}`);
    }
    this.client = new HttpClient(options);
    this.blockBytes = blockBytes;
    this.#cacheBytes = Math.max(cacheBytes, blockBytes);
  }

  /** For files: a block is used, for the first time or again. */
  use(block: Block): void {
    if (!this.#blocks.delete(block)) this.#bytes += block.length;
    this.#blocks.add(block);
    for (const oldest of this.#blocks) {
      if (this.#bytes <= this.#cacheBytes) break;
      this.drop(oldest);
    }
  }

  /** For files: a block is not kept any more. */
  drop(block: Block): void {
    if (!this.#blocks.delete(block)) return;
    this.#bytes -= block.length;
    block.owner.delete(block.index);
  }

  /** Forgets everything; reads fail from now on. */
  close(): void {
    this.client.close();
    for (const block of this.#blocks) block.owner.clear();
    this.#blocks.clear();
    this.#bytes = 0;
  }
}

/** A file behind a URL. */
export class HttpFile {
  readonly url: string;
  readonly size: number;
  readonly #source: HttpSource;
  readonly #blocks = new Map<number, Block>();
  /** What the server said of it first. */
  #version: string | null | undefined;

  /** A file whose size is known. */
  constructor(source: HttpSource, url: string, size: number, version?: string | null) {
    this.#source = source;
    this.url = url;
    this.size = size;
    this.#version = version;
  }

  /**
   * Asks the server for the size of a file.
   *
   * @throws HartvisorError `unreadable-file`
   */
  static async open(source: HttpSource, url: string): Promise<HttpFile> {
    const { whole, version } = await source.client.range(url, 0, SECTOR - 1);
    return new HttpFile(source, url, whole as number, version); // there is one where none was expected
  }

  /** Fills `into` from an offset on, as far as the file goes, if all of that is here; whether it is. */
  readNow(offset: number, into: Uint8Array): boolean {
    const { blockBytes } = this.#source;
    const end = Math.min(offset + into.length, this.size);
    for (let at = offset; at < end; ) {
      const block = this.#blocks.get(Math.floor(at / blockBytes));
      if (block?.bytes === undefined) return false;
      this.#source.use(block);
      const start = at % blockBytes;
      const part = block.bytes.subarray(start, start + end - at);
      into.set(part, at - offset);
      at += part.length;
    }
    return true;
  }

  /**
   * Fills `into` from an offset on, as far as the file goes.
   *
   * @throws HartvisorError `unreadable-file`; reading it later may succeed
   */
  async read(offset: number, into: Uint8Array): Promise<void> {
    const { blockBytes } = this.#source;
    const end = Math.min(offset + into.length, this.size);
    if (offset >= end) return;
    const first = Math.floor(offset / blockBytes);
    const last = Math.floor((end - 1) / blockBytes);
    const wanted = Array.from({ length: last - first + 1 }, (_, n) => this.#block(first + n));
    for (const [n, bytes] of (await Promise.all(wanted)).entries()) {
      const start = (first + n) * blockBytes;
      const from = Math.max(offset, start);
      into.set(bytes.subarray(from - start, end - start), from - offset);
    }
  }

  #block(index: number): Promise<Uint8Array> {
    const block = this.#blocks.get(index) ?? this.#fetch(index);
    this.#source.use(block);
    return block.arrival;
  }

  #fetch(index: number): Block {
    const { blockBytes } = this.#source;
    const first = index * blockBytes;
    const last = Math.min(first + blockBytes, this.size) - 1;
    const arrival = this.#fetchRange(first, last);
    const block: Block = { owner: this.#blocks, index, length: last - first + 1, arrival, bytes: undefined };
    this.#blocks.set(index, block);
    arrival.then(
      (bytes) => {
        block.bytes = bytes;
      },
      // Whoever reads it next asks again.
      () => this.#source.drop(block),
    );
    return block;
  }

  async #fetchRange(first: number, last: number): Promise<Uint8Array> {
    const { bytes, whole, version } = await this.#source.client.range(this.url, first, last, this.size);
    this.#version ??= version;
    // What changes under its guest is broken in ways that the guest cannot see.
    if (version !== this.#version) throw failure(this.url, "it has changed since it was opened");
    if (whole !== undefined && whole !== this.size) {
      throw failure(this.url, `it has ${whole} bytes instead of ${this.size}`);
    }
    if (bytes.length !== last - first + 1) {
      throw failure(this.url, `it sent ${bytes.length} bytes of ${last - first + 1}`);
    }
    return bytes;
  }
}
