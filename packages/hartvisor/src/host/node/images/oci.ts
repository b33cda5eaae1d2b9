/**
 * The documents of an OCI image, as far as they matter here (OCI image specification 1.1: image-layout.md, index.md,
 * manifest.md, config.md, descriptor.md): what is read is checked field by field, as it comes from anywhere.
 */
import { HartvisorError } from "@hartvisor/core";

export const MediaType = {
  Index: "application/vnd.oci.image.index.v1+json",
  Manifest: "application/vnd.oci.image.manifest.v1+json",
  Config: "application/vnd.oci.image.config.v1+json",
  Layer: "application/vnd.oci.image.layer.v1.tar",
} as const;

/** Docker's own names of the same documents (distribution, image manifest version 2, schema 2). */
const DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";

export const REFERENCE_NAME = "org.opencontainers.image.ref.name";
/** The whole name, where containerd and Docker write the tag alone as the reference. */
export const CONTAINERD_NAME = "io.containerd.image.name";

/** The only machines there are here. */
export const ARCHITECTURE = "riscv64";

/** Where a document or a layer is, and what it must be. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly architecture: string; readonly os: string };
  /** Where else it is to be had. */
  readonly urls?: readonly string[];
}

/** An image in Docker's own list of them. */
export interface DockerImage {
  /** Names of files. */
  readonly config: string;
  readonly layers: readonly string[];
  readonly tags: readonly string[];
}

/** A list of images. */
export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly manifests: readonly Descriptor[];
}

/** One image. */
export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What an image is for, and how to run what is in it. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly config?: {
    readonly Env?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly WorkingDir?: string;
  };
  readonly rootfs: { readonly type: "layers"; readonly diff_ids: readonly string[] };
}

type Fields = Readonly<Record<string, unknown>>;

/** Documents are read whole. */
export const MAX_DOCUMENT_BYTES = 4 * 2 ** 20;
const MAX_LAYERS = 1024;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Reads an index. Throws HartvisorError `invalid-image`. */
export function parseIndex(bytes: Uint8Array, name: string): ImageIndex {
  const fields = parse(bytes, name);
  return {
    schemaVersion: 2,
    manifests: list(fields.manifests, name, "manifests").map((each) => descriptor(each, name, "manifests")),
  };
}

/** Reads a manifest. Throws HartvisorError `invalid-image`. */
export function parseManifest(bytes: Uint8Array, name: string): ImageManifest {
  const fields = parse(bytes, name);
  const layers = list(fields.layers, name, "layers").map((each) => descriptor(each, name, "layers"));
  if (layers.length > MAX_LAYERS) refuse(name, `it has ${layers.length} layers, more than ${MAX_LAYERS}`);
  const annotations = strings(fields.annotations);
  return { schemaVersion: 2, config: descriptor(fields.config, name, "config"), layers, annotations };
}

/** Reads a configuration. Throws HartvisorError `invalid-image`. */
export function parseConfig(bytes: Uint8Array, name: string): ImageConfig {
  const { architecture, os, config, rootfs } = parse(bytes, name);
  const ids = list(object(rootfs, name, "rootfs").diff_ids, name, "rootfs.diff_ids");
  const wanted = typeof config === "object" && config !== null ? (config as Fields) : {};
  const words = (value: unknown) =>
    Array.isArray(value) && value.length > 0 ? value.filter((each) => typeof each === "string") : undefined;
  const [env, entrypoint, cmd] = [words(wanted.Env), words(wanted.Entrypoint), words(wanted.Cmd)];
  return {
    architecture: String(architecture),
    os: String(os),
    config: {
      ...(env && { Env: env }),
      ...(entrypoint && { Entrypoint: entrypoint }),
      ...(cmd && { Cmd: cmd }),
      ...(typeof wanted.WorkingDir === "string" && { WorkingDir: wanted.WorkingDir }),
    },
    rootfs: { type: "layers", diff_ids: ids.map((id) => digest(id, name, "rootfs.diff_ids")) },
  };
}

/** Reads the list of images of a Docker archive. Throws HartvisorError `invalid-image`. */
export function parseDockerManifest(bytes: Uint8Array, name: string): readonly DockerImage[] {
  return list(parseJson(bytes, name), name, "it").map((each) => {
    const { Config: config, Layers: layers, RepoTags: tags } = object(each, name, "an image");
    if (!isName(config)) return refuse(name, "an image has no Config");
    const names = list(layers, name, "Layers");
    if (names.length > MAX_LAYERS) refuse(name, `it has ${names.length} layers, more than ${MAX_LAYERS}`);
    if (!names.every(isName)) return refuse(name, "a layer has no name");
    return { config, layers: names, tags: Array.isArray(tags) ? tags.filter(isName) : [] };
  });
}

/** Whether a value is a name that can be shown in a line. */
function isName(value: unknown): value is string {
  return typeof value === "string" && /^[^\p{Cc}]+$/u.test(value);
}

/** Whether a manifest is of an image: others have configurations of their own kinds. */
export function isImageConfig({ mediaType }: Descriptor): boolean {
  return mediaType === MediaType.Config || mediaType === DOCKER_CONFIG;
}

export function isIndex({ mediaType }: Descriptor): boolean {
  return mediaType === MediaType.Index || mediaType === DOCKER_INDEX;
}

export function isManifest({ mediaType }: Descriptor): boolean {
  return mediaType === MediaType.Manifest || mediaType === DOCKER_MANIFEST;
}

function parse(bytes: Uint8Array, name: string): Fields {
  return object(parseJson(bytes, name), name, "it");
}

function parseJson(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new HartvisorError("invalid-image", `${name}: it is not JSON`, { cause });
  }
}

function descriptor(value: unknown, name: string, where: string): Descriptor {
  const { mediaType, digest: id, size, annotations, platform, urls } = object(value, name, where);
  if (typeof mediaType !== "string") return refuse(name, `a mediaType is missing in ${where}`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    return refuse(name, `${JSON.stringify(size)} is no size, in ${where}`);
  }
  const { architecture, os } = (typeof platform === "object" && platform !== null ? platform : {}) as Fields;
  return {
    ...{ mediaType, digest: digest(id, name, where), size, annotations: strings(annotations) },
    ...(typeof architecture === "string" && { platform: { architecture, os: typeof os === "string" ? os : "linux" } }),
    ...(Array.isArray(urls) && urls.length > 0 && { urls: urls.map(String) }),
  };
}

function digest(value: unknown, name: string, where: string): string {
  if (typeof value === "string" && DIGEST.test(value)) return value;
  return refuse(name, `${JSON.stringify(value)} in ${where} is no SHA-256 digest`);
}

function object(value: unknown, name: string, what: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  return refuse(name, `${what} is no JSON object`);
}

function list(value: unknown, name: string, what: string): readonly unknown[] {
  return Array.isArray(value) ? value : refuse(name, `${what} is no list`);
}

function strings(value: unknown): Readonly<Record<string, string>> {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

function refuse(name: string, problem: string): never {
  throw new HartvisorError("invalid-image", `${name}: ${problem}`);
}
