/**
 * Takes an image out of an OCI image layout (OCI image specification 1.1, image-layout.md): a directory, or a tar of
 * one, as `skopeo copy ... oci:DIR` and `docker save` write them. Every byte is compared with its digest, every layer
 * is read through once, and only then is anything in the store. Whiteouts stay in the layers as they are.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { lstat, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as zlib from "node:zlib";
import { HartvisorError } from "@hartvisor/core";
import { archiveTree, FileType, TYPE_BITS, tarEntries } from "@hartvisor/devices";
import {
  ARCHITECTURE,
  type Descriptor,
  type ImageConfig,
  isIndex,
  isManifest,
  MAX_DOCUMENT_BYTES,
  MediaType,
  parseConfig,
  parseIndex,
  parseManifest,
  REFERENCE_NAME,
} from "./oci.js";
import { type Image, ImageStore } from "./store.js";

/** Which image to take, and what to call it. */
export interface OciImageOptions {
  /** By which it is found in the store. */
  readonly name: string;
  /** Its `org.opencontainers.image.ref.name`, where the layout has several images. */
  readonly reference?: string;
  /** Bytes that its layers may unpack to, together. Default: 16 GiB; a layer has at most 2 GiB. */
  readonly maxBytes?: number;
  /** Default: the user's, in the cache directory. */
  readonly store?: ImageStore;
  readonly signal?: AbortSignal;
}

const DEFAULT_MAX_BYTES = 16 * 2 ** 30;
/** Layers are in memory where machines have them, and Node reads no larger file at once. */
const MAX_LAYER_BYTES = 2 ** 31 - 1;
/** Indices may point to indices. */
const MAX_DEPTH = 4;
const LAYOUT_FILE = /^(?:oci-layout|index\.json|blobs\/sha256\/[0-9a-f]{64})$/;

/**
 * Takes an image into the store.
 *
 * @param path - of the layout
 * @throws HartvisorError `invalid-image` for what is damaged, contradicts itself or is not for riscv64; `unreadable-file`
 * @example
 * const image = await ociImage("alpine", { name: "alpine" }); // skopeo copy --override-arch riscv64 docker://alpine oci:alpine
 */
export async function ociImage(path: string, options: OciImageOptions): Promise<Image> {
  const { store = new ImageStore(), maxBytes = DEFAULT_MAX_BYTES, name, signal } = options;
  ImageStore.checkName(name);
  const kind = await stat(path).catch((cause) => {
    throw new HartvisorError("unreadable-file", `${path}: there is no such file or directory`, { cause });
  });
  return store.inWorkFolder(async (work) => {
    let directory = path;
    if (!kind.isDirectory() && !kind.isFile()) {
      throw new HartvisorError("unreadable-file", `${path}: neither a directory nor a regular file`);
    }
    if (kind.isFile()) {
      directory = join(work, "layout");
      await unpackLayout(path, directory);
    }
    const layout = new Layout(path, directory, signal);
    const { manifest, config } = await layout.image(options.reference);
    const ids = config.rootfs.diff_ids;
    if (ids.length !== manifest.layers.length) {
      layout.refuse(`it has ${manifest.layers.length} layers, and ${ids.length} in its configuration`);
    }
    const layers: Descriptor[] = [];
    let left = maxBytes;
    for (const [index, descriptor] of manifest.layers.entries()) {
      const digest = ids[index] as string;
      const file = join(work, `layer-${index}.tar`);
      const size = await layout.unpackLayer(descriptor, digest, file, Math.min(left, MAX_LAYER_BYTES));
      left -= size;
      layers.push({ mediaType: MediaType.Layer, digest, size });
    }
    for (const [index, { digest }] of layers.entries()) await store.adopt(join(work, `layer-${index}.tar`), digest);
    return store.add({ name, layers, config: config.config });
  });
}

/** One layout in a directory. */
class Layout {
  readonly #name: string;
  readonly #directory: string;
  readonly #signal: AbortSignal | undefined;
  /** Indices and manifests that were met: the same once more, however often it is named, is nothing new. */
  readonly #met = new Set<string>();

  constructor(name: string, directory: string, signal: AbortSignal | undefined) {
    this.#name = name;
    this.#directory = directory;
    this.#signal = signal;
  }

