/**
 * Writes a layer of an image: a tar archive in a file, and the digest by which it is known. The same entries always
 * give the same bytes.
 */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { HartvisorError } from "@hartvisor/core";
import { pack } from "tar-stream";
import type { TarEntry } from "./tar-reader.js";

/** An entry to be written; what is left out is root's, from 1970, and without contents. */
export type NewTarEntry = Pick<TarEntry, "path" | "type" | "mode"> &
  Partial<Omit<TarEntry, "content" | "size">> & { readonly content?: Uint8Array | string };

/** A layer as it lies in a file. */
export interface WrittenLayer {
  /** `sha256:` and 64 digits. */
  readonly digest: string;
  readonly size: number;
}

const EPOCH = new Date(0);
const EMPTY = Buffer.alloc(0);
const REGULAR = 0o100000;

/** Writes one layer. Call {@link finish} in the end, or {@link discard}. */
export class LayerWriter {
  readonly #pack = pack();
  readonly #hash = createHash("sha256");
  readonly #paths = new Map<string, TarEntry["type"]>();
  readonly #written: Promise<void>;
  #size = 0;

  /** @param path - of the file, which must not be there */
  constructor(path: string) {
    const measure = new Transform({
      transform: (bytes: Buffer, _encoding, done) => {
        this.#hash.update(bytes);
        this.#size += bytes.length;
        done(null, bytes);
      },
    });
    this.#written = pipeline(this.#pack as unknown as Readable, measure, createWriteStream(path, { flags: "wx" }));
    this.#written.catch(() => {}); // reported by `finish`
  }

  /** What stands at a path, if it was written. */
  typeOf(path: string): TarEntry["type"] | undefined {
    return this.#paths.get(path);
  }

  /** Writes an entry behind its directory, which is made where it is missing. */
  async add(entry: NewTarEntry): Promise<void> {
    const { path, type } = entry;
    if (this.#paths.has(path)) throw new HartvisorError("invalid-image", `layer: "${path}" is there twice`);
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (parent !== "" && !this.#paths.has(parent)) await this.add({ path: parent, type: "directory", mode: 0o755 });
    this.#paths.set(path, type);
    await this.#write(entry);
  }

  /** @returns what was written */
  async finish(): Promise<WrittenLayer> {
    this.#pack.finalize();
    await this.#written;
    return { digest: `sha256:${this.#hash.digest("hex")}`, size: this.#size };
  }

  /** Gives up; the file stays as it is. */
  async discard(): Promise<void> {
    this.#pack.destroy();
    await this.#written.catch(() => {});
  }

  #write(entry: NewTarEntry): Promise<void> {
    const { path, type, mode, uid = 0, gid = 0, modified = EPOCH, target, major = 0, minor = 0 } = entry;
    const header = {
      // The writer takes a mode of 0 for none, and cuts off what is no permission.
      ...{ name: type === "directory" ? `${path}/` : path, type, mode: mode | REGULAR, uid, gid, mtime: modified },
      ...{ devmajor: major, devminor: minor },
      ...(target !== undefined && target !== "" && { linkname: target }),
    };
    const { content = EMPTY } = entry;
    const bytes =
      typeof content === "string"
        ? Buffer.from(content)
        : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
    return new Promise((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (type === "file") this.#pack.entry(header, bytes, done);
      else this.#pack.entry(header, done).end(EMPTY);
      this.#written.catch(reject);
    });
  }
}
