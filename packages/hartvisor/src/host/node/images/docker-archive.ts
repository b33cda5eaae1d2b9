/**
 * Finds the image for machines like these in what `docker save` wrote before Docker 25, and other tools still do (Docker Image
 * Specification v1.2, "Combined Image JSON + Filesystem Changeset Format"): `manifest.json` names a configuration and the tars of layers,
 * which may be links to each other. Digests of layers are those of the configuration alone.
 */
import { createHash } from "node:crypto";
import { HartvisorError } from "@hartvisor/core";
import type { LayoutFiles } from "./layout-files.js";
import { ARCHITECTURE, MAX_DOCUMENT_BYTES, parseConfig, parseDockerManifest } from "./oci.js";
import {
  type Compression,
  chooseImage,
  type FoundImage,
  machineOf,
  type PackedLayer,
  withShortNames,
} from "./oci-layout.js";

/** The document that tells such an archive. */
export const DOCKER_MANIFEST = "manifest.json";

/**
 * The image with that tag, or the only one.
 *
 * @throws HartvisorError `invalid-image`
 */
export async function dockerImage(
  path: string,
  files: LayoutFiles,
  reference: string | undefined,
): Promise<FoundImage> {
  const refuse = (problem: string): never => {
    throw new HartvisorError("invalid-image", `${path}: ${problem}`);
  };
  const document = async (name: string): Promise<Uint8Array> => {
    const file = await files.find(name);
    if (file === undefined) return refuse(`${name} is missing`);
    if (file.size > MAX_DOCUMENT_BYTES) refuse(`${name} is too large for a document`);
    return file.bytes();
  };
  const all = parseDockerManifest(await document(DOCKER_MANIFEST), `${path}: ${DOCKER_MANIFEST}`);
  const named = reference === undefined ? all : all.filter(({ tags }) => withShortNames(tags).includes(reference));
  if (named.length === 0 && reference !== undefined) refuse(`it has no image "${reference}"`);
  const found = [];
  const others = new Set<string>();
  for (const image of named) {
    const bytes = await document(image.config);
    // Its name is its digest.
    const [, digest] = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(image.config) ?? [];
    if (digest !== undefined && createHash("sha256").update(bytes).digest("hex") !== digest) {
      refuse(`${image.config} is not what its digest says`);
    }
    const config = parseConfig(bytes, `${path}: ${image.config}`);
    if (config.architecture !== ARCHITECTURE || config.os !== "linux") {
      others.add(machineOf(config));
      continue;
    }
    const layers: PackedLayer[] = [];
    for (const name of image.layers) {
      const file = await files.find(name);
      if (file === undefined) return refuse(`${name} is missing`);
      layers.push({ name, file, compression: compressionOf(await firstBytes(file.stream())) });
    }
    // Those without a tag are told apart by their configurations.
    found.push({ config, layers, names: image.tags.length === 0 ? [image.config] : image.tags });
  }
  return chooseImage(found, others, refuse);
}

async function firstBytes(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  for await (const bytes of stream) return bytes;
  return new Uint8Array();
}

/** How a layer is compressed, by how it begins (RFC 1952, 2.3.1; RFC 8878, 3.1.1): its name does not say. */
function compressionOf([a, b, c, d]: Uint8Array): Compression {
  if (a === 0x1f && b === 0x8b) return "gzip";
  return a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd ? "zstd" : "none";
}
