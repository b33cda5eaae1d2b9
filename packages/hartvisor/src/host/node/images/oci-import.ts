/**
 * Takes an image out of what other tools write: an OCI image layout, or what older `docker save` has, each as a directory or a tar of
 * one. Every byte is compared with its digest, every layer is read through once, and only then is anything in the store.
 * Whiteouts stay in the layers as they are.
 */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as zlib from "node:zlib";
import { HartvisorError } from "@hartvisor/core";
import { archiveTree } from "@hartvisor/devices";
import { DOCKER_MANIFEST, dockerImage } from "./docker-archive.js";
import { layoutFiles } from "./layout-files.js";
import { type Descriptor, MediaType } from "./oci.js";
import { type Compression, type FoundImage, OciLayout, type PackedLayer } from "./oci-layout.js";
import { type Image, ImageStore } from "./store.js";

/** Which image to take, and what to call it. */
export interface OciImageOptions {
  /** By which it is found in the store. */
  readonly name: string;
  /** Its `org.opencontainers.image.ref.name` or its tag, where there are several images. */
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

/**
 * Takes an image into the store.
 *
 * @param path - of a directory or a tar
 * @throws HartvisorError `invalid-image` for what is damaged, contradicts itself or is not for riscv64; `unreadable-file`
 * @example
 * const image = await ociImage("alpine", { name: "alpine" }); // skopeo copy --override-arch riscv64 docker://alpine oci:alpine
 */
export async function ociImage(path: string, options: OciImageOptions): Promise<Image> {
  const { store = new ImageStore(), maxBytes = DEFAULT_MAX_BYTES, name, signal } = options;
  ImageStore.checkName(name);
  return store.inWorkFolder(async (work) => {
    const { config, layers: packed } = await findImage(path, options.reference);
    const ids = config.rootfs.diff_ids;
    if (ids.length !== packed.length) {
      const problem = `it has ${packed.length} layers, and ${ids.length} in its configuration`;
      throw new HartvisorError("invalid-image", `${path}: ${problem}`);
    }
    const layers: Descriptor[] = [];
    let left = maxBytes;
    for (const [index, layer] of packed.entries()) {
      const diffId = ids[index] as string;
      const to = join(work, `layer-${index}.tar`);
      const size = await unpackLayer(path, layer, { diffId, to, maxBytes: Math.min(left, MAX_LAYER_BYTES), signal });
      left -= size;
      layers.push({ mediaType: MediaType.Layer, digest: diffId, size });
    }
    for (const [index, { digest }] of layers.entries()) await store.adopt(join(work, `layer-${index}.tar`), digest);
    return store.add({ name, layers, config: config.config });
  });
}

/** Finds the image in what some tool wrote. */
async function findImage(path: string, reference: string | undefined): Promise<FoundImage> {
  const files = await layoutFiles(path);
  if ((await files.find("oci-layout")) !== undefined) return new OciLayout(path, files).image(reference);
  if ((await files.find(DOCKER_MANIFEST)) !== undefined) return dockerImage(path, files, reference);
  throw new HartvisorError(
    "invalid-image",
    `${path}: it is neither an OCI image layout (skopeo copy SOURCE oci:DIRECTORY makes one) nor what docker save writes`,
  );
}

/**
 * Verifies and unpacks a layer to a file.
 *
 * @param path - of the image, for messages
 * @returns the bytes of the file
 */
async function unpackLayer(
  path: string,
  { name, file, digest, compression }: PackedLayer,
  { diffId, to, maxBytes, signal }: UnpackOptions,
): Promise<number> {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new HartvisorError("invalid-image", `${path}: ${name} ${problem}`, { cause });
  };
  const [packed, unpacked] = [
    new Measure(file.size, () => refuse(`is longer than ${file.size} bytes`)),
    new Measure(maxBytes, () => refuse(`unpacks to more than ${maxBytes} bytes`)),
  ];
  const unpack = decompressor(compression, path);
  const stages = [
    file.stream(),
    packed,
    ...(unpack === undefined ? [] : [unpack]),
    unpacked,
    createWriteStream(to, { flags: "wx" }),
  ];
  try {
    await pipeline(stages as unknown as [Readable, Transform], { ...(signal && { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof HartvisorError) throw error;
    const { code = "", message } = error as NodeJS.ErrnoException;
    refuse(/^Z_|^ERR_ZSTD|ZSTD_/.test(code) ? "is damaged, or not compressed as it says" : message, error);
  }
  if (digest !== undefined && packed.digest() !== digest) refuse("is not what its digest says");
  if (unpacked.digest() !== diffId) refuse(`does not unpack to ${diffId}`);
  // Read through once, so that what cannot be used is refused here and not at a machine's start.
  await archiveTree(await readFile(to), { name: `${path}: ${name.slice(0, "sha256:".length + 12)}` });
  return unpacked.bytes;
}

interface UnpackOptions {
  /** The digest of what is unpacked. */
  readonly diffId: string;
  readonly to: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal | undefined;
}

function decompressor(compression: Compression, path: string): Transform | undefined {
  if (compression === "none") return undefined;
  if (compression === "gzip") return zlib.createGunzip();
  // Node has it from 22.15 on.
  const { createZstdDecompress } = zlib as unknown as { readonly createZstdDecompress?: () => Transform };
  if (createZstdDecompress !== undefined) return createZstdDecompress();
  throw new HartvisorError(
    "invalid-image",
    `${path}: its layers are compressed by zstd, which needs Node 22.15 or newer (or skopeo copy --dest-compress-format gzip)`,
  );
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
