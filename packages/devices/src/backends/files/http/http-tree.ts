/**
 * A tree that a web server has: an index, which is fetched whole, and contents, which are fetched as they are read, in
 * blocks, of which some are kept. It is read-only, and a layer like others. Any server of static files will do that
 * knows range requests.
 */
import { HartvisorError } from "@hartvisor/core";
import { HttpFile, type HttpFileOptions, HttpSource } from "../../http/http-file.js";
import { FileError } from "../errno.js";
import type { Later } from "../later.js";
import { contentOf, type FileContent } from "../memory-file.js";
import type { FileTree } from "../tree.js";
import { TreeBuilder } from "../tree-builder.js";
import { type ContentPlace, parseTreeIndex } from "./tree-index.js";

/** What an index is called in its folder. */
export const INDEX_FILE = "tree.json";
/** Bytes of an index: half a million entries, or more. */
const MAX_INDEX_BYTES = 64 * 2 ** 20;
/** Entries after which the host gets its turn. */
const TURN_ENTRIES = 8192;
const EMPTY = contentOf(new Uint8Array());

/** How an {@link httpTree} is fetched. */
export interface HttpTreeOptions extends HttpFileOptions {
  /** Hears why a guest's read has failed, which gets EIO; what fails may succeed later. Default: nobody. */
  readonly onError?: (error: HartvisorError) => void;
}

/**
 * Opens a tree that was written for a web server (`hartvisor image export`).
 *
 * @param url - of its folder, or of its index, whose name ends with `.json`. In a page it may be relative
 * @throws HartvisorError `unreadable-file`: the server does not answer, has no such file, or knows no ranges;
 *   `invalid-image`: what it has is no index, or one that contradicts itself; `unsupported`: an index of a newer version
 * @example
 * const tree = await httpTree("https://example.org/debian/");
 * const root = unionTree({ lower: [tree], upper: new MemoryTree() });
 */
export async function httpTree(url: string | URL, options: HttpTreeOptions = {}): Promise<FileTree> {
  const source = new HttpSource(options);
  let isClosed = false;
  // Who closes a tree knows why reads fail that are on their way.
  const report = (error: HartvisorError) => {
    if (!isClosed) options.onError?.(error);
  };
  try {
    const index = await source.client.document(indexUrl(url), MAX_INDEX_BYTES);
    const { contents, entries } = parseTreeIndex(index.bytes, index.url);
    // What is relative in a document is relative to where it was found in the end (RFC 3986, 5.1.3).
    const files = contents.map(({ path, bytes }) => new HttpFile(source, new URL(path, index.url).href, bytes));
    const builder = new TreeBuilder(index.url);
    let count = 0;
    for (const [entry, place] of entries) {
      if (++count % TURN_ENTRIES === 0) await new Promise((resolve) => setTimeout(resolve));
      builder.add(entry, place === undefined ? EMPTY : new RemoteContent(files, place, report));
    }
    const tree = builder.finish();
    // A server that does not serve what it has is better known now than in the middle of a boot.
    const [first] = files.filter(({ size }) => size > 0);
    await first?.read(0, new Uint8Array(1));
    return {
      ...{ root: tree.root, isReadOnly: true, hasAttributes: true, isPrivate: true, opensFreely: true },
      room: () => tree.room(),
      close: async () => {
        isClosed = true;
        source.close();
      },
    };
  } catch (error) {
    source.close();
    throw error;
  }
}

/** The URL of an index. */
function indexUrl(url: string | URL): string {
  const { location } = globalThis as { location?: { readonly href: string } };
  let index: URL;
  try {
    index = new URL(url, location?.href);
  } catch (cause) {
    throw new HartvisorError("invalid-argument", `"${url}" is no URL`, { cause });
  }
  if (!/^https?:$/.test(index.protocol)) {
    throw new HartvisorError("invalid-argument", `"${url}" is no http(s) URL, below which a tree could be`);
  }
  if (index.pathname.endsWith(".json")) return index.href;
  index.pathname = index.pathname.replace(/\/?$/, `/${INDEX_FILE}`);
  return index.href;
}

/** A part of a file behind a URL. */
class RemoteContent implements FileContent {
  readonly size: number;
  readonly #file: HttpFile;
  readonly #offset: number;
  readonly #onError: (error: HartvisorError) => void;

  constructor(files: readonly HttpFile[], place: ContentPlace, onError: (error: HartvisorError) => void) {
    this.size = place.size;
    this.#file = files[place.content] as HttpFile; // the index was checked
    this.#offset = place.offset;
    this.#onError = onError;
  }

  readNow(offset: number, into: Uint8Array): number | undefined {
    const length = Math.max(0, Math.min(into.length, this.size - offset));
    return this.#file.readNow(this.#offset + offset, into.subarray(0, length)) ? length : undefined;
  }

  read(offset: number, into: Uint8Array): Later<number> {
    const now = this.readNow(offset, into);
    if (now !== undefined) return now;
    const length = Math.min(into.length, this.size - offset);
    return this.#file.read(this.#offset + offset, into.subarray(0, length)).then(
      () => length,
      (error: HartvisorError) => {
        this.#onError(error);
        throw FileError.of("EIO");
      },
    );
  }
}
