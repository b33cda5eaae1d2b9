/**
 * The images of this user: one OCI image layout (OCI image specification 1.1, image-layout.md) in the cache, whose
 * layers are not compressed, so that they can be read where they are, and are kept once however many images have
 * them. Several processes may use it at once.
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HartvisorError } from "@hartvisor/core";
import { archiveTree, type FileTree, MemoryTree, unionTree } from "@hartvisor/devices";
import { defaultCacheDirectory } from "../debian-image.js";
import { unless } from "../file-errors.js";
import { LayerWriter } from "./layer-writer.js";
import {
  ARCHITECTURE,
  type Descriptor,
  type ImageConfig,
  type ImageManifest,
  MediaType,
  parseConfig,
  parseIndex,
  parseManifest,
  REFERENCE_NAME,
} from "./oci.js";

/** A root file system as a stack of layers, the lowest first. */
export interface Image {
  readonly name: string;
  /** Of its manifest: it names the image and everything in it. */
  readonly digest: string;
  readonly layers: readonly ImageLayer[];
  /** How to run what is in it: `Env`, `Entrypoint`, `Cmd`, `WorkingDir`. */
  readonly config: NonNullable<ImageConfig["config"]>;
  readonly annotations: Readonly<Record<string, string>>;
  /** What is in it, read-only; its layers are shared by all in this process who have them. */
  openLayers(): Promise<FileTree>;
  /**
   * A tree of its own for a machine, which may write to it: the layers are shared by all machines of this process, and
   * what one writes goes to `upper`, by default a tree in memory.
   */
  root(upper?: FileTree): Promise<FileTree>;
}

/** A layer of an image. */
export interface ImageLayer {
  /** Path of a tar archive that is not compressed. */
  readonly path: string;
  readonly digest: string;
  readonly size: number;
}

/** What is to become an image. */
export interface NewImage {
  readonly name: string;
  readonly layers: readonly Descriptor[];
  readonly config?: ImageConfig["config"];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Names of images: as of files, with what image references have. */
const NAME = /^[a-z0-9][a-z0-9._+:@,/-]{0,199}$/i;
/** Whoever builds or prunes takes seconds for what is locked. */
const LOCK_PATIENCE_MS = 10_000;
/** Folders of builds; one so old was left by a process that was killed. */
const WORK = "incoming-";
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

/** Layers by path, as long as a machine of this process has them, or while they are read. */
const layerTrees = new Map<string, WeakRef<FileTree> | Promise<FileTree>>();

/** A layer as a tree that does not change; no layer is read twice while somebody has it. */
export async function layerTree({ path, digest }: Pick<ImageLayer, "path" | "digest">): Promise<FileTree> {
  const known = layerTrees.get(path);
  const found = known instanceof WeakRef ? known.deref() : await known;
  if (found !== undefined) return found;
  const reading = readFile(path).then((bytes) => archiveTree(bytes, { name: `layer ${digest}` }));
  layerTrees.set(path, reading);
  try {
    const tree = await reading;
    layerTrees.set(path, new WeakRef(tree));
    return tree;
  } catch (error) {
    layerTrees.delete(path);
    throw error;
  }
}

/** A store in a folder. */
export class ImageStore {
  readonly directory: string;
  readonly #blobs: string;

  /** @param directory - default: `images` in the cache directory */
  constructor(directory = join(defaultCacheDirectory(), "images")) {
    this.directory = directory;
    this.#blobs = join(directory, "blobs/sha256");
  }

  /** Refuses what cannot be the name of an image. */
  static checkName(name: string): void {
    if (NAME.test(name)) return;
    throw new HartvisorError("invalid-argument", `"${name}" is no name for an image; write for example "python"`);
  }

  /** All images, by name. */
  async list(): Promise<Image[]> {
    const images = (await this.#index()).map(async (descriptor) => {
      return this.#read(descriptor).catch(() => undefined); // damaged ones are not there
    });
    return (await Promise.all(images)).filter((image) => image !== undefined);
  }

  /** An image, or undefined where there is none, or not all of it. */
  async find(name: string): Promise<Image | undefined> {
    const descriptor = (await this.#index()).find(({ annotations }) => annotations?.[REFERENCE_NAME] === name);
    return descriptor === undefined ? undefined : this.#read(descriptor).catch(() => undefined);
  }

  /** Writes a layer, unless it is there already. */
  async addLayer(write: (layer: LayerWriter) => Promise<void>): Promise<Descriptor> {
    return this.inWorkFolder(async (folder) => {
      const file = join(folder, "layer.tar");
      const layer = await LayerWriter.create(file);
      try {
        await write(layer);
        const { digest, size } = await layer.finish();
        await this.adopt(file, digest);
        return { mediaType: MediaType.Layer, digest, size };
      } catch (error) {
        await layer.discard();
        throw error;
      }
    });
  }

  /** Moves a file, of whose digest the caller is sure, to its place. */
  async adopt(file: string, digest: string): Promise<void> {
    await mkdir(this.#blobs, { recursive: true });
    await rename(file, this.pathOf(digest));
    // What was there already may be old enough to be pruned.
    const now = new Date();
    await utimes(this.pathOf(digest), now, now);
  }

  /** Makes an image of layers that were added, in the place of one with its name. */
  async add({ name, layers, config = {}, annotations = {} }: NewImage): Promise<Image> {
    ImageStore.checkName(name);
    const configuration: ImageConfig = {
      ...{ architecture: ARCHITECTURE, os: "linux", config },
      rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
    };
    const manifest: ImageManifest = {
      ...{ schemaVersion: 2, mediaType: MediaType.Manifest },
      config: await this.#addDocument(MediaType.Config, configuration),
      ...{ layers, annotations },
    };
    const descriptor = {
      ...(await this.#addDocument(MediaType.Manifest, manifest)),
      ...{ annotations: { [REFERENCE_NAME]: name }, platform: { architecture: ARCHITECTURE, os: "linux" } },
    };
    await this.#changeIndex((images) => [
      ...images.filter((image) => image.annotations?.[REFERENCE_NAME] !== name),
      descriptor,
    ]);
    return this.#read(descriptor);
  }

  /** Forgets an image. Says whether there was one; its layers stay until {@link prune}. */
  async remove(name: string): Promise<boolean> {
    let isThere = false;
    await this.#changeIndex((images) =>
      images.filter(({ annotations }) => {
        if (annotations?.[REFERENCE_NAME] !== name) return true;
        isThere = true;
        return false;
      }),
    );
    return isThere;
  }

