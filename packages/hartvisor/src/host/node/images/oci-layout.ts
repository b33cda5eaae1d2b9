/**
 * Finds the image for machines like these in an OCI image layout (OCI image specification 1.1: image-layout.md, image-index.md,
 * manifest.md), every document compared with its digest.
 */
import { createHash } from "node:crypto";
import { HartvisorError } from "@hartvisor/core";
import type { LayoutFile, LayoutFiles } from "./layout-files.js";
import {
  ARCHITECTURE,
  CONTAINERD_NAME,
  type Descriptor,
  type ImageConfig,
  isImageConfig,
  isIndex,
  isManifest,
  MAX_DOCUMENT_BYTES,
  parseConfig,
  parseIndex,
  parseManifest,
  REFERENCE_NAME,
} from "./oci.js";

/** Indices may point to indices. */
const MAX_DEPTH = 4;

/** How a layer is compressed. */
export type Compression = "none" | "gzip" | "zstd";

/** A layer as it lies in an image. */
export interface PackedLayer {
  /** How messages call it. */
  readonly name: string;
  readonly file: LayoutFile;
  /** Of the file, where the image says one. */
  readonly digest?: string;
  readonly compression: Compression;
}

/** What an image is, wherever it was found. */
export interface FoundImage {
  readonly config: ImageConfig;
  /** The lowest first; as many as the configuration has `diff_ids`. */
  readonly layers: readonly PackedLayer[];
}

/** An image, and by what names it can be asked for. */
interface Candidate extends FoundImage {
  readonly names: readonly string[];
}

/** Media types of layers: OCI's, those that OCI had for layers that must not be given away, Docker's, and Docker's for the same. */
const LAYER =
  /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar(?:\+(?<oci>gzip|zstd))?|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(?:[.+](?<docker>gzip|zstd))?)$/;

/** One layout. */
export class OciLayout {
  readonly #name: string;
  readonly #files: LayoutFiles;
  /** Indices and manifests that were met: the same once more, however often it is named, is nothing new. */
  readonly #met = new Set<string>();
  /** What there were images for that is not this. */
  readonly #others = new Set<string>();

  constructor(name: string, files: LayoutFiles) {
    this.#name = name;
    this.#files = files;
  }

