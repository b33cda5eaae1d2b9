/**
 * A read-only disk at a URL, fetched by HTTP range requests (RFC 9110, 14)
 * block by block as the guest reads, with a cache of the blocks used last.
 */
import { type BlockBackend, HartvisorError } from "@hartvisor/core";

const SECTOR = 512;
const DEFAULT_BLOCK = 256 * 1024;
const DEFAULT_CACHE = 64 * 2 ** 20;

/** How an {@link httpDisk} fetches. */
export interface HttpDiskOptions {
  /** Bytes of one request, a multiple of 512. Default: 256 KiB. */
  readonly blockBytes?: number;
  /** Bytes of blocks that are kept. Default: 64 MiB. */
  readonly cacheBytes?: number;
  /** Default: the host's `fetch`. */
  readonly fetch?: (url: string, init: { headers: Record<string, string> }) => Promise<Response>;
}

/**
 * A disk behind a URL whose server knows range requests.
 *
 * @throws HartvisorError `unreadable-file`: the server does not answer, or not with ranges
 */
export async function httpDisk(url: string, options: HttpDiskOptions = {}): Promise<BlockBackend> {
  const { blockBytes = DEFAULT_BLOCK, cacheBytes = DEFAULT_CACHE, fetch: get = fetch } = options;
  if (blockBytes <= 0 || blockBytes % SECTOR !== 0) {
    throw new HartvisorError("invalid-argument", `blocks of ${blockBytes} bytes: give a multiple of ${SECTOR}`);
  }
  const fail = (problem: string, cause?: unknown) =>
    new HartvisorError("unreadable-file", `cannot read ${url}: ${problem}`, { cause });

  /** Fetches a range; its bytes, the length of the whole, and what identifies this version of it. */
  const range = async (first: number, last: number) => {
    let response: Response;
    let bytes: Uint8Array;
    try {
      response = await get(url, { headers: { Range: `bytes=${first}-${last}`, "Accept-Encoding": "identity" } });
      bytes = new Uint8Array(response.status === 206 ? await response.arrayBuffer() : []);
    } catch (cause) {
      // "fetch failed", and why in its cause.
      const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
      throw fail((reason instanceof Error && reason.message) || String(cause), cause);
    }
    if (response.status !== 206) {
      await response.body?.cancel().catch(() => {});
      throw fail(response.ok ? "its server does not know range requests" : `HTTP status ${response.status}`);
    }
    const [, from, whole] = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? [];
    if (Number(from) !== first || whole === undefined) throw fail("its server sent another range than was asked for");
    return {
      bytes,
      whole: Number(whole),
      version: response.headers.get("etag") ?? response.headers.get("last-modified"),
    };
  };

  const { whole: length, version } = await range(0, SECTOR - 1);
  const blocks = new Map<number, Promise<Uint8Array>>();

  const fetchBlock = async (index: number): Promise<Uint8Array> => {
    const first = index * blockBytes;
    const last = Math.min(first + blockBytes, length) - 1;
    const part = await range(first, last);
    // A disk that changes under its guest is broken in ways that the guest cannot see.
    if (part.version !== version || part.whole !== length) throw fail("it has changed since it was opened");
    if (part.bytes.length !== last - first + 1) throw fail(`it sent ${part.bytes.length} bytes of ${last - first + 1}`);
    return part.bytes;
  };

  /** A block, from the cache if it is there: a Map keeps the order in which blocks were used last. */
  const block = (index: number): Promise<Uint8Array> => {
    const found = blocks.get(index) ?? fetchBlock(index);
    blocks.delete(index);
    blocks.set(index, found);
    found.catch(() => blocks.delete(index));
    for (const oldest of blocks.keys()) {
      if (blocks.size * blockBytes <= Math.max(cacheBytes, blockBytes)) break;
      blocks.delete(oldest);
    }
    return found;
  };

  return {
    size: Math.ceil(length / SECTOR) * SECTOR,
    isReadOnly: true,
    read: async (offset, into) => {
      const first = Math.floor(offset / blockBytes);
      const last = Math.floor((offset + into.length - 1) / blockBytes);
      const wanted = Array.from({ length: last - first + 1 }, (_, n) => block(first + n));
      for (const [n, bytes] of (await Promise.all(wanted)).entries()) {
        const start = (first + n) * blockBytes;
        const from = Math.max(offset, start);
        const part = bytes.subarray(from - start, offset + into.length - start);
        into.set(part, from - offset);
        into.fill(0, from - offset + part.length);
      }
    },
    write: () => {
      throw new HartvisorError("unsupported", `${url} cannot be written`);
    },
    flush: () => {},
    close: async () => blocks.clear(),
  };
}