  /** Deletes what no image has, but for what may be part of one that is being built. Returns the bytes freed. */
  async prune(): Promise<number> {
    let freed = 0;
    await this.#changeIndex(async (images) => {
      const newest = await this.#oldestBuild();
      const needed = new Set<string>();
      for (const descriptor of images) {
        needed.add(descriptor.digest);
        const manifest = await this.#manifest(descriptor).catch(() => undefined);
        for (const { digest } of manifest ? [manifest.config, ...manifest.layers] : []) needed.add(digest);
      }
      for (const file of await readdir(this.#blobs).catch(() => [])) {
        const path = join(this.#blobs, file);
        const { size, mtimeMs } = await stat(path);
        if (needed.has(`sha256:${file}`) || mtimeMs >= newest) continue;
        await rm(path);
        freed += size;
      }
      return images;
    });
    return freed;
  }

  /** Gives a folder for files on their way to the store, which is gone afterwards. */
  async inWorkFolder<T>(act: (folder: string) => Promise<T>): Promise<T> {
    await mkdir(this.directory, { recursive: true });
    const folder = await mkdtemp(join(this.directory, WORK));
    try {
      return await act(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** When the oldest build that is going on began; what builds have left behind that were killed is removed. */
  async #oldestBuild(): Promise<number> {
    let oldest = Number.POSITIVE_INFINITY;
    for (const name of (await readdir(this.directory)).filter((each) => each.startsWith(WORK))) {
      const path = join(this.directory, name);
      const { birthtimeMs } = await stat(path).catch(() => ({ birthtimeMs: oldest }));
      if (Date.now() - birthtimeMs > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
      else oldest = Math.min(oldest, birthtimeMs);
    }
    return oldest;
  }

  /** Where the blob with a digest is, or would be. */
  pathOf(digest: string): string {
    return join(this.#blobs, digest.replace(/^sha256:/, ""));
  }

  async #addDocument(mediaType: string, document: unknown): Promise<Descriptor> {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    await this.inWorkFolder(async (folder) => {
      await writeFile(join(folder, "document"), bytes);
      await this.adopt(join(folder, "document"), digest);
    });
    return { mediaType, digest, size: bytes.length };
  }

  async #index(): Promise<readonly Descriptor[]> {
    const path = join(this.directory, "index.json");
    const bytes = await readFile(path).catch(unless("ENOENT"));
    return bytes === undefined ? [] : parseIndex(bytes, path).manifests;
  }

  async #manifest({ digest }: Descriptor): Promise<ImageManifest> {
    return parseManifest(await readFile(this.pathOf(digest)), digest);
  }

  /** Throws for an image that is not all there. */
  async #read(descriptor: Descriptor): Promise<Image> {
    const { digest, annotations = {} } = descriptor;
    const manifest = await this.#manifest(descriptor);
    const { config = {} } = parseConfig(await readFile(this.pathOf(manifest.config.digest)), manifest.config.digest);
    const layers = await Promise.all(
      manifest.layers.map(async ({ digest, size }) => {
        const path = this.pathOf(digest);
        if ((await stat(path)).size !== size) throw new Error(`${path} is cut short`);
        return { path, digest, size };
      }),
    );
    const name = annotations[REFERENCE_NAME] ?? "";
    const lower = () => Promise.all(layers.map(layerTree));
    return {
      ...{ name, digest, layers, config, annotations: manifest.annotations ?? {} },
      openLayers: async () => unionTree({ lower: await lower() }),
      root: async (upper = new MemoryTree()) => unionTree({ lower: await lower(), upper }),
    };
  }

  /** Changes the index while nobody else does. */
  async #changeIndex(
    change: (images: readonly Descriptor[]) => readonly Descriptor[] | Promise<readonly Descriptor[]>,
  ): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    const lock = join(this.directory, "index.lock");
    for (const end = Date.now() + LOCK_PATIENCE_MS; ; ) {
      const file = await open(lock, "wx").catch(unless("EEXIST"));
      await file?.close();
      // A process that was killed has left it.
      if (file !== undefined || Date.now() > end) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    try {
      const manifests = await change(await this.#index());
      const index = { schemaVersion: 2, mediaType: MediaType.Index, manifests };
      await this.inWorkFolder(async (folder) => {
        await writeFile(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
        await rename(join(folder, "oci-layout"), join(this.directory, "oci-layout"));
        await writeFile(join(folder, "index.json"), JSON.stringify(index));
        await rename(join(folder, "index.json"), join(this.directory, "index.json"));
      });
    } finally {
      await rm(lock, { force: true });
    }
  }
}