  /**
   * The image of that name, or the only one.
   *
   * @throws HartvisorError `invalid-image`
   */
  async image(reference: string | undefined): Promise<FoundImage> {
    const index = await this.#files.find("index.json");
    if (index === undefined) return this.#refuse("it has no index.json");
    if (index.size > MAX_DOCUMENT_BYTES) this.#refuse("its index.json is too large");
    const all = parseIndex(await index.bytes(), `${this.#name}: index.json`).manifests;
    const named = reference === undefined ? all : all.filter((each) => namesOf(each).includes(reference));
    if (named.length === 0 && reference !== undefined) this.#refuse(`it has no image "${reference}"`);
    const found: Candidate[] = [];
    for (const descriptor of named) {
      const image = await this.#choose(descriptor, 0);
      if (image !== undefined) found.push({ ...image, names: namesOf(descriptor) });
    }
    // Without names, an index is of one image for several machines, and the first that suits counts.
    return chooseImage(found, this.#others, (problem) => this.#refuse(problem));
  }

  /** The first image of a descriptor that is for machines like these (image-index.md: "the first matching entry SHOULD be used"). */
  async #choose(descriptor: Descriptor, depth: number): Promise<FoundImage | undefined> {
    if (depth > MAX_DEPTH) this.#refuse("its indices point to each other too deeply");
    const { platform, digest } = descriptor;
    // What builders attach to an image calls itself a manifest for an unknown platform.
    if (platform?.architecture === "unknown" || this.#met.has(digest)) return undefined;
    this.#met.add(digest);
    if (platform !== undefined && (platform.architecture !== ARCHITECTURE || platform.os !== "linux")) {
      this.#others.add(machineOf(platform));
      return undefined;
    }
    if (isIndex(descriptor)) {
      const { manifests } = parseIndex(await this.#document(descriptor), this.#called(descriptor));
      for (const each of manifests) {
        const found = await this.#choose(each, depth + 1);
        if (found !== undefined) return found;
      }
      return undefined;
    }
    return isManifest(descriptor) ? this.#image(descriptor) : undefined;
  }

  async #image(descriptor: Descriptor): Promise<FoundImage | undefined> {
    const manifest = parseManifest(await this.#document(descriptor), this.#called(descriptor));
    // Signatures, charts and the like are no images.
    if (!isImageConfig(manifest.config)) return undefined;
    const config = parseConfig(await this.#document(manifest.config), this.#called(manifest.config));
    if (config.architecture !== ARCHITECTURE || config.os !== "linux") {
      this.#others.add(machineOf(config));
      return undefined;
    }
    const layers: PackedLayer[] = [];
    for (const layer of manifest.layers) {
      const { mediaType, digest } = layer;
      const match = LAYER.exec(mediaType);
      if (match === null) return this.#refuse(`it has a layer of the unknown kind ${JSON.stringify(mediaType)}`);
      const compression = (match.groups?.oci ?? match.groups?.docker ?? "none") as Compression;
      layers.push({ name: digest, digest, compression, file: await this.#blob(layer) });
    }
    return { config, layers };
  }

  #refuse(problem: string): never {
    throw new HartvisorError("invalid-image", `${this.#name}: ${problem}`);
  }

  #called({ digest }: Descriptor): string {
    return `${this.#name}: ${digest.slice(0, "sha256:".length + 12)}`;
  }

  async #document(descriptor: Descriptor): Promise<Uint8Array> {
    const { digest, size } = descriptor;
    if (size > MAX_DOCUMENT_BYTES) this.#refuse(`${digest} is too large for a document`);
    const bytes = await (await this.#blob(descriptor)).bytes();
    const actual = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (actual !== digest) this.#refuse(`${digest} is not what its digest says`);
    return bytes;
  }

  /** A blob, which has the size that it should. */
  async #blob({ digest, size, urls }: Descriptor): Promise<LayoutFile> {
    const file = await this.#files.find(`blobs/sha256/${digest.slice("sha256:".length)}`);
    if (file === undefined) {
      const where = urls === undefined ? "" : `, and is to be had elsewhere: ${urls.join(" ")}`;
      return this.#refuse(`${digest} is missing${where}`);
    }
    if (file.size !== size) this.#refuse(`${digest} has ${file.size} bytes, not ${size}`);
    return file;
  }
}

/**
 * The only one of the images that suit, or the first where no names tell them apart.
 *
 * @param others - what other images are for
 * @param refuse - throws
 */
export function chooseImage(
  found: readonly Candidate[],
  others: ReadonlySet<string>,
  refuse: (problem: string) => never,
): FoundImage {
  const [image] = found;
  if (image === undefined) {
    const what = others.size === 0 ? "it has no image" : `it is for ${[...others].sort().join(", ")}`;
    return refuse(`${what}, and machines here are ${ARCHITECTURE} (skopeo copy --override-arch ${ARCHITECTURE})`);
  }
  const names = [...new Set(found.flatMap((each) => each.names.slice(0, 1)))];
  if (names.length > 1) refuse(`it has ${found.length} images; say which: ${names.join(", ")}`);
  return image;
}

/** What an image is for, in words. */
export function machineOf({ architecture, os }: { readonly architecture: string; readonly os: string }): string {
  return os === "linux" ? architecture : `${os} on ${architecture}`;
}

/** By what an image can be asked for. */
function namesOf({ annotations }: Descriptor): string[] {
  return withShortNames([annotations?.[REFERENCE_NAME], annotations?.[CONTAINERD_NAME]]);
}

/** Names, and what they are to Docker's users, who leave out its own registry. */
export function withShortNames(names: readonly (string | undefined)[]): string[] {
  const given = names.filter((each) => each !== undefined);
  return [...new Set([...given, ...given.map((each) => each.replace(/^docker\.io\/(?:library\/)?/, ""))])];
}
