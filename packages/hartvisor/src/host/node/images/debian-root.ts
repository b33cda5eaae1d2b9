/**
 * Root file systems made of Debian's packages. apt resolves what they need and verifies every byte; the packages are
 * unpacked on the host without root, and configured by a guest. The result is an image in the store, which the next
 * call finds there.
 */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { HartvisorError } from "@hartvisor/core";
import { MemoryTree, unionTree } from "@hartvisor/devices";
import { Apt, debianMirror } from "../apt.js";
import { type DemoImageOptions, type DemoImageProgress, debianDemoImage, downloadFailure } from "../debian-image.js";
import { configureGuest, isKept } from "./configure-guest.js";
import { writeDebianLayer } from "./debian-layer.js";
import { writeDifference } from "./layer-difference.js";
import { MediaType } from "./oci.js";
import { type Image, ImageStore, layerTree } from "./store.js";

/** What is being done at the moment, for whoever shows it to a user. */
export type ImageProgress =
  | DemoImageProgress
  | { readonly step: "configure"; readonly detail: string; readonly fraction?: number };

/** What the image is to hold. */
export interface DebianImageOptions extends Omit<DemoImageOptions, "progress"> {
  /** Names of Debian's packages. What they depend on comes with them, and Debian's essential packages and apt. */
  readonly packages: readonly string[];
  /** By which it is found in the store. Default: made of the packages' names. */
  readonly name?: string;
  /** Manual pages, translations and the like. Default: false; licences are always there. */
  readonly documentation?: boolean;
  /** Default: the user's, in the cache directory. */
  readonly store?: ImageStore;
  readonly progress?: (event: ImageProgress) => void;
}

const SUITE = "trixie";
const ARCHITECTURE = "riscv64";
/** Counts up when the same packages give another image than before. */
const FORMAT = 3;
const REQUEST = "dev.hartvisor.debian.request";
/** Names and versions of the packages in it, as JSON. */
export const PACKAGES = "dev.hartvisor.debian.packages";

/**
 * Obtains a root file system of Debian's packages: from the store, or built by apt and a guest.
 *
 * @throws HartvisorError `download-failed` for packages that cannot be had, `invalid-image` for such as cannot be configured
 * @throws the signal's reason when aborted
 * @example
 * const { kernel, initrd } = await debianDemoImage();
 * const image = await debianImage({ packages: ["python3"] });
 * const vm = await Machine.create({
 *   boot: linux({ kernel, initrd, cmdline: "console=ttyS0 quiet" }),
 *   devices: [virtioFs({ tree: await image.root(), tag: ROOT_TAG })],
 * });
 */
export async function debianImage(options: DebianImageOptions): Promise<Image> {
  const packages = [...new Set(options.packages)].sort();
  for (const name of packages) checkPackageName(name);
  const { documentation = false, store = new ImageStore(), signal } = options;
  const { name = defaultName(packages) } = options;
  ImageStore.checkName(name);
  signal?.throwIfAborted();
  const request = JSON.stringify({ format: FORMAT, suite: SUITE, packages, documentation });
  const isWanted = ({ annotations }: Image) => annotations[REQUEST] === request;
  if (options.refresh !== true) {
    const found = (await store.list()).find(isWanted);
    if (found?.name === name) return found;
    if (found !== undefined) return store.add({ ...found, name, layers: found.layers.map(layerDescriptor) });
  }
  if (options.offline === true) {
    throw new HartvisorError("download-failed", `offline, and no image of ${packages.join(", ")} is in the cache`);
  }
  try {
    return await build({ ...options, packages, name, documentation, store }, request);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof HartvisorError ? error : downloadFailure(error, store.directory);
  }
}

/** The packages' names, or a digest of them where they are long. */
function defaultName(packages: readonly string[]): string {
  const list = packages.join(",");
  return `debian:${list.length <= 100 ? list : createHash("sha256").update(list).digest("hex").slice(0, 16)}`;
}

function layerDescriptor({ digest, size }: Image["layers"][number]) {
  return { mediaType: MediaType.Layer, digest, size };
}

/** Debian policy, 5.6.1. Anything else would be an option, a pattern or a file to apt. */
function checkPackageName(name: string): void {
  if (/^[a-z0-9][a-z0-9+.-]+$/.test(name)) return;
  throw new HartvisorError("invalid-argument", `"${name}" is no name of a Debian package`);
}

type Build = Required<Pick<DebianImageOptions, "packages" | "name" | "documentation" | "store">> & DebianImageOptions;

async function build(options: Build, request: string): Promise<Image> {
  const { packages, name, documentation, store, mirror, progress, signal } = options;
  const image = await debianDemoImage(options);
  return store.inWorkFolder(async (work) => {
    const directory = join(work, "apt");
    await mkdir(directory);
    const apt = await Apt.create({
      ...{ directory, mirror: await debianMirror(mirror), suite: SUITE, architecture: ARCHITECTURE, signal },
    });
    const update = { step: "update", detail: `package index of Debian ${SUITE} for ${ARCHITECTURE}` } as const;
    progress?.({ ...update, fraction: 0 });
    await apt.update((fraction) => progress?.({ ...update, fraction }));
    const list = packages.join(", ");
    const download = { step: "download", detail: `${list} and what they need` } as const;
    progress?.({ ...download, fraction: 0 });
    const debs = await apt.downloadClosure(["?essential", ...packages], (fraction) =>
      progress?.({ ...download, fraction }),
    );

    const count = debs.length;
    const unpack = { step: "unpack", detail: `${count} packages` } as const;
    let versions: Record<string, string> = {};
    const unpacked = await store.addLayer(async (layer) => {
      const onPackage = (done: number) => progress?.({ ...unpack, fraction: done / count });
      versions = await writeDebianLayer(layer, { debs, documentation, progress: onPackage, signal });
    });

    const configure = { step: "configure", detail: `${count} packages, in a guest` } as const;
    progress?.({ ...configure, fraction: 0 });
    const before = await layerTree({ path: store.pathOf(unpacked.digest), digest: unpacked.digest });
    const tree = unionTree({ lower: [before], upper: new MemoryTree() });
    await configureGuest(tree, {
      ...{ image, signal },
      progress: (done) => progress?.({ ...configure, fraction: done / count }),
    });
    const configured = await store.addLayer((layer) => writeDifference(before, tree, layer, isKept));
    return store.add({
      ...{ name, layers: [unpacked, configured] },
      config: { Cmd: ["/bin/bash"] },
      annotations: { [REQUEST]: request, [PACKAGES]: JSON.stringify(versions) },
    });
  });
}