  refuse(problem: string, cause?: unknown): never {
    throw new HartvisorError("invalid-image", `${this.#name}: ${problem}`, { cause });
  }

  /** The image for machines like these, its documents verified. */
  async image(reference: string | undefined) {
    await this.#file("oci-layout", "it is no OCI image layout (skopeo copy SOURCE oci:DIRECTORY makes one)");
    const path = await this.#file("index.json", "it has no index.json");
    if ((await stat(path)).size > MAX_DOCUMENT_BYTES) this.refuse("its index.json is too large");
    const all = parseIndex(await readFile(path), `${this.#name}: index.json`).manifests;
    const named = all.filter(({ annotations }) => annotations?.[REFERENCE_NAME] === reference);
    if (reference !== undefined && named.length === 0) this.refuse(`it has no image "${reference}"`);
    const candidates = await this.#manifests(reference === undefined ? all : named, 0);
    const found = [];
    const others = new Set<string>();
    for (const descriptor of candidates) {
      const manifest = parseManifest(await this.#document(descriptor), this.#called(descriptor));
      const config = parseConfig(await this.#document(manifest.config), this.#called(manifest.config));
      if (config.architecture === ARCHITECTURE && config.os === "linux") found.push({ descriptor, manifest, config });
      else others.add(config.os === "linux" ? config.architecture : `${config.os} on ${config.architecture}`);
    }
    const [image] = found;
    if (image === undefined) {
      const what = others.size === 0 ? "it has no image" : `it is for ${[...others].sort().join(", ")}`;
      return this.refuse(
        `${what}, and machines here are ${ARCHITECTURE} (skopeo copy --override-arch ${ARCHITECTURE})`,
      );
    }
    if (found.length > 1) {
      const names = all.map(({ annotations }) => annotations?.[REFERENCE_NAME]).filter((each) => each !== undefined);
      this.refuse(`it has ${found.length} images; say which: ${names.join(", ")}`);
    }
    return image as { manifest: typeof image.manifest; config: ImageConfig };
  }

  /**
   * Verifies and unpacks a layer to a file.
   *
   * @returns the bytes of the file
   */
  async unpackLayer(descriptor: Descriptor, diffId: string, file: string, maxBytes: number): Promise<number> {
    const { mediaType, digest, size } = descriptor;
    const name = this.#called(descriptor);
    const path = await this.#blob(descriptor);
    const [packed, unpacked] = [
      new Measure(size, () => this.refuse(`${digest} is longer than ${size} bytes`)),
      new Measure(maxBytes, () => this.refuse(`${digest} unpacks to more than ${maxBytes} bytes`)),
    ];
    const unpack = this.#decompressor(mediaType);
    try {
      const stages = [
        createReadStream(path),
        packed,
        ...(unpack === undefined ? [] : [unpack]),
        unpacked,
        createWriteStream(file, { flags: "wx" }),
      ];
      await pipeline(stages as unknown as [Readable, Transform], { ...(this.#signal && { signal: this.#signal }) });
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (error instanceof HartvisorError) throw error;
      const { code = "", message } = error as NodeJS.ErrnoException;
      this.refuse(
        `${digest} ${/^Z_|^ERR_ZSTD|ZSTD_/.test(code) ? "is damaged, or not compressed as it says" : message}`,
        error,
      );
    }
    if (packed.bytes !== size || packed.digest() !== digest) this.refuse(`${digest} is not what its digest says`);
    if (unpacked.digest() !== diffId) this.refuse(`${digest} does not unpack to ${diffId}`);
    // Read through once, so that what cannot be used is refused here and not at a machine's start.
    await archiveTree(await readFile(file), { name });
    return unpacked.bytes;
  }

  #decompressor(mediaType: string): Transform | undefined {
    if (/^application\/vnd\.(oci\.image\.layer\.v1|docker\.image\.rootfs\.diff)\.tar$/.test(mediaType))
      return undefined;
    if (/^application\/vnd\.(oci\.image\.layer\.v1|docker\.image\.rootfs\.diff)\.tar[.+]gzip$/.test(mediaType)) {
      return zlib.createGunzip();
    }
    if (mediaType === `${MediaType.Layer}+zstd`) {
      // Node has it from 22.15 on.
      const { createZstdDecompress } = zlib as unknown as { readonly createZstdDecompress?: () => Transform };
      return (
        createZstdDecompress?.() ?? this.refuse("its layers are compressed by zstd, which needs Node 22.15 or newer")
      );
    }
    return this.refuse(`it has a layer of the unknown kind ${JSON.stringify(mediaType)}`);
  }

  /** Follows indices to manifests, those for other machines left out where the index says so. */
  async #manifests(descriptors: readonly Descriptor[], depth: number): Promise<Descriptor[]> {
    if (depth > MAX_DEPTH) this.refuse("its indices point to each other too deeply");
    const found: Descriptor[] = [];
    for (const descriptor of descriptors) {
      // What builders attach to an image calls itself a manifest for an unknown platform.
      if (descriptor.platform?.architecture === "unknown" || this.#met.has(descriptor.digest)) continue;
      this.#met.add(descriptor.digest);
      if (isManifest(descriptor)) found.push(descriptor);
      else if (isIndex(descriptor)) {
        const { manifests } = parseIndex(await this.#document(descriptor), this.#called(descriptor));
        const suitable = manifests.filter(
          ({ platform }) => platform === undefined || platform.architecture === ARCHITECTURE,
        );
        if (suitable.length === 0 && manifests.length > 0) {
          const others = new Set(
            manifests.map(({ platform }) => platform?.architecture ?? "").filter((each) => each !== "unknown"),
          );
          this.refuse(
            `it is for ${[...others].sort().join(", ")}, and machines here are ${ARCHITECTURE} (skopeo copy --override-arch ${ARCHITECTURE})`,
          );
        }
        found.push(...(await this.#manifests(suitable, depth + 1)));
      }
    }
    return found;
  }

  #called({ digest }: Descriptor): string {
    return `${this.#name}: ${digest.slice(0, "sha256:".length + 12)}`;
  }

  async #document(descriptor: Descriptor): Promise<Buffer> {
    const { digest, size } = descriptor;
    if (size > MAX_DOCUMENT_BYTES) this.refuse(`${digest} is too large for a document`);
    const bytes = await readFile(await this.#blob(descriptor));
    const actual = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (actual !== digest) this.refuse(`${digest} is not what its digest says`);
    return bytes;
  }

  /** The path of a blob, which has the size that it should. */
  async #blob({ digest, size }: Descriptor): Promise<string> {
    const path = await this.#file(`blobs/sha256/${digest.slice("sha256:".length)}`, `${digest} is missing`);
    const actual = (await stat(path)).size;
    if (actual !== size) this.refuse(`${digest} has ${actual} bytes, not ${size}`);
    return path;
  }

  /** The path of a regular file in the layout. */
  async #file(name: string, otherwise: string): Promise<string> {
    const path = join(this.#directory, name);
    const isFile = await lstat(path).then(
      (found) => found.isFile(),
      () => false,
    );
    return isFile ? path : this.refuse(otherwise);
  }
}

/** Passes bytes on, and knows their digest and how many they are. */
class Measure extends Transform {
  readonly #hash = createHash("sha256");
  bytes = 0;

  /** @param tooMany - throws */
  constructor(max: number, tooMany: () => never) {
    super({
      transform: (chunk: Buffer, _encoding, done) => {
        this.bytes += chunk.length;
        this.#hash.update(chunk);
        try {
          if (this.bytes > max) tooMany();
          done(null, chunk);
        } catch (error) {
          done(error as Error);
        }
      },
    });
  }

  digest(): string {
    return `sha256:${this.#hash.digest("hex")}`;
  }
}

/** Unpacks what belongs to a layout, and nothing else, out of a tar archive. */
async function unpackLayout(path: string, directory: string): Promise<void> {
  await mkdir(join(directory, "blobs/sha256"), { recursive: true });
  if ((await stat(path)).size > MAX_LAYER_BYTES) {
    throw new HartvisorError("invalid-image", `${path}: it is larger than 2 GiB; unpack it, and name the directory`);
  }
  for (const entry of tarEntries(await readFile(path), path)) {
    const name = entry.path.replace(/^\.\//, "");
    if ((entry.mode & TYPE_BITS) !== FileType.Regular || !LAYOUT_FILE.test(name)) continue;
    try {
      await writeFile(join(directory, name), entry.content, { flag: "wx" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw new HartvisorError("invalid-image", `${path}: ${name} is there twice`, { cause: error });
    }
  }
}
